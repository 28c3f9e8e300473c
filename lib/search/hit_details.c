/* Texts and places of hits, and results as JSON: see hit_details.h and search.h. */
#include "search/hit_details.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json_view.h"

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

/* The row of a chunk, and views of what is in it. */
typedef struct chunk_row {
    rsi_bytes text;
    rsi_json_view content;
    rsi_json_view heading;
    rsi_json_view metadata;
    rsi_json_view page;
    rsi_json_view start;
    rsi_json_view end;
} chunk_row;

/* Where a member of a row is kept; NULL: it is not. */
static rsi_json_view *place_of(chunk_row *row, const rsi_json_view *key)
{
    const struct {
        const char *name;
        rsi_json_view *place;
    } places[] = {{"content", &row->content}, {"heading", &row->heading},
                  {"metadata", &row->metadata}, {"page", &row->page},
                  {"start", &row->start}, {"end", &row->end}};
    const rsi_slice name = {key->text, (size_t)(key->end - key->text)};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (rsi_slice_equal(name, rsi_slice_of(places[i].name)))
            return places[i].place;
    return NULL;
}

static int view_members(chunk_row *row)
{
    rsi_json_view object;
    rsi_json_view member;
    int found = RSI_JSON_ABSENT;
    int status = rsi_json_view_of_text(&object, row->text.data, row->text.size);
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_cursor cursor = rsi_json_walk(&object);
    while ((found = rsi_json_next(&cursor, &member)) > 0) {
        rsi_json_view *place = place_of(row, &cursor.key);
        if (place != NULL)
            *place = member;
    }
    return found;
}

/* *row is freed with rsi_bytes_free(&row->text), also after a failure. */
static int read_chunk(chunk_row *row, rsi_store *store, const rsi_catalog *catalog, int64_t chunk)
{
    *row = (chunk_row){0};
    int status = rsi_storage_row_get(&row->text, store->storage, RSI_SPACE_CHUNKS,
                                     catalog->entity_id, (uint64_t)chunk);
    return status == RAGSTORE_OK ? view_members(row) : status;
}

static int64_t integer_or(const rsi_json_view *view, int64_t fallback)
{
    return view->kind == RSI_JSON_INTEGER ? view->integer : fallback;
}

static void append_text(rsi_bytes *out, const rsi_json_view *view)
{
    if (view->kind == RSI_JSON_TEXT)
        rsi_json_view_append_text(out, view);
}

/* A text of its own, "" when there is none; NULL when memory is short. */
static char *copy_text(const rsi_json_view *view)
{
    rsi_bytes text = {0};
    append_text(&text, view);
    return rsi_bytes_take(&text, NULL);
}

/* The document's metadata, overlaid by the chunk's own. */
static int merge_metadata(char **out, const char *document, const rsi_json_view *own_view)
{
    rsi_bytes text = {0};
    rsi_json *base = NULL;
    rsi_json *own = NULL;
    if (own_view->kind != RSI_JSON_OBJECT) {
        *out = rsi_strdup(document);
        return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    int status = rsi_json_parse(&base, document, strlen(document), RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_tree(&own, own_view);
    if (status == RAGSTORE_OK) {
        rsi_metadata_overlay(&text, base, own);
        *out = rsi_bytes_take(&text, NULL);
        status = *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    rsi_json_free(base);
    rsi_json_free(own);
    return status;
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
        chunk_row row;
        status = read_chunk(&row, store, catalog, number);
        const bool is_gone = status == RAGSTORE_E_NOT_FOUND && number != chunk;
        if (is_gone)
            status = RAGSTORE_OK;
        if (status == RAGSTORE_OK && !is_gone && text.size > 0)
            rsi_bytes_append_text(&text, "\n\n");
        append_text(&text, &row.content);
        rsi_bytes_free(&row.text);
    }
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&text);
        return status;
    }
    *out = rsi_bytes_take(&text, NULL);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

int rsi_found_fill(rsi_found *found, rsi_store *store, const rsi_catalog *catalog, int64_t chunk,
                   uint32_t neighbors)
{
    memset(found, 0, sizeof *found);
    const rsi_catalog_document *document = rsi_catalog_document_of(catalog, chunk);
    chunk_row row = {0};
    int status = document == NULL ? rsi_fail(RAGSTORE_E_NOT_FOUND, "search", "a chunk is gone")
                                  : read_chunk(&row, store, catalog, chunk);
    if (status != RAGSTORE_OK)
        goto cleanup;
    int64_t page = integer_or(&row.page, 0);
    found->chunk = chunk;
    found->order = chunk - document->first_chunk;
    found->start = integer_or(&row.start, -1);
    found->end = integer_or(&row.end, -1);
    found->page = page < 0 || page > UINT32_MAX ? 0 : (uint32_t)page;
    found->doc_id = rsi_strdup(document->doc_id);
    found->doc_name = rsi_strdup(document->name);
    found->source = rsi_strdup(document->source);
    found->heading = copy_text(&row.heading);
    if (neighbors == 0)
        found->content = copy_text(&row.content);
    else
        status = join_neighbors(&found->content, store, catalog, document, chunk, neighbors);
    if (status == RAGSTORE_OK)
        status = merge_metadata(&found->metadata, document->metadata, &row.metadata);
    if (status == RAGSTORE_OK && (found->doc_id == NULL || found->doc_name == NULL ||
                                  found->source == NULL || found->heading == NULL ||
                                  found->content == NULL))
        status = RAGSTORE_E_NO_MEMORY;

cleanup:
    rsi_bytes_free(&row.text);
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
