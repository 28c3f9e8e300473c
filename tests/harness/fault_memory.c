/* Failing allocations: see fault_memory.h. */
#include "harness/fault_memory.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stddef.h>

static rsi_memory_table real;
static atomic_int_fast64_t left; /* allocations until the failing one; 0: it was */
static atomic_bool armed;
static atomic_bool stays;
static atomic_bool struck;
static atomic_uint_fast64_t calls;
static atomic_int_fast64_t alive;

static bool must_fail(void)
{
    if (!atomic_load(&armed))
        return false;
    int_fast64_t before = atomic_fetch_sub(&left, 1);
    if (before > 1 || (before < 1 && !atomic_load(&stays)))
        return false;
    atomic_store(&struck, true);
    return true;
}

static void *counted_resize(void *old, size_t size)
{
    atomic_fetch_add(&calls, 1);
    if (must_fail())
        return NULL;
    void *block = real.resize(old, size);
    if (block != NULL && old == NULL)
        atomic_fetch_add(&alive, 1);
    return block;
}

static void counted_release(void *block)
{
    atomic_fetch_sub(&alive, 1);
    real.release(block);
}

void fault_memory_install(void)
{
    fault_memory_disarm();
    atomic_store(&calls, 0);
    atomic_store(&alive, 0);
    if (rsi_memory.resize == counted_resize)
        return;
    real = rsi_memory;
    rsi_memory = (rsi_memory_table){counted_resize, counted_release};
}

void fault_memory_restore(void)
{
    fault_memory_disarm();
    if (rsi_memory.resize == counted_resize)
        rsi_memory = real;
}

void fault_memory_fail(uint64_t n, bool for_ever)
{
    atomic_store(&left, (int_fast64_t)n);
    atomic_store(&stays, for_ever);
    atomic_store(&struck, false);
    atomic_store(&armed, true);
}

void fault_memory_disarm(void)
{
    atomic_store(&armed, false);
}

bool fault_memory_failed(void)
{
    return atomic_load(&struck);
}

uint64_t fault_memory_calls(void)
{
    return atomic_load(&calls);
}

int64_t fault_memory_alive(void)
{
    return atomic_load(&alive);
}
