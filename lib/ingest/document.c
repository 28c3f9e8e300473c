/*
 * Adding and deleting documents: duplicates, keys, and the one commit. See document.h.
 */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 3 /* when the entity's model is settled while a document is prepared */

int rsi_document_check_fields(const rsi_document_fields *fields)
{
    const struct {
        const char *text;
        size_t max;
        const char *what;
    } texts[] = {{fields->filename, 1024, "the file name"},
                 {fields->media_type, 256, "the media type"},
                 {fields->source, 4096, "the source"},
                 {fields->description, (size_t)16 << 10, "the description"},
                 {fields->key, 1024, "the key"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].text == NULL)
            continue;
        int status = rsi_text_check(texts[i].text, texts[i].max, texts[i].what);
        if (status != RAGSTORE_OK)
            return status;
    }
    rsi_bytes metadata = {0};
    int status = rsi_metadata_check(&metadata, fields->metadata_json);
    rsi_bytes_free(&metadata);
    return status;
}

/* ---- finding what is there ---- */

void rsi_stored_document_free(rsi_stored_document *document)
{
    rsi_json_free(document->json);
    memset(document, 0, sizeof *document);
}

typedef struct document_search {
    const char *member;
    const char *value;
    size_t plain_size; /* of the value, when JSON writes it as it is; otherwise 0 */
    rsi_stored_document *found;
} document_search;

/* Bytes that JSON writes as they are, unless somebody chose to escape them. */
static bool is_plain(const char *value)
{
    for (const char *at = value; *at != '\0'; at++)
        if (*at < 0x20 || *at > 0x7E || *at == '"' || *at == '\\')
            return false;
    return true;
}

/* Thousands of documents that do not have the value need not be parsed for that. */
static bool may_have(const document_search *search, const char *json, size_t size)
{
    return search->plain_size == 0 || memmem(json, size, search->value, search->plain_size) != NULL ||
           memchr(json, '\\', size) != NULL;
}

static void read_stored(rsi_stored_document *document, uint64_t row, rsi_json *json)
{
    document->json = json;
    document->row = row;
    document->doc_id = rsi_json_get_text(json, "doc_id");
    document->filename = rsi_json_get_text(json, "filename");
    document->stored_name = rsi_json_get_text(json, "stored_name");
    document->sha256 = rsi_json_get_text(json, "sha256");
    document->key = rsi_json_get_text(json, "key");
    document->first_chunk = rsi_json_get_integer(json, "first_chunk", 0);
    document->chunks_count = rsi_json_get_integer(json, "chunks_count", 0);
    if (document->doc_id == NULL)
        document->doc_id = "";
    if (document->chunks_count < 0)
        document->chunks_count = 0;
}

static int look_at_document(void *user, uint64_t number, const char *json, size_t size)
{
    document_search *search = user;
    rsi_json *value;
    if (search->found->json != NULL || !may_have(search, json, size))
        return RAGSTORE_OK;
    int status = rsi_json_parse(&value, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *text = rsi_json_get_text(value, search->member);
    if (text != NULL && strcmp(text, search->value) == 0)
        read_stored(search->found, number, value);
    else
        rsi_json_free(value);
    return RAGSTORE_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Look at one row; *found is the document if it has the value. */
static int look_at_row(rsi_stored_document *found, const document_search *search, rsi_store *store,
                       const char *entity_id, uint64_t row)
{
    rsi_bytes text = {0};
    document_search own = *search;
    own.found = found;
    memset(found, 0, sizeof *found);
    int status = rsi_storage_row_get(&text, store->storage, RSI_SPACE_ENTITIES, entity_id, row);
    if (status == RAGSTORE_OK)
        status = look_at_document(&own, row, text.data, text.size);
    rsi_bytes_free(&text);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status; /* it was deleted */
}

/* Look only where the catalog says, if it is in memory: *likely. *known: nowhere else can it be. A
 * transaction's own documents are no catalog's yet, and what others have just committed comes to it a
 * moment later. Of several the first is found, as by a look at all. */
static int look_where_likely(bool *likely, bool *known, document_search *search, rsi_store *store,
                             const char *entity_id)
{
    uint64_t rows[RSI_CATALOG_CANDIDATES];
    size_t count;
    rsi_stored_document *found = search->found;
    *likely = rsi_catalog_candidates(rows, &count, store, entity_id, search->member, search->value);
    *known = false;
    if (!*likely)
        return RAGSTORE_OK;
    qsort(rows, count, sizeof *rows, compare_rows);
    int status = rsi_storage_own_rows(store->storage, RSI_SPACE_ENTITIES, entity_id,
                                      look_at_document, search);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_stored_document earlier;
        if (found->json != NULL && found->row <= rows[i])
            break;
        status = look_at_row(&earlier, search, store, entity_id, rows[i]);
        if (earlier.json == NULL)
            continue;
        rsi_stored_document_free(found);
        *found = earlier;
    }
    *known = found->json != NULL || rsi_tx_is_open(store->storage);
    return status;
}

/* document->json stays NULL when there is none. is_first_look: who asks will ask again in a
 * transaction. */
static int find_stored(rsi_stored_document *document, rsi_store *store, const char *entity_id,
                       const char *member, const char *value, bool is_first_look)
{
    document_search search = {member, value, is_plain(value) ? strlen(value) : 0, document};
    bool likely;
    bool known;
    memset(document, 0, sizeof *document);
    int status = look_where_likely(&likely, &known, &search, store, entity_id);
    if (status == RAGSTORE_OK && !known && !(likely && is_first_look))
        status = rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, entity_id, 0, UINT64_MAX,
                                  look_at_document, &search);
    return status;
}

