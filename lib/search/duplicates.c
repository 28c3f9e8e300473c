/* Near-duplicates: see duplicates.h. */
#include "search/duplicates.h"

#include "lexical/phrase.h"
#include "lexical/text_hash.h"

#include <string.h>

#define SHINGLE 3
#define LIKE_SHARE 0.9

/* May a character that begins so be folded into a digit? Beyond ASCII there are raised and lowered
 * ones, fractions, those in circles and wide ones. Letters of other alphabets, quotation marks and
 * dashes (E2 80), kana and most Han characters are never one. */
static bool may_be_digit(const unsigned char *lead)
{
    switch (lead[0]) {
    case 0xE2:
        return lead[1] != 0x80;
    case 0xE3:
        return lead[1] >= 0x88;
    case 0xC2:
    case 0xEF:
        return true;
    default:
        return lead[0] >= 0xF0;
    }
}

/* Of eight bytes: is none a digit or beyond ASCII? */
static bool are_plain(const char *text)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
    /* the highest bit of a sum: this byte is at least '0', or above '9' */
    const uint64_t from_0 = (bytes | ones << 7) - ones * '0';
    const uint64_t above_9 = (bytes | ones << 7) - ones * ('9' + 1);
    return ((bytes | (from_0 & ~above_9)) & ones << 7) == 0;
}

uint64_t rsi_digits_of(const char *text, size_t size)
{
    uint64_t hash = 1;
    for (size_t i = 0; i < size; i++) {
        while (size - i > sizeof(uint64_t) && are_plain(text + i))
            i += sizeof(uint64_t);
        const unsigned char byte = (unsigned char)text[i];
        if (byte >= '0' && byte <= '9')
            hash = rsi_mix(hash ^ byte);
        else if (byte >= 0xC0 && i + 1 < size && may_be_digit((const unsigned char *)text + i))
            return 0;
    }
    return hash == 0 ? 1 : hash;
}

struct sketching {
    rsi_sketch *sketch;
    uint64_t last[SHINGLE]; /* hashes of the last words */
    size_t words;
};

static bool has_digit(const char *word, size_t size)
{
    bool has = false;
    for (size_t i = 0; i < size; i++)
        has |= word[i] >= '0' && word[i] <= '9';
    return has;
}

/* How many of the kept hashes are smaller. */
static size_t place_of(const rsi_sketch *sketch, uint64_t hash)
{
    size_t from = 0;
    size_t count = sketch->count;
    while (count > 0) {
        const size_t half = count / 2;
        const bool is_behind = sketch->hashes[from + half] < hash;
        from = is_behind ? from + half + 1 : from;
        count = is_behind ? count - half - 1 : half;
    }
    return from;
}

/* Keep a hash if it is among the smallest so far. */
static void keep(rsi_sketch *sketch, uint64_t hash)
{
    const size_t at = place_of(sketch, hash);
    if (at == RSI_SKETCH_HASHES || (at < sketch->count && sketch->hashes[at] == hash))
        return;
    const size_t kept =
        sketch->count == RSI_SKETCH_HASHES ? RSI_SKETCH_HASHES - 1 : sketch->count;
    memmove(sketch->hashes + at + 1, sketch->hashes + at, (kept - at) * sizeof *sketch->hashes);
    sketch->hashes[at] = hash;
    sketch->count = kept + 1;
}

static uint64_t shingle(const struct sketching *s, size_t words)
{
    uint64_t hash = words;
    for (size_t i = words; i > 0; i--)
        hash = rsi_mix(hash ^ s->last[(s->words - i) % SHINGLE]);
    return hash;
}

static bool take_word(void *user, const char *word, size_t size)
{
    struct sketching *s = user;
    const uint64_t hash = rsi_text_hash(0, word, size);
    s->last[s->words++ % SHINGLE] = hash;
    if (has_digit(word, size))
        s->sketch->numbers = rsi_mix(s->sketch->numbers ^ hash);
    if (s->words >= SHINGLE)
        keep(s->sketch, shingle(s, SHINGLE));
    return true;
}

void rsi_sketch_make(rsi_sketch *sketch, const char *text)
{
    struct sketching s = {.sketch = sketch};
    sketch->count = 0;
    sketch->numbers = 0;
    rsi_words_walk(text, strlen(text), take_word, &s);
    if (s.words > 0 && s.words < SHINGLE)
        keep(sketch, shingle(&s, s.words));
}

bool rsi_sketch_is_like(const rsi_sketch *a, const rsi_sketch *b)
{
    size_t i = 0;
    size_t j = 0;
    size_t both = 0;
    size_t all = 0;
    if (a->numbers != b->numbers || a->count == 0 || b->count == 0)
        return false;
    while (all < RSI_SKETCH_HASHES && (i < a->count || j < b->count)) {
        if (j == b->count || (i < a->count && a->hashes[i] < b->hashes[j])) {
            i++;
        } else if (i == a->count || b->hashes[j] < a->hashes[i]) {
            j++;
        } else {
            both++;
            i++;
            j++;
        }
        all++;
    }
    return (double)both >= LIKE_SHARE * (double)all;
}
