/* search: ranked passages. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENTS_MAX = CLI_GIVEN_MAX };

void cli_print_source(const struct cli *cli, size_t number, const ragstore_result *result,
                      size_t position)
{
    const char *heading = ragstore_result_heading(result, position);
    const uint32_t page = ragstore_result_page(result, position);

    cli_bold(cli, true);
    printf("[%zu] ", number);
    cli_print_words(stdout, ragstore_result_doc_name(result, position), 70);
    cli_bold(cli, false);
    if (page > 0) {
        printf(", page %" PRIu32, page);
    }
    if (heading != NULL && heading[0] != '\0') {
        fputs(": ", stdout);
        cli_print_words(stdout, heading, 60);
    }
}

static bool take_mode(struct cli *cli, uint32_t *mode)
{
    static const char *const names[] = {"hybrid", "vector", "keyword"};
    const char *given = cli_option(cli, "mode");

    for (uint32_t i = 0; given != NULL && i < 3; i++) {
        if (strcmp(given, names[i]) == 0) {
            *mode = RAGSTORE_MODE_HYBRID + i;
            return true;
        }
    }
    if (given != NULL) {
        cli_say(cli, "--mode is \"%s\"; it must be hybrid, vector or keyword", given);
    }
    return given == NULL;
}

static bool take_score(struct cli *cli, float *score)
{
    const char *given = cli_option(cli, "min-score");
    char *end = NULL;

    if (given == NULL) {
        return true;
    }
    *score = strtof(given, &end);
    if (given[0] == '\0' || *end != '\0' || !(*score >= 0 && *score <= 1)) {
        cli_say(cli, "--min-score is \"%s\"; it must be a number from 0 to 1", given);
        return false;
    }
    return true;
}

static void print_hits(struct cli *cli, const ragstore_result *result)
{
    const size_t count = ragstore_result_count(result);

    for (size_t i = 0; i < count; i++) {
        const char *content = ragstore_result_content(result, i);

        cli_print_source(cli, i + 1, result, i);
        cli_faint(cli, true);
        printf("  (%.2f)", (double)ragstore_result_score(result, i));
        cli_faint(cli, false);
        fputc('\n', stdout);
        if (cli_has(cli, "full")) {
            cli_print_text(stdout, content, strlen(content));
        } else {
            fputs("    ", stdout);
            cli_print_words(stdout, content, 300);
        }
        fputs(i + 1 < count ? "\n\n" : "\n", stdout);
    }
}

int cli_search(struct cli *cli)
{
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    const char *doc_ids[DOCUMENTS_MAX];
    ragstore_entity *entity = NULL;
    ragstore_result *result = NULL;
    ragstore_buffer *buffer = NULL;
    uint64_t k = 5;
    uint64_t neighbors = 0;
    int status = CLI_OK;

    if (!cli_number(cli, "limit", &k, 1, 200) || !cli_number(cli, "neighbors", &neighbors, 0, 10) ||
        !take_mode(cli, &options.mode) || !take_score(cli, &options.min_score)) {
        return CLI_USAGE;
    }
    options.k = (uint32_t)k;
    options.neighbors = (uint32_t)neighbors;
    options.doc_ids_count = cli_all(cli, "document", doc_ids, DOCUMENTS_MAX);
    options.doc_ids = options.doc_ids_count == 0 ? NULL : doc_ids;
    options.filter_json = cli_option(cli, "filter");
    status =
        cli_open(cli, options.mode == RAGSTORE_MODE_KEYWORD ? CLI_READS : CLI_READS | CLI_EMBEDS);
    if (status == CLI_OK) {
        status = cli_open_entity(&entity, cli, cli->arguments[0]);
    }
    if (status != CLI_OK) {
        return status;
    }
    if (ragstore_entity_search(&result, entity, cli->arguments[1], &options) != RAGSTORE_OK ||
        (cli->json && ragstore_result_json(&buffer, result) != RAGSTORE_OK)) {
        status = cli_fail(cli, NULL);
    } else if (cli->json) {
        status = cli_print_json(cli, buffer);
    } else if (ragstore_result_count(result) == 0) {
        if (!cli->quiet) {
            cli_say(cli, "nothing was found");
        }
    } else {
        print_hits(cli, result);
    }
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    return status;
}
