/* The settings of an index: keys and values, where they are kept, what they change. */
#define WIDE 96
#include "index_fixture.h"

#define PARTS 4

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
} stage;

static void open_stage(stage *on, void **state)
{
    on->store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on->entity = open_entity(on->store, "points");
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void close_stage(stage *on)
{
    ragstore_index_free(on->index);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static void set_stage(stage *on, void **state, int parts)
{
    on->store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on->entity = make_entity(on->store, "points");
    for (int part = 0; part < parts; part++)
        add_part(on->entity, (uint64_t)part * PART, NULL);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void index_settings__are_kept_with_the_entity(void **state)
{
    stage on;
    set_stage(&on, state, 1);
    expect_setting(on.index, "kind", "auto");
    expect_setting(on.index, "probes", "0");
    expect_setting(on.index, "candidates", "0");
    assert_ok(ragstore_index_set(on.index, "kind", "partition"));
    assert_ok(ragstore_index_set(on.index, "probes", "40"));
    assert_ok(ragstore_index_set(on.index, "candidates", "1000000"));
    assert_ok(ragstore_index_set(on.index, "threads", "2"));
    add_part(on.entity, PART, NULL); /* writes the record, too */
    close_stage(&on);
    open_stage(&on, state);
    expect_setting(on.index, "kind", "partition");
    expect_setting(on.index, "probes", "40");
    expect_setting(on.index, "candidates", "1000000");
    expect_setting(on.index, "threads", "2");
    assert_ok(ragstore_index_set(on.index, "threads", NULL));
    expect_setting(on.index, "threads", "0");
    assert_ok(ragstore_index_set(on.index, "probes", NULL));
    assert_ok(ragstore_index_set(on.index, "kind", NULL));
    expect_setting(on.index, "probes", "0");
    expect_setting(on.index, "kind", "auto");
    expect_setting(on.index, "candidates", "1000000");
    close_stage(&on);
}

static void index_settings__refuse_what_there_is_not_and_list_what_there_is(void **state)
{
    static const char *const bad[][3] = {
        {"speed", "1", "\"kind\""},
        {"", "1", "\"probes\""},
        {"Kind", "auto", "\"candidates\""},
        {"kind", "fast", "\"partition\""},
        {"kind", "", "\"exact\""},
        {"kind", "exact ", "\"auto\""},
        {"probes", "-1", "0 (the default)"},
        {"probes", "65537", "65536"},
        {"probes", "1e3", "whole number"},
        {"probes", "", "whole number"},
        {"candidates", "1000001", "1000000"},
        {"threads", "65", "64"},
        {"probes", "99999999999999999999", "65536"},
    };
    stage on;
    ragstore_buffer *out;
    set_stage(&on, state, 1);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_index_set(on.index, bad[i][0], bad[i][1]));
        assert_message_has(bad[i][2]);
    }
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_get(&out, on.index, "speed"));
    assert_message_has("\"kind\"");
    assert_null(out);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_set(on.index, NULL, "1"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_set(NULL, "kind", "auto"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_get(&out, on.index, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_get(NULL, on.index, "kind"));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_get(&out, NULL, "kind"));
    expect_setting(on.index, "kind", "auto");
    close_stage(&on);
}

static void index_settings__need_an_entity_that_can_be_written(void **state)
{
    stage on;
    ragstore_buffer *out;
    set_stage(&on, state, 1);
    ragstore_entity_free(on.entity);
    assert_ok(ragstore_entity_delete(NULL, on.store, "points"));
    on.entity = make_entity(on.store, "points"); /* the same id, another entity */
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_set(on.index, "kind", "exact"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_get(&out, on.index, "kind"));
    add_part(on.entity, 0, NULL);
    close_stage(&on);
    on.store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    on.entity = open_entity(on.store, "points");
    assert_ok(ragstore_index_open(&on.index, on.entity));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_index_set(on.index, "kind", "exact"));
    expect_setting(on.index, "kind", "auto");
    close_stage(&on);
}

