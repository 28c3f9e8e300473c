/* The derived files: index.faiss and doc_to_chunks.json. */
#include "entities_fixture.h"

#define BELOW "entity_scoped/entities/" ACME "/"

static bool has_faiss(void)
{
    const char *reason;
    if (rsi_faiss_available(&reason))
        return true;
    print_message("index.faiss is not tested: %s\n", reason);
    return false;
}

static void expect_documents(void **state, const char *expected)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *text = temporary_read(temporary_join(path, state, BELOW "doc_to_chunks.json"), &size);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void entities_export__writes_both_files(void **state)
{
    open_store s;
    char expected[256];
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    rsi_added one = add_pair(&s, "one");
    rsi_added two = add_pair(&s, "two");
    assert_int_equal(rsi_export_entity(s.store, ACME), 0);
    snprintf(expected, sizeof expected, "{\n\"%s\": [0,1],\n\"%s\": [2,3]\n}\n", one.doc_id,
             two.doc_id);
    expect_documents(state, expected);
    temporary_join(path, state, BELOW "vector_store/index.faiss");
    assert_int_equal(temporary_exists(path), has_faiss());
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, one.doc_id), 0);
    assert_int_equal(rsi_export_all(s.store), 0);
    snprintf(expected, sizeof expected, "{\n\"%s\": [2,3]\n}\n", two.doc_id);
    expect_documents(state, expected);
    open_store_end(&s);
}

static void entities_export__writes_an_index_only_when_it_changed(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    if (!has_faiss()) {
        open_store_end(&s);
        skip();
    }
    add_pair(&s, "one");
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(rsi_export_index(s.store, catalog), 0);
    fault_files_reset_counts(&s.faults);
    assert_int_equal(rsi_export_index(s.store, catalog), 0);
    assert_int_equal(fault_files_count(&s.faults, FAULT_WRITE), 0);
    temporary_join(path, state, BELOW "vector_store/index.faiss");
    temporary_write(path, "broken", 6);
    assert_int_equal(rsi_export_index(s.store, catalog), 0);
    assert_true(fault_files_count(&s.faults, FAULT_WRITE) > 0);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void entities_export__of_a_keyword_only_entity_is_the_documents_alone(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "a.txt", "some words", NULL);
    assert_int_equal(rsi_export_entity(s.store, ACME), 0);
    assert_true(temporary_exists(temporary_join(path, state, BELOW "doc_to_chunks.json")));
    assert_false(temporary_exists(temporary_join(path, state, BELOW "vector_store/index.faiss")));
    rsi_catalog *catalog = acquire(&s);
    int status = rsi_export_index(s.store, catalog);
    assert_true(status == RAGSTORE_E_EMBEDDER || status == RAGSTORE_E_UNSUPPORTED);
    rsi_catalog_release(s.store, catalog);
    assert_int_equal(rsi_export_entity(s.store, "nobody"), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

/* ---- faults ---- */

static int export_once(void *user)
{
    open_store *s = user;
    return rsi_export_all(s->store);
}

static void entities_export__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    rsi_catalog_release(s.store, acquire(&s));
    assert_true(each_allocation_fails(export_once, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 5);
    assert_int_equal(export_once(&s), 0);
    open_store_end(&s);
}

static void entities_export__survives_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_added one = add_pair(&s, "one");
    char expected[128];
    assert_true(each_file_call_fails(&s, export_once, &s, EACH_MAY_SUCCEED) > 5);
    assert_int_equal(export_once(&s), 0);
    snprintf(expected, sizeof expected, "{\n\"%s\": [0,1]\n}\n", one.doc_id);
    expect_documents(state, expected);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_export__writes_both_files),
        FRESH(entities_export__writes_an_index_only_when_it_changed),
        FRESH(entities_export__of_a_keyword_only_entity_is_the_documents_alone),
        FRESH(entities_export__survives_each_failing_allocation),
        FRESH(entities_export__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
