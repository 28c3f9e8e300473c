/*
 * How the server is: /health for people and monitors, /ready for load balancers.
 */
#include "access.h"
#include "calls.h"
#include "failures.h"
#include "reply.h"

#include <jansson.h>
#include <string.h>

struct counts {
    json_int_t entities, documents;
};

/* Count what the client sees: everything, the entities of its token, or nothing without one. */
static struct counts count_seen(const struct request *request, const json_t *description)
{
    struct counts counts = {
        .entities = json_integer_value(json_object_get(description, "entities")),
        .documents = json_integer_value(json_object_get(description, "documents"))};
    char *const *ids = access_entities(request);

    if (ids == NULL) {
        return counts;
    }
    counts = (struct counts){0};
    for (; *ids != NULL; ids++) {
        ragstore_entity *entity = NULL;
        ragstore_buffer *json = NULL;
        json_t *one = NULL;

        if (ragstore_entity_open(&entity, request->server->store, *ids) == RAGSTORE_OK &&
            ragstore_entity_describe(&json, entity) == RAGSTORE_OK) {
            one = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
            counts.entities++;
            counts.documents += json_integer_value(json_object_get(one, "total_documents"));
        }
        json_decref(one);
        ragstore_buffer_free(json);
        ragstore_entity_free(entity);
    }
    return counts;
}

/* What the library says about the store, or NULL; *status tells why. */
static json_t *describe(const struct request *request, int *status)
{
    ragstore_buffer *json = NULL;
    json_t *description = NULL;

    *status = ragstore_store_describe(&json, request->server->store);
    if (*status == RAGSTORE_OK) {
        description = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
        *status = description == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    ragstore_buffer_free(json);
    return description;
}

static bool is_ok(const json_t *description)
{
    const char *state = json_string_value(json_object_get(description, "state"));

    return state != NULL && strcmp(state, "ok") == 0;
}

/* The library's problems, which may name entities and files, to those who see all of them; and the
 * server's own. */
static void out_problems(struct json_out *out, const struct request *request,
                         const json_t *description, int status)
{
    struct server *server = request->server;
    char problem[EMBEDDER_PROBLEM];
    const json_t *problems =
        access_sees_all(request) ? json_object_get(description, "problems") : NULL;

    out_begin(out, '[');
    for (size_t i = 0; i < json_array_size(problems); i++) {
        out_value(out, json_array_get(problems, i));
    }
    if (status != RAGSTORE_OK) {
        out_text(out, ragstore_status_text(status));
    }
    if (server->problem[0] != '\0') {
        out_text(out, server->problem);
    }
    if (embedder_problem(server, problem)) {
        out_text(out, problem);
    }
    out_end(out, ']');
}

enum handled get_health(struct request *request)
{
    struct server *server = request->server;
    char problem[EMBEDDER_PROBLEM];
    int status = RAGSTORE_OK;
    json_t *description = describe(request, &status);
    bool healthy = is_ok(description) && server->problem[0] == '\0' &&
                   !embedder_problem(server, problem) &&
                   json_array_size(json_object_get(description, "problems")) == 0;
    const json_t *embedder = json_object_get(description, "embedder");
    struct counts counts = count_seen(request, description);
    struct json_out out = {0};

    out_begin(&out, '{');
    out_key(&out, "status");
    out_text(&out, healthy ? "healthy" : "degraded");
    out_key(&out, "version");
    out_text(&out, ragstore_version_text());
    out_key(&out, "entities_loaded");
    out_whole(&out, counts.entities);
    out_key(&out, "total_documents");
    out_whole(&out, counts.documents);
    out_key(&out, "embedder");
    out_value(&out, embedder);
    out_key(&out, "search_mode");
    out_text(&out, json_is_string(embedder) ? "hybrid" : "keyword");
    out_key(&out, "answer_mode");
    out_text(&out, server->settings.llm_model != NULL ? "model" : "extractive");
    out_key(&out, "problems");
    out_problems(&out, request, description, status);
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
    json_decref(description);
    return HANDLED;
}

enum handled get_ready(struct request *request)
{
    int status = RAGSTORE_OK;
    json_t *description = describe(request, &status);
    const char *state = json_string_value(json_object_get(description, "state"));

    if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
    } else if (state != NULL && strcmp(state, "failed") == 0) {
        reply_failure(request, RAGSTORE_E_FAILED, NULL);
    } else {
        static const char ready[] = "{\"ready\":true}";

        reply_static(request, MHD_HTTP_OK, "application/json", ready, sizeof ready - 1);
    }
    json_decref(description);
    return HANDLED;
}
