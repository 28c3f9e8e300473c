/*
 * Many small entities: how soon a process that has just begun gives its first right answer.
 *
 *   bench_entities FOLDER [entities]
 *
 * Makes a store of entities with 100 chunks and vectors of 384 numbers each in FOLDER/entities.ragstore,
 * unless it is there already, and starts itself again a few times to measure: the time from the start
 * of the process until the answer for one entity, the most memory it took and the descriptors it has
 * open, and the median time for 100 further entities that are asked for the first time.
 *
 * One JSON object a line. rivals_entities.py does the same with other libraries.
 */
#include <ragstore.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIMENSION 384
#define CHUNKS 100
#define ASKED 100
#define ROUNDS 7

static void check(int status, const char *what)
{
    if (status == RAGSTORE_OK)
        return;
    fprintf(stderr, "bench_entities: %s: %s\n", what, ragstore_error_message());
    exit(1);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void make_vector(float *vector, unsigned entity, unsigned chunk)
{
    uint64_t state = (uint64_t)entity * 1000003 + chunk + 1;
    for (int i = 0; i < DIMENSION; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        vector[i] = (float)((double)(state >> 40) / 16777216.0 - 0.5);
    }
}

static void name_entity(char name[32], unsigned entity)
{
    snprintf(name, 32, "tenant-%05u", entity);
}

/* ---- making ---- */

static void add_entity(ragstore_store *store, unsigned number)
{
    static float vectors[CHUNKS * DIMENSION];
    static char json[CHUNKS * 128];
    char name[32];
    ragstore_entity *entity;
    size_t size = 0;
    for (unsigned i = 0; i < CHUNKS; i++) {
        make_vector(vectors + (size_t)i * DIMENSION, number, i);
        size += (size_t)snprintf(json + size, sizeof json - size,
                                 "%c{\"text\":\"Note %u of tenant %u about the harbour.\"}",
                                 i == 0 ? '[' : ',', i, number);
    }
    snprintf(json + size, sizeof json - size, "]");
    name_entity(name, number);
    check(ragstore_entity_create(&entity, store, name, NULL), "create");
    check(ragstore_document_add_chunks(NULL, entity, json, vectors, DIMENSION, NULL), "add");
    ragstore_entity_free(entity);
}

static void make_store(const char *path, unsigned entities)
{
    ragstore_store *store;
    ragstore_buffer *list;
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    ragstore_store_open_options open = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.limit = 1;
    open.busy_timeout_ms = 120000; /* a checkpoint of thousands of entities flushes each */
    check(ragstore_store_open(&store, path, &open), "open");
    check(ragstore_entity_list(&list, store, &options), "list");
    const char *total = strstr(ragstore_buffer_data(list), "\"total\"");
    unsigned there = 0;
    if (total != NULL)
        sscanf(total, "\"total\"%*[ :]%u", &there);
    ragstore_buffer_free(list);
    const double start = now_ms();
    for (unsigned i = there; i < entities; i++)
        add_entity(store, i);
    check(ragstore_store_export(store), "export");
    check(ragstore_store_close(store), "close");
    if (there < entities)
        printf("{\"bench\":\"entities\",\"what\":\"make\",\"entities\":%u,\"seconds\":%.1f}\n",
               entities - there, (now_ms() - start) / 1e3);
    fflush(stdout);
}

/* ---- asking ---- */

static void ask(ragstore_store *store, unsigned number)
{
    float vector[DIMENSION];
    char name[32];
    int64_t found;
    float score;
    ragstore_entity *entity;
    ragstore_index *index;
    name_entity(name, number);
    make_vector(vector, number, 42);
    check(ragstore_entity_open(&entity, store, name), "open entity");
    check(ragstore_index_open(&index, entity), "open index");
    check(ragstore_index_search(&found, &score, index, vector, 1, DIMENSION, 1), "search");
    if (found != 42) {
        fprintf(stderr, "bench_entities: %s: chunk %lld instead of 42\n", name, (long long)found);
        exit(1);
    }
    ragstore_index_free(index);
    ragstore_entity_free(entity);
}

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The most memory of this program, without that of the one that was there before exec(). */
static double most_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (file != NULL)
        fclose(file);
    return kib / 1024;
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count < 3 ? 0 : count - 3; /* ".", "..", and the directory itself */
}

static int ask_as_child(const char *path, unsigned entities, double started_ms)
{
    ragstore_store *store;
    double times[ASKED];
    check(ragstore_store_open(&store, path, NULL), "open");
    const double opened = now_ms() - started_ms;
    ask(store, entities / 2);
    const double first = now_ms() - started_ms;
    const double first_mib = most_mib();
    for (unsigned i = 0; i < ASKED; i++) {
        const double start = now_ms();
        ask(store, (i * 7919 + 13) % entities);
        times[i] = now_ms() - start;
    }
    const unsigned descriptors = count_descriptors();
    const double mib = most_mib();
    check(ragstore_store_close(store), "close");
    qsort(times, ASKED, sizeof *times, compare_doubles);
    printf("{\"bench\":\"entities\",\"what\":\"start\",\"entities\":%u,\"opened_ms\":%.2f,"
           "\"first_answer_ms\":%.2f,\"first_mib\":%.1f,\"new_entity_ms\":%.3f,\"mib\":%.1f,"
           "\"descriptors\":%u}\n",
           entities, opened, first, first_mib, times[ASKED / 2], mib,
           descriptors);
    return 0;
}

int main(int argc, char **argv)
{
    char path[1200];
    if (argc == 5 && strcmp(argv[1], "--ask") == 0)
        return ask_as_child(argv[2], (unsigned)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
    if (argc < 2) {
        fprintf(stderr, "bench_entities: not measured: name a folder\n");
        return 0; /* `make bench` runs every program without arguments */
    }
    const unsigned entities = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10000;
    snprintf(path, sizeof path, "%s/entities.ragstore", argv[1]);
    make_store(path, entities);
    for (int i = 0; i < ROUNDS; i++) {
        int status;
        const pid_t child = fork();
        if (child == 0) {
            char count[32];
            char started[64];
            snprintf(count, sizeof count, "%u", entities);
            snprintf(started, sizeof started, "%.3f", now_ms());
            execl(argv[0], argv[0], "--ask", path, count, started, (char *)NULL);
            _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "bench_entities: a run failed\n");
            return 1;
        }
    }
    return 0;
}
