/* create, list, show, delete. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const entity_keys[] = {
    "entity_id",    "entity_name", "description", "created_at", "metadata", "total_documents",
    "total_chunks", "search_mode", "embedder",    "notice",     NULL};
static const char *const document_keys[] = {
    "doc_id",    "entity_id",    "filename",    "source",   "description", "key",    "media_type",
    "file_size", "chunks_count", "uploaded_at", "metadata", "sha256",      "notice", NULL};

/* Describe an entity for people or programs. */
static int print_entity(struct cli *cli, ragstore_entity *entity)
{
    ragstore_buffer *buffer = NULL;

    if (ragstore_entity_describe(&buffer, entity) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (cli->json) {
        return cli_print_json(cli, buffer);
    }
    json_t *described = cli_take_json(buffer);
    cli_print_object(cli, described, entity_keys);
    json_decref(described);
    return CLI_OK;
}

int cli_create(struct cli *cli)
{
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_entity *entity = NULL;
    int status = cli_open(cli, CLI_WRITES | CLI_CREATES | CLI_EMBEDS);

    if (status != CLI_OK) {
        return status;
    }
    options.name = cli_option(cli, "name");
    options.description = cli_option(cli, "description");
    options.metadata_json = cli_option(cli, "metadata");
    options.metric = cli_option(cli, "metric");
    options.index_kind = cli_option(cli, "index");
    if (ragstore_entity_create(&entity, cli->store, cli->arguments[0], &options) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    status = print_entity(cli, entity);
    ragstore_entity_free(entity);
    return status;
}

/* ---- list ---- */

static bool take_page(struct cli *cli, ragstore_list_options *page)
{
    page->match = cli_option(cli, "match");
    return cli_number(cli, "limit", &page->limit, 1, UINT64_MAX) &&
           cli_number(cli, "offset", &page->offset, 0, UINT64_MAX);
}

static void print_entities(struct cli *cli, const json_t *entities)
{
    size_t i = 0;
    json_t *entity = NULL;

    json_array_foreach(entities, i, entity)
    {
        cli_bold(cli, true);
        cli_print_word(stdout, cli_text(entity, "entity_id"));
        cli_bold(cli, false);
        printf("\t%" PRId64 " documents\t%" PRId64 " chunks\t",
               cli_integer(entity, "total_documents"), cli_integer(entity, "total_chunks"));
        cli_print_words(stdout, cli_text(entity, "entity_name"), 60);
        fputc('\n', stdout);
    }
}

static void print_documents(struct cli *cli, const json_t *documents)
{
    size_t i = 0;
    json_t *document = NULL;

    json_array_foreach(documents, i, document)
    {
        fputs(cli_text(document, "doc_id"), stdout);
        fputc('\t', stdout);
        cli_print_bytes(stdout, (uint64_t)cli_integer(document, "file_size"));
        printf("\t%" PRId64 " chunks\t", cli_integer(document, "chunks_count"));
        cli_bold(cli, true);
        cli_print_words(stdout, cli_text(document, "filename"), 60);
        cli_bold(cli, false);
        fputc('\n', stdout);
    }
}

static int list_documents(struct cli *cli, const ragstore_list_options *page)
{
    ragstore_entity *entity = NULL;
    ragstore_buffer *buffer = NULL;
    int status = cli_open_entity(&entity, cli, cli->arguments[0]);

    if (status != CLI_OK) {
        return status;
    }
    if (ragstore_document_list(&buffer, entity, page) != RAGSTORE_OK) {
        status = cli_fail(cli, NULL);
    } else if (cli->json) {
        status = cli_print_json(cli, buffer);
    } else {
        json_t *documents = cli_take_json(buffer);

        print_documents(cli, documents);
        json_decref(documents);
    }
    ragstore_entity_free(entity);
    return status;
}

int cli_list(struct cli *cli)
{
    ragstore_list_options page = RAGSTORE_LIST_OPTIONS_INIT;
    ragstore_buffer *buffer = NULL;
    int status = take_page(cli, &page) ? cli_open(cli, CLI_READS) : CLI_USAGE;

    if (status != CLI_OK || cli->argument_count == 1) {
        return status == CLI_OK ? list_documents(cli, &page) : status;
    }
    if (ragstore_entity_list(&buffer, cli->store, &page) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (cli->json) {
        return cli_print_json(cli, buffer);
    }
    json_t *list = cli_take_json(buffer);
    print_entities(cli, json_object_get(list, "entities"));
    json_decref(list);
    return CLI_OK;
}

/* ---- show ---- */

/* The bytes of a document as they were sent, or the text that was taken from them. */
static int print_content(struct cli *cli, ragstore_document *document)
{
    ragstore_buffer *buffer = NULL;
    const bool raw = cli_has(cli, "content");
    int status = raw ? ragstore_document_content(&buffer, document)
                     : ragstore_document_text(&buffer, document);

    if (status != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (raw) {
        fwrite(ragstore_buffer_data(buffer), 1, ragstore_buffer_size(buffer), stdout);
    } else {
        cli_print_text(stdout, ragstore_buffer_data(buffer), ragstore_buffer_size(buffer));
    }
    ragstore_buffer_free(buffer);
    return CLI_OK;
}

static int show_document(struct cli *cli, ragstore_entity *entity)
{
    ragstore_document *document = NULL;
    ragstore_buffer *buffer = NULL;
    int status = CLI_OK;

    if (ragstore_document_open(&document, entity, cli->arguments[1]) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (cli_has(cli, "content") || cli_has(cli, "text")) {
        status = print_content(cli, document);
    } else if (ragstore_document_describe(&buffer, document) != RAGSTORE_OK) {
        status = cli_fail(cli, NULL);
    } else if (cli->json) {
        status = cli_print_json(cli, buffer);
    } else {
        json_t *described = cli_take_json(buffer);

        cli_print_object(cli, described, document_keys);
        json_decref(described);
    }
    ragstore_document_free(document);
    return status;
}

int cli_show(struct cli *cli)
{
    ragstore_entity *entity = NULL;
    int status = CLI_OK;

    if (cli->argument_count == 1 && (cli_has(cli, "content") || cli_has(cli, "text"))) {
        cli_say(cli, "--%s needs a document", cli_has(cli, "content") ? "content" : "text");
        return CLI_USAGE;
    }
    /* text is taken from the bytes once more */
    status = cli_open(cli, cli_has(cli, "text") ? CLI_READS | CLI_EXTRACTS : CLI_READS);
    if (status == CLI_OK) {
        status = cli_open_entity(&entity, cli, cli->arguments[0]);
    }
    if (status == CLI_OK) {
        status = cli->argument_count == 1 ? print_entity(cli, entity) : show_document(cli, entity);
    }
    ragstore_entity_free(entity);
    return status;
}

/* ---- delete ---- */

static int report_deleted(struct cli *cli, json_t *report)
{
    int status = report == NULL ? CLI_FULL : CLI_OK;

    if (cli->json && report != NULL) {
        status = cli_print_value(report);
    }
    json_decref(report);
    return status;
}

static int delete_entity(struct cli *cli)
{
    const char *id = cli->arguments[0];
    ragstore_entity *entity = NULL;
    ragstore_buffer *buffer = NULL;
    uint64_t sessions = 0;
    int status = cli_open_entity(&entity, cli, id);

    if (status != CLI_OK) {
        return status;
    }
    status = ragstore_entity_describe(&buffer, entity);
    ragstore_entity_free(entity);
    if (status != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    json_t *described = cli_take_json(buffer);
    const int64_t documents = cli_integer(described, "total_documents");
    json_decref(described);
    if (!cli_confirm(cli, "Delete the entity \"%s\" with %" PRId64 " documents and its sessions?",
                     id, documents)) {
        return CLI_USAGE;
    }
    if (ragstore_entity_delete(&sessions, cli->store, id) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    if (!cli->json && !cli->quiet) {
        cli_say(cli, "deleted the entity \"%s\", %" PRId64 " documents, %" PRIu64 " sessions", id,
                documents, sessions);
    }
    return report_deleted(cli, json_pack("{s:s,s:I,s:I}", "entity_id", id, "documents",
                                         (json_int_t)documents, "sessions", (json_int_t)sessions));
}

static int delete_session(struct cli *cli, const char *session_id)
{
    ragstore_session *session = NULL;

    if (ragstore_session_open(&session, cli->store, session_id) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    const bool other = strcmp(ragstore_session_entity_id(session), cli->arguments[0]) != 0;
    ragstore_session_free(session);
    if (other) {
        cli_say(cli, "there is no session \"%s\" of \"%s\"", session_id, cli->arguments[0]);
        return CLI_NOT_FOUND;
    }
    if (ragstore_session_delete(cli->store, session_id) != RAGSTORE_OK) {
        return cli_fail(cli, NULL);
    }
    return report_deleted(cli, json_pack("{s:s}", "session_id", session_id));
}

static int delete_documents(struct cli *cli)
{
    ragstore_entity *entity = NULL;
    json_t *deleted = json_array();
    int status = cli_open_entity(&entity, cli, cli->arguments[0]);

    for (int i = 1; status == CLI_OK && i < cli->argument_count; i++) {
        if (ragstore_document_delete(entity, cli->arguments[i]) != RAGSTORE_OK) {
            status = cli_fail(cli, NULL);
        } else {
            json_array_append_new(deleted, json_string(cli->arguments[i]));
        }
    }
    ragstore_entity_free(entity);
    if (status != CLI_OK) {
        json_decref(deleted);
        return status;
    }
    return report_deleted(cli, json_pack("{s:o}", "documents", deleted));
}

int cli_delete(struct cli *cli)
{
    const char *session = cli_option(cli, "session");
    int status = CLI_OK;

    if (session != NULL && cli->argument_count > 1) {
        cli_say(cli, "delete either documents or a session");
        return CLI_USAGE;
    }
    status = cli_open(cli, CLI_WRITES);
    if (status != CLI_OK) {
        return status;
    }
    if (session != NULL) {
        return delete_session(cli, session);
    }
    return cli->argument_count == 1 ? delete_entity(cli) : delete_documents(cli);
}
