/*
 * From the start of a process to one record out of a million: ragstore beside SQLite and beside
 * jansson, each in a process of its own; then appending to that many records, and a find without an
 * index.
 *
 *   bench_open [records] [directory]
 *
 * Prints one JSON object a line: medians over the rounds, ratios, and the most memory that the
 * process used. The files are in the page cache. Each round does all ways, in the other order in
 * every second round.
 */
#include "base/bytes.h"
#include "base/status.h"
#include "ragstore.h"
#include "storage/storage.h"

#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define BATCH 10000

typedef enum way { RAGSTORE, SQLITE, JANSSON, WAYS } way;
static const char *const names[WAYS] = {"ragstore", "SQLite", "jansson"};

typedef struct sample {
    double ms;
    double kib;
} sample;

static char store_path[1024];
static char database_path[1100];
static char json_path[1100];
static size_t record_count = 1000000;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_open: %s: %s\n", what, why);
    exit(1);
}

static void check(int status, const char *what)
{
    if (status < 0)
        fail(what, ragstore_error_message());
}

static void key_of(char out[32], size_t number)
{
    snprintf(out, 32, "record_%012zx", number);
}

static void write_record(rsi_bytes *out, size_t number)
{
    static const char *const cities[] = {"Oslo", "Bergen", "Trondheim", "Tromso", "Molde"};
    char key[32];
    key_of(key, number);
    rsi_bytes_printf(out,
                     "{\"_id\":\"%s\",\"name\":\"Person %zu\",\"city\":\"%s\",\"score\":%zu,"
                     "\"created_at\":\"2026-01-31T12:34:56.%06zu\",\"note\":\"A few words about "
                     "number %zu, as long as a chat message may be.\"}",
                     key, number, cities[number % 5], number * 7919 % 100000, number % 1000000,
                     number);
}

/* ---- filling ---- */

static void fill_store(void)
{
    rsi_storage *storage;
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL};
    check(rsi_storage_open(&storage, store_path, &options), "make the store");
    for (size_t i = 0; i < record_count;) {
        rsi_tx *tx;
        check(rsi_tx_begin(&tx, storage), "begin");
        for (size_t end = i + BATCH; i < end && i < record_count; i++) {
            rsi_bytes text = {0};
            char key[32];
            key_of(key, i);
            write_record(&text, i);
            check(rsi_tx_put(tx, RSI_SPACE_COLLECTIONS "people", key, text.data, text.size), "put");
            rsi_bytes_free(&text);
        }
        check(rsi_tx_commit(tx), "commit");
    }
    check(rsi_storage_checkpoint(storage), "checkpoint");
    check(rsi_storage_close(storage), "close");
    rsi_storage_free(storage);
}

