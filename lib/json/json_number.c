/*
 * Numbers in JSON text to values: see json_number.h.
 *
 * A real is read as digits × 10^exponent. When the digits fit 64 bits and the power of ten is
 * exact in a long double of 64 bits, one multiplication or division is rounded correctly to 64
 * bits; rounding that to the 53 bits of a double is right too, unless the 11 bits that go lie at
 * or next to the half. Those, and longer numbers, are left to the C library's strtod_l().
 */
#include "json/json_number.h"

#include "base/memory.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

typedef struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative;
    bool is_real;
    bool exact; /* no digit was left out */
} decimal;

/* More digits than 19 may not fit; they are counted and left out. */
static const char *read_digits(decimal *number, const char *at, const char *end, bool fraction)
{
    for (; at < end && is_digit(*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number->digits > (UINT64_MAX - digit) / 10) {
            number->exact = false;
            number->exponent += fraction ? 0 : 1;
            continue;
        }
        if (!number->exact) {
            number->exponent += fraction ? 0 : 1;
            continue;
        }
        number->digits = number->digits * 10 + digit;
        number->exponent -= fraction ? 1 : 0;
    }
    return at;
}

static const char *read_exponent(decimal *number, const char *at, const char *end)
{
    bool negative = false;
    int64_t exponent = 0;

    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    const char *start = at;
    for (; at < end && is_digit(*at); at++)
        if (exponent < 100000)
            exponent = exponent * 10 + (*at - '0');
    if (at == start)
        return NULL;
    number->exponent += negative ? -exponent : exponent;
    return at;
}

static bool read_decimal(decimal *number, const char *at, const char *end)
{
    *number = (decimal){.exact = true};
    if (at < end && *at == '-') {
        number->negative = true;
        at++;
    }
    if (at == end || !is_digit(*at))
        return false;
    at = read_digits(number, at, end, false);
    if (at < end && *at == '.') {
        number->is_real = true;
        const char *start = ++at;
        at = read_digits(number, at, end, true);
        if (at == start)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        number->is_real = true;
        at = read_exponent(number, at + 1, end);
    }
    return at == end;
}

static bool read_fast(double *value, const decimal *number)
{
#if LDBL_MANT_DIG == 64 && defined(__x86_64__)
    static const long double powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                         1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                         1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                         1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (!number->exact || number->exponent < -27 || number->exponent > 27)
        return false;
    long double scaled = (long double)number->digits;
    if (number->exponent < 0)
        scaled /= powers[-number->exponent];
    else
        scaled *= powers[number->exponent];
    uint64_t mantissa;
    memcpy(&mantissa, &scaled, sizeof mantissa);
    uint64_t going = mantissa & 0x7FF;
    if (going >= 0x3FF && going <= 0x401)
        return false;
    *value = (double)scaled;
    return true;
#else
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!number->exact || number->digits > UINT64_C(1) << 53 || number->exponent < -22 ||
        number->exponent > 22)
        return false;
    *value = number->exponent < 0 ? (double)number->digits / powers[-number->exponent]
                                  : (double)number->digits * powers[number->exponent];
    return true;
#endif
}

static locale_t c_locale; /* made once, for the life of the process */

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool read_slow(double *value, const char *text, const char *end)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char small[512];
    size_t size = (size_t)(end - text);

    pthread_once(&once, make_c_locale);
    char *copy = size < sizeof small ? small : rsi_alloc(size + 1);
    if (copy == NULL || c_locale == (locale_t)0)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *value = fabs(strtod_l(copy, NULL, c_locale));
    if (copy != small)
        rsi_free(copy);
    return isfinite(*value) != 0;
}

bool rsi_json_number_read(rsi_json_view *view, const char *text, const char *end)
{
    decimal number;

    if (!read_decimal(&number, text, end))
        return false;
    if (!number.is_real) {
        uint64_t limit = (uint64_t)INT64_MAX + (number.negative ? 1 : 0);
        if (!number.exact || number.digits > limit)
            return false;
        view->kind = RSI_JSON_INTEGER;
        view->integer = (int64_t)(number.negative ? ~number.digits + 1 : number.digits);
        return true;
    }
    double value = 0;
    if (number.digits != 0 && !read_fast(&value, &number) && !read_slow(&value, text, end))
        return false;
    view->kind = RSI_JSON_REAL;
    view->real = number.negative ? -value : value;
    return true;
}
