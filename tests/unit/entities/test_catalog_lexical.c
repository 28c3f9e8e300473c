/* The file of the keyword index: lib/entities/catalog_lexical.c. */
#include "entities_fixture.h"

#include "files/files.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_layout.h"

#define FILE_PATH "entity_scoped/entities/" ACME "/lexical.rsl"

static int setup(void **state)
{
    rsi_catalog_lexical_file_from = 4;
    return temporary_setup(state);
}

static int teardown(void **state)
{
    rsi_catalog_lexical_file_from = 1000;
    return temporary_teardown(state);
}

/* Of the i-th word: plumxax, plumxbx, … */
static char letter(size_t i)
{
    return (char)(i < 26 ? 'a' + i : 'A' + i - 26);
}

/* `count` chunks, each with a word of its own. */
static rsi_added add_words(open_store *s, const char *name, size_t count)
{
    rsi_bytes json = {0};
    for (size_t i = 0; i < count; i++)
        rsi_bytes_printf(&json, "%s{\"text\":\"common %sx%cx\"}", i == 0 ? "[" : ",", name,
                         letter(i));
    rsi_bytes_append_text(&json, "]");
    rsi_added added = open_store_add_chunks(s, name, json.data, NULL, 0);
    rsi_bytes_free(&json);
    return added;
}

static void export(open_store *s, rsi_export_scope scope)
{
    if (rsi_export_entity(s->store, ACME, scope) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

static bool file_exists(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    return temporary_exists(temporary_join(path, state, FILE_PATH));
}

static bool file_has(void **state, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *bytes = temporary_read(temporary_join(path, state, FILE_PATH), &size);
    bool has = bytes != NULL && memmem(bytes, size, text, strlen(text)) != NULL;
    free(bytes);
    return has;
}

static size_t changes(open_store *s)
{
    rsi_catalog *catalog = acquire(s);
    size_t count = catalog->lexical_changes;
    rsi_catalog_release(s->store, catalog);
    return count;
}

static void entities_lexical__is_read_instead_of_the_texts(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 5);
    assert_false(file_exists(state));
    export(&s, RSI_EXPORT_UNASKED);
    assert_true(file_exists(state));
    open_store_again(&s);
    assert_int_equal(changes(&s), 0);
    assert_int_equal(count_chunks_with(&s, "common"), 5);
    assert_int_equal(count_chunks_with(&s, "applexdx"), 1);
    open_store_end(&s);
}

static void entities_lexical__follows_what_changed_since(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_added apple = add_words(&s, "apple", 3);
    add_words(&s, "pear", 4);
    export(&s, RSI_EXPORT_UNASKED);
    add_words(&s, "plum", 2);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, apple.doc_id), 0);
    assert_int_equal(changes(&s), 5);
    rsi_upkeep_unmark(s.store, ACME);
    open_store_again(&s);
    assert_int_equal(count_chunks_with(&s, "common"), 6);
    assert_int_equal(count_chunks_with(&s, "applexbx"), 0);
    assert_int_equal(count_chunks_with(&s, "plumxbx"), 1);
    assert_int_equal(count_chunks_with(&s, "pearxdx"), 1);
    open_store_end(&s);
}

static void entities_lexical__is_written_when_enough_changed(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 40);
    export(&s, RSI_EXPORT_UNASKED);
    add_words(&s, "pear", 2);
    export(&s, RSI_EXPORT_UNASKED);
    assert_false(file_has(state, "pearxbx"));
    assert_int_equal(changes(&s), 2);
    export(&s, RSI_EXPORT_ALL);
    assert_true(file_has(state, "pearxbx"));
    assert_int_equal(changes(&s), 0);
    fault_files_reset_counts(&s.faults);
    export(&s, RSI_EXPORT_ALL);
    const uint64_t writes = fault_files_count(&s.faults, FAULT_WRITE);
    add_words(&s, "plum", 6);
    export(&s, RSI_EXPORT_UNASKED);
    assert_true(file_has(state, "plumxbx"));
    assert_true(fault_files_count(&s.faults, FAULT_WRITE) > writes);
    open_store_end(&s);
}

static void entities_lexical__loses_deleted_words_by_compaction(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 40);
    rsi_added pear = add_words(&s, "pear", 1);
    export(&s, RSI_EXPORT_UNASKED);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, pear.doc_id), 0);
    export(&s, RSI_EXPORT_UNASKED);
    assert_true(file_has(state, "pearxax"));
    export(&s, RSI_EXPORT_COMPACT);
    assert_false(file_has(state, "pearxax"));
    assert_true(file_has(state, "applexax"));
    open_store_end(&s);
}

static void entities_lexical__is_for_large_entities_only(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    rsi_added apple = add_words(&s, "apple", 3);
    export(&s, RSI_EXPORT_ALL);
    assert_false(file_exists(state));
    add_words(&s, "pear", 1);
    export(&s, RSI_EXPORT_ALL);
    assert_true(file_exists(state));
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, apple.doc_id), 0);
    export(&s, RSI_EXPORT_UNASKED);
    assert_false(file_exists(state));
    open_store_end(&s);
}

