/* The keyword index as its callers see it: lib/lexical/lexical.c. */
#include "lexical_fixture.h"

#include "base/bytes.h"
#include "harness/fault_memory.h"
#include "lexical/lexical_index.h"

#include <math.h>

#define BIT(chunk) (UINT64_C(1) << (chunk))

static void lexical_index__finds_chunks_by_their_words(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    add(index, 3, "Boundary layers on flat plates");
    add(index, 1, "The heating of a plate in supersonic flow");
    add(index, 2, "Wings, flaps and slats");
    assert_int_equal(rsi_lexical_count(index), 3);
    assert_int_equal(chunks_found(index, "plate"), BIT(1) | BIT(3));
    assert_int_equal(chunks_found(index, "What heats plates?"), BIT(1) | BIT(3));
    assert_int_equal(search(index, "What heats plates?", 1, NULL).hits[0].chunk, 1);
    assert_int_equal(chunks_found(index, "submarine"), 0);
    assert_int_equal(chunks_found(index, ""), 0);
    assert_int_equal(chunks_found(index, "?!"), 0);
    rsi_lexical_free(index);
}

static void lexical_index__scores_by_the_formula(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("none");
    add(index, 0, "a b b c");
    add(index, 1, "b c");
    add(index, 2, "c c c");
    /* mean length 3; b stands in 2 of 3 */
    double idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5));
    double first = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / 3));
    double second = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3));
    answer b = search(index, "b", 10, NULL);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.hits[0].chunk, 0);
    assert_true(fabs((double)b.hits[0].score - first) < 1e-6);
    assert_true(fabs((double)b.hits[1].score - second) < 1e-6);
    assert_true(fabs((double)b.ideal - idf * 2.2) < 1e-6);
    assert_true(fabs((double)rsi_lexical_idf(index, "b", 1) - idf) < 1e-6);
    assert_true(rsi_lexical_idf(index, "x", 1) == 0);
    answer twice = search(index, "b b", 10, NULL); /* counts twice */
    assert_true(fabs((double)twice.ideal - 2 * idf * 2.2) < 1e-6);
    assert_true(fabs((double)twice.hits[0].score - 2 * first) < 1e-6);
    rsi_lexical_free(index);
}

static void lexical_index__answers_questions_of_stop_words_only(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    add(index, 1, "To be or not to be");
    add(index, 2, "Being there");
    add(index, 3, "Something else");
    add(index, 4, "Be a can of worms");
    assert_int_equal(chunks_found(index, "to be or not"), BIT(1) | BIT(4));
    assert_int_equal(chunks_found(index, "is there"), BIT(2));
    assert_int_equal(chunks_found(index, "to be something"), BIT(3)); /* now they are noise */
    assert_int_equal(chunks_found(index, "to be absent"), 0);
    assert_int_equal(chunks_found(index, "cans"), 0); /* a word's stem is no stop word */
    rsi_lexical_free(index);
}

static void lexical_index__does_not_count_stop_words_as_length(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    for (int round = 0; round < 40; round++) /* words new to the index, then known ones */
        add(index, round, round % 2 == 0 ? "flow over the wing of it" : "flow wing");
    answer all = search(index, "flow", 40, NULL);
    assert_int_equal(all.count, 40);
    assert_true(all.hits[0].score == all.hits[39].score);
    rsi_lexical_free(index);
}

static void lexical_index__finds_identifiers_whole_and_by_part(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("auto");
    add(index, 1, "Call document.add_page_break() first");
    add(index, 2, "A page is added after a break");
    add(index, 3, "The character U+2028, in C++");
    add(index, 4, "In plain C: key2 = 5");
    add(index, 5, "getElementById returns a Node");
    assert_int_equal(search(index, "add_page_break", 1, NULL).hits[0].chunk, 1);
    assert_int_equal(chunks_found(index, "page break"), BIT(1) | BIT(2));
    assert_int_equal(chunks_found(index, "U+2028"), BIT(3));
    assert_int_equal(chunks_found(index, "2028"), BIT(3));
    assert_int_equal(chunks_found(index, "c++"), BIT(3));
    assert_int_equal(chunks_found(index, "KEY2"), BIT(4));
    assert_int_equal(chunks_found(index, "key 2"), BIT(4));
    assert_int_equal(chunks_found(index, "element"), BIT(5));
    assert_int_equal(chunks_found(index, "getElementById"), BIT(5));
    rsi_lexical_free(index);
}

