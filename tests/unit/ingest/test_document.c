/* Callers' own chunks, duplicates, keys, deleting. */
#include "document_fixture.h"

static const float two[] = {3, 4, 0, -2};

static void ingest_document__keeps_chunks_and_vectors(void **state)
{
    const rsi_document_fields fields = {
        .filename = "own.json", .source = "elsewhere", .metadata_json = "{\"a\":1}", .key = "k"};
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s,
                                "[{\"text\": \"one\", \"page\": 3, \"start\": 1, \"end\": 4},"
                                " {\"text\": \"two\", \"metadata\": {\"b\": 2}}]",
                                two, 2, &fields),
                     0);
    assert_false(added.is_duplicate);
    assert_false(added.replaced);
    assert_null(added.notice);
    assert_int_equal(strlen(added.doc_id), 40);
    open_store_again(&s);
    rsi_json *json = describe(&s, added.doc_id);
    assert_string_equal(rsi_json_get_text(json, "filename"), "own.json");
    assert_string_equal(rsi_json_get_text(json, "source"), "elsewhere");
    assert_string_equal(rsi_json_get_text(json, "key"), "k");
    assert_int_equal(rsi_json_get_integer(json, "chunks_count", 0), 2);
    rsi_json_free(json);
    rsi_catalog *catalog;
    const float *row;
    assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
    assert_int_equal(rsi_rows_get(&row, catalog->rows, 0), 0);
    assert_float_equal(row[0], 0.6f, 1e-6f); /* of length 1 */
    assert_float_equal(row[1], 0.8f, 1e-6f);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void ingest_document__takes_vectors_inside_the_json(void **state)
{
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"one\", \"vector\": [1, 2.5, 0]}]", NULL,
                                0, NULL),
                     0);
    assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"two\", \"vector\": [1, 2]}]", NULL, 0,
                                NULL),
                     RAGSTORE_E_INVALID_DATA);
    assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"two\"}]", NULL, 0, NULL),
                     RAGSTORE_E_EMBEDDER);
    assert_string_equal(added.doc_id, "");
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void ingest_document__without_vectors_is_found_by_keyword_only(void **state)
{
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"one\"}]", NULL, 0, NULL), 0);
    assert_non_null(strstr(added.notice, "keyword only"));
    assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"two\"}]", two, 2, NULL),
                     RAGSTORE_E_EMBEDDER);
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void ingest_document__refuses_bad_chunks_whole(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "7",
        "[]",
        "[7]",
        "[{\"text\": \"\"}]",
        "[{\"txt\": \"a\"}]",
        "[{\"text\": 5}]",
        "[{\"text\": \"good\"}, {\"text\": null}]",
        "[{\"text\": \"a\", \"metadata\": [1]}]",
        "[{\"text\": \"a\", \"page\": -1}]",
        "[{\"text\": \"a\", \"page\": 4294967296}]",
        "[{\"text\": \"a\", \"start\": 5, \"end\": 4}]",
        "[{\"text\": \"a\", \"start\": -9, \"end\": 4}]",
        "[{\"text\": \"a\", \"vector\": \"b\"}]",
        "[{\"text\": \"a\", \"vector\": []}]",
        "[{\"text\": \"a\", \"vector\": [null]}]",
        "[{\"text\": \"a\", \"vector\": [0, 0]}]",
        "[{\"text\": \"a\", \"vector\": [1, 2]}, {\"text\": \"b\", \"vector\": [1]}]",
        "[{\"text\": \"a\", \"vector\": [1, 2]}, {\"text\": \"b\"}]",
        "[{\"text\": \"\xff\"}]",
        "[{\"text\": \"a\"}",
    };
    open_store s;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rsi_added added;
        int status = add_chunks(&added, &s, bad[i], NULL, 0, NULL);
        if (status != RAGSTORE_E_INVALID_DATA)
            fail_msg("%s gave %s", bad[i], rsi_status_name(status));
        assert_string_equal(added.doc_id, "");
    }
    open_store_expect_totals(&s, 0, 0);
    open_store_end(&s);
}

