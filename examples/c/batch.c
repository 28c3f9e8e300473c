/*
 * Several changes in one commit: all of them happen, or none. Also faster than one by one, because
 * the disk is waited for once.
 *
 *   ./batch DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int status)
{
    if (status < 0) {
        fprintf(stderr, "batch: %s\n", ragstore_error_message());
        exit(EXIT_FAILURE);
    }
}

static void print_and_free(ragstore_buffer *json)
{
    printf("%s\n", ragstore_buffer_data(json));
    ragstore_buffer_free(json);
}

int main(int argc, char **argv)
{
    static const char *const notes[] = {
        "Monday: the north pump was replaced.",
        "Tuesday: pressure is stable at 4 bar.",
        "Wednesday: the valve at gate 7 leaks.",
    };
    ragstore_store *store = NULL;
    ragstore_entity *entity = NULL;
    ragstore_batch *batch = NULL;
    ragstore_buffer *json = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    check(ragstore_store_open(&store, argv[1], NULL));

    /* A batch that is aborted leaves no trace. */
    check(ragstore_batch_begin(&batch, store));
    check(ragstore_entity_create(NULL, store, "never", NULL));
    ragstore_batch_abort(batch);

    check(ragstore_batch_begin(&batch, store));
    int status = ragstore_entity_open(&entity, store, "waterworks");
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, "waterworks", NULL);
    check(status);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        char key[32];
        ragstore_document_add_options document = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        snprintf(key, sizeof key, "note-%zu.txt", i + 1);
        document.filename = key;
        document.key = key;
        check(ragstore_document_add(NULL, entity, notes[i], strlen(notes[i]), &document));
    }
    check(ragstore_batch_commit(batch)); /* from here on others see all three */

    check(ragstore_entity_list(&json, store, NULL));
    print_and_free(json);
    check(ragstore_document_list(&json, entity, NULL));
    print_and_free(json);

    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
