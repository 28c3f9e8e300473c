/*
 * A conversation that grows: a message appended to it, and its newest 20 read, when it has 100, 1,000,
 * 10,000 and 100,000 messages.
 *
 *   bench_sessions [directory] [rounds]
 *
 * Prints one JSON object a line: median microseconds, with the ratio to 100 messages. Appending is
 * durable; its time is mostly that of the disk, so it is measured with durability "normal", too. The
 * sizes are measured in turns, each by sessions of their own in one store, and what lies between the
 * sizes is put in by batches. "reopened" is after the store was closed and opened: the messages lie in
 * chat_sessions.json, and not in the journal.
 */
#include "ragstore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1001
#define BATCH 1000

static const uint64_t sizes[] = {100, 1000, 10000, 100000};
#define SIZES (sizeof sizes / sizeof *sizes)

static char place[1024];

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void check(int status)
{
    if (status == RAGSTORE_OK)
        return;
    fprintf(stderr, "bench_sessions: %s\n", ragstore_error_message());
    exit(1);
}

static void append(ragstore_session *session)
{
    check(ragstore_session_append(NULL, session, "user",
                                  "When does the last ferry to the island leave on a Sunday, and "
                                  "does it take bicycles and dogs in the winter timetable?",
                                  "{\"topic\":\"ferries\"}"));
}

static void read_last(ragstore_session *session)
{
    ragstore_buffer *buffer;
    ragstore_session_messages_options options = RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT;
    options.limit = 20;
    check(ragstore_session_messages(&buffer, session, &options));
    ragstore_buffer_free(buffer);
}

static void fill(ragstore_store *store, ragstore_session *session, uint64_t count)
{
    for (uint64_t done = 0; done < count;) {
        ragstore_batch *batch;
        check(ragstore_batch_begin(&batch, store));
        for (unsigned i = 0; i < BATCH && done < count; i++, done++)
            append(session);
        check(ragstore_batch_commit(batch));
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Median of each size, measured in turns. */
static void measure(const char *what, void (*call)(ragstore_session *session),
                    ragstore_session *const *sessions, int rounds)
{
    static double times[SIZES][ROUNDS_MAX];
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < SIZES; i++) {
            const double began = now_us();
            call(sessions[i]);
            times[i][round] = now_us() - began;
        }
    for (size_t i = 0; i < SIZES; i++)
        qsort(times[i], (size_t)rounds, sizeof(double), compare);
    for (size_t i = 0; i < SIZES; i++)
        printf("{\"bench\":\"sessions\",\"what\":\"%s\",\"messages\":%" PRIu64
               ",\"us\":%.1f,\"ratio_to_100\":%.2f}\n",
               what, sizes[i], times[i][rounds / 2], times[i][rounds / 2] / times[0][rounds / 2]);
    fflush(stdout);
}

static ragstore_store *open_store(uint32_t durability)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    char path[1100];
    options.durability = durability;
    snprintf(path, sizeof path, "%s/store", place);
    check(ragstore_store_open(&store, path, &options));
    return store;
}

static void open_sessions(ragstore_session *sessions[SIZES], ragstore_store *store,
                          char ids[SIZES][64])
{
    for (size_t i = 0; i < SIZES; i++)
        check(ragstore_session_open(&sessions[i], store, ids[i]));
}

static void free_sessions(ragstore_session *sessions[SIZES])
{
    for (size_t i = 0; i < SIZES; i++)
        ragstore_session_free(sessions[i]);
}

static void make_sessions(char ids[SIZES][64])
{
    ragstore_store *store = open_store(RAGSTORE_DURABILITY_FULL);
    ragstore_entity *entity;
    check(ragstore_entity_create(&entity, store, "acme", NULL));
    for (size_t i = 0; i < SIZES; i++) {
        ragstore_session *session;
        check(ragstore_session_create(&session, entity, NULL));
        snprintf(ids[i], 64, "%s", ragstore_session_id(session));
        fill(store, session, sizes[i]);
        ragstore_session_free(session);
    }
    ragstore_session *sessions[SIZES];
    open_sessions(sessions, store, ids);
    measure("read the last 20", read_last, sessions, 101);
    free_sessions(sessions);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
}

int main(int argc, char **argv)
{
    const char *base = argc > 1 ? argv[1] : getenv("TMPDIR");
    int rounds = argc > 2 ? atoi(argv[2]) : 201;
    char ids[SIZES][64];
    char command[2048];
    ragstore_session *sessions[SIZES];
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    snprintf(place, sizeof place, "%s/bench-sessions-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(place) == NULL) {
        fprintf(stderr, "bench_sessions: %s: %s\n", place, strerror(errno));
        return 1;
    }
    make_sessions(ids);
    ragstore_store *store = open_store(RAGSTORE_DURABILITY_NORMAL);
    open_sessions(sessions, store, ids);
    measure("read the last 20, reopened", read_last, sessions, rounds);
    measure("append, normal", append, sessions, rounds);
    free_sessions(sessions);
    check(ragstore_store_close(store));
    store = open_store(RAGSTORE_DURABILITY_FULL);
    open_sessions(sessions, store, ids);
    measure("append, full", append, sessions, rounds);
    free_sessions(sessions);
    check(ragstore_store_close(store));
    snprintf(command, sizeof command, "rm -rf '%s'", place);
    return system(command) == 0 ? 0 : 1;
}
