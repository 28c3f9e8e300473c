/* Making an index anew: progress, cancelling, failures, and searches by other threads meanwhile. */
#include "index_fixture.h"

#include <pthread.h>

#define PARTS 4
#define ALL ((uint64_t)(PARTS * PART))
#define UNHEARD_MAX 2048 /* vectors between two reports, on whatever machine */

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
} stage;

static void set_stage(stage *on, void **state, uint32_t flags, int parts)
{
    on->store = open_store_with(state, flags, NULL);
    on->entity = make_entity(on->store, "points");
    for (int part = 0; part < parts; part++)
        add_part(on->entity, (uint64_t)part * PART, NULL);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void strike_stage(stage *on)
{
    ragstore_index_free(on->index);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

/* Set a kind; skips the test where this processor cannot run FAISS. */
static void set_kind(ragstore_index *index, const char *kind)
{
    const int status = ragstore_index_set(index, "kind", kind);
    if (status == RAGSTORE_E_UNSUPPORTED) {
        print_message("%s\n", ragstore_error_message());
        skip();
    }
    assert_ok(status);
}

static const char *const kinds[][2] = {
    {"codes", "codes"}, {"partition", "partition"}, {"faiss:IVF32,Flat", "faiss"}};

typedef struct listener {
    unsigned calls;
    unsigned cancel_at; /* 0: never */
    uint64_t done;
    uint64_t total;
    bool is_known;
} listener;

static int32_t hear(void *user, const char *stage_name, uint64_t done, uint64_t total)
{
    listener *heard = user;
    const bool is_train = strcmp(stage_name, "train") == 0;
    heard->is_known = is_train || strcmp(stage_name, "vectors") == 0;
    assert_true(heard->is_known);
    if (!is_train) {
        assert_true(done >= heard->done && done <= total);
        assert_true(done - heard->done <= UNHEARD_MAX);
        heard->done = done;
        heard->total = total;
    }
    return ++heard->calls == heard->cancel_at;
}

static void index_rebuild__makes_it_now_and_tells_how_far_it_is(void **state)
{
    stage on;
    set_stage(&on, state, RAGSTORE_OPEN_NO_BACKGROUND, PARTS);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        ragstore_index_rebuild_options options = RAGSTORE_INDEX_REBUILD_OPTIONS_INIT;
        listener heard = {0};
        options.progress = hear;
        options.progress_user = &heard;
        set_kind(on.index, kinds[i][0]);
        for (int round = 0; round < 2; round++) { /* also when there is one already */
            heard = (listener){0};
            assert_ok(ragstore_index_rebuild(on.index, &options));
            assert_true(heard.calls >= 3);
            assert_int_equal(heard.done, ALL);
            assert_int_equal(heard.total, ALL);
            expect_described(on.index, "tier", kinds[i][1]);
            assert_true(measure_recall(on.index, "cosine", ALL, NULL, 10) >= 0.95);
        }
    }
    set_kind(on.index, "exact");
    assert_ok(ragstore_index_rebuild(on.index, NULL));
    expect_described(on.index, "tier", "exact");
    assert_true(measure_recall(on.index, "cosine", ALL, NULL, 10) == 1);
    strike_stage(&on);
}

static void index_rebuild__that_is_cancelled_leaves_what_there_was(void **state)
{
    stage on;
    set_stage(&on, state, RAGSTORE_OPEN_NO_BACKGROUND, PARTS);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        ragstore_index_rebuild_options options = RAGSTORE_INDEX_REBUILD_OPTIONS_INIT;
        listener heard = {0};
        options.progress = hear;
        options.progress_user = &heard;
        set_kind(on.index, "codes");
        assert_ok(ragstore_index_rebuild(on.index, NULL));
        set_kind(on.index, kinds[i][0]);
        assert_ok(ragstore_index_rebuild(on.index, &options));
        const unsigned calls = heard.calls;
        for (unsigned at = 1; at < calls; at += 1 + calls / 8) {
            heard = (listener){.cancel_at = at};
            assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_index_rebuild(on.index, &options));
            assert_int_equal(heard.calls, at);
            expect_described(on.index, "tier", kinds[i][1]);
            json_t *description = describe_index(on.index);
            assert_number(description, "coded", (json_int_t)ALL);
            json_decref(description);
        }
        assert_true(measure_recall(on.index, "cosine", ALL, NULL, 10) >= 0.95);
    }
    strike_stage(&on);
}

