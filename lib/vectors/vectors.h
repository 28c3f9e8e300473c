/*
 * The vectors of one entity: rows on disk, exact search over them, and the FAISS file.
 *
 *   vector_store/rows-<n>.rsv   the truth: checksummed blocks, append-only
 *   vector_store/index.faiss    derived: IDMap over Flat, ids are chunk numbers
 *
 * A row belongs to a chunk number that is never used again. Rows do not know whether their chunk
 * is alive: every search is given the set of chunks that may appear. Appending is two-step: rows
 * are written first, and flushed unless the caller's commit has them as well; they count only once
 * that names their chunks.
 *
 * Locking: many threads may search; appending, refreshing and closing need the caller's exclusive
 * lock (the entity's).
 */
#ifndef RSI_VECTORS_VECTORS_H
#define RSI_VECTORS_VECTORS_H

#include "base/bitset.h"
#include "base/hits.h"
#include "files/files.h"
#include "vectors/metric.h"

#include <stdbool.h>
#include <stdint.h>

#define RSI_DIMENSION_MAX 65536u

typedef struct rsi_rows rsi_rows;

/* Where a run of appended rows lies: named by the commit that makes them count. */
typedef struct rsi_rows_extent {
    uint32_t segment; /* the n of rows-<n>.rsv */
    uint64_t offset;  /* of the block in it */
    uint64_t size;    /* bytes of the block, header included */
    int64_t first_chunk;
    uint32_t count;
    uint32_t crc; /* CRC32C of the whole block */
} rsi_rows_extent;

/*
 * Open the rows below `directory` ("…/vector_store", relative to the root). Blocks are found by
 * walking their headers; a torn tail (a block that the file does not hold whole, or whose header
 * or data fails its CRC with nothing valid behind it) is ignored, and cut before the first append.
 * A missing directory is an entity without rows. Block data is checked at first use (rsi_rows_load
 * checks all). A file with another incarnation or dimension is DAMAGED.
 */
int rsi_rows_open(rsi_rows **out, rsi_root *root, const char *directory, const char *incarnation,
                  uint32_t dimension);
void rsi_rows_close(rsi_rows *rows); /* NULL is fine */

/* How searches compare; cosine until it is set, before anything else is done with the rows. The rows
 * and queries that are given are as rsi_metric_prepare() leaves them. */
void rsi_rows_set_metric(rsi_rows *rows, rsi_metric metric);
rsi_metric rsi_rows_metric(const rsi_rows *rows);

/* Has nobody else appended, or written the last segment again, since these rows were opened? Asked
 * before an append that others could have come before; segments before the last may have been
 * written again without making a difference. */
int rsi_rows_is_current(bool *current, rsi_rows *rows);

uint32_t rsi_rows_dimension(const rsi_rows *rows);
int64_t
rsi_rows_next_chunk(const rsi_rows *rows);    /* 1 + the largest chunk number of any row; or 0 */
uint64_t rsi_rows_count(const rsi_rows *rows); /* on disk, whoever they belong to */
uint64_t rsi_rows_bytes(const rsi_rows *rows); /* that they take there */
size_t rsi_rows_memory(const rsi_rows *rows); /* bytes, about; without what is mapped, but for the
                                                 mappings as such */

/* How many extents an append of `count` rows would give now: one for each started MiB, about. */
size_t rsi_rows_extents_needed(const rsi_rows *rows, size_t count);

/* Write `count` rows for chunks first_chunk, first_chunk + 1, … and flush them. first_chunk must be
 * >= rsi_rows_next_chunk(). Rows must be finite. Several blocks or segments are used when they do
 * not fit one: extents (room for `extents_max`) receives them, *extents_count how many. On failure
 * nothing that was valid before is touched; after a failed flush every further append is FAILED. */
int rsi_rows_append(rsi_rows *rows, int64_t first_chunk, const float *vectors, size_t count,
                    rsi_rows_extent *extents, size_t extents_max, size_t *extents_count);

/* The same without the flush: for few rows, which the caller's journal has as well until their
 * segments are flushed. */
int rsi_rows_append_unflushed(rsi_rows *rows, int64_t first_chunk, const float *vectors,
                              size_t count, rsi_rows_extent *extents, size_t extents_max,
                              size_t *extents_count);

/* Rows from … from + count - 1 of those that are to be appended, into `out`. */
typedef int rsi_rows_source(void *user, float *out, size_t from, size_t count);

/* As rsi_rows_append(), of rows that are asked for block by block, in their order: each is looked at
 * and written while it is in the processor's cache. When the source fails, nothing is appended. */
int rsi_rows_append_from(rsi_rows *rows, int64_t first_chunk, rsi_rows_source *source, void *user,
                         size_t count, rsi_rows_extent *extents, size_t extents_max,
                         size_t *extents_count);

/* Check that a block lies where a commit says: DAMAGED otherwise. */
int rsi_rows_verify(rsi_rows *rows, const rsi_rows_extent *extent);

/* The row of a chunk, borrowed until the next append or close; NOT_FOUND, DAMAGED. */
int rsi_rows_get(const float **row, rsi_rows *rows, int64_t chunk);

/* The nearest `k` rows among `allowed`, best first, into hits[0..k). Members of
 * `allowed` without a row are passed over. DAMAGED when one of them has a damaged row: take out
 * what rsi_rows_missing() names and search again for an answer from the rest. */
int rsi_rows_search(rsi_hit *hits, size_t *count, rsi_rows *rows, const float *query, size_t k,
                    const rsi_bitset *allowed);

