/* Taking out what removed chunks left: lib/lexical/lexical_compact.c. */
#include "lexical_fixture.h"

#include "base/bytes.h"
#include "harness/fault_memory.h"
#include "lexical/lexical_index.h"

#define CHUNKS 2000

/* A word of its own, a few frequent words, and stop words. */
static void add_numbered(rsi_lexical *index, int64_t chunk)
{
    rsi_bytes text = {0};
    rsi_bytes_printf(&text, "the own%c%c%c of", (char)('a' + chunk / 676),
                     (char)('a' + chunk / 26 % 26), (char)('a' + chunk % 26));
    for (int64_t word = 0; word <= chunk % 7; word++)
        rsi_bytes_printf(&text, " common%c common%c", (char)('a' + word), (char)('a' + chunk % 5));
    add(index, chunk, text.data);
    rsi_bytes_free(&text);
}

static void assert_same(const rsi_lexical *a, const rsi_lexical *b)
{
    static const char *const queries[] = {"commona", "commonb commong", "the of", "ownaab ownabc",
                                          "commonc ownbbb commonf owncat"};
    assert_int_equal(rsi_lexical_count(a), rsi_lexical_count(b));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        assert_same_answers(a, b, queries[i]);
}

static void lexical_compact__leaves_an_index_that_never_had_the_chunks(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    rsi_lexical *never = new_index("english");
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++) {
        add_numbered(index, chunk);
        if (chunk % 3 == 1)
            add_numbered(never, chunk);
    }
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        if (chunk % 3 != 1)
            rsi_lexical_remove(index, chunk);
    assert_same(index, never);
    rsi_lexical_compact(index, index->runs);
    assert_int_equal(index->runs->slots.count, index->runs->slots.alive);
    assert_int_equal(index->runs->dictionary.count, never->runs->dictionary.count);
    assert_same(index, never);
    for (int64_t chunk = CHUNKS; chunk < CHUNKS + 50; chunk++) { /* it goes on growing */
        add_numbered(index, chunk);
        add_numbered(never, chunk);
    }
    for (int64_t chunk = 1; chunk < CHUNKS; chunk += 30) {
        rsi_lexical_remove(index, chunk);
        rsi_lexical_remove(never, chunk);
    }
    assert_same(index, never);
    rsi_lexical_free(index);
    rsi_lexical_free(never);
}

static void lexical_compact__comes_by_itself(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        add_numbered(index, chunk);
    size_t most = 0;
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++) {
        rsi_lexical_remove(index, chunk);
        size_t dead = index->runs->slots.count - index->runs->slots.alive;
        most = dead > most ? dead : most;
    }
    assert_in_range(most, 64, CHUNKS / 4);
    assert_in_range(index->runs->slots.count, 0, 64);
    assert_in_range(index->runs->dictionary.count, 0, 100); /* own words are gone */
    rsi_lexical_free(index);
}

static void lexical_compact__does_nothing_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_lexical *index = new_index("english");
    rsi_lexical *never = new_index("english");
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++) {
        add_numbered(index, chunk);
        if (chunk >= CHUNKS / 2)
            add_numbered(never, chunk);
    }
    rsi_fail(RAGSTORE_E_NOT_FOUND, "test", "an error from before");
    for (unsigned n = 1; n <= 2; n++) {
        fault_memory_fail(n, true);
        for (int64_t chunk = n == 1 ? 0 : CHUNKS / 4; chunk < CHUNKS / (n == 1 ? 4 : 2); chunk++)
            rsi_lexical_remove(index, chunk);
        rsi_lexical_compact(index, index->runs);
        fault_memory_disarm();
        assert_int_equal(rsi_error_code(), RAGSTORE_E_NOT_FOUND);
        assert_true(index->runs->slots.count > index->runs->slots.alive);
    }
    assert_same(index, never);
    rsi_lexical_compact(index, index->runs);
    assert_int_equal(index->runs->slots.count, index->runs->slots.alive);
    assert_same(index, never);
    rsi_lexical_free(index);
    rsi_lexical_free(never);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_compact__leaves_an_index_that_never_had_the_chunks),
        cmocka_unit_test(lexical_compact__comes_by_itself),
        cmocka_unit_test(lexical_compact__does_nothing_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
