/* Replaying: see replay.h. Every operation is an after-image, so replaying twice is harmless. */
#include "storage/replay.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/journal_files.h"
#include "storage/journal_op.h"
#include "storage/journal_vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rsi_replay_free(rsi_replay *replay)
{
    rsi_work_list_free(&replay->work);
    rsi_bytes_free(&replay->touched);
}

static const char *text_at(const rsi_journal_op *op, size_t place)
{
    return rsi_journal_op_text(op, place);
}

static int malformed(const char *name)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "a malformed \"%s\" operation", name);
}

static bool has_texts(const rsi_journal_op *op, size_t from, size_t to)
{
    for (size_t i = from; i <= to; i++)
        if (text_at(op, i) == NULL)
            return false;
    return true;
}

static int add_work(rsi_replay *replay, uint64_t sequence, rsi_work_kind kind,
                    const char *entity_id, const char *first, const char *second)
{
    int status = rsi_work_add(&replay->work, kind, entity_id, first, second);
    if (status == RAGSTORE_OK)
        replay->work.items[replay->work.count - 1].sequence = sequence;
    return status;
}

/* ---- following another process ---- */

/* Somebody may keep something of this entity. */
static int touch(rsi_replay *replay, const char *space, const char *key)
{
    rsi_bytes *touched = &replay->touched;
    const size_t size = strlen(key) + 1;
    if (!replay->follows ||
        (strcmp(space, RSI_SPACE_ENTITIES) != 0 && strcmp(space, RSI_SPACE_CHUNKS) != 0))
        return RAGSTORE_OK;
    if (touched->size >= size && memcmp(touched->data + touched->size - size, key, size) == 0 &&
        (touched->size == size || touched->data[touched->size - size - 1] == '\0'))
        return RAGSTORE_OK; /* the same again */
    rsi_bytes_append(touched, key, size);
    return rsi_bytes_status(touched);
}

/* No operation tells of a new entity's folders: its record does. */
static int expect_folders(rsi_replay *replay, uint64_t sequence, const rsi_journal_op *op)
{
    char known[RSI_INCARNATION_HEX];
    rsi_bytes incarnation = {0};
    if (!replay->follows || strcmp(text_at(op, 1), RSI_SPACE_ENTITIES) != 0)
        return RAGSTORE_OK;
    int status = rsi_journal_op_member(&incarnation, op, 3, "incarnation");
    if (status == RAGSTORE_OK && incarnation.size > 0 &&
        (rsi_entity_incarnation(known, replay->storage, text_at(op, 2)) != RAGSTORE_OK ||
         strcmp(known, incarnation.data) != 0))
        status =
            add_work(replay, sequence, RSI_WORK_COME, text_at(op, 2), incarnation.data, NULL);
    rsi_bytes_free(&incarnation);
    return status;
}

/* ---- operations ---- */

/* Once an entity's record names no embedder, the vectors that came before do not count any more. */
static int drop_vectors(rsi_replay *replay, const rsi_journal_op *op)
{
    rsi_bytes embedder = {0};
    rsi_map *places = &replay->storage->vector_places;
    if (places->count == 0 || strcmp(text_at(op, 1), RSI_SPACE_ENTITIES) != 0)
        return RAGSTORE_OK;
    int status = rsi_journal_op_member(&embedder, op, 3, "embedder");
    if (status == RAGSTORE_OK && embedder.size == 0)
        rsi_journal_vectors_drop(places, text_at(op, 2));
    rsi_bytes_free(&embedder);
    return status;
}

static int replay_record(rsi_replay *replay, uint64_t sequence, const rsi_journal_op *op,
                         bool drop)
{
    rsi_slice json = {NULL, 0};
    int status = drop ? RAGSTORE_OK : rsi_journal_op_object(&json, op, 3);
    if (status != RAGSTORE_OK)
        return status;
    if (!has_texts(op, 1, 2) || (!drop && json.data == NULL))
        return malformed(text_at(op, 0));
    rsi_space *space = rsi_space_of(replay->storage, text_at(op, 1), text_at(op, 2));
    if (space == NULL)
        return rsi_error_code();
    status = touch(replay, text_at(op, 1), text_at(op, 2));
    if (status == RAGSTORE_OK && !drop)
        status = expect_folders(replay, sequence, op);
    if (status == RAGSTORE_OK && !drop)
        status = drop_vectors(replay, op);
    return status == RAGSTORE_OK
               ? rsi_space_replay_record(space, sequence, text_at(op, 2), json.data, json.size)
               : status;
}

