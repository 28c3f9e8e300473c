/* Indexes of FAISS's in files: what is read back, and what is not believed. */
#include "rows_fixture.h"

#include "base/digest.h"
#include "harness/faiss_reseal.h"
#include "vectors/faiss_index_internal.h"
#include "vectors/faiss_saved.h"

#include <math.h>

#define DIMENSION 16u
#define ROWS 6000
#define INDEX DIRECTORY "/index.faiss"
#define STAMP "of today"
#define FOUND 20

static float random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

/* Lengths differ, so that the metrics do. */
static void make_vectors(float *vectors, size_t count)
{
    uint32_t seed = 3;
    for (size_t i = 0; i < count * DIMENSION; i++)
        vectors[i] = random_number(&seed);
}

static rsi_rows *make_rows(fixture *f, rsi_metric metric)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    float *vectors = malloc(ROWS * DIMENSION * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    assert_non_null(vectors);
    make_vectors(vectors, ROWS);
    assert_int_equal(rsi_rows_append(rows, 0, vectors, ROWS, extents, EXTENTS_MAX, &extents_count),
                     0);
    rsi_rows_set_metric(rows, metric);
    free(vectors);
    return rows;
}

static void skip_without_faiss(void)
{
    const char *reason;
    if (!rsi_faiss_available(&reason)) {
        print_message("%s\n", reason);
        skip();
    }
}

static rsi_faiss_about about_of(const char *factory, rsi_metric metric)
{
    return (rsi_faiss_about){.factory = factory,
                             .incarnation = INCARNATION,
                             .embedder = "own/16",
                             .dimension = DIMENSION,
                             .metric = metric};
}

/* One of these rows, trained on more. */
static rsi_faiss_index *make_index(const rsi_faiss_about *about, rsi_rows *rows,
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

static int save(fixture *f, rsi_faiss_index *index, const rsi_faiss_about *about, rsi_rows *rows,
                const rsi_bitset *alive)
{
    rsi_faiss_probe probe;
    if (rsi_faiss_probe_index(&probe, index, rows, alive) != RAGSTORE_OK)
        fail_msg("%s: %s", about->factory, rsi_error_message());
    return rsi_faiss_saved_write(index, f->root, INDEX, about, &probe, STAMP);
}

static int load(rsi_faiss_index **out, fixture *f, const rsi_faiss_about *about, rsi_rows *rows,
                const rsi_bitset *alive)
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

static void find(idx_t found[FOUND], float distances[FOUND], rsi_faiss_index *index, uint32_t seed)
{
    float query[DIMENSION];
    for (size_t i = 0; i < DIMENSION; i++)
        query[i] = random_number(&seed);
    const rsi_faiss_query ask = {
        .vector = query, .wanted = FOUND, .distances = distances, .ids = found};
    assert_int_equal(rsi_faiss_query_ask(index, &ask), 0);
}

static void expect_same_answers(rsi_faiss_index *left, rsi_faiss_index *right)
{
    for (uint32_t seed = 1; seed < 20; seed++) {
        idx_t ids[2][FOUND];
        float distances[2][FOUND];
        find(ids[0], distances[0], left, seed);
        find(ids[1], distances[1], right, seed);
        assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
        assert_memory_equal(distances[0], distances[1], sizeof distances[0]);
    }
}

/* ---- what can be saved ---- */

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
                                    "HNSW8,PQ4"}; /* takes long to train */
#define KINDS (sizeof kinds / sizeof *kinds)
#define FAST_KINDS (KINDS - 1)

