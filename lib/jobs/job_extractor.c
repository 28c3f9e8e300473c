/*
 * Who can take text out of a job's document: each user of the store that gave a callback. A user
 * that leaves is not called any more, which leaving waits for.
 */
#include "jobs/job_internal.h"

void rsi_job_extractor_add(rsi_jobs *jobs, rsi_job_extractor *extractor)
{
    pthread_mutex_lock(&jobs->extractors_mutex);
    extractor->next = jobs->extractors;
    jobs->extractors = extractor;
    pthread_mutex_unlock(&jobs->extractors_mutex);
    /* jobs may have waited for it: look again */
    __atomic_add_fetch(&jobs->changes, 1, __ATOMIC_RELEASE);
}

void rsi_job_extractor_remove(rsi_jobs *jobs, rsi_job_extractor *extractor)
{
    pthread_mutex_lock(&jobs->extractors_mutex);
    for (rsi_job_extractor **at = &jobs->extractors; *at != NULL; at = &(*at)->next) {
        if (*at == extractor) {
            *at = extractor->next;
            break;
        }
    }
    extractor->leaves = true;
    while (extractor->uses > 0)
        pthread_cond_wait(&jobs->extractor_returned, &jobs->extractors_mutex);
    pthread_mutex_unlock(&jobs->extractors_mutex);
}

bool rsi_jobs_have_extractor(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->extractors_mutex);
    bool has = jobs->extractors != NULL;
    pthread_mutex_unlock(&jobs->extractors_mutex);
    return has;
}

rsi_job_extractor *rsi_job_extractor_borrow(rsi_jobs *jobs)
{
    pthread_mutex_lock(&jobs->extractors_mutex);
    rsi_job_extractor *extractor = jobs->extractors;
    if (extractor != NULL)
        extractor->uses++;
    pthread_mutex_unlock(&jobs->extractors_mutex);
    return extractor;
}

bool rsi_job_extractor_leaves(rsi_jobs *jobs, const rsi_job_extractor *extractor)
{
    pthread_mutex_lock(&jobs->extractors_mutex);
    bool leaves = extractor->leaves;
    pthread_mutex_unlock(&jobs->extractors_mutex);
    return leaves;
}

void rsi_job_extractor_return(rsi_jobs *jobs, rsi_job_extractor *extractor)
{
    if (extractor == NULL)
        return;
    pthread_mutex_lock(&jobs->extractors_mutex);
    if (--extractor->uses == 0)
        pthread_cond_broadcast(&jobs->extractor_returned);
    pthread_mutex_unlock(&jobs->extractors_mutex);
}
