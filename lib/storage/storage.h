/*
 * JSONStorage: records and their numbered rows, changed by transactions, durable when committed.
 *
 *   space "entities"        key: entity id     value: the entity    rows: its documents
 *   space "chat_sessions"   key: session id    value: the session   rows: its messages
 *   space "collections/…"   key: _id           value: a document of the application, with its _id
 *   space "chunks"          key: entity id     (no value)           rows: its chunks, by chunk
 *                                                                   number
 *   space "collections/_jobs"  key: job id     value: a job; its member "incoming", if any, names a
 *                           file under uploads/ that is kept for it
 *
 * Values and rows are JSON objects as compact text. The rest of the library sees only this
 * header, so that another engine can stand behind it. What the files look like:
 * ragstore_format(5).
 *
 * Transactions are built one at a time; beginning waits for the one that is being built, up to the
 * busy timeout. Those that only change sessions or collections are flushed together with others
 * that are built meanwhile (group.c). A thread that has a transaction sees its changes in every
 * read below; other threads see them when it commits. Beginning again on the same thread nests: the
 * inner commit or abort concerns what was done since, and only the outermost one reaches the disk.
 *
 * Several processes may have the store open: transactions wait for each other, and what one commits
 * the others see from their next rsi_storage_follow() or transaction on (follow.h).
 *
 * Locking: writer, then state. Reads take the state lock shared for the time of a copy or visit;
 * visitors must not call back into storage for changes.
 */
#ifndef RSI_STORAGE_STORAGE_H
#define RSI_STORAGE_STORAGE_H

#include "base/bytes.h"
#include "files/files.h"
#include "files/paths.h"
#include "storage/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_SPACE_ENTITIES "entities"
#define RSI_SPACE_SESSIONS "chat_sessions"
#define RSI_SPACE_CHUNKS "chunks"
#define RSI_SPACE_COLLECTIONS "collections/" /* and the name */
#define RSI_JOBS "_jobs"
#define RSI_ROW_MAX ((size_t)UINT32_MAX) /* bytes of a row */
#define RSI_SPACE_JOBS RSI_SPACE_COLLECTIONS RSI_JOBS

typedef struct rsi_storage rsi_storage;
typedef struct rsi_tx rsi_tx;

/* Rows of vectors of one commit, behind each other in a file of theirs. */
typedef struct rsi_vector_block {
    uint32_t segment; /* the n of rows-<n>.rsv */
    uint64_t offset;  /* there */
    uint64_t size;    /* bytes it takes there; 0 where it is not known */
    uint32_t crc;     /* of those; likewise */
    int64_t first_chunk;
    uint32_t count;
    uint32_t dimension;
    const float *vectors; /* count × dimension; NULL: flushed already */
} rsi_vector_block;

/* Walks through the blocks of an entity that stand in the journals. */
typedef struct rsi_vector_reader rsi_vector_reader;
/* 1: *block is the next, borrowed until the one after it; 0: no more; negative: an error. */
int rsi_vector_reader_next(const rsi_vector_block **block, rsi_vector_reader *reader);

typedef struct rsi_storage_options {
    uint32_t flags;           /* RAGSTORE_OPEN_… */
    uint32_t durability;      /* RAGSTORE_DURABILITY_…, never 0 here */
    uint32_t busy_timeout_ms; /* 0: do not wait */
    const rsi_file_table *files; /* NULL: the real one */
    bool keep_lease; /* a thread may keep the writer lock between transactions (lease.h) */
    /* Called when commits of another process have become visible: forget what is kept of this
     * entity, or of all (NULL). Must not call into storage. */
    void (*followed)(void *user, const char *entity_id);
    void *followed_user;
    /* Called while a store is opened after an unclean end: write the blocks into their files, where
     * they are not there, and flush those. What has no place any more is left out, with a message.
     * Must not call into storage but for the reader. NULL: nobody has vectors. */
    int (*restore_vectors)(rsi_storage *storage, rsi_root *root, const char *entity_id,
                           const char *incarnation, rsi_vector_reader *reader);
    void (*log)(void *user, int level, const char *message); /* NULL: silent */
    void *log_user;
} rsi_storage_options;

/* Open a store's directory, recovering it when needed. Errors as ragstore_store_open(). */
int rsi_storage_open(rsi_storage **out, const char *path, const rsi_storage_options *options);
/* Bring the files up to date (unless read-only or failed), release the directory. What readers in
 * memory still need stays until rsi_storage_free(). */
int rsi_storage_close(rsi_storage *storage);
void rsi_storage_free(rsi_storage *storage); /* NULL is fine */

/* Make visible what other processes have committed; a call that reads begins with it. */
int rsi_storage_follow(rsi_storage *storage);
/* How often the writer lock came from elsewhere: while the number stays, nobody else has written.
 * For a thread with a transaction. */
uint64_t rsi_storage_lease_count(const rsi_storage *storage);

