/* Growing byte strings: see bytes.h. */
#include "base/bytes.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define SMALLEST 128 /* what grows from nothing rarely stays shorter */

void rsi_bytes_init(rsi_bytes *bytes)
{
    memset(bytes, 0, sizeof *bytes);
}

void rsi_bytes_free(rsi_bytes *bytes)
{
    rsi_free(bytes->data);
    rsi_bytes_init(bytes);
}

void rsi_bytes_clear(rsi_bytes *bytes)
{
    bytes->size = 0;
    bytes->status = RAGSTORE_OK;
    if (bytes->data != NULL)
        bytes->data[0] = '\0';
}

bool rsi_bytes_reserve(rsi_bytes *bytes, size_t more)
{
    size_t needed;
    if (!rsi_add_size(bytes->size, more, &needed) || !rsi_add_size(needed, 1, &needed)) {
        bytes->status = rsi_fail_no_memory();
        return false;
    }
    if (needed < SMALLEST)
        needed = SMALLEST;
    if (!rsi_grow((void **)&bytes->data, &bytes->capacity, needed, 1)) {
        bytes->status = RAGSTORE_E_NO_MEMORY;
        return false;
    }
    return true;
}

/* Is there room for `more` and the NUL behind it? */
static bool has_room(const rsi_bytes *bytes, size_t more)
{
    return more < bytes->capacity - bytes->size; /* capacity 0: nothing is less than 0 */
}

void rsi_bytes_append(rsi_bytes *bytes, const void *data, size_t size)
{
    if (bytes->status != RAGSTORE_OK || !(has_room(bytes, size) || rsi_bytes_reserve(bytes, size)))
        return;
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
}

void rsi_bytes_append_text(rsi_bytes *bytes, const char *text)
{
    rsi_bytes_append(bytes, text, strlen(text));
}

void rsi_bytes_append_char(rsi_bytes *bytes, char c)
{
    if (bytes->status != RAGSTORE_OK || !(has_room(bytes, 1) || rsi_bytes_reserve(bytes, 1)))
        return;
    bytes->data[bytes->size++] = c;
    bytes->data[bytes->size] = '\0';
}

void rsi_bytes_append_integer(rsi_bytes *bytes, int64_t value)
{
    char digits[20]; /* of the least of all: 19 and its sign */
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--at] = '-';
    rsi_bytes_append(bytes, digits + at, sizeof digits - at);
}

void rsi_bytes_printf(rsi_bytes *bytes, const char *format, ...)
{
    char small[256];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length < sizeof small) {
        rsi_bytes_append(bytes, small, (size_t)length);
        return;
    }
    if (bytes->status != RAGSTORE_OK || !rsi_bytes_reserve(bytes, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(bytes->data + bytes->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    bytes->size += (size_t)length;
}

int rsi_bytes_status(const rsi_bytes *bytes)
{
    return bytes->status;
}

char *rsi_bytes_take(rsi_bytes *bytes, size_t *size)
{
    if (bytes->status != RAGSTORE_OK || (bytes->data == NULL && !rsi_bytes_reserve(bytes, 0))) {
        rsi_bytes_free(bytes);
        return NULL;
    }
    bytes->data[bytes->size] = '\0';
    char *data = bytes->data;
    if (size != NULL)
        *size = bytes->size;
    rsi_bytes_init(bytes);
    return data;
}

bool rsi_slice_equal(rsi_slice a, rsi_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void rsi_put_decimal(char *out, size_t digits, uint64_t value)
{
    for (; digits > 0; value /= 10)
        out[--digits] = (char)('0' + value % 10);
}

void rsi_put_hex(char *out, size_t digits, uint64_t value)
{
    for (; digits > 0; value >>= 4)
        out[--digits] = "0123456789abcdef"[value & 15];
}
