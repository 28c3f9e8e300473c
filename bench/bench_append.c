/*
 * Durable appends, one record a commit: ragstore's storage beside SQLite (WAL) and beside the bare
 * device (one pwrite and one fdatasync a record).
 *
 *   bench_append [directory] [rounds]
 *
 * Prints one JSON object a line: commits a second (median, smallest and largest of the rounds),
 * flushes for each commit, and the ratio to the rival; first for threads of one process, then for
 * two processes of one thread each, with the smaller one's share. Each round measures all ways one
 * after the other, in the other order in every second round. The directory should be on a real
 * disk.
 */
#include "base/status.h"
#include "files/files.h"
#include "ragstore.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 31
#define THREADS_MAX 16
#define SECONDS 0.3

typedef enum way { RAGSTORE_FULL, RAGSTORE_NORMAL, RIVAL_FULL, RIVAL_NORMAL, RAW, WAYS } way;

static const char *const names[WAYS] = {"ragstore full", "ragstore normal", "SQLite WAL FULL",
                                        "SQLite WAL NORMAL", "pwrite + fdatasync"};

static char place[1024];
static atomic_uint_fast64_t flushes;
static atomic_uint_fast64_t next_key;
static rsi_file_table counting;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_append: %s: %s\n", what, why);
    exit(1);
}

static int count_flush(void *self, int handle)
{
    flushes++;
    return rsi_files_posix.flush_data(self, handle);
}

static int record_text(char *out, size_t room, uint64_t number)
{
    return snprintf(out, room,
                    "{\"_id\":\"session_%012" PRIx64 "\",\"entity_id\":\"acme\",\"session_name\":"
                    "\"Chat %" PRIu64 "\",\"created_at\":\"2026-01-01T00:00:00.000000\","
                    "\"metadata\":{\"topic\":\"ferries\"}}",
                    number, number);
}

/* ---- the ways ---- */

typedef struct run {
    way how;
    int threads;
    double until;
    rsi_storage *storage;
    int file;
    atomic_uint_fast64_t offset;
    atomic_uint_fast64_t commits;
} run;

static void commit_to_ragstore(run *r)
{
    char key[32];
    char json[256];
    uint64_t number = next_key++;
    int size = record_text(json, sizeof json, number);
    snprintf(key, sizeof key, "session_%012" PRIx64, number);
    rsi_tx *tx;
    if (rsi_tx_begin(&tx, r->storage) != RAGSTORE_OK ||
        rsi_tx_put(tx, RSI_SPACE_SESSIONS, key, json, (size_t)size) != RAGSTORE_OK ||
        rsi_tx_commit(tx) != RAGSTORE_OK)
        fail("commit", rsi_error_message());
}

static void commit_raw(run *r)
{
    char line[512];
    char json[256];
    int size =
        snprintf(line, sizeof line, "%081d,[\"put\",\"chat_sessions\",\"session_%012d\",%s]\n", 0,
                 0, (record_text(json, sizeof json, next_key++), json));
    uint64_t at = atomic_fetch_add(&r->offset, (uint64_t)size);
    if (pwrite(r->file, line, (size_t)size, (off_t)at) != size || fdatasync(r->file) != 0)
        fail("write", strerror(errno));
    flushes++;
}

static sqlite3 *open_sqlite(bool full)
{
    char path[1100];
    sqlite3 *database;
    snprintf(path, sizeof path, "%s/rival.db", place);
    if (sqlite3_open(path, &database) != SQLITE_OK)
        fail(path, sqlite3_errmsg(database));
    sqlite3_busy_timeout(database, 60000);
    sqlite3_exec(database, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    sqlite3_exec(database, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL,
                 NULL, NULL);
    sqlite3_exec(database, "CREATE TABLE IF NOT EXISTS t(id TEXT PRIMARY KEY, json TEXT)", NULL,
                 NULL, NULL);
    return database;
}

static void commit_to_sqlite(sqlite3_stmt *insert)
{
    char key[32];
    char json[256];
    uint64_t number = next_key++;
    int size = record_text(json, sizeof json, number);
    snprintf(key, sizeof key, "session_%012" PRIx64, number);
    sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, json, size, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE)
        fail("SQLite", sqlite3_errmsg(sqlite3_db_handle(insert)));
    sqlite3_reset(insert);
}

