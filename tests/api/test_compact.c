/* ragstore_store_compact(): what was deleted is in no file, what was not is all there. */
#include "api_fixture.h"

#include <ftw.h>
#include <pthread.h>

/* ---- the bytes of all files ---- */

static const char *wanted;
static char holder[TEMPORARY_PATH_MAX]; /* a file that has them; "" when none does */

static int look_into(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)at;
    if (kind != FTW_F || info->st_size == 0)
        return 0;
    FILE *file = fopen(path, "rb");
    char *bytes = malloc((size_t)info->st_size);
    assert_non_null(file);
    assert_non_null(bytes);
    size_t size = fread(bytes, 1, (size_t)info->st_size, file);
    if (memmem(bytes, size, wanted, strlen(wanted)) != NULL)
        snprintf(holder, sizeof holder, "%s", path);
    free(bytes);
    fclose(file);
    return holder[0] != '\0';
}

/* The name of a file of the store that has these bytes, or an empty string. */
static const char *file_with(void **state, const char *text)
{
    wanted = text;
    holder[0] = '\0';
    nftw(store_path(state), look_into, 16, FTW_PHYS);
    return holder;
}

/* ---- what is deleted, in every place that keeps text ---- */

static const char *const secrets[] = {"SECRETUPLOAD",  "SECRETCHUNK", "SECRETBULK",
                                      "SECRETMESSAGE", "SECRETTASK",  "SECRETPROFILE",
                                      "SECRETNAME",    "SECRETENTITY"};

/* A document large enough for a segment of its own. */
static void add_bulk(ragstore_entity *entity)
{
    size_t size = 200000;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 10 == 9 ? '\n' : (char)('a' + i / 10 % 26);
    text[size] = '\0';
    for (size_t at = 100; at + 20 < size; at += 20000)
        memcpy(text + at, "SECRETBULK", 10);
    add_text(entity, "bulk.txt", text);
    free(text);
}

static void fill(ragstore_store *store)
{
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_session *session;
    ragstore_collection *tasks;
    add_text(acme, "kept.txt", "The lighthouse keeper climbs 199 steps every evening.");
    add_text(acme, "SECRETNAME.txt", "SECRETUPLOAD is what the file says.");
    add_bulk(acme);
    assert_ok(ragstore_document_add_chunks(NULL, acme, "[{\"text\": \"SECRETCHUNK piece\"}]", NULL,
                                           0, NULL));
    assert_ok(ragstore_session_create(&session, acme, NULL));
    assert_ok(ragstore_session_append(NULL, session, "user", "SECRETMESSAGE in a question", NULL));
    ragstore_session_free(session);
    ragstore_entity_update_options profile = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    profile.description = "SECRETPROFILE";
    assert_ok(ragstore_entity_update(acme, &profile));
    ragstore_entity_free(acme);
    ragstore_entity *other = make_entity(store, "other");
    add_text(other, "other.txt", "SECRETENTITY is all about the other one.");
    ragstore_entity_free(other);
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_insert(NULL, tasks, "{\"title\": \"SECRETTASK\"}"));
    assert_ok(ragstore_collection_insert(NULL, tasks, "{\"title\": \"paint the lamp\"}"));
    ragstore_collection_free(tasks);
}

static void delete_document(ragstore_entity *entity, const json_t *document)
{
    assert_ok(
        ragstore_document_delete(entity, json_string_value(json_object_get(document, "doc_id"))));
}

