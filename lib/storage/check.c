/*
 * Checking: every file that storage owns is read again from the disk and compared with what was
 * written down of it. Nothing is changed; what is wrong is told, with its place.
 *
 *   manifest, snapshots   digest and size as listed, JSON and rows well-formed
 *   journals              each line's checksum, JSON, sequence; segments that they name
 *   an entity's folder    incarnation; its chunk file as a snapshot
 *
 * Each step holds the writer lock, so that no checkpoint moves a file under it; writers go on
 * between the steps. A handle that only reads keeps the writers of other processes out likewise.
 */
#include "storage/check.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/follow.h"
#include "storage/tx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JOURNAL_MAX ((size_t)1 << 40)

typedef struct checking {
    rsi_storage *storage;
    rsi_finding_visitor *visit;
    void *user;
    const char *file;
    uint64_t last_sequence; /* of the journals so far */
    bool any_line;
} checking;

static int tell(const checking *c, int64_t offset, const char *record, const char *problem)
{
    rsi_finding finding = {c->file, offset, record, problem};
    return c->visit(c->user, &finding);
}

/* The thread's error becomes a finding, unless it is one of this machine's. */
static int tell_error(const checking *c, int status, int64_t offset, const char *record)
{
    switch (status) {
    case RAGSTORE_E_DAMAGED:
    case RAGSTORE_E_INVALID_DATA:
    case RAGSTORE_E_NOT_FOUND:
    case RAGSTORE_E_VERSION:
    case RAGSTORE_E_IO:
    case RAGSTORE_E_PERMISSION:
    case RAGSTORE_E_TOO_LARGE: {
        rsi_saved_error error;
        rsi_error_save(&error);
        return tell(c, offset, record, error.message);
    }
    default:
        return status;
    }
}

/* ---- files with a digest ---- */

static bool is_as_written(const checking *c, const rsi_file_state *listed, const rsi_bytes *text)
{
    char sha256[RSI_SHA256_HEX];
    rsi_sha256_hex(text->data, text->size, sha256);
    if (listed->known && listed->size == text->size && strcmp(listed->sha256, sha256) == 0)
        return true;
    pthread_rwlock_rdlock(&c->storage->state); /* who reads a file may find more of them */
    const bool is_candidate =
        rsi_candidates_find(&c->storage->candidates, c->file, text->size, sha256) != NULL;
    pthread_rwlock_unlock(&c->storage->state);
    return is_candidate;
}

/* Where a record begins in a snapshot's text, or -1. */
static int64_t offset_of(const rsi_bytes *text, const char *key)
{
    rsi_bytes quoted = {0};
    rsi_json_writer writer = rsi_json_writer_of(&quoted);
    rsi_bytes_append_char(&quoted, '\n');
    rsi_json_text_value(&writer, key, strlen(key));
    rsi_bytes_append_char(&quoted, ':');
    const char *found = rsi_bytes_status(&quoted) != RAGSTORE_OK
                            ? NULL
                            : memmem(text->data, text->size, quoted.data, quoted.size);
    rsi_bytes_free(&quoted);
    return found == NULL ? -1 : found + 1 - text->data;
}

static int digest_row(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_sha256_add(user, &number, sizeof number);
    rsi_sha256_add(user, json, size);
    return RAGSTORE_OK;
}

/* A digest of a record's value and rows. 1, 0 when it is not there, or an error. */
static int digest_record(unsigned char digest[32], const rsi_table *table, const char *key)
{
    rsi_sight sight;
    rsi_bytes value = {0};
    rsi_sha256 sha;
    int found = rsi_table_look(&sight, table, key);
    if (found <= 0)
        return found;
    int status = rsi_table_value(&value, table, &sight);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = RAGSTORE_OK; /* it only has rows */
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, value.data, value.size);
    rsi_bytes_free(&value);
    if (status == RAGSTORE_OK)
        status = rsi_table_rows(table, &sight, NULL, 0, UINT64_MAX, digest_row, &sha);
    rsi_sha256_end(&sha, digest);
    return status == RAGSTORE_OK ? 1 : status;
}

static int tell_difference(const checking *c, const rsi_table *ours, const rsi_table *found,
                           const rsi_bytes *text, const char *key)
{
    unsigned char theirs[32];
    unsigned char mine[32];
    int status = digest_record(theirs, found, key);
    if (status < 0)
        return status;
    const int64_t offset = offset_of(text, key);
    status = digest_record(mine, ours, key);
    if (status < 0)
        return tell_error(c, status, offset, key);
    if (status == 0)
        return tell(c, offset, key, "this record is not one of the store");
    return memcmp(mine, theirs, sizeof mine) == 0
               ? RAGSTORE_OK
               : tell(c, offset, key, "this record differs from what was written");
}

