/*
 * Preparing a document: text, chunks, vectors. No lock is held and nothing is written, so this
 * may take its time and be cancelled at any moment.
 */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "ingest/chunk.h"
#include "ingest/extract_callback.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIMENSION_MAX 65536

static void free_chunk(rsi_new_chunk *chunk)
{
    rsi_free(chunk->content);
    rsi_free(chunk->heading);
    rsi_free(chunk->metadata);
    rsi_free(chunk->before);
    rsi_free(chunk->after);
}

void rsi_prepared_free(rsi_prepared *prepared)
{
    for (size_t i = 0; i < prepared->count; i++)
        free_chunk(&prepared->chunks[i]);
    rsi_free(prepared->chunks);
    rsi_free(prepared->vectors);
    rsi_free(prepared->embedder);
    memset(prepared, 0, sizeof *prepared);
}

int rsi_report_progress(const rsi_document_fields *fields, const char *stage, uint64_t done,
                        uint64_t total)
{
    if (fields->progress == NULL || fields->progress(fields->progress_user, stage, done, total) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "ingest", "the caller cancelled while it was at: %s",
                    stage);
}

/* ---- vectors ---- */

int rsi_choose_embedder(const rsi_embedder **use, const rsi_store *store,
                        const rsi_entity_record *entity)
{
    const rsi_embedder *have = store->embedder;
    *use = NULL;
    if (entity->embedder == NULL) {
        /* an entity without documents takes the model that is there now */
        *use = entity->next_row == 0 ? have : NULL;
        return RAGSTORE_OK;
    }
    if (have != NULL && strcmp(entity->embedder, rsi_embedder_fingerprint(have)) == 0) {
        *use = have;
        return RAGSTORE_OK;
    }
    if (strncmp(entity->embedder, RSI_OWN_VECTORS, sizeof RSI_OWN_VECTORS - 1) == 0)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "ingest",
                        "the vectors of entity \"%s\" are the caller's own (%s): each chunk needs "
                        "its vector",
                        entity->id, entity->embedder);
    /* a job waits for a process that has that model */
    return rsi_for_now(
        rsi_fail(RAGSTORE_E_EMBEDDER, "ingest",
                 "entity \"%s\" was made with the model %s, but %s is loaded: open the store "
                 "with that model, or add the documents to a new entity (an existing one needs "
                 "reembed)",
                 entity->id, entity->embedder,
                 have == NULL ? "none" : rsi_embedder_fingerprint(have)));
}

/* The text that stands for a chunk in vector space: its headings, then what it says. */
static int text_to_embed(rsi_bytes *out, const rsi_new_chunk *chunk)
{
    if (chunk->heading != NULL) {
        rsi_bytes_append_text(out, chunk->heading);
        rsi_bytes_append_char(out, '\n');
    }
    rsi_bytes_append_text(out, chunk->content);
    return rsi_bytes_status(out);
}

/* Embed chunks[from..from+count). */
static int embed_some(rsi_prepared *prepared, rsi_store *store, const rsi_embedder *embedder,
                      const size_t *which, size_t count)
{
    rsi_bytes texts[RSI_EMBED_BATCH_MAX] = {{0}};
    rsi_slice slices[RSI_EMBED_BATCH_MAX];
    const size_t dimension = prepared->dimension;
    float *out = rsi_alloc_array(count * dimension, sizeof *out);
    int status = out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        status = text_to_embed(&texts[i], &prepared->chunks[which[i]]);
        slices[i] = (rsi_slice){texts[i].data, texts[i].size};
    }
    if (status == RAGSTORE_OK)
        status =
            rsi_embed_cached(out, store->embedded, embedder, RSI_EMBED_DOCUMENT, slices, count);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        memcpy(prepared->vectors + which[i] * dimension, out + i * dimension,
               dimension * sizeof *out);
    for (size_t i = 0; i < count; i++)
        rsi_bytes_free(&texts[i]);
    rsi_free(out);
    return status;
}

