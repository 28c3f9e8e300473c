/*
 * Runs a store on a disk that loses power, and opens what every power cut leaves.
 *
 *   workload ─► storage ─► (a lying table) ─► power_disk ─► hook: cut ─► storage opens the copy
 *                                                                          │
 *   model ─► texts[0], texts[1], …  one after each commit  ◄── must be ────┘
 *            └─ floor: what is surely durable     └─ last: what was begun
 *
 * The first thing that is wrong is kept in `failure`; nothing is explored after it.
 */
#ifndef TESTS_HARNESS_POWER_EXPLORE_H
#define TESTS_HARNESS_POWER_EXPLORE_H

#include "harness/power_disk.h"
#include "harness/power_model.h"
#include "ragstore.h"

typedef enum power_step {
    STEP_ENTITY_NEW,
    STEP_ENTITY_PUT,
    STEP_ENTITY_GONE,
    STEP_DOCUMENT_ADD,
    STEP_DOCUMENT_DROP,
    STEP_SESSION_PUT,
    STEP_MESSAGE,
    STEP_SESSION_DROP,
    STEP_SEGMENT, /* more chunk bytes than go into a journal line */
    STEP_BATCH,   /* several of the above, one of them in a nested transaction, one taken back */
    STEP_ABORT,
    STEP_CHECKPOINT,
    STEP_COMPACT,
    STEP_FLUSH,
    STEP_REOPEN, /* after a clean close */
    STEP_KILL,   /* the process dies, the disk goes on */
    POWER_STEPS,
} power_step;

typedef struct power_explorer {
    power_disk *disk;
    const rsi_file_table *table; /* what the storage is given: the disk's, or one that lies */
    uint32_t durability;         /* RAGSTORE_DURABILITY_… */
    unsigned choices;            /* cuts at each point; 0: none */
    bool no_files;               /* leave out the steps that change files with a commit */
    uint64_t seed;
    uint64_t states; /* disks that were opened and compared */
    uint64_t state_limit;
    char failure[2000];

    rsi_storage *storage;
    power_model model;
    char **texts;
    size_t last;
    size_t floor;
    bool was_open; /* an open has returned: the store exists */
    unsigned made; /* numbers for names */
    power_step steps[64];
    size_t step_count;
} power_explorer;

/* table NULL: the disk's own. */
void power_explorer_begin(power_explorer *explorer, power_disk *disk, const rsi_file_table *table,
                          uint64_t seed);
/* Are the files of the stores opened next kept in memory, as small ones are, or read from the disk
 * with an index beside them, as large ones are? Do journals begin small, or have they newlines
 * ahead from the start, as long ones do? And do the chunk rows of a transaction wait in memory, or
 * in a segment, as those of large ones do? */
void power_choose_small(bool in_memory);
/* Open the store; false when something is wrong, as for all below. */
bool power_explorer_open(power_explorer *explorer);
bool power_explorer_step(power_explorer *explorer, power_step step);
bool power_explorer_close(power_explorer *explorer);
/* Close what is open, free all but the disk. */
void power_explorer_end(power_explorer *explorer);
const char *power_step_name(power_step step);

/* Open a copy that a cut left, compare, write, open again. Takes the disk. */
bool power_explorer_check(power_explorer *explorer, power_disk *disk, unsigned depth);
/* Note what is wrong, unless something was before; returns false. */
bool power_explorer_fail(power_explorer *explorer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Cut and check now. */
bool power_explorer_cut(power_explorer *explorer);

#endif
