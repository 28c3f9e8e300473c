/*
 * Finding documents by an indexed field: ragstore beside SQLite with an index on json_extract().
 *
 *   bench_index [documents]
 *
 * Each question asks for one of documents / 10 groups, so that ten documents come back as JSON
 * text. Prints one JSON object: microseconds a question, the median of the rounds, and the time
 * that making the index took.
 */
#include "ragstore.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define QUESTIONS 2000
#define BATCH 5000
#define PER_GROUP 10

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "bench_index: %s\n", why);
    exit(1);
}

static void check(int status)
{
    if (status < 0)
        fail(ragstore_error_message());
}

static void check_sql(int code, sqlite3 *database, int expected)
{
    if (code != expected)
        fail(sqlite3_errmsg(database));
}

/* The groups are spread over the documents. */
static int make_document(char *json, size_t size, size_t number, size_t groups)
{
    return snprintf(json, size,
                    "{\"_id\":\"d%zu\",\"group\":%zu,\"title\":\"Document number %zu of the "
                    "collection\",\"tags\":[\"a%zu\",\"b\"],\"size\":%zu}",
                    number, number * 7919 % groups, number, number % 17, number * 31);
}

static void fill(ragstore_collection *collection, ragstore_store *store, sqlite3 *database,
                 size_t count)
{
    sqlite3_stmt *insert;
    char json[400];
    check_sql(sqlite3_exec(database, "CREATE TABLE docs (doc TEXT); BEGIN", NULL, NULL, NULL),
              database, SQLITE_OK);
    check_sql(sqlite3_prepare_v2(database, "INSERT INTO docs VALUES (?)", -1, &insert, NULL),
              database, SQLITE_OK);
    for (size_t first = 0; first < count; first += BATCH) {
        ragstore_batch *batch;
        check(ragstore_batch_begin(&batch, store));
        for (size_t i = first; i < count && i < first + BATCH; i++) {
            int size = make_document(json, sizeof json, i, count / PER_GROUP);
            check(ragstore_collection_insert(NULL, collection, json));
            sqlite3_bind_text(insert, 1, json, size, SQLITE_TRANSIENT);
            check_sql(sqlite3_step(insert), database, SQLITE_DONE);
            sqlite3_reset(insert);
        }
        check(ragstore_batch_commit(batch));
    }
    sqlite3_finalize(insert);
    check_sql(sqlite3_exec(database, "COMMIT", NULL, NULL, NULL), database, SQLITE_OK);
}

static size_t ask_ragstore(ragstore_collection *collection, size_t group)
{
    char filter[64];
    ragstore_cursor *cursor;
    const char *document;
    size_t size;
    size_t count = 0;
    snprintf(filter, sizeof filter, "{\"group\":%zu}", group);
    check(ragstore_collection_find(&cursor, collection, filter, NULL));
    for (;;) {
        check(ragstore_cursor_next(&document, &size, cursor));
        if (document == NULL)
            break;
        count += size > 0;
    }
    ragstore_cursor_free(cursor);
    return count;
}

static size_t ask_sqlite(sqlite3_stmt *find, size_t group)
{
    size_t count = 0;
    sqlite3_bind_int64(find, 1, (sqlite3_int64)group);
    while (sqlite3_step(find) == SQLITE_ROW)
        count += sqlite3_column_bytes(find, 0) > 0;
    sqlite3_reset(find);
    return count;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(ragstore_collection *collection, sqlite3 *database, size_t count)
{
    double ours[ROUNDS], theirs[ROUNDS];
    const size_t groups = count / PER_GROUP;
    bool equal = true;
    sqlite3_stmt *find;
    double begin = now_us();
    check(ragstore_collection_index_create(collection, "group"));
    ask_ragstore(collection, 0); /* it is filled when it is first wanted */
    const double our_index = now_us() - begin;
    begin = now_us();
    check_sql(sqlite3_exec(database, "CREATE INDEX by_group ON docs (json_extract(doc, '$.group'))",
                           NULL, NULL, NULL),
              database, SQLITE_OK);
    const double their_index = now_us() - begin;
    check_sql(sqlite3_prepare_v2(database,
                                 "SELECT doc FROM docs WHERE json_extract(doc, '$.group') = ?", -1,
                                 &find, NULL),
              database, SQLITE_OK);
    for (int round = 0; round < ROUNDS; round++)
        for (int turn = 0; turn < 2; turn++) {
            begin = now_us();
            for (size_t i = 0; i < QUESTIONS; i++) {
                const size_t group = i * 104729 % groups;
                equal = equal && (turn == round % 2 ? ask_ragstore(collection, group)
                                                    : ask_sqlite(find, group)) == PER_GROUP;
            }
            (turn == round % 2 ? ours : theirs)[round] = (now_us() - begin) / QUESTIONS;
        }
    sqlite3_finalize(find);
    qsort(ours, ROUNDS, sizeof *ours, compare);
    qsort(theirs, ROUNDS, sizeof *theirs, compare);
    printf("{\"bench\":\"index\",\"documents\":%zu,\"found\":%d,\"equal\":%s,\"us\":%.2f,"
           "\"sqlite_us\":%.2f,\"ratio\":%.2f,\"make_ms\":%.0f,\"sqlite_make_ms\":%.0f,"
           "\"sqlite\":\"%s\"}\n",
           count, PER_GROUP, equal ? "true" : "false", ours[ROUNDS / 2], theirs[ROUNDS / 2],
           theirs[ROUNDS / 2] / ours[ROUNDS / 2], our_index / 1e3, their_index / 1e3,
           sqlite3_libversion());
}

int main(int count, char **arguments)
{
    const size_t documents = count > 1 ? strtoull(arguments[1], NULL, 10) : 200000;
    char path[] = "/tmp/bench-index-XXXXXX";
    char store_path[64], command[80];
    ragstore_store *store;
    ragstore_collection *collection;
    sqlite3 *database;
    if (documents < 1000 || mkdtemp(path) == NULL)
        fail("usage: bench_index [documents, at least 1,000]");
    snprintf(store_path, sizeof store_path, "%s/store", path);
    check(ragstore_store_open(&store, store_path, NULL));
    check(ragstore_collection_open(&collection, store, "docs"));
    snprintf(store_path, sizeof store_path, "%s/docs.db", path);
    check_sql(sqlite3_open(store_path, &database), database, SQLITE_OK);
    fill(collection, store, database, documents);
    check(ragstore_store_export(store));
    measure(collection, database, documents);
    sqlite3_close(database);
    ragstore_collection_free(collection);
    check(ragstore_store_close(store));
    snprintf(command, sizeof command, "rm -rf %s", path);
    return system(command) == 0 ? 0 : 1;
}
