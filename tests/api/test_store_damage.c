/* Damaged, missing and newer files: a typed error, and nothing is overwritten. */
#include "api_fixture.h"

#include <sys/stat.h>

#define ENTITIES "store/api_storage/entities.json"
#define SESSIONS "store/api_storage/chat_sessions.json"
#define FOLDER "store/entity_scoped/entities/acme"

static void make_small_store(void **state, ragstore_model *model)
{
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    entity = make_entity(store, "other");
    add_text(entity, "b.txt", "All about marble.");
    assert_ok(ragstore_session_create(NULL, entity, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int try_open(void **state)
{
    ragstore_store *store = (ragstore_store *)(uintptr_t)1;
    int status = ragstore_store_open(&store, store_path(state), NULL);
    if (status == RAGSTORE_OK)
        return ragstore_store_close(store);
    assert_null(store);
    return status;
}

/* The file holds these bytes, and opening is refused, and it still holds them. */
static void refused_and_untouched(void **state, const char *file, const char *bytes, size_t size,
                                  int code)
{
    char path[TEMPORARY_PATH_MAX];
    size_t found_size;
    temporary_write(temporary_join(path, state, file), bytes, size);
    assert_fails(code, try_open(state));
    assert_message_has(strrchr(file, '/') + 1);
    char *found = temporary_read(path, &found_size);
    assert_int_equal(found_size, size);
    assert_memory_equal(found, bytes, size);
    free(found);
}

static void damaged_json(void **state, const char *file)
{
    static const char *const contents[] = {
        "",
        "{",
        "not json",
        "[]",
        "{\"acme\": {\"_id\": \"acme\"",
        "{\"acme\": {\"_id\": \"ac\xff\"}}",
        "{\n\"acme\": 7\n}\n",
    };
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    make_small_store(state, NULL);
    char *good = temporary_read(temporary_join(path, state, file), &size);
    for (size_t i = 0; i < COUNT(contents); i++)
        refused_and_untouched(state, file, contents[i], strlen(contents[i]), RAGSTORE_E_DAMAGED);
    for (size_t cut = 1; cut < 4; cut++) /* as a power cut leaves it */
        refused_and_untouched(state, file, good, size * cut / 4, RAGSTORE_E_DAMAGED);

    temporary_write(path, good, size); /* the file of a backup */
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    free(good);
}

static void store_damage__of_entities_json_is_told_and_nothing_overwritten(void **state)
{
    damaged_json(state, ENTITIES);
}

static void store_damage__of_chat_sessions_json_is_told_and_nothing_overwritten(void **state)
{
    damaged_json(state, SESSIONS);
}

static void store_damage__of_the_manifest_is_told_and_nothing_overwritten(void **state)
{
    make_small_store(state, NULL);
    refused_and_untouched(state, "store/ragstore.json", "{\"format\": 1", 12, RAGSTORE_E_DAMAGED);
    refused_and_untouched(state, "store/ragstore.json", "", 0, RAGSTORE_E_DAMAGED);
}

static void store_damage__a_missing_file_is_no_empty_store(void **state)
{
    static const char *const files[] = {ENTITIES, SESSIONS};
    char path[TEMPORARY_PATH_MAX];
    make_small_store(state, NULL);
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t size;
        char *good = temporary_read(temporary_join(path, state, files[i]), &size);
        assert_int_equal(unlink(path), 0);
        assert_fails(RAGSTORE_E_DAMAGED, try_open(state));
        assert_false(temporary_exists(path));
        temporary_write(path, good, size);
        free(good);
    }
    assert_ok(try_open(state));
}

static void store_version__of_a_newer_library_is_refused_and_untouched(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    make_small_store(state, NULL);
    json_t *manifest = json_load_file(temporary_join(path, state, "store/ragstore.json"), 0, NULL);
    assert_int_equal(json_object_set_new(manifest, "format", json_integer(9)), 0);
    assert_int_equal(json_object_set_new(manifest, "min_reader", json_integer(9)), 0);
    assert_int_equal(json_object_set_new(manifest, "min_writer", json_integer(9)), 0);
    char *text = json_dumps(manifest, 0);
    refused_and_untouched(state, "store/ragstore.json", text, strlen(text), RAGSTORE_E_VERSION);
    free(text);
    json_decref(manifest);
}

/* ---- damage to one entity ---- */

static void expect_the_other_entity_to_serve(ragstore_store *store)
{
    ragstore_entity *other = open_entity(store, "other");
    assert_int_equal(count_hits(other, "marble"), 1);
    ragstore_entity_free(other);
}

static void store_damage__of_one_entitys_chunks_leaves_the_others(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_result *result;
    make_small_store(state, NULL);
    temporary_write(temporary_join(path, state, FOLDER "/chunk_metadata.json"), "{\n\"0\": {", 8);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_entity_search(&result, entity, "granite", NULL));
    assert_null(result);
    expect_the_other_entity_to_serve(store);
    ragstore_entity_free(entity);
    (void)ragstore_store_close(store);
    char *found = temporary_read(path, NULL);
    assert_string_equal(found, "{\n\"0\": {");
    free(found);
}

static int search_by_vector(ragstore_result **out, ragstore_entity *entity, const char *query)
{
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    return ragstore_entity_search(out, entity, query, &options);
}

static void store_damage__of_vectors_is_told_and_keywords_still_serve(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    ragstore_result *result;
    make_small_store(state, the_model());
    char *rows =
        temporary_read(temporary_join(path, state, FOLDER "/vector_store/rows-1.rsv"), &size);
    assert_true(size > 400);
    rows[200] = (char)(rows[200] ^ 0x40); /* in the vector of the only chunk */
    temporary_write(path, rows, size);
    free(rows);
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = open_entity(store, "acme");
    int status = search_by_vector(&result, entity, "granite");
    if (status == RAGSTORE_OK) /* a vector that fails its check is never used */
        assert_int_equal(ragstore_result_count(result), 0);
    else
        assert_fails(RAGSTORE_E_DAMAGED, status);
    ragstore_result_free(result);
    assert_int_equal(count_hits(entity, "granite"), 1);
    expect_the_other_entity_to_serve(store);

    /* sending the same bytes again mends it */
    ragstore_document *document = add_document(entity, "a.txt", "All about granite.");
    json_t *description = describe_document(document);
    assert_member(description, "is_duplicate", "true");
    assert_true(json_is_string(json_object_get(description, "notice")));
    assert_ok(search_by_vector(&result, entity, "granite"));
    assert_int_equal(ragstore_result_count(result), 1);
    json_decref(description);
    ragstore_result_free(result);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* Whoever sends the bytes again may know nothing of the key and the rest. */
static void store_damage__mended_by_the_same_bytes_keeps_what_is_known_of_it(void **state)
{
    static const char text[] = "All about granite.";
    static const char *const kept[] = {"doc_id",      "filename", "key",        "source",
                                       "description", "metadata", "uploaded_at"};
    char path[TEMPORARY_PATH_MAX];
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "rocks.txt";
    options.key = "k";
    options.source = "the quarry";
    options.description = "what it is made of";
    options.metadata_json = "{\"v\": 1}";
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    json_t *before = describe_document(document);
    ragstore_document_free(document);
    temporary_remove_all(temporary_join(path, state, "store/uploads/acme"));

    options = (ragstore_document_add_options)RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "again.txt";
    options.metadata_json = "{\"v\": 2}";
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    json_t *after = describe_document(document);
    assert_member(after, "is_duplicate", "true");
    assert_true(json_is_string(json_object_get(after, "notice")));
    for (size_t i = 0; i < COUNT(kept); i++)
        if (!json_equal(json_object_get(before, kept[i]), json_object_get(after, kept[i])))
            fail_msg("\"%s\" has changed", kept[i]);
    assert_int_equal(temporary_count(path), 1);
    json_decref(before);
    json_decref(after);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* A backup of api_storage/ alone: the records are there, the folder of the entity is not. */
static void store_damage__a_missing_folder_is_no_entity_without_hits(void **state)
{
    static const char *const gone[] = {FOLDER "/vector_store", FOLDER};
    ragstore_result *result;
    char path[TEMPORARY_PATH_MAX];
    make_small_store(state, the_model());
    for (size_t i = 0; i < COUNT(gone); i++) {
        temporary_remove_all(temporary_join(path, state, gone[i]));
        ragstore_store *store = open_store_with(state, 0, the_model());
        ragstore_entity *entity = open_entity(store, "acme");
        assert_fails(RAGSTORE_E_DAMAGED, search_by_vector(&result, entity, "granite"));
        assert_message_has("entity_scoped/entities/acme/vector_store");
        assert_message_has("backup");
        assert_int_equal(count_hits(entity, "granite"), 1); /* by keyword */
        if (i == 0) { /* only the vectors are gone: the same bytes bring them back */
            add_text(entity, "a.txt", "All about granite.");
            assert_ok(search_by_vector(&result, entity, "granite"));
            assert_int_equal(ragstore_result_count(result), 1);
            ragstore_result_free(result);
        }
        expect_the_other_entity_to_serve(store);
        ragstore_entity_free(entity);
        assert_ok(ragstore_store_close(store));
    }
}

static void store_damage__a_lost_index_file_comes_back(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_result *result;
    make_small_store(state, the_model());
    temporary_join(path, state, FOLDER "/vector_store/index.faiss");
    assert_true(temporary_exists(path));
    assert_int_equal(unlink(path), 0);
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = open_entity(store, "acme");
    assert_ok(search_by_vector(&result, entity, "granite"));
    assert_int_equal(ragstore_result_count(result), 1);
    ragstore_result_free(result);
    assert_ok(ragstore_store_export(store));
    assert_true(temporary_exists(path));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void store_damage__a_changed_upload_is_told_and_mended_by_its_bytes(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_buffer *buffer;
    make_small_store(state, NULL);
    temporary_write(temporary_join(path, state, "store/uploads/acme/a.txt"), "All about gravel?!",
                    18);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    json_t *documents = list_documents(entity, NULL);
    const char *id = json_string_value(json_object_get(json_array_get(documents, 0), "doc_id"));
    ragstore_document *document;
    assert_ok(ragstore_document_open(&document, entity, id));
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_document_content(&buffer, document));
    assert_null(buffer);
    assert_message_has("a.txt");
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_document_text(&buffer, document));
    for (int round = 0; round < 2; round++) { /* changed, then missing */
        ragstore_document *again = add_document(entity, "a.txt", "All about granite.");
        assert_string_equal(ragstore_document_id(again), id);
        assert_ok(ragstore_document_content(&buffer, document));
        assert_string_equal(ragstore_buffer_data(buffer), "All about granite.");
        ragstore_buffer_free(buffer);
        json_t *description = describe_document(again);
        char file[TEMPORARY_PATH_MAX];
        snprintf(file, sizeof file, "store/%s",
                 json_string_value(json_object_get(description, "file_path")));
        assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")), 1);
        assert_int_equal(unlink(temporary_join(path, state, file)), 0);
        assert_fails(RAGSTORE_E_DAMAGED, ragstore_document_content(&buffer, document));
        json_decref(description);
        ragstore_document_free(again);
    }
    ragstore_document_free(document);
    json_decref(documents);
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* Something that has taken the place of a small file keeps what is in memory of that entity from its
 * file, and nothing else. */
static void store_damage__is_told_at_the_end_of_an_export(void **state)
{
    char own[TEMPORARY_PATH_MAX];
    char kept[TEMPORARY_PATH_MAX];
    char others[TEMPORARY_PATH_MAX];
    make_small_store(state, NULL);
    temporary_join(own, state, FOLDER "/entity.json");
    temporary_join(kept, state, "kept.json");
    temporary_join(others, state, "store/entity_scoped/entities/other/doc_to_chunks.json");
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    assert_int_equal(rename(own, kept), 0);
    assert_int_equal(mkdir(own, 0700), 0);
    add_text(entity, "more.txt", "More about granite.");
    (void)unlink(others);
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_store_export(store));
    assert_message_has("acme/entity.json");
    assert_message_has("backup");
    assert_true(temporary_exists(others));

    assert_int_equal(rmdir(own), 0);
    assert_int_equal(rename(kept, own), 0);
    assert_ok(ragstore_store_export(store));
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 2);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_damage__of_entities_json_is_told_and_nothing_overwritten),
        TEST(store_damage__of_chat_sessions_json_is_told_and_nothing_overwritten),
        TEST(store_damage__of_the_manifest_is_told_and_nothing_overwritten),
        TEST(store_damage__a_missing_file_is_no_empty_store),
        TEST(store_version__of_a_newer_library_is_refused_and_untouched),
        TEST(store_damage__of_one_entitys_chunks_leaves_the_others),
        TEST(store_damage__of_vectors_is_told_and_keywords_still_serve),
        TEST(store_damage__mended_by_the_same_bytes_keeps_what_is_known_of_it),
        TEST(store_damage__a_missing_folder_is_no_entity_without_hits),
        TEST(store_damage__is_told_at_the_end_of_an_export),
        TEST(store_damage__a_lost_index_file_comes_back),
        TEST(store_damage__a_changed_upload_is_told_and_mended_by_its_bytes),
    };
    return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
