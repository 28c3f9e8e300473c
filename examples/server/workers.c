/*
 * The threads that work on requests: a queue, first come first served. A request is in the queue,
 * or with one worker, or with its connection; never with two of them.
 */
#include "workers.h"

#include "routes.h"

#include <stdlib.h>

enum { WAITING_MAX = 1024 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, *last; /* waiting, oldest first */
    unsigned waiting;
    bool stopping;
    unsigned count;
    pthread_t threads[];
};

static struct request *wait_for_request(struct workers *workers)
{
    struct request *request = NULL;

    pthread_mutex_lock(&workers->lock);
    while (workers->first == NULL && !workers->stopping) {
        pthread_cond_wait(&workers->changed, &workers->lock);
    }
    request = workers->first;
    if (request != NULL) {
        workers->first = request->next;
        workers->waiting--;
        if (workers->first == NULL) {
            workers->last = NULL;
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return request;
}

static void *work(void *user)
{
    struct workers *workers = user;
    struct request *request = NULL;

    while ((request = wait_for_request(workers)) != NULL) {
        if (request->route->handler(request) == HANDLED) {
            request_release(request);
        }
    }
    return NULL;
}

struct workers *workers_start(unsigned count)
{
    struct workers *workers = calloc(1, sizeof *workers + count * sizeof(pthread_t));

    if (workers == NULL) {
        return NULL;
    }
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, NULL);
    while (workers->count < count) {
        if (pthread_create(&workers->threads[workers->count], NULL, work, workers) != 0) {
            workers_stop(workers);
            return NULL;
        }
        workers->count++;
    }
    return workers;
}

bool workers_give(struct workers *workers, struct request *request)
{
    bool taken = false;

    pthread_mutex_lock(&workers->lock);
    if (!workers->stopping && workers->waiting < WAITING_MAX) {
        request->next = NULL;
        if (workers->last == NULL) {
            workers->first = request;
        } else {
            workers->last->next = request;
        }
        workers->last = request;
        workers->waiting++;
        taken = true;
        pthread_cond_signal(&workers->changed);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->changed);
    free(workers);
}
