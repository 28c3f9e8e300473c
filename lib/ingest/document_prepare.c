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
#define REST_SHARE 4 /* of a chunk: so much longer it may be for the rest of a section */

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
    rsi_bytes_clear(out);
    if (chunk->heading.data != NULL) {
        rsi_bytes_append(out, chunk->heading.data, chunk->heading.size);
        rsi_bytes_append_char(out, '\n');
    }
    rsi_bytes_append(out, chunk->content.data, chunk->content.size);
    return rsi_bytes_status(out);
}

static int give_vector(bool *given, float *vector, const rsi_json *list,
                       const rsi_prepared *prepared, size_t i);

/* Neighbouring chunks on their way to vectors. */
typedef struct batch {
    float *vectors; /* of all of them */
    size_t count;
    size_t wanting[RSI_EMBED_BATCH_MAX]; /* which of them have none yet */
    rsi_bytes texts[RSI_EMBED_BATCH_MAX];
    float *made;
    size_t wanting_count;
} batch;

static void free_batch(batch *chunks)
{
    if (chunks == NULL)
        return;
    for (size_t i = 0; i < RSI_EMBED_BATCH_MAX; i++)
        rsi_bytes_free(&chunks->texts[i]);
    rsi_free(chunks->vectors);
    rsi_free(chunks->made);
    rsi_free(chunks);
}

/* Room for `at_once` chunks of a document. */
static batch *make_batch(size_t at_once, const rsi_prepared *prepared)
{
    const size_t count = at_once < prepared->count ? at_once : prepared->count;
    const size_t size = count * prepared->dimension * sizeof(float);
    batch *chunks = rsi_alloc_zeroed(sizeof *chunks);
    if (chunks == NULL)
        return NULL;
    chunks->vectors = rsi_alloc(size);
    chunks->made = rsi_alloc(size);
    if (chunks->vectors == NULL || chunks->made == NULL) {
        free_batch(chunks);
        return NULL;
    }
    return chunks;
}

/* Embed what has no vector, and put all of them behind those before. */
static int end_batch(batch *chunks, rsi_prepared *prepared, rsi_store *store,
                     const rsi_embedder *embedder)
{
    rsi_slice slices[RSI_EMBED_BATCH_MAX];
    const size_t dimension = prepared->dimension;
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < chunks->wanting_count; i++)
        slices[i] = (rsi_slice){chunks->texts[i].data, chunks->texts[i].size};
    if (chunks->wanting_count > 0)
        status = rsi_embed_cached(chunks->made, store->embedded, embedder, RSI_EMBED_DOCUMENT,
                                  slices, chunks->wanting_count);
    for (size_t i = 0; status == RAGSTORE_OK && i < chunks->wanting_count; i++)
        memcpy(chunks->vectors + chunks->wanting[i] * dimension, chunks->made + i * dimension,
               dimension * sizeof *chunks->made);
    if (status == RAGSTORE_OK)
        status = rsi_prepared_add_vectors(prepared, chunks->vectors, chunks->count);
    chunks->count = 0;
    chunks->wanting_count = 0;
    return status;
}

static int add_to_batch(batch *chunks, const rsi_new_chunk *chunk, const rsi_json *list,
                        const rsi_prepared *prepared, size_t i)
{
    bool has_vector = false;
    int status = list == NULL ? RAGSTORE_OK
                              : give_vector(&has_vector,
                                            chunks->vectors + chunks->count * prepared->dimension,
                                            list, prepared, i);
    if (status == RAGSTORE_OK && !has_vector) {
        status = text_to_embed(&chunks->texts[chunks->wanting_count], chunk);
        chunks->wanting[chunks->wanting_count++] = chunks->count;
    }
    chunks->count++;
    return status;
}

/* Make the vectors of all chunks: those in the caller's list (NULL: there is none) as they are, the
 * others by the model, which may be NULL when there are none. */