static void lexical_index__serves_mixed_languages_in_auto(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("auto");
    add(index, 1, "Срок действия договора аренды составляет один год.");
    add(index, 2, "The lease runs for one year.");
    add(index, 3, "日本語の文章を検索する");
    add(index, 4, "La façade du café");
    assert_int_equal(chunks_found(index, "Какой срок у договоров?"), BIT(1));
    assert_int_equal(chunks_found(index, "leases"), BIT(2));
    assert_int_equal(chunks_found(index, "日本"), BIT(3));
    assert_int_equal(chunks_found(index, "検索"), BIT(3));
    assert_int_equal(chunks_found(index, "facade cafe"), BIT(4));
    rsi_lexical_free(index);
}

static void lexical_index__honours_what_is_allowed(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("none");
    rsi_bitset allowed = {0};
    for (int64_t chunk = 0; chunk < 40; chunk++)
        add(index, chunk, chunk % 2 == 0 ? "wing wing flow" : "wing");
    assert_int_equal(search(index, "wing", 10, &allowed).count, 0);
    assert_int_equal(rsi_bitset_add(&allowed, 7), RAGSTORE_OK);
    assert_int_equal(rsi_bitset_add(&allowed, 20), RAGSTORE_OK);
    assert_int_equal(rsi_bitset_add(&allowed, 1000), RAGSTORE_OK);
    answer two = search(index, "wing", 10, &allowed);
    assert_int_equal(two.count, 2);
    assert_int_equal(two.hits[0].chunk + two.hits[1].chunk, 27);
    assert_int_equal(search(index, "wing", 0, NULL).count, 0);
    rsi_bitset_free(&allowed);
    rsi_lexical_free(index);
}

static void lexical_index__breaks_ties_by_chunk_number(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("none");
    for (int64_t chunk = 50; chunk > 0; chunk--)
        add(index, chunk, "same words here");
    answer best = search(index, "words here", 5, NULL);
    assert_int_equal(best.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(best.hits[i].chunk, i + 1);
    rsi_lexical_free(index);
}

static void lexical_index__forgets_removed_chunks_at_once(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    rsi_lexical *never = new_index("english");
    add(index, 1, "flow over a wing");
    add(index, 2, "a wing and a prayer");
    add(never, 2, "a wing and a prayer");
    add(index, 3, "the very long story of flow, flow and flow again");
    add(never, 3, "the very long story of flow, flow and flow again");
    rsi_lexical_remove(index, 1);
    rsi_lexical_remove(index, 1);
    rsi_lexical_remove(index, 99);
    rsi_lexical_remove(index, -1);
    assert_int_equal(rsi_lexical_count(index), 2);
    assert_same_answers(index, never, "wing flow");
    assert_same_answers(index, never, "over a");
    assert_true(rsi_lexical_idf(index, "wing", 4) == rsi_lexical_idf(never, "wing", 4));
    add(index, 1, "flow over a wing"); /* it may come back */
    assert_int_equal(chunks_found(index, "wing"), BIT(1) | BIT(2));
    rsi_lexical_remove(index, 1);
    rsi_lexical_remove(index, 2);
    rsi_lexical_remove(index, 3);
    assert_int_equal(rsi_lexical_count(index), 0);
    assert_int_equal(chunks_found(index, "wing flow"), 0);
    rsi_lexical_free(index);
    rsi_lexical_free(never);
}

static void lexical_index__takes_empty_and_odd_texts(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    add(index, 1, "");
    add(index, 2, "... !!!");
    add(index, 3, "of the and");
    assert_int_equal(rsi_lexical_add(index, 4, "wing\0flow \xFF\xC3 end", 16), RAGSTORE_OK);
    assert_int_equal(rsi_lexical_count(index), 4);
    assert_int_equal(chunks_found(index, "flow end"), BIT(4));
    assert_int_equal(chunks_found(index, "the"), BIT(3));
    rsi_lexical_remove(index, 4);
    assert_int_equal(chunks_found(index, "the"), BIT(3)); /* all lengths are 0 now */
    rsi_lexical_free(index);
}

static void lexical_index__takes_words_of_any_length(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("auto");
    char text[5000];
    memset(text, 'x', sizeof text);
    assert_int_equal(rsi_lexical_add(index, 1, text, sizeof text), RAGSTORE_OK);
    answer best;
    assert_int_equal(
        rsi_lexical_search(best.hits, &best.count, &best.ideal, index, text, sizeof text, 5, NULL),
        RAGSTORE_OK);
    assert_int_equal(best.count, 1);
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "a_", 2); /* one compound of 2,500 parts */
    assert_int_equal(rsi_lexical_add(index, 2, text, sizeof text), RAGSTORE_OK);
    rsi_lexical_free(index);
}

