/*
 * A test collection for search: documents, questions, and which documents answer which question,
 * read in place from a folder with
 *
 *   corpus.jsonl     one object a line: id, title (may be missing), text
 *   queries.jsonl    id, text
 *   qrels.tsv        query-id, doc-id, grade, separated by tabs; other lines are left out
 *
 * Ids are any strings, or numbers. Documents and questions are numbered in the order of their
 * lines.
 * Needs nothing of the library but JSON by jansson.
 */
#ifndef TESTS_HARNESS_COLLECTION_H
#define TESTS_HARNESS_COLLECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define COLLECTION_DEPTH 100 /* documents of a ranking that count */

typedef struct collection_text {
    char *title; /* "" when there is none */
    char *text;
} collection_text;

typedef struct collection_grade {
    size_t document;
    double grade; /* > 0 */
} collection_grade;

typedef struct collection_query {
    char *text;
    collection_grade *grades;
    size_t grade_count;
} collection_query;

typedef struct collection {
    collection_text *documents;
    size_t document_count;
    collection_query *queries;
    size_t query_count;
    size_t judged_count; /* questions with an answer */
    json_t *document_places; /* id → number */
    json_t *query_places;
} collection;

/* NULL: `why` tells what is missing or wrong. */
collection *collection_read(const char *folder, char *why, size_t why_size);
void collection_free(collection *c); /* NULL is fine */

typedef struct collection_quality {
    double ndcg_10; /* gains are grades */
    double recall_10;
    double recall_100;
    size_t queries;
} collection_quality;

/* Add a question's figures: numbers of documents, best first, each once. A question without an
 * answer is left out. */
void collection_judge(collection_quality *sum, const collection *c, size_t query,
                      const size_t *ranked, size_t count);
collection_quality collection_mean(const collection_quality *sum);

#endif
