/*
 * Writes to a store from several threads, or reads what such writers left. The campaigns in this
 * folder start it, kill it, and ask it; see workload.h for what it does.
 *
 *   store_worker write PATH SEED FIRST DONE…    one thread for each DONE, which says how many steps
 *                                               its worker (FIRST, FIRST+1, …) has taken already
 *   store_worker read  PATH SEED FLAGS LOW:HIGH…    FLAGS: "r" read-only, "c" check, "-" neither
 *
 * A writer tells each acknowledged step as a line "worker step" on descriptor 3, before it takes
 * the next. A further thread forces checkpoints. It runs until it is killed, or a call fails: then
 * it says which on standard error and ends with status 3.
 *
 * A reader prints a JSON object: status and message of the open; for each worker the number of
 * steps after which the store would be as it is, between LOW and HIGH, or null and why; findings of
 * the check. It is linked with <ragstore.h> alone.
 */
#include "workload.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define ACKNOWLEDGE 3
#define STEPS_MAX 1000000
#define WORKERS_MAX 32

typedef struct writer {
    worker_handles handles;
    uint64_t seed;
    uint64_t done;
    pthread_t thread;
} writer;

static void give_up(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", what, ragstore_status_name(ragstore_error_code()),
            ragstore_error_message());
    _exit(3);
}

static void model_at(model *out, uint64_t seed, unsigned worker, uint64_t done)
{
    memset(out, 0, sizeof *out);
    for (uint64_t i = 1; i <= done; i++) {
        step next = workload_step(out, seed, worker, i);
        workload_note(out, &next);
    }
}

static void *run_writer(void *user)
{
    writer *self = user;
    model now;
    model_at(&now, self->seed, self->handles.worker, self->done);
    while (self->done < STEPS_MAX) {
        char line[60];
        step next = workload_step(&now, self->seed, self->handles.worker, self->done + 1);
        if (workload_do(&self->handles, &next) != RAGSTORE_OK) {
            snprintf(line, sizeof line, "worker %u step %" PRIu64 " kind %d", self->handles.worker,
                     next.number, (int)next.kind);
            give_up(line);
        }
        workload_note(&now, &next);
        self->done++;
        int size =
            snprintf(line, sizeof line, "%u %" PRIu64 "\n", self->handles.worker, self->done);
        if (write(ACKNOWLEDGE, line, (size_t)size) != size)
            _exit(4);
    }
    return NULL;
}

static int open_store(ragstore_store **store, const char *path, uint32_t flags)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.busy_timeout_ms = 30000;
    return ragstore_store_open(store, path, &options);
}

static int write_store(const char *path, uint64_t seed, unsigned first, char **done, int count)
{
    static writer writers[WORKERS_MAX];
    ragstore_store *store;
    if (open_store(&store, path, 0) != RAGSTORE_OK)
        give_up("open");
    for (int i = 0; i < count; i++) {
        writers[i] = (writer){.handles = {.store = store, .worker = first + (unsigned)i},
                              .seed = seed,
                              .done = strtoull(done[i], NULL, 10)};
        if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]) != 0)
            return 1;
    }
    uint64_t chance = seed;
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        const struct timespec pause = {0, (long)((chance >> 33) % 40000000)};
        nanosleep(&pause, NULL);
        int status = i % 3 == 0 ? ragstore_store_maintain(store, 0) : ragstore_store_export(store);
        if (status != RAGSTORE_OK)
            give_up("checkpoint");
    }
    return 0;
}

/* ---- reading ---- */

/* After how many steps is a worker's part of the store as it is? A row that came and went leaves no
 * trace, so there may be several answers: the most steps, and the fewest ("least"). */
static json_t *find_place(ragstore_store *store, uint64_t seed, unsigned worker, const char *range)
{
    model found;
    model at;
    char problem[500];
    char *rest;
    char text[1500];
    const uint64_t low = strtoull(range, &rest, 10);
    const uint64_t high = strtoull(rest + 1, NULL, 10);
    if (!workload_read(&found, store, worker, problem))
        return json_pack("{s:n, s:s}", "steps", "problem", problem);
    json_int_t least = -1;
    json_int_t most = -1;
    model_at(&at, seed, worker, low);
    for (uint64_t i = low;; i++) {
        if (workload_equal(&at, &found)) {
            most = (json_int_t)i;
            least = least < 0 ? most : least;
        }
        if (i >= high)
            break;
        step next = workload_step(&at, seed, worker, i + 1);
        workload_note(&at, &next);
    }
    if (most >= 0)
        return json_pack("{s:I, s:I}", "steps", most, "least", least);
    model_at(&at, seed, worker, low);
    workload_describe(problem, sizeof problem, &found);
    workload_describe(text, 500, &at);
    json_t *expected = json_string(text);
    return json_pack("{s:n, s:s, s:o}", "steps", "problem", problem, "expected", expected);
}

static json_t *check(ragstore_store *store)
{
    ragstore_buffer *buffer;
    if (ragstore_store_check(&buffer, store) != RAGSTORE_OK)
        return json_pack("[{s:s}]", "problem", ragstore_error_message());
    json_t *report =
        json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer), 0, NULL);
    json_t *findings = json_incref(json_object_get(report, "findings"));
    ragstore_buffer_free(buffer);
    json_decref(report);
    return findings;
}

static int read_store(const char *path, uint64_t seed, const char *flags, char **ranges, int count)
{
    ragstore_store *store;
    const bool read_only = strchr(flags, 'r') != NULL;
    int status = open_store(&store, path,
                            RAGSTORE_OPEN_MUST_EXIST | (read_only ? RAGSTORE_OPEN_READ_ONLY : 0u));
    json_t *answer = json_object();
    json_object_set_new(answer, "status", json_string(ragstore_status_name(status)));
    json_object_set_new(answer, "message",
                        json_string(status == RAGSTORE_OK ? "" : ragstore_error_message()));
    if (status == RAGSTORE_OK) {
        json_t *workers = json_array();
        for (int i = 0; i < count; i++)
            json_array_append_new(workers, find_place(store, seed, (unsigned)i, ranges[i]));
        json_object_set_new(answer, "workers", workers);
        if (strchr(flags, 'c') != NULL)
            json_object_set_new(answer, "findings", check(store));
        if (ragstore_store_close(store) != RAGSTORE_OK)
            json_object_set_new(answer, "close", json_string(ragstore_error_message()));
    }
    json_dumpf(answer, stdout, JSON_COMPACT);
    json_decref(answer);
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 5 && count <= 5 + WORKERS_MAX && strcmp(arguments[1], "write") == 0)
        return write_store(arguments[2], strtoull(arguments[3], NULL, 10),
                           (unsigned)strtoul(arguments[4], NULL, 10), arguments + 5, count - 5);
    if (count > 5 && strcmp(arguments[1], "read") == 0)
        return read_store(arguments[2], strtoull(arguments[3], NULL, 10), arguments[4],
                          arguments + 5, count - 5);
    fprintf(stderr, "usage: %s write|read PATH SEED FIRST|FLAGS …\n", arguments[0]);
    return 2;
}
