/*
 * A file table that passes everything on to another one, and on demand lets one
 * call fail, do less than asked, or lie about having flushed.
 *
 *   fault_files faults;
 *   fault_files_init(&faults, NULL);                     // NULL: rsi_files_posix below
 *   rsi_root_open(&root, &faults.table, path, true);
 *   fault_files_fail(&faults, FAULT_WRITE, 2, ENOSPC, false);   // the second write from now
 *
 * The struct must live, and not move, as long as the root. Counters are atomic; arm and
 * disarm only while no other thread is inside the table.
 */
#ifndef TESTS_HARNESS_FAULT_FILES_H
#define TESTS_HARNESS_FAULT_FILES_H

#include "files/files.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum fault_call {
    FAULT_OPEN,
    FAULT_CLOSE, /* a failing close closes all the same, as the kernel does */
    FAULT_READ,
    FAULT_WRITE,
    FAULT_TRUNCATE,
    FAULT_RESERVE,
    FAULT_FLUSH_DATA,
    FAULT_FLUSH,
    FAULT_INFO,
    FAULT_INFO_AT,
    FAULT_RENAME,
    FAULT_REMOVE,
    FAULT_MAKE_DIRECTORY,
    FAULT_LIST,
    FAULT_LOCK,
    FAULT_VIEW,
    FAULT_CALLS, /* how many there are; as an argument: any call */
} fault_call;

#define FAULT_ANY FAULT_CALLS
/* In place of an errno value: reads and writes do about half of what is asked, others all. */
#define FAULT_SHORT (-1)

typedef struct fault_files {
    rsi_file_table table; /* what the library is given; its self is this struct */
    const rsi_file_table *real;
    fault_call call;          /* which calls are counted down to the fault */
    atomic_int_fast64_t left; /* calls until the fault; <= 0: it has struck */
    int error;
    bool for_ever;
    bool armed;
    bool drop_flushes; /* settable: flush and flush_data say yes and do nothing */
    atomic_bool struck;
    atomic_uint_fast64_t counts[FAULT_CALLS];
    atomic_int_fast64_t open_handles; /* opened and not closed */
    atomic_int_fast64_t views;        /* mapped and not unmapped */
} fault_files;

void fault_files_init(fault_files *faults, const rsi_file_table *real);

/* The n-th matching call from now on (1 is the next) fails with errno `error`, or FAULT_SHORT;
 * all matching ones after it too when for_ever. */
void fault_files_fail(fault_files *faults, fault_call call, int64_t n, int error, bool for_ever);
void fault_files_disarm(fault_files *faults);
bool fault_files_struck(const fault_files *faults); /* since the last fault_files_fail() */

uint64_t fault_files_count(const fault_files *faults, fault_call call); /* FAULT_ANY: all */
void fault_files_reset_counts(fault_files *faults);
const char *fault_call_name(fault_call call);

#endif
