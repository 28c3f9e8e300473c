/* Sorted sets of keys: see ordered_keys.h. */
#include "collections/ordered_keys.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int rsi_keys_compare(rsi_slice a, rsi_slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare(const rsi_ordered_key *entry, rsi_slice key, uint64_t number)
{
    int order = rsi_keys_compare((rsi_slice){entry->key, entry->size}, key);
    return order != 0 ? order : (entry->number > number) - (entry->number < number);
}

void rsi_ordered_keys_free(rsi_ordered_keys *keys)
{
    rsi_ordered_key *entry = keys->first[0];
    while (entry != NULL) {
        rsi_ordered_key *next = entry->next[0];
        rsi_free(entry);
        entry = next;
    }
    memset(keys, 0, sizeof *keys);
}

/* For each level, the link that leads to the first entry that is not before (key, number). */
static void find_links(rsi_ordered_key **links[RSI_ORDERED_LEVELS], rsi_ordered_keys *keys,
                       rsi_slice key, uint64_t number)
{
    rsi_ordered_key **row = keys->first;
    for (unsigned level = RSI_ORDERED_LEVELS; level-- > 0;) {
        while (row[level] != NULL && compare(row[level], key, number) < 0)
            row = row[level]->next;
        links[level] = &row[level];
    }
}

/* Half of all entries have one level, a quarter two, and so on. */
static unsigned choose_levels(rsi_ordered_keys *keys)
{
    keys->random = keys->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t bits = keys->random >> 32;
    unsigned levels = 1;
    while (levels < RSI_ORDERED_LEVELS && (bits & 1) != 0) {
        levels++;
        bits >>= 1;
    }
    return levels;
}

int rsi_ordered_keys_add(rsi_ordered_keys *keys, rsi_slice key, uint64_t number)
{
    rsi_ordered_key **links[RSI_ORDERED_LEVELS];
    find_links(links, keys, key, number);
    if (*links[0] != NULL && compare(*links[0], key, number) == 0)
        return RAGSTORE_OK;
    /* one block: the entry, its links, its key */
    const unsigned levels = choose_levels(keys);
    const size_t links_size = levels * sizeof(rsi_ordered_key *);
    size_t size;
    if (!rsi_add_size(sizeof(rsi_ordered_key) + links_size, key.size, &size))
        return rsi_fail_no_memory();
    rsi_ordered_key *entry = rsi_alloc(size);
    if (entry == NULL)
        return RAGSTORE_E_NO_MEMORY;
    entry->number = number;
    entry->size = key.size;
    entry->next = (rsi_ordered_key **)(entry + 1);
    char *bytes = (char *)(entry->next + levels);
    if (key.size > 0)
        memcpy(bytes, key.data, key.size);
    entry->key = bytes;
    for (unsigned level = 0; level < levels; level++) {
        entry->next[level] = *links[level];
        *links[level] = entry;
    }
    keys->count++;
    return RAGSTORE_OK;
}

void rsi_ordered_keys_remove(rsi_ordered_keys *keys, rsi_slice key, uint64_t number)
{
    rsi_ordered_key **links[RSI_ORDERED_LEVELS];
    find_links(links, keys, key, number);
    rsi_ordered_key *entry = *links[0];
    if (entry == NULL || compare(entry, key, number) != 0)
        return;
    for (unsigned level = 0; level < RSI_ORDERED_LEVELS && *links[level] == entry; level++)
        *links[level] = entry->next[level];
    rsi_free(entry);
    keys->count--;
}

const rsi_ordered_key *rsi_ordered_keys_from(const rsi_ordered_keys *keys, rsi_slice key,
                                             bool included)
{
    rsi_ordered_key *const *row = keys->first;
    for (unsigned level = RSI_ORDERED_LEVELS; level-- > 0;) {
        while (row[level] != NULL) {
            int order = rsi_keys_compare((rsi_slice){row[level]->key, row[level]->size}, key);
            if (included ? order >= 0 : order > 0)
                break;
            row = row[level]->next;
        }
    }
    return row[0];
}
