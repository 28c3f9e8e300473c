/* Bases: opening, their index, their order. See base.h. */
#include "storage/base_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <string.h>

#define DIGEST_STEP ((size_t)1 << 20)

uint64_t rsi_base_small_bytes = (uint64_t)64 << 10;

bool rsi_base_only_rows(const rsi_layout *layout)
{
    return layout->rows_field == NULL && layout->id_field == NULL;
}

/* ---- opening ---- */

static char *index_path_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    rsi_bytes text = {0};
    rsi_bytes_append(&text, path, dot == NULL ? strlen(path) : (size_t)(dot - path));
    rsi_bytes_append_text(&text, ".rsx");
    return rsi_bytes_take(&text, NULL);
}

static void free_index(rsi_base_index *index)
{
    if (index != NULL)
        rsi_base_index_free(index);
    rsi_free(index);
}

static void free_base(rsi_base *base)
{
    free_index(base->index);
    free_index(base->damaged);
    rsi_file_close(base->file);
    rsi_bytes_free(&base->text);
    rsi_free(base->runs);
    rsi_free(base->path);
    rsi_free(base->index_path);
    pthread_mutex_destroy(&base->mending);
    rsi_free(base);
}

static rsi_base *make_base(const rsi_base_place *place, const rsi_file_state *state)
{
    rsi_base *base = rsi_alloc_zeroed(sizeof *base);
    if (base == NULL)
        return NULL;
    if (pthread_mutex_init(&base->mending, NULL) != 0) {
        rsi_free(base);
        rsi_fail_no_memory();
        return NULL;
    }
    base->references = 1;
    base->layout = place->layout;
    base->size = state->size;
    memcpy(base->sha256, state->sha256, sizeof base->sha256);
    base->path = rsi_strdup(place->shown);
    base->index_path = index_path_of(place->shown);
    base->index = rsi_alloc_zeroed(sizeof *base->index);
    if (base->path != NULL && base->index_path != NULL && base->index != NULL)
        return base;
    free_base(base);
    return NULL;
}

static int not_as_written(const rsi_base *base)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: its bytes are not those that were written; restore it from a backup",
                    base->path);
}

/* The digest of the open file. */
static int compare_digest(rsi_base *base)
{
    rsi_base_reader reader = rsi_base_reader_of(base, DIGEST_STEP);
    rsi_sha256 sha;
    char hex[RSI_SHA256_HEX];
    int status = RAGSTORE_OK;
    rsi_sha256_begin(&sha);
    for (uint64_t at = 0; status == RAGSTORE_OK && at < base->size; at += DIGEST_STEP) {
        size_t size = base->size - at < DIGEST_STEP ? (size_t)(base->size - at) : DIGEST_STEP;
        const char *bytes;
        status = rsi_base_reader_bytes(&reader, at, size, &bytes);
        if (status == RAGSTORE_OK)
            rsi_sha256_add(&sha, bytes, size);
    }
    rsi_base_reader_free(&reader);
    rsi_sha256_end_hex(&sha, hex);
    return status == RAGSTORE_OK && strcmp(hex, base->sha256) != 0 ? not_as_written(base) : status;
}

static int open_small(rsi_base *base, rsi_root *root, const char *path)
{
    int status = rsi_file_read_all(root, path, (size_t)rsi_base_small_bytes, &base->text);
    if (status == RAGSTORE_OK && base->text.size != base->size)
        status = not_as_written(base);
    if (status == RAGSTORE_OK)
        status = compare_digest(base);
    return status == RAGSTORE_OK ? rsi_base_scan(base->index, base) : status;
}

