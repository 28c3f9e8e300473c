/*
 * Projections: which members of a document are told.
 *
 * {"a": 1, "b.c": 1} tells those and _id, {"a": 0} tells all others; _id alone may differ from the
 * rest. A path goes on in each element of an array. Members keep their order.
 */
#ifndef RSI_QUERY_PROJECTION_H
#define RSI_QUERY_PROJECTION_H

#include "query/place.h"
#include "json/json_view.h"

typedef struct rsi_projection rsi_projection;

/* with_expressions: members of the outermost object may also be computed, as in $project. */
int rsi_projection_compile(rsi_projection **out, const rsi_json *projection, bool with_expressions,
                           const rsi_place *place);
int rsi_projection_compile_text(rsi_projection **out, const char *json, size_t size);
void rsi_projection_free(rsi_projection *projection);
/* Append the projected document as JSON text. */
int rsi_projection_write(rsi_bytes *out, const rsi_projection *projection,
                         const rsi_json_view *document);

#endif
