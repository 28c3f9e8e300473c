/* The record of an entity: making, reading, changing, deleting, and the shared checks. */
#include "entities_fixture.h"

static const rsi_entity_fields nothing = {.name = NULL};

static void entities_entity__is_read_as_it_was_made(void **state)
{
    const rsi_entity_fields fields = {.name = "\xe6\x97\xa5\xe6\x9c\xac",
                                      .description = "about it",
                                      .metadata_json = "{\"a\": {\"b\": 1}}"};
    open_store s;
    rsi_entity_record record;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_create(incarnation, s.store, "Acme Corp", &fields), 0);
    assert_int_equal(strspn(incarnation, "0123456789abcdef"), RSI_INCARNATION_DIGITS);
    assert_string_not_equal(incarnation, s.incarnation);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rsi_entity_read(&record, s.store, "Acme Corp", incarnation), 0);
        assert_string_equal(record.id, "Acme Corp");
        assert_string_equal(record.name, fields.name);
        assert_string_equal(record.incarnation, incarnation);
        assert_string_equal(record.chunker, "structure/2");
        assert_null(record.embedder);
        assert_int_equal(record.dimension, 0);
        assert_int_equal(record.next_chunk, 0);
        assert_int_equal(record.next_row, 0);
        rsi_entity_record_free(&record);
        assert_null(record.json);
        open_store_again(&s);
    }
    assert_int_equal(rsi_entity_read(&record, s.store, ACME, NULL), 0);
    assert_string_equal(record.name, "Acme Corp");
    rsi_entity_record_free(&record);
    open_store_end(&s);
}

static void entities_entity__is_parsed_again_only_when_it_has_changed(void **state)
{
    const rsi_entity_fields renamed = {.name = "Another"};
    open_store s;
    rsi_entity_record first;
    rsi_entity_record second;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_read(&first, s.store, ACME, s.incarnation), 0);
    const rsi_json *parsed = first.json;
    assert_int_equal(rsi_entity_read_again(&second, &first, s.store), 0);
    assert_ptr_equal(second.json, parsed);
    assert_null(first.json);
    assert_string_equal(second.name, "Acme Corp");
    assert_int_equal(rsi_entity_update(s.store, ACME, s.incarnation, &renamed), 0);
    assert_int_equal(rsi_entity_read_again(&first, &second, s.store), 0);
    assert_string_equal(first.name, "Another");
    assert_string_equal(second.name, "Acme Corp"); /* it still is what it was */
    rsi_entity_record_free(&second);
    assert_int_equal(rsi_entity_delete(NULL, s.store, ACME), 0);
    assert_int_equal(rsi_entity_read_again(&second, &first, s.store), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_create(incarnation, s.store, ACME, &renamed), 0);
    assert_int_equal(rsi_entity_read_again(&second, &first, s.store), RAGSTORE_E_NOT_FOUND);
    rsi_entity_record_free(&first);
    open_store_end(&s);
}

static void entities_entity__is_made_once(void **state)
{
    open_store s;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_create(incarnation, s.store, ACME, &nothing), RAGSTORE_E_EXISTS);
    expect_message("\"acme\" exists already");
    assert_int_equal(rsi_storage_count(s.store->storage, RSI_SPACE_ENTITIES), 1);
    open_store_end(&s);
}

static void entities_entity__refuses_bad_ids_and_texts(void **state)
{
    static const char *const ids[] = {"", ".", "..", "a/b", "a\\b", " a", "a\n", "\xff", "../a"};
    static char long_text[(16 << 10) + 16];
    open_store s;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(rsi_entity_create(incarnation, s.store, ids[i], &nothing),
                         RAGSTORE_E_INVALID_ARGUMENT);
    const struct {
        rsi_entity_fields fields;
        int status;
    } bad[] = {{{.name = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.description = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.metadata_json = long_text}, RAGSTORE_E_TOO_LARGE},
               {{.name = "\xc3"}, RAGSTORE_E_INVALID_DATA},
               {{.description = "\xc3"}, RAGSTORE_E_INVALID_DATA},
               {{.metadata_json = "[]"}, RAGSTORE_E_INVALID_DATA},
               {{.metadata_json = "{\"a\":1,\"a\":2}"}, RAGSTORE_E_INVALID_DATA}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rsi_entity_create(incarnation, s.store, "b", &bad[i].fields),
                         bad[i].status);
        assert_int_equal(rsi_entity_update(s.store, ACME, s.incarnation, &bad[i].fields),
                         bad[i].status);
    }
    assert_int_equal(rsi_storage_count(s.store->storage, RSI_SPACE_ENTITIES), 1);
    open_store_end(&s);
}

