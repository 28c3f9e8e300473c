/*
 * Building a transaction: see tx.h. Everything here runs on the thread that holds the writer
 * lock.
 */
#include "storage/tx.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <string.h>

rsi_tx *rsi_tx_current(rsi_storage *storage)
{
    return rsi_writer_is_me(storage) ? storage->tx : NULL;
}

rsi_tx *rsi_tx_view(rsi_storage *storage)
{
    rsi_tx *tx = rsi_tx_current(storage);
    return tx == NULL || tx->is_hidden ? NULL : tx;
}

rsi_tx *rsi_tx_view_all(rsi_storage *storage)
{
    rsi_tx *tx = rsi_tx_view(storage);
    if (tx != NULL)
        rsi_group_drain(storage);
    return tx;
}

void rsi_storage_settle(rsi_storage *storage)
{
    (void)rsi_tx_view_all(storage);
}

bool rsi_tx_is_open(rsi_storage *storage)
{
    return rsi_tx_current(storage) != NULL;
}

void rsi_tx_hide(rsi_storage *storage, bool hidden)
{
    rsi_tx *tx = rsi_tx_current(storage);
    if (tx != NULL)
        tx->is_hidden = hidden;
}

/* ---- overlays ---- */

static void free_overlay(rsi_overlay *overlay)
{
    rsi_record_clear_rows(&overlay->delta);
    rsi_free(overlay->delta.rows);
    rsi_free(overlay->delta.json);
    rsi_free(overlay->delta.key);
    rsi_free(overlay);
}

static void free_overlays(rsi_tx *tx)
{
    for (size_t i = 0; i < tx->overlay_count; i++)
        free_overlay(tx->overlays[i]);
    tx->overlay_count = 0;
    rsi_map_free(&tx->by_record, NULL);
}

static int record_key(rsi_bytes *out, const char *space, const char *key)
{
    rsi_bytes_append(out, space, strlen(space) + 1);
    rsi_bytes_append_text(out, key);
    return rsi_bytes_status(out);
}

/* Allocates nothing: a reader that could not look would miss the transaction's changes. */
static rsi_overlay *find_overlay(const rsi_tx *tx, const char *space, const char *key)
{
    char name[512];
    size_t space_size = strlen(space) + 1;
    size_t key_size = strlen(key);
    if (space_size + key_size <= sizeof name) {
        memcpy(name, space, space_size);
        memcpy(name + space_size, key, key_size);
        return rsi_map_get(&tx->by_record, name, space_size + key_size);
    }
    for (size_t i = 0; i < tx->overlay_count; i++)
        if (strcmp(tx->overlays[i]->space, space) == 0 &&
            strcmp(tx->overlays[i]->delta.key, key) == 0)
            return tx->overlays[i];
    return NULL;
}

const rsi_overlay *rsi_tx_overlay(rsi_storage *storage, const char *space, const char *key)
{
    const rsi_tx *tx = rsi_tx_view(storage);
    if (tx == NULL)
        return NULL;
    rsi_group_settle(storage, space, key);
    return find_overlay(tx, space, key);
}

bool rsi_tx_touches(const rsi_tx *tx, const char *space, const char *key)
{
    for (size_t i = 0; i < tx->overlay_count; i++)
        if (strcmp(tx->overlays[i]->delta.key, key) == 0 &&
            strcmp(tx->overlays[i]->space, space) == 0)
            return true;
    return false;
}

/* The overlay of a record, made when missing; NULL when memory is short. */
static rsi_overlay *place_overlay(rsi_tx *tx, const char *space, const char *key)
{
    rsi_overlay *overlay = find_overlay(tx, space, key);
    if (overlay != NULL)
        return overlay;
    rsi_group_settle(tx->storage, space, key);
    rsi_bytes name = {0};
    overlay = rsi_alloc_zeroed(sizeof *overlay);
    if (overlay == NULL || record_key(&name, space, key) != RAGSTORE_OK)
        goto failed;
    overlay->space = space;
    overlay->delta.key = rsi_strdup(key);
    if (overlay->delta.key == NULL ||
        !rsi_grow((void **)&tx->overlays, &tx->overlay_capacity, tx->overlay_count + 1,
                  sizeof(rsi_overlay *)) ||
        rsi_map_put(&tx->by_record, name.data, name.size, overlay, NULL) != RAGSTORE_OK)
        goto failed;
    tx->overlays[tx->overlay_count++] = overlay;
    rsi_bytes_free(&name);
    return overlay;

failed:
    rsi_bytes_free(&name);
    if (overlay != NULL)
        free_overlay(overlay);
    return NULL;
}

