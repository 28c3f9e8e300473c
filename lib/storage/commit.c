/*
 * Making a transaction durable, then visible.
 *
 *   segments (large chunk rows) ─► flushed, named
 *   files of vectors            ─► flushed, when the line cannot take the vectors
 *   places in the tables        ─► made, so that applying cannot fail
 *   journal line                ─► appended, flushed       = the commit       } group.c, for all
 *   overlays                    ─► moved into the tables   = visible          } who wait at once
 *   files                       ─► renamed, removed
 *
 * Before the flush any failure leaves the store as it was. A failed flush stops all writing: what
 * the disk holds is then unknown.
 */
#include "storage/tx.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/journal_vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Chunk rows of a commit beyond this many bytes travel in a segment file. */
#define INLINE_CHUNK_BYTES ((size_t)64 << 10)

static bool is_chunk_row(const rsi_op *op)
{
    return op->kind == RSI_OP_ROW && strcmp(op->space, RSI_SPACE_CHUNKS) == 0;
}

/* ---- vectors ---- */

/* Do they travel in the line? Otherwise their files are flushed before it. */
static bool vectors_travel(const rsi_tx *tx)
{
    return tx->vector_bytes <= rsi_line_vector_bytes;
}

static bool is_unflushed(const rsi_op *op)
{
    return op->kind == RSI_OP_VECTORS && op->vectors->unflushed_bytes > 0;
}

/* Was the file of this operation seen in one before? Blocks of a file mostly come one after the other. */
static bool is_same_file(const rsi_tx *tx, size_t i)
{
    const rsi_op *op = &tx->ops[i];
    while (i-- > 0)
        if (is_unflushed(&tx->ops[i]))
            return tx->ops[i].vectors->block.segment == op->vectors->block.segment &&
                   strcmp(tx->ops[i].key, op->key) == 0;
    return false;
}

/* A checkpoint flushes the files before the lines go; `sequence` is known when the commit stands. */
static int note_vectors(rsi_tx *tx, uint64_t sequence)
{
    rsi_storage *storage = tx->storage;
    int status = RAGSTORE_OK;
    if (tx->vector_bytes == 0)
        return RAGSTORE_OK;
    pthread_mutex_lock(&storage->mutex);
    for (size_t i = 0; status == RAGSTORE_OK && i < tx->op_count; i++)
        if (is_unflushed(&tx->ops[i]) && !is_same_file(tx, i))
            status = rsi_row_files_note(&storage->row_files, storage->root, tx->ops[i].key,
                                        tx->ops[i].vectors->block.segment, sequence);
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

/* Too many for the line: they must be on the disk before it. */
static int flush_vectors(const rsi_tx *tx)
{
    for (size_t i = 0; !vectors_travel(tx) && i < tx->op_count; i++) {
        const rsi_op *op = &tx->ops[i];
        if (!is_unflushed(op) || is_same_file(tx, i))
            continue;
        if (rsi_row_file_flush(tx->storage->root, op->key, op->vectors->block.segment) !=
            RAGSTORE_OK)
            return rsi_storage_poison(tx->storage);
    }
    return RAGSTORE_OK;
}

/* ---- the line ---- */

static void encode_extent(rsi_bytes *line, const rsi_op *op)
{
    const rsi_vector_block *block = &op->vectors->block;
    rsi_json_writer writer = rsi_json_writer_of(line);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, "extent", 6);
    rsi_json_text_value(&writer, op->key, strlen(op->key));
    rsi_json_text_value(&writer, op->first, strlen(op->first));
    rsi_json_integer_value(&writer, block->segment);
    rsi_json_integer_value(&writer, (int64_t)block->offset);
    rsi_json_integer_value(&writer, (int64_t)block->size);
    rsi_json_integer_value(&writer, block->first_chunk);
    rsi_json_integer_value(&writer, block->count);
    rsi_json_integer_value(&writer, block->crc);
    rsi_json_end_array(&writer);
}

