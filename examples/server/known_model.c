/*
 * What a store tells about an endpoint's model; see known_model.h. Runs once, before the server
 * opens the store for itself: that needs the model.
 */
#include "known_model.h"

#include <jansson.h>
#include <ragstore.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION_MAX = 65536 };

size_t known_model_dimension(const char *fingerprint, const char *name)
{
    size_t size = strlen(name);
    unsigned long dimension = 0;
    char *end = NULL;

    if (fingerprint == NULL || strncmp(fingerprint, name, size) != 0 || fingerprint[size] != '/' ||
        fingerprint[size + 1] < '1' || fingerprint[size + 1] > '9') {
        return 0;
    }
    dimension = strtoul(fingerprint + size + 1, &end, 10);
    return strcmp(end, "/endpoint") == 0 && dimension <= DIMENSION_MAX ? (size_t)dimension : 0;
}

static void take_entities(struct known_model *known, const json_t *list, const char *name)
{
    json_t *entity = NULL;
    size_t i = 0;

    json_array_foreach (json_object_get(list, "entities"), i, entity) {
        size_t dimension = known_model_dimension(
            json_string_value(json_object_get(entity, "embedder")), name);

        known->has_entities = true;
        if (dimension > 0) {
            known->dimension = dimension;
        }
    }
}

struct known_model known_model_find(const char *data_dir, const char *name)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    struct known_model known = {0};
    ragstore_store *store = NULL;
    ragstore_buffer *json = NULL;
    json_t *list = NULL;

    options.flags =
        RAGSTORE_OPEN_MUST_EXIST | RAGSTORE_OPEN_READ_ONLY | RAGSTORE_OPEN_NO_BACKGROUND;
    if (ragstore_store_open(&store, data_dir, &options) == RAGSTORE_OK &&
        ragstore_entity_list(&json, store, NULL) == RAGSTORE_OK) {
        list = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
        take_entities(&known, list, name);
    }
    json_decref(list);
    ragstore_buffer_free(json);
    (void)ragstore_store_close(store);
    return known;
}
