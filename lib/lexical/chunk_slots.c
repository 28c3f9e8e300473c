/* The chunks of an index: see chunk_slots.h. */
#include "lexical/chunk_slots.h"

#include "base/memory.h"
#include "base/status.h"
#include "lexical/dictionary.h"
#include "lexical/packed_numbers.h"
#include "lexical/postings.h"
#include "lexical/text_hash.h"

#include <string.h>

void rsi_chunk_slots_free(rsi_chunk_slots *slots)
{
    rsi_free(slots->chunks);
    rsi_free(slots->lengths);
    rsi_free(slots->marks);
    rsi_free(slots->ends);
    rsi_free(slots->terms);
    rsi_free(slots->table);
    memset(slots, 0, sizeof *slots);
}

/* ---- chunk number → slot ------------------------------------------------------------ */

static size_t home_of(const rsi_chunk_slots *slots, int64_t chunk)
{
    return (size_t)rsi_mix((uint64_t)chunk) & (slots->table_size - 1);
}

/* The place in the table that holds the chunk, or the free one where it belongs. */
static size_t place_of(const rsi_chunk_slots *slots, int64_t chunk)
{
    size_t i = home_of(slots, chunk);
    while (slots->table[i] != 0 && slots->chunks[slots->table[i] - 1] != chunk)
        i = (i + 1) & (slots->table_size - 1);
    return i;
}

/* The chunk is known to be absent: whose the taken places are does not matter. */
static void enter(rsi_chunk_slots *slots, uint32_t slot)
{
    const int64_t chunk = slots->chunks[slot];
    size_t i = home_of(slots, chunk);
    while (slots->table[i] != 0)
        i = (i + 1) & (slots->table_size - 1);
    slots->table[i] = slot + 1;
    if (chunk > slots->highest)
        slots->highest = chunk;
}

static void enter_all(rsi_chunk_slots *slots)
{
    memset(slots->table, 0, slots->table_size * sizeof *slots->table);
    for (uint32_t slot = 0; slot < slots->count; slot++)
        if (slots->chunks[slot] >= 0)
            enter(slots, slot);
}

static int grow_table(rsi_chunk_slots *slots)
{
    size_t size = slots->table_size == 0 ? 16 : slots->table_size * 2;
    uint32_t *table = rsi_alloc_array(size, sizeof *table);
    if (table == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_free(slots->table);
    slots->table = table;
    slots->table_size = size;
    enter_all(slots);
    return RAGSTORE_OK;
}

/* Take the chunk out and close the gap, so that no search ends early. */
static void leave(rsi_chunk_slots *slots, int64_t chunk)
{
    size_t mask = slots->table_size - 1;
    size_t hole = place_of(slots, chunk);
    for (size_t i = (hole + 1) & mask; slots->table[i] != 0; i = (i + 1) & mask) {
        size_t home = home_of(slots, slots->chunks[slots->table[i] - 1]);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            slots->table[hole] = slots->table[i];
            hole = i;
        }
    }
    slots->table[hole] = 0;
}

uint32_t rsi_chunk_slots_find(const rsi_chunk_slots *slots, int64_t chunk)
{
    if (slots->alive == 0 || chunk < 0 || chunk > slots->highest)
        return RSI_NO_SLOT;
    /* a free place holds 0, which becomes RSI_NO_SLOT */
    return slots->table[place_of(slots, chunk)] - 1;
}

void rsi_chunk_slots_prefetch(const rsi_chunk_slots *slots, int64_t chunk)
{
    if (slots->table_size > 0)
        __builtin_prefetch(&slots->table[home_of(slots, chunk)], 1);
}

/* ---- adding and removing ------------------------------------------------------------ */

static size_t terms_start(const rsi_chunk_slots *slots, uint32_t slot)
{
    return slot == 0 ? 0 : slots->ends[slot - 1];
}

int rsi_chunk_slots_reserve(rsi_chunk_slots *slots, size_t terms)
{
    if (slots->count >= RSI_SLOTS_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "too many chunks in one entity");
    size_t bytes;
    if (!rsi_mul_size(terms, RSI_PACKED_MAX, &bytes) ||
        !rsi_add_size(bytes, terms_start(slots, (uint32_t)slots->count), &bytes))
        return rsi_fail_no_memory();
    size_t count = slots->count + 1;
    if (!rsi_grow((void **)&slots->chunks, &slots->chunks_capacity, count, sizeof *slots->chunks) ||
        !rsi_grow((void **)&slots->lengths, &slots->lengths_capacity, count,
                  sizeof *slots->lengths) ||
        !rsi_grow((void **)&slots->marks, &slots->marks_capacity, count, sizeof *slots->marks) ||
        !rsi_grow((void **)&slots->ends, &slots->ends_capacity, count, sizeof *slots->ends) ||
        !rsi_grow((void **)&slots->terms, &slots->terms_capacity, bytes, 1))
        return RAGSTORE_E_NO_MEMORY;
    return (slots->alive + 1) * 3 > slots->table_size * 2 ? grow_table(slots) : RAGSTORE_OK;
}

