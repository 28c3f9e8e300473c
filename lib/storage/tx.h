/*
 * The inside of a transaction, shared by tx.c (building), commit.c (making it durable) and read.c
 * (the owner's view).
 *
 *   ops       what was asked, in order: the truth; goes to the journal
 *   overlays  what it comes to, per record: laid over the tables when the owner reads, moved into
 *             them by the commit
 *
 *   ops  [put A][row A 3][drop B][row A 4]      overlays  A: value, rows 3 4     B: dropped
 *
 * A long run of chunk rows goes to a file as it comes: one operation names it, and the overlay
 * knows where in it each row lies (segment.h).
 */
#ifndef RSI_STORAGE_TX_H
#define RSI_STORAGE_TX_H

#include "base/status.h"
#include "storage/storage_internal.h"

typedef enum rsi_op_kind {
    RSI_OP_PUT,
    RSI_OP_DROP,
    RSI_OP_ROW,
    RSI_OP_DROP_ROW,
    RSI_OP_SEGMENT, /* rows of chunks that are in a file already, ascending in order of their
                       puts */
    RSI_OP_WORK, /* a change of files after the commit; json is its operation, or NULL */
    RSI_OP_VECTORS, /* first is the incarnation */
} rsi_op_kind;

typedef struct rsi_op_vectors {
    rsi_vector_block block; /* its vectors: `copy`, or NULL */
    size_t unflushed_bytes; /* of vectors; 0: their file was flushed */
    float copy[];
} rsi_op_vectors;

typedef struct rsi_op {
    rsi_op_kind kind;
    const char *space; /* static: RSI_SPACE_… */
    char *key;
    uint64_t number;
    char *json;
    size_t size;
    rsi_work_kind work;
    char *first; /* of a work */
    char *second;
    rsi_segment *segment; /* a reference, or NULL */
    rsi_op_vectors *vectors;
} rsi_op;

typedef struct rsi_overlay {
    const char *space; /* static */
    bool dropped;      /* nothing of the record in the table shows through */
    rsi_record delta;  /* json: new value or NULL; rows: new ones, or empty ones for dropped ones */
} rsi_overlay;

typedef struct rsi_end_call {
    void (*done)(void *user, bool committed);
    void *user;
} rsi_end_call;

typedef struct rsi_savepoint {
    size_t ops;
    size_t calls;
} rsi_savepoint;

struct rsi_tx {
    rsi_storage *storage;
    rsi_op *ops;
    size_t op_count;
    size_t op_capacity;
    rsi_overlay **overlays; /* in order of first touch */
    size_t overlay_count;
    size_t overlay_capacity;
    rsi_map by_record; /* "space\0key" → rsi_overlay */
    rsi_end_call *calls;
    size_t call_count;
    size_t call_capacity;
    rsi_savepoint *savepoints; /* one for each nested begin */
    size_t depth;
    size_t savepoint_capacity;
    size_t run_bytes; /* of chunk rows put one behind the other, up to the last operation */
    size_t vector_bytes; /* of vectors whose files are not flushed */
    bool is_hidden; /* reads of this thread see what is committed */
    size_t pinned;  /* of the overlays: those whose spaces must stay as they are */
    bool has_left;  /* it is in the commit queue, and the writer lock is somebody else's */
};

/* The overlay of a record in the calling thread's transaction, or NULL. Commits of the record that
 * are on their way are waited for, as in _view_all(). */
const rsi_overlay *rsi_tx_overlay(rsi_storage *storage, const char *space, const char *key);
/* The calling thread's transaction, or NULL; _view: only if its changes are to be seen. */
rsi_tx *rsi_tx_current(rsi_storage *storage);
rsi_tx *rsi_tx_view(rsi_storage *storage);
rsi_tx *rsi_tx_view_all(rsi_storage *storage); /* for a look at all records */
bool rsi_tx_touches(const rsi_tx *tx, const char *space, const char *key);

/* Visit a record of a table as the transaction (or NULL) has it. */
int rsi_tx_visit_item(const rsi_table_item *item, rsi_storage *storage, const rsi_tx *tx,
                      const char *space, rsi_record_visitor *visit, void *user);

/* All records of a list, and those that the transaction (or NULL) changed. With the state locked.
 */
int rsi_scan_listed_locked(rsi_scan *scan, rsi_storage *storage, const rsi_space *from,
                           const rsi_tx *tx, const char *space, rsi_record_visitor *visit,
                           void *user);

/* Make all of it durable, then visible. Does not free. The writer lock may be given up. */
int rsi_tx_write(rsi_tx *tx);
/* Move the overlays into their tables. Cannot fail once their places were made. */
void rsi_tx_apply_locked(rsi_tx *tx, uint64_t sequence);

/* ---- group.c ---- */

/* A transaction in the commit queue; lives on its thread's stack. */
typedef struct rsi_commit {
    rsi_tx *tx;
    rsi_bytes line; /* its operations */
    bool only_removes; /* so that it may use the reserve */
    uint64_t sequence;
    int status;
    rsi_saved_error error;
    bool settled;
    struct rsi_commit *next;
} rsi_commit;

int rsi_group_init(rsi_commit_queue *queue); /* 0 or an errno */
void rsi_group_free(rsi_commit_queue *queue);
bool rsi_group_is_idle(rsi_commit_queue *queue);
/* Take a place in the order of commits. Under the writer lock. */
void rsi_group_add(rsi_storage *storage, rsi_commit *commit);
/* Wait until it is durable and visible, or failed, leading when nobody does. */
int rsi_group_finish(rsi_storage *storage, rsi_commit *commit);
/* Wait until nothing is on its way; until nothing is that has this record. Under the writer
 * lock. */
void rsi_group_drain(rsi_storage *storage);
void rsi_group_settle(rsi_storage *storage, const char *space, const char *key);

#endif
