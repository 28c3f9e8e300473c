/*
 * The core of an open store: what the rooms above share.
 *
 *   rsi_store
 *     ├─ storage    records, rows of records, files
 *     ├─ embedder   or NULL: keyword search only; with what it gave lately (embedding_cache.h)
 *     ├─ catalogs   what is held in memory of each entity that was touched (catalog.h)
 *     ├─ jobs       what goes on behind the calls (jobs/jobs.h)
 *     └─ upkeep     a thread that writes checkpoints and index files, or the host's calls
 */
#ifndef RSI_ENTITIES_STORE_H
#define RSI_ENTITIES_STORE_H

#include "base/map.h"
#include "embed/embed.h"
#include "entities/embedding_cache.h"
#include "jobs/jobs.h"
#include "ragstore.h"
#include "storage/storage.h"

#include <pthread.h>

/* A callback that hears the messages of a store; lives with its user. */
typedef struct rsi_store_log {
    void (*call)(void *user, int level, const char *message); /* NULL: none */
    void *user;
    struct rsi_store_log *next; /* under log_mutex */
} rsi_store_log;

struct rsi_store;
/* Submit jobs that nobody asked for; *did tells whether there were any. */
typedef int rsi_job_offerer(bool *did, struct rsi_store *store);

/* Documents that wait for a transaction: ingest/document_queue.c. */
typedef struct rsi_document_queue {
    pthread_mutex_t mutex; /* guards all of it */
    pthread_cond_t moved;
    bool is_led;
    struct rsi_waiting_document *first;
    struct rsi_waiting_document *last;
    size_t count; /* how many wait; tests go by it */
} rsi_document_queue;

typedef struct rsi_store {
    rsi_storage *storage;
    rsi_embedder *embedder; /* NULL: none */
    rsi_embedding_cache *embedded; /* what it gave lately; NULL likewise */
    char *path;
    uint64_t memory_limit_bytes;
    unsigned opens; /* users that have not closed (open_stores.c) */
    unsigned users; /* that keep the memory (likewise) */

    pthread_mutex_t log_mutex;
    rsi_store_log *logs;

    rsi_jobs *jobs;

    rsi_job_offerer *offer_jobs; /* atomic; NULL: only what is asked for is worked on */
    pthread_mutex_t offers_mutex; /* guards the next two, which are the offerer's */
    rsi_map offered;              /* entity id → itself */
    bool offers_over;             /* there was nothing more to offer */

    pthread_mutex_t catalogs_mutex;
    rsi_map catalogs; /* entity id → rsi_catalog */
    size_t catalog_bytes; /* of those that nobody uses right now */
    uint64_t clock;       /* counts uses of catalogs */

    pthread_mutex_t codes_mutex; /* one thread at a time makes codes (catalog_codes.c) */

    rsi_document_queue adding;

    uint64_t interrupts; /* atomic: how often the store was interrupted */
    int64_t close_until; /* atomic; 0: it is not being closed */

    pthread_t upkeep_thread;
    int64_t checkpoint_from_ms; /* atomic: no checkpoint by the upkeep before */
    pthread_mutex_t upkeep_mutex;
    pthread_cond_t upkeep_changed;
    bool upkeep_runs;
    bool upkeep_stops;
    rsi_map stale_indexes; /* entity id → itself: index files to be written; under upkeep_mutex */
} rsi_store;

typedef struct rsi_store_options {
    rsi_storage_options storage;
    uint64_t memory_limit_bytes; /* never 0 here */
    rsi_embedder *embedder;      /* retained; may be NULL */
    bool background;
    rsi_job_runner *run_job;
    rsi_job_offerer *offer_jobs; /* or NULL */
    rsi_store_log *log; /* hears instead of storage.log, until it is removed; or NULL */
} rsi_store_options;

int rsi_store_open(rsi_store **out, const char *path, const rsi_store_options *options);
/* Stop the thread, write what waits, release the directory. */
int rsi_store_close(rsi_store *store);
void rsi_store_free(rsi_store *store); /* NULL is fine */
/* Closing waits for no index that is made of vectors: none is begun, and one that was is left after a
 * while. Whoever opens the store next makes it. */
bool rsi_store_is_closing(const rsi_store *store);
bool rsi_store_closes_now(const rsi_store *store); /* that while is over */

/* Long calls remember rsi_store_epoch() when they begin and ask from time to time. */
uint64_t rsi_store_epoch(const rsi_store *store);
int rsi_store_check_interrupt(const rsi_store *store, uint64_t epoch); /* INTERRUPTED or OK */
void rsi_store_interrupt(rsi_store *store);

/* ---- messages (store_log.c) ---- */

void rsi_store_log_add(rsi_store *store, rsi_store_log *log);
void rsi_store_log_remove(rsi_store *store, const rsi_store_log *log);
/* Pass a message on; the storage's callback. */
void rsi_store_log_pass(void *store, int level, const char *message);

/* ---- upkeep (upkeep.c) ---- */

int rsi_upkeep_start(rsi_store *store); /* nothing when it runs */
void rsi_upkeep_stop(rsi_store *store);
/* An entity's documents changed: its index files are to be written when there is time. */
void rsi_upkeep_mark(rsi_store *store, const char *entity_id);
/* They are about to be written from what is in memory now. */
void rsi_upkeep_unmark(rsi_store *store, const char *entity_id);
/* Do one piece of waiting work; *did tells whether there was one. `now`: also what could wait. */
int rsi_upkeep_step(rsi_store *store, bool now, bool *did);
/* Submit jobs for what is missing, such as vectors. */
int rsi_upkeep_offer_jobs(rsi_store *store, bool *did);
/* From now on. */
void rsi_upkeep_set_offerer(rsi_store *store, rsi_job_offerer *offer_jobs);

#endif
