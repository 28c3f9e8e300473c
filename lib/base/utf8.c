/* UTF-8: see utf8.h. */
#include "base/utf8.h"

#include <string.h>

/* How many bytes the character at text[0..size) takes; 0 when it is not valid. */
static size_t character_size(const unsigned char *text, size_t size)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || need > size)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F) ||
        (lead == 0xF0 && text[1] < 0x90) || (lead == 0xF4 && text[1] > 0x8F))
        return 0;
    return need;
}

bool rsi_utf8_valid(const char *text, size_t size, size_t *bad)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;
    while (i < size) {
        uint64_t next;
        if (size - i >= sizeof next) {
            memcpy(&next, bytes + i, sizeof next);
            if ((next & UINT64_C(0x8080808080808080)) == 0) { /* most texts are mostly ASCII */
                i += sizeof next;
                continue;
            }
        }
        size_t step = bytes[i] < 0x80 ? 1 : character_size(bytes + i, size - i);
        if (step == 0) {
            if (bad != NULL)
                *bad = i;
            return false;
        }
        i += step;
    }
    return true;
}

uint32_t rsi_utf8_next(const char *text, size_t size, size_t *offset)
{
    const unsigned char *bytes = (const unsigned char *)text + *offset;
    size_t step = character_size(bytes, size - *offset);
    if (step == 0) {
        *offset += 1;
        return 0xFFFD;
    }
    *offset += step;
    switch (step) {
    case 1:
        return bytes[0];
    case 2:
        return (uint32_t)(bytes[0] & 0x1F) << 6 | (bytes[1] & 0x3Fu);
    case 3:
        return (uint32_t)(bytes[0] & 0x0F) << 12 | (uint32_t)(bytes[1] & 0x3F) << 6 |
               (bytes[2] & 0x3Fu);
    default:
        return (uint32_t)(bytes[0] & 0x07) << 18 | (uint32_t)(bytes[1] & 0x3F) << 12 |
               (uint32_t)(bytes[2] & 0x3F) << 6 | (bytes[3] & 0x3Fu);
    }
}

size_t rsi_utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

size_t rsi_utf8_floor(const char *text, size_t size, size_t limit)
{
    while (limit > 0 && limit < size && ((unsigned char)text[limit] & 0xC0) == 0x80)
        limit--;
    return limit;
}