static void lexical_index__refuses_bad_arguments(void **state)
{
    (void)state;
    rsi_lexical *index = (rsi_lexical *)state;
    assert_int_equal(rsi_lexical_create(&index, "klingon"), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(index);
    index = new_index("english");
    add(index, 5, "wing");
    assert_int_equal(rsi_lexical_add(index, 5, "flow", 4), RAGSTORE_E_EXISTS);
    assert_int_equal(rsi_lexical_add(index, -1, "flow", 4), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_lexical_add(index, 6, "flow", (size_t)INT32_MAX + 1),
                     RAGSTORE_E_TOO_LARGE);
    assert_int_equal(rsi_lexical_count(index), 1);
    assert_int_equal(chunks_found(index, "flow"), 0);
    rsi_lexical_free(index);
    rsi_lexical_free(NULL);
}

static void lexical_index__tells_its_size(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    size_t empty = rsi_lexical_memory(index);
    for (int64_t chunk = 0; chunk < 1000; chunk++)
        add(index, chunk, "the boundary layer of a thin plate in supersonic flow");
    size_t full = rsi_lexical_memory(index);
    assert_in_range(empty, 1, 4096);
    assert_in_range(full - empty, 1000 * 28, 1000 * 200);
    rsi_lexical_free(index);
}

static void append_words(rsi_bytes *text, char first, unsigned count, const char *between)
{
    for (unsigned i = 0; i < count; i++)
        rsi_bytes_printf(text, "%c%c%c%s", first, 'a' + i / 26, 'a' + i % 26, between);
}

/* 63 words that the cache knows are looked up together with a compound of many new terms. */
static void lexical_index__has_room_for_known_words_behind_many_new_ones(void **state)
{
    (void)state;
    for (unsigned parts = 1; parts < 300; parts += 7) {
        rsi_lexical *index = new_index("none");
        rsi_bytes words = {0};
        append_words(&words, 'k', 100, " ");
        add(index, 1, words.data); /* makes the cache */
        add(index, 2, words.data); /* fills it */
        rsi_bytes text = {0};
        append_words(&text, 'n', parts, "_");
        rsi_bytes_append_char(&text, ' ');
        append_words(&text, 'k', 63, " ");
        add(index, 3, text.data);
        const size_t terms = parts + (parts > 1) + 63;
        assert_int_equal(rsi_lexical_open_run(index)->slots.lengths[2], terms);
        assert_true(index->touched_capacity >= terms);
        assert_int_equal(chunks_found(index, "kck") & 1u << 3, 1u << 3);
        assert_int_equal(chunks_found(index, "nab"), parts > 1 ? 1u << 3 : 0);
        rsi_bytes_free(&text);
        rsi_bytes_free(&words);
        rsi_lexical_free(index);
    }
}

static bool note_term(void *user, const char *term, size_t size, size_t start, size_t end)
{
    rsi_bytes *seen = user;
    rsi_bytes_printf(seen, "%.*s %zu %zu,", (int)size, term, start, end);
    return seen->size < 60;
}

static void lexical_analyze__visits_terms_without_stop_words(void **state)
{
    (void)state;
    rsi_bytes seen = {0};
    const char *text = "The wings of a key2";
    assert_int_equal(rsi_lexical_analyze("english", text, strlen(text), note_term, &seen),
                     RAGSTORE_OK);
    assert_string_equal(seen.data, "wing 4 9,key2 15 19,key 15 18,2 18 19,");
    rsi_bytes_clear(&seen);
    text = "one two six ten red blue green grey black white";
    assert_int_equal(rsi_lexical_analyze("none", text, strlen(text), note_term, &seen),
                     RAGSTORE_OK);
    assert_in_range(seen.size, 60, 80); /* stopped */
    assert_int_equal(rsi_lexical_analyze("klingon", text, 3, note_term, &seen),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_bytes_free(&seen);
}

static void lexical_analyze__gives_terms_that_idf_knows(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    rsi_bytes seen = {0};
    add(index, 1, "Heating the plates");
    add(index, 2, "wings");
    assert_int_equal(rsi_lexical_analyze("english", "heated", 6, note_term, &seen), RAGSTORE_OK);
    assert_string_equal(seen.data, "heat 0 6,");
    assert_true(rsi_lexical_idf(index, "heat", 4) > 0);
    assert_true(rsi_lexical_idf(index, "the", 3) == 0);
    rsi_bytes_free(&seen);
    rsi_lexical_free(index);
}

/* ---- memory runs short -------------------------------------------------------------- */

static void lexical_index__creates_or_fails_cleanly_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    for (unsigned n = 1;; n++) {
        rsi_lexical *index = (rsi_lexical *)state;
        fault_memory_fail(n, false);
        int status = rsi_lexical_create(&index, "auto");
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_true(failed == (index == NULL));
        rsi_lexical_free(index);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
    }
    fault_memory_restore();
}

static const char *const base_texts[] = {"flow over a wing", "a wing and a prayer",
                                         "the story of flow"};

static void lexical_index__is_unchanged_by_an_addition_that_fails(void **state)
{
    (void)state;
    fault_memory_install();
    for (unsigned n = 1;; n++) {
        rsi_lexical *index = new_index("english");
        rsi_lexical *never = new_index("english");
        for (int64_t chunk = 0; chunk < 3; chunk++) {
            add(index, chunk, base_texts[chunk]);
            add(never, chunk, base_texts[chunk]);
        }
        rsi_bytes text = {0};
        for (int i = 0; i < 300; i++) /* makes everything grow */
            rsi_bytes_printf(&text, "wing flow word%c%c ", 'a' + i / 26, 'a' + i % 26);
        fault_memory_fail(n, false);
        int status = rsi_lexical_add(index, 9, text.data, text.size);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        if (failed) {
            assert_int_equal(rsi_lexical_count(index), 3);
            assert_same_answers(index, never, "wing flow prayer wordaa");
            assert_same_answers(index, never, "over the");
        }
        /* and it goes on as if nothing had been */
        if (failed)
            assert_int_equal(rsi_lexical_add(index, 9, text.data, text.size), RAGSTORE_OK);
        assert_int_equal(rsi_lexical_add(never, 9, text.data, text.size), RAGSTORE_OK);
        assert_same_answers(index, never, "wing flow prayer wordaa");
        rsi_bytes_free(&text);
        rsi_lexical_free(index);
        rsi_lexical_free(never);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
    fault_memory_restore();
}

static void lexical_index__searches_or_fails_cleanly_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_lexical *index = new_index("english");
    for (int64_t chunk = 0; chunk < 3; chunk++)
        add(index, chunk, base_texts[chunk]);
    int64_t alive = fault_memory_alive();
    for (unsigned n = 1;; n++) {
        answer found = {.count = 77, .ideal = 77};
        fault_memory_fail(n, false);
        int status = rsi_lexical_search(found.hits, &found.count, &found.ideal, index,
                                        "wing prayer flow story", 22, 10, NULL);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed) {
            assert_int_equal(status, RAGSTORE_OK);
            assert_int_equal(found.count, 3);
            assert_true(n > 1);
            break;
        }
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        assert_int_equal(found.count, 0);
        assert_true(found.ideal == 0);
    }
    rsi_lexical_free(index);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_index__finds_chunks_by_their_words),
        cmocka_unit_test(lexical_index__scores_by_the_formula),
        cmocka_unit_test(lexical_index__answers_questions_of_stop_words_only),
        cmocka_unit_test(lexical_index__does_not_count_stop_words_as_length),
        cmocka_unit_test(lexical_index__finds_identifiers_whole_and_by_part),
        cmocka_unit_test(lexical_index__serves_mixed_languages_in_auto),
        cmocka_unit_test(lexical_index__honours_what_is_allowed),
        cmocka_unit_test(lexical_index__breaks_ties_by_chunk_number),
        cmocka_unit_test(lexical_index__forgets_removed_chunks_at_once),
        cmocka_unit_test(lexical_index__takes_empty_and_odd_texts),
        cmocka_unit_test(lexical_index__takes_words_of_any_length),
        cmocka_unit_test(lexical_index__refuses_bad_arguments),
        cmocka_unit_test(lexical_index__tells_its_size),
        cmocka_unit_test(lexical_index__has_room_for_known_words_behind_many_new_ones),
        cmocka_unit_test(lexical_analyze__visits_terms_without_stop_words),
        cmocka_unit_test(lexical_analyze__gives_terms_that_idf_knows),
        cmocka_unit_test(lexical_index__creates_or_fails_cleanly_when_memory_is_short),
        cmocka_unit_test(lexical_index__is_unchanged_by_an_addition_that_fails),
        cmocka_unit_test(lexical_index__searches_or_fails_cleanly_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
