/* Sessions: making, finding, listing, deleting. */
#include "agent_fixture.h"

static rsi_session_record read_ok(open_store *s, const char *id)
{
    rsi_session_record record;
    if (rsi_session_read(&record, s->store, id) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return record;
}

static void agent_session__is_found_by_its_id_with_what_it_was_given(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_session_create(id, s.store, ACME, s.incarnation, "Wings \xe2\x9c\x88",
                                        "{\"user\": [1]}"),
                     0);
    assert_int_equal(strlen(id), 20);
    assert_memory_equal(id, "session_", 8);
    assert_int_equal(strspn(id + 8, "0123456789abcdef"), 12);
    for (int again = 0; again < 2; again++) {
        rsi_session_record record = read_ok(&s, id);
        assert_string_equal(record.id, id);
        assert_string_equal(record.entity_id, ACME);
        assert_string_equal(record.incarnation, s.incarnation);
        assert_string_equal(rsi_json_get_text(record.json, "session_name"), "Wings \xe2\x9c\x88");
        assert_string_equal(rsi_json_get_text(record.json, "entity_name"), "Acme Corp");
        rsi_session_record_free(&record);
        assert_null(record.json);
        open_store_again(&s);
    }
    rsi_json *described = describe(&s, id);
    assert_int_equal(rsi_json_get_integer(described, "message_count", -1), 0);
    assert_int_equal(rsi_json_count(rsi_json_get(described, "metadata")), 1);
    assert_null(rsi_json_get(described, "incarnation"));
    rsi_json_free(described);
    open_store_end(&s);
}

static void agent_session__is_named_by_how_many_there_are(void **state)
{
    open_store s;
    char ids[3][RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    for (int i = 0; i < 3; i++)
        new_session(&s, ids[i], NULL);
    rsi_json *third = describe(&s, ids[2]);
    assert_string_equal(rsi_json_get_text(third, "session_name"), "Chat 3");
    rsi_json_free(third);
    /* deleting one must not let a new one take the place of another */
    assert_int_equal(rsi_session_delete(s.store, ids[0]), 0);
    char id[RSI_SESSION_ID_MAX];
    new_session(&s, id, NULL);
    assert_string_not_equal(id, ids[1]);
    assert_string_not_equal(id, ids[2]);
    assert_int_equal(rsi_storage_count(s.store->storage, RSI_SPACE_SESSIONS), 3);
    open_store_end(&s);
}

static void agent_session__refuses_bad_texts(void **state)
{
    static char long_name[RSI_NAME_MAX + 2];
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    memset(long_name, 'n', sizeof long_name - 1);
    const struct {
        const char *name;
        const char *metadata;
        int status;
    } bad[] = {{long_name, NULL, RAGSTORE_E_TOO_LARGE},
               {"\xc0\x80", NULL, RAGSTORE_E_INVALID_DATA},
               {"n", "[]", RAGSTORE_E_INVALID_DATA},
               {"n", "{\"a\":", RAGSTORE_E_INVALID_DATA},
               {"n", "", RAGSTORE_E_INVALID_DATA}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rsi_session_create(id, s.store, ACME, s.incarnation, bad[i].name,
                                            bad[i].metadata),
                         bad[i].status);
    assert_int_equal(rsi_session_create(id, s.store, "nobody", s.incarnation, NULL, NULL),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_session_create(id, s.store, ACME, "another", NULL, NULL),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_storage_count(s.store->storage, RSI_SPACE_SESSIONS), 0);
    open_store_end(&s);
}

static void agent_session__is_not_found_under_other_ids(void **state)
{
    static const char *const ids[] = {"", "session_", "session_000000000000", "../x", "\xff"};
    open_store s;
    rsi_session_record record;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(rsi_session_read(&record, s.store, ids[i]), RAGSTORE_E_NOT_FOUND);
        assert_null(record.json);
        assert_int_equal(rsi_session_describe(&out, s.store, ids[i]), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_session_delete(s.store, ids[i]), RAGSTORE_E_NOT_FOUND);
        expect_message("there is no session");
    }
    assert_int_equal(out.size, 0);
    open_store_end(&s);
}

