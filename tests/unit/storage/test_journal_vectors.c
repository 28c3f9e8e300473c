/* Vectors in the lines of their commits: what is written down, who flushes their file, and what the
 * next opener is given. The files of vectors are none here, only bytes that are flushed or not. */
#include "storage_fixture.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "storage/journal.h"
#include "storage/storage_internal.h"

#include <errno.h>

#define JOURNAL_1 "api_storage/journal-0000000001.ndjson"
#define ROWS "entity_scoped/entities/acme/vector_store/rows-1.rsv"
#define OTHER_INCARNATION "fedcba9876543210fedcba9876543210"
#define MADE(incarnation, embedder)                                                                \
    "{\"_id\":\"acme\",\"incarnation\":\"" incarnation "\",\"embedder\":" embedder "}"

static const float numbers[] = {1.0f, -2.5f, 0.0f, 3.25f};

/* What restore_vectors() was given last: "2:64+2x2=1,-2.5,0,3.25 " for each block. */
static char given[500];
static int restore_answer;

static int restore(rsi_storage *storage, rsi_root *root, const char *entity_id,
                   const char *incarnation, rsi_vector_reader *reader)
{
    const rsi_vector_block *block;
    int found;
    (void)storage;
    (void)root;
    assert_string_equal(entity_id, ENTITY);
    assert_int_equal(strlen(incarnation), 32);
    while ((found = rsi_vector_reader_next(&block, reader)) > 0) {
        size_t at = strlen(given);
        at += (size_t)snprintf(given + at, sizeof given - at, "%d:%d+%dx%d=",
                               (int)block->first_chunk, (int)block->offset, (int)block->count,
                               (int)block->dimension);
        for (size_t i = 0; i < (size_t)block->count * block->dimension; i++)
            at += (size_t)snprintf(given + at, sizeof given - at, "%s%g", i == 0 ? "" : ",",
                                   (double)block->vectors[i]);
        snprintf(given + at, sizeof given - at, " ");
    }
    return found < 0 ? found : restore_answer;
}

static int open_table(rsi_storage **storage, const rsi_file_table *table, uint32_t flags)
{
    const rsi_storage_options options = {.flags = flags,
                                         .durability = RAGSTORE_DURABILITY_FULL,
                                         .files = table,
                                         .restore_vectors = restore};
    given[0] = '\0';
    return rsi_storage_open(storage, "/store", &options);
}

static rsi_storage *open_disk(power_disk *disk, uint32_t flags)
{
    rsi_storage *storage;
    if (open_table(&storage, power_disk_table(disk), flags) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return storage;
}

static void write_rows(rsi_storage *storage)
{
    rsi_file *file;
    rsi_root *root = rsi_storage_root(storage);
    assert_int_equal(rsi_file_open(&file, root, ROWS, RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_write_at(file, "not flushed", 11, 0), 0);
    assert_int_equal(rsi_file_close(file), 0);
}

/* A commit with chunks from `first`, whose vectors are numbers[0..2), or more of them. */
static int add(rsi_storage *storage, int64_t first, uint32_t count, size_t blocks)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    for (size_t i = 0; status == RAGSTORE_OK && i < blocks; i++) {
        const rsi_vector_block block = {.segment = 1,
                                        .offset = 64 + 128 * (uint64_t)first,
                                        .size = 128,
                                        .crc = 7,
                                        .first_chunk = first,
                                        .count = count,
                                        .dimension = 2,
                                        .vectors = numbers};
        status = rsi_tx_vectors(tx, ENTITY, INCARNATION, &block);
    }
    for (uint32_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, (uint64_t)first + i, CHUNK_JSON);
    return storage_end(tx, status);
}

static int put_entity(rsi_storage *storage, const char *json)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    return status == RAGSTORE_OK
               ? storage_end(tx, storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY, json))
               : status;
}

/* A store with an entity, in which commits name vectors; `storage` is open. */
static power_disk *make(rsi_storage **storage)
{
    power_disk *disk = power_disk_new();
    *storage = open_disk(disk, 0);
    assert_int_equal(storage_commit_entity(*storage), 0);
    assert_int_equal(put_entity(*storage, MADE(INCARNATION, "\"e\"")), 0);
    write_rows(*storage);
    return disk;
}

static void close_good(rsi_storage *storage)
{
    assert_int_equal(rsi_storage_close(storage), 0);
    rsi_storage_free(storage);
}

