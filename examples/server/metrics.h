/*
 * Counts of what was served, for /metrics. Any thread may count; nothing is locked.
 */
#ifndef METRICS_H
#define METRICS_H

#include "json_out.h"
#include "request.h"

/* A request has ended; its status and its times are known. */
void metrics_count(const struct request *request);

/* Write the counts in Prometheus's text format. */
void metrics_write(struct json_out *out);

/* One figure with its description; "gauge" or "counter". */
void metrics_write_one(struct json_out *out, const char *name, const char *type, const char *help,
                       double value);

#endif
