/*
 * One damaged line of entities.json costs the entity that it is of: the store opens, also after a
 * crash, the others are served, and nothing of the one is taken away.
 */
#include "entities_fixture.h"

#include "entities/check.h"
#include "entities/compact.h"
#include "storage/base.h"
#include "storage/manifest.h"

#include <unistd.h>

#define WING "wing"
#define LAST "last"

/* The entity between two others, with a document; all of entities.json stays in its file. */
typedef struct damaged_store {
    open_store s;
    uint64_t small_bytes;
    char wing[RSI_INCARNATION_DIGITS + 1];
    char copy[TEMPORARY_PATH_MAX]; /* what a crash left */
} damaged_store;

static void add_document(open_store *s, const char *id, const char *incarnation, const char *name,
                         const char *text)
{
    const rsi_document_fields fields = {.filename = name};
    rsi_upload *upload;
    rsi_added added;
    if (rsi_upload_begin(&upload, s->store, id, incarnation, &fields) != RAGSTORE_OK ||
        rsi_upload_write(upload, text, strlen(text)) != RAGSTORE_OK ||
        rsi_upload_commit(&added, upload) != RAGSTORE_OK)
        fail_msg("add %s: %s", name, rsi_error_message());
}

static void begin(damaged_store *d, void **state)
{
    const rsi_entity_fields named = {.name = "Wing works"};
    const rsi_entity_fields plain = {.name = NULL};
    char last[RSI_INCARNATION_DIGITS + 1];
    open_store *s = &d->s;
    memset(d, 0, sizeof *d);
    d->small_bytes = rsi_base_small_bytes;
    rsi_base_small_bytes = 0;
    open_store_begin(s, state, NULL);
    assert_int_equal(rsi_entity_create(d->wing, s->store, WING, &named), 0);
    assert_int_equal(rsi_entity_create(last, s->store, LAST, &plain), 0);
    open_store_add_text(s, "a.txt", "Wings lift.", NULL);
    add_document(s, WING, d->wing, "w.txt", "Wings lift.");
    add_document(s, LAST, last, "l.txt", "Wings lift.");
    open_store_again(s);
}

/* Closing tells that the damaged line keeps its file from being written, if there is something new. */
static void close_unwritten(open_store *s)
{
    assert_int_equal(rsi_store_close(s->store), RAGSTORE_E_DAMAGED);
    rsi_store_free(s->store);
    s->store = NULL;
}

static void end(damaged_store *d)
{
    rsi_base_small_bytes = d->small_bytes;
    open_store_end(&d->s);
    if (d->copy[0] != '\0')
        temporary_remove_all(d->copy);
}

/* One byte of entities.json: where the text is gets `byte`. */
static void put_byte(const char *store, const char *text, char byte)
{
    char path[TEMPORARY_PATH_MAX];
    snprintf(path, sizeof path, "%.1000s/%s", store, RSI_PATH_ENTITIES);
    char *old = temporary_read(path, NULL);
    assert_non_null(old);
    char *place = strstr(old, text);
    assert_non_null(place);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, place - old, SEEK_SET), 0);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
    free(old);
}

static void damage_line(const char *store)
{
    put_byte(store, "Wing works", '\x1');
}

/* The manifest takes the files for those that it was written for: the disk changed a byte. */
static void believe_files(const char *store)
{
    rsi_root *root;
    rsi_manifest manifest;
    assert_int_equal(rsi_root_open(&root, NULL, store, false), 0);
    assert_int_equal(rsi_manifest_read(&manifest, root), 0);
    rsi_file_state_see(&manifest.entities, root, RSI_PATH_ENTITIES);
    rsi_file_state_see(&manifest.sessions, root, RSI_PATH_SESSIONS);
    for (size_t i = 0; i < manifest.collections.count; i++)
        rsi_file_state_see(&manifest.collections.items[i].state, root,
                           manifest.collections.items[i].path);
    assert_int_equal(rsi_manifest_write(&manifest, root), 0);
    rsi_candidates_free(&manifest.collections);
    rsi_root_close(root);
}

