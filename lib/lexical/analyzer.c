/* From text to terms: see analyzer.h. */
#include "lexical/analyzer.h"

#include "base/status.h"
#include "base/utf8.h"

#include <libstemmer.h>
#include <string.h>

/* ---- languages ---------------------------------------------------------------------- */

static const char *known_language(const char *name)
{
    for (const char **known = sb_stemmer_list(); *known != NULL; known++)
        if (strcmp(*known, name) == 0)
            return *known;
    return NULL;
}

int rsi_analyzer_open(rsi_analyzer *analyzer, const char *language)
{
    memset(analyzer, 0, sizeof *analyzer);
    if (strcmp(language, "none") == 0) {
        analyzer->accents_first = true;
        return RAGSTORE_OK;
    }
    bool automatic = strcmp(language, "auto") == 0;
    const char *latin = automatic ? "english" : known_language(language);
    if (latin == NULL)
        return rsi_fail(
            RAGSTORE_E_INVALID_ARGUMENT, "lexical",
            "unknown language \"%.40s\": use \"auto\", \"none\" or a Snowball name such "
            "as \"english\"",
            language);
    for (size_t i = 0; i < RSI_SCRIPTS; i++)
        analyzer->scripts[i].language = latin;
    if (automatic) {
        analyzer->scripts[RSI_SCRIPT_CYRILLIC].language = "russian";
        analyzer->scripts[RSI_SCRIPT_OTHER].language = NULL;
    }
    const rsi_stop_list stop_words = rsi_stop_list_of(latin);
    const bool russian = stop_words == RSI_STOP_RUSSIAN;
    analyzer->scripts[russian ? RSI_SCRIPT_CYRILLIC : RSI_SCRIPT_LATIN].stop_words = stop_words;
    if (automatic)
        analyzer->scripts[RSI_SCRIPT_CYRILLIC].stop_words = RSI_STOP_RUSSIAN;
    analyzer->accents_first = russian || stop_words == RSI_STOP_ENGLISH;
    return RAGSTORE_OK;
}

void rsi_analyzer_close(rsi_analyzer *analyzer)
{
    for (size_t i = 0; i < RSI_SCRIPTS; i++)
        sb_stemmer_delete(analyzer->scripts[i].stemmer);
    memset(analyzer, 0, sizeof *analyzer);
}

static rsi_script script_of(const char *word, size_t size)
{
    size_t offset = 0;
    uint32_t c = rsi_utf8_next(word, size, &offset);
    if ((c >= 'a' && c <= 'z') || (c >= 0xC0 && c <= 0x24F) || (c >= 0x1E00 && c <= 0x1EFF))
        return RSI_SCRIPT_LATIN;
    return c >= 0x400 && c <= 0x52F ? RSI_SCRIPT_CYRILLIC : RSI_SCRIPT_OTHER;
}

/* Stem a folded word in place. */
static int stem(rsi_analyzer *analyzer, rsi_script script, char word[RSI_TERM_MAX], size_t *size)
{
    const char *language = analyzer->scripts[script].language;
    if (language == NULL)
        return RAGSTORE_OK;
    struct sb_stemmer **stemmer = &analyzer->scripts[script].stemmer;
    if (*stemmer == NULL)
        *stemmer = sb_stemmer_new(language, NULL);
    if (*stemmer == NULL)
        return rsi_fail_no_memory();
    const sb_symbol *stemmed = sb_stemmer_stem(*stemmer, (const sb_symbol *)word, (int)*size);
    if (stemmed == NULL)
        return rsi_fail_no_memory();
    int length = sb_stemmer_length(*stemmer);
    if (length <= 0 || length > RSI_TERM_MAX) /* nothing left: better the word than none */
        return RAGSTORE_OK;
    *size = (size_t)length;
    if (analyzer->accents_first) {
        memcpy(word, stemmed, *size);
        return RAGSTORE_OK;
    }
    char copy[RSI_TERM_MAX];
    memcpy(copy, stemmed, *size);
    *size = rsi_fold(copy, *size, true, word);
    return RAGSTORE_OK;
}

/* ---- segments into tokens ----------------------------------------------------------- */

struct run {
    rsi_analyzer *analyzer;
    const char *text;
    rsi_token_sink *sink;
    void *user;
};

static int emit(const struct run *run, const char *term, size_t size, size_t start, size_t end,
                bool stop)
{
    if (size == 0)
        return RAGSTORE_OK;
    rsi_token token = {term, size, start, end, stop};
    return run->sink(run->user, &token);
}

/* One word, without a look at its parts. */
static int emit_word(const struct run *run, size_t start, size_t end)
{
    rsi_analyzer *analyzer = run->analyzer;
    char term[RSI_TERM_MAX];
    size_t size = rsi_fold(run->text + start, end - start, analyzer->accents_first, term);
    if (size == 0)
        return RAGSTORE_OK;
    rsi_script script = script_of(term, size);
    bool stop = rsi_is_stop_word(analyzer->scripts[script].stop_words, term, size);
    int status = stop ? RAGSTORE_OK : stem(analyzer, script, term, &size);
    return status != RAGSTORE_OK ? status : emit(run, term, size, start, end, stop);
}

typedef enum { DIGIT, LOWER, UPPER, OTHER } letter_kind;

