/*
 * Where the words of a text are: see text_segments.h.
 *
 * ASCII, the bulk of most texts, is judged by a table; other characters by their Unicode
 * category and, for scripts without spaces, by their block.
 */
#include "lexical/text_segments.h"

#include "base/utf8.h"
#include "lexical/text_masks.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

typedef enum {
    SEPARATOR,
    SPACED,    /* part of a word */
    UNSPACED,  /* a character of a script without spaces */
    EXTENDING, /* a mark or an invisible joiner: goes with what stands before it */
} character_class;

/* 1 for 0-9, A-Z, a-z */
static const unsigned char ascii_word[256] = {
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
    ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1,
    ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1,
    ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
    ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1,
    ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

/* Blocks of scripts that put no space between words, ascending. Korean does, but its words
 * carry endings that no stemmer here removes, so pairs of syllables serve it better. */
static const struct {
    uint32_t first;
    uint32_t last;
} unspaced_blocks[] = {
    {0x0E00, 0x0EFF},   /* Thai, Lao */
    {0x1000, 0x109F},   /* Myanmar */
    {0x1100, 0x11FF},   /* Hangul Jamo */
    {0x1780, 0x17FF},   /* Khmer */
    {0x2E80, 0x2FDF},   /* radicals */
    {0x3005, 0x303B},   /* ideographic marks and numerals */
    {0x3040, 0x31FF},   /* Hiragana, Katakana, Bopomofo, Hangul compatibility Jamo */
    {0x3400, 0x4DBF},   /* Han, extension A */
    {0x4E00, 0x9FFF},   /* Han */
    {0xA960, 0xA97F},   /* Hangul Jamo, extended A */
    {0xAA60, 0xAA7F},   /* Myanmar, extended A */
    {0xAC00, 0xD7FF},   /* Hangul */
    {0xF900, 0xFAFF},   /* Han, compatibility */
    {0xFF66, 0xFFDC},   /* half-width Katakana and Hangul */
    {0x1AFF0, 0x1B16F}, /* Kana, extended */
    {0x20000, 0x3FFFF}, /* Han, further extensions */
};

static bool is_unspaced(uint32_t c)
{
    if (c < unspaced_blocks[0].first)
        return false;
    for (size_t i = 0; i < sizeof unspaced_blocks / sizeof unspaced_blocks[0]; i++)
        if (c <= unspaced_blocks[i].last)
            return c >= unspaced_blocks[i].first;
    return false;
}

static character_class classify(uint32_t c)
{
    if (c < 0x80)
        return ascii_word[c] ? SPACED : SEPARATOR;
    if (c == 0x200B || c == 0xFEFF) /* zero width space, byte order mark */
        return SEPARATOR;
    if (c == 0xFF9E || c == 0xFF9F) /* half-width voicing marks, letters by category */
        return EXTENDING;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return is_unspaced(c) ? UNSPACED : SPACED;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
        return EXTENDING;
    default:
        return SEPARATOR;
    }
}

/* The class of the character at `offset`; *next is behind it. SEPARATOR at the end. */
static character_class class_at(const char *text, size_t size, size_t offset, size_t *next)
{
    *next = offset;
    return offset < size ? classify(rsi_utf8_next(text, size, next)) : SEPARATOR;
}

static bool word_starts(const char *text, size_t size, size_t offset)
{
    size_t next;
    return class_at(text, size, offset, &next) == SPACED;
}

/* Behind the word characters that begin at `offset`. */
static size_t skip_word(const char *text, size_t size, size_t offset)
{
    for (;;) {
        while (offset < size && ascii_word[(unsigned char)text[offset]])
            offset++;
        if (offset >= size || (unsigned char)text[offset] < 0x80)
            return offset;
        size_t next;
        character_class class = class_at(text, size, offset, &next);
        if (class != SPACED && class != EXTENDING)
            return offset;
        offset = next;
    }
}

static size_t skip_unspaced(const char *text, size_t size, size_t offset)
{
    for (;;) {
        size_t next;
        character_class class = class_at(text, size, offset, &next);
        if (class != UNSPACED && class != EXTENDING)
            return offset;
        offset = next;
    }
}

