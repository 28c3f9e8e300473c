/*
 * Answers questions to lib/query, one JSON object a line, so that a script can compare the answers
 * with those of other implementations.
 *
 *   {"do": "match", "query": {…}, "document": {…}}                → true
 *   {"do": "update", "update": {…}, "document": {…}}              → {…}
 *   {"do": "upsert", "query": {…}, "update": {…}}                 → {…}
 *   {"do": "aggregate", "pipeline": […], "documents": [{…}, …]}   → [{…}, …]
 *   {"do": "project", "projection": {…}, "document": {…}}         → {…}
 *
 * Each answer is {"answer": …} or {"error": "NAME", "message": "…"}. Documents are matched as text
 * and as a tree; two different answers are reported as an error.
 */
#include "base/status.h"
#include "query/pipeline.h"
#include "query/projection.h"
#include "query/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int source_of(rsi_slice *text, const rsi_json_view *request, const char *name)
{
    rsi_json_view member;

    int found = rsi_json_view_get(&member, request, rsi_slice_of(name));
    if (found == RSI_JSON_ABSENT)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "test", "no %s", name);
    return found < 0 ? found : rsi_json_view_source(text, &member);
}

static int tree_of(rsi_json **tree, const rsi_json_view *request, const char *name)
{
    rsi_slice text = {NULL, 0};

    *tree = NULL;
    int status = source_of(&text, request, name);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(tree, text.data, text.size, RSI_JSON_DEPTH_STORED);
    return status;
}

static int answer_match(rsi_json_writer *writer, const rsi_json_view *request)
{
    rsi_predicate *predicate = NULL;
    rsi_json *tree = NULL;
    rsi_slice query = {NULL, 0}, document = {NULL, 0};
    bool as_text = false, as_tree = false;

    int status = source_of(&query, request, "query");
    if (status == RAGSTORE_OK)
        status = source_of(&document, request, "document");
    if (status == RAGSTORE_OK)
        status = rsi_predicate_compile_text(&predicate, query.data, query.size);
    if (status == RAGSTORE_OK)
        status = tree_of(&tree, request, "document");
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(&as_text, predicate, document.data, document.size);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match_value(&as_tree, predicate, tree);
    if (status == RAGSTORE_OK && as_text != as_tree)
        status = rsi_fail(RAGSTORE_E_INTERNAL, "test", "text and tree do not agree");
    if (status == RAGSTORE_OK)
        rsi_json_bool_value(writer, as_text);
    rsi_predicate_free(predicate);
    rsi_json_free(tree);
    return status;
}

static int answer_update(rsi_json_writer *writer, const rsi_json_view *request, bool upsert)
{
    rsi_update_context context = {.inserting = upsert, .now = "2026-01-31T12:34:56.123456"};
    rsi_predicate *predicate = NULL;
    rsi_update *update = NULL;
    rsi_json *tree = NULL, *result = NULL;
    rsi_slice text = {NULL, 0};

    int status = source_of(&text, request, "update");
    if (status == RAGSTORE_OK)
        status = rsi_update_compile_text(&update, text.data, text.size);
    if (status == RAGSTORE_OK && upsert) {
        status = source_of(&text, request, "query");
        if (status == RAGSTORE_OK)
            status = rsi_predicate_compile_text(&predicate, text.data, text.size);
        if (status == RAGSTORE_OK)
            status = rsi_update_seed(&tree, predicate);
    } else if (status == RAGSTORE_OK) {
        status = tree_of(&tree, request, "document");
    }
    if (status == RAGSTORE_OK)
        status = rsi_update_apply(&result, NULL, update, tree, &context);
    if (status == RAGSTORE_OK)
        rsi_json_value(writer, result);
    rsi_json_free(result);
    rsi_json_free(tree);
    rsi_update_free(update);
    rsi_predicate_free(predicate);
    return status;
}

static int write_one(void *user, const char *text, size_t size)
{
    rsi_json_raw_value(user, text, size);
    return RAGSTORE_OK;
}

