/*
 * How well search finds what was asked for: nDCG@10, recall@10 and recall@100 of keyword, vector
 * and hybrid search on test collections, through the public calls.
 *
 *   bench_quality [--json] [--collection NAME] [--chunks LIST] [--keyword] [--store DIR]
 *                 [--model DIR] [--int8 | --int16]
 *
 *   --json             one JSON object a line instead of the tables
 *   --collection NAME  this one alone; default: every folder of the shared data with a corpus.jsonl
 *   --chunks LIST      how documents are cut, with commas between; by default whole,default
 *                        whole    each document is one chunk, as in the reference figures
 *                        default  each is uploaded as a file, which the library cuts as it cuts any
 *                        200/30   the same, into chunks of at most 200 tokens that repeat 30;
 *                                 choose_chunks.py compares many of these
 *   --keyword          without a model, keyword search only
 *   --store DIR        keep the store there, and use what it holds already: documents are embedded
 *                      in the first run only
 *   --model DIR        the embedding model; default: RAGSTORE_MODEL, or where the set-up put it
 *   --int8, --int16    the model in 8-bit or 16-bit integers
 *
 * A document's place is that of its best chunk. The collections are read in place from
 * $RAGSTORE_SHARED_DATA, or ../shared/data; harness/collection.h says what is in one. Without a model
 * only keyword search is measured.
 */
#include "harness/collection.h"
#include <ragstore.h>

#include <dirent.h>
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
    const char *name;
    uint32_t number;
    uint32_t fusion;
} modes[] = {{"keyword", RAGSTORE_MODE_KEYWORD, 0},
             {"vector", RAGSTORE_MODE_VECTOR, 0},
             {"hybrid, ranks", RAGSTORE_MODE_HYBRID, RAGSTORE_FUSION_RANKS},
             {"hybrid, sum", RAGSTORE_MODE_HYBRID, RAGSTORE_FUSION_SUM}};
#define MODES (sizeof modes / sizeof *modes)

/* nDCG@10 of whole documents by Python programs whose scores are exact, and what is asked for; 0:
 * not known. bench/README.md tells where they come from. */
static const struct reference {
    const char *collection;
    double figures[MODES];
    double aims[MODES];
} references[] = {{"cranfield", {0.376, 0.395, 0.424, 0.427}, {0.372, 0.392, 0, 0.422}}};