static void index_rebuild__needs_the_entity(void **state)
{
    stage on;
    set_stage(&on, state, RAGSTORE_OPEN_NO_BACKGROUND, 1);
    assert_ok(ragstore_index_rebuild(on.index, NULL)); /* few: nothing to make */
    expect_described(on.index, "tier", "exact");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_rebuild(NULL, NULL));
    assert_ok(ragstore_entity_delete(NULL, on.store, "points"));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_index_rebuild(on.index, NULL));
    strike_stage(&on);
}

/* ---- threads ---- */

typedef struct crowd {
    stage on;
    bool ends; /* atomic */
} crowd;

/* Chunks PARTS × PART … come and go; all others are there all the time. */
static void *search_all_the_time(void *user)
{
    crowd *in = user;
    for (uint64_t q = 0; !__atomic_load_n(&in->ends, __ATOMIC_RELAXED); q++) {
        float query[WIDE];
        int64_t chunks[10];
        float scores[10];
        make_point(query, q * 7 % ALL);
        assert_ok(ragstore_index_search(chunks, scores, in->on.index, query, 1, WIDE, 10));
        for (size_t i = 0; i < 10; i++)
            assert_true(chunks[i] >= 0 && (i == 0 || scores[i - 1] >= scores[i]));
    }
    return NULL;
}

static void *add_and_delete(void *user)
{
    crowd *in = user;
    while (!__atomic_load_n(&in->ends, __ATOMIC_RELAXED)) {
        char doc_id[64];
        add_part(in->on.entity, ALL, doc_id);
        assert_ok(ragstore_document_delete(in->on.entity, doc_id));
    }
    return NULL;
}

static void index__serves_while_everything_changes(void **state)
{
    static const char *const turns[] = {"codes",       "partition", "faiss:IVF16,SQ8",
                                        "faiss:HNSW8", "exact",     "faiss:IVF16,SQ8",
                                        "partition",   "auto"};
    crowd in = {.ends = false};
    pthread_t searchers[2];
    pthread_t writer;
    set_stage(&in.on, state, 0, PARTS);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&searchers[i], NULL, search_all_the_time, &in), 0);
    assert_int_equal(pthread_create(&writer, NULL, add_and_delete, &in), 0);
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < COUNT(turns); i++) {
        status = ragstore_index_set(in.on.index, "kind", turns[i]);
        if (status == RAGSTORE_E_UNSUPPORTED) /* no FAISS here */
            status = RAGSTORE_OK;
        else if (i % 2 == 0 && status == RAGSTORE_OK)
            status = ragstore_index_rebuild(in.on.index, NULL);
        if (status == RAGSTORE_OK && i % 3 == 0)
            status = ragstore_store_compact(NULL, in.on.store, NULL);
        if (status != RAGSTORE_OK)
            print_error("%s: %s\n", turns[i], ragstore_error_message());
    }
    __atomic_store_n(&in.ends, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++)
        pthread_join(searchers[i], NULL);
    pthread_join(writer, NULL);
    assert_int_equal(status, RAGSTORE_OK);
    assert_true(measure_recall(in.on.index, "cosine", ALL, NULL, 10) >= 0.95);
    strike_stage(&in.on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_rebuild__makes_it_now_and_tells_how_far_it_is),
        TEST(index_rebuild__that_is_cancelled_leaves_what_there_was),
        TEST(index_rebuild__needs_the_entity),
        TEST(index__serves_while_everything_changes),
    };
    return cmocka_run_group_tests_name("index rebuild", tests, NULL, NULL);
}
