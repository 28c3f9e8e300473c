/* The order of values and its keys: see value_order.h. */
#include "query/value_order.h"

#include <math.h>
#include <string.h>

/* 2^63 as a double; every int64 is below it. */
#define ABOVE_INT64 9223372036854775808.0

unsigned char rsi_value_tag(rsi_json_kind kind)
{
    switch (kind) {
    case RSI_JSON_MISSING:
    case RSI_JSON_NULL:
        return RSI_VALUE_TAG_NULL;
    case RSI_JSON_INTEGER:
    case RSI_JSON_REAL:
        return RSI_VALUE_TAG_NUMBER;
    case RSI_JSON_TEXT:
        return RSI_VALUE_TAG_TEXT;
    case RSI_JSON_OBJECT:
        return RSI_VALUE_TAG_OBJECT;
    case RSI_JSON_ARRAY:
        return RSI_VALUE_TAG_ARRAY;
    case RSI_JSON_BOOL:
        break;
    }
    return RSI_VALUE_TAG_BOOL;
}

bool rsi_value_same_kind(const rsi_json_view *a, const rsi_json_view *b)
{
    return rsi_value_tag(a->kind) == rsi_value_tag(b->kind);
}

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_reals(double a, double b)
{
    return (a > b) - (a < b);
}

/* Exact: turning the integer into a double could round it. */
static int compare_mixed(int64_t integer, double real)
{
    if (real >= ABOVE_INT64)
        return -1;
    if (real < -ABOVE_INT64)
        return 1;
    double whole = floor(real); /* fits int64 */
    int order = compare_integers(integer, (int64_t)whole);
    return order != 0 ? order : -(real > whole);
}

static int compare_numbers(const rsi_json_view *a, const rsi_json_view *b)
{
    if (a->kind == b->kind)
        return a->kind == RSI_JSON_INTEGER ? compare_integers(a->integer, b->integer)
                                           : compare_reals(a->real, b->real);
    return a->kind == RSI_JSON_INTEGER ? compare_mixed(a->integer, b->real)
                                       : -compare_mixed(b->integer, a->real);
}

static int compare_containers(const rsi_json_view *a, const rsi_json_view *b)
{
    rsi_json_cursor left = rsi_json_walk(a);
    rsi_json_cursor right = rsi_json_walk(b);
    rsi_json_view x, y;

    for (;;) {
        bool more = rsi_json_next(&left, &x) > 0;
        bool more_right = rsi_json_next(&right, &y) > 0;
        if (!more || !more_right)
            return (int)more - (int)more_right;
        int order = (int)rsi_value_tag(x.kind) - (int)rsi_value_tag(y.kind);
        if (order == 0 && left.is_object)
            order = rsi_json_view_compare_texts(&left.key, &right.key);
        if (order == 0)
            order = rsi_value_compare(&x, &y);
        if (order != 0)
            return order;
    }
}

int rsi_value_compare(const rsi_json_view *a, const rsi_json_view *b)
{
    int order = (int)rsi_value_tag(a->kind) - (int)rsi_value_tag(b->kind);

    if (order != 0)
        return order;
    switch (a->kind) {
    case RSI_JSON_MISSING:
    case RSI_JSON_NULL:
        return 0;
    case RSI_JSON_INTEGER:
    case RSI_JSON_REAL:
        return compare_numbers(a, b);
    case RSI_JSON_TEXT:
        return rsi_json_view_compare_texts(a, b);
    case RSI_JSON_OBJECT:
    case RSI_JSON_ARRAY:
        return compare_containers(a, b);
    case RSI_JSON_BOOL:
        break;
    }
    return (int)a->truth - (int)b->truth;
}

/* ---- keys ---- */

static void append_number(rsi_bytes *out, const rsi_json_view *number)
{
    double real = number->kind == RSI_JSON_REAL ? number->real : (double)number->integer;
    uint64_t beyond = 0;
    uint64_t bits;
    char bytes[10];

    if (number->kind == RSI_JSON_INTEGER) {
        if (real >= ABOVE_INT64 || (int64_t)real > number->integer)
            real = nextafter(real, -INFINITY);
        beyond = (uint64_t)(number->integer - (int64_t)real); /* below 2^10 */
    }
    if (real == 0)
        real = 0; /* not -0.0 */
    memcpy(&bits, &real, sizeof bits);
    bits = bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(unsigned char)(bits >> (56 - 8 * i));
    bytes[8] = (char)(unsigned char)(beyond >> 8);
    bytes[9] = (char)(unsigned char)beyond;
    rsi_bytes_append(out, bytes, sizeof bytes);
}

static int append_rest(rsi_bytes *out, const rsi_json_view *value);

static int append_members(rsi_bytes *out, const rsi_json_view *container)
{
    rsi_json_cursor cursor = rsi_json_walk(container);
    rsi_json_view member;
    int found;

    while ((found = rsi_json_next(&cursor, &member)) > 0) {
        rsi_bytes_append_char(out, (char)rsi_value_tag(member.kind));
        if (cursor.is_object) {
            rsi_json_view_append_text(out, &cursor.key);
            rsi_bytes_append_char(out, '\0');
        }
        int status = append_rest(out, &member);
        if (status < 0)
            return status;
    }
    rsi_bytes_append_char(out, '\0');
    return found;
}

/* What follows the tag. */
static int append_rest(rsi_bytes *out, const rsi_json_view *value)
{
    switch (value->kind) {
    case RSI_JSON_MISSING:
    case RSI_JSON_NULL:
        break;
    case RSI_JSON_INTEGER:
    case RSI_JSON_REAL:
        append_number(out, value);
        break;
    case RSI_JSON_TEXT:
        rsi_json_view_append_text(out, value);
        rsi_bytes_append_char(out, '\0');
        break;
    case RSI_JSON_OBJECT:
    case RSI_JSON_ARRAY:
        return append_members(out, value);
    case RSI_JSON_BOOL:
        rsi_bytes_append_char(out, (char)(value->truth ? 1 : 0));
        break;
    }
    return 0;
}

int rsi_value_append_key(rsi_bytes *out, const rsi_json_view *value)
{
    rsi_bytes_append_char(out, (char)rsi_value_tag(value->kind));
    int status = append_rest(out, value);
    return status < 0 ? status : rsi_bytes_status(out);
}
