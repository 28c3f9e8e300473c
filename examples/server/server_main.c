/*
 * ragstore-server: starts, waits for a signal, stops. A consumer of the installed library like any
 * other: it includes ragstore.h, microhttpd.h and jansson.h, and knows nothing of what is inside.
 *
 * Reading order: this file, http.c (a request's way), routes.c (the calls), then any *_calls.c.
 */
#include "access.h"
#include "admin_jobs.h"
#include "embedder.h"
#include "http.h"
#include "listen.h"
#include "server_log.h"
#include "service.h"
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum exit_status { EXIT_STOPPED = 0, EXIT_COULD_NOT = 1, EXIT_USAGE = 2 };

/* A stop takes at most 10 s: requests may finish, then they are interrupted, then the store is
 * closed (2 s). */
enum { FINISH_MS = 5000, INTERRUPT_MS = 1500 };

enum { LLM_THREADS = 64, OTHER_DESCRIPTORS = 512 };

static void on_store_message(void *user, int level, const char *message)
{
    (void)user;
    log_line((enum log_level)level, "store: %s", message);
}

/* Find the helper that reads what is not text. One that the operator named must be there. */
static bool find_extractor(struct server *server)
{
    const char *named = server->settings.extractor;

    server->extractor = (struct extract_runner)EXTRACT_RUNNER_DEFAULTS;
    if (named != NULL && strcmp(named, "none") == 0) {
        return true;
    }
    if (extract_runner_find(&server->extractor, named)) {
        return true;
    }
    server->extractor.program[0] = '\0';
    if (named != NULL) {
        fprintf(stderr,
                "ragstore-server: cannot run the extractor %s; give the absolute path of "
                "ragstore-extract, or none\n",
                named);
        return false;
    }
    log_line(LOG_LEVEL_WARNING, "there is no ragstore-extract beside this program: PDF, Office "
                                "files, e-books and mails are refused");
    return true;
}

/* The language model that answers in chats, when the operator named one. */
static bool open_llm(struct server *server)
{
    const struct settings *settings = &server->settings;
#ifdef SERVER_HAS_LLM
    char why[LLM_MESSAGE];

    if (settings->llm_model != NULL &&
        !llm_client_open(&server->llm, settings->llm_url, settings->llm_model, why)) {
        fprintf(stderr, "ragstore-server: cannot use --llm-url %s: %s\n", settings->llm_url, why);
        return false;
    }
#else
    if (settings->llm_model != NULL) {
        fputs("ragstore-server: this program was built without libcurl, so --llm-url does not work; "
              "run make setup and build it again\n",
              stderr);
        return false;
    }
#endif
    return true;
}

static bool open_store(struct server *server, ragstore_model *model)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;

    options.flags = server->settings.no_reembed ? RAGSTORE_OPEN_NO_REEMBED : 0;
    options.model = model;
    options.log = on_store_message;
    if (server->extractor.program[0] != '\0') {
        options.extract = extract_run;
        options.extract_user = &server->extractor;
    }
    if (ragstore_store_open(&server->store, server->settings.data_dir, &options) != RAGSTORE_OK) {
        fprintf(stderr, "ragstore-server: cannot open the data directory %s (%s): %s\n",
                server->settings.data_dir, ragstore_status_name(ragstore_error_code()),
                ragstore_error_message());
        return false;
    }
    return true;
}

static void open_log(const struct server *server)
{
    char directory[4096];
    int length = snprintf(directory, sizeof directory, "%s/logs", server->settings.data_dir);

    if (length > 0 && (size_t)length < sizeof directory) {
        (void)log_open_file(directory, "app.log");
    }
}

/* The one line on standard output: scripts wait for it and take the address from it. The log has its
 * line before, ahead of every request's. */
