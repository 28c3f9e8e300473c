/* backup, restore, check, compact, export, stats. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

size_t cli_print_findings(struct cli *cli, const json_t *report)
{
    const json_t *findings = json_object_get(report, "findings");
    size_t i = 0;
    json_t *finding = NULL;

    json_array_foreach(findings, i, finding)
    {
        cli_bold(cli, true);
        cli_print_word(stdout, cli_text(finding, "file"));
        cli_bold(cli, false);
        if (json_is_integer(json_object_get(finding, "offset"))) {
            printf(" at byte %" PRId64, cli_integer(finding, "offset"));
        }
        if (json_is_string(json_object_get(finding, "record"))) {
            fputs(" (", stdout);
            cli_print_word(stdout, cli_text(finding, "record"));
            fputc(')', stdout);
        }
        fputs(": ", stdout);
        cli_print_word(stdout, cli_text(finding, "problem"));
        fputc('\n', stdout);
    }
    return json_array_size(findings);
}

/* Print a report with findings; CLI_DAMAGED when there are any. */
static int print_report(struct cli *cli, ragstore_buffer *buffer, const char *what)
{
    char *text =
        cli->json ? strndup(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer)) : NULL;
    json_t *report = cli_take_json(buffer);
    const bool good = json_is_true(json_object_get(report, "ok"));

    cli_progress_end(cli);
    if (cli->json) {
        puts(text == NULL ? "null" : text);
    } else {
        const size_t count = cli_print_findings(cli, report);
        const int64_t files = cli_integer(report, "files");

        if (!cli->quiet && files > 0) {
            printf("%s: %" PRId64 " files, ", what, files);
            cli_print_bytes(stdout, (uint64_t)cli_integer(report, "bytes"));
            printf(" of %.19s; ", cli_text(report, "created_at"));
        } else if (!cli->quiet) {
            printf("%s: ", what);
        }
        if (!cli->quiet) {
            printf("%" PRId64 " entities, %" PRId64 " documents, %zu findings\n",
                   cli_integer(report, "entities"), cli_integer(report, "documents"), count);
        }
    }
    json_decref(report);
    free(text);
    return good ? CLI_OK : CLI_DAMAGED;
}

static ragstore_backup_options backup_options(struct cli *cli, struct cli_watch *watch)
{
    ragstore_backup_options options = RAGSTORE_BACKUP_OPTIONS_INIT;

    watch->cli = cli;
    options.flags = cli_has(cli, "no-check") ? RAGSTORE_BACKUP_UNCHECKED : 0;
    options.progress = cli_watch;
    options.progress_user = watch;
    return options;
}

int cli_backup(struct cli *cli)
{
    struct cli_watch watch = {cli, "backup"};
    const ragstore_backup_options options = backup_options(cli, &watch);
    const bool verifies = cli_has(cli, "verify");
    ragstore_buffer *report = NULL;
    int status = verifies ? CLI_OK : cli_open(cli, CLI_WRITES);

    if (status != CLI_OK) {
        return status;
    }
    status = verifies ? ragstore_backup_verify(&report, cli->arguments[0], &options)
                      : ragstore_store_backup(&report, cli->store, cli->arguments[0], &options);
    return status == RAGSTORE_OK ? print_report(cli, report, verifies ? "verified" : "backup")
                                 : cli_fail(cli, NULL);
}

int cli_restore(struct cli *cli)
{
    struct cli_watch watch = {cli, "restore"};
    const ragstore_backup_options options = backup_options(cli, &watch);
    ragstore_buffer *report = NULL;

    if (ragstore_store_restore(&report, cli->arguments[0], cli_directory(cli), &options) !=
        RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    return print_report(cli, report, "restored");
}

int cli_check(struct cli *cli)
{
    struct cli_watch watch = {cli, "check"};
    ragstore_store_check_options options = RAGSTORE_STORE_CHECK_OPTIONS_INIT;
    ragstore_buffer *report = NULL;
    int status = cli_open(cli, CLI_READS);

    if (status != CLI_OK) {
        return status;
    }
    options.progress = cli_watch;
    options.progress_user = &watch;
    if (ragstore_store_check_with(&report, cli->store, &options) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    return print_report(cli, report, "checked");
}

int cli_compact(struct cli *cli)
{
    struct cli_watch watch = {cli, "compact"};
    ragstore_store_compact_options options = RAGSTORE_STORE_COMPACT_OPTIONS_INIT;
    ragstore_buffer *report = NULL;
    int status = cli_open(cli, CLI_WRITES);

    if (status != CLI_OK) {
        return status;
    }
    options.progress = cli_watch;
    options.progress_user = &watch;
    if (ragstore_store_compact(&report, cli->store, &options) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    cli_progress_end(cli);
    if (cli->json) {
        return cli_print_json(cli, report);
    }
    json_t *described = cli_take_json(report);
    if (!cli->quiet) {
        cli_print_bytes(stdout, (uint64_t)cli_integer(described, "bytes_before"));
        fputs(" before, ", stdout);
        cli_print_bytes(stdout, (uint64_t)cli_integer(described, "bytes_after"));
        fputs(" after\n", stdout);
    }
    const size_t aside = json_array_size(json_object_get(described, "quarantine"));
    if (aside > 0) {
        cli_say(cli, "%zu things in quarantine/ were left alone", aside);
    }
    json_decref(described);
    return CLI_OK;
}

int cli_export(struct cli *cli)
{
    int status = cli_open(cli, CLI_WRITES);

    if (status != CLI_OK) {
        return status;
    }
    if (ragstore_store_export(cli->store) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (cli->json) {
        json_t *done = json_pack("{s:s}", "path", cli_directory(cli));

        status = cli_print_value(done);
        json_decref(done);
    }
    return status;
}

int cli_stats(struct cli *cli)
{
    static const char *const keys[] = {"path",     "store_id", "format",        "state",
                                       "problems", "entities", "documents",     "chunks",
                                       "sessions", "embedder", "journal_bytes", NULL};
    ragstore_buffer *buffer = NULL;
    int status = cli_open(cli, CLI_READS | CLI_EMBEDS);

    if (status != CLI_OK) {
        return status;
    }
    if (ragstore_store_describe(&buffer, cli->store) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (cli->json) {
        return cli_print_json(cli, buffer);
    }
    json_t *described = cli_take_json(buffer);
    cli_print_object(cli, described, keys);
    json_decref(described);
    return CLI_OK;
}
