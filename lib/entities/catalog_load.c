/*
 * Filling a catalog from storage: the documents' rows tell which chunks belong to whom, the chunks'
 * rows give the texts. A chunk that no document claims is not alive.
 */
#include "entities/catalog.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "json/json_view.h"

#include <stdlib.h>
#include <string.h>

static void free_document(rsi_catalog_document *document)
{
    rsi_free(document->doc_id);
    rsi_free(document->name);
    rsi_free(document->source);
    rsi_free(document->metadata);
    memset(document, 0, sizeof *document);
}

/* What filters found of this chunk, or of one behind it, may be wrong from now on. */
static void forget_filters(rsi_catalog *catalog, int64_t chunk)
{
    rsi_filter_cache_forget(&catalog->filters, chunk);
    rsi_columns_forget(&catalog->columns, chunk);
}

void rsi_catalog_clear(rsi_catalog *catalog)
{
    for (size_t i = 0; i < catalog->document_count; i++)
        free_document(&catalog->documents[i]);
    rsi_free(catalog->documents);
    catalog->documents = NULL;
    catalog->document_count = 0;
    catalog->document_capacity = 0;
    rsi_document_lookup_free(&catalog->lookup);
    rsi_bitset_free(&catalog->alive);
    rsi_bitset_free(&catalog->annotated);
    forget_filters(catalog, 0);
    rsi_lexical_free(catalog->lexical);
    catalog->lexical = NULL;
    rsi_catalog_drop_codes_locked(catalog);
    rsi_rows_close(catalog->rows);
    catalog->rows = NULL;
    rsi_free(catalog->rows_problem);
    catalog->rows_problem = NULL;
    catalog->is_loaded = false;
}

size_t rsi_catalog_memory(rsi_catalog *catalog)
{
    size_t bytes = sizeof *catalog + catalog->document_capacity * sizeof *catalog->documents +
                   catalog->lookup.capacity * sizeof *catalog->lookup.slots +
                   (catalog->alive.capacity + catalog->annotated.capacity) * sizeof(uint64_t) +
                   rsi_filter_cache_memory(&catalog->filters) +
                   rsi_columns_memory(&catalog->columns);
    if (catalog->lexical != NULL)
        bytes += rsi_lexical_memory(catalog->lexical);
    if (catalog->rows != NULL)
        bytes += rsi_rows_memory(catalog->rows);
    if (catalog->codes != NULL)
        bytes += rsi_quantised_memory(catalog->codes);
    if (catalog->bytes != NULL)
        bytes += rsi_byte_codes_memory(catalog->bytes);
    if (catalog->faiss != NULL)
        bytes += rsi_faiss_index_memory(catalog->faiss);
    return bytes;
}

/* ---- documents ---- */

void rsi_catalog_fold_name(char folded[RSI_STORED_NAME_MAX], const char *name)
{
    size_t i = 0;
    for (; name[i] != '\0' && i < RSI_STORED_NAME_MAX - 1; i++)
        folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    folded[i] = '\0';
}

/* A text of an object, into `out`; *present is false, and `out` empty, when there is none. */
static int read_text(rsi_bytes *out, bool *present, const rsi_json_view *object, const char *name)
{
    rsi_json_view member;
    rsi_bytes_clear(out);
    int found = rsi_json_view_get(&member, object, rsi_slice_of(name));
    *present = found > 0 && member.kind == RSI_JSON_TEXT;
    if (found < 0)
        return found;
    if (*present)
        rsi_json_view_append_text(out, &member);
    else
        rsi_bytes_append(out, "", 0);
    return rsi_bytes_status(out);
}

static int read_integer(int64_t *out, const rsi_json_view *object, const char *name)
{
    rsi_json_view member;
    int found = rsi_json_view_get(&member, object, rsi_slice_of(name));
    *out = found > 0 && member.kind == RSI_JSON_INTEGER ? member.integer : 0;
    return found < 0 ? found : RAGSTORE_OK;
}

