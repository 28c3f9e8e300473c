/*
 * What a stage of an aggregation computes from a document: "$path", {"$literal": …}, a plain
 * value, or an object of such.
 *
 * A path leads through arrays here as MongoDB's expressions do: it gives an array of what it finds
 * in the elements that are objects, and a number in it is a name, not a position.
 */
#ifndef RSI_QUERY_EXPRESSION_H
#define RSI_QUERY_EXPRESSION_H

#include "query/place.h"
#include "json/json_view.h"

typedef struct rsi_expression rsi_expression;

int rsi_expression_compile(rsi_expression **out, const rsi_json *value, const rsi_place *place);
void rsi_expression_free(rsi_expression *expression);
/* *value may borrow from the document, the expression and `scratch`. MISSING: the path leads
 * nowhere. */
int rsi_expression_evaluate(rsi_json_view *value, const rsi_expression *expression,
                            const rsi_json_view *document, rsi_bytes *scratch);

#endif
