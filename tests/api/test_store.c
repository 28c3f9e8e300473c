/* Opening, describing and closing a store. */
#include "api_fixture.h"

#include <time.h>
#include <unistd.h>

static void options_of(ragstore_store_open_options *options, uint32_t flags)
{
    ragstore_store_open_options_init(options);
    options->flags = flags;
}

static int try_open(const char *path, uint32_t flags)
{
    ragstore_store *store = (ragstore_store *)(uintptr_t)1;
    ragstore_store_open_options options;
    options_of(&options, flags);
    options.busy_timeout_ms = RAGSTORE_NO_WAIT;
    int status = ragstore_store_open(&store, path, &options);
    if (status == RAGSTORE_OK)
        return ragstore_store_close(store);
    assert_null(store);
    return status;
}

/* ---- making ---- */

static void store_open__makes_a_missing_directory(void **state)
{
    ragstore_store *store;
    assert_ok(ragstore_store_open(&store, store_path(state), NULL));
    assert_true(temporary_exists(store_path(state)));
    json_t *description = describe_store(store);
    assert_text(description, "path", store_path(state));
    assert_text(description, "state", "ok");
    /* who answers is for each question to say: ragstore_session_ask_options */
    assert_null(json_object_get(description, "answer_mode"));
    assert_number(description, "format", 1);
    assert_number(description, "entities", 0);
    assert_number(description, "documents", 0);
    assert_number(description, "chunks", 0);
    assert_number(description, "sessions", 0);
    assert_member(description, "problems", "[]");
    assert_member(description, "read_only", "false");
    assert_null_member(description, "embedder");
    assert_int_equal(strlen(json_string_value(json_object_get(description, "store_id"))), 32);
    assert_true(json_integer_value(json_object_get(description, "journal_bytes")) > 0);
    json_decref(description);
    assert_ok(ragstore_store_close(store));
}

static void store_open__takes_an_empty_directory(void **state)
{
    assert_int_equal(mkdir(store_path(state), 0700), 0);
    assert_ok(try_open(store_path(state), RAGSTORE_OPEN_MUST_CREATE));
    assert_ok(try_open(store_path(state), RAGSTORE_OPEN_MUST_EXIST));
}

static void store_open__keeps_its_id(void **state)
{
    ragstore_store *store = open_store(state);
    json_t *before = describe_store(store);
    store = reopen_store(store, state);
    json_t *after = describe_store(store);
    assert_true(
        json_equal(json_object_get(before, "store_id"), json_object_get(after, "store_id")));
    json_decref(before);
    json_decref(after);
    assert_ok(ragstore_store_close(store));
}

static void store_open__counts_what_is_there_after_a_restart(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "The first document.");
    add_text(entity, "b.txt", "The second document.");
    assert_ok(ragstore_session_create(NULL, entity, NULL));
    ragstore_entity_free(entity);
    ragstore_entity_free(make_entity(store, "other"));
    for (int round = 0; round < 2; round++) {
        json_t *description = describe_store(store);
        assert_number(description, "entities", 2);
        assert_number(description, "documents", 2);
        assert_number(description, "chunks", 2);
        assert_number(description, "sessions", 1);
        json_decref(description);
        store = reopen_store(store, state);
    }
    assert_ok(ragstore_store_close(store));
}

/* ---- refusing ---- */

static void store_open__refuses_null(void **state)
{
    ragstore_store *store = (ragstore_store *)(uintptr_t)1;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_open(NULL, store_path(state), NULL));
    assert_false(temporary_exists(store_path(state)));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_open(&store, NULL, NULL));
    assert_null(store);
}

static void store_open__refuses_an_empty_path(void **state)
{
    (void)state;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, try_open("", 0));
}

static void store_open__needs_the_parent_directory(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    assert_fails(RAGSTORE_E_NOT_FOUND, try_open(temporary_join(path, state, "no/such"), 0));
    assert_int_equal(temporary_count(temporary_path(state)), 0);
}

