/*
 * What the rows_….c files share: an open set of segments, and the directory of where each chunk's
 * row lies.
 *
 *   segments   rows-1.rsv      rows-2.rsv                       rows-4.rsv
 *              [H|B0 |B1   ]   [H|B2 |▒▒▒▒▒▒|B4]                [H|B5 |░░░░░
 *               view ──────┘    view ──────────┘                 view┘└ remains: cut before the
 *                                                                       next append
 *   runs       B0 B1 B2 (lost) B4 B5          ascending, never overlapping; found by bisection
 *              chunks 0…9 10…14 15…20 …
 *
 * A run is one block, or the chunk numbers between two blocks where damaged bytes lie whose header
 * could not be read (lost). A block's data is checked when its rows are first used; the answer is
 * kept in the run's state.
 *
 * Locking: see vectors.h. `state` is the only thing that searches change; it is atomic, and
 * several threads may find out the same answer at once.
 */
#ifndef RSI_VECTORS_ROWS_INTERNAL_H
#define RSI_VECTORS_ROWS_INTERNAL_H

#include "files/paths.h"
#include "vectors/rows_block.h"
#include "vectors/vectors.h"

#include <stdatomic.h>

#define RSI_ROWS_SEGMENT_BYTES (64u << 20) /* of a file */
#define RSI_ROWS_BLOCK_BYTES (1u << 20)    /* of a block: what one damaged bit can cost */

enum rsi_rows_run_state {
    RSI_RUN_UNCHECKED,
    RSI_RUN_INTACT,
    RSI_RUN_DAMAGED, /* the data fails its CRC */
    RSI_RUN_LOST,    /* no block: the header was damaged */
};

enum rsi_rows_segment_state {
    RSI_SEGMENT_INTACT,
    RSI_SEGMENT_DAMAGED,   /* the header: its blocks serve, but nothing is written there */
    RSI_SEGMENT_ABANDONED, /* no more than a header, not valid: a creation that a crash ended */
    RSI_SEGMENT_REMOVED,   /* was abandoned, or compacted away */
    RSI_SEGMENT_HELD,      /* one block in memory, which its file does not have */
};

typedef struct rsi_rows_run {
    int64_t first_chunk;
    int64_t end_chunk; /* behind the last */
    uint64_t offset;   /* of the block, or of the first damaged byte */
    uint32_t segment;  /* index into segments */
    uint32_t data_crc;
    atomic_int state;
} rsi_rows_run;

typedef struct rsi_rows_segment {
    rsi_file *file; /* while rows are opened or appended; otherwise NULL but for the last segment of
                       a few: thousands of entities may be open at once, and a view needs no file
                     */
    const unsigned char *view; /* bytes 0..viewed of the file; NULL when it has no block. Held:
                                  owned */
    size_t viewed;
    uint64_t inode;  /* of the file that is viewed */
    uint64_t end;    /* behind the last block, or the header */
    uint32_t number; /* the <n> of rows-<n>.rsv */
    enum rsi_rows_segment_state state;
    bool remains;  /* there may be bytes behind `end`, and nothing valid among them */
} rsi_rows_segment;

struct rsi_rows {
    rsi_root *root;
    char *directory;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    uint32_t dimension;
    rsi_metric metric;
    uint32_t next_segment;  /* a number that no segment has had */
    uint64_t segment_limit; /* RSI_ROWS_SEGMENT_BYTES; tests make it smaller */
    uint64_t block_limit;   /* RSI_ROWS_BLOCK_BYTES; likewise */
    bool flush_failed;      /* sticky: what is on disk is not known any more */
    bool keeps_file;        /* of the last segment, for the next append */
    rsi_rows_segment *restored; /* the one with restored blocks that are not flushed; or NULL */
    rsi_rows_segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    rsi_rows_run *runs;
    size_t run_count;
    size_t run_capacity;
};

/* rows_walk.c: find the segments and their blocks. */
int rsi_rows_walk(rsi_rows *rows);

/* rows.c */
void rsi_rows_forget(rsi_rows *rows); /* the segments and runs */
void rsi_rows_close_files(rsi_rows *rows);
/* The same but for the last segment's file, unless enough others keep theirs: rows that are
 * appended one by one come often. */
void rsi_rows_keep_file(rsi_rows *rows);
int rsi_rows_path(rsi_path *path, const rsi_rows *rows, uint32_t number);
rsi_rows_identity rsi_rows_identity_of(const rsi_rows *rows, uint32_t number);
/* View bytes 0..size of a segment, whose file is open, in place of what was viewed; unchanged on
 * failure. */
int rsi_rows_view(rsi_rows *rows, rsi_rows_segment *segment, uint64_t size);
/* Open the file of a segment for writing; nothing when it is open and still has its name. */
int rsi_rows_make_writable(rsi_rows *rows, rsi_rows_segment *segment);
/* The first run at or behind index `from` that ends behind `chunk`; run_count when there is none.
 */
size_t rsi_rows_find(const rsi_rows *rows, size_t from, int64_t chunk);
uint64_t rsi_rows_run_size(const rsi_rows *rows, const rsi_rows_run *run);
/* An rsi_rows_run_state other than UNCHECKED; sets no error. */
int rsi_rows_run_check(rsi_rows *rows, rsi_rows_run *run);
/* Its pages need not stay in memory. */
void rsi_rows_run_let_go(rsi_rows *rows, const rsi_rows_run *run);
/* The error for a run that is not intact. */
int rsi_rows_run_fail(const rsi_rows *rows, const rsi_rows_run *run);
/* Where the row of a chunk of an intact run lies. */
const float *rsi_rows_at(const rsi_rows *rows, const rsi_rows_run *run, int64_t chunk);

/*
 * Walk through the rows of a set of chunks, in ascending order, in pieces that lie one row behind
 * the other. Chunks without a row are passed over; damage is an error.
 */
typedef struct rsi_rows_cursor {
    rsi_rows *rows;
    const rsi_bitset *allowed;
    int64_t chunk; /* the next member, or -1 */
    size_t run;    /* where it is looked for */
    bool is_once;  /* runs are let go of when it leaves them */
} rsi_rows_cursor;

typedef struct rsi_rows_stretch {
    const float *first; /* borrowed until the next append or close */
    int64_t first_chunk;
    size_t count;
} rsi_rows_stretch;

void rsi_rows_cursor_init(rsi_rows_cursor *cursor, rsi_rows *rows, const rsi_bitset *allowed);
/* 1: *stretch is set; 0: no more; negative: DAMAGED. */
int rsi_rows_cursor_next(rsi_rows_cursor *cursor, rsi_rows_stretch *stretch);

/* Offer the members of `allowed` from `from` on, with their scores; the query is finite. */
int rsi_rows_offer(rsi_top *top, rsi_rows *rows, const float *query, const rsi_bitset *allowed,
                   int64_t from);

#endif
