/*
 * Adding a chunk to an index.
 *
 *   text ─► segments ─► places in the word cache        for many words at once: where the processor
 *             │                                          has to fetch something from memory, it is
 *             ├─ known:  number of the term              asked for it before it is needed
 *             └─ others: tokens ─► places in the dictionary
 *           each in its turn: how often the chunk has each term
 *           room for all that, then the chunk and its postings
 *
 * Everything that can fail comes first (analysis, new terms, room in every list), then what cannot
 * (appending). New terms of a failed half stay in the dictionary without chunks, which nobody can
 * tell from terms that are not there.
 */
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_index.h"

#include <string.h>

/* A chunk on its way in. */
struct addition {
    rsi_lexical *index;
    rsi_lexical_run *run; /* the open one */
    size_t touched;       /* different terms so far */
    uint32_t length;
    size_t tokens; /* of the segment at hand */
    uint32_t last; /* of their terms, as it is in the cache */
};

#define WORDS_AT_ONCE 64

/* In a number in the cache: it is a stop word's. */
#define STOP_BIT (UINT32_C(1) << 31)

/* Make room in index->touched for so many more. */
static int reserve_touched(struct addition *addition, size_t more)
{
    rsi_lexical *index = addition->index;
    return rsi_grow((void **)&index->touched, &index->touched_capacity, addition->touched + more,
                    sizeof *index->touched)
               ? RAGSTORE_OK
               : RAGSTORE_E_NO_MEMORY;
}

/* Make room in index->pending for so many terms. */
static int reserve_pending(rsi_lexical *index, size_t terms)
{
    const size_t before = index->pending_capacity;
    if (!rsi_grow((void **)&index->pending, &index->pending_capacity, terms,
                  sizeof *index->pending))
        return RAGSTORE_E_NO_MEMORY;
    if (index->pending_capacity > before)
        memset(index->pending + before, 0,
               (index->pending_capacity - before) * sizeof *index->pending);
    return RAGSTORE_OK;
}

/* Into room that was made. */
static inline void count_term(struct addition *addition, uint32_t number, bool stop)
{
    const rsi_lexical *index = addition->index;
    index->touched[addition->touched] = number;
    addition->touched += index->pending[number]++ == 0;
    addition->length += !stop;
}

/* ---- words that the cache does not know ---- */

/* A token as the dictionary takes it. */
struct term_key {
    char text[RSI_KEY_MAX];
    size_t size;
    uint32_t hash;
    bool stop;
};

static void make_key(struct term_key *key, const rsi_dictionary *dictionary, const rsi_token *token)
{
    key->size = rsi_lexical_key(token, key->text);
    key->hash = rsi_dictionary_hash(dictionary, key->text, key->size);
    key->stop = token->stop;
}

static int count_key(struct addition *addition, const struct term_key *key)
{
    rsi_lexical_run *run = addition->run;
    size_t before = run->dictionary.count;
    int status = rsi_lexical_reserve_terms(run, before + 1);
    if (status == RAGSTORE_OK)
        status = reserve_pending(addition->index, before + 1);
    if (status == RAGSTORE_OK)
        status = reserve_touched(addition, 1 + WORDS_AT_ONCE); /* and for known words behind it */
    uint32_t number;
    if (status == RAGSTORE_OK)
        status = rsi_dictionary_add(&run->dictionary, key->text, key->size, key->hash, &number);
    if (status != RAGSTORE_OK)
        return status;
    if (number == before)
        run->terms[number] = (rsi_term){.stop = key->stop};
    addition->tokens++;
    addition->last = number | (key->stop ? STOP_BIT : 0);
    count_term(addition, number, key->stop);
    return RAGSTORE_OK;
}

static int count_token(void *user, const rsi_token *token)
{
    struct addition *addition = user;
    struct term_key key;
    make_key(&key, &addition->run->dictionary, token);
    return count_key(addition, &key);
}

/* ---- many words at once ---- */

#define KEYS_AT_ONCE (4 * RSI_WORD_TOKENS_MAX)

struct word {
    rsi_word_key key;
    rsi_cached_words *set; /* NULL: it is too long to be kept */
    uint32_t known;        /* what is kept; or RSI_NOT_CACHED, and what it comes to is … */
    bool analyzed;
    size_t first_key; /* … so many of the keys below */
    size_t key_count;
};

struct words {
    const char *text;
    size_t size;
    rsi_segment segments[WORDS_AT_ONCE];
    struct word words[WORDS_AT_ONCE];
    size_t count;
    struct term_key keys[KEYS_AT_ONCE];
    size_t key_count;
    const rsi_dictionary *dictionary;
};

static int keep_key(void *user, const rsi_token *token)
{
    struct words *words = user;
    struct term_key *key = &words->keys[words->key_count++];
    make_key(key, words->dictionary, token);
    rsi_dictionary_prefetch(words->dictionary, key->hash);
    return RAGSTORE_OK;
}

static void find_sets(struct words *words, const rsi_word_cache *cache)
{
    for (size_t i = 0; i < words->count; i++) {
        struct word *word = &words->words[i];
        const rsi_segment *segment = &words->segments[i];
        const size_t size = segment->end - segment->start;
        word->set = NULL;
        if (size > RSI_CACHED_WORD_MAX || cache->count == 0)
            continue;
        word->key = rsi_word_key_of(words->text + segment->start, size,
                                    words->size - segment->start);
        word->set = rsi_word_cache_set(cache, &word->key);
        __builtin_prefetch(word->set);
    }
}

