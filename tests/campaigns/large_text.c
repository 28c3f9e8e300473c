/*
 * What large_text.py runs: add one large text to a new store, write all its files, find words of it,
 * open the store again, find them again; and tell what memory that took.
 *
 *   large_text DIRECTORY MEGABYTES RUN_KIB SEED
 *
 * RUN_KIB: how much of the keyword index may be in memory while it is made; 0: as the library has it.
 * In each 16 MiB of the text stands a word that is nowhere else. Prints one JSON object of numbers:
 * the most KiB of memory in each part that were no pages of files, and the most that was resident.
 */
#include <ragstore.h>

#include "harness/made_up_text.h"
#include "lexical/lexical.h"

#include <stdbool.h>

#define BEACON_EVERY 16

static void check(int status)
{
    if (status == RAGSTORE_OK)
        return;
    fprintf(stderr, "%s\n", ragstore_error_message());
    exit(1);
}

/* A word of letters that the made-up ones do not have, and that no stemmer takes away. */
static void beacon(char word[32], unsigned long long at)
{
    size_t size = (size_t)snprintf(word, 32, "zyxw");
    do {
        word[size++] = "bcdfghjk"[at % 8];
        at /= 8;
    } while (at > 0);
    word[size] = '\0';
}

static void find(ragstore_entity *entity, unsigned long long megabytes)
{
    for (unsigned long long at = 0; at < megabytes; at += BEACON_EVERY) {
        char word[32];
        ragstore_result *result;
        beacon(word, at);
        check(ragstore_entity_search(&result, entity, word, NULL));
        if (ragstore_result_count(result) != 1 ||
            strstr(ragstore_result_content(result, 0), word) == NULL) {
            fprintf(stderr, "%s was found in %zu chunks\n", word, ragstore_result_count(result));
            exit(1);
        }
        ragstore_result_free(result);
    }
}

static void add(ragstore_entity *entity, unsigned long long megabytes, uint64_t seed)
{
    made_up_text text = {
        .kind = "text", .random = 88172645463325252u + seed, .piece = malloc(MADE_UP_PIECE + 4096)};
    ragstore_upload *upload;
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    if (text.piece == NULL)
        exit(1);
    options.filename = "large.txt";
    check(ragstore_upload_begin(&upload, entity, &options));
    for (unsigned long long at = 0; at < megabytes; at++) {
        char word[32];
        made_up_next(&text);
        check(ragstore_upload_write(upload, text.piece, text.size));
        beacon(word, at);
        if (at % BEACON_EVERY != 0)
            continue;
        check(ragstore_upload_write(upload, " ", 1));
        check(ragstore_upload_write(upload, word, strlen(word)));
        check(ragstore_upload_write(upload, " ", 1));
    }
    free(text.piece);
    check(ragstore_upload_commit(&document, upload));
    ragstore_document_free(document);
}

static void tell(const char *part)
{
    printf("\"%s\": %" PRIu64 ", ", part, memory_most_anonymous());
}

int main(int argc, char **argv)
{
    pthread_t watcher;
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    if (argc != 5 || pthread_create(&watcher, NULL, memory_watch, NULL) != 0) {
        fprintf(stderr, "large_text DIRECTORY MEGABYTES RUN_KIB SEED\n");
        return 2;
    }
    const unsigned long long megabytes = strtoull(argv[2], NULL, 10);
    const size_t run_kib = (size_t)strtoull(argv[3], NULL, 10);
    if (run_kib > 0)
        rsi_lexical_run_bytes = run_kib << 10;
    memory_forget_peak();
    check(ragstore_store_open(&store, argv[1], &options));
    check(ragstore_entity_create(&entity, store, "acme", NULL));
    add(entity, megabytes, strtoull(argv[4], NULL, 10));
    printf("{");
    tell("KiB while it was added");
    find(entity, megabytes);
    tell("while it was searched");
    check(ragstore_store_export(store));
    tell("while its files were written");
    find(entity, megabytes);
    tell("while they were searched");
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    check(ragstore_store_open(&store, argv[1], &options));
    check(ragstore_entity_open(&entity, store, "acme"));
    find(entity, megabytes);
    tell("from the next start to the first answers");
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    printf("\"resident\": %" PRIu64 "}\n", memory_kib("VmHWM"));
    return 0;
}
