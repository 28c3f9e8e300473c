/*
 * Jobs: work that goes on behind a call, is written down before it begins, and is taken up again by
 * whoever opens the store after a crash.
 *
 *                 begin                       end (with the commit of what was made)
 *      ┌─ waiting ─────► running ─┬─────────► done
 *      │     ▲              │     ├─────────► failed        reason in the record
 *      │     └── put off ───┘     └─────────► cancelled
 *      └────────────────────────────────────► cancelled, failed
 *
 * A job is a record of the space RSI_SPACE_JOBS. Each arrow is a commit (job_record.c); stage and
 * progress in between are in the memory of the process that works on it. One process at a time
 * works on the jobs of a store (rsi_storage_claim_jobs): what it finds `running` when it begins was
 * left by a process that died. In it work some threads, or the host's calls (job_work.c). What
 * there is to do for each kind of job is known to the rooms above: the runner.
 *
 * Locking: the mutex of rsi_jobs comes after every other lock, and nothing is called under it.
 */
#ifndef RSI_JOBS_JOBS_H
#define RSI_JOBS_JOBS_H

#include "json/json.h"
#include "ragstore.h"
#include "storage/storage.h"

typedef struct rsi_jobs rsi_jobs;

#define RSI_JOB_ID_MAX 17 /* "job_", 12 hexadecimal digits, NUL */
#define RSI_REEMBED "reembed" /* kinds */
#define RSI_UPLOAD "upload"
#define RSI_CHUNKS "chunks"
#define RSI_JOB_STAGE_MAX 32
#define RSI_JOBS_KEPT 1000  /* that have ended */
#define RSI_JOB_ATTEMPTS 10 /* then a document that ends with its process each time has failed */

typedef enum rsi_job_state {
    RSI_JOB_WAITING,
    RSI_JOB_RUNNING,
    RSI_JOB_DONE,
    RSI_JOB_FAILED,
    RSI_JOB_CANCELLED,
} rsi_job_state;

/* ---- records (job_record.c) ---- */

/* A parsed record; the texts are borrowed from `json`. */
typedef struct rsi_job_record {
    rsi_json *json; /* owned */
    const char *id;
    const char *kind;
    const char *entity_id;
    const char *incarnation;
    const char *incoming;    /* the file under uploads/ that is kept for it, or NULL */
    const rsi_json *request; /* what its kind needs to know; gone when it has ended */
    rsi_job_state state;
    int64_t attempts; /* how often it was begun and not put off */
    int64_t retries;  /* how often it was put off for a failure */
} rsi_job_record;

typedef struct rsi_new_job {
    const char *kind;
    const char *entity_id;
    const char *incarnation;
    const char *filename; /* or NULL */
    const char *incoming; /* likewise */
    const char *request_json;
    bool needs_extractor; /* only for a process that has one */
} rsi_new_job;

/* How a job ends, or what it is put off for. */
typedef struct rsi_job_end {
    rsi_job_state state;
    const char *result_json; /* or NULL */
    int status;              /* of a failure, whose text is `message`; OK: there is none */
    const char *message;
    uint32_t rests_ms; /* put off for a failure: until the next try */
    bool keeps_file; /* somebody else sees to the incoming file */
} rsi_job_end;

bool rsi_job_has_ended(rsi_job_state state);
/* Is it a document on its way in? Others work on what is there, and may take long. */
bool rsi_job_brings_document(const rsi_job_record *record);
const char *rsi_job_state_name(rsi_job_state state);

int rsi_job_read(rsi_job_record *record, rsi_storage *storage, const char *job_id); /* NOT_FOUND */
int rsi_job_parse(rsi_job_record *record, const char *json, size_t size); /* DAMAGED */
void rsi_job_record_free(rsi_job_record *record);
/* Visit the jobs, the oldest first, or only those that have not ended; non-zero stops and is
 * returned. One whose record makes no sense is passed over: it is no reason to leave the others
 * undone. */
typedef int rsi_job_visitor(void *user, const rsi_job_record *record);
int rsi_jobs_each(rsi_storage *storage, bool unended, rsi_job_visitor *visit, void *user);

/* Put a new job into a transaction. The caller sees to its file until the commit. */
int rsi_job_put_new(char job_id[RSI_JOB_ID_MAX], rsi_tx *tx, const rsi_new_job *job);
/* Put a move to another state into a transaction in which the record was read. WRONG_STATE when
 * there is no such arrow. */
int rsi_job_put_move(rsi_tx *tx, rsi_storage *storage, const rsi_job_record *record,
                     const rsi_job_end *end);
