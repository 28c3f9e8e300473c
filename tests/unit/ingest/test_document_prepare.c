/* Text to chunks to vectors, with a small model of random weights. */
#include "document_fixture.h"

#include "../embed/small_model.h"

/* A model beside the store's directory. */
typedef struct with_model {
    open_store s;
    small_model model;
    rsi_embedder *embedder;
    char path[TEMPORARY_PATH_MAX];
} with_model;

static void with_model_begin(with_model *w, void **state)
{
    int length = snprintf(w->path, sizeof w->path, "%s-model", temporary_path(state));
    assert_in_range(length, 1, (int)sizeof w->path - 1);
    assert_int_equal(mkdir(w->path, 0700), 0);
    w->model = small_model_defaults();
    small_model_write(&w->model, w->path);
    assert_int_equal(rsi_embedder_open_model(&w->embedder, w->path, NULL), 0);
    /* The first text packs the weights, which the model keeps: before memory is counted. */
    float *vector = malloc(rsi_embedder_dimension(w->embedder) * sizeof *vector);
    const rsi_slice text = rsi_slice_of("wing");
    assert_int_equal(rsi_embedder_embed(vector, w->embedder, RSI_EMBED_DOCUMENT, &text, 1), 0);
    free(vector);
    open_store_begin(&w->s, state, w->embedder);
}

static void with_model_end(with_model *w)
{
    open_store_end(&w->s);
    rsi_embedder_release(w->embedder);
    small_model_free(&w->model);
    temporary_remove_all(w->path);
}

static const char long_text[] =
    "Wings lift a b c d fly the wing. The wing lifts a b. Fly the wing, unable to lift.\n\n"
    "A b c d a b c d wings lifting. The lift a b c d. Wing wing wing wing wing, a b.\n\n"
    "Fly fly fly a b c d. Lifts a wing. The a b c. Unable d d d d d d d d.\n";

static void expect_vector_of(with_model *w, int64_t chunk, const char *text, size_t size)
{
    const float *row;
    float expected[24];
    rsi_catalog *catalog;
    rsi_slice slice = {text, size};
    assert_int_equal(rsi_embedder_embed(expected, w->embedder, RSI_EMBED_DOCUMENT, &slice, 1), 0);
    assert_int_equal(rsi_catalog_acquire(&catalog, w->s.store, ACME, w->s.incarnation), 0);
    assert_int_equal(rsi_rows_get(&row, catalog->rows, chunk), 0);
    for (size_t d = 0; d < 24; d++)
        assert_float_equal(row[d], expected[d], 1e-5f);
    rsi_catalog_release(w->s.store, catalog);
}

static void ingest_document_prepare__embeds_each_chunk_within_the_models_limit(void **state)
{
    with_model w;
    rsi_prepared prepared;
    rsi_entity_record entity;
    rsi_bytes bytes = {0};
    const rsi_document_fields fields = {.filename = "a.txt"};
    with_model_begin(&w, state);
    rsi_bytes_append_text(&bytes, long_text);
    const rsi_input input = {.bytes = bytes.data, .size = bytes.size};
    assert_int_equal(rsi_entity_read(&entity, w.s.store, ACME, w.s.incarnation), 0);
    assert_int_equal(rsi_prepare_input(&prepared, w.s.store, &entity, &input, &fields), 0);
    assert_true(prepared.count > 1);
    assert_int_equal(prepared.dimension, 24);
    assert_string_equal(prepared.embedder, rsi_embedder_fingerprint(w.embedder));
    rsi_prepared_reader reader = rsi_prepared_read(&prepared);
    rsi_new_chunk chunk;
    while (rsi_prepared_next(&chunk, &reader) > 0) {
        size_t tokens;
        const rsi_slice content = chunk.content;
        assert_int_equal(
            rsi_embedder_count_tokens(&tokens, w.embedder, content.data, content.size), 0);
        assert_in_range(tokens, 1, rsi_embedder_max_tokens(w.embedder) - 2);
        assert_int_equal(content.size, chunk.end - chunk.start);
        assert_memory_equal(content.data, long_text + chunk.start, content.size);
    }
    rsi_prepared_reader_free(&reader);
    rsi_prepared_free(&prepared);
    rsi_entity_record_free(&entity);
    rsi_bytes_free(&bytes);
    open_store_add_text(&w.s, "short.txt", "wing lift", NULL);
    expect_vector_of(&w, 0, "wing lift", 9);
    with_model_end(&w);
}

static void ingest_document_prepare__embeds_only_chunks_without_a_vector(void **state)
{
    static const char json[] = "[{\"text\": \"wing\"}, {\"text\": \"lift\", \"vector\":"
                               " [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]";
    with_model w;
    const float *row;
    rsi_added added;
    rsi_catalog *catalog;
    with_model_begin(&w, state);
    assert_int_equal(add_chunks(&added, &w.s, json, NULL, 0, NULL), 0);
    expect_vector_of(&w, 0, "wing", 4);
    assert_int_equal(rsi_catalog_acquire(&catalog, w.s.store, ACME, w.s.incarnation), 0);
    assert_int_equal(rsi_rows_get(&row, catalog->rows, 1), 0);
    assert_float_equal(row[0], 1, 0);
    rsi_catalog_release(w.s.store, catalog);
    with_model_end(&w);
}

