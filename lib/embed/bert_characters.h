/* Classes of characters as BERT tokenizers see them: see bert_characters.c. */
#ifndef RSI_EMBED_BERT_CHARACTERS_H
#define RSI_EMBED_BERT_CHARACTERS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rsi_character {
    RSI_CHARACTER_OTHER,       /* part of a word, also unassigned code points */
    RSI_CHARACTER_CONTROL,     /* dropped: control, format, private use, U+FFFD */
    RSI_CHARACTER_SPACE,       /* between words */
    RSI_CHARACTER_MARK,        /* non-spacing marks, such as accents */
    RSI_CHARACTER_PUNCTUATION, /* a word by itself; in ASCII also symbols */
} rsi_character;

rsi_character rsi_character_kind(uint32_t code_point);

/* The blocks of CJK ideographs, each of which is a word by itself. Not kana, not Hangul. */
bool rsi_character_is_ideograph(uint32_t code_point);

#endif