/* The store is killed and opened again: exactly these are given. */
static void expect_given(power_disk *disk, rsi_storage *storage, const char *expected)
{
    power_disk *after = power_disk_kill(disk);
    rsi_storage *again = open_disk(after, 0);
    assert_string_equal(given, expected);
    close_good(again);
    again = open_disk(after, 0);
    assert_string_equal(given, ""); /* a checkpoint has flushed them */
    close_good(again);
    power_disk_free(after);
    rsi_storage_free(storage);
    power_disk_free(disk);
}

/* ---- tests ---- */

static void storage_journal_vectors__are_in_the_line_of_their_commit(void **state)
{
    char text[4000];
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 5, 2, 1), 0);
    storage_read_file(disk, JOURNAL_1, text, sizeof text);
    assert_non_null(strstr(text, "[\"vectors\",\"acme\",\"" INCARNATION
                                 "\",1,704,5,2,\"AACAPwAAIMAAAAAAAABQQA==\"]"));
    assert_null(strstr(text, "\"extent\""));
    expect_given(disk, storage, "5:704+2x2=1,-2.5,0,3.25 ");
}

static void storage_journal_vectors__one_flush_makes_both_durable(void **state)
{
    fault_files faults;
    rsi_storage *storage;
    power_disk *disk = power_disk_new();
    (void)state;
    fault_files_init(&faults, power_disk_table(disk));
    assert_int_equal(open_table(&storage, &faults.table, 0), 0);
    assert_int_equal(storage_commit_entity(storage), 0);
    write_rows(storage);
    for (int64_t i = 1; i < 9; i++) {
        fault_files_reset_counts(&faults);
        assert_int_equal(add(storage, i, 1, 1), 0);
        assert_int_equal(fault_files_count(&faults, FAULT_FLUSH_DATA), 1);
        assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 0);
    }
    close_good(storage);
    power_disk_free(disk);
}

/* Is what write_rows() wrote on the disk? */
static bool rows_are_durable(power_disk *disk)
{
    char text[100] = "";
    power_disk *after = power_disk_cut(disk, POWER_KEEP_NOTHING);
    int root = power_disk_table(after)->open(after, -1, "/store/" ROWS, RSI_OPEN_ROOT);
    if (root >= 0)
        storage_read_file(after, ROWS, text, sizeof text);
    power_disk_free(after);
    return strcmp(text, "not flushed") == 0;
}

static void make_name_durable(rsi_storage *storage)
{
    assert_int_equal(rsi_directory_flush(rsi_storage_root(storage),
                                         "entity_scoped/entities/acme/vector_store"),
                     0);
}

static void storage_journal_vectors__a_checkpoint_flushes_their_file(void **state)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    make_name_durable(storage);
    assert_int_equal(add(storage, 1, 1, 1), 0);
    assert_false(rows_are_durable(disk));
    assert_int_equal(rsi_storage_checkpoint(storage), 0);
    assert_true(rows_are_durable(disk));
    expect_given(disk, storage, "");
}

/* Who follows, and who comes later, knows what one process has written and not flushed. */
static void storage_journal_vectors__another_process_flushes_their_file(void **state)
{
    (void)state;
    for (int comes_later = 0; comes_later < 2; comes_later++) {
        rsi_storage *storage;
        rsi_storage *other = NULL;
        power_disk *disk = make(&storage);
        make_name_durable(storage);
        if (!comes_later)
            other = open_disk(disk, 0);
        assert_int_equal(add(storage, 1, 1, 1), 0);
        if (comes_later)
            other = open_disk(disk, 0);
        assert_false(rows_are_durable(disk));
        assert_int_equal(rsi_storage_checkpoint(other), 0);
        assert_true(rows_are_durable(disk));
        assert_int_equal(rsi_storage_follow(storage), 0);
        assert_int_equal(other->row_files.count, 0);
        assert_int_equal(storage->row_files.count, 0);
        close_good(other);
        close_good(storage);
        power_disk_free(disk);
    }
}

/* Whoever leaves while others stay flushes what it has written itself. */
static void storage_journal_vectors__are_flushed_by_who_leaves_others(void **state)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    make_name_durable(storage);
    rsi_storage *other = open_disk(disk, 0);
    assert_int_equal(add(storage, 1, 1, 1), 0);
    assert_false(rows_are_durable(disk));
    close_good(storage);
    assert_true(rows_are_durable(disk));
    close_good(other);
    power_disk_free(disk);
}