static void ingest_document__refuses_bad_vectors_and_fields(void **state)
{
    static const float broken[] = {1, NAN};
    static const float endless[] = {INFINITY, 0};
    static const float none[] = {0, 0};
    static char long_text[(16 << 10) + 2];
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    memset(long_text, 'x', sizeof long_text - 1);
    const float *const vectors[] = {broken, endless, none};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"a\"}]", vectors[i], 2, NULL),
                         RAGSTORE_E_INVALID_DATA);
    const struct {
        rsi_document_fields fields;
        int status;
    } bad[] = {{{.filename = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.media_type = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.source = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.description = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.key = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.metadata_json = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.filename = "\xff"}, RAGSTORE_E_INVALID_DATA},
               {{.metadata_json = "[]"}, RAGSTORE_E_INVALID_DATA}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(add_chunks(&added, &s, "[{\"text\": \"a\"}]", two, 2, &bad[i].fields),
                         bad[i].status);
    assert_int_equal(rsi_document_add_chunks(&added, s.store, "nobody", s.incarnation,
                                             "[{\"text\": \"a\"}]", NULL, 0, &bad[0].fields),
                     RAGSTORE_E_TOO_LARGE);
    const rsi_document_fields good = {.filename = NULL};
    assert_int_equal(rsi_document_add_chunks(&added, s.store, "nobody", s.incarnation,
                                             "[{\"text\": \"a\"}]", NULL, 0, &good),
                     RAGSTORE_E_NOT_FOUND);
    open_store_expect_totals(&s, 0, 0);
    open_store_end(&s);
}

static void ingest_document__of_the_same_content_is_added_once(void **state)
{
    open_store s;
    rsi_added first;
    rsi_added second;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&first, &s, "[{\"text\": \"a\"}]", two, 2, NULL), 0);
    assert_int_equal(add_chunks(&second, &s, "[{\"text\": \"a\"}]", two, 2, NULL), 0);
    assert_true(second.is_duplicate);
    assert_false(second.replaced);
    assert_string_equal(first.doc_id, second.doc_id);
    assert_int_equal(add_chunks(&second, &s, "[{\"text\": \"a\"}]", two + 2, 2, NULL), 0);
    assert_false(second.is_duplicate); /* other vectors */
    open_store_expect_totals(&s, 2, 2);
    open_store_end(&s);
}

/* ---- is it there already? ---- */

#define MODEL_MAX 400
#define CONTENTS 12
#define KEYS 5

typedef struct model_document {
    char doc_id[RSI_DOC_ID_MAX];
    int key; /* -1: none */
    int content;
} model_document;

/* The documents in the order of their rows. */
typedef struct model {
    model_document items[MODEL_MAX];
    size_t count;
} model;

static uint64_t random_state;

static int choose(int limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((random_state >> 33) % (uint64_t)limit);
}

/* Add a document, and expect what its key or its content says. */
static void add_as_model(open_store *s, model *m, int key, int content)
{
    char json[60];
    char name[10];
    rsi_added added;
    snprintf(json, sizeof json, "[{\"text\": \"content %d\"}]", content);
    snprintf(name, sizeof name, "k%d", key);
    const rsi_document_fields fields = {.key = key < 0 ? NULL : name};
    size_t at = 0;
    while (at < m->count &&
           (key < 0 ? m->items[at].content != content : m->items[at].key != key))
        at++;
    const bool is_there = at < m->count;
    const bool is_same = is_there && m->items[at].content == content;
    assert_int_equal(add_chunks(&added, s, json, two, 2, &fields), 0);
    assert_int_equal(added.is_duplicate, is_same);
    assert_int_equal(added.replaced, is_there && !is_same);
    if (is_there) {
        assert_string_equal(added.doc_id, m->items[at].doc_id);
    } else {
        assert_true(m->count < MODEL_MAX);
        m->items[m->count++].key = key;
        snprintf(m->items[at].doc_id, RSI_DOC_ID_MAX, "%s", added.doc_id);
    }
    m->items[at].content = content;
}

