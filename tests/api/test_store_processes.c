/* One store and several processes: locks, readers, forks, rights, and what is left after a kill. */
#include "peer.h"

#include <time.h>

static int open_with(ragstore_store **store, const char *path, uint32_t flags, uint32_t timeout_ms)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.busy_timeout_ms = timeout_ms;
    return ragstore_store_open(store, path, &options);
}

/* In a child: open, close, and give the status as a small positive number. */
typedef struct attempt {
    const char *path;
    uint32_t flags;
    uint32_t timeout_ms;
} attempt;

static int open_in_child(void *user)
{
    const attempt *this = user;
    ragstore_store *store;
    int status = open_with(&store, this->path, this->flags, this->timeout_ms);
    if (status == RAGSTORE_OK)
        status = ragstore_store_close(store);
    return -status;
}

static int try_in_child(void **state, uint32_t flags)
{
    attempt this = {store_path(state), flags, RAGSTORE_NO_WAIT};
    return -run_in_child(open_in_child, &this);
}

/* ---- locks ---- */

static void store_lock__lets_a_second_process_in(void **state)
{
    skip_without_children();
    ragstore_store *store = open_store(state);
    assert_int_equal(try_in_child(state, 0), RAGSTORE_OK);
    assert_int_equal(try_in_child(state, RAGSTORE_OPEN_READ_ONLY), RAGSTORE_OK);
    assert_int_equal(try_in_child(state, RAGSTORE_OPEN_MUST_CREATE), RAGSTORE_E_EXISTS);
    ragstore_entity_free(make_entity(store, "still works"));
    assert_ok(ragstore_store_close(store));
    assert_int_equal(try_in_child(state, 0), RAGSTORE_OK);
}

static int64_t elapsed_ms(const struct timespec *from)
{
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (int64_t)(to.tv_sec - from->tv_sec) * 1000 + (to.tv_nsec - from->tv_nsec) / 1000000;
}

static void store_lock__of_a_writer_is_waited_for_as_long_as_asked(void **state)
{
    peer other;
    struct timespec from;
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.busy_timeout_ms = 150;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    assert_ok(put_note(store, "mine", 1));
    peer_start(&other, store_path(state), 0);
    assert_int_equal(peer_do(&other, 'b', 1), RAGSTORE_OK);
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_fails(RAGSTORE_E_BUSY, put_note(store, "mine", 2));
    assert_in_range(elapsed_ms(&from), 149, 4000);
    assert_message_has("another process");
    assert_message_has("busy_timeout_ms");
    assert_int_equal(count_notes(store, "{}"), 1); /* reading waits for nobody */
    assert_int_equal(peer_do(&other, 'c', 0), RAGSTORE_OK);
    assert_ok(put_note(store, "mine", 2));
    assert_int_equal(count_notes(store, "{}"), 2);
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

/* What an idle process keeps is given up at once, also to those who do not wait. */
static void store_lock__of_an_idle_process_is_given_up(void **state)
{
    peer other;
    struct timespec from;
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.busy_timeout_ms = RAGSTORE_NO_WAIT;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    peer_start(&other, store_path(state), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(peer_do(&other, 'u', 1), RAGSTORE_OK);
        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_ok(put_note(store, "mine", i));
        assert_in_range(elapsed_ms(&from), 0, 1000);
    }
    peer_end(&other);
    assert_ok(ragstore_store_close(store));
}

static void store_lock__readers_and_writers_go_together(void **state)
{
    skip_without_children();
    assert_ok(ragstore_store_close(open_store(state)));
    ragstore_store *reader = open_store_with(state, RAGSTORE_OPEN_READ_ONLY, NULL);
    assert_int_equal(try_in_child(state, RAGSTORE_OPEN_READ_ONLY), RAGSTORE_OK);
    assert_int_equal(try_in_child(state, 0), RAGSTORE_OK);
    assert_ok(ragstore_store_close(reader));
}

static int64_t lock_size(void **state)
{
    struct stat seen;
    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(stat(temporary_join(path, state, "store/LOCK"), &seen), 0);
    return seen.st_size;
}

/* The mark goes with the last one, whoever that is. */
static void store_lock__the_last_one_to_close_cleans_up(void **state)
{
    peer other;
    ragstore_store *store = open_store(state);
    peer_start(&other, store_path(state), 0);
    assert_int_equal(peer_do(&other, 'u', 1), RAGSTORE_OK);
    assert_ok(ragstore_store_close(store));
    assert_true(lock_size(state) > 0);
    peer_end(&other);
    assert_int_equal(lock_size(state), 0);
}

static void store_lock__does_not_hinder_who_needs_none(void **state)
{
    skip_without_children();
    ragstore_store *store = open_store(state);
    assert_int_equal(try_in_child(state, RAGSTORE_OPEN_IMMUTABLE), RAGSTORE_OK);
    assert_ok(ragstore_store_close(store));
}

/* ---- reading only ---- */

static void expect_no_change_allowed(ragstore_store *store)
{
    static const float vector[] = {1.0f};
    ragstore_batch *batch;
    ragstore_upload *upload;
    ragstore_session *session;
    ragstore_entity *entity = open_entity(store, "acme");
    ragstore_buffer *buffer;
    ragstore_entity_update_options update = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    update.name = "new";
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_create(NULL, store, "new", NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_update(entity, &update));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_entity_delete(NULL, store, "acme"));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_document_add(NULL, entity, "text", 4, NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_document_add_chunks(
                                           NULL, entity, "[{\"text\": \"a\"}]", vector, 1, NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_upload_begin(&upload, entity, NULL));
    assert_null(upload);
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_session_create(&session, entity, NULL));
    assert_null(session);
    assert_ok(ragstore_session_list(&buffer, entity, NULL));
    json_t *sessions = take_json(buffer);
    const char *id = json_string_value(json_object_get(json_array_get(sessions, 0), "session_id"));
    assert_ok(ragstore_session_open(&session, store, id));
    assert_fails(RAGSTORE_E_READ_ONLY,
                 ragstore_session_append(NULL, session, "user", "hello", NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_session_ask(NULL, session, "What is it?", NULL));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_session_delete(store, id));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_batch_begin(&batch, store));
    assert_null(batch);
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_store_export(store));
    assert_fails(RAGSTORE_E_READ_ONLY, ragstore_store_maintain(store, 0));
    json_decref(sessions);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
}

