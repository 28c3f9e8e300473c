/* Documents: adding bytes, describing, reading back, listing, deleting. */
#include "api_fixture.h"

#define KIB 1024

static int add_with(ragstore_document **out, ragstore_entity *entity, const char *text,
                    const ragstore_document_add_options *options)
{
    return ragstore_document_add(out, entity, text, strlen(text), options);
}

static void expect_nothing_added(void **state, ragstore_entity *entity)
{
    char path[TEMPORARY_PATH_MAX];
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 0);
    json_decref(documents);
    temporary_join(path, state, "store/uploads/acme");
    if (temporary_exists(path))
        assert_int_equal(temporary_count(path), 0);
}

/* ---- adding ---- */

static void document_add__keeps_what_the_options_say(void **state)
{
    ragstore_document *document;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "résumé 日本.md";
    options.source = "intranet";
    options.description = "What we know.";
    options.metadata_json = "{\"year\": 2024, \"tags\": [\"a\", \"b\"]}";
    options.key = "doc/1";
    assert_ok(add_with(&document, entity, "# Rocks\n\nGranite is hard.\n", &options));
    char id[64];
    snprintf(id, sizeof id, "%s", ragstore_document_id(document));
    assert_int_equal(strlen(id), 40);
    assert_memory_equal(id, "doc_", 4);
    json_t *added = describe_document(document);
    assert_member(added, "is_duplicate", "false");
    assert_member(added, "replaced", "false");
    assert_true(json_is_string(json_object_get(added, "notice"))); /* by keyword only */
    json_decref(added);
    ragstore_document_free(document);
    for (int round = 0; round < 2; round++) {
        assert_ok(ragstore_document_open(&document, entity, id));
        json_t *description = describe_document(document);
        assert_text(description, "doc_id", id);
        assert_text(description, "entity_id", "acme");
        assert_text(description, "filename", options.filename);
        assert_text(description, "source", options.source);
        assert_text(description, "description", options.description);
        assert_text(description, "key", options.key);
        assert_text(description, "media_type", "text/markdown");
        assert_member(description, "metadata", options.metadata_json);
        assert_number(description, "file_size", 26);
        assert_number(description, "chunks_count", 1);
        assert_int_equal(strlen(json_string_value(json_object_get(description, "sha256"))), 64);
        assert_int_equal(strlen(json_string_value(json_object_get(description, "uploaded_at"))),
                         26);
        assert_null(json_object_get(description, "is_duplicate"));
        json_decref(description);
        ragstore_document_free(document);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_add__needs_no_options_and_no_handle(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(ragstore_document_add(NULL, entity, "granite", 7, NULL));
    json_t *documents = list_documents(entity, NULL);
    const json_t *document = json_array_get(documents, 0);
    assert_member(document, "metadata", "{}");
    assert_null_member(document, "key");
    assert_int_equal(count_hits(entity, "granite"), 1);
    json_decref(documents);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_add__refuses_what_has_no_text(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *filename;
    } cases[] = {
        {NULL, 0, "empty.txt"},
        {"", 0, "empty.txt"},
        {" \n\t \n", 5, "blank.txt"},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, "picture.png"},
        {"\x7f" "ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16, "program"},
        {"PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0", 16, "archive.zip"},
    };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_document *document = (ragstore_document *)(uintptr_t)1;
        ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        options.filename = cases[i].filename;
        assert_fails(
            RAGSTORE_E_NOT_EXTRACTABLE,
            ragstore_document_add(&document, entity, cases[i].bytes, cases[i].size, &options));
        assert_null(document);
        assert_message_has(cases[i].filename);
    }
    expect_nothing_added(state, entity);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_add__refuses_bad_fields(void **state)
{
    char *long_name = long_text(KIB + 1);
    char *long_source = long_text(4 * KIB + 1);
    char *long_description = long_text(16 * KIB + 1);
    char *long_metadata = long_text(16 * KIB + 1);
    memset(long_metadata, ' ', 16 * KIB + 1);
    memcpy(long_metadata, "{}", 2);
    const struct {
        ragstore_document_add_options options;
        int code;
    } cases[] = {
        {{.filename = long_name}, RAGSTORE_E_TOO_LARGE},
        {{.media_type = long_name}, RAGSTORE_E_TOO_LARGE},
        {{.source = long_source}, RAGSTORE_E_TOO_LARGE},
        {{.description = long_description}, RAGSTORE_E_TOO_LARGE},
        {{.key = long_name}, RAGSTORE_E_TOO_LARGE},
        {{.metadata_json = long_metadata}, RAGSTORE_E_TOO_LARGE},
        {{.filename = "caf\xe9.txt"}, RAGSTORE_E_INVALID_DATA},
        {{.source = "\xff"}, RAGSTORE_E_INVALID_DATA},
        {{.description = "\xff"}, RAGSTORE_E_INVALID_DATA},
        {{.key = "\xff"}, RAGSTORE_E_INVALID_DATA},
        {{.media_type = "\xff"}, RAGSTORE_E_INVALID_DATA},
        {{.metadata_json = ""}, RAGSTORE_E_INVALID_DATA},
        {{.metadata_json = "[1]"}, RAGSTORE_E_INVALID_DATA},
        {{.metadata_json = "{\"a\":"}, RAGSTORE_E_INVALID_DATA},
    };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_document_add_options options = cases[i].options;
        options.struct_size = sizeof options;
        assert_fails(cases[i].code, add_with(NULL, entity, "granite", &options));
        assert_fails(cases[i].code, ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"a\"}]",
                                                                 NULL, 0, &options));
    }
    expect_nothing_added(state, entity);
    free(long_name);
    free(long_source);
    free(long_description);
    free(long_metadata);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_add__keeps_file_names_out_of_the_file_system(void **state)
{
    static const char *const names[] = {
        "../../escaped.txt", "/etc/passwd.txt", "a/b/c.txt",  "..",   ".",
        "",                  "C:\\x\\y.txt",    ".hidden",    "日本.txt", "a\nb.txt",
        "same.txt",          "same.txt",        "-rf * ;.txt", "nul\x01.txt",
    };
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[32];
        snprintf(text, sizeof text, "granite number %zu", i);
        ragstore_document *document = add_document(entity, names[i], text);
        json_t *description = describe_document(document);
        assert_text(description, "filename", names[i]);
        const char *file = json_string_value(json_object_get(description, "file_path"));
        assert_non_null(file);
        assert_memory_equal(file, "uploads/acme/", 13);
        assert_null(strchr(file + 13, '/'));
        char below[TEMPORARY_PATH_MAX];
        snprintf(below, sizeof below, "store/%s", file);
        char *content = temporary_read(temporary_join(path, state, below), NULL);
        assert_string_equal(content, text);
        free(content);
        json_decref(description);
        ragstore_document_free(document);
    }
    assert_int_equal(temporary_count(temporary_join(path, state, "store/uploads/acme")),
                     COUNT(names));
    assert_int_equal(temporary_count(temporary_path(state)), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- progress ---- */

typedef struct progress {
    const char *cancel_at; /* NULL: never */
    size_t calls;
    bool is_odd; /* a stage without a name, or more done than there is */
} progress;

static int32_t on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    progress *seen = user;
    seen->calls++;
    seen->is_odd = seen->is_odd || stage == NULL || stage[0] == '\0' || (total > 0 && done > total);
    return seen->cancel_at != NULL && strcmp(stage, seen->cancel_at) == 0;
}

static void document_add__tells_its_progress_and_can_be_cancelled(void **state)
{
    static const char *const stages[] = {"extract", "chunk", "commit", NULL};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(stages); i++) {
        progress seen = {.cancel_at = stages[i]};
        ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        options.progress = on_progress;
        options.progress_user = &seen;
        if (stages[i] != NULL) {
            assert_fails(RAGSTORE_E_INTERRUPTED, add_with(NULL, entity, "granite", &options));
            expect_nothing_added(state, entity);
            assert_int_equal(count_hits(entity, "granite"), 0);
        } else {
            assert_ok(add_with(NULL, entity, "granite", &options));
        }
        assert_true(seen.calls > 0);
        assert_false(seen.is_odd);
    }
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- reading ---- */

static void document_content__is_what_was_sent_and_text_is_what_was_found(void **state)
{
    static const char html[] = "<html><title>Rocks</title><body><p>Granite &amp; marble</p></body>";
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document = add_document(entity, "a.html", html);
    assert_ok(ragstore_document_content(&buffer, document));
    assert_int_equal(ragstore_buffer_size(buffer), sizeof html - 1);
    assert_string_equal(ragstore_buffer_data(buffer), html);
    ragstore_buffer_free(buffer);
    assert_ok(ragstore_document_text(&buffer, document));
    assert_non_null(strstr(ragstore_buffer_data(buffer), "Granite & marble"));
    assert_null(strchr(ragstore_buffer_data(buffer), '<'));

    /* what the offsets of a hit count in */
    ragstore_result *result = search(entity, "granite");
    int64_t start = ragstore_result_start(result, 0);
    int64_t end = ragstore_result_end(result, 0);
    assert_in_range(start, 0, ragstore_buffer_size(buffer));
    assert_in_range(end, start, ragstore_buffer_size(buffer));
    const char *content = ragstore_result_content(result, 0);
    assert_int_equal(strlen(content), end - start);
    assert_memory_equal(content, ragstore_buffer_data(buffer) + start, (size_t)(end - start));
    ragstore_result_free(result);
    ragstore_buffer_free(buffer);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_calls__refuse_null(void **state)
{
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_document *found = (ragstore_document *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document *document = add_document(entity, "a.txt", "granite");
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(wrong, ragstore_document_add(&found, NULL, "text", 4, NULL));
    assert_null(found);
    assert_fails(wrong, ragstore_document_add(NULL, entity, NULL, 4, NULL));
    assert_fails(wrong, ragstore_document_open(NULL, entity, "doc_x"));
    assert_fails(wrong, ragstore_document_open(&found, NULL, "doc_x"));
    assert_fails(wrong, ragstore_document_open(&found, entity, NULL));
    assert_fails(wrong, ragstore_document_describe(NULL, document));
    assert_fails(wrong, ragstore_document_describe(&buffer, NULL));
    assert_null(buffer);
    assert_fails(wrong, ragstore_document_content(NULL, document));
    assert_fails(wrong, ragstore_document_content(&buffer, NULL));
    assert_fails(wrong, ragstore_document_text(NULL, document));
    assert_fails(wrong, ragstore_document_text(&buffer, NULL));
    assert_fails(wrong, ragstore_document_list(NULL, entity, NULL));
    assert_fails(wrong, ragstore_document_list(&buffer, NULL, NULL));
    assert_fails(wrong, ragstore_document_delete(NULL, "doc_x"));
    assert_fails(wrong, ragstore_document_delete(entity, NULL));
    assert_fails(wrong, ragstore_document_describe(&buffer, (ragstore_document *)(void *)entity));
    assert_null(ragstore_document_id(NULL));
    ragstore_document_free(NULL);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_open__of_what_is_not_there_is_not_found(void **state)
{
    static const char *const ids[] = {"", "doc_", "doc_00000000-0000-4000-8000-000000000000",
                                      "../../a.txt", "\xff\xff", "日本"};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite");
    char *endless = long_text(1 << 20);
    for (size_t i = 0; i <= COUNT(ids); i++) {
        ragstore_document *document = (ragstore_document *)(uintptr_t)1;
        const char *id = i < COUNT(ids) ? ids[i] : endless;
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_open(&document, entity, id));
        assert_null(document);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_document_delete(entity, id));
    }
    free(endless);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(document_add__keeps_what_the_options_say),
        TEST(document_add__needs_no_options_and_no_handle),
        TEST(document_add__refuses_what_has_no_text),
        TEST(document_add__refuses_bad_fields),
        TEST(document_add__keeps_file_names_out_of_the_file_system),
        TEST(document_add__tells_its_progress_and_can_be_cancelled),
        TEST(document_content__is_what_was_sent_and_text_is_what_was_found),
        TEST(document_calls__refuse_null),
        TEST(document_open__of_what_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
