/* Handles: freed in any order, closed with their store, told from each other. */
#include "api_fixture.h"

#include <pthread.h>

/* One handle of each kind. */
typedef struct handles {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_document *document;
    ragstore_upload *upload;
    ragstore_session *session;
    ragstore_index *index;
    ragstore_result *result;
    ragstore_answer *answer;
    ragstore_buffer *buffer;
} handles;

static void make_handles(handles *all, void **state)
{
    static const float vector[] = {1, 0};
    memset(all, 0, sizeof *all);
    all->store = open_store(state);
    all->entity = make_entity(all->store, "acme");
    assert_ok(ragstore_document_add_chunks(
        &all->document, all->entity, "[{\"text\": \"All about granite.\"}]", vector, 2, NULL));
    assert_ok(ragstore_upload_begin(&all->upload, all->entity, NULL));
    assert_ok(ragstore_session_create(&all->session, all->entity, NULL));
    assert_ok(ragstore_index_open(&all->index, all->entity));
    all->result = search(all->entity, "granite");
    assert_ok(ragstore_session_ask(&all->answer, all->session, "What about granite?", NULL));
    assert_ok(ragstore_store_describe(&all->buffer, all->store));
}

static void free_one(handles *all, size_t which)
{
    switch (which) {
    case 0:
        assert_ok(ragstore_store_close(all->store));
        return;
    case 1:
        ragstore_entity_free(all->entity);
        return;
    case 2:
        ragstore_document_free(all->document);
        return;
    case 3:
        ragstore_upload_abort(all->upload);
        return;
    case 4:
        ragstore_session_free(all->session);
        return;
    case 5:
        ragstore_index_free(all->index);
        return;
    case 6:
        ragstore_result_free(all->result);
        return;
    case 7:
        ragstore_answer_free(all->answer);
        return;
    default:
        ragstore_buffer_free(all->buffer);
        return;
    }
}

#define KINDS 9

static void handles__may_be_freed_in_any_order(void **state)
{
    static const size_t steps[] = {1, 2, 4, 5, 7, 8}; /* without a common divisor with 9 */
    for (size_t first = 0; first < KINDS; first += 4)
        for (size_t i = 0; i < COUNT(steps); i++) {
            handles all;
            make_handles(&all, state);
            for (size_t at = 0; at < KINDS; at++)
                free_one(&all, (first + at * steps[i]) % KINDS);
            temporary_remove_all(store_path(state));
        }
}

static void handles__of_a_closed_store_answer_closed(void **state)
{
    static const float query[] = {1, 0};
    float vector[2];
    int64_t number;
    float score;
    handles all;
    ragstore_buffer *buffer;
    ragstore_document *document;
    ragstore_upload *upload;
    ragstore_session *session;
    ragstore_index *index;
    ragstore_result *result;
    ragstore_answer *answer;
    ragstore_entity_update_options update = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    const int closed = RAGSTORE_E_CLOSED;
    make_handles(&all, state);
    assert_ok(ragstore_store_close(all.store));

    assert_fails(closed, ragstore_entity_describe(&buffer, all.entity));
    assert_fails(closed, ragstore_entity_update(all.entity, &update));
    assert_fails(closed, ragstore_entity_search(&result, all.entity, "granite", NULL));
    assert_fails(closed, ragstore_document_add(&document, all.entity, "x", 1, NULL));
    assert_fails(closed, ragstore_document_add_chunks(&document, all.entity, "[{\"text\":\"x\"}]",
                                                      NULL, 0, NULL));
    assert_fails(closed, ragstore_document_open(&document, all.entity, "doc_x"));
    assert_fails(closed, ragstore_document_list(&buffer, all.entity, NULL));
    assert_fails(closed, ragstore_document_delete(all.entity, "doc_x"));
    assert_fails(closed, ragstore_document_describe(&buffer, all.document));
    assert_fails(closed, ragstore_document_content(&buffer, all.document));
    assert_fails(closed, ragstore_document_text(&buffer, all.document));
    assert_fails(closed, ragstore_upload_begin(&upload, all.entity, NULL));
    assert_fails(closed, ragstore_upload_write(all.upload, "x", 1));
    assert_fails(closed, ragstore_session_create(&session, all.entity, NULL));
    assert_fails(closed, ragstore_session_list(&buffer, all.entity, NULL));
    assert_fails(closed, ragstore_session_describe(&buffer, all.session));
    assert_fails(closed, ragstore_session_append(NULL, all.session, "user", "x", NULL));
    assert_fails(closed, ragstore_session_messages(&buffer, all.session, NULL));
    assert_fails(closed, ragstore_session_ask(&answer, all.session, "What?", NULL));
    assert_fails(closed, ragstore_index_open(&index, all.entity));
    assert_fails(closed, ragstore_index_describe(&buffer, all.index));
    assert_fails(closed, ragstore_index_search(&number, &score, all.index, query, 1, 2, 1));
    assert_fails(closed, ragstore_index_vector(vector, all.index, 0, 2));
    assert_fails(closed, ragstore_index_export(all.index));
    assert_null(buffer);
    assert_null(document);
    assert_null(upload);
    assert_null(session);
    assert_null(index);
    assert_null(result);
    assert_null(answer);

    /* what needs no store still serves */
    assert_string_equal(ragstore_entity_id(all.entity), "acme");
    assert_memory_equal(ragstore_document_id(all.document), "doc_", 4);
    assert_string_equal(ragstore_session_entity_id(all.session), "acme");
    assert_string_equal(ragstore_result_content(all.result, 0), "All about granite.");
    assert_true(ragstore_answer_text(all.answer)[0] != '\0');
    for (size_t which = 1; which < KINDS; which++)
        free_one(&all, which);
}