static void vectors_faiss_saved__is_what_it_was(void **state)
{
    static const rsi_metric metrics[] = {RSI_METRIC_INNER_PRODUCT, RSI_METRIC_L2};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 4000);
    rsi_bitset all = set_of(0, ROWS);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    for (size_t i = 0; i < KINDS; i++) { /* Flat and SQ8 have many others in them */
        const rsi_faiss_about about = about_of(kinds[i], metrics[i % 2]);
        rsi_faiss_index *again;
        bool done = false;
        rsi_rows_set_metric(rows, metrics[i % 2]);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        if (save(&f, index, &about, rows, &some) != RAGSTORE_OK)
            fail_msg("%s: %s", about.factory, rsi_error_message());
        if (load(&again, &f, &about, rows, &all) != RAGSTORE_OK)
            fail_msg("%s: %s", about.factory, rsi_error_message());
        assert_int_equal(rsi_faiss_index_count(again), 4000);
        assert_int_equal(rsi_faiss_index_covered(again), 4000);
        assert_string_equal(rsi_faiss_index_factory(again), kinds[i]);
        expect_same_answers(index, again);
        while (!done) /* and it goes on from there */
            assert_int_equal(rsi_faiss_index_absorb(again, &done, rows, &all, 512), 0);
        assert_int_equal(rsi_faiss_index_count(again), ROWS);
        rsi_faiss_index_free(index);
        rsi_faiss_index_free(again);
    }
    rsi_bitset_free(&some);
    rsi_bitset_free(&all);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_faiss_saved__is_not_written_of_kinds_that_are_not_read(void **state)
{
    static const char *const others[] = {"LSH", "PQ4x4fs", "IVF16,PQ4x4fs"};
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const size_t files = temporary_count(temporary_join(path, state, DIRECTORY));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const rsi_faiss_about about = about_of(others[i], RSI_METRIC_L2);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        assert_true(rsi_faiss_saved_is_possible(index));
        assert_int_equal(save(&f, index, &about, rows, &some), RAGSTORE_E_UNSUPPORTED);
        assert_false(rsi_faiss_saved_is_possible(index));
        assert_int_equal(temporary_count(path), files);
        rsi_faiss_index_free(index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- whose it is, and from when ---- */

static void vectors_faiss_saved__is_of_one_entity_kind_and_embedder(void **state)
{
    fixture f;
    rsi_faiss_saved saved;
    rsi_faiss_index *again;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("HNSW8", RSI_METRIC_L2);
    rsi_faiss_about others[6];
    assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_NOT_FOUND);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    for (size_t i = 0; i < 6; i++)
        others[i] = about;
    others[0].factory = "HNSW16";
    others[1].factory = "HNSW8,Flat";
    others[2].incarnation = "1123456789abcdef0123456789abcdef";
    others[3].embedder = "own/8";
    others[4].dimension = 32;
    others[5].metric = RSI_METRIC_COSINE;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(load(&again, &f, &others[i], rows, &some), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_faiss_saved_check(f.root, INDEX, &others[i]), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &others[i], STAMP), 0);
        assert_false(saved.is_usable);
    }
    assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &about, STAMP), 0);
    assert_true(saved.is_usable && saved.is_current);
    assert_int_equal(saved.count, 300);
    assert_int_equal(rsi_faiss_saved_look(&saved, f.root, INDEX, &about, "yesterday"), 0);
    assert_true(saved.is_usable && !saved.is_current);
    assert_int_equal(
        rsi_faiss_saved_write(index, f.root, INDEX, &about, &(rsi_faiss_probe){0}, "\n"),
        RAGSTORE_E_INVALID_ARGUMENT);
    rsi_faiss_index_free(index);
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_faiss_saved__may_have_dead_chunks_but_lacks_none_that_live(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 300);
    rsi_bitset all = set_of(0, 400);
    rsi_bitset no_row = set_of(0, 300);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("Flat", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    assert_int_equal(load(&again, &f, &about, rows, &all), 0); /* others came since */
    rsi_faiss_index_free(again);
    rsi_bitset_remove(&some, 7);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    assert_int_equal(rsi_faiss_index_forget_dead(again, &some), 1);
    assert_int_equal(rsi_faiss_index_forget_dead(again, &some), 1); /* they are counted again */
    assert_int_equal(save(&f, again, &about, rows, &some), 0);
    rsi_faiss_index_free(again);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    for (uint32_t seed = 0; seed < 30; seed++) {
        idx_t found[FOUND];
        float distances[FOUND];
        find(found, distances, again, seed);
        for (size_t i = 0; i < FOUND; i++)
            assert_true(found[i] != 7 && found[i] >= -1 && found[i] < 300);
    }
    rsi_faiss_index_free(again);
    assert_int_equal(load(&again, &f, &about, rows, &no_row), RAGSTORE_E_DAMAGED); /* it lacks 7 */
    assert_non_null(strstr(rsi_error_message(), "lacks"));
    rsi_faiss_index_free(index);
    rsi_bitset_free(&some);
    rsi_bitset_free(&all);
    rsi_bitset_free(&no_row);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* Rows that were put back from a backup do not reach as far as the index. */
static void vectors_faiss_saved__of_later_rows_is_not_used(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset all = set_of(0, ROWS);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("Flat", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &all);
    assert_int_equal(save(&f, index, &about, rows, &all), 0);
    rsi_rows_close(rows);
    temporary_write(segment_path(path, state, 1), "", 0);
    rows = open_rows(&f, DIMENSION);
    rsi_rows_set_metric(rows, RSI_METRIC_L2);
    assert_int_equal(load(&again, &f, &about, rows, &all), RAGSTORE_E_DAMAGED);
    (void)size;
    rsi_faiss_index_free(index);
    rsi_bitset_free(&all);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- damage ---- */

typedef struct pair {
    char path[TEMPORARY_PATH_MAX], sum_path[TEMPORARY_PATH_MAX];
    char *bytes, *sum;
    size_t size, sum_size;
} pair;

static pair read_pair(void **state)
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

static void free_pair(pair *it)
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

static void saved_begin(saved_index *s, void **state, const char *kind, int64_t count)
{
    skip_without_faiss();
    fixture_begin(&s->f, state);
    s->some = set_of(0, count);
    s->rows = make_rows(&s->f, RSI_METRIC_L2);
    s->about = about_of(kind, RSI_METRIC_L2);
    s->index = make_index(&s->about, s->rows, &s->some);
    assert_int_equal(save(&s->f, s->index, &s->about, s->rows, &s->some), 0);
    s->whole = read_pair(state);
}

static void saved_end(saved_index *s)
{
    rsi_faiss_index_free(s->index);
    free_pair(&s->whole);
    rsi_bitset_free(&s->some);
    rsi_rows_close(s->rows);
    fixture_end(&s->f);
}

static int saved_load(saved_index *s)
{
    rsi_faiss_index *read;
    const int status = load(&read, &s->f, &s->about, s->rows, &s->some);
    rsi_faiss_index_free(read);
    return status;
}

static void write_pair(const pair *it)
{
    temporary_write(it->path, it->bytes, it->size);
    temporary_write(it->sum_path, it->sum, it->sum_size);
}

/* The same bytes with a .sum that is right for them. */
static void write_resealed(const pair *it, const char *bytes, size_t size)
{
    size_t sum_size = 0;
    char *sum = reseal(bytes, size, it->sum, &sum_size);
    assert_non_null(sum);
    temporary_write(it->path, bytes, size);
    temporary_write(it->sum_path, sum, sum_size);
    free(sum);
}

static void vectors_faiss_saved__damage_is_found_by_the_digests(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    uint32_t seed = 5;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("HNSW8", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    pair whole = read_pair(state);
    for (int i = 0; i < 300; i++) {
        const size_t at =
            (size_t)(random_number(&seed) * 0.5f * (float)whole.size + 0.5f * (float)whole.size);
        const char bit = (char)(1 << i % 8);
        whole.bytes[at] ^= bit;
        write_pair(&whole);
        assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_DAMAGED);
        assert_int_equal(rsi_faiss_saved_check(f.root, INDEX, &about), RAGSTORE_E_DAMAGED);
        whole.bytes[at] ^= bit;
        const pair cut = {
            .bytes = whole.bytes, .sum = whole.sum, .size = at, .sum_size = whole.sum_size};
        temporary_write(whole.path, cut.bytes, cut.size);
        assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_DAMAGED);
    }
    /* what is wrong in the .sum makes it the .sum of nothing */
    for (size_t at = 0; at < whole.sum_size; at++) {
        whole.sum[at] ^= 4;
        write_pair(&whole);
        const int status = load(&again, &f, &about, rows, &some);
        assert_true(status == RAGSTORE_E_NOT_FOUND);
        whole.sum[at] ^= 4;
    }
    write_pair(&whole);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    rsi_faiss_index_free(again);
    rsi_faiss_index_free(index);
    free_pair(&whole);
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* With digests made anew: it never ends the process, and what is found is a member, or nothing. */
static void expect_harmless(fixture *f, const rsi_faiss_about *about, rsi_rows *rows,
                            const rsi_bitset *members)
{
    rsi_faiss_index *read;
    bool done = false;
    const int status = load(&read, f, about, rows, members);
    if (status != RAGSTORE_OK) {
        assert_true(status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_NOT_FOUND);
        return;
    }
    rsi_bitset more = set_of(0, 260);
    for (uint32_t seed = 0; seed < 4; seed++) {
        idx_t found[FOUND];
        float distances[FOUND];
        find(found, distances, read, seed);
        for (size_t i = 0; i < FOUND; i++)
            assert_true(found[i] == -1 || rsi_bitset_has(members, found[i]));
        if (seed == 1) /* and it can be added to */
            while (!done)
                assert_int_equal(rsi_faiss_index_absorb(read, &done, rows, &more, 100), 0);
        if (seed >= 1)
            members = &more;
    }
    rsi_bitset_free(&more);
    rsi_faiss_index_free(read);
}

static void damage_at_chance(char *bytes, size_t *size, uint32_t *seed)
{
    static const uint64_t words[] = {0,
                                     1,
                                     2,
                                     199,
                                     200,
                                     201,
                                     255,
                                     INT32_MAX,
                                     0x80000000u,
                                     UINT32_MAX,
                                     (uint64_t)1 << 32,
                                     (uint64_t)1 << 40,
                                     INT64_MAX,
                                     UINT64_MAX};
    for (int32_t left = 1 + (int32_t)(*seed >> 20) % 3; left > 0; left--) {
        random_number(seed);
        /* half of the damage among the numbers that lead somewhere */
        const size_t within = *seed >> 16 & 1 && *size > 400 ? 400 : *size - 8;
        const size_t at = (*seed >> 8) % within;
        random_number(seed);
        switch (*seed >> 28 & 3) {
        case 0:
            bytes[at] ^= (char)(1u << (*seed >> 24 & 7));
            break;
        case 1:
            memcpy(bytes + at, &words[(*seed >> 12) % (sizeof words / sizeof *words)],
                   *seed >> 23 & 1 ? 4 : 8);
            break;
        case 2:
            memcpy(bytes + at, seed, 4);
            break;
        default:
            if ((*seed >> 20 & 7) == 0)
                *size = at + 8;
            else
                bytes[at] = (char)(*seed >> 10);
        }
    }
}

static void vectors_faiss_saved__damage_with_new_digests_is_harmless(void **state)
{
    fixture f;
    uint32_t seed = 11;
    const char *rounds = getenv("RAGSTORE_FUZZ_ROUNDS");
    const int each = rounds == NULL ? 60 : atoi(rounds);
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    for (size_t kind = 0; kind < FAST_KINDS; kind++) {
        const rsi_faiss_about about = about_of(kinds[kind], RSI_METRIC_L2);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        assert_int_equal(save(&f, index, &about, rows, &some), 0);
        pair whole = read_pair(state);
        char *bytes = malloc(whole.size);
        assert_non_null(bytes);
        for (int i = 0; i < each; i++) {
            size_t size = whole.size;
            memcpy(bytes, whole.bytes, size);
            damage_at_chance(bytes, &size, &seed);
            write_resealed(&whole, bytes, size);
            expect_harmless(&f, &about, rows, &some);
        }
        free(bytes);
        free_pair(&whole);
        rsi_faiss_index_free(index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- one number after the other ---- */

typedef struct forgery {
    const char *what; /* the message has this */
    size_t at;
    uint64_t value;
    size_t size;
} forgery;

/* Each is found, and named, though the digest fits. */
static void expect_refused(saved_index *s, const forgery *forgeries, size_t count)
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

/* Where the parts of an IDMap over HNSW8 over Flat with 200 vectors lie. */
enum {
    HEAD = 37, /* a kind, and a header */
    GRAPH = 2 * HEAD,
};

static size_t behind_array(const char *bytes, size_t at, size_t element)
{
    uint64_t count;
    memcpy(&count, bytes + at, sizeof count);
    return at + sizeof count + (size_t)count * element;
}

static void vectors_faiss_saved__each_number_of_a_graph_is_checked(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 200);
    const size_t room = behind_array(s.whole.bytes, GRAPH, 8);
    const size_t levels = behind_array(s.whole.bytes, room, 4);
    const size_t offsets = behind_array(s.whole.bytes, levels, 4);
    const size_t neighbours = behind_array(s.whole.bytes, offsets, 8);
    const size_t entry = behind_array(s.whole.bytes, neighbours, 4);
    const size_t flat = entry + 20;
    const size_t ids = behind_array(s.whole.bytes, flat + HEAD, 4);
    uint32_t level_of_first;
    memcpy(&level_of_first, s.whole.bytes + levels + 8, 4);
    size_t first_low = 0; /* a vector on the lowest level alone */
    while (level_of_first != 1 || first_low == 0)
        memcpy(&level_of_first, s.whole.bytes + levels + 8 + 4 * ++first_low, 4);
    const forgery forgeries[] = {
        {"dimension", 4, 0, 4},
        {"dimension", 4, 65537, 4},
        {"no room", 8, (uint64_t)1 << 31, 8},
        {"no room", 8, UINT64_MAX, 8},
        {"yes nor no", 32, 2, 1},
        {"not trained", 32, 0, 1},
        {"metric", 33, 2, 4},
        {"other vectors", HEAD + 8, 199, 8},
        {"other vectors", HEAD + 4, 8, 4},
        {"levels", GRAPH, 0, 8},
        {"levels", GRAPH, 65, 8},
        {"room", GRAPH, (uint64_t)1 << 61, 8},
        {"probability", GRAPH + 8, UINT64_MAX, 8},
        {"levels", room, 3, 8},
        {"number of neighbours", room + 8, 1, 4},
        {"number of neighbours", room + 12, 2000000, 4},
        {"number of neighbours", room + 12, 0, 4},
        {"number of neighbours", room + 16, 23, 4},
        {"levels for", levels, 199, 8},
        {"level that", levels + 8, 0, 4},
        {"level that", levels + 8, 60, 4},
        {"places", offsets, 200, 8},
        {"another place", offsets + 8, 1, 8},
        {"another place", offsets + 16, (uint64_t)1 << 40, 8},
        {"more or fewer neighbours", neighbours, 8, 8},
        {"neighbour that", neighbours + 8, 200, 4},
        {"neighbour that", neighbours + 8, INT32_MAX, 4},
        {"neighbour that", neighbours + 8, (uint32_t)-2, 4},
        {"entered", entry, 200, 4},
        {"entered", entry, (uint32_t)-1, 4},
        {"entered", entry, first_low, 4}, /* is not on the highest level */
        {"entered", entry + 4, 60, 4},
        {"effort", entry + 8, 0, 4},
        {"effort", entry + 12, INT32_MAX, 4},
        {"effort", entry + 16, 2, 4},
        {"not read back", flat, 0x4C465849, 4}, /* "IXFL" */
        {"kind and its metric", flat + 33, 0, 4},
        {"more or fewer numbers", flat + HEAD, 199 * DIMENSION, 8},
        {"not finite", flat + HEAD + 8, 0x7FC00000, 4},
        {"not finite", flat + HEAD + 12, 0xFF800000, 4},
        {"not finite", flat + HEAD + 12, 0x7F000000, 4}, /* 1.7e38 */
        {"ids than", ids, 199, 8},
        {"none of its chunks", ids + 8, 200, 8},
        {"none of its chunks", ids + 8, 5, 8}, /* again */
        {"none of its chunks", ids + 8, (uint64_t)-2, 8},
        {"lacks", ids + 8, (uint64_t)-1, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size - 1);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), 0);
    saved_end(&s);
}

/* A neighbour on a level where it is not: FAISS would read the neighbours of others, or none at all. */
static void vectors_faiss_saved__neighbours_are_on_the_level_that_they_are_named_on(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 200);
    const size_t room = behind_array(s.whole.bytes, GRAPH, 8);
    const size_t levels = behind_array(s.whole.bytes, room, 4);
    const size_t offsets = behind_array(s.whole.bytes, levels, 4);
    const size_t neighbours = behind_array(s.whole.bytes, offsets, 8);
    int32_t level[200];
    memcpy(level, s.whole.bytes + levels + 8, sizeof level);
    int32_t high = 0, low = 0;
    while (level[high] < 2)
        high++;
    while (level[low] > 1)
        low++;
    uint64_t begin;
    memcpy(&begin, s.whole.bytes + offsets + 8 + 8 * (size_t)high, sizeof begin);
    memcpy(s.whole.bytes + neighbours + 8 + 4 * (begin + 16), &low, 4); /* its first on level 1 */
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "neighbour that"));
    saved_end(&s);
}