/* Records of the store that are not in the file. */
static int tell_missing(const checking *c, const rsi_table *ours, const rsi_table *found)
{
    rsi_table_walk *walk;
    rsi_table_item item;
    int status = rsi_table_walk_begin(&walk, ours, 0);
    while (status == RAGSTORE_OK) {
        rsi_sight sight;
        int more = rsi_table_walk_next(&item, walk);
        if (more <= 0) {
            status = more == 0 ? RAGSTORE_OK : tell_error(c, more, -1, NULL);
            break;
        }
        if (rsi_table_look(&sight, found, item.key) == 0)
            status = tell(c, -1, item.key, "this record is missing from the file");
    }
    rsi_table_walk_end(walk);
    return status;
}

/* Name the records in which a changed file differs from the store. */
static int tell_differences(const checking *c, const rsi_space *space, const rsi_table *found,
                            const rsi_bytes *text)
{
    size_t position = 0;
    void *value;
    int status = RAGSTORE_OK;
    if (!space->loaded || space->last_sequence > space->base_sequence)
        return RAGSTORE_OK; /* the store is ahead of the file */
    while (status == RAGSTORE_OK && rsi_map_next(&found->records, &position, NULL, &value))
        status =
            tell_difference(c, &space->table, found, text, ((const rsi_record *)value)->key);
    return status == RAGSTORE_OK ? tell_missing(c, &space->table, found) : status;
}

static int check_snapshot(checking *c, const rsi_space *space, const char *path,
                          const rsi_file_state *listed)
{
    rsi_bytes text = {0};
    rsi_table table = {.present = 0};
    c->file = path;
    int status = rsi_file_read_all(c->storage->root, path, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_E_NOT_FOUND && !listed->known)
        return RAGSTORE_OK; /* not written yet */
    if (status != RAGSTORE_OK)
        return tell_error(c, status, -1, NULL);
    bool as_written = is_as_written(c, listed, &text);
    if (!as_written)
        status = tell(c, -1, NULL, "its bytes are not those that were written");
    if (status == RAGSTORE_OK && space->entity_id == NULL) {
        status = rsi_snapshot_decode(&table, text.data, text.size, space->layout);
    } else if (status == RAGSTORE_OK) {
        rsi_record *record = rsi_table_place(&table, space->entity_id);
        status = record == NULL ? RAGSTORE_E_NO_MEMORY
                                : rsi_snapshot_decode_rows(record, text.data, text.size);
    }
    if (status != RAGSTORE_OK)
        status = tell_error(c, status, -1, NULL);
    else if (!as_written)
        status = tell_differences(c, space, &table, &text);
    rsi_table_free(&table);
    rsi_bytes_free(&text);
    return status;
}

/* ---- journals ---- */

/* ["segment",entity,incarnation,name,size,sha256], while its rows are nowhere else. */
static int check_segment(checking *c, const rsi_journal_line *line, const rsi_json *op)
{
    const char *entity_id = rsi_json_text(rsi_json_at(op, 1));
    const char *incarnation = rsi_json_text(rsi_json_at(op, 2));
    const char *name = rsi_json_text(rsi_json_at(op, 3));
    const char *sha256 = rsi_json_text(rsi_json_at(op, 5));
    char now[RSI_INCARNATION_HEX];
    char found[RSI_SHA256_HEX];
    char below[96];
    rsi_entity_file file;
    uint64_t size;
    if (entity_id == NULL || incarnation == NULL || name == NULL || sha256 == NULL)
        return tell(c, (int64_t)line->offset, NULL, "a malformed \"segment\" operation");
    if (rsi_entity_incarnation(now, c->storage, entity_id) != RAGSTORE_OK ||
        strcmp(now, incarnation) != 0)
        return RAGSTORE_OK; /* deleted since */
    if (rsi_entity_file_read(&file, c->storage->root, entity_id) != RAGSTORE_OK ||
        (file.present && line->sequence <= file.chunks.base_sequence))
        return RAGSTORE_OK; /* told of with the entity; or in its chunk file */
    snprintf(below, sizeof below, "segments/%.80s", name);
    checking at = *c;
    rsi_path path = rsi_path_in_entity(entity_id, below);
    at.file = path.text;
    int status = rsi_file_sha256(c->storage->root, path.text, &size, found);
    if (status != RAGSTORE_OK)
        return tell_error(&at, status, -1, entity_id);
    return strcmp(found, sha256) == 0
               ? RAGSTORE_OK
               : tell(&at, -1, entity_id, "its bytes are not those that were committed");
}