/* Keep what a crash of the open store leaves. */
static void crash(damaged_store *d)
{
    open_store *s = &d->s;
    snprintf(d->copy, sizeof d->copy, "%.2000s-crashed", s->path);
    temporary_copy_all(s->path, d->copy);
    open_store_close(s);
    s->path = d->copy;
}

static void open_crashed(damaged_store *d)
{
    believe_files(d->copy);
    if (open_store_open(&d->s, RAGSTORE_OPEN_MUST_EXIST) != RAGSTORE_OK)
        fail_msg("open: %s", rsi_error_message());
}

static void crash_and_open(damaged_store *d)
{
    crash(d);
    damage_line(d->copy);
    open_crashed(d);
}

static const char *path_of(char path[TEMPORARY_PATH_MAX], const open_store *s, rsi_path below)
{
    snprintf(path, TEMPORARY_PATH_MAX, "%.1000s/%.1000s", s->path, below.text);
    return path;
}

/* All that there was of the damaged entity is there, and the others take documents. */
static void expect_served(open_store *s, size_t uploads)
{
    char path[TEMPORARY_PATH_MAX];
    assert_true(temporary_exists(path_of(path, s, rsi_path_in_entity(WING, "entity.json"))));
    assert_true(temporary_exists(path_of(path, s, rsi_path_in_entity(WING, "chunk_metadata.json"))));
    assert_int_equal(temporary_count(path_of(path, s, rsi_path_uploads(WING))), uploads);
    open_store_expect_totals(s, 1, 1);
    open_store_add_text(s, "more.txt", "Jets push.", NULL);
    open_store_expect_totals(s, 2, 2);
    rsi_entity_record record;
    assert_int_equal(rsi_entity_read(&record, s->store, WING, NULL), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_entity_read(&record, s->store, LAST, NULL), RAGSTORE_OK);
    rsi_entity_record_free(&record);
}

static int note_finding(void *user, const rsi_finding *finding)
{
    bool *found = user;
    *found |= strcmp(finding->file, RSI_PATH_ENTITIES) == 0;
    return RAGSTORE_OK;
}

static void expect_check_names_it(open_store *s)
{
    bool found = false;
    rsi_check_tally tally;
    const rsi_check_watch watch = {.visit = note_finding, .user = &found};
    if (rsi_store_check(&tally, s->store, &watch) != RAGSTORE_OK)
        fail_msg("check: %s", rsi_error_message());
    assert_true(found);
    assert_int_equal(tally.entities, 2);
}

/* ---- while the store is open ---- */

static void entities_damaged_entity__lets_the_others_be_exported(void **state)
{
    damaged_store d;
    begin(&d, state);
    damage_line(d.s.path);
    char path[TEMPORARY_PATH_MAX];
    unlink(path_of(path, &d.s, rsi_path_in_entity(LAST, RSI_EXPORT_DOCUMENTS)));
    assert_int_equal(rsi_export_all(d.s.store), RAGSTORE_E_DAMAGED);
    expect_message("the files of all other entities are written");
    expect_message("not as it was written");
    assert_true(temporary_exists(path));
    end(&d);
}

static void entities_damaged_entity__lets_the_others_be_compacted(void **state)
{
    damaged_store d;
    rsi_compaction compaction = {0};
    begin(&d, state);
    damage_line(d.s.path);
    char path[TEMPORARY_PATH_MAX];
    unlink(path_of(path, &d.s, rsi_path_in_entity(LAST, RSI_EXPORT_DOCUMENTS)));
    assert_int_equal(rsi_store_compact(&compaction, d.s.store), RAGSTORE_E_DAMAGED);
    expect_message("the journals stay");
    assert_true(temporary_exists(path));
    rsi_bytes_free(&compaction.quarantine);
    end(&d);
}

