/*
 * A conversation: ask two questions, print the answers as they come, and their sources.
 * With an embedding model it also finds what is said in other words.
 *
 *   ./session DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int status)
{
    if (status < 0) {
        fprintf(stderr, "session: %s\n", ragstore_error_message());
        exit(EXIT_FAILURE);
    }
}

static int32_t print_text(void *user, const char *text, size_t size)
{
    (void)user;
    return fwrite(text, 1, size, stdout) == size ? 0 : 1; /* not 0: stop answering */
}

static void ask(ragstore_session *session, const char *message)
{
    ragstore_answer *answer = NULL;
    ragstore_session_ask_options options = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    options.on_text = print_text;

    printf("? %s\n", message);
    check(ragstore_session_ask(&answer, session, message, &options));
    printf("\n");

    const ragstore_result *sources = ragstore_answer_sources(answer);
    for (size_t i = 0; i < ragstore_result_count(sources); i++)
        printf("  [%zu] %s, bytes %lld to %lld\n", i + 1, ragstore_result_doc_name(sources, i),
               (long long)ragstore_result_start(sources, i),
               (long long)ragstore_result_end(sources, i));
    ragstore_answer_free(answer);
}

/* The embedding model, or NULL when none is installed: then the store searches by keyword. */
static ragstore_model *find_model(void)
{
    ragstore_buffer *path = NULL;
    ragstore_model *model = NULL;
    int status = ragstore_model_locate(&path);

    if (status == RAGSTORE_E_NOT_FOUND)
        return NULL;
    check(status);
    check(ragstore_model_open(&model, ragstore_buffer_data(path)));
    ragstore_buffer_free(path);
    return model;
}

int main(int argc, char **argv)
{
    static const char text[] =
        "# Opening hours\n\nThe museum opens at nine in the morning and closes at five.\n\n"
        "# Tickets\n\nAdults pay 8 euros. Children under twelve pay nothing.\n";
    ragstore_store *store = NULL;
    ragstore_entity *entity = NULL;
    ragstore_session *session = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    ragstore_store_open_options open = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    open.model = find_model();
    check(ragstore_store_open(&store, argv[1], &open));
    ragstore_model_free(open.model); /* the store keeps what it needs */

    int status = ragstore_entity_open(&entity, store, "visitors");
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, "visitors", NULL);
    check(status);

    ragstore_document_add_options document = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    document.filename = "visit.md";
    check(ragstore_document_add(NULL, entity, text, strlen(text), &document));

    check(ragstore_session_create(&session, entity, NULL));
    ask(session, "When does the museum open?");
    ask(session, "What do children pay?");

    ragstore_session_free(session);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
