/*
 * A whole question to an entity of many chunks: from opening the store to an answer, through the
 * public calls. No question is searched for and asked, so that each is embedded once.
 *
 *   bench_question [--chunks N] [--store DIR]
 *
 *   --chunks N   how many chunks of about 60 words the entity has (default 100000)
 *   --store DIR  keep the store there, and use what it holds already
 *
 * The chunks are random stretches of the Cranfield abstracts, a hundred to a document with a year;
 * their vectors are those of the abstract that most of the text is from, with noise. Questions are
 * the collection's, embedded by the model (RAGSTORE_MODEL, or where the set-up put it); without one
 * they are asked by keyword. Read in place from $RAGSTORE_SHARED_DATA, or ../shared/data. One JSON
 * object a line for each figure.
 */
#include "harness/cranfield.h"
#include <ragstore.h>

#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS_A_DOCUMENT 100
#define STRETCHES 3
#define WORDS_A_STRETCH 20
#define NOISE 0.05
#define QUESTIONS_MAX 200

static uint64_t random_state = 1;
static ragstore_model *model;
static size_t dimension;
static float *vectors[CRANFIELD_DOCUMENTS_MAX]; /* of the abstracts */

static void must(int status, const char *what)
{
    if (status >= RAGSTORE_OK)
        return;
    fprintf(stderr, "bench_question: %s: %s\n", what, ragstore_error_message());
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const char *figure, const char *unit, double value)
{
    printf("{\"bench\": \"question\", \"figure\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n",
           figure, value, unit);
    fflush(stdout);
}

