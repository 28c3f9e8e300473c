/*
 * The chunks of one term: slot and frequency, ascending by slot, in bytes.
 *
 *   bytes   [ 128 postings | 128 postings | … | up to 127 postings ]
 *   blocks  [ last slot, end, most, shortest ]   for each full 128: to jump over them, and to
 *                                                tell what none of them can reach
 *
 *   packed posting   delta * 2 + 1               the term stands there once
 *                    delta * 2, frequency        … or more often
 *                    both packed (packed_numbers.h); delta: from the slot before
 *   dense block      128 × u16: slot less the last one of the block before, 128 × u8: frequency
 *
 * The postings behind the last full block are packed; a full block is dense when its numbers fit,
 * because that is read several times faster, and packed otherwise.
 *
 * Most terms are rare: up to RSI_POSTINGS_INLINE bytes lie in the struct itself. What came from a
 * file is borrowed from the memory that it was read into, until the list grows. Slots of
 * removed chunks stay until rsi_postings_renumber(). Not locked: the index's rules.
 */
#ifndef RSI_LEXICAL_POSTINGS_H
#define RSI_LEXICAL_POSTINGS_H

#include "lexical/packed_numbers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RSI_BLOCK_POSTINGS 128
#define RSI_POSTINGS_INLINE 16
#define RSI_POSTING_MAX (2 * RSI_PACKED_MAX) /* bytes */
#define RSI_DENSE_BLOCK (3 * RSI_BLOCK_POSTINGS) /* bytes */
#define RSI_DENSE_SPAN UINT16_MAX
#define RSI_DENSE_FREQUENCY UINT8_MAX
#define RSI_NO_SLOT UINT32_MAX
#define RSI_SLOTS_MAX INT32_MAX /* delta * 2 + 1 fits 32 bits */

typedef struct rsi_block {
    uint32_t last_slot;
    uint32_t end;           /* offset behind its bytes */
    uint32_t max_frequency; /* of its postings */
    uint32_t min_length;    /* terms of its shortest chunk */
} rsi_block;

typedef struct rsi_postings {
    union {
        unsigned char inlined[RSI_POSTINGS_INLINE];
        unsigned char *allocated;
        const unsigned char *borrowed;
    } bytes;
    rsi_block *blocks;
    uint32_t count;          /* postings */
    uint32_t size;           /* bytes used */
    uint32_t capacity;       /* bytes allocated; 0: inline, or borrowed when there are more */
    uint32_t block_capacity; /* blocks allocated; 0: borrowed, if there are any */
    rsi_block tail; /* the postings behind the last full block */
} rsi_postings;

/* How a full block is kept, `base` being the last slot of the block before. */
static inline bool rsi_block_is_dense(const rsi_block *block, uint32_t base)
{
    return block->last_slot - base <= RSI_DENSE_SPAN && block->max_frequency <= RSI_DENSE_FREQUENCY;
}

void rsi_postings_free(rsi_postings *postings); /* zero-initialised is an empty list */

/* Is there surely room for one more? */
static inline bool rsi_postings_has_room(const rsi_postings *postings)
{
    size_t capacity = postings->capacity == 0 ? RSI_POSTINGS_INLINE : postings->capacity;
    bool completes_block = postings->count % RSI_BLOCK_POSTINGS == RSI_BLOCK_POSTINGS - 1;
    return (size_t)postings->size + RSI_POSTING_MAX <= capacity && !completes_block;
}

/* Make room for one more; *memory grows by the bytes allocated. */
int rsi_postings_reserve(rsi_postings *postings, size_t *memory);
/* The postings behind the last full block have become RSI_BLOCK_POSTINGS. */
void rsi_postings_complete_block(rsi_postings *postings);

/* Where the next posting is written. */
static inline unsigned char *rsi_postings_end(rsi_postings *postings)
{
    return (postings->capacity == 0 ? postings->bytes.inlined : postings->bytes.allocated) +
           postings->size;
}

/* One of `size` bytes was written there. */
static inline void rsi_postings_count(rsi_postings *postings, uint32_t slot, uint32_t frequency,
                                      uint32_t length, size_t size)
{
    rsi_block *tail = &postings->tail;
    const bool first = postings->count % RSI_BLOCK_POSTINGS == 0;
    postings->size += (uint32_t)size;
    tail->max_frequency =
        first || frequency > tail->max_frequency ? frequency : tail->max_frequency;
    tail->min_length = first || length < tail->min_length ? length : tail->min_length;
    tail->last_slot = slot;
    tail->end = postings->size;
    if (++postings->count % RSI_BLOCK_POSTINGS == 0)
        rsi_postings_complete_block(postings);
}

