/*
 * Checkpoints while commits go on: the same steps are done to two stores, and only one of them
 * writes checkpoints, with steps between any two of its file operations. Both must always hold the
 * same.
 */
#include "storage_fixture.h"

#include "base/memory.h"
#include "base/digest.h"
#include "harness/fault_files.h"
#include "harness/power_explore.h"

#include <errno.h>

#define KEYS 6
#define MESSAGES 4

typedef struct twins {
    power_disk *disk; /* of the one with checkpoints */
    power_disk *plain_disk;
    rsi_storage *storage;
    rsi_storage *other; /* as of another process, on the same disk; NULL: none */
    rsi_storage *plain;
    uint64_t seed;
    uint64_t due; /* the operation of the running checkpoint before which steps are done; 0: none */
    unsigned steps;
    unsigned interrupted; /* checkpoints with steps inside */
    bool inside;
} twins;

/* ---- what a store holds ---- */

static int print_row(void *user, uint64_t number, const char *json, size_t size)
{
    rsi_bytes *text = user;
    rsi_bytes_printf(text, "  %llu %.*s\n", (unsigned long long)number, (int)size, json);
    return rsi_bytes_status(text);
}

typedef struct printing {
    rsi_bytes text;
    rsi_storage *storage;
    const char *space;
} printing;

static int print_record(void *user, const char *key, const char *json, size_t size)
{
    printing *p = user;
    uint64_t count;
    uint64_t next;
    int status = rsi_storage_row_count(&count, &next, p->storage, p->space, key);
    rsi_bytes_printf(&p->text, "%s %.*s %llu %llu\n", key, (int)size, json,
                     (unsigned long long)count, (unsigned long long)next);
    if (status == RAGSTORE_OK)
        status = rsi_storage_rows(p->storage, p->space, key, 0, UINT64_MAX, print_row, &p->text);
    return status;
}

/* Caller frees with rsi_free. */
static char *print_store(rsi_storage *storage)
{
    static const char *const spaces[] = {RSI_SPACE_ENTITIES, RSI_SPACE_SESSIONS,
                                         RSI_SPACE_COLLECTIONS "c"};
    printing p = {.storage = storage};
    for (size_t i = 0; i < 3; i++) {
        p.space = spaces[i];
        rsi_bytes_printf(&p.text, "%s: %zu\n", p.space, rsi_storage_count(storage, p.space));
        assert_int_equal(rsi_storage_each(storage, p.space, print_record, &p), RAGSTORE_OK);
    }
    p.space = RSI_SPACE_CHUNKS;
    assert_int_equal(rsi_storage_rows(storage, p.space, ENTITY, 0, UINT64_MAX, print_row, &p.text),
                     RAGSTORE_OK);
    return rsi_bytes_take(&p.text, NULL);
}

static void compare_one(rsi_storage *storage, const char *plain)
{
    assert_int_equal(rsi_storage_follow(storage), RAGSTORE_OK);
    char *ours = print_store(storage);
    assert_string_equal(ours, plain);
    rsi_free(ours);
}

static void compare(const twins *t)
{
    char *plain = print_store(t->plain);
    compare_one(t->storage, plain);
    if (t->other != NULL)
        compare_one(t->other, plain);
    rsi_free(plain);
}

/* ---- steps ---- */

typedef struct step {
    unsigned kind;
    char key[8];
    uint64_t number;
    char json[128];
} step;

static step choose_step(twins *t)
{
    step s = {.kind = (unsigned)power_random(&t->seed, 9),
              .number = power_random(&t->seed, MESSAGES)};
    snprintf(s.key, sizeof s.key, "k%d", (int)power_random(&t->seed, KEYS));
    snprintf(s.json, sizeof s.json, "{\"_id\":\"%s\",\"n\":%u}", s.key, t->steps++);
    return s;
}

