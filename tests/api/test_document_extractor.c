/* Documents that are not text: the application's extractor. */
#include "api_fixture.h"

static const char pdf[] = "%PDF-1.4\nnot really one\n";

/* What an extractor of these tests does. */
typedef struct script {
    int32_t returns;
    const char *refusal; /* NULL: gives the text below */
    const char *bad;     /* a block that the library does not take, or NULL */
    int calls;
    char filename[64];
} script;

static int32_t play(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                    const char *filename)
{
    script *s = user;
    s->calls++;
    snprintf(s->filename, sizeof s->filename, "%s", filename == NULL ? "" : filename);
    if (size != sizeof pdf - 1 || memcmp(bytes, pdf, size) != 0)
        return RAGSTORE_E_UNSUPPORTED;
    if (s->refusal != NULL)
        return ragstore_extraction_refuse(out, s->returns, s->refusal);
    if (s->bad != NULL)
        (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, 1, s->bad, strlen(s->bad));
    if (s->returns != RAGSTORE_OK)
        return s->returns;
    (void)ragstore_extraction_set_media_type(out, "application/pdf");
    (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_HEADING, 1, 1, "  Rocks  ", 9);
    (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, 1, "Granite is hard.", 16);
    (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_LIST_ITEM, 0, 2, "basalt", 6);
    (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_LIST_ITEM, 0, 2, "gneiss", 6);
    for (int i = 0; i < 200; i++) {
        char text[200];
        int length =
            snprintf(text, sizeof text,
                     "Layer %d of the quarry is made of slate.  It was measured twice.", i);
        (void)ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, (uint32_t)(3 + i / 10),
                                      text, (size_t)length);
    }
    return ragstore_extraction_progress(out, 1, 1);
}

static ragstore_store *open_with(void **state, script *s)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.extract = s == NULL ? NULL : play;
    options.extract_user = s;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    return store;
}

static int add(ragstore_document **out, ragstore_entity *entity)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = "rocks.pdf";
    return ragstore_document_add(out, entity, pdf, sizeof pdf - 1, &options);
}

static char *text_of(ragstore_entity *entity, const char *id)
{
    ragstore_document *document;
    ragstore_buffer *text;
    assert_ok(ragstore_document_open(&document, entity, id));
    assert_ok(ragstore_document_text(&text, document));
    char *copy = strdup(ragstore_buffer_data(text));
    ragstore_buffer_free(text);
    ragstore_document_free(document);
    return copy;
}

static void document_extractor__gives_text_pages_and_offsets(void **state)
{
    script s = {0};
    ragstore_document *document;
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(add(&document, entity));
    char id[64];
    snprintf(id, sizeof id, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    assert_int_equal(s.calls, 1);
    assert_string_equal(s.filename, "rocks.pdf");
    char *text = text_of(entity, id);
    static const char begin[] =
        "Rocks\n\nGranite is hard.\n\nbasalt\ngneiss\n\nLayer 0 of the quarry";
    assert_memory_equal(text, begin, sizeof begin - 1);

    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    options.k = 50;
    assert_ok(ragstore_entity_search(&result, entity, "slate layer quarry", &options));
    assert_true(ragstore_result_count(result) > 3);
    for (size_t i = 0; i < ragstore_result_count(result); i++) {
        const char *content = ragstore_result_content(result, i);
        int64_t start = ragstore_result_start(result, i);
        assert_memory_equal(text + start, content, strlen(content));
        assert_true(ragstore_result_page(result, i) >= 1);
    }
    ragstore_result_free(result);
    free(text);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_extractor__is_not_needed_to_read_the_text_later(void **state)
{
    script s = {0};
    ragstore_document *document;
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_ok(add(&document, entity));
    char id[64];
    snprintf(id, sizeof id, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    char *before = text_of(entity, id);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));

    store = open_with(state, NULL);
    entity = open_entity(store, "acme");
    char *after = text_of(entity, id);
    assert_string_equal(before, after);
    static const char end[] = "Layer 199 of the quarry is made of slate.  It was measured twice.";
    assert_string_equal(after + strlen(after) - (sizeof end - 1), end);
    free(before);
    free(after);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_extractor__says_why_there_is_no_text(void **state)
{
    script s = {.returns = RAGSTORE_E_NOT_EXTRACTABLE,
                .refusal = "it is encrypted: save it\nwithout a password"};
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE, add(NULL, entity));
    assert_message_has("it is encrypted: save it without a password");
    s.returns = RAGSTORE_E_TOO_LARGE;
    assert_fails(RAGSTORE_E_TOO_LARGE, add(NULL, entity));
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 0);
    json_decref(documents);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_extractor__that_does_not_know_the_format_leaves_the_refusal(void **state)
{
    script s = {.returns = RAGSTORE_E_UNSUPPORTED};
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE, add(NULL, entity));
    assert_message_has("this is a PDF");
    assert_fails(RAGSTORE_E_NOT_EXTRACTABLE,
                 ragstore_document_add(NULL, entity, "\x89PNG\r\n\x1A\n", 8, NULL));
    assert_message_has("a PNG image");
    assert_int_equal(s.calls, 2);
    assert_ok(ragstore_document_add(NULL, entity, "granite", 7, NULL)); /* text: not asked */
    assert_int_equal(s.calls, 2);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void document_extractor__that_breaks_the_rules_adds_nothing(void **state)
{
    script s = {.bad = "\xC3("};
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_fails(RAGSTORE_E_INVALID_DATA, add(NULL, entity));
    assert_message_has("not UTF-8");
    s = (script){.returns = 7};
    assert_fails(RAGSTORE_E_INTERNAL, add(NULL, entity));
    s = (script){.returns = -9999};
    assert_fails(RAGSTORE_E_INTERNAL, add(NULL, entity));
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 0);
    json_decref(documents);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int32_t say_no(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)user;
    (void)total;
    return strcmp(stage, "extract") == 0 && done == 1;
}

static void document_extractor__is_told_to_stop(void **state)
{
    script s = {0};
    ragstore_store *store = open_with(state, &s);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.progress = say_no;
    assert_fails(RAGSTORE_E_INTERRUPTED,
                 ragstore_document_add(NULL, entity, pdf, sizeof pdf - 1, &options));
    assert_int_equal(s.calls, 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void extraction__refuses_bad_arguments(void **state)
{
    (void)state;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_extraction_add(NULL, 1, 0, 0, "a", 1));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_extraction_set_media_type(NULL, "a"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_extraction_progress(NULL, 0, 0));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_extraction_refuse(NULL, RAGSTORE_E_NOT_EXTRACTABLE, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(document_extractor__gives_text_pages_and_offsets),
        TEST(document_extractor__is_not_needed_to_read_the_text_later),
        TEST(document_extractor__says_why_there_is_no_text),
        TEST(document_extractor__that_does_not_know_the_format_leaves_the_refusal),
        TEST(document_extractor__that_breaks_the_rules_adds_nothing),
        TEST(document_extractor__is_told_to_stop),
        TEST(extraction__refuses_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
