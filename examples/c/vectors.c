/*
 * Chunks and vectors of the caller's own: cut the text elsewhere, compute vectors elsewhere, and
 * use the store for what it keeps: rows, records and exact search, in one commit.
 * Here the vectors come from the embedding model, so this program needs one (RAGSTORE_MODEL).
 *
 *   ./vectors DIRECTORY
 */
#include <ragstore.h>

#include <stdio.h>
#include <stdlib.h>

#define CHUNKS 3
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
    static const char *const texts[CHUNKS] = {
        "Granite forms when magma cools slowly below the surface.",
        "Sandstone is made of grains that water or wind has carried.",
        "Marble is limestone that heat and pressure have changed.",
    };
    static const char chunks[] =
        "[{\"text\": \"Granite forms when magma cools slowly below the surface.\","
        "  \"metadata\": {\"rock\": \"granite\"}},"
        " {\"text\": \"Sandstone is made of grains that water or wind has carried.\","
        "  \"metadata\": {\"rock\": \"sandstone\"}},"
        " {\"text\": \"Marble is limestone that heat and pressure have changed.\","
        "  \"metadata\": {\"rock\": \"marble\"}}]";
    static const char *const question[1] = {"a rock transformed by heat"};

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }

    ragstore_buffer *path = NULL;
    ragstore_model *model = NULL;
    check(ragstore_model_locate(&path));
    check(ragstore_model_open(&model, ragstore_buffer_data(path)));
    ragstore_buffer_free(path);

    size_t dimension = ragstore_model_dimension(model);
    float *vectors = calloc((CHUNKS + 1) * dimension, sizeof *vectors); /* and the question's */
    if (vectors == NULL) {
        fprintf(stderr, "vectors: out of memory\n");
        return EXIT_FAILURE;
    }
    float *query = vectors + CHUNKS * dimension;
    check(ragstore_model_embed(vectors, model, texts, CHUNKS));
    check(ragstore_model_embed(query, model, question, 1));

    ragstore_store *store = NULL;
    ragstore_store_open_options open = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    open.model = model; /* an entity takes vectors of the model it is created with */
    check(ragstore_store_open(&store, argv[1], &open));

    ragstore_entity *entity = NULL;
    int status = ragstore_entity_open(&entity, store, "rocks");
    if (status == RAGSTORE_E_NOT_FOUND)
        status = ragstore_entity_create(&entity, store, "rocks", NULL);
    check(status);

    ragstore_document_add_options document = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    document.source = "field guide";
    document.key = "rocks/1"; /* run again, this replaces the document instead of adding one */
    check(ragstore_document_add_chunks(NULL, entity, chunks, vectors, dimension, &document));

    ragstore_index *index = NULL;
    int64_t numbers[NEAREST];
    float scores[NEAREST];
    check(ragstore_index_open(&index, entity));
    check(ragstore_index_search(numbers, scores, index, query, 1, dimension, NEAREST));
    for (size_t i = 0; i < NEAREST && numbers[i] >= 0; i++)
        printf("chunk %lld: %.3f\n", (long long)numbers[i], (double)scores[i]);

    /* The same by a search, which knows what the chunks say. */
    ragstore_result *result = NULL;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = query;
    options.dimension = dimension;
    options.k = 1;
    check(ragstore_entity_search(&result, entity, "", &options));
    for (size_t i = 0; i < ragstore_result_count(result); i++)
        printf("%s %s\n", ragstore_result_content(result, i), ragstore_result_metadata(result, i));

    ragstore_result_free(result);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    ragstore_model_free(model);
    free(vectors);
    check(ragstore_store_close(store));
    return EXIT_SUCCESS;
}
