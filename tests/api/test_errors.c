/* Version, statuses, the thread's error, constants. */
#include "api_fixture.h"

#include <pthread.h>

static const struct {
    int status;
    const char *name;
} statuses[] = {
    {RAGSTORE_OK, "OK"},
    {RAGSTORE_E_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    {RAGSTORE_E_WRONG_STATE, "WRONG_STATE"},
    {RAGSTORE_E_CLOSED, "CLOSED"},
    {RAGSTORE_E_UNSUPPORTED, "UNSUPPORTED"},
    {RAGSTORE_E_VERSION, "VERSION"},
    {RAGSTORE_E_NOT_FOUND, "NOT_FOUND"},
    {RAGSTORE_E_EXISTS, "EXISTS"},
    {RAGSTORE_E_CONFLICT, "CONFLICT"},
    {RAGSTORE_E_DAMAGED, "DAMAGED"},
    {RAGSTORE_E_INVALID_DATA, "INVALID_DATA"},
    {RAGSTORE_E_NOT_EXTRACTABLE, "NOT_EXTRACTABLE"},
    {RAGSTORE_E_EMBEDDER, "EMBEDDER"},
    {RAGSTORE_E_QUERY, "QUERY"},
    {RAGSTORE_E_MODEL, "MODEL"},
    {RAGSTORE_E_NO_MEMORY, "NO_MEMORY"},
    {RAGSTORE_E_TOO_LARGE, "TOO_LARGE"},
    {RAGSTORE_E_BUSY, "BUSY"},
    {RAGSTORE_E_DISK_FULL, "DISK_FULL"},
    {RAGSTORE_E_INTERRUPTED, "INTERRUPTED"},
    {RAGSTORE_E_IO, "IO"},
    {RAGSTORE_E_PERMISSION, "PERMISSION"},
    {RAGSTORE_E_READ_ONLY, "READ_ONLY"},
    {RAGSTORE_E_FAILED, "FAILED"},
    {RAGSTORE_E_INTERNAL, "INTERNAL"},
};

static void version__agrees_with_the_header(void **state)
{
    (void)state;
    char text[32];
    int32_t number = ragstore_version_number();
    assert_int_equal(number, RAGSTORE_VERSION_MAJOR * 1000000 + RAGSTORE_VERSION_MINOR * 1000 +
                                 RAGSTORE_VERSION_PATCH);
    snprintf(text, sizeof text, "%d.%d.%d", number / 1000000, number / 1000 % 1000, number % 1000);
    assert_string_equal(ragstore_version_text(), text);
    assert_string_equal(RAGSTORE_VERSION_STRING, text);
}

static void status__has_a_name_and_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        assert_string_equal(ragstore_status_name(statuses[i].status), statuses[i].name);
        assert_true(strlen(ragstore_status_text(statuses[i].status)) > 3);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(statuses[i].status, statuses[j].status);
            assert_string_not_equal(ragstore_status_text(statuses[i].status),
                                    ragstore_status_text(statuses[j].status));
        }
    }
}

static void status__of_no_meaning_is_unknown(void **state)
{
    (void)state;
    const int strangers[] = {1, -4711, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(strangers); i++) {
        assert_string_equal(ragstore_status_name(strangers[i]), "UNKNOWN");
        assert_true(ragstore_status_text(strangers[i])[0] != '\0');
    }
}

static void status__of_every_code_is_also_a_constant(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNT(statuses); i++) {
        char name[64];
        int64_t value = 7;
        snprintf(name, sizeof name, "RAGSTORE_E_%s", statuses[i].name);
        assert_ok(ragstore_constant_get(&value, name));
        assert_int_equal(value, statuses[i].status);
    }
}

static void constant__of_the_header_is_found_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t value;
    } constants[] = {
        {"RAGSTORE_OK", 0},
        {"RAGSTORE_VERSION_MAJOR", RAGSTORE_VERSION_MAJOR},
        {"RAGSTORE_VERSION_MINOR", RAGSTORE_VERSION_MINOR},
        {"RAGSTORE_VERSION_PATCH", RAGSTORE_VERSION_PATCH},
        {"RAGSTORE_OPEN_MUST_EXIST", RAGSTORE_OPEN_MUST_EXIST},
        {"RAGSTORE_OPEN_MUST_CREATE", RAGSTORE_OPEN_MUST_CREATE},
        {"RAGSTORE_OPEN_READ_ONLY", RAGSTORE_OPEN_READ_ONLY},
        {"RAGSTORE_OPEN_IMMUTABLE", RAGSTORE_OPEN_IMMUTABLE},
        {"RAGSTORE_OPEN_NO_BACKGROUND", RAGSTORE_OPEN_NO_BACKGROUND},
        {"RAGSTORE_OPEN_NO_REEMBED", RAGSTORE_OPEN_NO_REEMBED},
        {"RAGSTORE_BACKUP_UNCHECKED", RAGSTORE_BACKUP_UNCHECKED},
        {"RAGSTORE_DURABILITY_FULL", RAGSTORE_DURABILITY_FULL},
        {"RAGSTORE_DURABILITY_NORMAL", RAGSTORE_DURABILITY_NORMAL},
        {"RAGSTORE_NO_WAIT", 0xffffffff},
        {"RAGSTORE_LOG_ERROR", RAGSTORE_LOG_ERROR},
        {"RAGSTORE_LOG_WARNING", RAGSTORE_LOG_WARNING},
        {"RAGSTORE_LOG_INFO", RAGSTORE_LOG_INFO},
        {"RAGSTORE_LOG_DEBUG", RAGSTORE_LOG_DEBUG},
        {"RAGSTORE_MODE_HYBRID", RAGSTORE_MODE_HYBRID},
        {"RAGSTORE_MODE_VECTOR", RAGSTORE_MODE_VECTOR},
        {"RAGSTORE_MODE_KEYWORD", RAGSTORE_MODE_KEYWORD},
    };
    for (size_t i = 0; i < COUNT(constants); i++) {
        int64_t value = -99;
        assert_ok(ragstore_constant_get(&value, constants[i].name));
        assert_int_equal(value, constants[i].value);
    }
}

