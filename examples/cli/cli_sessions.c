/* sessions: list them, read one, search what was said, rename. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

static void print_message(struct cli *cli, const json_t *message)
{
    const char *content = cli_text(message, "content");

    cli_bold(cli, true);
    cli_print_word(stdout, cli_text(message, "role"));
    cli_bold(cli, false);
    cli_faint(cli, true);
    printf("  %.19s\n", cli_text(message, "timestamp"));
    cli_faint(cli, false);
    cli_print_text(stdout, content, strlen(content));
    fputs("\n\n", stdout);
}

static void print_session(struct cli *cli, const json_t *session)
{
    cli_bold(cli, true);
    cli_print_word(stdout, cli_text(session, "session_id"));
    cli_bold(cli, false);
    printf("\t%.19s\t%" PRId64 " messages\t", cli_text(session, "last_activity"),
           cli_integer(session, "message_count"));
    cli_print_words(stdout, cli_text(session, "session_name"), 60);
    fputc('\n', stdout);
}

static void print_found(struct cli *cli, const json_t *hit)
{
    cli_bold(cli, true);
    cli_print_word(stdout, cli_text(hit, "session_id"));
    cli_bold(cli, false);
    printf("\t%.19s\t%s\t", cli_text(hit, "timestamp"), cli_text(hit, "role"));
    cli_print_words(stdout, cli_text(hit, "content"), 120);
    fputc('\n', stdout);
}

/* Print an array of the library, each of its objects by `print`. */
static int print_array(struct cli *cli, ragstore_buffer *buffer,
                       void (*print)(struct cli *cli, const json_t *object))
{
    size_t i = 0;
    json_t *object = NULL;

    if (cli->json) {
        return cli_print_json(cli, buffer);
    }
    json_t *array = cli_take_json(buffer);
    json_array_foreach(array, i, object)
    {
        print(cli, object);
    }
    json_decref(array);
    return CLI_OK;
}

static int list(struct cli *cli, ragstore_entity *entity, const ragstore_list_options *page)
{
    ragstore_buffer *buffer = NULL;

    return ragstore_session_list(&buffer, entity, page) == RAGSTORE_OK
               ? print_array(cli, buffer, print_session)
               : cli_fail(cli, NULL);
}

static int search(struct cli *cli, ragstore_entity *entity, const ragstore_list_options *page)
{
    ragstore_session_search_options options = RAGSTORE_SESSION_SEARCH_OPTIONS_INIT;
    ragstore_buffer *buffer = NULL;

    options.session_id = cli->argument_count > 1 ? cli->arguments[1] : NULL;
    options.limit = page->limit;
    options.offset = page->offset;
    return ragstore_session_search(&buffer, entity, cli_option(cli, "search"), &options) ==
                   RAGSTORE_OK
               ? print_array(cli, buffer, print_found)
               : cli_fail(cli, NULL);
}

static int use_session(struct cli *cli, const ragstore_list_options *page)
{
    ragstore_session_update_options change = RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    ragstore_session_messages_options options = RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT;
    ragstore_session *session = NULL;
    ragstore_buffer *buffer = NULL;
    int status = RAGSTORE_OK;

    if (ragstore_session_open(&session, cli->store, cli->arguments[1]) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (strcmp(ragstore_session_entity_id(session), cli->arguments[0]) != 0) {
        cli_say(cli, "there is no session \"%s\" of \"%s\"", cli->arguments[1], cli->arguments[0]);
        ragstore_session_free(session);
        return CLI_NOT_FOUND;
    }
    change.name = cli_option(cli, "rename");
    options.limit = page->limit;
    if (change.name != NULL) {
        status = ragstore_session_update(session, &change);
        if (status == RAGSTORE_OK && cli->json) {
            status = ragstore_session_describe(&buffer, session);
        }
    } else {
        status = ragstore_session_messages(&buffer, session, &options);
    }
    ragstore_session_free(session);
    if (status != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (change.name != NULL) {
        return buffer == NULL ? CLI_OK : cli_print_json(cli, buffer);
    }
    return print_array(cli, buffer, print_message);
}

int cli_sessions(struct cli *cli)
{
    ragstore_list_options page = RAGSTORE_LIST_OPTIONS_INIT;
    const bool renames = cli_has(cli, "rename");
    ragstore_entity *entity = NULL;
    int status = CLI_OK;

    page.flags = RAGSTORE_LIST_NEWEST_FIRST;
    page.match = cli_option(cli, "match");
    if (!cli_number(cli, "limit", &page.limit, 1, UINT64_MAX) ||
        !cli_number(cli, "offset", &page.offset, 0, UINT64_MAX)) {
        return CLI_USAGE;
    }
    if (renames && (cli->argument_count == 1 || cli_has(cli, "search"))) {
        cli_say(cli, "--rename needs a session, and goes without --search");
        return CLI_USAGE;
    }
    status = cli_open(cli, renames ? CLI_WRITES : CLI_READS);
    if (status == CLI_OK) {
        status = cli_open_entity(&entity, cli, cli->arguments[0]);
    }
    if (status == CLI_OK && cli_has(cli, "search")) {
        status = search(cli, entity, &page);
    } else if (status == CLI_OK && cli->argument_count > 1) {
        status = use_session(cli, &page);
    } else if (status == CLI_OK) {
        status = list(cli, entity, &page);
    }
    ragstore_entity_free(entity);
    return status;
}
