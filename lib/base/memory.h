/*
 * All memory of the library comes from here: one small table of functions that
 * tests replace to make the n-th allocation fail.
 *
 * A failed allocation sets the thread's error to RAGSTORE_E_NO_MEMORY (from a
 * static record, nothing is allocated for it) and returns NULL, so that callers
 * only need `return RAGSTORE_E_NO_MEMORY`.
 */
#ifndef RSI_BASE_MEMORY_H
#define RSI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rsi_memory_table {
    void *(*resize)(void *old, size_t size); /* like realloc; size is never 0 */
    void (*release)(void *block);
} rsi_memory_table;

/* The table in use. Replaced by tests before the library is used; never while it is. */
extern rsi_memory_table rsi_memory;

void *rsi_alloc(size_t size);              /* bytes are not initialised; size 0 gives a unique
                                              block */
void *rsi_alloc_zeroed(size_t size);
void *rsi_alloc_array(size_t count, size_t size); /* zeroed, overflow-checked */
void *rsi_resize(void *old, size_t size);  /* on failure old stays valid */
void rsi_free(void *block);                /* NULL is fine */

/*
 * Memory for what is read from end to end over and over: it begins where a line of the processor's
 * cache does, and lies in large pages where the system has any to give, which spare most of the
 * look-ups of addresses. Free *block, not the result. Bytes are not initialised.
 */
void *rsi_alloc_streamed(void **block, size_t size);

char *rsi_strdup(const char *text);
char *rsi_memdup0(const void *data, size_t size); /* a copy with a NUL behind it */

/*
 * Make room for `needed` elements in a growing array. Doubles; overflow-checked.
 * Returns false (error set, array untouched) when memory is short.
 */
bool rsi_grow(void **array, size_t *capacity, size_t needed, size_t element_size);

/* Overflow-checked sizes: false when the result does not fit. */
static inline bool rsi_add_size(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool rsi_mul_size(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

#endif