static int look_up(struct words *words, struct addition *addition)
{
    const rsi_lexical_run *run = addition->run;
    words->key_count = 0;
    for (size_t i = 0; i < words->count; i++) {
        struct word *word = &words->words[i];
        word->known = word->set == NULL ? RSI_NOT_CACHED : rsi_cached_value(word->set, &word->key);
        if (word->known != RSI_NOT_CACHED) {
            __builtin_prefetch(&run->terms[word->known & ~STOP_BIT], 1);
            continue;
        }
        word->analyzed = words->segments[i].kind == RSI_SEGMENT_WORD &&
                         words->key_count + RSI_WORD_TOKENS_MAX <= KEYS_AT_ONCE;
        if (!word->analyzed)
            continue;
        word->first_key = words->key_count;
        int status = rsi_analyzer_expand(&addition->index->analyzer, words->text,
                                         &words->segments[i], keep_key, words);
        if (status != RAGSTORE_OK)
            return status;
        word->key_count = words->key_count - word->first_key;
    }
    return RAGSTORE_OK;
}

static int count_new_word(struct addition *addition, const struct words *words, size_t i)
{
    const struct word *word = &words->words[i];
    int status = RAGSTORE_OK;
    addition->tokens = 0;
    if (!word->analyzed)
        status = rsi_analyzer_expand(&addition->index->analyzer, words->text, &words->segments[i],
                                     count_token, addition);
    else
        for (size_t k = 0; k < word->key_count && status == RAGSTORE_OK; k++)
            status = count_key(addition, &words->keys[word->first_key + k]);
    if (status == RAGSTORE_OK && addition->tokens == 1 && word->set != NULL)
        rsi_cache_word(word->set, &word->key, addition->last);
    return status;
}

static int count_words(struct addition *addition, const struct words *words)
{
    int status = reserve_touched(addition, words->count);
    for (size_t i = 0; i < words->count && status == RAGSTORE_OK; i++) {
        const uint32_t known = words->words[i].known;
        if (known != RSI_NOT_CACHED) {
            const rsi_term *term = &addition->run->terms[known & ~STOP_BIT];
            __builtin_prefetch(rsi_postings_bytes(&term->postings) + term->postings.size, 1);
            count_term(addition, known & ~STOP_BIT, (known & STOP_BIT) != 0);
        } else {
            status = count_new_word(addition, words, i);
        }
    }
    return status;
}

static int count_terms(struct addition *addition, const char *text, size_t size)
{
    rsi_lexical *index = addition->index;
    const rsi_dictionary *dictionary = &addition->run->dictionary;
    struct words words; /* most of it is not used for most texts */
    words.text = text;
    words.size = size;
    words.dictionary = dictionary;
    size_t offset = 0;
    int status = reserve_pending(index, dictionary->count);
    while (status == RAGSTORE_OK) {
        words.count = rsi_segments_next(text, size, &offset, words.segments, WORDS_AT_ONCE);
        if (words.count == 0)
            break;
        find_sets(&words, &index->cache);
        status = look_up(&words, addition);
        if (status == RAGSTORE_OK)
            status = count_words(addition, &words);
    }
    return status == RAGSTORE_OK ? rsi_word_cache_fit(&index->cache, dictionary->count) : status;
}

static int make_room(struct addition *addition)
{
    const rsi_lexical *index = addition->index;
    rsi_lexical_run *run = addition->run;
    int status = rsi_chunk_slots_reserve(&run->slots, addition->touched);
    for (size_t i = 0; i < addition->touched && status == RAGSTORE_OK; i++) {
        rsi_postings *postings = &run->terms[index->touched[i]].postings;
        if (!rsi_postings_has_room(postings))
            status = rsi_postings_reserve(postings, &run->postings_memory);
    }
    return status;
}

/* Cannot fail. */
static void enter_chunk(struct addition *addition, int64_t chunk)
{
    const rsi_lexical *index = addition->index;
    rsi_lexical_run *run = addition->run;
    uint32_t slot = rsi_chunk_slots_append(&run->slots, chunk, index->touched, addition->touched,
                                           addition->length);
    for (size_t i = 0; i < addition->touched; i++) {
        rsi_term *term = &run->terms[index->touched[i]];
        rsi_postings_append(&term->postings, slot, index->pending[index->touched[i]],
                            addition->length);
        term->chunks++;
    }
}

int rsi_lexical_add(rsi_lexical *index, int64_t chunk, const char *text, size_t size)
{
    if (chunk < 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "lexical", "chunk number %lld is negative",
                        (long long)chunk);
    if (size > INT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "chunk %lld has %zu bytes of text",
                        (long long)chunk, size);
    uint32_t slot;
    rsi_chunk_slots_prefetch(&rsi_lexical_open_run(index)->slots, chunk);
    if (rsi_lexical_run_of(index, chunk, &slot) != NULL)
        return rsi_fail(RAGSTORE_E_EXISTS, "lexical", "chunk %lld is in the keyword index already",
                        (long long)chunk);
    struct addition addition = {.index = index, .run = rsi_lexical_open_run(index)};
    int status = count_terms(&addition, text, size);
    if (status == RAGSTORE_OK)
        status = make_room(&addition);
    if (status == RAGSTORE_OK)
        enter_chunk(&addition, chunk);
    for (size_t i = 0; i < addition.touched; i++)
        index->pending[index->touched[i]] = 0;
    if (status == RAGSTORE_OK)
        rsi_lexical_put_away(index);
    return status;
}

