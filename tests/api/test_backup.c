/* ragstore_store_backup(), ragstore_backup_verify(), ragstore_store_restore(). */
#include "peer.h"

#include <ftw.h>
#include <pthread.h>

static const char *below(void **state, const char *name)
{
    static char paths[4][TEMPORARY_PATH_MAX];
    static unsigned next;
    return temporary_join(paths[next++ % 4], state, name);
}

static json_t *backup_to(ragstore_store *store, const char *directory)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_backup(&buffer, store, directory, NULL));
    return take_json(buffer);
}

static void restore_to(const char *backup, const char *directory)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_restore(&buffer, backup, directory, NULL));
    json_t *report = take_json(buffer);
    assert_true(json_is_true(json_object_get(report, "ok")));
    json_decref(report);
}

static ragstore_store *open_at(const char *directory)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_MUST_EXIST;
    assert_ok(ragstore_store_open(&store, directory, &options));
    return store;
}

/* ---- a store with something of everything ---- */

static void add_bulk(ragstore_entity *entity, const char *name)
{
    const size_t size = 200000; /* more than a commit's line takes: a segment */
    char *text = long_text(size);
    for (size_t i = 9; i < size; i += 10)
        text[i] = i % 100 == 99 ? '\n' : ' ';
    add_text(entity, name, text);
    free(text);
}

static void fill(ragstore_store *store)
{
    ragstore_entity *acme = make_entity(store, "Acme Corp");
    ragstore_session *session;
    ragstore_collection *tasks;
    const float vectors[] = {1, 0, 0, 0, 1, 0};
    add_text(acme, "keeper.txt", "The lighthouse keeper climbs 199 steps every evening.");
    add_text(acme, "\xc3\xa4rger (neu).txt", "Trouble brews behind the harbour wall.");
    add_bulk(acme, "bulk.txt");
    assert_ok(ragstore_session_create(&session, acme, NULL));
    assert_ok(ragstore_session_append(NULL, session, "user", "How many steps?", NULL));
    assert_ok(ragstore_session_append(NULL, session, "assistant", "199.", NULL));
    ragstore_session_free(session);
    ragstore_entity_free(acme);
    ragstore_entity *vectored = make_entity(store, "v");
    assert_ok(ragstore_document_add_chunks(
        NULL, vectored, "[{\"text\": \"east\"}, {\"text\": \"north\"}]", vectors, 3, NULL));
    ragstore_entity_free(vectored);
    ragstore_entity_free(make_entity(store, "empty"));
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_insert(NULL, tasks, "{\"title\": \"paint the lamp\"}"));
    ragstore_collection_free(tasks);
}

static void expect_vectors(ragstore_store *store)
{
    const float north[] = {0, 1, 0};
    int64_t chunk = -1;
    float score;
    ragstore_index *index;
    ragstore_entity *entity = open_entity(store, "v");
    assert_ok(ragstore_index_open(&index, entity));
    assert_int_equal(ragstore_index_search(&chunk, &score, index, north, 1, 3, 1), RAGSTORE_OK);
    assert_int_equal(chunk, 1);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
}

