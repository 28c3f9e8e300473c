/* The cache of vectors: what comes again is not embedded again, what is too much goes. */
#include "entities_fixture.h"

#include "entities/embedding_cache.h"

#define DIMENSION 2

typedef struct counting {
    unsigned texts;
    bool fails;
} counting;

/* A direction for each length and role. */
static int32_t embed(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size)
{
    counting *how = user;
    if (how->fails) {
        snprintf(reason, reason_size, "no");
        return 1;
    }
    how->texts += (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        vectors[i * DIMENSION] = (float)(strlen(texts[i]) + 1);
        vectors[i * DIMENSION + 1] = role == RAGSTORE_ROLE_QUERY ? 1.0f : -1.0f;
    }
    return 0;
}

static rsi_embedder *open_counting(counting *how)
{
    const rsi_embedder_callback callback = {
        .fingerprint = "counting", .dimension = DIMENSION, .embed = embed, .user = how};
    rsi_embedder *embedder;
    assert_int_equal(rsi_embedder_open_callback(&embedder, &callback), 0);
    return embedder;
}

static void entities_embedding_cache__embeds_only_what_is_new(void **state)
{
    const rsi_slice texts[] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    const rsi_slice mixed[] = {{"bb", 2}, {"dddd", 4}, {"a", 1}};
    float first[3 * DIMENSION];
    float again[3 * DIMENSION];
    float plain[3 * DIMENSION];
    counting how = {0};
    rsi_embedding_cache *cache;
    (void)state;
    rsi_embedder *embedder = open_counting(&how);
    assert_int_equal(rsi_embedding_cache_make(&cache, DIMENSION, 1 << 20), 0);
    assert_int_equal(rsi_embed_cached(first, cache, embedder, RSI_EMBED_DOCUMENT, texts, 3), 0);
    assert_int_equal(how.texts, 3);
    assert_int_equal(rsi_embed_cached(again, cache, embedder, RSI_EMBED_DOCUMENT, texts, 3), 0);
    assert_int_equal(how.texts, 3);
    assert_memory_equal(first, again, sizeof first);
    assert_int_equal(rsi_embed_cached(again, cache, embedder, RSI_EMBED_DOCUMENT, mixed, 3), 0);
    assert_int_equal(how.texts, 4);
    assert_int_equal(rsi_embedder_embed(plain, embedder, RSI_EMBED_DOCUMENT, mixed, 3), 0);
    assert_memory_equal(again, plain, sizeof plain);
    how.texts = 0; /* a query is another text */
    assert_int_equal(rsi_embed_cached(again, cache, embedder, RSI_EMBED_QUERY, texts, 1), 0);
    assert_int_equal(how.texts, 1);
    assert_true(again[1] > 0 && first[1] < 0);
    rsi_embedding_cache_free(cache);
    rsi_embedder_release(embedder);
}

static void entities_embedding_cache__stays_below_its_limit_and_forgets_the_oldest(void **state)
{
    char text[32];
    float vector[DIMENSION];
    counting how = {0};
    rsi_embedding_cache *cache;
    const size_t limit = 10000;
    (void)state;
    rsi_embedder *embedder = open_counting(&how);
    assert_int_equal(rsi_embedding_cache_make(&cache, DIMENSION, limit), 0);
    for (int i = 0; i < 1000; i++) {
        const rsi_slice kept = {"kept", 4}; /* used all the time */
        const rsi_slice other = {text, (size_t)snprintf(text, sizeof text, "text %d", i)};
        assert_int_equal(rsi_embed_cached(vector, cache, embedder, RSI_EMBED_DOCUMENT, &kept, 1),
                         0);
        assert_int_equal(rsi_embed_cached(vector, cache, embedder, RSI_EMBED_DOCUMENT, &other, 1),
                         0);
        assert_true(rsi_embedding_cache_memory(cache) <= limit);
    }
    assert_int_equal(how.texts, 1001);
    assert_true(rsi_embedding_cache_memory(cache) > limit / 2);
    const rsi_slice first = {"text 0", 6};
    assert_int_equal(rsi_embed_cached(vector, cache, embedder, RSI_EMBED_DOCUMENT, &first, 1), 0);
    assert_int_equal(how.texts, 1002);
    rsi_embedding_cache_free(cache);
    rsi_embedder_release(embedder);
}

