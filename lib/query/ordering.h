/*
 * Sorting by several fields: {"year": -1, "title": 1}.
 *
 * Each document has a key for an ordering, and the bytes of the keys, compared with memcmp(), have
 * the order wanted (value_order.h). A field that leads to several values counts by its smallest
 * one ascending, its largest one descending; an empty array comes before null, and what is missing
 * is null.
 */
#ifndef RSI_QUERY_ORDERING_H
#define RSI_QUERY_ORDERING_H

#include "query/place.h"
#include "json/json_view.h"

#define RSI_ORDERING_FIELDS_MAX 32

typedef struct rsi_ordering rsi_ordering;

/* QUERY names what is wrong. `place` may be NULL. */
int rsi_ordering_compile(rsi_ordering **out, const rsi_json *sort, const rsi_place *place);
int rsi_ordering_compile_text(rsi_ordering **out, const char *json, size_t size);
/* Of whole values, for $push with $sort: 1. */
int rsi_ordering_of_values(rsi_ordering **out, bool descending);
void rsi_ordering_free(rsi_ordering *ordering);

/* Append the key of a document. */
int rsi_ordering_append_key(rsi_bytes *out, const rsi_ordering *ordering,
                            const rsi_json_view *document);

/*
 * Documents in order, stable: equal ones come out as they went in. With a limit only the first
 * ones are kept. TOO_LARGE when keys and texts need more than max_bytes (0: no limit).
 */
typedef struct rsi_sorter rsi_sorter;
int rsi_sorter_new(rsi_sorter **out, const rsi_ordering *ordering, size_t limit, size_t max_bytes);
void rsi_sorter_free(rsi_sorter *sorter);
int rsi_sorter_add(rsi_sorter *sorter, const char *text, size_t size); /* copied */
/* From the first on; false at the end. After this nothing may be added. */
bool rsi_sorter_next(rsi_sorter *sorter, rsi_slice *text);

#endif
