/*
 * Regular expressions of queries: PCRE2 with limits, so that no pattern can hang or eat the memory.
 *
 * A compiled one can be used by many threads at once.
 */
#ifndef RSI_QUERY_REGEX_H
#define RSI_QUERY_REGEX_H

#include "json/json_view.h"

#define RSI_REGEX_PATTERN_MAX 32764  /* bytes */
#define RSI_REGEX_STEPS_MAX 1000000  /* of one match */
#define RSI_REGEX_HEAP_MAX_KIB 16384 /* of one match */

typedef struct rsi_regex rsi_regex;

/* options: letters of "imsxu". QUERY says what is wrong with them or with the pattern. */
int rsi_regex_compile(rsi_regex **out, const char *pattern, size_t size, const char *options);
void rsi_regex_free(rsi_regex *regex);
/* Somewhere in the text? QUERY: over the limits; NO_MEMORY. */
int rsi_regex_matches(bool *matched, rsi_regex *regex, const rsi_json_view *text);

#endif
