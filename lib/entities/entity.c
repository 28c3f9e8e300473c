/* Entity records: see entity.h. */
#include "entities/entity.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical.h"
#include "base/utf8.h"
#include "entities/catalog.h"
#include "files/paths.h"
#include "json/json_view.h"

#include <inttypes.h>
#include <string.h>

#define CHUNKER "structure/2"
#define CHUNKER_BEFORE "structure/1" /* of records that do not tell */
#define LANGUAGE "auto"

/* Of new entities: bench/README.md tells how they were measured. */
#define CHUNK_TOKENS 200
#define CHUNK_TOKENS_MIN 16
#define CHUNK_TOKENS_MAX 8192
/* Of entities whose record does not tell: what it was when they were made. */
#define CHUNK_TOKENS_BEFORE 200
#define CHUNK_OVERLAP_BEFORE 30

/* ---- checks ---- */

int rsi_text_check(const char *text, size_t max, const char *what)
{
    size_t bad;
    size_t size = strlen(text);
    if (size > max)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "entities", "%s has %zu bytes; at most %zu", what,
                        size, max);
    if (!rsi_utf8_valid(text, size, &bad))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "entities", "%s is not UTF-8 at byte %zu", what,
                        bad);
    return RAGSTORE_OK;
}

int rsi_metadata_check(rsi_bytes *out, const char *metadata_json)
{
    if (metadata_json == NULL) {
        rsi_bytes_append_text(out, "{}");
        return rsi_bytes_status(out);
    }
    rsi_json *value;
    size_t size = strlen(metadata_json);
    if (size > RSI_METADATA_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "entities", "metadata has %zu bytes; at most %zu",
                        size, RSI_METADATA_MAX);
    int status = rsi_json_parse(&value, metadata_json, size, RSI_JSON_DEPTH_REQUEST);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "metadata");
    if (rsi_json_is_object(value))
        status = rsi_json_dump(out, value);
    else
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "entities", "metadata is not a JSON object");
    rsi_json_free(value);
    return status;
}

/* ---- reading ---- */

void rsi_entity_record_free(rsi_entity_record *record)
{
    rsi_json_free(record->json);
    rsi_free(record->texts);
    rsi_bytes_free(&record->text);
    memset(record, 0, sizeof *record);
}

static const char *text_or(const rsi_json *object, const char *key, const char *fallback)
{
    const char *text = rsi_json_get_text(object, key);
    return text == NULL ? fallback : text;
}

static int no_entity(const char *id)
{
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "entities", "there is no entity \"%s\"", id);
}

/* Records that know no metric but "ip" have rows of length 1. */
static int take_metric(rsi_entity_record *record, const char *name)
{
    record->metric = RSI_METRIC_COSINE;
    if (strcmp(name, "ip") == 0 || rsi_metric_parse(&record->metric, name))
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "entities",
                    "the vectors of entity \"%s\" have the metric \"%.40s\" of a newer release",
                    record->id, name);
}

static void take_dimension(rsi_entity_record *record, int64_t dimension)
{
    record->dimension = dimension < 0 || dimension > 65536 ? 0 : (uint32_t)dimension;
}

/* Is it the entity that is asked for, and can it be used? If not, the record is freed. */
static int check_record(rsi_entity_record *record, const char *id, const char *incarnation,
                        const char *metric)
{
    int status = incarnation != NULL && strcmp(incarnation, record->incarnation) != 0
                     ? no_entity(id)
                     : take_metric(record, metric);
    if (status != RAGSTORE_OK)
        rsi_entity_record_free(record);
    return status;
}

