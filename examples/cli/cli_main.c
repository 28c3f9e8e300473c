/* ragstore: documents, search and conversations of a store, from the command line. See cli.h. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_flag cli_global_flags[] = {
    {"data-dir", 'd', "DIR", "the store (RAGSTORE_DATA_DIR, or ./data)"},
    {"json", '\0', NULL, "print JSON"},
    {"model", '\0', "DIR|none", "the embedding model (RAGSTORE_MODEL, or where the set-up put it)"},
    {"precision", '\0', "KIND",
     "what it computes in: float32, int16 or int8 (RAGSTORE_PRECISION)"},
    {"extractor", '\0', "FILE|none",
     "what reads PDF and Office files (ragstore-extract beside this)"},
    {"busy-timeout", '\0', "MS", "wait so long for another process that writes (5000)"},
    {"color", '\0', "WHEN", "always, never or auto (NO_COLOR is never)"},
    {"quiet", 'q', NULL, "say only what failed"},
    {"help", 'h', NULL, "this text, or that of a command"},
    {"version", 'V', NULL, "the version"},
    {0},
};

#define PAGE_FLAGS                                                                                 \
    {"limit", 'n', "N", "so many at most"}, {"offset", '\0', "N", "skip so many first"},           \
        {"match", 'm', "TEXT", "only those whose id or name has this text"}
#define FILTER_FLAGS                                                                               \
    {"document", '\0', "DOC", "only in this document; may be given again"},                        \
        {"filter", 'f', "JSON", "only what has such metadata, as {\"year\": {\"$gte\": 2020}}"}

static const struct cli_flag create_flags[] = {
    {"name", '\0', "TEXT", "for people; default: the id"},
    {"description", '\0', "TEXT", "what it is"},
    {"metadata", '\0', "JSON", "an object"},
    {"metric", '\0', "METRIC", "cosine (the default), inner_product or l2"},
    {"index", '\0', "KIND", "how they are searched: auto, exact, codes or partition"},
    {0},
};
static const struct cli_flag list_flags[] = {PAGE_FLAGS, {0}};
static const struct cli_flag show_flags[] = {
    {"text", 't', NULL, "the text that was taken from the document"},
    {"content", '\0', NULL, "the bytes as they were sent"},
    {0},
};
static const struct cli_flag add_flags[] = {
    {"create", 'c', NULL, "make store and entity when they are missing"},
    {"update", 'u', NULL, "replace what was added from the same path before"},
    {"filename", '\0', "NAME", "of standard input, or instead of the file's"},
    {"type", '\0', "TYPE", "media type; default: told from the content and the name"},
    {"source", '\0', "TEXT", "what search results name"},
    {"description", '\0', "TEXT", "what it is"},
    {"metadata", '\0', "JSON", "an object, for filters"},
    {"key", '\0', "TEXT", "your own name for it: the same key replaces the document"},
    {0},
};
static const struct cli_flag search_flags[] = {
    {"limit", 'n', "N", "so many passages (5)"},
    {"mode", '\0', "MODE", "hybrid, vector or keyword"},
    {"neighbors", '\0', "N", "so many chunks before and after each"},
    {"min-score", '\0', "X", "leave out what scores less, 0 to 1"},
    FILTER_FLAGS,
    {"full", '\0', NULL, "whole passages, not their beginnings"},
    {0},
};
static const struct cli_flag chat_flags[] = {
    {"session", 's', "ID", "go on with this conversation"},
    {"llm-url", '\0', "URL", "an OpenAI-compatible endpoint (RAGSTORE_LLM_URL)"},
    {"llm-model", '\0', "NAME", "the model to ask there (RAGSTORE_LLM_MODEL)"},
    {"limit", 'n', "N", "draw on so many passages (8)"},
    FILTER_FLAGS,
    {0},
};
static const struct cli_flag sessions_flags[] = {
    PAGE_FLAGS,
    {"search", '\0', "TEXT", "messages that have each of these words"},
    {"rename", '\0', "NAME", "give the session this name"},
    {0},
};
static const struct cli_flag delete_flags[] = {
    {"session", 's', "ID", "a session instead"},
    {"yes", 'y', NULL, "do not ask"},
    {0},
};
static const struct cli_flag backup_flags[] = {
    {"verify", '\0', NULL, "compare a backup with its list instead"},
    {"no-check", '\0', NULL, "compare digests only, do not look into the copy"},
    {0},
};
static const struct cli_flag restore_flags[] = {
    {"no-check", '\0', NULL, "compare digests only, do not look into the copy"},
    {0},
};

const struct cli_command cli_commands[] = {
    {"create", "ENTITY", "make an entity, and the store when it is missing", NULL, create_flags, 1,
     1, cli_create},
    {"list", "[ENTITY]", "list entities, or the documents of one", NULL, list_flags, 0, 1,
     cli_list},
    {"add", "ENTITY [PATH...]", "add files, directories, or standard input",
     "Directories are read with all below them, but for hidden files and links. Without a\n"
     "PATH, or with \"-\", standard input is added. What cannot be added is named, and the\n"
     "rest is added all the same.\n",
     add_flags, 1, -1, cli_add},
    {"show", "ENTITY [DOC]", "describe an entity or a document", NULL, show_flags, 1, 2, cli_show},
    {"search", "ENTITY QUERY", "find passages", NULL, search_flags, 2, 2, cli_search},
    {"chat", "ENTITY [QUESTION]", "ask, and get an answer with citations",
     "Without a QUESTION each line of standard input is one. Without a language model\n"
     "sentences of the documents are quoted. The key of an endpoint comes from\n"
     "RAGSTORE_LLM_API_KEY or OPENAI_API_KEY.\n",
     chat_flags, 1, 2, cli_chat},
    {"sessions", "ENTITY [SESSION]", "list, read, search and rename conversations", NULL,
     sessions_flags, 1, 2, cli_sessions},
    {"delete", "ENTITY [DOC...]", "delete documents, a session, or an entity with all it has", NULL,
     delete_flags, 1, -1, cli_delete},
    {"backup", "DIR", "copy the store as it is at one moment, while others use it",
     "DIR must be missing or empty, and outside the store.\n", backup_flags, 1, 1, cli_backup},
    {"restore", "BACKUP", "make the store of --data-dir from a backup",
     "The directory of --data-dir must be missing or empty.\n", restore_flags, 1, 1, cli_restore},
    {"check", "", "read everything again and tell what is damaged", NULL, NULL, 0, 0, cli_check},
    {"compact", "", "take what was deleted out of every file", NULL, NULL, 0, 0, cli_compact},
    {"export", "", "bring every JSON file and index.faiss up to date", NULL, NULL, 0, 0,
     cli_export},
    {"stats", "", "describe the store", NULL, NULL, 0, 0, cli_stats},
    {0},
};

/* ---- help ---- */

