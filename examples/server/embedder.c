/*
 * The embedding model. An endpoint is asked by ragstore_model_open_callback(); the library brings its
 * vectors to length 1, refuses what is none, and searches by keyword when a query gets no vector.
 *
 * A document may wait for a busy endpoint, and one that is added by a job for one that is away; a
 * query must not: it asks twice at most, and after it was held up in vain, the next ones do not ask
 * at all for a while.
 */
#include "embedder.h"

#include "known_model.h"
#include "server.h"
#include "server_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the endpoint ---- */

#ifdef SERVER_HAS_LLM

enum {
    HELD_UP_MS = 1000,
    REST_MS = 5000,
    FINGERPRINT_MAX = 256,
    START_CONNECT_SECONDS = 3, /* at the start: there may be a service manager that waits */
    START_ANSWER_SECONDS = 30  /* the model may have to be loaded first */
};

static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_given_up(void *user)
{
    return atomic_load(&((struct embedder *)user)->given_up);
}

/* Is it no use to ask now? Then `reason` says why. */
static bool rests(struct embedder *embedder, char *reason, size_t size)
{
    bool does = false;

    pthread_mutex_lock(&embedder->lock);
    does = now_ms() < embedder->rests_until_ms;
    if (does) {
        snprintf(reason, size, "%s", embedder->problem);
    }
    pthread_mutex_unlock(&embedder->lock);
    return does;
}

static void note_outcome(struct embedder *embedder, const char *why, bool held_up)
{
    bool is_news = false;

    pthread_mutex_lock(&embedder->lock);
    is_news = (why == NULL) != (embedder->problem[0] == '\0');
    embedder->rests_until_ms = held_up ? now_ms() + REST_MS : 0;
    snprintf(embedder->problem, sizeof embedder->problem, "%s", why == NULL ? "" : why);
    pthread_mutex_unlock(&embedder->lock);
    if (is_news && why != NULL) {
        log_line(LOG_LEVEL_ERROR, "the embedding endpoint fails: %s", why);
    } else if (is_news) {
        log_line(LOG_LEVEL_INFO, "the embedding endpoint answers again");
    }
}

static int32_t embed(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size)
{
    struct embedder *embedder = user;
    const bool is_query = role == RAGSTORE_ROLE_QUERY;
    bool is_away = false;
    const struct llm_patience patience = {.attempts = is_query ? 2 : 0,
                                          .connect_seconds = is_query ? 3 : 0,
                                          .answer_seconds = is_query ? 10 : 0,
                                          .stop = is_given_up,
                                          .user = embedder,
                                          .is_away = &is_away};
    const int64_t begun_ms = now_ms();
    char why[LLM_MESSAGE] = "";

    if (is_query && rests(embedder, reason, reason_size)) {
        return RAGSTORE_E_EMBEDDER;
    }
    if (llm_embed(vectors, &embedder->client, texts, count, embedder->dimension, &patience, why)) {
        note_outcome(embedder, NULL, false);
        return RAGSTORE_OK;
    }
    snprintf(reason, reason_size, "%s", why);
    if (is_given_up(embedder)) {
        return RAGSTORE_E_INTERRUPTED;
    }
    note_outcome(embedder, why, is_query && now_ms() - begun_ms >= HELD_UP_MS);
    return is_away ? RAGSTORE_E_BUSY : RAGSTORE_E_EMBEDDER; /* busy: jobs wait and ask again */
}

/* How long the model's vectors are, as the endpoint shows. 0 and *is_away: it does not answer. */
static size_t ask_dimension(struct embedder *embedder, bool *is_away, char *why)
{
    const struct llm_patience patience = {.connect_seconds = START_CONNECT_SECONDS,
                                          .answer_seconds = START_ANSWER_SECONDS,
                                          .is_away = is_away};

    *is_away = false;
    return llm_embed_dimension(&embedder->client, &patience, why);
}

/* The endpoint does not answer. A store that has vectors of its model knows how long they are, so
 * that all goes on but what has to be embedded; one that has none serves what it has. False: there
 * is nothing to serve. */
static bool go_on_without(struct server *server, const char *why)
{
    const struct settings *settings = &server->settings;
    struct embedder *embedder = &server->embedder;
    struct known_model known = known_model_find(settings->data_dir, settings->embedder);

    embedder->dimension = known.dimension;
    if (known.dimension > 0) {
        note_outcome(embedder, why, true);
        log_line(LOG_LEVEL_WARNING,
                 "searching by keyword until the embedding endpoint answers; uploads that are jobs "
                 "wait for it");
    } else if (known.has_entities) {
        snprintf(server->problem, sizeof server->problem,
                 "Search is by keyword only, also of new documents: the embedding endpoint does "
                 "not answer, and nothing here has vectors of %s, so their length is not known. "
                 "Start the server again when it does (%s).",
                 settings->embedder, why);
        log_line(LOG_LEVEL_ERROR, "%s", server->problem);
    }
    return known.has_entities;
}

