/*
 * How well search finds what was asked for: nDCG@10, recall@10 and recall@100 of keyword, vector
 * and hybrid search on the Cranfield collection, through the public calls.
 *
 *   bench_quality [--json] [--files] [--store DIR] [--model DIR] [--int8]
 *
 *   --json       one JSON object a line instead of the table
 *   --files      upload each abstract as a file, which the library cuts as it cuts any; without
 *                it each is one chunk, as in the reference figures
 *   --store DIR  keep the store there, and use what it holds already: the abstracts are embedded
 *                in the first run only
 *   --model DIR  the embedding model; default: RAGSTORE_MODEL, or where the set-up put it
 *   --int8       the model in 8-bit integers
 *
 * A document's place is that of its best chunk. The collection is read in place from
 * $RAGSTORE_SHARED_DATA, or ../shared/data. Without a model only keyword search is measured.
 */
#include "harness/cranfield.h"
#include <ragstore.h>

#include <ftw.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS_ASKED 200 /* the most that a search gives */

static const struct mode {
    uint32_t number;
    const char *name;
    double aim; /* nDCG@10 of whole abstracts; bench/README.md tells where it comes from */
} modes[] = {{RAGSTORE_MODE_KEYWORD, "keyword", 0.372},
             {RAGSTORE_MODE_VECTOR, "vector", 0.385},
             {RAGSTORE_MODE_HYBRID, "hybrid", 0.422}};

