/* Uploads: bytes to disk, to text, to a commit; what is refused and what faults leave. */
#include "document_fixture.h"
#include "storage/base.h"

static const char text[] = "Wings lift the aircraft.\n\nJets push it.\n";
static const rsi_document_fields plain = {.filename = "wings.txt"};

static void ingest_document_upload__in_pieces_gives_the_same_bytes(void **state)
{
    open_store s;
    rsi_upload *up;
    rsi_added added;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, s.incarnation, &plain), 0);
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(rsi_upload_write(up, text + i, 1), 0);
    assert_int_equal(rsi_upload_write(up, NULL, 0), 0);
    assert_int_equal(rsi_upload_commit(&added, up), 0);
    size_t size;
    char *stored = temporary_read(temporary_join(path, state, "uploads/" ACME "/wings.txt"), &size);
    assert_int_equal(size, sizeof text - 1);
    assert_memory_equal(stored, text, size);
    free(stored);
    assert_int_equal(count_uploads(state), 1);
    open_store_again(&s);
    rsi_json *json = describe(&s, added.doc_id);
    assert_string_equal(rsi_json_get_text(json, "media_type"), "text/plain");
    assert_int_equal(rsi_json_get_integer(json, "file_size", 0), sizeof text - 1);
    assert_int_equal(strlen(rsi_json_get_text(json, "sha256")), 64);
    rsi_json_free(json);
    open_store_end(&s);
}

static void ingest_document_upload__keeps_files_of_one_name_apart(void **state)
{
    open_store s;
    rsi_added first;
    rsi_added second;
    open_store_begin(&s, state, NULL);
    assert_int_equal(upload(&first, &s, "one text", 8, &plain), 0);
    assert_int_equal(upload(&second, &s, "another text", 12, &plain), 0);
    assert_int_equal(count_uploads(state), 2);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, first.doc_id), 0);
    assert_int_equal(count_uploads(state), 1);
    rsi_bytes out = {0};
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, second.doc_id), 0);
    assert_string_equal(out.data, "another text");
    rsi_bytes_free(&out);
    open_store_end(&s);
}

/* Upload a text of its own with much metadata. */
static void upload_numbered(open_store *s, int number, const char *name)
{
    static char metadata[12000];
    char line[64];
    rsi_added added;
    const rsi_document_fields fields = {.filename = name, .metadata_json = metadata};
    const size_t size = (size_t)snprintf(line, sizeof line, "The winter of year %d.", number);
    snprintf(metadata, sizeof metadata, "{\"remark\":\"%011900d\"}", number);
    if (upload(&added, s, line, size, &fields) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

/* The rows of all documents are 2 MiB of a file that is read a window at a time. */
static void ingest_document_upload__finds_a_name_without_a_look_at_all(void **state)
{
    open_store s;
    char name[32];
    const uint64_t small_bytes = rsi_base_small_bytes;
    rsi_base_small_bytes = 0;
    open_store_begin(&s, state, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "of its own %d.txt", i);
        upload_numbered(&s, i, name);
    }
    assert_int_equal(rsi_storage_checkpoint(s.store->storage), 0);
    const uint64_t reads = s.faults.counts[FAULT_READ];
    upload_numbered(&s, 200, "another.txt");
    assert_in_range(s.faults.counts[FAULT_READ] - reads, 0, 10);
    open_store_end(&s);
    rsi_base_small_bytes = small_bytes;
}

/* What it takes to add one of very many files of one name is not much more than for the first
 * few. */
static void ingest_document_upload__finds_a_name_among_many_of_one(void **state)
{
    open_store s;
    uint64_t few = 0;
    uint64_t many = 0;
    char path[TEMPORARY_PATH_MAX];
    fault_memory_install();
    open_store_begin(&s, state, NULL);
    for (int i = 0; i < 200; i++) {
        const uint64_t calls = fault_memory_calls();
        upload_numbered(&s, i, i % 2 == 0 ? "Same.txt" : "same.TXT");
        *(i < 10 ? &few : &many) = fault_memory_calls() - calls;
    }
    assert_in_range(many, 1, few + few / 2);
    temporary_join(path, state, "uploads/" ACME "/same (200).TXT");
    assert_true(temporary_exists(path)); /* no number was left out */
    assert_int_equal(count_uploads(state), 200);
    open_store_end(&s);
    fault_memory_restore();
}

static void ingest_document_upload__keeps_its_file_through_a_batch(void **state)
{
    open_store s;
    rsi_tx *tx;
    rsi_added added;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(upload(&added, &s, text, sizeof text - 1, &plain), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_document_content(&out, s.store, ACME, s.incarnation, added.doc_id), 0);
    assert_string_equal(out.data, text);
    rsi_bytes_free(&out);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(upload(&added, &s, "other words", 11, &plain), 0);
    rsi_tx_abort(tx);
    open_store_expect_totals(&s, 1, 1);
    assert_int_equal(count_uploads(state), 1); /* nothing is left of the second */
    open_store_end(&s);
}

static void ingest_document_upload__makes_any_file_name_safe(void **state)
{
    static const char *const names[] = {"../../escape.txt", "/etc/passwd", ".incoming-x", "CON\n",
                                        "", "a\\b.txt", "\xe6\x97\xa5.txt"};
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char bytes[32];
        rsi_added added;
        const rsi_document_fields fields = {.filename = names[i]};
        int size = snprintf(bytes, sizeof bytes, "text number %d", (int)i);
        assert_int_equal(upload(&added, &s, bytes, (size_t)size, &fields), 0);
        rsi_json *json = describe(&s, added.doc_id);
        assert_string_equal(rsi_json_get_text(json, "filename"),
                            names[i]); /* as the user knows it */
        rsi_json_free(json);
    }
    assert_int_equal(count_uploads(state), sizeof names / sizeof *names);
    assert_false(temporary_exists(temporary_join(path, state, "escape.txt")));
    assert_false(temporary_exists(temporary_join(path, state, "../escape.txt")));
    open_store_end(&s);
}

