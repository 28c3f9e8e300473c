/*
 * Search.
 */
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "results.h"
#include "validate.h"

#include <stdlib.h>

enum { K_DEFAULT = 5, K_MAX = 20, LIMIT_MAX = 200, NEIGHBORS_MAX = 10 };

static const char *const mode_names[] = {"hybrid", "vector", "keyword", NULL}; /* mode - 1 */

static void reply_results(struct request *request, const char *entity_id, const char *query,
                          const ragstore_result *result, uint32_t wanted)
{
    uint32_t mode = ragstore_result_mode(result);
    char problem[EMBEDDER_PROBLEM];
    struct json_out out = {0};

    out_begin(&out, '{');
    out_key(&out, "entity_id");
    out_text(&out, entity_id);
    out_key(&out, "query");
    out_text(&out, query);
    out_key(&out, "results");
    out_results(&out, result);
    out_key(&out, "total");
    out_whole(&out, (json_int_t)ragstore_result_count(result));
    out_key(&out, "mode");
    out_text(&out, mode >= 1 && mode <= 3 ? mode_names[mode - 1] : NULL);
    if (mode != wanted && embedder_problem(request->server, problem)) {
        out_key(&out, "notice");
        out_text(&out, problem);
    }
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
}

static void search_in(struct request *request, const char *entity_id, const char *query,
                      const ragstore_entity_search_options *options)
{
    ragstore_entity *entity = open_entity(request, entity_id);
    ragstore_result *result = NULL;
    int status = RAGSTORE_OK;

    if (entity == NULL) {
        return;
    }
    status = options->doc_ids != NULL && options->doc_ids_count == 0
                 ? RAGSTORE_OK /* no document may be searched, so nothing is found */
                 : ragstore_entity_search(&result, entity, query, options);
    if (status == RAGSTORE_OK) {
        reply_results(request, entity_id, query, result, options->mode);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", entity_id);
    } else {
        reply_failure(request, status, status == RAGSTORE_E_QUERY ? "filter" : "query");
    }
    ragstore_result_free(result);
    ragstore_entity_free(entity);
}

enum handled search(struct request *request)
{
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    const char **doc_ids = NULL;
    const char *entity_id = NULL;
    const char *query = NULL;
    char *filter_json = NULL;
    json_t *filter = NULL;
    int64_t k = 0;
    struct fields fields;

    fields_begin(&fields, request);
    entity_id = fields_string(&fields, "entity_id", FIELD_REQUIRED, 1);
    query = fields_string(&fields, "query", FIELD_REQUIRED, 1);
    k = fields_integer(&fields, "k", FIELD_NOT_NULL, K_DEFAULT, 1, K_MAX);
    k = fields_integer(&fields, "limit", FIELD_ADDED, k, 1, LIMIT_MAX);
    doc_ids = fields_strings(&fields, &options.doc_ids_count, "doc_ids", 0);
    options.k = (uint32_t)k;
    options.doc_ids = doc_ids;
    options.mode = (uint32_t)(fields_choice(&fields, "mode", FIELD_ADDED, mode_names) + 1);
    options.neighbors =
        (uint32_t)fields_integer(&fields, "neighbors", FIELD_ADDED, 0, 0, NEIGHBORS_MAX);
    options.min_score = (float)fields_real(&fields, "min_score", FIELD_ADDED, 0, 0, 1);
    filter = fields_object(&fields, "filter", FIELD_ADDED);
    if (fields_end(&fields)) {
        filter_json = filter == NULL ? NULL : json_dumps(filter, JSON_COMPACT);
        options.filter_json = filter_json;
        if (filter == NULL || filter_json != NULL) {
            search_in(request, entity_id, query, &options);
        }
    }
    free(doc_ids);
    free(filter_json);
    fields_free(&fields);
    return HANDLED;
}
