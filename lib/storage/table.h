/*
 * A table: records by key, each with numbered rows. What has changed since its file was written is
 * in memory; the rest is read from the file, its base (base.h).
 *
 *   base (file)          s0 ─ s1 ─ s2 ─ s3          never changes
 *                              ▲         ▲
 *   records (memory)          s1: rows   s3: gone     s7: new
 *                             + row 12
 *
 *   rsi_record s1   continues: what is not here is as in the base
 *              s3   absent: it hides that of the base
 *              s7   only here
 *
 * Values are compact JSON texts. Records have the order in which they came, those of the base first.
 * A record may be absent: dropped, or a place that was made ready for a commit, so that applying it
 * cannot fail. Each remembers the sequence of the commit that changed it last, so that a checkpoint
 * knows what its file holds.
 *
 *   sequence   [ 7:● ][ 8:○ ][ 9:● ]     records that do not continue one of the base, ascending by
 *                                        `order`; one that was dropped leaves a gap until there are
 *                                        too many
 *
 * A watcher is told of each change of a value, before the old one is freed.
 *
 * Not locked: storage.c's state lock guards every table.
 */
#ifndef RSI_STORAGE_TABLE_H
#define RSI_STORAGE_TABLE_H

#include "base/bytes.h"
#include "base/map.h"

#include <stdbool.h>

struct rsi_base;
struct rsi_segment;

/*
 * Rows of one commit, numbered one after the other:
 *
 *   json       one row, in memory
 *   segment    `count` of them, which lie one behind the other in a segment (segment.h)
 *   neither    `count` of them, dropped
 */
typedef struct rsi_row {
    uint64_t number; /* of the first */
    uint32_t count;
    uint32_t size;    /* of json */
    char *json;       /* owned, or NULL */
    uint64_t changed; /* sequence of the commit */
    struct rsi_segment *segment; /* a reference, or NULL */
    size_t place;                /* of the first, in there */
} rsi_row;

static inline bool rsi_row_is_dropped(const rsi_row *row)
{
    return row->json == NULL && row->segment == NULL;
}

static inline uint64_t rsi_row_end(const rsi_row *row) /* behind the last number */
{
    return row->number + row->count;
}

typedef struct rsi_record {
    char *key;
    char *json; /* owned; NULL: absent, as in the base, or a table that only has rows */
    size_t size;
    uint64_t order;
    uint64_t changed; /* sequence of the last commit that touched it */
    uint64_t dropped; /* sequence of the last commit that dropped it */
    rsi_row *rows;    /* ascending by number; over those of the base */
    size_t row_count; /* elements: fewer than rows */
    size_t row_capacity;
    size_t row_total;
    size_t row_drops;   /* of the total: how many only hide one */
    size_t base;        /* 1 + the number of the base's record of this key; 0: none */
    bool continues;     /* that one shows through */
} rsi_record;

typedef struct rsi_place_in_order {
    uint64_t order;
    rsi_record *record; /* NULL: dropped meanwhile */
} rsi_place_in_order;

/* json NULL: there was, or is, no value. Neither, with RSI_ORDER_ALL: every record may have another
 * value and another place. Must not fail, and must not call into storage. */
#define RSI_ORDER_ALL UINT64_MAX
typedef void rsi_table_watcher(void *user, uint64_t order, const char *old_json, size_t old_size,
                               const char *new_json, size_t new_size);

typedef struct rsi_table {
    struct rsi_base *base; /* NULL: none */
    rsi_map records;       /* key → rsi_record */
    rsi_map over_base;     /* number of a record of the base → the rsi_record over it */
    unsigned char *covered; /* a bit for each record of the base: is there one in over_base? */
    rsi_place_in_order *sequence; /* room for two of each record */
    size_t sequence_count;
    size_t sequence_capacity;
    rsi_table_watcher *watch; /* NULL: nobody */
    void *watch_user;
    uint64_t next_order;
    size_t present; /* records that have a value */
} rsi_table;

void rsi_table_free(rsi_table *table); /* leaves it empty and usable, still watched */

/* Stand an empty table on a base, which is taken. */
int rsi_table_begin(rsi_table *table, struct rsi_base *base);
/* A watcher sees all changes from now on. On failure there is none. */
int rsi_table_watch(rsi_table *table, rsi_table_watcher *watch, void *user);

/* Give the records of `fresh`, which nobody uses yet, the places that they have in `old`. */
int rsi_table_keep_orders(rsi_table *fresh, const rsi_table *old);
/* Take all that `fresh` has; the other way round for what was there. The watcher is told. */
int rsi_table_replace(rsi_table *table, rsi_table *fresh);

