/* The safetensors file format, whole and hostile: lib/embed/safetensors.c. */
#include "embed/safetensors.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct image {
    unsigned char *bytes; /* exactly `size`, so that a sanitizer sees each step too far */
    size_t size;
} image;

/* A file of a header and data_size bytes 0, 1, 2, … */
static image image_of(const char *header, size_t data_size)
{
    size_t length = strlen(header);
    image file = {malloc(8 + length + data_size), 8 + length + data_size};
    for (size_t i = 0; i < 8; i++)
        file.bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(file.bytes + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        file.bytes[8 + length + i] = (unsigned char)i;
    return file;
}

static const char good[] =
    "{\"__metadata__\": {\"format\": \"pt\"},"
    " \"b\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [24, 28]},"
    " \"a\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [0, 24]},"
    " \"empty\": {\"dtype\": \"F32\", \"shape\": [0, 7], \"data_offsets\": [24, 24]},"
    " \"scalar\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [28, 36]}}   ";

static void embed_safetensors__finds_tensors_by_name(void **state)
{
    (void)state;
    image file = image_of(good, 36);
    rsi_safetensors table;
    assert_int_equal(rsi_safetensors_parse(&table, file.bytes, file.size), RAGSTORE_OK);
    assert_int_equal(table.count, 4);
    const rsi_tensor *a = rsi_safetensors_find(&table, "a");
    const rsi_tensor *b = rsi_safetensors_find(&table, "b");
    const rsi_tensor *scalar = rsi_safetensors_find(&table, "scalar");
    assert_int_equal(a->type, RSI_TENSOR_F32);
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal(a->count, 6);
    assert_ptr_equal(a->data, file.bytes + 8 + strlen(good));
    assert_int_equal(b->type, RSI_TENSOR_F16);
    assert_ptr_equal(b->data, a->data + 24);
    assert_int_equal(rsi_safetensors_find(&table, "empty")->count, 0);
    assert_int_equal(scalar->type, RSI_TENSOR_OTHER);
    assert_int_equal(scalar->count, 1);
    assert_null(rsi_safetensors_find(&table, "__metadata__"));
    assert_null(rsi_safetensors_find(&table, "c"));
    rsi_safetensors_free(&table);
    free(file.bytes);
}

static void refused(const char *header, size_t data_size, int code, const char *why)
{
    image file = image_of(header, data_size);
    rsi_safetensors table;
    int status = rsi_safetensors_parse(&table, file.bytes, file.size);
    if (status != code || strstr(rsi_error_message(), why) == NULL)
        fail_msg("%s\n: %d, %s", header, status, status == 0 ? "accepted" : rsi_error_message());
    assert_null(table.tensors);
    assert_int_equal(table.count, 0);
    free(file.bytes);
}

#define TENSOR(name, type, shape, offsets)                                                         \
    "\"" name "\": {\"dtype\": \"" type "\", \"shape\": " shape ", \"data_offsets\": " offsets "}"
#define ONE(type, shape, offsets) "{" TENSOR("a", type, shape, offsets) "}"

static void embed_safetensors__refuses_numbers_that_make_no_sense(void **state)
{
    (void)state;
    const int bad = RAGSTORE_E_INVALID_DATA;
    refused(ONE("F32", "[2]", "[0, 8]"), 7, bad, "outside");
    refused(ONE("F32", "[2]", "[8, 16]"), 8, bad, "outside");
    refused(ONE("F32", "[2]", "[8, 0]"), 8, bad, "outside");
    refused(ONE("F32", "[2]", "[-8, 0]"), 8, bad, "data_offsets");
    refused(ONE("F32", "[2]", "[0]"), 8, bad, "data_offsets");
    refused(ONE("F32", "[2]", "[0, 8, 8]"), 8, bad, "data_offsets");
    refused(ONE("F32", "[2]", "[0, 8.0]"), 8, bad, "data_offsets");
    refused(ONE("F32", "[2]", "\"0, 8\""), 8, bad, "data_offsets");
    refused(ONE("F32", "[2]", "[0, 18446744073709551615]"), 8, bad, "");
    refused(ONE("F32", "[3]", "[0, 8]"), 8, bad, "contradict");
    refused(ONE("F32", "[-2]", "[0, 8]"), 8, bad, "dimension");
    refused(ONE("F32", "[true]", "[0, 8]"), 8, bad, "dimension");
    refused(ONE("F32", "{}", "[0, 8]"), 8, bad, "shape");
    refused(ONE("F32", "[1,1,1,1,1,1,1,1,2]", "[0, 8]"), 8, bad, "dimensions");
    refused(ONE("F32", "[4294967296, 4294967296]", "[0, 0]"), 0, bad, "absurdly");
    refused(ONE("F32", "[4611686018427387905]", "[0, 4]"), 4, bad, "contradict");
    refused("{\"a\": {\"shape\": [2], \"data_offsets\": [0, 8]}}", 8, bad, "dtype");
    refused("{\"a\": {\"dtype\": \"F32\", \"data_offsets\": [0, 8]}}", 8, bad, "shape");
    refused("{\"a\": {\"dtype\": \"F32\", \"shape\": [2]}}", 8, bad, "data_offsets");
    refused("{\"a\": 5}", 8, bad, "dtype");
    refused(ONE("F31", "[2]", "[0, 8]"), 8, RAGSTORE_E_UNSUPPORTED, "F31");
}

static void embed_safetensors__refuses_overlaps_and_gaps(void **state)
{
    (void)state;
    const int bad = RAGSTORE_E_INVALID_DATA;
    refused("{" TENSOR("a", "F32", "[2]", "[0, 8]") "," TENSOR("b", "F32", "[2]", "[4, 12]") "}",
            12, bad, "overlaps");
    refused("{" TENSOR("a", "F32", "[2]", "[0, 8]") "," TENSOR("b", "F32", "[2]", "[0, 8]") "}", 8,
            bad, "overlaps");
    refused("{" TENSOR("a", "F32", "[2]", "[0, 8]") "," TENSOR("b", "F32", "[1]", "[12, 16]") "}",
            16, bad, "gap");
    refused(ONE("F32", "[2]", "[0, 8]"), 9, bad, "behind the last");
    refused("{}", 1, bad, "behind the last");
}

static void embed_safetensors__refuses_headers_that_are_no_objects(void **state)
{
    (void)state;
    const int bad = RAGSTORE_E_INVALID_DATA;
    char *deep = malloc(100001);
    refused("", 0, bad, "");
    refused("[]", 0, bad, "object");
    refused("7", 0, bad, "object");
    refused("{\"a\": ", 0, bad, "line 1");
    refused("{\"a\xFF\": 1}", 0, bad, "line 1");
    refused("{" TENSOR("a", "F32", "[0]", "[0, 0]") "," TENSOR("a", "F32", "[0]", "[0, 0]") "}", 0,
            bad, "line 1");
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    refused(deep, 0, bad, "");
    memcpy(deep, "{\"a\":", 5);
    refused(deep, 0, bad, "");
    free(deep);
}

static void embed_safetensors__refuses_header_lengths_beyond_the_file(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {1,
                                       7,
                                       257,
                                       1u << 24,
                                       UINT32_MAX,
                                       (uint64_t)1 << 32,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       UINT64_MAX - 7,
                                       UINT64_MAX - 8};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        image file = image_of(good, 36);
        rsi_safetensors table;
        memcpy(file.bytes, &lengths[i], 8);
        assert_int_equal(rsi_safetensors_parse(&table, file.bytes, file.size),
                         RAGSTORE_E_INVALID_DATA);
        free(file.bytes);
    }
}

