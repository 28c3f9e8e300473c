/*
 * Memory while one large text is added: how much the process holds at most, in each stage.
 *
 *   bench_memory [megabytes] [keyword|hashing] [text|lines|line|words|csv|jsonl] [directory]
 *
 * The text is made up (tests/harness/made_up_text.h says how, and what is measured). It goes through
 * the public upload calls in pieces of 1 MiB, so that the library alone holds more of it.
 * `anonymous_mib` is the most that was no page of a file. `hashing` embeds by
 * ragstore_model_open_hashing() with 64 numbers a chunk.
 *
 * Prints one JSON object a line. What stays behind the commit is what is kept to search the entity:
 * see memory_limit_bytes in ragstore_store(3).
 */
#include <ragstore.h>

#include "harness/made_up_text.h"

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DIMENSION 64

static void check(int status)
{
    if (status == RAGSTORE_OK)
        return;
    fprintf(stderr, "bench_memory: %s\n", ragstore_error_message());
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

typedef struct stages {
    const char *kind;
    uint64_t megabytes;
    char now[32];
    double begun;
    uint64_t highest_kib;
    uint64_t highest_anonymous_kib;
} stages;

static void enter(stages *s, const char *stage)
{
    if (strcmp(s->now, stage) == 0)
        return;
    const uint64_t peak = memory_kib("VmHWM");
    const uint64_t anonymous = memory_most_anonymous();
    if (s->now[0] != '\0')
        printf("{\"bench\":\"memory\",\"kind\":\"%s\",\"megabytes\":%" PRIu64
               ",\"stage\":\"%s\",\"peak_mib\":%" PRIu64 ",\"anonymous_mib\":%" PRIu64
               ",\"seconds\":%.1f}\n",
               s->kind, s->megabytes, s->now, peak >> 10, anonymous >> 10,
               now_s() - s->begun);
    fflush(stdout);
    if (peak > s->highest_kib)
        s->highest_kib = peak;
    if (anonymous > s->highest_anonymous_kib)
        s->highest_anonymous_kib = anonymous;
    memory_forget_peak();
    s->begun = now_s();
    snprintf(s->now, sizeof s->now, "%s", stage);
}

static int32_t progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    enter(user, stage);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void add(ragstore_entity *entity, stages *s)
{
    char name[32];
    ragstore_upload *upload;
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    made_up_text w = {
        .kind = s->kind, .random = 88172645463325252u, .piece = malloc(MADE_UP_PIECE + 4096)};
    snprintf(name, sizeof name, "large.%s",
             strcmp(s->kind, "csv") == 0     ? "csv"
             : strcmp(s->kind, "jsonl") == 0 ? "jsonl"
                                             : "txt");
    options.filename = name;
    options.progress = progress;
    options.progress_user = s;
    check(ragstore_upload_begin(&upload, entity, &options));
    enter(s, "write");
    for (uint64_t i = 0; i < s->megabytes; i++) {
        made_up_next(&w);
        check(ragstore_upload_write(upload, w.piece, w.size));
    }
    w.size = 0;
    if (w.words > 0)
        made_up_end(&w);
    check(ragstore_upload_write(upload, w.piece, w.size));
    free(w.piece);
    check(ragstore_upload_commit(&document, upload));
    ragstore_document_free(document);
}

static void find(ragstore_entity *entity)
{
    ragstore_result *result;
    check(ragstore_entity_search(&result, entity, "badenli morsa tebaba", NULL));
    if (ragstore_result_count(result) == 0) {
        fprintf(stderr, "bench_memory: nothing was found\n");
        exit(1);
    }
    ragstore_result_free(result);
}

int main(int argc, char **argv)
{
    char place[1024];
    stages s = {.megabytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 64,
                .kind = argc > 3 ? argv[3] : "text"};
    const bool hashing = argc > 2 && strcmp(argv[2], "hashing") == 0;
    snprintf(place, sizeof place, "%s/bench_memory-XXXXXX", argc > 4 ? argv[4] : "/tmp");
    if (mkdtemp(place) == NULL) {
        perror(place);
        return 1;
    }
    pthread_t sampler;
    if (pthread_create(&sampler, NULL, memory_watch, NULL) != 0) {
        perror("a thread");
        return 1;
    }
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_model *model = NULL;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    if (hashing)
        check(ragstore_model_open_hashing(&model, DIMENSION));
    options.model = model;
    check(ragstore_store_open(&store, place, &options));
    check(ragstore_entity_create(&entity, store, "acme", NULL));
    add(entity, &s);
    enter(&s, "export");
    check(ragstore_store_export(store));
    enter(&s, "search");
    find(entity);
    enter(&s, "reopen");
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    check(ragstore_store_open(&store, place, &options));
    check(ragstore_entity_open(&entity, store, "acme"));
    enter(&s, "first search");
    find(entity);
    enter(&s, "end");
    printf("{\"bench\":\"memory\",\"kind\":\"%s\",\"megabytes\":%" PRIu64 ",\"highest_mib\":%" PRIu64
           ",\"highest_anonymous_mib\":%" PRIu64 ",\"kept_mib\":%" PRIu64 "}\n",
           s.kind, s.megabytes, s.highest_kib >> 10, s.highest_anonymous_kib >> 10,
           memory_kib("RssAnon") >> 10);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    ragstore_model_free(model);
    nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
