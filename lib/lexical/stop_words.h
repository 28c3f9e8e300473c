/* Words that tell nothing about what a text is about, per language. Pure functions. */
#ifndef RSI_LEXICAL_STOP_WORDS_H
#define RSI_LEXICAL_STOP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rsi_stop_list { RSI_STOP_NONE, RSI_STOP_ENGLISH, RSI_STOP_RUSSIAN } rsi_stop_list;

/* The whole list, in byte order; empty (and not NULL) for NONE. Static. */
const char *const *rsi_stop_words(rsi_stop_list list, size_t *count);

/* word: folded, without NUL. */
bool rsi_is_stop_word(rsi_stop_list list, const char *word, size_t size);

#endif