static void delete_secrets(ragstore_store *store)
{
    ragstore_entity *acme = open_entity(store, "acme");
    ragstore_buffer *buffer;
    ragstore_collection *tasks;
    json_t *documents = list_documents(acme, NULL);
    size_t i;
    json_t *document;
    json_array_foreach(documents, i, document)
    {
        const char *name = json_string_value(json_object_get(document, "filename"));
        if (name == NULL || strcmp(name, "kept.txt") != 0)
            delete_document(acme, document);
    }
    json_decref(documents);
    assert_ok(ragstore_session_list(&buffer, acme, NULL));
    json_t *sessions = take_json(buffer);
    json_t *session = json_array_get(sessions, 0);
    assert_ok(
        ragstore_session_delete(store, json_string_value(json_object_get(session, "session_id"))));
    json_decref(sessions);
    ragstore_entity_update_options profile = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    profile.description = "harmless";
    assert_ok(ragstore_entity_update(acme, &profile));
    ragstore_entity_free(acme);
    assert_ok(ragstore_entity_delete(NULL, store, "other"));
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_delete_one(NULL, tasks, "{\"title\": \"SECRETTASK\"}"));
    ragstore_collection_free(tasks);
}

static json_t *compact(ragstore_store *store)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_compact(&buffer, store, NULL));
    return take_json(buffer);
}

static void expect_the_rest(ragstore_store *store)
{
    ragstore_entity *acme = open_entity(store, "acme");
    ragstore_collection *tasks;
    uint64_t count;
    assert_int_equal(count_hits(acme, "lighthouse keeper"), 1);
    assert_int_equal(count_hits(acme, "SECRETUPLOAD"), 0);
    json_t *entity = describe_entity(acme);
    assert_text(entity, "description", "harmless");
    json_decref(entity);
    ragstore_entity_free(acme);
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_count(&count, tasks, "{\"title\": \"paint the lamp\"}"));
    assert_int_equal(count, 1);
    ragstore_collection_free(tasks);
}

/* ---- tests ---- */

static void compact__leaves_no_byte_of_what_was_deleted(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    for (size_t i = 0; i < COUNT(secrets); i++)
        assert_string_not_equal(file_with(state, secrets[i]), "");
    assert_ok(ragstore_store_export(store)); /* now they are in snapshots, too */
    delete_secrets(store);
    json_t *report = compact(store);
    for (size_t i = 0; i < COUNT(secrets); i++)
        if (file_with(state, secrets[i])[0] != '\0')
            fail_msg("%s is still in %s", secrets[i], holder);
    assert_true(json_integer_value(json_object_get(report, "bytes_after")) <
                json_integer_value(json_object_get(report, "bytes_before")));
    assert_int_equal(json_array_size(json_object_get(report, "quarantine")), 0);
    json_decref(report);
    expect_the_rest(store);
    store = reopen_store(store, state);
    expect_the_rest(store);
    assert_ok(ragstore_store_close(store));
}

/* Enough chunks for a keyword index on disk, whose words are in lower case. */
static void compact__leaves_no_word_in_the_keyword_index(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    json_t *chunks = json_array();
    for (int i = 0; i < 1200; i++)
        json_array_append_new(chunks, json_pack("{s:s}", "text", "the lamp is lit again"));
    char *json = json_dumps(chunks, 0);
    assert_ok(ragstore_document_add_chunks(NULL, acme, json, NULL, 0, NULL));
    add_text(acme, "secret.txt", "SECRETKEYWORD is what it says");
    assert_ok(ragstore_store_export(store));
    assert_non_null(strstr(file_with(state, "secretkeyword"), "lexical.rsl"));
    json_t *documents = list_documents(acme, NULL);
    size_t i;
    json_t *document;
    json_array_foreach(documents, i, document)
        if (json_integer_value(json_object_get(document, "chunks_count")) == 1)
            delete_document(acme, document);
    json_decref(compact(store));
    assert_string_equal(file_with(state, "secretkeyword"), "");
    json_decref(documents);
    json_decref(chunks);
    free(json);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void compact__works_on_an_empty_store_and_again(void **state)
{
    ragstore_store *store = open_store(state);
    json_decref(compact(store));
    assert_ok(ragstore_store_compact(NULL, store, NULL));
    assert_ok(ragstore_store_close(store));
}

static void compact__names_what_lies_in_quarantine(void **state)
{
    char path[TEMPORARY_PATH_MAX + 64];
    ragstore_store *store = open_store(state);
    snprintf(path, sizeof path, "%s/quarantine", store_path(state));
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/quarantine/broken.json", store_path(state));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    json_t *report = compact(store);
    json_t *names = json_object_get(report, "quarantine");
    assert_int_equal(json_array_size(names), 1);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "broken.json");
    json_decref(report);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(ragstore_store_close(store));
}

