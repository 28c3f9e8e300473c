/* The derived files: index.faiss and doc_to_chunks.json. */
#include "entities_fixture.h"

#define BELOW "entity_scoped/entities/" ACME "/"

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
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    snprintf(expected, sizeof expected, "{\n\"%s\": [0,1],\n\"%s\": [2,3]\n}\n", one.doc_id,
             two.doc_id);
    expect_documents(state, expected);
    temporary_join(path, state, BELOW "vector_store/index.faiss");
    assert_true(temporary_exists(path));
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
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    assert_true(temporary_exists(temporary_join(path, state, BELOW "doc_to_chunks.json")));
    assert_false(temporary_exists(temporary_join(path, state, BELOW "vector_store/index.faiss")));
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(rsi_export_index(s.store, catalog), RAGSTORE_E_EMBEDDER);
    rsi_catalog_release(s.store, catalog);
    assert_int_equal(rsi_export_entity(s.store, "nobody", RSI_EXPORT_ALL), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

/* `count` chunks with vectors of so many numbers. */
static rsi_added add_chunks(open_store *s, const char *name, size_t count, size_t dimension)
{
    rsi_bytes json = {0};
    float *vectors = malloc(count * dimension * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count * dimension; i++)
        vectors[i] = (float)(1 + i * 7 % 31);
    for (size_t i = 0; i < count; i++) {
        rsi_bytes_printf(&json, "%s{\"text\":\"%s %zu\"}", i == 0 ? "[" : ",", name, i);
    }
    rsi_bytes_append_text(&json, "]");
    assert_int_equal(rsi_bytes_status(&json), 0);
    rsi_added added = open_store_add_chunks(s, name, json.data, vectors, dimension);
    rsi_bytes_free(&json);
    free(vectors);
    return added;
}

static rsi_added add_many(open_store *s, const char *name, size_t count)
{
    return add_chunks(s, name, count, 1);
}

static void run_upkeep(open_store *s)
{
    bool did = true;
    while (did)
        assert_int_equal(rsi_upkeep_step(s->store, true, &did), 0);
}

/* A closing store stops the training of partitions, but not the files. */
static void entities_export__is_reached_by_a_store_that_closes(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    bool did = true;
    open_store_begin(&s, state, NULL);
    for (char name[] = "a"; name[0] < 'h'; name[0]++) /* enough vectors for partitions */
        add_chunks(&s, name, 10000, 64);
    rsi_catalog_release(s.store, acquire(&s));
    s.store->upkeep_stops = true;
    for (int step = 0; step < 10 && did; step++)
        assert_int_equal(rsi_upkeep_step(s.store, true, &did), 0);
    assert_false(did);
    assert_true(temporary_exists(temporary_join(path, state, BELOW "doc_to_chunks.json")));
    open_store_end(&s);
}

static void entities_export__leaves_out_large_indexes_unless_asked(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    char sum[TEMPORARY_PATH_MAX];
    open_store_begin(&s, state, NULL);
    temporary_join(path, state, BELOW "vector_store/index.faiss");
    temporary_join(sum, state, BELOW "vector_store/index.faiss.sum");
    add_many(&s, "one", 10000);
    add_many(&s, "two", 10000);
    run_upkeep(&s);
    assert_true(temporary_exists(path)); /* 20,000 are not too many */
    rsi_added third = add_many(&s, "three", 1);
    run_upkeep(&s);
    assert_false(temporary_exists(path)); /* and it is not left behind with vectors of yesterday */
    assert_false(temporary_exists(sum));

    assert_int_equal(rsi_export_all(s.store), 0);
    assert_true(temporary_exists(path));
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    assert_true(temporary_exists(path)); /* it is current */
    add_many(&s, "four", 1);
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    assert_false(temporary_exists(path));

    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(rsi_export_index(s.store, catalog), 0);
    rsi_catalog_release(s.store, catalog);
    assert_true(temporary_exists(path));
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, third.doc_id), 0);
    run_upkeep(&s);
    assert_false(temporary_exists(path)); /* still one too many */
    open_store_end(&s);
}

/* ---- the entity goes meanwhile, and another one comes ---- */

/* Another process that deletes the entity and makes it again before the n-th file call that opens,
 * flushes or renames something. */
static struct other_process {
    int left;
    bool came;
    bool is_busy;
    const char *path;
    rsi_file_table real;
} other;

static void let_the_next_one_in(void)
{
    rsi_store *store;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    const rsi_entity_fields fields = {.name = "The next one"};
    const rsi_store_options options = {.storage = {.durability = RAGSTORE_DURABILITY_FULL},
                                       .memory_limit_bytes = UINT64_C(1) << 30,
                                       .run_job = rsi_ingest_run_job};
    assert_int_equal(rsi_store_open(&store, other.path, &options), 0);
    assert_int_equal(rsi_entity_delete(NULL, store, ACME), 0);
    assert_int_equal(rsi_entity_create(incarnation, store, ACME, &fields), 0);
    assert_int_equal(rsi_store_close(store), 0);
    rsi_store_free(store);
}

static void count_call(void)
{
    if (other.is_busy || other.left == 0 || --other.left > 0)
        return;
    other.is_busy = true;
    let_the_next_one_in();
    other.is_busy = false;
    other.came = true;
}

static int open_and_count(void *self, int directory, const char *path, unsigned flags)
{
    count_call();
    return other.real.open(self, directory, path, flags);
}

static int flush_and_count(void *self, int handle)
{
    count_call();
    return other.real.flush(self, handle);
}

static int rename_and_count(void *self, int directory, const char *from, const char *to)
{
    count_call();
    return other.real.rename(self, directory, from, to);
}

static void expect_the_next_ones_files_alone(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(temporary_count(temporary_join(path, state, BELOW)), 3);
    assert_true(temporary_exists(temporary_join(path, state, BELOW "entity.json")));
    assert_true(temporary_exists(temporary_join(path, state, BELOW "chunk_metadata.json")));
    assert_int_equal(temporary_count(temporary_join(path, state, BELOW "vector_store")), 0);
    temporary_join(path, state, "entity_scoped/entities");
    assert_int_equal(temporary_count(path), 1);
}

/* false: nobody came before the export was over. */
static bool export_while_another_comes(void **state, int call)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    rsi_catalog_release(s.store, acquire(&s));
    other = (struct other_process){.path = s.path, .real = s.faults.table};
    s.faults.table.open = open_and_count;
    s.faults.table.flush = flush_and_count;
    s.faults.table.rename = rename_and_count;
    other.left = call;
    const int status = rsi_export_entity(s.store, ACME, RSI_EXPORT_ALL);
    other.left = 0;
    if (other.came) {
        assert_true(status == 0 || status == RAGSTORE_E_NOT_FOUND);
        expect_the_next_ones_files_alone(state);
    }
    open_store_end(&s);
    return other.came;
}

static void entities_export__writes_nothing_into_an_entity_that_came_instead(void **state)
{
    const size_t from = rsi_catalog_lexical_file_from;
    rsi_catalog_lexical_file_from = 1;
    int calls = 0;
    while (export_while_another_comes(state, calls + 1)) {
        temporary_teardown(state);
        temporary_setup(state);
        calls++;
    }
    rsi_catalog_lexical_file_from = from;
    assert_in_range(calls, 10, 100);
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
        FRESH(entities_export__is_reached_by_a_store_that_closes),
        FRESH(entities_export__leaves_out_large_indexes_unless_asked),
        FRESH(entities_export__writes_nothing_into_an_entity_that_came_instead),
        FRESH(entities_export__survives_each_failing_allocation),
        FRESH(entities_export__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
