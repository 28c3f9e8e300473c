/* Entities as JSON for callers, one and all. */
#include "entities_fixture.h"

#include "entities/check.h"
#include "storage/base.h"

static void entities_entity_describe__tells_what_the_header_documents(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_json *json = describe_entity(&s, ACME);
    assert_string_equal(rsi_json_get_text(json, "entity_id"), ACME);
    assert_string_equal(rsi_json_get_text(json, "entity_name"), "Acme Corp");
    assert_string_equal(rsi_json_get_text(json, "description"), "");
    assert_int_equal(rsi_json_count(rsi_json_get(json, "metadata")), 0);
    assert_int_equal(strlen(rsi_json_get_text(json, "created_at")), 26);
    assert_int_equal(rsi_json_get_integer(json, "total_documents", -1), 0);
    assert_false(rsi_json_true(rsi_json_get(json, "has_vector_store")));
    assert_string_equal(rsi_json_get_text(json, "search_mode"), "keyword");
    assert_null(rsi_json_get(json, "incarnation"));
    rsi_json_free(json);
    add_pair(&s, "one");
    json = describe_entity(&s, ACME);
    assert_int_equal(rsi_json_get_integer(json, "total_documents", -1), 1);
    assert_int_equal(rsi_json_get_integer(json, "total_chunks", -1), 2);
    assert_true(rsi_json_true(rsi_json_get(json, "has_vector_store")));
    assert_string_equal(rsi_json_get_text(json, "embedder"), "own/2");
    rsi_json_free(json);
    open_store_end(&s);
}

/* Counts must not be misled by what users put into a document's fields. */
static void entities_entity_describe__counts_chunks_whatever_the_metadata_says(void **state)
{
    static const float vector[] = {1, 0};
    const rsi_document_fields fields = {.filename = "\"chunks_count\":7",
                                        .metadata_json = "{\"chunks_count\":5000}",
                                        .key = "\"chunks_count\":9"};
    open_store s;
    rsi_added added;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_document_add_chunks(&added, s.store, ACME, s.incarnation,
                                             "[{\"text\": \"one\"}]", vector, 2, &fields),
                     0);
    open_store_expect_totals(&s, 1, 1);
    open_store_again(&s);
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void expect_list(open_store *s, uint64_t limit, uint64_t offset, const char *match,
                        int64_t total, const char *ids)
{
    rsi_bytes out = {0};
    rsi_json *json;
    char found[256] = "";
    assert_int_equal(rsi_entity_list(&out, s->store, limit, offset, match), 0);
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 8), 0);
    assert_int_equal(rsi_json_get_integer(json, "total", -1), total);
    const rsi_json *list = rsi_json_get(json, "entities");
    for (size_t i = 0; i < rsi_json_count(list); i++) {
        strcat(found, rsi_json_get_text(rsi_json_at(list, i), "entity_id"));
        strcat(found, " ");
    }
    assert_string_equal(found, ids);
    rsi_json_free(json);
    rsi_bytes_free(&out);
}

static void entities_entity_describe__lists_pages_and_matches(void **state)
{
    const rsi_entity_fields named = {.name = "Wing works"};
    const rsi_entity_fields plain = {.name = NULL};
    open_store s;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_create(incarnation, s.store, "b", &named), 0);
    assert_int_equal(rsi_entity_create(incarnation, s.store, "c", &plain), 0);
    expect_list(&s, UINT64_MAX, 0, NULL, 3, "acme b c ");
    expect_list(&s, 1, 1, NULL, 3, "b ");
    expect_list(&s, 0, 0, NULL, 3, "");
    expect_list(&s, UINT64_MAX, UINT64_MAX, NULL, 3, "");
    expect_list(&s, UINT64_MAX, 0, "WORKS", 1, "b ");
    expect_list(&s, UINT64_MAX, 0, "AC", 1, "acme ");
    expect_list(&s, UINT64_MAX, 0, "nothing", 0, "");
    assert_int_equal(rsi_entity_delete(NULL, s.store, "b"), 0);
    expect_list(&s, UINT64_MAX, 0, "", 2, "acme c ");
    open_store_end(&s);
}

/* The texts of all lines of entities.json that have `old` get `new`, of the same length. */
static void change_lines(void **state, const char *old, const char *new)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *file = fopen(temporary_join(path, state, RSI_PATH_ENTITIES), "r+");
    assert_non_null(file);
    char *text = temporary_read(path, NULL);
    char *place = strstr(text, old);
    assert_non_null(place);
    assert_int_equal(fseek(file, place - text, SEEK_SET), 0);
    assert_int_equal(fwrite(new, 1, strlen(new), file), strlen(new));
    assert_int_equal(fclose(file), 0);
    free(text);
}