/* ---- changing ---- */

/* The record of a key, made when it is not in memory; NULL with the error set. */
rsi_record *rsi_table_place(rsi_table *table, const char *key);
/* Room for `more` rows, so that as many puts and drops cannot fail. */
int rsi_record_reserve(rsi_record *record, size_t more);

/* These take `json` and cannot fail (rows: after a reserve). */
void rsi_table_set(rsi_table *table, rsi_record *record, char *json, size_t size,
                   uint64_t sequence);
void rsi_table_drop(rsi_table *table, rsi_record *record, uint64_t sequence); /* becomes absent */
/* Take a row, or several in one, which are left empty. */
void rsi_record_set_row(rsi_record *record, rsi_row *row);
void rsi_record_clear_rows(rsi_record *record);
/* Take rows that follow those of `last`, in the same place; they are left empty. False: they do not. */
bool rsi_row_extend(rsi_row *last, rsi_row *row);
/* Free what a row has. */
void rsi_row_clear(rsi_row *row);

/* ---- reading ---- */

/* A record as it is now. */
typedef struct rsi_sight {
    const rsi_record *record; /* NULL: it is only in the base */
    size_t base;              /* 1 + its number there, while it shows through; or 0 */
} rsi_sight;

/* 1, 0 when there is no such record, or an error. */
int rsi_table_look(rsi_sight *sight, const rsi_table *table, const char *key);
/* Append its value. NOT_FOUND: it only has rows. */
int rsi_table_value(rsi_bytes *out, const rsi_table *table, const rsi_sight *sight);
/* Both at once, with one reading of the file: 1, 0 when there is no such record, or an error. */
int rsi_table_get(rsi_bytes *out, const rsi_table *table, const char *key);

/* Records with a value, in their order. What _next() gives lives until the next call. */
typedef struct rsi_table_walk rsi_table_walk;
typedef struct rsi_table_item {
    const char *key;
    const char *json;
    size_t size;
    uint64_t order;
} rsi_table_item;
int rsi_table_walk_begin(rsi_table_walk **walk, const rsi_table *table, uint64_t from_order);
/* 1, 0 or an error; after DAMAGED the walk goes on behind the record that cannot be read. */
int rsi_table_walk_next(rsi_table_item *item, rsi_table_walk *walk);
/* Only the record of this order; 0: it is gone. Walks go on from it. */
int rsi_table_walk_to(rsi_table_item *item, rsi_table_walk *walk, uint64_t order);
void rsi_table_walk_end(rsi_table_walk *walk); /* NULL is fine */

/* Rows with numbers >= from, ascending, at most `limit`; those of `over` hide those below. A sight
 * without anything: only those of `over`, which may be NULL. */
typedef int rsi_row_visitor(void *user, uint64_t number, const char *json, size_t size);
int rsi_table_rows(const rsi_table *table, const rsi_sight *sight, const rsi_record *over,
                   uint64_t from, uint64_t limit, rsi_row_visitor *visit, void *user);
/* How many rows, and 1 + the largest number; 0 without rows. */
int rsi_table_row_count(uint64_t *count, uint64_t *next, const rsi_table *table,
                        const rsi_sight *sight);

/* A place in the rows of a record in memory, single ones. */
typedef struct rsi_row_walk {
    const rsi_record *record; /* NULL: nothing */
    size_t at;
    uint32_t within; /* rows[at] */
} rsi_row_walk;

/* At the first row with a number >= `number`. */
rsi_row_walk rsi_record_walk(const rsi_record *record, uint64_t number);
/* The row there, with what it borrows; false at the end. */
bool rsi_row_walk_get(rsi_row *row, const rsi_row_walk *walk);
void rsi_row_walk_step(rsi_row_walk *walk);

/* ---- checkpoints ---- */

/*
 * What a file is to hold: the base, and copies of all that is in memory over it. Owned; the table
 * goes on meanwhile.
 */
typedef struct rsi_frozen {
    struct rsi_base *base; /* retained; NULL: none */
    rsi_record *records;   /* those over the base ascending by its numbers, then those that are only in
                              memory, in their order */
    size_t count;
    size_t over_count;
} rsi_frozen;

int rsi_table_freeze(rsi_frozen *frozen, const rsi_table *table);
void rsi_frozen_free(rsi_frozen *frozen);

/* The file of commits up to `sequence` becomes the base, which is taken; what it holds goes from
 * memory. On failure the table is as it was, and right. */
int rsi_table_rebase(rsi_table *table, struct rsi_base *base, uint64_t sequence);

#endif
