/*
 * What turns texts into vectors: a model in a directory, run by the library, or a model behind an
 * OpenAI-compatible endpoint.
 */
#ifndef EMBEDDER_H
#define EMBEDDER_H

#ifdef SERVER_HAS_LLM
#include "llm_client.h"
#endif

#include <pthread.h>
#include <ragstore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { EMBEDDER_PROBLEM = 512 };

/* The endpoint, when there is one. */
struct embedder {
#ifdef SERVER_HAS_LLM
    struct llm_client client; /* url NULL: there is none */
#endif
    size_t dimension;
    atomic_bool given_up; /* calls that run end soon, new ones at once */

    pthread_mutex_t lock; /* guards the next two */
    char problem[EMBEDDER_PROBLEM]; /* why its last call failed, or "" */
    int64_t rests_until_ms; /* queries do not ask it before: it would hold them up */
};

struct server;

/* Open what the settings name. *model may be NULL: there is none. False, and a message on standard
 * error, when what the operator named cannot be used. */
bool embedder_load(struct server *server, ragstore_model **model);

/* End the calls that run; for a server that stops. */
void embedder_give_up(struct embedder *embedder);

/* Why the endpoint's last call failed; false when it did not. */
bool embedder_problem(struct server *server, char problem[EMBEDDER_PROBLEM]);

/* After the model was freed. */
void embedder_free(struct embedder *embedder);

#endif