/* The same among the members from `from` on. */
int rsi_rows_search_from(rsi_hit *hits, size_t *count, rsi_rows *rows, const float *query, size_t k,
                         const rsi_bitset *allowed, int64_t from);

/* The same as rsi_rows_search() for each of `count` queries, row by row, in less time for several:
 * hits has room for count × k, counts for as many numbers as queries. */
int rsi_rows_search_many(rsi_hit *hits, size_t *counts, rsi_rows *rows, const float *queries,
                         size_t count, size_t k, const rsi_bitset *allowed);

/* The rows of chunks from … end - 1 were read and will hardly be read again: they need not stay in
 * memory. Searches may go on meanwhile. */
void rsi_rows_let_go(rsi_rows *rows, int64_t from, int64_t end);

/* Were their files shortened while they are mapped? Whoever touches what is gone ends the process, so
 * rows that lie there are damaged from now on; *found tells whether there are such that were not known.
 * Several threads may ask, also while others search. What cannot be looked at is taken for whole. */
int rsi_rows_notice_cuts(bool *found, rsi_rows *rows);

/* The members of `wanted` that have no row, or whose row is damaged: into `missing` (initialised
 * by the callee, freed by the caller). */
int rsi_rows_missing(rsi_bitset *missing, rsi_rows *rows, const rsi_bitset *wanted);

/* ---- rows that may not have reached the disk (rows_restore.c) ---- */

/* A block as it was appended; its size and checksum follow from the rest. */
typedef struct rsi_rows_copy {
    uint32_t segment;
    uint64_t offset;
    int64_t first_chunk;
    uint32_t count;
    const float *vectors;
} rsi_rows_copy;

/* Write a block again where it was, even if it seems to be there: after a crash a page cache may show
 * what is not on the disk. Nothing is written when its chunks have rows elsewhere, since a segment was
 * written again, or when something else stands in its place. *placed tells whether the chunks have
 * their rows now. Call it right after rsi_rows_open(), then rsi_rows_restore_end(), and open the rows
 * again for anything else. */
int rsi_rows_restore(bool *placed, rsi_rows *rows, const rsi_rows_copy *copy);
int rsi_rows_restore_end(rsi_rows *rows); /* flushes */

/* For rows that nothing may be written to: serve a block from memory when its chunks have no good row. */
int rsi_rows_hold(rsi_rows *rows, const rsi_rows_copy *copy);

/* ---- giving space back (rows_compact.c) ---- */

typedef struct rsi_rows_usage {
    uint64_t bytes;       /* of the segment's file */
    uint64_t bytes_after; /* of its file when it is written again */
    bool has_dead;        /* a vector of a chunk that is not alive is in it */
} rsi_rows_usage;

size_t rsi_rows_segment_count(const rsi_rows *rows);
/* What a segment (0 … count - 1) holds, and would hold with the rows of `alive` only. DAMAGED when a
 * row of one of them cannot be read: such a segment stays as it is. */
int rsi_rows_usage_of(rsi_rows_usage *usage, rsi_rows *rows, size_t segment,
                      const rsi_bitset *alive);

typedef struct rsi_rows_rewrite rsi_rows_rewrite;

/*
 * Write a segment again without the rows of the dead, in two steps. The first writes and flushes
 * the new file and renames it into place (one without a row goes, but for the last): searches go
 * on meanwhile, since their mapping of the old one stays; no append may. The second, under the
 * caller's exclusive lock, lets `rows` see the new file, and cannot fail.
 *
 * After a failure of the first step the rows must be opened again before an append: the file may
 * be the new one. IO: also its name may be lost with the power, so nothing may be written any more.
 * DISK_FULL, DAMAGED, TOO_LARGE: nothing has changed.
 */
int rsi_rows_rewrite_begin(rsi_rows_rewrite **out, rsi_rows *rows, size_t segment,
                           const rsi_bitset *alive);
void rsi_rows_rewrite_end(rsi_rows_rewrite *rewrite); /* takes it */

/* ---- FAISS ---- */

#define RSI_FAISS_STAMP_MAX 512

/* Can this build and processor call FAISS? Otherwise *reason (static text) says why not. Nothing of
 * FAISS is called before this was asked. */
bool rsi_faiss_available(const char **reason);

/*
 * Write `path` (…/index.faiss) and `path`.sum for the rows of `allowed`, the way rsi_file_replace()
 * does it. Members of `allowed` without a row are passed over. `stamp` is one line of printable
 * ASCII, at most RSI_FAISS_STAMP_MAX - 1 bytes, that identifies what the file was derived from; it
 * goes into the .sum file. A failure or a crash leaves the old pair, the new one, or two files that
 * do not match and so are not current. Needs no FAISS.
 */
int rsi_faiss_write(rsi_root *root, const char *path, rsi_rows *rows, const rsi_bitset *allowed,
                    const char *stamp);
/* Remove both files; missing ones are fine. */
int rsi_faiss_remove(rsi_root *root, const char *path);

typedef enum rsi_faiss_state {
    RSI_FAISS_CURRENT,
    RSI_FAISS_STALE,   /* not there, or made for another stamp */
    RSI_FAISS_DAMAGED, /* made for this stamp, but not what it was or should be */
} rsi_faiss_state;

/* Look at the .sum and the size only: CURRENT means that it claims to be. */
int rsi_faiss_look(rsi_faiss_state *state, rsi_root *root, const char *path, const char *stamp);
/* Read the whole file: CURRENT means that it has exactly the bytes that rsi_faiss_write() would
 * write now, and their digest in its .sum. */
int rsi_faiss_check(rsi_faiss_state *state, rsi_root *root, const char *path, rsi_rows *rows,
                    const rsi_bitset *allowed, const char *stamp);

#endif