static void agent_session__never_speaks_about_another_entity_of_the_same_id(void **state)
{
    const rsi_entity_fields fields = {.name = NULL};
    open_store s;
    rsi_session_record record;
    char id[RSI_SESSION_ID_MAX];
    char stray[512];
    open_store_begin(&s, state, NULL);
    /* a session of an earlier entity of this id, as an older program may have left it */
    int size = snprintf(stray, sizeof stray,
                        "{\"session_id\":\"session_aaaaaaaaaaaa\",\"entity_id\":\"%s\","
                        "\"incarnation\":\"00000000000000000000000000000000\"}",
                        ACME);
    put_session(&s, "session_aaaaaaaaaaaa", stray, (size_t)size);
    assert_int_equal(rsi_session_read(&record, s.store, "session_aaaaaaaaaaaa"),
                     RAGSTORE_E_NOT_FOUND);
    new_session(&s, id, NULL);
    uint64_t deleted = 0;
    assert_int_equal(rsi_entity_delete(&deleted, s.store, ACME), 0);
    assert_int_equal(rsi_session_read(&record, s.store, id), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_create(s.incarnation, s.store, ACME, &fields), 0);
    assert_int_equal(rsi_session_read(&record, s.store, id), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

static void agent_session__says_that_a_record_is_damaged(void **state)
{
    open_store s;
    rsi_session_record record;
    open_store_begin(&s, state, NULL);
    put_session(&s, "session_bbbbbbbbbbbb", "{\"session_id\":7}", 16);
    assert_int_equal(rsi_session_read(&record, s.store, "session_bbbbbbbbbbbb"),
                     RAGSTORE_E_DAMAGED);
    assert_null(record.json);
    open_store_end(&s);
}

static void expect_listed(open_store *s, uint64_t limit, uint64_t offset, const char *match,
                          size_t count, const char *first)
{
    rsi_bytes out = {0};
    rsi_json *list;
    const rsi_session_page page = {limit, offset, match, false};
    assert_int_equal(rsi_session_list(&out, s->store, ACME, s->incarnation, &page), 0);
    assert_int_equal(rsi_json_parse(&list, out.data, out.size, 8), 0);
    assert_int_equal(rsi_json_count(list), count);
    if (count > 0)
        assert_string_equal(rsi_json_get_text(rsi_json_at(list, 0), "session_name"), first);
    rsi_json_free(list);
    rsi_bytes_free(&out);
}

static void agent_session__is_listed_with_those_of_its_entity(void **state)
{
    const rsi_entity_fields fields = {.name = NULL};
    char other[RSI_INCARNATION_DIGITS + 1];
    char id[RSI_SESSION_ID_MAX];
    open_store s;
    rsi_bytes out = {0};
    const rsi_session_page one = {.limit = 1};
    open_store_begin(&s, state, NULL);
    expect_listed(&s, UINT64_MAX, 0, NULL, 0, NULL);
    assert_int_equal(rsi_entity_create(other, s.store, "other", &fields), 0);
    assert_int_equal(rsi_session_create(id, s.store, "other", other, "Elsewhere", NULL), 0);
    new_session(&s, id, "Wings");
    new_session(&s, id, "Jets");
    new_session(&s, id, "Wing loads");
    expect_listed(&s, UINT64_MAX, 0, NULL, 3, "Wings");
    expect_listed(&s, 1, 1, NULL, 1, "Jets");
    expect_listed(&s, UINT64_MAX, 2, NULL, 1, "Wing loads");
    expect_listed(&s, UINT64_MAX, UINT64_MAX, NULL, 0, NULL);
    expect_listed(&s, 0, 0, NULL, 0, NULL);
    expect_listed(&s, UINT64_MAX, 0, "wING", 2, "Wings");
    expect_listed(&s, UINT64_MAX, 1, "wing", 1, "Wing loads");
    expect_listed(&s, UINT64_MAX, 0, id, 1, "Wing loads");
    expect_listed(&s, UINT64_MAX, 0, "rocket", 0, NULL);
    assert_int_equal(rsi_session_list(&out, s.store, "nobody", s.incarnation, &one),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_session_list(&out, s.store, ACME, other, &one), RAGSTORE_E_NOT_FOUND);
    rsi_bytes_free(&out);
    open_store_end(&s);
}

/* ---- faults ---- */

typedef struct job {
    open_store *s;
    const char *id;
} job;

static int create_once(void *user)
{
    const job *j = user;
    char id[RSI_SESSION_ID_MAX];
    size_t before = rsi_storage_count(j->s->store->storage, RSI_SPACE_SESSIONS);
    int status = rsi_session_create(id, j->s->store, ACME, j->s->incarnation, NULL, "{\"a\":1}");
    size_t after = rsi_storage_count(j->s->store->storage, RSI_SPACE_SESSIONS);
    assert_int_equal(after, before + (status == RAGSTORE_OK));
    if (status == RAGSTORE_OK && fault_memory_failed()) { /* it did without: once more */
        fault_memory_disarm();
        assert_int_equal(rsi_session_delete(j->s->store, id), RAGSTORE_OK);
    }
    return status;
}

static int describe_once(void *user)
{
    const job *j = user;
    rsi_bytes out = {0};
    int status = rsi_session_describe(&out, j->s->store, j->id);
    rsi_bytes_free(&out);
    return status;
}

static int list_once(void *user)
{
    const job *j = user;
    rsi_bytes out = {0};
    const rsi_session_page page = {10, 0, "chat", true};
    int status = rsi_session_list(&out, j->s->store, ACME, j->s->incarnation, &page);
    rsi_bytes_free(&out);
    return status;
}

static int update_once(void *user)
{
    const job *j = user;
    const rsi_session_change change = {.name = "Renamed", .metadata_json = "{\"a\":2}"};
    char version[RSI_SESSION_VERSION_SIZE];
    int status = rsi_session_version(version, j->s->store, j->id);
    return status == RAGSTORE_OK ? rsi_session_update(j->s->store, j->id, &change, version)
                                 : status;
}

static int search_once(void *user)
{
    const job *j = user;
    const rsi_session_page page = {.limit = 10};
    rsi_bytes out = {0};
    int status =
        rsi_session_search(&out, j->s->store, ACME, j->s->incarnation, "Über wings", NULL, &page);
    if (status == RAGSTORE_OK)
        assert_non_null(strstr(out.data, "\"number\":1,"));
    rsi_bytes_free(&out);
    return status;
}

static int delete_once(void *user)
{
    const job *j = user;
    return rsi_session_delete(j->s->store, j->id);
}

static void agent_session__survives_each_failing_allocation(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    job j = {&s, id};
    assert_true(each_allocation_fails(create_once, &j, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 5);
    assert_int_equal(rsi_storage_count(s.store->storage, RSI_SPACE_SESSIONS), 1);
    new_session(&s, id, NULL);
    assert_true(each_allocation_fails(describe_once, &j, 0) > 1);
    assert_true(each_allocation_fails(list_once, &j, 0) > 2);
    assert_true(each_allocation_fails(update_once, &j, EACH_MAY_KEEP) > 5);
    assert_int_equal(rsi_session_append(NULL, NULL, s.store, id, "user", "Of jets", NULL), 0);
    assert_int_equal(
        rsi_session_append(NULL, NULL, s.store, id, "user", "UBER all\nthe WINGS", NULL), 0);
    assert_true(each_allocation_fails(search_once, &j, 0) > 5);
    assert_true(each_file_call_fails(&s, search_once, &j, EACH_MAY_SUCCEED) < 100);
    assert_true(each_allocation_fails(delete_once, &j, EACH_MAY_KEEP) > 2);
    expect_listed(&s, UINT64_MAX, 0, NULL, 1, "Chat 1");
    open_store_again(&s);
    expect_listed(&s, UINT64_MAX, 0, NULL, 1, "Chat 1");
    open_store_end(&s);
}

static void agent_session__is_there_or_not_after_each_failing_file_call(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    for (int64_t n = 1;; n++) {
        char id[RSI_SESSION_ID_MAX];
        rsi_session_record record;
        fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
        int status = rsi_session_create(id, s.store, ACME, s.incarnation, NULL, NULL);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        if (status == RAGSTORE_OK) {
            open_store_again(&s);
            assert_int_equal(rsi_session_read(&record, s.store, id), 0);
            rsi_session_record_free(&record);
        } else {
            assert_true(struck);
            (void)rsi_store_close(s.store); /* may say again what failed */
            rsi_store_free(s.store);
            assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        }
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(agent_session__is_found_by_its_id_with_what_it_was_given),
        FRESH(agent_session__is_named_by_how_many_there_are),
        FRESH(agent_session__refuses_bad_texts),
        FRESH(agent_session__is_not_found_under_other_ids),
        FRESH(agent_session__never_speaks_about_another_entity_of_the_same_id),
        FRESH(agent_session__says_that_a_record_is_damaged),
        FRESH(agent_session__is_listed_with_those_of_its_entity),
        FRESH(agent_session__survives_each_failing_allocation),
        FRESH(agent_session__is_there_or_not_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
