/* Entities: ids, options, updates, deletion, lists, isolation. */
#include "api_fixture.h"

#define KIB 1024

static const char *const good_ids[] = {
    "a",    "Acme Corp", "日本", "acme.corp-2_x", "%2e%2e", "...", ".hidden", "CON", "acme",
    "ACME", "a b  c",    "Ünï", "😀",            "-rf",    "\"quoted\"", "a'b", "*?<>|", "0",
};

static const char *const bad_ids[] = {
    "",          ".",         "..",        "../etc",      "a/b",        "/",
    "a\\b",      " a",        "a ",        "\ta",         "a\n",        "a\x01" "b",
    "\x7f",      "\xff",      "caf\xe9",   "\xc3",        "\xc0\xaf",   "\xed\xa0\x80",
    "a\xc2\x80", "\xe3\x80\x80" "a", "a\xc2\xa0",
};

/* ---- creating ---- */

static void entity_create__takes_any_id_that_the_rule_allows(void **state)
{
    ragstore_store *store = open_store(state);
    for (size_t i = 0; i < COUNT(good_ids); i++) {
        ragstore_entity *entity;
        if (ragstore_entity_create(&entity, store, good_ids[i], NULL) != RAGSTORE_OK)
            fail_msg("%s: %s", good_ids[i], ragstore_error_message());
        assert_string_equal(ragstore_entity_id(entity), good_ids[i]);
        add_text(entity, "own.txt", good_ids[i][0] == 'a' ? "granite" : "granite and more");
        ragstore_entity_free(entity);
    }
    store = reopen_store(store, state);
    for (size_t i = 0; i < COUNT(good_ids); i++) {
        ragstore_entity *entity = open_entity(store, good_ids[i]);
        json_t *description = describe_entity(entity);
        assert_text(description, "entity_id", good_ids[i]);
        assert_text(description, "entity_name", good_ids[i]);
        assert_number(description, "total_documents", 1);
        assert_int_equal(count_hits(entity, "granite"), 1);
        json_decref(description);
        ragstore_entity_free(entity);
    }
    assert_ok(ragstore_store_close(store));
}

static void entity_create__refuses_ids_that_could_be_paths_or_cannot_be_read(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity;
    for (size_t i = 0; i < COUNT(bad_ids); i++) {
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_entity_create(&entity, store, bad_ids[i], NULL));
        assert_null(entity);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, bad_ids[i]));
        assert_null(entity);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_delete(NULL, store, bad_ids[i]));
    }
    assert_int_equal(temporary_count(temporary_path(state)), 1); /* the store and nothing else */
    assert_int_equal(temporary_count(temporary_join(path, state, "store/entity_scoped/entities")),
                     0);
    assert_ok(ragstore_store_close(store));
}

static void entity_create__takes_ids_up_to_128_bytes(void **state)
{
    ragstore_store *store = open_store(state);
    char *longest = long_text(128);
    char *too_long = long_text(129);
    longest[127] = 'Y'; /* escaped, its folder's name is longer still */
    ragstore_entity *entity = make_entity(store, longest);
    add_text(entity, "a.txt", "granite");
    ragstore_entity_free(entity);
    char wide[129];
    for (size_t i = 0; i < 128; i += 2)
        memcpy(wide + i, "é", 3);
    entity = make_entity(store, wide);
    add_text(entity, "a.txt", "marble");
    ragstore_entity_free(entity);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_create(NULL, store, too_long, NULL));
    store = reopen_store(store, state);
    entity = open_entity(store, wide);
    assert_int_equal(count_hits(entity, "marble"), 1);
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_entity_free(entity);
    free(longest);
    free(too_long);
    assert_ok(ragstore_store_close(store));
}

static void entity_create__keeps_what_the_options_say(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    options.name = "Acme \"Corporation\"\n日本";
    options.description = "Makes things.";
    options.metadata_json = "{\"tier\": \"gold\", \"n\": [1, 2.5, null, {\"é\": true}]}";
    assert_ok(ragstore_entity_create(NULL, store, "acme", &options));
    for (int round = 0; round < 2; round++) {
        ragstore_entity *entity = open_entity(store, "acme");
        json_t *description = describe_entity(entity);
        assert_text(description, "entity_id", "acme");
        assert_text(description, "entity_name", options.name);
        assert_text(description, "description", options.description);
        assert_member(description, "metadata", options.metadata_json);
        assert_number(description, "total_documents", 0);
        assert_number(description, "total_chunks", 0);
        assert_member(description, "has_vector_store", "false");
        assert_null_member(description, "embedder");
        assert_text(description, "search_mode", "keyword");
        assert_true(json_is_string(json_object_get(description, "notice")));
        assert_int_equal(strlen(json_string_value(json_object_get(description, "created_at"))), 26);
        json_decref(description);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
    }
    assert_ok(ragstore_store_close(store));
}

