/* Words that tell nothing about what a text is about, per language. Pure functions. */
#ifndef RSI_LEXICAL_STOP_WORDS_H
#define RSI_LEXICAL_STOP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rsi_stop_list {
    RSI_STOP_NONE,
    RSI_STOP_ENGLISH,
    RSI_STOP_RUSSIAN,
    RSI_STOP_DUTCH, /* these and the following: stop_words_european.c */
    RSI_STOP_FRENCH,
    RSI_STOP_GERMAN,
    RSI_STOP_ITALIAN,
    RSI_STOP_PORTUGUESE,
    RSI_STOP_SPANISH,
    RSI_STOP_SWEDISH,
    RSI_STOP_LISTS, /* how many */
} rsi_stop_list;

/* The list of a Snowball language; NONE when there is none. */
rsi_stop_list rsi_stop_list_of(const char *language);

/* The whole list, in byte order; empty (and not NULL) for NONE. Static. */
const char *const *rsi_stop_words(rsi_stop_list list, size_t *count);

/* word: folded, without NUL. */
bool rsi_is_stop_word(rsi_stop_list list, const char *word, size_t size);

#endif
