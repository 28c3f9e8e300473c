/* ragstore_store_check(): a whole store is whole; whatever byte is changed is found, and named. */
#include "api_fixture.h"

#include <dirent.h>

/* An entity with an upload, callers' vectors and a session, all of it in its files. */
static ragstore_store *make_store(void **state)
{
    static const float vectors[] = {1, 0, 0, 1};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session;
    assert_ok(ragstore_document_add_chunks(
        NULL, entity, "[{\"text\": \"first piece\"}, {\"text\": \"second piece\"}]", vectors, 2,
        NULL));
    assert_ok(ragstore_session_create(&session, entity, NULL));
    assert_ok(ragstore_session_append(NULL, session, "user", "a question", NULL));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    ragstore_collection *tasks;
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_insert(NULL, tasks, "{\"title\": \"paint the lamp\"}"));
    ragstore_collection_free(tasks);
    ragstore_entity *other = make_entity(store, "other");
    add_text(other, "keeper.txt", "The keeper climbs 199 steps every evening.");
    ragstore_entity_free(other);
    return reopen_store(store, state);
}

static json_t *check(ragstore_store *store)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_check(&buffer, store));
    return take_json(buffer);
}

static void expect_whole(ragstore_store *store, json_int_t entities, json_int_t documents)
{
    json_t *report = check(store);
    if (!json_is_true(json_object_get(report, "ok")))
        fail_msg("%s", json_dumps(report, 0));
    assert_number(report, "entities", entities);
    assert_number(report, "documents", documents);
    assert_int_equal(json_array_size(json_object_get(report, "findings")), 0);
    json_decref(report);
}

/* Is there a finding of this file, with this record (NULL: any)? */
static bool names(const json_t *report, const char *file, const char *record)
{
    size_t i;
    json_t *finding;
    json_array_foreach(json_object_get(report, "findings"), i, finding)
    {
        const char *found = json_string_value(json_object_get(finding, "file"));
        const char *key = json_string_value(json_object_get(finding, "record"));
        assert_non_null(json_string_value(json_object_get(finding, "problem")));
        if (found != NULL && strncmp(found, file, strlen(file)) == 0 &&
            (record == NULL || (key != NULL && strcmp(key, record) == 0)))
            return true;
    }
    return false;
}

/* A journal that grows has newlines behind its lines: they are no torn commit. */
static void check__a_store_that_is_being_written_is_whole(void **state)
{
    char name[32];
    char text[64];
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "acme");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d.txt", i);
        snprintf(text, sizeof text, "Note number %d about gulls.", i);
        add_text(entity, name, text);
    }
    ragstore_entity_free(entity);
    expect_whole(store, 1, 20);
    assert_ok(ragstore_store_close(store));
}

static void check__a_whole_store_is_whole(void **state)
{
    ragstore_store *store = open_store(state);
    expect_whole(store, 0, 0);
    assert_ok(ragstore_store_close(store));
    store = make_store(state);
    expect_whole(store, 2, 2);
    ragstore_entity *entity = open_entity(store, "other");
    add_text(entity, "new.txt", "Not in any checkpoint yet.");
    ragstore_entity_free(entity);
    expect_whole(store, 2, 3);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    expect_whole(store, 2, 3);
    assert_ok(ragstore_store_close(store));
}

/* Change one byte of a file, check, put it back. Returns the report. */
static json_t *check_with_changed_byte(ragstore_store *store, void **state, const char *file,
                                       size_t offset)
{
    char path[TEMPORARY_PATH_MAX];
    char below[1024];
    size_t size;
    snprintf(below, sizeof below, "store/%s", file);
    temporary_join(path, state, below);
    char *bytes = temporary_read(path, &size);
    assert_non_null(bytes);
    assert_true(offset < size);
    bytes[offset] ^= 1;
    FILE *to = fopen(path, "r+b"); /* in place: the store may hold the file open */
    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, size, to), size);
    assert_int_equal(fclose(to), 0);
    json_t *report = check(store);
    bytes[offset] ^= 1;
    to = fopen(path, "r+b");
    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, size, to), size);
    assert_int_equal(fclose(to), 0);
    free(bytes);
    return report;
}

static size_t size_of(void **state, const char *file)
{
    char path[TEMPORARY_PATH_MAX];
    char below[1024];
    struct stat info;
    snprintf(below, sizeof below, "store/%s", file);
    assert_int_equal(stat(temporary_join(path, state, below), &info), 0);
    return (size_t)info.st_size;
}