static void encode_op(rsi_bytes *line, const rsi_tx *tx, const rsi_op *op)
{
    static const char *const names[] = {"put", "drop", "row", "drop_row"};
    if (op->kind == RSI_OP_VECTORS) {
        if (is_unflushed(op) && vectors_travel(tx))
            rsi_journal_vectors_put(line, op->key, op->first, &op->vectors->block);
        else
            encode_extent(line, op);
        return;
    }
    if (op->json != NULL && op->kind == RSI_OP_WORK) {
        rsi_bytes_append(line, op->json, op->size);
        return;
    }
    rsi_json_writer writer = rsi_json_writer_of(line);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, names[op->kind], strlen(names[op->kind]));
    rsi_json_text_value(&writer, op->space, strlen(op->space));
    rsi_json_text_value(&writer, op->key, strlen(op->key));
    if (op->kind == RSI_OP_ROW || op->kind == RSI_OP_DROP_ROW)
        rsi_json_integer_value(&writer, (int64_t)op->number);
    if (op->json != NULL)
        rsi_json_raw_value(&writer, op->json, op->size);
    rsi_json_end_array(&writer);
}

/* The incarnation of an entity as this transaction sees it. */
static int incarnation_of(char out[RSI_INCARNATION_HEX], const rsi_tx *tx, const char *entity_id)
{
    rsi_bytes value = {0};
    rsi_json *json = NULL;
    int status = rsi_storage_get(&value, tx->storage, RSI_SPACE_ENTITIES, entity_id);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&json, value.data, value.size, RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_OK) {
        const char *incarnation = rsi_json_get_text(json, "incarnation");
        snprintf(out, RSI_INCARNATION_HEX, "%s", incarnation == NULL ? "" : incarnation);
    }
    rsi_json_free(json);
    rsi_bytes_free(&value);
    return status;
}

#define SEGMENT_NAME_MAX 64

/* What the segment of the operation `place` of the next commit is called. */
static void name_segment(char name[SEGMENT_NAME_MAX], const rsi_tx *tx, size_t place)
{
    const rsi_journal *journal = &tx->storage->journal;
    snprintf(name, SEGMENT_NAME_MAX, "%010" PRIu64 "-%020" PRIu64 "-%zu.ndjson", journal->generation,
             journal->sequence + 1, place);
}

static void encode_segment(rsi_bytes *line, const char *entity_id, const char *incarnation,
                           const char *name, uint64_t size, const char *sha256)
{
    rsi_json_writer writer = rsi_json_writer_of(line);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, "segment", 7);
    rsi_json_text_value(&writer, entity_id, strlen(entity_id));
    rsi_json_text_value(&writer, incarnation, strlen(incarnation));
    rsi_json_text_value(&writer, name, strlen(name));
    rsi_json_integer_value(&writer, (int64_t)size);
    rsi_json_text_value(&writer, sha256, strlen(sha256));
    rsi_json_end_array(&writer);
}

/* Finish the segment that rows were put into, the operation `place`, and name it. */
static int finish_segment(rsi_bytes *line, const rsi_tx *tx, size_t place, const char *incarnation)
{
    const rsi_op *op = &tx->ops[place];
    char name[SEGMENT_NAME_MAX];
    char sha256[RSI_SHA256_HEX];
    name_segment(name, tx, place);
    int status = rsi_segment_finish(op->segment, op->key, name);
    if (status != RAGSTORE_OK)
        return status;
    rsi_segment_digest(op->segment, sha256);
    encode_segment(line, op->key, incarnation, name, rsi_segment_size(op->segment), sha256);
    return RAGSTORE_OK;
}

