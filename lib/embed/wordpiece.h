/* From text to the token ids of a BERT-family model: see wordpiece.c. */
#ifndef RSI_EMBED_WORDPIECE_H
#define RSI_EMBED_WORDPIECE_H

#include "embed/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_WORD_CHARACTERS_MAX 256 /* the largest word_characters that a model may ask for */

/* A token that stands for itself wherever its text is written: "[SEP]". */
typedef struct rsi_added_token {
    char *text;
    size_t size;
    int32_t id;
} rsi_added_token;

typedef struct rsi_wordpiece {
    rsi_vocabulary vocabulary;
    rsi_added_token *added;
    size_t added_count;
    bool begins_added[256]; /* by first byte */
    int32_t unknown;        /* [UNK] */
    int32_t begin;          /* [CLS] */
    int32_t end;            /* [SEP] */
    size_t word_characters; /* longer words become [UNK] */
    bool lowercase;
    bool strip_accents;
    bool split_ideographs;
} rsi_wordpiece;

/* Read tokenizer.json, or vocab.txt and tokenizer_config.json, of a model directory.
 * NOT_FOUND, INVALID_DATA, UNSUPPORTED (another kind of tokenizer). wordpiece_config.c */
int rsi_wordpiece_open(rsi_wordpiece *out, const char *directory);
void rsi_wordpiece_free(rsi_wordpiece *wordpiece);

/* Everything of the set-up that decides about the ids. wordpiece_config.c */
void rsi_wordpiece_digest(const rsi_wordpiece *wordpiece, rsi_sha256 *sha);

typedef struct rsi_token_list {
    int32_t *ids;    /* the first `capacity` ids are put here */
    size_t capacity; /* may be 0 */
    size_t count;    /* ids of the text, also those that found no room */
    bool only_first; /* stop when ids is full; count is then capacity */
} rsi_token_list;

/* Append the ids of a text, without special tokens around it. Valid UTF-8. */
void rsi_wordpiece_run(const rsi_wordpiece *wordpiece, rsi_token_list *list, const char *text,
                       size_t size);

#define RSI_SPECIAL_TOKENS 2 /* [CLS] and [SEP] */

/* [CLS], the text's ids as far as they fit, [SEP]; returns how many: at most `limit`, for which ids
 * has room. `uncut` (may be NULL, which saves reading a long text to its end) is how many there
 * would be without the limit. Valid UTF-8. */
size_t rsi_wordpiece_frame(const rsi_wordpiece *wordpiece, int32_t *ids, size_t *uncut,
                           size_t limit, const char *text, size_t size);

#endif
