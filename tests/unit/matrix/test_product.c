/*
 * Products of matrices, each kernel against doubles and against each other: lib/matrix/product.c,
 * product_avx2.c, product_avx512.c.
 */
#include "matrix/product.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define GUARD 12345.5f

static const rsi_product_kernel *kernels[3];
static size_t kernel_count;

static int choose_kernels(void **state)
{
    (void)state;
    const rsi_product_kernel *all[] = {&rsi_product_kernel_plain, rsi_product_kernel_avx2(),
                                       rsi_product_kernel_avx512()};
    for (size_t i = 0; i < 3; i++)
        if (all[i] != NULL) {
            print_message("kernel: %s\n", all[i]->name);
            kernels[kernel_count++] = all[i];
        }
    return 0;
}

/* Floats that end where the memory ends: reading beyond them is noticed. */
typedef struct fenced {
    float *data;
    void *mapping;
    size_t size;
} fenced;

static fenced fence(size_t count)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (count * sizeof(float) + page - 1) / page * page;
    fenced out = {.size = bytes + page};
    out.mapping = mmap(NULL, out.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(out.mapping != MAP_FAILED);
    assert_int_equal(mprotect((char *)out.mapping + bytes, page, PROT_NONE), 0);
    out.data = (float *)(void *)((char *)out.mapping + bytes) - count;
    return out;
}

static void fill(fenced *block, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        block->data[i] = (float)(seed >> 8) / 8388608.0f - 1;
    }
}

static void drop(fenced *block)
{
    munmap(block->mapping, block->size);
}

/* A product with rows of `stride` floats more than they need, on each kernel. */
static void check_product(size_t rows, size_t outputs, size_t inputs, size_t gap, bool with_bias,
                          bool turned)
{
    const size_t in_stride = inputs + gap, out_stride = outputs + gap;
    const size_t packed_size = rsi_product_packed_size(outputs, inputs);
    fenced in = fence((rows - 1) * in_stride + inputs), bias = fence(outputs);
    fenced weight = fence(outputs * inputs), packed = fence(packed_size);
    fenced out = fence((rows - 1) * out_stride + outputs), scratch = fence(rows * inputs);
    float *first = malloc(rows * outputs * sizeof *first);
    fill(&in, (rows - 1) * in_stride + inputs, 1);
    fill(&bias, outputs, 2);
    fill(&weight, outputs * inputs, 3);
    if (turned)
        rsi_product_pack_turned(packed.data, weight.data, outputs, inputs, outputs);
    else
        rsi_product_pack(packed.data, weight.data, outputs, inputs, inputs);
    for (size_t k = 0; k < kernel_count; k++) {
        for (size_t i = 0; i < (rows - 1) * out_stride + outputs; i++)
            out.data[i] = GUARD;
        rsi_product(kernels[k], scratch.data, out.data, out_stride, in.data, in_stride, rows,
                    packed.data, with_bias ? bias.data : NULL, outputs, inputs);
        for (size_t r = 0; r < rows; r++) {
            for (size_t o = 0; o < outputs; o++) {
                double sum = with_bias ? (double)bias.data[o] : 0;
                for (size_t i = 0; i < inputs; i++)
                    sum += (double)in.data[r * in_stride + i] *
                           (double)weight.data[turned ? i * outputs + o : o * inputs + i];
                const float got = out.data[r * out_stride + o];
                if (!(fabs((double)got - sum) <= 1e-4))
                    fail_msg("%s: %zu rows, %zu outputs, %zu inputs: [%zu][%zu] is %g, not %g",
                             kernels[k]->name, rows, outputs, inputs, r, o, (double)got, sum);
                if (k == 1)
                    first[r * outputs + o] = got;
                if (k == 2) /* both kernels with fused multiply-adds */
                    assert_memory_equal(&first[r * outputs + o], &got, sizeof got);
            }
            for (size_t g = 0; g < gap && r + 1 < rows; g++)
                assert_true(out.data[r * out_stride + outputs + g] == GUARD);
        }
    }
    free(first);
    fenced *all[] = {&in, &bias, &weight, &packed, &out, &scratch};
    for (size_t i = 0; i < 6; i++)
        drop(all[i]);
}

static void embed_product__agrees_with_its_definition(void **state)
{
    (void)state;
    static const size_t outputs[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 50};
    static const size_t inputs[] = {1, 2, 3, 16, 35};
    for (size_t rows = 1; rows <= 27; rows++)
        for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
            for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                check_product(rows, outputs[o], inputs[i], (rows + o) % 3, (rows + i) % 2 == 0,
                              o % 2 == 0);
}

