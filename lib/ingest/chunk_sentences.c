/*
 * Where sentences end.
 *
 * One pass over the text. A sentence ends at a blank line, before a list item or another line
 * that cannot continue one, and behind . ! ? … and their relatives of other scripts, unless
 * what stands before (an abbreviation, an initial, a number) or behind (a small letter, a comma)
 * says that it goes on. Rules after the manner of UAX #29, with the abbreviations it leaves out.
 * Called by chunk.c to split paragraphs, and by whoever quotes. Keeps no state.
 */
#include "ingest/chunk.h"
#include "ingest/extract_parts.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

#define FIELD_NAME_MAX 60

/* Never the last word of a sentence. */
static const char *const titles_and_references[] = {
    "dr",   "mr",   "mrs",  "ms",   "prof",   "st",   "sr",   "gen",    "col", "capt",  "lt",
    "sgt",  "rev",  "hon",  "gov",  "sen",    "rep",  "mt",   "messrs", "mme", "mlle",  "fig",
    "figs", "eq",   "eqs",  "vol",  "vols",   "chap", "sect", "ed",     "eds", "trans", "vs",
    "cf",   "e.g",  "i.e",  "ca",   "approx", "est",  "dept", "univ",   "nr",  "bzw",   "z.b",
    "d.h",  "u.a",  "bspw", "ggf",  "vgl",    "sra",  "dra",  "pág",    "núm", "jan",   "feb",
    "mar",  "apr",  "jun",  "jul",  "aug",    "sep",  "sept", "oct",    "nov", "dec",   "рис",
    "стр",  "гл",   "им",   "ул",   "см",     "напр", "проф", "акад",   "тыс", "млн",   "млрд",
    "руб",  "табл", "resp", "incl", "ave",    "blvd",
};

/* Abbreviations only before a number. */
static const char *const numbered[] = {"no",  "nos", "art", "abs", "p",    "pp",  "ch",
                                       "sec", "ref", "av",  "str", "refs", "núms"};

/* May end a sentence: then a word that usually begins one follows. */
static const char *const open_abbreviations[] = {
    "etc", "inc", "ltd", "co", "corp", "jr",  "al",  "bros", "a.m", "p.m", "ph.d", "m.d", "b.c",
    "a.d", "usw", "d.c", "г",  "гг",   "т.д", "т.п", "т.е",  "др",  "u.s", "u.k",  "e.u", "u.n",
};

static const char *const starters[] = {
    "the",  "a",     "an",   "in",    "it",     "its",   "this",    "that",     "these",   "those",
    "he",   "she",   "we",   "they",  "you",    "i",     "but",     "and",      "or",      "if",
    "when", "while", "as",   "at",    "on",     "for",   "from",    "with",     "however", "there",
    "then", "our",   "his",  "her",   "their",  "some",  "many",    "most",     "what",    "why",
    "how",  "where", "also", "after", "before", "since", "because", "although", "to",      "by",
    "no",   "not",   "der",  "die",   "das",    "ein",   "eine",    "el",       "la",      "los",
    "las",  "le",    "les",  "un",    "une",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool is_listed(rsi_slice word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rsi_equals_ignoring_case(word, list[i]))
            return true;
    return false;
}

