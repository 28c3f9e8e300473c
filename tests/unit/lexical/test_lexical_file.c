/* lexical.rsl: lib/lexical/lexical_write.c and lexical_read.c. */
#include "lexical_fixture.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_layout.h"

#include <errno.h>
#include <stdlib.h>

#define NAME "lexical.rsl"
#define INCARNATION "0123456789abcdef0123456789abcdef"

static fault_files faults;
static rsi_root *root;
static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

static int setup(void **state)
{
    temporary_setup(state);
    fault_files_init(&faults, NULL);
    return rsi_root_open(&root, &faults.table, temporary_path(state), true);
}

static int teardown(void **state)
{
    rsi_root_close(root);
    assert_int_equal(faults.open_handles, 0);
    assert_int_equal(faults.views, 0);
    return temporary_teardown(state);
}

/* Words of all kinds: in every chunk, in most, in few, in one, and stop words. */
static void add_numbered(rsi_lexical *index, int64_t chunk)
{
    rsi_bytes text = {0};
    rsi_bytes_printf(&text, "the common own%c%c%c of", (char)('a' + chunk / 676 % 26),
                     (char)('a' + chunk / 26 % 26), (char)('a' + chunk % 26));
    for (int64_t word = 0; word <= chunk % 7; word++)
        rsi_bytes_printf(&text, " often%c often%c", (char)('a' + word), (char)('a' + chunk % 5));
    if (chunk % 40 == 3)
        rsi_bytes_append_text(&text, " rare");
    for (int64_t i = 0; chunk == 900 && i < 300; i++)
        rsi_bytes_append_text(&text, " often"); /* too often for a dense block */
    add(index, chunk, text.data);
    rsi_lexical_set_mark(index, chunk, (uint32_t)chunk * 7);
    rsi_bytes_free(&text);
}

static rsi_lexical *make_index(int64_t chunks)
{
    rsi_lexical *index = new_index("english");
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        add_numbered(index, chunk);
    return index;
}