static void announce(struct server *server, const ragstore_model *model)
{
    char problem[EMBEDDER_PROBLEM];
    const char *fingerprint = ragstore_model_fingerprint(model);
    char search[512];

    if (fingerprint != NULL) {
        snprintf(search, sizeof search, "search: hybrid with %.*s%s",
                 server->settings.embedder != NULL ? 256 : (int)strcspn(fingerprint, "/"),
                 fingerprint, embedder_problem(server, problem) ? ", by keyword until it answers" : "");
    } else if (server->settings.embedder != NULL) {
        snprintf(search, sizeof search,
                 "search: keyword only, the embedding endpoint does not answer; see /health");
    } else {
        snprintf(search, sizeof search,
                 "search: keyword only, there is no embedding model; run make quickstart or set "
                 "RAGSTORE_MODEL");
    }
    log_line(LOG_LEVEL_INFO, "ragstore-server %s listening on http://%s:%u (%s)",
             ragstore_version_text(), server->address, (unsigned)server->port, search);
    printf("ragstore-server %s listening on http://%s:%u (data: %s, %s)\n", ragstore_version_text(),
           server->address, (unsigned)server->port, server->settings.data_dir, search);
    fflush(stdout);
}

/* Signals reach main() through a handler and a pipe. Blocking them and waiting would not do: a
 * library that starts threads when it is loaded (BLAS does) has them take signals in their default
 * way. Threads that are started later inherit that signals are blocked. */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    char byte = (char)number;
    int kept = errno;

    (void)!write(signal_pipe[1], &byte, 1);
    errno = kept;
}

/* The first signal stops the server in order, the second one at once. With a token file SIGHUP has it
 * read again; otherwise it ends the server, as it should when its terminal is closed. */
static bool catch_signals(sigset_t *signals, const struct settings *settings)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    struct sigaction again = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    if (pipe2(signal_pipe, O_CLOEXEC) != 0) {
        fprintf(stderr, "ragstore-server: cannot make a pipe: %s\n", strerror(errno));
        return false;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (settings->token_file != NULL) {
        sigaction(SIGHUP, &again, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return true;
}

static int wait_for_signal(const sigset_t *signals)
{
    char byte = 0;

    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    while (read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
    }
    return byte;
}

static void stop_workers(struct server *server)
{
    if (admin_jobs_stop(server->admin_jobs, INTERRUPT_MS)) {
        server->admin_jobs = NULL;
    }
    for (int i = 0; i < POOL_COUNT; i++) {
        workers_stop(server->workers[i]);
        server->workers[i] = NULL;
    }
}

/* A language model answers elsewhere: its workers only wait, so there can be many. */
static bool start_workers(struct server *server)
{
    server->admin_jobs = admin_jobs_start(server->store);
    if (server->admin_jobs == NULL) {
        return false;
    }
    for (int i = 0; i < POOL_COUNT; i++) {
        bool only_waits = i == POOL_CHAT && server->settings.llm_model != NULL;

        server->workers[i] = workers_start(only_waits ? LLM_THREADS : server->settings.threads);
        if (server->workers[i] == NULL) {
            stop_workers(server);
            return false;
        }
    }
    return true;
}

/* Finish what is running, close the store. */
static bool stop(struct server *server)
{
    bool idle = false;
    int status = RAGSTORE_OK;

    service_notify("STOPPING=1");
    http_quiesce(server);
    admin_jobs_cancel_all(server->admin_jobs);
    idle = http_wait_idle(server, FINISH_MS);
    if (!idle) {
        log_line(LOG_LEVEL_WARNING, "interrupting requests that still run");
        embedder_give_up(&server->embedder);
        (void)ragstore_store_interrupt(server->store);
        idle = http_wait_idle(server, INTERRUPT_MS);
    }
    if (!idle) {
        /* A slow client, or a call that does not end. What was acknowledged is in the journal, so
         * leaving without closing loses nothing. */
        log_line(LOG_LEVEL_WARNING, "leaving requests behind that did not end in time");
        log_close_file();
        _exit(EXIT_STOPPED);
    }
    http_stop(server);
    stop_workers(server);
    if (server->admin_jobs != NULL) {
        log_line(LOG_LEVEL_WARNING, "leaving a job behind that did not end in time");
        log_close_file();
        _exit(EXIT_STOPPED);
    }
    embedder_give_up(&server->embedder);
    status = ragstore_store_close(server->store);
    if (status != RAGSTORE_OK) {
        log_line(LOG_LEVEL_ERROR, "cannot bring the files up to date: %s",
                 ragstore_error_message());
    }
    log_line(LOG_LEVEL_INFO, "stopped");
    log_close_file();
    return status == RAGSTORE_OK;
}

/* Each connection takes a descriptor, and a second one while it sends a file. */
static void allow_descriptors(const struct settings *settings)
{
    struct rlimit limit = {0};
    rlim_t wanted = (rlim_t)settings->max_connections * 2 + OTHER_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        log_line(LOG_LEVEL_WARNING,
                 "only %llu open files are allowed; %u connections may need %llu (ulimit -n, "
                 "LimitNOFILE)",
                 (unsigned long long)limit.rlim_cur, settings->max_connections,
                 (unsigned long long)wanted);
    }
}

static int serve(struct server *server, int listener, ragstore_model *model)
{
    sigset_t signals;
    int signal_number = 0;

    if (!catch_signals(&signals, &server->settings) || !find_extractor(server) || !open_llm(server) ||
        !open_store(server, model)) {
        close(listener);
        return EXIT_COULD_NOT;
    }
    open_log(server);
    allow_descriptors(&server->settings);
    if (!start_workers(server)) {
        fputs("ragstore-server: cannot start threads\n", stderr);
        close(listener);
        (void)ragstore_store_close(server->store);
        return EXIT_COULD_NOT;
    }
    if (!http_start(server, listener)) {
        stop_workers(server);
        (void)ragstore_store_close(server->store);
        return EXIT_COULD_NOT;
    }
    announce(server, model);
    service_notify("READY=1");
    while ((signal_number = wait_for_signal(&signals)) == SIGHUP) {
        access_reload(server);
    }
    log_line(LOG_LEVEL_INFO, "stopping on %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    return stop(server) ? EXIT_STOPPED : EXIT_COULD_NOT;
}

static bool read_tokens(struct server *server)
{
    char problem[TOKENS_PROBLEM];

    if (server->settings.token_file == NULL) {
        return true;
    }
    server->tokens = tokens_read(server->settings.token_file, problem);
    if (server->tokens == NULL) {
        fprintf(stderr, "ragstore-server: %s\n", problem);
    }
    return server->tokens != NULL;
}

/* Between two requests much is freed that the next one asks for again. Where it waits in glibc's bins for
 * quick reuse, each larger request first merges all that is in them: a twentieth of a search. */
static void tune_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MXFAST, 0);
#endif
}