static void do_step(rsi_storage *storage, const step *s)
{
    rsi_tx *tx;
    uint64_t next = 0;
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = RAGSTORE_OK;
    switch (s->kind) {
    case 0: /* a session, new or changed */
        status = storage_put_text(tx, RSI_SPACE_SESSIONS, s->key, s->json);
        break;
    case 1: /* a message behind the last one, of a session that may be new */
    case 2:
        status = rsi_storage_row_count(NULL, &next, storage, RSI_SPACE_SESSIONS, s->key);
        if (status == RAGSTORE_OK && next == 0)
            status = storage_put_text(tx, RSI_SPACE_SESSIONS, s->key, s->json);
        if (status == RAGSTORE_OK)
            status = storage_row_text(tx, RSI_SPACE_SESSIONS, s->key, next, s->json);
        break;
    case 3:
        status = rsi_tx_drop(tx, RSI_SPACE_SESSIONS, s->key);
        break;
    case 4:
        status = storage_put_text(tx, RSI_SPACE_COLLECTIONS "c", s->key, s->json);
        break;
    case 5:
        status = rsi_tx_drop(tx, RSI_SPACE_COLLECTIONS "c", s->key);
        break;
    case 6: /* a document and its chunk */
        status = storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, s->number, s->json);
        if (status == RAGSTORE_OK)
            status = storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, s->number, s->json);
        break;
    case 7:
        status = rsi_tx_row_drop(tx, RSI_SPACE_ENTITIES, ENTITY, s->number);
        if (status == RAGSTORE_OK)
            status = rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, s->number);
        break;
    default: /* gone and new again in one commit */
        status = rsi_tx_drop(tx, RSI_SPACE_SESSIONS, s->key);
        if (status == RAGSTORE_OK)
            status = storage_put_text(tx, RSI_SPACE_SESSIONS, s->key, s->json);
    }
    if (status != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
}

static void do_steps(twins *t, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const step s = choose_step(t);
        const bool by_other = t->other != NULL && power_random(&t->seed, 2) == 0;
        do_step(by_other ? t->other : t->storage, &s);
        do_step(t->plain, &s);
    }
}

/* ---- the twins ---- */

static void interrupt(void *user, power_disk *disk, uint64_t operation)
{
    twins *t = user;
    (void)disk;
    rsi_tx *probe;
    if (t->inside || operation < t->due || t->due == 0)
        return;
    t->inside = true;
    if (rsi_tx_begin(&probe, t->storage) != RAGSTORE_OK) { /* the checkpoint is writing itself */
        t->inside = false;
        return;
    }
    rsi_tx_abort(probe);
    t->due = 0;
    t->interrupted++;
    do_steps(t, 1 + (unsigned)power_random(&t->seed, 6));
    if (t->other != NULL && power_random(&t->seed, 3) == 0)
        assert_int_equal(rsi_storage_checkpoint(t->other), RAGSTORE_OK);
    compare(t);
    t->inside = false;
}

static void twins_begin(twins *t, uint64_t seed, bool small, bool has_other)
{
    *t = (twins){.seed = seed};
    power_choose_small(small);
    t->disk = storage_make(true);
    t->plain_disk = storage_make(true);
    t->storage = storage_open_good(t->disk);
    t->plain = storage_open_good(t->plain_disk);
    if (has_other)
        t->other = storage_open_good(t->disk);
    power_disk_hook(t->disk, interrupt, t);
}

static void twins_end(twins *t)
{
    if (t->other != NULL)
        assert_int_equal(rsi_storage_close(t->other), RAGSTORE_OK);
    rsi_storage_free(t->other);
    assert_int_equal(rsi_storage_close(t->storage), RAGSTORE_OK);
    assert_int_equal(rsi_storage_close(t->plain), RAGSTORE_OK);
    rsi_storage_free(t->storage);
    rsi_storage_free(t->plain);
    assert_int_equal(power_disk_open_handles(t->disk), 0);
    power_disk_free(t->disk);
    power_disk_free(t->plain_disk);
}