static void expect_each_change_found(ragstore_store *store, void **state, const char *file,
                                     size_t step)
{
    size_t size = size_of(state, file);
    assert_true(size > 0);
    for (size_t offset = 0; offset < size; offset += step) {
        json_t *report = check_with_changed_byte(store, state, file, offset);
        if (!names(report, file, NULL))
            fail_msg("%s: a change of byte %zu is not found", file, offset);
        assert_false(json_is_true(json_object_get(report, "ok")));
        json_decref(report);
    }
    expect_whole(store, 2, 2);
}

static void check__finds_each_changed_byte(void **state)
{
    ragstore_store *store = make_store(state);
    expect_each_change_found(store, state, "api_storage/entities.json", 1);
    expect_each_change_found(store, state, "api_storage/chat_sessions.json", 1);
    expect_each_change_found(store, state, "api_storage/collections/tasks.json", 1);
    expect_each_change_found(store, state,
                             "entity_scoped/entities/acme/chunk_metadata.json", 1);
    expect_each_change_found(store, state, "uploads/other/keeper.txt", 1);
    assert_ok(ragstore_store_close(store));
}

/* The newest journal of the store, below api_storage/. */
static void newest_journal(char out[256], void **state)
{
    char path[TEMPORARY_PATH_MAX];
    DIR *directory = opendir(temporary_join(path, state, "store/api_storage"));
    struct dirent *entry;
    char newest[128] = "";
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, "journal-", 8) == 0 && strcmp(entry->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%.100s", entry->d_name);
    closedir(directory);
    snprintf(out, 256, "api_storage/%s", newest);
}

static void check__finds_each_changed_byte_of_a_journal(void **state)
{
    char journal[256];
    ragstore_store *store = make_store(state);
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_session *session;
    assert_ok(ragstore_session_create(&session, entity, NULL));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    newest_journal(journal, state);
    expect_each_change_found(store, state, journal, 3);
    assert_ok(ragstore_store_close(store));
}

static void check__names_the_record_that_was_changed(void **state)
{
    ragstore_store *store = make_store(state);
    char path[TEMPORARY_PATH_MAX];
    temporary_join(path, state, "store/api_storage/entities.json");
    char *text = temporary_read(path, NULL);
    char *place = strstr(text, "\"other\",\"entity_name\"");
    if (place == NULL)
        place = strstr(text, "\n\"other\"");
    assert_non_null(place);
    char *date = strstr(place, "created_at\":\"2");
    assert_non_null(date);
    json_t *report = check_with_changed_byte(store, state, "api_storage/entities.json",
                                             (size_t)(date - text) + 14);
    assert_true(names(report, "api_storage/entities.json", "other"));
    assert_false(names(report, "api_storage/entities.json", "acme"));
    size_t i;
    json_t *finding;
    json_array_foreach(json_object_get(report, "findings"), i, finding)
    {
        if (!json_is_string(json_object_get(finding, "record")))
            continue;
        json_int_t offset = json_integer_value(json_object_get(finding, "offset"));
        assert_memory_equal(text + offset, "\"other\"", 7);
    }
    json_decref(report);
    free(text);
    assert_ok(ragstore_store_close(store));
}

/* Each line is JSON, and the whole of it was edited by hand: only who knows jobs can tell. */
static void check__names_the_job_that_makes_no_sense(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char id[64];
    ragstore_upload *upload;
    ragstore_job *job;
    ragstore_store *store = make_store(state);
    ragstore_entity *entity = open_entity(store, "other");
    assert_ok(ragstore_upload_begin(&upload, entity, NULL));
    assert_ok(ragstore_upload_write(upload, "The lamp is lit.", 16));
    assert_ok(ragstore_upload_submit(&job, upload));
    assert_ok(ragstore_job_wait(job, 20000));
    snprintf(id, sizeof id, "%s", ragstore_job_id(job));
    ragstore_job_free(job);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    temporary_join(path, state, "store/api_storage/collections/_jobs.json");
    char *text = temporary_read(path, NULL);
    char *place = strstr(text, "\"state\":\"done\"");
    assert_non_null(place);
    memcpy(place, "\"state\":\"gone\"", 14);
    temporary_write(path, text, strlen(text));
    free(text);
    store = open_store(state);
    json_t *report = check(store);
    assert_true(names(report, "api_storage/collections/_jobs.json", id));
    assert_int_equal(json_array_size(json_object_get(report, "findings")), 1);
    json_decref(report);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    assert_ok(ragstore_store_close(store));
}