static void take_chunk_sizes(rsi_entity_record *record)
{
    const int64_t tokens =
        rsi_json_get_integer(record->json, "chunk_tokens", CHUNK_TOKENS_BEFORE);
    const int64_t overlap =
        rsi_json_get_integer(record->json, "chunk_overlap", CHUNK_OVERLAP_BEFORE);
    const bool is_sane = tokens >= CHUNK_TOKENS_MIN && tokens <= CHUNK_TOKENS_MAX && overlap >= 0 &&
                         overlap <= tokens / 2;
    record->chunk_sizes = is_sane
                              ? (rsi_chunk_sizes){(uint32_t)tokens, (uint32_t)overlap}
                              : (rsi_chunk_sizes){CHUNK_TOKENS_BEFORE, CHUNK_OVERLAP_BEFORE};
}

/* Takes the text, also on failure. */
static int parse_record(rsi_entity_record *record, rsi_bytes *text, const char *id,
                        const char *incarnation)
{
    record->text = *text;
    int status =
        rsi_json_parse(&record->json, text->data, text->size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK) {
        rsi_entity_record_free(record);
        return status;
    }
    const rsi_json *json = record->json;
    record->id = text_or(json, "entity_id", id);
    record->incarnation = text_or(json, "incarnation", "");
    record->name = text_or(json, "entity_name", id);
    record->embedder = rsi_json_get_text(json, "embedder");
    record->chunker = text_or(json, "chunker", CHUNKER_BEFORE);
    record->language = text_or(json, "language", LANGUAGE);
    take_dimension(record, rsi_json_get_integer(json, "dimension", 0));
    record->next_chunk = rsi_json_get_integer(json, "next_chunk", 0);
    record->next_row = (uint64_t)rsi_json_get_integer(json, "next_row", 0);
    take_chunk_sizes(record);
    return check_record(record, id, incarnation, text_or(json, "metric", "ip"));
}

/* ---- glancing ---- */

/* Texts of a record, each with a NUL behind it, and where they begin. */
typedef struct glanced_texts {
    rsi_bytes bytes;
    size_t incarnation; /* 0: there is none */
    size_t embedder;
    size_t metric;
} glanced_texts;

static void note_text(rsi_bytes *bytes, size_t *begin, const rsi_json_view *view)
{
    if (view->kind != RSI_JSON_TEXT)
        return;
    *begin = bytes->size;
    rsi_json_view_append_text(bytes, view);
    rsi_bytes_append_char(bytes, '\0');
}

static int64_t integer_or(const rsi_json_view *view, int64_t fallback)
{
    return view->kind == RSI_JSON_INTEGER ? view->integer : fallback;
}

static void note_member(rsi_entity_record *record, glanced_texts *texts, const rsi_json_view *key,
                        const rsi_json_view *value)
{
    const rsi_slice name = {key->text, (size_t)(key->end - key->text)};
    if (rsi_slice_equal(name, rsi_slice_of("incarnation")))
        note_text(&texts->bytes, &texts->incarnation, value);
    else if (rsi_slice_equal(name, rsi_slice_of("embedder")))
        note_text(&texts->bytes, &texts->embedder, value);
    else if (rsi_slice_equal(name, rsi_slice_of("metric")))
        note_text(&texts->bytes, &texts->metric, value);
    else if (rsi_slice_equal(name, rsi_slice_of("dimension")))
        take_dimension(record, integer_or(value, 0));
    else if (rsi_slice_equal(name, rsi_slice_of("next_row")))
        record->next_row = (uint64_t)integer_or(value, 0);
}

static int note_members(rsi_entity_record *record, glanced_texts *texts, const rsi_bytes *json)
{
    rsi_json_view object;
    rsi_json_view value;
    int found = RSI_JSON_ABSENT;
    int status = rsi_json_view_of_text(&object, json->data, json->size);
    if (status != RAGSTORE_OK)
        return status;
    rsi_bytes_append_char(&texts->bytes, '\0');
    rsi_json_cursor cursor = rsi_json_walk(&object);
    while ((found = rsi_json_next(&cursor, &value)) > 0)
        note_member(record, texts, &cursor.key, &value);
    return found == RSI_JSON_ABSENT ? rsi_bytes_status(&texts->bytes) : found;
}

