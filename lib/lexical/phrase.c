/* Phrases: see phrase.h. */
#include "lexical/phrase.h"

#include "lexical/text_segments.h"

#include <stdint.h>
#include <string.h>

static bool take_word(const char *text, const rsi_segment *place, rsi_word_visitor *visit,
                      void *user)
{
    char word[RSI_TERM_MAX];
    size_t size = rsi_fold(text + place->start, place->end - place->start, true, word);
    return size == 0 || visit(user, word, size);
}

/* The words inside a segment. */
static bool walk_segment(const char *text, const rsi_segment *segment, rsi_word_visitor *visit,
                         void *user)
{
    size_t offset = segment->start;
    rsi_segment part;
    if (segment->kind == RSI_SEGMENT_WORD)
        return take_word(text, segment, visit, user);
    bool unspaced = segment->kind == RSI_SEGMENT_UNSPACED;
    while (unspaced ? rsi_segment_next_unit(text, segment, &offset, &part)
                    : rsi_segment_next_part(text, segment, &offset, &part))
        if (!take_word(text, &part, visit, user))
            return false;
    return true;
}

void rsi_words_walk(const char *text, size_t size, rsi_word_visitor *visit, void *user)
{
    size_t offset = 0;
    rsi_segment segment;
    while (rsi_segment_next(text, size, &offset, &segment))
        if (!walk_segment(text, &segment, visit, user))
            return;
}

static bool keep_word(void *user, const char *word, size_t size)
{
    rsi_phrase *phrase = user;
    memcpy(phrase->words[phrase->count].text, word, size);
    phrase->words[phrase->count].size = size;
    return ++phrase->count < RSI_PHRASE_WORDS;
}

void rsi_phrase_make(rsi_phrase *phrase, const char *text, size_t size)
{
    phrase->count = 0;
    rsi_words_walk(text, size, keep_word, phrase);
}

struct match {
    const rsi_phrase *phrase;
    uint64_t begun; /* bit i: the last words of the text are words 0 to i of the phrase */
    bool found;
};

static bool match_word(void *user, const char *word, size_t size)
{
    struct match *match = user;
    const rsi_phrase *phrase = match->phrase;
    const uint64_t may = match->begun << 1 | 1;
    match->begun = 0;
    for (size_t i = 0; i < phrase->count; i++)
        if ((may >> i & 1) != 0 && phrase->words[i].size == size &&
            memcmp(phrase->words[i].text, word, size) == 0)
            match->begun |= UINT64_C(1) << i;
    match->found = (match->begun >> (phrase->count - 1) & 1) != 0;
    return !match->found;
}

bool rsi_phrase_is_in(const rsi_phrase *phrase, const char *text, size_t size)
{
    struct match match = {phrase, 0, phrase->count == 0};
    if (!match.found)
        rsi_words_walk(text, size, match_word, &match);
    return match.found;
}