static void expect_all(ragstore_store *store)
{
    ragstore_buffer *buffer;
    ragstore_collection *tasks;
    uint64_t count;
    ragstore_entity *acme = open_entity(store, "Acme Corp");
    assert_int_equal(count_hits(acme, "lighthouse keeper"), 1);
    assert_int_equal(count_hits(acme, "harbour wall"), 1);
    json_t *entity = describe_entity(acme);
    assert_number(entity, "total_documents", 3);
    json_decref(entity);
    json_t *documents = list_documents(acme, NULL);
    size_t i;
    json_t *document;
    json_array_foreach(documents, i, document)
    {
        ragstore_document *open;
        assert_ok(ragstore_document_open(&open, acme,
                                         json_string_value(json_object_get(document, "doc_id"))));
        assert_ok(ragstore_document_content(&buffer, open));
        assert_int_equal(ragstore_buffer_size(buffer),
                         json_integer_value(json_object_get(document, "file_size")));
        ragstore_buffer_free(buffer);
        ragstore_document_free(open);
    }
    json_decref(documents);
    assert_ok(ragstore_session_list(&buffer, acme, NULL));
    json_t *sessions = take_json(buffer);
    assert_int_equal(json_array_size(sessions), 1);
    assert_number(json_array_get(sessions, 0), "message_count", 2);
    json_decref(sessions);
    ragstore_entity_free(acme);
    expect_vectors(store);
    ragstore_entity_free(open_entity(store, "empty"));
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_count(&count, tasks, "{}"));
    assert_int_equal(count, 1);
    ragstore_collection_free(tasks);
    assert_ok(ragstore_store_check(&buffer, store));
    json_t *report = take_json(buffer);
    if (!json_is_true(json_object_get(report, "ok")))
        fail_msg("%s", json_dumps(report, 0));
    json_decref(report);
}

static void backup__and_restore_give_the_store_back(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    json_t *report = backup_to(store, below(state, "first"));
    json_t *described = describe_store(store);
    assert_text(report, "store_id", json_string_value(json_object_get(described, "store_id")));
    json_decref(described);
    assert_true(json_is_true(json_object_get(report, "ok")));
    assert_true(json_is_true(json_object_get(report, "checked")));
    assert_number(report, "entities", 3);
    assert_number(report, "documents", 4);
    assert_int_equal(json_array_size(json_object_get(report, "findings")), 0);
    json_decref(report);
    assert_ok(ragstore_store_export(store)); /* and what lies in the JSON files, not the journal */
    json_decref(backup_to(store, below(state, "second")));
    assert_ok(ragstore_entity_delete(NULL, store, "Acme Corp"));
    assert_ok(ragstore_store_close(store));
    const char *const names[] = {"first", "second"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char place[32];
        snprintf(place, sizeof place, "%s-restored", names[i]);
        assert_ok(ragstore_backup_verify(NULL, below(state, names[i]), NULL));
        restore_to(below(state, names[i]), below(state, place));
        store = open_at(below(state, place));
        expect_all(store);
        ragstore_entity *acme = open_entity(store, "Acme Corp");
        add_text(acme, "more.txt", "A restored store takes more pelicans.");
        assert_int_equal(count_hits(acme, "pelicans"), 1);
        ragstore_entity_free(acme);
        assert_ok(ragstore_store_close(store));
        assert_ok(
            ragstore_backup_verify(NULL, below(state, names[i]), NULL)); /* unchanged by that */
    }
}

static void backup__of_an_empty_store_restores(void **state)
{
    ragstore_store *store = open_store(state);
    json_decref(backup_to(store, below(state, "b")));
    assert_ok(ragstore_store_close(store));
    assert_int_equal(mkdir(below(state, "r"), 0700), 0); /* an empty directory will do */
    restore_to(below(state, "b"), below(state, "r"));
    store = open_at(below(state, "r"));
    ragstore_entity_free(make_entity(store, "first"));
    assert_ok(ragstore_store_close(store));
}

static void backup__may_be_taken_by_a_reader(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    json_decref(backup_to(store, below(state, "b")));
    assert_ok(ragstore_store_close(store));
    restore_to(below(state, "b"), below(state, "r"));
    store = open_at(below(state, "r"));
    expect_all(store);
    assert_ok(ragstore_store_close(store));
}