static void embed_safetensors__refuses_a_file_cut_off_anywhere(void **state)
{
    (void)state;
    image whole = image_of(good, 36);
    for (size_t size = 0; size < whole.size; size++) {
        unsigned char *part = malloc(size + (size == 0));
        memcpy(part, whole.bytes, size);
        rsi_safetensors table;
        assert_int_equal(rsi_safetensors_parse(&table, part, size), RAGSTORE_E_INVALID_DATA);
        free(part);
    }
    free(whole.bytes);
}

/* Whatever a changed byte makes of a file: accepted tensors lie within it. */
static void embed_safetensors__stays_within_a_file_with_changed_bytes(void **state)
{
    (void)state;
    image file = image_of(good, 36);
    uint32_t random = 1;
    size_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        random = random * 1664525u + 1013904223u;
        size_t at = (random >> 8) % file.size;
        random = random * 1664525u + 1013904223u;
        unsigned char before = file.bytes[at];
        file.bytes[at] = (unsigned char)(random >> 24);
        rsi_safetensors table;
        if (rsi_safetensors_parse(&table, file.bytes, file.size) == RAGSTORE_OK) {
            accepted++;
            for (size_t i = 0; i < table.count; i++) {
                assert_true(table.tensors[i].data >= file.bytes);
                assert_true(table.tensors[i].size <=
                            (size_t)(file.bytes + file.size - table.tensors[i].data));
            }
            rsi_safetensors_free(&table);
        }
        file.bytes[at] = before;
    }
    assert_true(accepted > 0); /* changed data, at least, is no fault of the format */
    free(file.bytes);
}

