/*
 * Aggregation: documents go in one by one, pass the stages, and come out.
 *
 *   rsi_pipeline_run *run;
 *   rsi_pipeline_start(&run, pipeline, max_bytes, emit, user);
 *   while (… a record … && rsi_pipeline_wants_more(run))
 *       status = rsi_pipeline_feed(run, text, size);
 *   status = rsi_pipeline_finish(run);         $sort, $group and $count tell theirs now
 *   rsi_pipeline_stop(run);
 *
 * Documents are JSON text all the way. The stages are those of ragstore_query(7).
 */
#ifndef RSI_QUERY_PIPELINE_H
#define RSI_QUERY_PIPELINE_H

#include "query/predicate.h"

#define RSI_PIPELINE_STAGES_MAX 100

typedef struct rsi_pipeline rsi_pipeline;
typedef struct rsi_pipeline_run rsi_pipeline_run;

/* QUERY names the place and what is wrong there. */
int rsi_pipeline_compile(rsi_pipeline **out, const rsi_json *stages);
int rsi_pipeline_compile_text(rsi_pipeline **out, const char *json, size_t size);
void rsi_pipeline_free(rsi_pipeline *pipeline);
/* The query of a first $match, which an index may serve; NULL when there is none. Borrowed. */
const rsi_predicate *rsi_pipeline_first_match(const rsi_pipeline *pipeline);

/* Takes a document that came out; the text is borrowed for the call. A negative status ends it. */
typedef int rsi_pipeline_emit(void *user, const char *text, size_t size);

/* max_bytes: of what each $sort and each $group may hold; 0: no limit. The pipeline must live
 * on. */
int rsi_pipeline_start(rsi_pipeline_run **out, const rsi_pipeline *pipeline, size_t max_bytes,
                       rsi_pipeline_emit *emit, void *user);
bool rsi_pipeline_wants_more(const rsi_pipeline_run *run); /* false once a $limit is reached */
int rsi_pipeline_feed(rsi_pipeline_run *run, const char *text, size_t size); /* TOO_LARGE, … */
int rsi_pipeline_finish(rsi_pipeline_run *run);
void rsi_pipeline_stop(rsi_pipeline_run *run); /* frees it; NULL is fine */

/* ---- distinct ---- */

/* The different values that a path leads to, in the order of their first appearance. The elements
 * of an array count, not the array. */
typedef struct rsi_distinct rsi_distinct;
int rsi_distinct_new(rsi_distinct **out, const char *path, size_t size, size_t max_bytes);
int rsi_distinct_add(rsi_distinct *distinct, const rsi_json_view *document);
int rsi_distinct_write(rsi_bytes *out, const rsi_distinct *distinct); /* an array */
void rsi_distinct_free(rsi_distinct *distinct);

#endif
