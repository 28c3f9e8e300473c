/*
 * Exact words, one behind the other, in a text: what a quoted part of a query asks for.
 *
 * Words are compared folded (case, width, accents) and not stemmed, stop words included; what
 * stands between them does not matter, so "boundary layer" is also found as boundary-layer. In
 * scripts without spaces every character is a word.
 */
#ifndef RSI_LEXICAL_PHRASE_H
#define RSI_LEXICAL_PHRASE_H

#include "lexical/fold.h"

#include <stdbool.h>
#include <stddef.h>

#define RSI_PHRASE_WORDS 64 /* words behind these are not looked at */

typedef struct rsi_phrase {
    struct {
        char text[RSI_TERM_MAX];
        size_t size;
    } words[RSI_PHRASE_WORDS];
    size_t count;
} rsi_phrase;

/* Visit the words of a text, folded; the visitor returns false to stop. */
typedef bool rsi_word_visitor(void *user, const char *word, size_t size);
void rsi_words_walk(const char *text, size_t size, rsi_word_visitor *visit, void *user);

/* A phrase without words is in every text. */
void rsi_phrase_make(rsi_phrase *phrase, const char *text, size_t size);
bool rsi_phrase_is_in(const rsi_phrase *phrase, const char *text, size_t size);

#endif
