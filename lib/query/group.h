/* The $group stage: documents with the same _id become one. See ragstore_query(7). */
#ifndef RSI_QUERY_GROUP_H
#define RSI_QUERY_GROUP_H

#include "query/pipeline.h"
#include "query/place.h"

typedef struct rsi_grouping rsi_grouping; /* compiled */
typedef struct rsi_groups rsi_groups;     /* of one run */

int rsi_grouping_compile(rsi_grouping **out, const rsi_json *group, const rsi_place *place);
void rsi_grouping_free(rsi_grouping *grouping);

int rsi_groups_new(rsi_groups **out, const rsi_grouping *grouping, size_t max_bytes);
int rsi_groups_add(rsi_groups *groups, const rsi_json_view *document);
/* One document for each group, in the order of their first members. */
int rsi_groups_tell(const rsi_groups *groups, rsi_pipeline_emit *emit, void *user);
void rsi_groups_free(rsi_groups *groups);

#endif
