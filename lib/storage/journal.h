/*
 * The journal: one line, one commit.
 *
 *   ["RSJ1 GGGGGGGGGG SSSSSSSSSSSSSSSSSSSS FFFFFFFFFFFFFFFFFFFF LLLLLLLLLL CCCCCCCC",op,op,…]\n
 *     2    7          18                   39                   60         71      79
 *
 *   G generation · S sequence · F flushed sequence · L bytes of the line · C its CRC32C, computed
 *   with the digits of C as '0'
 *
 * The head has a fixed width, so that a line is checked and placed without parsing JSON. Lines
 * that change nothing ("begin", "checkpoint") carry the sequence of the commit before them.
 *
 *   lines ──────────────────────────────► newlines ────────►
 *   0                                size            reserved
 *
 * A journal that grows has newlines ahead of its lines: a flush of bytes that replace others needs
 * no change of the file's size, which makes it half as expensive on many disks. They are cut when
 * the journal is left. To a reader they mean the end, and so do zeros.
 * Used under the writer lock only.
 */
#ifndef RSI_STORAGE_JOURNAL_H
#define RSI_STORAGE_JOURNAL_H

#include "base/bytes.h"
#include "files/files.h"

#define RSI_JOURNAL_HEAD 81 /* bytes of `["RSJ1 … CCCCCCCC"` */
#define RSI_JOURNAL_LINE_MAX ((size_t)256 << 20)

typedef struct rsi_journal {
    rsi_file *file;
    uint64_t generation;
    uint64_t sequence; /* of the last commit, in this generation or an older one */
    uint64_t flushed;  /* the highest sequence known to be on disk */
    uint64_t size;     /* bytes of valid lines */
    uint64_t reserved; /* bytes of the file */
} rsi_journal;

/* A journal of at least so many bytes has newlines ahead. */
extern uint64_t rsi_journal_fill_from;

/* Is this the name of a journal in api_storage/, and of which generation? */
bool rsi_journal_is_named(const char *name, uint64_t *generation);

/* Start a generation: the file with its begin line, written but not flushed. EXISTS. */
int rsi_journal_create(rsi_journal *journal, rsi_root *root, uint64_t generation, uint64_t sequence,
                       const char *store_id);
void rsi_journal_close(rsi_journal *journal);

/*
 * Append one line of operations (JSON texts joined by commas). A commit takes the next sequence;
 * other lines do not. On failure the file is as it was before, or *broken is set: what the file
 * holds is not known, nothing may be appended any more.
 */
int rsi_journal_append(rsi_journal *journal, const char *ops, size_t size, bool is_commit,
                       bool *broken);
int rsi_journal_flush(rsi_journal *journal);
/* Cut what lies ahead: nothing is appended any more. A failure does no harm. */
void rsi_journal_trim(rsi_journal *journal);
/* Is there no line in these bytes, nor a part of one? */
bool rsi_journal_is_filler(const char *data, size_t size);

typedef struct rsi_journal_line {
    uint64_t generation;
    uint64_t sequence;
    uint64_t flushed;
    uint64_t offset;
    const char *text; /* the whole line, a JSON array */
    size_t size;
} rsi_journal_line;

/*
 * Walk the valid lines of a journal's bytes. *valid_size: where the valid part ends. What lies
 * behind it is an unacknowledged tail, unless a later line of this generation tells that the first
 * bad one was flushed: then DAMAGED, and the lines before it have been visited.
 */
typedef int rsi_journal_visitor(void *user, const rsi_journal_line *line);
int rsi_journal_scan(const char *path, const char *data, size_t size, uint64_t generation,
                     rsi_journal_visitor *visit, void *user, size_t *valid_size);

#endif
