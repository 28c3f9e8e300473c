/*
 * Which stores are open in this process. A second open of the same directory shares the first one's
 * store, so that caches are there once and readers see commits without looking at the disk.
 *
 *   core A ─┐
 *   core B ─┼─► rsi_store  (device 8:1, inode 4711)   opens 3, of which closed 1
 *   core C ─┘
 *
 * The same directory is one with the same device and inode. A store that is open for reading only
 * is shared by readers; whoever wants to write opens one of their own beside it. IMMUTABLE ones are
 * never shared. What a store does for all its users must be the same for all: see rsi_store_join().
 *
 * Called by the cores of api/. One mutex guards the list; it is not held while a store is opened or
 * closed, which others wait for. A fork's child begins with an empty list.
 */
#ifndef RSI_ENTITIES_OPEN_STORES_H
#define RSI_ENTITIES_OPEN_STORES_H

#include "entities/store.h"

/*
 * Open a store, or share the one that is open. Durability (of writers), model, memory limit and
 * busy timeout must be those of the first: CONFLICT names the one that differs. options->log is not
 * NULL; it stays in place until rsi_store_leave(). Errors as rsi_storage_open().
 */
int rsi_store_join(rsi_store **out, const char *path, const rsi_store_options *options);
/* A user closes. The last one's close does the disk work and reports its errors. */
int rsi_store_leave(rsi_store *store, rsi_store_log *log);
/* A user's memory goes, after its close; the last one frees the store. NULL is fine. */
void rsi_store_forget(rsi_store *store);

#endif