rsi_root *rsi_storage_root(rsi_storage *storage);
const char *rsi_storage_id(const rsi_storage *storage);
bool rsi_storage_is_read_only(const rsi_storage *storage);
uint64_t rsi_storage_journal_bytes(rsi_storage *storage);
/* Is an upload committed under this name and its file still under another, which *path gets? */
bool rsi_storage_upload_waits(rsi_path *path, rsi_storage *storage, const char *entity_id,
                              const char *name);
/* A copy of the reason why writing has stopped, or an empty string. */
int rsi_storage_failure(rsi_bytes *out, rsi_storage *storage);
void rsi_storage_log(rsi_storage *storage, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- reading ---- */

/* The value of a record; NOT_FOUND. */
int rsi_storage_get(rsi_bytes *value, rsi_storage *storage, const char *space, const char *key);
/* Call visit for each record in the order in which they came; non-zero stops and is returned. */
typedef int rsi_record_visitor(void *user, const char *key, const char *json, size_t size);
int rsi_storage_each(rsi_storage *storage, const char *space, rsi_record_visitor *visit,
                     void *user);
/* The same but for records that are damaged, which *unreadable counts. */
int rsi_storage_each_readable(size_t *unreadable, rsi_storage *storage, const char *space,
                              rsi_record_visitor *visit, void *user);
/* The same for the sessions of an entity, without a look at others. */
int rsi_storage_sessions_of(rsi_storage *storage, const char *entity_id, rsi_record_visitor *visit,
                            void *user);
int rsi_storage_count_sessions_of(uint64_t *count, rsi_storage *storage, const char *entity_id);
size_t rsi_storage_count(rsi_storage *storage, const char *space);
/* The keys of all records, one behind the other, each with its NUL. *unreadable counts those that
 * are damaged and left out; NULL: the first of them is an error. */
int rsi_storage_keys(rsi_bytes *keys, size_t *unreadable, rsi_storage *storage, const char *space);

/*
 * A walk through the records of a space in pieces, so that a long one keeps nobody waiting. What is
 * there from the beginning to the end of the walk is visited once. When the calling thread has a
 * transaction, the first piece is the whole: the records of the table as the transaction has them,
 * then those that it added.
 */
typedef struct rsi_scan {
    const uint64_t *orders; /* ascending: only these records (rsi_table_watcher), and those that the
                               transaction changed; NULL: all */
    size_t count;
    uint64_t next;
    bool ended;
} rsi_scan;
/* Visit at most max_records. A visitor that returns a positive number has taken its record and
 * ends the piece; what it returned is returned. */
int rsi_storage_scan(rsi_scan *scan, rsi_storage *storage, const char *space, size_t max_records,
                     rsi_record_visitor *visit, void *user);

/* Visit all records as they are committed, with their places in the order of the space, in one
 * piece. */
typedef int rsi_order_visitor(void *user, uint64_t order, const char *json, size_t size);
int rsi_storage_each_committed(rsi_storage *storage, const char *space, rsi_order_visitor *visit,
                               void *user);

/* The space of a collection, empty when nothing was ever put into it. *space lives as long as the
 * storage. INVALID_ARGUMENT for a name that is not valid. */
int rsi_storage_collection(const char **space, rsi_storage *storage, const char *name);
/* Visit the names of all collections that have a document, in no order. */
int rsi_storage_collections(rsi_storage *storage, int (*visit)(void *user, const char *name,
                                                               size_t count), void *user);
/* Let a watcher see all changes of a collection's values from now on, under the exclusive lock
 * of the state. One for each space: *user is replaced by the one that is there already. It is freed
 * with the storage. */
int rsi_storage_watch(void **user, rsi_storage *storage, const char *space,
                      rsi_table_watcher *watch, void (*free_user)(void *user));
/* The user of the watcher, or NULL. */
void *rsi_storage_watcher(rsi_storage *storage, const char *space);

/* Rows of a record: how many, and 1 + the largest number (0 without rows). A missing record has
 * none. DAMAGED: the file that holds them cannot be trusted. */
int rsi_storage_row_count(uint64_t *count, uint64_t *next, rsi_storage *storage, const char *space,
                          const char *key);
int rsi_storage_row_get(rsi_bytes *row, rsi_storage *storage, const char *space, const char *key,
                        uint64_t number);
/* The same without a copy: see it where it lies, under the lock of the state. */
int rsi_storage_row_see(rsi_storage *storage, const char *space, const char *key, uint64_t number,
                        rsi_row_visitor *see, void *user);
/* Rows with numbers >= from, ascending, at most `limit` (UINT64_MAX: all). */
int rsi_storage_rows(rsi_storage *storage, const char *space, const char *key, uint64_t from,
                     uint64_t limit, rsi_row_visitor *visit, void *user);

/* The rows of an entity or session that the calling thread's transaction has put. */
int rsi_storage_own_rows(rsi_storage *storage, const char *space, const char *key,
                         rsi_row_visitor *visit, void *user);
/* Is the row of this number one of them? Looks at no others. */
bool rsi_storage_has_own_row(rsi_storage *storage, const char *space, const char *key,
                             uint64_t number);

/* For who only reads: the vectors of an entity that a crash may have taken from their files, since
 * nobody has written since. *reader is NULL when there are none; the caller frees it. */
int rsi_vector_reader_open(rsi_vector_reader **reader, rsi_storage *storage, const char *entity_id,
                           const char *incarnation);
void rsi_vector_reader_free(rsi_vector_reader *reader); /* NULL is fine */

/* ---- changing ---- */

int rsi_tx_begin(rsi_tx **out, rsi_storage *storage); /* BUSY, READ_ONLY, FAILED */
int rsi_tx_commit(rsi_tx *tx);                        /* takes tx, also on failure */
void rsi_tx_abort(rsi_tx *tx);                        /* NULL is fine */
/* Is a transaction of the calling thread running? */
bool rsi_tx_is_open(rsi_storage *storage);
/* For a transaction that looks records up elsewhere than in storage, such as in an index that
 * follows commits: wait until the commits before it are visible. Nothing without one. */
void rsi_storage_settle(rsi_storage *storage);
/* Let the calling thread, which has a transaction, read what is committed instead of its own
 * changes (what it puts into shared caches must not be ahead of the commit). Nothing on other
 * threads. */
void rsi_tx_hide(rsi_storage *storage, bool hidden);

int rsi_tx_put(rsi_tx *tx, const char *space, const char *key, const char *json, size_t size);
int rsi_tx_drop(rsi_tx *tx, const char *space, const char *key); /* with its rows */
int rsi_tx_row_put(rsi_tx *tx, const char *space, const char *key, uint64_t number,
                   const char *json, size_t size);
int rsi_tx_row_drop(rsi_tx *tx, const char *space, const char *key, uint64_t number);

/* Vectors of a commit of up to so many bytes travel in its line; more are better flushed in their
 * file by who writes them. Set by tests before a store is opened. */
extern size_t rsi_line_vector_bytes;
/* Name vector rows that were written for this transaction. The commit sees to it that those which
 * were not flushed are durable with it. */
int rsi_tx_vectors(rsi_tx *tx, const char *entity_id, const char *incarnation,
                   const rsi_vector_block *block);
/* uploads/{entity}/<incoming>, already flushed, becomes <name> with the commit. */
int rsi_tx_file(rsi_tx *tx, const char *entity_id, const char *incoming, const char *name);
/* uploads/{entity}/<name> goes with the commit. */
int rsi_tx_unlink(rsi_tx *tx, const char *entity_id, const char *name);
/* The folders of this creation of an entity go with the commit. */
int rsi_tx_gone(rsi_tx *tx, const char *entity_id, const char *incarnation);
/* The folders of a new entity come with the commit. */
int rsi_tx_come(rsi_tx *tx, const char *entity_id, const char *incarnation);

/* Call `done` when the outermost transaction has ended, still under the writer lock, which such a
 * transaction keeps to its end: committed tells how. Called for nested aborts, too. Never twice. */
int rsi_tx_on_end(rsi_tx *tx, void (*done)(void *user, bool committed), void *user);

/* ---- upkeep ---- */

/* Is there something that a checkpoint would write? `quiet_ms`: time since the last commit;
 * `file_bytes`: how large the files are that it would write anew. */
bool rsi_storage_checkpoint_due(rsi_storage *storage, int64_t *quiet_ms, uint64_t *file_bytes);
/* Bring the JSON files up to date; writers go on meanwhile. BUSY, READ_ONLY, FAILED, DISK_FULL; DAMAGED
 * or IO at the end, when the files of an entity that is in memory, or may be read again, were left
 * out. */
int rsi_storage_checkpoint(rsi_storage *storage);
/* A checkpoint that leaves no older journal: what was deleted before is in no file any more. A
 * backup that is just being made with tar may find that journals are missing. DAMAGED: chunks
 * cannot be read, so the journals stay. Otherwise as rsi_storage_checkpoint(). */
int rsi_storage_compact(rsi_storage *storage);
/* Flush what durability `normal` has not flushed yet. */
int rsi_storage_flush(rsi_storage *storage);
/* Refuse all further writes with this error's message; the first one is kept. Returns FAILED. */
int rsi_storage_poison(rsi_storage *storage);
/* One process at a time works on the jobs of a store: BUSY while another one does. The claim ends
 * with the process, at the latest. */
int rsi_storage_claim_jobs(rsi_storage *storage);
void rsi_storage_release_jobs(rsi_storage *storage);
/* Forget an entity's chunk rows in memory if they can be read again. */
void rsi_storage_forget_chunks(rsi_storage *storage, const char *entity_id);

#endif
