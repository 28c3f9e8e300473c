/* chat: one question, or a conversation at the terminal. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DOCUMENTS_MAX = CLI_GIVEN_MAX, QUESTION_MAX = 32 << 10 };

struct chat {
    struct cli *cli;
    ragstore_session *session;
    ragstore_session_ask_options options;
    const char *doc_ids[DOCUMENTS_MAX];
};

/* ---- the answer as it grows ---- */

static int32_t on_text(void *user, const char *text, size_t size)
{
    const struct chat *chat = user;

    if (!chat->cli->json) {
        cli_progress_end(chat->cli);
        cli_print_text(stdout, text, size);
        fflush(stdout);
    }
    return cli_interrupted() ? 1 : 0;
}

static int32_t on_sources(void *user, const ragstore_result *sources)
{
    const struct chat *chat = user;

    (void)sources;
    cli_progress(chat->cli, "thinking", "", 0, 0);
    return cli_interrupted() ? 1 : 0;
}

#ifdef SERVER_HAS_LLM
/* Ctrl-C ends a model that says nothing, too. */
static int32_t generate(void *user, ragstore_generation *out, const char *messages_json,
                        uint32_t max_tokens)
{
    struct chat *chat = user;

    return llm_generate(&chat->cli->llm, out, messages_json, max_tokens);
}
#endif

/* The sources that the answer cites. */
static void print_citations(const struct chat *chat, const ragstore_answer *answer)
{
    const ragstore_result *sources = ragstore_answer_sources(answer);
    const char *text = ragstore_answer_text(answer);

    for (size_t i = 0; i < ragstore_result_count(sources); i++) {
        char mark[32];

        snprintf(mark, sizeof mark, "[%zu]", i + 1);
        if (strstr(text, mark) != NULL) {
            fputs("  ", stdout);
            cli_print_source(chat->cli, i + 1, sources, i);
            fputc('\n', stdout);
        }
    }
}

static int print_answer_json(const struct chat *chat, const ragstore_answer *answer)
{
    ragstore_buffer *message = NULL;
    ragstore_buffer *sources = NULL;

    if (ragstore_answer_message(&message, answer) != RAGSTORE_OK ||
        ragstore_result_json(&sources, ragstore_answer_sources(answer)) != RAGSTORE_OK) {
        ragstore_buffer_free(message);
        return cli_fail(chat->cli, NULL);
    }
    json_t *whole = json_pack("{s:s,s:o,s:o}", "session_id", ragstore_session_id(chat->session),
                              "message", cli_take_json(message), "sources", cli_take_json(sources));
    const int status = cli_print_value(whole);
    json_decref(whole);
    fflush(stdout);
    return status;
}

static int ask(struct chat *chat, const char *question)
{
    ragstore_answer *answer = NULL;
    int status = CLI_OK;

    if (ragstore_session_ask(&answer, chat->session, question, &chat->options) != RAGSTORE_OK) {
        if (!chat->cli->json) {
            fputc('\n', stdout);
            fflush(stdout);
        }
        return cli_fail(chat->cli, NULL);
    }
    if (chat->cli->json) {
        status = print_answer_json(chat, answer);
    } else {
        fputc('\n', stdout);
        if (!chat->cli->quiet) {
            print_citations(chat, answer);
        }
        fflush(stdout);
    }
    ragstore_answer_free(answer);
    return status;
}

/* ---- the conversation ---- */

/* The next line; NULL at the end. An interrupted line is an empty one. */
static char *read_line(const struct chat *chat, bool asks)
{
    char *line = NULL;
    size_t room = 0;

    if (asks) {
        cli_bold(chat->cli, true);
        fputs("> ", stdout);
        cli_bold(chat->cli, false);
        fflush(stdout);
    }
    const ssize_t size = getline(&line, &room, stdin);
    if (size < 0) {
        free(line);
        return NULL;
    }
    if (size > 0 && line[size - 1] == '\n') {
        line[size - 1] = '\0';
    }
    return line;
}

/* Each line is a question. At a terminal one that fails does not end the conversation. */
static int converse(struct chat *chat)
{
    const bool asks = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !chat->cli->json;
    int status = CLI_OK;
    char *line = NULL;

    while ((status == CLI_OK || asks) && (line = read_line(chat, asks)) != NULL) {
        if (line[strspn(line, " \t\r")] != '\0') {
            status = ask(chat, line);
        }
        free(line);
        if (asks && cli_interrupted()) {
            cli_forget_interrupt();
        }
    }
    if (asks) {
        fputc('\n', stdout);
    }
    return cli_interrupted() ? CLI_INTERRUPTED : asks ? CLI_OK : status;
}

static int open_session(struct chat *chat)
{
    struct cli *cli = chat->cli;
    const char *id = cli_option(cli, "session");
    ragstore_entity *entity = NULL;
    int status = cli_open_entity(&entity, cli, cli->arguments[0]);

    if (status != CLI_OK) {
        return status;
    }
    if (id == NULL) {
        if (ragstore_session_create(&chat->session, entity, NULL) != RAGSTORE_OK) {
            status = cli_fail(cli, NULL);
        }
    } else if (ragstore_session_open(&chat->session, cli->store, id) != RAGSTORE_OK) {
        status = cli_fail(cli, NULL);
    } else if (strcmp(ragstore_session_entity_id(chat->session), ragstore_entity_id(entity)) != 0) {
        cli_say(cli, "there is no session \"%s\" of \"%s\"", id, cli->arguments[0]);
        status = CLI_NOT_FOUND;
    }
    ragstore_entity_free(entity);
    return status;
}

int cli_chat(struct cli *cli)
{
    struct chat chat = {.cli = cli, .options = RAGSTORE_SESSION_ASK_OPTIONS_INIT};
    uint64_t k = 8;
    int status = cli_number(cli, "limit", &k, 1, 50) ? cli_open_llm(cli) : CLI_USAGE;

    if (status == CLI_OK) {
        status = cli_open(cli, CLI_WRITES | CLI_EMBEDS);
    }
    if (status == CLI_OK) {
        status = open_session(&chat);
    }
    if (status == CLI_OK) {
        chat.options.k = (uint32_t)k;
        chat.options.doc_ids_count = cli_all(cli, "document", chat.doc_ids, DOCUMENTS_MAX);
        chat.options.doc_ids = chat.options.doc_ids_count == 0 ? NULL : chat.doc_ids;
        chat.options.filter_json = cli_option(cli, "filter");
        chat.options.on_sources = on_sources;
        chat.options.on_text = on_text;
        chat.options.user = &chat;
#ifdef SERVER_HAS_LLM
        if (cli->has_llm) {
            chat.options.generate = generate;
            chat.options.generate_user = &chat;
        }
#endif
        status = cli->argument_count > 1 ? ask(&chat, cli->arguments[1]) : converse(&chat);
        if (!cli->json && !cli->quiet && !cli_has(cli, "session")) {
            cli_say(cli, "go on with --session %s", ragstore_session_id(chat.session));
        }
    }
    ragstore_session_free(chat.session);
    return status;
}