/* How many chunks an entity of these sizes makes of a paragraph of forty sentences, of about twelve
 * tokens each, and whether one begins before the one before it ends. */
static size_t cut_forty_sentences(bool *overlap, ragstore_store *store,
                                  const ragstore_entity_create_options *options)
{
    ragstore_entity_search_options searching = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_entity *entity;
    ragstore_result *result;
    char text[4096] = "";
    size_t bytes = 0;
    for (int i = 0; i < 40; i++) /* no two chunks are alike */
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "Granite %c%cx is as hard as %c%cy and %c%cz. ", 'a' + i % 7, 'a' + i % 11,
                 'a' + i % 13, 'a' + i % 17, 'a' + i % 19, 'a' + i % 23);
    assert_ok(ragstore_entity_create(&entity, store, "sized", options));
    add_text(entity, "stones.txt", text);
    searching.k = 200;
    assert_ok(ragstore_entity_search(&result, entity, "granite", &searching));
    const size_t count = ragstore_result_count(result);
    for (size_t i = 0; i < count; i++)
        bytes += (size_t)(ragstore_result_end(result, i) - ragstore_result_start(result, i));
    *overlap = bytes > strlen(text);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_entity_delete(NULL, store, "sized"));
    return count;
}

static void entity_create__cuts_documents_as_long_as_the_options_say(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    bool overlap;
    const size_t by_default = cut_forty_sentences(&overlap, store, &options);
    assert_true(by_default > 1);
    assert_false(overlap);
    options.chunk_overlap = 30;
    cut_forty_sentences(&overlap, store, &options);
    assert_true(overlap);
    options.chunk_tokens = 50;
    options.chunk_overlap = 0;
    assert_true(cut_forty_sentences(&overlap, store, &options) >= 3 * by_default);
    assert_false(overlap);
    options.chunk_overlap = 25;
    cut_forty_sentences(&overlap, store, &options);
    assert_true(overlap);
    options.chunk_tokens = 8192;
    options.chunk_overlap = 4096;
    assert_int_equal(cut_forty_sentences(&overlap, store, &options), 1);
    assert_ok(ragstore_store_close(store));
}

static void entity_create__refuses_sizes_of_chunks_that_make_no_sense(void **state)
{
    static const struct {
        uint32_t tokens;
        uint32_t overlap;
    } bad[] = {{15, 0}, {8193, 0}, {UINT32_MAX, 0}, {200, 101}, {0, 101}, {200, UINT32_MAX}};
    ragstore_store *store = open_store(state);
    for (size_t i = 0; i < COUNT(bad); i++) {
        ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
        options.chunk_tokens = bad[i].tokens;
        options.chunk_overlap = bad[i].overlap;
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_entity_create(NULL, store, "acme", &options));
        assert_message_has("tokens");
    }
    assert_ok(ragstore_store_close(store));
}