static void backup__takes_uploads_along_that_wait_for_a_job(void **state)
{
    const char text[] = "The walrus waits for its turn.";
    ragstore_upload *upload;
    ragstore_upload *unfinished;
    ragstore_job *job;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "acme");
    options.filename = "walrus.txt";
    assert_ok(ragstore_upload_begin(&upload, entity, &options));
    assert_ok(ragstore_upload_write(upload, text, sizeof text - 1));
    assert_ok(ragstore_upload_submit(&job, upload));
    ragstore_job_free(job);
    assert_ok(ragstore_upload_begin(&unfinished, entity, &options));
    assert_ok(ragstore_upload_write(unfinished, "half", 4));
    json_decref(backup_to(store, below(state, "b")));
    assert_int_equal(temporary_count(below(state, "b/data/uploads/acme")), 1);
    ragstore_upload_abort(unfinished);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    restore_to(below(state, "b"), below(state, "r"));
    store = open_at(below(state, "r"));
    assert_ok(ragstore_store_maintain(store, 5000));
    entity = open_entity(store, "acme");
    for (int i = 0; i < 1000 && count_hits(entity, "walrus turn") == 0; i++)
        usleep(10000);
    assert_int_equal(count_hits(entity, "walrus turn"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- while others write ---- */

typedef struct writing {
    ragstore_store *store;
    int done; /* atomic: notes that were acknowledged */
    int stops;
} writing;

/* In each commit a note and a task of the same number, so that a half is seen; and old notes go. */
static void *keep_writing(void *user)
{
    writing *w = user;
    ragstore_entity *entity = open_entity(w->store, "gulls");
    ragstore_collection *tasks;
    char last[64] = "";
    assert_ok(ragstore_collection_open(&tasks, w->store, "tasks"));
    for (int i = 1; !__atomic_load_n(&w->stops, __ATOMIC_ACQUIRE); i++) {
        char name[32];
        char text[128];
        ragstore_batch *batch;
        ragstore_document *document;
        ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        snprintf(name, sizeof name, "n%d.txt", i);
        snprintf(text, sizeof text, "Note number%d about gulls.", i);
        options.filename = name;
        assert_ok(ragstore_batch_begin(&batch, w->store));
        assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
        snprintf(text, sizeof text, "{\"_id\": \"%d\"}", i);
        assert_ok(ragstore_collection_insert(NULL, tasks, text));
        assert_ok(ragstore_batch_commit(batch));
        __atomic_store_n(&w->done, i, __ATOMIC_RELEASE);
        if (i % 3 == 0)
            assert_ok(ragstore_document_delete(entity, last));
        snprintf(last, sizeof last, "%s", ragstore_document_id(document));
        ragstore_document_free(document);
        if (i % 10 == 0)
            assert_ok(i % 20 == 0 ? ragstore_store_compact(NULL, w->store, NULL)
                                  : ragstore_store_export(w->store));
    }
    ragstore_collection_free(tasks);
    ragstore_entity_free(entity);
    return NULL;
}

/* All that was acknowledged before the backup is in it, and each commit whole or absent. */
static void expect_prefix(const char *directory, int acknowledged)
{
    ragstore_buffer *buffer;
    ragstore_collection *tasks;
    uint64_t count;
    ragstore_store *store = open_at(directory);
    ragstore_entity *entity = open_entity(store, "gulls");
    assert_ok(ragstore_collection_open(&tasks, store, "tasks"));
    assert_ok(ragstore_collection_count(&count, tasks, "{}"));
    assert_true(count >= (uint64_t)acknowledged);
    json_t *documents = list_documents(entity, NULL);
    /* of each three one is deleted, which is a commit of its own */
    const uint64_t deleted = count - json_array_size(documents);
    if (deleted != count / 3 && deleted + 1 != count / 3)
        fail_msg("%d notes of %d tasks", (int)json_array_size(documents), (int)count);
    json_decref(documents);
    assert_ok(ragstore_store_check(&buffer, store));
    json_t *report = take_json(buffer);
    if (!json_is_true(json_object_get(report, "ok")))
        fail_msg("%s", json_dumps(report, 0));
    json_decref(report);
    ragstore_collection_free(tasks);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void backup__is_one_moment_while_a_thread_writes(void **state)
{
    pthread_t thread;
    writing w = {.store = open_store(state)};
    ragstore_entity_free(make_entity(w.store, "gulls"));
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &w), 0);
    for (int i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "b%d", i);
        for (int wait = 0; __atomic_load_n(&w.done, __ATOMIC_ACQUIRE) < 7 * (i + 1); wait++) {
            assert_true(wait < 120000);
            usleep(1000);
        }
        const int acknowledged = __atomic_load_n(&w.done, __ATOMIC_ACQUIRE);
        json_t *report = backup_to(w.store, below(state, name));
        assert_true(json_is_true(json_object_get(report, "ok")));
        json_decref(report);
        char place[32];
        snprintf(place, sizeof place, "r%d", i);
        restore_to(below(state, name), below(state, place));
        expect_prefix(below(state, place), acknowledged);
    }
    __atomic_store_n(&w.stops, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    assert_ok(ragstore_store_close(w.store));
}

static void backup__is_one_moment_while_a_process_writes(void **state)
{
    peer other;
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    peer_start(&other, store_path(state), 0);
    for (int i = 0; i < 4; i++) {
        char name[32];
        char place[32];
        snprintf(name, sizeof name, "b%d", i);
        snprintf(place, sizeof place, "r%d", i);
        assert_int_equal(peer_do(&other, 't', 5), RAGSTORE_OK);
        if (i == 2)
            assert_int_equal(peer_do(&other, 'k', 0), RAGSTORE_OK);
        peer_tell(&other, 't', 20);
        json_decref(backup_to(store, below(state, name)));
        peer_answer(&other);
        restore_to(below(state, name), below(state, place));
        ragstore_store *restored = open_at(below(state, place));
        ragstore_entity *acme = open_entity(restored, "acme");
        json_t *described = describe_entity(acme);
        const json_int_t documents =
            json_integer_value(json_object_get(described, "total_documents"));
        assert_true(documents >= 25 * i + 5 && documents <= 25 * i + 25);
        json_decref(described);
        ragstore_entity_free(acme);
        assert_ok(ragstore_store_close(restored));
    }
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

/* ---- refusals ---- */

static void backup__refuses_what_it_cannot_do(void **state)
{
    ragstore_batch *batch;
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_backup_options options = RAGSTORE_BACKUP_OPTIONS_INIT;
    char place[TEMPORARY_PATH_MAX];
    temporary_join(place, state, "b");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_backup(&buffer, NULL, place, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_backup(NULL, store, NULL, NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_backup(NULL, store, "", NULL));
    options.flags = 0x80;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_backup(NULL, store, place, &options));
    options.flags = 0;
    options.reserved = 1;
    assert_fails(RAGSTORE_E_UNSUPPORTED, ragstore_store_backup(NULL, store, place, &options));
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_store_backup(NULL, store, below(state, "no/where"), NULL));
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_fails(RAGSTORE_E_WRONG_STATE, ragstore_store_backup(NULL, store, place, NULL));
    ragstore_batch_abort(batch);
    assert_false(temporary_exists(place));
    assert_ok(ragstore_store_close(store));
}

static void backup__keeps_away_from_the_store_and_from_other_things(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    const char *const inside[] = {"store/uploads/b", "store/entity_scoped/entities/b",
                                  "store/entity_scoped/entities/%41cme%20%43orp/segments"};
    for (size_t i = 0; i < COUNT(inside); i++) {
        assert_fails(i < 2 ? RAGSTORE_E_INVALID_ARGUMENT : RAGSTORE_E_EXISTS,
                     ragstore_store_backup(NULL, store, below(state, inside[i]), NULL));
    }
    temporary_write(below(state, "file"), "x", 1);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_store_backup(NULL, store, below(state, "file"), NULL));
    json_decref(backup_to(store, below(state, "b")));
    assert_fails(RAGSTORE_E_EXISTS, ragstore_store_backup(NULL, store, below(state, "b"), NULL));
    assert_message_has("not empty");
    assert_ok(ragstore_backup_verify(NULL, below(state, "b"), NULL));
    expect_all(store);
    assert_ok(ragstore_store_close(store));
}