static void constant__that_is_not_there_is_not_found(void **state)
{
    (void)state;
    const char *const names[] = {"", "RAGSTORE_E_NOTHING", "ragstore_ok", "RAGSTORE_OK ", "\xff"};
    for (size_t i = 0; i < COUNT(names); i++) {
        int64_t value = 7;
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_constant_get(&value, names[i]));
        assert_int_equal(value, 0);
    }
    char *endless = long_text(1 << 20);
    int64_t value = 7;
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_constant_get(&value, endless));
    free(endless);
}

static void constant__refuses_null(void **state)
{
    (void)state;
    int64_t value = 7;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_constant_get(NULL, "RAGSTORE_OK"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_constant_get(&value, NULL));
    assert_int_equal(value, 0);
}

/* ---- the thread's error ---- */

static void *look_at_a_fresh_thread(void *user)
{
    bool *is_clean = user;
    *is_clean = ragstore_error_code() == 0 && ragstore_error_errno() == 0 &&
                strcmp(ragstore_error_room(), "") == 0 && strcmp(ragstore_error_message(), "") == 0;
    return NULL;
}

static void error__of_another_thread_is_not_seen(void **state)
{
    (void)state;
    bool is_clean = false;
    pthread_t thread;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_open(NULL, "x", NULL));
    assert_int_equal(pthread_create(&thread, NULL, look_at_a_fresh_thread, &is_clean), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_clean);
    assert_int_equal(ragstore_error_code(), RAGSTORE_E_INVALID_ARGUMENT);
}

static void error__stays_after_a_success(void **state)
{
    (void)state;
    int64_t value;
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_constant_get(&value, "nothing"));
    assert_ok(ragstore_constant_get(&value, "RAGSTORE_OK"));
    assert_int_equal(ragstore_error_code(), RAGSTORE_E_NOT_FOUND);
    assert_message_has("nothing");
}

static void error__names_function_and_argument(void **state)
{
    (void)state;
    ragstore_store *store;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_open(&store, NULL, NULL));
    assert_message_has("ragstore_store_open");
    assert_message_has("path");
    assert_string_equal(ragstore_error_room(), "api");
    assert_int_equal(ragstore_error_errno(), 0);
}

static void error__of_the_system_has_its_errno(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store;
    temporary_join(path, state, "missing/store");
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_store_open(&store, path, NULL));
    assert_int_equal(ragstore_error_errno(), 2); /* ENOENT */
    assert_string_equal(ragstore_error_room(), "files");
    assert_message_has(path);
}

static void error__message_keeps_to_its_limit(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity;
    char *endless = long_text(1 << 20);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, endless));
    assert_in_range(strlen(ragstore_error_message()), 20, 1023);
    free(endless);
    assert_ok(ragstore_store_close(store));
}

/* Is a text UTF-8, in the shortest form? Jansson is the judge. */
static bool is_utf8(const char *text)
{
    json_t *value = json_string(text);
    bool valid = value != NULL;
    json_decref(value);
    return valid;
}

static void error__message_is_utf8_whatever_was_given(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity;
    ragstore_session *session;
    char cut[1200];
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, "\xff\xfe caf\xe9"));
    assert_true(is_utf8(ragstore_error_message()));
    for (size_t shift = 0; shift < 3; shift++) { /* three bytes each: any limit cuts one of them */
        memset(cut, 'x', shift);
        for (size_t at = shift; at + 3 < sizeof cut; at += 3)
            memcpy(cut + at, "日", 4);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_entity_open(&entity, store, cut));
        assert_true(is_utf8(ragstore_error_message()));
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&session, store, cut));
        assert_true(is_utf8(ragstore_error_message()));
    }
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version__agrees_with_the_header),
        cmocka_unit_test(status__has_a_name_and_a_text_of_its_own),
        cmocka_unit_test(status__of_no_meaning_is_unknown),
        cmocka_unit_test(status__of_every_code_is_also_a_constant),
        cmocka_unit_test(constant__of_the_header_is_found_by_name),
        cmocka_unit_test(constant__that_is_not_there_is_not_found),
        cmocka_unit_test(constant__refuses_null),
        cmocka_unit_test(error__of_another_thread_is_not_seen),
        cmocka_unit_test(error__stays_after_a_success),
        cmocka_unit_test(error__names_function_and_argument),
        TEST(error__of_the_system_has_its_errno),
        TEST(error__message_keeps_to_its_limit),
        TEST(error__message_is_utf8_whatever_was_given),
    };
    return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
