/*
 * A table in memory: records by key, each with numbered rows.
 *
 *   rsi_table "chat_sessions"
 *     records: "session_1a2b…" ──► rsi_record  json  {"_id":…}          (without its rows)
 *                                     rows   0 ─► {"role":"user",…}
 *                                            1 ─► {"role":"assistant",…}
 *
 * Values are compact JSON texts. Records remember the order in which they came. A record may be
 * absent (json NULL, no rows): a place that was made ready for a commit, so that applying it
 * cannot fail. Not locked: storage.c's state lock guards every table.
 *
 *   sequence   [ 0:● ][ 1:○ ][ 2:● ][ 5:● ]     records with a value, ascending by `order`; one that
 *                                               was dropped leaves a gap until there are too many
 *
 * A watcher is told of each change of a value, before the old one is freed.
 */
#ifndef RSI_STORAGE_TABLE_H
#define RSI_STORAGE_TABLE_H

#include "base/bytes.h"
#include "base/map.h"

typedef struct rsi_row {
    uint64_t number;
    char *json; /* owned */
    size_t size;
} rsi_row;

typedef struct rsi_record {
    char *key;
    char *json; /* owned; NULL: absent, or a table that only has rows */
    size_t size;
    uint64_t order;
    rsi_row *rows; /* ascending by number */
    size_t row_count;
    size_t row_capacity;
} rsi_record;

typedef struct rsi_place_in_order {
    uint64_t order;
    rsi_record *record; /* NULL: dropped meanwhile */
} rsi_place_in_order;

/* json NULL: there was, or is, no value. Must not fail, and must not call into storage. */
typedef void rsi_table_watcher(void *user, uint64_t order, const char *old_json, size_t old_size,
                               const char *new_json, size_t new_size);

typedef struct rsi_table {
    rsi_map records;
    rsi_place_in_order *sequence; /* room for two of each record */
    size_t sequence_count;
    size_t sequence_capacity;
    rsi_table_watcher *watch; /* NULL: nobody */
    void *watch_user;
    uint64_t next_order;
    size_t present; /* records that are not absent */
} rsi_table;

void rsi_table_free(rsi_table *table); /* leaves it empty and usable */

/* The record, or NULL. An absent one is returned only by _place. */
rsi_record *rsi_table_find(const rsi_table *table, const char *key);
/* The record of a key, made absent when it is not there; NULL when memory is short. */
rsi_record *rsi_table_place(rsi_table *table, const char *key);
/* Room for `more` rows, so that as many puts cannot fail. */
int rsi_record_reserve(rsi_record *record, size_t more);

/* These take `json` and cannot fail (rows: after a reserve). */
void rsi_table_set(rsi_table *table, rsi_record *record, char *json, size_t size);
void rsi_record_set_row(rsi_record *record, uint64_t number, char *json, size_t size);
void rsi_record_drop_row(rsi_record *record, uint64_t number);
void rsi_record_drop_rows(rsi_record *record);
void rsi_table_drop(rsi_table *table, rsi_record *record); /* value and rows go; becomes absent */

/* Position of the first row with a number >= `number`. */
size_t rsi_record_row_from(const rsi_record *record, uint64_t number);

/* Position in `sequence` of the first place with an order >= `order`. */
size_t rsi_table_position(const rsi_table *table, uint64_t order);
/* All records with a value in the order in which they came. Caller frees *records with rsi_free. */
int rsi_table_sorted(rsi_record ***records, size_t *count, const rsi_table *table);

#endif