static void delete_as_model(open_store *s, model *m)
{
    if (m->count == 0)
        return;
    const size_t at = (size_t)choose((int)m->count);
    assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, m->items[at].doc_id), 0);
    memmove(m->items + at, m->items + at + 1, (m->count - at - 1) * sizeof *m->items);
    m->count--;
}

/* Whatever was added, replaced, deleted, taken back or read again: what is there is recognised. */
static void ingest_document__knows_what_is_there_already(void **state)
{
    open_store s;
    model *m = calloc(2, sizeof *m);
    rsi_tx *tx = NULL;
    const size_t worn_from = rsi_document_lookup_worn_from;
    assert_non_null(m);
    rsi_document_lookup_worn_from = 8;
    open_store_begin(&s, state, NULL);
    for (int step = 0; step < 600; step++) {
        const int what = choose(20);
        if (what < 3 && tx == NULL) {
            assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
            m[1] = m[0]; /* as it was */
        } else if (what < 5 && tx != NULL) {
            if (choose(2) == 0) {
                assert_int_equal(rsi_tx_commit(tx), 0);
            } else {
                rsi_tx_abort(tx);
                m[0] = m[1];
            }
            tx = NULL;
        } else if (what == 5 && tx == NULL) {
            open_store_again(&s);
        } else if (what < 10) {
            delete_as_model(&s, m);
        } else {
            const int key = choose(2 * KEYS) - KEYS;
            add_as_model(&s, m, key < 0 ? -1 : key, choose(CONTENTS) + (key < 0 ? 0 : CONTENTS));
        }
    }
    rsi_tx_abort(tx);
    rsi_document_lookup_worn_from = worn_from;
    open_store_end(&s);
    free(m);
}

static void ingest_document__of_the_same_key_replaces_and_keeps_the_id(void **state)
{
    const rsi_document_fields keyed = {.key = "report"};
    open_store s;
    rsi_added first;
    rsi_added second;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&first, &s, "[{\"text\": \"old\"}]", two, 2, &keyed), 0);
    assert_int_equal(
        add_chunks(&second, &s, "[{\"text\": \"new\"}, {\"text\": \"more\"}]", two, 2, &keyed), 0);
    assert_true(second.replaced);
    assert_string_equal(first.doc_id, second.doc_id);
    open_store_expect_totals(&s, 1, 2);
    rsi_catalog *catalog;
    assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
    assert_false(rsi_bitset_has(&catalog->alive, 0)); /* its number is not used again */
    assert_int_equal(catalog->alive.count, 2);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

static void ingest_document__goes_with_its_chunks_and_file(void **state)
{
    const rsi_document_fields fields = {.filename = "a.txt"};
    open_store s;
    rsi_added file;
    rsi_added own;
    open_store_begin(&s, state, NULL);
    assert_int_equal(upload(&file, &s, "words of a file", 15, &fields), 0);
    assert_int_equal(add_chunks(&own, &s, "[{\"text\": \"a\"}]", NULL, 0, NULL), 0);
    assert_int_equal(count_uploads(state), 1);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, file.doc_id), 0);
    assert_int_equal(count_uploads(state), 0);
    open_store_expect_totals(&s, 1, 1);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, file.doc_id),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_document_delete(s.store, ACME, "other", own.doc_id),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_document_delete(s.store, "nobody", s.incarnation, own.doc_id),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, ""), RAGSTORE_E_NOT_FOUND);
    open_store_again(&s);
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void ingest_document__brings_the_smallest_and_largest_vectors_to_length_one(void **state)
{
    static const float given[] = {1e-45f, -1e-45f, 3.4e38f, 3.4e38f, 1e-38f, 0};
    static const float expected[][2] = {
        {0.70710678f, -0.70710678f}, {0.70710678f, 0.70710678f}, {1, 0}};
    open_store s;
    rsi_added added;
    const float *row;
    rsi_catalog *catalog;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s,
                                "[{\"text\": \"small\"}, {\"text\": \"large\"}, "
                                "{\"text\": \"narrow\"}]",
                                given, 2, NULL),
                     0);
    assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rsi_rows_get(&row, catalog->rows, (int64_t)i), 0);
        assert_float_equal(row[0], expected[i][0], 1e-7f);
        assert_float_equal(row[1], expected[i][1], 1e-7f);
    }
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