static int make_vectors(rsi_prepared *prepared, rsi_store *store, const rsi_embedder *embedder,
                        const rsi_json *list, const rsi_document_fields *fields)
{
    const uint64_t epoch = rsi_store_epoch(store);
    const size_t at_once = embedder == NULL ? RSI_EMBED_BATCH_MAX : rsi_embedder_batch(embedder);
    rsi_prepared_reader reader = rsi_prepared_read(prepared);
    batch *chunks = make_batch(at_once, prepared);
    int status = chunks == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    if (status == RAGSTORE_OK && embedder != NULL)
        status = rsi_report_progress(fields, "embed", 0, prepared->count);
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        rsi_new_chunk chunk;
        int found = rsi_prepared_next(&chunk, &reader);
        status = found < 0 ? found : add_to_batch(chunks, &chunk, list, prepared, i);
        if (status != RAGSTORE_OK || (chunks->count < at_once && i + 1 < prepared->count))
            continue;
        status = end_batch(chunks, prepared, store, embedder);
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK && embedder != NULL)
            status = rsi_report_progress(fields, "embed", i + 1, prepared->count);
    }
    free_batch(chunks);
    rsi_prepared_reader_free(&reader);
    return rsi_wrap(status, "embed");
}

static int note_embedder(rsi_prepared *prepared, const char *embedder, uint32_t dimension)
{
    prepared->embedder = rsi_strdup(embedder);
    prepared->dimension = dimension;
    return prepared->embedder == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int note_model(rsi_prepared *prepared, const rsi_embedder *embedder)
{
    return note_embedder(prepared, rsi_embedder_fingerprint(embedder),
                         rsi_embedder_dimension(embedder));
}

/* ---- bytes ---- */

static int count_tokens(size_t *count, void *user, const char *text, size_t size)
{
    return rsi_embedder_count_tokens(count, user, text, size);
}

#define CHUNKS_BETWEEN_LOOKS 1024 /* whether to go on */

/* Chunks on their way into a prepared document. */
typedef struct cutter {
    rsi_prepared *prepared;
    rsi_store *store;
    uint64_t epoch;
    const rsi_document_fields *fields;
    const rsi_extracted *view;
    const rsi_bytes *text;
    bool keeps_gaps; /* the chunks are to hold all of the text: see extract_callback.h */
    size_t reached;  /* how far they do */
    bool has_last;
    rsi_chunk last; /* added when the next one is known */
    rsi_bytes last_heading;
} cutter;

static rsi_slice part_of(const rsi_bytes *text, size_t start, size_t end)
{
    return start < end ? (rsi_slice){text->data + start, end - start} : (rsi_slice){NULL, 0};
}

/* Add the last chunk; the next one, or the end of the text, is at `next`. */
static int add_last(cutter *to, size_t next)
{
    const rsi_chunk *chunk = &to->last;
    if (!to->has_last)
        return RAGSTORE_OK;
    rsi_new_chunk made = {.content = part_of(to->text, chunk->start, chunk->end),
                          .heading = chunk->heading == NULL
                                         ? (rsi_slice){NULL, 0}
                                         : (rsi_slice){to->last_heading.data, to->last_heading.size},
                          .start = (int64_t)chunk->start,
                          .end = (int64_t)chunk->end,
                          .page = chunk->page};
    if (to->keeps_gaps) {
        if (to->prepared->count == 0)
            made.before = part_of(to->text, 0, chunk->start);
        to->reached = chunk->end > to->reached ? chunk->end : to->reached;
        made.after = part_of(to->text, to->reached, next);
        to->reached = next > to->reached ? next : to->reached;
    }
    to->has_last = false;
    return rsi_prepared_add(to->prepared, &made);
}

static int take_chunk(void *user, const rsi_chunk *chunk)
{
    cutter *to = user;
    int status = add_last(to, chunk->start);
    rsi_extracted_forget(to->view, chunk->start);
    if (status == RAGSTORE_OK && to->prepared->count % CHUNKS_BETWEEN_LOOKS == 0) {
        status = rsi_store_check_interrupt(to->store, to->epoch);
        if (status == RAGSTORE_OK)
            status = rsi_report_progress(to->fields, "chunk", chunk->start, to->text->size);
    }
    rsi_bytes_clear(&to->last_heading);
    if (chunk->heading != NULL)
        rsi_bytes_append_text(&to->last_heading, chunk->heading);
    to->last = *chunk;
    to->has_last = true;
    return status == RAGSTORE_OK ? rsi_bytes_status(&to->last_heading) : status;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static rsi_chunker_options options_of_chunker(const rsi_entity_record *entity,
                                              const rsi_embedder *embedder)
{
    const rsi_chunk_sizes *sizes = &entity->chunk_sizes;
    const uint32_t model = embedder == NULL ? UINT32_MAX : rsi_embedder_document_tokens(embedder);
    rsi_chunker_options options = {.max_tokens = least(sizes->tokens, model),
                                   .overlap_tokens = sizes->overlap};
    if (strcmp(entity->chunker, RSI_CHUNKER_NAME) == 0)
        options.limit_tokens = least(sizes->tokens + sizes->tokens / REST_SHARE, model);
    if (embedder != NULL) {
        options.count_tokens = rsi_embedder_has_tokens(embedder) ? count_tokens : NULL;
        options.user = (void *)(uintptr_t)embedder;
    }
    return options;
}

static int cut_into_chunks(rsi_prepared *prepared, rsi_store *store, const rsi_extracted *view,
                           bool keeps_gaps, const rsi_entity_record *entity,
                           const rsi_embedder *embedder, const rsi_document_fields *fields)
{
    const rsi_chunker_options options = options_of_chunker(entity, embedder);
    cutter to = {.prepared = prepared,
                 .store = store,
                 .epoch = rsi_store_epoch(store),
                 .fields = fields,
                 .view = view,
                 .text = &view->text,
                 .keeps_gaps = keeps_gaps};
    int status = rsi_chunk_text(view, &options, take_chunk, &to);
    if (status == RAGSTORE_OK)
        status = add_last(&to, view->text.size);
    prepared->text_in_chunks = keeps_gaps;
    rsi_bytes_free(&to.last_heading);
    return status;
}

#define BYTES_BETWEEN_REPORTS ((uint64_t)8 << 20)

/* Who waits for a text to be taken out. */
typedef struct extracting {
    rsi_store *store;
    uint64_t epoch;
    const rsi_document_fields *fields;
    uint64_t size;
    uint64_t reported; /* bytes; they are looked at several times, the report goes on */
} extracting;

static int look_whether_to_go_on(void *user, uint64_t done)
{
    extracting *at = user;
    int status = rsi_store_check_interrupt(at->store, at->epoch);
    if (status != RAGSTORE_OK || done < at->reported + BYTES_BETWEEN_REPORTS)
        return status;
    at->reported = done;
    return rsi_report_progress(at->fields, "extract", done, at->size);
}

/* Ask the application's extractor, which is given all bytes at once. */
static int ask_extractor(rsi_extracted *extracted, rsi_store *store, const rsi_input *input,
                         const rsi_document_fields *fields)
{
    rsi_bytes buffer = {0};
    rsi_slice bytes;
    rsi_saved_error refusal;
    rsi_error_save(&refusal);
    int status = input->size == 0 ? RAGSTORE_E_UNSUPPORTED
                                  : rsi_input_peek(&bytes, &buffer, input, 0, (size_t)input->size);
    if (status == RAGSTORE_OK)
        status = rsi_extract_is_binary(bytes.data, bytes.size)
                     ? rsi_extract_by_callback(extracted, store, fields, bytes.data, bytes.size)
                     : RAGSTORE_E_UNSUPPORTED;
    rsi_bytes_free(&buffer);
    if (status != RAGSTORE_E_UNSUPPORTED)
        return status;
    rsi_error_restore(&refusal); /* nobody knows the format */
    return RAGSTORE_E_NOT_EXTRACTABLE;
}

/* Take the text out: by ourselves, or else by the application's extractor. */
static int take_text(rsi_extracted *extracted, bool *by_callback, rsi_store *store,
                     const rsi_input *input, const rsi_document_fields *fields)
{
    extracting at = {
        .store = store, .epoch = rsi_store_epoch(store), .fields = fields, .size = input->size};
    rsi_input looked_at = *input;
    looked_at.look = look_whether_to_go_on;
    looked_at.user = &at;
    *by_callback = false;
    int status = rsi_extract_input(extracted, rsi_storage_root(store->storage), &looked_at,
                                   fields->filename, fields->media_type);
    if (status != RAGSTORE_E_NOT_EXTRACTABLE || fields->extract == NULL)
        return status;
    status = ask_extractor(extracted, store, input, fields);
    *by_callback = status == RAGSTORE_OK;
    return status;
}

int rsi_prepare_input(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                      const rsi_input *input, const rsi_document_fields *fields)
{
    rsi_extracted extracted = {0};
    rsi_extracted view;
    const rsi_embedder *embedder;
    bool by_callback = false;
    rsi_prepared_begin(prepared, store);
    int status = rsi_choose_embedder(&embedder, store, entity);
    if (status == RAGSTORE_OK)
        status = rsi_report_progress(fields, "extract", 0, input->size);
    if (status == RAGSTORE_OK)
        status = take_text(&extracted, &by_callback, store, input, fields);
    if (status == RAGSTORE_OK)
        status = rsi_extracted_view(&view, &extracted);
    if (status == RAGSTORE_OK) {
        snprintf(prepared->media_type, sizeof prepared->media_type, "%s", extracted.media_type);
        snprintf(prepared->encoding, sizeof prepared->encoding, "%s", extracted.encoding);
        status = cut_into_chunks(prepared, store, &view, by_callback, entity, embedder, fields);
    }
    rsi_extracted_free(&extracted);
    if (status == RAGSTORE_OK && embedder != NULL)
        status = note_model(prepared, embedder);
    if (status == RAGSTORE_OK && embedder != NULL)
        status = make_vectors(prepared, store, embedder, NULL, fields);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return status;
}

/* ---- the caller's chunks ---- */

static int bad_chunk(size_t i, const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "chunk %zu: %s", i, what);
}

/* A chunk of the list; its texts are those of `value`, its metadata goes to `metadata`. */
static int read_chunk(rsi_new_chunk *chunk, rsi_bytes *metadata, const rsi_json *value, size_t i)
{
    const rsi_json *given = rsi_json_get(value, "metadata");
    const rsi_json *vector = rsi_json_get(value, "vector");
    const char *text = rsi_json_get_text(value, "text");
    memset(chunk, 0, sizeof *chunk);
    rsi_bytes_clear(metadata);
    if (text == NULL || text[0] == '\0')
        return bad_chunk(i, "\"text\" is missing or empty");
    if (given != NULL && !rsi_json_is_null(given) && !rsi_json_is_object(given))
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
    chunk->content = rsi_slice_of(text);
    if (rsi_json_is_object(given))
        rsi_json_dump(metadata, given);
    if (metadata->size > RSI_METADATA_MAX)
        return bad_chunk(i, "its metadata is over 16 KiB");
    return rsi_bytes_status(metadata);
}

static int tell_problem(const char *problem, size_t i)
{
    return problem == NULL ? RAGSTORE_OK
                           : rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "chunk %zu: its vector %s",
                                      i, problem);
}