static int replay_row(rsi_replay *replay, uint64_t sequence, const rsi_journal_op *op, bool drop)
{
    const int64_t number = rsi_journal_op_number(op, 3);
    rsi_slice json = {NULL, 0};
    int status = drop ? RAGSTORE_OK : rsi_journal_op_object(&json, op, 4);
    if (status != RAGSTORE_OK)
        return status;
    if (!has_texts(op, 1, 2) || number < 0 || (!drop && json.data == NULL))
        return malformed(text_at(op, 0));
    rsi_space *space = rsi_space_of(replay->storage, text_at(op, 1), text_at(op, 2));
    if (space == NULL)
        return rsi_error_code();
    status = touch(replay, text_at(op, 1), text_at(op, 2));
    return status == RAGSTORE_OK ? rsi_space_replay_row(space, sequence, text_at(op, 2),
                                                        (uint64_t)number, json.data, json.size)
                                 : status;
}

/* [number,{chunk}] */
static int replay_segment_line(rsi_space *space, uint64_t sequence, rsi_journal_op *row,
                               const char *line, size_t size)
{
    rsi_json_view view;
    rsi_slice json;
    int status = rsi_json_view_of_text(&view, line, size);
    if (status == RAGSTORE_OK)
        status = rsi_journal_op_read(row, &view);
    if (status == RAGSTORE_OK)
        status = rsi_journal_op_object(&json, row, 1);
    if (status != RAGSTORE_OK)
        return status;
    const int64_t number = rsi_journal_op_number(row, 0);
    return number < 0 || json.data == NULL
               ? malformed("segment")
               : rsi_space_replay_row(space, sequence, space->entity_id, (uint64_t)number,
                                      json.data, json.size);
}

static int replay_segment_lines(rsi_space *space, uint64_t sequence, const rsi_bytes *text)
{
    rsi_journal_op row = {.count = 0};
    size_t offset = 0;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && offset < text->size) {
        const char *line = text->data + offset;
        const char *end = memchr(line, '\n', text->size - offset);
        size_t size = end == NULL ? text->size - offset : (size_t)(end - line);
        status = replay_segment_line(space, sequence, &row, line, size);
        offset += size + 1;
    }
    rsi_journal_op_free(&row);
    return status;
}

typedef struct segment_replay {
    rsi_space *space;
    uint64_t sequence;
} segment_replay;

static int replay_segment_row(void *user, rsi_row *row)
{
    const segment_replay *to = user;
    rsi_row taken = *row;
    row->segment = NULL;
    taken.changed = to->sequence;
    return rsi_space_take_row(to->space, to->space->entity_id, &taken);
}

/* A large segment whose digest was compared: its rows stay in it. */
static int replay_large_segment(rsi_storage *storage, rsi_space *space, uint64_t sequence,
                                const char *path)
{
    rsi_segment *segment;
    segment_replay to = {space, sequence};
    int status = rsi_segment_open(&segment, storage->root, storage->segments, path);
    if (status == RAGSTORE_OK)
        status = rsi_segment_walk(segment, replay_segment_row, &to);
    rsi_segment_release(segment);
    return status;
}

static int replay_small_segment(rsi_storage *storage, rsi_space *space, uint64_t sequence,
                                const char *path)
{
    rsi_bytes text = {0};
    int status = rsi_file_read_all(storage->root, path, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_OK)
        status = replay_segment_lines(space, sequence, &text);
    rsi_bytes_free(&text);
    return status;
}

/* One that cannot be read costs its entity. */
static int replay_segment_file(rsi_storage *storage, rsi_space *space, uint64_t sequence,
                               const char *path, const char *committed)
{
    char text[RSI_PATH_MAX + 64];
    char sha256[RSI_SHA256_HEX];
    uint64_t size;
    int status = rsi_file_sha256(storage->root, path, &size, sha256);
    if (status == RAGSTORE_OK && strcmp(sha256, committed) != 0) {
        snprintf(text, sizeof text, "%s is not as it was committed", path);
        return rsi_space_mark_damaged(space, text);
    }
    if (status == RAGSTORE_E_NOT_FOUND) {
        snprintf(text, sizeof text, "%s is missing although a commit names it", path);
        return space->loaded ? status : rsi_space_mark_damaged(space, text);
    }
    status = rsi_of_entity_folder(status);
    if (rsi_is_of_one_entity(status) && !space->loaded) {
        rsi_saved_error error;
        rsi_error_save(&error);
        return rsi_space_mark_damaged(space, error.message);
    }
    if (status != RAGSTORE_OK)
        return status;
    return size > rsi_segment_from && rsi_segments_have_room(storage->segments)
               ? replay_large_segment(storage, space, sequence, path)
               : replay_small_segment(storage, space, sequence, path);
}

