/*
 * Nothing in the library touches a file but through the file table: a store is made, filled,
 * searched, exported, checked, damaged and recovered while every file call of the process is
 * watched (watched_calls.h). The embedding model, which lies outside every store, is the one
 * exception.
 */
#include "watched_calls.h"

#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ragstore.h>

static void good(int status)
{
    if (status == RAGSTORE_OK)
        return;
    watched_end();
    fail_msg("%s", ragstore_error_message());
}

static void use_entity(ragstore_store *store, const char *id, bool own_vectors)
{
    static const float vectors[] = {1, 2, 3, 3, 2, 1};
    ragstore_entity *entity;
    ragstore_session *session;
    ragstore_result *result;
    ragstore_document *document;
    ragstore_buffer *buffer;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    good(ragstore_entity_create(&entity, store, id, NULL));
    if (own_vectors)
        good(ragstore_document_add_chunks(&document, entity, "[{\"text\":\"a\"},{\"text\":\"b\"}]",
                                          vectors, 3, NULL));
    else
        good(ragstore_document_add(&document, entity, "All about granite.", 18, NULL));
    if (!own_vectors) {
        good(ragstore_document_content(&buffer, document));
        ragstore_buffer_free(buffer);
        char *large = calloc(1, 100001);
        for (size_t i = 0; i < 100000; i += 10)
            memcpy(large + i, "basalt mi ", 10);
        options.filename = "large.txt";
        good(ragstore_document_add(NULL, entity, large, 100000, &options));
        free(large);
    }
    ragstore_document_free(document);
    good(ragstore_session_create(&session, entity, NULL));
    good(ragstore_session_append(NULL, session, "user", "What is it?", NULL));
    if (!own_vectors)
        good(ragstore_session_ask(NULL, session, "What about granite?", NULL));
    good(ragstore_entity_search(&result, entity, "granite", NULL));
    ragstore_result_free(result);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
}

static void use_collection(ragstore_store *store)
{
    ragstore_collection *tasks;
    uint64_t count;
    good(ragstore_collection_open(&tasks, store, "tasks"));
    good(ragstore_collection_insert(NULL, tasks, "[{\"a\":1},{\"a\":2}]"));
    good(ragstore_collection_index_create(tasks, "a"));
    good(ragstore_collection_update_one(NULL, tasks, "{\"a\":1}", "{\"$inc\":{\"a\":5}}", NULL));
    good(ragstore_collection_delete_many(NULL, tasks, "{\"a\":2}"));
    good(ragstore_collection_count(&count, tasks, NULL));
    ragstore_collection_free(tasks);
}

static void use_index(ragstore_store *store)
{
    ragstore_entity *entity;
    ragstore_index *index;
    good(ragstore_entity_open(&entity, store, "vectors"));
    good(ragstore_index_open(&index, entity));
    good(ragstore_index_export(index));
    ragstore_index_free(index);
    ragstore_entity_free(entity);
}

static void use_store(const char *path, ragstore_model *model)
{
    ragstore_store *store;
    ragstore_buffer *buffer;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.model = model;
    good(ragstore_store_open(&store, path, &options));
    use_entity(store, "texts", false);
    use_entity(store, "vectors", true);
    use_collection(store);
    good(ragstore_store_export(store));
    use_index(store);
    good(ragstore_store_maintain(store, 100));
    good(ragstore_store_check(&buffer, store));
    ragstore_buffer_free(buffer);
    good(ragstore_entity_delete(NULL, store, "vectors"));
    good(ragstore_store_close(store));
    options.flags = RAGSTORE_OPEN_READ_ONLY;
    good(ragstore_store_open(&store, path, &options));
    good(ragstore_store_close(store));
}

static void run_watched(void **state, ragstore_model *model)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_join(path, state, "store");
    watched_begin();
    use_store(path, model);
    watched_end();
    if (watched_noted() > 0)
        fail_msg("%u file calls went past the table, the first of them %s", watched_noted(),
                 watched_first());
    assert_true(watched_by_table() > 500);
    print_message("%u file calls were made, all by the table\n", watched_by_table());
}

static void library_files__are_touched_through_the_table_only(void **state)
{
    run_watched(state, NULL);
}

static void library_files__are_touched_through_the_table_only_with_a_model(void **state)
{
    ragstore_model *model;
    const char *place = getenv("RAGSTORE_MODEL");
    if (place == NULL || place[0] == '\0' || access(place, R_OK) != 0)
        skip();
    watched_begin();
    good(ragstore_model_open(&model, place));
    watched_end();
    if (watched_noted() > 0)
        fail_msg("reading the model: %s", watched_first());
    run_watched(state, model);
    ragstore_model_free(model);
}

static void watched_calls__are_noted(void **state)
{
    struct stat status;
    char path[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(path, state, "f"), "x", 1);
    watched_begin();
    FILE *file = fopen(path, "r");
    watched_end();
    assert_non_null(file);
    assert_int_equal(watched_noted(), 1);
    assert_non_null(strstr(watched_first(), path));
    watched_begin();
    assert_int_equal(fsync(fileno(file)), 0);
    assert_int_equal(stat(path, &status), 0);
    watched_end();
    assert_int_equal(watched_noted(), 2);
    fclose(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watched_calls__are_noted),
        TEST(library_files__are_touched_through_the_table_only),
        TEST(library_files__are_touched_through_the_table_only_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
