/*
 * One spelling for words that a reader takes for the same: no case, no compatibility forms
 * (ligatures, full width, superscripts), no invisible characters, and no accents where a
 * script can do without them. Pure functions.
 */
#ifndef RSI_LEXICAL_FOLD_H
#define RSI_LEXICAL_FOLD_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes of a term. Longer words are known by their first bytes. */
#define RSI_TERM_MAX 128

/*
 * Fold a word (valid UTF-8) into out; returns its size, 0 when nothing is left.
 *
 * drop_accents: also café → cafe, ё → е, Arabic and Hebrew without points. Without it marks are
 * kept, for stemmers that need them; й, and the marks of Indian scripts, are kept always.
 */
size_t rsi_fold(const char *word, size_t size, bool drop_accents, char out[RSI_TERM_MAX]);

#endif