/* ---- faults ---- */

static const char chunks[] = "[{\"text\": \"one\", \"metadata\": {\"a\": 1}}, {\"text\": \"two\"}]";

static int add_and_delete(void *user)
{
    open_store *s = user;
    rsi_added added;
    int status = add_chunks(&added, s, chunks, two, 2, NULL);
    assert_true((status == RAGSTORE_OK) == (added.doc_id[0] != '\0'));
    open_store_expect_totals(s, status == RAGSTORE_OK, status == RAGSTORE_OK ? 2 : 0);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_delete(s->store, ACME, s->incarnation, added.doc_id);
    if (status != RAGSTORE_OK) {
        open_store_expect_totals(s, 1, 2);
        fault_memory_disarm();
        assert_int_equal(rsi_document_delete(s->store, ACME, s->incarnation, added.doc_id), 0);
    }
    return status;
}

static void expect_metadata(open_store *s, const char *doc_id, int64_t year)
{
    rsi_stored_document document;
    assert_int_equal(rsi_stored_document_find(&document, s->store, ACME, "doc_id", doc_id), 0);
    rsi_json *metadata = rsi_json_get(document.json, "metadata");
    assert_int_equal(rsi_json_get_integer(metadata, "year", -1), year);
    rsi_stored_document_free(&document);
    rsi_catalog *catalog;
    assert_int_equal(rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation), 0);
    const rsi_catalog_document *known = rsi_catalog_find_document(catalog, doc_id);
    assert_non_null(known);
    assert_string_equal(known->metadata, year == 1 ? "{\"year\":1}" : "{\"year\":2}");
    rsi_catalog_release(s->store, catalog);
}

typedef struct updating {
    open_store *store;
    char doc_id[RSI_DOC_ID_MAX];
} updating;

static int update_there_and_back(void *user)
{
    static const rsi_document_fields there = {.metadata_json = "{\"year\":2}"};
    static const rsi_document_fields back = {.metadata_json = "{\"year\":1}"};
    updating *what = user;
    open_store *s = what->store;
    int status = rsi_document_update(s->store, ACME, s->incarnation, what->doc_id, &there);
    const bool done = status == RAGSTORE_OK;
    fault_memory_disarm();
    expect_metadata(s, what->doc_id, done ? 2 : 1);
    assert_int_equal(rsi_document_update(s->store, ACME, s->incarnation, what->doc_id, &back), 0);
    expect_metadata(s, what->doc_id, 1);
    return status;
}

static void ingest_document__is_changed_or_not_after_each_failing_allocation(void **state)
{
    static const rsi_document_fields first = {.metadata_json = "{\"year\":1}"};
    open_store s;
    rsi_added added;
    updating what = {.store = &s};
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s, chunks, two, 2, &first), 0);
    memcpy(what.doc_id, added.doc_id, sizeof what.doc_id);
    assert_true(each_allocation_fails(update_there_and_back, &what,
                                      EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 10);
    open_store_end(&s);
}

static void ingest_document__is_changed_or_not_after_each_failing_file_call(void **state)
{
    static const rsi_document_fields first = {.metadata_json = "{\"year\":1}"};
    static const rsi_document_fields second = {.metadata_json = "{\"year\":2}"};
    open_store s;
    rsi_added added;
    bool struck = true;
    open_store_begin(&s, state, NULL);
    assert_int_equal(add_chunks(&added, &s, chunks, two, 2, &first), 0);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1; struck; n++) {
        rsi_stored_document document;
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = rsi_document_update(s.store, ACME, s.incarnation, added.doc_id, &second);
        struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(
            rsi_stored_document_find(&document, s.store, ACME, "doc_id", added.doc_id), 0);
        int64_t year = rsi_json_get_integer(rsi_json_get(document.json, "metadata"), "year", -1);
        rsi_stored_document_free(&document);
        assert_true(year == 2 || (year == 1 && status < 0));
        expect_metadata(&s, added.doc_id, year);
        open_store_close(&s);
    }
    open_store_end(&s);
}