static void expect_readable(ragstore_store *store)
{
    ragstore_buffer *buffer;
    ragstore_document *document;
    ragstore_entity *entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    json_t *documents = list_documents(entity, NULL);
    const char *id = json_string_value(json_object_get(json_array_get(documents, 0), "doc_id"));
    assert_ok(ragstore_document_open(&document, entity, id));
    assert_ok(ragstore_document_content(&buffer, document));
    assert_string_equal(ragstore_buffer_data(buffer), "All about granite.");
    ragstore_buffer_free(buffer);
    json_decref(documents);
    ragstore_document_free(document);
    ragstore_entity_free(entity);
}

static void make_small_store(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    assert_ok(ragstore_session_create(NULL, entity, NULL));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void store_read_only__reads_and_refuses_every_change(void **state)
{
    static const uint32_t flags[] = {RAGSTORE_OPEN_READ_ONLY, RAGSTORE_OPEN_IMMUTABLE};
    char path[TEMPORARY_PATH_MAX];
    make_small_store(state);
    size_t entries = temporary_count(store_path(state));
    char *before = temporary_read(temporary_join(path, state, "store/ragstore.json"), NULL);
    for (size_t i = 0; i < COUNT(flags); i++) {
        ragstore_store *store = open_store_with(state, flags[i], NULL);
        json_t *description = describe_store(store);
        assert_member(description, "read_only", "true");
        json_decref(description);
        expect_readable(store);
        expect_no_change_allowed(store);
        expect_readable(store);
        assert_ok(ragstore_store_close(store));
    }
    assert_int_equal(temporary_count(store_path(state)), entries);
    char *after = temporary_read(path, NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* ---- rights ---- */

static void chown_all(const char *path, uid_t user)
{
    char command[TEMPORARY_PATH_MAX + 64];
    snprintf(command, sizeof command, "chown -R %u '%s'", (unsigned)user, path);
    assert_int_equal(system(command), 0); /* a path of mkdtemp's */
}

/* Run a child as somebody whom rights concern. */
static int (*run_as_nobody)(void *user);

static int give_up_root(void *user)
{
    if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return 255;
    return run_as_nobody(user);
}

static void store_rights__a_directory_that_is_not_ours_to_write_is_refused(void **state)
{
    assert_int_equal(chmod(temporary_path(state), 0755), 0);
    assert_int_equal(mkdir(store_path(state), 0755), 0);
    if (getuid() == 0)
        chown_all(store_path(state), NOBODY);
    assert_int_equal(chmod(store_path(state), 0555), 0);
    attempt this = {store_path(state), 0, RAGSTORE_NO_WAIT};
    run_as_nobody = open_in_child;
    assert_int_equal(-run_in_child(give_up_root, &this), RAGSTORE_E_PERMISSION);
    assert_int_equal(temporary_count(store_path(state)), 0);
    assert_int_equal(chmod(store_path(state), 0755), 0);
    assert_int_equal(-run_in_child(give_up_root, &this), RAGSTORE_OK);
}

/* A store that lies in a directory without write permission can be read, not written. */
static int read_in_child(void *user)
{
    const attempt *this = user;
    ragstore_store *store;
    ragstore_entity *entity;
    int status = open_with(&store, this->path, this->flags, RAGSTORE_NO_WAIT);
    if (status != RAGSTORE_OK)
        return -status;
    status = ragstore_entity_open(&entity, store, "acme");
    ragstore_entity_free(entity);
    int closed = ragstore_store_close(store);
    return -(status == RAGSTORE_OK ? closed : status);
}

static void set_modes(const char *path, const char *mode)
{
    char command[TEMPORARY_PATH_MAX + 64];
    snprintf(command, sizeof command, "chmod -R %s '%s'", mode, path);
    assert_int_equal(system(command), 0);
}

static void store_rights__a_write_protected_store_can_be_read(void **state)
{
    make_small_store(state);
    assert_int_equal(chmod(temporary_path(state), 0755), 0);
    if (getuid() == 0)
        chown_all(store_path(state), NOBODY);
    set_modes(store_path(state), "a-w");
    run_as_nobody = read_in_child;
    attempt writer = {store_path(state), 0, RAGSTORE_NO_WAIT};
    attempt reader = {store_path(state), RAGSTORE_OPEN_READ_ONLY, RAGSTORE_NO_WAIT};
    attempt immutable = {store_path(state), RAGSTORE_OPEN_IMMUTABLE, RAGSTORE_NO_WAIT};
    int written = -run_in_child(give_up_root, &writer);
    int read = -run_in_child(give_up_root, &reader);
    int looked_at = -run_in_child(give_up_root, &immutable);
    set_modes(store_path(state), "u+w");
    assert_int_equal(written, RAGSTORE_E_PERMISSION);
    assert_int_equal(read, RAGSTORE_OK);
    assert_int_equal(looked_at, RAGSTORE_OK);
}

/* ---- forks ---- */

typedef struct inherited {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
} inherited;

static int use_inherited_handles(void *user)
{
    const inherited *handles = user;
    ragstore_buffer *buffer;
    ragstore_result *result;
    int refused = 0;
    refused += ragstore_store_describe(&buffer, handles->store) == RAGSTORE_E_CLOSED;
    refused += ragstore_entity_create(NULL, handles->store, "child", NULL) == RAGSTORE_E_CLOSED;
    refused += ragstore_entity_describe(&buffer, handles->entity) == RAGSTORE_E_CLOSED;
    refused +=
        ragstore_entity_search(&result, handles->entity, "granite", NULL) == RAGSTORE_E_CLOSED;
    refused += ragstore_session_describe(&buffer, handles->session) == RAGSTORE_E_CLOSED;
    ragstore_session_free(handles->session);
    ragstore_entity_free(handles->entity);
    refused += ragstore_store_close(handles->store) == RAGSTORE_OK;
    return refused;
}

static void store_fork__the_child_is_refused_and_the_parent_goes_on(void **state)
{
    skip_without_children();
    inherited handles;
    handles.store = open_store(state);
    handles.entity = make_entity(handles.store, "acme");
    assert_ok(ragstore_session_create(&handles.session, handles.entity, NULL));
    assert_int_equal(run_in_child(use_inherited_handles, &handles), 6);
    add_text(handles.entity, "a.txt", "granite");
    assert_int_equal(count_hits(handles.entity, "granite"), 1);
    assert_int_equal(try_in_child(state, 0), RAGSTORE_OK); /* a child may open it for itself */
    ragstore_session_free(handles.session);
    ragstore_entity_free(handles.entity);
    assert_ok(ragstore_store_close(handles.store));
}

/* In a process that will be killed: hold every lock, leave a child behind that does nothing. */
static void open_and_fork(const char *path, int ready, int hold)
{
    char byte;
    ragstore_store *store;
    ragstore_batch *batch;
    int mine[2];
    if (open_with(&store, path, 0, RAGSTORE_NO_WAIT) != RAGSTORE_OK || pipe(mine) != 0 ||
        ragstore_batch_begin(&batch, store) != RAGSTORE_OK)
        _exit(1);
    pid_t child = fork();
    if (child == 0) {
        (void)!write(mine[1], "c", 1); /* now the handlers of the fork have run */
        _exit(read(hold, &byte, 1) == 1 ? 0 : 1);
    }
    (void)!read(mine[0], &byte, 1);
    (void)!write(ready, "r", 1);
    pause();
}

static void store_fork__the_child_of_a_killed_process_keeps_no_lock(void **state)
{
    int ready[2];
    int hold[2];
    char byte;
    int ended;
    assert_ok(ragstore_store_close(open_store(state)));
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(hold[1]);
        open_and_fork(store_path(state), ready[1], hold[0]);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    ragstore_store *store = open_store_with(state, 0, NULL);
    int written = put_note(store, "mine", 1);
    assert_ok(ragstore_store_close(store));
    close(hold[1]); /* which ends the forgotten one */
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(written, RAGSTORE_OK);
    assert_int_equal(lock_size(state), 0); /* nobody else was there when it was closed */
}

/* A child that does nothing keeps nothing: the store can be closed and opened elsewhere. */
static void store_fork__a_forgotten_child_keeps_no_lock(void **state)
{
    skip_without_children();
    int hold[2];
    char byte;
    ragstore_store *store = open_store(state);
    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(hold[0]);
    assert_ok(ragstore_store_close(store));
    assert_int_equal(try_in_child(state, 0), RAGSTORE_OK);
    assert_int_equal(lock_size(state), 0);
    close(hold[1]);
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

static int free_inherited_upload(void *user)
{
    ragstore_document *document;
    ragstore_upload **uploads = user;
    int refused = ragstore_upload_write(uploads[0], "x", 1) == RAGSTORE_E_CLOSED;
    ragstore_upload_abort(uploads[0]);
    refused += ragstore_upload_commit(&document, uploads[1]) == RAGSTORE_E_CLOSED;
    return refused;
}

static void store_fork__freeing_in_the_child_takes_nothing_from_the_parent(void **state)
{
    skip_without_children();
    ragstore_upload *uploads[2];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (size_t i = 0; i < COUNT(uploads); i++) {
        assert_ok(ragstore_upload_begin(&uploads[i], entity, NULL));
        assert_ok(ragstore_upload_write(uploads[i], i == 0 ? "granite" : "gneiss", i == 0 ? 7 : 6));
    }
    assert_int_equal(run_in_child(free_inherited_upload, uploads), 2);
    for (size_t i = 0; i < COUNT(uploads); i++)
        assert_ok(ragstore_upload_commit(NULL, uploads[i]));
    assert_int_equal(count_hits(entity, "granite gneiss"), 2);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- kill ---- */

static int write_and_die(void *user)
{
    ragstore_store *store;
    ragstore_entity *entity;
    if (open_with(&store, user, 0, RAGSTORE_NO_WAIT) != RAGSTORE_OK ||
        ragstore_entity_create(&entity, store, "acme", NULL) != RAGSTORE_OK ||
        ragstore_document_add(NULL, entity, "All about granite.", 18, NULL) != RAGSTORE_OK ||
        ragstore_session_create(NULL, entity, NULL) != RAGSTORE_OK)
        return 1;
    return 0; /* the child ends here, without a close */
}

static void store_kill__what_was_acknowledged_is_there(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    snprintf(path, sizeof path, "%s", store_path(state));
    assert_int_equal(run_in_child(write_and_die, path), 0);
    ragstore_store *store = open_store(state);
    expect_readable(store);
    json_t *description = describe_store(store);
    assert_number(description, "sessions", 1);
    json_decref(description);
    assert_ok(ragstore_store_close(store));
}

/* Killed in the middle of a batch: nobody waits, and only the batch is lost. */
static void store_kill__of_the_writer_blocks_nobody(void **state)
{
    peer other;
    struct timespec from;
    ragstore_store *store = open_store(state);
    for (int i = 1; i <= 5; i++) {
        peer_start(&other, store_path(state), 0);
        assert_int_equal(peer_do(&other, 'u', 10), RAGSTORE_OK);
        assert_int_equal(peer_do(&other, 'b', 1), RAGSTORE_OK);
        peer_kill(&other);
        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_ok(put_note(store, "mine", i));
        assert_in_range(elapsed_ms(&from), 0, 2000);
        assert_int_equal(count_notes(store, "{}"), 10 * i + 1);
    }
    assert_ok(ragstore_store_close(store));
    store = open_store(state);
    assert_int_equal(count_notes(store, "{}"), 51);
    assert_ok(ragstore_store_close(store));
}

/* Killed while it waits for the lock: nobody gives way to the dead. */
static void store_kill__of_who_waits_blocks_nobody(void **state)
{
    peer other;
    ragstore_batch *batch;
    struct timespec from;
    struct timespec pause = {0, 5000000};
    ragstore_store *store = open_store(state);
    peer_start(&other, store_path(state), 0);
    assert_ok(ragstore_batch_begin(&batch, store));
    assert_ok(put_note(store, "mine", 0));
    peer_tell(&other, 'u', 1);
    nanosleep(&pause, NULL); /* it may wait by now, or not yet */
    peer_kill(&other);
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_ok(ragstore_batch_commit(batch));
    assert_ok(put_note(store, "mine", 1));
    assert_in_range(elapsed_ms(&from), 0, 2000);
    assert_int_equal(count_notes(store, "{}"), 1);
    assert_ok(ragstore_store_close(store));
}

/* Killed at any moment of writing, with and without others that wait for it. */
static void store_kill__at_any_moment_loses_nothing_acknowledged(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    int64_t acknowledged = 0;
    snprintf(path, sizeof path, "%s", store_path(state));
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "acme"));
    for (int round = 0; round < 20; round++) {
        peer other;
        peer_start(&other, path, 0);
        assert_int_equal(peer_do(&other, round % 2 == 0 ? 'u' : 't', 3), RAGSTORE_OK);
        acknowledged += round % 2 == 0 ? 3 : 0;
        peer_tell(&other, round % 4 == 3 ? 'k' : 't', 1000);
        struct timespec pause = {0, 300000L * (round + 1)};
        nanosleep(&pause, NULL);
        peer_kill(&other);
        assert_ok(put_note(store, "mine", round));
        assert_int_equal(count_notes(store, "{}"), acknowledged + 1);
        assert_true(count_granite(store) >= 3 * (round / 2));
        assert_ok(add_granite(store, round));
    }
    assert_ok(ragstore_store_close(store));
    store = open_store(state);
    assert_int_equal(count_notes(store, "{}"), acknowledged + 1);
    json_t *report;
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_check(&buffer, store));
    report = take_json(buffer);
    assert_member(report, "ok", "true");
    json_decref(report);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_lock__lets_a_second_process_in),
        TEST(store_lock__of_a_writer_is_waited_for_as_long_as_asked),
        TEST(store_lock__of_an_idle_process_is_given_up),
        TEST(store_lock__readers_and_writers_go_together),
        TEST(store_lock__the_last_one_to_close_cleans_up),
        TEST(store_lock__does_not_hinder_who_needs_none),
        TEST(store_read_only__reads_and_refuses_every_change),
        TEST(store_rights__a_directory_that_is_not_ours_to_write_is_refused),
        TEST(store_rights__a_write_protected_store_can_be_read),
        TEST(store_fork__the_child_is_refused_and_the_parent_goes_on),
        TEST(store_fork__the_child_of_a_killed_process_keeps_no_lock),
        TEST(store_fork__a_forgotten_child_keeps_no_lock),
        TEST(store_fork__freeing_in_the_child_takes_nothing_from_the_parent),
        TEST(store_kill__what_was_acknowledged_is_there),
        TEST(store_kill__of_the_writer_blocks_nobody),
        TEST(store_kill__of_who_waits_blocks_nobody),
        TEST(store_kill__at_any_moment_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("store_processes", tests, NULL, NULL);
}
