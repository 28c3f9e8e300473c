/* Snapshot files as bases: finding and reading in them, their indexes, and what damage does. */
#include "storage_fixture.h"

#include "base/memory.h"
#include "harness/power_explore.h"
#include "base/clock.h"
#include "harness/temporary.h"
#include "storage/base.h"

#include <unistd.h>

#define SNAPSHOT "api_storage/chat_sessions.json"
#define INDEX "api_storage/chat_sessions.rsx"
#define KEYS 500

typedef struct opened {
    power_disk *disk;
    rsi_root *root;
    rsi_base *base;
} opened;

static void write_whole(opened *o, const char *path, const char *text, size_t size)
{
    assert_int_equal(rsi_file_replace(o->root, path, text, size), RAGSTORE_OK);
}

static rsi_file_state state_of(const char *text, size_t size)
{
    rsi_file_state state = {.known = true, .size = size};
    rsi_sha256_hex(text, size, state.sha256);
    return state;
}

static int open_text(opened *o, const char *text, size_t size, const rsi_layout *layout)
{
    const rsi_base_place place = {SNAPSHOT, SNAPSHOT, layout};
    const rsi_file_state state = state_of(text, size);
    rsi_base_release(o->base);
    o->base = NULL;
    write_whole(o, SNAPSHOT, text, size);
    return rsi_base_open(&o->base, o->root, &place, &state);
}

static void begin(opened *o, bool small)
{
    *o = (opened){.disk = power_disk_new()};
    power_choose_small(small);
    assert_int_equal(rsi_root_open(&o->root, power_disk_table(o->disk), "/store", true),
                     RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(o->root, "api_storage"), RAGSTORE_OK);
}

static void end(opened *o)
{
    rsi_base_release(o->base);
    rsi_root_close(o->root);
    assert_int_equal(power_disk_open_handles(o->disk), 0);
    power_disk_free(o->disk);
}

/* Sessions with 0 to 3 messages; every seventh key has to be escaped. */
static void make_sessions(rsi_bytes *text)
{
    rsi_bytes_append_text(text, "{\n");
    for (int i = 0; i < KEYS; i++) {
        rsi_bytes_printf(text, "\"%sk%d\": {\"n\":%d,\"messages\":[", i % 7 == 0 ? "\\\"" : "", i,
                         i);
        for (int row = 0; row < i % 4; row++)
            rsi_bytes_printf(text, "%s\n{\"text\":\"%d.%d\"}", row > 0 ? "," : "", i, row);
        rsi_bytes_append_text(text, i % 4 > 0 ? "\n]}" : "]}");
        rsi_bytes_append_text(text, i + 1 < KEYS ? ",\n" : "\n");
    }
    rsi_bytes_append_text(text, "}\n");
    assert_int_equal(rsi_bytes_status(text), RAGSTORE_OK);
}

/* Look each record up and read it with its rows: RAGSTORE_OK, or the first error. */
static int read_all(rsi_base *base)
{
    rsi_base_reader reader = rsi_base_reader_of(base, 0);
    int status = RAGSTORE_OK;
    for (int i = 0; status == RAGSTORE_OK && i < KEYS; i++) {
        char key[32];
        char expected[64];
        size_t record;
        rsi_slice found_key;
        rsi_slice json;
        rsi_base_rows rows = {0};
        snprintf(key, sizeof key, "%sk%d", i % 7 == 0 ? "\"" : "", i);
        status = rsi_base_find(&record, &reader, key);
        if (status == 0)
            fail_msg("%s is not found", key);
        if (status > 0)
            status = rsi_base_read_record(&reader, record, &found_key, &json);
        if (status == RAGSTORE_OK) {
            snprintf(expected, sizeof expected, "{\"n\":%d}", i);
            assert_string_equal(found_key.data, key);
            assert_int_equal(json.size, strlen(expected));
            assert_memory_equal(json.data, expected, json.size);
            status = rsi_base_rows_of(&rows, base, record);
        }
        if (status == RAGSTORE_OK)
            assert_int_equal(rows.end - rows.first, i % 4);
        for (size_t row = rows.first; status == RAGSTORE_OK && row < rows.end; row++) {
            uint64_t number;
            status = rsi_base_read_row(&reader, row, &number, &json);
            if (status != RAGSTORE_OK)
                break;
            snprintf(expected, sizeof expected, "{\"text\":\"%d.%d\"}", i, (int)number);
            assert_int_equal(number, row - rows.first);
            assert_memory_equal(json.data, expected, json.size);
        }
    }
    rsi_base_reader_free(&reader);
    return status;
}

