/* Indexes of FAISS's in files: what is read back. What is not believed: test_faiss_damage.c. */
#include "faiss_saved_fixture.h"

static void expect_same_answers(rsi_faiss_index *left, rsi_faiss_index *right)
{
    for (uint32_t seed = 1; seed < 20; seed++) {
        idx_t ids[2][FOUND];
        float distances[2][FOUND];
        find(ids[0], distances[0], left, seed);
        find(ids[1], distances[1], right, seed);
        assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
        assert_memory_equal(distances[0], distances[1], sizeof distances[0]);
    }
}

/* ---- what can be saved ---- */

static void vectors_faiss_saved__is_what_it_was(void **state)
{
    static const rsi_metric metrics[] = {RSI_METRIC_INNER_PRODUCT, RSI_METRIC_L2};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 4000);
    rsi_bitset all = set_of(0, ROWS);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    for (size_t i = 0; i < KINDS; i++) { /* Flat and SQ8 have many others in them */
        const rsi_metric metric = metric_for(kinds[i], metrics[i % 2]);
        const rsi_faiss_about about = about_of(kinds[i], metric);
        rsi_faiss_index *again;
        bool done = false;
        rsi_rows_set_metric(rows, metric);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        if (save(&f, index, &about, rows, &some) != RAGSTORE_OK)
            fail_msg("%s: %s", about.factory, rsi_error_message());
        if (load(&again, &f, &about, rows, &all) != RAGSTORE_OK)
            fail_msg("%s: %s", about.factory, rsi_error_message());
        assert_int_equal(rsi_faiss_index_count(again), 4000);
        assert_int_equal(rsi_faiss_index_covered(again), 4000);
        assert_string_equal(rsi_faiss_index_factory(again), kinds[i]);
        expect_same_answers(index, again);
        while (!done) /* and it goes on from there */
            assert_int_equal(rsi_faiss_index_absorb(again, &done, rows, &all, 512), 0);
        assert_int_equal(rsi_faiss_index_count(again), ROWS);
        if (strstr(kinds[i], "HNSW") == NULL) { /* which has vectors on levels by chance */
            for (done = false; !done;)
                assert_int_equal(rsi_faiss_index_absorb(index, &done, rows, &all, 512), 0);
            expect_same_answers(index, again);
        }
        rsi_faiss_index_free(index);
        rsi_faiss_index_free(again);
    }
    rsi_bitset_free(&some);
    rsi_bitset_free(&all);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_faiss_saved__is_not_written_of_kinds_that_are_not_read(void **state)
{
    static const char *const others[] = {
        "RQ2x4_Ncqint8",     "IVF16,LSQ2x4_Nlsq2x4", "RQ4x4fs_Nrq2x4",
        "IVF16,RQ4x4fs_Nrq2x4", "PCA8,RQ2x4",
    };
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const size_t files = temporary_count(temporary_join(path, state, DIRECTORY));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const rsi_faiss_about about = about_of(others[i], RSI_METRIC_L2);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        assert_true(rsi_faiss_saved_is_possible(index));
        assert_int_equal(save(&f, index, &about, rows, &some), RAGSTORE_E_UNSUPPORTED);
        assert_false(rsi_faiss_saved_is_possible(index));
        assert_int_equal(temporary_count(path), files);
        rsi_faiss_index_free(index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* FAISS keeps one of equal vectors in its lists, and tells of the others beside it. */
static void vectors_faiss_saved__keeps_doubles(void **state)
{
    saved_index s;
    rsi_faiss_index *again;
    saved_begin_of(&s, state, "IVF2,FlatDedup", 400, RSI_METRIC_L2, 2);
    assert_int_equal(load(&again, &s.f, &s.about, s.rows, &s.some), 0);
    expect_same_answers(s.index, again);
    rsi_faiss_index_free(again);
    saved_end(&s);
}

/* ---- whose it is, and from when ---- */

static void vectors_faiss_saved__is_of_one_entity_kind_and_embedder(void **state)
{
    fixture f;
    rsi_faiss_saved saved;
    rsi_faiss_index *again;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("HNSW8", RSI_METRIC_L2);
    rsi_faiss_about others[6];
    assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_NOT_FOUND);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    for (size_t i = 0; i < 6; i++)
        others[i] = about;
    others[0].factory = "HNSW16";
    others[1].factory = "HNSW8,Flat";
    others[2].incarnation = "1123456789abcdef0123456789abcdef";
    others[3].embedder = "own/8";
    others[4].dimension = 32;
    others[5].metric = RSI_METRIC_COSINE;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(load(&again, &f, &others[i], rows, &some), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_faiss_saved_check(f.root, INDEX, &others[i]), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &others[i], STAMP), 0);
        assert_false(saved.is_usable);
    }
    assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &about, STAMP), 0);
    assert_true(saved.is_usable && saved.is_current);
    assert_int_equal(saved.count, 300);
    assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &about, "yesterday"), 0);
    assert_true(saved.is_usable && !saved.is_current);
    assert_int_equal(
        rsi_faiss_saved_write(index, f.root, INDEX, &about, &(rsi_faiss_probe){0}, "\n"),
        RAGSTORE_E_INVALID_ARGUMENT);
    rsi_faiss_index_free(index);
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_faiss_saved__may_have_dead_chunks_but_lacks_none_that_live(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_bitset all = set_of(0, 400);
    rsi_bitset no_row = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("Flat", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    assert_int_equal(load(&again, &f, &about, rows, &all), 0); /* others came since */
    rsi_faiss_index_free(again);
    rsi_bitset_remove(&some, 7);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    assert_int_equal(rsi_faiss_index_forget_dead(again, &some), 1);
    assert_int_equal(rsi_faiss_index_forget_dead(again, &some), 1); /* they are counted again */
    assert_int_equal(save(&f, again, &about, rows, &some), 0);
    rsi_faiss_index_free(again);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    for (uint32_t seed = 0; seed < 30; seed++) {
        idx_t found[FOUND];
        float distances[FOUND];
        find(found, distances, again, seed);
        for (size_t i = 0; i < FOUND; i++)
            assert_true(found[i] != 7 && found[i] >= -1 && found[i] < 300);
    }
    rsi_faiss_index_free(again);
    assert_int_equal(load(&again, &f, &about, rows, &no_row), RAGSTORE_E_DAMAGED); /* it lacks 7 */
    assert_non_null(strstr(rsi_error_message(), "lacks"));
    rsi_faiss_index_free(index);
    rsi_bitset_free(&some);
    rsi_bitset_free(&all);
    rsi_bitset_free(&no_row);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Rows that were put back from a backup do not reach as far as the index. */
static void vectors_faiss_saved__of_later_rows_is_not_used(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset all = set_of(0, ROWS);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("Flat", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &all);
    assert_int_equal(save(&f, index, &about, rows, &all), 0);
    rsi_rows_close(rows);
    temporary_write(segment_path(path, state, 1), "", 0);
    rows = open_rows(&f, DIMENSION);
    rsi_rows_set_metric(rows, RSI_METRIC_L2);
    assert_int_equal(load(&again, &f, &about, rows, &all), RAGSTORE_E_DAMAGED);
    (void)size;
    rsi_faiss_index_free(index);
    rsi_bitset_free(&all);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- faults ---- */

typedef struct job {
    fixture *f;
    rsi_faiss_index *index;
    rsi_faiss_about about;
    rsi_rows *rows;
    rsi_bitset *some;
} job;

static int job_save(job *with)
{
    return save(with->f, with->index, &with->about, with->rows, with->some);
}

static int job_load(job *with)
{
    rsi_faiss_index *read;
    const int status = load(&read, with->f, &with->about, with->rows, with->some);
    rsi_faiss_index_free(read);
    return status;
}

static int job_check(job *with)
{
    return rsi_faiss_saved_check(with->f->root, INDEX, &with->about);
}

static int job_look(job *with)
{
    rsi_faiss_saved saved;
    return rsi_faiss_saved_look(&saved, with->f->root, INDEX, &with->about, STAMP);
}

static int (*const calls[])(job *with) = {job_save, job_load, job_check, job_look};

static void vectors_faiss_saved__survives_each_failing_allocation(void **state)
{
    static const char *const some_kinds[] = {"HNSW8", "IVF16,SQ8"};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    for (size_t kind = 0; kind < 2; kind++) {
        with.about = about_of(some_kinds[kind], RSI_METRIC_L2);
        with.index = make_index(&with.about, with.rows, &some);
        assert_int_equal(job_save(&with), 0);
        fault_memory_install();
        for (size_t i = 0; i < 4; i++) {
            bool failed = true;
            for (uint64_t n = 1; failed; n++) {
                fault_memory_fail(n, false);
                const int status = calls[i](&with);
                failed = fault_memory_failed();
                fault_memory_disarm();
                assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
                assert_int_equal(fault_memory_alive(), 0);
            }
        }
        fault_memory_restore();
        rsi_faiss_index_free(with.index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

/* Whatever fails, what can be read afterwards is whole. */
static void vectors_faiss_saved__survives_each_failing_file_call(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, FAULT_SHORT};
    fixture f;
    rsi_faiss_index *read;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    with.about = about_of("HNSW8", RSI_METRIC_L2);
    with.index = make_index(&with.about, with.rows, &some);
    for (size_t e = 0; e < 4; e++) {
        for (size_t i = 0; i < 3; i++) {
            bool failed = true;
            for (int64_t n = 1; failed; n++) {
                assert_int_equal(job_save(&with), 0);
                const int64_t handles = atomic_load(&f.faults.open_handles);
                fault_files_fail(&f.faults, FAULT_ANY, n, errors[e], false);
                const int status = calls[i](&with);
                failed = fault_files_struck(&f.faults);
                fault_files_disarm(&f.faults);
                assert_int_equal(atomic_load(&f.faults.open_handles), handles);
                assert_true(status == RAGSTORE_OK || failed);
                const int again = load(&read, &f, &with.about, with.rows, &some);
                assert_true(again == RAGSTORE_OK || (i == 0 && status != RAGSTORE_OK));
                rsi_faiss_index_free(read);
            }
        }
    }
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

/* RELIABILITY F3: FAISS itself would call it a success. */
static void vectors_faiss_saved__a_full_disk_is_told_of(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    with.about = about_of("HNSW8", RSI_METRIC_L2);
    with.index = make_index(&with.about, with.rows, &some);
    const size_t files = temporary_count(temporary_join(path, state, DIRECTORY));
    fault_files_fail(&f.faults, FAULT_WRITE, 1, ENOSPC, true);
    assert_int_equal(job_save(&with), RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&f.faults);
    assert_int_equal(temporary_count(path), files);
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    use_one_thread();
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_saved__is_what_it_was),
        TEST(vectors_faiss_saved__is_not_written_of_kinds_that_are_not_read),
        TEST(vectors_faiss_saved__keeps_doubles),
        TEST(vectors_faiss_saved__is_of_one_entity_kind_and_embedder),
        TEST(vectors_faiss_saved__may_have_dead_chunks_but_lacks_none_that_live),
        TEST(vectors_faiss_saved__of_later_rows_is_not_used),
        TEST(vectors_faiss_saved__survives_each_failing_allocation),
        TEST(vectors_faiss_saved__survives_each_failing_file_call),
        TEST(vectors_faiss_saved__a_full_disk_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