static void reopen(twins *t)
{
    assert_int_equal(rsi_storage_close(t->storage), RAGSTORE_OK);
    rsi_storage_free(t->storage);
    t->storage = storage_open_good(t->disk);
    compare(t);
}

/* What is there when all processes are killed now. */
static void compare_after_kill(const twins *t)
{
    char *plain = print_store(t->plain);
    power_disk *disk = power_disk_kill(t->disk);
    rsi_storage *storage = storage_open_good(disk);
    compare_one(storage, plain);
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    power_disk_free(disk);
    rsi_free(plain);
}

/* Steps, then a checkpoint with more of them somewhere inside. */
static void checkpoint(twins *t)
{
    do_steps(t, 1 + (unsigned)power_random(&t->seed, 8));
    t->due = power_disk_operations(t->disk) + 1 + power_random(&t->seed, 40);
    assert_int_equal(rsi_storage_checkpoint(t->storage), RAGSTORE_OK);
    t->due = 0;
    compare(t);
    compare_after_kill(t);
}

static unsigned run_twins(uint64_t seed, bool small, bool has_other)
{
    twins t;
    twins_begin(&t, seed, small, has_other);
    for (unsigned round = 0; round < 6; round++)
        checkpoint(&t);
    reopen(&t);
    do_steps(&t, 5);
    compare(&t);
    checkpoint(&t);
    reopen(&t);
    unsigned interrupted = t.interrupted;
    twins_end(&t);
    return interrupted;
}

static void storage_checkpoint__lets_commits_go_on(void **state)
{
    (void)state;
    unsigned interrupted = 0;
    for (uint64_t seed = 1; seed <= 60; seed++)
        interrupted += run_twins(seed, true, false);
    assert_true(interrupted > 100);
}

static void storage_checkpoint__lets_commits_go_on_over_large_files(void **state)
{
    (void)state;
    unsigned interrupted = 0;
    for (uint64_t seed = 1001; seed <= 1060; seed++)
        interrupted += run_twins(seed, false, false);
    assert_true(interrupted > 100);
}

static void storage_checkpoint__lets_other_processes_commit_and_overtake(void **state)
{
    (void)state;
    unsigned interrupted = 0;
    for (uint64_t seed = 2001; seed <= 2100; seed++)
        interrupted += run_twins(seed, seed % 2 == 0, true);
    assert_true(interrupted > 150);
}

/* ---- an entity that another process deletes ---- */

typedef struct deleting {
    rsi_storage *other;
    uint64_t due;
    bool done;
} deleting;

static void delete_entity(void *user, power_disk *disk, uint64_t operation)
{
    deleting *d = user;
    rsi_tx *tx;
    (void)disk;
    if (d->done || operation < d->due)
        return;
    d->done = true;
    if (rsi_tx_begin(&tx, d->other) != RAGSTORE_OK) { /* the checkpoint has the writer's byte */
        d->done = false;
        return;
    }
    int status = rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY);
    if (status == RAGSTORE_OK)
        status = rsi_tx_gone(tx, ENTITY, INCARNATION);
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
}

static void storage_checkpoint__leaves_out_an_entity_that_another_process_deletes(void **state)
{
    (void)state;
    unsigned deleted = 0;
    for (uint64_t due = 1; due <= 50; due++) {
        rsi_tx *tx;
        deleting d = {.due = UINT64_MAX};
        power_disk *disk = storage_make(true);
        rsi_storage *storage = storage_open_good(disk);
        d.other = storage_open_good(disk);
        assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
        int status = storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, 7, CHUNK_JSON);
        assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
        power_disk_hook(disk, delete_entity, &d);
        d.due = power_disk_operations(disk) + due;
        if (rsi_storage_checkpoint(storage) != RAGSTORE_OK)
            fail_msg("deleted before operation %d: %s", (int)due, rsi_error_message());
        d.due = UINT64_MAX;
        power_disk_hook(disk, NULL, NULL);
        deleted += d.done;
        assert_int_equal(rsi_storage_follow(storage), RAGSTORE_OK);
        assert_int_equal(rsi_storage_count(storage, RSI_SPACE_ENTITIES), d.done ? 0 : 1);
        assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
        assert_int_equal(rsi_storage_close(d.other), RAGSTORE_OK);
        rsi_storage_free(storage);
        rsi_storage_free(d.other);
        power_disk_free(disk);
    }
    assert_true(deleted > 4);
}