static int open_large(rsi_base *base, rsi_root *root, const char *path)
{
    uint64_t size = 0;
    int status = rsi_file_open(&base->file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(base->file, &size);
    if (status == RAGSTORE_OK && size != base->size)
        status = not_as_written(base);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_base_index_open(base->index, root, base->index_path, base->sha256, base->size);
    return status == RAGSTORE_OK || status == RAGSTORE_E_NO_MEMORY
               ? status
               : rsi_base_scan(base->index, base);
}

int rsi_base_open(rsi_base **out, rsi_root *root, const rsi_base_place *place,
                  const rsi_file_state *state)
{
    *out = NULL;
    rsi_base *base = make_base(place, state);
    if (base == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = state->size <= rsi_base_small_bytes ? open_small(base, root, place->path)
                                               : open_large(base, root, place->path);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        free_base(base);
        rsi_error_restore(&error);
        return status;
    }
    base->next_order = base->index->record_count;
    *out = base;
    return RAGSTORE_OK;
}

rsi_base *rsi_base_retain(rsi_base *base)
{
    if (base != NULL)
        __atomic_add_fetch(&base->references, 1, __ATOMIC_RELAXED);
    return base;
}

void rsi_base_release(rsi_base *base)
{
    if (base != NULL && __atomic_sub_fetch(&base->references, 1, __ATOMIC_ACQ_REL) == 0)
        free_base(base);
}

int rsi_base_keep_index(rsi_base *base, rsi_root *root)
{
    if (base->file == NULL)
        return rsi_file_remove(root, base->index_path);
    pthread_mutex_lock(&base->mending);
    int status = base->index->view != NULL
                     ? RAGSTORE_OK
                     : rsi_base_index_write(base->index, root, base->index_path, base->sha256,
                                            base->size);
    pthread_mutex_unlock(&base->mending);
    return status;
}

bool rsi_base_is_large(rsi_base *base)
{
    return base->file != NULL;
}

bool rsi_base_has_kept_index(rsi_base *base)
{
    return __atomic_load_n(&base->index, __ATOMIC_ACQUIRE)->view != NULL;
}

const char *rsi_base_path(rsi_base *base)
{
    return base->path;
}

const rsi_layout *rsi_base_layout(rsi_base *base)
{
    return base->layout;
}

uint64_t rsi_base_size(rsi_base *base)
{
    return base->size;
}

size_t rsi_base_count(rsi_base *base)
{
    return __atomic_load_n(&base->index, __ATOMIC_ACQUIRE)->record_count;
}

size_t rsi_base_memory(rsi_base *base)
{
    const rsi_base_index *index = __atomic_load_n(&base->index, __ATOMIC_ACQUIRE);
    size_t of_index = index->view != NULL
                          ? 0
                          : index->record_count * sizeof *index->records +
                                index->row_count * sizeof *index->rows +
                                index->slot_count * sizeof *index->slots;
    return sizeof *base + base->text.size + of_index + base->run_count * sizeof *base->runs;
}

/* ---- the index, mended when it is damaged ---- */

static int mend(rsi_base *base, const rsi_base_index *damaged)
{
    int status = RAGSTORE_OK;
    pthread_mutex_lock(&base->mending);
    if (base->index == damaged) {
        rsi_base_index *made = rsi_alloc_zeroed(sizeof *made);
        status = made == NULL ? RAGSTORE_E_NO_MEMORY : compare_digest(base);
        if (status == RAGSTORE_OK)
            status = rsi_base_scan(made, base);
        if (status == RAGSTORE_OK) {
            base->damaged = base->index;
            __atomic_store_n(&base->index, made, __ATOMIC_RELEASE);
        } else {
            free_index(made);
        }
    }
    pthread_mutex_unlock(&base->mending);
    return status;
}

/* An index whose part at this place was checked. `part_of` finds the part. */
static int checked_part(const void **part, rsi_base *base,
                        const void *(*part_of)(const rsi_base_index *index, size_t at),
                        size_t at, size_t size)
{
    for (;;) {
        rsi_base_index *index = __atomic_load_n(&base->index, __ATOMIC_ACQUIRE);
        *part = part_of(index, at);
        if (rsi_base_index_is_intact(index, *part, size))
            return RAGSTORE_OK;
        int status = mend(base, index);
        if (status != RAGSTORE_OK)
            return status;
    }
}

static const void *record_part(const rsi_base_index *index, size_t at)
{
    return &index->records[at];
}

static const void *row_part(const rsi_base_index *index, size_t at)
{
    return &index->rows[at];
}

int rsi_base_record_at(const rsi_base_record **record, rsi_base *base, size_t number)
{
    const void *part = NULL;
    int status = checked_part(&part, base, record_part, number, sizeof **record);
    *record = part;
    return status;
}

int rsi_base_row_at(const rsi_base_row **row, rsi_base *base, size_t position)
{
    const void *part = NULL;
    int status = checked_part(&part, base, row_part, position, sizeof **row);
    *row = part;
    return status;
}

/* ---- looking for something ---- */

/* Is it the key of this record, whose hash it has? 1, 0 or an error. */
static int has_key(rsi_base_reader *reader, size_t record, rsi_slice key)
{
    rsi_slice found;
    rsi_slice json;
    const int shown = rsi_base_shows_key(reader, record, key);
    if (shown != 0)
        return shown;
    int status = rsi_base_read_record(reader, record, &found, &json);
    return status == RAGSTORE_OK ? rsi_slice_equal(found, key) : status;
}

int rsi_base_find(size_t *record, rsi_base_reader *reader, const char *key)
{
    rsi_base *base = reader->base;
    const rsi_slice slice = rsi_slice_of(key);
    *record = 0;
    if (rsi_base_only_rows(base->layout))
        return 1;
    rsi_base_index *index = __atomic_load_n(&base->index, __ATOMIC_ACQUIRE);
    const uint32_t hash = rsi_base_index_hash(index, slice);
    for (size_t at = hash & (index->slot_count - 1);; at = (at + 1) & (index->slot_count - 1)) {
        const rsi_base_slot *slot = &index->slots[at];
        if (!rsi_base_index_is_intact(index, slot, sizeof *slot)) {
            int status = mend(base, index);
            return status == RAGSTORE_OK ? rsi_base_find(record, reader, key) : status;
        }
        if (slot->record == 0)
            return 0;
        if (slot->hash != hash || slot->record > index->record_count)
            continue;
        int same = has_key(reader, slot->record - 1, slice);
        if (same != 0) {
            *record = slot->record - 1;
            return same;
        }
    }
}

int rsi_base_rows_of(rsi_base_rows *rows, rsi_base *base, size_t record)
{
    const rsi_base_record *at;
    const rsi_base_record *behind;
    const rsi_base_row *last;
    const rsi_base_index *index = __atomic_load_n(&base->index, __ATOMIC_ACQUIRE);
    memset(rows, 0, sizeof *rows);
    int status = rsi_base_record_at(&at, base, record);
    if (status != RAGSTORE_OK)
        return status;
    rows->first = (size_t)at->first_row;
    rows->end = index->row_count;
    if (record + 1 < index->record_count) {
        status = rsi_base_record_at(&behind, base, record + 1);
        if (status != RAGSTORE_OK)
            return status;
        rows->end = (size_t)behind->first_row;
    }
    if (rows->end == rows->first)
        return RAGSTORE_OK;
    status = rsi_base_row_at(&last, base, rows->end - 1);
    if (status == RAGSTORE_OK)
        rows->next = last->number + 1;
    return status;
}

int rsi_base_row_number(uint64_t *number, rsi_base *base, size_t position)
{
    const rsi_base_row *row;
    int status = rsi_base_row_at(&row, base, position);
    if (status == RAGSTORE_OK)
        *number = row->number;
    return status;
}

int rsi_base_row_from(size_t *position, rsi_base *base, const rsi_base_rows *rows, uint64_t number)
{
    size_t low = rows->first;
    size_t high = rows->end;
    if (number >= rows->next)
        low = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t found;
        int status = rsi_base_row_number(&found, base, middle);
        if (status != RAGSTORE_OK)
            return status;
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    *position = low;
    return RAGSTORE_OK;
}

/* ---- order ---- */

int rsi_base_set_orders(rsi_base *base, const uint64_t *orders, size_t count)
{
    size_t capacity = 0;
    rsi_free(base->runs);
    base->runs = NULL;
    base->run_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && orders[i] == orders[i - 1] + 1)
            continue;
        if (!rsi_grow((void **)&base->runs, &capacity, base->run_count + 1, sizeof *base->runs))
            return RAGSTORE_E_NO_MEMORY;
        base->runs[base->run_count++] = (rsi_order_run){i, orders[i]};
    }
    if (count > 0)
        base->next_order = orders[count - 1] + 1;
    return RAGSTORE_OK;
}

