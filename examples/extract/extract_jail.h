/* Shutting the helper in: after this it can compute, read what it has and write its answer. */
#ifndef EXTRACT_JAIL_H
#define EXTRACT_JAIL_H

#include <stdbool.h>

/*
 * Give up all rights for good. No file can be opened (Landlock, where the kernel has it, and a
 * filter of system calls), and whatever could start a process, open a socket or reach another
 * process ends this one. False when the kernel cannot do it: then nothing may be parsed.
 */
bool jail_enter(void);

/* Have the C library load what it would load from disk later: its character sets. */
void jail_prepare(void);

#endif