int rsi_entity_glance(rsi_entity_record *record, rsi_store *store, const char *id,
                      const char *incarnation)
{
    rsi_bytes json = {0};
    glanced_texts texts = {0};
    memset(record, 0, sizeof *record);
    int status = rsi_storage_get(&json, store->storage, RSI_SPACE_ENTITIES, id);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = no_entity(id);
    if (status == RAGSTORE_OK)
        status = note_members(record, &texts, &json);
    rsi_bytes_free(&json);
    if (status != RAGSTORE_OK) {
        rsi_bytes_free(&texts.bytes);
        return status;
    }
    record->texts = rsi_bytes_take(&texts.bytes, NULL);
    record->id = id;
    record->incarnation = record->texts + texts.incarnation;
    record->embedder = texts.embedder == 0 ? NULL : record->texts + texts.embedder;
    return check_record(record, id, incarnation,
                        texts.metric == 0 ? "ip" : record->texts + texts.metric);
}

static int read_text(rsi_bytes *text, rsi_store *store, const char *id)
{
    int status = rsi_storage_get(text, store->storage, RSI_SPACE_ENTITIES, id);
    if (status == RAGSTORE_OK)
        return RAGSTORE_OK;
    rsi_bytes_free(text);
    return status == RAGSTORE_E_NOT_FOUND ? no_entity(id) : status;
}

int rsi_entity_read(rsi_entity_record *record, rsi_store *store, const char *id,
                    const char *incarnation)
{
    rsi_bytes text = {0};
    memset(record, 0, sizeof *record);
    int status = read_text(&text, store, id);
    return status == RAGSTORE_OK ? parse_record(record, &text, id, incarnation) : status;
}

int rsi_entity_read_again(rsi_entity_record *record, rsi_entity_record *earlier, rsi_store *store)
{
    rsi_bytes text = {0};
    memset(record, 0, sizeof *record);
    int status = read_text(&text, store, earlier->id);
    if (status != RAGSTORE_OK)
        return status;
    if (text.size != earlier->text.size || memcmp(text.data, earlier->text.data, text.size) != 0)
        return parse_record(record, &text, earlier->id, earlier->incarnation);
    rsi_bytes_free(&text);
    *record = *earlier;
    memset(earlier, 0, sizeof *earlier);
    return RAGSTORE_OK;
}

bool rsi_entity_has_vectors(const rsi_store *store, const rsi_entity_record *record,
                            const char **notice)
{
    static const char no_model[] =
        "keyword search only: no embedding model is loaded (make setup fetches one; "
        "RAGSTORE_MODEL names another)";
    static const char made_without[] =
        "keyword search only: this entity got its documents while no embedding model was loaded; "
        "reembed gives it vectors, to search by meaning";
    static const char other_model[] =
        "keyword search only: this entity was made with another embedding model than the one that "
        "is loaded; open the store with that one, or reembed";
    static const char own_vectors[] =
        "keyword search only, unless a query vector is given: this entity's vectors are the "
        "caller's own";
    const char *why = NULL;
    if (record->embedder != NULL &&
        strncmp(record->embedder, RSI_OWN_VECTORS, sizeof RSI_OWN_VECTORS - 1) == 0)
        why = own_vectors;
    else if (store->embedder == NULL)
        why = no_model;
    else if (record->embedder == NULL)
        why = record->next_row == 0 ? NULL : made_without;
    else if (strcmp(record->embedder, rsi_embedder_fingerprint(store->embedder)) != 0)
        why = other_model;
    if (notice != NULL)
        *notice = why;
    return why == NULL;
}

/* ---- writing ---- */

