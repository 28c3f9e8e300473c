/*
 * Updates: what a document becomes.
 *
 * The operators are those of ragstore_query(7). An update is compiled once and can be applied to
 * any number of documents, also by many threads at once. The document is not changed: the result
 * is a new one, which shares the parts that stay the same (json_edit.h), so neither may be changed
 * afterwards by anything but another update.
 */
#ifndef RSI_QUERY_UPDATE_H
#define RSI_QUERY_UPDATE_H

#include "query/predicate.h"
#include "json/json.h"

typedef struct rsi_update rsi_update;

typedef struct rsi_update_context {
    bool inserting;  /* $setOnInsert applies, and _id may be set */
    const char *now; /* for $currentDate; NULL: the clock's */
} rsi_update_context;

/* QUERY names the place and what is wrong there. The tree is shared. */
int rsi_update_compile(rsi_update **out, const rsi_json *update);
int rsi_update_compile_text(rsi_update **out, const char *json, size_t size);
void rsi_update_free(rsi_update *update); /* NULL is fine */

/* *out is owned by the caller. *modified (may be NULL): is it another value than the document?
 * QUERY: an operator does not fit the value it meets, or _id would change; TOO_LARGE: an array
 * would be filled up further than RSI_UPDATE_FILL_MAX; INVALID_DATA: nested too deep. */
int rsi_update_apply(rsi_json **out, bool *modified, const rsi_update *update,
                     const rsi_json *document, const rsi_update_context *context);

#define RSI_UPDATE_FILL_MAX 1500000

/* The document that an upsert starts from: the values that the query wants to be equal. QUERY when
 * two of them contradict each other. */
int rsi_update_seed(rsi_json **out, const rsi_predicate *predicate);

#endif