static void embed_safetensors__converts_half_precision(void **state)
{
    (void)state;
    static const unsigned char halves[] = {0x00, 0x3C, 0x00, 0xC0, 0xFF, 0x7B, 0x01, 0x00,
                                           0x00, 0x80, 0x00, 0x04, 0x00, 0x7C, 0x55, 0x35};
    static const float expected[] = {1, -2, 65504, 0x1p-24f, -0.0f, 0x1p-14f, 0, 0.33325195f};
    rsi_tensor tensor = {.type = RSI_TENSOR_F16, .count = 8, .data = halves, .size = 16};
    float out[8];
    rsi_tensor_to_float(out, &tensor);
    for (size_t i = 0; i < 8; i++)
        if (i != 6)
            assert_memory_equal(&out[i], &expected[i], sizeof(float));
    assert_true(out[6] > 3e38f); /* infinity */

    static const unsigned char brain[] = {0x80, 0x3F, 0x20, 0xC1};
    tensor = (rsi_tensor){.type = RSI_TENSOR_BF16, .count = 2, .data = brain, .size = 4};
    rsi_tensor_to_float(out, &tensor);
    assert_true(out[0] == 1.0f && out[1] == -10.0f);
}

static void embed_safetensors__survives_each_failing_allocation(void **state)
{
    (void)state;
    image file = image_of(good, 36);
    fault_memory_install();
    unsigned n = 1;
    for (bool failed = true; failed; n++) {
        rsi_safetensors table;
        fault_memory_fail(n, false);
        int status = rsi_safetensors_parse(&table, file.bytes, file.size);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        rsi_safetensors_free(&table);
        assert_int_equal(fault_memory_alive(), 0);
    }
    fault_memory_restore();
    assert_true(n > 5);
    free(file.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_safetensors__finds_tensors_by_name),
        cmocka_unit_test(embed_safetensors__refuses_numbers_that_make_no_sense),
        cmocka_unit_test(embed_safetensors__refuses_overlaps_and_gaps),
        cmocka_unit_test(embed_safetensors__refuses_headers_that_are_no_objects),
        cmocka_unit_test(embed_safetensors__refuses_header_lengths_beyond_the_file),
        cmocka_unit_test(embed_safetensors__refuses_a_file_cut_off_anywhere),
        cmocka_unit_test(embed_safetensors__stays_within_a_file_with_changed_bytes),
        cmocka_unit_test(embed_safetensors__converts_half_precision),
        cmocka_unit_test(embed_safetensors__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
