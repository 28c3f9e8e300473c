/*
 * Reals as text: see json_real.h. What it must be is said by printf() and strtod(), which are asked for
 * large and small numbers. From 0.0001 to a million, where scores are, whole numbers of 128 bits say
 * the same in a fraction of the time:
 *
 *   value    m / 2^s                     m < 2^53, 33 ≤ s ≤ 66
 *   digits   D = m × 10^k / 2^s          rounded, ties to even, as printf() does
 *   the same double, if  |D × 2^s − m × 10^k| < 10^k / 2       half of the last bit of m
 *
 * k is chosen so that D has 15, 16 or 17 digits; all products stay below 2^127.
 */
#include "json/json_real.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MIN 15
#define DIGITS_MAX 17
#define MANTISSA_BITS 52
#define LOWEST (-4) /* decimal exponent of the smallest number that is written without printf() */

__extension__ typedef unsigned __int128 wide;

/* From 10^LOWEST on. The doubles next to the true powers lie above them, so that a double is below one
 * of these where it is below the true one. */
static const double powers[] = {1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
enum { POWERS = sizeof powers / sizeof *powers };

/* value = m / 2^s. False: it is none of those that are written here. Below powers of two doubles lie
 * closer, but those in question have at most 15 digits anyway. */
static bool take_apart(uint64_t *m, unsigned *s, double value)
{
    uint64_t bits;
    if (!(value >= powers[0] && value < powers[POWERS - 1]))
        return false;
    memcpy(&bits, &value, sizeof bits);
    *m = (bits & ((UINT64_C(1) << MANTISSA_BITS) - 1)) | UINT64_C(1) << MANTISSA_BITS;
    *s = 1023 + MANTISSA_BITS - (unsigned)(bits >> MANTISSA_BITS);
    return true;
}

static wide power_of_10(unsigned k)
{
    wide power = 1;
    for (unsigned i = 0; i < k; i++)
        power *= 10;
    return power;
}

/* The fewest digits that read back as m / 2^s; they are D, of which k stand behind the point. */
static uint64_t choose_digits(unsigned *k, uint64_t m, unsigned s, int exponent)
{
    const wide half = (wide)1 << (s - 1);
    uint64_t digits = 0;
    *k = (unsigned)(DIGITS_MIN - 1 - exponent);
    wide scale = power_of_10(*k);
    for (int count = DIGITS_MIN;; count++, ++*k, scale *= 10) {
        const wide exact = m * scale;
        const wide rest = exact & ((half << 1) - 1);
        digits = (uint64_t)(exact >> s);
        const bool up = rest > half || (rest == half && (digits & 1) != 0);
        digits += up;
        const wide off = up ? (half << 1) - rest : rest;
        if (count == DIGITS_MAX || 2 * off < scale || (2 * off == scale && (m & 1) == 0))
            return digits;
    }
}

/* Digits, k of them behind the point, without zeros at the end but for one behind the point. */
static size_t put_digits(char *text, uint64_t digits, unsigned k)
{
    char reversed[RSI_JSON_REAL_TEXT];
    size_t count = 0;
    size_t size = 0;
    for (; k > 1 && digits % 10 == 0; k--)
        digits /= 10;
    for (; digits > 0 || count <= k; digits /= 10)
        reversed[count++] = (char)('0' + digits % 10);
    while (count > 0) {
        if (count == k)
            text[size++] = '.';
        text[size++] = reversed[--count];
    }
    return size;
}

/* printf writes the locale's decimal point, of one or more bytes: whatever is not part of a
 * number otherwise becomes '.'. The thread's locale is neither asked nor changed. */
static void replace_decimal_point(char *text)
{
    char *to = text;
    const char *from = text;

    while (*from != '\0') {
        if (strchr("+-0123456789e", *from) != NULL) {
            *to++ = *from++;
            continue;
        }
        *to++ = '.';
        while (*from != '\0' && strchr("+-0123456789e", *from) == NULL)
            from++;
    }
    *to = '\0';
}

static size_t print(char text[RSI_JSON_REAL_TEXT], double value)
{
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        snprintf(text, RSI_JSON_REAL_TEXT, "%.*g", digits, value);
        double back = strtod(text, NULL); /* in the locale that wrote it */
        if (memcmp(&back, &value, sizeof back) == 0)
            break;
    }
    replace_decimal_point(text);
    if (strpbrk(text, ".e") == NULL)
        strcat(text, ".0");
    return strlen(text);
}

size_t rsi_json_real_write(char text[RSI_JSON_REAL_TEXT], double value)
{
    uint64_t m;
    unsigned s;
    unsigned k;
    int exponent = LOWEST;
    if (!take_apart(&m, &s, fabs(value)))
        return print(text, value);
    while (fabs(value) >= powers[exponent + 1 - LOWEST])
        exponent++;
    const uint64_t digits = choose_digits(&k, m, s, exponent);
    const size_t sign = value < 0;
    text[0] = '-';
    return sign + put_digits(text + sign, digits, k);
}
