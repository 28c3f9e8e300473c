/*
 * Query predicates: does a document match?
 *
 * The language is that of ragstore_query(7). A predicate is compiled once and then asked about any
 * number of documents, also by many threads at once. A document is looked at where it lies: a
 * record's JSON text is not parsed for it.
 */
#ifndef RSI_QUERY_PREDICATE_H
#define RSI_QUERY_PREDICATE_H

#include "json/json_view.h"

typedef struct rsi_predicate rsi_predicate;

#define RSI_QUERY_DEPTH RSI_JSON_DEPTH_REQUEST

/* QUERY names the place in the query and what is wrong there; INVALID_DATA: the text is not JSON.
 * The tree is shared and must not be changed afterwards. */
int rsi_predicate_compile(rsi_predicate **out, const rsi_json *query);
int rsi_predicate_compile_text(rsi_predicate **out, const char *json, size_t size);
void rsi_predicate_free(rsi_predicate *predicate); /* NULL is fine */

/* INVALID_DATA: the text is no JSON; QUERY: a $regex went over its limits; NO_MEMORY. */
int rsi_predicate_match(bool *matched, const rsi_predicate *predicate, const char *text,
                        size_t size);
int rsi_predicate_match_view(bool *matched, const rsi_predicate *predicate,
                             const rsi_json_view *document);
int rsi_predicate_match_value(bool *matched, const rsi_predicate *predicate,
                              const rsi_json *document);

/* ---- for indexes ---- */

/*
 * What every matching document must have at a path, as keys of value_order.h. An index that holds,
 * for each document, the keys that rsi_field_keys() gives finds all documents that can match;
 * whether they do, the predicate must be asked.
 */
typedef enum rsi_constraint_kind {
    RSI_CONSTRAINT_NONE,
    RSI_CONSTRAINT_KEYS,  /* one of these keys; none at all: nothing can match */
    RSI_CONSTRAINT_RANGE, /* a key from lower to upper */
} rsi_constraint_kind;

typedef struct rsi_constraint {
    rsi_constraint_kind kind;
    rsi_bytes *keys; /* ascending, each once */
    size_t key_count;
    rsi_bytes lower;
    rsi_bytes upper;
    bool lower_included;
    bool upper_included;
} rsi_constraint;

/* several_values: may a document have several keys at the path? Then the two ends of a range may
 * be met by different ones, and only one end is given; the other is that of the kind. */
int rsi_predicate_constraint(rsi_constraint *constraint, const rsi_predicate *predicate,
                             const char *path, size_t size, bool several_values);
void rsi_constraint_free(rsi_constraint *constraint); /* leaves it empty */

/* Calls `add` with each key that an index on the path holds for the document; the same key may come
 * more than once. `add` returns a status; a negative one ends it. */
typedef int rsi_field_key_add(void *user, const char *key, size_t size);
int rsi_field_keys(const char *path, size_t path_size, const rsi_json_view *document,
                   rsi_field_key_add *add, void *user);

/* ---- for upserts ---- */

/* Calls `add` with each path that must be equal to a value. */
typedef int rsi_equality_add(void *user, rsi_slice path, const rsi_json_view *value);
int rsi_predicate_equalities(const rsi_predicate *predicate, rsi_equality_add *add, void *user);

#endif