static void store_open__refuses_a_file(void **state)
{
    temporary_write(store_path(state), "mine", 4);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, try_open(store_path(state), 0));
    char *content = temporary_read(store_path(state), NULL);
    assert_string_equal(content, "mine");
    free(content);
}

static void store_open__leaves_a_directory_of_other_things_alone(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(path, state, "holiday.jpg"), "jpg", 3);
    assert_fails(RAGSTORE_E_EXISTS, try_open(temporary_path(state), 0));
    assert_int_equal(temporary_count(temporary_path(state)), 1);
}

static void store_open__of_nothing_that_must_exist_is_not_found(void **state)
{
    static const uint32_t flags[] = {RAGSTORE_OPEN_MUST_EXIST, RAGSTORE_OPEN_READ_ONLY,
                                     RAGSTORE_OPEN_IMMUTABLE};
    for (size_t i = 0; i < COUNT(flags); i++) {
        assert_fails(RAGSTORE_E_NOT_FOUND, try_open(store_path(state), flags[i]));
        assert_false(temporary_exists(store_path(state)));
    }
    assert_int_equal(mkdir(store_path(state), 0700), 0);
    for (size_t i = 0; i < COUNT(flags); i++) {
        assert_fails(RAGSTORE_E_NOT_FOUND, try_open(store_path(state), flags[i]));
        assert_int_equal(temporary_count(store_path(state)), 0);
    }
}

static void store_open__of_a_store_that_must_be_new_exists(void **state)
{
    assert_ok(try_open(store_path(state), RAGSTORE_OPEN_MUST_CREATE));
    assert_fails(RAGSTORE_E_EXISTS, try_open(store_path(state), RAGSTORE_OPEN_MUST_CREATE));
    assert_ok(try_open(store_path(state), 0));
}

static void store_open__refuses_flags_that_make_no_sense(void **state)
{
    static const uint32_t flags[] = {
        0x40,
        0x80000000u,
        UINT32_MAX,
        RAGSTORE_OPEN_MUST_CREATE | RAGSTORE_OPEN_MUST_EXIST,
        RAGSTORE_OPEN_MUST_CREATE | RAGSTORE_OPEN_READ_ONLY,
        RAGSTORE_OPEN_MUST_CREATE | RAGSTORE_OPEN_IMMUTABLE,
    };
    for (size_t i = 0; i < COUNT(flags); i++)
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT, try_open(store_path(state), flags[i]));
    assert_false(temporary_exists(store_path(state)));
}

static void store_open__refuses_an_unknown_durability(void **state)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.durability = RAGSTORE_DURABILITY_NORMAL + 1;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_store_open(&store, store_path(state), &options));
    options.durability = UINT32_MAX;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_store_open(&store, store_path(state), &options));
    options.durability = RAGSTORE_DURABILITY_NORMAL;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    assert_ok(ragstore_store_close(store));
}

static void store_open__refuses_a_model_that_is_none(void **state)
{
    ragstore_store *other = open_store(state);
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    char path[TEMPORARY_PATH_MAX];
    options.model = (ragstore_model *)(void *)other;
    temporary_join(path, state, "second");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_open(&store, path, &options));
    assert_message_has("options->model");
    assert_false(temporary_exists(path));
    assert_ok(ragstore_store_close(other));
}

/* ---- logging ---- */

static void count_message(void *user, int level, const char *message)
{
    size_t *count = user;
    if (level >= RAGSTORE_LOG_ERROR && level <= RAGSTORE_LOG_DEBUG && message[0] != '\0')
        ++*count;
}

