/*
 * A file table on a power_disk that does not do what it says, in one of many ways: what a broken
 * disk, or a library with a step left out, would do. Tests of the tests: each must be noticed.
 */
#ifndef TESTS_HARNESS_POWER_LIES_H
#define TESTS_HARNESS_POWER_LIES_H

#include "harness/power_disk.h"

typedef enum power_lie {
    LIE_NONE,
    LIE_NO_FLUSH,           /* nothing is ever flushed */
    LIE_NO_FILE_FLUSH,      /* fsync of files does nothing, fdatasync does */
    LIE_NO_DATA_FLUSH,      /* fdatasync does nothing */
    LIE_NO_DIRECTORY_FLUSH, /* fsync of directories does nothing */
    LIE_NO_JOURNAL_FLUSH,   /* neither flush of a journal does anything */
    LIE_NO_TEMPORARY_FLUSH, /* files are renamed into place unflushed */
    LIE_NO_UPLOAD_FLUSH,
    LIE_NO_ROOT_FLUSH,       /* of the store's directory and the one above it */
    LIE_NO_STORAGE_FLUSH,    /* of the directory of journals and snapshots */
    LIE_NO_UPLOADS_FLUSH,    /* of the directories of uploads */
    LIE_NO_ENTITY_FLUSH,     /* of the directories of entities */
    LIE_OTHER_FLUSHES,       /* each second flush does nothing */
    LIE_RENAME_BEFORE_FLUSH, /* a new name is durable at once, its bytes with the next flush */
    LIE_SPLIT_RENAME,        /* the two halves of a rename are kept independently */
    LIE_NO_RENAME,           /* said to be done */
    LIE_NO_REMOVE,
    LIE_SHORT_WRITE,   /* half is written, all acknowledged */
    LIE_LOST_WRITE,    /* each seventh */
    LIE_FLIPPED_BIT,   /* in each fifth write */
    LIE_SHIFTED_WRITE, /* one byte behind where an append belongs */
    LIE_SHORT_READ,    /* a file seems to end in the middle */
    LIE_SHORT_LIST,    /* one name of a directory is left out */
    POWER_LIES,
} power_lie;

typedef struct power_liar {
    rsi_file_table table; /* what the library is given; its self is this struct */
    power_disk *disk;
    const rsi_file_table *real;
    power_lie lie;
    uint64_t flushes;
    uint64_t writes;
    bool is_off; /* all is done as it should be */
} power_liar;

void power_liar_init(power_liar *liar, power_disk *disk, power_lie lie);
const char *power_lie_name(power_lie lie);

#endif
