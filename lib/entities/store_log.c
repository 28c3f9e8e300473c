/*
 * Who hears what a store has to say: each of its users that gave a callback. A user that has left
 * is not called any more, which leaving waits for.
 */
#include "entities/store.h"

void rsi_store_log_add(rsi_store *store, rsi_store_log *log)
{
    pthread_mutex_lock(&store->log_mutex);
    log->next = store->logs;
    store->logs = log;
    pthread_mutex_unlock(&store->log_mutex);
}

void rsi_store_log_remove(rsi_store *store, const rsi_store_log *log)
{
    pthread_mutex_lock(&store->log_mutex);
    for (rsi_store_log **at = &store->logs; *at != NULL; at = &(*at)->next) {
        if (*at == log) {
            *at = log->next;
            break;
        }
    }
    pthread_mutex_unlock(&store->log_mutex);
}

void rsi_store_log_pass(void *user, int level, const char *message)
{
    rsi_store *store = user;
    pthread_mutex_lock(&store->log_mutex);
    for (const rsi_store_log *log = store->logs; log != NULL; log = log->next)
        if (log->call != NULL)
            log->call(log->user, level, message);
    pthread_mutex_unlock(&store->log_mutex);
}