static void drop_all(rsi_overlay *overlay)
{
    overlay->dropped = true;
    rsi_free(overlay->delta.json);
    overlay->delta.json = NULL;
    rsi_record_clear_rows(&overlay->delta);
}

/* The chunks of an entity go with its folders, unread: a damaged file must not keep it alive. */
static int overlay_gone(rsi_tx *tx, const char *entity_id)
{
    rsi_overlay *overlay = place_overlay(tx, RSI_SPACE_CHUNKS, entity_id);
    if (overlay == NULL)
        return RAGSTORE_E_NO_MEMORY;
    drop_all(overlay);
    return RAGSTORE_OK;
}

/* A row of a segment, with its reference. */
static int lay_row(void *user, rsi_row *row)
{
    rsi_record *delta = user;
    if (rsi_record_reserve(delta, 1) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    rsi_record_set_row(delta, row);
    return RAGSTORE_OK;
}

/* Lay one operation over what was there. On failure nothing has changed. */
static int overlay_op(rsi_tx *tx, const rsi_op *op)
{
    if (op->kind == RSI_OP_WORK && op->work == RSI_WORK_GONE)
        return overlay_gone(tx, op->key);
    if (op->kind == RSI_OP_WORK || op->kind == RSI_OP_VECTORS)
        return RAGSTORE_OK;
    rsi_overlay *overlay = place_overlay(tx, op->space, op->key);
    if (overlay == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (op->kind == RSI_OP_SEGMENT)
        return rsi_segment_walk(op->segment, lay_row, &overlay->delta);
    char *copy = NULL;
    if (op->json != NULL && (copy = rsi_memdup0(op->json, op->size)) == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_row row = {
        .number = op->number, .count = 1, .json = copy, .size = (uint32_t)op->size};
    switch (op->kind) {
    case RSI_OP_PUT:
        rsi_free(overlay->delta.json);
        overlay->delta.json = copy;
        overlay->delta.size = op->size;
        return RAGSTORE_OK;
    case RSI_OP_DROP:
        drop_all(overlay);
        return RAGSTORE_OK;
    default: /* a row: dropping one is a row without a value */
        if (rsi_record_reserve(&overlay->delta, 1) != RAGSTORE_OK) {
            rsi_free(copy);
            return RAGSTORE_E_NO_MEMORY;
        }
        rsi_record_set_row(&overlay->delta, &row);
        return RAGSTORE_OK;
    }
}

/* ---- operations ---- */

static void free_op(rsi_op *op)
{
    rsi_free(op->key);
    rsi_free(op->json);
    rsi_free(op->first);
    rsi_free(op->second);
    rsi_segment_release(op->segment);
    rsi_free(op->vectors);
}

static bool is_chunk_put(const rsi_op *op)
{
    return op->kind == RSI_OP_ROW && strcmp(op->space, RSI_SPACE_CHUNKS) == 0;
}

/* Add an operation whose owned members are taken, also on failure. */
static int add_op(rsi_tx *tx, rsi_op op)
{
    int status = RAGSTORE_OK;
    if (op.key == NULL ||
        !rsi_grow((void **)&tx->ops, &tx->op_capacity, tx->op_count + 1, sizeof *tx->ops))
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status = overlay_op(tx, &op);
    if (status != RAGSTORE_OK) {
        free_op(&op);
        return status;
    }
    tx->run_bytes = is_chunk_put(&op) ? tx->run_bytes + op.size : 0;
    tx->ops[tx->op_count++] = op;
    return status;
}

/* ---- long runs of chunk rows ---- */

/* The segment that the next row of this key can go to; NULL: there is none. One that an outer
 * transaction began is left as it is, so that what is done since can be undone. */
static rsi_segment *current_segment(const rsi_tx *tx, const char *key)
{
    const size_t since = tx->depth > 0 ? tx->savepoints[tx->depth - 1].ops : 0;
    if (tx->op_count <= since)
        return NULL;
    const rsi_op *last = &tx->ops[tx->op_count - 1];
    return last->kind == RSI_OP_SEGMENT && strcmp(last->key, key) == 0 ? last->segment : NULL;
}

/* Is the run that this row lengthens worth a file? */
static bool is_long_run(const rsi_tx *tx, const char *key, size_t size)
{
    const rsi_op *last = tx->op_count == 0 ? NULL : &tx->ops[tx->op_count - 1];
    return last != NULL && is_chunk_put(last) && strcmp(last->key, key) == 0 &&
           tx->run_bytes + size > rsi_segment_from &&
           rsi_segments_have_room(tx->storage->segments);
}

static int begin_segment(rsi_tx *tx, const char *key)
{
    rsi_op op = {.kind = RSI_OP_SEGMENT, .space = RSI_SPACE_CHUNKS, .key = rsi_strdup(key)};
    int status = rsi_segment_begin(&op.segment, tx->storage->root, tx->storage->segments, key);
    if (status != RAGSTORE_OK) {
        free_op(&op);
        return status;
    }
    return add_op(tx, op);
}

static int put_into_segment(rsi_tx *tx, rsi_segment *segment, const char *key, uint64_t number,
                            const char *json, size_t size)
{
    rsi_row row = {.number = number};
    rsi_overlay *overlay = place_overlay(tx, RSI_SPACE_CHUNKS, key);
    if (overlay == NULL || rsi_record_reserve(&overlay->delta, 1) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_segment_add(segment, &row, json, size);
    if (status == RAGSTORE_OK)
        rsi_record_set_row(&overlay->delta, &row);
    return status;
}

/* Chunk rows can only be changed when they can be read: damage shows before the commit. */
static int ensure_loaded(rsi_tx *tx, const char *space, const char *key)
{
    rsi_storage *storage = tx->storage;
    if (strcmp(space, RSI_SPACE_CHUNKS) != 0)
        return RAGSTORE_OK;
    pthread_rwlock_wrlock(&storage->state);
    rsi_space *chunks = rsi_space_of(storage, space, key);
    int status = chunks == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    if (status == RAGSTORE_OK && rsi_entity_exists(storage, key))
        status = rsi_space_load_locked(storage, chunks);
    pthread_rwlock_unlock(&storage->state);
    return status;
}

static int add_change(rsi_tx *tx, rsi_op_kind kind, const char *space, const char *key,
                      uint64_t number, const char *json, size_t size)
{
    int status = ensure_loaded(tx, space, key);
    if (status != RAGSTORE_OK)
        return status;
    rsi_op op = {.kind = kind, .space = space, .key = rsi_strdup(key), .number = number};
    if (json != NULL) {
        op.json = rsi_memdup0(json, size);
        op.size = size;
        if (op.json == NULL) {
            free_op(&op);
            return RAGSTORE_E_NO_MEMORY;
        }
    }
    return add_op(tx, op);
}

int rsi_tx_put(rsi_tx *tx, const char *space, const char *key, const char *json, size_t size)
{
    return add_change(tx, RSI_OP_PUT, space, key, 0, json, size);
}

int rsi_tx_drop(rsi_tx *tx, const char *space, const char *key)
{
    return add_change(tx, RSI_OP_DROP, space, key, 0, NULL, 0);
}

int rsi_tx_row_put(rsi_tx *tx, const char *space, const char *key, uint64_t number,
                   const char *json, size_t size)
{
    int status = RAGSTORE_OK;
    if (size > RSI_ROW_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "storage", "a row of %zu bytes; at most %zu", size,
                        RSI_ROW_MAX);
    if (strcmp(space, RSI_SPACE_CHUNKS) == 0) {
        if (current_segment(tx, key) == NULL && is_long_run(tx, key, size))
            status = begin_segment(tx, key);
        rsi_segment *segment = current_segment(tx, key);
        if (status != RAGSTORE_OK || segment != NULL)
            return status != RAGSTORE_OK
                       ? status
                       : put_into_segment(tx, segment, key, number, json, size);
    }
    return add_change(tx, RSI_OP_ROW, space, key, number, json, size);
}

int rsi_tx_row_drop(rsi_tx *tx, const char *space, const char *key, uint64_t number)
{
    return add_change(tx, RSI_OP_DROP_ROW, space, key, number, NULL, 0);
}

size_t rsi_line_vector_bytes = (size_t)64 << 10;

int rsi_tx_vectors(rsi_tx *tx, const char *entity_id, const char *incarnation,
                   const rsi_vector_block *block)
{
    const size_t bytes = block->vectors == NULL
                             ? 0
                             : (size_t)block->count * block->dimension * sizeof(float);
    /* of too many to travel no copy is needed */
    const bool travels = bytes > 0 && tx->vector_bytes <= rsi_line_vector_bytes &&
                         bytes <= rsi_line_vector_bytes - tx->vector_bytes;
    rsi_op op = {.kind = RSI_OP_VECTORS, .space = RSI_SPACE_CHUNKS, .key = rsi_strdup(entity_id)};
    op.first = rsi_strdup(incarnation);
    op.vectors = rsi_alloc(sizeof *op.vectors + (travels ? bytes : 0));
    if (op.first == NULL || op.vectors == NULL) {
        free_op(&op);
        return RAGSTORE_E_NO_MEMORY;
    }
    op.vectors->block = *block;
    op.vectors->unflushed_bytes = bytes;
    op.vectors->block.vectors = travels ? op.vectors->copy : NULL;
    if (travels)
        memcpy(op.vectors->copy, block->vectors, bytes);
    int status = add_op(tx, op);
    if (status == RAGSTORE_OK)
        tx->vector_bytes += bytes;
    return status;
}

/* A change of files that follows the commit; `name` is its operation in the journal, or NULL. */
static int add_work(rsi_tx *tx, rsi_work_kind kind, const char *name, const char *entity_id,
                    const char *first, const char *second)
{
    rsi_op op = {.kind = RSI_OP_WORK, .space = RSI_SPACE_ENTITIES, .key = rsi_strdup(entity_id)};
    op.work = kind;
    op.first = rsi_strdup(first);
    op.second = second == NULL ? NULL : rsi_strdup(second);
    bool complete = op.first != NULL && (second == NULL || op.second != NULL);
    if (complete && name != NULL) {
        rsi_bytes text = {0};
        rsi_json_writer writer = rsi_json_writer_of(&text);
        rsi_json_begin_array(&writer);
        rsi_json_text_value(&writer, name, strlen(name));
        rsi_json_text_value(&writer, entity_id, strlen(entity_id));
        rsi_json_text_value(&writer, first, strlen(first));
        if (second != NULL)
            rsi_json_text_value(&writer, second, strlen(second));
        rsi_json_end_array(&writer);
        op.json = rsi_bytes_take(&text, &op.size);
        complete = op.json != NULL;
    }
    if (!complete) {
        free_op(&op);
        return RAGSTORE_E_NO_MEMORY;
    }
    return add_op(tx, op);
}

int rsi_tx_file(rsi_tx *tx, const char *entity_id, const char *incoming, const char *name)
{
    return add_work(tx, RSI_WORK_FILE, "file", entity_id, incoming, name);
}

int rsi_tx_unlink(rsi_tx *tx, const char *entity_id, const char *name)
{
    return add_work(tx, RSI_WORK_UNLINK, "unlink", entity_id, name, NULL);
}

int rsi_tx_gone(rsi_tx *tx, const char *entity_id, const char *incarnation)
{
    return add_work(tx, RSI_WORK_GONE, "gone", entity_id, incarnation, NULL);
}

int rsi_tx_come(rsi_tx *tx, const char *entity_id, const char *incarnation)
{
    /* folders of an older creation must be gone before new ones come: they share their names */
    for (size_t i = 0; i < tx->op_count; i++)
        if (tx->ops[i].kind == RSI_OP_WORK && tx->ops[i].work == RSI_WORK_GONE &&
            strcmp(tx->ops[i].key, entity_id) == 0)
            return rsi_fail(RAGSTORE_E_CONFLICT, "storage",
                            "\"%s\" was deleted in this batch; commit it before creating the id "
                            "again",
                            entity_id);
    int status = rsi_work_run(tx->storage);
    if (status != RAGSTORE_OK)
        return status;
    return add_work(tx, RSI_WORK_COME, NULL, entity_id, incarnation, NULL);
}

int rsi_tx_on_end(rsi_tx *tx, void (*done)(void *user, bool committed), void *user)
{
    if (!rsi_grow((void **)&tx->calls, &tx->call_capacity, tx->call_count + 1, sizeof *tx->calls))
        return RAGSTORE_E_NO_MEMORY;
    tx->calls[tx->call_count++] = (rsi_end_call){done, user};
    return RAGSTORE_OK;
}

/* ---- begin, commit, abort ---- */

static void call_back(rsi_tx *tx, size_t from, bool committed)
{
    for (size_t i = from; i < tx->call_count; i++)
        tx->calls[i].done(tx->calls[i].user, committed);
    tx->call_count = from;
}

static void free_ops(rsi_tx *tx, size_t from)
{
    for (size_t i = from; i < tx->op_count; i++) {
        if (tx->ops[i].vectors != NULL)
            tx->vector_bytes -= tx->ops[i].vectors->unflushed_bytes;
        free_op(&tx->ops[i]);
    }
    tx->op_count = from;
}

static void end(rsi_tx *tx, bool committed)
{
    rsi_storage *storage = tx->storage;
    rsi_saved_error error;
    rsi_error_save(&error);
    if (!tx->has_left)
        storage->tx = NULL;
    bool has_left = tx->has_left;
    call_back(tx, 0, committed);
    free_overlays(tx);
    free_ops(tx, 0);
    rsi_free(tx->overlays);
    rsi_free(tx->ops);
    rsi_free(tx->calls);
    rsi_free(tx->savepoints);
    rsi_free(tx);
    if (!has_left)
        rsi_writer_release(storage);
    rsi_error_restore(&error);
}

int rsi_tx_begin(rsi_tx **out, rsi_storage *storage)
{
    *out = NULL;
    rsi_tx *tx = rsi_tx_current(storage);
    if (tx != NULL) {
        if (!rsi_grow((void **)&tx->savepoints, &tx->savepoint_capacity, tx->depth + 1,
                      sizeof *tx->savepoints))
            return RAGSTORE_E_NO_MEMORY;
        tx->savepoints[tx->depth++] = (rsi_savepoint){tx->op_count, tx->call_count};
        *out = tx;
        return RAGSTORE_OK;
    }
    tx = rsi_alloc_zeroed(sizeof *tx);
    if (tx == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_writer_take(storage);
    if (status != RAGSTORE_OK) {
        rsi_free(tx);
        return status;
    }
    tx->storage = storage;
    storage->tx = tx;
    *out = tx;
    return RAGSTORE_OK;
}

/* Go back to where the innermost begin was. */
static void roll_back(rsi_tx *tx)
{
    rsi_savepoint point = tx->savepoints[--tx->depth];
    rsi_saved_error error;
    rsi_error_save(&error);
    call_back(tx, point.calls, false);
    free_ops(tx, point.ops);
    free_overlays(tx);
    tx->run_bytes = 0;
    for (size_t i = 0; i < tx->op_count; i++) {
        if (overlay_op(tx, &tx->ops[i]) != RAGSTORE_OK) {
            rsi_storage_poison(tx->storage); /* the outer transaction cannot go on */
            break;
        }
    }
    rsi_error_restore(&error);
}

int rsi_tx_commit(rsi_tx *tx)
{
    if (tx->depth > 0) {
        tx->depth--;
        return RAGSTORE_OK;
    }
    int status = tx->op_count == 0 ? RAGSTORE_OK : rsi_tx_write(tx);
    end(tx, status == RAGSTORE_OK);
    return status;
}

void rsi_tx_abort(rsi_tx *tx)
{
    if (tx == NULL)
        return;
    if (tx->depth > 0)
        roll_back(tx);
    else
        end(tx, false);
}
