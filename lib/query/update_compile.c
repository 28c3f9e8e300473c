/* From an update to ordered steps: see update_internal.h. */
#include "base/memory.h"
#include "base/status.h"
#include "query/update_internal.h"
#include "json/json_edit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef int operand_checker(rsi_step *step, const rsi_place *place);

void rsi_step_release(rsi_step *step)
{
    rsi_field_path_free(&step->path);
    rsi_field_path_free(&step->target);
    rsi_ordering_free(step->ordering);
    rsi_node_release(&step->node);
    rsi_tests_release(step->tests, step->test_count);
}

/* A path that can be written to. */
static int make_path(rsi_field_path *path, const char *text, const rsi_place *place)
{
    int status = rsi_field_path_make(path, text, strlen(text));

    if (status != RAGSTORE_OK)
        return rsi_place_wrap(place, status);
    for (size_t i = 0; i < path->count; i++) {
        if (path->parts[i].name.size == 0)
            return rsi_place_refuse(place, "an empty name in the path");
        if (path->parts[i].name.data[0] == '$')
            return rsi_place_refuse(place, "a name in the path must not begin with $; positional "
                                           "operators are not supported");
    }
    return RAGSTORE_OK;
}

/* ---- operands ---- */

static int check_any(rsi_step *step, const rsi_place *place)
{
    (void)step;
    (void)place;
    return RAGSTORE_OK;
}

static int check_number(rsi_step *step, const rsi_place *place)
{
    return rsi_json_is_number(step->operand) ? RAGSTORE_OK
                                             : rsi_place_refuse(place, "it needs a number");
}

static int check_rename(rsi_step *step, const rsi_place *place)
{
    if (!rsi_json_is_string(step->operand))
        return rsi_place_refuse(place, "it needs the new name as a text");
    int status = make_path(&step->target, rsi_json_text(step->operand), place);
    if (status == RAGSTORE_OK && rsi_field_path_overlap(&step->path, &step->target))
        status = rsi_place_refuse(place, "the new name is the old one, or lies in it");
    return status;
}

static int check_date(rsi_step *step, const rsi_place *place)
{
    const char *type = rsi_json_get_text(step->operand, "$type");

    if (rsi_json_true(step->operand))
        return RAGSTORE_OK;
    if (type != NULL && rsi_json_count(step->operand) == 1 && strcmp(type, "date") == 0)
        return RAGSTORE_OK;
    return rsi_place_refuse(place, "it needs true or {\"$type\": \"date\"}");
}

static bool whole(int64_t *out, const rsi_json *value)
{
    double real = rsi_json_number(value, NAN);

    if (rsi_json_is_integer(value)) {
        *out = rsi_json_integer(value, 0);
        return *out > -INT64_MAX;
    }
    if (!(real > -1e15 && real < 1e15) || real != floor(real))
        return false;
    *out = (int64_t)real;
    return true;
}

static int read_push_sort(rsi_step *step, const rsi_json *value, const rsi_place *place)
{
    double direction = rsi_json_number(value, 0);

    if (rsi_json_is_object(value))
        return rsi_ordering_compile(&step->ordering, value, place);
    if (direction != 1 && direction != -1)
        return rsi_place_refuse(place, "it needs 1, -1 or an object of fields");
    return rsi_ordering_of_values(&step->ordering, direction < 0);
}

static int read_modifier(rsi_step *step, const char *name, const rsi_json *value, bool pushes,
                         const rsi_place *place)
{
    if (strcmp(name, "$each") == 0) {
        step->each = value;
        return rsi_json_is_array(value) ? RAGSTORE_OK
                                        : rsi_place_refuse(place, "it needs an array");
    }
    if (pushes && strcmp(name, "$position") == 0) {
        step->has_position = true;
        return whole(&step->position, value) ? RAGSTORE_OK
                                             : rsi_place_refuse(place, "it needs a whole number");
    }
    if (pushes && strcmp(name, "$slice") == 0) {
        step->has_slice = true;
        return whole(&step->slice, value) ? RAGSTORE_OK
                                          : rsi_place_refuse(place, "it needs a whole number");
    }
    if (pushes && strcmp(name, "$sort") == 0)
        return read_push_sort(step, value, place);
    return rsi_place_refuse(place, "no modifier of this name is known here");
}

