/*
 * Segments: the chunk rows of a large transaction in a file of their own.
 *
 *   segments/<generation>-<sequence>-<operation>.ndjson
 *     [412,{"doc_id":…}]
 *     [413,{"doc_id":…}]
 *          └─ offset, size and CRC of each value: 16 bytes in memory instead of the value, and one
 *             rsi_row for all that are numbered one after the other
 *
 *   writing   .tmp-… ─► rows, as the transaction puts them ─► flushed ─► named ─► a commit names it
 *                └─ the last reference goes before the commit: removed
 *   open      rows of tables refer to it, until a checkpoint has brought them into the chunk file;
 *             a file whose name has gone is still read
 *
 * Only runs of rows that are worth an open file are kept so (rsi_segment_from); those of smaller ones
 * are in memory, and go into a file when they are committed (commit.c).
 *
 * References are counted; a segment that is written belongs to its transaction's thread. One that is
 * open is read by any number of threads, each with its own reader.
 */
#ifndef RSI_STORAGE_SEGMENT_H
#define RSI_STORAGE_SEGMENT_H

#include "base/digest.h"
#include "files/files.h"
#include "storage/table.h"

typedef struct rsi_segment rsi_segment;

/* From how many bytes of rows on, one behind the other, they are kept in their file. Set by tests
 * before a store is opened. */
extern size_t rsi_segment_from;

/* How many are open: each takes a descriptor, so there is a limit for each storage. It lives until the
 * last of them is released. */
typedef struct rsi_segments rsi_segments;
rsi_segments *rsi_segments_make(void);
void rsi_segments_release(rsi_segments *segments); /* NULL is fine */
/* May another one be opened? */
bool rsi_segments_have_room(const rsi_segments *segments);

rsi_segment *rsi_segment_retain(rsi_segment *segment); /* NULL is fine */
void rsi_segment_release(rsi_segment *segment);        /* likewise */

/* ---- writing ---- */

/* Begin one in the directory segments/ of an entity. */
int rsi_segment_begin(rsi_segment **out, rsi_root *root, rsi_segments *segments,
                      const char *entity_id);
/* Add a value; row->number is given, the row gets where it lies, and a reference. On failure there is
 * nothing of it in the segment. */
int rsi_segment_add(rsi_segment *segment, rsi_row *row, const char *json, size_t size);
/* Flush it and give it its name, durably. */
int rsi_segment_finish(rsi_segment *segment, const char *entity_id, const char *name);
/* Of one that is finished. */
uint64_t rsi_segment_size(const rsi_segment *segment);
void rsi_segment_digest(const rsi_segment *segment, char sha256[RSI_SHA256_HEX]);
/* A commit names it, or may do: its file stays. */
void rsi_segment_keep(rsi_segment *segment);

/* ---- reading ---- */

/* Open one that a commit names. */
int rsi_segment_open(rsi_segment **out, rsi_root *root, rsi_segments *segments, const char *path);
/* Visit its rows in order; each has a reference, which the visitor takes or leaves. INVALID_DATA: a
 * line is not [number,{…}]. */
typedef int rsi_segment_visitor(void *user, rsi_row *row);
int rsi_segment_walk(rsi_segment *segment, rsi_segment_visitor *visit, void *user);

/* A window on segments. What a call returns lives until the next one on the same reader. */
typedef struct rsi_segment_reader {
    const rsi_segment *segment; /* that the window is of */
    uint64_t start;
    rsi_bytes window;
} rsi_segment_reader;

void rsi_segment_reader_free(rsi_segment_reader *reader);
/* The value of a row, wherever it is; data NULL when the row is dropped. DAMAGED names file and byte. */
int rsi_row_value(rsi_slice *json, rsi_segment_reader *reader, const rsi_row *row);

#endif
