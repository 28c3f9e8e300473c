/* Test collections: see collection.h. */
#include "harness/collection.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being read, and where the reason goes when it cannot be. */
typedef struct reading {
    collection *c;
    const char *folder;
    char *why;
    size_t why_size;
} reading;

static FILE *open_file(const reading *r, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        snprintf(r->why, r->why_size, "%s: %s", path, strerror(errno));
    return file;
}

static const char *id_of(const json_t *object, char number[32])
{
    const json_t *id = json_object_get(object, "id");
    if (json_is_integer(id)) {
        snprintf(number, 32, "%lld", (long long)json_integer_value(id));
        return number;
    }
    return json_string_value(id);
}

static char *copy_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    char *copy = strdup(text == NULL ? "" : text);
    if (copy == NULL)
        abort();
    return copy;
}

/* Room for one more at the end of an array that grows by doubling. */
static void *grow(void *items, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return items;
    void *grown = realloc(items, (count == 0 ? 1 : count * 2) * size);
    if (grown == NULL)
        abort();
    return grown;
}

static void keep_document(collection *c, const json_t *object)
{
    c->documents = grow(c->documents, c->document_count, sizeof *c->documents);
    c->documents[c->document_count++] =
        (collection_text){copy_member(object, "title"), copy_member(object, "text")};
}

static void keep_query(collection *c, const json_t *object)
{
    c->queries = grow(c->queries, c->query_count, sizeof *c->queries);
    c->queries[c->query_count++] = (collection_query){.text = copy_member(object, "text")};
}

static bool read_lines(const reading *r, const char *name, json_t *places,
                       void (*keep)(collection *c, const json_t *object))
{
    FILE *file = open_file(r, name);
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    ssize_t length;
    if (file == NULL)
        return false;
    while (good && (length = getline(&line, &room, file)) > 0) {
        char number[32];
        json_t *object = json_loadb(line, (size_t)length, 0, NULL);
        const char *id = id_of(object, number);
        good = id != NULL && json_is_string(json_object_get(object, "text"));
        if (good) {
            json_object_set_new(places, id, json_integer((json_int_t)json_object_size(places)));
            keep(r->c, object);
        } else {
            snprintf(r->why, r->why_size, "%s/%s, line %zu: no object with id and text", r->folder,
                     name, json_object_size(places) + 1);
        }
        json_decref(object);
    }
    free(line);
    fclose(file);
    return good;
}

static void keep_grade(collection *c, const char *query, const char *document, double grade)
{
    const json_t *at_query = json_object_get(c->query_places, query);
    const json_t *at_document = json_object_get(c->document_places, document);
    if (at_query == NULL || at_document == NULL || !(grade > 0))
        return;
    collection_query *of = &c->queries[json_integer_value(at_query)];
    c->judged_count += of->grade_count == 0;
    of->grades = grow(of->grades, of->grade_count, sizeof *of->grades);
    of->grades[of->grade_count++] =
        (collection_grade){(size_t)json_integer_value(at_document), grade};
}

static bool read_grades(const reading *r)
{
    FILE *file = open_file(r, "qrels.tsv");
    char line[1024];
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest;
        const char *query = strtok_r(line, "\t\r\n", &rest);
        const char *document = strtok_r(NULL, "\t\r\n", &rest);
        const char *grade = strtok_r(NULL, "\t\r\n", &rest);
        if (query != NULL && document != NULL && grade != NULL)
            keep_grade(r->c, query, document, strtod(grade, NULL));
    }
    fclose(file);
    return true;
}

collection *collection_read(const char *folder, char *why, size_t why_size)
{
    collection *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->document_places = json_object();
    c->query_places = json_object();
    const reading r = {c, folder, why, why_size};
    if (read_lines(&r, "corpus.jsonl", c->document_places, keep_document) &&
        read_lines(&r, "queries.jsonl", c->query_places, keep_query) && read_grades(&r))
        return c;
    collection_free(c);
    return NULL;
}

void collection_free(collection *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->document_count; i++) {
        free(c->documents[i].title);
        free(c->documents[i].text);
    }
    for (size_t i = 0; i < c->query_count; i++) {
        free(c->queries[i].text);
        free(c->queries[i].grades);
    }
    free(c->documents);
    free(c->queries);
    json_decref(c->document_places);
    json_decref(c->query_places);
    free(c);
}

/* ---- judging ---- */

static double grade_of(const collection_query *query, size_t document)
{
    for (size_t i = 0; i < query->grade_count; i++)
        if (query->grades[i].document == document)
            return query->grades[i].grade;
    return 0;
}

static int compare_grades(const void *a, const void *b)
{
    double left = ((const collection_grade *)a)->grade;
    double right = ((const collection_grade *)b)->grade;
    return (left < right) - (left > right);
}

void collection_judge(collection_quality *sum, const collection *c, size_t query,
                      const size_t *ranked, size_t count)
{
    const collection_query *asked = &c->queries[query];
    double gain = 0;
    double best = 0;
    size_t in_10 = 0;
    size_t in_100 = 0;
    if (asked->grade_count == 0)
        return;
    for (size_t i = 0; i < count && i < COLLECTION_DEPTH; i++) {
        double grade = grade_of(asked, ranked[i]);
        gain += i < 10 ? grade / log2((double)i + 2) : 0;
        in_10 += i < 10 && grade > 0;
        in_100 += grade > 0;
    }
    qsort(asked->grades, asked->grade_count, sizeof *asked->grades, compare_grades);
    for (size_t i = 0; i < asked->grade_count && i < 10; i++)
        best += asked->grades[i].grade / log2((double)i + 2);
    sum->ndcg_10 += gain / best;
    sum->recall_10 += (double)in_10 / (double)asked->grade_count;
    sum->recall_100 += (double)in_100 / (double)asked->grade_count;
    sum->queries++;
}

collection_quality collection_mean(const collection_quality *sum)
{
    const double queries = sum->queries == 0 ? 1 : (double)sum->queries;
    return (collection_quality){sum->ndcg_10 / queries, sum->recall_10 / queries,
                                sum->recall_100 / queries, sum->queries};
}