/* Write the chunk rows of ops[from..to), all of one entity, to a segment and name it. */
static int write_segment(rsi_bytes *line, const rsi_tx *tx, size_t from, size_t to,
                         const char *incarnation)
{
    const char *entity_id = tx->ops[from].key;
    rsi_bytes text = {0};
    for (size_t i = from; i < to; i++) {
        rsi_bytes_append_char(&text, '[');
        rsi_bytes_append_integer(&text, (int64_t)tx->ops[i].number);
        rsi_bytes_append_char(&text, ',');
        rsi_bytes_append(&text, tx->ops[i].json, tx->ops[i].size);
        rsi_bytes_append_text(&text, "]\n");
    }
    char name[SEGMENT_NAME_MAX];
    char below[96];
    char sha256[RSI_SHA256_HEX];
    name_segment(name, tx, from);
    snprintf(below, sizeof below, "segments/%s", name);
    rsi_path path = rsi_path_in_entity(entity_id, below);
    rsi_path directory = rsi_path_in_entity(entity_id, "segments");
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_directory_make(tx->storage->root, directory.text);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(tx->storage->root, path.text, text.data, text.size);
    if (status == RAGSTORE_OK) {
        rsi_sha256_hex(text.data, text.size, sha256);
        encode_segment(line, entity_id, incarnation, name, text.size, sha256);
    }
    rsi_bytes_free(&text);
    return status;
}

static void separate_op(rsi_bytes *line)
{
    if (line->size > 0)
        rsi_bytes_append_char(line, ',');
}

/* The chunk rows of one entity from ops[*place] on go into a segment; *place moves behind them. Those of
 * an entity that the transaction deletes, too, need none. */
static int encode_rows_apart(rsi_bytes *line, const rsi_tx *tx, size_t *place)
{
    char incarnation[RSI_INCARNATION_HEX];
    const size_t from = *place;
    const rsi_op *op = &tx->ops[from];
    size_t end = from + 1;
    while (op->kind != RSI_OP_SEGMENT && end < tx->op_count && is_chunk_row(&tx->ops[end]) &&
           strcmp(tx->ops[end].key, op->key) == 0)
        end++;
    *place = end;
    int status = incarnation_of(incarnation, tx, op->key);
    if (status != RAGSTORE_OK)
        return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
    separate_op(line);
    return op->kind == RSI_OP_SEGMENT ? finish_segment(line, tx, from, incarnation)
                                      : write_segment(line, tx, from, end, incarnation);
}

static int encode_ops(rsi_bytes *line, const rsi_tx *tx)
{
    size_t chunk_bytes = 0;
    for (size_t i = 0; i < tx->op_count; i++)
        chunk_bytes += is_chunk_row(&tx->ops[i]) ? tx->ops[i].size : 0;

    size_t i = 0;
    while (i < tx->op_count) {
        const rsi_op *op = &tx->ops[i];
        if (op->kind == RSI_OP_WORK && op->json == NULL) {
            i++;
            continue;
        }
        if (op->kind == RSI_OP_SEGMENT || (is_chunk_row(op) && chunk_bytes > INLINE_CHUNK_BYTES)) {
            int status = encode_rows_apart(line, tx, &i);
            if (status != RAGSTORE_OK)
                return status;
            continue;
        }
        separate_op(line);
        encode_op(line, tx, op);
        i++;
    }
    return rsi_bytes_status(line);
}

/* ---- applying ---- */

static rsi_space *space_of_overlay(rsi_storage *storage, const rsi_overlay *overlay)
{
    return rsi_space_of(storage, overlay->space, overlay->delta.key);
}

/* Open the chunk file of an entity, which may have been forgotten since the change was asked for. */
static int open_chunks_locked(rsi_storage *storage, rsi_space *space, const rsi_overlay *overlay)
{
    if (space->entity_id == NULL || overlay->dropped ||
        !rsi_entity_exists(storage, space->entity_id))
        return RAGSTORE_OK;
    return rsi_space_load_locked(storage, space);
}

