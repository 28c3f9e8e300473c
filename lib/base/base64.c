/* Base64: see base64.h. Not locked: works on the caller's bytes only. */
#include "base/base64.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_three(char out[4], const unsigned char in[3])
{
    const uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = digits[bits >> 6 & 63];
    out[3] = digits[bits & 63];
}

void rsi_base64_append(rsi_bytes *out, const void *data, size_t size)
{
    const unsigned char *in = data;
    if (size == 0 || !rsi_bytes_reserve(out, size / 3 * 4 + 4))
        return;
    char *at = out->data + out->size;
    for (; size >= 3; size -= 3, in += 3, at += 4)
        encode_three(at, in);
    if (size > 0) {
        const unsigned char last[3] = {in[0], size > 1 ? in[1] : 0, 0};
        encode_three(at, last);
        at[3] = '=';
        if (size == 1)
            at[2] = '=';
        at += 4;
    }
    *at = '\0';
    out->size = (size_t)(at - out->data);
}

size_t rsi_base64_room(size_t size)
{
    return size / 4 * 3;
}

/* The value of a character; 64 when it is none of ours. */
static uint32_t value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool rsi_base64_decode(void *out, size_t *out_size, const char *text, size_t size)
{
    unsigned char *at = out;
    *out_size = 0;
    if (size % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < size; i += 4) {
        const size_t left = size - i == 4 ? 4 - padding : 4;
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            const uint32_t value = j < left ? value_of(text[i + j]) : 0;
            if (value > 63)
                return false;
            bits = bits << 6 | value;
        }
        if ((bits & (left == 2 ? 0xffffu : left == 3 ? 0xffu : 0)) != 0)
            return false; /* bits that stand for nothing */
        for (size_t j = 0; j + 1 < left; j++)
            *at++ = (unsigned char)(bits >> (16 - 8 * j));
    }
    *out_size = (size_t)(at - (unsigned char *)out);
    return true;
}
