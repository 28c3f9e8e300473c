/*
 * The list of entities for a client that does not see all of them: each id of its scope is looked
 * up, so the time depends on the scope and not on how many others there are.
 */
#include "access.h"
#include "calls.h"
#include "failures.h"
#include "reply.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The description of an entity; NULL when there is none of that id. *status is set for what is no
 * such answer. */
static json_t *describe(int *status, ragstore_store *store, const char *id)
{
    ragstore_entity *entity = NULL;
    ragstore_buffer *json = NULL;
    json_t *description = NULL;

    *status = ragstore_entity_open(&entity, store, id);
    if (*status == RAGSTORE_OK) {
        *status = ragstore_entity_describe(&json, entity);
    }
    if (*status == RAGSTORE_OK) {
        description = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
        *status = description == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    } else if (*status == RAGSTORE_E_NOT_FOUND || *status == RAGSTORE_E_INVALID_ARGUMENT) {
        *status = RAGSTORE_OK;
    }
    ragstore_buffer_free(json);
    ragstore_entity_free(entity);
    return description;
}

static const char *member(const json_t *description, const char *name)
{
    const char *text = json_string_value(json_object_get(description, name));

    return text == NULL ? "" : text;
}

static bool matches(const json_t *description, const char *match)
{
    return match == NULL || strcasestr(member(description, "entity_id"), match) != NULL ||
           strcasestr(member(description, "entity_name"), match) != NULL;
}

static int by_age(const void *a, const void *b)
{
    const json_t *one = *(json_t *const *)a;
    const json_t *other = *(json_t *const *)b;
    int order = strcmp(member(one, "created_at"), member(other, "created_at"));

    return order != 0 ? order : strcmp(member(one, "entity_id"), member(other, "entity_id"));
}

static void reply_page(struct request *request, json_t *const *found, size_t count,
                       const ragstore_list_options *options)
{
    struct json_out out = {0};
    uint64_t limit = options->limit == 0 ? count : options->limit;

    out_begin(&out, '{');
    out_key(&out, "entities");
    out_begin(&out, '[');
    for (uint64_t i = options->offset; i < count && i - options->offset < limit; i++) {
        out_value(&out, found[i]);
    }
    out_end(&out, ']');
    out_key(&out, "total");
    out_whole(&out, (json_int_t)count);
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
}

void reply_seen_entities(struct request *request, const ragstore_list_options *options)
{
    char *const *ids = access_entities(request);
    json_t **found = NULL;
    size_t count = 0, most = 0;
    int status = RAGSTORE_OK;

    while (ids[most] != NULL) {
        most++;
    }
    found = calloc(most + 1, sizeof *found);
    for (size_t i = 0; found != NULL && status == RAGSTORE_OK && i < most; i++) {
        json_t *one = describe(&status, request->server->store, ids[i]);

        if (one != NULL && matches(one, options->match)) {
            found[count++] = one;
        } else {
            json_decref(one);
        }
    }
    if (found == NULL) {
        reply_no_memory(request);
    } else if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
    } else {
        qsort(found, count, sizeof *found, by_age);
        reply_page(request, found, count, options);
    }
    for (size_t i = 0; i < count; i++) {
        json_decref(found[i]);
    }
    free(found);
}
