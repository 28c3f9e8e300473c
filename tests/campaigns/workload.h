/*
 * What a worker of the campaigns does to a store, one call after the other, and what the store must
 * hold of it after any number of them.
 *
 *   seed, worker, number ──► step ──┬─► workload_do()    the call, through <ragstore.h>
 *                                   └─► workload_note()  the same in a model
 *   store ──► workload_read() ──► a model, to compare
 *
 * Each worker has an entity, a session and a collection of its own, so that what it must find does
 * not depend on the others. Step n is a function of the seed, the worker, n and the model before
 * it: a reader that knows how many calls were acknowledged knows what must be there, byte for byte.
 */
#ifndef TESTS_CAMPAIGNS_WORKLOAD_H
#define TESTS_CAMPAIGNS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ragstore.h>

#define ITEMS_MAX 64

typedef enum step_kind {
    MAKE_ENTITY,
    DROP_ENTITY, /* takes the session and the documents with it */
    MAKE_SESSION,
    DROP_SESSION,
    APPEND_MESSAGE,
    ADD_DOCUMENT,
    DROP_DOCUMENT,
    INSERT_ROW,
    UPDATE_ROW,
    DELETE_ROW,
} step_kind;

typedef struct step {
    step_kind kind;
    uint64_t number;  /* of this step */
    uint64_t subject; /* the number of the step that made what is changed or dropped */
} step;

typedef struct items {
    uint64_t made[ITEMS_MAX];  /* numbers of the steps that made them, in order */
    uint64_t value[ITEMS_MAX]; /* number of the step that changed it last */
    size_t count;
} items;

typedef struct model {
    bool entity;
    bool session;
    items messages;
    items documents;
    items rows;
} model;

step workload_step(const model *before, uint64_t seed, unsigned worker, uint64_t number);
void workload_note(model *in, const step *what);
bool workload_equal(const model *a, const model *b);
void workload_describe(char *out, size_t size, const model *what);

typedef struct worker_handles {
    ragstore_store *store;
    unsigned worker;
    ragstore_entity *entity;
    ragstore_session *session;
    ragstore_collection *collection;
} worker_handles;

/* Returns the status of the call that failed. */
int workload_do(worker_handles *handles, const step *what);
/* Read what the store holds of a worker. False: a call failed, or something is not as it was put
 * there; *problem says what. */
bool workload_read(model *out, ragstore_store *store, unsigned worker, char problem[500]);
void workload_close(worker_handles *handles);

#endif