/* {"$each": […], …}, or a plain value. */
static int check_each(rsi_step *step, const rsi_place *place)
{
    bool pushes = step->kind == RSI_STEP_PUSH;
    void *iterator = NULL;
    const char *name;
    rsi_json *value;
    int status = RAGSTORE_OK;

    if (rsi_json_get(step->operand, "$each") == NULL && !rsi_is_operators(step->operand))
        return RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_json_each(step->operand, &iterator, &name, &value)) {
        rsi_place inner = rsi_place_member(place, name);
        status = read_modifier(step, name, value, pushes, &inner);
    }
    if (status == RAGSTORE_OK && step->each == NULL)
        status = rsi_place_refuse(place, "modifiers need $each beside them");
    return status;
}

static int check_array(rsi_step *step, const rsi_place *place)
{
    return rsi_json_is_array(step->operand) ? RAGSTORE_OK
                                            : rsi_place_refuse(place, "it needs an array");
}

static int check_pop(rsi_step *step, const rsi_place *place)
{
    double side = rsi_json_number(step->operand, 0);

    step->from_front = side == -1;
    return side == 1 || side == -1 ? RAGSTORE_OK
                                   : rsi_place_refuse(place, "it needs 1 (last) or -1 (first)");
}

static int check_pull(rsi_step *step, const rsi_place *place)
{
    if (rsi_is_operators(step->operand))
        return rsi_tests_compile(&step->tests, &step->test_count, step->operand, place);
    step->pull_document = rsi_json_is_object(step->operand);
    return step->pull_document ? rsi_node_compile(&step->node, step->operand, place) : RAGSTORE_OK;
}

static const struct {
    const char *name;
    rsi_step_kind kind;
    operand_checker *check;
} operators[] = {
    {"$set", RSI_STEP_SET, check_any},
    {"$setOnInsert", RSI_STEP_SET_ON_INSERT, check_any},
    {"$unset", RSI_STEP_UNSET, check_any},
    {"$inc", RSI_STEP_INC, check_number},
    {"$mul", RSI_STEP_MUL, check_number},
    {"$min", RSI_STEP_MIN, check_any},
    {"$max", RSI_STEP_MAX, check_any},
    {"$rename", RSI_STEP_RENAME, check_rename},
    {"$currentDate", RSI_STEP_CURRENT_DATE, check_date},
    {"$push", RSI_STEP_PUSH, check_each},
    {"$addToSet", RSI_STEP_ADD_TO_SET, check_each},
    {"$pull", RSI_STEP_PULL, check_pull},
    {"$pullAll", RSI_STEP_PULL_ALL, check_array},
    {"$pop", RSI_STEP_POP, check_pop},
};

/* ---- steps ---- */

static int compile_operator(rsi_update *update, const char *name, const rsi_json *fields,
                            const rsi_place *place)
{
    void *iterator = NULL;
    const char *path;
    rsi_json *operand;
    size_t found = 0;
    int status = RAGSTORE_OK;

    while (found < sizeof operators / sizeof *operators && strcmp(name, operators[found].name) != 0)
        found++;
    if (found == sizeof operators / sizeof *operators)
        return rsi_place_refuse(place, name[0] == '$'
                                           ? "no update operator of this name is known"
                                           : "an update consists of operators such as $set");
    if (!rsi_json_is_object(fields))
        return rsi_place_refuse(place, "it needs an object of fields");
    while (status == RAGSTORE_OK && rsi_json_each(fields, &iterator, &path, &operand)) {
        rsi_place inner = rsi_place_member(place, path);
        rsi_step *step = &update->steps[update->step_count++];
        step->kind = operators[found].kind;
        step->operator_name = operators[found].name;
        step->operand = operand;
        status = make_path(&step->path, path, &inner);
        if (status == RAGSTORE_OK)
            status = operators[found].check(step, &inner);
    }
    return status;
}

