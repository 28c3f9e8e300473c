/*
 * Growing byte strings and borrowed slices.
 *
 *   rsi_bytes   data ──► [ b0 b1 … b(size-1) NUL ░░░ ]   owned; always NUL-terminated once written
 *   rsi_slice   data ──►   bytes of someone else, not terminated
 *
 * A failed append sets the error, leaves what was there, and marks the string
 * failed; rsi_bytes_status() reports it once at the end, so that a long series
 * of appends needs one check.
 */
#ifndef RSI_BASE_BYTES_H
#define RSI_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_bytes {
    char *data;
    size_t size;
    size_t capacity;
    int status; /* 0, or RAGSTORE_E_NO_MEMORY after a failed append */
} rsi_bytes;

typedef struct rsi_slice {
    const char *data;
    size_t size;
} rsi_slice;

void rsi_bytes_init(rsi_bytes *bytes); /* same as zero-initialising */
void rsi_bytes_free(rsi_bytes *bytes); /* leaves it empty and usable */
void rsi_bytes_clear(rsi_bytes *bytes); /* size 0, memory kept, status 0 */
bool rsi_bytes_reserve(rsi_bytes *bytes, size_t more);
void rsi_bytes_append(rsi_bytes *bytes, const void *data, size_t size);
void rsi_bytes_append_text(rsi_bytes *bytes, const char *text);
void rsi_bytes_append_char(rsi_bytes *bytes, char c);
void rsi_bytes_append_integer(rsi_bytes *bytes, int64_t value); /* in decimal digits */
void rsi_bytes_printf(rsi_bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int rsi_bytes_status(const rsi_bytes *bytes);
/* Hand the memory over (caller frees with rsi_free); NULL with error set when failed. */
char *rsi_bytes_take(rsi_bytes *bytes, size_t *size);

static inline rsi_slice rsi_slice_of(const char *text)
{
    rsi_slice slice = {text, __builtin_strlen(text)};
    return slice;
}

bool rsi_slice_equal(rsi_slice a, rsi_slice b);

/* The last digits of a number, with leading zeros and without a NUL, in a tenth of the time that
 * snprintf() takes. */
void rsi_put_decimal(char *out, size_t digits, uint64_t value);
void rsi_put_hex(char *out, size_t digits, uint64_t value);

#endif