static void ingest_document_prepare__mixes_no_models(void **state)
{
    with_model w;
    rsi_added added;
    with_model_begin(&w, state);
    open_store_add_text(&w.s, "a.txt", "wing", NULL);
    open_store_close(&w.s);
    w.s.embedder = NULL; /* opened without the model that its vectors are of */
    assert_int_equal(open_store_open(&w.s, 0), 0);
    assert_int_equal(add_chunks(&added, &w.s, "[{\"text\": \"lift\"}]", NULL, 0, NULL),
                     RAGSTORE_E_EMBEDDER);
    expect_message("open the store with that model");
    open_store_expect_totals(&w.s, 1, 1);
    with_model_end(&w);
}

static int interrupt_embedding(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if (strcmp(stage, "embed") == 0)
        rsi_store_interrupt(((open_store *)user)->store);
    return 0;
}

static void ingest_document_prepare__stops_when_the_store_is_interrupted(void **state)
{
    with_model w;
    rsi_added added;
    with_model_begin(&w, state);
    const rsi_document_fields fields = {
        .filename = "a.txt", .progress = interrupt_embedding, .progress_user = &w.s};
    assert_int_equal(upload(&added, &w.s, long_text, sizeof long_text - 1, &fields),
                     RAGSTORE_E_INTERRUPTED);
    open_store_expect_totals(&w.s, 0, 0);
    assert_int_equal(count_uploads(state), 0);
    with_model_end(&w);
}

/* ---- faults ---- */

typedef struct preparing {
    with_model *w;
    const rsi_entity_record *entity;
    const rsi_bytes *bytes;
} preparing;

static bool is_empty(const rsi_prepared *prepared)
{
    return prepared->count == 0 && rsi_spill_size(&prepared->chunks) == 0 &&
           rsi_spill_size(&prepared->vectors) == 0;
}

static int prepare_bytes_once(void *user)
{
    preparing *p = user;
    rsi_prepared prepared;
    const rsi_document_fields fields = {.filename = "a.txt"};
    const rsi_input input = {.bytes = p->bytes->data, .size = p->bytes->size};
    int status = rsi_prepare_input(&prepared, p->w->s.store, p->entity, &input, &fields);
    assert_true(status == RAGSTORE_OK || is_empty(&prepared));
    rsi_prepared_free(&prepared);
    return status;
}

static int32_t take_out(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                        const char *filename)
{
    (void)user;
    (void)filename;
    int status = ragstore_extraction_set_media_type(out, "application/pdf");
    if (status == RAGSTORE_OK)
        status = ragstore_extraction_add(out, RAGSTORE_BLOCK_HEADING, 1, 1, "Wings", 5);
    if (status == RAGSTORE_OK)
        status = ragstore_extraction_add(out, RAGSTORE_BLOCK_PARAGRAPH, 0, 2, bytes, size);
    return status;
}

static int prepare_by_callback_once(void *user)
{
    preparing *p = user;
    rsi_prepared prepared;
    rsi_bytes pdf = {0};
    const rsi_document_fields fields = {.filename = "a.pdf", .extract = take_out};
    rsi_bytes_append_text(&pdf, "%PDF-1.4 a wing lifts");
    int status = rsi_bytes_status(&pdf);
    memset(&prepared, 0, sizeof prepared);
    const rsi_input input = {.bytes = pdf.data, .size = pdf.size};
    if (status == RAGSTORE_OK)
        status = rsi_prepare_input(&prepared, p->w->s.store, p->entity, &input, &fields);
    assert_true(status == RAGSTORE_OK || is_empty(&prepared));
    assert_true(status != RAGSTORE_OK || (prepared.text_in_chunks && prepared.count == 2));
    rsi_prepared_free(&prepared);
    rsi_bytes_free(&pdf);
    return status;
}

static int prepare_chunks_once(void *user)
{
    preparing *p = user;
    rsi_prepared prepared;
    const rsi_document_fields fields = {.filename = "a.txt"};
    int status = rsi_prepare_chunks(&prepared, p->w->s.store, p->entity,
                                    "[{\"text\": \"wing\", \"metadata\": {\"a\": 1}},"
                                    " {\"text\": \"lift\"}]",
                                    NULL, 0, &fields);
    assert_true(status == RAGSTORE_OK || is_empty(&prepared));
    rsi_prepared_free(&prepared);
    return status;
}

/* The cache of what was embedded may grow, and can be done without. */
#define MAY (EACH_MAY_KEEP | EACH_MAY_SUCCEED)

static void ingest_document_prepare__survives_each_failing_allocation(void **state)
{
    with_model w;
    rsi_entity_record entity;
    rsi_bytes bytes = {0};
    with_model_begin(&w, state);
    rsi_bytes_append_text(&bytes, long_text);
    assert_int_equal(rsi_entity_read(&entity, w.s.store, ACME, w.s.incarnation), 0);
    preparing p = {&w, &entity, &bytes};
    assert_int_equal(prepare_bytes_once(&p), 0);
    assert_true(each_allocation_fails(prepare_bytes_once, &p, MAY) > 10);
    assert_true(each_allocation_fails(prepare_chunks_once, &p, MAY) > 5);
    assert_int_equal(prepare_by_callback_once(&p), 0);
    assert_true(each_allocation_fails(prepare_by_callback_once, &p, MAY) > 10);
    rsi_bytes_free(&bytes);
    rsi_entity_record_free(&entity);
    with_model_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(ingest_document_prepare__embeds_each_chunk_within_the_models_limit),
        FRESH(ingest_document_prepare__embeds_only_chunks_without_a_vector),
        FRESH(ingest_document_prepare__mixes_no_models),
        FRESH(ingest_document_prepare__stops_when_the_store_is_interrupted),
        FRESH(ingest_document_prepare__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