static void entities_damaged_entity__lets_the_others_get_vectors(void **state)
{
    damaged_store d;
    bool did;
    begin(&d, state);
    damage_line(d.s.path);
    rsi_embedder *embedder;
    assert_int_equal(rsi_embedder_open_hashing(&embedder, 16), 0);
    d.s.store->embedder = embedder;
    assert_int_equal(rsi_reembed_offer(&did, d.s.store), 0);
    assert_true(did);
    assert_int_equal(open_store_work(&d.s), 0);
    rsi_json *json = describe_entity(&d.s, LAST);
    assert_true(rsi_json_true(rsi_json_get(json, "has_vector_store")));
    rsi_json_free(json);
    d.s.store->embedder = NULL;
    rsi_embedder_release(embedder);
    close_unwritten(&d.s);
    end(&d);
}

/* ---- of a copy, whose files nobody takes for those that were written ---- */

static void copy_damaged(damaged_store *d)
{
    crash(d);
    damage_line(d->copy);
}

static void entities_damaged_entity__is_left_out_of_a_copied_store(void **state)
{
    damaged_store d;
    begin(&d, state);
    copy_damaged(&d);
    if (open_store_open(&d.s, RAGSTORE_OPEN_MUST_EXIST) != RAGSTORE_OK)
        fail_msg("open: %s", rsi_error_message());
    expect_served(&d.s, 1);
    expect_check_names_it(&d.s);
    close_unwritten(&d.s);
    end(&d);
}

/* Nothing tells which line is the damaged one, and how the others were. */
static void entities_damaged_entity__keeps_a_store_without_an_index_shut(void **state)
{
    damaged_store d;
    char path[TEMPORARY_PATH_MAX];
    const rsi_path index = {"api_storage/entities.rsx"};
    begin(&d, state);
    copy_damaged(&d);
    assert_int_equal(unlink(path_of(path, &d.s, index)), 0);
    assert_int_equal(open_store_open(&d.s, RAGSTORE_OPEN_MUST_EXIST), RAGSTORE_E_DAMAGED);
    expect_message("mend it");
    d.s.store = NULL;
    end(&d);
}

/* ---- after a crash ---- */

static void entities_damaged_entity__opens_after_a_crash(void **state)
{
    damaged_store d;
    begin(&d, state);
    crash_and_open(&d);
    expect_served(&d.s, 1);
    expect_check_names_it(&d.s);
    close_unwritten(&d.s);
    end(&d);
}

static void entities_damaged_entity__opens_after_a_crash_with_commits(void **state)
{
    damaged_store d;
    begin(&d, state);
    open_store_add_text(&d.s, "b.txt", "Jets push.", NULL);
    crash_and_open(&d);
    open_store_expect_totals(&d.s, 2, 2);
    expect_check_names_it(&d.s);
    close_unwritten(&d.s);
    end(&d);
}

static void expect_sound(open_store *s)
{
    rsi_check_tally tally;
    bool found = false;
    const rsi_check_watch watch = {.visit = note_finding, .user = &found};
    assert_int_equal(rsi_store_check(&tally, s->store, &watch), 0);
    assert_false(found);
    assert_int_equal(tally.entities, 3);
}

static void expect_documents_of_wing(open_store *s, uint64_t expected)
{
    uint64_t documents;
    uint64_t chunks;
    assert_int_equal(rsi_entity_totals(&documents, &chunks, s->store, WING), 0);
    assert_int_equal(documents, expected);
    rsi_entity_record record;
    assert_int_equal(rsi_entity_read(&record, s->store, WING, NULL), RAGSTORE_OK);
    rsi_entity_record_free(&record);
}

/* The journal has the record as it came to be: what it was in the file need not be read. */
static void entities_damaged_entity__is_whole_when_a_commit_came_later(void **state)
{
    damaged_store d;
    begin(&d, state);
    add_document(&d.s, WING, d.wing, "w2.txt", "Jets push.");
    crash_and_open(&d);
    expect_documents_of_wing(&d.s, 2);
    expect_sound(&d.s);
    end(&d);
}