static struct {
    bool json;
    bool files;
    const char *store;
    const char *model;
    bool int8;
} options;

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench_quality: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void must(int status, const char *what)
{
    if (status != RAGSTORE_OK)
        die("%s: %s", what, ragstore_error_message());
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- progress ----------------------------------------------------------------------- */

typedef struct progress {
    const char *what;
    size_t total;
    double start;
    double shown;
} progress;

static progress progress_begin(const char *what, size_t total)
{
    return (progress){what, total, seconds(), 0};
}

static void progress_show(progress *p, size_t done)
{
    double now = seconds();
    if (!isatty(STDERR_FILENO) || (now - p->shown < 0.2 && done < p->total))
        return;
    p->shown = now;
    double rate = now > p->start ? (double)done / (now - p->start) : 0;
    double left = rate > 0 ? (double)(p->total - done) / rate : 0;
    fprintf(stderr, "\r%s %zu of %zu, %.0f a second, %.0f s left \033[K", p->what, done, p->total,
            rate, left);
    if (done == p->total)
        fputs("\r\033[K", stderr);
}

/* ---- the model and the store -------------------------------------------------------- */

static ragstore_model *open_model(void)
{
    ragstore_buffer *place = NULL;
    ragstore_model *model;
    const char *path = options.model;
    if (path == NULL && ragstore_model_locate(&place) == RAGSTORE_OK)
        path = ragstore_buffer_data(place);
    if (path == NULL) {
        fprintf(stderr,
                "bench_quality: no embedding model (%s): keyword search only. \"make setup\" "
                "fetches one.\n",
                ragstore_error_message());
        return NULL;
    }
    ragstore_model_open_options how = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
    how.precision = options.int8 ? RAGSTORE_PRECISION_INT8 : RAGSTORE_PRECISION_FLOAT32;
    must(ragstore_model_open_with(&model, path, &how), "open the model");
    ragstore_buffer_free(place);
    return model;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Opens the store and its one entity, which is new in a new store. */
static void open_store(ragstore_store **store, ragstore_entity **entity, const char *path,
                       ragstore_model *model)
{
    ragstore_store_open_options opening = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    const char *id = options.files ? "files" : "whole";
    opening.durability = RAGSTORE_DURABILITY_NORMAL;
    opening.model = model;
    must(ragstore_store_open(store, path, &opening), "open the store");
    int status = ragstore_entity_open(entity, *store, id);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(entity, *store, id, NULL);
    must(status, "open the entity");
}

/* ---- adding ------------------------------------------------------------------------- */

static int add_whole(ragstore_entity *entity, const cranfield_document *document,
                     const ragstore_document_add_options *adding)
{
    char text[16384];
    snprintf(text, sizeof text, "%s %s", document->title, document->text);
    if (strcmp(text, " ") == 0)
        return RAGSTORE_E_NOT_EXTRACTABLE;
    json_t *chunks = json_pack("[{s:s}]", "text", text);
    char *json = json_dumps(chunks, JSON_COMPACT);
    json_decref(chunks);
    int status = ragstore_document_add_chunks(NULL, entity, json, NULL, 0, adding);
    free(json);
    return status;
}

static int add_file(ragstore_entity *entity, const cranfield_document *document,
                    const ragstore_document_add_options *adding)
{
    char text[16384];
    int size = snprintf(text, sizeof text, "%s\n\n%s\n", document->title, document->text);
    return ragstore_document_add(NULL, entity, text, (size_t)size, adding);
}

/* What is there already under its key is left alone by the library. Returns how many are empty. */
static size_t add_documents(ragstore_entity *entity, const cranfield *collection)
{
    progress shown = progress_begin("adding abstracts:", collection->document_count);
    size_t done = 0;
    size_t empty = 0;
    for (size_t id = 0; id < CRANFIELD_DOCUMENTS_MAX; id++) {
        const cranfield_document *document = &collection->documents[id];
        ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        char name[32];
        if (document->title == NULL)
            continue;
        snprintf(name, sizeof name, "%zu.txt", id);
        adding.filename = adding.key = name;
        int status = options.files ? add_file(entity, document, &adding)
                                   : add_whole(entity, document, &adding);
        if (status == RAGSTORE_E_NOT_EXTRACTABLE)
            empty++;
        else
            must(status, name);
        progress_show(&shown, ++done);
    }
    return empty;
}

/* ---- asking ------------------------------------------------------------------------- */

/* The documents of a result, best first, each at the place of its best chunk. */
static size_t rank_documents(size_t ranked[CHUNKS_ASKED], const ragstore_result *result)
{
    bool seen[CRANFIELD_DOCUMENTS_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < ragstore_result_count(result); i++) {
        size_t id = (size_t)strtoul(ragstore_result_doc_name(result, i), NULL, 10);
        if (id >= CRANFIELD_DOCUMENTS_MAX || seen[id])
            continue;
        seen[id] = true;
        ranked[count++] = id;
    }
    return count;
}

/* Asks all questions; *cut: how many had too few documents among their chunks for recall@100. */
static cranfield_quality ask(ragstore_entity *entity, const cranfield *collection,
                             const struct mode *mode, size_t *cut)
{
    progress shown = progress_begin("asking questions:", collection->query_count);
    cranfield_quality sum = {0};
    size_t done = 0;
    *cut = 0;
    for (size_t query = 0; query < CRANFIELD_QUERIES_MAX; query++) {
        ragstore_entity_search_options searching = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        ragstore_result *result;
        size_t ranked[CHUNKS_ASKED];
        if (collection->queries[query] == NULL)
            continue;
        searching.k = CHUNKS_ASKED;
        searching.mode = mode->number;
        must(ragstore_entity_search(&result, entity, collection->queries[query], &searching),
             "search");
        size_t count = rank_documents(ranked, result);
        *cut += count < CRANFIELD_DEPTH && ragstore_result_count(result) == CHUNKS_ASKED;
        cranfield_judge(&sum, collection, query, ranked, count);
        ragstore_result_free(result);
        progress_show(&shown, ++done);
    }
    return cranfield_mean(&sum);
}

static void report(const struct mode *mode, const cranfield_quality *quality, size_t cut)
{
    if (options.json)
        printf("{\"bench\": \"quality\", \"collection\": \"cranfield\", \"documents\": \"%s\", "
               "\"mode\": \"%s\", \"ndcg_10\": %.4f, \"recall_10\": %.4f, \"recall_100\": %.4f, "
               "\"queries\": %zu, \"cut_short\": %zu}\n",
               options.files ? "files" : "whole", mode->name, quality->ndcg_10,
               quality->recall_10, quality->recall_100, quality->queries, cut);
    else
        printf("  %-8s  %8.3f  %10.3f  %11.3f", mode->name, quality->ndcg_10, quality->recall_10,
               quality->recall_100);
    if (!options.json && !options.files)
        printf("   nDCG@10 of %.3f %s", mode->aim,
               quality->ndcg_10 < mode->aim ? "is NOT reached" : "is reached");
    if (!options.json)
        putchar('\n');
    fflush(stdout);
}

static void measure(ragstore_entity *entity, const cranfield *collection, bool has_model)
{
    size_t cut = 0;
    if (!options.json)
        printf("\n  search     nDCG@10   recall@10   recall@100\n");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        size_t cut_here;
        if (!has_model && modes[i].number != RAGSTORE_MODE_KEYWORD)
            continue;
        cranfield_quality quality = ask(entity, collection, &modes[i], &cut_here);
        report(&modes[i], &quality, cut_here);
        cut += cut_here;
    }
    if (!options.json && cut > 0)
        printf("\n%zu rankings end before their 100th document: a search gives at most %d chunks, "
               "and several can be of one document.\n",
               cut, CHUNKS_ASKED);
}

/* ---- the program -------------------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options.json = true;
        else if (strcmp(argv[i], "--files") == 0)
            options.files = true;
        else if (strcmp(argv[i], "--store") == 0 && i + 1 < argc)
            options.store = argv[++i];
        else if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            options.model = argv[++i];
        else if (strcmp(argv[i], "--int8") == 0)
            options.int8 = true;
        else
            die("usage: bench_quality [--json] [--files] [--store DIR] [--model DIR] [--int8]");
    }
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/ragstore-quality-XXXXXX";
    char why[4300];
    ragstore_store *store;
    ragstore_entity *entity;
    read_options(argc, argv);
    cranfield *collection = cranfield_read(why, sizeof why);
    if (collection == NULL)
        die("the Cranfield collection is not here, nothing is measured: %s", why);
    if (options.store == NULL && mkdtemp(temporary) == NULL)
        die("cannot make a folder below /tmp");

    ragstore_model *model = open_model();
    double start = seconds();
    open_store(&store, &entity, options.store != NULL ? options.store : temporary, model);
    size_t empty = add_documents(entity, collection);
    if (!options.json)
        printf("Cranfield: %zu abstracts (%zu empty) %s in %.1f s, %zu questions\n",
               collection->document_count, empty,
               options.files ? "uploaded as files" : "as one chunk each", seconds() - start,
               collection->query_count);
    measure(entity, collection, model != NULL);

    ragstore_entity_free(entity);
    must(ragstore_store_close(store), "close the store");
    ragstore_model_free(model);
    cranfield_free(collection);
    if (options.store == NULL)
        (void)nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