/* A deleted entity's file is not kept open, and one that was replaced is followed by its name. */
static void storage_journal_vectors__follow_the_names_of_files(void **state)
{
    rsi_tx *tx;
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    make_name_durable(storage);
    assert_int_equal(add(storage, 1, 1, 1), 0);
    rsi_root *root = rsi_storage_root(storage);
    assert_int_equal(rsi_file_replace(root, ROWS, "flushed", 7), 0); /* as compaction does */
    write_rows(storage);
    assert_int_equal(add(storage, 2, 1, 1), 0);
    assert_int_equal(storage->row_files.count, 1);
    assert_false(rows_are_durable(disk));
    assert_int_equal(rsi_storage_checkpoint(storage), 0);
    assert_true(rows_are_durable(disk));

    const size_t handles = power_disk_open_handles(disk);
    assert_int_equal(add(storage, 3, 1, 1), 0);
    assert_int_equal(power_disk_open_handles(disk), handles + 1);
    assert_int_equal(rsi_tx_begin(&tx, storage), 0);
    int status = rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY);
    if (status == 0)
        status = rsi_tx_gone(tx, ENTITY, INCARNATION);
    assert_int_equal(storage_end(tx, status), 0);
    assert_int_equal(power_disk_open_handles(disk), handles);
    close_good(storage);
    power_disk_free(disk);
}

/* A few files are kept open, however many are written to. */
static void storage_journal_vectors__keep_few_files_open(void **state)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    rsi_row_files *files = &storage->row_files;
    rsi_root *root = rsi_storage_root(storage);
    (void)state;
    const size_t handles = power_disk_open_handles(disk);
    for (uint32_t n = 1; n <= 300; n++) {
        char path[200];
        rsi_file *file;
        snprintf(path, sizeof path, "entity_scoped/entities/acme/vector_store/rows-%u.rsv", n);
        assert_int_equal(rsi_file_open(&file, root, path, RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
        assert_int_equal(rsi_file_close(file), 0);
        assert_int_equal(rsi_row_files_note(files, root, ENTITY, n, n), 0);
        assert_int_equal(rsi_row_files_note(files, root, ENTITY, n, n), 0);
    }
    assert_int_equal(files->count, 300);
    assert_int_equal(files->open, 4);
    assert_int_equal(power_disk_open_handles(disk), handles + 4);
    assert_int_equal(rsi_row_files_flush(files, root), 0);
    rsi_row_files_forget(files, 290);
    assert_int_equal(files->count, 10);
    assert_int_equal(power_disk_open_handles(disk), handles);
    close_good(storage);
    assert_int_equal(power_disk_open_handles(disk), 0);
    power_disk_free(disk);
}

/* Too many for the line. */
static void storage_journal_vectors__many_are_flushed_by_the_commit(void **state)
{
    char text[4000];
    rsi_storage *storage;
    const size_t limit = rsi_line_vector_bytes;
    power_disk *disk = make(&storage);
    (void)state;
    rsi_line_vector_bytes = 2 * sizeof numbers;
    make_name_durable(storage);
    assert_int_equal(add(storage, 1, 2, 2), 0);
    assert_false(rows_are_durable(disk));
    assert_int_equal(add(storage, 3, 2, 3), 0);
    assert_true(rows_are_durable(disk));
    storage_read_file(disk, JOURNAL_1, text, sizeof text);
    assert_non_null(strstr(text, "[\"extent\",\"acme\",\"" INCARNATION "\",1,448,128,3,2,7]"));
    rsi_line_vector_bytes = limit;
    expect_given(disk, storage, "1:192+2x2=1,-2.5,0,3.25 1:192+2x2=1,-2.5,0,3.25 ");
}

/* What was taken back does not count against the limit. */
static void storage_journal_vectors__a_nested_abort_leaves_room(void **state)
{
    char text[4000];
    rsi_tx *tx;
    rsi_tx *inner;
    rsi_storage *storage;
    const size_t limit = rsi_line_vector_bytes;
    power_disk *disk = make(&storage);
    const rsi_vector_block block = {
        .segment = 1, .offset = 64, .count = 2, .dimension = 2, .vectors = numbers};
    (void)state;
    rsi_line_vector_bytes = sizeof numbers;
    assert_int_equal(rsi_tx_begin(&tx, storage), 0);
    assert_int_equal(rsi_tx_begin(&inner, storage), 0);
    assert_int_equal(rsi_tx_vectors(tx, ENTITY, INCARNATION, &block), 0);
    rsi_tx_abort(inner);
    assert_int_equal(rsi_tx_vectors(tx, ENTITY, INCARNATION, &block), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
    rsi_line_vector_bytes = limit;
    storage_read_file(disk, JOURNAL_1, text, sizeof text);
    assert_non_null(strstr(text, "[\"vectors\""));
    assert_null(strstr(text, "[\"extent\""));
    close_good(storage);
    power_disk_free(disk);
}

/* A flush that fails leaves nobody sure of what the disk holds. */
static void storage_journal_vectors__a_failed_flush_stops_writing(void **state)
{
    (void)state;
    for (size_t many = 0; many < 2; many++) {
        fault_files faults;
        rsi_storage *storage;
        const size_t limit = rsi_line_vector_bytes;
        power_disk *disk = power_disk_new();
        fault_files_init(&faults, power_disk_table(disk));
        assert_int_equal(open_table(&storage, &faults.table, 0), 0);
        assert_int_equal(storage_commit_entity(storage), 0);
        write_rows(storage);
        rsi_line_vector_bytes = many ? 1 : limit;
        if (!many)
            assert_int_equal(add(storage, 1, 1, 1), 0);
        fault_files_fail(&faults, FAULT_FLUSH_DATA, many ? 1 : 2, EIO, false);
        assert_int_equal(many ? add(storage, 1, 1, 1) : rsi_storage_checkpoint(storage),
                         RAGSTORE_E_FAILED);
        assert_true(fault_files_struck(&faults));
        fault_files_disarm(&faults);
        assert_int_equal(add(storage, 2, 1, 1), RAGSTORE_E_FAILED);
        rsi_line_vector_bytes = limit;
        expect_given(disk, storage, many ? "" : "1:192+1x2=1,-2.5 ");
        assert_int_equal(atomic_load(&faults.open_handles), 0);
    }
}

/* The dead need no vectors. */
static void storage_journal_vectors__of_deleted_chunks_stay_away(void **state)
{
    rsi_tx *tx;
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 1, 1, 1), 0);
    assert_int_equal(add(storage, 2, 2, 1), 0);
    assert_int_equal(add(storage, 4, 1, 1), 0);
    assert_int_equal(rsi_tx_begin(&tx, storage), 0);
    int status = rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, 1);
    if (status == 0)
        status = rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, 2);
    assert_int_equal(storage_end(tx, status), 0);
    expect_given(disk, storage, "2:320+2x2=1,-2.5,0,3.25 4:576+1x2=1,-2.5 ");
}