static void write_index(const rsi_lexical *index)
{
    if (rsi_lexical_write(index, root, NAME, INCARNATION) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

static int read_again(rsi_lexical **out)
{
    return rsi_lexical_read(out, root, NAME, INCARNATION, "english");
}

static rsi_lexical *read_index(void)
{
    rsi_lexical *index;
    if (read_again(&index) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return index;
}

static void assert_same(const rsi_lexical *a, const rsi_lexical *b)
{
    static const char *const queries[] = {"common",         "the of",       "oftena oftenc rare",
                                          "ownaab ownaccb", "often common", "rare oftenb ownbaa"};
    assert_int_equal(rsi_lexical_count(a), rsi_lexical_count(b));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        assert_same_answers(a, b, queries[i]);
}

static void lexical_file__gives_the_index_back(void **state)
{
    (void)state;
    rsi_lexical *index = make_index(3000);
    write_index(index);
    rsi_lexical *again = read_index();
    assert_same(index, again);
    for (int64_t chunk = 0; chunk < 3000; chunk += 17) {
        uint32_t mark;
        assert_true(rsi_lexical_mark(again, chunk, &mark));
        assert_int_equal(mark, chunk * 7);
    }
    rsi_lexical_free(index);
    rsi_lexical_free(again);
}

static void lexical_file__gives_an_index_that_goes_on(void **state)
{
    (void)state;
    rsi_lexical *index = make_index(1000);
    write_index(index);
    rsi_lexical *again = read_index();
    for (int64_t chunk = 1000; chunk < 1400; chunk++) {
        add_numbered(index, chunk);
        add_numbered(again, chunk);
    }
    assert_same(index, again);
    for (int64_t chunk = 0; chunk < 1400; chunk++) {
        if (chunk % 3 == 0)
            continue;
        rsi_lexical_remove(index, chunk); /* compacted on the way */
        rsi_lexical_remove(again, chunk);
    }
    assert_same(index, again);
    write_index(again);
    rsi_lexical *third = read_index();
    assert_same(index, third);
    rsi_lexical_free(index);
    rsi_lexical_free(again);
    rsi_lexical_free(third);
}

static bool file_has(void **state, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    char *bytes = temporary_read(temporary_join(path, state, NAME), &size);
    bool has = memmem(bytes, size, text, strlen(text)) != NULL;
    free(bytes);
    return has;
}

static void lexical_file__has_nothing_of_removed_chunks(void **state)
{
    rsi_lexical *index = make_index(200);
    add(index, 1000, "common secretword");
    write_index(index);
    assert_true(file_has(state, "secretword"));
    rsi_lexical_remove(index, 1000);
    rsi_lexical_remove(index, 11);
    write_index(index);
    assert_false(file_has(state, "secretword"));
    rsi_lexical *again = read_index();
    assert_same(index, again);
    rsi_lexical_free(again);
    rsi_lexical_free(index);
}

static void lexical_file__of_an_empty_index_is_one(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("english");
    write_index(index);
    rsi_lexical *again = read_index();
    assert_int_equal(rsi_lexical_count(again), 0);
    add_numbered(index, 3);
    add_numbered(again, 3);
    assert_same(index, again);
    rsi_lexical_free(again);
    rsi_lexical_free(index);
}

static void lexical_file__keeps_only_what_is_wanted(void **state)
{
    (void)state;
    rsi_lexical *index = make_index(50);
    rsi_bitset wanted = {0};
    for (int64_t chunk = 0; chunk < 50; chunk += 2)
        assert_int_equal(rsi_bitset_add(&wanted, chunk), RAGSTORE_OK);
    rsi_lexical_keep(index, &wanted);
    assert_int_equal(rsi_lexical_count(index), 25);
    uint32_t mark;
    assert_true(rsi_lexical_mark(index, 48, &mark));
    assert_false(rsi_lexical_mark(index, 49, &mark));
    rsi_bitset_free(&wanted);
    rsi_lexical_free(index);
}

/* ---- files that are not this one's ---- */

/* The file's bytes; with `reseal`, checksums are made to match whatever was changed. */
typedef struct image {
    char path[TEMPORARY_PATH_MAX];
    unsigned char *bytes;
    size_t size;
} image;

static image load(void **state)
{
    image file;
    temporary_join(file.path, state, NAME);
    file.bytes = (unsigned char *)temporary_read(file.path, &file.size);
    assert_non_null(file.bytes);
    return file;
}

static void reseal(image *file)
{
    rsi_lexical_header *header = (rsi_lexical_header *)file->bytes;
    header->crc = rsi_crc32c(0, header, offsetof(rsi_lexical_header, crc));
    const uint64_t body = rsi_lexical_body(header);
    const uint64_t count = rsi_lexical_checks(body);
    const size_t checks_size = (size_t)(count + 1) * sizeof(uint32_t);
    if (sizeof *header + body + checks_size != file->size)
        return;
    unsigned char *checks = file->bytes + sizeof *header + body;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t left = body - i * RSI_LEXICAL_CHECKED;
        const size_t part = left < RSI_LEXICAL_CHECKED ? (size_t)left : RSI_LEXICAL_CHECKED;
        const uint32_t crc =
            rsi_crc32c(0, file->bytes + sizeof *header + i * RSI_LEXICAL_CHECKED, part);
        memcpy(checks + i * sizeof crc, &crc, sizeof crc);
    }
    const uint32_t crc = rsi_crc32c(0, checks, checks_size - sizeof crc);
    memcpy(checks + count * sizeof crc, &crc, sizeof crc);
}

static void expect_refused(int expected)
{
    rsi_lexical *again;
    assert_int_equal(read_again(&again), expected);
    assert_null(again);
}

static void lexical_file__of_something_else_is_not_found(void **state)
{
    rsi_lexical *again;
    expect_refused(RAGSTORE_E_NOT_FOUND); /* there is none */
    rsi_lexical *index = make_index(20);
    write_index(index);
    rsi_lexical_free(index);
    assert_int_equal(rsi_lexical_read(&again, root, NAME, "fedcba9876543210", "english"),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_lexical_read(&again, root, NAME, INCARNATION, "german"),
                     RAGSTORE_E_NOT_FOUND);
    image file = load(state);
    ((rsi_lexical_header *)file.bytes)->analysis++;
    reseal(&file);
    temporary_write(file.path, file.bytes, file.size);
    expect_refused(RAGSTORE_E_NOT_FOUND);
    ((rsi_lexical_header *)file.bytes)->analysis--;
    ((rsi_lexical_header *)file.bytes)->major++;
    reseal(&file);
    temporary_write(file.path, file.bytes, file.size);
    expect_refused(RAGSTORE_E_UNSUPPORTED);
    free(file.bytes);
}

static void lexical_file__notices_every_changed_byte(void **state)
{
    rsi_lexical *index = make_index(12);
    write_index(index);
    rsi_lexical_free(index);
    image file = load(state);
    for (size_t i = 0; i < file.size; i++) {
        rsi_lexical *again;
        file.bytes[i] ^= 1u << (i % 8);
        temporary_write(file.path, file.bytes, file.size);
        if (read_again(&again) == RAGSTORE_OK)
            fail_msg("byte %zu", i);
        file.bytes[i] ^= 1u << (i % 8);
    }
    for (size_t size = 0; size < file.size; size += 1 + size / 40) {
        temporary_write(file.path, file.bytes, size);
        expect_refused(RAGSTORE_E_DAMAGED);
    }
    file.bytes = realloc(file.bytes, file.size + 1);
    file.bytes[file.size] = 0;
    temporary_write(file.path, file.bytes, file.size + 1);
    expect_refused(RAGSTORE_E_DAMAGED);
    free(file.bytes);
}

/* One chunk with one term: its posting begins the eighth of ten parts of 8 or 16 bytes. */
static void lexical_file__refuses_chunks_that_are_not_there(void **state)
{
    enum { POSTING = 128 + 7 * 8, TAIL = POSTING + 8 + 16 };
    rsi_lexical *index = new_index("english");
    add(index, 0, "common");
    write_index(index);
    rsi_lexical_free(index);
    image file = load(state);
    assert_int_equal(file.bytes[POSTING], 0 << 1 | 1);
    file.bytes[POSTING] = 5 << 1 | 1;
    file.bytes[TAIL] = 5;
    reseal(&file);
    temporary_write(file.path, file.bytes, file.size);
    expect_refused(RAGSTORE_E_DAMAGED);
    file.bytes[POSTING] = 0 << 1 | 1;
    file.bytes[TAIL] = 0;
    reseal(&file);
    temporary_write(file.path, file.bytes, file.size);
    rsi_lexical_free(read_index());
    free(file.bytes);
}

/* Do with an index whatever can be done. */
static void use(rsi_lexical *index)
{
    rsi_hit hits[HITS_MAX];
    size_t count;
    float ideal;
    for (int64_t chunk = 0; chunk < 40; chunk++) {
        char text[] = "common oftena often rare x ownaaa the";
        text[25] = (char)('a' + chunk % 26);
        assert_int_equal(rsi_lexical_search(hits, &count, &ideal, index, text, sizeof text - 1,
                                            HITS_MAX, NULL),
                         RAGSTORE_OK);
        rsi_lexical_add(index, 5000 + chunk, text, sizeof text - 1);
    }
    for (int64_t chunk = 0; chunk < 300; chunk += 1 + chunk % 2)
        rsi_lexical_remove(index, chunk);
    rsi_lexical_compact(index, rsi_lexical_open_run(index));
    assert_int_equal(rsi_lexical_search(hits, &count, &ideal, index, "common the oftena", 17,
                                        HITS_MAX, NULL),
                     RAGSTORE_OK);
}

/* Somebody who knows how checksums are made changes numbers. */
static void lexical_file__survives_numbers_that_are_made_up(void **state)
{
    rsi_lexical *index = make_index(300);
    write_index(index);
    rsi_lexical_free(index);
    image file = load(state);
    size_t refused = 0;
    unsigned char *original = malloc(file.size);
    assert_non_null(original);
    memcpy(original, file.bytes, file.size);
    for (int round = 0; round < 1500; round++) {
        rsi_lexical *again;
        size_t from = round % 4 == 0 ? 84 : sizeof(rsi_lexical_header);
        size_t to = round % 4 == 0 ? sizeof(rsi_lexical_header) : file.size - 8;
        for (uint32_t n = 0; n <= random_below(3); n++) {
            size_t at = from + random_below((uint32_t)(to - from));
            file.bytes[at] = random_below(2) == 0 ? (unsigned char)random_below(256)
                                                  : (unsigned char)(random_below(2) * 255);
        }
        reseal(&file);
        temporary_write(file.path, file.bytes, file.size);
        if (read_again(&again) == RAGSTORE_OK)
            use(again);
        else
            refused++;
        rsi_lexical_free(again);
        memcpy(file.bytes, original, file.size);
    }
    assert_in_range(refused, 300, 1499);
    free(original);
    free(file.bytes);
}

/* ---- faults ---- */

static void lexical_file__stays_as_it_was_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_lexical *index = make_index(60);
    write_index(index);
    rsi_lexical_remove(index, 7);
    for (unsigned n = 1;; n++) {
        const int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = rsi_lexical_write(index, root, NAME, INCARNATION);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed)
            break;
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        rsi_lexical *again = read_index();
        assert_int_equal(rsi_lexical_count(again), 60);
        rsi_lexical_free(again);
    }
    for (unsigned n = 1;; n++) {
        rsi_lexical *again;
        const int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = read_again(&again);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        rsi_lexical_free(again);
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed)
            break;
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        assert_null(again);
    }
    rsi_lexical_free(index);
    fault_memory_restore();
}