static void ingest_document_upload__mends_what_was_lost_when_sent_again(void **state)
{
    open_store s;
    rsi_added first;
    rsi_added again;
    char path[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    assert_int_equal(upload(&first, &s, text, sizeof text - 1, &plain), 0);
    assert_int_equal(upload(&again, &s, text, sizeof text - 1, &plain), 0);
    assert_true(again.is_duplicate);
    assert_null(again.notice);
    assert_int_equal(remove(temporary_join(path, state, "uploads/" ACME "/wings.txt")), 0);
    assert_int_equal(upload(&again, &s, text, sizeof text - 1, &plain), 0);
    assert_true(again.is_duplicate);
    assert_non_null(again.notice);
    assert_string_equal(again.doc_id, first.doc_id);
    assert_int_equal(count_uploads(state), 1);
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void ingest_document_upload__refuses_what_has_no_text(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"", 0}, {" \n\t ", 4}, {"\x7f" "ELF\0\0\1\2\3\0\0\0", 12}, {"%PDF-1.7\n", 9}};
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(upload(&added, &s, bad[i].bytes, bad[i].size, &plain),
                         RAGSTORE_E_NOT_EXTRACTABLE);
        assert_string_equal(added.doc_id, "");
        expect_message("add \"wings.txt\": ");
    }
    assert_int_equal(count_uploads(state), 0);
    open_store_expect_totals(&s, 0, 0);
    open_store_end(&s);
}

static void ingest_document_upload__refuses_to_begin_badly(void **state)
{
    const rsi_document_fields bad = {.metadata_json = "["};
    open_store s;
    rsi_upload *up = (rsi_upload *)&s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_upload_begin(&up, s.store, "nobody", s.incarnation, &plain),
                     RAGSTORE_E_NOT_FOUND);
    assert_null(up);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, "other", &plain), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, s.incarnation, &bad),
                     RAGSTORE_E_INVALID_DATA);
    assert_null(up);
    open_store_close(&s);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_READ_ONLY), 0);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, s.incarnation, &plain),
                     RAGSTORE_E_READ_ONLY);
    assert_null(up);
    open_store_end(&s);
}

