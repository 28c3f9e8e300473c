/*
 * Ranked chunks as JSON: the results of a search, the sources of an answer.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include "json_out.h"

#include <ragstore.h>

/* An array of objects; one that is empty when result is NULL. */
void out_results(struct json_out *out, const ragstore_result *result);

#endif