static void entity_create__of_an_id_that_is_there_exists(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *second = (ragstore_entity *)(uintptr_t)1;
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite");
    assert_fails(RAGSTORE_E_EXISTS, ragstore_entity_create(&second, store, "acme", NULL));
    assert_null(second);
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

typedef struct bad_fields {
    const char *name;
    const char *description;
    const char *metadata;
    int code;
} bad_fields;

static const bad_fields *list_bad_fields(size_t *count)
{
    static char name[KIB + 2];
    static char description[16 * KIB + 2];
    static char metadata[16 * KIB + 2];
    static char deep[256];
    static bad_fields list[] = {
        {name, NULL, NULL, RAGSTORE_E_TOO_LARGE},
        {NULL, description, NULL, RAGSTORE_E_TOO_LARGE},
        {NULL, NULL, metadata, RAGSTORE_E_TOO_LARGE},
        {NULL, NULL, deep, RAGSTORE_E_INVALID_DATA},
        {"\xff", NULL, NULL, RAGSTORE_E_INVALID_DATA},
        {NULL, "caf\xe9", NULL, RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "[]", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "null", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "\"text\"", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "{", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "{} {}", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "{'a': 1}", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "{\"a\": \"\xff\"}", RAGSTORE_E_INVALID_DATA},
        {NULL, NULL, "{\"a\": \"\\ud800\"}", RAGSTORE_E_INVALID_DATA},
    };
    memset(name, 'n', sizeof name - 1);
    memset(description, 'd', sizeof description - 1);
    memset(metadata, ' ', sizeof metadata - 1);
    memcpy(metadata, "{}", 2);
    snprintf(deep, sizeof deep, "{\"a\":"); /* 100 arrays, one in the other */
    memset(deep + 5, '[', 100);
    memset(deep + 105, ']', 100);
    memcpy(deep + 205, "}", 2);
    *count = COUNT(list);
    return list;
}

static void entity_create__refuses_bad_fields(void **state)
{
    size_t count;
    const bad_fields *list = list_bad_fields(&count);
    ragstore_store *store = open_store(state);
    for (size_t i = 0; i < count; i++) {
        ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
        options.name = list[i].name;
        options.description = list[i].description;
        options.metadata_json = list[i].metadata;
        assert_fails(list[i].code, ragstore_entity_create(NULL, store, "acme", &options));
    }
    ragstore_entity_free(make_entity(store, "acme")); /* none of them made it */
    assert_ok(ragstore_store_close(store));
}

static void entity_calls__refuse_null(void **state)
{
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_entity *opened = (ragstore_entity *)(uintptr_t)1;
    ragstore_entity_update_options update = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(wrong, ragstore_entity_create(&opened, NULL, "x", NULL));
    assert_null(opened);
    assert_fails(wrong, ragstore_entity_create(NULL, store, NULL, NULL));
    assert_fails(wrong, ragstore_entity_open(NULL, store, "acme"));
    assert_fails(wrong, ragstore_entity_open(&opened, NULL, "acme"));
    assert_fails(wrong, ragstore_entity_open(&opened, store, NULL));
    assert_fails(wrong, ragstore_entity_describe(NULL, entity));
    assert_fails(wrong, ragstore_entity_describe(&buffer, NULL));
    assert_null(buffer);
    assert_fails(wrong, ragstore_entity_update(NULL, &update));
    assert_fails(wrong, ragstore_entity_update(entity, NULL));
    assert_fails(wrong, ragstore_entity_delete(NULL, NULL, "acme"));
    assert_fails(wrong, ragstore_entity_delete(NULL, store, NULL));
    assert_fails(wrong, ragstore_entity_list(NULL, store, NULL));
    assert_fails(wrong, ragstore_entity_list(&buffer, NULL, NULL));
    assert_null(ragstore_entity_id(NULL));
    assert_int_equal(ragstore_error_code(), wrong);
    ragstore_entity_free(NULL);
    assert_fails(wrong, ragstore_entity_describe(&buffer, (ragstore_entity *)(void *)store));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void entity_open__of_an_unknown_id_is_not_found(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = (ragstore_entity *)(uintptr_t)1;
    ragstore_entity_free(make_entity(store, "acme"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, "Acme"));
    assert_null(entity);
    assert_message_has("Acme");
    assert_ok(ragstore_store_close(store));
}

/* ---- updating ---- */

static void entity_update__changes_what_is_given_and_keeps_the_rest(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_create_options made = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_entity_update_options options = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    ragstore_entity *entity;
    made.name = "old";
    made.description = "kept";
    made.metadata_json = "{\"a\": 1, \"b\": 2}";
    assert_ok(ragstore_entity_create(&entity, store, "acme", &made));
    add_text(entity, "a.txt", "granite");
    assert_ok(ragstore_entity_update(entity, &options)); /* nothing to change */
    options.name = "new";
    assert_ok(ragstore_entity_update(entity, &options));
    options.name = NULL;
    options.metadata_json = "{\"b\": 3}";
    assert_ok(ragstore_entity_update(entity, &options));
    for (int round = 0; round < 2; round++) {
        json_t *description = describe_entity(entity);
        assert_text(description, "entity_name", "new");
        assert_text(description, "description", "kept");
        assert_member(description, "metadata", "{\"b\": 3}");
        assert_number(description, "total_documents", 1);
        json_decref(description);
        assert_int_equal(count_hits(entity, "granite"), 1);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void entity_update__refuses_bad_fields_and_changes_nothing(void **state)
{
    size_t count;
    const bad_fields *list = list_bad_fields(&count);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    json_t *before = describe_entity(entity);
    for (size_t i = 0; i < count; i++) {
        ragstore_entity_update_options options = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
        options.name = list[i].name == NULL ? "good" : list[i].name;
        options.description = list[i].description;
        options.metadata_json = list[i].metadata;
        assert_fails(list[i].code, ragstore_entity_update(entity, &options));
    }
    json_t *after = describe_entity(entity);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entity_create__takes_any_id_that_the_rule_allows),
        TEST(entity_create__refuses_ids_that_could_be_paths_or_cannot_be_read),
        TEST(entity_create__takes_ids_up_to_128_bytes),
        TEST(entity_create__keeps_what_the_options_say),
        TEST(entity_create__cuts_documents_as_long_as_the_options_say),
        TEST(entity_create__refuses_sizes_of_chunks_that_make_no_sense),
        TEST(entity_create__of_an_id_that_is_there_exists),
        TEST(entity_create__refuses_bad_fields),
        TEST(entity_calls__refuse_null),
        TEST(entity_open__of_an_unknown_id_is_not_found),
        TEST(entity_update__changes_what_is_given_and_keeps_the_rest),
        TEST(entity_update__refuses_bad_fields_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("entity", tests, NULL, NULL);
}