/* Does the entity's chunk file have all up to this commit? When nobody can tell, the segment is
 * read: what the file has, too, is left out when that can be read again. */
static int chunk_file_has(bool *has_it, const rsi_storage *storage, const char *entity_id,
                          uint64_t sequence)
{
    rsi_entity_file file;
    int status = rsi_entity_file_read(&file, storage->root, entity_id);
    *has_it = status == RAGSTORE_OK && file.present && file.chunks.known &&
              sequence <= file.chunks.base_sequence;
    return rsi_is_of_one_entity(status) ? RAGSTORE_OK : status;
}

/*
 * ["segment",entity,incarnation,name,size,sha256]: skipped when the entity of that incarnation is
 * gone, or when the entity's file already has it; unless that file was read before, and so lacks
 * it.
 */
static int replay_segment(rsi_replay *replay, uint64_t sequence, const rsi_journal_op *op)
{
    rsi_storage *storage = replay->storage;
    if (!has_texts(op, 1, 3) || text_at(op, 5) == NULL || strchr(text_at(op, 3), '/') != NULL)
        return malformed("segment");
    const char *entity_id = text_at(op, 1);
    char incarnation[RSI_INCARNATION_HEX];
    int status = rsi_entity_incarnation(incarnation, storage, entity_id);
    if (status == RAGSTORE_E_NOT_FOUND ||
        (status == RAGSTORE_OK && strcmp(incarnation, text_at(op, 2)) != 0))
        return RAGSTORE_OK;
    bool has_it = false;
    rsi_space *space = rsi_space_of(storage, RSI_SPACE_CHUNKS, entity_id);
    if (space == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status = touch(replay, RSI_SPACE_CHUNKS, entity_id);
    if (status == RAGSTORE_OK && !space->loaded)
        status = chunk_file_has(&has_it, storage, entity_id, sequence);
    if (status != RAGSTORE_OK || has_it)
        return status;
    char below[96];
    snprintf(below, sizeof below, "segments/%.80s", text_at(op, 3));
    rsi_path path = rsi_path_in_entity(entity_id, below);
    return replay_segment_file(storage, space, sequence, path.text, text_at(op, 5));
}

/* The vectors are in their file, as far as anybody can see; a checkpoint of this process flushes
 * it. */
static int replay_vectors(rsi_replay *replay, const rsi_journal_line *line,
                          const rsi_journal_op *op)
{
    rsi_storage *storage = replay->storage;
    const int64_t number = rsi_journal_op_number(op, 3);
    if (!replay->follows)
        return rsi_journal_vectors_note(&storage->vector_places, line, op);
    if (!has_texts(op, 1, 2) || number <= 0 || number > UINT32_MAX)
        return malformed("vectors");
    if (storage->read_only)
        return RAGSTORE_OK;
    pthread_mutex_lock(&storage->mutex);
    int status = rsi_row_files_note(&storage->row_files, storage->root, text_at(op, 1),
                                    (uint32_t)number, line->sequence);
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

static int replay_gone(rsi_replay *replay, const rsi_journal_op *op)
{
    if (!has_texts(op, 1, 2))
        return malformed("gone");
    rsi_space *chunks = rsi_space_of(replay->storage, RSI_SPACE_CHUNKS, text_at(op, 1));
    if (chunks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_space_clear(chunks);
    return touch(replay, RSI_SPACE_CHUNKS, text_at(op, 1));
}

/* Work that followed a commit which the snapshots do not hold yet. */
static int collect_work(rsi_replay *replay, uint64_t sequence, const rsi_journal_op *op,
                        rsi_work_kind kind)
{
    if (!has_texts(op, 1, kind == RSI_WORK_FILE ? 3 : 2))
        return malformed(text_at(op, 0));
    if (sequence <= replay->storage->entities.base_sequence)
        return RAGSTORE_OK;
    return add_work(replay, sequence, kind, text_at(op, 1), text_at(op, 2),
                    kind == RSI_WORK_FILE ? text_at(op, 3) : NULL);
}

/* Does it concern the chunks of the one entity that is asked for? */
static bool is_left_out(const rsi_replay *replay, const rsi_journal_op *op)
{
    const char *name = text_at(op, 0);
    const char *space = text_at(op, 1);
    if (replay->only_chunks_of == NULL)
        return false;
    if (space == NULL)
        return true;
    if (strcmp(name, "segment") == 0 || strcmp(name, "gone") == 0)
        return strcmp(space, replay->only_chunks_of) != 0;
    return (strcmp(name, "row") != 0 && strcmp(name, "drop_row") != 0) ||
           strcmp(space, RSI_SPACE_CHUNKS) != 0 || text_at(op, 2) == NULL ||
           strcmp(text_at(op, 2), replay->only_chunks_of) != 0;
}

static int replay_begin(rsi_replay *replay, const rsi_journal_op *op)
{
    rsi_bytes id = {0};
    int status = rsi_journal_op_member(&id, op, 1, "store_id");
    if (status == RAGSTORE_OK && id.size > 0 && id.size < sizeof replay->store_id)
        memcpy(replay->store_id, id.data, id.size + 1);
    rsi_bytes_free(&id);
    return status;
}

static int replay_op(rsi_replay *replay, const rsi_journal_line *line, const rsi_journal_op *op)
{
    const uint64_t sequence = line->sequence;
    const char *name = text_at(op, 0);
    int status = RAGSTORE_OK;
    if (name == NULL)
        return malformed("?");
    if (is_left_out(replay, op))
        return RAGSTORE_OK;
    if (strcmp(name, "put") == 0)
        return replay_record(replay, sequence, op, false);
    if (strcmp(name, "drop") == 0)
        return replay_record(replay, sequence, op, true);
    if (strcmp(name, "row") == 0)
        return replay_row(replay, sequence, op, false);
    if (strcmp(name, "drop_row") == 0)
        return replay_row(replay, sequence, op, true);
    if (strcmp(name, "segment") == 0)
        return replay_segment(replay, sequence, op);
    if (strcmp(name, "vectors") == 0)
        return replay_vectors(replay, line, op);
    if (strcmp(name, "file") == 0)
        return collect_work(replay, sequence, op, RSI_WORK_FILE);
    if (strcmp(name, "unlink") == 0)
        return collect_work(replay, sequence, op, RSI_WORK_UNLINK);
    if (strcmp(name, "gone") == 0) {
        status = replay_gone(replay, op);
        return status == RAGSTORE_OK ? collect_work(replay, sequence, op, RSI_WORK_GONE) : status;
    }
    if (strcmp(name, "begin") == 0)
        return replay_begin(replay, op);
    if (strcmp(name, "extent") == 0 || strcmp(name, "checkpoint") == 0)
        return RAGSTORE_OK; /* rows are found by their own headers; checkpoints in the first walk */
    return rsi_fail(RAGSTORE_E_VERSION, "storage",
                    "an operation \"%s\" that this version does not know", name);
}

/* The operations behind the head. */
static int replay_ops(rsi_replay *replay, const rsi_journal_line *line)
{
    rsi_journal_op op = {.count = 0};
    rsi_json_view ops;
    rsi_json_view member;
    int status = rsi_json_view_of_text(&ops, line->text, line->size);
    rsi_json_cursor cursor = rsi_json_walk(&ops);
    int found = status == RAGSTORE_OK ? rsi_json_next(&cursor, &member) : status;
    while (found > 0 && status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &member)) > 0) {
        status = rsi_journal_op_read(&op, &member);
        if (status == RAGSTORE_OK)
            status = replay_op(replay, line, &op);
    }
    rsi_journal_op_free(&op);
    return found < 0 ? found : status;
}

int rsi_replay_line(void *user, const rsi_journal_line *line)
{
    rsi_replay *replay = user;
    if (replay->any && line->sequence > replay->last_sequence + 1)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "commits %" PRIu64 " to %" PRIu64 " are missing: a journal is not there",
                        replay->last_sequence + 1, line->sequence - 1);
    if (!replay->any)
        replay->first_sequence = line->sequence;
    int status = replay_ops(replay, line);
    replay->any = true;
    if (line->sequence > replay->last_sequence)
        replay->last_sequence = line->sequence;
    if (line->flushed > replay->last_flushed)
        replay->last_flushed = line->flushed;
    return status;
}

