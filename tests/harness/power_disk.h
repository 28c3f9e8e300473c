/*
 * A disk in memory behind the file table, which can lose power.
 *
 *   power_disk *disk = power_disk_new();                    // an empty root directory
 *   rsi_root_open(&root, power_disk_table(disk), "/store", true);
 *   …
 *   power_disk *after = power_disk_cut(disk, seed);         // what a power cut leaves
 *
 *   file       bytes that are durable, and pending writes, size changes
 *   directory  names that are durable, and pending changes of names (made, renamed, removed)
 *
 * Flushing a file makes its bytes durable, never its name. Flushing a directory makes its names
 * durable, never what the files hold. A rename is one change, as on every journalling file
 * system: a cut shows all of it or nothing, and flushing either directory makes it durable.
 *
 * A cut keeps any subset of what is pending: writes are torn at borders of 512 bytes, a size
 * without its bytes reads as zeros. Two restrictions make it a state that a disk can have: within
 * one sector the earlier writes are kept with the later ones, and a change of names is kept with
 * the earlier changes of the same name or file.
 *
 * Used by one thread at a time.
 */
#ifndef TESTS_HARNESS_POWER_DISK_H
#define TESTS_HARNESS_POWER_DISK_H

#include "files/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct power_disk power_disk;

power_disk *power_disk_new(void);
void power_disk_free(power_disk *disk); /* NULL is fine; what is open on it is closed */
const rsi_file_table *power_disk_table(power_disk *disk);

/* Seeds with a meaning of their own: nothing that is pending is kept, or all of it. */
#define POWER_KEEP_NOTHING 0u
#define POWER_KEEP_ALL 1u
/* A new disk in a state that a cut now could leave; the old one goes on. The same seed and the
 * same history give the same state. */
power_disk *power_disk_cut(const power_disk *disk, uint64_t seed);

/* A new disk as another process finds it after this one was killed: nothing is lost, what was
 * pending still is, nothing is open or locked. */
power_disk *power_disk_kill(const power_disk *disk);

/* Called before each operation that changes something (flushes included), with its number from 1:
 * the state before the n-th is the state after the one before. Not called from within itself. */
typedef void power_hook(void *user, power_disk *disk, uint64_t operation);
void power_disk_hook(power_disk *disk, power_hook *hook, void *user);
uint64_t power_disk_operations(const power_disk *disk);

/* How many pending writes, sizes and changes of names a cut could choose from. */
size_t power_disk_pending(const power_disk *disk);
size_t power_disk_open_handles(const power_disk *disk);
size_t power_disk_views(const power_disk *disk);

/* The path with which a handle was opened, for wrappers that treat files differently. */
const char *power_disk_name(const power_disk *disk, int handle);
/* Files changed from now on seem to be this much older, so that what waits for age happens. */
void power_disk_back_date(power_disk *disk, int64_t seconds);
/* No more than so many bytes fit on it from now on, counted in whole blocks: writing more gives
 * ENOSPC. 0: no limit. power_disk_used() is what is taken now. */
void power_disk_limit(power_disk *disk, uint64_t bytes);
uint64_t power_disk_used(const power_disk *disk);
/* A defect for tests of the tests: a cut may show half of a rename. */
void power_disk_split_renames(power_disk *disk);

/* A number from 0 to limit - 1 from a generator whose state is *seed; limit > 0. */
uint64_t power_random(uint64_t *seed, uint64_t limit);

#endif
