/* Texts and places of hits, and results as JSON: see hit_details.h and search.h. */
#include "search/hit_details.h"

#include "base/memory.h"
#include "base/status.h"
#include "search/metadata.h"

#include <math.h>
#include <string.h>

void rsi_found_clear(rsi_found *found)
{
    rsi_free(found->content);
    rsi_free(found->details);
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

/* Views of what is in the row of a chunk. */
typedef struct chunk_row {
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

static int view_members(chunk_row *row, const char *json, size_t size)
{
    rsi_json_view object;
    rsi_json_view member;
    int found = RSI_JSON_ABSENT;
    int status = rsi_json_view_of_text(&object, json, size);
    *row = (chunk_row){0};
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

static int64_t integer_or(const rsi_json_view *view, int64_t fallback)
{
    return view->kind == RSI_JSON_INTEGER ? view->integer : fallback;
}

static void append_text(rsi_bytes *out, const rsi_json_view *view)
{
    if (view->kind == RSI_JSON_TEXT)
        rsi_json_view_append_text(out, view);
}

/* The document's metadata, overlaid by the chunk's own, an object. */
static int merge_metadata(rsi_bytes *out, const char *document, const rsi_json_view *own_view)
{
    rsi_json_view base;
    int status = rsi_json_view_of_text(&base, document, strlen(document));
    return status == RAGSTORE_OK ? rsi_metadata_overlay(out, &base, own_view) : status;
}

/* ---- the row of a chunk ---- */

static int append_content(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_bytes *text = user;
    chunk_row row;
    (void)number;
    int status = view_members(&row, json, size);
    if (text->size > 0)
        rsi_bytes_append_text(text, "\n\n");
    append_text(text, &row.content);
    return status == RAGSTORE_OK ? rsi_bytes_status(text) : status;
}

/* The contents of a chunk and of those around it in its document, a blank line between them. */
static int join_neighbors(rsi_bytes *text, rsi_store *store, const rsi_catalog *catalog,
                          const rsi_catalog_document *document, int64_t chunk, uint32_t neighbors)
{
    int64_t from = chunk - neighbors < document->first_chunk ? document->first_chunk
                                                             : chunk - neighbors;
    int64_t to = chunk + neighbors + 1 > document->end_chunk ? document->end_chunk
                                                             : chunk + neighbors + 1;
    int status = RAGSTORE_OK;
    for (int64_t number = from; status == RAGSTORE_OK && number < to; number++) {
        status = rsi_storage_row_see(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                     (uint64_t)number, append_content, text);
        if (status == RAGSTORE_E_NOT_FOUND && number != chunk)
            status = RAGSTORE_OK;
    }
    return status;
}

typedef struct chunk_filling {
    rsi_found *found;
    const rsi_catalog_document *document;
    rsi_bytes content;
    bool takes_content;
} chunk_filling;

/* A text among the details, for which there is room. */
static const char *put_detail(rsi_bytes *details, const char *text)
{
    const char *begin = details->data + details->size;
    rsi_bytes_append(details, text, strlen(text) + 1);
    return begin;
}

/* All texts but the content in one block of memory. */
static int put_details(rsi_found *found, const rsi_catalog_document *document, const chunk_row *row)
{
    const rsi_json_view *heading = &row->heading;
    const size_t heading_max =
        heading->kind == RSI_JSON_TEXT ? (size_t)(heading->end - heading->text) : 0;
    rsi_bytes metadata = {0};
    rsi_bytes details = {0};
    int status = RAGSTORE_OK;
    const bool has_own = row->metadata.kind == RSI_JSON_OBJECT;
    if (has_own)
        status = merge_metadata(&metadata, document->metadata, &row->metadata);
    const char *merged = has_own ? metadata.data : document->metadata;
    if (status == RAGSTORE_OK &&
        !rsi_bytes_reserve(&details, strlen(document->doc_id) + strlen(document->name) +
                                         strlen(document->source) + strlen(merged) + heading_max +
                                         5))
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK) {
        found->doc_id = put_detail(&details, document->doc_id);
        found->doc_name = put_detail(&details, document->name);
        found->source = put_detail(&details, document->source);
        found->metadata = put_detail(&details, merged);
        found->heading = details.data + details.size;
        append_text(&details, heading);
        found->details = rsi_bytes_take(&details, NULL);
    }
    rsi_bytes_free(&metadata);
    return status;
}

static int take_row(void *user, uint64_t number, const char *json, size_t size)
{
    chunk_filling *filling = user;
    rsi_found *found = filling->found;
    chunk_row row;
    int status = view_members(&row, json, size);
    if (status != RAGSTORE_OK)
        return status;
    const int64_t page = integer_or(&row.page, 0);
    found->chunk = (int64_t)number;
    found->order = found->chunk - filling->document->first_chunk;
    found->start = integer_or(&row.start, -1);
    found->end = integer_or(&row.end, -1);
    found->page = page < 0 || page > UINT32_MAX ? 0 : (uint32_t)page;
    if (filling->takes_content)
        append_text(&filling->content, &row.content);
    return put_details(found, filling->document, &row);
}

int rsi_found_fill(rsi_found *found, rsi_store *store, const rsi_catalog *catalog, int64_t chunk,
                   uint32_t neighbors)
{
    memset(found, 0, sizeof *found);
    const rsi_catalog_document *document = rsi_catalog_document_of(catalog, chunk);
    chunk_filling filling = {.found = found, .document = document, .takes_content = neighbors == 0};
    if (document == NULL)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "search", "a chunk is gone");
    int status = rsi_storage_row_see(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                     (uint64_t)chunk, take_row, &filling);
    if (status == RAGSTORE_OK && neighbors > 0)
        status = join_neighbors(&filling.content, store, catalog, document, chunk, neighbors);
    if (status == RAGSTORE_OK) {
        found->content = rsi_bytes_take(&filling.content, NULL);
        status = found->content == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&filling.content);
        rsi_found_clear(found);
    }
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