/* Make every place that the commit will fill. */
static int prepare_locked(rsi_tx *tx)
{
    for (size_t i = 0; i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        rsi_space *space = space_of_overlay(tx->storage, overlay);
        if (space == NULL)
            return rsi_error_code();
        int status = open_chunks_locked(tx->storage, space, overlay);
        if (status != RAGSTORE_OK)
            return status;
        space->pins++;
        tx->pinned = i + 1;
        rsi_record *record = rsi_table_place(&space->table, overlay->delta.key);
        if (record == NULL)
            return rsi_error_code();
        if (record->row_count > 0 && /* otherwise it takes those of the overlay */
            rsi_record_reserve(record, overlay->delta.row_count) != RAGSTORE_OK)
            return RAGSTORE_E_NO_MEMORY;
    }
    return RAGSTORE_OK;
}

static void unpin(rsi_tx *tx)
{
    pthread_rwlock_wrlock(&tx->storage->state);
    for (size_t i = 0; i < tx->pinned; i++)
        space_of_overlay(tx->storage, tx->overlays[i])->pins--;
    tx->pinned = 0;
    pthread_rwlock_unlock(&tx->storage->state);
}

/* The rows of an overlay become those of its record, which has room for them. */
static void move_rows(rsi_record *record, rsi_record *delta, uint64_t sequence)
{
    for (size_t i = 0; i < delta->row_count; i++)
        delta->rows[i].changed = sequence;
    if (record->row_count > 0) {
        for (size_t i = 0; i < delta->row_count; i++)
            rsi_record_set_row(record, &delta->rows[i]);
    } else if (delta->row_count > 0) {
        const rsi_record had = *record;
        record->rows = delta->rows;
        record->row_count = delta->row_count;
        record->row_total = delta->row_total;
        record->row_capacity = delta->row_capacity;
        record->row_drops = delta->row_drops;
        record->changed = sequence;
        delta->rows = had.rows;
        delta->row_capacity = had.row_capacity;
        delta->row_count = 0;
        delta->row_total = 0;
        delta->row_drops = 0;
    }
}

void rsi_tx_apply_locked(rsi_tx *tx, uint64_t sequence)
{
    for (size_t i = 0; i < tx->overlay_count; i++) {
        rsi_overlay *overlay = tx->overlays[i];
        rsi_record *delta = &overlay->delta;
        rsi_space *space = space_of_overlay(tx->storage, overlay);
        rsi_record *record = rsi_table_place(&space->table, delta->key);
        if (overlay->dropped)
            rsi_table_drop(&space->table, record, sequence);
        if (overlay->dropped && space->entity_id != NULL)
            rsi_space_forget_pending(space);
        if (delta->json != NULL) {
            rsi_table_set(&space->table, record, delta->json, delta->size, sequence);
            delta->json = NULL;
        }
        move_rows(record, delta, sequence);
        space->last_sequence = sequence;
        space->loaded = true; /* a new entity's chunks have no file yet */
    }
}

