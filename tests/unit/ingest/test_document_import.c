/* Importing a FAISS file, whatever fails on the way. */
#include "document_fixture.h"

#include "harness/faiss_bytes.h"

static const float two[] = {1, 0, 0, 1};
static const int64_t ids[] = {12, 5};

typedef struct stage {
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    const char *chunks_json;
} stage;

static void set_stage(stage *on, void **state)
{
    size_t size;
    const faiss_bytes of = {"IxMp", "IxFI", 0, 2, 2, two, ids};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    memset(on, 0, sizeof *on);
    open_store_begin(&on->s, state, NULL);
    snprintf(on->path, sizeof on->path, "%s.faiss", on->s.path); /* beside the store */
    temporary_write(on->path, bytes, size);
    free(bytes);
}

static void strike_stage(stage *on)
{
    open_store_end(&on->s);
    temporary_remove_all(on->path);
}

static int import_file(rsi_added *added, stage *on)
{
    static const rsi_document_fields none = {.filename = NULL};
    return rsi_document_import(added, on->s.store, ACME, on->s.incarnation, on->path,
                               on->chunks_json, &none);
}

static int import_and_delete(void *user)
{
    stage *on = user;
    rsi_added added;
    int status = import_file(&added, on);
    assert_true((status == RAGSTORE_OK) == (added.doc_id[0] != '\0'));
    open_store_expect_totals(&on->s, status == RAGSTORE_OK, status == RAGSTORE_OK ? 2 : 0);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_delete(on->s.store, ACME, on->s.incarnation, added.doc_id);
    if (status != RAGSTORE_OK) {
        fault_memory_disarm();
        assert_int_equal(rsi_document_delete(on->s.store, ACME, on->s.incarnation, added.doc_id),
                         0);
    }
    return status;
}

static void ingest_document_import__survives_each_failing_allocation(void **state)
{
    static const char *const chunks[] = {
        NULL, "[{\"text\": \"one\", \"metadata\": {\"a\": 1}}, {\"text\": \"two\"}]"};
    stage on;
    set_stage(&on, state);
    for (size_t i = 0; i < 2; i++) {
        on.chunks_json = chunks[i];
        assert_true(
            each_allocation_fails(import_and_delete, &on, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 20);
    }
    open_store_again(&on.s);
    open_store_expect_totals(&on.s, 0, 0);
    strike_stage(&on);
}

static void ingest_document_import__is_whole_or_absent_after_each_failing_file_call(void **state)
{
    stage on;
    set_stage(&on, state);
    open_store_close(&on.s);
    open_store_keep(&on.s);
    for (int64_t n = 1;; n++) {
        rsi_added added;
        uint64_t documents;
        uint64_t count;
        open_store_put_back(&on.s);
        assert_int_equal(open_store_open(&on.s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&on.s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = import_file(&added, &on);
        bool struck = fault_files_struck(&on.s.faults);
        fault_files_disarm(&on.s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(on.s.store); /* may say again what failed */
        rsi_store_free(on.s.store);
        assert_int_equal(open_store_open(&on.s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(rsi_entity_totals(&documents, &count, on.s.store, ACME), 0);
        assert_int_equal(count, documents * 2);
        assert_true(documents == 1 || (documents == 0 && status < 0));
        if (import_file(&added, &on) != RAGSTORE_OK) /* and it goes on */
            fail_msg("after file call %d failed: %s", (int)n, rsi_error_message());
        assert_int_equal(added.is_duplicate, documents == 1);
        open_store_close(&on.s);
        if (!struck)
            break;
    }
    strike_stage(&on);
}

/* Vectors that were lost are there again after the same file was imported again. */
static void ingest_document_import__again_mends_what_is_missing(void **state)
{
    rsi_added added;
    const float *row;
    rsi_catalog *catalog;
    stage on;
    set_stage(&on, state);
    assert_int_equal(import_file(&added, &on), 0);
    open_store_close(&on.s);
    char below[TEMPORARY_PATH_MAX];
    temporary_remove_all(
        temporary_join(below, state, "entity_scoped/entities/" ACME "/vector_store/rows-1.rsv"));
    assert_int_equal(open_store_open(&on.s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(import_file(&added, &on), 0);
    assert_true(added.is_duplicate);
    assert_non_null(added.notice);
    open_store_expect_totals(&on.s, 1, 2);
    assert_int_equal(rsi_catalog_acquire(&catalog, on.s.store, ACME, on.s.incarnation), 0);
    const int64_t chunk = rsi_bitset_next(&catalog->alive, 0);
    assert_int_equal(rsi_rows_get(&row, catalog->rows, chunk + 1), 0);
    assert_float_equal(row[1], 1, 1e-6f);
    rsi_catalog_release(on.s.store, catalog);
    strike_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document_import__survives_each_failing_allocation),
        FRESH(ingest_document_import__is_whole_or_absent_after_each_failing_file_call),
        FRESH(ingest_document_import__again_mends_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
