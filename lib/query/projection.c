/*
 * Projections: see projection.h.
 *
 *   {"a": 1, "b": {"c": 1}, "b.d": 1}      ─┬─ a
 *                                           └─ b ─┬─ c
 *                                                 └─ d
 *
 * A node without children is a whole member, told or left out; one with children is looked into.
 */
#include "query/projection.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/expression.h"
#include "query/field_path.h"

#include <string.h>

typedef struct node {
    char *name;
    size_t name_size;
    struct node *children;
    size_t count;
    size_t capacity;
    rsi_expression *expression; /* computed */
} node;

typedef enum mode {
    MODE_OPEN, /* nothing but _id was said */
    MODE_INCLUDE,
    MODE_EXCLUDE,
} mode;

struct rsi_projection {
    node root;
    mode mode;
    bool id_said, id_told;
    bool with_expressions;
};

static void release_node(node *released)
{
    for (size_t i = 0; i < released->count; i++)
        release_node(&released->children[i]);
    rsi_free(released->children);
    rsi_free(released->name);
    rsi_expression_free(released->expression);
}

void rsi_projection_free(rsi_projection *projection)
{
    if (projection == NULL)
        return;
    release_node(&projection->root);
    rsi_free(projection);
}

static node *find_child(const node *parent, const rsi_json_view *name)
{
    for (size_t i = 0; i < parent->count; i++) {
        rsi_json_view own =
            rsi_json_view_of_string(parent->children[i].name, parent->children[i].name_size);
        if (rsi_json_view_compare_texts(&own, name) == 0)
            return &parent->children[i];
    }
    return NULL;
}

static node *add_child(node *parent, rsi_slice name)
{
    char *copy = rsi_memdup0(name.data, name.size);

    if (copy == NULL || !rsi_grow((void **)&parent->children, &parent->capacity, parent->count + 1,
                                  sizeof *parent->children)) {
        rsi_free(copy);
        return NULL;
    }
    node *child = &parent->children[parent->count++];
    *child = (node){.name = copy, .name_size = name.size};
    return child;
}

/* The node of a path below `parent`; QUERY when a whole member is said to have parts. */
static int add_path(node **added, node *parent, const rsi_field_path *path, const rsi_place *place)
{
    for (size_t i = 0; i < path->count; i++) {
        rsi_slice name = path->parts[i].name;
        rsi_json_view view = rsi_json_view_of_string(name.data, name.size);
        node *child = find_child(parent, &view);
        if (name.size == 0 || name.data[0] == '$')
            return rsi_place_refuse(place, "a name that is empty or begins with $");
        if (child != NULL && (i + 1 == path->count || child->count == 0))
            return rsi_place_refuse(place, "this path and another one lie in each other");
        if (child == NULL)
            child = add_child(parent, name);
        if (child == NULL)
            return RAGSTORE_E_NO_MEMORY;
        parent = child;
    }
    *added = parent;
    return RAGSTORE_OK;
}

static int set_mode(rsi_projection *made, mode wanted, const rsi_place *place)
{
    if (made->mode != MODE_OPEN && made->mode != wanted)
        return rsi_place_refuse(place, "members cannot be told and left out at once");
    made->mode = wanted;
    return RAGSTORE_OK;
}

static int compile_members(rsi_projection *made, node *parent, const rsi_json *members,
                           bool outermost, const rsi_place *place);