int rsi_vector_check(const float *vector, const rsi_prepared *prepared, size_t i)
{
    return tell_problem(rsi_metric_check(vector, prepared->dimension, prepared->metric), i);
}

int rsi_vector_take(float *vector, const rsi_prepared *prepared, size_t i)
{
    return tell_problem(rsi_metric_prepare(vector, prepared->dimension, prepared->metric), i);
}

static int read_vector(float *vector, const rsi_prepared *prepared, const rsi_json *value, size_t i)
{
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

static int give_vector(bool *given, float *vector, const rsi_json *list,
                       const rsi_prepared *prepared, size_t i)
{
    const rsi_json *value = rsi_json_get(rsi_json_at(list, i), "vector");
    *given = value != NULL && !rsi_json_is_null(value);
    return *given ? read_vector(vector, prepared, value, i) : RAGSTORE_OK;
}

/* The dimension of the vectors that the caller gives; 0: none. */
static size_t given_dimension(const rsi_json *list)
{
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

/* Decide what the vectors of this add are of. */
static int settle_vectors(rsi_prepared *prepared, const rsi_embedder **embedder,
                          const rsi_store *store, const rsi_entity_record *entity, size_t given)
{
    int status = given == 0 ? rsi_choose_embedder(embedder, store, entity)
                            : rsi_settle_own_vectors(prepared, embedder, store, entity, given);
    return status == RAGSTORE_OK && given == 0 && *embedder != NULL ? note_model(prepared, *embedder)
                                                                    : status;
}

/* Look at all vectors before the first text is embedded, which takes its time. */
static int check_given(const rsi_prepared *prepared, const rsi_embedder *embedder,
                       const rsi_json *list)
{
    bool has_vector;
    int status = RAGSTORE_OK;
    float *vector = rsi_alloc_array(prepared->dimension, sizeof *vector);
    if (vector == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        status = give_vector(&has_vector, vector, list, prepared, i);
        if (status == RAGSTORE_OK && !has_vector && embedder == NULL)
            status = bad_chunk(i, "it has no vector, and the model of this entity is not loaded");
    }
    rsi_free(vector);
    return status;
}

int rsi_chunk_count_check(size_t count, size_t dimension)
{
    if (count == 0 || count > RSI_CHUNKS_AT_ONCE)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "chunks must be a JSON array of 1 to %d objects", RSI_CHUNKS_AT_ONCE);
    if (dimension > DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest", "vectors of %zu numbers; at most %d",
                        dimension, DIMENSION_MAX);
    return RAGSTORE_OK;
}

/* Chunks on their way out of JSON. */
typedef struct chunk_reader {
    rsi_prepared *prepared;
    rsi_chunk_amender *amend; /* or NULL */
    void *user;
    rsi_bytes metadata;
} chunk_reader;

static int take_value(void *user, const rsi_json *value, size_t i)
{
    chunk_reader *to = user;
    rsi_new_chunk chunk;
    int status = i < RSI_CHUNKS_AT_ONCE || to->amend != NULL /* which knows how many there are */
                     ? read_chunk(&chunk, &to->metadata, value, i)
                     : rsi_chunk_count_check(i + 1, 0);
    if (status == RAGSTORE_OK && to->amend != NULL)
        status = to->amend(to->user, &to->metadata, value, i);
    if (status != RAGSTORE_OK)
        return status;
    if (to->metadata.size > 0)
        chunk.metadata = (rsi_slice){to->metadata.data, to->metadata.size};
    return rsi_prepared_add(to->prepared, &chunk);
}

int rsi_chunk_list_read(rsi_prepared *prepared, const rsi_json *list, rsi_chunk_amender *amend,
                        void *user)
{
    const size_t count = rsi_json_count(list);
    chunk_reader to = {.prepared = prepared, .amend = amend, .user = user};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = take_value(&to, rsi_json_at(list, i), i);
    rsi_bytes_free(&to.metadata);
    return status;
}

static void begin_chunks(rsi_prepared *prepared, const rsi_store *store)
{
    rsi_prepared_begin(prepared, store);
    snprintf(prepared->media_type, sizeof prepared->media_type, "application/x-ragstore-chunks");
}

int rsi_chunks_read(rsi_prepared *prepared, const rsi_store *store, const char *chunks_json)
{
    chunk_reader to = {.prepared = prepared};
    bool is_array;
    begin_chunks(prepared, store);
    int status = rsi_json_parse_members(&is_array, chunks_json, strlen(chunks_json),
                                        RSI_JSON_DEPTH_REQUEST, take_value, &to);
    rsi_bytes_free(&to.metadata);
    if (status == RAGSTORE_OK)
        status = rsi_chunk_count_check(prepared->count, 0); /* of what is no array it is 0 */
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return rsi_wrap(status, "add chunks");
}

/* Copy the caller's rows, which will not stay where they are. */
static int copy_rows(rsi_prepared *prepared)
{
    float *vector = rsi_alloc_array(prepared->dimension, sizeof *vector);
    int status = vector == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        status = rsi_prepared_read_vectors(vector, prepared, i, 1);
        if (status == RAGSTORE_OK)
            status = rsi_prepared_add_vectors(prepared, vector, 1);
    }
    prepared->rows = NULL;
    rsi_free(vector);
    return status;
}

