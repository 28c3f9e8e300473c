/* The index.faiss of an entity that is searched by FAISS: written, read at the next start, or not believed. */
#include "entities/compact.h"
#include "entities_fixture.h"

#define BELOW "entity_scoped/entities/" ACME "/vector_store/"
#define DIMENSION 8
#define PART 1000

static void skip_without_faiss(void)
{
    const char *reason;
    if (!rsi_faiss_available(&reason)) {
        print_message("%s\n", reason);
        skip();
    }
}

/* A document of `count` chunks with vectors that no other has. */
static rsi_added add_part(open_store *s, unsigned number, size_t count)
{
    rsi_bytes json = {0};
    char name[32];
    uint32_t seed = number * 7919 + 1;
    float *vectors = malloc(count * DIMENSION * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count * DIMENSION; i++) {
        seed = seed * 1664525u + 1013904223u;
        vectors[i] = (float)(int32_t)seed / 2147483648.0f;
    }
    for (size_t i = 0; i < count; i++)
        rsi_bytes_printf(&json, "%s{\"text\":\"%u %zu\"}", i == 0 ? "[" : ",", number, i);
    rsi_bytes_append_text(&json, "]");
    snprintf(name, sizeof name, "part %u", number);
    rsi_added added = open_store_add_chunks(s, name, json.data, vectors, DIMENSION);
    rsi_bytes_free(&json);
    free(vectors);
    return added;
}

static void set_kind(open_store *s, const char *kind)
{
    if (rsi_entity_set_index(s->store, ACME, s->incarnation, "kind", kind) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

static void run_upkeep(open_store *s)
{
    bool did = true;
    while (did)
        if (rsi_upkeep_step(s->store, true, &did) != RAGSTORE_OK)
            fail_msg("%s", rsi_error_message());
}

/* An entity of so many parts whose index was made and written. */
static void begin(open_store *s, void **state, const char *kind, unsigned parts, rsi_added *first)
{
    open_store_begin(s, state, NULL);
    set_kind(s, kind);
    for (unsigned part = 0; part < parts; part++) {
        const rsi_added added = add_part(s, part, PART);
        if (part == 0 && first != NULL)
            *first = added;
    }
    rsi_catalog_release(s->store, acquire(s));
    run_upkeep(s);
}

static rsi_faiss_saved look(open_store *s, const char *factory)
{
    rsi_faiss_saved saved;
    rsi_entity_record record;
    char stamp[RSI_EXPORT_STAMP_MAX];
    const rsi_path path = rsi_path_in_entity(ACME, "vector_store/index.faiss");
    rsi_catalog *catalog = acquire(s);
    assert_int_equal(rsi_entity_read(&record, s->store, ACME, NULL), 0);
    const rsi_faiss_about about = {factory, record.incarnation, record.embedder, record.dimension,
                                   record.metric};
    rsi_export_stamp_locked(stamp, catalog);
    assert_int_equal(
        rsi_faiss_saved_look(&saved, rsi_storage_root(s->store->storage), path.text, &about, stamp),
        0);
    rsi_entity_record_free(&record);
    rsi_catalog_release(s->store, catalog);
    return saved;
}

static void expect_file(void **state, const char *first_line)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *sum = temporary_read(temporary_join(path, state, BELOW "index.faiss.sum"), &size);
    assert_int_equal(sum == NULL, first_line == NULL);
    if (first_line != NULL)
        assert_memory_equal(sum, first_line, strlen(first_line));
    free(sum);
    assert_int_equal(temporary_exists(temporary_join(path, state, BELOW "index.faiss")),
                     first_line != NULL);
}

/* How many rows FAISS searches after one slice of work: all of them only when they were read. */
static size_t searched_after_one_slice(open_store *s)
{
    bool did;
    rsi_catalog *catalog = acquire(s);
    assert_null(catalog->faiss);
    assert_int_equal(rsi_catalogs_code(s->store, &did), 0);
    assert_true(did);
    const size_t count = catalog->faiss == NULL ? 0 : rsi_faiss_index_count(catalog->faiss);
    rsi_catalog_release(s->store, catalog);
    return count;
}

/* How many rows there are in an index after one slice, be it searched already or not: on a busy machine
 * one that was read takes more slices to get what came since. */
static size_t held_after_one_slice(open_store *s)
{
    const size_t searched = searched_after_one_slice(s);
    rsi_catalog *catalog = acquire(s);
    const size_t waiting =
        catalog->next_faiss == NULL ? 0 : rsi_faiss_index_count(catalog->next_faiss);
    rsi_catalog_release(s->store, catalog);
    return searched > waiting ? searched : waiting;
}

static void entities_export_faiss__is_read_by_the_next_start(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:HNSW64", 5, NULL);
    expect_file(state, "ragstore-faiss 2\n");
    assert_true(look(&s, "HNSW64").is_current);
    open_store_again(&s);
    assert_int_equal(searched_after_one_slice(&s), 5 * PART);
    open_store_end(&s);
}

static void entities_export_faiss__follows_the_kind(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:HNSW64", 5, NULL);
    set_kind(&s, "faiss:HNSW63");
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    assert_true(look(&s, "HNSW64").is_current); /* until there is something better */
    run_upkeep(&s);
    assert_true(look(&s, "HNSW63").is_current);
    set_kind(&s, "exact");
    run_upkeep(&s);
    expect_file(state, "ragstore-faiss 1\n");
    open_store_end(&s);
}

static void entities_export_faiss__that_is_damaged_is_made_again(void **state)
{
    static const char *const files[] = {BELOW "index.faiss", BELOW "index.faiss.sum"};
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:HNSW64", 5, NULL);
    for (size_t i = 0; i < 2; i++) {
        char path[TEMPORARY_PATH_MAX];
        size_t size;
        open_store_close(&s);
        char *bytes = temporary_read(temporary_join(path, state, files[i]), &size);
        assert_non_null(bytes);
        bytes[size / 2] ^= 1;
        temporary_write(path, bytes, size);
        free(bytes);
        assert_int_equal(open_store_open(&s, 0), 0);
        assert_int_equal(searched_after_one_slice(&s), 0);
        run_upkeep(&s);
        assert_true(look(&s, "HNSW64").is_current);
        open_store_again(&s);
        assert_int_equal(searched_after_one_slice(&s), 5 * PART);
    }
    open_store_end(&s);
}

/* What was deleted has no number in the file, and after a compaction it is not in it. */
static void entities_export_faiss__follows_deletions(void **state)
{
    open_store s;
    rsi_added first;
    rsi_compaction compaction = {0};
    skip_without_faiss();
    begin(&s, state, "faiss:SQ8", 6, &first);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, first.doc_id), 0);
    assert_false(look(&s, "SQ8").is_current);
    run_upkeep(&s);
    assert_true(look(&s, "SQ8").is_current);
    assert_int_equal(look(&s, "SQ8").count, 6 * PART);
    assert_int_equal(rsi_store_compact(&compaction, s.store), 0);
    rsi_bytes_free(&compaction.quarantine);
    expect_file(state, NULL);
    assert_int_equal(rsi_export_entity(s.store, ACME, RSI_EXPORT_UNASKED), 0);
    expect_file(state, NULL); /* not with what was deleted */
    run_upkeep(&s);
    assert_true(look(&s, "SQ8").is_current);
    assert_int_equal(look(&s, "SQ8").count, 5 * PART);
    open_store_again(&s);
    assert_int_equal(searched_after_one_slice(&s), 5 * PART);
    open_store_end(&s);
}

