/*
 * Making and changing parsed values: see json_edit.h.
 *
 * jansson's own copies ignore members that could not be added for want of memory; these do not.
 */
#include "json/json_edit.h"

#include "base/status.h"

#include <jansson.h>

#include <string.h>

static int made(rsi_json **out, rsi_json *value)
{
    *out = value;
    return value != NULL ? RAGSTORE_OK : rsi_fail_no_memory();
}

static int done(int jansson_result)
{
    return jansson_result == 0 ? RAGSTORE_OK : rsi_fail_no_memory();
}

int rsi_json_new_object(rsi_json **out)
{
    return made(out, json_object());
}

int rsi_json_new_array(rsi_json **out)
{
    return made(out, json_array());
}

int rsi_json_new_text(rsi_json **out, const char *text, size_t size)
{
    return made(out, json_stringn_nocheck(text, size));
}

int rsi_json_new_integer(rsi_json **out, int64_t value)
{
    return made(out, json_integer(value));
}

int rsi_json_new_real(rsi_json **out, double value)
{
    return made(out, json_real(value));
}

rsi_json *rsi_json_new_null(void)
{
    return json_null();
}

rsi_json *rsi_json_share(const rsi_json *value)
{
    return json_incref((json_t *)(uintptr_t)value);
}

rsi_json *rsi_json_get_sized(const rsi_json *object, rsi_slice key)
{
    return json_object_getn(object, key.data, key.size);
}

int rsi_json_set(rsi_json *object, rsi_slice key, rsi_json *taken)
{
    return done(json_object_setn_new_nocheck(object, key.data, key.size, taken));
}

void rsi_json_remove(rsi_json *object, rsi_slice key)
{
    json_object_deln(object, key.data, key.size);
}

int rsi_json_insert(rsi_json *array, size_t position, rsi_json *taken)
{
    return done(json_array_insert_new(array, position, taken));
}

int rsi_json_append(rsi_json *array, rsi_json *taken)
{
    return done(json_array_append_new(array, taken));
}

int rsi_json_replace(rsi_json *array, size_t position, rsi_json *taken)
{
    return done(json_array_set_new(array, position, taken));
}

void rsi_json_remove_at(rsi_json *array, size_t position)
{
    json_array_remove(array, position);
}

int rsi_json_copy_container(rsi_json **out, const rsi_json *container)
{
    json_t *source = (json_t *)(uintptr_t)container; /* only iterated */
    json_t *copy = json_is_object(container) ? json_object() : json_array();
    const char *key;
    size_t key_size;
    json_t *value;
    int failed = 0;

    *out = NULL;
    if (copy == NULL)
        return rsi_fail_no_memory();
    if (json_is_object(container)) {
        json_object_keylen_foreach(source, key, key_size, value)
        {
            failed |= json_object_setn_new_nocheck(copy, key, key_size, json_incref(value));
        }
    } else {
        failed = json_array_extend(copy, source);
    }
    if (failed != 0) {
        json_decref(copy);
        return rsi_fail_no_memory();
    }
    *out = copy;
    return RAGSTORE_OK;
}

static bool is_shared(const json_t *value)
{
    return __atomic_load_n(&value->refcount, __ATOMIC_ACQUIRE) > 1;
}

static bool is_container(const json_t *value)
{
    return json_is_object(value) || json_is_array(value);
}

int rsi_json_own_member(rsi_json **member, rsi_json *object, rsi_slice key)
{
    json_t *copy;

    *member = json_object_getn(object, key.data, key.size);
    if (!is_container(*member) || !is_shared(*member))
        return RAGSTORE_OK;
    int status = rsi_json_copy_container(&copy, *member);
    if (status == RAGSTORE_OK)
        status = rsi_json_set(object, key, copy);
    *member = status == RAGSTORE_OK ? copy : NULL;
    return status;
}

int rsi_json_own_element(rsi_json **element, rsi_json *array, size_t position)
{
    json_t *copy;

    *element = json_array_get(array, position);
    if (!is_container(*element) || !is_shared(*element))
        return RAGSTORE_OK;
    int status = rsi_json_copy_container(&copy, *element);
    if (status == RAGSTORE_OK)
        status = rsi_json_replace(array, position, copy);
    *element = status == RAGSTORE_OK ? copy : NULL;
    return status;
}

static bool identical_objects(const json_t *a, const json_t *b)
{
    void *left = json_object_iter((json_t *)(uintptr_t)a);
    void *right = json_object_iter((json_t *)(uintptr_t)b);

    if (json_object_size(a) != json_object_size(b))
        return false;
    while (left != NULL && right != NULL) {
        size_t size = json_object_iter_key_len(left);
        if (size != json_object_iter_key_len(right) ||
            memcmp(json_object_iter_key(left), json_object_iter_key(right), size) != 0 ||
            !rsi_json_identical(json_object_iter_value(left), json_object_iter_value(right)))
            return false;
        left = json_object_iter_next((json_t *)(uintptr_t)a, left);
        right = json_object_iter_next((json_t *)(uintptr_t)b, right);
    }
    return true;
}

bool rsi_json_identical(const rsi_json *a, const rsi_json *b)
{
    if (a == b || a == NULL || b == NULL || json_typeof(a) != json_typeof(b))
        return a == b;
    if (json_is_object(a))
        return identical_objects(a, b);
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b))
            return false;
        for (size_t i = 0; i < json_array_size(a); i++)
            if (!rsi_json_identical(json_array_get(a, i), json_array_get(b, i)))
                return false;
        return true;
    }
    if (json_is_real(a)) { /* -0.0 is written differently from 0.0 */
        double x = json_real_value(a), y = json_real_value(b);
        return memcmp(&x, &y, sizeof x) == 0;
    }
    return json_equal(a, b) != 0;
}