uint64_t rsi_base_order(rsi_base *base, size_t record)
{
    size_t low = 0;
    size_t high = base->run_count;
    while (low < high) { /* the first run behind the record */
        size_t middle = low + (high - low) / 2;
        if (base->runs[middle].record <= record)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return record;
    return base->runs[low - 1].order + (record - base->runs[low - 1].record);
}

size_t rsi_base_from_order(rsi_base *base, uint64_t order)
{
    const size_t count = rsi_base_count(base);
    size_t low = 0;
    size_t high = base->run_count;
    if (base->run_count == 0)
        return order < count ? (size_t)order : count;
    while (low < high) { /* the first run that begins behind the order */
        size_t middle = low + (high - low) / 2;
        if (base->runs[middle].order <= order)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    const size_t end = low < base->run_count ? base->runs[low].record : count;
    const uint64_t record = base->runs[low - 1].record + (order - base->runs[low - 1].order);
    return record < end ? (size_t)record : end;
}

uint64_t rsi_base_next_order(rsi_base *base)
{
    return base->next_order;
}

/* ---- places, for messages ---- */

uint64_t rsi_base_record_offset(rsi_base *base, size_t record)
{
    const rsi_base_record *at;
    return rsi_base_record_at(&at, base, record) == RAGSTORE_OK ? at->line.offset : 0;
}

uint64_t rsi_base_row_offset(rsi_base *base, size_t position)
{
    const rsi_base_row *row;
    return rsi_base_row_at(&row, base, position) == RAGSTORE_OK ? row->line.offset : 0;
}
