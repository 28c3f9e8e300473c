/*
 * Calls of the C library that touch files, as two sets of functions in front of it:
 *
 *   pread(…)        what everybody calls: noted while watching, then passed on
 *   table_pread(…)  what files/files_posix*.c and embed/model_file.c call instead, because their
 *                   objects were renamed so when this program was linked (Makefile): passed on
 *
 * So a call is made by the table, or it is noted. Calls within the C library itself are not seen;
 * those that begin one, such as fopen(), are.
 */
#ifndef TESTS_LAYERS_WATCHED_CALLS_H
#define TESTS_LAYERS_WATCHED_CALLS_H

void watched_begin(void);
void watched_end(void);
unsigned watched_noted(void);    /* how many calls since the beginning */
unsigned watched_by_table(void); /* how many the table has made */
const char *watched_first(void); /* the first noted: its name and path */

#endif