static int check_rows(const rsi_prepared *prepared, const rsi_store *store)
{
    const uint64_t epoch = rsi_store_epoch(store);
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < prepared->count; i++) {
        if (i % CHUNKS_BETWEEN_LOOKS == 0)
            status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = rsi_vector_check(prepared->rows + i * prepared->dimension, prepared, i);
    }
    return status;
}

/* Chunks that were read, with their vectors beside them. */
static int prepare_rows(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                        const float *vectors, size_t dimension, bool copies)
{
    const rsi_embedder *embedder; /* not needed: none is to be made */
    int status = rsi_chunk_count_check(prepared->count, dimension);
    if (status == RAGSTORE_OK)
        status = rsi_settle_own_vectors(prepared, &embedder, store, entity, dimension);
    prepared->rows = vectors;
    if (status == RAGSTORE_OK)
        status = check_rows(prepared, store);
    if (status == RAGSTORE_OK && copies)
        status = copy_rows(prepared);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return rsi_wrap(status, "add chunks");
}

int rsi_prepare_rows(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                     const float *vectors, size_t dimension)
{
    return prepare_rows(prepared, store, entity, vectors, dimension, false);
}

/* Take chunks as they were given, and look at the vectors in them. *list, in which those may be, is
 * the caller's to free. */
