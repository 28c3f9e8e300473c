/* One store and several processes that write: each sees what the others have committed. */
#include "peer.h"

static void make_notes(ragstore_store *store, int count)
{
    char id[64];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "parent-%d", i);
        assert_ok(put_note(store, id, i % 10));
    }
}

static void expect_notes(void **state, int64_t count)
{
    ragstore_store *store = open_store(state);
    assert_int_equal(count_notes(store, "{}"), count);
    assert_ok(ragstore_store_close(store));
}

/* ---- nothing is lost ---- */

static void store_following__two_processes_keep_all_their_upserts(void **state)
{
    peer other;
    ragstore_store *store = open_store(state);
    peer_start(&other, store_path(state), 0);
    peer_tell(&other, 'u', 1000);
    make_notes(store, 1000);
    assert_int_equal(peer_answer(&other), RAGSTORE_OK);
    assert_int_equal(count_notes(store, "{}"), 2000);
    assert_int_equal(peer_do(&other, 'n', 0), 2000);
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
    expect_notes(state, 2000);
}

static void store_following__deletions_beside_additions_lose_nothing(void **state)
{
    char id[64];
    peer other;
    ragstore_store *store = open_store(state);
    make_notes(store, 100);
    peer_start(&other, store_path(state), 0);
    peer_tell(&other, 'd', 100);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "new-%d", i);
        assert_ok(put_note(store, id, 77));
    }
    assert_int_equal(peer_answer(&other), RAGSTORE_OK);
    assert_int_equal(count_notes(store, "{}"), 100);
    assert_int_equal(count_notes(store, "{\"kind\":77}"), 100);
    assert_int_equal(peer_do(&other, 'n', 0), 100);
    assert_ok(ragstore_store_close(store));
    peer_end(&other);
    expect_notes(state, 100);
}

static void store_following__many_processes_write_in_turn(void **state)
{
    peer others[4];
    for (size_t i = 0; i < COUNT(others); i++)
        peer_start(&others[i], store_path(state), i == 0 ? RAGSTORE_OPEN_NO_BACKGROUND : 0);
    for (size_t i = 0; i < COUNT(others); i++)
        peer_tell(&others[i], 'u', 100);
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(peer_answer(&others[i]), RAGSTORE_OK);
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(peer_do(&others[i], 'n', 0), 400);
    for (size_t i = 0; i < COUNT(others); i++)
        peer_end(&others[i]);
    expect_notes(state, 400);
}

/* ---- what one writes the next read of the other sees ---- */