/* Embed every chunk that `has_vector` (NULL: none) does not name. */
static int embed_chunks(rsi_prepared *prepared, rsi_store *store, const rsi_embedder *embedder,
                        const bool *has_vector, const rsi_document_fields *fields)
{
    const uint64_t epoch = rsi_store_epoch(store);
    const size_t at_once = rsi_embedder_batch(embedder);
    size_t which[RSI_EMBED_BATCH_MAX];
    size_t gathered = 0;
    int status = rsi_report_progress(fields, "embed", 0, prepared->count);
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        if (has_vector == NULL || !has_vector[i])
            which[gathered++] = i;
        if (gathered < at_once && i + 1 < prepared->count)
            continue;
        if (gathered > 0)
            status = embed_some(prepared, store, embedder, which, gathered);
        gathered = 0;
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = rsi_report_progress(fields, "embed", i + 1, prepared->count);
    }
    return rsi_wrap(status, "embed");
}

static int note_embedder(rsi_prepared *prepared, const char *embedder, uint32_t dimension)
{
    prepared->embedder = rsi_strdup(embedder);
    prepared->dimension = dimension;
    return prepared->embedder == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* Room for a vector of each chunk, of the embedder that was noted. */
static int make_room_for_vectors(rsi_prepared *prepared)
{
    size_t numbers;
    if (!rsi_mul_size(prepared->count, prepared->dimension, &numbers))
        return rsi_fail_no_memory();
    prepared->vectors = rsi_alloc_array(numbers, sizeof *prepared->vectors);
    return prepared->vectors == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int make_room_for_model(rsi_prepared *prepared, const rsi_embedder *embedder)
{
    int status = note_embedder(prepared, rsi_embedder_fingerprint(embedder),
                               rsi_embedder_dimension(embedder));
    return status == RAGSTORE_OK ? make_room_for_vectors(prepared) : status;
}

/* ---- bytes ---- */

static int count_tokens(size_t *count, void *user, const char *text, size_t size)
{
    return rsi_embedder_count_tokens(count, user, text, size);
}

static int add_chunk(rsi_prepared *prepared, const rsi_chunk *chunk, const char *text)
{
    if (!rsi_grow((void **)&prepared->chunks, &prepared->capacity, prepared->count + 1,
                  sizeof *prepared->chunks))
        return RAGSTORE_E_NO_MEMORY;
    rsi_new_chunk *made = &prepared->chunks[prepared->count];
    *made = (rsi_new_chunk){.start = (int64_t)chunk->start,
                            .end = (int64_t)chunk->end,
                            .page = chunk->page};
    made->content = rsi_memdup0(text + chunk->start, chunk->end - chunk->start);
    made->heading = chunk->heading == NULL ? NULL : rsi_strdup(chunk->heading);
    prepared->count++;
    return made->content == NULL || (chunk->heading != NULL && made->heading == NULL)
               ? RAGSTORE_E_NO_MEMORY
               : RAGSTORE_OK;
}

static int cut_into_chunks(rsi_prepared *prepared, const rsi_extracted *extracted,
                           const rsi_chunk_sizes *sizes, const rsi_embedder *embedder,
                           const rsi_document_fields *fields)
{
    rsi_chunks chunks = {0};
    rsi_chunker_options options = {.max_tokens = sizes->tokens, .overlap_tokens = sizes->overlap};
    if (embedder != NULL) {
        uint32_t limit = rsi_embedder_document_tokens(embedder);
        options.max_tokens = limit < sizes->tokens ? limit : sizes->tokens;
        options.count_tokens = rsi_embedder_has_tokens(embedder) ? count_tokens : NULL;
        options.user = (void *)(uintptr_t)embedder;
    }
    int status = rsi_report_progress(fields, "chunk", 0, 0);
    if (status == RAGSTORE_OK)
        status = rsi_chunk_text(&chunks, extracted, &options);
    for (size_t i = 0; status == RAGSTORE_OK && i < chunks.count; i++)
        status = add_chunk(prepared, &chunks.items[i], extracted->text.data);
    rsi_chunks_free(&chunks);
    return status;
}

static int copy_part(char **out, const rsi_bytes *text, size_t start, size_t end)
{
    if (start >= end)
        return RAGSTORE_OK;
    *out = rsi_memdup0(text->data + start, end - start);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* Keep what no chunk has, so that the chunks hold the whole text: see extract_callback.h. */
static int keep_gaps(rsi_prepared *prepared, const rsi_bytes *text)
{
    size_t reached = 0;
    int status = prepared->count == 0
                     ? RAGSTORE_OK
                     : copy_part(&prepared->chunks[0].before, text, 0,
                                 (size_t)prepared->chunks[0].start);
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        rsi_new_chunk *chunk = &prepared->chunks[i];
        const size_t next =
            i + 1 < prepared->count ? (size_t)prepared->chunks[i + 1].start : text->size;
        reached = (size_t)chunk->end > reached ? (size_t)chunk->end : reached;
        status = copy_part(&chunk->after, text, reached, next);
        reached = next > reached ? next : reached;
    }
    prepared->text_in_chunks = true;
    return status;
}

/* Take the text out: by ourselves, or else by the application's extractor. */
static int take_text(rsi_extracted *extracted, bool *by_callback, rsi_store *store,
                     const rsi_bytes *bytes, const rsi_document_fields *fields)
{
    const char *data = bytes->data == NULL ? "" : bytes->data;
    rsi_saved_error refusal;
    *by_callback = false;
    int status = rsi_extract(extracted, data, bytes->size, fields->filename, fields->media_type);
    if (status != RAGSTORE_E_NOT_EXTRACTABLE || fields->extract == NULL ||
        !rsi_extract_is_binary(data, bytes->size))
        return status;
    rsi_error_save(&refusal);
    status = rsi_extract_by_callback(extracted, store, fields, data, bytes->size);
    *by_callback = status == RAGSTORE_OK;
    if (status != RAGSTORE_E_UNSUPPORTED)
        return status;
    rsi_error_restore(&refusal); /* nobody knows the format */
    return RAGSTORE_E_NOT_EXTRACTABLE;
}

int rsi_prepare_bytes(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                      const rsi_bytes *bytes, const rsi_document_fields *fields)
{
    rsi_extracted extracted = {0};
    const rsi_embedder *embedder;
    bool by_callback = false;
    memset(prepared, 0, sizeof *prepared);
    int status = rsi_choose_embedder(&embedder, store, entity);
    if (status == RAGSTORE_OK)
        status = rsi_report_progress(fields, "extract", 0, bytes->size);
    if (status == RAGSTORE_OK)
        status = take_text(&extracted, &by_callback, store, bytes, fields);
    if (status == RAGSTORE_OK) {
        snprintf(prepared->media_type, sizeof prepared->media_type, "%s", extracted.media_type);
        snprintf(prepared->encoding, sizeof prepared->encoding, "%s", extracted.encoding);
        status = cut_into_chunks(prepared, &extracted, &entity->chunk_sizes, embedder, fields);
    }
    if (status == RAGSTORE_OK && by_callback)
        status = keep_gaps(prepared, &extracted.text);
    if (status == RAGSTORE_OK && embedder != NULL)
        status = make_room_for_model(prepared, embedder);
    if (status == RAGSTORE_OK && embedder != NULL)
        status = embed_chunks(prepared, store, embedder, NULL, fields);
    rsi_extracted_free(&extracted);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return status;
}

/* ---- the caller's chunks ---- */

static int bad_chunk(size_t i, const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "chunk %zu: %s", i, what);
}

static int read_chunk(rsi_new_chunk *chunk, const rsi_json *value, size_t i)
{
    const rsi_json *metadata = rsi_json_get(value, "metadata");
    const rsi_json *vector = rsi_json_get(value, "vector");
    const char *text = rsi_json_get_text(value, "text");
    memset(chunk, 0, sizeof *chunk);
    if (text == NULL || text[0] == '\0')
        return bad_chunk(i, "\"text\" is missing or empty");
    if (metadata != NULL && !rsi_json_is_null(metadata) && !rsi_json_is_object(metadata))
        return bad_chunk(i, "\"metadata\" is not an object");
    if (vector != NULL && !rsi_json_is_null(vector) &&
        (!rsi_json_is_array(vector) || rsi_json_count(vector) == 0))
        return bad_chunk(i, "\"vector\" is not an array of numbers");
    chunk->start = rsi_json_get_integer(value, "start", -1);
    chunk->end = rsi_json_get_integer(value, "end", -1);
    int64_t page = rsi_json_get_integer(value, "page", 0);
    if (page < 0 || page > UINT32_MAX || chunk->start < -1 || chunk->end < chunk->start)
        return bad_chunk(i, "\"page\", \"start\" or \"end\" is out of range");
    chunk->page = (uint32_t)page;
    chunk->content = rsi_strdup(text);
    if (chunk->content == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (rsi_json_is_object(metadata)) {
        rsi_bytes json = {0};
        rsi_json_dump(&json, metadata);
        if (json.size > RSI_METADATA_MAX) {
            rsi_bytes_free(&json);
            return bad_chunk(i, "its metadata is over 16 KiB");
        }
        chunk->metadata = rsi_bytes_take(&json, NULL);
        if (chunk->metadata == NULL)
            return RAGSTORE_E_NO_MEMORY;
    }
    return RAGSTORE_OK;
}

int rsi_vector_take(float *vector, const rsi_prepared *prepared, size_t i)
{
    const char *problem = rsi_metric_prepare(vector, prepared->dimension, prepared->metric);
    return problem == NULL ? RAGSTORE_OK
                           : rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "chunk %zu: its vector %s",
                                      i, problem);
}

static int read_vector(rsi_prepared *prepared, const rsi_json *value, size_t i)
{
    float *vector = prepared->vectors + i * prepared->dimension;
    if (rsi_json_count(value) != prepared->dimension)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "chunk %zu: its vector has %zu numbers, this entity's have %u", i,
                        rsi_json_count(value), prepared->dimension);
    for (size_t d = 0; d < prepared->dimension; d++) {
        const rsi_json *number = rsi_json_at(value, d);
        if (!rsi_json_is_number(number))
            return bad_chunk(i, "\"vector\" is not an array of numbers");
        vector[d] = (float)rsi_json_number(number, 0);
    }
    return rsi_vector_take(vector, prepared, i);
}