static void storage_journal_vectors__of_another_embedder_stay_away(void **state)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 1, 1, 1), 0);
    assert_int_equal(put_entity(storage, MADE(INCARNATION, "\"e\"")), 0);
    assert_int_equal(add(storage, 2, 1, 1), 0);
    assert_int_equal(put_entity(storage, MADE(INCARNATION, "null")), 0);
    assert_int_equal(put_entity(storage, MADE(INCARNATION, "\"other\"")), 0);
    assert_int_equal(add(storage, 3, 1, 1), 0);
    expect_given(disk, storage, "3:448+1x2=1,-2.5 ");
}

static void storage_journal_vectors__of_another_creation_stay_away(void **state)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 1, 1, 1), 0);
    assert_int_equal(put_entity(storage, MADE(OTHER_INCARNATION, "\"e\"")), 0);
    expect_given(disk, storage, "");
}

static void storage_journal_vectors__readers_find_them(void **state)
{
    static const uint32_t flags[] = {RAGSTORE_OPEN_READ_ONLY, RAGSTORE_OPEN_IMMUTABLE};
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 5, 2, 1), 0);
    for (size_t i = 0; i < 2; i++) {
        power_disk *after = power_disk_kill(disk);
        rsi_vector_reader *reader;
        const rsi_vector_block *block;
        rsi_storage *reading = open_disk(after, flags[i]);
        assert_string_equal(given, ""); /* nothing is written */
        assert_int_equal(rsi_vector_reader_open(&reader, reading, ENTITY, OTHER_INCARNATION), 0);
        assert_null(reader);
        assert_int_equal(rsi_vector_reader_open(&reader, reading, "nobody", INCARNATION), 0);
        assert_null(reader);
        assert_int_equal(rsi_vector_reader_open(&reader, reading, ENTITY, INCARNATION), 0);
        assert_non_null(reader);
        assert_int_equal(rsi_vector_reader_next(&block, reader), 1);
        assert_int_equal(block->first_chunk, 5);
        assert_memory_equal(block->vectors, numbers, sizeof numbers);
        assert_int_equal(rsi_vector_reader_next(&block, reader), 0);
        assert_null(block);
        rsi_vector_reader_free(reader);
        close_good(reading);
        power_disk_free(after);
    }
    rsi_storage_free(storage);
    power_disk_free(disk);
}

