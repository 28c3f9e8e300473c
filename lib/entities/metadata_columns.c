/* Members of metadata, side by side: see metadata_columns.h. */
#include "entities/metadata_columns.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

void rsi_columns_init(rsi_columns *columns)
{
    memset(columns, 0, sizeof *columns);
    pthread_mutex_init(&columns->mutex, NULL);
}

static void free_entries(rsi_column *column)
{
    rsi_free(column->entries);
    column->entries = NULL;
    column->count = 0;
    column->capacity = 0;
    rsi_bytes_free(&column->keys);
    column->has_several = false;
    column->until = 0;
}

void rsi_column_drop(rsi_column *column)
{
    free_entries(column);
    rsi_free(column->path);
    memset(column, 0, sizeof *column);
}

void rsi_columns_forget(rsi_columns *columns, int64_t chunk)
{
    pthread_mutex_lock(&columns->mutex);
    for (size_t i = 0; i < RSI_COLUMNS_KEPT; i++)
        if (columns->kept[i].until > chunk || chunk == 0)
            rsi_column_drop(&columns->kept[i]);
    pthread_mutex_unlock(&columns->mutex);
}

void rsi_columns_free(rsi_columns *columns)
{
    rsi_columns_forget(columns, 0);
    pthread_mutex_destroy(&columns->mutex);
}

static size_t memory_of(const rsi_column *column)
{
    return column->capacity * sizeof *column->entries + column->keys.capacity;
}

size_t rsi_columns_memory(rsi_columns *columns)
{
    size_t bytes = 0;
    pthread_mutex_lock(&columns->mutex);
    for (size_t i = 0; i < RSI_COLUMNS_KEPT; i++)
        bytes += memory_of(&columns->kept[i]);
    pthread_mutex_unlock(&columns->mutex);
    return bytes;
}

/* The place of a path, a free one, or that of the one that was not used for longest. */
static rsi_column *find(rsi_columns *columns, const char *path)
{
    rsi_column *oldest = &columns->kept[0];
    for (size_t i = 0; i < RSI_COLUMNS_KEPT; i++) {
        rsi_column *column = &columns->kept[i];
        if (column->path != NULL && strcmp(column->path, path) == 0)
            return column;
        if (oldest->path != NULL && (column->path == NULL || column->last_use < oldest->last_use))
            oldest = column;
    }
    rsi_column_drop(oldest);
    return oldest;
}

int rsi_columns_acquire(rsi_column **out, rsi_columns *columns, const char *path)
{
    *out = NULL;
    pthread_mutex_lock(&columns->mutex);
    rsi_column *column = find(columns, path);
    column->last_use = ++columns->uses;
    const bool is_wanted = column->is_wanted;
    if (column->path == NULL)
        column->path = rsi_strdup(path);
    column->is_wanted = column->path != NULL;
    if (is_wanted && !column->is_refused) {
        *out = column;
        return RAGSTORE_OK;
    }
    const int status = column->path == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    pthread_mutex_unlock(&columns->mutex);
    return status;
}

void rsi_columns_release(rsi_columns *columns)
{
    pthread_mutex_unlock(&columns->mutex);
}

int rsi_column_add(rsi_column *column, int64_t first, int64_t end, const char *key, size_t size)
{
    if (column->is_refused)
        return RAGSTORE_OK;
    if (memory_of(column) + size + sizeof *column->entries > RSI_COLUMN_BYTES_MAX) {
        free_entries(column);
        column->is_refused = true;
        return RAGSTORE_OK;
    }
    const rsi_column_entry *last = column->count == 0 ? NULL : &column->entries[column->count - 1];
    if (last != NULL && last->first == first && last->end == end)
        column->has_several = true;
    if (!rsi_grow((void **)&column->entries, &column->capacity, column->count + 1,
                  sizeof *column->entries))
        return RAGSTORE_E_NO_MEMORY;
    column->entries[column->count++] =
        (rsi_column_entry){first, end, (uint32_t)column->keys.size, (uint32_t)size};
    rsi_bytes_append(&column->keys, key, size);
    return rsi_bytes_status(&column->keys);
}

static int compare(const char *key, size_t size, const rsi_bytes *other)
{
    const size_t least = size < other->size ? size : other->size;
    const int order = least == 0 ? 0 : memcmp(key, other->data, least);
    return order != 0 ? order : (size > other->size) - (size < other->size);
}

static bool is_among(const char *key, size_t size, const rsi_constraint *constraint)
{
    size_t low = 0;
    size_t high = constraint->key_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare(key, size, &constraint->keys[middle]);
        if (order == 0)
            return true;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool is_between(const char *key, size_t size, const rsi_constraint *constraint)
{
    const int lower = compare(key, size, &constraint->lower);
    const int upper = compare(key, size, &constraint->upper);
    return (lower > 0 || (lower == 0 && constraint->lower_included)) &&
           (upper < 0 || (upper == 0 && constraint->upper_included));
}

int rsi_column_select(rsi_bitset *selected, const rsi_column *column,
                      const rsi_constraint *constraint)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < column->count; i++) {
        const rsi_column_entry *entry = &column->entries[i];
        const char *key = column->keys.data + entry->key;
        const bool passes = constraint->kind == RSI_CONSTRAINT_KEYS
                                ? is_among(key, entry->size, constraint)
                                : is_between(key, entry->size, constraint);
        for (int64_t chunk = entry->first;
             passes && status == RAGSTORE_OK && chunk < entry->end; chunk++)
            status = rsi_bitset_add(selected, chunk);
    }
    return status;
}