/* The dimension of the vectors that the caller gives; 0: none. */
static size_t given_dimension(const rsi_json *list, const float *vectors, size_t dimension)
{
    if (vectors != NULL)
        return dimension;
    for (size_t i = 0; i < rsi_json_count(list); i++) {
        const rsi_json *vector = rsi_json_get(rsi_json_at(list, i), "vector");
        if (rsi_json_is_array(vector))
            return rsi_json_count(vector);
    }
    return 0;
}

int rsi_settle_own_vectors(rsi_prepared *prepared, const rsi_embedder **embedder,
                           const rsi_store *store, const rsi_entity_record *entity,
                           size_t dimension)
{
    char own[32];
    *embedder = NULL;
    prepared->metric = entity->metric;
    bool unsettled = entity->next_row == 0; /* nothing in it depends on an embedder yet */
    if (!unsettled && entity->embedder == NULL)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "ingest",
                        "entity \"%s\" has documents without vectors; give vectors to a new entity",
                        entity->id);
    bool fits = entity->embedder != NULL && entity->dimension == dimension;
    if (!unsettled && !fits)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "the vectors have %zu numbers, those of entity \"%s\" have %u", dimension,
                        entity->id, entity->dimension);
    if (fits && store->embedder != NULL &&
        strcmp(entity->embedder, rsi_embedder_fingerprint(store->embedder)) == 0)
        *embedder = store->embedder;
    snprintf(own, sizeof own, RSI_OWN_VECTORS "%zu", dimension);
    return note_embedder(prepared, fits ? entity->embedder : own, (uint32_t)dimension);
}