static void find_in(bool small)
{
    opened o;
    rsi_bytes text = {0};
    size_t record;
    begin(&o, small);
    make_sessions(&text);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    assert_int_equal(rsi_base_is_large(o.base), !small);
    assert_int_equal(rsi_base_count(o.base), KEYS);
    assert_int_equal(read_all(o.base), RAGSTORE_OK);
    rsi_base_reader reader = rsi_base_reader_of(o.base, 0);
    assert_int_equal(rsi_base_find(&record, &reader, "k"), 0);
    assert_int_equal(rsi_base_find(&record, &reader, ""), 0);
    rsi_base_reader_free(&reader);
    rsi_bytes_free(&text);
    end(&o);
}

static void storage_base__finds_every_record(void **state)
{
    (void)state;
    find_in(true);
    find_in(false);
}

static void storage_base__uses_an_index_that_fits(void **state)
{
    (void)state;
    opened o;
    rsi_bytes text = {0};
    begin(&o, false);
    make_sessions(&text);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    const size_t without = rsi_base_memory(o.base);
    assert_int_equal(rsi_base_keep_index(o.base, o.root), RAGSTORE_OK);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    assert_true(rsi_base_memory(o.base) < without / 4);
    assert_int_equal(read_all(o.base), RAGSTORE_OK);
    /* the same number of bytes, but another file */
    char *place = memmem(text.data, text.size, "\"n\":498", 7);
    assert_non_null(place);
    memcpy(place, "\"n\":778", 7);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    assert_true(rsi_base_memory(o.base) >= without / 2);
    rsi_bytes_free(&text);
    end(&o);
}

/* Change one byte of a file behind the library's back. */
static void change_byte(opened *o, const char *path, uint64_t offset)
{
    unsigned char byte;
    int handle = storage_file(o->disk, path, RSI_OPEN_WRITE);
    const rsi_file_table *table = power_disk_table(o->disk);
    assert_int_equal(table->read(o->disk, handle, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(table->write(o->disk, handle, &byte, 1, offset), 1);
    table->close(o->disk, handle);
}

static void storage_base__is_right_whatever_byte_of_its_index_is_damaged(void **state)
{
    (void)state;
    opened o;
    rsi_bytes text = {0};
    rsi_file_info info;
    begin(&o, false);
    make_sessions(&text);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    assert_int_equal(rsi_base_keep_index(o.base, o.root), RAGSTORE_OK);
    assert_int_equal(rsi_file_info_of(o.root, INDEX, &info), RAGSTORE_OK);
    for (uint64_t offset = 0; offset < info.size; offset += offset < 200 ? 1 : 97) {
        change_byte(&o, INDEX, offset);
        assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
        assert_int_equal(read_all(o.base), RAGSTORE_OK);
        change_byte(&o, INDEX, offset);
    }
    /* cut short */
    int handle = storage_file(o.disk, INDEX, RSI_OPEN_WRITE);
    for (uint64_t size = info.size; size > 0; size = size * 3 / 4) {
        power_disk_table(o.disk)->truncate(o.disk, handle, size - 1);
        assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
        assert_int_equal(read_all(o.base), RAGSTORE_OK);
    }
    power_disk_table(o.disk)->close(o.disk, handle);
    rsi_bytes_free(&text);
    end(&o);
}

static void storage_base__tells_a_damaged_line_and_serves_the_rest(void **state)
{
    (void)state;
    opened o;
    rsi_bytes text = {0};
    rsi_slice key;
    rsi_slice json;
    begin(&o, false);
    make_sessions(&text);
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_sessions), RAGSTORE_OK);
    const uint64_t offset = rsi_base_record_offset(o.base, 40);
    change_byte(&o, SNAPSHOT, offset + 3);
    rsi_base_reader reader = rsi_base_reader_of(o.base, 0);
    assert_int_equal(rsi_base_read_record(&reader, 40, &key, &json), RAGSTORE_E_DAMAGED);
    char place[64];
    snprintf(place, sizeof place, SNAPSHOT ": byte %llu", (unsigned long long)offset);
    assert_non_null(strstr(rsi_error_message(), place));
    assert_int_equal(rsi_base_read_record(&reader, 39, &key, &json), RAGSTORE_OK);
    assert_int_equal(rsi_base_read_record(&reader, 41, &key, &json), RAGSTORE_OK);
    rsi_base_reader_free(&reader);
    rsi_bytes_free(&text);
    end(&o);
}

