/*
 * Documents of one's own: a small list of tasks. Each run puts one in, shows what is open, sorted
 * by priority, and finishes the most urgent one.
 *
 *   ./collection DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>

static void check(int status)
{
    if (status < 0) {
        fprintf(stderr, "collection: %s\n", ragstore_error_message());
        exit(EXIT_FAILURE);
    }
}

static void show(ragstore_collection *tasks)
{
    ragstore_cursor *cursor = NULL;
    ragstore_collection_find_options options = RAGSTORE_COLLECTION_FIND_OPTIONS_INIT;
    const char *json = NULL;

    options.sort_json = "{\"priority\": -1}";
    options.projection_json = "{\"_id\": 0, \"text\": 1, \"priority\": 1}";
    check(ragstore_collection_find(&cursor, tasks, "{\"done\": {\"$exists\": false}}", &options));
    for (;;) {
        check(ragstore_cursor_next(&json, NULL, cursor));
        if (json == NULL)
            break;
        printf("  %s\n", json);
    }
    ragstore_cursor_free(cursor);
}

/* Finish the most urgent task, if nobody else changed it since it was read. */
static void finish_one(ragstore_collection *tasks)
{
    ragstore_buffer *task = NULL;
    ragstore_buffer *version = NULL;
    ragstore_collection_find_options urgent = RAGSTORE_COLLECTION_FIND_OPTIONS_INIT;
    ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    char filter[64];

    urgent.sort_json = "{\"priority\": -1}";
    urgent.projection_json = "{\"_id\": 1}"; /* which is a filter for this document */
    check(ragstore_collection_find_one(&task, &version, tasks, "{\"done\": {\"$exists\": false}}",
                                       &urgent));
    options.version = ragstore_buffer_data(version);
    snprintf(filter, sizeof filter, "%s", ragstore_buffer_data(task));
    int status = ragstore_collection_update_one(
        NULL, tasks, filter, "{\"$currentDate\": {\"done\": true}}", &options);
    if (status == RAGSTORE_E_CONFLICT)
        printf("somebody else changed it meanwhile\n");
    else
        check(status);
    ragstore_buffer_free(task);
    ragstore_buffer_free(version);
}

int main(int argc, char **argv)
{
    ragstore_store *store = NULL;
    ragstore_collection *tasks = NULL;
    ragstore_buffer *answer = NULL;
    uint64_t open_tasks = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: collection DIRECTORY\n");
        return 2;
    }
    check(ragstore_store_open(&store, argv[1], NULL));
    check(ragstore_collection_open(&tasks, store, "tasks"));
    int status = ragstore_collection_index_create(tasks, "priority");
    if (status != RAGSTORE_E_EXISTS)
        check(status);

    check(ragstore_collection_insert(&answer, tasks,
                                     "[{\"text\": \"water the plants\", \"priority\": 1},"
                                     " {\"text\": \"pay the rent\", \"priority\": 5}]"));
    printf("%s\n", ragstore_buffer_data(answer));
    ragstore_buffer_free(answer);

    show(tasks);
    finish_one(tasks);
    check(ragstore_collection_count(&open_tasks, tasks, "{\"done\": {\"$exists\": false}}"));
    printf("%llu left\n", (unsigned long long)open_tasks);

    ragstore_collection_free(tasks);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