static void check__finds_missing_files(void **state)
{
    static const char *const files[] = {"api_storage/chat_sessions.json", "ragstore.json",
                                        "entity_scoped/entities/acme/chunk_metadata.json",
                                        "entity_scoped/entities/acme/entity.json",
                                        "uploads/other/keeper.txt"};
    for (size_t i = 0; i < COUNT(files); i++) {
        char from[TEMPORARY_PATH_MAX];
        char to[TEMPORARY_PATH_MAX];
        char below[1024];
        ragstore_store *store = i == 0 ? make_store(state) : open_store(state);
        snprintf(below, sizeof below, "store/%s", files[i]);
        temporary_join(from, state, below);
        temporary_join(to, state, "aside");
        assert_int_equal(rename(from, to), 0);
        json_t *report = check(store);
        if (!names(report, files[i], NULL))
            fail_msg("%s is not missed", files[i]);
        json_decref(report);
        assert_int_equal(rename(to, from), 0);
        if (strstr(files[i], "chunk_metadata") != NULL) /* chunks that could not be read stay so */
            store = reopen_store(store, state);
        expect_whole(store, 2, 2);
        assert_ok(ragstore_store_close(store));
    }
}

static void check__finds_damaged_vectors(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char name[256] = "";
    ragstore_store *store = make_store(state);
    DIR *directory = opendir(
        temporary_join(path, state, "store/entity_scoped/entities/acme/vector_store"));
    struct dirent *entry;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        if (strstr(entry->d_name, ".rsv") != NULL)
            snprintf(name, sizeof name, "entity_scoped/entities/acme/vector_store/%.100s",
                     entry->d_name);
    closedir(directory);
    json_t *report = check_with_changed_byte(store, state, name, size_of(state, name) - 1);
    assert_true(names(report, "entity_scoped/entities/acme/vector_store", "acme"));
    json_decref(report);
    assert_ok(ragstore_store_close(store));
}

static void check__refuses_bad_arguments(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_buffer *buffer = (ragstore_buffer *)state;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_check(NULL, store));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_check(&buffer, NULL));
    assert_null(buffer);
    assert_ok(ragstore_store_close(store));
}

/* ---- progress ---- */

typedef struct watch {
    unsigned calls;
    unsigned cancels_at; /* the call; 0: never */
    uint64_t done;
    uint64_t total;
} watch;

static int32_t on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    watch *seen = user;
    assert_string_equal(stage, "check");
    assert_true(done >= seen->done && done <= total);
    seen->done = done;
    seen->total = total;
    return ++seen->calls == seen->cancels_at;
}

static void check_with__tells_how_far_it_is_and_can_be_cancelled(void **state)
{
    watch seen = {0};
    ragstore_buffer *buffer;
    ragstore_store_check_options options = RAGSTORE_STORE_CHECK_OPTIONS_INIT;
    ragstore_store *store = make_store(state);
    options.progress = on_progress;
    options.progress_user = &seen;
    assert_ok(ragstore_store_check_with(&buffer, store, &options));
    json_t *report = take_json(buffer);
    assert_member(report, "ok", "true");
    json_decref(report);
    const unsigned calls = seen.calls;
    assert_true(calls >= 4); /* the beginning, two entities, an upload */
    assert_int_equal(seen.total, 2);
    for (unsigned at = 1; at <= calls; at++) {
        seen = (watch){.cancels_at = at};
        assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_store_check_with(&buffer, store, &options));
        assert_null(buffer);
        assert_int_equal(seen.calls, at);
    }
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_check_with(NULL, store, &options));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_check_with(&buffer, NULL, &options));
    options.struct_size = 3;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_check_with(&buffer, store, &options));
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(check__a_whole_store_is_whole),
        TEST(check__a_store_that_is_being_written_is_whole),
        TEST(check__finds_each_changed_byte),
        TEST(check__finds_each_changed_byte_of_a_journal),
        TEST(check__names_the_record_that_was_changed),
        TEST(check__names_the_job_that_makes_no_sense),
        TEST(check__finds_missing_files),
        TEST(check__finds_damaged_vectors),
        TEST(check__refuses_bad_arguments),
        TEST(check_with__tells_how_far_it_is_and_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
