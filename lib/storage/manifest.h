/*
 * What the store knows about its own files.
 *
 *   ragstore.json            for the files of api_storage/: up to which commit each is, size,
 *                            digest
 *   …/{entity}/entity.json   the same for an entity's chunk_metadata.json, with its incarnation
 *   checkpoint records       old and new digest of each file that a checkpoint replaces: what to
 *                            believe when it was cut short (rsi_candidates)
 */
#ifndef RSI_STORAGE_MANIFEST_H
#define RSI_STORAGE_MANIFEST_H

#include "base/digest.h"
#include "files/files.h"
#include "json/json.h"

#define RSI_FAILURE_MAX 512
#define RSI_INCARNATION_HEX 33 /* 32 digits and NUL */

typedef struct rsi_file_state {
    bool known; /* is there an entry? */
    uint64_t base_sequence;
    uint64_t size;
    char sha256[RSI_SHA256_HEX];
    bool seen; /* the four below tell how stat() showed the file when its digest was this */
    uint64_t device;
    uint64_t inode;
    int64_t modified_ns;
    int64_t changed_ns;
} rsi_file_state;

typedef struct rsi_candidate {
    char *path;
    rsi_file_state state;
} rsi_candidate;

typedef struct rsi_candidates {
    rsi_candidate *items;
    size_t count;
    size_t capacity;
} rsi_candidates;

typedef struct rsi_manifest {
    bool present;
    char store_id[RSI_INCARNATION_HEX];
    char created_at[40];
    uint64_t generation;
    rsi_file_state entities;
    rsi_file_state sessions;
    rsi_candidates collections; /* each path once */
} rsi_manifest;

/* present = false when there is no manifest. VERSION, DAMAGED. */
int rsi_manifest_read(rsi_manifest *manifest, rsi_root *root);
int rsi_manifest_write(const rsi_manifest *manifest, rsi_root *root);

typedef struct rsi_entity_file {
    bool present;
    char incarnation[RSI_INCARNATION_HEX];
    rsi_file_state chunks; /* base_sequence counts also when the file does not exist yet */
} rsi_entity_file;

/* What to do about damage below an entity's folder, for messages. */
#define RSI_RESTORE_ENTITY "restore the folder of this entity from a backup"

/* present = false when there is none. VERSION, DAMAGED. */
int rsi_entity_file_read(rsi_entity_file *entity, rsi_root *root, const char *entity_id);
int rsi_entity_file_write(const rsi_entity_file *entity, rsi_root *root, const char *entity_id);

/* ---- checkpoint records ---- */

/* A candidate is a digest that a file may have, and the base that goes with it. */
void rsi_candidates_free(rsi_candidates *candidates);
int rsi_candidates_add(rsi_candidates *candidates, const char *path, const rsi_file_state *state);
/* The newest state listed for a path, or NULL. */
const rsi_file_state *rsi_candidates_last(const rsi_candidates *candidates, const char *path);
/* The newest candidate for a path with this size and digest, or NULL. */
const rsi_file_state *rsi_candidates_find(const rsi_candidates *candidates, const char *path,
                                          uint64_t size, const char *sha256);

/* Note how stat() shows the file, whose bytes are known to have the digest. */
void rsi_file_state_see(rsi_file_state *state, rsi_root *root, const char *path);
/* Does stat() show the file as it did then? It need not be read to be trusted. */
bool rsi_file_state_is_current(const rsi_file_state *state, rsi_root *root, const char *path);

/* {"base_sequence":…,"size":…,"sha256":"…",…}, or null for an unknown state. */
void rsi_file_state_put(rsi_json_writer *writer, const rsi_file_state *state);
/* Reads size and sha256; known stays false for null. DAMAGED. */
int rsi_file_state_get(rsi_file_state *state, const rsi_json *value);

#endif