static int take_list(rsi_prepared *prepared, rsi_json **list, const rsi_embedder **embedder,
                     const rsi_store *store, const rsi_entity_record *entity,
                     const char *chunks_json)
{
    *list = NULL;
    *embedder = NULL;
    begin_chunks(prepared, store);
    size_t given = 0;
    int status = rsi_json_parse(list, chunks_json, strlen(chunks_json), RSI_JSON_DEPTH_REQUEST);
    if (status == RAGSTORE_OK) {
        given = given_dimension(*list);
        status = rsi_chunk_count_check(rsi_json_is_array(*list) ? rsi_json_count(*list) : 0, given);
    }
    if (status == RAGSTORE_OK)
        status = rsi_chunk_list_read(prepared, *list, NULL, NULL);
    if (status == RAGSTORE_OK)
        status = settle_vectors(prepared, embedder, store, entity, given);
    return status == RAGSTORE_OK && prepared->embedder != NULL
               ? check_given(prepared, *embedder, *list)
               : status;
}

int rsi_prepare_chunks(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                       const char *chunks_json, const float *vectors, size_t dimension,
                       const rsi_document_fields *fields)
{
    rsi_json *list;
    const rsi_embedder *embedder;
    if (vectors != NULL) {
        int read = rsi_chunks_read(prepared, store, chunks_json);
        return read != RAGSTORE_OK
                   ? read
                   : prepare_rows(prepared, store, entity, vectors, dimension, true);
    }
    int status = take_list(prepared, &list, &embedder, store, entity, chunks_json);
    if (status == RAGSTORE_OK && prepared->embedder != NULL)
        status = make_vectors(prepared, store, embedder, list, fields);
    rsi_json_free(list);
    if (status != RAGSTORE_OK)
        rsi_prepared_free(prepared);
    return rsi_wrap(status, "add chunks");
}

int rsi_check_chunks(rsi_store *store, const rsi_entity_record *entity, const char *chunks_json,
                     const float *vectors, size_t dimension)
{
    rsi_prepared prepared;
    rsi_json *list = NULL;
    const rsi_embedder *embedder;
    int status;
    if (vectors == NULL) {
        status = take_list(&prepared, &list, &embedder, store, entity, chunks_json);
    } else {
        status = rsi_chunks_read(&prepared, store, chunks_json);
        if (status == RAGSTORE_OK)
            status = rsi_prepare_rows(&prepared, store, entity, vectors, dimension);
    }
    rsi_json_free(list);
    rsi_prepared_free(&prepared);
    return status;
}