static int compare_parts(const rsi_field_part *a, const rsi_field_part *b)
{
    if (a->position >= 0 && b->position >= 0)
        return (a->position > b->position) - (a->position < b->position);
    size_t shorter = a->name.size < b->name.size ? a->name.size : b->name.size;
    int order = memcmp(a->name.data, b->name.data, shorter);
    return order != 0 ? order : (a->name.size > b->name.size) - (a->name.size < b->name.size);
}

static int compare_steps(const void *a, const void *b)
{
    const rsi_field_path *left = &((const rsi_step *)a)->path;
    const rsi_field_path *right = &((const rsi_step *)b)->path;

    for (size_t i = 0; i < left->count && i < right->count; i++) {
        int order = compare_parts(&left->parts[i], &right->parts[i]);
        if (order != 0)
            return order;
    }
    return (left->count > right->count) - (left->count < right->count);
}

static const rsi_field_path *overlap(const rsi_field_path *path, const rsi_step *step)
{
    if (rsi_field_path_overlap(path, &step->path))
        return &step->path;
    if (step->kind == RSI_STEP_RENAME && rsi_field_path_overlap(path, &step->target))
        return &step->target;
    return NULL;
}

/* Overlapping paths stand beside each other once sorted, but targets of renames do not. */
static int check_conflicts(const rsi_update *update)
{
    for (size_t i = 0; i < update->step_count; i++) {
        const rsi_step *step = &update->steps[i];
        const rsi_field_path *other =
            i > 0 && rsi_field_path_overlap(&step->path, &update->steps[i - 1].path)
                ? &update->steps[i - 1].path
                : NULL;
        const rsi_field_path *path = &step->path;
        for (size_t j = 0; step->kind == RSI_STEP_RENAME && other == NULL && j < update->step_count;
             j++) {
            path = &step->target;
            if (j != i)
                other = overlap(path, &update->steps[j]);
        }
        if (other != NULL)
            return rsi_fail(RAGSTORE_E_QUERY, "query",
                            "\"%s\" and \"%s\" would both be changed, and one lies in the other",
                            path->text, other->text);
    }
    return RAGSTORE_OK;
}

static int compile_steps(rsi_update *update, const rsi_json *tree)
{
    void *iterator = NULL;
    const char *name;
    rsi_json *fields;
    size_t count = 0;
    int status = RAGSTORE_OK;

    if (!rsi_json_is_object(tree) || rsi_json_count(tree) == 0)
        return rsi_fail(RAGSTORE_E_QUERY, "query", "it must be an object of operators");
    while (rsi_json_each(tree, &iterator, &name, &fields))
        count += rsi_json_count(fields);
    update->steps = rsi_alloc_array(count, sizeof *update->steps);
    if (update->steps == NULL)
        return RAGSTORE_E_NO_MEMORY;
    iterator = NULL;
    while (status == RAGSTORE_OK && rsi_json_each(tree, &iterator, &name, &fields)) {
        rsi_place place = rsi_place_member(NULL, name);
        status = compile_operator(update, name, fields, &place);
    }
    if (status != RAGSTORE_OK)
        return status;
    qsort(update->steps, update->step_count, sizeof *update->steps, compare_steps);
    return check_conflicts(update);
}

int rsi_update_compile(rsi_update **out, const rsi_json *tree)
{
    *out = NULL;
    rsi_update *update = rsi_alloc_zeroed(sizeof *update);
    if (update == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = compile_steps(update, tree);
    if (status != RAGSTORE_OK) {
        rsi_update_free(update);
        return rsi_wrap(status, "update");
    }
    update->tree = rsi_json_share(tree);
    *out = update;
    return RAGSTORE_OK;
}

int rsi_update_compile_text(rsi_update **out, const char *json, size_t size)
{
    rsi_json *tree;

    *out = NULL;
    int status = rsi_json_parse(&tree, json, size, RSI_QUERY_DEPTH);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "update");
    status = rsi_update_compile(out, tree);
    rsi_json_free(tree);
    return status;
}

void rsi_update_free(rsi_update *update)
{
    if (update == NULL)
        return;
    for (size_t i = 0; i < update->step_count; i++)
        rsi_step_release(&update->steps[i]);
    rsi_free(update->steps);
    rsi_json_free(update->tree);
    rsi_free(update);
}