/* ---- a manifest that cannot be written ---- */

static void put_document(rsi_storage *storage, const char *key, const char *json)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = json == NULL ? rsi_tx_drop(tx, RSI_SPACE_COLLECTIONS "c", key)
                              : storage_put_text(tx, RSI_SPACE_COLLECTIONS "c", key, json);
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
}

static void storage_checkpoint__writes_again_what_the_manifest_does_not_know(void **state)
{
    (void)state;
    fault_files faults;
    rsi_storage *storage;
    char sha256[RSI_SHA256_HEX];
    char text[8192];
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_int_equal(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
    put_document(storage, "a", "{\"n\":1}");
    fault_files_fail(&faults, FAULT_RENAME, 2, EIO, false); /* the collection's, then this */
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_E_IO);
    fault_files_disarm(&faults);
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    size_t size = storage_read_file(disk, "api_storage/collections/c.json", text, sizeof text);
    rsi_sha256_hex(text, size, sha256);
    size = storage_read_file(disk, RSI_PATH_MANIFEST, text, sizeof text);
    assert_non_null(memmem(text, size, sha256, sizeof sha256 - 1));
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    power_disk_free(disk);
}

/* ---- what watchers see ---- */

/* An index of a collection names documents by their places in the order. */
static void follow(void *user, uint64_t order, const char *old_json, size_t old_size,
                   const char *new_json, size_t new_size)
{
    rsi_bytes *log = user;
    rsi_bytes_printf(log, "%llu %.*s -> %.*s\n", (unsigned long long)order, (int)old_size,
                     old_json == NULL ? "" : old_json, (int)new_size,
                     new_json == NULL ? "" : new_json);
}

static void free_nothing(void *user)
{
    (void)user;
}

static void storage_checkpoint__keeps_places_and_tells_old_values(void **state)
{
    (void)state;
    rsi_bytes log = {0};
    void *user = &log;
    power_choose_small(false);
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_int_equal(rsi_storage_watch(&user, storage, RSI_SPACE_COLLECTIONS "c", follow,
                                       free_nothing),
                     RAGSTORE_OK);
    put_document(storage, "a", "{\"n\":1}");
    put_document(storage, "b", "{\"n\":2}");
    put_document(storage, "c", "{\"n\":3}");
    put_document(storage, "a", NULL);
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    put_document(storage, "c", "{\"n\":4}");
    put_document(storage, "b", NULL);
    put_document(storage, "d", "{\"n\":5}");
    assert_string_equal(log.data, "0  -> {\"n\":1}\n1  -> {\"n\":2}\n2  -> {\"n\":3}\n"
                                  "0 {\"n\":1} -> \n2 {\"n\":3} -> {\"n\":4}\n"
                                  "1 {\"n\":2} -> \n3  -> {\"n\":5}\n");
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    power_disk_free(disk);
    rsi_bytes_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_checkpoint__lets_commits_go_on),
        cmocka_unit_test(storage_checkpoint__lets_commits_go_on_over_large_files),
        cmocka_unit_test(storage_checkpoint__lets_other_processes_commit_and_overtake),
        cmocka_unit_test(storage_checkpoint__leaves_out_an_entity_that_another_process_deletes),
        cmocka_unit_test(storage_checkpoint__writes_again_what_the_manifest_does_not_know),
        cmocka_unit_test(storage_checkpoint__keeps_places_and_tells_old_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