/* What restoring answers, opening does. */
static void storage_journal_vectors__opening_fails_when_they_cannot_be_written(void **state)
{
    rsi_storage *storage;
    rsi_storage *again;
    power_disk *disk = make(&storage);
    (void)state;
    assert_int_equal(add(storage, 1, 1, 1), 0);
    power_disk *after = power_disk_kill(disk);
    restore_answer = rsi_fail(RAGSTORE_E_IO, "test", "no");
    assert_int_equal(open_table(&again, power_disk_table(after), 0), RAGSTORE_E_IO);
    assert_null(again);
    restore_answer = RAGSTORE_OK;
    power_disk_free(after);
    expect_given(disk, storage, "1:192+1x2=1,-2.5 ");
}

static void storage_journal_vectors__malformed_ones_are_damage(void **state)
{
    static const char *const bad[] = {
        "[\"vectors\",\"acme\",\"" INCARNATION "\",0,64,0,1,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,-1,0,1,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,-1,1,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,0,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,2,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,1,\"AACAPwA=\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,1,\"AACAP\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,1,\"\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,1,7]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,0,1]",
        "[\"vectors\",\"acme\",7,1,64,0,1,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",1,64,9223372036854775807,1,\"AACAPw==\"]",
        "[\"vectors\",\"acme\",\"" INCARNATION "\",4294967296,64,0,1,\"AACAPw==\"]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rsi_storage *storage;
        rsi_storage *again;
        bool broken;
        power_disk *disk = make(&storage);
        assert_int_equal(
            rsi_journal_append(&storage->journal, bad[i], strlen(bad[i]), true, &broken), 0);
        power_disk *after = power_disk_kill(disk);
        if (open_table(&again, power_disk_table(after), 0) != RAGSTORE_E_DAMAGED)
            fail_msg("%s was accepted", bad[i]);
        assert_non_null(strstr(rsi_error_message(), "malformed"));
        power_disk_free(after);
        rsi_storage_free(storage);
        power_disk_free(disk);
    }
}

/* ---- what fails ---- */

static unsigned run(const rsi_file_table *table, int *first)
{
    rsi_storage *storage;
    rsi_vector_reader *reader = NULL;
    unsigned acknowledged = 0;
    *first = open_table(&storage, table, 0);
    if (*first != RAGSTORE_OK)
        return 0;
    for (int64_t i = 6; i < 9; i++) {
        int status = add(storage, i, 1, 1);
        acknowledged += status == RAGSTORE_OK;
        if (*first == RAGSTORE_OK)
            *first = status;
        if (i == 6 && *first == RAGSTORE_OK)
            *first = rsi_storage_checkpoint(storage);
    }
    rsi_storage_free(storage); /* as if killed */
    int status = open_table(&storage, table, RAGSTORE_OPEN_READ_ONLY);
    if (*first == RAGSTORE_OK)
        *first = status;
    if (status != RAGSTORE_OK)
        return acknowledged;
    status = rsi_vector_reader_open(&reader, storage, ENTITY, INCARNATION);
    const rsi_vector_block *block;
    while (status == RAGSTORE_OK && reader != NULL &&
           (status = rsi_vector_reader_next(&block, reader)) > 0)
        status = RAGSTORE_OK;
    if (*first == RAGSTORE_OK)
        *first = status;
    rsi_vector_reader_free(reader);
    rsi_storage_close(storage);
    rsi_storage_free(storage);
    return acknowledged;
}