static int compile_expression(rsi_projection *made, node *parent, const char *name,
                              const rsi_json *value, bool outermost, const rsi_place *place)
{
    if (!made->with_expressions || !outermost || strchr(name, '.') != NULL)
        return rsi_place_refuse(place, "it needs 1 or 0");
    int status = strcmp(name, "_id") == 0 ? RAGSTORE_OK : set_mode(made, MODE_INCLUDE, place);
    node *child = status == RAGSTORE_OK ? add_child(parent, rsi_slice_of(name)) : NULL;
    if (status == RAGSTORE_OK && child == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    return status == RAGSTORE_OK ? rsi_expression_compile(&child->expression, value, place)
                                 : status;
}

static int compile_member(rsi_projection *made, node *parent, const char *name,
                          const rsi_json *value, bool outermost, const rsi_place *place)
{
    bool is_flag = rsi_json_is_bool(value) || rsi_json_is_number(value);
    bool told = rsi_json_true(value) || rsi_json_number(value, 0) != 0;
    void *iterator = NULL;
    const char *first = "";
    rsi_json *member = NULL;
    rsi_field_path path;
    node *added = NULL;

    if (is_flag && outermost && strcmp(name, "_id") == 0) {
        made->id_said = true;
        made->id_told = told;
        return RAGSTORE_OK;
    }
    if (rsi_json_is_object(value) && !rsi_json_each(value, &iterator, &first, &member))
        return rsi_place_refuse(place, "an empty object");
    if (!is_flag && (!rsi_json_is_object(value) || first[0] == '$' || rsi_json_is_string(member)))
        return compile_expression(made, parent, name, value, outermost, place);
    int status = is_flag ? set_mode(made, told ? MODE_INCLUDE : MODE_EXCLUDE, place) : RAGSTORE_OK;
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_field_path_make(&path, name, strlen(name));
    if (status != RAGSTORE_OK)
        return rsi_place_wrap(place, status);
    status = add_path(&added, parent, &path, place);
    if (status == RAGSTORE_OK && !is_flag)
        status = compile_members(made, added, value, false, place);
    rsi_field_path_free(&path);
    return status;
}

static int compile_members(rsi_projection *made, node *parent, const rsi_json *members,
                           bool outermost, const rsi_place *place)
{
    void *iterator = NULL;
    const char *name;
    rsi_json *value;

    int status = rsi_place_check_depth(place);
    while (status == RAGSTORE_OK && rsi_json_each(members, &iterator, &name, &value)) {
        rsi_place inner = rsi_place_member(place, name);
        status = compile_member(made, parent, name, value, outermost, &inner);
    }
    return status;
}

int rsi_projection_compile(rsi_projection **out, const rsi_json *projection, bool with_expressions,
                           const rsi_place *place)
{
    *out = NULL;
    if (!rsi_json_is_object(projection))
        return rsi_place_refuse(place, "a projection must be an object");
    rsi_projection *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    made->with_expressions = with_expressions;
    int status = compile_members(made, &made->root, projection, true, place);
    if (status != RAGSTORE_OK) {
        rsi_projection_free(made);
        return status;
    }
    if (made->mode == MODE_OPEN)
        made->mode = made->id_said && made->id_told ? MODE_INCLUDE : MODE_EXCLUDE;
    *out = made;
    return RAGSTORE_OK;
}

int rsi_projection_compile_text(rsi_projection **out, const char *json, size_t size)
{
    rsi_json *projection;

    *out = NULL;
    int status = rsi_json_parse(&projection, json, size, RSI_JSON_DEPTH_REQUEST);
    if (status == RAGSTORE_OK)
        status = rsi_projection_compile(out, projection, false, NULL);
    rsi_json_free(projection);
    return rsi_wrap(status, "projection");
}

/* ---- writing ---- */

static int write_part(rsi_json_writer *writer, const node *parent, mode how,
                      const rsi_json_view *value);

static int write_key(rsi_json_writer *writer, const rsi_json_view *key)
{
    rsi_bytes name = {0};

    rsi_json_view_append_text(&name, key);
    int status = rsi_bytes_status(&name);
    if (status == RAGSTORE_OK)
        rsi_json_key(writer, name.data != NULL ? name.data : "");
    rsi_bytes_free(&name);
    return status;
}

static int write_member(rsi_json_writer *writer, const node *child, mode how,
                        const rsi_json_view *key, const rsi_json_view *value)
{
    bool container = value->kind == RSI_JSON_OBJECT || value->kind == RSI_JSON_ARRAY;
    bool whole = child == NULL || child->count == 0;

    if (whole && (child != NULL) != (how == MODE_INCLUDE))
        return RAGSTORE_OK;
    if (!whole && !container && how == MODE_INCLUDE)
        return RAGSTORE_OK;
    int status = write_key(writer, key);
    if (status != RAGSTORE_OK)
        return status;
    return whole || !container ? rsi_json_view_write(writer, value)
                               : write_part(writer, child, how, value);
}

static int write_elements(rsi_json_writer *writer, const node *parent, mode how,
                          const rsi_json_view *array)
{
    rsi_json_cursor cursor = rsi_json_walk(array);
    rsi_json_view element;
    int status = RAGSTORE_OK;
    int found = 0;

    rsi_json_begin_array(writer);
    while (status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &element)) > 0) {
        if (element.kind == RSI_JSON_OBJECT || element.kind == RSI_JSON_ARRAY)
            status = write_part(writer, parent, how, &element);
        else if (how == MODE_EXCLUDE)
            status = rsi_json_view_write(writer, &element);
    }
    rsi_json_end_array(writer);
    return found < 0 ? found : status;
}

