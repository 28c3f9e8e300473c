/* Records of jobs: their states and the moves between them, and how many are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "harness/open_store.h"
#include "harness/temporary.h"
#include "jobs/jobs.h"

#include <string.h>

/* Put a job into the transaction. */
static void put_job(char id[RSI_JOB_ID_MAX], rsi_tx *tx, const open_store *s)
{
    const rsi_new_job job = {.kind = "upload",
                             .entity_id = ACME,
                             .incarnation = s->incarnation,
                             .filename = "x.txt",
                             .request_json = "{\"size\":1}"};
    assert_int_equal(rsi_job_put_new(id, tx, &job), 0);
}

static void make_job(char id[RSI_JOB_ID_MAX], open_store *s)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    put_job(id, tx, s);
    assert_int_equal(rsi_tx_commit(tx), 0);
}

static int move(open_store *s, const char *id, rsi_job_state to)
{
    const rsi_job_end end = {.state = to};
    return rsi_job_move(s->store->storage, id, open_store_job_state(s, id), &end);
}

static void jobs_job_record__moves_along_the_arrows_only(void **state)
{
    static const bool arrows[5][5] = {
        /* to:        waiting running done   failed cancelled */
        [RSI_JOB_WAITING] = {false, true, false, true, true},
        [RSI_JOB_RUNNING] = {true, true, true, true, true},
    };
    open_store s;
    open_store_begin(&s, state, NULL);
    for (rsi_job_state from = RSI_JOB_WAITING; from <= RSI_JOB_CANCELLED; from++) {
        for (rsi_job_state to = RSI_JOB_WAITING; to <= RSI_JOB_CANCELLED; to++) {
            char id[RSI_JOB_ID_MAX];
            make_job(id, &s);
            if (from != RSI_JOB_WAITING)
                assert_int_equal(move(&s, id, RSI_JOB_RUNNING), 0);
            if (from > RSI_JOB_RUNNING)
                assert_int_equal(move(&s, id, from), 0);
            int status = move(&s, id, to);
            if (arrows[from][to]) {
                assert_int_equal(status, 0);
                assert_int_equal(open_store_job_state(&s, id), to);
            } else {
                assert_int_equal(status, RAGSTORE_E_WRONG_STATE);
                expect_message(rsi_job_state_name(from));
                assert_int_equal(open_store_job_state(&s, id), from);
            }
        }
    }
    open_store_end(&s);
}

static void jobs_job_record__counts_attempts_that_were_cut_short(void **state)
{
    char id[RSI_JOB_ID_MAX];
    rsi_job_record record;
    open_store s;
    open_store_begin(&s, state, NULL);
    make_job(id, &s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(move(&s, id, RSI_JOB_RUNNING), 0); /* and its process died */
    assert_int_equal(move(&s, id, RSI_JOB_WAITING), 0);     /* put off: not counted */
    assert_int_equal(rsi_job_read(&record, s.store->storage, id), 0);
    assert_int_equal(record.attempts, 2);
    rsi_job_record_free(&record);
    open_store_end(&s);
}

static void jobs_job_record__keeps_why_it_was_put_off_until_it_goes_on(void **state)
{
    static const rsi_job_end put_off = {.state = RSI_JOB_WAITING,
                                        .status = RAGSTORE_E_EMBEDDER,
                                        .message = "out of reach",
                                        .rests_ms = 5000};
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    make_job(id, &s);
    for (int i = 1; i <= 2; i++) {
        rsi_job_record record;
        assert_int_equal(move(&s, id, RSI_JOB_RUNNING), 0);
        assert_int_equal(rsi_job_move(s.store->storage, id, RSI_JOB_RUNNING, &put_off), 0);
        assert_int_equal(rsi_job_read(&record, s.store->storage, id), 0);
        const rsi_json *error = rsi_json_get(record.json, "error");
        assert_string_equal(rsi_json_get_text(error, "message"), "out of reach");
        assert_non_null(rsi_json_get_text(record.json, "next_try_at"));
        assert_int_equal(record.retries, i);
        assert_int_equal(record.attempts, 0);
        rsi_job_record_free(&record);
    }
    assert_int_equal(move(&s, id, RSI_JOB_RUNNING), 0);
    assert_int_equal(move(&s, id, RSI_JOB_WAITING), 0); /* the store was closed */
    rsi_job_record record;
    assert_int_equal(rsi_job_read(&record, s.store->storage, id), 0);
    assert_null(rsi_json_get_text(record.json, "next_try_at"));
    assert_true(rsi_json_is_null(rsi_json_get(record.json, "error")));
    assert_int_equal(record.retries, 2);
    rsi_job_record_free(&record);
    open_store_end(&s);
}

static void jobs_job_record__refuses_to_move_from_a_state_it_has_left(void **state)
{
    static const rsi_job_end done = {.state = RSI_JOB_DONE};
    char id[RSI_JOB_ID_MAX];
    open_store s;
    open_store_begin(&s, state, NULL);
    make_job(id, &s);
    assert_int_equal(rsi_job_cancel(s.store->jobs, id), 0);
    assert_int_equal(rsi_job_move(s.store->storage, id, RSI_JOB_RUNNING, &done),
                     RAGSTORE_E_WRONG_STATE);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_CANCELLED);
    open_store_end(&s);
}

