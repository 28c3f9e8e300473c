/* Finding and filling the place of a path in a document that is being changed: see
 * update_internal.h. */
#include "base/status.h"
#include "query/update_internal.h"
#include "json/json_edit.h"

/* ---- one level down ---- */

static int in_object(rsi_spot *spot, rsi_json *object, const rsi_field_part *part)
{
    *spot = (rsi_spot){.container = object, .name = part->name};
    spot->value = rsi_json_get_sized(object, part->name);
    return RAGSTORE_OK;
}

static int in_array(rsi_spot *spot, rsi_json *array, const rsi_field_part *part, bool make)
{
    if (part->position < 0 && !make) {
        *spot = (rsi_spot){0};
        return RAGSTORE_OK;
    }
    if (part->position < 0)
        return rsi_fail(RAGSTORE_E_QUERY, "query", "\"%.*s\" is no position in an array",
                        (int)(part->name.size > 64 ? 64 : part->name.size), part->name.data);
    *spot = (rsi_spot){.container = array, .position = (size_t)part->position};
    spot->value = rsi_json_at(array, spot->position);
    return RAGSTORE_OK;
}

static int own_value(rsi_spot *spot)
{
    if (rsi_json_is_object(spot->container))
        return rsi_json_own_member(&spot->value, spot->container, spot->name);
    return rsi_json_own_element(&spot->value, spot->container, spot->position);
}

int rsi_edit_put(rsi_spot *spot, rsi_json *taken)
{
    int status = RAGSTORE_OK;

    spot->value = taken;
    if (rsi_json_is_object(spot->container))
        return rsi_json_set(spot->container, spot->name, taken);
    if (spot->position < rsi_json_count(spot->container))
        return rsi_json_replace(spot->container, spot->position, taken);
    if (spot->position > RSI_UPDATE_FILL_MAX)
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "query", "an array of more than %d elements",
                          RSI_UPDATE_FILL_MAX);
    while (status == RAGSTORE_OK && rsi_json_count(spot->container) < spot->position)
        status = rsi_json_append(spot->container, rsi_json_new_null());
    if (status != RAGSTORE_OK) {
        rsi_json_free(taken);
        return status;
    }
    return rsi_json_append(spot->container, taken);
}

static int put_object(rsi_spot *spot)
{
    rsi_json *made;

    int status = rsi_json_new_object(&made);
    return status == RAGSTORE_OK ? rsi_edit_put(spot, made) : status;
}

int rsi_edit_find(rsi_spot *spot, rsi_edit *edit, const rsi_field_path *path, bool make)
{
    int status = in_object(spot, edit->root, &path->parts[0]);

    for (size_t i = 1; status == RAGSTORE_OK && i < path->count; i++) {
        if (spot->value == NULL) {
            if (make)
                status = put_object(spot);
        } else {
            status = own_value(spot);
        }
        if (status != RAGSTORE_OK)
            return status;
        rsi_json *container = spot->value;
        if (rsi_json_is_object(container)) {
            status = in_object(spot, container, &path->parts[i]);
        } else if (rsi_json_is_array(container)) {
            status = in_array(spot, container, &path->parts[i], make);
            if (status == RAGSTORE_OK && spot->container == NULL)
                return RAGSTORE_OK;
        } else {
            *spot = (rsi_spot){0};
            if (make)
                status = rsi_fail(RAGSTORE_E_QUERY, "query",
                                  "the path goes through a value that is no object");
            return status;
        }
    }
    return status;
}

int rsi_edit_array(rsi_json **array, rsi_spot *spot)
{
    *array = NULL;
    if (spot->container == NULL || spot->value == NULL)
        return RAGSTORE_OK;
    if (!rsi_json_is_array(spot->value))
        return rsi_fail(RAGSTORE_E_QUERY, "query", "the value there is no array");
    int status = own_value(spot);
    *array = spot->value;
    return status;
}