/* How many bytes of apostrophe are at `offset`: ' or ’ */
static size_t apostrophe_size(const char *text, size_t size, size_t offset)
{
    if (offset < size && text[offset] == '\'')
        return 1;
    return size - offset >= 3 && memcmp(text + offset, "\xE2\x80\x99", 3) == 0 ? 3 : 0;
}

/*
 * English endings behind an apostrophe: 's goes (the word is the same without it), those of
 * contractions stay, so that the stop word list sees "don't". Anything else (l'avion, O'Neill)
 * is a word of its own.
 */
static void take_contraction(const char *text, size_t size, rsi_segment *segment, size_t *offset)
{
    static const char endings[][3] = {"t", "d", "m", "ll", "re", "ve"};
    size_t apostrophe = apostrophe_size(text, size, segment->end);
    if (apostrophe == 0)
        return;
    size_t start = segment->end + apostrophe;
    size_t end = skip_word(text, size, start);
    if (end == start || end - start > 2)
        return;
    char ending[3] = {0};
    for (size_t i = 0; i < end - start; i++)
        ending[i] = (char)(text[start + i] | 0x20);
    if (strcmp(ending, "s") == 0) {
        *offset = end;
        return;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(ending, endings[i]) == 0)
            segment->end = *offset = end;
}

/*
 * Is something behind a word that makes it part of a compound? Returns where the compound goes
 * on: at the next word, or behind a final ++ or #. `end` itself when it does not.
 */
static size_t skip_joiner(const char *text, size_t size, size_t end)
{
    if (end >= size)
        return end;
    size_t next = end + 1;
    switch (text[end]) {
    case '_':
        while (next < size && text[next] == '_')
            next++;
        return word_starts(text, size, next) ? next : end;
    case '.':
        return word_starts(text, size, next) ? next : end;
    case '+':
        if (next < size && text[next] == '+')
            return next + 1;
        return word_starts(text, size, next) ? next : end;
    case '#':
        return word_starts(text, size, next) ? end : next;
    default:
        return end;
    }
}

/* Move *offset to a character that begins a segment; returns its class, SEPARATOR at the end. */
static character_class skip_separators(const char *text, size_t size, size_t *offset)
{
    size_t at = *offset;
    while (at < size) {
        size_t next = at + 1;
        character_class class = ascii_word[(unsigned char)text[at]] ? SPACED : SEPARATOR;
        if ((unsigned char)text[at] >= 0x80)
            class = class_at(text, size, at, &next);
        if (class == SPACED || class == UNSPACED) {
            *offset = at;
            return class;
        }
        at = next;
    }
    *offset = size;
    return SEPARATOR;
}

bool rsi_segment_next(const char *text, size_t size, size_t *offset, rsi_segment *segment)
{
    character_class class = skip_separators(text, size, offset);
    if (class == SEPARATOR)
        return false;
    segment->start = *offset;
    if (class == UNSPACED) {
        segment->kind = RSI_SEGMENT_UNSPACED;
        segment->end = *offset = skip_unspaced(text, size, *offset);
        return true;
    }
    segment->kind = RSI_SEGMENT_WORD;
    segment->end = skip_word(text, size, *offset);
    size_t next;
    while ((next = skip_joiner(text, size, segment->end)) != segment->end) {
        segment->kind = RSI_SEGMENT_COMPOUND;
        segment->end = skip_word(text, size, next);
    }
    *offset = segment->end;
    take_contraction(text, size, segment, offset);
    return true;
}

/* ---- many at once ------------------------------------------------------------------- */

/*
 * A stretch of the text in which plain words are found: of ASCII letters and digits alone, with
 * nothing behind them that may belong to them.
 *
 *   bytes    the wing's  edge. And co|untersunk
 *   starts   1   *       1     1  *             the last word may go on: another stretch has it
 *   ends        1             1  1
 */
struct stretch {
    uint64_t starts;
    uint64_t ends;
    unsigned size; /* of what was looked at */
    bool odd;      /* something that is not plain begins there */
};

static unsigned lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static unsigned highest(uint64_t bits)
{
    return 63 - (unsigned)__builtin_clzll(bits);
}

