/*
 * What the store keeps of the operator's jobs, in its collection "server_jobs": so that a later
 * server can tell what became of them. A store that cannot be written to does not keep a job from
 * being done.
 */
#ifndef ADMIN_RECORD_H
#define ADMIN_RECORD_H

#include <jansson.h>
#include <ragstore.h>

/* Keep a description (as of a job, with job_id) in the place of an earlier one. */
void admin_record_put(ragstore_store *store, const json_t *description);

void admin_record_drop(ragstore_store *store, const char *job_id);

/* Those of earlier servers, the oldest first: a new array, empty when they cannot be read. */
json_t *admin_record_load(ragstore_store *store);

#endif
