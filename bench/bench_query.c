/*
 * Five predicates over records that lie in memory as lines of JSON, beside SQLite's json_extract()
 * over the same lines in a table in memory.
 *
 *   bench_query [records]
 *
 * Prints one JSON object a line: the medians over the rounds in milliseconds, the ratio, and
 * whether both found the same records. Each round does both, taking turns in who goes first.
 */
#include "base/memory.h"
#include "base/status.h"
#include "query/predicate.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 7

typedef struct question {
    const char *name;
    const char *query;
    const char *condition; /* the same for SQLite */
} question;

static const question questions[] = {
    {"number_gt", "{\"score\": {\"$gt\": 9000}}", "json_extract(t, '$.score') > 9000"},
    {"nested_equality", "{\"author.address.city\": \"Bergen\"}",
     "json_extract(t, '$.author.address.city') = 'Bergen'"},
    {"exists", "{\"reviewed_by\": {\"$exists\": true}}",
     "json_type(t, '$.reviewed_by') IS NOT NULL"},
    {"escaped_text", "{\"title\": \"A \\\"quoted\\\" title\\n7 \\u00e9\"}",
     "json_extract(t, '$.title') = 'A \"quoted\" title' || char(10) || '7 ' || char(233)"},
    {"in", "{\"status\": {\"$in\": [\"failed\", \"waiting\", \"gone\"]}}",
     "json_extract(t, '$.status') IN ('failed', 'waiting', 'gone')"},
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_query: %s\n", what);
    exit(1);
}

typedef struct records {
    rsi_bytes text;
    size_t *ends;
    size_t count;
} records;

static void write_record(rsi_bytes *out, size_t number)
{
    static const char *const cities[] = {"Oslo", "Bergen", "Tromsø", "Bodø", "Molde"};
    static const char *const states[] = {"done", "running", "failed", "new", "stored", "waiting"};
    uint64_t mixed = (uint64_t)number * UINT64_C(6364136223846793005) + 1442695040888963407u;

    rsi_bytes_printf(
        out,
        "{\"_id\":\"%024zx\",\"title\":\"A \\\"quoted\\\" title\\n%" PRIu64
        " \\u00e9\",\"created_at\":\"2026-01-31T12:34:56.%06zu\",\"author\":{"
        "\"name\":\"Person %zu\",\"address\":{\"street\":\"Street %zu\",\"city\":\"%s\""
        "},\"mails\":[\"a%zu@example.org\",\"b@example.org\"]},\"tags\":[\"x\",\"y\","
        "\"tag%zu\"],\"size\":%zu,\"ratio\":%zu.25,",
        number, (mixed >> 40) % 97, number % 1000000, number, number % 331,
        cities[(mixed >> 33) % 5], number, number % 13, number * 7, number % 100);
    if (number % 11 == 0)
        rsi_bytes_append_text(out, "\"reviewed_by\":null,");
    rsi_bytes_printf(out, "\"score\":%" PRIu64 ",\"status\":\"%s\"}\n", (mixed >> 20) % 10000,
                     states[(mixed >> 45) % 6]);
}

static void make_records(records *made, size_t count)
{
    *made = (records){.count = count};
    made->ends = rsi_alloc_array(count + 1, sizeof *made->ends);
    if (made->ends == NULL)
        fail(rsi_error_message());
    for (size_t i = 0; i < count; i++) {
        write_record(&made->text, i);
        made->ends[i + 1] = made->text.size;
    }
    if (rsi_bytes_status(&made->text) != RAGSTORE_OK)
        fail(rsi_error_message());
}

static sqlite3 *fill_sqlite(const records *made)
{
    sqlite3 *database;
    sqlite3_stmt *insert;

    if (sqlite3_open(":memory:", &database) != SQLITE_OK ||
        sqlite3_exec(database, "CREATE TABLE r (id INTEGER PRIMARY KEY, t TEXT); BEGIN", NULL, NULL,
                     NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, "INSERT INTO r VALUES (?, ?)", -1, &insert, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(database));
    for (size_t i = 0; i < made->count; i++) {
        sqlite3_bind_int64(insert, 1, (sqlite3_int64)i);
        sqlite3_bind_text(insert, 2, made->text.data + made->ends[i],
                          (int)(made->ends[i + 1] - made->ends[i] - 1), SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail(sqlite3_errmsg(database));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
    return database;
}

/* The found records: how many, and a sum that tells which. */
typedef struct found {
    uint64_t count;
    uint64_t sum;
} found;

static found scan(const records *made, const rsi_predicate *predicate)
{
    found result = {0, 0};

    for (size_t i = 0; i < made->count; i++) {
        bool matched;
        if (rsi_predicate_match(&matched, predicate, made->text.data + made->ends[i],
                                made->ends[i + 1] - made->ends[i] - 1) != RAGSTORE_OK)
            fail(rsi_error_message());
        if (matched) {
            result.count++;
            result.sum += i;
        }
    }
    return result;
}

static found scan_sqlite(sqlite3_stmt *select)
{
    found result = {0, 0};

    while (sqlite3_step(select) == SQLITE_ROW) {
        result.count++;
        result.sum += (uint64_t)sqlite3_column_int64(select, 0);
    }
    sqlite3_reset(select);
    return result;
}

static double median(double *times)
{
    qsort(times, ROUNDS, sizeof *times, compare_numbers);
    return times[ROUNDS / 2];
}

static bool ask(const records *made, sqlite3 *database, const question *asked)
{
    double ours[ROUNDS], theirs[ROUNDS];
    char sql[512];
    rsi_predicate *predicate;
    sqlite3_stmt *select;
    bool equal = true;
    found own = {0, 0};

    snprintf(sql, sizeof sql, "SELECT id FROM r WHERE %s", asked->condition);
    if (sqlite3_prepare_v2(database, sql, -1, &select, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(database));
    if (rsi_predicate_compile_text(&predicate, asked->query, strlen(asked->query)) != RAGSTORE_OK)
        fail(rsi_error_message());
    for (int round = 0; round < ROUNDS; round++) {
        found other = {0, 0};
        for (int turn = 0; turn < 2; turn++) {
            double began = now_ms();
            if ((turn + round) % 2 == 0) {
                own = scan(made, predicate);
                ours[round] = now_ms() - began;
            } else {
                other = scan_sqlite(select);
                theirs[round] = now_ms() - began;
            }
        }
        equal = equal && own.count == other.count && own.sum == other.sum;
    }
    double ms = median(ours), sqlite_ms = median(theirs);
    printf("{\"bench\": \"query\", \"predicate\": \"%s\", \"records\": %zu, \"bytes\": %zu, "
           "\"found\": %" PRIu64 ", \"equal\": %s, \"ms\": %.2f, \"sqlite_ms\": %.2f, "
           "\"ratio\": %.2f}\n",
           asked->name, made->count, made->text.size, own.count, equal ? "true" : "false", ms,
           sqlite_ms, sqlite_ms / ms);
    sqlite3_finalize(select);
    rsi_predicate_free(predicate);
    return equal;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 200000;
    records made;
    bool equal = true;

    make_records(&made, count);
    sqlite3 *database = fill_sqlite(&made);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        equal = ask(&made, database, &questions[i]) && equal;
    sqlite3_close(database);
    rsi_bytes_free(&made.text);
    rsi_free(made.ends);
    return equal ? 0 : 1;
}