/* Decide what the vectors of this add are of, and make room for them. */
static int settle_vectors(rsi_prepared *prepared, const rsi_embedder **embedder,
                          const rsi_store *store, const rsi_entity_record *entity, size_t given)
{
    int status = given == 0 ? rsi_choose_embedder(embedder, store, entity)
                            : rsi_settle_own_vectors(prepared, embedder, store, entity, given);
    if (status != RAGSTORE_OK)
        return status;
    if (given != 0)
        return make_room_for_vectors(prepared);
    return *embedder == NULL ? RAGSTORE_OK : make_room_for_model(prepared, *embedder);
}

static int take_vectors(rsi_prepared *prepared, bool *has_vector, const rsi_json *list,
                        const float *vectors)
{
    int status = RAGSTORE_OK;
    const size_t dimension = prepared->dimension;
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        const rsi_json *value = rsi_json_get(rsi_json_at(list, i), "vector");
        if (vectors != NULL) {
            memcpy(prepared->vectors + i * dimension, vectors + i * dimension,
                   dimension * sizeof *vectors);
            status = rsi_vector_take(prepared->vectors + i * dimension, prepared, i);
            has_vector[i] = true;
        } else if (value != NULL && !rsi_json_is_null(value)) {
            status = read_vector(prepared, value, i);
            has_vector[i] = true;
        }
    }
    return status;
}

