/*
 * What the tests of FAISS's indexes in files share: rows, an index of some of them, saving and
 * reading it, and its files with other bytes in them.
 */
#ifndef TESTS_UNIT_VECTORS_FAISS_SAVED_FIXTURE_H
#define TESTS_UNIT_VECTORS_FAISS_SAVED_FIXTURE_H

#include "rows_fixture.h"

#include "harness/faiss_reseal.h"
#include "vectors/faiss_index_internal.h"
#include "vectors/faiss_saved.h"

#define DIMENSION 16u
#define ROWS 6000
#define INDEX DIRECTORY "/index.faiss"
#define STAMP "of today"
#define FOUND 20

static inline float random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

/* Lengths differ, so that the metrics do. */
static inline void make_vectors(float *vectors, size_t count)
{
    uint32_t seed = 3;
    for (size_t i = 0; i < count * DIMENSION; i++)
        vectors[i] = random_number(&seed);
}

/* Each `same` rows are the same. */
static inline rsi_rows *make_rows_of(fixture *f, rsi_metric metric, size_t same)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    float *vectors = malloc(ROWS * DIMENSION * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    assert_non_null(vectors);
    make_vectors(vectors, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        memmove(vectors + i * DIMENSION, vectors + i / same * same * DIMENSION,
                DIMENSION * sizeof *vectors);
    assert_int_equal(rsi_rows_append(rows, 0, vectors, ROWS, extents, EXTENTS_MAX, &extents_count),
                     0);
    rsi_rows_set_metric(rows, metric);
    free(vectors);
    return rows;
}

static inline rsi_rows *make_rows(fixture *f, rsi_metric metric)
{
    return make_rows_of(f, metric, 1);
}

static inline void skip_without_faiss(void)
{
    const char *reason;
    if (!rsi_faiss_available(&reason)) {
        print_message("%s\n", reason);
        skip();
    }
}

static inline rsi_faiss_about about_of(const char *factory, rsi_metric metric)
{
    return (rsi_faiss_about){.factory = factory,
                             .incarnation = INCARNATION,
                             .embedder = "own/16",
                             .dimension = DIMENSION,
                             .metric = metric};
}

/* One of these rows, trained on more. */
static inline rsi_faiss_index *make_index(const rsi_faiss_about *about, rsi_rows *rows,
                                          const rsi_bitset *members)
{
    rsi_faiss_index *index;
    bool done = false;
    if (rsi_faiss_index_new(&index, about->factory, DIMENSION, about->metric) != RAGSTORE_OK)
        fail_msg("%s: %s", about->factory, rsi_error_message());
    if (!rsi_faiss_index_is_trained(index)) {
        const size_t count = rsi_faiss_factory_rows(about->factory);
        float *sample = malloc(count * DIMENSION * sizeof *sample);
        assert_non_null(sample);
        make_vectors(sample, count);
        assert_int_equal(rsi_faiss_index_train(index, sample, count), 0);
        free(sample);
    }
    while (!done)
        if (rsi_faiss_index_absorb(index, &done, rows, members, 512) != RAGSTORE_OK)
            fail_msg("%s: %s", about->factory, rsi_error_message());
    return index;
}

static inline int save(fixture *f, rsi_faiss_index *index, const rsi_faiss_about *about,
                       rsi_rows *rows, const rsi_bitset *alive)
{
    rsi_faiss_probe probe;
    if (rsi_faiss_probe_index(&probe, index, rows, alive) != RAGSTORE_OK)
        fail_msg("%s: %s", about->factory, rsi_error_message());
    return rsi_faiss_saved_write(index, f->root, INDEX, about, &probe, STAMP);
}

static inline int load(rsi_faiss_index **out, fixture *f, const rsi_faiss_about *about,
                       rsi_rows *rows, const rsi_bitset *alive)
{
    rsi_faiss_probe probe;
    int status = rsi_faiss_saved_read(out, &probe, f->root, INDEX, about);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_saved_verify(*out, &probe, rows, alive);
    if (status != RAGSTORE_OK) {
        rsi_faiss_index_free(*out);
        *out = NULL;
    }
    return status;
}

static inline void find(idx_t found[FOUND], float distances[FOUND], rsi_faiss_index *index,
                        uint32_t seed)
{
    float query[DIMENSION];
    for (size_t i = 0; i < DIMENSION; i++)
        query[i] = random_number(&seed);
    const rsi_faiss_query ask = {
        .vector = query, .wanted = FOUND, .distances = distances, .ids = found};
    assert_int_equal(rsi_faiss_query_ask(index, &ask), 0);
}

static const char *const kinds[] = {"Flat",
                                    "SQ8",
                                    "SQ4",
                                    "SQ6",
                                    "SQfp16",
                                    "PQ4x4",
                                    "HNSW8",
                                    "HNSW8,Flat",
                                    "HNSW8,SQ8",
                                    "IVF16,Flat",
                                    "IVF16,SQ8",
                                    "IVF16,SQ4",
                                    "IVF16,PQ4x4",
                                    "IVF16_HNSW8,Flat",
                                    "PCA8,IVF16,SQ8",
                                    "PCAR8,HNSW8",
                                    "RR8,SQ8",
                                    "L2norm,Flat",
                                    "Pad24,SQ8",
                                    "LSH",
                                    "LSHt",
                                    "PCA8,LSHrt",
                                    "ITQ8,LSHt",
                                    "ITQ,SQ8",
                                    "IMI2x3,Flat",
                                    "IMI2x3,PQ4x4",
                                    "PQ4x4fs",
                                    "PQ1x4fs_160",
                                    "IVF16,PQ4x4fs",
                                    "IVF16,PQ8x4fsr_96",
                                    "IVF16_HNSW8,PQ4x4fsr",
                                    "IMI2x3,PQ4x4fs",
                                    "PCA8,PQ4x4fs_64",
                                    "IVF16,FlatDedup",
                                    "IVF16,PCA8,SH",
                                    "IVF16,ITQ8,SH4c",
                                    "IVF16,PCAR4,SH10m",
                                    "RQ2x4",
                                    "RQ3x3_1x5_Nqint8",
                                    "LSQ2x4_Nqint4",
                                    "PRQ2x2x4",
                                    "PLSQ2x2x4",
                                    "IVF16,RQ2x4_Nfloat",
                                    "IVF16_HNSW8,LSQ2x4",
                                    "IVF16,PRQ2x2x4_Nqint8",
                                    "IVF16,PLSQ4x1x4",
                                    "RQ4x4fs",
                                    "LSQ3x4fs_64",
                                    "PRQ2x2x4fs",
                                    "PLSQ2x2x4fs",
                                    "IVF16,RQ3x4fs_96",
                                    "IVF16,LSQ4x4fs",
                                    "IVF16,PRQ2x2x4fs",
                                    "IVF16,PLSQ2x2x4fs",
                                    "HNSW8,PQ4"}; /* takes long to train */
#define KINDS (sizeof kinds / sizeof *kinds)
#define FAST_KINDS (KINDS - 1)

/* FAISS has some kinds for one metric only. */
static inline rsi_metric metric_for(const char *kind, rsi_metric wanted)
{
    if (strstr(kind, "LSH") != NULL || strstr(kind, "IMI") != NULL)
        return RSI_METRIC_L2;
    return strstr(kind, "x4fs") != NULL && strstr(kind, "PQ") == NULL ? RSI_METRIC_INNER_PRODUCT
                                                                      : wanted;
}

/* ---- other bytes ---- */

typedef struct pair {
    char path[TEMPORARY_PATH_MAX], sum_path[TEMPORARY_PATH_MAX];
    char *bytes, *sum;
    size_t size, sum_size;
} pair;

static inline pair read_pair(void **state)
{
    pair it;
    temporary_join(it.path, state, INDEX);
    temporary_join(it.sum_path, state, INDEX ".sum");
    it.bytes = temporary_read(it.path, &it.size);
    it.sum = temporary_read(it.sum_path, &it.sum_size);
    assert_non_null(it.bytes);
    assert_non_null(it.sum);
    return it;
}

static inline void free_pair(pair *it)
{
    free(it->bytes);
    free(it->sum);
}

/* An index that was made of the first rows and saved, to be damaged. */
typedef struct saved_index {
    fixture f;
    rsi_bitset some; /* what it holds */
    rsi_rows *rows;
    rsi_faiss_about about;
    rsi_faiss_index *index;
    pair whole; /* as it was saved */
} saved_index;

static inline void saved_begin_of(saved_index *s, void **state, const char *kind, int64_t count,
                                  rsi_metric metric, size_t same)
{
    skip_without_faiss();
    fixture_begin(&s->f, state);
    s->some = set_of(0, count);
    s->rows = make_rows_of(&s->f, metric, same);
    s->about = about_of(kind, metric);
    s->index = make_index(&s->about, s->rows, &s->some);
    assert_int_equal(save(&s->f, s->index, &s->about, s->rows, &s->some), 0);
    s->whole = read_pair(state);
}

static inline void saved_begin(saved_index *s, void **state, const char *kind, int64_t count)
{
    saved_begin_of(s, state, kind, count, RSI_METRIC_L2, 1);
}

static inline void saved_end(saved_index *s)
{
    rsi_faiss_index_free(s->index);
    free_pair(&s->whole);
    rsi_bitset_free(&s->some);
    rsi_rows_close(s->rows);
    fixture_end(&s->f);
}

static inline int saved_load(saved_index *s)
{
    rsi_faiss_index *read;
    const int status = load(&read, &s->f, &s->about, s->rows, &s->some);
    rsi_faiss_index_free(read);
    return status;
}

static inline void write_pair(const pair *it)
{
    temporary_write(it->path, it->bytes, it->size);
    temporary_write(it->sum_path, it->sum, it->sum_size);
}

/* The same bytes with a .sum that is right for them. */
static inline void write_resealed(const pair *it, const char *bytes, size_t size)
{
    size_t sum_size = 0;
    char *sum = reseal(bytes, size, it->sum, &sum_size);
    assert_non_null(sum);
    temporary_write(it->path, bytes, size);
    temporary_write(it->sum_path, sum, sum_size);
    free(sum);
}

/* ---- one number in the file changed ---- */

typedef struct forgery {
    const char *what; /* the message has this */
    size_t at;
    uint64_t value;
    size_t size;
} forgery;

/* Each is found, and named, though the digest fits. */
static inline void expect_refused(saved_index *s, const forgery *forgeries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *bytes = malloc(s->whole.size);
        assert_non_null(bytes);
        memcpy(bytes, s->whole.bytes, s->whole.size);
        memcpy(bytes + forgeries[i].at, &forgeries[i].value, forgeries[i].size);
        write_resealed(&s->whole, bytes, s->whole.size);
        const int status = saved_load(s);
        if (status != RAGSTORE_E_DAMAGED || strstr(rsi_error_message(), forgeries[i].what) == NULL)
            fail_msg("%zu %s: %d %s", i, forgeries[i].what, status, rsi_error_message());
        free(bytes);
    }
}

/* Where the index in an IDMap begins, and what is in it. */
enum {
    HEAD = 37, /* a kind, and a header */
    INSIDE = 2 * HEAD,
};

static inline uint64_t number_at(const saved_index *s, size_t at)
{
    uint64_t number;
    memcpy(&number, s->whole.bytes + at, sizeof number);
    return number;
}

static inline size_t behind_array(const char *bytes, size_t at, size_t element)
{
    uint64_t count;
    memcpy(&count, bytes + at, sizeof count);
    return at + sizeof count + (size_t)count * element;
}

void omp_set_num_threads(int count); /* OpenMP's */

/* Of FAISS's: with so little work more would only wait for each other. */
static inline void use_one_thread(void)
{
    omp_set_num_threads(1);
}

#endif