typedef struct listening {
    const char *stops_at;
    unsigned stages; /* a bit for each that was heard */
    uint64_t last;
} listening;

static int32_t listen_to(void *user, const char *stage, uint64_t done, uint64_t total)
{
    static const char *const stages[] = {"copy", "verify", "check"};
    listening *to = user;
    unsigned number = 0;
    while (strcmp(stages[number], stage) != 0)
        assert_true(++number < COUNT(stages));
    to->stages |= 1u << number;
    assert_true(done <= total);
    return to->stops_at != NULL && strcmp(stage, to->stops_at) == 0;
}

static void backup__tells_how_far_it_is_and_can_be_cancelled(void **state)
{
    static const char *const stages[] = {"copy", "verify", "check"};
    ragstore_store *store = open_store(state);
    listening to = {0};
    ragstore_backup_options options = RAGSTORE_BACKUP_OPTIONS_INIT;
    options.progress = listen_to;
    options.progress_user = &to;
    fill(store);
    for (size_t i = 0; i < COUNT(stages); i++) {
        to = (listening){.stops_at = stages[i]};
        assert_fails(RAGSTORE_E_INTERRUPTED,
                     ragstore_store_backup(NULL, store, below(state, "b"), &options));
        assert_int_equal(temporary_count(below(state, "b")), 0);
    }
    to = (listening){0};
    assert_ok(ragstore_store_backup(NULL, store, below(state, "b"), &options));
    assert_int_equal(to.stages, 7);
    assert_ok(ragstore_store_close(store));
    for (size_t i = 0; i < COUNT(stages); i++) {
        to = (listening){.stops_at = stages[i]};
        assert_fails(RAGSTORE_E_INTERRUPTED,
                     ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), &options));
        assert_int_equal(temporary_count(temporary_path(state)), 2); /* store, backup: no remains */
        to = (listening){.stops_at = stages[i]};
        if (i > 0)
            assert_fails(RAGSTORE_E_INTERRUPTED,
                         ragstore_backup_verify(NULL, below(state, "b"), &options));
    }
    options.flags = RAGSTORE_BACKUP_UNCHECKED;
    to = (listening){.stops_at = "check"};
    assert_ok(ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), &options));
}