/* ---- older journals ---- */

/* Rows that wait go behind those that were found. */
static int append_pending(rsi_space *space, rsi_row *waiting, size_t count)
{
    if (!rsi_grow((void **)&space->pending, &space->pending_capacity, space->pending_count + count,
                  sizeof *space->pending))
        return RAGSTORE_E_NO_MEMORY;
    memcpy(space->pending + space->pending_count, waiting, count * sizeof *waiting);
    space->pending_count += count;
    return RAGSTORE_OK;
}

int rsi_replay_older_chunks(rsi_storage *storage, rsi_space *space)
{
    rsi_journal_files files = {0};
    rsi_replay replay = {.storage = storage, .only_chunks_of = space->entity_id};
    rsi_row *waiting = space->pending;
    const size_t count = space->pending_count;
    const uint64_t last = space->last_sequence;
    if (storage->first_read <= 1 || space->reaches_back)
        return RAGSTORE_OK;
    space->pending = NULL;
    space->pending_count = 0;
    space->pending_capacity = 0;
    int status = rsi_journal_files_read(&files, storage->root, 0, storage->first_read);
    if (status == RAGSTORE_OK)
        status = rsi_journal_files_scan(&files, true, rsi_replay_candidates, &replay);
    if (status == RAGSTORE_OK)
        status = rsi_journal_files_scan(&files, true, rsi_replay_line, &replay);
    if (status == RAGSTORE_OK && count > 0)
        status = append_pending(space, waiting, count);
    if (status == RAGSTORE_OK) {
        rsi_free(waiting);
        space->reaches_back = true;
    } else {
        rsi_space_forget_pending(space);
        space->pending = waiting;
        space->pending_count = count;
        space->pending_capacity = count;
    }
    if (space->last_sequence < last)
        space->last_sequence = last;
    rsi_journal_files_free(&files);
    rsi_replay_free(&replay);
    return rsi_wrap(status, "read the older journals");
}