/* Append behind all others, into room that was made. frequency > 0. The one before went to another
 * list, most likely: nothing about the next one can be foreseen. */
static inline void rsi_postings_append(rsi_postings *postings, uint32_t slot, uint32_t frequency,
                                       uint32_t length)
{
    const bool once = frequency == 1;
    unsigned char *at = rsi_postings_end(postings);
    size_t size =
        rsi_put_packed_quickly(at, (slot - postings->tail.last_slot) << 1 | (once ? 1u : 0u));
    if (frequency < 0x80) {
        at[size] = (unsigned char)frequency; /* nothing, if it is 1 */
        size += !once;
    } else {
        size += rsi_put_packed(at + size, frequency);
    }
    rsi_postings_count(postings, slot, frequency, length, size);
}

/*
 * Give slot i the number new_slots[i] in *out, an empty list, without its posting when that is
 * RSI_NO_SLOT. New numbers ascend. lengths: by old slot. *memory grows by the bytes allocated;
 * what a failed call has put into *out is for the caller to free.
 */
int rsi_postings_renumber(rsi_postings *out, const rsi_postings *postings,
                          const uint32_t *new_slots, const uint32_t *lengths, size_t *memory);

static inline size_t rsi_postings_memory(const rsi_postings *postings)
{
    return postings->capacity + postings->block_capacity * sizeof(rsi_block);
}

static inline const unsigned char *rsi_postings_bytes(const rsi_postings *postings)
{
    if (postings->capacity > 0)
        return postings->bytes.allocated;
    return postings->size <= RSI_POSTINGS_INLINE ? postings->bytes.inlined
                                                 : postings->bytes.borrowed;
}

static inline uint32_t rsi_postings_full_blocks(const rsi_postings *postings)
{
    return postings->count / RSI_BLOCK_POSTINGS;
}

/* A place in a list. slot is RSI_NO_SLOT behind the last posting. */
typedef struct rsi_cursor {
    const rsi_postings *postings;
    const unsigned char *at;  /* dense: the block; packed: the posting after this one */
    const unsigned char *end; /* of the block */
    uint32_t slot;
    uint32_t frequency;
    uint32_t block; /* which one that is, the full ones first */
    uint32_t base;  /* last slot of the block before */
    uint32_t place; /* dense: in the block */
    uint32_t ahead; /* no block before this one holds slots that are still asked about */
    bool dense;
} rsi_cursor;

/* On the first posting of a block, full or last. */
void rsi_cursor_enter(rsi_cursor *cursor, uint32_t block);

static inline uint32_t rsi_dense_offset(const unsigned char *block, uint32_t place)
{
    uint16_t offset;
    memcpy(&offset, block + 2 * place, sizeof offset);
    return offset;
}

static inline uint32_t rsi_dense_frequency(const unsigned char *block, uint32_t place)
{
    return block[2 * RSI_BLOCK_POSTINGS + place];
}

/* Go to a place in the dense block at hand; RSI_BLOCK_POSTINGS: to the block behind it. */
static inline void rsi_cursor_place(rsi_cursor *cursor, uint32_t place)
{
    if (place == RSI_BLOCK_POSTINGS) {
        rsi_cursor_enter(cursor, cursor->block + 1);
        return;
    }
    cursor->place = place;
    cursor->slot = cursor->base + rsi_dense_offset(cursor->at, place);
    cursor->frequency = rsi_dense_frequency(cursor->at, place);
}

/* Step to the next posting. */
static inline void rsi_cursor_next(rsi_cursor *cursor)
{
    if (cursor->dense) {
        rsi_cursor_place(cursor, cursor->place + 1);
        return;
    }
    if (cursor->at == cursor->end) {
        rsi_cursor_enter(cursor, cursor->block + 1);
        return;
    }
    uint32_t number = rsi_take_packed(&cursor->at);
    cursor->slot += number >> 1;
    cursor->frequency = (number & 1) != 0 ? 1 : rsi_take_packed(&cursor->at);
}

/* The first place of the dense block at hand, from `place` on, whose slot is >= slot. */
uint32_t rsi_cursor_find(const rsi_cursor *cursor, uint32_t slot);

/* On the first posting. */
rsi_cursor rsi_cursor_begin(const rsi_postings *postings);
/* Go on to the first posting whose slot is >= slot; never back. */
void rsi_cursor_advance(rsi_cursor *cursor, uint32_t slot);

/*
 * The highest frequency and the shortest chunk among the postings in [from, to), or of a few
 * more around; false when there are none. `from` never goes back.
 */
bool rsi_cursor_extremes(rsi_cursor *cursor, uint32_t from, uint32_t to, uint32_t *max_frequency,
                         uint32_t *min_length);

#endif
