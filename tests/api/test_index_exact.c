/* Exact search by byte codes: they come in the background, follow what changes, keep to the
 * memory. */
#include "index_fixture.h"

#include <pthread.h>

#define PARTS 3
#define BLOCK 32 /* rows: less than that stay without codes */

static const char *const metrics[] = {"cosine", "inner_product", "l2"};

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
    char doc_ids[2 * PARTS][64];
} stage;

static void set_stage(stage *on, void **state, const char *metric, uint64_t memory_limit)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.memory_limit_bytes = memory_limit;
    assert_ok(ragstore_store_open(&on->store, store_path(state), &options));
    on->entity = make_entity_with(on->store, "points", metric, "exact");
    for (uint64_t part = 0; part < PARTS; part++)
        add_part(on->entity, part * PART, on->doc_ids[part]);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void strike_stage(stage *on)
{
    ragstore_index_free(on->index);
    assert_ok(ragstore_entity_delete(NULL, on->store, "points"));
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static void expect_coded(ragstore_index *index, uint64_t points)
{
    json_t *description = describe_index(index);
    assert_text(description, "tier", "exact");
    assert_text(description, "state", "ready");
    assert_number(description, "coded", (json_int_t)(points / BLOCK * BLOCK));
    const json_int_t memory = json_integer_value(json_object_get(description, "memory"));
    assert_true(points == 0 ? memory == 0 : memory >= (json_int_t)(points / BLOCK * BLOCK * WIDE));
    json_decref(description);
}

static bool is_not_of_the_first(uint64_t number)
{
    return number >= PART;
}

static bool is_of_the_third(uint64_t number)
{
    return number >= 2 * PART && number < 3 * PART;
}

static void index_exact__finds_the_same_with_byte_codes(void **state)
{
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        set_stage(&on, state, metrics[m], 0);
        expect_described(on.index, "state", "building");
        assert_true(measure_recall(on.index, metrics[m], PARTS * PART, NULL, 10) == 1);
        assert_ok(ragstore_store_maintain(on.store, 60000));
        expect_coded(on.index, PARTS * PART);
        assert_true(measure_recall(on.index, metrics[m], PARTS * PART, NULL, 10) == 1);
        add_part(on.entity, PARTS * PART, on.doc_ids[PARTS]);
        assert_true(measure_recall(on.index, metrics[m], (PARTS + 1) * PART, NULL, 10) == 1);
        assert_ok(ragstore_store_maintain(on.store, 60000));
        expect_coded(on.index, (PARTS + 1) * PART);
        assert_true(measure_recall(on.index, metrics[m], (PARTS + 1) * PART, NULL, 10) == 1);
        strike_stage(&on);
    }
}

static void index_exact__never_shows_what_was_deleted(void **state)
{
    stage on;
    set_stage(&on, state, "l2", 0);
    assert_ok(ragstore_store_maintain(on.store, 60000));
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[0]));
    expect_coded(on.index, PARTS * PART);
    assert_true(measure_recall(on.index, "l2", PARTS * PART, is_not_of_the_first, 10) == 1);
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[1]));
    expect_coded(on.index, 0); /* most are dead, and what is left is little */
    assert_true(measure_recall(on.index, "l2", PARTS * PART, is_of_the_third, 10) == 1);
    strike_stage(&on);
}

static void index_exact__makes_way_for_another_kind_and_comes_again(void **state)
{
    stage on;
    ragstore_index_rebuild_options options = RAGSTORE_INDEX_REBUILD_OPTIONS_INIT;
    set_stage(&on, state, "cosine", 0);
    assert_ok(ragstore_store_maintain(on.store, 60000));
    assert_ok(ragstore_index_set(on.index, "kind", "codes"));
    assert_ok(ragstore_store_maintain(on.store, 60000));
    expect_described(on.index, "tier", "codes");
    assert_ok(ragstore_index_set(on.index, "kind", "exact"));
    assert_true(measure_recall(on.index, "cosine", PARTS * PART, NULL, 10) == 1);
    assert_ok(ragstore_index_rebuild(on.index, &options));
    expect_coded(on.index, PARTS * PART);
    assert_true(measure_recall(on.index, "cosine", PARTS * PART, NULL, 10) == 1);
    assert_ok(ragstore_index_rebuild(on.index, &options));
    expect_coded(on.index, PARTS * PART);
    strike_stage(&on);
}

static void index_exact__does_without_codes_where_memory_is_short(void **state)
{
    stage on;
    set_stage(&on, state, "cosine", 600 * 1024); /* they would take more than half of it */
    assert_ok(ragstore_store_maintain(on.store, 60000));
    expect_coded(on.index, 0);
    assert_true(measure_recall(on.index, "cosine", PARTS * PART, NULL, 10) == 1);
    strike_stage(&on);
}

/* ---- at the same time ---- */

typedef struct hurry {
    stage *on;
    bool is_over; /* atomic */
} hurry;

/* What is found is there, in order, and never of the part that went before. */
static void *search_until_it_is_over(void *argument)
{
    hurry *in = argument;
    for (uint64_t q = 0; !__atomic_load_n(&in->is_over, __ATOMIC_ACQUIRE); q++) {
        float query[WIDE];
        int64_t chunks[10];
        float scores[10];
        make_point(query, q % 4000);
        if (ragstore_index_search(chunks, scores, in->on->index, query, 1, WIDE, 10) != RAGSTORE_OK)
            return argument;
        for (size_t i = 0; i < 10; i++)
            if (chunks[i] < PART || (i > 0 && scores[i] > scores[i - 1]))
                return argument;
    }
    return NULL;
}

static void *maintain_until_it_is_over(void *argument)
{
    hurry *in = argument;
    while (!__atomic_load_n(&in->is_over, __ATOMIC_ACQUIRE))
        if (ragstore_store_maintain(in->on->store, 50) != RAGSTORE_OK)
            return argument;
    return NULL;
}

static void index_exact__is_searched_while_everything_changes(void **state)
{
    static const char *const kinds[] = {"exact", "codes", "exact", "partition", "exact"};
    stage on;
    hurry in = {.on = &on};
    pthread_t threads[3];
    set_stage(&on, state, "cosine", 0);
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[0]));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i == 0 ? maintain_until_it_is_over
                                               : search_until_it_is_over,
                                        &in),
                         0);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char doc_id[64];
        assert_ok(ragstore_index_set(on.index, "kind", kinds[i]));
        add_part(on.entity, (PARTS + i) * PART, doc_id);
        assert_ok(ragstore_index_rebuild(on.index, NULL));
        assert_ok(ragstore_document_delete(on.entity, doc_id));
        assert_ok(ragstore_store_compact(NULL, on.store, NULL));
    }
    __atomic_store_n(&in.is_over, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 3; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_ok(ragstore_index_rebuild(on.index, NULL)); /* without the dead */
    expect_coded(on.index, (PARTS - 1) * PART);
    strike_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_exact__finds_the_same_with_byte_codes),
        TEST(index_exact__never_shows_what_was_deleted),
        TEST(index_exact__makes_way_for_another_kind_and_comes_again),
        TEST(index_exact__does_without_codes_where_memory_is_short),
        TEST(index_exact__is_searched_while_everything_changes),
    };
    return cmocka_run_group_tests_name("exact index", tests, NULL, NULL);
}
