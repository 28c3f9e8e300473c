/* Terms and their numbers: see dictionary.h. */
#include "lexical/dictionary.h"

#include "base/memory.h"
#include "base/status.h"
#include "lexical/text_hash.h"

#include <string.h>

void rsi_dictionary_free(rsi_dictionary *dictionary)
{
    rsi_free(dictionary->table);
    rsi_free(dictionary->ends);
    rsi_free(dictionary->text);
    memset(dictionary, 0, sizeof *dictionary);
}

rsi_slice rsi_dictionary_term(const rsi_dictionary *dictionary, uint32_t number)
{
    size_t start = number == 0 ? 0 : dictionary->ends[number - 1];
    rsi_slice term = {dictionary->text + start, dictionary->ends[number] - start};
    return term;
}

uint32_t rsi_dictionary_hash(const rsi_dictionary *dictionary, const char *term, size_t size)
{
    return (uint32_t)(rsi_text_hash(dictionary->seed, term, size) >> 32);
}

/* The entry that holds the term, or the free one where it belongs. table_size > 0. */
static rsi_dictionary_entry *entry_for(const rsi_dictionary *dictionary, const char *term,
                                       size_t size, uint32_t hash)
{
    size_t mask = dictionary->table_size - 1;
    const rsi_slice wanted = {term, size};
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        rsi_dictionary_entry *entry = &dictionary->table[i];
        if (entry->number_plus_one == 0)
            return entry;
        if (entry->hash == hash &&
            rsi_slice_equal(rsi_dictionary_term(dictionary, entry->number_plus_one - 1), wanted))
            return entry;
    }
}

/* Put a term that is known to be absent into a table that has room. */
static void insert(rsi_dictionary *dictionary, uint32_t hash, uint32_t number)
{
    size_t mask = dictionary->table_size - 1;
    size_t i = hash & mask;
    while (dictionary->table[i].number_plus_one != 0)
        i = (i + 1) & mask;
    dictionary->table[i].hash = hash;
    dictionary->table[i].number_plus_one = number + 1;
}

static bool grow_table(rsi_dictionary *dictionary)
{
    size_t old_size = dictionary->table_size;
    rsi_dictionary_entry *old = dictionary->table;
    size_t size = old_size == 0 ? 64 : old_size * 2;
    rsi_dictionary_entry *table = rsi_alloc_array(size, sizeof *table);
    if (table == NULL)
        return false;
    dictionary->table = table;
    dictionary->table_size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].number_plus_one != 0)
            insert(dictionary, old[i].hash, old[i].number_plus_one - 1);
    rsi_free(old);
    return true;
}

uint32_t rsi_dictionary_find(const rsi_dictionary *dictionary, const char *term, size_t size)
{
    if (dictionary->count == 0)
        return RSI_NO_TERM;
    /* a free entry holds 0, which becomes RSI_NO_TERM */
    return entry_for(dictionary, term, size, rsi_dictionary_hash(dictionary, term, size))->number_plus_one - 1;
}

void rsi_dictionary_prefetch(const rsi_dictionary *dictionary, uint32_t hash)
{
    if (dictionary->table_size > 0)
        __builtin_prefetch(&dictionary->table[hash & (dictionary->table_size - 1)], 1);
}

int rsi_dictionary_add(rsi_dictionary *dictionary, const char *term, size_t size, uint32_t hash,
                       uint32_t *number)
{
    *number = RSI_NO_TERM;
    if ((dictionary->count + 1) * 3 > dictionary->table_size * 2 && !grow_table(dictionary))
        return RAGSTORE_E_NO_MEMORY;
    rsi_dictionary_entry *entry = entry_for(dictionary, term, size, hash);
    if (entry->number_plus_one != 0) {
        *number = entry->number_plus_one - 1;
        return RAGSTORE_OK;
    }
    size_t start = dictionary->count == 0 ? 0 : dictionary->ends[dictionary->count - 1];
    size_t end;
    if (!rsi_add_size(start, size, &end) || end > UINT32_MAX || dictionary->count >= INT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "too many different words in one entity");
    if (!rsi_grow((void **)&dictionary->text, &dictionary->text_capacity, end, 1) ||
        !rsi_grow((void **)&dictionary->ends, &dictionary->ends_capacity, dictionary->count + 1,
                  sizeof *dictionary->ends))
        return RAGSTORE_E_NO_MEMORY;
    memcpy(dictionary->text + start, term, size);
    dictionary->ends[dictionary->count] = (uint32_t)end;
    *number = (uint32_t)dictionary->count++;
    entry->hash = hash;
    entry->number_plus_one = *number + 1;
    return RAGSTORE_OK;
}

void rsi_dictionary_renumber(rsi_dictionary *dictionary, const uint32_t *new_numbers)
{
    size_t kept = 0;
    size_t end = 0;
    for (uint32_t i = 0, start = 0; i < dictionary->count; i++) {
        uint32_t next = dictionary->ends[i];
        if (new_numbers[i] != RSI_NO_TERM) {
            memmove(dictionary->text + end, dictionary->text + start, next - start);
            end += next - start;
            dictionary->ends[kept++] = (uint32_t)end;
        }
        start = next;
    }
    dictionary->count = kept;
    memset(dictionary->table, 0, dictionary->table_size * sizeof *dictionary->table);
    for (uint32_t i = 0; i < kept; i++) {
        rsi_slice term = rsi_dictionary_term(dictionary, i);
        insert(dictionary, rsi_dictionary_hash(dictionary, term.data, term.size), i);
    }
}

int rsi_dictionary_restore(rsi_dictionary *dictionary, size_t count)
{
    size_t size = 64;
    while ((count + 1) * 3 > size * 2)
        size *= 2;
    dictionary->table = rsi_alloc_array(size, sizeof *dictionary->table);
    if (dictionary->table == NULL)
        return RAGSTORE_E_NO_MEMORY;
    dictionary->table_size = size;
    for (uint32_t i = 0; i < count; i++) {
        rsi_slice term = rsi_dictionary_term(dictionary, i);
        uint32_t hash = rsi_dictionary_hash(dictionary, term.data, term.size);
        rsi_dictionary_entry *entry = entry_for(dictionary, term.data, term.size, hash);
        if (entry->number_plus_one != 0)
            return rsi_fail(RAGSTORE_E_DAMAGED, "lexical", "a term comes twice");
        *entry = (rsi_dictionary_entry){hash, i + 1};
    }
    dictionary->count = count;
    return RAGSTORE_OK;
}

size_t rsi_dictionary_memory(const rsi_dictionary *dictionary)
{
    return dictionary->table_size * sizeof *dictionary->table +
           dictionary->ends_capacity * sizeof *dictionary->ends + dictionary->text_capacity;
}