/* Keep the words before an odd character; one that ends there is odd itself. */
static void cut(struct stretch *stretch, unsigned at)
{
    const uint64_t before = (UINT64_C(1) << at) - 1;
    stretch->ends &= before;
    stretch->starts &= before;
    stretch->size = at;
    stretch->odd = true;
    if (stretch->starts != 0 && (stretch->ends >> highest(stretch->starts)) == 0)
        stretch->size = highest(stretch->starts);
}

/* left: bytes of the text from there on, at least 1. */
static struct stretch look_at(const char *text, size_t left)
{
    char last[RSI_MASKED_BYTES] = {0};
    const bool more = left >= sizeof last;
    if (!more)
        memcpy(last, text, left);
    const rsi_text_masks masks = rsi_text_masks_of(more ? text : last);
    struct stretch stretch = {.size = more ? (unsigned)sizeof last : (unsigned)left};
    uint64_t word = masks.word;
    if (more && (word >> (RSI_MASKED_BYTES - 1)) != 0) {
        if (word == UINT64_MAX)
            return (struct stretch){.odd = true};
        stretch.size = highest(~word) + 1;
        word &= UINT64_MAX >> (RSI_MASKED_BYTES - stretch.size);
    }
    stretch.starts = word & ~(word << 1);
    stretch.ends = word << 1 & ~word;
    /* ' and . matter only before a character of a word; nobody knows what is behind the last */
    const uint64_t before =
        (masks.word | masks.foreign) >> 1 | UINT64_C(1) << (RSI_MASKED_BYTES - 1);
    const uint64_t joining = (masks.hinge & before) | masks.joiner | masks.foreign;
    uint64_t odd = (stretch.ends & joining) | masks.foreign;
    if (stretch.size < RSI_MASKED_BYTES)
        odd &= (UINT64_C(1) << stretch.size) - 1;
    if (odd == 0)
        return stretch;
    cut(&stretch, lowest(odd));
    return stretch;
}

size_t rsi_segments_next(const char *text, size_t size, size_t *offset, rsi_segment *segments,
                         size_t max)
{
    size_t count = 0;
    while (count < max && *offset < size) {
        const size_t base = *offset;
        struct stretch stretch = look_at(text + base, size - base);
        while (stretch.ends != 0 && count < max) {
            segments[count++] = (rsi_segment){base + lowest(stretch.starts),
                                              base + lowest(stretch.ends), RSI_SEGMENT_WORD};
            stretch.starts &= stretch.starts - 1;
            stretch.ends &= stretch.ends - 1;
        }
        if (stretch.ends != 0) {
            *offset = segments[count - 1].end;
            break;
        }
        *offset = base + stretch.size;
        if (stretch.odd && count < max)
            count += rsi_segment_next(text, size, offset, &segments[count]);
    }
    return count;
}

/* ---- inside a segment --------------------------------------------------------------- */

bool rsi_segment_next_part(const char *text, const rsi_segment *compound, size_t *offset,
                           rsi_segment *part)
{
    size_t size = compound->end;
    size_t at = *offset;
    while (at < size && !word_starts(text, size, at))
        at++;
    *offset = at;
    if (at >= size)
        return false;
    part->start = at;
    part->end = skip_word(text, size, at);
    part->kind = RSI_SEGMENT_WORD;
    if ((size - part->end >= 2 && memcmp(text + part->end, "++", 2) == 0)) {
        part->end += 2;
        part->kind = RSI_SEGMENT_COMPOUND;
    } else if (part->end < size && text[part->end] == '#') {
        part->end += 1;
        part->kind = RSI_SEGMENT_COMPOUND;
    }
    *offset = part->end;
    return true;
}

bool rsi_segment_next_unit(const char *text, const rsi_segment *unspaced, size_t *offset,
                           rsi_segment *unit)
{
    if (*offset >= unspaced->end)
        return false;
    unit->kind = RSI_SEGMENT_UNSPACED;
    unit->start = *offset;
    rsi_utf8_next(text, unspaced->end, offset);
    size_t next;
    while (class_at(text, unspaced->end, *offset, &next) == EXTENDING)
        *offset = next;
    unit->end = *offset;
    return true;
}
