/* The chunks of one term: see postings.h. */
#include "lexical/postings.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

void rsi_postings_free(rsi_postings *postings)
{
    if (postings->capacity > 0)
        rsi_free(postings->bytes.allocated);
    if (postings->block_capacity > 0)
        rsi_free(postings->blocks);
    memset(postings, 0, sizeof *postings);
}

/* The first step out of the struct is small, for the many lists that never take another. */
static int grow_bytes(rsi_postings *postings, size_t *memory)
{
    const bool owned = postings->capacity > 0;
    const size_t from = owned                                   ? postings->capacity
                        : postings->size <= RSI_POSTINGS_INLINE ? RSI_POSTINGS_INLINE
                                                                : postings->size;
    const size_t capacity = from == RSI_POSTINGS_INLINE ? 2 * from : from + from / 2;
    if (capacity > UINT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "a word with too many chunks");
    unsigned char *bytes = rsi_resize(owned ? postings->bytes.allocated : NULL, capacity);
    if (bytes == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (!owned)
        memcpy(bytes, rsi_postings_bytes(postings), postings->size);
    *memory += capacity - postings->capacity;
    postings->bytes.allocated = bytes;
    postings->capacity = (uint32_t)capacity;
    return RAGSTORE_OK;
}

static int grow_blocks(rsi_postings *postings, size_t *memory)
{
    const bool owned = postings->block_capacity > 0;
    const size_t full = postings->count / RSI_BLOCK_POSTINGS;
    const size_t capacity = full == 0 ? 2 : 2 * full;
    rsi_block *blocks = rsi_resize(owned ? postings->blocks : NULL, capacity * sizeof *blocks);
    if (blocks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (!owned && full > 0)
        memcpy(blocks, postings->blocks, full * sizeof *blocks);
    *memory += (capacity - postings->block_capacity) * sizeof *blocks;
    postings->blocks = blocks;
    postings->block_capacity = (uint32_t)capacity;
    return RAGSTORE_OK;
}

/* Where the postings behind the last full block begin. */
static size_t block_start(const rsi_postings *postings)
{
    uint32_t full = rsi_postings_full_blocks(postings);
    return full == 0 ? 0 : postings->blocks[full - 1].end;
}

int rsi_postings_reserve(rsi_postings *postings, size_t *memory)
{
    bool completes_block = postings->count % RSI_BLOCK_POSTINGS == RSI_BLOCK_POSTINGS - 1;
    size_t needed = (size_t)postings->size + RSI_POSTING_MAX;
    if (completes_block && needed < block_start(postings) + RSI_DENSE_BLOCK)
        needed = block_start(postings) + RSI_DENSE_BLOCK;
    while (needed > (postings->capacity == 0 ? RSI_POSTINGS_INLINE : postings->capacity)) {
        int status = grow_bytes(postings, memory);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (completes_block && rsi_postings_full_blocks(postings) >= postings->block_capacity)
        return grow_blocks(postings, memory);
    return RAGSTORE_OK;
}

/* Write packed postings as a dense block in their place; returns whether they fit. `base`: the last
 * slot before them. */
static bool make_dense(unsigned char *start, const rsi_block *tail, uint32_t base)
{
    if (!rsi_block_is_dense(tail, base))
        return false;
    unsigned char block[RSI_DENSE_BLOCK];
    const unsigned char *at = start;
    for (uint32_t place = 0, slot = base; place < RSI_BLOCK_POSTINGS; place++) {
        uint32_t number = rsi_take_packed(&at);
        slot += number >> 1;
        uint16_t offset = (uint16_t)(slot - base);
        memcpy(block + 2 * place, &offset, sizeof offset);
        block[2 * RSI_BLOCK_POSTINGS + place] =
            (unsigned char)((number & 1) != 0 ? 1 : rsi_take_packed(&at));
    }
    memcpy(start, block, sizeof block);
    return true;
}

void rsi_postings_complete_block(rsi_postings *postings)
{
    const uint32_t before = rsi_postings_full_blocks(postings) - 1;
    const uint32_t base = before == 0 ? 0 : postings->blocks[before - 1].last_slot;
    const uint32_t start = before == 0 ? 0 : postings->blocks[before - 1].end;
    rsi_block *tail = &postings->tail;
    /* so many bytes are never inline */
    if (make_dense(postings->bytes.allocated + start, tail, base))
        postings->size = tail->end = start + RSI_DENSE_BLOCK;
    postings->blocks[before] = *tail;
}

/* Append to the list that the one before went to: what it is like can be foreseen, and where it
 * begins need not be waited for. */
static void append_in_order(rsi_postings *postings, uint32_t slot, uint32_t frequency,
                            uint32_t length)
{
    const bool once = frequency == 1;
    unsigned char *at = rsi_postings_end(postings);
    size_t size = rsi_put_packed(at, (slot - postings->tail.last_slot) << 1 | (once ? 1u : 0u));
    if (!once)
        size += rsi_put_packed(at + size, frequency);
    rsi_postings_count(postings, slot, frequency, length, size);
}

int rsi_postings_renumber(rsi_postings *out, const rsi_postings *postings,
                          const uint32_t *new_slots, const uint32_t *lengths, size_t *memory)
{
    rsi_cursor from = rsi_cursor_begin(postings);
    for (; from.slot != RSI_NO_SLOT; rsi_cursor_next(&from)) {
        if (new_slots[from.slot] == RSI_NO_SLOT)
            continue;
        if (!rsi_postings_has_room(out)) {
            int status = rsi_postings_reserve(out, memory);
            if (status != RAGSTORE_OK)
                return status;
        }
        append_in_order(out, new_slots[from.slot], from.frequency, lengths[from.slot]);
    }
    return RAGSTORE_OK;
}

/* ---- reading ------------------------------------------------------------------------ */

void rsi_cursor_enter(rsi_cursor *cursor, uint32_t block)
{
    const rsi_postings *postings = cursor->postings;
    const unsigned char *bytes = rsi_postings_bytes(postings);
    const uint32_t full = rsi_postings_full_blocks(postings);
    cursor->slot = RSI_NO_SLOT;
    cursor->dense = false;
    cursor->block = block < full ? block : full;
    cursor->at = cursor->end = bytes + postings->size;
    if (block > full || (block == full && block_start(postings) == postings->size))
        return;
    cursor->base = block == 0 ? 0 : postings->blocks[block - 1].last_slot;
    cursor->at = bytes + (block == 0 ? 0 : postings->blocks[block - 1].end);
    cursor->end = bytes + (block < full ? postings->blocks[block].end : postings->size);
    cursor->slot = cursor->base;
    cursor->dense = block < full && rsi_block_is_dense(&postings->blocks[block], cursor->base);
    if (cursor->dense)
        rsi_cursor_place(cursor, 0);
    else
        rsi_cursor_next(cursor);
}

rsi_cursor rsi_cursor_begin(const rsi_postings *postings)
{
    rsi_cursor cursor = {.postings = postings};
    rsi_cursor_enter(&cursor, 0);
    return cursor;
}

uint32_t rsi_cursor_find(const rsi_cursor *cursor, uint32_t slot)
{
    uint32_t low = cursor->place;
    uint32_t high = RSI_BLOCK_POSTINGS;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (cursor->base + rsi_dense_offset(cursor->at, middle) < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first block from this one on that reaches `slot`; the tail's number if none does. */
static uint32_t block_of(const rsi_postings *postings, uint32_t block, uint32_t slot)
{
    uint32_t full = rsi_postings_full_blocks(postings);
    while (block < full && postings->blocks[block].last_slot < slot)
        block++;
    return block;
}

void rsi_cursor_advance(rsi_cursor *cursor, uint32_t slot)
{
    if (cursor->slot >= slot)
        return;
    uint32_t block = block_of(cursor->postings, cursor->block, slot);
    if (block != cursor->block)
        rsi_cursor_enter(cursor, block);
    if (cursor->slot >= slot)
        return;
    if (cursor->dense)
        rsi_cursor_place(cursor, rsi_cursor_find(cursor, slot));
    while (cursor->slot < slot)
        rsi_cursor_next(cursor);
}

bool rsi_cursor_extremes(rsi_cursor *cursor, uint32_t from, uint32_t to, uint32_t *max_frequency,
                         uint32_t *min_length)
{
    if (cursor->slot >= to)
        return false;
    const rsi_postings *postings = cursor->postings;
    uint32_t full = rsi_postings_full_blocks(postings);
    cursor->ahead = block_of(postings, cursor->ahead, from);
    if (cursor->ahead == full && postings->tail.last_slot < from)
        return false;
    *max_frequency = 0;
    *min_length = UINT32_MAX;
    for (uint32_t i = cursor->ahead; i <= full; i++) {
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
