/* Texts and places of hits, and results as JSON: see hit_details.h and search.h. */
#include "search/hit_details.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

void rsi_found_clear(rsi_found *found)
{
    rsi_free(found->content);
    rsi_free(found->doc_id);
    rsi_free(found->doc_name);
    rsi_free(found->source);
    rsi_free(found->metadata);
    rsi_free(found->heading);
    memset(found, 0, sizeof *found);
}

void rsi_result_free(rsi_result *result)
{
    if (result == NULL)
        return;
    for (size_t i = 0; i < result->count; i++)
        rsi_found_clear(&result->items[i]);
    rsi_free(result->items);
    rsi_free(result);
}

static int read_chunk(rsi_json **out, rsi_store *store, const rsi_catalog *catalog, int64_t chunk)
{
    rsi_bytes text = {0};
    *out = NULL;
    int status = rsi_storage_row_get(&text, store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                     (uint64_t)chunk);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(out, text.data, text.size, RSI_JSON_DEPTH_STORED);
    rsi_bytes_free(&text);
    return status;
}

/* The document's metadata, overlaid by the chunk's own. */
static int merge_metadata(char **out, const char *document, const rsi_json *own)
{
    rsi_bytes text = {0};
    if (!rsi_json_is_object(own)) {
        *out = rsi_strdup(document);
        return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    rsi_json *base;
    int status = rsi_json_parse(&base, document, strlen(document), RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    rsi_metadata_overlay(&text, base, own);
    rsi_json_free(base);
    *out = rsi_bytes_take(&text, NULL);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* The contents of a chunk and of those around it in its document, a blank line between them. */
static int join_neighbors(char **out, rsi_store *store, const rsi_catalog *catalog,
                          const rsi_catalog_document *document, int64_t chunk, uint32_t neighbors)
{
    rsi_bytes text = {0};
    int64_t from = chunk - neighbors < document->first_chunk ? document->first_chunk
                                                             : chunk - neighbors;
    int64_t to = chunk + neighbors + 1 > document->end_chunk ? document->end_chunk
                                                             : chunk + neighbors + 1;
    int status = RAGSTORE_OK;
    for (int64_t number = from; status == RAGSTORE_OK && number < to; number++) {
        rsi_json *value;
        status = read_chunk(&value, store, catalog, number);
        if (status == RAGSTORE_E_NOT_FOUND && number != chunk) {
            status = RAGSTORE_OK;
            continue;
        }
        const char *content = rsi_json_get_text(value, "content");
        if (text.size > 0)
            rsi_bytes_append_text(&text, "\n\n");
        rsi_bytes_append_text(&text, content == NULL ? "" : content);
        rsi_json_free(value);
    }
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&text);
        return status;
    }
    *out = rsi_bytes_take(&text, NULL);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static char *copy_member(const rsi_json *object, const char *key)
{
    const char *text = rsi_json_get_text(object, key);
    return rsi_strdup(text == NULL ? "" : text);
}

int rsi_found_fill(rsi_found *found, rsi_store *store, const rsi_catalog *catalog, int64_t chunk,
                   uint32_t neighbors)
{
    memset(found, 0, sizeof *found);
    const rsi_catalog_document *document = rsi_catalog_document_of(catalog, chunk);
    rsi_json *value = NULL;
    int status = document == NULL ? rsi_fail(RAGSTORE_E_NOT_FOUND, "search", "a chunk is gone")
                                  : read_chunk(&value, store, catalog, chunk);
    if (status != RAGSTORE_OK)
        return status;
    int64_t page = rsi_json_get_integer(value, "page", 0);
    found->chunk = chunk;
    found->order = chunk - document->first_chunk;
    found->start = rsi_json_get_integer(value, "start", -1);
    found->end = rsi_json_get_integer(value, "end", -1);
    found->page = page < 0 || page > UINT32_MAX ? 0 : (uint32_t)page;
    found->doc_id = rsi_strdup(document->doc_id);
    found->doc_name = rsi_strdup(document->name);
    found->source = rsi_strdup(document->source);
    found->heading = copy_member(value, "heading");
    if (neighbors == 0)
        found->content = copy_member(value, "content");
    else
        status = join_neighbors(&found->content, store, catalog, document, chunk, neighbors);
    if (status == RAGSTORE_OK)
        status = merge_metadata(&found->metadata, document->metadata,
                                rsi_json_get(value, "metadata"));
    if (status == RAGSTORE_OK && (found->doc_id == NULL || found->doc_name == NULL ||
                                  found->source == NULL || found->heading == NULL ||
                                  found->content == NULL))
        status = RAGSTORE_E_NO_MEMORY;
    rsi_json_free(value);
    if (status != RAGSTORE_OK)
        rsi_found_clear(found);
    return status;
}

/* ---- JSON ---- */

static void put_offset(rsi_json_writer *writer, const char *key, int64_t offset)
{
    if (offset < 0)
        rsi_json_put_null(writer, key);
    else
        rsi_json_put_integer(writer, key, offset);
}

static void put_found(rsi_json_writer *writer, const rsi_found *found)
{
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "content", found->content);
    rsi_json_put_text(writer, "doc_id", found->doc_id);
    rsi_json_put_integer(writer, "chunk_order_index", found->order);
    rsi_json_put_text(writer, "source", found->source);
    rsi_json_put_real(writer, "score", found->score);
    rsi_json_put_text(writer, "doc_name", found->doc_name);
    rsi_json_put_integer(writer, "chunk_number", found->chunk);
    rsi_json_key(writer, "scores");
    rsi_json_begin_object(writer);
    rsi_json_put_real(writer, "vector", found->vector_score);
    rsi_json_put_real(writer, "keyword", found->keyword_score);
    rsi_json_end_object(writer);
    rsi_json_put_raw(writer, "metadata", found->metadata);
    rsi_json_put_text(writer, "heading", found->heading);
    if (found->page > 0)
        rsi_json_put_integer(writer, "page", found->page);
    else
        rsi_json_put_null(writer, "page");
    put_offset(writer, "start", found->start);
    put_offset(writer, "end", found->end);
    rsi_json_end_object(writer);
}

int rsi_result_json(rsi_bytes *out, const rsi_result *result)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < result->count; i++)
        put_found(&writer, &result->items[i]);
    rsi_json_end_array(&writer);
    return rsi_bytes_status(out);
}