static int write_part(rsi_json_writer *writer, const node *parent, mode how,
                      const rsi_json_view *value)
{
    rsi_json_cursor cursor = rsi_json_walk(value);
    rsi_json_view member;
    int status = RAGSTORE_OK;
    int found = 0;

    if (value->kind == RSI_JSON_ARRAY)
        return write_elements(writer, parent, how, value);
    rsi_json_begin_object(writer);
    while (status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &member)) > 0)
        status = write_member(writer, find_child(parent, &cursor.key), how, &cursor.key, &member);
    rsi_json_end_object(writer);
    return found < 0 ? found : status;
}

static int write_computed(rsi_json_writer *writer, const rsi_projection *projection,
                          const rsi_json_view *document)
{
    rsi_bytes scratch = {0};
    int status = RAGSTORE_OK;

    for (size_t i = 0; status == RAGSTORE_OK && i < projection->root.count; i++) {
        const node *child = &projection->root.children[i];
        rsi_json_view value;
        if (child->expression == NULL)
            continue;
        status = rsi_expression_evaluate(&value, child->expression, document, &scratch);
        if (status != RAGSTORE_OK || value.kind == RSI_JSON_MISSING)
            continue;
        rsi_json_key(writer, child->name);
        status = rsi_json_view_write(writer, &value);
    }
    rsi_bytes_free(&scratch);
    return status;
}

/* Of the outermost object: _id has its own rule, and computed members are not copied. */
static int write_outer_member(rsi_json_writer *writer, const rsi_projection *projection,
                              const rsi_json_view *key, const rsi_json_view *value)
{
    rsi_json_view id = rsi_json_view_of_string("_id", 3);
    const node *child = find_child(&projection->root, key);

    if (child != NULL && child->expression != NULL)
        return RAGSTORE_OK;
    if (child == NULL && rsi_json_view_compare_texts(key, &id) == 0) {
        if (projection->id_said && !projection->id_told)
            return RAGSTORE_OK;
        int status = write_key(writer, key);
        return status == RAGSTORE_OK ? rsi_json_view_write(writer, value) : status;
    }
    return write_member(writer, child, projection->mode, key, value);
}

int rsi_projection_write(rsi_bytes *out, const rsi_projection *projection,
                         const rsi_json_view *document)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_cursor cursor = rsi_json_walk(document);
    rsi_json_view member;
    int status = RAGSTORE_OK;
    int found = 0;

    rsi_json_begin_object(&writer);
    while (status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &member)) > 0)
        status = write_outer_member(&writer, projection, &cursor.key, &member);
    if (status == RAGSTORE_OK && found == 0)
        status = write_computed(&writer, projection, document);
    rsi_json_end_object(&writer);
    if (found < 0)
        return found;
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