/* Put a record with these further members, such as ,"metric":"l2", in the place of the entity's. */
static void put_record(open_store *s, const char *members)
{
    char json[256];
    rsi_tx *tx;
    snprintf(json, sizeof json, "{\"entity_id\":\"%s\",\"incarnation\":\"%s\"%s}", ACME,
             s->incarnation, members);
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_ENTITIES, ACME, json, strlen(json)), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
}

static void entities_entity__has_the_metric_of_its_record(void **state)
{
    static const struct {
        const char *members;
        rsi_metric metric;
    } known[] = {{"", RSI_METRIC_COSINE},
                 {",\"metric\":\"ip\"", RSI_METRIC_COSINE},
                 {",\"metric\":\"cosine\"", RSI_METRIC_COSINE},
                 {",\"metric\":\"inner_product\"", RSI_METRIC_INNER_PRODUCT},
                 {",\"metric\":\"l2\"", RSI_METRIC_L2}};
    open_store s;
    rsi_entity_record record;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        put_record(&s, known[i].members);
        assert_int_equal(rsi_entity_read(&record, s.store, ACME, NULL), 0);
        assert_int_equal(record.metric, known[i].metric);
        rsi_entity_record_free(&record);
    }
    put_record(&s, ",\"metric\":\"hamming\"");
    assert_int_equal(rsi_entity_read(&record, s.store, ACME, NULL), RAGSTORE_E_UNSUPPORTED);
    assert_null(record.json);
    open_store_end(&s);
}

/* What a record without them was made with, and what is done with numbers that nobody can have chosen. */
static void entities_entity__cuts_its_documents_as_its_record_says(void **state)
{
    static const struct {
        const char *members;
        uint32_t tokens;
        uint32_t overlap;
    } records[] = {{"", 200, 30},
                   {",\"chunk_tokens\":100,\"chunk_overlap\":0", 100, 0},
                   {",\"chunk_tokens\":8192,\"chunk_overlap\":4096", 8192, 4096},
                   {",\"chunk_tokens\":0,\"chunk_overlap\":0", 200, 30},
                   {",\"chunk_tokens\":100,\"chunk_overlap\":51", 200, 30},
                   {",\"chunk_tokens\":100,\"chunk_overlap\":-1", 200, 30},
                   {",\"chunk_tokens\":9999999999,\"chunk_overlap\":0", 200, 30}};
    open_store s;
    rsi_entity_record record;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        put_record(&s, records[i].members);
        assert_int_equal(rsi_entity_read(&record, s.store, ACME, NULL), 0);
        assert_int_equal(record.chunk_sizes.tokens, records[i].tokens);
        assert_int_equal(record.chunk_sizes.overlap, records[i].overlap);
        rsi_entity_record_free(&record);
    }
    open_store_end(&s);
}

