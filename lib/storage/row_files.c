/* Files of vectors that are not flushed yet: see row_files.h. */
#include "storage/row_files.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILES_OPEN_MAX 4

static rsi_path path_of(const char *entity_id, uint32_t number)
{
    char below[64];
    snprintf(below, sizeof below, "vector_store/rows-%" PRIu32 ".rsv", number);
    return rsi_path_in_entity(entity_id, below);
}

static void free_entry(rsi_row_files *list, rsi_row_file *entry)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    list->count--;
    if (entry->file != NULL)
        list->open--;
    rsi_file_close(entry->file); /* flushed, or no concern of ours any more */
    rsi_free(entry);
    rsi_error_restore(&error);
}

static rsi_row_file **bucket_of(rsi_row_files *list, const char *entity_id, uint32_t number)
{
    uint32_t hash = 2166136261u ^ number;
    for (const char *at = entity_id; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &list->buckets[hash % RSI_ROW_FILE_BUCKETS];
}

/* Keep the file open, if there is one and that is allowed; without, it is opened to be flushed. */
static void keep_open(rsi_row_files *list, rsi_row_file *entry, rsi_root *root)
{
    rsi_saved_error error;
    if (list->open >= FILES_OPEN_MAX)
        return;
    rsi_error_save(&error);
    if (rsi_file_open(&entry->file, root, path_of(entry->entity_id, entry->number).text,
                      RSI_OPEN_WRITE) == RAGSTORE_OK)
        list->open++;
    rsi_error_restore(&error);
}

/* A file that was written again without its dead rows was flushed, and another one is meant now. */
static void follow_name(rsi_row_files *list, rsi_row_file *entry, rsi_root *root)
{
    bool linked = false;
    rsi_saved_error error;
    if (entry->file == NULL)
        return;
    rsi_error_save(&error);
    if (rsi_file_is_linked(entry->file, &linked) != RAGSTORE_OK || !linked) {
        rsi_file_close(entry->file);
        entry->file = NULL;
        list->open--;
        keep_open(list, entry, root);
    }
    rsi_error_restore(&error);
}

int rsi_row_files_note(rsi_row_files *list, rsi_root *root, const char *entity_id, uint32_t number,
                       uint64_t sequence)
{
    rsi_row_file **bucket = bucket_of(list, entity_id, number);
    rsi_row_file *entry = *bucket;
    while (entry != NULL && (entry->number != number || strcmp(entry->entity_id, entity_id) != 0))
        entry = entry->next;
    if (entry != NULL) {
        if (sequence == UINT64_MAX)
            follow_name(list, entry, root);
        entry->sequence = sequence;
        return RAGSTORE_OK;
    }
    const size_t size = strlen(entity_id) + 1;
    entry = rsi_alloc_zeroed(sizeof *entry + size);
    if (entry == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(entry->entity_id, entity_id, size);
    entry->number = number;
    entry->sequence = sequence;
    entry->next = *bucket;
    *bucket = entry;
    list->count++;
    keep_open(list, entry, root);
    return RAGSTORE_OK;
}

static void forget_in(rsi_row_files *list, rsi_row_file **at, const char *entity_id,
                      uint64_t sequence)
{
    while (*at != NULL) {
        rsi_row_file *entry = *at;
        if (entity_id != NULL ? strcmp(entry->entity_id, entity_id) != 0
                              : entry->sequence > sequence) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        free_entry(list, entry);
    }
}

void rsi_row_files_forget(rsi_row_files *list, uint64_t sequence)
{
    for (size_t i = 0; i < RSI_ROW_FILE_BUCKETS; i++)
        forget_in(list, &list->buckets[i], NULL, sequence);
}

void rsi_row_files_forget_entity(rsi_row_files *list, const char *entity_id)
{
    for (size_t i = 0; i < RSI_ROW_FILE_BUCKETS; i++)
        forget_in(list, &list->buckets[i], entity_id, 0);
}

void rsi_row_files_move(rsi_row_files *list, rsi_row_files *from)
{
    for (size_t i = 0; i < RSI_ROW_FILE_BUCKETS; i++) {
        rsi_row_file **end = &from->buckets[i];
        while (*end != NULL)
            end = &(*end)->next;
        *end = list->buckets[i];
        list->buckets[i] = from->buckets[i];
    }
    list->count += from->count;
    list->open += from->open;
    *from = (rsi_row_files){0};
}

void rsi_row_files_free(rsi_row_files *list)
{
    rsi_row_files_forget(list, UINT64_MAX);
}

int rsi_row_file_flush(rsi_root *root, const char *entity_id, uint32_t number)
{
    rsi_file *file;
    int status = rsi_file_open(&file, root, path_of(entity_id, number).text, RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_flush_data(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

static int flush_entry(const rsi_row_file *entry, rsi_root *root)
{
    if (entry->file != NULL)
        return rsi_file_flush_data(entry->file);
    int status = rsi_row_file_flush(root, entry->entity_id, entry->number);
    /* its rows, or all of the entity, may have been deleted */
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

int rsi_row_files_flush(const rsi_row_files *list, rsi_root *root)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < RSI_ROW_FILE_BUCKETS; i++)
        for (const rsi_row_file *entry = list->buckets[i]; status == RAGSTORE_OK && entry != NULL;
             entry = entry->next)
            status = flush_entry(entry, root);
    return rsi_wrap(status, "flush vectors");
}
