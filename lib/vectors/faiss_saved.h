/*
 * An index of FAISS's (faiss_index.h) in a file, so that it need not be made again at each start.
 *
 *   vector_store/index.faiss       what FAISS's own writer makes of it: IDMap over the kind, ids
 *                                  are chunk numbers; -1 for a chunk that was dead when it was
 *                                  written
 *   vector_store/index.faiss.sum   ragstore-faiss 2
 *                                  size, sha256      of the whole file, for whoever wants to know
 *                                  kind, dimension, metric, incarnation, embedder
 *                                                    as the entity's record has them
 *                                  count, covered    vectors in it, and of chunks below which
 *                                                    number
 *                                  probed            how many of some rows it finds
 *                                  stamp             of which chunks were alive
 *                                  blocks            their number, then a digest each
 *                                                    (faiss_blocks.h)
 *                                  crc32c            of the lines above
 *
 * The file is never believed. Reading it back: the .sum has to be intact and to say what the record
 * says; each block to have its digest, whenever it is read; the index to be one that FAISS could
 * have written (faiss_walk.h), before FAISS reads it; its ids to be chunk numbers, each once; all
 * living chunks that it should have to be in it; and it has to find rows as well as it did before.
 * Whoever fails there is made again from the rows.
 *
 * A file may be older than the rows: what came since is added, what died since is not in the set
 * that a search is given.
 *
 * Written in the order of index_faiss.c; likewise one writer of a path at a time. Searches of the
 * index go on meanwhile.
 */
#ifndef RSI_VECTORS_FAISS_SAVED_H
#define RSI_VECTORS_FAISS_SAVED_H

#include "vectors/faiss_index.h"

/* What the record of the entity says. Texts are borrowed, and printable ASCII. */
typedef struct rsi_faiss_about {
    const char *factory;
    const char *incarnation;
    const char *embedder;
    uint32_t dimension;
    rsi_metric metric;
} rsi_faiss_about;

/* Are rows found? Of `of` rows in the index, spread over it, `found` were. */
typedef struct rsi_faiss_probe {
    uint32_t found;
    uint32_t of;
} rsi_faiss_probe;

/* Under the rows' lock. */
int rsi_faiss_probe_index(rsi_faiss_probe *out, rsi_faiss_index *index, rsi_rows *rows,
                          const rsi_bitset *alive);

/* Let the dead in the index have no number any more, also in memory; how many they are. Searches
 * wait. */
size_t rsi_faiss_index_forget_dead(rsi_faiss_index *index, const rsi_bitset *alive);

/* False once it turned out that an index of this kind is not read back from a file. */
bool rsi_faiss_saved_is_possible(const rsi_faiss_index *index);
/* UNSUPPORTED, and nothing is written, when it is not. */
int rsi_faiss_saved_write(rsi_faiss_index *index, rsi_root *root, const char *path,
                          const rsi_faiss_about *about, const rsi_faiss_probe *probe,
                          const char *stamp);

typedef struct rsi_faiss_saved {
    bool
        is_usable; /* the .sum is intact, of this entity, and the file has the size that it names */
    bool is_current; /* and the stamp is this one */
    uint64_t count;
} rsi_faiss_saved;

/* Look at the .sum and the size only. */
int rsi_faiss_saved_look(rsi_faiss_saved *out, rsi_root *root, const char *path,
                         const rsi_faiss_about *about, const char *stamp);
/* Read the whole file beside its digests. DAMAGED. */
int rsi_faiss_saved_check(rsi_root *root, const char *path, const rsi_faiss_about *about);

/* Have FAISS read it. NOT_FOUND: there is none, or one of another entity, kind or embedder;
 * DAMAGED.
 * Before it is searched, rsi_faiss_saved_verify() has to have been asked. */
int rsi_faiss_saved_read(rsi_faiss_index **out, rsi_faiss_probe *probe, rsi_root *root,
                         const char *path, const rsi_faiss_about *about);
/* Does it have the rows, and find them? DAMAGED. Under the rows' lock. */
int rsi_faiss_saved_verify(rsi_faiss_index *index, const rsi_faiss_probe *before, rsi_rows *rows,
                           const rsi_bitset *alive);

#endif