static bool find_dimension(struct server *server)
{
    struct embedder *embedder = &server->embedder;
    char why[LLM_MESSAGE] = "";
    bool is_away = false;

    embedder->dimension = ask_dimension(embedder, &is_away, why);
    if (embedder->dimension > 0 || (is_away && go_on_without(server, why))) {
        return true;
    }
    fprintf(stderr,
            "ragstore-server: cannot use --embedder %s: %s; it was asked for a vector at "
            "%s/embeddings\n",
            server->settings.embedder, why, embedder->client.url);
    return false;
}

static bool open_endpoint(struct server *server, ragstore_model **model)
{
    const struct settings *settings = &server->settings;
    const char *url = settings->embedder_url != NULL ? settings->embedder_url : settings->llm_url;
    struct embedder *embedder = &server->embedder;
    ragstore_model_callback_options options = RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT;
    char fingerprint[FINGERPRINT_MAX + 64];
    char why[LLM_MESSAGE] = "";

    if (!llm_client_open(&embedder->client, url, settings->embedder, why)) {
        fprintf(stderr, "ragstore-server: cannot use %s %s: %s\n",
                settings->embedder_url != NULL ? "--embedder-url" : "--llm-url", url, why);
        return false;
    }
    if (!find_dimension(server)) {
        return false;
    }
    if (embedder->dimension == 0) {
        return true; /* without a model for now */
    }
    snprintf(fingerprint, sizeof fingerprint, "%s/%zu/endpoint", settings->embedder,
             embedder->dimension);
    options.fingerprint = fingerprint;
    options.dimension = embedder->dimension > UINT32_MAX ? 0 : (uint32_t)embedder->dimension;
    options.embed = embed;
    options.user = embedder;
    if (ragstore_model_open_callback(model, &options) != RAGSTORE_OK) {
        fprintf(stderr, "ragstore-server: cannot use --embedder %s: %s\n", settings->embedder,
                ragstore_error_message());
        return false;
    }
    return true;
}

#else

static bool open_endpoint(struct server *server, ragstore_model **model)
{
    (void)server;
    (void)model;
    fputs("ragstore-server: this program was built without libcurl, so --embedder works with hashing "
          "only; run make setup and build it again\n",
          stderr);
    return false;
}

#endif

void embedder_give_up(struct embedder *embedder)
{
    atomic_store(&embedder->given_up, true);
}

bool embedder_problem(struct server *server, char problem[EMBEDDER_PROBLEM])
{
    struct embedder *embedder = &server->embedder;

    pthread_mutex_lock(&embedder->lock);
    memcpy(problem, embedder->problem, EMBEDDER_PROBLEM);
    pthread_mutex_unlock(&embedder->lock);
    return problem[0] != '\0';
}

void embedder_free(struct embedder *embedder)
{
#ifdef SERVER_HAS_LLM
    llm_client_close(&embedder->client);
#endif
    pthread_mutex_destroy(&embedder->lock);
}

/* ---- any model ---- */

static int open_in(ragstore_model **model, const char *directory, uint32_t precision)
{
    ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;

    options.precision = precision;
    return ragstore_model_open_with(model, directory, &options);
}

static bool open_directory(ragstore_model **model, const struct settings *settings)
{
    int status = open_in(model, settings->model, settings->precision);

    if (status != RAGSTORE_OK) {
        fprintf(stderr, "ragstore-server: cannot use the model %s: %s\n", settings->model,
                ragstore_error_message());
    }
    return status == RAGSTORE_OK;
}

/* What the set-up made. Without it the server says so and searches by keyword. */
static void open_located(struct server *server, ragstore_model **model)
{
    ragstore_buffer *found = NULL;

    if (ragstore_model_locate(&found) == RAGSTORE_OK &&
        open_in(model, ragstore_buffer_data(found), server->settings.precision) != RAGSTORE_OK) {
        snprintf(server->problem, sizeof server->problem,
                 "Search is by keyword only: the embedding model cannot be used: %.900s",
                 ragstore_error_message());
        log_line(LOG_LEVEL_ERROR, "%s", server->problem);
    }
    ragstore_buffer_free(found);
}

bool embedder_load(struct server *server, ragstore_model **model)
{
    const struct settings *settings = &server->settings;

    *model = NULL;
    if (settings->embedder != NULL && strcmp(settings->embedder, "hashing") == 0) {
        return ragstore_model_open_hashing(model, 0) == RAGSTORE_OK;
    }
    if (settings->embedder != NULL) {
        return open_endpoint(server, model);
    }
    if (settings->model != NULL) {
        return strcmp(settings->model, "none") == 0 || open_directory(model, settings);
    }
    open_located(server, model);
    return true;
}
