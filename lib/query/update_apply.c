/*
 * Applying an update: see update.h. The steps on arrays are in update_arrays.c.
 *
 * The new document begins as a copy of the outermost object; each step makes the containers on its
 * way its own before it changes them. A failure throws the new document away.
 */
#include "base/clock.h"
#include "base/status.h"
#include "query/update_internal.h"
#include "query/value_order.h"
#include "json/json_edit.h"

#include <math.h>
#include <string.h>

static int put_shared(rsi_edit *edit, const rsi_step *step, const rsi_json *value)
{
    rsi_spot spot;

    int status = rsi_edit_find(&spot, edit, &step->path, true);
    return status == RAGSTORE_OK ? rsi_edit_put(&spot, rsi_json_share(value)) : status;
}

static int unset(rsi_edit *edit, const rsi_field_path *path)
{
    rsi_spot spot;

    int status = rsi_edit_find(&spot, edit, path, false);
    if (status != RAGSTORE_OK || spot.container == NULL || spot.value == NULL)
        return status;
    if (rsi_json_is_object(spot.container)) {
        rsi_json_remove(spot.container, spot.name);
        return RAGSTORE_OK;
    }
    return rsi_edit_put(&spot, rsi_json_new_null()); /* positions stay what they are */
}

/* ---- numbers ---- */

static int add_numbers(rsi_json **out, const rsi_json *a, const rsi_json *b, bool multiply)
{
    int64_t whole;

    if (rsi_json_is_integer(a) && rsi_json_is_integer(b)) {
        int64_t x = rsi_json_integer(a, 0), y = rsi_json_integer(b, 0);
        bool over =
            multiply ? __builtin_mul_overflow(x, y, &whole) : __builtin_add_overflow(x, y, &whole);
        return over ? rsi_fail(RAGSTORE_E_QUERY, "query", "the result does not fit 64 bits")
                    : rsi_json_new_integer(out, whole);
    }
    double x = rsi_json_number(a, 0), y = rsi_json_number(b, 0);
    double real = multiply ? x * y : x + y;
    return isfinite(real) ? rsi_json_new_real(out, real == 0 ? 0 : real)
                          : rsi_fail(RAGSTORE_E_QUERY, "query", "the result is no finite number");
}

static int calculate(rsi_edit *edit, const rsi_step *step)
{
    bool multiply = step->kind == RSI_STEP_MUL;
    rsi_json *zero = NULL;
    rsi_json *result = NULL;
    rsi_spot spot;

    int status = rsi_edit_find(&spot, edit, &step->path, true);
    if (status != RAGSTORE_OK)
        return status;
    if (spot.value != NULL && !rsi_json_is_number(spot.value))
        return rsi_fail(RAGSTORE_E_QUERY, "query", "the value there is no number");
    if (spot.value == NULL) {
        status = rsi_json_new_integer(&zero, 0);
        if (status != RAGSTORE_OK)
            return status;
    }
    status = add_numbers(&result, zero != NULL ? zero : spot.value, step->operand, multiply);
    rsi_json_free(zero);
    return status == RAGSTORE_OK ? rsi_edit_put(&spot, result) : status;
}

static int keep_extreme(rsi_edit *edit, const rsi_step *step)
{
    rsi_spot spot;

    int status = rsi_edit_find(&spot, edit, &step->path, true);
    if (status != RAGSTORE_OK)
        return status;
    if (spot.value != NULL) {
        rsi_json_view old = rsi_json_view_of(spot.value);
        rsi_json_view new = rsi_json_view_of(step->operand);
        int order = rsi_value_compare(&new, &old);
        if (step->kind == RSI_STEP_MIN ? order >= 0 : order <= 0)
            return RAGSTORE_OK;
    }
    return rsi_edit_put(&spot, rsi_json_share(step->operand));
}

/* ---- others ---- */

/* Is there an array on the way to the last name? */
static bool through_array(const rsi_json *root, const rsi_field_path *path)
{
    const rsi_json *value = root;

    for (size_t i = 0; i < path->count && value != NULL; i++) {
        if (rsi_json_is_array(value))
            return true;
        value = rsi_json_get_sized(value, path->parts[i].name);
    }
    return false;
}

static int rename_field(rsi_edit *edit, const rsi_step *step)
{
    rsi_spot spot;

    if (through_array(edit->root, &step->path) || through_array(edit->root, &step->target))
        return rsi_fail(RAGSTORE_E_QUERY, "query", "fields in arrays cannot be renamed");
    int status = rsi_edit_find(&spot, edit, &step->path, false);
    if (status != RAGSTORE_OK || spot.container == NULL || spot.value == NULL)
        return status;
    rsi_json *value = rsi_json_share(spot.value);
    rsi_json_remove(spot.container, spot.name);
    status = unset(edit, &step->target); /* so that it comes last */
    if (status == RAGSTORE_OK)
        status = rsi_edit_find(&spot, edit, &step->target, true);
    if (status == RAGSTORE_OK)
        return rsi_edit_put(&spot, value);
    rsi_json_free(value);
    return status;
}