static int queue_work(rsi_tx *tx)
{
    rsi_storage *storage = tx->storage;
    int status = RAGSTORE_OK;
    pthread_mutex_lock(&storage->mutex);
    for (size_t i = 0; status == RAGSTORE_OK && i < tx->op_count; i++) {
        const rsi_op *op = &tx->ops[i];
        if (op->kind == RSI_OP_WORK)
            status = rsi_work_add(&storage->work, op->work, op->key, op->first, op->second);
    }
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

static void forget_work(rsi_storage *storage, size_t count)
{
    pthread_mutex_lock(&storage->mutex);
    while (storage->work.count > count) {
        rsi_work *work = &storage->work.items[--storage->work.count];
        rsi_free(work->entity_id);
        rsi_free(work->first);
        rsi_free(work->second);
    }
    pthread_mutex_unlock(&storage->mutex);
}

/*
 * May others build while this one is flushed? Yes when it only changes records that nothing else
 * goes with: no files, vectors, chunk rows, nor caches that on_end brings up to date. Documents share
 * a flush in another way: several are built in one transaction (ingest/document_queue.c).
 */
static bool may_leave(const rsi_tx *tx)
{
    if (tx->call_count > 0)
        return false;
    for (size_t i = 0; i < tx->op_count; i++) {
        const rsi_op *op = &tx->ops[i];
        if (op->kind == RSI_OP_VECTORS || op->kind == RSI_OP_WORK ||
            strcmp(op->space, RSI_SPACE_ENTITIES) == 0 || strcmp(op->space, RSI_SPACE_CHUNKS) == 0)
            return false;
    }
    return true;
}

static bool only_removes(const rsi_tx *tx)
{
    for (size_t i = 0; i < tx->op_count; i++) {
        const rsi_op *op = &tx->ops[i];
        const bool removes = op->kind == RSI_OP_DROP || op->kind == RSI_OP_DROP_ROW ||
                             (op->kind == RSI_OP_WORK &&
                              (op->work == RSI_WORK_UNLINK || op->work == RSI_WORK_GONE));
        if (!removes)
            return false;
    }
    return true;
}

/* Everything that can fail without a trace on the disk. */
static int prepare(rsi_tx *tx, rsi_bytes *line)
{
    rsi_storage *storage = tx->storage;
    int status = rsi_storage_refusal(storage);
    if (status == RAGSTORE_OK && !only_removes(tx))
        status = rsi_reserve_require(storage);
    if (status == RAGSTORE_OK)
        status = encode_ops(line, tx);
    if (status == RAGSTORE_OK)
        status = note_vectors(tx, UINT64_MAX);
    if (status == RAGSTORE_OK)
        status = flush_vectors(tx);
    if (status == RAGSTORE_OK)
        status = queue_work(tx);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_wrlock(&storage->state);
        status = prepare_locked(tx);
        pthread_rwlock_unlock(&storage->state);
    }
    return status;
}

/* The commit stands whatever happens to the files now: what fails is done later. */
static void follow_up(rsi_storage *storage)
{
    if (rsi_work_run(storage) != RAGSTORE_OK)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "will be tried again: %s",
                        rsi_error_message());
}

static bool has_failed(rsi_storage *storage)
{
    pthread_mutex_lock(&storage->mutex);
    const bool failed = storage->failure[0] != '\0';
    pthread_mutex_unlock(&storage->mutex);
    return failed;
}

static void keep_segments(const rsi_tx *tx)
{
    for (size_t i = 0; i < tx->op_count; i++)
        if (tx->ops[i].segment != NULL)
            rsi_segment_keep(tx->ops[i].segment);
}

int rsi_tx_write(rsi_tx *tx)
{
    rsi_storage *storage = tx->storage;
    const size_t work_before = storage->work.count;
    rsi_commit commit = {.tx = tx, .only_removes = only_removes(tx)};
    const bool leaves = may_leave(tx);
    if (!leaves)
        rsi_group_drain(storage);
    int status = prepare(tx, &commit.line);
    if (status == RAGSTORE_OK) {
        rsi_group_add(storage, &commit);
        if (leaves) {
            tx->has_left = true;
            storage->tx = NULL;
            rsi_writer_release(storage);
        }
        status = rsi_group_finish(storage, &commit);
    }
    unpin(tx);
    if (status == RAGSTORE_OK || has_failed(storage))
        keep_segments(tx); /* after a failed flush nobody knows whether the commit stands */
    if (status == RAGSTORE_OK)
        (void)note_vectors(tx, commit.sequence); /* they are noted: no memory is needed */
    if (!tx->has_left && status != RAGSTORE_OK)
        forget_work(storage, work_before);
    if (!tx->has_left && status == RAGSTORE_OK)
        follow_up(storage);
    rsi_bytes_free(&commit.line);
    if (tx->has_left)
        rsi_lease_settle(storage);
    return status;
}
