/* What a command works with: store, embedding model, extraction helper, language model. See
 * cli.h. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

const char *cli_directory(const struct cli *cli)
{
    const char *given = cli_option(cli, "data-dir");
    const char *variable = getenv("RAGSTORE_DATA_DIR");

    if (given != NULL) {
        return given;
    }
    return variable != NULL && variable[0] != '\0' ? variable : "data";
}

/* What the model computes in; false after a message. */
static bool read_precision(struct cli *cli, uint32_t *precision)
{
    static const char *const names[] = {[RAGSTORE_PRECISION_FLOAT32] = "float32",
                                        [RAGSTORE_PRECISION_INT8] = "int8",
                                        [RAGSTORE_PRECISION_INT16] = "int16"};
    const char *given = cli_option(cli, "precision");
    const char *variable = getenv("RAGSTORE_PRECISION");
    const char *name = given != NULL ? given : variable;

    if (name == NULL || (given == NULL && name[0] == '\0')) {
        return true;
    }
    for (uint32_t i = RAGSTORE_PRECISION_FLOAT32; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *precision = i;
            return true;
        }
    }
    cli_say(cli, "%s is float32, int16 or int8, not \"%s\"",
            given != NULL ? "--precision" : "RAGSTORE_PRECISION", name);
    return false;
}

/* One that the user named must be there; otherwise search is by keyword, and says so. */
static int open_model(struct cli *cli)
{
    ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
    const char *named = cli_option(cli, "model");
    ragstore_buffer *found = NULL;
    int status = RAGSTORE_OK;

    if (!read_precision(cli, &options.precision)) {
        return CLI_USAGE;
    }
    if (named != NULL && strcmp(named, "none") == 0) {
        return CLI_OK;
    }
    if (named == NULL && ragstore_model_locate(&found) != RAGSTORE_OK) {
        return CLI_OK;
    }
    status = ragstore_model_open_with(
        &cli->model, named != NULL ? named : ragstore_buffer_data(found), &options);
    ragstore_buffer_free(found);
    if (status != RAGSTORE_OK && named != NULL) {
        return cli_fail(cli, "the model %s", named);
    }
    if (status != RAGSTORE_OK && !cli->quiet) {
        cli_say(cli, "search is by keyword only: %s", ragstore_error_message());
    }
    return CLI_OK;
}

static int find_extractor(struct cli *cli)
{
    const char *named = cli_option(cli, "extractor");

    cli->extractor = (struct extract_runner)EXTRACT_RUNNER_DEFAULTS;
    if (named != NULL && strcmp(named, "none") == 0) {
        return CLI_OK;
    }
    if (!extract_runner_find(&cli->extractor, named)) {
        cli->extractor.program[0] = '\0';
        if (named != NULL) {
            cli_say(cli,
                    "cannot run the extractor %s; give the absolute path of ragstore-extract, "
                    "or none",
                    named);
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}

static void on_message(void *user, int level, const char *message)
{
    struct cli *cli = user;

    if (level <= RAGSTORE_LOG_WARNING && !cli->quiet) {
        cli_say(cli, "%s", message);
    }
}

int cli_open(struct cli *cli, unsigned needs)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    uint64_t timeout = 5000;
    int status = CLI_OK;

    if (!cli_number(cli, "busy-timeout", &timeout, 0, 86400000)) {
        return CLI_USAGE;
    }
    if ((needs & CLI_EMBEDS) != 0) {
        status = open_model(cli);
    }
    if (status == CLI_OK && (needs & CLI_EXTRACTS) != 0) {
        status = find_extractor(cli);
    }
    if (status != CLI_OK) {
        return status;
    }
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.flags |= (needs & CLI_CREATES) == 0 ? RAGSTORE_OPEN_MUST_EXIST : 0;
    options.flags |= (needs & (CLI_WRITES | CLI_CREATES)) == 0 ? RAGSTORE_OPEN_READ_ONLY : 0;
    options.busy_timeout_ms = timeout == 0 ? RAGSTORE_NO_WAIT : (uint32_t)timeout;
    options.model = cli->model;
    options.log = on_message;
    options.log_user = cli;
    if (cli->extractor.program[0] != '\0') {
        options.extract = extract_run;
        options.extract_user = &cli->extractor;
    }
    if (ragstore_store_open(&cli->store, cli_directory(cli), &options) == RAGSTORE_OK) {
        return CLI_OK;
    }
    if (ragstore_error_code() == RAGSTORE_E_NOT_FOUND && (needs & CLI_CREATES) == 0) {
        cli_say(cli,
                "there is no store in %s; name another with --data-dir, or make one with "
                "ragstore create",
                cli_directory(cli));
        return CLI_NOT_FOUND;
    }
    return cli_fail(cli, NULL);
}

int cli_open_llm(struct cli *cli)
{
    const char *url = cli_option(cli, "llm-url");
    const char *model = cli_option(cli, "llm-model");

    if (url == NULL) {
        url = getenv("RAGSTORE_LLM_URL");
    }
    if (model == NULL) {
        model = getenv("RAGSTORE_LLM_MODEL");
    }
    if (url == NULL || url[0] == '\0') {
        if (cli_has(cli, "llm-model")) {
            cli_say(cli, "--llm-model needs --llm-url");
            return CLI_USAGE;
        }
        return CLI_OK;
    }
    if (model == NULL || model[0] == '\0') {
        cli_say(cli, "--llm-url needs --llm-model");
        return CLI_USAGE;
    }
#ifdef SERVER_HAS_LLM
    char why[LLM_MESSAGE];

    if (!llm_client_open(&cli->llm, url, model, why)) {
        cli_say(cli, "cannot use --llm-url %s: %s", url, why);
        return CLI_USAGE;
    }
    cli->has_llm = true;
    return CLI_OK;
#else
    cli_say(cli,
            "this program was built without libcurl, so --llm-url does not work; run make setup "
            "and build it again");
    return CLI_USAGE;
#endif
}

int cli_open_entity(ragstore_entity **out, struct cli *cli, const char *id)
{
    if (ragstore_entity_open(out, cli->store, id) == RAGSTORE_OK) {
        return CLI_OK;
    }
    if (ragstore_error_code() == RAGSTORE_E_NOT_FOUND) {
        cli_say(cli, "there is no entity \"%s\" in %s; ragstore list shows them", id,
                cli_directory(cli));
        return CLI_NOT_FOUND;
    }
    return cli_fail(cli, NULL);
}

int cli_close(struct cli *cli)
{
    int status = CLI_OK;

    cli_progress_end(cli);
    if (cli->store != NULL && ragstore_store_close(cli->store) != RAGSTORE_OK) {
        status = cli_fail(cli, "closing");
    }
    cli->store = NULL;
    ragstore_model_free(cli->model);
    cli->model = NULL;
#ifdef SERVER_HAS_LLM
    if (cli->has_llm) {
        llm_client_close(&cli->llm);
    }
#endif
    return status;
}