static bool is_small(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

static bool is_capital(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LU;
}

/* Marks that end a sentence; *wide ones need no space behind. */
static bool is_end_mark(uint32_t c, bool *wide)
{
    static const uint32_t wide_marks[] = {0x3002, 0xFF01, 0xFF1F, 0xFF61, 0xFF0E};
    static const uint32_t marks[] = {'.',   '!',   '?',   0x2026, 0x61F,
                                     0x6D4, 0x964, 0x965, 0x203C, 0x2049};
    *wide = false;
    for (size_t i = 0; i < COUNT(wide_marks); i++)
        if (c == wide_marks[i])
            *wide = true;
    for (size_t i = 0; i < COUNT(marks); i++)
        if (c == marks[i])
            return true;
    return *wide;
}

/* Quotes and brackets that close behind the mark and belong to its sentence. */
static bool is_closing(uint32_t c)
{
    static const uint32_t closing[] = {'"',    '\'',   ')',    ']',    '}',    '*',
                                       '_',    '`',    0xBB,   0x2019, 0x201D, 0x203A,
                                       0x300D, 0x300F, 0xFF09, 0x3011, 0x201C};
    for (size_t i = 0; i < COUNT(closing); i++)
        if (c == closing[i])
            return true;
    return false;
}

static bool is_opening(uint32_t c)
{
    static const uint32_t opening[] = {'"',  '\'',   '(',    '[',    '*',    '_',  '`',
                                       0xAB, 0x2018, 0x201C, 0x201E, 0x300C, 0xBF, 0xA1};
    for (size_t i = 0; i < COUNT(opening); i++)
        if (c == opening[i])
            return true;
    return false;
}

/* The characters before `end` up to a space or an opening mark, at most 24 bytes. */
static rsi_slice word_before(const char *text, size_t start, size_t end)
{
    size_t at = end;
    while (at > start && end - at < 24 && !rsi_is_space(text[at - 1]) &&
           memchr("([{\"'*_", text[at - 1], 7) == NULL)
        at--;
    return (rsi_slice){text + at, end - at};
}

static rsi_slice word_at(const char *text, size_t size, size_t at)
{
    size_t end = at;
    while (end < size && end - at < 24 &&
           (rsi_is_letter(text[end]) || (unsigned char)text[end] >= 0x80))
        end++;
    return (rsi_slice){text + at, end - at};
}

/* "U.S", "J.R.R": single letters with periods between. */
static bool is_dotted(rsi_slice word)
{
    for (size_t i = 0; i < word.size; i++)
        if (i % 2 == 0 ? !rsi_is_letter(word.data[i]) : word.data[i] != '.')
            return false;
    return word.size >= 3 && word.size % 2 == 1;
}

static bool is_initial(rsi_slice word)
{
    size_t at = 0;
    return word.size > 0 && word.size <= 2 &&
           is_capital(rsi_utf8_next(word.data, word.size, &at)) && at == word.size;
}

/* "12" at the start of a line is the number of an item. */
static bool is_item_number(const char *text, size_t start, rsi_slice word)
{
    size_t at = (size_t)(word.data - text);
    if (word.size == 0 || word.size > 3)
        return false;
    for (size_t i = 0; i < word.size; i++)
        if (!rsi_is_digit(word.data[i]))
            return false;
    while (at > start && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    return at == start || text[at - 1] == '\n';
}

/* Does the period at `dot` end the sentence that began at `start`? `next` is what comes behind. */
static bool period_ends(const char *text, size_t size, size_t start, size_t dot, size_t next)
{
    rsi_slice word = word_before(text, start, dot);
    rsi_slice following = word_at(text, size, next);
    if (is_item_number(text, start, word))
        return false;
    bool starter = following.size > 0 && is_listed(following, starters, COUNT(starters));
    if (is_listed(word, open_abbreviations, COUNT(open_abbreviations)) || is_dotted(word))
        return starter;
    if (is_listed(word, numbered, COUNT(numbered)))
        return !rsi_is_digit(text[next]);
    if (is_listed(word, titles_and_references, COUNT(titles_and_references)))
        return false;
    return !is_initial(word) || (starter && following.size > 1);
}

/* How many bytes of spaces, with at most one line end, follow; 0 when something else does. */
static size_t gap_at(const char *text, size_t size, size_t at)
{
    size_t end = at;
    while (end < size && rsi_is_space(text[end]))
        end++;
    return end - at;
}

/* Behind end marks and what closes with them; *wide when one of them needs no space. */
static size_t behind_marks(const char *text, size_t size, size_t at, bool *wide)
{
    *wide = false;
    while (at < size) {
        size_t next = at;
        bool one_wide = false;
        uint32_t c = rsi_utf8_next(text, size, &next);
        if (!is_end_mark(c, &one_wide) && !is_closing(c))
            break;
        *wide = *wide || one_wide;
        at = next;
    }
    return at;
}

/* At an end mark at `mark`: where the sentence ends, or 0 when it goes on. */
static size_t end_at_mark(const char *text, size_t size, size_t start, size_t mark)
{
    bool wide;
    size_t end = behind_marks(text, size, mark, &wide);
    size_t gap = gap_at(text, size, end);
    if (end == size || wide)
        return end;
    if (gap == 0)
        return 0;
    size_t next = end + gap;
    if (next == size)
        return end;
    size_t at = next;
    uint32_t c = rsi_utf8_next(text, size, &at);
    while (is_opening(c) && at < size)
        c = rsi_utf8_next(text, size, &at);
    if (is_small(c) || c == ',' || c == ';' || c == ':')
        return 0;
    bool single_period = text[mark] == '.' && (mark + 1 == size || text[mark + 1] != '.');
    return !single_period || period_ends(text, size, start, mark, next) ? end : 0;
}

/* "Capital: Kabul" */
static bool is_field(rsi_slice line)
{
    const char *colon =
        memchr(line.data, ':', line.size < FIELD_NAME_MAX ? line.size : FIELD_NAME_MAX);
    if (colon == NULL || colon == line.data)
        return false;
    size_t name = (size_t)(colon - line.data);
    return name + 1 < line.size && colon[1] == ' ' && memmem(line.data, name, ". ", 2) == NULL;
}

static rsi_slice line_at(const char *text, size_t size, size_t at, size_t most)
{
    size_t limit = size - at < most ? size - at : most;
    const char *end = memchr(text + at, '\n', limit);
    return (rsi_slice){text + at, end != NULL ? (size_t)(end - text) - at : limit};
}

/* The rule under a heading, or the fence around code. */
static bool is_rule(rsi_slice line)
{
    line = rsi_trim(line);
    return rsi_rule_character(line) != '\0' || rsi_starts_with(line, "```") ||
           rsi_starts_with(line, "~~~");
}

/* Does the line that begins at `next` begin a new sentence whatever stands before? */
static bool line_begins(const char *text, size_t size, size_t line_start, size_t next)
{
    rsi_slice line = line_at(text, size, next, 2 * FIELD_NAME_MAX);
    rsi_slice words = rsi_trim(line);
    if (words.size == 0 || rsi_list_marker(line) > 0)
        return true;
    rsi_slice before = line_at(text, size, line_start, 2 * FIELD_NAME_MAX);
    if (memchr("#|>", words.data[0], 3) != NULL || is_rule(words) || is_rule(before))
        return true;
    return memchr("#|", before.data[0], 2) != NULL ||
           (is_field(words) && is_field(rsi_trim(before)));
}

/* Who is told of a look ahead. */
typedef struct looking {
    rsi_look_ahead *look; /* or NULL */
    void *user;
    size_t told; /* how far */
} looking;

static void look_on(looking *l, size_t at)
{
    if (l->look != NULL)
        l->look(l->user, l->told, at);
    l->told = at;
}

/* A heading is one line, whatever it holds. */
static size_t heading_end(const char *text, size_t size, size_t start, looking *l)
{
    for (size_t at = start; at < size;) {
        const size_t part = size - at < RSI_LOOK_AHEAD ? size - at : RSI_LOOK_AHEAD;
        const char *end = memchr(text + at, '\n', part);
        if (end != NULL)
            return (size_t)(end - text);
        at += part;
        look_on(l, at);
    }
    return size;
}

/* The end of the sentence that begins at `start`, before its trailing spaces. */
static size_t sentence_end(const char *text, size_t size, size_t start, looking *l)
{
    size_t line_start = start;
    size_t at = start;
    l->told = start;
    if (text[at] == '#')
        return heading_end(text, size, start, l);
    while (at < size) {
        if (at - l->told >= RSI_LOOK_AHEAD)
            look_on(l, at);
        if (text[at] == '\n') {
            if (line_begins(text, size, line_start, at + 1))
                return at;
            line_start = ++at;
            continue;
        }
        bool wide;
        size_t next = at;
        uint32_t c = rsi_utf8_next(text, size, &next);
        if (is_end_mark(c, &wide)) {
            size_t end = end_at_mark(text, size, start, at);
            if (end > 0)
                return end;
            /* "..." and "?!" are looked at once */
            size_t behind = behind_marks(text, size, at, &wide);
            next = behind > next ? behind : next;
        }
        at = next;
    }
    return size;
}

void rsi_sentences(const char *text, size_t size, rsi_sentence_visitor *visit, void *user)
{
    rsi_sentences_looking(text, size, visit, NULL, user);
}

void rsi_sentences_looking(const char *text, size_t size, rsi_sentence_visitor *visit,
                           rsi_look_ahead *look, void *user)
{
    looking l = {look, user, 0};
    size_t at = 0;
    for (;;) {
        at += gap_at(text, size, at);
        if (at >= size)
            return;
        size_t end = sentence_end(text, size, at, &l);
        size_t last = end;
        while (last > at && rsi_is_space(text[last - 1]))
            last--;
        if (last > at && rsi_has_words(text + at, last - at) && !visit(user, at, last))
            return;
        at = end > at ? end : at + 1;
    }
}