static void index_settings__can_be_given_to_a_new_entity(void **state)
{
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity_with(store, "points", "l2", "exact");
    ragstore_index *index;
    add_part(entity, 0, NULL);
    assert_ok(ragstore_index_open(&index, entity));
    expect_setting(index, "kind", "exact");
    expect_described(index, "metric", "l2");
    options.metric = "manhattan";
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_create(NULL, store, "b", &options));
    assert_message_has("\"inner_product\"");
    options.metric = NULL;
    options.index_kind = "fast";
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_create(NULL, store, "b", &options));
    assert_message_has("\"partition\"");
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* Searches give right answers before, while and after another tier is made ready. */
static void index_kind__takes_effect_in_the_background(void **state)
{
    static const char *const kinds[][2] = {
        {"codes", "codes"},         {"partition", "partition"}, {"exact", "exact"},
        {"partition", "partition"}, {"codes", "codes"},         {"auto", "codes"},
        {"exact", "exact"},
    };
    stage on;
    const char *before = "exact";
    set_stage(&on, state, PARTS);
    assert_ok(ragstore_store_maintain(on.store, 60000));
    expect_described(on.index, "tier", before); /* by itself there are no codes of so few */
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const bool to_exact = strcmp(kinds[i][0], "exact") == 0;
        assert_ok(ragstore_index_set(on.index, "kind", kinds[i][0]));
        expect_described(on.index, "kind", kinds[i][0]);
        expect_described(on.index, "tier", to_exact ? "exact" : before);
        if (strcmp(before, kinds[i][1]) != 0)
            expect_described(on.index, "state", "building");
        assert_true(measure_recall(on.index, "cosine", PART * PARTS, NULL, 10) >= 0.95);
        assert_ok(ragstore_store_maintain(on.store, 60000));
        expect_described(on.index, "tier", kinds[i][1]);
        expect_described(on.index, "state", "ready");
        const double least = to_exact ? 1 : 0.95;
        assert_true(measure_recall(on.index, "cosine", PART * PARTS, NULL, 10) >= least);
        json_t *description = describe_index(on.index);
        assert_number(description, "coded", to_exact ? PART * PARTS / 32 * 32 : PART * PARTS);
        assert_true(json_integer_value(json_object_get(description, "memory")) > 0);
        json_decref(description);
        before = kinds[i][1];
    }
    close_stage(&on);
}

/* Few probes and candidates find less, all of them find everything. */
static void index_effort__can_be_set(void **state)
{
    stage on;
    set_stage(&on, state, PARTS);
    assert_ok(ragstore_index_set(on.index, "kind", "partition"));
    assert_ok(ragstore_store_maintain(on.store, 60000));
    assert_ok(ragstore_index_set(on.index, "probes", "1"));
    assert_ok(ragstore_index_set(on.index, "candidates", "1"));
    const double one = measure_recall(on.index, "cosine", PART * PARTS, NULL, 40);
    assert_ok(ragstore_index_set(on.index, "probes", "65536"));
    assert_ok(ragstore_index_set(on.index, "candidates", "6000"));
    const double all = measure_recall(on.index, "cosine", PART * PARTS, NULL, 40);
    assert_true(one < 0.9);
    assert_true(all == 1);
    close_stage(&on);
}

/* Two processes: what one has set, the other goes by. */
static void index_settings__reach_another_process(void **state)
{
    stage on;
    set_stage(&on, state, 1);
    expect_described(on.index, "kind", "auto");
    const pid_t child = fork();
    if (child == 0) {
        ragstore_store *store;
        ragstore_entity *entity;
        ragstore_index *index;
        int status = ragstore_store_open(&store, store_path(state), NULL);
        if (status == RAGSTORE_OK)
            status = ragstore_entity_open(&entity, store, "points");
        if (status == RAGSTORE_OK)
            status = ragstore_index_open(&index, entity);
        if (status == RAGSTORE_OK)
            status = ragstore_index_set(index, "kind", "exact");
        _exit(status == RAGSTORE_OK ? 0 : 1);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    expect_described(on.index, "kind", "exact");
    expect_setting(on.index, "kind", "exact");
    assert_true(measure_recall(on.index, "cosine", PART, NULL, 10) == 1);
    close_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_settings__reach_another_process),
        TEST(index_settings__are_kept_with_the_entity),
        TEST(index_settings__refuse_what_there_is_not_and_list_what_there_is),
        TEST(index_settings__need_an_entity_that_can_be_written),
        TEST(index_settings__can_be_given_to_a_new_entity),
        TEST(index_kind__takes_effect_in_the_background),
        TEST(index_effort__can_be_set),
    };
    return cmocka_run_group_tests_name("index settings", tests, NULL, NULL);
}
