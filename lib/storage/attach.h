/*
 * Who has the store open. LOCK is never renamed; its bytes are locked by several processes (by the
 * open file, so that locks go with whoever is killed), and its text tells of those that were.
 *
 *   byte locks                                              text
 *    0      the writer: transactions, checkpoints (lease.h)  open for writing\n+ !+
 *    1      openers that may write: shared; exclusive for                      └ slots
 *           the first one while it recovers, and for the last while it closes
 *    2      shared by those who wait for byte 0
 *    3      readers: shared
 *    4      the process that works on the store's jobs
 *    64 + i the owner of slot i
 *
 *   slot   ' ' nobody   '+' a process that may write   '!' likewise, after one that was killed
 *
 * An empty text is a store that was closed. The first opener that finds one recovers from what a
 * crash left; the last one to close removes it, and sweeps first when a slot tells that somebody
 * was killed meanwhile. An IMMUTABLE opener takes no part.
 */
#ifndef RSI_STORAGE_ATTACH_H
#define RSI_STORAGE_ATTACH_H

#include "storage/storage.h"

#define RSI_LOCK_BYTE_WRITER 0
#define RSI_LOCK_BYTE_OPENERS 1
#define RSI_LOCK_BYTE_WAITERS 2
#define RSI_LOCK_BYTE_READERS 3
#define RSI_LOCK_BYTE_JOBS 4

typedef struct rsi_attachment {
    rsi_file *lock;    /* NULL: IMMUTABLE, or a copy on a medium that cannot be written */
    bool is_first;     /* nobody else may write: recovery is ours */
    bool is_exclusive; /* byte 1 is held exclusively */
    bool is_single;    /* for good: ranges cannot be locked, or others cannot be told of commits */
    int slot;          /* -1: none */
    bool slot_tells;   /* of somebody who was killed before us */
    bool text_waits;   /* what the text tells of us may not be on the disk yet */
} rsi_attachment;

/* Take the directory: the first opener exclusively, others beside it. *was_unclean: a first opener
 * found that the last ones did not close. BUSY when it is being opened or closed for too long. */
int rsi_attach(rsi_storage *storage, bool *was_unclean);
/* Let the text survive a power cut: before the first change of the store's files. */
int rsi_attach_secure(rsi_storage *storage);
/* The first opener has recovered: let others in. */
int rsi_attach_share(rsi_storage *storage);
/* Is a process attached that may write, other than this one? */
bool rsi_attach_has_company(rsi_storage *storage);
/* Is nobody else there that may write? Then nobody comes before rsi_attach_end(). `leave`: give up
 * the own place among the openers first, which tells apart two that close at the same moment. */
bool rsi_attach_alone(rsi_storage *storage, bool leave);
/* Was a process killed that had the store open beside us? For the last one. */
int rsi_attach_crashed(rsi_storage *storage, bool *crashed);
/* For the last one, when all is done: remove the text. */
int rsi_attach_clean(rsi_storage *storage);
/* Let go of everything. */
void rsi_attach_end(rsi_storage *storage);

#endif
