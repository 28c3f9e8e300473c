/*
 * What the files of this room share: the storage object, its spaces, and the steps of its life.
 *
 *   rsi_storage
 *     ├─ root, attachment     the directory and who has it open (attach.h)
 *     ├─ lease                the writer lock between processes (lease.h)
 *     ├─ hint, seen           what other processes committed, and how far it was followed
 *                             (follow.h)
 *     ├─ entities, sessions   spaces that are there from the start
 *     ├─ collections: name ─► a space of the application's own, from the start
 *     ├─ chunks: entity id ─► a space of chunk rows, from its first use
 *     ├─ journal              where commits go
 *     ├─ work, foreign        file changes that follow a commit, ours or another process's, and
 *                             have
 *     │                       not been seen to succeed yet
 *     └─ tx                   the running transaction, if any
 *
 * Lock order: checkpointing, writer (one transaction or checkpoint at a time), follow_mutex, state.
 * `tx` and the lists of work belong to the writer, who changes the lists under the mutex; spaces
 * belong to the state lock, and only the writer, followers and the leader of a group
 * commit change them.
 */
#ifndef RSI_STORAGE_INTERNAL_H
#define RSI_STORAGE_INTERNAL_H

#include "files/paths.h"
#include "storage/attach.h"
#include "storage/follow.h"
#include "storage/journal.h"
#include "storage/lease.h"
#include "storage/manifest.h"
#include "storage/row_files.h"
#include "storage/segment.h"
#include "storage/snapshot.h"
#include "storage/space_damage.h"
#include "storage/storage.h"
#include "storage/table.h"

#include <pthread.h>

typedef struct rsi_space {
    const rsi_layout *layout;
    char *entity_id; /* of a space of chunks; NULL otherwise */
    char *name;      /* of a collection's space: "collections/<name>"; NULL otherwise */
    void (*free_watcher)(void *user);
    rsi_table table; /* a space of chunks has one record, keyed by the entity id */
    uint64_t base_sequence; /* commits up to here are in the file */
    uint64_t last_sequence; /* of the last commit that changed it; 0: none since it was read */
    bool loaded;
    bool reaches_back; /* older journals were searched for its rows */
    bool edited;     /* at open its file was not as it was written down */
    bool must_write; /* the file has to be written although no commit asks for it */
    bool was_moved;  /* an entity's, read and found as listed, but stat() shows it otherwise */
    rsi_file_state moved_to; /* as it is shown: the next checkpoint lists that */
    char *damage; /* why what was committed cannot be read (space_damage.h); NULL: nothing known */
    int damage_status;
    bool damage_stays;           /* until the store is opened again */
    rsi_folder_look damage_look; /* otherwise: until the files look otherwise */
    unsigned pins;   /* commits on their way that need it as it is */
    rsi_row *pending; /* replayed before the file was read: applied when it is */
    size_t pending_count;
    size_t pending_capacity;
} rsi_space;

typedef enum rsi_work_kind {
    RSI_WORK_FILE,   /* uploads/{entity}/first becomes second */
    RSI_WORK_UNLINK, /* uploads/{entity}/first goes */
    RSI_WORK_GONE,   /* the folders of incarnation `first` go */
    RSI_WORK_COME,   /* the folders of incarnation `first` come */
} rsi_work_kind;

typedef struct rsi_work {
    rsi_work_kind kind;
    char *entity_id;
    char *first;
    char *second;
    uint64_t sequence; /* of its commit, when it was read from a journal */
} rsi_work;

typedef struct rsi_work_list {
    rsi_work *items;
    size_t count;
    size_t capacity;
} rsi_work_list;

struct rsi_commit;

/* Commits on their way to the disk: see group.c. Filled only under the writer lock. */
typedef struct rsi_commit_queue {
    pthread_mutex_t mutex; /* guards the rest; nothing else is locked under it */
    pthread_cond_t moved;  /* commits were settled */
    struct rsi_commit *flushing; /* what the leader has taken; NULL: there is no leader */
    struct rsi_commit *waiting;  /* in commit order */
    struct rsi_commit *last;     /* of those that wait */
} rsi_commit_queue;

struct rsi_storage {
    rsi_root *root;
    rsi_attachment attachment;
    rsi_storage_options options;
    char id[RSI_INCARNATION_HEX]; /* as the manifest has it, which a checkpoint puts anew; set at open */
    bool read_only;
    bool was_unclean; /* the last writer did not close */
    bool is_beside;   /* read while others may write */
    bool was_moved;      /* its files are those of the manifest, but stat() shows them otherwise */
    bool keeps_journals; /* only they vouch for files of an entity that cannot be read now */
    bool closed;
    rsi_lease lease;

