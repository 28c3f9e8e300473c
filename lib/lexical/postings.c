/* The chunks of one term: see postings.h. */
#include "lexical/postings.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

void rsi_postings_free(rsi_postings *postings)
{
    if (postings->capacity > 0)
        rsi_free(postings->bytes.allocated);
    rsi_free(postings->blocks);
    memset(postings, 0, sizeof *postings);
}

/* The first step out of the struct is small, for the many lists that never take another. */
static int grow_bytes(rsi_postings *postings, size_t *memory)
{
    size_t capacity = postings->capacity == 0 ? 2 * RSI_POSTINGS_INLINE
                                              : postings->capacity + (size_t)postings->capacity / 2;
    if (capacity > UINT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "a word with too many chunks");
    bool inlined = postings->capacity == 0;
    unsigned char *bytes = rsi_resize(inlined ? NULL : postings->bytes.allocated, capacity);
    if (bytes == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (inlined)
        memcpy(bytes, postings->bytes.inlined, postings->size);
    *memory += capacity - postings->capacity;
    postings->bytes.allocated = bytes;
    postings->capacity = (uint32_t)capacity;
    return RAGSTORE_OK;
}

static int grow_blocks(rsi_postings *postings, size_t *memory)
{
    size_t capacity = postings->block_capacity == 0 ? 2 : (size_t)postings->block_capacity * 2;
    rsi_block *blocks = rsi_resize(postings->blocks, capacity * sizeof *blocks);
    if (blocks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    *memory += (capacity - postings->block_capacity) * sizeof *blocks;
    postings->blocks = blocks;
    postings->block_capacity = (uint32_t)capacity;
    return RAGSTORE_OK;
}

int rsi_postings_reserve(rsi_postings *postings, size_t *memory)
{
    size_t capacity = postings->capacity == 0 ? RSI_POSTINGS_INLINE : postings->capacity;
    if (capacity - postings->size < RSI_POSTING_MAX) {
        int status = grow_bytes(postings, memory);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (postings->count % RSI_BLOCK_POSTINGS == RSI_BLOCK_POSTINGS - 1 &&
        rsi_postings_full_blocks(postings) == postings->block_capacity)
        return grow_blocks(postings, memory);
    return RAGSTORE_OK;
}

void rsi_postings_append(rsi_postings *postings, uint32_t slot, uint32_t frequency, uint32_t length)
{
    unsigned char *bytes =
        postings->capacity == 0 ? postings->bytes.inlined : postings->bytes.allocated;
    rsi_block *tail = &postings->tail;
    bool once = frequency == 1;
    uint32_t delta = slot - tail->last_slot;
    size_t size = rsi_put_packed(bytes + postings->size, delta << 1 | (once ? 1u : 0u));
    if (!once)
        size += rsi_put_packed(bytes + postings->size + size, frequency);
    postings->size += (uint32_t)size;

    bool first = postings->count % RSI_BLOCK_POSTINGS == 0;
    if (first || frequency > tail->max_frequency)
        tail->max_frequency = frequency;
    if (first || length < tail->min_length)
        tail->min_length = length;
    tail->last_slot = slot;
    tail->end = postings->size;
    if (++postings->count % RSI_BLOCK_POSTINGS == 0)
        postings->blocks[rsi_postings_full_blocks(postings) - 1] = *tail;
}

void rsi_postings_renumber(rsi_postings *postings, const uint32_t *new_slots,
                           const uint32_t *lengths)
{
    /* Reading runs ahead of writing in the same bytes: what is kept never takes more room than
     * what was read for it, because deltas only shrink or merge. */
    rsi_cursor from = rsi_cursor_begin(postings);
    postings->count = 0;
    postings->size = 0;
    memset(&postings->tail, 0, sizeof postings->tail);
    for (; from.slot != RSI_NO_SLOT; rsi_cursor_next(&from))
        if (new_slots[from.slot] != RSI_NO_SLOT)
            rsi_postings_append(postings, new_slots[from.slot], from.frequency, lengths[from.slot]);
}

/* ---- reading ------------------------------------------------------------------------ */

rsi_cursor rsi_cursor_begin(const rsi_postings *postings)
{
    const unsigned char *bytes = rsi_postings_bytes(postings);
    rsi_cursor cursor = {.postings = postings, .at = bytes, .end = bytes + postings->size};
    rsi_cursor_next(&cursor);
    return cursor;
}

/* The first block at or behind the cursor's that reaches `slot`; the tail's number if none does. */
static void skip_blocks(rsi_cursor *cursor, uint32_t slot)
{
    const rsi_block *blocks = cursor->postings->blocks;
    uint32_t full = rsi_postings_full_blocks(cursor->postings);
    while (cursor->block < full && blocks[cursor->block].last_slot < slot)
        cursor->block++;
}

void rsi_cursor_advance(rsi_cursor *cursor, uint32_t slot)
{
    if (cursor->slot >= slot)
        return;
    skip_blocks(cursor, slot);
    if (cursor->block > 0) {
        const rsi_block *before = &cursor->postings->blocks[cursor->block - 1];
        const unsigned char *start = rsi_postings_bytes(cursor->postings) + before->end;
        if (start > cursor->at) {
            cursor->at = start;
            cursor->slot = before->last_slot;
            rsi_cursor_next(cursor);
        }
    }
    while (cursor->slot < slot)
        rsi_cursor_next(cursor);
}

bool rsi_cursor_extremes(rsi_cursor *cursor, uint32_t from, uint32_t to, uint32_t *max_frequency,
                         uint32_t *min_length)
{
    if (cursor->slot >= to)
        return false;
    skip_blocks(cursor, from);
    const rsi_postings *postings = cursor->postings;
    uint32_t full = rsi_postings_full_blocks(postings);
    if (cursor->block == full && postings->tail.last_slot < from)
        return false;
    *max_frequency = 0;
    *min_length = UINT32_MAX;
    for (uint32_t i = cursor->block; i <= full; i++) {
        const rsi_block *block = i < full ? &postings->blocks[i] : &postings->tail;
        if (i == full && postings->count % RSI_BLOCK_POSTINGS == 0)
            break; /* the tail is empty */
        if (block->max_frequency > *max_frequency)
            *max_frequency = block->max_frequency;
        if (block->min_length < *min_length)
            *min_length = block->min_length;
        if (block->last_slot >= to - 1)
            break;
    }
    return *max_frequency > 0;
}