static void *work(void *user)
{
    run *r = user;
    sqlite3 *database = NULL;
    sqlite3_stmt *insert = NULL;
    if (r->how == RIVAL_FULL || r->how == RIVAL_NORMAL) {
        database = open_sqlite(r->how == RIVAL_FULL);
        if (sqlite3_prepare_v2(database, "INSERT INTO t VALUES(?, ?)", -1, &insert, NULL) !=
            SQLITE_OK)
            fail("SQLite", sqlite3_errmsg(database));
    }
    while (now() < r->until) {
        if (insert != NULL)
            commit_to_sqlite(insert);
        else if (r->how == RAW)
            commit_raw(r);
        else
            commit_to_ragstore(r);
        r->commits++;
    }
    sqlite3_finalize(insert);
    sqlite3_close(database);
    return NULL;
}

static rsi_storage *open_store(bool full)
{
    char path[1100];
    rsi_storage *storage;
    rsi_storage_options options = {.durability =
                                       full ? RAGSTORE_DURABILITY_FULL : RAGSTORE_DURABILITY_NORMAL,
                                   .busy_timeout_ms = 60000,
                                   .keep_lease = true,
                                   .files = &counting};
    snprintf(path, sizeof path, "%s/store", place);
    if (rsi_storage_open(&storage, path, &options) != RAGSTORE_OK)
        fail(path, rsi_error_message());
    return storage;
}

/* Commits a second. */
static double measure(way how, int threads, double *flushes_each)
{
    run r = {.how = how, .threads = threads};
    pthread_t ids[THREADS_MAX];
    char path[1100];
    snprintf(path, sizeof path, "%s/raw", place);
    if (how == RAW && (r.file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600)) < 0)
        fail(path, strerror(errno));
    if (how == RAGSTORE_FULL || how == RAGSTORE_NORMAL)
        r.storage = open_store(how == RAGSTORE_FULL);
    flushes = 0;
    double begin = now();
    r.until = begin + SECONDS;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &r) != 0)
            fail("thread", strerror(errno));
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double seconds = now() - begin;
    *flushes_each = (double)flushes / (double)r.commits;
    if (r.storage != NULL) {
        if (rsi_storage_close(r.storage) != RAGSTORE_OK)
            fail("close", rsi_error_message());
        rsi_storage_free(r.storage);
    }
    if (how == RAW)
        close(r.file);
    return (double)r.commits / seconds;
}

/* ---- two processes ---- */

#define PROCESSES 2

/* In a child, with a store or database of its own on the same files, when all have opened theirs.
 */
static void work_alone(way how, int index, int answers, int starts)
{
    uint64_t commits = 0;
    run r = {.how = how, .threads = 1};
    next_key = ((uint64_t)index + 1) << 40 | next_key;
    if (how == RAGSTORE_FULL || how == RAGSTORE_NORMAL)
        r.storage = open_store(how == RAGSTORE_FULL);
    if (write(answers, &commits, sizeof commits) != sizeof commits ||
        read(starts, &commits, 1) != 1)
        _exit(1);
    r.until = now() + SECONDS;
    work(&r);
    commits = r.commits;
    if (write(answers, &commits, sizeof commits) != sizeof commits)
        _exit(1);
    _exit(r.storage == NULL || rsi_storage_close(r.storage) == RAGSTORE_OK ? 0 : 1);
}

static uint64_t answer_of(int answers)
{
    uint64_t commits;
    if (read(answers, &commits, sizeof commits) != sizeof commits)
        fail("process", "no answer");
    return commits;
}

