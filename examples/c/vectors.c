/*
 * Chunks and vectors of the caller's own: cut the text elsewhere, compute vectors elsewhere, and
 * use the store for what it keeps: texts, vectors and exact search over them, in one commit.
 * Here the vectors are made up: how hot, how deep, how old.
 *
 *   ./vectors DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>

#define CHUNKS 3
#define DIMENSION 3
#define NEAREST 2

static void check(int status)
{
    if (status < 0) {
        fprintf(stderr, "vectors: %s\n", ragstore_error_message());
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    static const char chunks[] =
        "[{\"text\": \"Basalt is lava that has cooled at the surface.\","
        "  \"metadata\": {\"rock\": \"basalt\"}},"
        " {\"text\": \"Sandstone is made of grains that water or wind has carried.\","
        "  \"metadata\": {\"rock\": \"sandstone\"}},"
        " {\"text\": \"Marble is limestone that heat and pressure have changed.\","
        "  \"metadata\": {\"rock\": \"marble\"}}]";
    static const float vectors[CHUNKS * DIMENSION] = {
        0.9f, 0.1f, 0.2f, /* basalt */
        0.0f, 0.2f, 0.8f, /* sandstone */
        0.6f, 0.8f, 0.5f, /* marble */
    };
    static const float query[DIMENSION] = {0.42f, 0.86f, 0.28f}; /* warm and deep */
    ragstore_store *store = NULL;
    ragstore_entity *entity = NULL;
    ragstore_index *index = NULL;
    ragstore_result *result = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    check(ragstore_store_open(&store, argv[1], NULL));

    int status = ragstore_entity_open(&entity, store, "rocks");
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, "rocks", NULL);
    check(status);

    ragstore_document_add_options document = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    document.source = "field guide";
    document.key = "rocks/1"; /* run again, this replaces the document instead of adding one */
    check(ragstore_document_add_chunks(NULL, entity, chunks, vectors, DIMENSION, &document));

    int64_t numbers[NEAREST];
    float scores[NEAREST];
    check(ragstore_index_open(&index, entity));
    check(ragstore_index_search(numbers, scores, index, query, 1, DIMENSION, NEAREST));
    for (size_t i = 0; i < NEAREST && numbers[i] >= 0; i++)
        printf("chunk %lld: %.3f\n", (long long)numbers[i], (double)scores[i]);

    /* The same by a search, which knows what the chunks say. */
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = query;
    options.dimension = DIMENSION;
    options.k = NEAREST;
    check(ragstore_entity_search(&result, entity, "", &options));
    for (size_t i = 0; i < ragstore_result_count(result); i++)
        printf("%s %s\n", ragstore_result_content(result, i), ragstore_result_metadata(result, i));

    ragstore_result_free(result);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
