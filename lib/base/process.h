/*
 * Which process is this? fork() makes a copy whose locks and threads are not what they seem:
 * whoever keeps something that a child must not use remembers the number below and compares it.
 *
 * The number costs a read, not a system call. It counts forks from the first process of the program
 * that asked; handlers run in the child only. Any thread.
 */
#ifndef RSI_BASE_PROCESS_H
#define RSI_BASE_PROCESS_H

#include <stdint.h>

uint64_t rsi_process_number(void);

#endif
