/* Memory: lib/base/memory.c. */
#include "base/memory.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void base_memory__gives_unique_blocks_even_of_no_bytes(void **state)
{
    (void)state;
    void *a = rsi_alloc(0);
    void *b = rsi_alloc_zeroed(0);
    void *c = rsi_alloc_array(0, 8);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_ptr_not_equal(a, b);
    assert_ptr_not_equal(b, c);
    rsi_free(a);
    rsi_free(b);
    rsi_free(c);
    rsi_free(NULL);
}

static void base_memory__zeroes_where_it_says_so(void **state)
{
    (void)state;
    for (size_t size = 1; size < 5000; size += 97) {
        unsigned char *dirty = rsi_alloc(size); /* so that a reused block is not zero by luck */
        memset(dirty, 0xAA, size);
        rsi_free(dirty);
        unsigned char *block = rsi_alloc_zeroed(size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xAA, size);
        rsi_free(block);
        block = rsi_alloc_array(1, size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        rsi_free(block);
    }
}

static void base_memory__copies_texts(void **state)
{
    (void)state;
    char *text = rsi_strdup("text");
    char *bytes = rsi_memdup0("a\0b", 3);
    char *nothing = rsi_memdup0(NULL, 0);
    assert_string_equal(text, "text");
    assert_memory_equal(bytes, "a\0b\0", 4);
    assert_string_equal(nothing, "");
    rsi_free(text);
    rsi_free(bytes);
    rsi_free(nothing);
}

static void base_memory__refuses_sizes_that_overflow(void **state)
{
    (void)state;
    size_t size = 0;
    assert_null(rsi_alloc_array(SIZE_MAX / 2, 3));
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
    assert_null(rsi_memdup0("x", SIZE_MAX));
    assert_true(rsi_add_size(SIZE_MAX - 1, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_false(rsi_add_size(SIZE_MAX, 1, &size));
    assert_true(rsi_mul_size(SIZE_MAX / 2, 2, &size));
    assert_false(rsi_mul_size(SIZE_MAX / 2 + 1, 2, &size));
}

static void base_memory__streamed_blocks_begin_with_a_line_or_a_large_page(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, ((size_t)2 << 20) - 1, (size_t)2 << 20, 5000001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block;
        unsigned char *start = rsi_alloc_streamed(&block, sizes[i]);
        assert_non_null(start);
        assert_int_equal((uintptr_t)start % (sizes[i] < (size_t)2 << 20 ? 64 : (size_t)2 << 20), 0);
        memset(start, 0xAA, sizes[i]);
        rsi_free(block);
    }
}

static void base_memory__streamed_blocks_may_not_be_had(void **state)
{
    (void)state;
    void *block = &block;
    assert_null(rsi_alloc_streamed(&block, SIZE_MAX));
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
    assert_null(block);
    fault_memory_install();
    fault_memory_fail(1, false);
    assert_null(rsi_alloc_streamed(&block, (size_t)4 << 20));
    fault_memory_disarm();
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
    assert_null(block);
    fault_memory_restore();
}

/* Does the kernel know that `address` should lie in large pages? */
static bool is_advised(const void *address)
{
    char line[512];
    bool inside = false, advised = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            inside = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            advised = strstr(line, " hg") != NULL;
    }
    fclose(maps);
    return advised;
}

static void base_memory__streamed_blocks_ask_for_large_pages(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0 ||
        access("/proc/self/smaps", R_OK) != 0)
        skip(); /* a system that has none */
    void *block;
    char *start = rsi_alloc_streamed(&block, (size_t)6 << 20);
    assert_non_null(start);
    assert_true(is_advised(start));
    assert_true(is_advised(start + ((size_t)6 << 20) - 1));
    rsi_free(block);
}

static void base_memory__grows_arrays_by_doubling(void **state)
{
    (void)state;
    uint64_t *array = NULL;
    size_t capacity = 0;
    unsigned growths = 0;
    for (size_t i = 0; i < 10000; i++) {
        size_t before = capacity;
        assert_true(rsi_grow((void **)&array, &capacity, i + 1, sizeof *array));
        assert_true(capacity >= i + 1);
        growths += capacity != before;
        array[i] = i;
    }
    assert_in_range(growths, 1, 15);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(array[i], i);
    assert_true(rsi_grow((void **)&array, &capacity, 1000000, sizeof *array)); /* at one stroke */
    assert_true(capacity >= 1000000);
    rsi_free(array);
}

static void base_memory__leaves_an_array_that_cannot_grow(void **state)
{
    (void)state;
    char *array = NULL;
    size_t capacity = 0;
    fault_memory_install();
    assert_true(rsi_grow((void **)&array, &capacity, 10, 1));
    memcpy(array, "0123456789", 10);
    size_t before = capacity;
    char *same = array;
    fault_memory_fail(1, false);
    assert_false(rsi_grow((void **)&array, &capacity, 1000, 1));
    fault_memory_disarm();
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
    assert_false(rsi_grow((void **)&array, &capacity, SIZE_MAX / 4, 8)); /* overflows */
    assert_int_equal(capacity, before);
    assert_ptr_equal(array, same);
    assert_memory_equal(array, "0123456789", 10);
    rsi_free(array);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

static void base_memory__sets_the_error_of_every_failed_allocation(void **state)
{
    (void)state;
    fault_memory_install();
    void *block = rsi_alloc(8);
    for (int i = 0; i < 6; i++) {
        rsi_fail(RAGSTORE_E_IO, "test", "an error from before");
        fault_memory_fail(1, false);
        void *result = i == 0   ? rsi_alloc(8)
                       : i == 1 ? rsi_alloc_zeroed(8)
                       : i == 2 ? rsi_alloc_array(2, 8)
                       : i == 3 ? rsi_resize(block, 100)
                       : i == 4 ? rsi_strdup("text")
                                : rsi_memdup0("text", 4);
        fault_memory_disarm();
        assert_null(result);
        assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
        assert_string_equal(rsi_error_message(), "out of memory");
    }
    rsi_free(block); /* a failed resize left it */
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_memory__gives_unique_blocks_even_of_no_bytes),
        cmocka_unit_test(base_memory__zeroes_where_it_says_so),
        cmocka_unit_test(base_memory__copies_texts),
        cmocka_unit_test(base_memory__refuses_sizes_that_overflow),
        cmocka_unit_test(base_memory__streamed_blocks_begin_with_a_line_or_a_large_page),
        cmocka_unit_test(base_memory__streamed_blocks_may_not_be_had),
        cmocka_unit_test(base_memory__streamed_blocks_ask_for_large_pages),
        cmocka_unit_test(base_memory__grows_arrays_by_doubling),
        cmocka_unit_test(base_memory__leaves_an_array_that_cannot_grow),
        cmocka_unit_test(base_memory__sets_the_error_of_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