static struct {
    bool json;
    bool keyword;
    uint32_t precision; /* of the model */
    const char *collection;
    const char *chunks;
    const char *store;
    const char *model;
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
    if (options.keyword)
        return NULL;
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
    how.precision = options.precision;
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

static void open_store(ragstore_store **store, const char *path, ragstore_model *model)
{
    ragstore_store_open_options opening = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    opening.durability = RAGSTORE_DURABILITY_NORMAL;
    opening.model = model;
    must(ragstore_store_open(store, path, &opening), "open the store");
}

/* ---- cutting ------------------------------------------------------------------------ */

typedef struct cutting {
    char name[32]; /* "whole", "default" or "TOKENS/OVERLAP" */
    bool whole;
    uint32_t tokens; /* 0: the default */
    uint32_t overlap;
} cutting;

static cutting read_cutting(const char *name)
{
    cutting how = {.whole = strcmp(name, "whole") == 0};
    char *end = NULL;
    snprintf(how.name, sizeof how.name, "%s", name);
    if (how.whole || strcmp(name, "default") == 0)
        return how;
    how.tokens = (uint32_t)strtoul(name, &end, 10);
    const bool has_overlap = *end == '/';
    how.overlap = has_overlap ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
    if (how.tokens == 0 || !has_overlap || *end != '\0')
        die("--chunks is whole, default or TOKENS/OVERLAP, such as 200/30");
    return how;
}

/* ---- adding ------------------------------------------------------------------------- */

static int add_whole(ragstore_entity *entity, const collection_text *document,
                     const ragstore_document_add_options *adding)
{
    if (document->title[0] == '\0' && document->text[0] == '\0')
        return RAGSTORE_E_NOT_EXTRACTABLE;
    json_t *chunks = json_pack("[{s:s++}]", "text", document->title, " ", document->text);
    char *json = json_dumps(chunks, JSON_COMPACT);
    json_decref(chunks);
    int status = ragstore_document_add_chunks(NULL, entity, json, NULL, 0, adding);
    free(json);
    return status;
}

static int add_file(ragstore_entity *entity, const collection_text *document,
                    const ragstore_document_add_options *adding)
{
    const size_t room = strlen(document->title) + strlen(document->text) + 4;
    char *text = malloc(room);
    if (text == NULL)
        die("no memory");
    int size = snprintf(text, room, "%s\n\n%s\n", document->title, document->text);
    int status = ragstore_document_add(NULL, entity, text, (size_t)size, adding);
    free(text);
    return status;
}

/* What is there already under its key is left alone by the library. Returns how many are empty. */
static size_t add_documents(ragstore_entity *entity, const collection *c, bool whole)
{
    progress shown = progress_begin("adding documents:", c->document_count);
    size_t empty = 0;
    for (size_t number = 0; number < c->document_count; number++) {
        ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        char name[32];
        snprintf(name, sizeof name, "%zu.txt", number);
        adding.filename = adding.key = name;
        int status = whole ? add_whole(entity, &c->documents[number], &adding)
                           : add_file(entity, &c->documents[number], &adding);
        if (status == RAGSTORE_E_NOT_EXTRACTABLE)
            empty++;
        else
            must(status, name);
        progress_show(&shown, number + 1);
    }
    return empty;
}

/* ---- asking ------------------------------------------------------------------------- */

/* The documents of a result, best first, each at the place of its best chunk. */
static size_t rank_documents(size_t ranked[CHUNKS_ASKED], const ragstore_result *result)
{
    size_t count = 0;
    for (size_t i = 0; i < ragstore_result_count(result); i++) {
        size_t number = (size_t)strtoul(ragstore_result_doc_name(result, i), NULL, 10);
        size_t at = 0;
        while (at < count && ranked[at] != number)
            at++;
        if (at == count)
            ranked[count++] = number;
    }
    return count;
}

/* Asks all questions; *cut: how many had too few documents among their chunks for recall@100. */
static collection_quality ask(ragstore_entity *entity, const collection *c, const struct mode *mode,
                              size_t *cut)
{
    progress shown = progress_begin("asking questions:", c->query_count);
    collection_quality sum = {0};
    *cut = 0;
    for (size_t query = 0; query < c->query_count; query++) {
        ragstore_entity_search_options searching = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        ragstore_result *result;
        size_t ranked[CHUNKS_ASKED];
        if (c->queries[query].grade_count == 0)
            continue;
        searching.k = CHUNKS_ASKED;
        searching.mode = mode->number;
        searching.fusion = mode->fusion;
        must(ragstore_entity_search(&result, entity, c->queries[query].text, &searching), "search");
        size_t count = rank_documents(ranked, result);
        *cut += count < COLLECTION_DEPTH && ragstore_result_count(result) == CHUNKS_ASKED;
        collection_judge(&sum, c, query, ranked, count);
        ragstore_result_free(result);
        progress_show(&shown, query + 1);
    }
    return collection_mean(&sum);
}

static const struct reference *reference_of(const char *name)
{
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        if (strcmp(references[i].collection, name) == 0)
            return &references[i];
    return NULL;
}

static void report_json(const char *name, const char *chunks, const struct mode *mode,
                        const collection_quality *quality, size_t cut)
{
    printf("{\"bench\": \"quality\", \"collection\": \"%s\", \"chunks\": \"%s\", "
           "\"mode\": \"%s\", \"ndcg_10\": %.4f, \"recall_10\": %.4f, \"recall_100\": %.4f, "
           "\"queries\": %zu, \"cut_short\": %zu}\n",
           name, chunks, mode->name, quality->ndcg_10, quality->recall_10, quality->recall_100,
           quality->queries, cut);
}

static void report_line(const char *name, const cutting *how, size_t mode,
                        const collection_quality *quality)
{
    const struct reference *reference = reference_of(name);
    printf("  %-13s  %8.3f  %10.3f  %11.3f", modes[mode].name, quality->ndcg_10,
           quality->recall_10, quality->recall_100);
    if (reference != NULL)
        printf("  %10.3f", reference->figures[mode]);
    if (reference != NULL && how->whole && reference->aims[mode] > 0)
        printf("  %.3f %s", reference->aims[mode],
               quality->ndcg_10 < reference->aims[mode] ? "is NOT reached" : "is reached");
    putchar('\n');
}

static void measure_modes(ragstore_entity *entity, const collection *c, const char *name,
                          const cutting *how, bool has_model)
{
    size_t cut = 0;
    if (!options.json)
        printf("\n  search          nDCG@10   recall@10   recall@100%s\n",
               reference_of(name) != NULL ? "   reference nDCG@10" : "");
    for (size_t i = 0; i < MODES; i++) {
        size_t cut_here;
        if (!has_model && modes[i].number != RAGSTORE_MODE_KEYWORD)
            continue;
        collection_quality quality = ask(entity, c, &modes[i], &cut_here);
        if (options.json)
            report_json(name, how->name, &modes[i], &quality, cut_here);
        else
            report_line(name, how, i, &quality);
        fflush(stdout);
        cut += cut_here;
    }
    if (!options.json && cut > 0)
        printf("\n%zu rankings end before their 100th document: a search gives at most %d chunks, "
               "and several can be of one document.\n",
               cut, CHUNKS_ASKED);
}

static void measure(ragstore_store *store, const collection *c, const char *name,
                    const char *chunks, bool has_model)
{
    ragstore_entity_create_options creating = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_entity *entity;
    char id[300];
    const double start = seconds();
    const cutting how = read_cutting(chunks);
    creating.chunk_tokens = how.tokens;
    creating.chunk_overlap = how.overlap;
    snprintf(id, sizeof id, "%s-%s", name, how.name);
    char *slash = strchr(id, '/');
    if (slash != NULL)
        *slash = '-'; /* no id has one */
    int status = ragstore_entity_open(&entity, store, id);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, id, &creating);
    must(status, "open the entity");
    size_t empty = add_documents(entity, c, how.whole);
    if (!options.json)
        printf("\n%s: %zu documents (%zu empty), chunks: %s, in %.1f s, %zu questions\n", name,
               c->document_count, empty, how.name, seconds() - start, c->judged_count);
    measure_modes(entity, c, name, &how, has_model);
    ragstore_entity_free(entity);
}

