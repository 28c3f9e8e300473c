/*
 * Locales whose decimal point is not '.', made for the test by the system's localedef, so that
 * they need not be installed:
 *
 *   de_DE   one byte:  1,5
 *   ps_AF   two bytes: U+066B
 */
#ifndef TESTS_HARNESS_LOCALES_H
#define TESTS_HARNESS_LOCALES_H

#include <stdbool.h>

/* Compile the locale below `directory` and switch the process to it. False, with a message,
 * where the machine has no localedef or no sources for it. */
bool locales_use(const char *directory, const char *name);
void locales_restore(void); /* back to "C" */

#endif
