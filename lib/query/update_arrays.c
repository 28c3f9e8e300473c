/* The steps of an update that change arrays: see update_internal.h. */
#include "base/memory.h"
#include "base/status.h"
#include "query/update_internal.h"
#include "query/value_order.h"
#include "json/json_edit.h"

#include <stdlib.h>
#include <string.h>

/* The array to add to: the one there, or a new one. */
static int array_to_fill(rsi_json **array, rsi_edit *edit, const rsi_step *step)
{
    rsi_spot spot;

    *array = NULL;
    int status = rsi_edit_find(&spot, edit, &step->path, true);
    if (status == RAGSTORE_OK)
        status = rsi_edit_array(array, &spot);
    if (status != RAGSTORE_OK || *array != NULL)
        return status;
    status = rsi_json_new_array(array);
    if (status == RAGSTORE_OK)
        status = rsi_edit_put(&spot, *array);
    return status;
}

static int array_to_thin(rsi_json **array, rsi_edit *edit, const rsi_step *step)
{
    rsi_spot spot;

    *array = NULL;
    int status = rsi_edit_find(&spot, edit, &step->path, false);
    return status == RAGSTORE_OK ? rsi_edit_array(array, &spot) : status;
}

/* ---- $push ---- */

static size_t push_position(const rsi_step *step, size_t count)
{
    if (!step->has_position || step->position >= (int64_t)count)
        return count;
    if (step->position >= 0)
        return (size_t)step->position;
    return -step->position >= (int64_t)count ? 0 : count - (size_t)-step->position;
}

static void slice_array(rsi_json *array, int64_t slice)
{
    size_t count = rsi_json_count(array);
    size_t kept = slice < 0 ? (size_t)-slice : (size_t)slice;

    for (; count > kept; count--)
        rsi_json_remove_at(array, slice < 0 ? 0 : count - 1);
}

typedef struct sort_entry {
    rsi_bytes key;
    rsi_json *value;
    size_t position;
} sort_entry;

static int compare_sort_entries(const void *a, const void *b)
{
    const sort_entry *left = a;
    const sort_entry *right = b;
    size_t shorter = left->key.size < right->key.size ? left->key.size : right->key.size;
    int order = memcmp(left->key.data, right->key.data, shorter);

    if (order != 0)
        return order;
    return (left->position > right->position) - (left->position < right->position);
}

static int sort_array(rsi_json *array, const rsi_ordering *ordering)
{
    size_t count = rsi_json_count(array);
    int status = RAGSTORE_OK;

    sort_entry *entries = rsi_alloc_array(count, sizeof *entries);
    if (entries == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        entries[i].value = rsi_json_share(rsi_json_at(array, i));
        entries[i].position = i;
        rsi_json_view view = rsi_json_view_of(entries[i].value);
        if (status == RAGSTORE_OK)
            status = rsi_ordering_append_key(&entries[i].key, ordering, &view);
    }
    if (status == RAGSTORE_OK && count > 1)
        qsort(entries, count, sizeof *entries, compare_sort_entries);
    for (size_t i = 0; i < count; i++) {
        if (status == RAGSTORE_OK)
            status = rsi_json_replace(array, i, rsi_json_share(entries[i].value));
        rsi_json_free(entries[i].value);
        rsi_bytes_free(&entries[i].key);
    }
    rsi_free(entries);
    return status;
}

int rsi_step_push(rsi_edit *edit, const rsi_step *step)
{
    size_t added = step->each != NULL ? rsi_json_count(step->each) : 1;
    rsi_json *array;

    int status = array_to_fill(&array, edit, step);
    if (status != RAGSTORE_OK)
        return status;
    size_t position = push_position(step, rsi_json_count(array));
    for (size_t i = 0; status == RAGSTORE_OK && i < added; i++) {
        const rsi_json *value = step->each != NULL ? rsi_json_at(step->each, i) : step->operand;
        status = rsi_json_insert(array, position + i, rsi_json_share(value));
    }
    if (status == RAGSTORE_OK && step->ordering != NULL)
        status = sort_array(array, step->ordering);
    if (status == RAGSTORE_OK && step->has_slice)
        slice_array(array, step->slice);
    return status;
}

/* ---- $addToSet ---- */

static bool holds(const rsi_json *array, const rsi_json *value)
{
    rsi_json_view wanted = rsi_json_view_of(value);

    for (size_t i = 0; i < rsi_json_count(array); i++) {
        rsi_json_view element = rsi_json_view_of(rsi_json_at(array, i));
        if (rsi_value_compare(&element, &wanted) == 0)
            return true;
    }
    return false;
}

int rsi_step_add_to_set(rsi_edit *edit, const rsi_step *step)
{
    size_t added = step->each != NULL ? rsi_json_count(step->each) : 1;
    rsi_json *array;

    int status = array_to_fill(&array, edit, step);
    for (size_t i = 0; status == RAGSTORE_OK && i < added; i++) {
        const rsi_json *value = step->each != NULL ? rsi_json_at(step->each, i) : step->operand;
        if (!holds(array, value))
            status = rsi_json_append(array, rsi_json_share(value));
    }
    return status;
}

/* ---- $pull, $pullAll, $pop ---- */

static int is_pulled(bool *pulled, const rsi_step *step, const rsi_json *element)
{
    rsi_json_view view = rsi_json_view_of(element);

    *pulled = false;
    if (step->kind == RSI_STEP_PULL_ALL) {
        *pulled = holds(step->operand, element);
        return RAGSTORE_OK;
    }
    if (step->tests != NULL)
        return rsi_tests_ask_field(pulled, step->tests, step->test_count, &view);
    if (step->pull_document)
        return view.kind == RSI_JSON_OBJECT ? rsi_node_ask(pulled, &step->node, &view)
                                            : RAGSTORE_OK;
    rsi_json_view wanted = rsi_json_view_of(step->operand);
    *pulled = rsi_value_compare(&view, &wanted) == 0;
    return RAGSTORE_OK;
}

int rsi_step_pull(rsi_edit *edit, const rsi_step *step)
{
    rsi_json *array;

    int status = array_to_thin(&array, edit, step);
    for (size_t i = rsi_json_count(array); status == RAGSTORE_OK && i > 0; i--) {
        bool pulled;
        status = is_pulled(&pulled, step, rsi_json_at(array, i - 1));
        if (pulled)
            rsi_json_remove_at(array, i - 1);
    }
    return status;
}

int rsi_step_pop(rsi_edit *edit, const rsi_step *step)
{
    rsi_json *array;

    int status = array_to_thin(&array, edit, step);
    size_t count = rsi_json_count(array);
    if (status == RAGSTORE_OK && count > 0)
        rsi_json_remove_at(array, step->from_front ? 0 : count - 1);
    return status;
}