static int run_pipeline(rsi_json_writer *writer, const rsi_pipeline *pipeline,
                        const rsi_json_view *documents)
{
    rsi_json_cursor cursor = rsi_json_walk(documents);
    rsi_json_view document;
    rsi_pipeline_run *run;
    rsi_slice text = {NULL, 0};

    int status = rsi_pipeline_start(&run, pipeline, 0, write_one, writer);
    rsi_json_begin_array(writer);
    while (status == RAGSTORE_OK && rsi_pipeline_wants_more(run) &&
           rsi_json_next(&cursor, &document) > 0) {
        status = rsi_json_view_source(&text, &document);
        if (status == RAGSTORE_OK)
            status = rsi_pipeline_feed(run, text.data, text.size);
    }
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_finish(run);
    rsi_json_end_array(writer);
    rsi_pipeline_stop(run);
    return status;
}

static int answer_aggregate(rsi_json_writer *writer, const rsi_json_view *request)
{
    rsi_pipeline *pipeline = NULL;
    rsi_json_view documents;
    rsi_slice text = {NULL, 0};

    int status = source_of(&text, request, "pipeline");
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_compile_text(&pipeline, text.data, text.size);
    if (status == RAGSTORE_OK &&
        rsi_json_view_get(&documents, request, rsi_slice_of("documents")) > 0)
        status = run_pipeline(writer, pipeline, &documents);
    rsi_pipeline_free(pipeline);
    return status;
}

static int answer_project(rsi_json_writer *writer, const rsi_json_view *request)
{
    rsi_projection *projection = NULL;
    rsi_json_view document;
    rsi_bytes out = {0};
    rsi_slice text = {NULL, 0};

    int status = source_of(&text, request, "projection");
    if (status == RAGSTORE_OK)
        status = rsi_projection_compile_text(&projection, text.data, text.size);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_get(&document, request, rsi_slice_of("document")) > 0
                     ? rsi_projection_write(&out, projection, &document)
                     : RAGSTORE_E_INVALID_ARGUMENT;
    if (status == RAGSTORE_OK)
        rsi_json_raw_value(writer, out.data, out.size);
    rsi_projection_free(projection);
    rsi_bytes_free(&out);
    return status;
}

static int answer(rsi_json_writer *writer, const char *line, size_t size)
{
    rsi_json_view request, kind;
    rsi_json *check;

    int status = rsi_json_parse(&check, line, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_free(check);
    status = rsi_json_view_of_text(&request, line, size);
    if (status != RAGSTORE_OK || rsi_json_view_get(&kind, &request, rsi_slice_of("do")) <= 0)
        return RAGSTORE_E_INVALID_ARGUMENT;
    if (strncmp(kind.text, "match", 5) == 0)
        return answer_match(writer, &request);
    if (strncmp(kind.text, "up", 2) == 0)
        return answer_update(writer, &request, kind.text[2] == 's');
    if (strncmp(kind.text, "aggregate", 9) == 0)
        return answer_aggregate(writer, &request);
    return answer_project(writer, &request);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;

    while ((size = getline(&line, &capacity, stdin)) > 0) {
        rsi_bytes out = {0};
        rsi_json_writer writer = rsi_json_writer_of(&out);
        rsi_json_begin_object(&writer);
        rsi_json_key(&writer, "answer");
        int status = answer(&writer, line, (size_t)size);
        if (status == RAGSTORE_OK) {
            rsi_json_end_object(&writer);
        } else {
            rsi_bytes_clear(&out);
            writer = rsi_json_writer_of(&out);
            rsi_json_begin_object(&writer);
            rsi_json_put_text(&writer, "error", rsi_status_name(status));
            rsi_json_put_text(&writer, "message", rsi_error_message());
            rsi_json_end_object(&writer);
        }
        puts(out.data);
        fflush(stdout);
        rsi_bytes_free(&out);
    }
    free(line);
    return 0;
}