static void store_following__sessions(void **state)
{
    peer other;
    ragstore_session *session;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    peer_start(&other, store_path(state), 0);
    assert_ok(ragstore_session_create(&session, entity, NULL));
    for (int i = 1; i <= 20; i++) {
        assert_ok(ragstore_session_append(NULL, session, "user", "hello", NULL));
        assert_int_equal(peer_do(&other, 'g', 0), 2 * i - 1);
        assert_int_equal(peer_do(&other, 'm', 1), RAGSTORE_OK);
        assert_int_equal(count_messages(session), 2 * i);
    }
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

static void store_following__documents_and_search(void **state)
{
    peer other;
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    peer_start(&other, store_path(state), 0);
    for (int i = 1; i <= 10; i++) {
        assert_ok(add_granite(store, i));
        assert_int_equal(peer_do(&other, 's', 0), 2 * i - 1);
        assert_int_equal(peer_do(&other, 't', 1), RAGSTORE_OK);
        assert_int_equal(count_granite(store), 2 * i);
    }
    ragstore_entity *entity = open_entity(store, "acme");
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 20);
    for (size_t i = 0; i < json_array_size(documents); i++) {
        ragstore_document *document;
        ragstore_buffer *buffer;
        const char *id = json_string_value(json_object_get(json_array_get(documents, i), "doc_id"));
        assert_ok(ragstore_document_open(&document, entity, id));
        assert_ok(ragstore_document_content(&buffer, document)); /* the file is there */
        ragstore_buffer_free(buffer);
        ragstore_document_free(document);
        assert_ok(ragstore_document_delete(entity, id));
        assert_int_equal(peer_do(&other, 's', 0), 19 - (int64_t)i);
    }
    json_decref(documents);
    ragstore_entity_free(entity);
    assert_int_equal(peer_do(&other, 't', 1), RAGSTORE_OK);
    assert_int_equal(peer_do(&other, 'e', 0), RAGSTORE_OK);
    assert_int_equal(count_granite(store), RAGSTORE_E_NOT_FOUND);
    ragstore_entity_free(make_entity(store, "acme"));
    assert_int_equal(peer_do(&other, 's', 0), 0);
    assert_int_equal(peer_do(&other, 't', 1), RAGSTORE_OK);
    assert_int_equal(count_granite(store), 1);
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

/* Vectors of two processes in the same files: each document is found by its own vector. */

static int add_even_vectors(void *user)
{
    ragstore_store *store;
    ragstore_entity *entity;
    if (ragstore_store_open(&store, user, NULL) != RAGSTORE_OK ||
        ragstore_entity_open(&entity, store, "acme") != RAGSTORE_OK)
        return 1;
    for (int i = 0; i < 60; i += 2)
        if (add_vector(entity, i) != RAGSTORE_OK)
            return 2;
    ragstore_entity_free(entity);
    return ragstore_store_close(store) == RAGSTORE_OK ? 0 : 3;
}

static void expect_vectors(ragstore_entity *entity)
{
    for (int i = 0; i < 60; i++) {
        char text[32];
        float vector[64] = {0};
        ragstore_result *result;
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        vector[i] = 1.0f;
        options.k = 1;
        options.vector = vector;
        options.dimension = 64;
        options.mode = RAGSTORE_MODE_VECTOR;
        assert_ok(ragstore_entity_search(&result, entity, "number", &options));
        snprintf(text, sizeof text, "number %d", i);
        assert_int_equal(ragstore_result_count(result), 1);
        assert_string_equal(ragstore_result_content(result, 0), text);
        ragstore_result_free(result);
    }
}

static void store_following__vectors(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    int ended;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    snprintf(path, sizeof path, "%s", store_path(state));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(add_even_vectors(path));
    for (int i = 1; i < 60; i += 2)
        assert_ok(add_vector(entity, i));
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    expect_vectors(entity);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "acme");
    expect_vectors(entity);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* Rows in one block that no commit names. */
static void abort_block(ragstore_store *store, ragstore_entity *entity, const char *chunks,
                        size_t count)
{
    float vectors[8 * 64];
    ragstore_batch *batch;
    assert_true(count <= 8);
    for (size_t i = 0; i < COUNT(vectors); i++)
        vectors[i] = 1.0f;
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_ok(ragstore_document_add_chunks(NULL, entity, chunks, vectors, 64, NULL));
    ragstore_batch_abort(batch);
}

/* Rows that a batch wrote and did not commit make way for those of another process, in both. */
static void store_following__vectors_of_aborted_batches(void **state)
{
    skip_without_children();
    char path[TEMPORARY_PATH_MAX];
    peer other;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    snprintf(path, sizeof path, "%s", store_path(state));
    assert_ok(add_vector(entity, 1));
    peer_start(&other, path, 0);
    assert_int_equal(peer_do(&other, 'v', 1), RAGSTORE_OK); /* it knows the files as they are */
    abort_block(store, entity,
                "[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"},{\"text\":\"d\"}]", 4);
    assert_int_equal(peer_do(&other, 'v', 1), RAGSTORE_OK);
    for (int i = 3; i < 60; i += 2)
        assert_ok(add_vector(entity, i));
    peer_end(&other);
    assert_int_equal(run_in_child(add_even_vectors, path), 0);
    expect_vectors(entity);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "acme");
    expect_vectors(entity);
    ragstore_entity_free(entity);
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_check(&buffer, store));
    json_t *report = take_json(buffer);
    assert_member(report, "ok", "true");
    json_decref(report);
    assert_ok(ragstore_store_close(store));
}

static void store_following__collections_with_an_index(void **state)
{
    char id[64];
    peer other;
    ragstore_store *store = open_store(state);
    make_notes(store, 50);
    peer_start(&other, store_path(state), 0);
    assert_int_equal(peer_do(&other, 'i', 3), 5);
    assert_int_equal(count_notes(store, "{\"kind\":3}"), 5);
    assert_int_equal(peer_do(&other, 'x', 0), RAGSTORE_OK); /* an index, made over there */
    ragstore_collection *notes;
    ragstore_buffer *plan;
    assert_ok(ragstore_collection_open(&notes, store, "notes"));
    assert_ok(ragstore_collection_explain(&plan, notes, "{\"kind\":3}"));
    json_t *how = take_json(plan);
    assert_member(how, "plan", "\"index\"");
    json_decref(how);
    ragstore_collection_free(notes);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "third-%d", i);
        assert_ok(put_note(store, id, 3));
        assert_int_equal(peer_do(&other, 'i', 3), 6 + i);
        assert_int_equal(count_notes(store, "{\"kind\":3}"), 6 + i);
    }
    for (int i = 0; i < 20; i++) { /* they move from one key to another */
        snprintf(id, sizeof id, "third-%d", i);
        assert_ok(put_note(store, id, 1000));
        assert_int_equal(peer_do(&other, 'i', 3), 24 - i);
        assert_int_equal(peer_do(&other, 'i', 1000), 1 + i);
    }
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

