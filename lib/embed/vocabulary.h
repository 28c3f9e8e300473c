/* The pieces of words that a model knows, by number: see vocabulary.c. */
#ifndef RSI_EMBED_VOCABULARY_H
#define RSI_EMBED_VOCABULARY_H

#include "base/bytes.h"
#include "base/digest.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rsi_vocabulary_piece {
    uint32_t begin; /* in `text` */
    uint32_t size;
    bool present; /* ids may have gaps */
} rsi_vocabulary_piece;

typedef struct rsi_vocabulary_slot {
    uint32_t hash;
    int32_t id; /* -1: free */
} rsi_vocabulary_slot;

typedef struct rsi_vocabulary {
    rsi_bytes text; /* all pieces, one behind the other */
    rsi_vocabulary_piece *pieces;
    size_t count; /* the largest id + 1 */
    rsi_vocabulary_slot *slots;
    size_t mask;    /* slots - 1; slots are a power of two */
    size_t longest; /* bytes of the longest piece, "##" included */
} rsi_vocabulary;

/* From a vocab.txt, one piece a line, whose text is taken. INVALID_DATA. */
int rsi_vocabulary_of_lines(rsi_vocabulary *out, rsi_bytes *lines);
/* From the object {piece: id} of a tokenizer.json. INVALID_DATA. */
int rsi_vocabulary_of_json(rsi_vocabulary *out, const rsi_json *object);
void rsi_vocabulary_free(rsi_vocabulary *vocabulary);

int32_t rsi_vocabulary_find(const rsi_vocabulary *vocabulary, const char *piece); /* -1: none */

/* The longest piece that text begins with, or, inside a word, whose form behind "##" it begins
 * with. Returns its id and its bytes of text in *matched; -1 when there is none. */
int32_t rsi_vocabulary_match(const rsi_vocabulary *vocabulary, bool inside_word, const char *text,
                             size_t size, size_t *matched);

void rsi_vocabulary_digest(const rsi_vocabulary *vocabulary, rsi_sha256 *sha);

#endif
