/*
 * The running server: what every request can reach.
 *
 * Set up by server_main.c before the first request and constant from then on, except for the
 * tokens and the count of active requests, which each have their own lock.
 */
#ifndef SERVER_H
#define SERVER_H

#include "embedder.h"
#include "extract_runner.h"
#include "settings.h"
#include "tokens.h"

#ifdef SERVER_HAS_LLM
#include "llm_client.h"
#endif

#include <pthread.h>
#include <ragstore.h>
#include <stdatomic.h>

struct admin_jobs;
struct workers;

/* What takes long has workers of its own, so that it does not hold up what is quick. */
enum worker_pool { POOL_QUICK, POOL_SEARCH, POOL_UPLOAD, POOL_CHAT, POOL_COUNT };

struct server {
    struct settings settings;
    pthread_mutex_t tokens_lock; /* guards the next one, which access.c takes and replaces */
    struct tokens *tokens;       /* NULL, and so for ever: everybody may do everything */
    ragstore_store *store;
    struct extract_runner extractor; /* program "": there is none */
#ifdef SERVER_HAS_LLM
    struct llm_client llm; /* url NULL: there is none */
#endif
    struct embedder embedder;
    struct admin_jobs *admin_jobs;
    struct workers *workers[POOL_COUNT];
    struct MHD_Daemon *daemon;
    char address[96];   /* as in the Host header, without the port: "127.0.0.1", "[::1]" */
    char problem[1024]; /* why search is by keyword only although there is a model, or "" */
    uint16_t port;
    atomic_bool stopping; /* new requests are refused */

    pthread_mutex_t lock; /* guards the next two */
    pthread_cond_t idle;  /* signalled when active becomes 0 */
    unsigned active;      /* requests whose head arrived and that have not ended */
};

#endif
