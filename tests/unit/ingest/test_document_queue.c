/* Documents of several threads in one transaction: lib/ingest/document_queue.c. */
#include "document_fixture.h"

#include "base/clock.h"
#include "storage/storage_internal.h"

#include <pthread.h>

#define DIMENSION 4
#define THREADS 4
#define ALL ((1u << THREADS) - 1)

typedef struct adder {
    open_store *s;
    pthread_t thread;
    const char *json;
    bool has_vector;
    float vector[DIMENSION];
    rsi_added added;
    int status;
    char message[200];
} adder;

static void *add_one(void *user)
{
    adder *a = user;
    a->status = add_chunks(&a->added, a->s, a->json, a->has_vector ? a->vector : NULL,
                           a->has_vector ? DIMENSION : 0, NULL);
    if (a->status != RAGSTORE_OK)
        snprintf(a->message, sizeof a->message, "%s", rsi_error_message());
    return NULL;
}

static size_t waiting(rsi_document_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    const size_t count = queue->count;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

static void wait_for(rsi_document_queue *queue, size_t count)
{
    const int64_t until = rsi_monotonic_ms() + 20000;
    while (waiting(queue) < count) {
        assert_true(rsi_monotonic_ms() < until);
        rsi_sleep_us(200);
    }
}

/* Start a thread that adds a document, and go on when that waits. */
static void start(adder *a, open_store *s, const char *json, bool has_vector, size_t position)
{
    *a = (adder){.s = s, .json = json, .has_vector = has_vector};
    a->vector[position % DIMENSION] = 1;
    assert_int_equal(pthread_create(&a->thread, NULL, add_one, a), 0);
    wait_for(&s->store->adding, position + 1);
}

static rsi_tx *hold_the_writer_lock(open_store *s, uint32_t busy_timeout_ms)
{
    rsi_tx *tx;
    s->store->storage->options.busy_timeout_ms = busy_timeout_ms;
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    return tx;
}

static const char *const texts[THREADS] = {"[{\"text\":\"wing\"}]", "[{\"text\":\"lift\"}]",
                                           "[{\"text\":\"drag\"}]", "[{\"text\":\"keel\"}]"};

/* Open a store in which so many threads wait for a writer, each to add the document of its number,
 * with a vector where `vectors` has its bit. They go on when the transaction ends. */
static rsi_tx *let_wait(open_store *s, void **state, adder *adders, size_t count,
                        const char *const *of, unsigned vectors)
{
    open_store_begin(s, state, NULL);
    rsi_tx *tx = hold_the_writer_lock(s, 20000);
    for (size_t i = 0; i < count; i++)
        start(&adders[i], s, of[i], (vectors >> i & 1) != 0, i);
    return tx;
}

static void let_go(rsi_tx *tx, adder *adders, size_t count)
{
    rsi_tx_abort(tx);
    for (size_t i = 0; i < count; i++)
        pthread_join(adders[i].thread, NULL);
}

static void ingest_document_queue__commits_those_who_wait_together(void **state)
{
    open_store s;
    adder adders[THREADS];
    rsi_tx *tx = let_wait(&s, state, adders, THREADS, texts, ALL);
    const uint64_t before = s.store->storage->journal.sequence;
    let_go(tx, adders, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(adders[i].status, 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(adders[i].added.doc_id, adders[j].added.doc_id);
    }
    assert_int_equal(s.store->storage->journal.sequence, before + 1);
    for (int again = 0; again < 2; again++) {
        open_store_expect_totals(&s, THREADS, THREADS);
        for (size_t i = 0; i < THREADS; i++) {
            rsi_stored_document found;
            assert_int_equal(rsi_stored_document_find(&found, s.store, ACME, "doc_id",
                                                      adders[i].added.doc_id),
                             0);
            assert_int_equal(found.first_chunk, (int64_t)i);
            rsi_stored_document_free(&found);
        }
        open_store_again(&s);
    }
    open_store_end(&s);
}

/* The first settles that the vectors are the caller's; the second has none. */
static void ingest_document_queue__fails_one_without_the_others(void **state)
{
    open_store s;
    adder adders[3];
    let_go(let_wait(&s, state, adders, 3, texts, ALL & ~2u), adders, 3);
    assert_int_equal(adders[0].status, 0);
    assert_int_equal(adders[1].status, RAGSTORE_E_EMBEDDER);
    assert_non_null(strstr(adders[1].message, "each chunk needs its vector"));
    assert_int_equal(adders[2].status, 0);
    for (int again = 0; again < 2; again++) {
        open_store_expect_totals(&s, 2, 2);
        open_store_again(&s);
    }
    open_store_end(&s);
}

/* Something that is put into a transaction, and whether that is said to have failed. */
typedef struct putter {
    open_store *s;
    pthread_t thread;
    const char *key;
    bool fails;
    int status;
} putter;

static int put_session(void *user, rsi_tx *tx)
{
    const putter *p = user;
    int status = rsi_tx_put(tx, RSI_SPACE_SESSIONS, p->key, "{}", 2);
    return status == RAGSTORE_OK && p->fails
               ? rsi_fail(RAGSTORE_E_CONFLICT, "test", "%s is refused", p->key)
               : status;
}

static void *put_together(void *user)
{
    putter *p = user;
    p->status = rsi_document_add_together(p->s->store, 100, put_session, p);
    return NULL;
}

static void ingest_document_queue__takes_back_what_a_failed_one_did(void **state)
{
    static const char *const keys[] = {"one", "two", "three"};
    open_store s;
    putter putters[3];
    open_store_begin(&s, state, NULL);
    rsi_tx *tx = hold_the_writer_lock(&s, 20000);
    for (size_t i = 0; i < 3; i++) {
        putters[i] = (putter){.s = &s, .key = keys[i], .fails = i == 1};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_together, &putters[i]), 0);
        wait_for(&s.store->adding, i + 1);
    }
    rsi_tx_abort(tx);
    for (size_t i = 0; i < 3; i++) {
        rsi_bytes value = {0};
        pthread_join(putters[i].thread, NULL);
        assert_int_equal(putters[i].status, i == 1 ? RAGSTORE_E_CONFLICT : 0);
        assert_int_equal(rsi_storage_get(&value, s.store->storage, RSI_SPACE_SESSIONS, keys[i]),
                         i == 1 ? RAGSTORE_E_NOT_FOUND : 0);
        rsi_bytes_free(&value);
    }
    open_store_end(&s);
}

