/*
 * Files of a model: lib/embed/model_file.c.
 */
#include "embed/model_file.h"

#include "base/status.h"
#include "harness/temporary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGES 64

static size_t page_size;

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 31 + i / 4096);
}

static void write_file(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < PAGES * page_size; i++)
        putc(byte_at(i), file);
    assert_int_equal(fclose(file), 0);
}

/* Is a page of the mapping in this process's memory? */
static bool is_here(int pagemap, const unsigned char *data, size_t page)
{
    uint64_t entry;
    const size_t number = (uintptr_t)data / page_size + page;
    assert_int_equal(pread(pagemap, &entry, sizeof entry, (off_t)(number * sizeof entry)),
                     sizeof entry);
    return entry >> 63 != 0;
}

static void check_bytes(const rsi_model_file *file)
{
    for (size_t i = 0; i < file->size; i++)
        assert_int_equal(file->data[i], byte_at(i));
}

static void embed_model_file__lets_pages_go_that_lie_within_a_part(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_model_file file;
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    write_file(temporary_join(path, state, "weights"));
    assert_int_equal(rsi_model_file_map(&file, temporary_path(state), "weights"), RAGSTORE_OK);
    assert_int_equal(file.size, PAGES * page_size);
    const int pagemap = open("/proc/self/pagemap", O_RDONLY);
    if (pagemap < 0)
        skip();
    check_bytes(&file);
    for (size_t page = 0; page < PAGES; page++)
        assert_true(is_here(pagemap, file.data, page));
    /* from within page 3 to within page 20 */
    rsi_model_file_let_go(file.data + 3 * page_size + 1, 17 * page_size);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(is_here(pagemap, file.data, page), page <= 3 || page >= 20);
    rsi_model_file_let_go(file.data + 30 * page_size + 1, page_size); /* no whole page */
    assert_true(is_here(pagemap, file.data, 30) && is_here(pagemap, file.data, 31));
    check_bytes(&file);
    close(pagemap);
    rsi_model_file_unmap(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(embed_model_file__lets_pages_go_that_lie_within_a_part,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
