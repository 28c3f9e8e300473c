/* Near-duplicates: see duplicates.h. */
#include "search/duplicates.h"

#include "lexical/phrase.h"
#include "lexical/text_hash.h"

#include <string.h>

#define SHINGLE 3
#define LIKE_SHARE 0.9

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