int main(int argc, char **argv)
{
    static struct server server = {.tokens_lock = PTHREAD_MUTEX_INITIALIZER,
                                   .embedder = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    ragstore_model *model = NULL;
    int status = EXIT_COULD_NOT;
    enum listen_result listening = LISTEN_FAILED;
    int listener = -1;

    tune_memory();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--make-token") == 0) {
            return tokens_make(argc, argv);
        }
    }
    switch (settings_read(&server.settings, argc, argv)) {
    case SETTINGS_DONE:
        settings_free(&server.settings);
        return EXIT_STOPPED;
    case SETTINGS_WRONG:
        settings_free(&server.settings);
        return EXIT_USAGE;
    case SETTINGS_RUN:
        break;
    }
    log_set_level(server.settings.log_level);
    log_set_json(server.settings.log_json);
    if (!read_tokens(&server)) {
        settings_free(&server.settings);
        return EXIT_COULD_NOT;
    }
    listening = listen_open(&server, &listener);
    if (listening == LISTEN_REFUSED) {
        status = EXIT_USAGE;
    } else if (listening == LISTEN_OK && embedder_load(&server, &model)) {
        status = serve(&server, listener, model);
    } else if (listener >= 0) {
        close(listener);
    }
    ragstore_model_free(model);
    embedder_free(&server.embedder);
#ifdef SERVER_HAS_LLM
    llm_client_close(&server.llm);
#endif
    tokens_release(server.tokens);
    settings_free(&server.settings);
    return status;
}
