/* The Cranfield collection: see cranfield.h. */
#include "harness/cranfield.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What could not be read, kept by the caller. */
typedef struct excuse {
    char *text;
    size_t size;
} excuse;

static FILE *open_file(const char *name, const excuse *why)
{
    const char *shared = getenv("RAGSTORE_SHARED_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/cranfield/%s", shared != NULL ? shared : "../shared/data",
             name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        snprintf(why->text, why->size,
                 "%s: %s. Set RAGSTORE_SHARED_DATA to the folder that holds cranfield/.", path,
                 strerror(errno));
    return file;
}

/* Calls use() for each line, a JSON object with a number as "id"; false stops. */
static bool each_line(const char *name, const excuse *why, cranfield *collection,
                      bool (*use)(cranfield *collection, size_t id, const json_t *object))
{
    FILE *file = open_file(name, why);
    char *line = NULL;
    size_t room = 0;
    size_t number = 0;
    bool good = true;
    ssize_t length;
    if (file == NULL)
        return false;
    while (good && (length = getline(&line, &room, file)) > 0) {
        json_t *object = json_loadb(line, (size_t)length, 0, NULL);
        const char *id = json_string_value(json_object_get(object, "id"));
        number++;
        good = id != NULL && json_is_string(json_object_get(object, "text")) &&
               use(collection, (size_t)strtoul(id, NULL, 10), object);
        json_decref(object);
    }
    if (!good)
        snprintf(why->text, why->size, "cranfield/%s, line %zu: not what its README describes",
                 name, number);
    free(line);
    fclose(file);
    return good;
}

static char *copy_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return strdup(text == NULL ? "" : text);
}

static bool keep_document(cranfield *collection, size_t id, const json_t *object)
{
    if (id >= CRANFIELD_DOCUMENTS_MAX || collection->documents[id].title != NULL)
        return false;
    cranfield_document *document = &collection->documents[id];
    document->title = copy_member(object, "title");
    document->text = copy_member(object, "text");
    collection->document_count++;
    return document->title != NULL && document->text != NULL;
}

static bool keep_query(cranfield *collection, size_t id, const json_t *object)
{
    if (id >= CRANFIELD_QUERIES_MAX || collection->queries[id] != NULL)
        return false;
    collection->queries[id] = copy_member(object, "text");
    collection->query_count++;
    return collection->queries[id] != NULL;
}

static bool read_judgements(cranfield *collection, const excuse *why)
{
    FILE *file = open_file("qrels.tsv", why);
    char line[256];
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        char *end;
        unsigned long query = strtoul(line, &end, 10);
        unsigned long document = strtoul(end, &end, 10);
        long grade = strtol(end, NULL, 10);
        if (grade > 0 && query < CRANFIELD_QUERIES_MAX && document < CRANFIELD_DOCUMENTS_MAX)
            collection->relevant[query][document] = 1;
    }
    fclose(file);
    return true;
}

cranfield *cranfield_read(char *why, size_t why_size)
{
    const excuse excuse_of = {why, why_size};
    cranfield *collection = calloc(1, sizeof *collection);
    if (collection == NULL) {
        snprintf(why, why_size, "no memory for the collection");
        return NULL;
    }
    if (each_line("corpus.jsonl", &excuse_of, collection, keep_document) &&
        each_line("queries.jsonl", &excuse_of, collection, keep_query) &&
        read_judgements(collection, &excuse_of))
        return collection;
    cranfield_free(collection);
    return NULL;
}

void cranfield_free(cranfield *collection)
{
    if (collection == NULL)
        return;
    for (size_t i = 0; i < CRANFIELD_DOCUMENTS_MAX; i++) {
        free(collection->documents[i].title);
        free(collection->documents[i].text);
    }
    for (size_t i = 0; i < CRANFIELD_QUERIES_MAX; i++)
        free(collection->queries[i]);
    free(collection);
}

bool cranfield_has_answer(const cranfield *collection, size_t query)
{
    return query < CRANFIELD_QUERIES_MAX && collection->queries[query] != NULL &&
           memchr(collection->relevant[query], 1, CRANFIELD_DOCUMENTS_MAX) != NULL;
}

void cranfield_judge(cranfield_quality *sum, const cranfield *collection, size_t query,
                     const size_t *ranked, size_t count)
{
    double gain = 0;
    double best_gain = 0;
    size_t relevant = 0;
    size_t in_10 = 0;
    size_t in_100 = 0;
    if (!cranfield_has_answer(collection, query))
        return;
    for (size_t i = 0; i < CRANFIELD_DOCUMENTS_MAX; i++)
        relevant += collection->relevant[query][i];
    for (size_t i = 0; i < 10 && i < relevant; i++)
        best_gain += 1 / log2((double)i + 2);
    for (size_t i = 0; i < count && i < CRANFIELD_DEPTH; i++) {
        if (ranked[i] >= CRANFIELD_DOCUMENTS_MAX || !collection->relevant[query][ranked[i]])
            continue;
        in_100++;
        in_10 += i < 10;
        gain += i < 10 ? 1 / log2((double)i + 2) : 0;
    }
    sum->ndcg_10 += gain / best_gain;
    sum->recall_10 += (double)in_10 / (double)relevant;
    sum->recall_100 += (double)in_100 / (double)relevant;
    sum->queries++;
}

cranfield_quality cranfield_mean(const cranfield_quality *sum)
{
    double n = sum->queries == 0 ? 1 : (double)sum->queries;
    return (cranfield_quality){sum->ndcg_10 / n, sum->recall_10 / n, sum->recall_100 / n,
                               sum->queries};
}