static letter_kind kind_of(char c)
{
    if (c >= '0' && c <= '9')
        return DIGIT;
    if (c >= 'a' && c <= 'z')
        return LOWER;
    return c >= 'A' && c <= 'Z' ? UPPER : OTHER;
}

/* Does a new part begin at word[i]? key|2  page|Break  JSON|Storage, but not PD|Fs */
static bool part_begins(const char *word, size_t size, size_t i)
{
    letter_kind before = kind_of(word[i - 1]);
    letter_kind here = kind_of(word[i]);
    if ((before == DIGIT) != (here == DIGIT))
        return true;
    if (here != UPPER)
        return false;
    return before == LOWER || (before == UPPER && i + 2 < size && kind_of(word[i + 1]) == LOWER &&
                               kind_of(word[i + 2]) == LOWER);
}

/* The ends of a word's parts; 1 when it has none, 0 when it has too many: then it is not a name made
 * of words but a code, and kept whole only. ASCII words only. */
static size_t find_parts(const char *word, size_t size, size_t ends[RSI_WORD_PARTS_MAX])
{
    size_t count = 0;
    for (size_t i = 1; i < size; i++) {
        if (kind_of(word[i]) == OTHER)
            return 1;
        if (!part_begins(word, size, i))
            continue;
        if (count == RSI_WORD_PARTS_MAX - 1)
            return 0;
        ends[count++] = i;
    }
    ends[count++] = size;
    return count;
}

static int expand_word(const struct run *run, size_t start, size_t end)
{
    int status = emit_word(run, start, end);
    if (end - start > RSI_TERM_MAX)
        return status;
    const char *word = run->text + start;
    size_t ends[RSI_WORD_PARTS_MAX];
    size_t parts = find_parts(word, end - start, ends);
    size_t from = 0;
    for (size_t i = 0; i < parts && parts > 1 && status == RAGSTORE_OK; i++) {
        bool letter = ends[i] - from == 1 && kind_of(word[from]) != DIGIT;
        if (!letter)
            status = emit_word(run, start + from, start + ends[i]);
        from = ends[i];
    }
    return status;
}

/* A compound as a term: folded, not stemmed. */
static int emit_whole(const struct run *run, const rsi_segment *segment)
{
    char term[RSI_TERM_MAX];
    size_t size = rsi_fold(run->text + segment->start, segment->end - segment->start, true, term);
    return emit(run, term, size, segment->start, segment->end, false);
}

static int expand_compound(const struct run *run, const rsi_segment *segment)
{
    int status = emit_whole(run, segment);
    size_t offset = segment->start;
    rsi_segment part;
    while (status == RAGSTORE_OK && rsi_segment_next_part(run->text, segment, &offset, &part)) {
        bool whole = part.start == segment->start && part.end == segment->end;
        size_t end = part.end;
        if (part.kind == RSI_SEGMENT_COMPOUND) { /* C++ inside C++17 */
            if (!whole)
                status = emit_whole(run, &part);
            while (run->text[end - 1] == '+' || run->text[end - 1] == '#')
                end--;
        }
        bool letter = end - part.start == 1 && kind_of(run->text[part.start]) != DIGIT;
        if (!letter && status == RAGSTORE_OK)
            status = expand_word(run, part.start, end);
    }
    return status;
}

/* A unit of a script without spaces, folded. */
struct unit {
    char text[RSI_TERM_MAX / 2];
    size_t size;
    size_t start;
    size_t end;
};

static void fold_unit(const struct run *run, const rsi_segment *segment, struct unit *unit)
{
    char folded[RSI_TERM_MAX];
    size_t size =
        rsi_fold(run->text + segment->start, segment->end - segment->start, false, folded);
    unit->size = rsi_utf8_floor(folded, size, size < sizeof unit->text ? size : sizeof unit->text);
    memcpy(unit->text, folded, unit->size);
    unit->start = segment->start;
    unit->end = segment->end;
}

static int expand_unspaced(const struct run *run, const rsi_segment *segment)
{
    size_t offset = segment->start;
    rsi_segment place;
    struct unit before = {.size = 0};
    size_t units = 0;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_segment_next_unit(run->text, segment, &offset, &place)) {
        struct unit here;
        fold_unit(run, &place, &here);
        if (units++ > 0) {
            char pair[RSI_TERM_MAX];
            memcpy(pair, before.text, before.size);
            memcpy(pair + before.size, here.text, here.size);
            status = emit(run, pair, before.size + here.size, before.start, here.end, false);
        }
        before = here;
    }
    if (units == 1 && status == RAGSTORE_OK)
        status = emit(run, before.text, before.size, before.start, before.end, false);
    return status;
}

int rsi_analyzer_expand(rsi_analyzer *analyzer, const char *text, const rsi_segment *segment,
                        rsi_token_sink *sink, void *user)
{
    const struct run run = {analyzer, text, sink, user};
    switch (segment->kind) {
    case RSI_SEGMENT_COMPOUND:
        return expand_compound(&run, segment);
    case RSI_SEGMENT_UNSPACED:
        return expand_unspaced(&run, segment);
    default:
        return expand_word(&run, segment->start, segment->end);
    }
}

int rsi_analyzer_run(rsi_analyzer *analyzer, const char *text, size_t size, rsi_token_sink *sink,
                     void *user)
{
    size_t offset = 0;
    rsi_segment segment;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_segment_next(text, size, &offset, &segment))
        status = rsi_analyzer_expand(analyzer, text, &segment, sink, user);
    return status;
}
