/*
 * Makes the n-th allocation of the library fail, once or from then on, and counts
 * the blocks that are alive, so that a test can fail every allocation in turn:
 *
 *   fault_memory_install();
 *   for (unsigned n = 1;; n++) {
 *       fault_memory_fail(n, false);
 *       int status = the_call();
 *       bool failed = fault_memory_failed();
 *       fault_memory_disarm();
 *       …release what the call gave…
 *       assert_int_equal(fault_memory_alive(), alive_before);
 *       if (!failed)
 *           break;                        // the call got by without its n-th allocation
 *       assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
 *   }
 *   fault_memory_restore();
 *
 * Counters are atomic; install and restore only while no other thread uses the library.
 */
#ifndef TESTS_HARNESS_FAULT_MEMORY_H
#define TESTS_HARNESS_FAULT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

void fault_memory_install(void); /* put the counting table in place of rsi_memory */
void fault_memory_restore(void); /* the table from before; disarms */

/* The n-th allocation from now on (1 is the next) fails; all after it too when for_ever. */
void fault_memory_fail(uint64_t n, bool for_ever);
void fault_memory_disarm(void);
bool fault_memory_failed(void);    /* did one fail since fault_memory_fail()? */
uint64_t fault_memory_calls(void); /* allocations and resizes since install */
int64_t fault_memory_alive(void);  /* blocks allocated since install and not released */

#endif
