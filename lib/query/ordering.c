/*
 * Sorting by several fields: see ordering.h.
 *
 * A sorter with a limit keeps at most twice as many documents as are wanted; when it is full, it
 * sorts and throws the second half away, so that a document costs O(log limit) on the average.
 */
#include "query/ordering.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/field_path.h"
#include "query/value_order.h"

#include <stdlib.h>
#include <string.h>

typedef struct field {
    rsi_field_path path; /* no parts: the value itself */
    bool descending;
} field;

struct rsi_ordering {
    field *fields;
    size_t count;
};

void rsi_ordering_free(rsi_ordering *ordering)
{
    if (ordering == NULL)
        return;
    for (size_t i = 0; i < ordering->count; i++)
        rsi_field_path_free(&ordering->fields[i].path);
    rsi_free(ordering->fields);
    rsi_free(ordering);
}

static int make_ordering(rsi_ordering **out, size_t count)
{
    rsi_ordering *ordering = rsi_alloc_zeroed(sizeof *ordering);
    if (ordering != NULL)
        ordering->fields = rsi_alloc_array(count, sizeof *ordering->fields);
    if (ordering == NULL || ordering->fields == NULL) {
        rsi_free(ordering);
        return RAGSTORE_E_NO_MEMORY;
    }
    *out = ordering;
    return RAGSTORE_OK;
}

int rsi_ordering_of_values(rsi_ordering **out, bool descending)
{
    *out = NULL;
    int status = make_ordering(out, 1);
    if (status == RAGSTORE_OK) {
        (*out)->count = 1;
        (*out)->fields[0].descending = descending;
    }
    return status;
}

static int compile_field(field *made, const char *name, const rsi_json *direction,
                         const rsi_place *place)
{
    double number = rsi_json_number(direction, 0);

    if (number != 1 && number != -1)
        return rsi_place_refuse(place, "the direction must be 1 or -1");
    if (name[0] == '$' || name[0] == '\0')
        return rsi_place_refuse(place, "a field must be named here");
    made->descending = number < 0;
    return rsi_place_wrap(place, rsi_field_path_make(&made->path, name, strlen(name)));
}

int rsi_ordering_compile(rsi_ordering **out, const rsi_json *sort, const rsi_place *place)
{
    size_t count = rsi_json_count(sort);
    void *iterator = NULL;
    const char *name;
    rsi_json *direction;

    *out = NULL;
    if (!rsi_json_is_object(sort) || count == 0 || count > RSI_ORDERING_FIELDS_MAX)
        return rsi_place_refuse(place, "an order must be an object of 1 to %d fields",
                                RSI_ORDERING_FIELDS_MAX);
    int status = make_ordering(out, count);
    while (status == RAGSTORE_OK && rsi_json_each(sort, &iterator, &name, &direction)) {
        rsi_place inner = rsi_place_member(place, name);
        status = compile_field(&(*out)->fields[(*out)->count++], name, direction, &inner);
    }
    if (status != RAGSTORE_OK) {
        rsi_ordering_free(*out);
        *out = NULL;
    }
    return status;
}

int rsi_ordering_compile_text(rsi_ordering **out, const char *json, size_t size)
{
    rsi_json *sort;

    *out = NULL;
    int status = rsi_json_parse(&sort, json, size, RSI_JSON_DEPTH_REQUEST);
    if (status == RAGSTORE_OK)
        status = rsi_ordering_compile(out, sort, NULL);
    rsi_json_free(sort);
    return rsi_wrap(status, "sort");
}

/* ---- keys ---- */

typedef struct choice {
    rsi_json_view best;
    bool descending;
    bool any;
    bool visited;
    int status;
} choice;

static void choose(choice *chosen, const rsi_json_view *value)
{
    int order = chosen->any ? rsi_value_compare(value, &chosen->best) : 0;
    if (!chosen->any || (chosen->descending ? order > 0 : order < 0))
        chosen->best = *value;
    chosen->any = true;
}

/* A tag below that of null. */
#define TAG_EMPTY_ARRAY 0x08

/* The elements of an array, or the value. */
static int choose_elements(choice *chosen, const rsi_json_view *value)
{
    rsi_json_cursor cursor = rsi_json_walk(value);
    rsi_json_view element;
    int found;

    if (value->kind != RSI_JSON_ARRAY) {
        choose(chosen, value);
        return RAGSTORE_OK;
    }
    while ((found = rsi_json_next(&cursor, &element)) > 0)
        choose(chosen, &element);
    return found;
}

static bool choose_visited(void *user, const rsi_json_view *value)
{
    choice *chosen = user;
    chosen->visited = true;
    chosen->status = choose_elements(chosen, value);
    return chosen->status == RAGSTORE_OK;
}

static int choose_from(choice *chosen, const field *sorted, const rsi_json_view *document)
{
    if (sorted->path.count == 0) {
        choose(chosen, document);
        return RAGSTORE_OK;
    }
    int status =
        rsi_field_path_each(&sorted->path, document, RSI_FIELD_WHOLE, choose_visited, chosen);
    if (!chosen->visited) { /* nowhere: as if null stood there */
        rsi_json_view missing = {.kind = RSI_JSON_MISSING};
        choose(chosen, &missing);
    }
    return status < 0 ? status : chosen->status;
}

