/*
 * A store for the tests of the rooms above storage: in a temporary directory, behind a fault table,
 * with one entity and without a background thread.
 *
 *   open_store s;
 *   open_store_begin(&s, state, NULL);
 *   open_store_add_text(&s, "wings.txt", "Wings lift.", NULL);
 *   …
 *   open_store_end(&s);      // nothing may be left: memory, open files, mapped files
 *
 * open_store_begin() installs the counting memory table (fault_memory.h), open_store_end() restores
 * the one from before. Helpers fail the test instead of returning errors.
 */
#ifndef TESTS_HARNESS_OPEN_STORE_H
#define TESTS_HARNESS_OPEN_STORE_H

#include "harness/fault_files.h"
#include "harness/temporary.h"
#include "ingest/document.h"

#define ACME "acme" /* the entity */

typedef struct open_store {
    fault_files faults;
    rsi_store *store;
    rsi_embedder *embedder;
    const char *path;
    char kept[TEMPORARY_PATH_MAX]; /* the copy, beside the directory; "": none */
    char incarnation[RSI_INCARNATION_DIGITS + 1]; /* of the entity */
} open_store;

void open_store_begin(open_store *s, void **state, rsi_embedder *embedder); /* NULL: none */
void open_store_again(open_store *s); /* close, and open what is there */
void open_store_end(open_store *s);
/* The same in steps, for tests of closing. `flags` are RAGSTORE_OPEN_…. */
int open_store_open(open_store *s, uint32_t flags);
void open_store_close(open_store *s);

/* Keep a copy of the closed store's directory, and put it back whenever one is to begin anew: many
 * openings after faults leave many journals. The copy goes with the store. */
void open_store_keep(open_store *s);
void open_store_put_back(open_store *s);

rsi_added open_store_add_text(open_store *s, const char *filename, const char *text,
                              const char *metadata_json);
/* Chunks as JSON; vectors may be NULL. */
rsi_added open_store_add_chunks(open_store *s, const char *filename, const char *chunks_json,
                                const float *vectors, size_t dimension);
/* How many documents and chunks the entity has by its record. */
void open_store_expect_totals(open_store *s, uint64_t documents, uint64_t chunks);
/* Work on its jobs until nothing is left to do now. */
int open_store_work(open_store *s);
rsi_job_state open_store_job_state(open_store *s, const char *job_id);

/*
 * Calls call(user) with its first, second, … allocation failing, until it gets by without the one
 * that would fail; returns how many failed. A call that failed must say NO_MEMORY and leave no
 * memory behind; `call` frees what it was given. EACH_MAY_SUCCEED: some allocations can be done
 * without. EACH_MAY_KEEP: what the store caches may grow.
 */
#define EACH_MAY_SUCCEED 1u
#define EACH_MAY_KEEP 2u
unsigned each_allocation_fails(int (*call)(void *user), void *user, unsigned flags);

/* The same for file calls, which fail with EIO. A call that was struck must fail, unless
 * EACH_MAY_SUCCEED. The store must be usable after each: for calls that only read. */
unsigned each_file_call_fails(open_store *s, int (*call)(void *user), void *user, unsigned flags);

/* The message of the current error must have this in it. */
void expect_message(const char *part);

#endif