static int check_line(void *user, const rsi_journal_line *line)
{
    checking *c = user;
    rsi_json *ops;
    int status = RAGSTORE_OK;
    if (c->any_line && line->sequence > c->last_sequence + 1)
        status = tell(c, (int64_t)line->offset, NULL,
                      "commits between the line before and this one are missing");
    c->any_line = true;
    c->last_sequence = line->sequence;
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_json_parse(&ops, line->text, line->size, RSI_JSON_DEPTH_STORED + 4);
    if (status != RAGSTORE_OK)
        return tell_error(c, status, (int64_t)line->offset, NULL);
    for (size_t i = 1; status == RAGSTORE_OK && i < rsi_json_count(ops); i++) {
        const char *name = rsi_json_text(rsi_json_at(rsi_json_at(ops, i), 0));
        if (name != NULL && strcmp(name, "segment") == 0)
            status = check_segment(c, line, rsi_json_at(ops, i));
    }
    rsi_json_free(ops);
    return status;
}

static int check_journal(checking *c, uint64_t generation)
{
    rsi_path path = rsi_path_journal(generation);
    rsi_bytes text = {0};
    size_t valid = 0;
    c->file = path.text;
    int status = rsi_file_read_all(c->storage->root, path.text, JOURNAL_MAX, &text);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_journal_scan(path.text, text.data, text.size, generation, check_line, c,
                                  &valid);
    if (status != RAGSTORE_OK)
        status = tell_error(c, status, (int64_t)valid, NULL);
    else if (!rsi_journal_is_filler(text.data + valid, text.size - valid))
        status = tell(c, (int64_t)valid, NULL,
                      "what follows was never acknowledged; the next open for writing cuts it");
    rsi_bytes_free(&text);
    return status;
}

/* Other threads open further collections meanwhile; none goes. */
static int list_collections(rsi_space ***spaces, size_t *count, rsi_storage *storage)
{
    size_t position = 0;
    void *space;
    *count = 0;
    pthread_rwlock_rdlock(&storage->state);
    *spaces = rsi_alloc_array(storage->collections.count + 1, sizeof **spaces);
    while (*spaces != NULL && rsi_map_next(&storage->collections, &position, NULL, &space))
        (*spaces)[(*count)++] = space;
    pthread_rwlock_unlock(&storage->state);
    return *spaces == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int check_collections(checking *c)
{
    static const rsi_file_state unknown = {0};
    rsi_storage *storage = c->storage;
    rsi_space **spaces;
    size_t count;
    int status = list_collections(&spaces, &count, storage);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_path path = rsi_space_path(spaces[i]);
        const rsi_file_state *listed =
            rsi_candidates_last(&storage->manifest.collections, path.text);
        status = check_snapshot(c, spaces[i], path.text, listed == NULL ? &unknown : listed);
    }
    rsi_free(spaces);
    return status;
}

typedef struct generations {
    uint64_t *items;
    size_t count;
    size_t capacity;
} generations;

static int collect_generation(void *user, const char *name, rsi_file_kind kind)
{
    generations *all = user;
    uint64_t generation;
    if (kind != RSI_FILE_REGULAR || !rsi_journal_is_named(name, &generation))
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&all->items, &all->capacity, all->count + 1, sizeof *all->items))
        return RAGSTORE_E_NO_MEMORY;
    size_t at = all->count++;
    for (; at > 0 && all->items[at - 1] > generation; at--)
        all->items[at] = all->items[at - 1];
    all->items[at] = generation;
    return RAGSTORE_OK;
}

static int check_journals(checking *c)
{
    generations all = {0};
    int status =
        rsi_directory_list(c->storage->root, RSI_PATH_API_STORAGE, collect_generation, &all);
    for (size_t i = 0; status == RAGSTORE_OK && i < all.count; i++)
        status = check_journal(c, all.items[i]);
    rsi_free(all.items);
    return status;
}

/* ---- the calls ---- */