/* Change what a running job's kind needs to know; INTERRUPTED when it is not running any more. */
int rsi_job_put_request(rsi_tx *tx, rsi_storage *storage, const char *job_id,
                        const char *request_json);
/* Cancel what is not over of an entity that goes with the transaction. */
int rsi_jobs_cancel_of(rsi_tx *tx, rsi_storage *storage, const char *entity_id);
/* Move a job in a transaction of its own, if it is in state `from`; otherwise WRONG_STATE. */
int rsi_job_move(rsi_storage *storage, const char *job_id, rsi_job_state from,
                 const rsi_job_end *end);

/* ---- for callers (job_list.c) ---- */

int rsi_job_describe(rsi_bytes *out, rsi_jobs *jobs, const char *job_id);
/* {"jobs": […], "total": …}, the newest first; entity_id NULL: of all. */
int rsi_job_list(rsi_bytes *out, rsi_jobs *jobs, const char *entity_id, uint64_t limit,
                 uint64_t offset);
/* Cancel a job; nothing when it has ended. */
int rsi_job_cancel(rsi_jobs *jobs, const char *job_id);
/* Look whether a job has ended, and wait up to so long for something to happen when it has not. Its
 * outcome: OK, what it failed with, INTERRUPTED when cancelled. */
int rsi_job_wait(bool *ended, rsi_jobs *jobs, const char *job_id, uint32_t wait_ms);

/* ---- working on them (job_work.c) ---- */

/* A callback of the application that takes the text out of documents; lives with its user. */
typedef struct rsi_job_extractor {
    int32_t (*call)(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                    const char *filename);
    void *user;
    unsigned uses; /* these three are of job_extractor.c */
    bool leaves;
    struct rsi_job_extractor *next;
} rsi_job_extractor;

typedef struct rsi_live_job rsi_live_job;

/* A job that the calling thread works on. */
typedef struct rsi_job {
    rsi_jobs *jobs;
    struct rsi_store *store; /* that was given to rsi_jobs_create() */
    rsi_job_record record;
    rsi_live_job *live;
    rsi_job_extractor *extractor; /* borrowed; NULL: none */
    int64_t looked_ms;              /* when the record was last read */
    uint64_t looked_changes;
    bool has_ended; /* its end is part of a commit that is done, or on its way */
} rsi_job;

/* Do a job, and end it in the commit of what it makes. A failure ends it as failed, but for those
 * that pass: BUSY, DISK_FULL, FAILED, CLOSED, INTERRUPTED and what is for now (rsi_for_now()) put
 * it off, for longer each time. */
typedef int rsi_job_runner(rsi_job *job);

/* The jobs that lie in a storage; *out is to be freed also on failure, after the storage. `store`
 * is handed on to the runner. */
int rsi_jobs_create(rsi_jobs **out, rsi_storage *storage, rsi_job_runner *run,
                    struct rsi_store *store);
void rsi_jobs_free(rsi_jobs *jobs); /* NULL is fine */
/* There is something new for those who wait: a job, or what became of one. */
void rsi_jobs_tell(rsi_jobs *jobs);
/* From now on threads of this process work on them. */
void rsi_jobs_use_threads(rsi_jobs *jobs);
/* Start the threads if there is something to do and they are used: from the upkeep's thread, which
 * sees what other processes submit, and what a batch has. */
int rsi_jobs_wake(rsi_jobs *jobs);
/* A job was submitted here: it is begun at once, or when its batch has been committed. */
void rsi_jobs_welcome(rsi_jobs *jobs);
/* End the threads: what they work on is put off. */
void rsi_jobs_stop(rsi_jobs *jobs);
/* Do one job on the calling thread; *did tells whether there was one. */
int rsi_jobs_step(rsi_jobs *jobs, bool *did);

/* Tell how far a job is. INTERRUPTED when it was cancelled or the store closes. */
int rsi_job_report(rsi_job *job, const char *stage, uint64_t done, uint64_t total);
/* The same question without news. */
int rsi_job_still_goes(rsi_job *job);
/* End a job with the transaction. INTERRUPTED when it was cancelled meanwhile. */
int rsi_job_end_in_tx(rsi_job *job, rsi_tx *tx, const rsi_job_end *end);

/* ---- extractors (job_extractor.c) ---- */

void rsi_job_extractor_add(rsi_jobs *jobs, rsi_job_extractor *extractor);
/* Waits until no job uses it any more. */
void rsi_job_extractor_remove(rsi_jobs *jobs, rsi_job_extractor *extractor);

#endif