/* ---- checkpoint records ---- */

static int collect_candidates(rsi_candidates *candidates, const rsi_json *targets)
{
    for (size_t i = 0; i < rsi_json_count(targets); i++) {
        const rsi_json *target = rsi_json_at(targets, i);
        const char *path = rsi_json_text(rsi_json_at(target, 0));
        for (size_t place = 1; place <= 2; place++) {
            rsi_file_state state;
            int status = path == NULL ? malformed("checkpoint")
                                      : rsi_file_state_get(&state, rsi_json_at(target, place));
            if (status == RAGSTORE_OK && state.known)
                status = rsi_candidates_add(candidates, path, &state);
            if (status != RAGSTORE_OK)
                return status;
        }
    }
    return RAGSTORE_OK;
}

int rsi_replay_candidates(void *user, const rsi_journal_line *line)
{
    static const char start[] = "[\"checkpoint\",";
    rsi_replay *replay = user;
    rsi_json *ops;
    if (line->size < RSI_JOURNAL_HEAD + sizeof start ||
        memcmp(line->text + RSI_JOURNAL_HEAD, start, sizeof start - 1) != 0)
        return RAGSTORE_OK;
    int status = rsi_json_parse(&ops, line->text, line->size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_json *targets = rsi_json_at(rsi_json_at(ops, 1), 2);
    status = collect_candidates(&replay->storage->candidates, targets);
    rsi_json_free(ops);
    return status;
}

static int check_reach(const rsi_replay *replay, uint64_t base)
{
    if (replay->any && replay->first_sequence > base)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "commits %" PRIu64 " to %" PRIu64
                        " are missing: an older journal is not there",
                        base + 1, replay->first_sequence);
    if (base > replay->last_sequence && base > 0)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "the JSON files hold commits up to %" PRIu64
                        ", but the journals end at %" PRIu64 ": a journal is missing",
                        base, replay->last_sequence);
    return RAGSTORE_OK;
}

int rsi_replay_check(const rsi_replay *replay)
{
    const rsi_storage *storage = replay->storage;
    int status = check_reach(replay, storage->entities.base_sequence);
    if (status == RAGSTORE_OK)
        status = check_reach(replay, storage->sessions.base_sequence);
    const rsi_candidates *collections = &storage->manifest.collections;
    for (size_t i = 0; status == RAGSTORE_OK && i < collections->count; i++) {
        size_t position = 0;
        void *space;
        while (status == RAGSTORE_OK &&
               rsi_map_next(&storage->collections, &position, NULL, &space))
            if (strcmp(rsi_space_path(space).text, collections->items[i].path) == 0)
                status = check_reach(replay, ((const rsi_space *)space)->base_sequence);
    }
    return status;
}
