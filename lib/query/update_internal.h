/*
 * The compiled form of an update: a list of steps, each an operator at one path. Steps are ordered
 * by path, names by their bytes and positions by their number, so that new members come in the
 * order that MongoDB's manual tells. No path is another one or its beginning.
 */
#ifndef RSI_QUERY_UPDATE_INTERNAL_H
#define RSI_QUERY_UPDATE_INTERNAL_H

#include "query/field_path.h"
#include "query/ordering.h"
#include "query/place.h"
#include "query/predicate_internal.h"
#include "query/update.h"

typedef enum rsi_step_kind {
    RSI_STEP_SET,
    RSI_STEP_SET_ON_INSERT,
    RSI_STEP_UNSET,
    RSI_STEP_INC,
    RSI_STEP_MUL,
    RSI_STEP_MIN,
    RSI_STEP_MAX,
    RSI_STEP_RENAME,
    RSI_STEP_CURRENT_DATE,
    RSI_STEP_PUSH,
    RSI_STEP_ADD_TO_SET,
    RSI_STEP_PULL,
    RSI_STEP_PULL_ALL,
    RSI_STEP_POP,
} rsi_step_kind;

typedef struct rsi_step {
    rsi_step_kind kind;
    const char *operator_name;
    rsi_field_path path;
    const rsi_json *operand; /* borrowed from the update's tree */
    rsi_field_path target;   /* RENAME */
    const rsi_json *each;    /* PUSH, ADD_TO_SET: the array of $each, or NULL for the operand */
    bool has_position, has_slice;
    int64_t position, slice; /* PUSH */
    rsi_ordering *ordering;  /* PUSH: $sort, or NULL */
    bool from_front;         /* POP */
    bool pull_document;      /* PULL: `node` is asked about elements that are objects */
    rsi_node node;           /* PULL */
    rsi_test *tests;         /* PULL with operators */
    size_t test_count;
} rsi_step;

struct rsi_update {
    rsi_json *tree;
    rsi_step *steps;
    size_t step_count;
};

void rsi_step_release(rsi_step *step);

/* ---- a document being changed ---- */

typedef struct rsi_edit {
    rsi_json *root; /* ours alone; below it what was made so */
    const rsi_update_context *context;
} rsi_edit;

/* The place of a path in a document: its container, made ours, and the last name in it. */
typedef struct rsi_spot {
    rsi_json *container; /* NULL: there is none, and none was made */
    rsi_slice name;      /* in an object */
    size_t position;     /* in an array */
    rsi_json *value;     /* what is there, or NULL; borrowed */
} rsi_spot;

/* With `make`, missing containers become objects, and a scalar on the way is an error. */
int rsi_edit_find(rsi_spot *spot, rsi_edit *edit, const rsi_field_path *path, bool make);
int rsi_edit_put(rsi_spot *spot, rsi_json *taken); /* a spot found with `make` */
/* The array at the spot, made ours; NULL when nothing is there. QUERY for another value. */
int rsi_edit_array(rsi_json **array, rsi_spot *spot);

int rsi_step_push(rsi_edit *edit, const rsi_step *step);
int rsi_step_add_to_set(rsi_edit *edit, const rsi_step *step);
int rsi_step_pull(rsi_edit *edit, const rsi_step *step);
int rsi_step_pop(rsi_edit *edit, const rsi_step *step);

#endif