static void entities_export_faiss__of_few_vectors_is_flat(void **state)
{
    open_store s;
    rsi_added first;
    rsi_compaction compaction = {0};
    skip_without_faiss();
    begin(&s, state, "faiss:SQ8", 5, &first);
    expect_file(state, "ragstore-faiss 2\n");
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, first.doc_id), 0);
    assert_int_equal(rsi_store_compact(&compaction, s.store), 0);
    rsi_bytes_free(&compaction.quarantine);
    run_upkeep(&s);
    expect_file(state, "ragstore-faiss 1\n");
    open_store_end(&s);
}

static void entities_export_faiss__of_a_kind_that_is_not_read_is_flat(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:RQ2x4_Ncqint8", 5, NULL);
    expect_file(state, "ragstore-faiss 1\n");
    rsi_catalog *catalog = acquire(&s);
    assert_non_null(catalog->faiss);
    rsi_catalog_release(s.store, catalog);
    open_store_end(&s);
}

/* Of a large one not for each chunk that comes. */
static void entities_export_faiss__of_many_vectors_waits_until_it_is_worth_it(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:SQ8", RSI_EXPORT_UNASKED_MAX / PART + 1, NULL);
    assert_true(look(&s, "SQ8").is_current);
    const uint64_t count = look(&s, "SQ8").count;
    add_part(&s, 100, 2 * PART);
    run_upkeep(&s);
    assert_int_equal(look(&s, "SQ8").count, count);
    open_store_again(&s); /* it is read, and completed */
    assert_true(held_after_one_slice(&s) >= count);
    run_upkeep(&s);
    assert_int_equal(look(&s, "SQ8").count, count);
    add_part(&s, 101, 2 * PART);
    run_upkeep(&s);
    assert_int_equal(look(&s, "SQ8").count, count + 4 * PART);
    add_part(&s, 102, 1);
    run_upkeep(&s);
    assert_int_equal(look(&s, "SQ8").count, count + 4 * PART);
    rsi_catalog *catalog = acquire(&s);
    assert_int_equal(rsi_export_index(s.store, catalog), 0);
    rsi_catalog_release(s.store, catalog);
    assert_true(look(&s, "SQ8").is_current);
    assert_int_equal(look(&s, "SQ8").count, count + 4 * PART + 1);
    open_store_end(&s);
}

static int export_once(void *user)
{
    open_store *s = user;
    rsi_catalog *catalog;
    char path[TEMPORARY_PATH_MAX];
    snprintf(path, sizeof path, "%s/" BELOW "index.faiss.sum", s->path);
    temporary_write(path, "no", 2);
    int status = rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_export_index(s->store, catalog);
    rsi_catalog_release(s->store, catalog);
    return status;
}

static void entities_export_faiss__survives_each_failing_allocation(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:SQ8", 5, NULL);
    assert_true(each_allocation_fails(export_once, &s, EACH_MAY_KEEP) > 10);
    assert_true(look(&s, "SQ8").is_current);
    open_store_end(&s);
}

static void entities_export_faiss__survives_each_failing_file_call(void **state)
{
    open_store s;
    skip_without_faiss();
    begin(&s, state, "faiss:SQ8", 5, NULL);
    assert_true(each_file_call_fails(&s, export_once, &s, EACH_MAY_SUCCEED) > 10);
    assert_true(look(&s, "SQ8").is_current);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_export_faiss__is_read_by_the_next_start),
        FRESH(entities_export_faiss__follows_the_kind),
        FRESH(entities_export_faiss__that_is_damaged_is_made_again),
        FRESH(entities_export_faiss__follows_deletions),
        FRESH(entities_export_faiss__of_few_vectors_is_flat),
        FRESH(entities_export_faiss__of_a_kind_that_is_not_read_is_flat),
        FRESH(entities_export_faiss__of_many_vectors_waits_until_it_is_worth_it),
        FRESH(entities_export_faiss__survives_each_failing_allocation),
        FRESH(entities_export_faiss__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
