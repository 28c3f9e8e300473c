/* What job_work.c and job_threads.c share: the jobs of this process. */
#ifndef RSI_ENTITIES_JOB_INTERNAL_H
#define RSI_ENTITIES_JOB_INTERNAL_H

#include "entities/jobs.h"

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
    rsi_job_runner *run;
    uint64_t changes;      /* atomic: how often a record changed, by whomever */
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    uint64_t news;
    rsi_live_job *live;
    unsigned claims; /* threads that rely on the claim of this process */
    bool is_busy;    /* another process works on jobs that were seen here */
    bool stops;
    pthread_t threads[RSI_JOB_THREADS];
    unsigned thread_count;
    bool has_looked; /* rsi_jobs_wake() has, when there were so many changes: */
    uint64_t woken_changes;
};

/* Is there a job that this process could work on now? */
int rsi_jobs_pending(bool *pending, rsi_store *store);
bool rsi_jobs_stopping(rsi_store *store);

#endif