/* Each handle in place of each other kind: refused, and not harmed. */
static void handles__of_another_kind_are_refused(void **state)
{
    handles all;
    ragstore_buffer *buffer;
    make_handles(&all, state);
    void *const every[KINDS] = {all.store,   all.entity, all.document, all.upload, all.session,
                                all.index,   all.result, all.answer,   all.buffer};
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    for (size_t i = 0; i < KINDS; i++) {
        if (i != 0)
            assert_fails(wrong, ragstore_store_describe(&buffer, every[i]));
        if (i != 0)
            assert_fails(wrong, ragstore_store_close(every[i]));
        if (i != 1)
            assert_fails(wrong, ragstore_entity_describe(&buffer, every[i]));
        if (i != 2)
            assert_fails(wrong, ragstore_document_describe(&buffer, every[i]));
        if (i != 3)
            assert_fails(wrong, ragstore_upload_commit(NULL, every[i]));
        if (i != 4)
            assert_fails(wrong, ragstore_session_describe(&buffer, every[i]));
        if (i != 5)
            assert_fails(wrong, ragstore_index_describe(&buffer, every[i]));
        if (i != 6)
            assert_fails(wrong, ragstore_result_json(&buffer, every[i]));
        if (i != 7)
            assert_fails(wrong, ragstore_answer_message(&buffer, every[i]));
        if (i != 8)
            assert_null(ragstore_buffer_data(every[i]));
        assert_fails(wrong, ragstore_batch_commit(every[i]));
        assert_int_equal(ragstore_model_dimension(every[i]), 0);
        /* the frees of other kinds free nothing */
        if (i != 1)
            ragstore_entity_free(every[i]);
        if (i != 2)
            ragstore_document_free(every[i]);
        if (i != 3)
            ragstore_upload_abort(every[i]);
        if (i != 4)
            ragstore_session_free(every[i]);
        if (i != 5)
            ragstore_index_free(every[i]);
        if (i != 6)
            ragstore_result_free(every[i]);
        if (i != 7)
            ragstore_answer_free(every[i]);
        if (i != 8)
            ragstore_buffer_free(every[i]);
        ragstore_batch_abort(every[i]);
        ragstore_model_free(every[i]);
    }
    for (size_t which = KINDS; which-- > 0;)
        free_one(&all, which);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 6

static void *work(void *user)
{
    ragstore_entity *entity = user;
    static unsigned next;
    uintptr_t failures = 0;
    const unsigned number = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char text[64];
        ragstore_document *document;
        ragstore_result *result;
        snprintf(text, sizeof text, "granite of thread %u, round %u", number, round);
        if (ragstore_document_add(&document, entity, text, strlen(text), NULL) != RAGSTORE_OK) {
            failures++;
            continue;
        }
        failures += ragstore_entity_search(&result, entity, "granite", NULL) != RAGSTORE_OK ||
                    ragstore_result_count(result) == 0;
        ragstore_result_free(result);
        if (round % 2 == 1)
            failures +=
                ragstore_document_delete(entity, ragstore_document_id(document)) != RAGSTORE_OK;
        ragstore_document_free(document);
    }
    return (void *)failures;
}

static void handles__are_shared_by_threads_and_no_change_is_lost(void **state)
{
    pthread_t threads[THREADS];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, entity), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failures;
        assert_int_equal(pthread_join(threads[i], &failures), 0);
        assert_null(failures);
    }
    for (int round = 0; round < 2; round++) {
        json_t *list = list_documents(entity, NULL);
        assert_int_equal(json_array_size(list), THREADS * ROUNDS / 2);
        json_decref(list);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

typedef struct writing {
    ragstore_store *store;
    ragstore_entity *entity;
    int failed;
    int ended; /* atomic */
} writing;

/* Each export writes what the store knows about its files. */
static void *write_files(void *user)
{
    writing *files = user;
    for (unsigned round = 0; round < 4 * ROUNDS && files->failed == 0; round++) {
        ragstore_session *session = NULL;
        files->failed = ragstore_session_create(&session, files->entity, NULL) != RAGSTORE_OK ||
                        ragstore_store_export(files->store) != RAGSTORE_OK;
        ragstore_session_free(session);
    }
    __atomic_store_n(&files->ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* The thread sanitizer sees what is looked at while it is written. */
static void handles__are_described_while_files_are_written(void **state)
{
    pthread_t thread;
    unsigned described = 0;
    writing files = {.store = open_store(state)};
    files.entity = make_entity(files.store, "acme");
    json_t *before = describe_store(files.store);
    const char *id = json_string_value(json_object_get(before, "store_id"));
    assert_non_null(id);
    assert_int_equal(strlen(id), 32);
    assert_int_equal(pthread_create(&thread, NULL, write_files, &files), 0);
    for (; described == 0 || !__atomic_load_n(&files.ended, __ATOMIC_ACQUIRE); described++) {
        json_t *now = describe_store(files.store);
        assert_text(now, "store_id", id);
        json_decref(now);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(files.failed, 0);
    json_decref(before);
    ragstore_entity_free(files.entity);
    assert_ok(ragstore_store_close(files.store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(handles__may_be_freed_in_any_order),
        TEST(handles__of_a_closed_store_answer_closed),
        TEST(handles__of_another_kind_are_refused),
        TEST(handles__are_shared_by_threads_and_no_change_is_lost),
        TEST(handles__are_described_while_files_are_written),
    };
    return cmocka_run_group_tests_name("lifetime", tests, NULL, NULL);
}
