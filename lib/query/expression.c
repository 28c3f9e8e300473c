/* Expressions: see expression.h. */
#include "query/expression.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/field_path.h"
#include "query/predicate.h"
#include "json/json_edit.h"

#include <string.h>

struct rsi_expression {
    rsi_json *tree;      /* a literal */
    rsi_field_path path; /* no parts: the document itself */
    bool is_path;
    rsi_expression **members; /* an object: of the same names as `tree` */
    size_t member_count;
};

void rsi_expression_free(rsi_expression *expression)
{
    if (expression == NULL)
        return;
    for (size_t i = 0; i < expression->member_count; i++)
        rsi_expression_free(expression->members[i]);
    rsi_free(expression->members);
    rsi_field_path_free(&expression->path);
    rsi_json_free(expression->tree);
    rsi_free(expression);
}

static int compile_path(rsi_expression *made, const char *text, const rsi_place *place)
{
    made->is_path = true;
    if (strcmp(text, "$$ROOT") == 0 || strcmp(text, "$$CURRENT") == 0)
        return RAGSTORE_OK;
    if (text[1] == '\0' || text[1] == '$' || text[1] == '.')
        return rsi_place_refuse(place, "no variable of this name is known");
    return rsi_place_wrap(place, rsi_field_path_make(&made->path, text + 1, strlen(text + 1)));
}

static int compile_object(rsi_expression *made, const rsi_json *value, const rsi_place *place)
{
    void *iterator = NULL;
    const char *name;
    rsi_json *member;
    int status = RAGSTORE_OK;

    made->members = rsi_alloc_array(rsi_json_count(value), sizeof *made->members);
    if (made->members == NULL)
        return RAGSTORE_E_NO_MEMORY;
    while (status == RAGSTORE_OK && rsi_json_each(value, &iterator, &name, &member)) {
        rsi_place inner = rsi_place_member(place, name);
        if (name[0] == '$')
            return rsi_place_refuse(&inner, "no expression of this name is known here");
        if (strchr(name, '.') != NULL)
            return rsi_place_refuse(&inner, "a name with a dot");
        status = rsi_expression_compile(&made->members[made->member_count++], member, &inner);
    }
    return status;
}

int rsi_expression_compile(rsi_expression **out, const rsi_json *value, const rsi_place *place)
{
    const char *text = rsi_json_text(value);
    const rsi_json *literal = rsi_json_get(value, "$literal");

    *out = NULL;
    int status = rsi_place_check_depth(place);
    if (status != RAGSTORE_OK)
        return status;
    rsi_expression *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (text != NULL && text[0] == '$')
        status = compile_path(made, text, place);
    else if (literal != NULL && rsi_json_count(value) == 1)
        made->tree = rsi_json_share(literal);
    else if (rsi_json_is_array(value))
        status = rsi_place_refuse(place, "an array stands in $literal only");
    else
        made->tree = rsi_json_share(value);
    if (status == RAGSTORE_OK && made->tree == value && rsi_json_is_object(value))
        status = compile_object(made, value, place);
    if (status != RAGSTORE_OK) {
        rsi_expression_free(made);
        return status;
    }
    *out = made;
    return RAGSTORE_OK;
}

/* ---- evaluating ---- */

static int follow(rsi_json_view *value, const rsi_field_path *path, size_t part,
                  rsi_bytes *scratch);

/* Arrays on the way become text, because the values found stand in different places. */
static int write_found(rsi_json_writer *writer, const rsi_field_path *path, size_t part,
                       const rsi_json_view *array)
{
    rsi_json_cursor cursor = rsi_json_walk(array);
    rsi_bytes inner = {0};
    rsi_json_view element;
    int status = RAGSTORE_OK;
    int found;

    rsi_json_begin_array(writer);
    while (status == RAGSTORE_OK && (found = rsi_json_next(&cursor, &element)) != RSI_JSON_ABSENT) {
        if (found < 0) {
            status = found;
            break;
        }
        rsi_bytes_clear(&inner);
        if (element.kind != RSI_JSON_OBJECT && element.kind != RSI_JSON_ARRAY)
            continue;
        status = follow(&element, path, part, &inner);
        if (status == RAGSTORE_OK && element.kind != RSI_JSON_MISSING)
            status = rsi_json_view_write(writer, &element);
    }
    rsi_json_end_array(writer);
    rsi_bytes_free(&inner);
    return status;
}

/* From *value on along the path; *value becomes what is found. */
static int follow(rsi_json_view *value, const rsi_field_path *path, size_t part, rsi_bytes *scratch)
{
    for (; part < path->count; part++) {
        rsi_json_view container = *value;
        if (container.kind == RSI_JSON_ARRAY) {
            rsi_bytes text = {0};
            rsi_json_writer writer = rsi_json_writer_of(&text);
            int status = write_found(&writer, path, part, &container);
            if (status == RAGSTORE_OK)
                status = rsi_bytes_status(&text);
            rsi_bytes_clear(scratch);
            rsi_bytes_append(scratch, text.data, text.size);
            rsi_bytes_free(&text);
            if (status == RAGSTORE_OK)
                status = rsi_bytes_status(scratch);
            return status == RAGSTORE_OK
                       ? rsi_json_view_of_text(value, scratch->data, scratch->size)
                       : status;
        }
        int found = rsi_json_view_get(value, &container, path->parts[part].name);
        if (found <= 0)
            return found;
    }
    return RAGSTORE_OK;
}

static int write_object(rsi_json_writer *writer, const rsi_expression *expression,
                        const rsi_json_view *document)
{
    void *iterator = NULL;
    const char *name;
    rsi_json *member;
    rsi_bytes scratch = {0};
    int status = RAGSTORE_OK;

    rsi_json_begin_object(writer);
    for (size_t i = 0;
         status == RAGSTORE_OK && rsi_json_each(expression->tree, &iterator, &name, &member); i++) {
        rsi_json_view value;
        status = rsi_expression_evaluate(&value, expression->members[i], document, &scratch);
        if (status != RAGSTORE_OK || value.kind == RSI_JSON_MISSING)
            continue;
        rsi_json_key(writer, name);
        status = rsi_json_view_write(writer, &value);
    }
    rsi_json_end_object(writer);
    rsi_bytes_free(&scratch);
    return status;
}

int rsi_expression_evaluate(rsi_json_view *value, const rsi_expression *expression,
                            const rsi_json_view *document, rsi_bytes *scratch)
{
    rsi_bytes_clear(scratch);
    *value = *document;
    if (expression->is_path)
        return follow(value, &expression->path, 0, scratch);
    *value = rsi_json_view_of(expression->tree);
    if (expression->members == NULL)
        return RAGSTORE_OK;
    rsi_json_writer writer = rsi_json_writer_of(scratch);
    int status = write_object(&writer, expression, document);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(scratch);
    return status == RAGSTORE_OK ? rsi_json_view_of_text(value, scratch->data, scratch->size)
                                 : status;
}