static void ingest_document_queue__takes_the_same_content_once(void **state)
{
    open_store s;
    adder adders[3];
    const char *const same[3] = {texts[0], texts[0], texts[0]};
    let_go(let_wait(&s, state, adders, 3, same, 0), adders, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(adders[i].status, 0);
        assert_int_equal(adders[i].added.is_duplicate, i > 0);
        assert_string_equal(adders[i].added.doc_id, adders[0].added.doc_id);
    }
    open_store_expect_totals(&s, 1, 1);
    open_store_end(&s);
}

static void ingest_document_queue__fails_all_when_their_flush_fails(void **state)
{
    open_store s;
    adder adders[THREADS];
    rsi_tx *tx = let_wait(&s, state, adders, THREADS, texts, ALL);
    fault_files_fail(&s.faults, FAULT_FLUSH_DATA, 1, EIO, true);
    let_go(tx, adders, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(adders[i].status, RAGSTORE_E_FAILED);
        assert_string_not_equal(adders[i].message, "");
    }
    fault_files_disarm(&s.faults);
    assert_int_equal(rsi_store_close(s.store), RAGSTORE_E_FAILED);
    rsi_store_free(s.store);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    rsi_entity_record entity; /* the line is whole, or none of it */
    assert_int_equal(rsi_entity_read(&entity, s.store, ACME, s.incarnation), 0);
    assert_true(entity.next_row == 0 || entity.next_row == THREADS);
    open_store_expect_totals(&s, entity.next_row, entity.next_row);
    rsi_entity_record_free(&entity);
    open_store_end(&s);
}

static void ingest_document_queue__ends_all_who_waited_too_long_for_a_writer(void **state)
{
    open_store s;
    adder adders[2];
    open_store_begin(&s, state, NULL);
    rsi_tx *tx = hold_the_writer_lock(&s, 300);
    const int64_t begun = rsi_monotonic_ms();
    start(&adders[0], &s, texts[0], true, 0);
    pthread_join(adders[0].thread, NULL);
    assert_int_equal(adders[0].status, RAGSTORE_E_BUSY);
    assert_true(rsi_monotonic_ms() - begun < 10000);
    assert_int_equal(waiting(&s.store->adding), 0);
    rsi_tx_abort(tx);
    adders[1] = (adder){.s = &s, .json = texts[1]};
    add_one(&adders[1]);
    assert_int_equal(adders[1].status, 0);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document_queue__commits_those_who_wait_together),
        FRESH(ingest_document_queue__fails_one_without_the_others),
        FRESH(ingest_document_queue__takes_back_what_a_failed_one_did),
        FRESH(ingest_document_queue__takes_the_same_content_once),
        FRESH(ingest_document_queue__fails_all_when_their_flush_fails),
        FRESH(ingest_document_queue__ends_all_who_waited_too_long_for_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