static void entities_entity__is_not_found_under_another_id_or_incarnation(void **state)
{
    open_store s;
    rsi_entity_record record;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_read(&record, s.store, "nobody", NULL), RAGSTORE_E_NOT_FOUND);
    assert_null(record.json);
    assert_int_equal(rsi_entity_read(&record, s.store, ACME, "0000"), RAGSTORE_E_NOT_FOUND);
    assert_null(record.json);
    assert_int_equal(rsi_entity_update(s.store, "nobody", s.incarnation, &nothing),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_update(s.store, ACME, "0000", &nothing), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_delete(NULL, s.store, "nobody"), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

static void entities_entity__changes_what_is_given_and_keeps_the_rest(void **state)
{
    const rsi_entity_fields first = {.name = "New name", .metadata_json = "{\"a\":1}"};
    const rsi_entity_fields second = {.description = "described"};
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_int_equal(rsi_entity_update(s.store, ACME, s.incarnation, &first), 0);
    assert_int_equal(rsi_entity_update(s.store, ACME, s.incarnation, &second), 0);
    open_store_again(&s);
    rsi_json *json = describe_entity(&s, ACME);
    assert_string_equal(rsi_json_get_text(json, "entity_name"), "New name");
    assert_string_equal(rsi_json_get_text(json, "description"), "described");
    assert_int_equal(rsi_json_get_integer(rsi_json_get(json, "metadata"), "a", 0), 1);
    assert_int_equal(rsi_json_get_integer(json, "total_chunks", 0), 2);
    rsi_json_free(json);
    rsi_entity_record record;
    assert_int_equal(rsi_entity_read(&record, s.store, ACME, s.incarnation), 0);
    assert_int_equal(record.next_chunk, 2);
    assert_int_equal(record.next_row, 1);
    assert_string_equal(record.embedder, "own/2");
    assert_int_equal(record.dimension, 2);
    rsi_entity_record_free(&record);
    open_store_end(&s);
}

static void entities_entity__goes_with_all_that_is_its(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    uint64_t sessions = 99;
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "kept.txt", "never mind", NULL);
    rsi_catalog *held = acquire(&s); /* somebody still searches it */
    assert_true(temporary_exists(temporary_join(path, state, "uploads/" ACME "/kept.txt")));
    assert_int_equal(rsi_entity_delete(&sessions, s.store, ACME), 0);
    assert_int_equal(sessions, 0);
    assert_true(held->is_stale);
    rsi_catalog_release(s.store, held);
    assert_false(temporary_exists(temporary_join(path, state, "uploads/" ACME)));
    assert_false(temporary_exists(temporary_join(path, state, "entity_scoped/entities/" ACME)));
    assert_int_equal(rsi_entity_create(s.incarnation, s.store, ACME, &nothing), 0);
    open_store_expect_totals(&s, 0, 0);
    held = acquire(&s);
    assert_int_equal(held->alive.count, 0);
    rsi_catalog_release(s.store, held);
    open_store_again(&s);
    open_store_expect_totals(&s, 0, 0);
    open_store_end(&s);
}

static void entities_entity__reads_odd_records_with_care(void **state)
{
    static const char odd[] = "{\"dimension\":-3,\"entity_name\":7,\"next_chunk\":\"x\"}";
    open_store s;
    rsi_tx *tx;
    rsi_entity_record record;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_ENTITIES, "odd", odd, sizeof odd - 1), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    assert_int_equal(rsi_entity_read(&record, s.store, "odd", NULL), 0);
    assert_string_equal(record.id, "odd");
    assert_string_equal(record.name, "odd");
    assert_string_equal(record.incarnation, "");
    assert_int_equal(record.dimension, 0);
    assert_int_equal(record.next_chunk, 0);
    rsi_entity_record_free(&record);
    open_store_end(&s);
}

static void expect_equal_texts(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL && b != NULL)
        assert_string_equal(a, b);
}

static void entities_entity__is_seen_at_a_glance_as_it_is_read(void **state)
{
    static const char *const members[] = {
        "",
        ",\"metric\":\"l2\",\"embedder\":\"own/2\",\"dimension\":2,\"next_row\":7,\"metadata\":{\"a\":[1]}",
        ",\"embedder\":\"a \\\"quoted\\\" one\",\"dimension\":65537,\"next_row\":\"7\"",
        ",\"embedder\":null,\"metric\":7,\"dimension\":-1,\"next_row\":1.5",
        ",\"embedder\":\"\",\"metric\":null,\"dimension\":\"2\"",
        ",\"metric\":\"hamming\""};
    open_store s;
    rsi_entity_record whole;
    rsi_entity_record glance;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        put_record(&s, members[i]);
        const int status = rsi_entity_read(&whole, s.store, ACME, s.incarnation);
        assert_int_equal(rsi_entity_glance(&glance, s.store, ACME, s.incarnation), status);
        expect_equal_texts(glance.id, whole.id);
        expect_equal_texts(glance.incarnation, whole.incarnation);
        expect_equal_texts(glance.embedder, whole.embedder);
        assert_int_equal(glance.dimension, whole.dimension);
        assert_int_equal(glance.metric, whole.metric);
        assert_int_equal(glance.next_row, whole.next_row);
        rsi_entity_record_free(&whole);
        rsi_entity_record_free(&glance);
    }
    assert_int_equal(rsi_entity_glance(&glance, s.store, ACME, "0000"), RAGSTORE_E_NOT_FOUND);
    assert_null(glance.texts);
    assert_int_equal(rsi_entity_glance(&glance, s.store, "nobody", NULL), RAGSTORE_E_NOT_FOUND);
    expect_message("there is no entity \"nobody\"");
    open_store_end(&s);
}