int rsi_storage_check(rsi_storage *storage, rsi_finding_visitor *visit, void *user)
{
    checking c = {.storage = storage, .visit = visit, .user = user};
    rsi_manifest manifest;
    bool held;
    int status = rsi_storage_hold(storage, &held);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "check");
    c.file = RSI_PATH_MANIFEST;
    status = rsi_manifest_read(&manifest, storage->root);
    if (status != RAGSTORE_OK)
        status = tell_error(&c, status, -1, NULL);
    else if (!manifest.present)
        status = tell(&c, -1, NULL, "the file is missing");
    else if (strcmp(manifest.store_id, storage->manifest.store_id) != 0)
        status = tell(&c, -1, NULL, "it belongs to another store");
    rsi_candidates_free(&manifest.collections);
    if (status == RAGSTORE_OK)
        status = check_snapshot(&c, &storage->entities, RSI_PATH_ENTITIES,
                                &storage->manifest.entities);
    if (status == RAGSTORE_OK)
        status = check_snapshot(&c, &storage->sessions, RSI_PATH_SESSIONS,
                                &storage->manifest.sessions);
    if (status == RAGSTORE_OK)
        status = check_collections(&c);
    if (status == RAGSTORE_OK)
        status = check_journals(&c);
    rsi_storage_let_go(storage, held);
    return rsi_wrap(status, "check");
}

/* What is in memory of an entity's chunks, kept there until it is let go; NULL: nothing. Other threads
 * read them, or have them forgotten, at any time. */
static int keep_chunks(rsi_space **space, char **damage, rsi_storage *storage,
                       const char *entity_id)
{
    int status = RAGSTORE_OK;
    *space = NULL;
    *damage = NULL;
    pthread_rwlock_wrlock(&storage->state);
    rsi_space *found = rsi_map_get(&storage->chunks, entity_id, strlen(entity_id));
    if (found != NULL && rsi_space_damage(storage, found) != RAGSTORE_OK) {
        *damage = rsi_strdup(found->damage);
        status = *damage == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    if (found != NULL && found->loaded && status == RAGSTORE_OK) {
        found->pins++;
        *space = found;
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

static void let_chunks_go(rsi_space *space, rsi_storage *storage)
{
    if (space == NULL)
        return;
    pthread_rwlock_wrlock(&storage->state);
    space->pins--;
    pthread_rwlock_unlock(&storage->state);
}

static int check_chunks(checking *c, const char *entity_id, const rsi_file_state *listed)
{
    const rsi_path path = rsi_path_in_entity(entity_id, "chunk_metadata.json");
    rsi_space unread = {.layout = &rsi_layout_chunks, .entity_id = (char *)entity_id};
    rsi_space *space;
    char *damage;
    int status = keep_chunks(&space, &damage, c->storage, entity_id);
    if (status == RAGSTORE_OK && damage != NULL)
        status = tell(c, -1, entity_id, damage);
    if (status == RAGSTORE_OK)
        status = check_snapshot(c, space == NULL ? &unread : space, path.text, listed);
    let_chunks_go(space, c->storage);
    rsi_free(damage);
    return status;
}

static int check_entity(checking *c, const char *entity_id)
{
    rsi_storage *storage = c->storage;
    char incarnation[RSI_INCARNATION_HEX];
    rsi_entity_file file;
    rsi_path own = rsi_path_in_entity(entity_id, "entity.json");
    c->file = own.text;
    int status = rsi_entity_incarnation(incarnation, storage, entity_id);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK; /* deleted meanwhile */
    if (status == RAGSTORE_OK)
        status = rsi_entity_file_read(&file, storage->root, entity_id);
    if (status != RAGSTORE_OK)
        return tell_error(c, status, -1, entity_id);
    if (!file.present)
        return tell(c, -1, entity_id, "the file is missing");
    if (strcmp(file.incarnation, incarnation) != 0)
        return tell(c, -1, entity_id, "it belongs to another creation of this entity");
    return check_chunks(c, entity_id, &file.chunks);
}

int rsi_storage_check_entity(rsi_storage *storage, const char *entity_id,
                             rsi_finding_visitor *visit, void *user)
{
    checking c = {.storage = storage, .visit = visit, .user = user};
    bool held;
    int status = rsi_storage_hold(storage, &held);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "check entity \"%s\"", entity_id);
    status = check_entity(&c, entity_id);
    rsi_storage_let_go(storage, held);
    return rsi_wrap(status, "check entity \"%s\"", entity_id);
}