int rsi_stored_document_find(rsi_stored_document *document, rsi_store *store,
                             const char *entity_id, const char *member, const char *value)
{
    int status = find_stored(document, store, entity_id, member, value, false);
    if (status == RAGSTORE_OK && document->json == NULL)
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "ingest",
                          "entity \"%s\" has no document with %s \"%s\"", entity_id,
                          strcmp(member, "doc_id") == 0 ? "the id" : member, value);
    return status;
}

/*
 * The document that an add would repeat or replace: the one of the same key, or else the one of
 * the same bytes. *same tells whether the bytes are equal, too.
 */
static int find_earlier(rsi_stored_document *earlier, bool *same, rsi_store *store,
                        const char *entity_id, const rsi_origin *origin, const char *key)
{
    int status = find_stored(earlier, store, entity_id, key == NULL ? "sha256" : "key",
                             key == NULL ? origin->sha256 : key, true);
    *same = status == RAGSTORE_OK && earlier->sha256 != NULL &&
            strcmp(earlier->sha256, origin->sha256) == 0;
    return status;
}

/* ---- adding ---- */

static void copy_id(rsi_added *added, const char *doc_id)
{
    snprintf(added->doc_id, sizeof added->doc_id, "%s", doc_id);
}

/* Are the vectors of what was prepared those that the entity has now? If not it is prepared *again:
 * then a model that is not loaded is waited for, or refused, as at any other time. */
static int check_model(bool *again, const rsi_entity_record *entity, const rsi_prepared *prepared)
{
    const char *has = entity->embedder;
    const char *of = prepared->embedder;
    *again = entity->next_row > 0 &&
             (has == NULL || of == NULL ? has != of : strcmp(has, of) != 0);
    if (!*again)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_CONFLICT, "ingest",
                    "another call settled the model of entity \"%s\" meanwhile: %s, not %s; add "
                    "the document again",
                    entity->id, has == NULL ? "none" : has, of == NULL ? "none" : of);
}

/* Under the writer lock: is everything still as it was when the document was prepared? *mend: the
 * entity had it then, though not whole. */
static int add_in_tx(rsi_added *added, bool *again, rsi_store *store,
                     rsi_entity_record *entity_before, const rsi_origin *origin,
                     const rsi_document_fields *fields, rsi_prepared *prepared, bool *mend,
                     rsi_tx *tx)
{
    rsi_entity_record entity = {0};
    rsi_stored_document earlier = {0};
    bool same = false;
    bool whole = true;
    int status = rsi_entity_read_again(&entity, entity_before, store);
    if (status == RAGSTORE_OK)
        status = check_model(again, &entity, prepared);
    if (status == RAGSTORE_OK)
        status = find_earlier(&earlier, &same, store, entity.id, origin, fields->key);
    if (status == RAGSTORE_OK && same && *mend)
        status = rsi_document_is_whole(&whole, store, &entity, &earlier);
    *mend = !whole;
    if (status == RAGSTORE_OK && same && whole) { /* somebody was faster */
        copy_id(added, earlier.doc_id);
        added->is_duplicate = true;
    } else if (status == RAGSTORE_OK) {
        const rsi_stored_document *old = earlier.json == NULL ? NULL : &earlier;
        added->replaced = old != NULL && !same;
        added->is_duplicate = old != NULL && same;
        status = rsi_document_commit(added, store, &entity, prepared, origin, fields, old, tx);
    }
    rsi_stored_document_free(&earlier);
    rsi_entity_record_free(&entity);
    return status;
}

