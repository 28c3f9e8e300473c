/* What the bytes of a stretch of text are: lib/lexical/text_masks.c. */
#include "lexical/text_masks.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_one_of(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static void lexical_text_masks__tell_every_byte_at_every_place(void **state)
{
    (void)state;
    static const char word[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (unsigned place = 0; place < RSI_MASKED_BYTES; place++) {
        for (int byte = INT8_MIN; byte <= INT8_MAX; byte++) {
            char stretch[RSI_MASKED_BYTES] = {0};
            const char c = (char)byte;
            const uint64_t bit = UINT64_C(1) << place;
            stretch[place] = c;
            const rsi_text_masks masks = rsi_text_masks_of(stretch);
            assert_int_equal(masks.word, is_one_of(word, c) ? bit : 0);
            assert_int_equal(masks.hinge, is_one_of("'.", c) ? bit : 0);
            assert_int_equal(masks.joiner, is_one_of("_+#", c) ? bit : 0);
            assert_int_equal(masks.foreign, byte < 0 ? bit : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_text_masks__tell_every_byte_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