/* After a power cut what was acknowledged is in the file or in the lines. */
static void expect_kept(const power_disk *disk, unsigned acknowledged, uint64_t n)
{
    power_disk *after = power_disk_cut(disk, POWER_KEEP_NOTHING);
    rsi_storage *storage;
    if (open_table(&storage, power_disk_table(after), 0) != RAGSTORE_OK)
        fail_msg("%u: %s", (unsigned)n, rsi_error_message());
    char *text = storage_text(storage);
    unsigned chunks = 0;
    for (const char *at = text; (at = strstr(at, "chunks/acme#0000")) != NULL; at++)
        chunks++;
    if (chunks < acknowledged + 2) /* with chunks 0 and 5 */
        fail_msg("%u: %u acknowledged, there are: %s", (unsigned)n, acknowledged, text);
    free(text);
    close_good(storage);
    power_disk_free(after);
}

static power_disk *make_killed(void)
{
    rsi_storage *storage;
    power_disk *disk = make(&storage);
    assert_int_equal(add(storage, 5, 1, 1), 0);
    power_disk *killed = power_disk_kill(disk);
    rsi_storage_free(storage);
    power_disk_free(disk);
    return killed;
}

static void storage_journal_vectors__survive_each_failing_allocation(void **state)
{
    power_disk *disk = make_killed();
    (void)state;
    fault_memory_install();
    for (uint64_t n = 1;; n++) {
        int status;
        power_disk *own = power_disk_kill(disk);
        const int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        unsigned acknowledged = run(power_disk_table(own), &status);
        const bool failed = fault_memory_failed();
        fault_memory_disarm();
        if (fault_memory_alive() != alive)
            fail_msg("allocation %u: %d blocks leak", (unsigned)n,
                     (int)(fault_memory_alive() - alive));
        expect_kept(own, acknowledged, n);
        power_disk_free(own);
        if (!failed) {
            assert_int_equal(status, RAGSTORE_OK);
            assert_int_equal(acknowledged, 3);
            break;
        }
    }
    fault_memory_restore();
    power_disk_free(disk);
}

static void storage_journal_vectors__survive_each_failing_file_operation(void **state)
{
    static const int errors[] = {EIO, ENOSPC};
    power_disk *disk = make_killed();
    (void)state;
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (int64_t n = 1;; n++) {
            int status;
            fault_files faults;
            power_disk *own = power_disk_kill(disk);
            fault_files_init(&faults, power_disk_table(own));
            fault_files_fail(&faults, FAULT_ANY, n, errors[e], false);
            unsigned acknowledged = run(&faults.table, &status);
            const bool struck = fault_files_struck(&faults);
            assert_int_equal(atomic_load(&faults.open_handles), 0);
            expect_kept(own, acknowledged, (uint64_t)n);
            power_disk_free(own);
            if (!struck) {
                assert_int_equal(status, RAGSTORE_OK);
                assert_int_equal(acknowledged, 3);
                break;
            }
        }
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_journal_vectors__are_in_the_line_of_their_commit),
        cmocka_unit_test(storage_journal_vectors__one_flush_makes_both_durable),
        cmocka_unit_test(storage_journal_vectors__a_checkpoint_flushes_their_file),
        cmocka_unit_test(storage_journal_vectors__another_process_flushes_their_file),
        cmocka_unit_test(storage_journal_vectors__are_flushed_by_who_leaves_others),
        cmocka_unit_test(storage_journal_vectors__follow_the_names_of_files),
        cmocka_unit_test(storage_journal_vectors__keep_few_files_open),
        cmocka_unit_test(storage_journal_vectors__many_are_flushed_by_the_commit),
        cmocka_unit_test(storage_journal_vectors__a_nested_abort_leaves_room),
        cmocka_unit_test(storage_journal_vectors__a_failed_flush_stops_writing),
        cmocka_unit_test(storage_journal_vectors__of_deleted_chunks_stay_away),
        cmocka_unit_test(storage_journal_vectors__of_another_embedder_stay_away),
        cmocka_unit_test(storage_journal_vectors__of_another_creation_stay_away),
        cmocka_unit_test(storage_journal_vectors__readers_find_them),
        cmocka_unit_test(storage_journal_vectors__opening_fails_when_they_cannot_be_written),
        cmocka_unit_test(storage_journal_vectors__malformed_ones_are_damage),
        cmocka_unit_test(storage_journal_vectors__survive_each_failing_allocation),
        cmocka_unit_test(storage_journal_vectors__survive_each_failing_file_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