int rsi_ordering_append_key(rsi_bytes *out, const rsi_ordering *ordering,
                            const rsi_json_view *document)
{
    for (size_t i = 0; i < ordering->count; i++) {
        const field *sorted = &ordering->fields[i];
        choice chosen = {.descending = sorted->descending};
        size_t start = out->size;
        int status = choose_from(&chosen, sorted, document);
        if (status >= 0 && chosen.any)
            status = rsi_value_append_key(out, &chosen.best);
        else if (status >= 0)
            rsi_bytes_append_char(out, TAG_EMPTY_ARRAY);
        if (status < 0)
            return status;
        for (size_t at = start; sorted->descending && at < out->size; at++)
            out->data[at] = (char)~(unsigned char)out->data[at];
    }
    return rsi_bytes_status(out);
}

/* ---- sorting ---- */

typedef struct entry {
    char *bytes; /* key, then text */
    size_t key_size;
    size_t text_size;
    uint64_t number; /* in the order of adding */
} entry;

struct rsi_sorter {
    const rsi_ordering *ordering;
    size_t limit;
    size_t max_bytes;
    entry *entries;
    size_t count;
    size_t capacity;
    size_t bytes;
    uint64_t added;
    rsi_bytes key;
    size_t next;
    bool sorted;
};

int rsi_sorter_new(rsi_sorter **out, const rsi_ordering *ordering, size_t limit, size_t max_bytes)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    (*out)->ordering = ordering;
    (*out)->limit = limit;
    (*out)->max_bytes = max_bytes;
    return RAGSTORE_OK;
}

static void drop_from(rsi_sorter *sorter, size_t first)
{
    for (size_t i = first; i < sorter->count; i++) {
        sorter->bytes -= sorter->entries[i].key_size + sorter->entries[i].text_size;
        rsi_free(sorter->entries[i].bytes);
    }
    if (first < sorter->count)
        sorter->count = first;
}

void rsi_sorter_free(rsi_sorter *sorter)
{
    if (sorter == NULL)
        return;
    drop_from(sorter, 0);
    rsi_free(sorter->entries);
    rsi_bytes_free(&sorter->key);
    rsi_free(sorter);
}

static int compare_entries(const void *a, const void *b)
{
    const entry *left = a;
    const entry *right = b;
    size_t shorter = left->key_size < right->key_size ? left->key_size : right->key_size;
    int order = memcmp(left->bytes, right->bytes, shorter);

    if (order != 0)
        return order;
    return (left->number > right->number) - (left->number < right->number);
}

static void sort_entries(rsi_sorter *sorter)
{
    if (sorter->count > 1)
        qsort(sorter->entries, sorter->count, sizeof *sorter->entries, compare_entries);
    if (sorter->limit > 0)
        drop_from(sorter, sorter->limit);
}

int rsi_sorter_add(rsi_sorter *sorter, const char *text, size_t size)
{
    rsi_json_view document;
    size_t needed;

    int status = rsi_json_view_of_text(&document, text, size);
    rsi_bytes_clear(&sorter->key);
    if (status == RAGSTORE_OK)
        status = rsi_ordering_append_key(&sorter->key, sorter->ordering, &document);
    if (status != RAGSTORE_OK)
        return status;
    if (sorter->limit > 0 && sorter->limit < SIZE_MAX / 2 && sorter->count >= 2 * sorter->limit)
        sort_entries(sorter);
    if (!rsi_add_size(sorter->key.size, size, &needed) ||
        !rsi_add_size(sorter->bytes, needed, &sorter->bytes))
        return rsi_fail_no_memory();
    if (sorter->max_bytes > 0 && sorter->bytes > sorter->max_bytes) {
        sorter->bytes -= needed;
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "query", "sorting needs more than %zu bytes",
                        sorter->max_bytes);
    }
    char *bytes = rsi_alloc(needed);
    if (bytes == NULL || !rsi_grow((void **)&sorter->entries, &sorter->capacity, sorter->count + 1,
                                   sizeof *sorter->entries)) {
        sorter->bytes -= needed;
        rsi_free(bytes);
        return RAGSTORE_E_NO_MEMORY;
    }
    memcpy(bytes, sorter->key.data, sorter->key.size);
    memcpy(bytes + sorter->key.size, text, size);
    sorter->entries[sorter->count++] = (entry){bytes, sorter->key.size, size, sorter->added++};
    return RAGSTORE_OK;
}

bool rsi_sorter_next(rsi_sorter *sorter, rsi_slice *text)
{
    if (!sorter->sorted)
        sort_entries(sorter);
    sorter->sorted = true;
    if (sorter->next == sorter->count)
        return false;
    const entry *found = &sorter->entries[sorter->next++];
    *text = (rsi_slice){found->bytes + found->key_size, found->text_size};
    return true;
}