static void jobs_job_record__that_makes_no_sense_is_damaged(void **state)
{
    static const char *const records[] = {
        "{\"_id\":\"job_x\"}",
        "{\"_id\":\"job_x\",\"job_id\":\"job_x\",\"kind\":\"upload\",\"entity_id\":\"acme\","
        "\"incarnation\":\"x\",\"state\":\"sleeping\"}",
        "{\"_id\":\"job_x\",\"job_id\":\"job_x\",\"kind\":7,\"entity_id\":\"acme\","
        "\"incarnation\":\"x\",\"state\":\"waiting\"}",
        "{\"_id\":\"job_x\",\"job_id\":\"job_of_a_name_that_is_too_long\",\"kind\":\"upload\","
        "\"entity_id\":\"acme\",\"incarnation\":\"x\",\"state\":\"waiting\"}",
    };
    open_store s;
    open_store_begin(&s, state, NULL);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        rsi_job_record record;
        rsi_tx *tx;
        bool did = true;
        assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
        assert_int_equal(rsi_tx_put(tx, RSI_SPACE_JOBS, "job_x", records[i], strlen(records[i])),
                         0);
        assert_int_equal(rsi_tx_commit(tx), 0);
        assert_int_equal(rsi_job_read(&record, s.store->storage, "job_x"), RAGSTORE_E_DAMAGED);
        assert_null(record.json);
        (void)rsi_jobs_step(s.store->jobs, &did);
        assert_false(did);
    }
    open_store_end(&s);
}

/* A line that somebody has spoilt: all but that job goes on. */
static void jobs_job_record__that_makes_no_sense_stops_nothing_else(void **state)
{
    static const char spoilt[] = "{\"_id\":\"job_x\",\"state\":\"waiting\",\"kind\":\"reembed\"}";
    char id[RSI_JOB_ID_MAX];
    rsi_bytes list = {0};
    rsi_tx *tx;
    open_store s;
    open_store_begin(&s, state, NULL);
    assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_JOBS, "job_x", spoilt, strlen(spoilt)), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    make_job(id, &s);
    assert_int_equal(open_store_work(&s), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_FAILED); /* it has no file */
    assert_int_equal(rsi_job_list(&list, s.store->jobs, NULL, 10, 0), 0);
    assert_non_null(strstr(list.data, id));
    assert_non_null(strstr(list.data, "\"job_id\":\"job_x\",\"kind\":null"));
    assert_non_null(strstr(list.data, "_jobs.json: the record of a job is incomplete"));
    assert_non_null(strstr(list.data, "\"total\":2"));
    rsi_bytes_clear(&list);
    assert_int_equal(rsi_job_list(&list, s.store->jobs, ACME, 10, 0), 0);
    assert_null(strstr(list.data, "job_x"));
    rsi_bytes_free(&list);
    for (size_t i = 0; i < RSI_JOBS_KEPT + 200; i++) { /* old ones go */
        make_job(id, &s);
        assert_int_equal(move(&s, id, RSI_JOB_CANCELLED), 0);
    }
    make_job(id, &s);
    assert_int_equal(rsi_entity_delete(NULL, s.store, ACME), 0);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_CANCELLED);
    open_store_end(&s);
}

static void jobs_job_record__is_kept_for_the_last_thousand(void **state)
{
    char oldest[RSI_JOB_ID_MAX];
    char first[RSI_JOB_ID_MAX];
    char id[RSI_JOB_ID_MAX];
    rsi_job_record record;
    rsi_tx *tx;
    open_store s;
    open_store_begin(&s, state, NULL);
    make_job(oldest, &s); /* it has not ended, and stays */
    make_job(first, &s);
    assert_int_equal(rsi_job_cancel(s.store->jobs, first), 0);
    for (int i = 0; i < 11; i++) {
        assert_int_equal(rsi_tx_begin(&tx, s.store->storage), 0);
        for (int k = 0; k < 100; k++) {
            put_job(id, tx, &s);
            assert_int_equal(rsi_job_cancel(s.store->jobs, id), 0);
        }
        assert_int_equal(rsi_tx_commit(tx), 0);
        assert_in_range(rsi_storage_count(s.store->storage, RSI_SPACE_JOBS), 0, 1101);
    }
    assert_in_range(rsi_storage_count(s.store->storage, RSI_SPACE_JOBS), 1001, 1101);
    assert_int_equal(open_store_job_state(&s, oldest), RSI_JOB_WAITING);
    assert_int_equal(open_store_job_state(&s, id), RSI_JOB_CANCELLED);
    assert_int_equal(rsi_job_read(&record, s.store->storage, first), RAGSTORE_E_NOT_FOUND);
    open_store_end(&s);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(jobs_job_record__moves_along_the_arrows_only),
        FRESH(jobs_job_record__counts_attempts_that_were_cut_short),
        FRESH(jobs_job_record__keeps_why_it_was_put_off_until_it_goes_on),
        FRESH(jobs_job_record__refuses_to_move_from_a_state_it_has_left),
        FRESH(jobs_job_record__that_makes_no_sense_is_damaged),
        FRESH(jobs_job_record__that_makes_no_sense_stops_nothing_else),
        FRESH(jobs_job_record__is_kept_for_the_last_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