/* A graph that is whole and leads nowhere: rows are not found as they were. */
static void vectors_faiss_saved__has_to_find_rows_as_before(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 3000);
    const size_t room = behind_array(s.whole.bytes, GRAPH, 8);
    const size_t levels = behind_array(s.whole.bytes, room, 4);
    const size_t offsets = behind_array(s.whole.bytes, levels, 4);
    const size_t neighbours = behind_array(s.whole.bytes, offsets, 8);
    const size_t entry = behind_array(s.whole.bytes, neighbours, 4);
    memset(s.whole.bytes + neighbours + 8, 0xFF, entry - neighbours - 8);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "find"));
    saved_end(&s);
}

static void vectors_faiss_saved__each_number_of_lists_is_checked(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,SQ8", 200);
    const size_t lists = 2 * HEAD; /* number, probes */
    const size_t map = behind_array(s.whole.bytes, lists + 16 + HEAD, 4);
    const size_t quantiser = map + 9;
    const size_t code = behind_array(s.whole.bytes, quantiser + 28, 4);
    const size_t inverted = code + 9; /* kind, lists, code size, kind of sizes, sizes */
    const size_t sizes = inverted + 24;
    uint64_t size_of_first;
    memcpy(&size_of_first, s.whole.bytes + sizes + 8, 8);
    assert_true(size_of_first > 1);
    const size_t first = behind_array(s.whole.bytes, sizes, 8);
    const size_t numbers = first + (size_t)size_of_first * DIMENSION;
    uint64_t second;
    memcpy(&second, s.whole.bytes + numbers + 8, 8);
    const forgery forgeries[] = {
        {"number of lists", lists, 0, 8},
        {"number of lists", lists, 65537, 8},
        {"number of lists", lists + 8, 17, 8},
        {"other vectors", lists, 15, 8}, /* than its quantiser */
        {"map", map, 1, 1},
        {"room", map + 1, (uint64_t)1 << 50, 8},
        {"does not fit", quantiser, 9, 4},
        {"does not fit", quantiser, 1, 4}, /* 4 bits */
        {"does not fit", quantiser + 12, 8, 8},
        {"does not fit", quantiser + 20, 15, 8},
        {"learnt", quantiser + 28, 31, 8},
        {"other codes", code, 17, 8},
        {"yes nor no", code + 8, 7, 1},
        {"fit the index", inverted, 0x30306C69, 4}, /* "il00": none */
        {"fit the index", inverted + 4, 15, 8},
        {"fit the index", inverted + 12, 17, 8},
        {"form", inverted + 20, 0, 4},
        {"more or fewer lists", sizes, 15, 8},
        {"more vectors", sizes + 8, 201, 8},
        {"more vectors", sizes + 8, UINT64_MAX - 1, 8},
        {"fewer vectors", sizes + 8, size_of_first - 1, 8},
        {"list that", numbers, 200, 8},
        {"list that", numbers, UINT64_MAX, 8},
        {"list that", numbers, second, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* ---- faults ---- */

typedef struct job {
    fixture *f;
    rsi_faiss_index *index;
    rsi_faiss_about about;
    rsi_rows *rows;
    rsi_bitset *some;
} job;

static int job_save(job *with)
{
    return save(with->f, with->index, &with->about, with->rows, with->some);
}

static int job_load(job *with)
{
    rsi_faiss_index *read;
    const int status = load(&read, with->f, &with->about, with->rows, with->some);
    rsi_faiss_index_free(read);
    return status;
}

static int job_check(job *with)
{
    return rsi_faiss_saved_check(with->f->root, INDEX, &with->about);
}

static int job_look(job *with)
{
    rsi_faiss_saved saved;
    return rsi_faiss_saved_look(&saved, with->f->root, INDEX, &with->about, STAMP);
}

static int (*const calls[])(job *with) = {job_save, job_load, job_check, job_look};

static void vectors_faiss_saved__survives_each_failing_allocation(void **state)
{
    static const char *const some_kinds[] = {"HNSW8", "IVF16,SQ8"};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    for (size_t kind = 0; kind < 2; kind++) {
        with.about = about_of(some_kinds[kind], RSI_METRIC_L2);
        with.index = make_index(&with.about, with.rows, &some);
        assert_int_equal(job_save(&with), 0);
        fault_memory_install();
        for (size_t i = 0; i < 4; i++) {
            bool failed = true;
            for (uint64_t n = 1; failed; n++) {
                fault_memory_fail(n, false);
                const int status = calls[i](&with);
                failed = fault_memory_failed();
                fault_memory_disarm();
                assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
                assert_int_equal(fault_memory_alive(), 0);
            }
        }
        fault_memory_restore();
        rsi_faiss_index_free(with.index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

/* Whatever fails, what can be read afterwards is whole. */
static void vectors_faiss_saved__survives_each_failing_file_call(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EINTR, FAULT_SHORT};
    fixture f;
    rsi_faiss_index *read;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    with.about = about_of("HNSW8", RSI_METRIC_L2);
    with.index = make_index(&with.about, with.rows, &some);
    for (size_t e = 0; e < 4; e++) {
        for (size_t i = 0; i < 3; i++) {
            bool failed = true;
            for (int64_t n = 1; failed; n++) {
                assert_int_equal(job_save(&with), 0);
                const int64_t handles = atomic_load(&f.faults.open_handles);
                fault_files_fail(&f.faults, FAULT_ANY, n, errors[e], false);
                const int status = calls[i](&with);
                failed = fault_files_struck(&f.faults);
                fault_files_disarm(&f.faults);
                assert_int_equal(atomic_load(&f.faults.open_handles), handles);
                assert_true(status == RAGSTORE_OK || failed);
                const int again = load(&read, &f, &with.about, with.rows, &some);
                assert_true(again == RAGSTORE_OK || (i == 0 && status != RAGSTORE_OK));
                rsi_faiss_index_free(read);
            }
        }
    }
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

/* RELIABILITY F3: FAISS itself would call it a success. */
static void vectors_faiss_saved__a_full_disk_is_told_of(void **state)
{
    fixture f;
    char path[TEMPORARY_PATH_MAX];
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    job with = {.f = &f, .rows = make_rows(&f, RSI_METRIC_L2), .some = &some};
    with.about = about_of("HNSW8", RSI_METRIC_L2);
    with.index = make_index(&with.about, with.rows, &some);
    const size_t files = temporary_count(temporary_join(path, state, DIRECTORY));
    fault_files_fail(&f.faults, FAULT_WRITE, 1, ENOSPC, true);
    assert_int_equal(job_save(&with), RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&f.faults);
    assert_int_equal(temporary_count(path), files);
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&some);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_saved__is_what_it_was),
        TEST(vectors_faiss_saved__is_not_written_of_kinds_that_are_not_read),
        TEST(vectors_faiss_saved__is_of_one_entity_kind_and_embedder),
        TEST(vectors_faiss_saved__may_have_dead_chunks_but_lacks_none_that_live),
        TEST(vectors_faiss_saved__of_later_rows_is_not_used),
        TEST(vectors_faiss_saved__damage_is_found_by_the_digests),
        TEST(vectors_faiss_saved__damage_with_new_digests_is_harmless),
        TEST(vectors_faiss_saved__each_number_of_a_graph_is_checked),
        TEST(vectors_faiss_saved__neighbours_are_on_the_level_that_they_are_named_on),
        TEST(vectors_faiss_saved__has_to_find_rows_as_before),
        TEST(vectors_faiss_saved__each_number_of_lists_is_checked),
        TEST(vectors_faiss_saved__survives_each_failing_allocation),
        TEST(vectors_faiss_saved__survives_each_failing_file_call),
        TEST(vectors_faiss_saved__a_full_disk_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