static void entities_embedding_cache__may_have_no_room_or_not_be_there(void **state)
{
    const rsi_slice text = {"a", 1};
    float vector[DIMENSION];
    counting how = {0};
    rsi_embedding_cache *cache;
    (void)state;
    rsi_embedder *embedder = open_counting(&how);
    assert_int_equal(rsi_embedding_cache_make(&cache, DIMENSION, 0), 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(
            rsi_embed_cached(vector, i == 3 ? NULL : cache, embedder, RSI_EMBED_DOCUMENT, &text, 1),
            0);
        assert_int_equal(how.texts, i);
    }
    assert_int_equal(rsi_embedding_cache_memory(cache), 0);
    assert_int_equal(rsi_embedding_cache_memory(NULL), 0);
    rsi_embedding_cache_free(cache);
    rsi_embedding_cache_free(NULL);
    rsi_embedder_release(embedder);
}

static void entities_embedding_cache__keeps_nothing_of_a_failure(void **state)
{
    const rsi_slice text = {"a", 1};
    float vector[DIMENSION];
    counting how = {.fails = true};
    rsi_embedding_cache *cache;
    (void)state;
    rsi_embedder *embedder = open_counting(&how);
    assert_int_equal(rsi_embedding_cache_make(&cache, DIMENSION, 1 << 20), 0);
    assert_int_equal(rsi_embed_cached(vector, cache, embedder, RSI_EMBED_DOCUMENT, &text, 1),
                     RAGSTORE_E_EMBEDDER);
    assert_int_equal(rsi_embedding_cache_memory(cache), 0);
    how.fails = false;
    assert_int_equal(rsi_embed_cached(vector, cache, embedder, RSI_EMBED_DOCUMENT, &text, 1), 0);
    assert_int_equal(how.texts, 1);
    rsi_embedding_cache_free(cache);
    rsi_embedder_release(embedder);
}

/* Everything from opening an embedder to the second look. */
static int open_and_embed(void *user)
{
    const rsi_slice texts[] = {{"a", 1}, {"bb", 2}};
    const rsi_embedder_callback callback = {
        .fingerprint = "counting", .dimension = DIMENSION, .embed = embed, .user = user};
    float vectors[2 * DIMENSION];
    rsi_embedder *embedder;
    rsi_embedding_cache *cache = NULL;
    int status = rsi_embedder_open_callback(&embedder, &callback);
    if (status == RAGSTORE_OK)
        status = rsi_embedding_cache_make(&cache, DIMENSION, 1 << 20);
    for (int i = 0; status == RAGSTORE_OK && i < 2; i++)
        status = rsi_embed_cached(vectors, cache, embedder, RSI_EMBED_DOCUMENT, texts, 2);
    rsi_embedding_cache_free(cache);
    rsi_embedder_release(embedder);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_embedder_open_hashing(&embedder, 0);
    rsi_embedder_release(embedder);
    return status;
}

static void entities_embedding_cache__survives_each_failing_allocation(void **state)
{
    counting how = {0};
    (void)state;
    fault_memory_install();
    /* what cannot be kept is embedded again: not each failure is one of the call */
    assert_true(each_allocation_fails(open_and_embed, &how, EACH_MAY_SUCCEED) > 10);
    fault_memory_restore();
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_embedding_cache__embeds_only_what_is_new),
        FRESH(entities_embedding_cache__stays_below_its_limit_and_forgets_the_oldest),
        FRESH(entities_embedding_cache__may_have_no_room_or_not_be_there),
        FRESH(entities_embedding_cache__keeps_nothing_of_a_failure),
        FRESH(entities_embedding_cache__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
