/*
 * The Cranfield collection, read in place, and how well a ranking of its documents answers its
 * questions. Needs nothing of the library but JSON by jansson, so that tests of the public calls
 * and benchmarks can use it, too.
 *
 *   cranfield *collection = cranfield_read(why, sizeof why);
 *   if (collection == NULL) …it is not on this machine: `why` says so, and what to do…
 *   for each question q: cranfield_judge(&sum, collection, q, ranked, count);
 *   cranfield_quality quality = cranfield_mean(&sum);
 */
#ifndef TESTS_HARNESS_CRANFIELD_H
#define TESTS_HARNESS_CRANFIELD_H

#include <stdbool.h>
#include <stddef.h>

#define CRANFIELD_DOCUMENTS_MAX 2000
#define CRANFIELD_QUERIES_MAX 300
#define CRANFIELD_DEPTH 100 /* documents of a ranking that count */

typedef struct cranfield_document {
    char *title; /* NULL: no document has this id */
    char *text;
} cranfield_document;

typedef struct cranfield {
    cranfield_document documents[CRANFIELD_DOCUMENTS_MAX]; /* by id */
    char *queries[CRANFIELD_QUERIES_MAX];                  /* by id; NULL: none */
    unsigned char relevant[CRANFIELD_QUERIES_MAX][CRANFIELD_DOCUMENTS_MAX];
    size_t document_count;
    size_t query_count;
} cranfield;

/* Read it from $RAGSTORE_SHARED_DATA, or ../shared/data. NULL: `why` tells what is missing. */
cranfield *cranfield_read(char *why, size_t why_size);
void cranfield_free(cranfield *collection); /* NULL is fine */

bool cranfield_has_answer(const cranfield *collection, size_t query);

typedef struct cranfield_quality {
    double ndcg_10; /* grades are 0 and 1 */
    double recall_10;
    double recall_100;
    size_t queries;
} cranfield_quality;

/* Add one question's figures: ids of documents, best first, each once. Questions without a
 * relevant document are left out. */
void cranfield_judge(cranfield_quality *sum, const cranfield *collection, size_t query,
                     const size_t *ranked, size_t count);
cranfield_quality cranfield_mean(const cranfield_quality *sum);

#endif