uint32_t rsi_chunk_slots_append(rsi_chunk_slots *slots, int64_t chunk, const uint32_t *terms,
                                size_t term_count, uint32_t length)
{
    uint32_t slot = (uint32_t)slots->count;
    size_t end = terms_start(slots, slot);
    for (size_t i = 0; i < term_count; i++)
        end += rsi_put_packed_quickly(slots->terms + end, terms[i]);
    slots->chunks[slot] = chunk;
    slots->lengths[slot] = length;
    slots->marks[slot] = 0;
    slots->ends[slot] = end;
    slots->count++;
    slots->alive++;
    slots->total_length += length;
    enter(slots, slot);
    return slot;
}

void rsi_chunk_slots_remove(rsi_chunk_slots *slots, uint32_t slot)
{
    leave(slots, slots->chunks[slot]);
    slots->chunks[slot] = -1;
    slots->total_length -= slots->lengths[slot];
    slots->alive--;
}

const unsigned char *rsi_chunk_slots_terms(const rsi_chunk_slots *slots, uint32_t slot)
{
    return slots->terms + terms_start(slots, slot);
}

const unsigned char *rsi_chunk_slots_terms_end(const rsi_chunk_slots *slots, uint32_t slot)
{
    return slots->terms + slots->ends[slot];
}

/* ---- closing the gaps --------------------------------------------------------------- */

void rsi_chunk_slots_plan(const rsi_chunk_slots *slots, uint32_t *new_slots)
{
    uint32_t next = 0;
    for (size_t slot = 0; slot < slots->count; slot++)
        new_slots[slot] = slots->chunks[slot] < 0 ? RSI_NO_SLOT : next++;
}

void rsi_chunk_slots_renumber(rsi_chunk_slots *slots, const uint32_t *new_slots,
                              const uint32_t *new_terms)
{
    size_t end = 0;
    const unsigned char *at = slots->terms;
    for (uint32_t slot = 0; slot < slots->count; slot++) {
        const unsigned char *stop = rsi_chunk_slots_terms_end(slots, slot);
        uint32_t to = new_slots[slot];
        while (at < stop) {
            uint32_t term = rsi_take_packed(&at);
            if (to != RSI_NO_SLOT) /* never longer than what was read: numbers only fall */
                end += rsi_put_packed(slots->terms + end, new_terms[term]);
        }
        if (to == RSI_NO_SLOT)
            continue;
        slots->chunks[to] = slots->chunks[slot];
        slots->lengths[to] = slots->lengths[slot];
        slots->marks[to] = slots->marks[slot];
        slots->ends[to] = end;
    }
    slots->count = slots->alive;
    enter_all(slots);
}

/* ---- from outside ------------------------------------------------------------------- */

int rsi_chunk_slots_restore(rsi_chunk_slots *slots, size_t count)
{
    size_t size = 16;
    while ((count + 1) * 3 > size * 2)
        size *= 2;
    slots->table = rsi_alloc_array(size, sizeof *slots->table);
    if (slots->table == NULL)
        return RAGSTORE_E_NO_MEMORY;
    slots->table_size = size;
    for (uint32_t slot = 0; slot < count; slot++) {
        if (slots->chunks[slot] < 0 || slots->table[place_of(slots, slots->chunks[slot])] != 0)
            return rsi_fail(RAGSTORE_E_DAMAGED, "lexical", "a chunk's number is wrong");
        enter(slots, slot);
        slots->total_length += slots->lengths[slot];
    }
    slots->count = slots->alive = count;
    return RAGSTORE_OK;
}

size_t rsi_chunk_slots_memory(const rsi_chunk_slots *slots)
{
    return slots->chunks_capacity * sizeof *slots->chunks +
           slots->lengths_capacity * sizeof *slots->lengths +
           slots->marks_capacity * sizeof *slots->marks +
           slots->ends_capacity * sizeof *slots->ends + slots->terms_capacity +
           slots->table_size * sizeof *slots->table;
}