static void entities_entity__tells_why_there_is_no_vector_search(void **state)
{
    open_store s;
    const char *notice;
    rsi_entity_record record = {.next_row = 0};
    open_store_begin(&s, state, NULL);
    assert_false(rsi_entity_has_vectors(s.store, &record, &notice));
    assert_non_null(strstr(notice, "no embedding model is loaded"));
    record.embedder = "own/7";
    assert_false(rsi_entity_has_vectors(s.store, &record, &notice));
    assert_non_null(strstr(notice, "caller's own"));
    assert_false(rsi_entity_has_vectors(s.store, &record, NULL));
    open_store_end(&s);
}

static void entities_entity__checks_metadata_and_texts(void **state)
{
    rsi_bytes out = {0};
    (void)state;
    assert_int_equal(rsi_metadata_check(&out, NULL), 0);
    assert_string_equal(out.data, "{}");
    rsi_bytes_clear(&out);
    assert_int_equal(rsi_metadata_check(&out, " { \"a\" : [ 1 , null ] } "), 0);
    assert_string_equal(out.data, "{\"a\":[1,null]}");
    rsi_bytes_free(&out);
    assert_int_equal(rsi_metadata_check(&out, "null"), RAGSTORE_E_INVALID_DATA);
    expect_message("not a JSON object");
    assert_int_equal(rsi_metadata_check(&out, "{"), RAGSTORE_E_INVALID_DATA);
    expect_message("metadata: ");
    assert_int_equal(rsi_text_check("", 0, "it"), 0);
    assert_int_equal(rsi_text_check("ab", 1, "it"), RAGSTORE_E_TOO_LARGE);
    assert_int_equal(rsi_text_check("a\xf5", 9, "it"), RAGSTORE_E_INVALID_DATA);
    expect_message("it is not UTF-8 at byte 1");
    rsi_bytes_free(&out);
}

/* ---- faults ---- */

static int create_and_delete(void *user)
{
    open_store *s = user;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    const rsi_entity_fields fields = {
        .name = "n", .description = "d", .metadata_json = "{\"a\":1}"};
    int status = rsi_entity_create(incarnation, s->store, "other", &fields);
    size_t count = rsi_storage_count(s->store->storage, RSI_SPACE_ENTITIES);
    assert_int_equal(count, status == RAGSTORE_OK ? 2 : 1);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_delete(NULL, s->store, "other");
    if (status != RAGSTORE_OK) {
        assert_int_equal(rsi_storage_count(s->store->storage, RSI_SPACE_ENTITIES), 2);
        fault_memory_disarm(); /* tidy up for the next round; failed() still tells */
        assert_int_equal(rsi_entity_delete(NULL, s->store, "other"), 0);
    }
    return status;
}

static int update_once(void *user)
{
    open_store *s = user;
    const rsi_entity_fields fields = {
        .name = "n", .description = "d", .metadata_json = "{\"a\":1}"};
    return rsi_entity_update(s->store, ACME, s->incarnation, &fields);
}

/* Another value each time, so that each call has something to write. */
static int set_once(void *user)
{
    static unsigned round;
    char value[16];
    open_store *s = user;
    snprintf(value, sizeof value, "%u", ++round % 60000);
    return rsi_entity_set_index(s->store, ACME, s->incarnation, "probes", value);
}

