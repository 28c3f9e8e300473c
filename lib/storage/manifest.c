/* Manifest, entity files, checkpoint candidates: see manifest.h. */
#include "storage/manifest.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "storage/small_file.h"
#include "storage/space_damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLLECTIONS_PREFIX "collections/"
#define ENTITY_FILE_MAX ((size_t)1 << 20)

static bool copy_text(char *out, size_t room, const char *text)
{
    if (text == NULL || strlen(text) >= room)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static void put_members(rsi_json_writer *writer, const rsi_file_state *state)
{
    rsi_json_put_integer(writer, "base_sequence", (int64_t)state->base_sequence);
    rsi_json_put_integer(writer, "size", (int64_t)state->size);
    rsi_json_put_text(writer, "sha256", state->sha256);
    if (!state->seen)
        return;
    rsi_json_put_integer(writer, "device", (int64_t)state->device);
    rsi_json_put_integer(writer, "inode", (int64_t)state->inode);
    rsi_json_put_integer(writer, "modified_ns", state->modified_ns);
    rsi_json_put_integer(writer, "changed_ns", state->changed_ns);
}

void rsi_file_state_see(rsi_file_state *state, rsi_root *root, const char *path)
{
    rsi_file_info info;
    state->seen = rsi_file_info_of(root, path, &info) == RAGSTORE_OK && info.size == state->size;
    if (!state->seen)
        return;
    state->device = info.device;
    state->inode = info.inode;
    state->modified_ns = info.modified_ns;
    state->changed_ns = info.changed_ns;
}

bool rsi_file_state_is_current(const rsi_file_state *state, rsi_root *root, const char *path)
{
    rsi_file_state now = *state;
    if (!state->known || !state->seen)
        return false;
    rsi_file_state_see(&now, root, path);
    return now.seen && now.device == state->device && now.inode == state->inode &&
           now.modified_ns == state->modified_ns && now.changed_ns == state->changed_ns;
}

void rsi_file_state_put(rsi_json_writer *writer, const rsi_file_state *state)
{
    if (!state->known) {
        rsi_json_null_value(writer);
        return;
    }
    rsi_json_begin_object(writer);
    put_members(writer, state);
    rsi_json_end_object(writer);
}

int rsi_file_state_get(rsi_file_state *state, const rsi_json *value)
{
    memset(state, 0, sizeof *state);
    if (value == NULL || rsi_json_is_null(value))
        return RAGSTORE_OK;
    int64_t base = rsi_json_get_integer(value, "base_sequence", 0);
    int64_t size = rsi_json_get_integer(value, "size", -1);
    const char *sha256 = rsi_json_get_text(value, "sha256");
    if (base < 0 || size < 0 || sha256 == NULL || strlen(sha256) != RSI_SHA256_HEX - 1)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "a file's entry lacks size or sha256");
    state->known = true;
    state->base_sequence = (uint64_t)base;
    state->size = (uint64_t)size;
    copy_text(state->sha256, sizeof state->sha256, sha256);
    state->seen = rsi_json_get(value, "changed_ns") != NULL;
    state->device = (uint64_t)rsi_json_get_integer(value, "device", 0);
    state->inode = (uint64_t)rsi_json_get_integer(value, "inode", 0);
    state->modified_ns = rsi_json_get_integer(value, "modified_ns", 0);
    state->changed_ns = rsi_json_get_integer(value, "changed_ns", 0);
    return RAGSTORE_OK;
}

/* "collections/<file>": the files of the application's collections. */
static int get_collections(rsi_manifest *manifest, const rsi_json *files)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_json_each(files, &iterator, &key, &value)) {
        char name[RSI_COLLECTION_NAME_MAX];
        rsi_file_state state;
        if (strncmp(key, COLLECTIONS_PREFIX, sizeof COLLECTIONS_PREFIX - 1) != 0)
            continue;
        if (!rsi_collection_name_of_file(name, key + sizeof COLLECTIONS_PREFIX - 1))
            return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "no collection can have the file %s",
                            key);
        status = rsi_file_state_get(&state, value);
        if (status == RAGSTORE_OK && state.known)
            status = rsi_candidates_add(&manifest->collections, rsi_path_collection(name).text,
                                        &state);
    }
    return status;
}

int rsi_manifest_read(rsi_manifest *manifest, rsi_root *root)
{
    memset(manifest, 0, sizeof *manifest);
    rsi_json *json;
    int status = rsi_small_file_read(&json, root, RSI_PATH_MANIFEST, RSI_SMALL_FILE_MAX,
                                     "put the file of a backup in its place");
    if (status != RAGSTORE_OK || json == NULL)
        return status;
    const rsi_json *files = rsi_json_get(json, "files");
    int64_t generation = rsi_json_get_integer(json, "generation", -1);
    if (!copy_text(manifest->store_id, sizeof manifest->store_id,
                   rsi_json_get_text(json, "store_id")) ||
        generation < 0 || !rsi_json_is_object(files))
        status = rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                          RSI_PATH_MANIFEST ": store_id, generation or files is missing");
    copy_text(manifest->created_at, sizeof manifest->created_at,
              rsi_json_get_text(json, "created_at"));
    if (status == RAGSTORE_OK)
        status = rsi_file_state_get(&manifest->entities, rsi_json_get(files, "entities.json"));
    if (status == RAGSTORE_OK)
        status = rsi_file_state_get(&manifest->sessions,
                                    rsi_json_get(files, "chat_sessions.json"));
    if (status == RAGSTORE_OK)
        status = get_collections(manifest, files);
    manifest->generation = (uint64_t)generation;
    manifest->present = status == RAGSTORE_OK;
    rsi_json_free(json);
    return rsi_wrap(status, "read the manifest " RSI_PATH_MANIFEST);
}