static int note_values(rsi_catalog *catalog, uint64_t row, const rsi_json_view *value)
{
    static const char *const members[] = {"doc_id", "key", "sha256"};
    rsi_bytes text = {0};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof members / sizeof *members; i++) {
        bool present;
        status = read_text(&text, &present, value, members[i]);
        if (status == RAGSTORE_OK && present)
            status = rsi_document_lookup_add(&catalog->lookup, members[i], text.data, row);
    }
    bool has_name = false;
    if (status == RAGSTORE_OK)
        status = read_text(&text, &has_name, value, "stored_name");
    if (status == RAGSTORE_OK && has_name) {
        char folded[RSI_STORED_NAME_MAX];
        rsi_catalog_fold_name(folded, text.data);
        status = rsi_document_lookup_add(&catalog->lookup, "stored_name", folded, row);
    }
    rsi_bytes_free(&text);
    return status;
}

/* What is kept of a document's texts. */
static int read_texts(rsi_catalog_document *document, const rsi_json_view *value)
{
    rsi_bytes text = {0};
    bool present;
    rsi_json_view metadata;
    rsi_slice source = {"{}", 2};
    int status = read_text(&text, &present, value, "doc_id");
    if (status == RAGSTORE_OK && (document->doc_id = rsi_strdup(text.data)) == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status = read_text(&text, &present, value, "filename");
    if (status == RAGSTORE_OK && (document->name = rsi_strdup(text.data)) == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status = read_text(&text, &present, value, "source");
    if (status == RAGSTORE_OK &&
        (document->source = rsi_strdup(present ? text.data : document->name)) == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    rsi_bytes_free(&text);
    if (status != RAGSTORE_OK)
        return status;
    int found = rsi_json_view_get(&metadata, value, rsi_slice_of("metadata"));
    if (found > 0 && metadata.kind == RSI_JSON_OBJECT)
        found = rsi_json_view_source(&source, &metadata);
    if (found < 0)
        return found;
    document->metadata = rsi_memdup0(source.data, source.size);
    return document->metadata == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int parse_document(rsi_catalog_document *document, rsi_catalog *catalog, uint64_t row,
                          const char *json, size_t size)
{
    rsi_json_view value;
    int64_t count = 0;
    memset(document, 0, sizeof *document);
    int status = rsi_json_view_of_text(&value, json, size);
    if (status == RAGSTORE_OK)
        status = read_texts(document, &value);
    if (status == RAGSTORE_OK)
        status = read_integer(&document->first_chunk, &value, "first_chunk");
    if (status == RAGSTORE_OK)
        status = read_integer(&count, &value, "chunks_count");
    if (status == RAGSTORE_OK)
        status = note_values(catalog, row, &value);
    if (status != RAGSTORE_OK) {
        free_document(document);
        return status;
    }
    document->row = row;
    document->end_chunk = document->first_chunk + (count < 0 ? 0 : count);
    return RAGSTORE_OK;
}

/* Position of the first document whose first chunk is >= first_chunk. */
static size_t document_from(const rsi_catalog *catalog, int64_t first_chunk)
{
    size_t low = 0;
    size_t high = catalog->document_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalog->documents[middle].first_chunk < first_chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes the document's texts, also on failure. A document without chunks is not listed. */
static int insert_document(rsi_catalog *catalog, rsi_catalog_document *document)
{
    size_t at = document_from(catalog, document->first_chunk);
    bool known = at < catalog->document_count &&
                 catalog->documents[at].first_chunk == document->first_chunk;
    if (known || document->end_chunk == document->first_chunk) {
        free_document(document);
        return RAGSTORE_OK;
    }
    if (!rsi_grow((void **)&catalog->documents, &catalog->document_capacity,
                  catalog->document_count + 1, sizeof *catalog->documents)) {
        free_document(document);
        return RAGSTORE_E_NO_MEMORY;
    }
    memmove(catalog->documents + at + 1, catalog->documents + at,
            (catalog->document_count - at) * sizeof *catalog->documents);
    catalog->documents[at] = *document;
    catalog->document_count++;
    return RAGSTORE_OK;
}

int64_t rsi_catalog_end_locked(const rsi_catalog *catalog)
{
    const size_t count = catalog->document_count;
    return count == 0 ? 0 : catalog->documents[count - 1].end_chunk;
}

const rsi_catalog_document *rsi_catalog_document_of(const rsi_catalog *catalog, int64_t chunk)
{
    size_t behind = document_from(catalog, chunk + 1);
    if (behind == 0)
        return NULL;
    const rsi_catalog_document *document = &catalog->documents[behind - 1];
    return chunk < document->end_chunk ? document : NULL;
}

const rsi_catalog_document *rsi_catalog_find_document(const rsi_catalog *catalog,
                                                      const char *doc_id)
{
    for (size_t i = 0; i < catalog->document_count; i++)
        if (strcmp(catalog->documents[i].doc_id, doc_id) == 0)
            return &catalog->documents[i];
    return NULL;
}

/* ---- chunks ---- */

/* The text that a chunk is found by: its headings, then what it says. */
static int add_chunk_text(rsi_catalog *catalog, int64_t chunk, const rsi_json_view *value)
{
    rsi_json_view heading;
    rsi_json_view content;
    rsi_bytes text = {0};
    int found = rsi_json_view_get(&heading, value, rsi_slice_of("heading"));
    if (found >= 0)
        found = rsi_json_view_get(&content, value, rsi_slice_of("content"));
    if (found < 0)
        return found;
    if (heading.kind != RSI_JSON_TEXT && content.kind == RSI_JSON_TEXT && !content.escaped)
        return rsi_lexical_add(catalog->lexical, chunk, content.text,
                               (size_t)(content.end - content.text));
    if (heading.kind == RSI_JSON_TEXT) {
        rsi_json_view_append_text(&text, &heading);
        rsi_bytes_append_char(&text, '\n');
    }
    if (content.kind == RSI_JSON_TEXT)
        rsi_json_view_append_text(&text, &content);
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_lexical_add(catalog->lexical, chunk, text.size == 0 ? "" : text.data,
                                 text.size);
    rsi_bytes_free(&text);
    return status;
}

/* Is the chunk in the keyword index as this row has it? Another text of that number goes. */
static bool is_indexed(rsi_catalog *catalog, int64_t chunk, uint32_t mark)
{
    uint32_t known;
    if (!rsi_lexical_mark(catalog->lexical, chunk, &known))
        return false;
    if (known != mark)
        rsi_lexical_remove(catalog->lexical, chunk);
    return known == mark;
}

/* Index a chunk if it says that it belongs to the document. */
static int index_chunk(bool *belongs, rsi_catalog *catalog, const rsi_catalog_document *document,
                       int64_t chunk, const char *json, size_t size)
{
    rsi_json_view value;
    rsi_json_view doc_id;
    *belongs = false;
    int status = rsi_json_view_of_text(&value, json, size);
    if (status != RAGSTORE_OK)
        return status;
    int found = rsi_json_view_get(&doc_id, &value, rsi_slice_of("doc_id"));
    if (found < 0)
        return found;
    const rsi_json_view wanted =
        rsi_json_view_of_string(document->doc_id, strlen(document->doc_id));
    *belongs = doc_id.kind == RSI_JSON_TEXT && rsi_json_view_compare_texts(&doc_id, &wanted) == 0;
    return *belongs ? add_chunk_text(catalog, chunk, &value) : RAGSTORE_OK;
}

/* A chunk that is in the keyword index becomes alive. A quotation mark in a text is escaped, so only
 * a member's name looks like this. */
static int take_chunk(rsi_catalog *catalog, int64_t chunk, const char *json, size_t size)
{
    static const char name[] = "\"metadata\"";
    int status = RAGSTORE_OK;
    if (memmem(json, size, name, sizeof name - 1) != NULL)
        status = rsi_bitset_add(&catalog->annotated, chunk);
    return status == RAGSTORE_OK ? rsi_bitset_add(&catalog->alive, chunk) : status;
}

static int add_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_catalog *catalog = user;
    const int64_t chunk = (int64_t)number;
    const rsi_catalog_document *document = rsi_catalog_document_of(catalog, chunk);
    if (document == NULL || rsi_bitset_has(&catalog->alive, chunk))
        return RAGSTORE_OK;
    const uint32_t mark = rsi_catalog_chunk_mark(document, json, size);
    if (is_indexed(catalog, chunk, mark))
        return take_chunk(catalog, chunk, json, size);
    bool belongs;
    int status = index_chunk(&belongs, catalog, document, chunk, json, size);
    if (status != RAGSTORE_OK || !belongs)
        return status;
    rsi_lexical_set_mark(catalog->lexical, chunk, mark);
    rsi_catalog_note_lexical_locked(catalog, 1);
    status = take_chunk(catalog, chunk, json, size);
    if (status != RAGSTORE_OK)
        rsi_lexical_remove(catalog->lexical, chunk);
    return status;
}

void rsi_catalog_remove_locked(rsi_catalog *catalog, int64_t first_chunk)
{
    size_t at = document_from(catalog, first_chunk);
    if (at == catalog->document_count || catalog->documents[at].first_chunk != first_chunk)
        return;
    rsi_catalog_document *document = &catalog->documents[at];
    for (int64_t chunk = document->first_chunk; chunk < document->end_chunk; chunk++) {
        if (!rsi_bitset_has(&catalog->alive, chunk))
            continue;
        rsi_bitset_remove(&catalog->alive, chunk);
        rsi_bitset_remove(&catalog->annotated, chunk);
        rsi_lexical_remove(catalog->lexical, chunk);
        rsi_catalog_note_lexical_locked(catalog, 1);
    }
    free_document(document);
    catalog->document_count--;
    memmove(document, document + 1, (catalog->document_count - at) * sizeof *document);
    rsi_catalog_note_rows_locked(catalog);
}

/* Read a document's row; NOT_FOUND when it is gone again: its removal follows. */
static int read_document(rsi_catalog_document *document, rsi_catalog *catalog,
                         rsi_store *store, uint64_t row)
{
    rsi_bytes text = {0};
    int status =
        rsi_storage_row_get(&text, store->storage, RSI_SPACE_ENTITIES, catalog->entity_id, row);
    if (status == RAGSTORE_OK)
        status = parse_document(document, catalog, row, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

static int note_document(void *user, uint64_t row, const char *json, size_t size)
{
    rsi_json_view value;
    int status = rsi_json_view_of_text(&value, json, size);
    return status == RAGSTORE_OK ? note_values(user, row, &value) : status;
}

/* What documents were replaced and deleted has left values that no document has. */
static int renew_lookup(rsi_catalog *catalog, rsi_store *store)
{
    if (!rsi_document_lookup_is_worn(&catalog->lookup))
        return RAGSTORE_OK;
    rsi_document_lookup_free(&catalog->lookup);
    int status = rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, catalog->entity_id, 0,
                                  UINT64_MAX, note_document, catalog);
    rsi_document_lookup_settle(&catalog->lookup);
    return status;
}

int rsi_catalog_refresh_locked(rsi_catalog *catalog, rsi_store *store, uint64_t row)
{
    rsi_catalog_document document;
    int status = read_document(&document, catalog, store, row);
    if (status != RAGSTORE_OK)
        return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
    size_t at = document_from(catalog, document.first_chunk);
    if (at < catalog->document_count &&
        catalog->documents[at].first_chunk == document.first_chunk) {
        free_document(&catalog->documents[at]);
        catalog->documents[at] = document;
        forget_filters(catalog, document.first_chunk);
    } else {
        free_document(&document); /* without chunks it is not listed */
    }
    return RAGSTORE_OK;
}

int rsi_catalog_add_locked(rsi_catalog *catalog, rsi_store *store, uint64_t row)
{
    rsi_catalog_document document;
    int status = read_document(&document, catalog, store, row);
    if (status != RAGSTORE_OK)
        return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
    const int64_t first = document.first_chunk;
    const int64_t count = document.end_chunk - first;
    forget_filters(catalog, first);
    status = insert_document(catalog, &document);
    if (status == RAGSTORE_OK && count > 0)
        status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                  (uint64_t)first, (uint64_t)count, add_chunk, catalog);
    if (status == RAGSTORE_OK)
        status = renew_lookup(catalog, store);
    if (status == RAGSTORE_OK)
        rsi_catalog_note_rows_locked(catalog);
    return status;
}

/* ---- all ---- */

static int collect_document(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_catalog_document document;
    int status = parse_document(&document, user, number, json, size);
    return status == RAGSTORE_OK ? insert_document(user, &document) : status;
}

int rsi_catalog_open_rows_locked(rsi_catalog *catalog, rsi_store *store, uint32_t dimension)
{
    rsi_path directory = rsi_path_in_entity(catalog->entity_id, "vector_store");
    rsi_free(catalog->rows_problem);
    catalog->rows_problem = NULL;
    catalog->rows_lease =
        rsi_tx_is_open(store->storage) ? rsi_storage_lease_count(store->storage) : 0;
    int status = rsi_rows_open(&catalog->rows, rsi_storage_root(store->storage), directory.text,
                               catalog->incarnation, dimension);
    if (status == RAGSTORE_OK)
        rsi_rows_set_metric(catalog->rows, catalog->metric);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_hold_vectors(catalog->rows, store, catalog->entity_id,
                                          catalog->incarnation);
    if (status != RAGSTORE_E_DAMAGED)
        return status;
    /* keyword search goes on */
    catalog->rows_problem = rsi_strdup(rsi_error_message());
    rsi_storage_log(store->storage, RAGSTORE_LOG_ERROR,
                    "entity \"%s\": its vectors cannot be used, keyword search goes on: %s",
                    catalog->entity_id, rsi_error_message());
    return catalog->rows_problem == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* Vectors that commits named and of which none is there: a backup without the entity's folder was
 * put back, or somebody removed it. An index that finds nothing would hide that. */
static int miss_rows(rsi_catalog *catalog, rsi_store *store)
{
    rsi_bytes problem = {0};
    rsi_bitset missing = {0};
    const float *row;
    if (catalog->rows == NULL || catalog->alive.count == 0 ||
        rsi_rows_get(&row, catalog->rows, rsi_bitset_next(&catalog->alive, 0)) !=
            RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    int status = rsi_rows_missing(&missing, catalog->rows, &catalog->alive);
    const bool all = status == RAGSTORE_OK && missing.count == catalog->alive.count;
    rsi_bitset_free(&missing);
    if (!all)
        return status == RAGSTORE_E_DAMAGED ? RAGSTORE_OK : status; /* told of by each search */
    rsi_bytes_printf(&problem,
                     "%s: the vectors of %zu chunks are missing; restore the folder of this entity "
                     "from a backup, or send its documents again",
                     rsi_path_in_entity(catalog->entity_id, "vector_store").text,
                     (size_t)catalog->alive.count);
    rsi_rows_close(catalog->rows);
    catalog->rows = NULL;
    catalog->rows_problem = rsi_bytes_take(&problem, NULL);
    if (catalog->rows_problem == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_storage_log(store->storage, RAGSTORE_LOG_ERROR, "entity \"%s\": keyword search goes on: %s",
                    catalog->entity_id, catalog->rows_problem);
    return RAGSTORE_OK;
}

int rsi_catalog_load_locked(rsi_catalog *catalog, rsi_store *store)
{
    rsi_entity_record record;
    int status = rsi_entity_read(&record, store, catalog->entity_id, catalog->incarnation);
    if (status != RAGSTORE_OK)
        return status;
    catalog->metric = record.metric;
    rsi_index_settings_read(&catalog->settings, record.json);
    rsi_tx_hide(store->storage, true); /* the catalog is shared: never ahead of the commit */
    status = rsi_catalog_open_lexical_locked(catalog, store, record.language);
    if (status == RAGSTORE_OK)
        status = rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, catalog->entity_id, 0,
                                  UINT64_MAX, collect_document, catalog);
    if (status == RAGSTORE_OK)
        status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id, 0,
                                  UINT64_MAX, add_chunk, catalog);
    rsi_tx_hide(store->storage, false);
    if (status == RAGSTORE_OK)
        rsi_catalog_settle_lexical_locked(catalog);
    if (status == RAGSTORE_OK && record.embedder != NULL && record.dimension > 0)
        status = rsi_catalog_open_rows_locked(catalog, store, record.dimension);
    if (status == RAGSTORE_OK)
        status = miss_rows(catalog, store);
    rsi_entity_record_free(&record);
    if (status == RAGSTORE_OK) {
        catalog->is_loaded = true;
        rsi_document_lookup_settle(&catalog->lookup);
        rsi_catalog_note_rows_locked(catalog);
        rsi_upkeep_mark(store, catalog->entity_id); /* its files may have been deleted */
    } else {
        rsi_catalog_clear(catalog);
    }
    return rsi_wrap(status, "load entity \"%s\"", catalog->entity_id);
}