static int put_date(rsi_edit *edit, const rsi_step *step)
{
    char now[RSI_TIME_TEXT];
    const char *text = edit->context != NULL ? edit->context->now : NULL;
    rsi_json *date;
    rsi_spot spot;

    if (text == NULL) {
        rsi_time_now_text(now);
        text = now;
    }
    int status = rsi_edit_find(&spot, edit, &step->path, true);
    if (status == RAGSTORE_OK)
        status = rsi_json_new_text(&date, text, strlen(text));
    return status == RAGSTORE_OK ? rsi_edit_put(&spot, date) : status;
}

static int apply_step(rsi_edit *edit, const rsi_step *step)
{
    bool inserting = edit->context != NULL && edit->context->inserting;

    switch (step->kind) {
    case RSI_STEP_SET:
        return put_shared(edit, step, step->operand);
    case RSI_STEP_SET_ON_INSERT:
        return inserting ? put_shared(edit, step, step->operand) : RAGSTORE_OK;
    case RSI_STEP_UNSET:
        return unset(edit, &step->path);
    case RSI_STEP_INC:
    case RSI_STEP_MUL:
        return calculate(edit, step);
    case RSI_STEP_MIN:
    case RSI_STEP_MAX:
        return keep_extreme(edit, step);
    case RSI_STEP_RENAME:
        return rename_field(edit, step);
    case RSI_STEP_CURRENT_DATE:
        return put_date(edit, step);
    case RSI_STEP_PUSH:
        return rsi_step_push(edit, step);
    case RSI_STEP_ADD_TO_SET:
        return rsi_step_add_to_set(edit, step);
    case RSI_STEP_PULL:
    case RSI_STEP_PULL_ALL:
        return rsi_step_pull(edit, step);
    case RSI_STEP_POP:
        return rsi_step_pop(edit, step);
    }
    return RAGSTORE_OK;
}

/* ---- the whole ---- */

static int check_id(const rsi_edit *edit, const rsi_json *document)
{
    const rsi_json *old = rsi_json_get(document, "_id");

    if (edit->context != NULL && edit->context->inserting)
        return RAGSTORE_OK;
    if (old == NULL || rsi_json_identical(old, rsi_json_get(edit->root, "_id")))
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_QUERY, "query", "update: _id cannot be changed");
}

static unsigned depth_of(const rsi_json *value, unsigned limit)
{
    unsigned deepest = 0;
    void *iterator = NULL;
    const char *key;
    rsi_json *member;

    if (!rsi_json_is_object(value) && !rsi_json_is_array(value))
        return 0;
    if (limit == 0)
        return 1;
    if (rsi_json_is_array(value)) {
        for (size_t i = 0; i < rsi_json_count(value); i++) {
            unsigned depth = depth_of(rsi_json_at(value, i), limit - 1);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    while (rsi_json_each(value, &iterator, &key, &member)) {
        unsigned depth = depth_of(member, limit - 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

int rsi_update_apply(rsi_json **out, bool *modified, const rsi_update *update,
                     const rsi_json *document, const rsi_update_context *context)
{
    rsi_edit edit = {NULL, context};

    *out = NULL;
    if (modified != NULL)
        *modified = false;
    if (!rsi_json_is_object(document))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "query", "a document must be an object");
    int status = rsi_json_copy_container(&edit.root, document);
    for (size_t i = 0; status == RAGSTORE_OK && i < update->step_count; i++) {
        const rsi_step *step = &update->steps[i];
        status = apply_step(&edit, step);
        if (status != RAGSTORE_OK)
            status = rsi_wrap(status, "update: at %s.%s", step->operator_name, step->path.text);
    }
    if (status == RAGSTORE_OK)
        status = check_id(&edit, document);
    if (status == RAGSTORE_OK && depth_of(edit.root, RSI_JSON_DEPTH_STORED) > RSI_JSON_DEPTH_STORED)
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "query", "update: nested deeper than %d levels",
                          RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK) {
        rsi_json_free(edit.root);
        return status;
    }
    if (modified != NULL)
        *modified = !rsi_json_identical(edit.root, document);
    *out = edit.root;
    return RAGSTORE_OK;
}

/* ---- upserts ---- */

static int seed_field(void *user, rsi_slice path_text, const rsi_json_view *value)
{
    rsi_edit edit = {user, NULL};
    rsi_field_path path;
    rsi_json *tree = NULL;
    rsi_spot spot;

    int status = rsi_field_path_make(&path, path_text.data, path_text.size);
    if (status == RAGSTORE_OK)
        status = rsi_edit_find(&spot, &edit, &path, true);
    if (status == RAGSTORE_OK && spot.value != NULL)
        status =
            rsi_fail(RAGSTORE_E_QUERY, "query", "the query gives \"%s\" two values", path.text);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_tree(&tree, value);
    if (status == RAGSTORE_OK)
        status = rsi_edit_put(&spot, tree);
    rsi_field_path_free(&path);
    return status;
}

int rsi_update_seed(rsi_json **out, const rsi_predicate *predicate)
{
    int status = rsi_json_new_object(out);

    if (status == RAGSTORE_OK)
        status = rsi_predicate_equalities(predicate, seed_field, *out);
    if (status < 0) {
        rsi_json_free(*out);
        *out = NULL;
        return rsi_wrap(status, "upsert");
    }
    return RAGSTORE_OK;
}