/* Others go on writing, and the store is closed and opened. */
static void entities_damaged_entity__is_whole_when_its_line_is_mended(void **state)
{
    damaged_store d;
    begin(&d, state);
    crash_and_open(&d);
    expect_served(&d.s, 1);
    close_unwritten(&d.s);
    assert_int_equal(open_store_open(&d.s, RAGSTORE_OPEN_MUST_EXIST), 0);
    open_store_add_text(&d.s, "last.txt", "Rudders turn.", NULL);
    close_unwritten(&d.s);
    put_byte(d.copy, "\x1ing works", 'W');
    assert_int_equal(open_store_open(&d.s, RAGSTORE_OPEN_MUST_EXIST), 0);
    expect_documents_of_wing(&d.s, 1);
    open_store_expect_totals(&d.s, 3, 3);
    expect_sound(&d.s);
    end(&d);
}

/* The upload that the crash kept from its name, as the journal has both. */
static void take_name_back(const damaged_store *d, char stored[TEMPORARY_PATH_MAX])
{
    char path[TEMPORARY_PATH_MAX];
    char incoming[TEMPORARY_PATH_MAX];
    rsi_manifest manifest;
    rsi_root *root;
    assert_int_equal(rsi_root_open(&root, NULL, d->copy, false), 0);
    assert_int_equal(rsi_manifest_read(&manifest, root), 0);
    rsi_candidates_free(&manifest.collections);
    rsi_root_close(root);
    char *journal = temporary_read(path_of(path, &d->s, rsi_path_journal(manifest.generation)), NULL);
    assert_non_null(journal);
    char *from = strstr(journal, RSI_INCOMING_PREFIX);
    assert_non_null(from);
    char *from_end = strchr(from, '"');
    char *to = from_end + 3;
    *from_end = '\0';
    *strchr(to, '"') = '\0';
    path_of(incoming, &d->s, rsi_path_upload(WING, from));
    path_of(stored, &d->s, rsi_path_upload(WING, to));
    assert_int_equal(rename(stored, incoming), 0);
    free(journal);
}

static void entities_damaged_entity__keeps_an_upload_that_had_no_name_yet(void **state)
{
    damaged_store d;
    char stored[TEMPORARY_PATH_MAX];
    begin(&d, state);
    add_document(&d.s, WING, d.wing, "w2.txt", "Jets push.");
    crash(&d);
    take_name_back(&d, stored);
    put_byte(d.copy, "w.txt", '\x1'); /* in the row of its first document */
    open_crashed(&d);
    assert_true(temporary_exists(stored));
    open_store_expect_totals(&d.s, 1, 1);
    close_unwritten(&d.s);
    end(&d);
}

/* The upkeep does what else there is to do, and tries no more at once. */
static void entities_damaged_entity__keeps_no_upkeep_waiting(void **state)
{
    damaged_store d;
    bool did = true;
    unsigned steps = 0;
    char path[TEMPORARY_PATH_MAX];
    begin(&d, state);
    open_store_add_text(&d.s, "b.txt", "Jets push.", NULL);
    damage_line(d.s.path);
    unlink(path_of(path, &d.s, rsi_path_in_entity(ACME, RSI_EXPORT_DOCUMENTS)));
    for (; did && steps < 20; steps++)
        assert_int_equal(rsi_upkeep_step(d.s.store, true, &did), 0);
    assert_in_range(steps, 2, 19);
    assert_true(temporary_exists(path));
    close_unwritten(&d.s);
    end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_damaged_entity__lets_the_others_be_exported),
        FRESH(entities_damaged_entity__lets_the_others_be_compacted),
        FRESH(entities_damaged_entity__lets_the_others_get_vectors),
        FRESH(entities_damaged_entity__is_left_out_of_a_copied_store),
        FRESH(entities_damaged_entity__keeps_a_store_without_an_index_shut),
        FRESH(entities_damaged_entity__opens_after_a_crash),
        FRESH(entities_damaged_entity__opens_after_a_crash_with_commits),
        FRESH(entities_damaged_entity__is_whole_when_a_commit_came_later),
        FRESH(entities_damaged_entity__is_whole_when_its_line_is_mended),
        FRESH(entities_damaged_entity__keeps_an_upload_that_had_no_name_yet),
        FRESH(entities_damaged_entity__keeps_no_upkeep_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
