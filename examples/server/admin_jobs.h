/*
 * The operator's jobs: check, compact and back up the store, in one thread behind the calls.
 *
 *     waiting ──> running ──> done | failed | cancelled
 *        └──────────────────────────────> cancelled
 *
 * A job looks to clients as those of the library do (ragstore_job_describe()). The last 64 are
 * kept, also in the store (admin_record.h): those that an earlier server did not end have failed,
 * as INTERRUPTED, and say what to do.
 *
 * Any thread may call these functions.
 */
#ifndef ADMIN_JOBS_H
#define ADMIN_JOBS_H

#include <jansson.h>
#include <ragstore.h>
#include <stdbool.h>

struct admin_jobs;

enum admin_kind { ADMIN_CHECK, ADMIN_COMPACT, ADMIN_BACKUP };

enum admin_result {
    ADMIN_DONE,
    ADMIN_MISSING,   /* there is no such job */
    ADMIN_BUSY,      /* one of this kind waits or runs already */
    ADMIN_NO_MEMORY
};

enum { ADMIN_ID_SIZE = 17, ADMIN_DIRECTORY_MAX = 4096 };

/* NULL when memory or threads ran out. */
struct admin_jobs *admin_jobs_start(ragstore_store *store);

/* Let no more begin, and what runs end soon. */
void admin_jobs_cancel_all(struct admin_jobs *jobs);

/* The same, and end the thread; false when it did not end in time. */
bool admin_jobs_stop(struct admin_jobs *jobs, unsigned timeout_ms);

/* Begin a job; `id` is set to its id, or to that of the one that is in the way. A backup is made in
 * `directory`, which the others do not have. */
enum admin_result admin_jobs_begin(struct admin_jobs *jobs, enum admin_kind kind,
                                   const char *directory, char id[ADMIN_ID_SIZE]);

enum admin_result admin_jobs_cancel(struct admin_jobs *jobs, const char *id);

/* A new object, or NULL: there is none, or memory ran out. */
json_t *admin_jobs_describe(struct admin_jobs *jobs, const char *id);

/* Append the descriptions of all to an array. */
void admin_jobs_list(struct admin_jobs *jobs, json_t *list);

#endif