/* A document on its way into a transaction. */
typedef struct building {
    rsi_added *added;
    bool *again;
    rsi_store *store;
    rsi_entity_record *entity; /* as it was when the document was prepared */
    const rsi_origin *origin;
    const rsi_document_fields *fields;
    rsi_prepared *prepared;
    bool *mend;
} building;

static int build(void *user, rsi_tx *tx)
{
    building *b = user;
    int status = add_in_tx(b->added, b->again, b->store, b->entity, b->origin, b->fields,
                           b->prepared, b->mend, tx);
    if (status == RAGSTORE_OK && b->origin->job != NULL)
        status = rsi_upload_end_in_tx(b->origin->job, tx, b->added, *b->origin->incoming_taken);
    return status;
}

/* What brings no file waits for others to share a flush with. */
static size_t size_to_share(const rsi_prepared *prepared, const rsi_origin *origin)
{
    return origin->incoming == NULL && origin->job == NULL ? (size_t)rsi_prepared_size(prepared)
                                                           : SIZE_MAX;
}

/* Does the entity have exactly this already? Then there is nothing to do, or something to mend. */
static int check_duplicate(rsi_added *added, bool *done, bool *mend, rsi_store *store,
                           const rsi_entity_record *entity, const rsi_origin *origin,
                           const char *key)
{
    rsi_stored_document earlier = {0};
    bool same;
    bool whole = false;
    *done = false;
    *mend = false;
    int status = find_earlier(&earlier, &same, store, entity->id, origin, key);
    if (status == RAGSTORE_OK && same)
        status = rsi_document_is_whole(&whole, store, entity, &earlier);
    if (status == RAGSTORE_OK && same) {
        *done = whole;
        *mend = !whole;
        copy_id(added, earlier.doc_id);
        added->is_duplicate = true;
    }
    rsi_stored_document_free(&earlier);
    return status;
}

/* The job of a document that is there already ends in a commit of its own, unless the document goes
 * before it: then nothing is *done. */
static int end_job(bool *done, rsi_added *added, const char *entity_id, const rsi_origin *origin,
                   const char *key)
{
    rsi_tx *tx;
    rsi_stored_document earlier = {0};
    rsi_store *store = origin->job->store;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = find_earlier(&earlier, done, store, entity_id, origin, key);
    if (status == RAGSTORE_OK && *done) {
        copy_id(added, earlier.doc_id);
        status = rsi_upload_end_in_tx(origin->job, tx, added, false);
    }
    rsi_stored_document_free(&earlier);
    if (status == RAGSTORE_OK && *done)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

/* *again: it was prepared for vectors that the entity has no more, or did not have yet. */
static int add_once(rsi_added *added, bool *again, rsi_store *store, const char *entity_id,
                    const char *incarnation, const rsi_origin *origin,
                    const rsi_document_fields *fields, rsi_preparer *prepare, void *user)
{
    rsi_entity_record entity = {0};
    rsi_prepared prepared = {0};
    bool done;
    bool mend = false;
    *again = false;
    memset(added, 0, sizeof *added);
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = check_duplicate(added, &done, &mend, store, &entity, origin, fields->key);
    if (status == RAGSTORE_OK && done && origin->job != NULL)
        status = end_job(&done, added, entity_id, origin, fields->key);
    if (status != RAGSTORE_OK || done)
        goto cleanup;

    status = prepare(&prepared, store, &entity, user);
    if (status == RAGSTORE_OK)
        status = rsi_report_progress(fields, "commit", 0, 0);
    if (status != RAGSTORE_OK)
        goto cleanup;
    building document = {added, again, store, &entity, origin, fields, &prepared, &mend};
    status = rsi_document_add_together(store, size_to_share(&prepared, origin), build, &document);
    if (mend)
        added->notice = "parts of it were missing or damaged and have been made again";
    else if (prepared.embedder == NULL)
        added->notice = "it can be found by keyword only: there is no embedding model for it";

cleanup:
    rsi_prepared_free(&prepared);
    rsi_entity_record_free(&entity);
    if (status != RAGSTORE_OK)
        memset(added, 0, sizeof *added);
    return status;
}

int rsi_document_add(rsi_added *added, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_origin *origin,
                     const rsi_document_fields *fields, rsi_preparer *prepare, void *user)
{
    bool again = true;
    int status = RAGSTORE_OK;
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++)
        status =
            add_once(added, &again, store, entity_id, incarnation, origin, fields, prepare, user);
    return status;
}

