/*
 * Vectors that travel in a commit's line, and from there back into their files.
 *
 *   ["vectors",entity,incarnation,n,offset,first_chunk,count,"base64 of float32"]
 *
 * A commit with few vectors writes them to rows-<n>.rsv without a flush: one flush, of the line,
 * makes both durable. What a power cut took from the file is in the line until a checkpoint has
 * flushed the file (row_files.h). Replaying notes where in the journals such operations are; the
 * first opener then has them written again, and one that only reads keeps the places, to read them
 * when it needs them.
 */
#ifndef RSI_STORAGE_JOURNAL_VECTORS_H
#define RSI_STORAGE_JOURNAL_VECTORS_H

#include "base/map.h"
#include "storage/journal.h"
#include "storage/journal_op.h"
#include "storage/storage.h"

/* Append the operation. */
void rsi_journal_vectors_put(rsi_bytes *line, const char *entity_id, const char *incarnation,
                             const rsi_vector_block *block);

/* Note one that a line has; DAMAGED when it is malformed. `places` maps entity ids. */
int rsi_journal_vectors_note(rsi_map *places, const rsi_journal_line *line,
                             const rsi_journal_op *op);
/* Those before this line do not count any more: the entity has no vectors since. */
void rsi_journal_vectors_drop(rsi_map *places, const char *entity_id);
void rsi_journal_vectors_free(rsi_map *places);
/* Visit each file of vectors that is named, with the last commit that does. */
int rsi_journal_vectors_each(const rsi_map *places,
                             int (*visit)(void *user, const char *entity_id, uint32_t segment,
                                          uint64_t sequence),
                             void *user);

/* Have all that are not in the files for sure written again, and flushed. By the first opener, when
 * the tables are as they will be. */
int rsi_journal_vectors_restore(rsi_storage *storage);

#endif