static void ingest_document__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_true(each_allocation_fails(add_and_delete, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 40);
    open_store_expect_totals(&s, 0, 0);
    open_store_again(&s);
    open_store_expect_totals(&s, 0, 0);
    open_store_end(&s);
}

/* All of it or nothing, whatever call fails, and what was reported as added stays. */
static void ingest_document__is_whole_or_absent_after_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    open_store_close(&s);
    open_store_keep(&s);
    for (int64_t n = 1;; n++) {
        rsi_added added;
        uint64_t documents;
        uint64_t count;
        open_store_put_back(&s);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        fault_files_fail(&s.faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = add_chunks(&added, &s, chunks, two, 2, NULL);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_int_equal(rsi_entity_totals(&documents, &count, s.store, ACME), 0);
        assert_int_equal(count, documents * 2);
        assert_true(documents == 1 || (documents == 0 && status < 0));
        rsi_catalog *catalog;
        assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
        assert_int_equal(catalog->alive.count, count);
        rsi_catalog_release(s.store, catalog);
        if (add_chunks(&added, &s, chunks, two, 2, NULL) != RAGSTORE_OK) /* and it goes on */
            fail_msg("after file call %d failed: %s", (int)n, rsi_error_message());
        assert_int_equal(added.is_duplicate, documents == 1);
        open_store_close(&s);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

/* A first document leaves rows behind when its commit fails: they must not bind the entity. */
static void ingest_document__can_have_other_vectors_after_a_first_one_failed(void **state)
{
    static const float three[] = {1, 2, 2, 0, 3, 4};
    open_store s;
    rsi_tx *tx;
    rsi_added added;
    const float *row;
    open_store_begin(&s, state, NULL);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
        assert_int_equal(add_chunks(&added, &s, chunks, two, 2, NULL), 0);
        rsi_tx_abort(tx);
        open_store_expect_totals(&s, 0, 0);
        if (again == 0)
            open_store_again(&s); /* first with the rows on disk only, then also in memory */
    }
    assert_int_equal(add_chunks(&added, &s, chunks, three, 3, NULL), 0);
    for (int again = 0; again < 2; again++) {
        rsi_catalog *catalog;
        assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
        assert_int_equal(rsi_rows_dimension(catalog->rows), 3);
        int64_t chunk = rsi_bitset_next(&catalog->alive, 0);
        assert_int_equal(rsi_rows_get(&row, catalog->rows, chunk + 1), 0);
        assert_float_equal(row[1], 0.6f, 1e-6f);
        rsi_catalog_release(s.store, catalog);
        open_store_again(&s);
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document__keeps_chunks_and_vectors),
        FRESH(ingest_document__takes_vectors_inside_the_json),
        FRESH(ingest_document__without_vectors_is_found_by_keyword_only),
        FRESH(ingest_document__refuses_bad_chunks_whole),
        FRESH(ingest_document__refuses_bad_vectors_and_fields),
        FRESH(ingest_document__of_the_same_content_is_added_once),
        FRESH(ingest_document__knows_what_is_there_already),
        FRESH(ingest_document__of_the_same_key_replaces_and_keeps_the_id),
        FRESH(ingest_document__goes_with_its_chunks_and_file),
        FRESH(ingest_document__brings_the_smallest_and_largest_vectors_to_length_one),
        FRESH(ingest_document__is_changed_or_not_after_each_failing_allocation),
        FRESH(ingest_document__is_changed_or_not_after_each_failing_file_call),
        FRESH(ingest_document__survives_each_failing_allocation),
        FRESH(ingest_document__can_have_other_vectors_after_a_first_one_failed),
        FRESH(ingest_document__is_whole_or_absent_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