/* ---- damage ---- */

static void change_byte(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    const int c = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(c ^ 1, file);
    fclose(file);
}

static char file_paths[64][TEMPORARY_PATH_MAX];
static size_t file_count;

static int note_path(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)at;
    if (kind == FTW_F && file_count < COUNT(file_paths))
        snprintf(file_paths[file_count++], TEMPORARY_PATH_MAX, "%s", path);
    return 0;
}

static void backup__with_any_file_changed_cut_or_gone_is_refused(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    json_decref(backup_to(store, below(state, "whole")));
    assert_ok(ragstore_store_close(store));
    file_count = 0;
    nftw(below(state, "whole"), note_path, 16, FTW_PHYS);
    assert_true(file_count > 8);
    const size_t prefix = strlen(below(state, "whole"));
    for (size_t i = 0; i < file_count; i++)
        for (int how = 0; how < 3; how++) {
            char path[TEMPORARY_PATH_MAX];
            struct stat info;
            temporary_copy_all(below(state, "whole"), below(state, "b"));
            snprintf(path, sizeof path, "%s%s", below(state, "b"), file_paths[i] + prefix);
            assert_int_equal(stat(path, &info), 0);
            if (how == 0)
                change_byte(path, (long)info.st_size / 2);
            else if (how == 1)
                assert_int_equal(truncate(path, info.st_size - 1), 0);
            else
                unlink(path);
            ragstore_buffer *buffer;
            int status = ragstore_backup_verify(&buffer, below(state, "b"), NULL);
            if (status != RAGSTORE_E_DAMAGED && status != RAGSTORE_E_NOT_FOUND)
                fail_msg("%s, %d: %s", file_paths[i], how, ragstore_status_name(status));
            assert_null(buffer);
            assert_int_equal(
                ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), NULL), status);
            assert_false(temporary_exists(below(state, "r")));
            temporary_remove_all(below(state, "b"));
        }
    assert_int_equal(temporary_count(temporary_path(state)), 2);
}