    pthread_mutex_t follow_mutex; /* guards the five below */
    bool follows;                 /* set at open */
    rsi_file *hint;               /* the commit file; NULL: there is none */
    int64_t hint_checked_ms;
    rsi_position seen; /* the owner's of a lease, while it is held */
    char seen_text[RSI_HINT_SIZE];
    rsi_manifest manifest;

    pthread_rwlock_t state;
    rsi_space entities;
    rsi_space sessions;
    rsi_map collections; /* name → rsi_space; none is removed before the end */
    rsi_map chunks;      /* entity id → rsi_space */

    pthread_mutex_t mutex; /* guards the seven below */
    pthread_cond_t changed;
    rsi_row_files row_files; /* with rows that are not flushed */
    bool writer_taken;
    unsigned impatient; /* threads that have waited for the writer's turn for too long */
    pthread_t writer;
    char failure[RSI_FAILURE_MAX]; /* why nothing may be written any more; "" when all is well */

    pthread_mutex_t checkpointing; /* one checkpoint at a time; taken before the writer lock */
    rsi_tx *tx;
    rsi_commit_queue queue;
    rsi_segments *segments; /* how many are open */
    rsi_journal journal; /* the leader's while there is one, otherwise the writer's */
    uint64_t reloads;       /* how often it was read again */
    uint64_t first_read;    /* the oldest journal that was read at open; 0: none */
    uint64_t journal_begin; /* the sequence with which the journal began */
    rsi_map vector_places; /* where journals have vectors (journal_vectors.h): for who only reads,
                              and while the store is opened */
    rsi_candidates candidates; /* what checkpoint records say of files; needed for late reads */
    rsi_work_list work;
    rsi_work_list foreign; /* of other processes: done by now, unless one of them died */
    int64_t last_commit_ms; /* atomic */
    bool lacks_reserve;     /* atomic; see reserve.c */
    bool needs_flush;       /* durability normal: lines behind the last flush; as `journal` */
    uint64_t journal_bytes; /* atomic copy of journal.size */
};

/* ---- storage.c ---- */

/* A storage that is not open. Freed by rsi_storage_free(). */
int rsi_storage_make(rsi_storage **out, const rsi_storage_options *options);
/* Become the writer, of all threads and processes; BUSY after the timeout. Not for a thread that
 * already is. */
int rsi_writer_take(rsi_storage *storage);
void rsi_writer_release(rsi_storage *storage);
bool rsi_writer_is_me(rsi_storage *storage);
/* Flush what durability `normal` has not. Under the writer lock. */
int rsi_storage_flush_locked(rsi_storage *storage);
/* Why nothing may be written: CLOSED, READ_ONLY, FAILED; or OK. */
int rsi_storage_refusal(rsi_storage *storage);

/* ---- hold.c ---- */

/* Keep writers out until the other is called: those of other processes when this one only reads.
 * *held goes there. Not held in a batch of the calling thread, and in a store that has FAILED.
 * BUSY. */
int rsi_storage_hold(rsi_storage *storage, bool *held);
void rsi_storage_let_go(rsi_storage *storage, bool held);

/* ---- space.c ---- */

void rsi_space_free(rsi_space *space);
void rsi_space_free_mapped(void *space); /* and its memory: for maps */
/* A space by its name; a space of chunks is made when missing. NULL with the error set. */
rsi_space *rsi_space_of(rsi_storage *storage, const char *name, const char *key);
/* The path of a collection's file. */
rsi_path rsi_space_path(const rsi_space *space);
/* Make the space of a collection, which must have a valid name. */
rsi_space *rsi_collection_space_of(rsi_storage *storage, const char *name);
/* Apply a replayed change. json NULL: drop. Not for spaces in use by readers. */
int rsi_space_replay_record(rsi_space *space, uint64_t sequence, const char *key,
                            const char *json, size_t size);
int rsi_space_replay_row(rsi_space *space, uint64_t sequence, const char *key, uint64_t number,
                         const char *json, size_t size);