static size_t random_below(size_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* ---- the store ---------------------------------------------------------------------- */

static size_t random_abstract(const cranfield *collection)
{
    for (;;) {
        size_t id = random_below(CRANFIELD_DOCUMENTS_MAX);
        if (collection->documents[id].title != NULL &&
            strlen(collection->documents[id].text) > 400)
            return id;
    }
}

static void append_stretch(char *text, const char *from)
{
    size_t i = random_below(strlen(from) - 200);
    for (size_t words = 0; from[i] != '\0' && words <= WORDS_A_STRETCH; i++) {
        words += from[i] == ' ';
        if (words > 0)
            strncat(text, from + i, 1);
    }
}

static void fill_vector(float *vector, const float *of)
{
    double sum = 0;
    for (size_t d = 0; d < dimension; d++) {
        vector[d] = of[d] + (float)((double)random_below(2000) / 1000 - 1) * (float)NOISE;
        sum += (double)vector[d] * vector[d];
    }
    for (size_t d = 0; d < dimension; d++)
        vector[d] /= (float)sqrt(sum);
}

static void add_document(ragstore_entity *entity, const cranfield *collection, size_t number,
                         size_t count)
{
    ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    json_t *chunks = json_array();
    float *rows = calloc(count * (dimension + 1), sizeof *rows);
    char metadata[64];
    for (size_t i = 0; i < count; i++) {
        char text[4096] = "";
        size_t id = random_abstract(collection);
        for (size_t part = 0; part < STRETCHES; part++)
            append_stretch(text, collection->documents[id].text);
        json_array_append_new(chunks, json_pack("{s:s}", "text", text));
        if (model != NULL)
            fill_vector(rows + i * dimension, vectors[id]);
    }
    snprintf(metadata, sizeof metadata, "{\"year\": %zu}", 1950 + number % 70);
    adding.metadata_json = metadata;
    char *json = json_dumps(chunks, JSON_COMPACT);
    must(ragstore_document_add_chunks(NULL, entity, json, model != NULL ? rows : NULL,
                                      model != NULL ? dimension : 0, &adding),
         "add");
    free(json);
    free(rows);
    json_decref(chunks);
}

/* Embed the abstracts, so that vectors of chunks are where those of questions look. */
static void embed_abstracts(const cranfield *collection)
{
    for (size_t id = 0; model != NULL && id < CRANFIELD_DOCUMENTS_MAX; id++) {
        const char *text = collection->documents[id].text;
        if (collection->documents[id].title == NULL || strlen(text) <= 400)
            continue;
        vectors[id] = calloc(dimension, sizeof(float));
        must(ragstore_model_embed(vectors[id], model, &text, 1), "embed");
    }
}

static void fill_store(ragstore_entity *entity, const cranfield *collection, size_t chunks)
{
    double start = seconds();
    embed_abstracts(collection);
    report("embedding the abstracts", "s", seconds() - start);
    start = seconds();
    for (size_t done = 0, number = 0; done < chunks; done += CHUNKS_A_DOCUMENT, number++)
        add_document(entity, collection, number,
                     chunks - done < CHUNKS_A_DOCUMENT ? chunks - done : CHUNKS_A_DOCUMENT);
    report("adding", "chunks/s", (double)chunks / (seconds() - start));
}

static void open_store(ragstore_store **store, const char *path)
{
    ragstore_store_open_options opening = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    opening.durability = RAGSTORE_DURABILITY_NORMAL;
    opening.model = model;
    must(ragstore_store_open(store, path, &opening), "open the store");
}

static void make_store(const char *path, const cranfield *collection, size_t chunks)
{
    ragstore_store *store;
    ragstore_entity *entity;
    open_store(&store, path);
    if (ragstore_entity_open(&entity, store, "bench") == RAGSTORE_E_NOT_FOUND) {
        must(ragstore_entity_create(&entity, store, "bench", NULL), "create the entity");
        fill_store(entity, collection, chunks);
        must(ragstore_store_export(store), "export");
    }
    ragstore_entity_free(entity);
    must(ragstore_store_close(store), "close the store");
}

/* ---- asking ------------------------------------------------------------------------- */

static double time_search(ragstore_entity *entity, const char *query, uint32_t mode,
                          const char *filter)
{
    ragstore_entity_search_options searching = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    searching.mode = mode;
    searching.filter_json = filter;
    double start = seconds();
    must(ragstore_entity_search(&result, entity, query, &searching), "search");
    double taken = seconds() - start;
    ragstore_result_free(result);
    return taken;
}

static double time_ask(ragstore_session *session, const char *question)
{
    ragstore_session_ask_options asking = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    ragstore_answer *answer;
    asking.filter_json = "{\"year\": {\"$gte\": 1970}}";
    double start = seconds();
    must(ragstore_session_ask(&answer, session, question, &asking), "ask");
    double taken = seconds() - start;
    ragstore_answer_free(answer);
    return taken;
}

static int compare_times(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void report_median(const char *figure, double *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
    report(figure, "ms", times[count / 2] * 1000);
}

static void measure_first(const char *path, const cranfield *collection)
{
    ragstore_store *store;
    ragstore_entity *entity;
    double start = seconds();
    open_store(&store, path);
    must(ragstore_entity_open(&entity, store, "bench"), "open the entity");
    report("opening the store", "ms", (seconds() - start) * 1000);
    double taken = time_search(entity, collection->queries[1], RAGSTORE_MODE_KEYWORD, NULL);
    report("first search, by keyword", "ms", taken * 1000);
    ragstore_entity_free(entity);
    must(ragstore_store_close(store), "close the store");
}

static void measure_questions(const char *path, const cranfield *collection)
{
    static double times[3][QUESTIONS_MAX];
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
    size_t count = 0;
    open_store(&store, path);
    must(ragstore_entity_open(&entity, store, "bench"), "open the entity");
    must(ragstore_session_create(&session, entity, NULL), "create the session");
    time_search(entity, "warm up", RAGSTORE_MODE_HYBRID, NULL);
    must(ragstore_store_maintain(store, 60000), "maintain");
    for (size_t query = 0; query < CRANFIELD_QUERIES_MAX && count < QUESTIONS_MAX; query++) {
        const char *text = collection->queries[query];
        if (text == NULL)
            continue;
        times[0][count] = time_search(entity, text, RAGSTORE_MODE_KEYWORD, NULL);
        if (count % 2 == 0)
            times[1][count / 2] = time_search(entity, text, RAGSTORE_MODE_HYBRID, NULL);
        else
            times[2][count / 2] = time_ask(session, text);
        count++;
    }
    report_median("search by keyword, p50", times[0], count);
    report_median("hybrid search with embedding, p50", times[1], (count + 1) / 2);
    report_median("question with filter and history, p50", times[2], count / 2);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    must(ragstore_store_close(store), "close the store");
}

/* ---- the program -------------------------------------------------------------------- */

static void open_model(void)
{
    ragstore_buffer *place;
    if (ragstore_model_locate(&place) != RAGSTORE_OK) {
        fprintf(stderr, "bench_question: no embedding model, asking by keyword: %s\n",
                ragstore_error_message());
        return;
    }
    must(ragstore_model_open(&model, ragstore_buffer_data(place)), "open the model");
    dimension = ragstore_model_dimension(model);
    ragstore_buffer_free(place);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void report_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    report("largest resident memory", "MiB", (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/ragstore-question-XXXXXX";
    char why[4300];
    const char *path = NULL;
    size_t chunks = 100000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--chunks") == 0 && i + 1 < argc) {
            chunks = (size_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--store") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else {
            fprintf(stderr, "usage: bench_question [--chunks N] [--store DIR]\n");
            return 2;
        }
    }
    cranfield *collection = cranfield_read(why, sizeof why);
    if (collection == NULL) {
        fprintf(stderr, "bench_question: nothing is measured: %s\n", why);
        return 1;
    }
    if (path == NULL && mkdtemp(temporary) == NULL) {
        perror("bench_question: a folder below /tmp");
        return 1;
    }
    const char *place = path != NULL ? path : temporary;
    open_model();
    make_store(place, collection, chunks);
    measure_first(place, collection);
    measure_questions(place, collection);
    report_memory();
    for (size_t id = 0; id < CRANFIELD_DOCUMENTS_MAX; id++)
        free(vectors[id]);
    ragstore_model_free(model);
    cranfield_free(collection);
    if (path == NULL)
        (void)nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