static void print_flags(const struct cli_flag *flags)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        char left[64];

        snprintf(left, sizeof left, "--%s%s%s", flags->name, flags->value == NULL ? "" : " ",
                 flags->value == NULL ? "" : flags->value);
        if (flags->letter != '\0') {
            printf("  -%c, %-24s %s\n", flags->letter, left, flags->help);
        } else {
            printf("      %-24s %s\n", left, flags->help);
        }
    }
}

static void print_help(const struct cli_command *command)
{
    if (command != NULL) {
        printf("usage: ragstore %s%s%s [OPTION...]\n\n%c%s.\n", command->name,
               command->arguments[0] == '\0' ? "" : " ", command->arguments,
               command->summary[0] - 'a' + 'A', command->summary + 1);
        if (command->details != NULL) {
            printf("\n%s", command->details);
        }
        if (command->flags != NULL) {
            puts("");
            print_flags(command->flags);
        }
        puts("\nOptions of every command:");
        print_flags(cli_global_flags);
        return;
    }
    puts("usage: ragstore COMMAND [ARGUMENT...] [OPTION...]\n\n"
         "Documents, search and conversations of a ragstore directory.\n");
    for (command = cli_commands; command->name != NULL; command++) {
        printf("  %-9s %-18s %s\n", command->name, command->arguments, command->summary);
    }
    puts("");
    print_flags(cli_global_flags);
    puts("\nragstore COMMAND --help tells more. Exit status: 0 done, 1 failed, 2 usage, 3 not "
         "found,\n"
         "4 conflict, 5 refused, 6 damaged, 7 busy, 8 full, 130 interrupted; see ragstore(1).");
}

/* ---- the program ---- */

static bool take_globals(struct cli *cli)
{
    const char *color = cli_option(cli, "color");
    const char *no_color = getenv("NO_COLOR");

    cli->json = cli_has(cli, "json");
    cli->quiet = cli_has(cli, "quiet");
    if (color != NULL && strcmp(color, "always") != 0 && strcmp(color, "never") != 0 &&
        strcmp(color, "auto") != 0) {
        cli_say(cli, "--color is \"%s\"; it must be always, never or auto", color);
        return false;
    }
    if (color != NULL && strcmp(color, "auto") != 0) {
        cli->colours = strcmp(color, "always") == 0;
    } else {
        cli->colours = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
    }
    cli->colours = cli->colours && !cli->json;
    return true;
}

static bool check_arguments(struct cli *cli)
{
    const struct cli_command *command = cli->command;
    const int count = cli->argument_count;

    if (count >= command->least && (command->most < 0 || count <= command->most)) {
        return true;
    }
    cli_say(cli, "%s arguments; usage: ragstore %s%s%s",
            count < command->least ? "too few" : "too many", command->name,
            command->arguments[0] == '\0' ? "" : " ", command->arguments);
    return false;
}

static int run(struct cli *cli)
{
    int status = CLI_OK;
    int closed = CLI_OK;

    if (cli_has(cli, "help")) {
        print_help(cli->command);
        return CLI_OK;
    }
    if (cli_has(cli, "version")) {
        printf("ragstore %s\n", ragstore_version_text());
        return CLI_OK;
    }
    if (cli->command == NULL) {
        cli_say(cli, "name a command; ragstore --help lists them");
        return CLI_USAGE;
    }
    if (!take_globals(cli) || !check_arguments(cli)) {
        return CLI_USAGE;
    }
    cli_catch_interrupts();
    status = cli->command->run(cli);
    closed = cli_close(cli);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_say(cli, "cannot write to standard output");
        status = status == CLI_OK ? CLI_FAILED : status;
    }
    return status == CLI_OK ? closed : status;
}

int main(int argc, char **argv)
{
    static struct cli cli;

    return cli_parse(&cli, argc, argv) ? run(&cli) : CLI_USAGE;
}
