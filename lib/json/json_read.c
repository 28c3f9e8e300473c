/*
 * Looking into parsed values: types, members, scalars. See json.h.
 *
 * Every function accepts NULL and values of another type and then gives its neutral
 * answer, so that a chain of look-ups into untrusted data needs one check at its end.
 * Called by every room that reads JSON. Not locked: a value is not changed while read.
 */
#include "json/json.h"

#include <jansson.h>

void rsi_json_free(rsi_json *value)
{
    json_decref(value);
}

bool rsi_json_is_object(const rsi_json *value)
{
    return json_is_object(value);
}

bool rsi_json_is_array(const rsi_json *value)
{
    return json_is_array(value);
}

bool rsi_json_is_string(const rsi_json *value)
{
    return json_is_string(value);
}

bool rsi_json_is_number(const rsi_json *value)
{
    return json_is_number(value);
}

bool rsi_json_is_integer(const rsi_json *value)
{
    return json_is_integer(value);
}

bool rsi_json_is_bool(const rsi_json *value)
{
    return json_is_boolean(value);
}

bool rsi_json_is_null(const rsi_json *value)
{
    return json_is_null(value);
}

rsi_json *rsi_json_get(const rsi_json *object, const char *key)
{
    return json_object_get(object, key);
}

rsi_json *rsi_json_at(const rsi_json *array, size_t position)
{
    return json_array_get(array, position);
}

size_t rsi_json_count(const rsi_json *container)
{
    if (json_is_object(container))
        return json_object_size(container);
    return json_array_size(container);
}

bool rsi_json_each(const rsi_json *object, void **iterator, const char **key, rsi_json **value)
{
    /* jansson's iteration does not change the object; its parameters are not const only
     * because the same iterator also serves to set values. */
    json_t *walked = (json_t *)(uintptr_t)object;

    *iterator =
        *iterator == NULL ? json_object_iter(walked) : json_object_iter_next(walked, *iterator);
    if (*iterator == NULL) {
        *key = NULL;
        *value = NULL;
        return false;
    }
    *key = json_object_iter_key(*iterator);
    *value = json_object_iter_value(*iterator);
    return true;
}

const char *rsi_json_text(const rsi_json *value)
{
    return json_string_value(value);
}

size_t rsi_json_text_size(const rsi_json *value)
{
    return json_string_length(value);
}

int64_t rsi_json_integer(const rsi_json *value, int64_t fallback)
{
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

double rsi_json_number(const rsi_json *value, double fallback)
{
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool rsi_json_true(const rsi_json *value)
{
    return json_is_true(value);
}

const char *rsi_json_get_text(const rsi_json *object, const char *key)
{
    return rsi_json_text(rsi_json_get(object, key));
}

int64_t rsi_json_get_integer(const rsi_json *object, const char *key, int64_t fallback)
{
    return rsi_json_integer(rsi_json_get(object, key), fallback);
}
