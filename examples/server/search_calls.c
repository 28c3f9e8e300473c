/*
 * Search.
 */
#include "calls.h"
#include "failures.h"
#include "kept_entity.h"
#include "pace.h"
#include "reply.h"
#include "results.h"
#include "validate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCORE_DIGIT 1e-7 /* the last one of a score that is written */

enum {
    K_DEFAULT = 5,
    K_MAX = 20,
    LIMIT_MAX = 200,
    NEIGHBORS_MAX = 10,
    QUICK_BODY_MAX = 4096
};

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

static uint64_t now_us(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Search, and note how long it took. */
static int search_timed(ragstore_result **result, ragstore_entity *entity, const char *entity_id,
                        const char *query, const ragstore_entity_search_options *options)
{
    uint64_t begun = now_us();
    int status = ragstore_entity_search(result, entity, query, options);

    pace_note(entity_id, now_us() - begun);
    return status;
}

/* Will the reply be there at once? One that embeds elsewhere waits for the network. */
static bool is_quick(const struct request *request, const char *entity_id)
{
    const char *embedder = request->server->settings.embedder;

    return entity_id == NULL ||
           (request->body_size <= QUICK_BODY_MAX && pace_is_quick(entity_id) &&
            (embedder == NULL || strcmp(embedder, "hashing") == 0));
}

/* Search the entity of that id; NOT_FOUND with the reply made when the client does not see one. */
static int search_kept(ragstore_result **result, struct request *request, const char *entity_id,
                       const char *query, const ragstore_entity_search_options *options)
{
    ragstore_entity *entity = kept_entity(request, entity_id);
    int status = RAGSTORE_E_NOT_FOUND;

    for (int attempt = 0; attempt < 2 && entity != NULL; attempt++) {
        status = search_timed(result, entity, entity_id, query, options);
        if (status != RAGSTORE_E_NOT_FOUND) {
            return status;
        }
        kept_entity_forget(); /* it was deleted, and there may be another one */
        entity = attempt == 0 ? kept_entity(request, entity_id) : NULL;
    }
    if (request->response == NULL) {
        reply_missing(request, "Entity", entity_id);
    }
    return status;
}

/* No document may be searched, so nothing is found, if only the entity is there. */
static int search_nothing(struct request *request, const char *entity_id)
{
    ragstore_entity *entity = open_entity(request, entity_id);

    ragstore_entity_free(entity);
    return entity == NULL ? RAGSTORE_E_NOT_FOUND : RAGSTORE_OK;
}

static void search_in(struct request *request, const char *entity_id, const char *query,
                      const ragstore_entity_search_options *options)
{
    bool nothing = options->doc_ids != NULL && options->doc_ids_count == 0;
    ragstore_result *result = NULL;
    int status = nothing ? search_nothing(request, entity_id)
                         : search_kept(&result, request, entity_id, query, options);

    if (status == RAGSTORE_OK) {
        reply_results(request, entity_id, query, result, options->mode);
    } else if (status != RAGSTORE_E_NOT_FOUND) {
        reply_failure(request, status, status == RAGSTORE_E_QUERY ? "filter" : "query");
    }
    ragstore_result_free(result);
}

/* Scores are written with seven digits, rounded: one that was read must be found again when it is the
 * least that is asked for. */
static float least_score(double asked)
{
    return (float)(asked > SCORE_DIGIT ? asked - SCORE_DIGIT : asked);
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
    if (request->is_here && !is_quick(request, entity_id)) {
        fields_free(&fields);
        return TOO_SLOW;
    }
    query = fields_string(&fields, "query", FIELD_REQUIRED, 1);
    k = fields_integer(&fields, "k", FIELD_NOT_NULL, K_DEFAULT, 1, K_MAX);
    k = fields_integer(&fields, "limit", FIELD_ADDED, k, 1, LIMIT_MAX);
    doc_ids = fields_strings(&fields, &options.doc_ids_count, "doc_ids", 0);
    options.k = (uint32_t)k;
    options.doc_ids = doc_ids;
    options.mode = (uint32_t)(fields_choice(&fields, "mode", FIELD_ADDED, mode_names) + 1);
    options.neighbors =
        (uint32_t)fields_integer(&fields, "neighbors", FIELD_ADDED, 0, 0, NEIGHBORS_MAX);
    options.min_score = least_score(fields_real(&fields, "min_score", FIELD_ADDED, 0, 0, 1));
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