static void store_log__tells_of_a_hand_edit(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    size_t messages = 0;
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    assert_ok(ragstore_store_close(store));

    size_t size;
    char *text =
        temporary_read(temporary_join(path, state, "store/api_storage/entities.json"), &size);
    char *name = strstr(text, "\"entity_name\":\"acme\"");
    assert_non_null(name);
    memcpy(name, "\"entity_name\":\"ACME\"", 20);
    temporary_write(path, text, size);
    free(text);

    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.log = count_message;
    options.log_user = &messages;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    assert_true(messages > 0);
    ragstore_entity *entity = open_entity(store, "acme");
    json_t *description = describe_entity(entity);
    assert_text(description, "entity_name", "ACME");
    json_decref(description);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- the other calls ---- */

static void store_calls__refuse_null(void **state)
{
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_store_close(NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_describe(NULL, store));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_describe(&buffer, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_export(NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_maintain(NULL, 0));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_interrupt(NULL));
    assert_ok(ragstore_store_close(store));
}

static void store_export__brings_the_json_files_up_to_date(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity_free(make_entity(store, "acme"));
    temporary_join(path, state, "store/api_storage/entities.json");
    char *text = temporary_read(path, NULL);
    assert_null(strstr(text, "acme"));
    free(text);
    assert_ok(ragstore_store_export(store));
    json_t *file = json_load_file(path, 0, NULL);
    assert_text(json_object_get(file, "acme"), "entity_id", "acme");
    json_decref(file);
    assert_ok(ragstore_store_close(store));
}

static void store_maintain__does_waiting_work(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity_free(make_entity(store, "acme"));
    assert_ok(ragstore_store_maintain(store, 0));
    assert_ok(ragstore_store_maintain(store, 5000));
    json_t *file = json_load_file(temporary_join(path, state, "store/api_storage/entities.json"), 0,
                                  NULL);
    assert_non_null(json_object_get(file, "acme"));
    json_decref(file);
    assert_ok(ragstore_store_maintain(store, UINT32_MAX)); /* ends when nothing is left */
    assert_ok(ragstore_store_close(store));
}

/* Somebody deletes the directory of an open store: neither closing nor upkeep try for ever. */
static void store_close__ends_when_the_directory_is_gone(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    temporary_remove_all(store_path(state));
    const clock_t before = clock();
    sleep(2); /* in between the store is quiet, and upkeep begins */
    assert_true(clock() - before < CLOCKS_PER_SEC / 2); /* of the processor */
    alarm(60);
    assert_true(ragstore_store_close(store) < 0);
    alarm(0);
}

static void store_interrupt__does_not_concern_later_calls(void **state)
{
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_store_interrupt(store));
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int32_t interrupt_at_embedding(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if (strcmp(stage, "embed") == 0)
        (void)ragstore_store_interrupt(user);
    return 0;
}

static void store_interrupt__ends_a_long_add_and_nothing_is_added(void **state)
{
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.progress = interrupt_at_embedding;
    options.progress_user = store;
    assert_fails(RAGSTORE_E_INTERRUPTED,
                 ragstore_document_add(NULL, entity, "granite", 7, &options));
    assert_int_equal(count_hits(entity, "granite"), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_open__makes_a_missing_directory),
        TEST(store_open__takes_an_empty_directory),
        TEST(store_open__keeps_its_id),
        TEST(store_open__counts_what_is_there_after_a_restart),
        TEST(store_open__refuses_null),
        TEST(store_open__refuses_an_empty_path),
        TEST(store_open__needs_the_parent_directory),
        TEST(store_open__refuses_a_file),
        TEST(store_open__leaves_a_directory_of_other_things_alone),
        TEST(store_open__of_nothing_that_must_exist_is_not_found),
        TEST(store_open__of_a_store_that_must_be_new_exists),
        TEST(store_open__refuses_flags_that_make_no_sense),
        TEST(store_open__refuses_an_unknown_durability),
        TEST(store_open__refuses_a_model_that_is_none),
        TEST(store_log__tells_of_a_hand_edit),
        TEST(store_calls__refuse_null),
        TEST(store_export__brings_the_json_files_up_to_date),
        TEST(store_maintain__does_waiting_work),
        TEST(store_close__ends_when_the_directory_is_gone),
        TEST(store_interrupt__does_not_concern_later_calls),
        TEST(store_interrupt__ends_a_long_add_and_nothing_is_added),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