static void backup__of_a_damaged_store_tells_what_is_wrong(void **state)
{
    char path[TEMPORARY_PATH_MAX + 64];
    ragstore_store *store = open_store(state);
    fill(store);
    snprintf(path, sizeof path, "%s/uploads/%%41cme%%20%%43orp/keeper.txt", store_path(state));
    change_byte(path, 4);
    json_t *report = backup_to(store, below(state, "b"));
    assert_true(json_is_false(json_object_get(report, "ok")));
    json_t *findings = json_object_get(report, "findings");
    assert_int_equal(json_array_size(findings), 1);
    assert_text(json_array_get(findings, 0), "file", "uploads/%41cme%20%43orp/keeper.txt");
    json_decref(report);
    assert_ok(ragstore_backup_verify(NULL, below(state, "b"), NULL)); /* as it was found */
    assert_ok(ragstore_store_close(store));
}

/* ---- lists from elsewhere ---- */

/* Of a file that is one "x". */
#define ENTRY(path)                                                                                \
    "{\"path\":\"" path "\",\"size\":1,\"sha256\":"                                                \
    "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"}"

static void write_list(void **state, const char *files)
{
    char text[4096];
    const int size = snprintf(
        text, sizeof text,
        "{\"format\":1,\"kind\":\"backup\",\"store_id\":\"00\",\"created_at\":"
        "\"2026-01-31T12:34:56.000000\",\"sequence\":1,\"files\":[" ENTRY("ragstore.json") "%s%s]}",
        files[0] == '\0' ? "" : ",", files);
    temporary_write(below(state, "b/backup.json"), text, (size_t)size);
}

static void backup__with_a_hostile_list_is_refused(void **state)
{
    static const char *const lists[] = {
        ENTRY("../outside"),
        ENTRY("/etc/passwd"),
        ENTRY("uploads/../../outside"),
        ENTRY("uploads/a/../../../outside"),
        ENTRY("uploads/a/b/c"),
        ENTRY("uploads/A/b"),
        ENTRY("uploads/a/.hidden"),
        ENTRY("uploads/a/b\\u0000c"),
        ENTRY("uploads/a/b\\nc"),
        ENTRY("uploads//b"),
        ENTRY("uploads/./b"),
        ENTRY("api_storage/reserve"),
        ENTRY("api_storage/collections/../x.json"),
        ENTRY("entity_scoped/entities/a/vector_store/rows-x.rsv"),
        ENTRY("entity_scoped/entities/../../x"),
        ENTRY("LOCK"),
        ENTRY("ragstore.json"), /* twice */
        "{\"path\":\"uploads/a/b\",\"size\":-1,\"sha256\":\"00\"}",
        "{\"path\":\"uploads/a/b\",\"size\":1,\"sha256\":\"00\"}",
        "{\"path\":\"uploads/a/b\"}",
        "7",
    };
    const char *outside = below(state, "outside");
    temporary_write(outside, "x", 1);
    assert_int_equal(mkdir(below(state, "b"), 0700), 0);
    assert_int_equal(mkdir(below(state, "b/data"), 0700), 0);
    temporary_write(below(state, "b/data/ragstore.json"), "x", 1);
    write_list(state, ""); /* the list alone is not what is refused */
    assert_ok(ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), NULL));
    temporary_remove_all(below(state, "r"));
    for (size_t i = 0; i < COUNT(lists); i++) {
        write_list(state, lists[i]);
        const int status = ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), NULL);
        if (status != RAGSTORE_E_DAMAGED)
            fail_msg("%s: %s", lists[i], ragstore_status_name(status));
        assert_int_equal(temporary_count(temporary_path(state)), 2);
    }
    const char *const no_lists[] = {"",
                                    "[]",
                                    "{",
                                    "{\"format\":1}",
                                    "{\"kind\":\"backup\"}",
                                    "{\"format\":1,\"kind\":\"other\",\"files\":[]}"};
    for (size_t i = 0; i < COUNT(no_lists); i++) {
        temporary_write(below(state, "b/backup.json"), no_lists[i], strlen(no_lists[i]));
        assert_fails(RAGSTORE_E_DAMAGED, ragstore_backup_verify(NULL, below(state, "b"), NULL));
    }
    const char newer[] = "{\"format\":9,\"min_reader\":9}";
    temporary_write(below(state, "b/backup.json"), newer, sizeof newer - 1);
    assert_fails(RAGSTORE_E_VERSION, ragstore_backup_verify(NULL, below(state, "b"), NULL));
}

