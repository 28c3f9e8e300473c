/* Documents for callers: as JSON, as the bytes that were sent, as text. */
#include "document_fixture.h"

static const char page[] = "<html><body><h1>Wings</h1><p>They lift &amp; stall.</p></body></html>";
static const rsi_document_fields html = {.filename = "page.html",
                                         .media_type = "text/html",
                                         .source = "intranet",
                                         .description = "about wings",
                                         .metadata_json = "{\"year\":1960}",
                                         .key = "k1"};

static rsi_added add_page(open_store *s)
{
    rsi_added added;
    if (upload(&added, s, page, sizeof page - 1, &html) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return added;
}

static void ingest_document_read__describes_what_was_given(void **state)
{
    open_store s;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    rsi_added added = add_page(&s);
    rsi_json *json = describe(&s, added.doc_id);
    assert_string_equal(rsi_json_get_text(json, "doc_id"), added.doc_id);
    assert_string_equal(rsi_json_get_text(json, "entity_id"), ACME);
    assert_string_equal(rsi_json_get_text(json, "filename"), "page.html");
    assert_string_equal(rsi_json_get_text(json, "file_path"), "uploads/" ACME "/page.html");
    assert_string_equal(rsi_json_get_text(json, "media_type"), "text/html");
    assert_string_equal(rsi_json_get_text(json, "source"), "intranet");
    assert_string_equal(rsi_json_get_text(json, "description"), "about wings");
    assert_string_equal(rsi_json_get_text(json, "key"), "k1");
    assert_int_equal(rsi_json_get_integer(rsi_json_get(json, "metadata"), "year", 0), 1960);
    assert_int_equal(strlen(rsi_json_get_text(json, "uploaded_at")), 26);
    assert_null(rsi_json_get(json, "is_duplicate"));
    rsi_json_free(json);
    assert_int_equal(
        rsi_document_describe(&out, s.store, ACME, s.incarnation, added.doc_id, &added), 0);
    assert_non_null(strstr(out.data, "\"is_duplicate\":false,\"replaced\":false,\"notice\":"));
    rsi_bytes_free(&out);
    open_store_end(&s);
}

static void ingest_document_read__gives_bytes_and_text(void **state)
{
    open_store s;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    rsi_added added = add_page(&s);
    open_store_again(&s);
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, added.doc_id), 0);
    assert_int_equal(out.size, sizeof page - 1);
    assert_memory_equal(out.data, page, out.size);
    rsi_bytes_free(&out);
    assert_int_equal(rsi_document_text(&out, s.store, ACME, s.incarnation, added.doc_id), 0);
    assert_non_null(strstr(out.data, "They lift & stall."));
    assert_null(strstr(out.data, "<p>"));
    rsi_bytes_free(&out);
    open_store_end(&s);
}

static void ingest_document_read__says_what_is_wrong_with_a_file(void **state)
{
    open_store s;
    rsi_added own;
    rsi_bytes out = {0};
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    rsi_added added = add_page(&s);
    temporary_write(temporary_join(path, state, "uploads/" ACME "/page.html"), "other", 5);
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, added.doc_id),
                     RAGSTORE_E_DAMAGED);
    expect_message("is not what was uploaded");
    assert_int_equal(rsi_document_text(&out, s.store, ACME, s.incarnation, added.doc_id),
                     RAGSTORE_E_DAMAGED);
    rsi_bytes_free(&out);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, added.doc_id),
                     RAGSTORE_E_DAMAGED);
    expect_message("upload the file again");
    assert_int_equal(add_chunks(&own, &s, "[{\"text\": \"a\"}]", NULL, 0, NULL), 0);
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, own.doc_id),
                     RAGSTORE_E_NOT_FOUND);
    expect_message("made of chunks");
    rsi_bytes_free(&out);
    open_store_end(&s);
}