/* Commits a second of all; *least: the smallest share of one. */
static double measure_processes_once(way how, double *least)
{
    pid_t ids[PROCESSES];
    int answers[2];
    int starts[2];
    uint64_t sum = 0;
    uint64_t smallest = UINT64_MAX;
    if (how == RIVAL_FULL || how == RIVAL_NORMAL)
        sqlite3_close(open_sqlite(how == RIVAL_FULL)); /* makes the table */
    if (pipe(answers) != 0 || pipe(starts) != 0)
        fail("pipe", strerror(errno));
    for (int i = 0; i < PROCESSES; i++) {
        ids[i] = fork();
        if (ids[i] < 0)
            fail("fork", strerror(errno));
        if (ids[i] == 0)
            work_alone(how, i, answers[1], starts[0]);
    }
    for (int i = 0; i < PROCESSES; i++)
        (void)answer_of(answers[0]);
    if (write(starts[1], "go", PROCESSES) != PROCESSES)
        fail("pipe", strerror(errno));
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        uint64_t commits = answer_of(answers[0]);
        sum += commits;
        smallest = commits < smallest ? commits : smallest;
        if (waitpid(ids[i], &status, 0) < 0 || status != 0)
            fail("process", "ended badly");
    }
    close(answers[0]);
    close(answers[1]);
    close(starts[0]);
    close(starts[1]);
    next_key += sum;
    *least = (double)smallest / (double)sum;
    return (double)sum / SECONDS;
}

/* ---- rounds ---- */

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void clear_place(void)
{
    char command[4096];
    snprintf(command, sizeof command, "rm -rf '%s/store' '%s'/rival.db* '%s/raw'", place, place,
             place);
    if (system(command) != 0)
        fail("remove", place);
}

static void measure_threads(int threads, int rounds)
{
    double rates[WAYS][ROUNDS_MAX];
    double flushed[WAYS] = {0};
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < WAYS; i++) {
            way how = (way)(round % 2 == 0 ? i : WAYS - 1 - i);
            rates[how][round] = measure(how, threads, &flushed[how]);
        }
    for (int i = 0; i < WAYS; i++)
        qsort(rates[i], (size_t)rounds, sizeof(double), compare);
    for (int i = 0; i < WAYS; i++) {
        double median = rates[i][rounds / 2];
        printf("{\"bench\":\"append\",\"threads\":%d,\"way\":\"%s\",\"commits_per_s\":%.0f,"
               "\"min\":%.0f,\"max\":%.0f",
               threads, names[i], median, rates[i][0], rates[i][rounds - 1]);
        if (i < RIVAL_FULL || i == RAW)
            printf(",\"flushes_per_commit\":%.3f", flushed[i]);
        if (i < RIVAL_FULL)
            printf(",\"ratio_to_sqlite\":%.2f,\"ratio_to_raw\":%.2f",
                   median / rates[i + RIVAL_FULL][rounds / 2], median / rates[RAW][rounds / 2]);
        printf("}\n");
        fflush(stdout);
    }
}

static void measure_processes(int rounds)
{
    double rates[WAYS][ROUNDS_MAX];
    double least[WAYS];
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < RAW; i++) {
            way how = (way)(round % 2 == 0 ? i : RAW - 1 - i);
            rates[how][round] = measure_processes_once(how, &least[how]);
        }
    for (int i = 0; i < RAW; i++) {
        qsort(rates[i], (size_t)rounds, sizeof(double), compare);
        double median = rates[i][rounds / 2];
        printf("{\"bench\":\"append\",\"processes\":%d,\"way\":\"%s\",\"commits_per_s\":%.0f,"
               "\"min\":%.0f,\"max\":%.0f,\"least_share\":%.2f",
               PROCESSES, names[i], median, rates[i][0], rates[i][rounds - 1], least[i]);
        if (i >= RIVAL_FULL)
            printf("}\n");
        else
            printf(",\"ratio_to_sqlite\":%.2f}\n", median / rates[i + RIVAL_FULL][rounds / 2]);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static const int threads[] = {1, 2, 4, 8, 16};
    const char *base = argc > 1 ? argv[1] : getenv("TMPDIR");
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    snprintf(place, sizeof place, "%s/bench-append-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(place) == NULL)
        fail(place, strerror(errno));
    counting = rsi_files_posix;
    counting.flush_data = count_flush;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        measure_threads(threads[i], rounds);
        clear_place();
    }
    measure_processes(rounds);
    clear_place();
    if (rmdir(place) != 0)
        fail(place, strerror(errno));
    return 0;
}