/* Copy the members of a record but those that are written anew. */
static int copy_members(rsi_json_writer *writer, const rsi_entity_record *record)
{
    static const char *const ours[] = {"next_chunk", "next_row", "embedder", "dimension"};
    rsi_json_view object;
    rsi_json_view member;
    int status = rsi_json_view_of_text(&object, record->text.data, record->text.size);
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_cursor cursor = rsi_json_walk(&object);
    while ((status = rsi_json_next(&cursor, &member)) > 0) {
        bool replaced = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
            const rsi_json_view key = rsi_json_view_of_string(ours[i], strlen(ours[i]));
            replaced = replaced || rsi_json_view_compare_texts(&cursor.key, &key) == 0;
        }
        if (replaced)
            continue;
        rsi_json_view_key(writer, &cursor.key);
        status = rsi_json_view_write(writer, &member);
        if (status != RAGSTORE_OK)
            return status;
    }
    return status;
}

int rsi_entity_put_counters(rsi_tx *tx, const rsi_entity_record *record, int64_t next_chunk,
                            uint64_t next_row, const char *embedder, uint32_t dimension)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    rsi_json_begin_object(&writer);
    int status = copy_members(&writer, record);
    rsi_json_put_text(&writer, "embedder", embedder);
    rsi_json_put_integer(&writer, "dimension", dimension);
    rsi_json_put_integer(&writer, "next_chunk", next_chunk);
    rsi_json_put_integer(&writer, "next_row", (int64_t)next_row);
    rsi_json_end_object(&writer);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_ENTITIES, record->id, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

/* Does FAISS know that kind, for vectors of that many numbers? 0: they are not known yet, and then it
 * is found out when it is made. */
static int try_factory(const rsi_index_settings *settings, uint32_t dimension, rsi_metric metric)
{
    rsi_faiss_index *index;
    if (settings->kind != RSI_INDEX_FAISS || dimension == 0)
        return RAGSTORE_OK;
    const int status = rsi_faiss_index_new(&index, settings->factory, dimension, metric);
    rsi_faiss_index_free(index);
    return status;
}

/* What only a new entity is given. */
static int take_index_fields(rsi_metric *metric, rsi_index_settings *settings,
                             const rsi_entity_fields *fields)
{
    *metric = RSI_METRIC_COSINE;
    memset(settings, 0, sizeof *settings);
    if (fields->metric != NULL && !rsi_metric_parse(metric, fields->metric))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                        "there is no metric \"%.40s\"; there are " RSI_METRIC_NAMES,
                        fields->metric);
    return rsi_index_settings_set(settings, "kind", fields->index_kind);
}

static int choose_chunk_sizes(rsi_chunk_sizes *sizes, const rsi_entity_fields *fields)
{
    const uint32_t tokens = fields->chunk_tokens == 0 ? CHUNK_TOKENS : fields->chunk_tokens;
    if (tokens < CHUNK_TOKENS_MIN || tokens > CHUNK_TOKENS_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                        "chunks of %" PRIu32 " tokens; there can be %d to %d", tokens,
                        CHUNK_TOKENS_MIN, CHUNK_TOKENS_MAX);
    if (fields->chunk_overlap > tokens / 2)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                        "chunks of %" PRIu32 " tokens that repeat %" PRIu32
                        "; they can repeat up to half of them",
                        tokens, fields->chunk_overlap);
    sizes->tokens = tokens;
    sizes->overlap = fields->chunk_overlap;
    return RAGSTORE_OK;
}

static int check_fields(const rsi_entity_fields *fields)
{
    int status = RAGSTORE_OK;
    if (fields->name != NULL)
        status = rsi_text_check(fields->name, RSI_NAME_MAX, "the name");
    if (status == RAGSTORE_OK && fields->description != NULL)
        status = rsi_text_check(fields->description, (size_t)16 << 10, "the description");
    if (status == RAGSTORE_OK && fields->language != NULL)
        status = rsi_lexical_check_language(fields->language);
    return status;
}