/* The same for a row of which row->changed is the sequence. Takes it, also on failure. */
int rsi_space_take_row(rsi_space *space, const char *key, rsi_row *row);
/* Forget everything of a chunk space: its entity is gone. */
void rsi_space_clear(rsi_space *space);
/* Forget what was replayed and not applied. */
void rsi_space_forget_pending(rsi_space *space);
/* Read the chunk rows of an entity's space from its file. Caller holds the state lock
 * exclusively. */
int rsi_space_load_locked(rsi_storage *storage, rsi_space *space);
/* Make sure that a space can be read and leave with the state lock held shared; on failure the
 * lock is not held. *space is NULL for an entity whose chunks nobody has touched yet: no rows. */
int rsi_space_lock_for_reading(rsi_storage *storage, const char *name, const char *key,
                               rsi_space **space);

/* ---- snapshots_load.c ---- */

/* Fill the tables from the files, before the journals are read. DAMAGED; CONFLICT beside others. */
int rsi_snapshots_load(rsi_storage *storage);
/* Take hand edits over, now that the journals are read. CONFLICT: there are commits, too. */
int rsi_snapshots_accept_edits(rsi_storage *storage);

/* ---- recover.c ---- */

/* Read manifest, snapshots and journals of an open root; leaves the journal ready for appending. */
int rsi_storage_recover(rsi_storage *storage);
/* The same for a reader, or beside other processes: changes nothing, believes what they vouch for,
 * and reads again while they replace files. */
int rsi_storage_load(rsi_storage *storage);

/* ---- reload.c ---- */

/* Read an open storage's files again. `recover`: as after an unclean end. With follow_mutex
 * held. */
int rsi_storage_reload(rsi_storage *storage, bool recover);

/* ---- create.c ---- */

/* Make a new store's files in an empty directory. */
int rsi_storage_create(rsi_storage *storage);
/* Make the directories of a store that are missing, and the names of all that are there durable. */
int rsi_storage_make_directories(rsi_storage *storage);

/* ---- checkpoint.c ---- */

/* A checkpoint of a storage that nobody else uses yet. */
int rsi_checkpoint_alone(rsi_storage *storage);
/* *file_bytes (may be NULL): the size of the files that would be written anew. */
bool rsi_checkpoint_has_work(rsi_storage *storage, uint64_t *file_bytes);

/* ---- journal_files.c ---- */

/* Remove the journals before the last two generations, of which `generation` is one, that have been
 * there for a while. */
int rsi_journals_remove_old(rsi_storage *storage, uint64_t generation);
/* Remove all journals before `generation`. */
int rsi_journals_remove_before(rsi_storage *storage, uint64_t generation);

/* ---- reserve.c ---- */

/* Keep room for deleting and closing on a full disk, when there is any. */
void rsi_reserve_fill(rsi_storage *storage);
/* DISK_FULL when it is gone and there is no room for it: only deleting is allowed. */
int rsi_reserve_require(rsi_storage *storage);
/* Has another process taken it? For who has just got the writer lock. */
void rsi_reserve_look(rsi_storage *storage);
/* Give it back to the disk; false when there was none. The thread's error stays as it is. */
bool rsi_reserve_release(rsi_storage *storage);

/* ---- work.c ---- */

void rsi_work_list_free(rsi_work_list *list);
int rsi_work_add(rsi_work_list *list, rsi_work_kind kind, const char *entity_id, const char *first,
                 const char *second);
/* Forget the work of commits up to `sequence`. */
void rsi_work_forget(rsi_work_list *list, uint64_t sequence);
/* Do all that waits, first what other processes may have left; what fails stays in its list. Under
 * the writer lock. */
int rsi_work_run(rsi_storage *storage);
/* The same for work found in the journal at open, where parts may be done already. */
int rsi_work_recover(rsi_storage *storage, rsi_work_list *list);

/* ---- sweep.c ---- */

/* Remove what an unfinished run left under names of ours. */
int rsi_work_sweep(rsi_storage *storage);
/* The names of the files under uploads/ that jobs stand for; the values mean nothing. Also on
 * failure the map is to be freed. */
int rsi_work_spared(rsi_map *spared, rsi_storage *storage);

/* The incarnation in an entity's record; NOT_FOUND. out: 33 bytes. Like the next one it looks at
 * what is committed: under the state lock, or by the writer while no commit is on its way. */
int rsi_entity_incarnation(char out[33], rsi_storage *storage, const char *entity_id);
/* Is there such an entity? One that cannot be read is. */
bool rsi_entity_exists(const rsi_storage *storage, const char *entity_id);

#endif