static void put_manifest_file(rsi_json_writer *writer, const char *name,
                              const rsi_file_state *state)
{
    rsi_json_key(writer, name);
    rsi_json_begin_object(writer);
    put_members(writer, state);
    rsi_json_end_object(writer);
}

int rsi_manifest_write(const rsi_manifest *manifest, rsi_root *root)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_small_file_begin(&text);
    rsi_json_put_integer(&writer, "format", RSI_FORMAT);
    rsi_json_put_integer(&writer, "min_reader", RSI_FORMAT);
    rsi_json_put_integer(&writer, "min_writer", RSI_FORMAT);
    rsi_json_put_text(&writer, "store_id", manifest->store_id);
    rsi_json_put_text(&writer, "created_at", manifest->created_at);
    rsi_json_put_integer(&writer, "generation", (int64_t)manifest->generation);
    rsi_json_key(&writer, "files");
    rsi_json_begin_object(&writer);
    put_manifest_file(&writer, "entities.json", &manifest->entities);
    put_manifest_file(&writer, "chat_sessions.json", &manifest->sessions);
    for (size_t i = 0; i < manifest->collections.count; i++) {
        const rsi_candidate *file = &manifest->collections.items[i];
        put_manifest_file(&writer, file->path + sizeof RSI_PATH_API_STORAGE, &file->state);
    }
    rsi_json_end_object(&writer);
    int status = rsi_small_file_write(&text, &writer, root, RSI_PATH_MANIFEST);
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write the manifest");
}

static int get_entity_file(rsi_entity_file *entity, const rsi_json *json, const char *entity_id,
                           const char *path)
{
    int64_t base = rsi_json_get_integer(json, "base_sequence", -1);
    const char *id = rsi_json_get_text(json, "entity_id");
    if (!copy_text(entity->incarnation, sizeof entity->incarnation,
                   rsi_json_get_text(json, "incarnation")) ||
        base < 0 || id == NULL || strcmp(id, entity_id) != 0)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s: incarnation or base_sequence is missing, or it is the file of another "
                        "entity; " RSI_RESTORE_ENTITY,
                        path);
    int status = rsi_file_state_get(&entity->chunks, rsi_json_get(json, "chunk_metadata"));
    if (status != RAGSTORE_OK)
        return rsi_fail(status, "storage", "%s: %s; " RSI_RESTORE_ENTITY, path,
                        rsi_error_message());
    entity->chunks.base_sequence = (uint64_t)base;
    entity->present = true;
    return RAGSTORE_OK;
}

int rsi_entity_file_read(rsi_entity_file *entity, rsi_root *root, const char *entity_id)
{
    memset(entity, 0, sizeof *entity);
    rsi_path path = rsi_path_in_entity(entity_id, "entity.json");
    rsi_json *json;
    int status = rsi_small_file_read(&json, root, path.text, ENTITY_FILE_MAX, RSI_RESTORE_ENTITY);
    if (status == RAGSTORE_OK && json != NULL)
        status = get_entity_file(entity, json, entity_id, path.text);
    rsi_json_free(json);
    return rsi_of_entity_folder(status);
}

int rsi_entity_file_write(const rsi_entity_file *entity, rsi_root *root, const char *entity_id)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_small_file_begin(&text);
    rsi_json_put_integer(&writer, "format", RSI_FORMAT);
    rsi_json_put_text(&writer, "entity_id", entity_id);
    rsi_json_put_text(&writer, "incarnation", entity->incarnation);
    rsi_json_put_integer(&writer, "base_sequence", (int64_t)entity->chunks.base_sequence);
    rsi_json_key(&writer, "chunk_metadata");
    rsi_file_state_put(&writer, &entity->chunks);
    rsi_path path = rsi_path_in_entity(entity_id, "entity.json");
    int status = rsi_small_file_write(&text, &writer, root, path.text);
    rsi_bytes_free(&text);
    return status;
}

void rsi_candidates_free(rsi_candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        rsi_free(candidates->items[i].path);
    rsi_free(candidates->items);
    memset(candidates, 0, sizeof *candidates);
}

int rsi_candidates_add(rsi_candidates *candidates, const char *path, const rsi_file_state *state)
{
    if (!rsi_grow((void **)&candidates->items, &candidates->capacity, candidates->count + 1,
                  sizeof *candidates->items))
        return RAGSTORE_E_NO_MEMORY;
    char *copy = rsi_strdup(path);
    if (copy == NULL)
        return RAGSTORE_E_NO_MEMORY;
    candidates->items[candidates->count++] = (rsi_candidate){copy, *state};
    return RAGSTORE_OK;
}

const rsi_file_state *rsi_candidates_last(const rsi_candidates *candidates, const char *path)
{
    for (size_t i = candidates->count; i-- > 0;)
        if (strcmp(candidates->items[i].path, path) == 0)
            return &candidates->items[i].state;
    return NULL;
}

const rsi_file_state *rsi_candidates_find(const rsi_candidates *candidates, const char *path,
                                          uint64_t size, const char *sha256)
{
    for (size_t i = candidates->count; i-- > 0;) {
        const rsi_candidate *item = &candidates->items[i];
        if (item->state.size == size && strcmp(item->state.sha256, sha256) == 0 &&
            strcmp(item->path, path) == 0)
            return &item->state;
    }
    return NULL;
}
