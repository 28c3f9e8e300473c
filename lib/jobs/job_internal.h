/* What the files of this room share: the jobs of this process. */
#ifndef RSI_JOBS_JOB_INTERNAL_H
#define RSI_JOBS_JOB_INTERNAL_H

#include "jobs/jobs.h"

#include <pthread.h>

#define RSI_JOB_THREADS 2   /* so that a long job does not hold up the short ones */
#define RSI_JOB_LOOK_MS 250 /* for what other processes did */

struct rsi_live_job {
    char id[RSI_JOB_ID_MAX];
    bool is_long;
    bool is_cancelled;
    int64_t rests_until; /* 0: it is worked on */
    char stage[RSI_JOB_STAGE_MAX];
    uint64_t done;
    uint64_t total;
    rsi_live_job *next;
};

struct rsi_jobs {
    rsi_storage *storage;    /* where their records lie; borrowed */
    struct rsi_store *store; /* whose they are: for the runner, unknown here */
    rsi_job_runner *run;
    pthread_mutex_t extractors_mutex;
    pthread_cond_t extractor_returned;
    rsi_job_extractor *extractors; /* under extractors_mutex */
    uint64_t changes;      /* atomic: how often a record changed, by whomever */
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    uint64_t news;
    rsi_live_job *live;
    unsigned claims; /* threads that rely on the claim of this process */
    bool is_busy;    /* another process works on jobs that were seen here */
    bool stops;
    bool uses_threads;
    pthread_t threads[RSI_JOB_THREADS];
    unsigned thread_count;
    bool has_looked; /* rsi_jobs_wake() has, when there were so many changes: */
    uint64_t woken_changes;
};

/* Is there a job that this process could work on now? */
int rsi_jobs_pending(bool *pending, rsi_jobs *jobs);
bool rsi_jobs_stopping(rsi_jobs *jobs);

/* How far a job of this process is; false when it is none. */
bool rsi_jobs_progress(rsi_jobs *jobs, const char *job_id, char stage[RSI_JOB_STAGE_MAX],
                       uint64_t *done, uint64_t *total);
/* A commit that ends a job is seen a moment before what it made can be found: wait until this
 * process is done with the job. */
void rsi_jobs_wait_until_left(rsi_jobs *jobs, const char *job_id);
void rsi_jobs_mark_cancelled(rsi_jobs *jobs, const char *job_id);
/* How often those who wait were told something; and wait until it is more than that. */
uint64_t rsi_jobs_news(rsi_jobs *jobs);
void rsi_jobs_wait_for_news(rsi_jobs *jobs, uint64_t seen, uint32_t wait_ms);

/* ---- extractors (job_extractor.c) ---- */

bool rsi_jobs_have_extractor(rsi_jobs *jobs);
/* One of them, or NULL, until it is given back. Who borrows it asks now and then whether it
 * leaves. */
rsi_job_extractor *rsi_job_extractor_borrow(rsi_jobs *jobs);
bool rsi_job_extractor_leaves(rsi_jobs *jobs, const rsi_job_extractor *extractor);
void rsi_job_extractor_return(rsi_jobs *jobs, rsi_job_extractor *extractor);

#endif
