/* Buffers: bytes from the library. */
#include "api_fixture.h"

static void buffer__of_text_is_a_c_string(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_store_describe(&buffer, store));
    const char *text = ragstore_buffer_data(buffer);
    assert_true(ragstore_buffer_size(buffer) > 2);
    assert_int_equal(strlen(text), ragstore_buffer_size(buffer));
    assert_int_equal(text[0], '{');
    ragstore_buffer_free(buffer);
    assert_ok(ragstore_store_close(store));
}

static void buffer__of_bytes_may_hold_nul_and_is_ended_by_one(void **state)
{
    static const char utf16[] = "\xFF\xFEr\0o\0c\0k\0s\0\n";
    ragstore_buffer *buffer;
    ragstore_document *document;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add(&document, entity, utf16, sizeof utf16, NULL));
    assert_ok(ragstore_document_content(&buffer, document));
    assert_int_equal(ragstore_buffer_size(buffer), sizeof utf16);
    assert_memory_equal(ragstore_buffer_data(buffer), utf16, sizeof utf16);
    assert_int_equal(ragstore_buffer_data(buffer)[sizeof utf16], '\0');
    ragstore_buffer_free(buffer);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void buffer__outlives_its_store(void **state)
{
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    assert_ok(ragstore_store_describe(&buffer, store));
    assert_ok(ragstore_store_close(store));
    json_t *description = take_json(buffer);
    assert_text(description, "state", "ok");
    json_decref(description);
}

static void buffer__of_null_is_nothing(void **state)
{
    (void)state;
    assert_null(ragstore_buffer_data(NULL));
    assert_int_equal(ragstore_buffer_size(NULL), 0);
    ragstore_buffer_free(NULL);
}

static void buffer__is_told_from_another_kind_of_handle(void **state)
{
    ragstore_store *store = open_store(state);
    const ragstore_buffer *wrong = (const ragstore_buffer *)(const void *)store;
    assert_null(ragstore_buffer_data(wrong));
    assert_int_equal(ragstore_error_code(), RAGSTORE_E_INVALID_ARGUMENT);
    assert_message_has("another kind");
    assert_int_equal(ragstore_buffer_size(wrong), 0);
    ragstore_buffer_free((ragstore_buffer *)(void *)store); /* frees nothing */
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(buffer__of_text_is_a_c_string),
        TEST(buffer__of_bytes_may_hold_nul_and_is_ended_by_one),
        TEST(buffer__outlives_its_store),
        cmocka_unit_test(buffer__of_null_is_nothing),
        TEST(buffer__is_told_from_another_kind_of_handle),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