static void backup__with_a_link_in_it_is_refused(void **state)
{
    ragstore_store *store = open_store(state);
    fill(store);
    json_decref(backup_to(store, below(state, "b")));
    assert_ok(ragstore_store_close(store));
    const char *path = below(state, "b/data/api_storage/entities.json");
    assert_int_equal(rename(path, below(state, "elsewhere.json")), 0);
    assert_int_equal(symlink(below(state, "elsewhere.json"), path), 0);
    assert_fails(RAGSTORE_E_DAMAGED, ragstore_backup_verify(NULL, below(state, "b"), NULL));
    assert_fails(RAGSTORE_E_DAMAGED,
                 ragstore_store_restore(NULL, below(state, "b"), below(state, "r"), NULL));
    assert_false(temporary_exists(below(state, "r")));
}

static void restore__refuses_a_place_that_is_taken_or_none(void **state)
{
    ragstore_store *store = open_store(state);
    json_decref(backup_to(store, below(state, "b")));
    char backup[TEMPORARY_PATH_MAX];
    temporary_join(backup, state, "b");
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                 ragstore_store_restore(NULL, NULL, below(state, "r"), NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_store_restore(NULL, backup, NULL, NULL));
    const char *const names[] = {"", "/", ".", "..", "/..", "//"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_store_restore(NULL, backup, names[i], NULL));
    assert_fails(RAGSTORE_E_EXISTS, ragstore_store_restore(NULL, backup, store_path(state), NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_store_restore(NULL, backup, below(state, "no/where"), NULL));
    temporary_write(below(state, "file"), "x", 1);
    assert_fails(RAGSTORE_E_EXISTS,
                 ragstore_store_restore(NULL, backup, below(state, "file"), NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND,
                 ragstore_store_restore(NULL, store_path(state), below(state, "r"), NULL));
    assert_message_has("backup.json");
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_backup_verify(NULL, below(state, "none"), NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_backup_verify(NULL, NULL, NULL));
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(backup__and_restore_give_the_store_back),
        TEST(backup__of_an_empty_store_restores),
        TEST(backup__may_be_taken_by_a_reader),
        TEST(backup__takes_uploads_along_that_wait_for_a_job),
        TEST(backup__is_one_moment_while_a_thread_writes),
        TEST(backup__is_one_moment_while_a_process_writes),
        TEST(backup__refuses_what_it_cannot_do),
        TEST(backup__keeps_away_from_the_store_and_from_other_things),
        TEST(backup__tells_how_far_it_is_and_can_be_cancelled),
        TEST(backup__with_any_file_changed_cut_or_gone_is_refused),
        TEST(backup__of_a_damaged_store_tells_what_is_wrong),
        TEST(backup__with_a_hostile_list_is_refused),
        TEST(backup__with_a_link_in_it_is_refused),
        TEST(restore__refuses_a_place_that_is_taken_or_none),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
