/* Where something is wrong: see place.h. */
#include "query/place.h"

#include "base/status.h"
#include "query/predicate.h"

#include <stdio.h>
#include <string.h>

#define PLACE_TEXT 512

/* From the outermost name on; what does not fit is left out at the end. */
static size_t write_place(char *out, size_t used, const rsi_place *place)
{
    int length;

    if (place == NULL)
        return used;
    used = write_place(out, used, place->up);
    if (used >= PLACE_TEXT)
        return used;
    if (place->name == NULL)
        length = snprintf(out + used, PLACE_TEXT - used, "[%zu]", place->position);
    else
        length = snprintf(out + used, PLACE_TEXT - used, "%s%s", used > 0 ? "." : "", place->name);
    return length < 0 ? used : used + (size_t)length;
}

/* A name may be cut inside of a character. */
static void cut_to_characters(char *text)
{
    size_t size = strlen(text);
    size_t start = size;

    if (size + 1 < PLACE_TEXT)
        return;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && ((unsigned char)text[start - 1] & 0x80) != 0)
        start--;
    text[start] = '\0';
}

static void describe(char out[PLACE_TEXT], const rsi_place *place)
{
    out[0] = '\0';
    write_place(out, 0, place);
    cut_to_characters(out);
}

int rsi_place_refuse(const rsi_place *place, const char *format, ...)
{
    char where[PLACE_TEXT];
    char what[RSI_MESSAGE_MAX - PLACE_TEXT];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    describe(where, place);
    if (where[0] == '\0')
        return rsi_fail(RAGSTORE_E_QUERY, "query", "%s", what);
    return rsi_fail(RAGSTORE_E_QUERY, "query", "at %s: %s", where, what);
}

int rsi_place_wrap(const rsi_place *place, int code)
{
    char where[PLACE_TEXT];

    describe(where, place);
    if (code != RAGSTORE_E_QUERY || where[0] == '\0')
        return code;
    return rsi_wrap(code, "at %s", where);
}

int rsi_place_check_depth(const rsi_place *place)
{
    if (place == NULL || place->depth <= RSI_QUERY_DEPTH)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_QUERY, "query", "nested deeper than %d levels", RSI_QUERY_DEPTH);
}