static void ingest_document_upload__stops_at_its_limit_and_after_a_failure(void **state)
{
    open_store s;
    rsi_upload *up;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, s.incarnation, &plain), 0);
    assert_int_equal(rsi_upload_write(up, text, RSI_DOCUMENT_MAX + 1), RAGSTORE_E_TOO_LARGE);
    assert_int_equal(rsi_upload_write(up, text, 1), RAGSTORE_E_WRONG_STATE);
    assert_int_equal(rsi_upload_commit(&added, up), RAGSTORE_E_WRONG_STATE);
    assert_int_equal(count_uploads(state), 0);
    assert_int_equal(rsi_upload_begin(&up, s.store, ACME, s.incarnation, &plain), 0);
    fault_files_fail(&s.faults, FAULT_WRITE, 1, ENOSPC, false);
    assert_int_equal(rsi_upload_write(up, text, 5), RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&s.faults);
    assert_int_equal(rsi_upload_write(up, text, 5), RAGSTORE_E_WRONG_STATE);
    rsi_upload_abort(up);
    rsi_upload_abort(NULL);
    assert_int_equal(count_uploads(state), 0);
    open_store_end(&s);
}

typedef struct stopping {
    unsigned calls;
    unsigned stop_at;
} stopping;

static int stop(void *user, const char *stage, uint64_t done, uint64_t total)
{
    stopping *at = user;
    assert_non_null(stage);
    assert_true(total == 0 || done <= total);
    return ++at->calls == at->stop_at;
}

static void ingest_document_upload__can_be_cancelled_at_every_stage(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    for (unsigned n = 1;; n++) {
        stopping at = {0, n};
        rsi_added added;
        const rsi_document_fields fields = {
            .filename = "wings.txt", .progress = stop, .progress_user = &at};
        int status = upload(&added, &s, text, sizeof text - 1, &fields);
        if (status == RAGSTORE_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(status, RAGSTORE_E_INTERRUPTED);
        open_store_expect_totals(&s, 0, 0);
        assert_int_equal(count_uploads(state), 0);
    }
    open_store_end(&s);
}

/* ---- faults ---- */

static int upload_and_delete(void *user)
{
    open_store *s = user;
    rsi_added added = {.doc_id = ""};
    int status = upload(&added, s, text, sizeof text - 1, &plain);
    open_store_expect_totals(s, status == RAGSTORE_OK, status == RAGSTORE_OK);
    if (status == RAGSTORE_OK) {
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, added.doc_id), 0);
        assert_int_equal(failed, fault_memory_failed());
    }
    return status;
}

static void ingest_document_upload__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_true(each_allocation_fails(upload_and_delete, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) >
                40);
    open_store_again(&s);
    open_store_expect_totals(&s, 0, 0);
    assert_int_equal(count_uploads(state), 0);
    open_store_end(&s);
}

static void ingest_document_upload__is_whole_or_absent_after_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1;; n++) {
        rsi_added added;
        uint64_t documents;
        uint64_t chunks;
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = upload(&added, &s, text, sizeof text - 1, &plain);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(rsi_entity_totals(&documents, &chunks, s.store, ACME), 0);
        assert_true(documents == 1 || (documents == 0 && status < 0));
        assert_int_equal(chunks, documents);
        if (count_uploads(state) != documents) /* nothing is left of a failed one */
            fail_msg("file call %d failed: %d files for %d documents", (int)n,
                     (int)count_uploads(state), (int)documents);
        if (upload(&added, &s, text, sizeof text - 1, &plain) != RAGSTORE_OK)
            fail_msg("after file call %d failed: %s", (int)n, rsi_error_message());
        assert_int_equal(added.is_duplicate, documents == 1);
        assert_int_equal(count_uploads(state), 1);
        open_store_close(&s);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document_upload__in_pieces_gives_the_same_bytes),
        FRESH(ingest_document_upload__keeps_files_of_one_name_apart),
        FRESH(ingest_document_upload__finds_a_name_without_a_look_at_all),
        FRESH(ingest_document_upload__finds_a_name_among_many_of_one),
        FRESH(ingest_document_upload__keeps_its_file_through_a_batch),
        FRESH(ingest_document_upload__makes_any_file_name_safe),
        FRESH(ingest_document_upload__mends_what_was_lost_when_sent_again),
        FRESH(ingest_document_upload__refuses_what_has_no_text),
        FRESH(ingest_document_upload__refuses_to_begin_badly),
        FRESH(ingest_document_upload__stops_at_its_limit_and_after_a_failure),
        FRESH(ingest_document_upload__can_be_cancelled_at_every_stage),
        FRESH(ingest_document_upload__survives_each_failing_allocation),
        FRESH(ingest_document_upload__is_whole_or_absent_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
