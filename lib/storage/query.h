/*
 * The query language: does a JSON object match?
 *
 * Equality and operators have the meaning that MongoDB's manual documents, with its dot paths and
 * its treatment of arrays. An operator that is not known is an error, never ignored. A compiled
 * query can be used by many threads at once.
 */
#ifndef RSI_STORAGE_QUERY_H
#define RSI_STORAGE_QUERY_H

#include "json/json.h"

typedef struct rsi_query rsi_query;

/* QUERY names the operator or the place that is wrong; INVALID_DATA: not JSON. */
int rsi_query_compile(rsi_query **out, const char *json, size_t size);
void rsi_query_free(rsi_query *query); /* NULL is fine */
bool rsi_query_matches(const rsi_query *query, const rsi_json *document);

#endif
