/* The lists of stop_words_european.c, for stop_words.c. */
#ifndef RSI_LEXICAL_STOP_WORDS_INTERNAL_H
#define RSI_LEXICAL_STOP_WORDS_INTERNAL_H

#include "lexical/stop_words.h"

typedef struct rsi_stop_table {
    const char *language;
    const char *const *words;
    size_t count;
} rsi_stop_table;

/* In the order of rsi_stop_list, from DUTCH on. */
extern const rsi_stop_table rsi_stop_tables[RSI_STOP_LISTS - RSI_STOP_DUTCH];

#endif