/* ---- collections -------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The folders with a corpus.jsonl, in order; each and the array for free(). */
static char **list_collections(const char *shared, size_t *count)
{
    char **names = NULL;
    struct dirent *entry;
    DIR *directory = opendir(shared);
    *count = 0;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[4400];
        snprintf(path, sizeof path, "%s/%s/corpus.jsonl", shared, entry->d_name);
        if (access(path, R_OK) != 0 ||
            (options.collection != NULL && strcmp(options.collection, entry->d_name) != 0))
            continue;
        names = realloc(names, (*count + 1) * sizeof *names);
        if (names == NULL || (names[*count] = strdup(entry->d_name)) == NULL)
            die("no memory");
        ++*count;
    }
    if (directory != NULL)
        closedir(directory);
    if (*count > 1)
        qsort(names, *count, sizeof *names, compare_names);
    return names;
}

static void measure_collection(ragstore_store *store, const char *shared, const char *name,
                               bool has_model)
{
    char folder[4400];
    char why[9000];
    snprintf(folder, sizeof folder, "%s/%s", shared, name);
    collection *c = collection_read(folder, why, sizeof why);
    if (c == NULL)
        die("%s", why);
    char *ways = strdup(options.chunks == NULL ? "whole,default" : options.chunks);
    char *rest = NULL;
    for (char *way = strtok_r(ways, ",", &rest); way != NULL; way = strtok_r(NULL, ",", &rest))
        measure(store, c, name, way, has_model);
    free(ways);
    collection_free(c);
}

/* ---- the program -------------------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
    } valued[] = {{"--collection", &options.collection},
                  {"--chunks", &options.chunks},
                  {"--store", &options.store},
                  {"--model", &options.model}};
    for (int i = 1; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--keyword") == 0) {
            options.keyword = true;
        } else if (strcmp(argv[i], "--int8") == 0) {
            options.precision = RAGSTORE_PRECISION_INT8;
        } else if (strcmp(argv[i], "--int16") == 0) {
            options.precision = RAGSTORE_PRECISION_INT16;
        } else {
            known = false;
            for (size_t v = 0; v < sizeof valued / sizeof *valued && i + 1 < argc && !known; v++)
                if (strcmp(argv[i], valued[v].name) == 0) {
                    *valued[v].value = argv[++i];
                    known = true;
                }
        }
        if (!known)
            die("usage: bench_quality [--json] [--collection NAME] "
                "[--chunks whole,default,TOKENS/OVERLAP] [--keyword] [--store DIR] [--model DIR] "
                "[--int8 | --int16]");
    }
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/ragstore-quality-XXXXXX";
    ragstore_store *store;
    size_t count;
    read_options(argc, argv);
    const char *shared = getenv("RAGSTORE_SHARED_DATA");
    if (shared == NULL)
        shared = "../shared/data";
    char **names = list_collections(shared, &count);
    if (count == 0)
        die("no test collection in %s, nothing is measured; set RAGSTORE_SHARED_DATA", shared);
    if (options.store == NULL && mkdtemp(temporary) == NULL)
        die("cannot make a folder below /tmp");

    ragstore_model *model = open_model();
    open_store(&store, options.store != NULL ? options.store : temporary, model);
    for (size_t i = 0; i < count; i++) {
        measure_collection(store, shared, names[i], model != NULL);
        free(names[i]);
    }
    free(names);
    must(ragstore_store_close(store), "close the store");
    ragstore_model_free(model);
    if (options.store == NULL)
        (void)nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