static void change_file(void **state, size_t offset, unsigned char value)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *bytes = temporary_read(temporary_join(path, state, FILE_PATH), &size);
    assert_non_null(bytes);
    assert_true(offset < size);
    bytes[offset] = (char)value;
    temporary_write(path, bytes, size);
    free(bytes);
}

static void entities_lexical__is_made_again_when_it_is_damaged(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 5);
    export(&s, RSI_EXPORT_UNASKED);
    open_store_close(&s);
    change_file(state, 300, 0xEE);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(count_chunks_with(&s, "applexdx"), 1);
    export(&s, RSI_EXPORT_UNASKED);
    open_store_again(&s);
    assert_int_equal(changes(&s), 0);
    open_store_end(&s);
}

static void entities_lexical__of_a_newer_library_is_left_alone(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 5);
    export(&s, RSI_EXPORT_UNASKED);
    open_store_close(&s);
    change_file(state, offsetof(rsi_lexical_header, major), RSI_LEXICAL_MAJOR + 1);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(count_chunks_with(&s, "applexdx"), 1);
    add_words(&s, "pear", 5);
    export(&s, RSI_EXPORT_ALL);
    assert_false(file_has(state, "pearxbx"));
    export(&s, RSI_EXPORT_COMPACT); /* nobody else can promise that deleted text is gone */
    assert_true(file_has(state, "pearxbx"));
    open_store_end(&s);
}

/* A file of an old state put back, as by a partial restore: each chunk is compared. */
static void entities_lexical__of_another_state_does_no_harm(void **state)
{
    open_store s;
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    open_store_begin(&s, state, NULL);
    rsi_added apple = add_words(&s, "apple", 5);
    export(&s, RSI_EXPORT_UNASKED);
    char *old = temporary_read(temporary_join(path, state, FILE_PATH), &size);
    assert_int_equal(rsi_document_delete(s.store, ACME, s.incarnation, apple.doc_id), 0);
    add_words(&s, "pear", 6);
    export(&s, RSI_EXPORT_UNASKED);
    open_store_close(&s);
    temporary_write(path, old, size);
    free(old);
    assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
    assert_int_equal(count_chunks_with(&s, "common"), 6);
    assert_int_equal(count_chunks_with(&s, "applexdx"), 0);
    assert_int_equal(count_chunks_with(&s, "pearxfx"), 1);
    open_store_end(&s);
}

/* A mark that is not that of the row: the text may be another one. */
static void entities_lexical__analyses_chunks_again_that_are_not_as_marked(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 5);
    rsi_catalog *catalog = acquire(&s);
    rsi_lexical_remove(catalog->lexical, 2);
    assert_int_equal(rsi_lexical_add(catalog->lexical, 2, "something else", 14), 0);
    rsi_lexical_set_mark(catalog->lexical, 2, 1);
    rsi_catalog_release(s.store, catalog);
    export(&s, RSI_EXPORT_ALL);
    assert_true(file_has(state, "els"));
    rsi_upkeep_unmark(s.store, ACME);
    open_store_again(&s);
    assert_int_equal(count_chunks_with(&s, "else"), 0);
    assert_int_equal(count_chunks_with(&s, "applexcx"), 1);
    assert_int_equal(count_chunks_with(&s, "common"), 5);
    assert_int_equal(changes(&s), 1);
    open_store_end(&s);
}

static int load_again(void *user)
{
    open_store *s = user;
    rsi_catalog *catalog;
    rsi_catalogs_follow(s->store, ACME);
    int status = rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation);
    rsi_catalog_release(s->store, catalog);
    return status;
}

static void entities_lexical__survives_each_fault_while_it_is_read(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    add_words(&s, "apple", 5);
    export(&s, RSI_EXPORT_UNASKED);
    assert_true(each_allocation_fails(load_again, &s, EACH_MAY_SUCCEED | EACH_MAY_KEEP) > 10);
    assert_true(each_file_call_fails(&s, load_again, &s, EACH_MAY_SUCCEED) > 2);
    assert_int_equal(load_again(&s), 0);
    assert_int_equal(count_chunks_with(&s, "common"), 5);
    open_store_end(&s);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(entities_lexical__is_read_instead_of_the_texts),
        WITH_FILES(entities_lexical__follows_what_changed_since),
        WITH_FILES(entities_lexical__is_written_when_enough_changed),
        WITH_FILES(entities_lexical__loses_deleted_words_by_compaction),
        WITH_FILES(entities_lexical__is_for_large_entities_only),
        WITH_FILES(entities_lexical__is_made_again_when_it_is_damaged),
        WITH_FILES(entities_lexical__of_a_newer_library_is_left_alone),
        WITH_FILES(entities_lexical__of_another_state_does_no_harm),
        WITH_FILES(entities_lexical__analyses_chunks_again_that_are_not_as_marked),
        WITH_FILES(entities_lexical__survives_each_fault_while_it_is_read),
    };
    const int failed = cmocka_run_group_tests_name("in memory", tests, NULL, NULL);
    rsi_lexical_mapped_from = 0;
    rsi_lexical_run_bytes = 2000;
    return failed + cmocka_run_group_tests_name("in files", tests, NULL, NULL);
}