static int32_t cancel_at_files(void *user, const char *stage, uint64_t done, uint64_t total)
{
    unsigned *calls = user;
    (*calls)++;
    assert_true(done <= total);
    return strcmp(stage, "files") == 0;
}

static void compact__tells_how_far_it_is_and_can_be_cancelled(void **state)
{
    unsigned calls = 0;
    ragstore_store *store = open_store(state);
    ragstore_buffer *buffer = (ragstore_buffer *)&calls;
    ragstore_store_compact_options options = RAGSTORE_STORE_COMPACT_OPTIONS_INIT;
    options.progress = cancel_at_files;
    options.progress_user = &calls;
    fill(store);
    delete_secrets(store);
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_store_compact(&buffer, store, &options));
    assert_null(buffer);
    assert_int_equal(calls, 2); /* an entity, the files */
    expect_the_rest(store);
    json_decref(compact(store));
    expect_the_rest(store);
    assert_ok(ragstore_store_close(store));
}

static void compact__keeps_the_journals_when_chunks_cannot_be_read(void **state)
{
    char path[TEMPORARY_PATH_MAX + 128];
    ragstore_store *store = open_store(state);
    fill(store);
    store = reopen_store(store, state);
    delete_secrets(store);
    assert_ok(ragstore_store_close(store));
    snprintf(path, sizeof path, "%s/entity_scoped/entities/acme/chunk_metadata.json",
             store_path(state));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fputs("?????", file);
    fclose(file);
    store = open_store(state);
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_store_compact(NULL, store, NULL));
    assert_message_has("journals stay");
    assert_message_has("chunk_metadata.json");
    assert_ok(ragstore_store_close(store));
}

static void compact__refuses_what_it_cannot_do(void **state)
{
    ragstore_batch *batch;
    ragstore_store *store = open_store(state);
    ragstore_store_compact_options options = RAGSTORE_STORE_COMPACT_OPTIONS_INIT;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_compact(NULL, NULL, NULL));
    options.struct_size = 3;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_compact(NULL, store, &options));
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_store_compact(NULL, store, NULL));
    ragstore_batch_abort(batch);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_store_compact(NULL, store, NULL));
    assert_ok(ragstore_store_close(store));
}

/* ---- others go on ---- */

#define WRITES 200

static void *keep_writing(void *user)
{
    ragstore_entity *entity = user;
    for (int i = 0; i < WRITES; i++) {
        char name[32];
        char text[64];
        snprintf(name, sizeof name, "n%d.txt", i);
        snprintf(text, sizeof text, "Note number%d about gulls.", i);
        add_text(entity, name, text);
    }
    return NULL;
}

static void compact__keeps_nobody_from_writing(void **state)
{
    pthread_t thread;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "gulls");
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, entity), 0);
    for (int i = 0; i < 10; i++)
        assert_ok(ragstore_store_compact(NULL, store, NULL));
    pthread_join(thread, NULL);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "gulls");
    json_t *described = describe_entity(entity);
    assert_number(described, "total_documents", WRITES);
    json_decref(described);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(compact__leaves_no_byte_of_what_was_deleted),
        TEST(compact__leaves_no_word_in_the_keyword_index),
        TEST(compact__works_on_an_empty_store_and_again),
        TEST(compact__names_what_lies_in_quarantine),
        TEST(compact__tells_how_far_it_is_and_can_be_cancelled),
        TEST(compact__keeps_the_journals_when_chunks_cannot_be_read),
        TEST(compact__refuses_what_it_cannot_do),
        TEST(compact__keeps_nobody_from_writing),
    };
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