static void storage_base__refuses_what_the_library_does_not_write(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{}\n",
        "{\n}\n\n",
        "{\n}",
        "{\n\"a\": {\"n\":1,\"messages\":[]}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[]},\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[]}\n\"b\": {\"n\":1,\"messages\":[]}\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[]},\n\"a\": {\"n\":2,\"messages\":[]}\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[\n{\"x\":1}\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[\n{\"x\":1},\n]}\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[\n]}\n}\n",
        "{\n\"a\": {\"n\":1,\"messages\":[\n{\"x\":1}\n{\"x\":1}\n]}\n}\n",
        "{\n\"a\":{\"n\":1,\"messages\":[]}\n}\n",
        "{\n  \"a\": {\"n\":1,\"messages\":[]}\n}\n",
        "{\n\"a: {\"n\":1,\"messages\":[]}\n}\n",
        "{\n\"a\": 7\n}\n",
    };
    for (int small = 0; small < 2; small++) {
        opened o;
        begin(&o, small != 0);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (open_text(&o, texts[i], strlen(texts[i]), &rsi_layout_sessions) !=
                RAGSTORE_E_INVALID_DATA)
                fail_msg("taken: %s", texts[i]);
        assert_int_equal(open_text(&o, "{\n}\n", 4, &rsi_layout_sessions), RAGSTORE_OK);
        assert_int_equal(rsi_base_count(o.base), 0);
        end(&o);
    }
}

static void storage_base__reads_each_layout(void **state)
{
    (void)state;
    static const char entities[] =
        "{\n\"a\": {\"documents\":[\n{\"row\":3},\n{\"row\":12,\"x\":1}\n]}\n}\n";
    static const char chunks[] = "{\n\"0\": {\"x\":1},\n\"7\": {}\n}\n";
    static const char collection[] = "{\n\"a\": {\"_id\":\"a\",\"list\":[]}\n}\n";
    for (int small = 0; small < 2; small++) {
        opened o;
        rsi_slice key;
        rsi_slice json;
        rsi_base_rows rows;
        uint64_t number;
        begin(&o, small != 0);
        assert_int_equal(open_text(&o, entities, sizeof entities - 1, &rsi_layout_entities),
                         RAGSTORE_OK);
        rsi_base_reader reader = rsi_base_reader_of(o.base, 0);
        assert_int_equal(rsi_base_read_record(&reader, 0, &key, &json), RAGSTORE_OK);
        assert_memory_equal(json.data, "{}", json.size);
        assert_int_equal(rsi_base_rows_of(&rows, o.base, 0), RAGSTORE_OK);
        assert_int_equal(rows.next, 13);
        assert_int_equal(rsi_base_read_row(&reader, 0, &number, &json), RAGSTORE_OK);
        assert_int_equal(number, 3);
        assert_memory_equal(json.data, "{}", json.size);
        assert_int_equal(rsi_base_read_row(&reader, 1, &number, &json), RAGSTORE_OK);
        assert_int_equal(number, 12);
        assert_memory_equal(json.data, "{\"x\":1}", json.size);
        rsi_base_reader_free(&reader);

        assert_int_equal(open_text(&o, chunks, sizeof chunks - 1, &rsi_layout_chunks),
                         RAGSTORE_OK);
        reader = rsi_base_reader_of(o.base, 0);
        assert_int_equal(rsi_base_rows_of(&rows, o.base, 0), RAGSTORE_OK);
        assert_int_equal(rows.end - rows.first, 2);
        assert_int_equal(rows.next, 8);
        assert_int_equal(rsi_base_read_row(&reader, 0, &number, &json), RAGSTORE_OK);
        assert_memory_equal(json.data, "{\"x\":1}", json.size);
        rsi_base_reader_free(&reader);

        assert_int_equal(open_text(&o, collection, sizeof collection - 1, &rsi_layout_collection),
                         RAGSTORE_OK);
        reader = rsi_base_reader_of(o.base, 0);
        assert_int_equal(rsi_base_read_record(&reader, 0, &key, &json), RAGSTORE_OK);
        assert_memory_equal(json.data, "{\"_id\":\"a\",\"list\":[]}", json.size);
        rsi_base_reader_free(&reader);
        end(&o);
    }
}

