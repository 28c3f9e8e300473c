/* Documents by their values: see document_lookup.h. Open addressing with linear probing. */
#include "entities/document_lookup.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

size_t rsi_document_lookup_worn_from = 4096;

void rsi_document_lookup_free(rsi_document_lookup *lookup)
{
    rsi_free(lookup->slots);
    memset(lookup, 0, sizeof *lookup);
}

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (hash ^ 0xFF) * UINT64_C(1099511628211);
}

static uint32_t hash_of(const char *member, const char *value)
{
    const uint64_t hash = mix(mix(UINT64_C(14695981039346656037), member), value);
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

static size_t next_slot(const rsi_document_lookup *lookup, size_t at)
{
    return (at + 1) & (lookup->capacity - 1);
}

static void put(rsi_document_lookup *lookup, uint32_t hash, uint32_t row)
{
    size_t at = hash & (lookup->capacity - 1);
    while (lookup->slots[at].row != 0) {
        if (lookup->slots[at].hash == hash && lookup->slots[at].row == row)
            return;
        at = next_slot(lookup, at);
    }
    lookup->slots[at] = (rsi_document_slot){hash, row};
    lookup->count++;
}

static int make_room(rsi_document_lookup *lookup)
{
    if (lookup->count < lookup->capacity / 2)
        return RAGSTORE_OK;
    rsi_document_lookup larger = {.capacity = lookup->capacity == 0 ? 64 : lookup->capacity * 2};
    larger.slots = rsi_alloc_array(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < lookup->capacity; i++)
        if (lookup->slots[i].row != 0)
            put(&larger, lookup->slots[i].hash, lookup->slots[i].row);
    rsi_free(lookup->slots);
    lookup->slots = larger.slots;
    lookup->capacity = larger.capacity;
    return RAGSTORE_OK;
}

int rsi_document_lookup_add(rsi_document_lookup *lookup, const char *member, const char *value,
                            uint64_t row)
{
    if (value == NULL)
        return RAGSTORE_OK;
    if (row >= UINT32_MAX) {
        lookup->incomplete = true;
        return RAGSTORE_OK;
    }
    int status = make_room(lookup);
    if (status == RAGSTORE_OK)
        put(lookup, hash_of(member, value), (uint32_t)row + 1);
    return status;
}

size_t rsi_document_lookup_find(uint64_t *rows, size_t max, const rsi_document_lookup *lookup,
                                const char *member, const char *value)
{
    size_t found = 0;
    if (lookup->capacity == 0)
        return 0;
    const uint32_t hash = hash_of(member, value);
    for (size_t at = hash & (lookup->capacity - 1); lookup->slots[at].row != 0;
         at = next_slot(lookup, at)) {
        if (lookup->slots[at].hash != hash)
            continue;
        if (found < max)
            rows[found] = lookup->slots[at].row - 1;
        found++;
    }
    return found;
}

bool rsi_document_lookup_is_worn(const rsi_document_lookup *lookup)
{
    return lookup->count > rsi_document_lookup_worn_from && lookup->count > 2 * lookup->worth;
}

void rsi_document_lookup_settle(rsi_document_lookup *lookup)
{
    lookup->worth = lookup->count;
}
