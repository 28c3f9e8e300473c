/* Paths to fields: see field_path.h. */
#include "query/field_path.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* "0", "17", but not "", "01" or "x". */
static int64_t position_of(rsi_slice name)
{
    int64_t position = 0;

    if (name.size == 0 || name.size > 9 || (name.size > 1 && name.data[0] == '0'))
        return -1;
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return -1;
        position = position * 10 + (name.data[i] - '0');
    }
    return position;
}

int rsi_field_path_make(rsi_field_path *path, const char *text, size_t size)
{
    size_t count = 1;

    *path = (rsi_field_path){0};
    for (size_t i = 0; i < size; i++)
        count += text[i] == '.' ? 1 : 0;
    if (count > RSI_FIELD_PARTS_MAX)
        return rsi_fail(RAGSTORE_E_QUERY, "query", "a path of more than %d names",
                        RSI_FIELD_PARTS_MAX);
    path->text = rsi_memdup0(text, size);
    path->parts = rsi_alloc_array(count, sizeof *path->parts);
    if (path->text == NULL || path->parts == NULL) {
        rsi_field_path_free(path);
        return RAGSTORE_E_NO_MEMORY;
    }
    path->count = count;
    const char *at = path->text;
    for (size_t i = 0; i < count; i++) {
        const char *dot = i + 1 < count ? strchr(at, '.') : path->text + size;
        path->parts[i].name = (rsi_slice){at, (size_t)(dot - at)};
        path->parts[i].position = position_of(path->parts[i].name);
        at = dot + 1;
    }
    return RAGSTORE_OK;
}

void rsi_field_path_free(rsi_field_path *path)
{
    rsi_free(path->text);
    rsi_free(path->parts);
    *path = (rsi_field_path){0};
}

bool rsi_field_path_overlap(const rsi_field_path *a, const rsi_field_path *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (!rsi_slice_equal(a->parts[i].name, b->parts[i].name))
            return false;
    return true;
}

bool rsi_field_path_equal(const rsi_field_path *a, const rsi_field_path *b)
{
    return a->count == b->count && rsi_field_path_overlap(a, b);
}

/* ---- walking ---- */

typedef struct walk {
    const rsi_field_path *path;
    rsi_field_leaf leaf;
    rsi_field_visit *visit;
    void *user;
} walk;

static int tell(const walk *walked, const rsi_json_view *value)
{
    return walked->visit(walked->user, value) ? 0 : RSI_FIELD_STOPPED;
}

static int tell_missing(const walk *walked)
{
    rsi_json_view missing = {.kind = RSI_JSON_MISSING};
    return tell(walked, &missing);
}

static int each_from(const walk *walked, const rsi_field_start *start);

/* From an object through objects, to an array, a scalar, the end or nothing. */
static int follow_objects(rsi_field_start *start, const rsi_field_path *path,
                          const rsi_json_view *object, size_t part)
{
    start->value = *object;
    for (start->part = part; start->part < path->count; start->part++) {
        rsi_json_view container = start->value;
        if (container.kind == RSI_JSON_ARRAY)
            return 0;
        int found = rsi_json_view_get(&start->value, &container, path->parts[start->part].name);
        if (found < 0)
            return found;
        if (found == RSI_JSON_ABSENT)
            return 0;
    }
    return 0;
}

/* The path goes on behind the element whose position was its last part. */
static int each_at_position(const walk *walked, const rsi_json_view *element, size_t part)
{
    rsi_field_start start = {*element, part};

    if (part < walked->path->count && element->kind == RSI_JSON_OBJECT) {
        int status = follow_objects(&start, walked->path, element, part);
        if (status < 0)
            return status;
    } else if (part < walked->path->count && element->kind != RSI_JSON_ARRAY) {
        return 0;
    }
    return each_from(walked, &start);
}

/* The path goes on in an object of an array. A number that is no key of it may be a position in the
 * array only: *lacks. */
static int each_in_object(const walk *walked, const rsi_json_view *object, size_t part, bool *lacks)
{
    const rsi_field_part *next = &walked->path->parts[part];
    rsi_field_start start;
    rsi_json_view member;

    if (next->position >= 0) {
        int found = rsi_json_view_get(&member, object, next->name);
        *lacks = *lacks || found == RSI_JSON_ABSENT;
        if (found != RSI_JSON_FOUND)
            return found;
    }
    int status = follow_objects(&start, walked->path, object, part);
    return status < 0 ? status : each_from(walked, &start);
}

/* The path goes on in the array's elements. */
static int each_in_array(const walk *walked, const rsi_json_view *array, size_t part)
{
    int64_t wanted = walked->path->parts[part].position;
    rsi_json_cursor cursor = rsi_json_walk(array);
    rsi_json_view element;
    int64_t position = 0;
    bool lacks = false;
    int found;

    while ((found = rsi_json_next(&cursor, &element)) > 0) {
        int status = 0;
        if (element.kind == RSI_JSON_OBJECT)
            status = each_in_object(walked, &element, part, &lacks);
        if (status == 0 && position == wanted)
            status = each_at_position(walked, &element, part + 1);
        if (status != 0)
            return status;
        position++;
    }
    if (found == RSI_JSON_ABSENT && lacks && wanted >= position)
        return tell_missing(walked);
    return found;
}

static int each_element(const walk *walked, const rsi_json_view *array)
{
    rsi_json_cursor cursor = rsi_json_walk(array);
    rsi_json_view element;
    int status;

    while ((status = rsi_json_next(&cursor, &element)) > 0)
        if (tell(walked, &element) != 0)
            return RSI_FIELD_STOPPED;
    return status < 0 ? status : tell(walked, array);
}

static int each_from(const walk *walked, const rsi_field_start *start)
{
    if (start->part < walked->path->count)
        return start->value.kind == RSI_JSON_ARRAY
                   ? each_in_array(walked, &start->value, start->part)
                   : tell_missing(walked);
    if (start->value.kind == RSI_JSON_ARRAY && walked->leaf == RSI_FIELD_ELEMENTS)
        return each_element(walked, &start->value);
    return tell(walked, &start->value);
}

int rsi_field_path_start(rsi_field_start *start, const rsi_field_path *path,
                         const rsi_json_view *document)
{
    return follow_objects(start, path, document, 0);
}

int rsi_field_path_each_from(const rsi_field_path *path, const rsi_field_start *start,
                             rsi_field_leaf leaf, rsi_field_visit *visit, void *user)
{
    walk walked = {path, leaf, visit, user};
    return each_from(&walked, start);
}

int rsi_field_path_each(const rsi_field_path *path, const rsi_json_view *document,
                        rsi_field_leaf leaf, rsi_field_visit *visit, void *user)
{
    rsi_field_start start;
    int status = rsi_field_path_start(&start, path, document);
    return status < 0 ? status : rsi_field_path_each_from(path, &start, leaf, visit, user);
}