static int encode_new(rsi_bytes *out, const rsi_store *store, const char *id,
                      const char *incarnation, const rsi_entity_fields *fields)
{
    char now[RSI_TIME_TEXT];
    rsi_bytes metadata = {0};
    rsi_metric metric;
    rsi_index_settings settings;
    rsi_chunk_sizes chunks = {0};
    int status = check_fields(fields);
    if (status == RAGSTORE_OK)
        status = choose_chunk_sizes(&chunks, fields);
    if (status == RAGSTORE_OK)
        status = take_index_fields(&metric, &settings, fields);
    if (status == RAGSTORE_OK)
        status = try_factory(&settings,
                             store->embedder == NULL ? 0 : rsi_embedder_dimension(store->embedder),
                             metric);
    if (status == RAGSTORE_OK)
        status = rsi_metadata_check(&metadata, fields->metadata_json);
    if (status == RAGSTORE_OK) {
        rsi_json_writer writer = rsi_json_writer_of(out);
        rsi_time_now_text(now);
        rsi_json_begin_object(&writer);
        rsi_json_put_text(&writer, "_id", id);
        rsi_json_put_text(&writer, "entity_id", id);
        rsi_json_put_text(&writer, "entity_name", fields->name == NULL ? id : fields->name);
        rsi_json_put_text(&writer, "description",
                          fields->description == NULL ? "" : fields->description);
        rsi_json_put_raw(&writer, "metadata", metadata.data);
        rsi_json_put_text(&writer, "created_at", now);
        rsi_json_put_text(&writer, "incarnation", incarnation);
        rsi_json_put_text(&writer, "chunker", CHUNKER);
        rsi_json_put_integer(&writer, "chunk_tokens", chunks.tokens);
        rsi_json_put_integer(&writer, "chunk_overlap", chunks.overlap);
        rsi_json_put_text(&writer, "language",
                          fields->language == NULL ? LANGUAGE : fields->language);
        rsi_json_put_text(&writer, "metric", rsi_metric_name(metric));
        rsi_index_settings_put(&writer, &settings);
        const rsi_embedder *embedder = store->embedder;
        rsi_json_put_text(&writer, "embedder",
                          embedder == NULL ? NULL : rsi_embedder_fingerprint(embedder));
        rsi_json_put_integer(&writer, "dimension",
                             embedder == NULL ? 0 : rsi_embedder_dimension(embedder));
        rsi_json_put_integer(&writer, "next_chunk", 0);
        rsi_json_put_integer(&writer, "next_row", 0);
        rsi_json_end_object(&writer);
        status = rsi_bytes_status(out);
    }
    rsi_bytes_free(&metadata);
    return status;
}

int rsi_entity_create(char incarnation[RSI_INCARNATION_DIGITS + 1], rsi_store *store,
                      const char *id, const rsi_entity_fields *fields)
{
    rsi_bytes record = {0};
    rsi_bytes existing = {0};
    rsi_tx *tx = NULL;
    int status = rsi_entity_id_check(id);
    if (status == RAGSTORE_OK)
        status = rsi_random_hex(incarnation, RSI_INCARNATION_DIGITS);
    if (status == RAGSTORE_OK)
        status = encode_new(&record, store, id, incarnation, fields);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = rsi_storage_get(&existing, store->storage, RSI_SPACE_ENTITIES, id);
    if (status == RAGSTORE_OK)
        status = rsi_fail(RAGSTORE_E_EXISTS, "entities", "entity \"%s\" exists already", id);
    else if (status == RAGSTORE_E_NOT_FOUND)
        status = rsi_tx_put(tx, RSI_SPACE_ENTITIES, id, record.data, record.size);
    if (status == RAGSTORE_OK)
        status = rsi_tx_come(tx, id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);

cleanup:
    rsi_bytes_free(&existing);
    rsi_bytes_free(&record);
    return status;
}

static int encode_update(rsi_bytes *out, const rsi_entity_record *record,
                         const rsi_entity_fields *fields, const rsi_bytes *metadata)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(record->json, &iterator, &key, &value)) {
        if (fields->name != NULL && strcmp(key, "entity_name") == 0)
            rsi_json_put_text(&writer, key, fields->name);
        else if (fields->description != NULL && strcmp(key, "description") == 0)
            rsi_json_put_text(&writer, key, fields->description);
        else if (fields->metadata_json != NULL && strcmp(key, "metadata") == 0)
            rsi_json_put_raw(&writer, key, metadata->data);
        else
            rsi_json_put_value(&writer, key, value);
    }
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

