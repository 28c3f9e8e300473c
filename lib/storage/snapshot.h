/*
 * Snapshots: a table as a JSON file that people and tools can read.
 *
 *   {
 *   "acme": {"_id":"acme",…,"documents":[      a record starts on its own line
 *   {"row":0,"doc_id":"doc_…",…},              a row is one physical line
 *   {"row":3,"doc_id":"doc_…",…}
 *   ]},
 *   "other": {"_id":"other",…,"documents":[]}
 *   }
 *
 * A record of a collection has no rows: "key": {"_id":"key",…} on one line.
 *
 * A table of chunks has one record without a value; its rows are the members of the object:
 *
 *   {
 *   "0": {"doc_id":"doc_…",…},
 *   "1": {"doc_id":"doc_…",…}
 *   }
 */
#ifndef RSI_STORAGE_SNAPSHOT_H
#define RSI_STORAGE_SNAPSHOT_H

#include "base/digest.h"
#include "files/files.h"
#include "storage/table.h"

/* How the rows of a space are kept in its file. */
typedef struct rsi_layout {
    const char *rows_field; /* member that holds the rows; NULL: rows are the object's members, or
                               there are none */
    bool rows_numbered;     /* rows carry their number as "row"; otherwise it is their place */
    const char *id_field;   /* member that is the key when the file's key is another, or NULL */
} rsi_layout;

extern const rsi_layout rsi_layout_entities;
extern const rsi_layout rsi_layout_sessions;
extern const rsi_layout rsi_layout_chunks;
extern const rsi_layout rsi_layout_collection;

/*
 * Write the file of a frozen table. Lines that have not changed since its base was written are
 * copied as they are, after a look at their CRC. *size and sha256 tell of what was written; *orders
 * are those of the records in the file: caller frees.
 */
int rsi_snapshot_write(rsi_file *file, const rsi_frozen *frozen, const rsi_layout *layout,
                       uint64_t *size, char sha256[RSI_SHA256_HEX], uint64_t **orders,
                       size_t *count);

/* Fill an empty table from a file's bytes. INVALID_DATA names line and column or the record. */
int rsi_snapshot_decode(rsi_table *table, const char *data, size_t size, const rsi_layout *layout);
int rsi_snapshot_decode_rows(rsi_record *record, const char *data, size_t size);

#endif