static void fill_database(void)
{
    sqlite3 *database;
    sqlite3_stmt *insert;
    if (sqlite3_open(database_path, &database) != SQLITE_OK ||
        sqlite3_exec(database,
                     "PRAGMA journal_mode=WAL; CREATE TABLE r (id TEXT PRIMARY KEY, t TEXT) "
                     "WITHOUT ROWID; BEGIN",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, "INSERT INTO r VALUES (?, ?)", -1, &insert, NULL) != SQLITE_OK)
        fail("make the database", sqlite3_errmsg(database));
    for (size_t i = 0; i < record_count; i++) {
        rsi_bytes text = {0};
        char key[32];
        key_of(key, i);
        write_record(&text, i);
        sqlite3_bind_text(insert, 1, key, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 2, text.data, (int)text.size, SQLITE_TRANSIENT);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail("fill the database", sqlite3_errmsg(database));
        sqlite3_reset(insert);
        rsi_bytes_free(&text);
    }
    sqlite3_finalize(insert);
    sqlite3_exec(database, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    sqlite3_close(database);
}

/* ---- one record ---- */

static ragstore_store *opened; /* closed when the time has been taken */

static size_t get_from_store(const char *key)
{
    ragstore_collection *collection;
    ragstore_buffer *found;
    char filter[64];
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_MUST_EXIST;
    snprintf(filter, sizeof filter, "{\"_id\":\"%s\"}", key);
    check(ragstore_store_open(&opened, store_path, &options), "open");
    check(ragstore_collection_open(&collection, opened, "people"), "open the collection");
    check(ragstore_collection_find_one(&found, NULL, collection, filter, NULL), "find");
    return ragstore_buffer_size(found);
}

static size_t get_from_database(const char *key)
{
    sqlite3 *database;
    sqlite3_stmt *select;
    if (sqlite3_open(database_path, &database) != SQLITE_OK ||
        sqlite3_prepare_v2(database, "SELECT t FROM r WHERE id = ?", -1, &select, NULL) !=
            SQLITE_OK)
        fail("open the database", sqlite3_errmsg(database));
    sqlite3_bind_text(select, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step(select) != SQLITE_ROW)
        fail("find in the database", sqlite3_errmsg(database));
    return (size_t)sqlite3_column_bytes(select, 0);
}

static size_t get_from_json(const char *key)
{
    json_error_t error;
    json_t *root = json_load_file(json_path, 0, &error);
    if (root == NULL)
        fail("load the JSON file", error.text);
    return json_object_size(json_object_get(root, key));
}

static double peak_kib(void)
{
    char line[256];
    double kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return kib;
}

/* In a process that does nothing else. */
static int run_child(way how, const char *key)
{
    const double before_kib = peak_kib();
    const double begin = now_ms();
    size_t size = how == RAGSTORE ? get_from_store(key)
                  : how == SQLITE ? get_from_database(key)
                                  : get_from_json(key);
    const double ms = now_ms() - begin;
    const double kib = peak_kib() - before_kib;
    check(ragstore_store_close(opened), "close"); /* NULL for the rivals */
    printf("%f %f %zu\n", ms, kib, size);
    fflush(stdout);
    _exit(size > 0 ? 0 : 1);
}

static sample measure(const char *self, way how, size_t round)
{
    char command[4096];
    char key[32];
    sample taken;
    size_t size;
    key_of(key, (round * 7368787 + 12345) % record_count);
    snprintf(command, sizeof command, "'%s' %zu '%s' --child %d %s", self, record_count, store_path,
             how, key);
    FILE *child = popen(command, "r");
    if (child == NULL || fscanf(child, "%lf %lf %zu", &taken.ms, &taken.kib, &size) != 3 ||
        pclose(child) != 0)
        fail("run a process", names[how]);
    return taken;
}

static int compare_samples(const void *a, const void *b)
{
    const sample *left = a;
    const sample *right = b;
    return (left->ms > right->ms) - (left->ms < right->ms);
}

static void compare_opening(const char *self)
{
    sample taken[WAYS][ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < WAYS; i++) {
            way how = (way)(round % 2 == 0 ? i : WAYS - 1 - i);
            taken[how][round] = measure(self, how, round);
        }
    for (size_t how = 0; how < WAYS; how++) {
        qsort(taken[how], ROUNDS, sizeof **taken, compare_samples);
        printf("{\"bench\":\"open_and_get\",\"way\":\"%s\",\"records\":%zu,\"ms\":%.3f,"
               "\"smallest_ms\":%.3f,\"largest_ms\":%.3f,\"peak_kib\":%.0f",
               names[how], record_count, taken[how][ROUNDS / 2].ms, taken[how][0].ms,
               taken[how][ROUNDS - 1].ms, taken[how][ROUNDS / 2].kib);
        if (how != RAGSTORE)
            printf(",\"time_ratio\":%.2f,\"memory_ratio\":%.2f",
                   taken[how][ROUNDS / 2].ms / taken[RAGSTORE][ROUNDS / 2].ms,
                   taken[how][ROUNDS / 2].kib / taken[RAGSTORE][ROUNDS / 2].kib);
        printf("}\n");
    }
}

/* ---- appending ---- */

static double appends_a_second(rsi_storage *storage, size_t round)
{
    const double begin = now_ms();
    size_t done = 0;
    for (; now_ms() - begin < 300; done++) {
        rsi_tx *tx;
        char key[64];
        static const char text[] = "{\"session\":1,\"content\":\"a message\"}";
        snprintf(key, sizeof key, "new_%zu_%zu", round, done);
        check(rsi_tx_begin(&tx, storage), "begin");
        check(rsi_tx_put(tx, RSI_SPACE_COLLECTIONS "people", key, text, sizeof text - 1), "put");
        check(rsi_tx_commit(tx), "commit");
    }
    return (double)done / (now_ms() - begin) * 1e3;
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void compare_appending(const char *small_path)
{
    double rates[2][ROUNDS];
    rsi_storage *storages[2];
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL};
    const char *paths[2] = {small_path, store_path};
    for (size_t i = 0; i < 2; i++)
        check(rsi_storage_open(&storages[i], paths[i], &options), "open");
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < 2; i++) {
            size_t which = round % 2 == 0 ? i : 1 - i;
            rates[which][round] = appends_a_second(storages[which], round);
        }
    for (size_t i = 0; i < 2; i++) {
        qsort(rates[i], ROUNDS, sizeof **rates, compare_numbers);
        check(rsi_storage_close(storages[i]), "close");
        rsi_storage_free(storages[i]);
    }
    printf("{\"bench\":\"append_by_size\",\"records\":[1000,%zu],\"commits_a_second\":[%.0f,%.0f],"
           "\"ratio\":%.3f}\n",
           record_count, rates[0][ROUNDS / 2], rates[1][ROUNDS / 2],
           rates[1][ROUNDS / 2] / rates[0][ROUNDS / 2]);
}

