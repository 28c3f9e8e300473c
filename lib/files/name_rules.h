/* Characters that ids and file names may not hold anywhere, or not at an end. */
#ifndef RSI_FILES_NAME_RULES_H
#define RSI_FILES_NAME_RULES_H

#include <stdbool.h>
#include <stdint.h>

static inline bool rsi_is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F);
}

/* Separators of paths, ours and those of clients' systems. */
static inline bool rsi_is_slash(uint32_t c)
{
    return c == '/' || c == '\\';
}

/* White_Space of the Unicode character database, without the control characters. */
static inline bool rsi_is_white_space(uint32_t c)
{
    return c == 0x20 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

#endif
