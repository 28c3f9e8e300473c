/*
 * Every path below a store is made here, from validated ids, and nowhere else.
 *
 *   data/
 *   ├── ragstore.json  LOCK
 *   ├── api_storage/{entities.json, chat_sessions.json, collections/<name>.json,
 *   │                journal-<generation>.ndjson, commit, reserve}
 *   ├── uploads/{entity}/{name}
 *   ├── entity_scoped/entities/{entity}/{entity.json, doc_to_chunks.json, chunk_metadata.json,
 *   │                                    segments/, vector_store/{rows-<n>.rsv, index.faiss}}
 *   ├── quarantine/
 *   └── logs/
 *
 * {entity} is one injective function of the id: ASCII lower-case letters, digits and "-_." stay
 * (but not a leading dot), every other byte becomes %XX, so that ids which differ in case never
 * share a directory on a file system that folds case. A form over 200 bytes keeps its first 134
 * and ends in "%-" and the SHA-256 of the id, which makes 200.
 */
#ifndef RSI_FILES_PATHS_H
#define RSI_FILES_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_PATH_MAX 1024     /* of any path below a store, NUL included */
#define RSI_DIRECTORY_MAX 272 /* of an entity's directory name, NUL included */

#define RSI_PATH_MANIFEST "ragstore.json"
#define RSI_PATH_LOCK "LOCK"
#define RSI_PATH_API_STORAGE "api_storage"
#define RSI_PATH_COMMIT "api_storage/commit"
#define RSI_PATH_RESERVE "api_storage/reserve"
#define RSI_PATH_ENTITIES "api_storage/entities.json"
#define RSI_PATH_SESSIONS "api_storage/chat_sessions.json"
#define RSI_PATH_COLLECTIONS "api_storage/collections"
#define RSI_PATH_UPLOADS "uploads"
#define RSI_PATH_QUARANTINE "quarantine"
#define RSI_INCOMING_PREFIX ".incoming-" /* of an upload that is not committed yet */
#define RSI_PATH_ENTITY_PARENT "entity_scoped"
#define RSI_PATH_ENTITY_ROOT RSI_PATH_ENTITY_PARENT "/entities"

typedef struct rsi_path {
    char text[RSI_PATH_MAX];
} rsi_path;

/* INVALID_ARGUMENT with a message that says which rule of the id is broken. */
int rsi_entity_id_check(const char *id);

/* The directory name of a valid id. */
void rsi_entity_directory(char out[RSI_DIRECTORY_MAX], const char *id);

/* Paths below the store for a valid entity id. One that would be too long, or has an unsafe upload
 * name in it, is the empty text, which every function in files.h refuses as INVALID_ARGUMENT. */
rsi_path rsi_path_uploads(const char *entity_id);                      /* uploads/{entity} */
rsi_path rsi_path_upload(const char *entity_id, const char *name);     /* name: rsi_upload_name's */
rsi_path rsi_path_entity(const char *entity_id);                       /* …/entities/{entity} */
rsi_path rsi_path_in_entity(const char *entity_id, const char *below); /* a constant of ours */
rsi_path rsi_path_journal(uint64_t generation);
/* A name beside `path` for what takes its place: .tmp-<16 hex>, swept when its writer died. */
int rsi_path_temporary(rsi_path *out, const char *path);
rsi_path rsi_path_collection(const char *name); /* the name is escaped like an entity's id */

#define RSI_COLLECTION_NAME_MAX 65 /* NUL included */
/* 1 to 64 ASCII letters, digits, '_' and '-'. */
bool rsi_collection_name_is_valid(const char *name);
/* The collection whose file has this name in its directory; false when it is no such file. */
bool rsi_collection_name_of_file(char out[RSI_COLLECTION_NAME_MAX], const char *file_name);

/*
 * A name for an upload's file: the base name of `wanted` when that is safe to use as it is, else a
 * safe form of it; `attempt` > 0 gives further, distinct forms ("report (2).pdf"). Never empty,
 * never starts with a dot, no white space at either end, at most 200 bytes, valid UTF-8, no '/',
 * '\\' or control characters. The caller checks whether it is taken.
 */
void rsi_upload_name(char out[256], const char *wanted, unsigned attempt);
/* True for a name that rsi_upload_name could have made: the check for names read from records. */
bool rsi_upload_name_is_safe(const char *name);

#endif