/* More inputs than a panel holds, and all rows that one call takes. */
static void embed_product__takes_inputs_piece_by_piece(void **state)
{
    (void)state;
    static const size_t inputs[] = {383, 384, 385, 768, 1000};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        check_product(13, 40, inputs[i], 1, true, false);
    check_product(RSI_PRODUCT_ROWS, 33, 400, 5, true, false);
    check_product(RSI_PRODUCT_ROWS - 1, 33, 400, 5, false, true);
}

/* A row's result must not depend on its neighbours: the same vector in any batch. */
static void embed_product__of_a_row_depends_on_the_row_alone(void **state)
{
    (void)state;
    enum { OUTPUTS = 50, INPUTS = 500 };
    fenced in = fence(RSI_PRODUCT_ROWS * INPUTS), weight = fence(OUTPUTS * INPUTS);
    fenced packed = fence(rsi_product_packed_size(OUTPUTS, INPUTS));
    fenced out = fence(RSI_PRODUCT_ROWS * OUTPUTS), scratch = fence(RSI_PRODUCT_ROWS * INPUTS);
    float alone[OUTPUTS];
    fill(&in, RSI_PRODUCT_ROWS * INPUTS, 1);
    fill(&weight, OUTPUTS * INPUTS, 3);
    rsi_product_pack(packed.data, weight.data, OUTPUTS, INPUTS, INPUTS);
    for (size_t k = 0; k < kernel_count; k++)
        for (size_t rows = 2; rows <= RSI_PRODUCT_ROWS; rows += 5) {
            rsi_product(kernels[k], scratch.data, out.data, OUTPUTS, in.data, INPUTS, rows,
                        packed.data, NULL, OUTPUTS, INPUTS);
            const size_t last = rows - 1;
            rsi_product(kernels[k], scratch.data, alone, OUTPUTS, in.data + last * INPUTS, INPUTS,
                        1, packed.data, NULL, OUTPUTS, INPUTS);
            assert_memory_equal(alone, out.data + last * OUTPUTS, sizeof alone);
        }
    fenced *all[] = {&in, &weight, &packed, &out, &scratch};
    for (size_t i = 0; i < 5; i++)
        drop(all[i]);
}

/* Outputs part by part, in any order, are those of the whole. */
static void embed_product__can_be_computed_in_parts(void **state)
{
    (void)state;
    enum { ROWS = 14, OUTPUTS = 100, INPUTS = 500 };
    fenced in = fence(ROWS * INPUTS), weight = fence(OUTPUTS * INPUTS), bias = fence(OUTPUTS);
    fenced packed = fence(rsi_product_packed_size(OUTPUTS, INPUTS));
    fenced whole = fence(ROWS * OUTPUTS), out = fence(ROWS * OUTPUTS), tiles = fence(ROWS * INPUTS);
    fill(&in, ROWS * INPUTS, 1);
    fill(&weight, OUTPUTS * INPUTS, 3);
    fill(&bias, OUTPUTS, 2);
    rsi_product_pack(packed.data, weight.data, OUTPUTS, INPUTS, INPUTS);
    for (size_t k = 0; k < kernel_count; k++) {
        rsi_product(kernels[k], tiles.data, whole.data, OUTPUTS, in.data, INPUTS, ROWS, packed.data,
                    bias.data, OUTPUTS, INPUTS);
        for (size_t i = 0; i < ROWS * OUTPUTS; i++)
            out.data[i] = GUARD;
        rsi_product_arrange(kernels[k], tiles.data, in.data, INPUTS, ROWS, INPUTS);
        rsi_product_part part = {packed.data, bias.data, OUTPUTS, INPUTS, 64, OUTPUTS};
        rsi_product_multiply(kernels[k], out.data, OUTPUTS, tiles.data, ROWS, &part);
        for (size_t i = 0; i < ROWS * OUTPUTS; i++)
            if (i % OUTPUTS < 64)
                assert_true(out.data[i] == GUARD);
        part.first = 0;
        part.end = 64;
        rsi_product_multiply(kernels[k], out.data, OUTPUTS, tiles.data, ROWS, &part);
        assert_memory_equal(whole.data, out.data, ROWS * OUTPUTS * sizeof(float));
    }
    fenced *all[] = {&in, &weight, &bias, &packed, &whole, &out, &tiles};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        drop(all[i]);
}

static void embed_product__knows_sizes_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(rsi_product_packed_size(1, 1), 16);
    assert_int_equal(rsi_product_packed_size(17, 3), 96);
    assert_int_equal(rsi_product_packed_size(SIZE_MAX, 1), 0);
    assert_int_equal(rsi_product_packed_size(SIZE_MAX / 2, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_product__agrees_with_its_definition),
        cmocka_unit_test(embed_product__takes_inputs_piece_by_piece),
        cmocka_unit_test(embed_product__of_a_row_depends_on_the_row_alone),
        cmocka_unit_test(embed_product__can_be_computed_in_parts),
        cmocka_unit_test(embed_product__knows_sizes_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