static void ingest_document_read__finds_no_document_that_is_not_there(void **state)
{
    open_store s;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    rsi_added added = add_page(&s);
    const struct {
        const char *entity;
        const char *incarnation;
        const char *id;
    } bad[] = {{ACME, s.incarnation, "doc_x"},
               {ACME, s.incarnation, ""},
               {ACME, "other", added.doc_id},
               {"nobody", s.incarnation, added.doc_id}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rsi_document_describe(&out, s.store, bad[i].entity, bad[i].incarnation,
                                               bad[i].id, NULL),
                         RAGSTORE_E_NOT_FOUND);
        assert_int_equal(
            rsi_document_content(&out, s.store, bad[i].entity, bad[i].incarnation, bad[i].id),
            RAGSTORE_E_NOT_FOUND);
        assert_int_equal(
            rsi_document_text(&out, s.store, bad[i].entity, bad[i].incarnation, bad[i].id),
            RAGSTORE_E_NOT_FOUND);
    }
    assert_int_equal(rsi_document_list(&out, s.store, "nobody", s.incarnation, 1, 0, NULL),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(out.size, 0);
    open_store_end(&s);
}

static void expect_listed(open_store *s, uint64_t limit, uint64_t offset, const char *match,
                          size_t count, const char *first)
{
    rsi_bytes out = {0};
    rsi_json *list;
    assert_int_equal(rsi_document_list(&out, s->store, ACME, s->incarnation, limit, offset, match),
                     0);
    assert_int_equal(rsi_json_parse(&list, out.data, out.size, 16), 0);
    assert_int_equal(rsi_json_count(list), count);
    if (count > 0)
        assert_string_equal(rsi_json_get_text(rsi_json_at(list, 0), "filename"), first);
    rsi_json_free(list);
    rsi_bytes_free(&out);
}

static void ingest_document_read__lists_pages_and_matches(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    expect_listed(&s, UINT64_MAX, 0, NULL, 0, NULL);
    open_store_add_text(&s, "wings.txt", "one", NULL);
    rsi_added jets = open_store_add_text(&s, "jets.txt", "two", NULL);
    open_store_add_text(&s, "Wing loads.md", "three", NULL);
    expect_listed(&s, UINT64_MAX, 0, NULL, 3, "wings.txt");
    expect_listed(&s, 1, 1, NULL, 1, "jets.txt");
    expect_listed(&s, 0, 0, NULL, 0, NULL);
    expect_listed(&s, UINT64_MAX, UINT64_MAX, NULL, 0, NULL);
    expect_listed(&s, UINT64_MAX, 0, "WING", 2, "wings.txt");
    expect_listed(&s, UINT64_MAX, 1, "wing", 1, "Wing loads.md");
    expect_listed(&s, UINT64_MAX, 0, jets.doc_id, 1, "jets.txt");
    open_store_end(&s);
}

/* ---- faults ---- */

typedef struct job {
    open_store *s;
    const char *doc_id;
} job;

static int read_all(void *user)
{
    const job *j = user;
    rsi_store *store = j->s->store;
    rsi_bytes out = {0};
    int status = rsi_document_describe(&out, store, ACME, j->s->incarnation, j->doc_id, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_document_list(&out, store, ACME, j->s->incarnation, 10, 0, "page");
    if (status == RAGSTORE_OK)
        status = rsi_document_content(&out, store, ACME, j->s->incarnation, j->doc_id);
    rsi_bytes_free(&out);
    if (status == RAGSTORE_OK)
        status = rsi_document_text(&out, store, ACME, j->s->incarnation, j->doc_id);
    rsi_bytes_free(&out);
    return status;
}

static void ingest_document_read__survives_each_failing_allocation_and_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_added added = add_page(&s);
    job j = {&s, added.doc_id};
    assert_true(each_allocation_fails(read_all, &j, 0) > 10);
    assert_true(each_file_call_fails(&s, read_all, &j, EACH_MAY_SUCCEED) > 4);
    assert_int_equal(read_all(&j), 0);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document_read__describes_what_was_given),
        FRESH(ingest_document_read__gives_bytes_and_text),
        FRESH(ingest_document_read__says_what_is_wrong_with_a_file),
        FRESH(ingest_document_read__finds_no_document_that_is_not_there),
        FRESH(ingest_document_read__lists_pages_and_matches),
        FRESH(ingest_document_read__survives_each_failing_allocation_and_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
