/* Phrases of a query: see phrases.h. */
#include "search/phrases.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int rsi_phrases_make(rsi_phrases *phrases, const rsi_query_syntax *syntax)
{
    memset(phrases, 0, sizeof *phrases);
    if (syntax->phrase_count == 0)
        return RAGSTORE_OK;
    phrases->items = rsi_alloc_array(syntax->phrase_count, sizeof *phrases->items);
    if (phrases->items == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < syntax->phrase_count; i++) {
        rsi_phrase *phrase = &phrases->items[phrases->count];
        rsi_phrase_make(phrase, syntax->phrases[i].data, syntax->phrases[i].size);
        phrases->count += phrase->count > 0;
    }
    return RAGSTORE_OK;
}

void rsi_phrases_free(rsi_phrases *phrases)
{
    rsi_free(phrases->items);
    memset(phrases, 0, sizeof *phrases);
}

int rsi_phrases_restrict(rsi_bitset *allowed, const rsi_query_syntax *syntax,
                         const rsi_catalog *catalog)
{
    for (size_t i = 0; i < syntax->phrase_count; i++) {
        rsi_bitset having = {0};
        int status = rsi_lexical_having(&having, catalog->lexical, syntax->phrases[i].data,
                                        syntax->phrases[i].size, allowed);
        if (status != RAGSTORE_OK)
            return status;
        rsi_bitset_free(allowed);
        *allowed = having;
    }
    return RAGSTORE_OK;
}

static bool is_in_text(const rsi_phrase *phrase, const char *text)
{
    return text != NULL && rsi_phrase_is_in(phrase, text, strlen(text));
}

int rsi_phrases_look(bool *has, const rsi_phrases *phrases, rsi_store *store,
                     const rsi_catalog *catalog, int64_t chunk)
{
    rsi_bytes row = {0};
    rsi_json *value = NULL;
    *has = false;
    int status = rsi_storage_row_get(&row, store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                     (uint64_t)chunk);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&value, row.data, row.size, RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_OK) {
        *has = true;
        for (size_t i = 0; i < phrases->count && *has; i++)
            *has = is_in_text(&phrases->items[i], rsi_json_get_text(value, "content")) ||
                   is_in_text(&phrases->items[i], rsi_json_get_text(value, "heading"));
    }
    rsi_json_free(value);
    rsi_bytes_free(&row);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}
