/*
 * One spelling for a word: see fold.h.
 *
 *   bytes ──► code points, compatibility-decomposed, case-folded   (utf8proc)
 *         ──► without accents, ø → o and the like                  (here)
 *         ──► composed again, UTF-8
 */
#include "lexical/fold.h"

#include "base/utf8.h"

#include <stdint.h>
#include <utf8proc.h>

/* RSI_TERM_MAX bytes are at most 64 characters beyond ASCII, each of at most 18 code points. */
#define CODE_POINTS_MAX 1280

static size_t fold_ascii(const char *word, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        char c = word[i];
        if ((unsigned char)c >= 0x80)
            return 0;
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return size;
}

/* Is a mark on this letter no more than an accent? */
static bool is_accent(uint32_t base, uint32_t mark)
{
    if (base >= 0x0400 && base <= 0x052F) { /* Cyrillic: й, ї and the like are letters */
        bool stress = mark == 0x0300 || mark == 0x0301;
        return (stress && base != 0x0433 && base != 0x043A) || (mark == 0x0308 && base == 0x0435);
    }
    /* Latin, IPA, Greek; Hebrew points, Arabic vowel signs and hamza */
    return base < 0x0400 || (base >= 0x0590 && base <= 0x06FF) ||
           (base >= 0x1E00 && base <= 0x1FFF);
}

/* Latin letters that Unicode does not take apart, though readers do. */
static const char *plain_letters(uint32_t c)
{
    switch (c) {
    case 0x00E6: /* æ */
        return "ae";
    case 0x00F8: /* ø */
        return "o";
    case 0x0153: /* œ */
        return "oe";
    case 0x0142: /* ł */
        return "l";
    case 0x0111: /* đ */
        return "d";
    case 0x00F0: /* ð */
        return "d";
    case 0x00FE: /* þ */
        return "th";
    case 0x0131: /* ı */
        return "i";
    case 0x0127: /* ħ */
        return "h";
    default:
        return NULL;
    }
}

/* Drop accents in place: each letter becomes at most two, so `out` may need more room. */
static size_t drop_marks(const int32_t *in, size_t count, int32_t *out)
{
    size_t kept = 0;
    uint32_t base = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = (uint32_t)in[i];
        utf8proc_category_t category = utf8proc_category(in[i]);
        if (category == UTF8PROC_CATEGORY_MN && is_accent(base, c))
            continue;
        if (c == 0x0640) /* the Arabic stretching mark */
            continue;
        if (category != UTF8PROC_CATEGORY_MN)
            base = c;
        const char *plain = plain_letters(c);
        if (plain == NULL)
            out[kept++] = in[i];
        for (; plain != NULL && *plain != '\0'; plain++)
            out[kept++] = *plain;
    }
    return kept;
}

static size_t encode(const int32_t *code_points, size_t count, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = (uint32_t)code_points[i];
        if (c == 0x2019) /* the apostrophe of contractions has one form */
            c = '\'';
        if (c == 0x2044) /* the stroke inside ½ */
            continue;
        char bytes[4];
        size_t length = rsi_utf8_encode(c, bytes);
        if (size + length > RSI_TERM_MAX)
            break;
        for (size_t j = 0; j < length; j++)
            out[size++] = bytes[j];
    }
    return size;
}

size_t rsi_fold(const char *word, size_t size, bool drop_accents, char out[RSI_TERM_MAX])
{
    size = rsi_utf8_floor(word, size, size < RSI_TERM_MAX ? size : RSI_TERM_MAX);
    size_t folded = fold_ascii(word, size, out);
    if (folded > 0)
        return folded;

    int32_t split[CODE_POINTS_MAX];
    int32_t plain[2 * CODE_POINTS_MAX];
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
    utf8proc_ssize_t count = utf8proc_decompose(
        (const utf8proc_uint8_t *)word, (utf8proc_ssize_t)size, split, CODE_POINTS_MAX, options);
    if (count <= 0 || count > CODE_POINTS_MAX)
        return 0;
    int32_t *letters = split;
    if (drop_accents) {
        letters = plain;
        count = (utf8proc_ssize_t)drop_marks(split, (size_t)count, plain);
    }
    count = utf8proc_normalize_utf32(letters, count, options);
    return count <= 0 ? 0 : encode(letters, (size_t)count, out);
}
