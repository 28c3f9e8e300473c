/* Memory: see memory.h. */
#include "base/memory.h"

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_LINE ((size_t)64)
#define LARGE_PAGE ((size_t)2 << 20)

static void *resize_with_libc(void *old, size_t size)
{
    return realloc(old, size);
}

rsi_memory_table rsi_memory = {resize_with_libc, free};

void *rsi_resize(void *old, size_t size)
{
    void *block = rsi_memory.resize(old, size == 0 ? 1 : size);
    if (block == NULL)
        rsi_fail_no_memory();
    return block;
}

void *rsi_alloc(size_t size)
{
    return rsi_resize(NULL, size);
}

void *rsi_alloc_zeroed(size_t size)
{
    void *block = rsi_alloc(size);
    if (block != NULL)
        memset(block, 0, size == 0 ? 1 : size);
    return block;
}

void *rsi_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (!rsi_mul_size(count, size, &total)) {
        rsi_fail_no_memory();
        return NULL;
    }
    return rsi_alloc_zeroed(total);
}

void rsi_free(void *block)
{
    if (block != NULL)
        rsi_memory.release(block);
}

void *rsi_alloc_streamed(void **block, size_t size)
{
    const size_t alignment = size < LARGE_PAGE ? CACHE_LINE : LARGE_PAGE;
    size_t with_gap;
    *block = NULL;
    if (!rsi_add_size(size, alignment - 1, &with_gap)) {
        rsi_fail_no_memory();
        return NULL;
    }
    *block = rsi_alloc(with_gap);
    if (*block == NULL)
        return NULL;
    char *start = (char *)*block + (alignment - (uintptr_t)*block % alignment) % alignment;
    /* A wish: a system without large pages leaves the memory as it is. */
    if (alignment == LARGE_PAGE)
        (void)madvise(start, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    return start;
}

char *rsi_memdup0(const void *data, size_t size)
{
    size_t with_end;
    if (!rsi_add_size(size, 1, &with_end)) {
        rsi_fail_no_memory();
        return NULL;
    }
    char *copy = rsi_alloc(with_end);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *rsi_strdup(const char *text)
{
    return rsi_memdup0(text, strlen(text));
}

bool rsi_grow(void **array, size_t *capacity, size_t needed, size_t element_size)
{
    if (needed <= *capacity)
        return true;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < needed) {
        if (!rsi_mul_size(wanted, 2, &wanted)) {
            wanted = needed;
            break;
        }
    }
    size_t bytes;
    if (!rsi_mul_size(wanted, element_size, &bytes)) {
        rsi_fail_no_memory();
        return false;
    }
    void *grown = rsi_resize(*array, bytes);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}