static rsi_json *list_all(open_store *s)
{
    rsi_bytes out = {0};
    rsi_json *json;
    if (rsi_entity_list(&out, s->store, UINT64_MAX, 0, NULL) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 8), 0);
    rsi_bytes_free(&out);
    return json;
}

/* One wrong letter costs one entity. */
static void entities_entity_describe__lists_the_others_beside_a_damaged_line(void **state)
{
    const uint64_t small_bytes = rsi_base_small_bytes;
    const rsi_entity_fields named = {.name = "Wing works"};
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_create(incarnation, s.store, "b", &named), 0);
    rsi_base_small_bytes = 0; /* it stays in its file */
    open_store_again(&s);
    expect_list(&s, UINT64_MAX, 0, NULL, 2, "acme b ");
    change_lines(state, "Wing works", "Wing warks");
    expect_list(&s, UINT64_MAX, 0, NULL, 1, "acme ");
    rsi_json *json = list_all(&s);
    assert_int_equal(rsi_json_get_integer(json, "unreadable", -1), 1);
    rsi_json_free(json);
    change_lines(state, "Wing warks", "Wing works");
    json = list_all(&s);
    assert_null(rsi_json_get(json, "unreadable"));
    assert_int_equal(rsi_json_get_integer(json, "total", -1), 2);
    rsi_json_free(json);
    open_store_end(&s);
    rsi_base_small_bytes = small_bytes;
}

typedef struct findings {
    size_t count;
    bool of_b;
} findings;

static int note_finding(void *user, const rsi_finding *finding)
{
    findings *found = user;
    found->count++;
    found->of_b |= strcmp(finding->file, RSI_PATH_ENTITIES) == 0 && finding->record != NULL &&
                   strcmp(finding->record, "b") == 0;
    return RAGSTORE_OK;
}

/* A line that is whole, and whose record makes no sense: somebody wrote it. */
static void entities_entity_describe__tells_which_record_makes_no_sense(void **state)
{
    static const char senseless[] =
        "{\"entity_id\":\"b\",\"entity_name\":\"Wing works\",\"metric\":\"miles\"}";
    open_store s;
    rsi_tx *tx;
    findings found = {0};
    rsi_check_tally tally;
    const rsi_check_watch watch = {.visit = note_finding, .user = &found};
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_ENTITIES, "b", senseless, strlen(senseless)), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    expect_list(&s, UINT64_MAX, 0, NULL, 2, "acme b ");
    rsi_json *json = list_all(&s);
    const rsi_json *b = rsi_json_at(rsi_json_get(json, "entities"), 1);
    const rsi_json *error = rsi_json_get(b, "error");
    assert_int_equal(rsi_json_get_integer(error, "code", 0), RAGSTORE_E_UNSUPPORTED);
    assert_non_null(strstr(rsi_json_get_text(error, "message"), "miles"));
    assert_null(rsi_json_get_text(b, "entity_name"));
    assert_null(rsi_json_get(rsi_json_at(rsi_json_get(json, "entities"), 0), "error"));
    rsi_json_free(json);
    assert_int_equal(rsi_store_check(&tally, s.store, &watch), 0);
    assert_true(found.of_b);
    assert_int_equal(tally.entities, 2);
    open_store_end(&s);
}

static void entities_entity_describe__finds_no_entity_that_is_not_there(void **state)
{
    open_store s;
    rsi_bytes out = {0};
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_entity_describe(&out, s.store, "nobody", NULL), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_entity_describe(&out, s.store, ACME, "0"), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(out.size, 0);
    open_store_end(&s);
}

static int describe_once(void *user)
{
    open_store *s = user;
    rsi_bytes out = {0};
    int status = rsi_entity_describe(&out, s->store, ACME, s->incarnation);
    rsi_bytes_free(&out);
    return status;
}

static int list_once(void *user)
{
    open_store *s = user;
    rsi_bytes out = {0};
    int status = rsi_entity_list(&out, s->store, 10, 0, "acme corp");
    rsi_bytes_free(&out);
    return status;
}

static void entities_entity_describe__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_pair(&s, "one");
    assert_true(each_allocation_fails(describe_once, &s, 0) > 1);
    assert_true(each_allocation_fails(list_once, &s, 0) > 2);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_entity_describe__tells_what_the_header_documents),
        FRESH(entities_entity_describe__counts_chunks_whatever_the_metadata_says),
        FRESH(entities_entity_describe__lists_pages_and_matches),
        FRESH(entities_entity_describe__lists_the_others_beside_a_damaged_line),
        FRESH(entities_entity_describe__tells_which_record_makes_no_sense),
        FRESH(entities_entity_describe__finds_no_entity_that_is_not_there),
        FRESH(entities_entity_describe__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
