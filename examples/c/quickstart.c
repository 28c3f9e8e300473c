/*
 * The smallest program: one store, one entity, one document, one search.
 *
 *   cc quickstart.c $(pkg-config --cflags --libs ragstore) -o quickstart
 *   ./quickstart DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int status)
{
    if (status < 0) {
        fprintf(stderr, "quickstart: %s\n", ragstore_error_message());
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    static const char text[] = "The lighthouse keeper climbs 199 steps every evening.\n\n"
                               "Its lamp was changed from oil to electricity in 1923.\n";
    ragstore_store *store = NULL;
    ragstore_entity *entity = NULL;
    ragstore_result *result = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    check(ragstore_store_open(&store, argv[1], NULL));

    int status = ragstore_entity_open(&entity, store, "museum");
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, "museum", NULL);
    check(status);

    ragstore_document_add_options document = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    document.filename = "lighthouse.txt";
    check(ragstore_document_add(NULL, entity, text, strlen(text), &document));

    check(ragstore_entity_search(&result, entity, "When did the lamp become electric?", NULL));
    for (size_t i = 0; i < ragstore_result_count(result); i++)
        printf("%.2f  %s: %s\n", (double)ragstore_result_score(result, i),
               ragstore_result_doc_name(result, i), ragstore_result_content(result, i));

    ragstore_result_free(result);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
