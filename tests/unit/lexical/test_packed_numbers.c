/* Numbers of 7 bits a byte: lib/lexical/packed_numbers.h. */
#include "lexical/packed_numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_packs(uint32_t number)
{
    unsigned char bytes[RSI_PACKED_MAX];
    unsigned char quick[RSI_PACKED_MAX];
    const size_t size = rsi_put_packed(bytes, number);
    assert_in_range(size, 1, RSI_PACKED_MAX);
    assert_int_equal(rsi_put_packed_quickly(quick, number), size);
    assert_memory_equal(quick, bytes, size);
    const unsigned char *at = bytes;
    assert_int_equal(rsi_take_packed(&at), number);
    assert_ptr_equal(at, bytes + size);
    uint32_t checked;
    at = bytes;
    assert_true(rsi_take_packed_checked(&checked, &at, bytes + size));
    assert_int_equal(checked, number);
    at = bytes;
    assert_false(rsi_take_packed_checked(&checked, &at, bytes + size - 1));
}

static void lexical_packed_numbers__come_back_whichever_way_they_were_written(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 32; bit++)
        for (uint32_t around = 0; around < 5; around++)
            assert_packs((UINT32_C(1) << bit) - 2 + around);
    for (uint32_t number = 1; number < UINT32_MAX / 3; number = number * 3 + 1)
        assert_packs(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_packed_numbers__come_back_whichever_way_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