static void lexical_file__stays_as_it_was_when_the_disk_fails(void **state)
{
    rsi_lexical *index = make_index(60);
    write_index(index);
    rsi_lexical_remove(index, 7);
    for (int error = FAULT_SHORT; error <= ENOSPC; error += ENOSPC - FAULT_SHORT)
        for (int64_t n = 1;; n++) {
            fault_files_fail(&faults, FAULT_ANY, n, error, false);
            int status = rsi_lexical_write(index, root, NAME, INCARNATION);
            bool struck = fault_files_struck(&faults);
            fault_files_disarm(&faults);
            assert_int_equal(faults.open_handles, 1); /* the root's */
            rsi_lexical *again = read_index();
            assert_in_range(rsi_lexical_count(again), 59, status == RAGSTORE_OK ? 59 : 60);
            rsi_lexical_free(again);
            if (!struck)
                break;
            if (error == FAULT_SHORT)
                assert_int_equal(status, RAGSTORE_OK);
        }
    assert_int_equal(temporary_count(temporary_path(state)), 1);
    for (int64_t n = 1;; n++) {
        rsi_lexical *again;
        fault_files_fail(&faults, FAULT_ANY, n, EIO, false);
        int status = read_again(&again);
        bool struck = fault_files_struck(&faults);
        fault_files_disarm(&faults);
        assert_int_equal(faults.open_handles, 1);
        assert_true((status == RAGSTORE_OK) == (again != NULL));
        rsi_lexical_free(again);
        if (!struck)
            break;
    }
    rsi_lexical_free(index);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(lexical_file__gives_the_index_back),
        IN_DIRECTORY(lexical_file__gives_an_index_that_goes_on),
        IN_DIRECTORY(lexical_file__has_nothing_of_removed_chunks),
        IN_DIRECTORY(lexical_file__of_an_empty_index_is_one),
        IN_DIRECTORY(lexical_file__keeps_only_what_is_wanted),
        IN_DIRECTORY(lexical_file__of_something_else_is_not_found),
        IN_DIRECTORY(lexical_file__notices_every_changed_byte),
        IN_DIRECTORY(lexical_file__refuses_chunks_that_are_not_there),
        IN_DIRECTORY(lexical_file__survives_numbers_that_are_made_up),
        IN_DIRECTORY(lexical_file__stays_as_it_was_when_memory_is_short),
        IN_DIRECTORY(lexical_file__stays_as_it_was_when_the_disk_fails),
    };
    const int failed = cmocka_run_group_tests_name("read into memory", tests, NULL, NULL);
    rsi_lexical_mapped_from = 0;
    return failed + cmocka_run_group_tests_name("mapped", tests, NULL, NULL);
}