/* ---- the caller's chunks ---- */

typedef struct given_chunks {
    rsi_prepared read; /* the chunks, if they were read for their number; taken by who prepares */
    const char *json;
    const float *vectors;
    size_t dimension;
    const rsi_document_fields *fields;
} given_chunks;

static int prepare_given(rsi_prepared *prepared, rsi_store *store,
                         const rsi_entity_record *entity, void *user)
{
    given_chunks *given = user;
    if (given->vectors != NULL) {
        int status = RAGSTORE_OK;
        if (given->read.count == 0) /* not the first time */
            status = rsi_chunks_read(&given->read, store, given->json);
        *prepared = given->read;
        memset(&given->read, 0, sizeof given->read);
        return status != RAGSTORE_OK ? status
                                     : rsi_prepare_rows(prepared, store, entity, given->vectors,
                                                        given->dimension);
    }
    return rsi_prepare_chunks(prepared, store, entity, given->json, given->vectors,
                              given->dimension, given->fields);
}

static int count_chunk(void *user, const rsi_json *chunk, size_t position)
{
    size_t *count = user;
    (void)chunk;
    *count = position + 1;
    return RAGSTORE_OK;
}

int rsi_vectors_size(size_t *size, const char *chunks_json, size_t dimension)
{
    size_t count = 0;
    bool is_array;
    *size = 0;
    if (dimension == 0)
        return RAGSTORE_OK;
    int status = rsi_json_parse_members(&is_array, chunks_json, strlen(chunks_json),
                                        RSI_JSON_DEPTH_REQUEST, count_chunk, &count);
    if (status == RAGSTORE_OK)
        status = rsi_chunk_count_check(count, dimension);
    if (status == RAGSTORE_OK)
        *size = count * dimension * sizeof(float);
    return rsi_wrap(status, "add chunks");
}

void rsi_chunks_digest(char sha256[RSI_SHA256_HEX], const char *chunks_json, const float *vectors,
                       size_t vectors_size)
{
    rsi_sha256 sha;
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, chunks_json, strlen(chunks_json));
    if (vectors_size > 0)
        rsi_sha256_add(&sha, vectors, vectors_size);
    rsi_sha256_end_hex(&sha, sha256);
}

int rsi_chunks_json_check(const rsi_store *store, const char *chunks_json,
                          const rsi_document_fields *fields)
{
    if (rsi_storage_is_read_only(store->storage))
        return rsi_fail(RAGSTORE_E_READ_ONLY, "ingest", "the store was opened for reading only");
    if (strlen(chunks_json) > RSI_CHUNKS_JSON_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest",
                        "chunks of over 256 MiB; send fewer at once");
    return rsi_document_check_fields(fields);
}

int rsi_document_add_chunks(rsi_added *added, rsi_store *store, const char *entity_id,
                            const char *incarnation, const char *chunks_json,
                            const float *vectors, size_t dimension,
                            const rsi_document_fields *fields)
{
    char sha256[RSI_SHA256_HEX];
    given_chunks given = {
        .json = chunks_json, .vectors = vectors, .dimension = dimension, .fields = fields};
    memset(added, 0, sizeof *added);
    int status = rsi_chunks_json_check(store, chunks_json, fields);
    if (status == RAGSTORE_OK && vectors != NULL) /* how many these are is known from the chunks */
        status = rsi_chunks_read(&given.read, store, chunks_json);
    if (status == RAGSTORE_OK && vectors != NULL)
        status = rsi_chunk_count_check(given.read.count, dimension);
    if (status == RAGSTORE_OK) {
        rsi_chunks_digest(sha256, chunks_json, vectors,
                          given.read.count * dimension * sizeof *vectors);
        rsi_origin origin = {NULL, NULL, strlen(chunks_json), sha256, NULL};
        status = rsi_document_add(added, store, entity_id, incarnation, &origin, fields,
                                  prepare_given, &given);
    }
    rsi_prepared_free(&given.read);
    return status;
}

/* ---- deleting ---- */

int rsi_document_delete(rsi_store *store, const char *entity_id, const char *incarnation,
                        const char *doc_id)
{
    rsi_entity_record entity = {0};
    rsi_stored_document document = {0};
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_stored_document_find(&document, store, entity_id, "doc_id", doc_id);
    if (status == RAGSTORE_OK)
        status = rsi_document_drop_parts(tx, store, &entity, &document);
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_drop(tx, RSI_SPACE_ENTITIES, entity_id, document.row);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_stored_document_free(&document);
    rsi_entity_record_free(&entity);
    return status;
}