static void storage_base__keeps_places_in_the_order(void **state)
{
    (void)state;
    static const uint64_t orders[] = {0, 1, 4, 5, 6, 9};
    opened o;
    rsi_bytes text = {0};
    begin(&o, true);
    rsi_bytes_append_text(&text, "{\n");
    for (int i = 0; i < 6; i++)
        rsi_bytes_printf(&text, "\"%d\": {\"_id\":\"%d\"}%s\n", i, i, i < 5 ? "," : "");
    rsi_bytes_append_text(&text, "}\n");
    assert_int_equal(open_text(&o, text.data, text.size, &rsi_layout_collection), RAGSTORE_OK);
    assert_int_equal(rsi_base_order(o.base, 5), 5);
    assert_int_equal(rsi_base_from_order(o.base, 99), 6);
    assert_int_equal(rsi_base_set_orders(o.base, orders, 6), RAGSTORE_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(rsi_base_order(o.base, i), orders[i]);
        assert_int_equal(rsi_base_from_order(o.base, orders[i]), i);
    }
    assert_int_equal(rsi_base_from_order(o.base, 2), 2);
    assert_int_equal(rsi_base_from_order(o.base, 8), 5);
    assert_int_equal(rsi_base_from_order(o.base, 10), 6);
    assert_int_equal(rsi_base_next_order(o.base), 10);
    rsi_bytes_free(&text);
    end(&o);
}

/* ---- files of this machine, which are mapped ---- */

static void wait_for_the_next_look(void)
{
    const int64_t now = rsi_monotonic_ms();
    while (rsi_monotonic_ms() == now)
        rsi_sleep_us(100);
}

static void open_mapped(opened *o, const char *directory, const rsi_bytes *text)
{
    *o = (opened){.disk = NULL};
    power_choose_small(false);
    assert_int_equal(rsi_root_open(&o->root, NULL, directory, true), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(o->root, "api_storage"), RAGSTORE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(open_text(o, text->data, text->size, &rsi_layout_sessions), RAGSTORE_OK);
        assert_int_equal(rsi_base_keep_index(o->base, o->root), RAGSTORE_OK);
    }
    assert_true(rsi_base_has_kept_index(o->base));
}

/* Before it is looked at, and when all of it was: what is in memory of it goes with the cut. */
static void storage_base__survives_that_its_mapped_index_is_cut(void **state)
{
    static const off_t sizes[] = {0, 1, 4096, 8192};
    char path[TEMPORARY_PATH_MAX];
    rsi_bytes text = {0};
    make_sessions(&text);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        opened o;
        open_mapped(&o, temporary_path(state), &text);
        if (i % 2 == 1)
            assert_int_equal(read_all(o.base), RAGSTORE_OK);
        assert_int_equal(truncate(temporary_join(path, state, INDEX), sizes[i / 2]), 0);
        wait_for_the_next_look();
        assert_int_equal(read_all(o.base), RAGSTORE_OK);
        assert_false(rsi_base_has_kept_index(o.base));
        rsi_base_release(o.base);
        rsi_root_close(o.root);
    }
    rsi_bytes_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_base__finds_every_record),
        cmocka_unit_test(storage_base__uses_an_index_that_fits),
        cmocka_unit_test(storage_base__is_right_whatever_byte_of_its_index_is_damaged),
        cmocka_unit_test(storage_base__tells_a_damaged_line_and_serves_the_rest),
        cmocka_unit_test(storage_base__refuses_what_the_library_does_not_write),
        cmocka_unit_test(storage_base__reads_each_layout),
        cmocka_unit_test(storage_base__keeps_places_in_the_order),
        cmocka_unit_test_setup_teardown(storage_base__survives_that_its_mapped_index_is_cut,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