int rsi_entity_update(rsi_store *store, const char *id, const char *incarnation,
                      const rsi_entity_fields *fields)
{
    rsi_entity_record record = {0};
    rsi_bytes metadata = {0};
    rsi_bytes text = {0};
    rsi_tx *tx = NULL;
    int status = check_fields(fields);
    if (status == RAGSTORE_OK && fields->metadata_json != NULL)
        status = rsi_metadata_check(&metadata, fields->metadata_json);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = rsi_entity_read(&record, store, id, incarnation);
    if (status == RAGSTORE_OK)
        status = encode_update(&text, &record, fields, &metadata);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_ENTITIES, id, text.data, text.size);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);

cleanup:
    rsi_entity_record_free(&record);
    rsi_bytes_free(&metadata);
    rsi_bytes_free(&text);
    return status;
}

static int encode_settings(rsi_bytes *out, const rsi_entity_record *record,
                           const rsi_index_settings *settings)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(record->json, &iterator, &key, &value))
        if (strcmp(key, RSI_INDEX_MEMBER) != 0)
            rsi_json_put_value(&writer, key, value);
    rsi_index_settings_put(&writer, settings);
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

int rsi_entity_set_index(rsi_store *store, const char *id, const char *incarnation, const char *key,
                         const char *value)
{
    rsi_entity_record record = {0};
    rsi_index_settings settings;
    rsi_bytes text = {0};
    rsi_tx *tx = NULL;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&record, store, id, incarnation);
    if (status == RAGSTORE_OK) {
        rsi_index_settings_read(&settings, record.json);
        status = rsi_index_settings_set(&settings, key, value);
    }
    if (status == RAGSTORE_OK)
        status = try_factory(&settings, record.dimension, record.metric);
    if (status == RAGSTORE_OK)
        status = encode_settings(&text, &record, &settings);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_ENTITIES, id, text.data, text.size);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_settle_on_commit(tx, store, id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_entity_record_free(&record);
    rsi_bytes_free(&text);
    return status;
}

/* ---- deleting ---- */

typedef struct session_list {
    rsi_bytes names; /* each followed by NUL */
    uint64_t count;
} session_list;

static int collect_session(void *user, const char *key, const char *json, size_t size)
{
    session_list *list = user;
    (void)json;
    (void)size;
    rsi_bytes_append(&list->names, key, strlen(key) + 1);
    list->count++;
    return rsi_bytes_status(&list->names);
}

static int drop_sessions(uint64_t *dropped, rsi_store *store, rsi_tx *tx, const char *entity_id)
{
    session_list list = {0};
    int status = rsi_storage_sessions_of(store->storage, entity_id, collect_session, &list);
    for (size_t at = 0; status == RAGSTORE_OK && at < list.names.size;
         at += strlen(list.names.data + at) + 1)
        status = rsi_tx_drop(tx, RSI_SPACE_SESSIONS, list.names.data + at);
    *dropped = list.count;
    rsi_bytes_free(&list.names);
    return status;
}

int rsi_entity_delete(uint64_t *sessions_deleted, rsi_store *store, const char *id)
{
    rsi_entity_record record = {0};
    uint64_t dropped = 0;
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&record, store, id, NULL);
    if (status == RAGSTORE_OK)
        status = drop_sessions(&dropped, store, tx, id);
    if (status == RAGSTORE_OK)
        status = rsi_jobs_cancel_of(tx, store->storage, id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_drop(tx, RSI_SPACE_ENTITIES, id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_gone(tx, id, record.incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_forget_on_commit(tx, store, id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    if (status == RAGSTORE_OK && sessions_deleted != NULL)
        *sessions_deleted = dropped;
    rsi_entity_record_free(&record);
    return status;
}