static void store_following__a_reader_sees_and_never_writes(void **state)
{
    peer reader;
    ragstore_store *store = open_store(state);
    make_notes(store, 1);
    ragstore_entity_free(make_entity(store, "acme"));
    peer_start(&reader, store_path(state), RAGSTORE_OPEN_READ_ONLY);
    for (int i = 1; i <= 10; i++) {
        make_notes(store, i);
        assert_ok(add_granite(store, i));
        if (i % 4 == 0)
            assert_ok(ragstore_store_export(store));
        assert_int_equal(peer_do(&reader, 'n', 0), i);
        assert_int_equal(peer_do(&reader, 's', 0), i);
        assert_int_equal(peer_do(&reader, 'u', 1), RAGSTORE_E_READ_ONLY);
    }
    peer_end(&reader);
    assert_ok(ragstore_store_close(store));
}

/* ---- checkpoints ---- */

static void store_following__checkpoints_beside_readers_and_writers(void **state)
{
    peer writer;
    peer reader;
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    peer_start(&writer, store_path(state), 0);
    peer_start(&reader, store_path(state), RAGSTORE_OPEN_READ_ONLY);
    int64_t documents = 0;
    for (int round = 0; round < 10; round++) {
        peer_tell(&writer, 't', 5);
        peer_tell(&reader, 's', 0);
        for (int i = 0; i < 3; i++)
            assert_ok(ragstore_store_export(store));
        assert_int_equal(peer_answer(&writer), RAGSTORE_OK);
        assert_true(peer_answer(&reader) >= documents);
        documents += 5;
        assert_int_equal(count_granite(store), documents);
        assert_int_equal(peer_do(&reader, 's', 0), documents);
        assert_int_equal(peer_do(&writer, 'k', 0), RAGSTORE_OK);
        make_notes(store, 5);
    }
    peer_end(&writer);
    peer_end(&reader);
    assert_ok(ragstore_store_close(store));
    store = open_store(state);
    assert_int_equal(count_granite(store), documents);
    assert_ok(ragstore_store_close(store));
}

static int open_and_count(void *user)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    for (int i = 0; i < 40; i++) {
        options.flags = i % 2 == 0 ? RAGSTORE_OPEN_READ_ONLY : 0;
        if (ragstore_store_open(&store, user, &options) != RAGSTORE_OK) {
            fprintf(stderr, "open %d: %s\n", i, ragstore_error_message());
            return 1;
        }
        if (count_granite(store) < 3 || count_notes(store, "{}") < 20)
            return 2;
        if (ragstore_store_close(store) != RAGSTORE_OK) {
            fprintf(stderr, "close %d: %s\n", i, ragstore_error_message());
            return 3;
        }
    }
    return 0;
}

static void store_following__opening_during_checkpoints_sees_all(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    int ended = 0;
    pid_t child;
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    for (int i = 0; i < 3; i++)
        assert_ok(add_granite(store, i));
    make_notes(store, 20);
    snprintf(path, sizeof path, "%s", store_path(state));
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(open_and_count(path));
    for (int i = 0; i < 2000 && waitpid(child, &ended, WNOHANG) == 0; i++) {
        assert_ok(add_granite(store, i + 100));
        make_notes(store, 2);
        assert_ok(ragstore_store_export(store));
    }
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    assert_ok(ragstore_store_close(store));
}

/* ---- the commit file ---- */

static void store_following__a_lost_commit_file_is_made_again(void **state)
{
    peer other;
    char path[TEMPORARY_PATH_MAX];
    ragstore_store *store = open_store(state);
    make_notes(store, 5);
    peer_start(&other, store_path(state), 0);
    assert_int_equal(unlink(temporary_join(path, state, "store/api_storage/commit")), 0);
    assert_int_equal(peer_do(&other, 'u', 5), RAGSTORE_OK);
    make_notes(store, 10);
    assert_int_equal(peer_do(&other, 'u', 5), RAGSTORE_OK);
    make_notes(store, 15);
    assert_int_equal(peer_do(&other, 'n', 0), 25);
    assert_int_equal(count_notes(store, "{}"), 25);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(peer_do(&other, 'u', 5), RAGSTORE_OK);
    make_notes(store, 20);
    assert_int_equal(peer_do(&other, 'n', 0), 35);
    assert_int_equal(count_notes(store, "{}"), 35);
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
    assert_int_equal(unlink(path), 0);
    expect_notes(state, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_following__two_processes_keep_all_their_upserts),
        TEST(store_following__deletions_beside_additions_lose_nothing),
        TEST(store_following__many_processes_write_in_turn),
        TEST(store_following__sessions),
        TEST(store_following__documents_and_search),
        TEST(store_following__vectors),
        TEST(store_following__vectors_of_aborted_batches),
        TEST(store_following__collections_with_an_index),
        TEST(store_following__a_reader_sees_and_never_writes),
        TEST(store_following__checkpoints_beside_readers_and_writers),
        TEST(store_following__opening_during_checkpoints_sees_all),
        TEST(store_following__a_lost_commit_file_is_made_again),
    };
    return cmocka_run_group_tests_name("store_following", tests, NULL, NULL);
}