static int read_once(void *user)
{
    open_store *s = user;
    rsi_entity_record record;
    int status = rsi_entity_read(&record, s->store, ACME, s->incarnation);
    assert_true((status == RAGSTORE_OK) == (record.json != NULL));
    rsi_entity_record_free(&record);
    return status;
}

static void entities_entity__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_true(each_allocation_fails(read_once, &s, 0) > 0);
    /* folders that cannot be made or removed right after a commit wait for the next one */
    assert_true(each_allocation_fails(create_and_delete, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) >
                10);
    assert_true(each_allocation_fails(update_once, &s, EACH_MAY_KEEP) > 5);
    /* without memory for a mark, files that are written in the background stay as they are */
    assert_true(each_allocation_fails(set_once, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 5);
    rsi_catalog *catalog; /* the same beside one that has to follow */
    assert_int_equal(rsi_catalog_acquire(&catalog, s.store, ACME, s.incarnation), 0);
    assert_true(each_allocation_fails(set_once, &s, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 5);
    rsi_catalog_release(s.store, catalog);
    open_store_again(&s);
    assert_int_equal(read_once(&s), 0);
    open_store_end(&s);
}

/* The entity is there or not, as the call said or as the disk had it; never half. */
static void entities_entity__is_there_or_not_after_each_failing_file_call(void **state)
{
    open_store s;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    for (int64_t n = 1;; n++) {
        rsi_entity_record record;
        fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
        int status = rsi_entity_create(incarnation, s.store, "other", &nothing);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        reopen_after_fault(&s);
        int there = rsi_entity_read(&record, s.store, "other", NULL);
        assert_true(there == RAGSTORE_OK || (there == RAGSTORE_E_NOT_FOUND && status < 0));
        rsi_entity_record_free(&record);
        if (!struck)
            break;
        if (there == RAGSTORE_OK) {
            fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
            status = rsi_entity_delete(NULL, s.store, "other");
            fault_files_disarm(&s.faults);
            reopen_after_fault(&s);
            there = rsi_entity_read(&record, s.store, "other", NULL);
            assert_true(there == RAGSTORE_E_NOT_FOUND || status < 0);
            rsi_entity_record_free(&record);
            if (there == RAGSTORE_OK)
                assert_int_equal(rsi_entity_delete(NULL, s.store, "other"), 0);
        }
    }
    open_store_end(&s);
}

/* What was said to be kept is kept; what failed is as before or as asked for. */
static void entities_entity__has_its_settings_after_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    for (int64_t n = 1;; n++) {
        rsi_entity_record record;
        rsi_index_settings settings;
        char value[16];
        snprintf(value, sizeof value, "%d", (int)n);
        fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
        const int status = rsi_entity_set_index(s.store, ACME, s.incarnation, "candidates", value);
        const bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        reopen_after_fault(&s);
        assert_int_equal(rsi_entity_read(&record, s.store, ACME, NULL), 0);
        rsi_index_settings_read(&settings, record.json);
        rsi_entity_record_free(&record);
        if (status == RAGSTORE_OK)
            assert_int_equal(settings.candidates, n);
        else
            assert_true(settings.candidates <= n);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_entity__is_read_as_it_was_made),
        FRESH(entities_entity__is_parsed_again_only_when_it_has_changed),
        FRESH(entities_entity__is_made_once),
        FRESH(entities_entity__refuses_bad_ids_and_texts),
        FRESH(entities_entity__has_the_metric_of_its_record),
        FRESH(entities_entity__cuts_its_documents_as_its_record_says),
        FRESH(entities_entity__is_not_found_under_another_id_or_incarnation),
        FRESH(entities_entity__changes_what_is_given_and_keeps_the_rest),
        FRESH(entities_entity__goes_with_all_that_is_its),
        FRESH(entities_entity__reads_odd_records_with_care),
        FRESH(entities_entity__is_seen_at_a_glance_as_it_is_read),
        FRESH(entities_entity__tells_why_there_is_no_vector_search),
        cmocka_unit_test(entities_entity__checks_metadata_and_texts),
        FRESH(entities_entity__survives_each_failing_allocation),
        FRESH(entities_entity__is_there_or_not_after_each_failing_file_call),
        FRESH(entities_entity__has_its_settings_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