/* ---- finding ---- */

static void compare_finding(void)
{
    static const char filter[] = "{\"score\":{\"$gt\":99900}}";
    double ms[2][ROUNDS];
    uint64_t ours = 0;
    sqlite3_int64 theirs = 0;
    ragstore_store *store;
    ragstore_collection *collection;
    sqlite3 *database;
    sqlite3_stmt *select;
    check(ragstore_store_open(&store, store_path, NULL), "open");
    check(ragstore_collection_open(&collection, store, "people"), "open the collection");
    if (sqlite3_open(database_path, &database) != SQLITE_OK ||
        sqlite3_prepare_v2(database,
                           "SELECT count(*) FROM r WHERE json_extract(t, '$.score') > 99900", -1,
                           &select, NULL) != SQLITE_OK)
        fail("open the database", sqlite3_errmsg(database));
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < 2; i++) {
            const double begin = now_ms();
            size_t which = round % 2 == 0 ? i : 1 - i;
            if (which == 0) {
                check(ragstore_collection_count(&ours, collection, filter), "count");
            } else {
                sqlite3_step(select);
                theirs = sqlite3_column_int64(select, 0);
                sqlite3_reset(select);
            }
            ms[which][round] = now_ms() - begin;
        }
    qsort(ms[0], ROUNDS, sizeof(double), compare_numbers);
    qsort(ms[1], ROUNDS, sizeof(double), compare_numbers);
    printf("{\"bench\":\"find_in_file\",\"records\":%zu,\"ragstore_ms\":%.1f,\"sqlite_ms\":%.1f,"
           "\"ratio\":%.2f,\"equal\":%s}\n",
           record_count, ms[0][ROUNDS / 2], ms[1][ROUNDS / 2],
           ms[1][ROUNDS / 2] / ms[0][ROUNDS / 2], ours == (uint64_t)theirs ? "true" : "false");
    sqlite3_finalize(select);
    sqlite3_close(database);
    ragstore_collection_free(collection);
    ragstore_store_close(store);
}

int main(int argc, char **argv)
{
    char small_path[1100];
    char command[8192];
    if (argc > 1)
        record_count = (size_t)strtoull(argv[1], NULL, 10);
    if (record_count == 0)
        fail("records", "a number above 0");
    const bool is_child = argc > 5 && strcmp(argv[3], "--child") == 0;
    if (is_child)
        snprintf(store_path, sizeof store_path, "%s", argv[2]);
    else
        snprintf(store_path, sizeof store_path, "%s/bench_open_%d", argc > 2 ? argv[2] : "/tmp",
                 (int)getpid());
    snprintf(database_path, sizeof database_path, "%s.sqlite", store_path);
    snprintf(json_path, sizeof json_path, "%s/api_storage/collections/people.json", store_path);
    snprintf(small_path, sizeof small_path, "%s.small", store_path);
    if (is_child)
        return run_child((way)atoi(argv[4]), argv[5]);

    printf("{\"bench\":\"open_and_get\",\"sqlite\":\"%s\",\"jansson\":\"%s\",\"rounds\":%d}\n",
           sqlite3_libversion(), JANSSON_VERSION, ROUNDS);
    fill_store();
    fill_database();
    compare_opening(argv[0]);
    compare_finding();
    char full_path[1024];
    const size_t full_count = record_count;
    snprintf(full_path, sizeof full_path, "%s", store_path);
    snprintf(store_path, sizeof store_path, "%.1000s", small_path);
    record_count = 1000;
    fill_store();
    snprintf(store_path, sizeof store_path, "%s", full_path);
    record_count = full_count;
    compare_appending(small_path);
    snprintf(command, sizeof command, "rm -rf '%s' '%s' '%s' '%s-wal' '%s-shm'", store_path,
             small_path, database_path, database_path, database_path);
    return system(command) == 0 ? 0 : 1;
}