static int check_all_have_vectors(const rsi_prepared *prepared, const bool *has_vector)
{
    for (size_t i = 0; i < prepared->count; i++)
        if (!has_vector[i])
            return bad_chunk(i, "it has no vector, and the model of this entity is not loaded");
    return RAGSTORE_OK;
}

int rsi_chunk_list_check(const rsi_json *list, size_t dimension)
{
    size_t count = rsi_json_count(list);
    if (!rsi_json_is_array(list) || count == 0 || count > RSI_CHUNKS_AT_ONCE)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "chunks must be a JSON array of 1 to %d objects", RSI_CHUNKS_AT_ONCE);
    if (dimension > DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest", "vectors of %zu numbers; at most %d",
                        dimension, DIMENSION_MAX);
    return RAGSTORE_OK;
}

int rsi_chunk_list_read(rsi_prepared *prepared, const rsi_json *list)
{
    size_t count = rsi_json_count(list);
    prepared->chunks = rsi_alloc_array(count, sizeof *prepared->chunks);
    if (prepared->chunks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    prepared->capacity = count;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        status = read_chunk(&prepared->chunks[i], rsi_json_at(list, i), i);
        prepared->count = i + 1;
    }
    return status;
}

/* Take chunks and vectors as they were given. `has_vector` is NULL when there are to be none; caller
 * frees it. */
static int take_given(rsi_prepared *prepared, bool **has_vector, const rsi_embedder **embedder,
                      const rsi_store *store, const rsi_entity_record *entity,
                      const char *chunks_json, const float *vectors, size_t dimension)
{
    rsi_json *list = NULL;
    *has_vector = NULL;
    *embedder = NULL;
    memset(prepared, 0, sizeof *prepared);
    snprintf(prepared->media_type, sizeof prepared->media_type, "application/x-ragstore-chunks");
    size_t given = 0;
    int status =
        rsi_json_parse(&list, chunks_json, strlen(chunks_json), RSI_JSON_DEPTH_REQUEST);
    if (status == RAGSTORE_OK) {
        given = given_dimension(list, vectors, dimension);
        status = rsi_chunk_list_check(list, given);
    }
    if (status == RAGSTORE_OK)
        status = rsi_chunk_list_read(prepared, list);
    if (status == RAGSTORE_OK)
        status = settle_vectors(prepared, embedder, store, entity, given);
    if (status == RAGSTORE_OK && prepared->vectors != NULL) {
        *has_vector = rsi_alloc_array(prepared->count, sizeof **has_vector);
        status = *has_vector == NULL ? RAGSTORE_E_NO_MEMORY
                                     : take_vectors(prepared, *has_vector, list, vectors);
        if (status == RAGSTORE_OK && *embedder == NULL)
            status = check_all_have_vectors(prepared, *has_vector);
    }
    rsi_json_free(list);
    return status;
}

int rsi_prepare_chunks(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                       const char *chunks_json, const float *vectors, size_t dimension,
                       const rsi_document_fields *fields)
{
    bool *has_vector;
    const rsi_embedder *embedder;
    int status = take_given(prepared, &has_vector, &embedder, store, entity, chunks_json, vectors,
                            dimension);
    if (status == RAGSTORE_OK && has_vector != NULL && embedder != NULL)
        status = embed_chunks(prepared, store, embedder, has_vector, fields);
    rsi_free(has_vector);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return rsi_wrap(status, "add chunks");
}

int rsi_check_chunks(const rsi_store *store, const rsi_entity_record *entity,
                     const char *chunks_json, const float *vectors, size_t dimension)
{
    rsi_prepared prepared;
    bool *has_vector;
    const rsi_embedder *embedder;
    int status = take_given(&prepared, &has_vector, &embedder, store, entity, chunks_json, vectors,
                            dimension);
    rsi_free(has_vector);
    rsi_prepared_free(&prepared);
    return status;
}
