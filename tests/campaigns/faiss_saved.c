/*
 * Damaged indexes of FAISS's kinds, which the library reads back (vectors/faiss_saved.h) and has
 * FAISS read; faiss_files.py runs this in slices.
 *
 *   faiss_saved DIRECTORY SEED FIRST COUNT      the files FIRST, FIRST + 1, … of the seed
 *
 *   number ──► kind      one of `kinds`                                   number % KINDS
 *          ├─► damage    faiss_damage.h                                          / KINDS % 4
 *          └─► checksum  of the file before it was damaged,                      / KINDS / 4 % 2
 *                        or made anew for the damaged one: every digest, and the size
 *
 * Beside the old checksum the damage is always found. Beside a new one the file is refused, or it
 * is an index: whatever is asked of it, it answers with members of it, or with nothing, and it can
 * be added to. A crash or a hang ends the process, which the driver notices: the last line of its
 * standard error is the number of the file. Ends with one JSON line of counts.
 */
#include "faiss_damage.h"
#include "harness/faiss_reseal.h"
#include "harness/temporary.h"

#include "base/status.h"
#include "vectors/faiss_index_internal.h"
#include "vectors/faiss_saved.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define DIMENSION DAMAGE_DIMENSION
#define MEMBERS DAMAGE_COUNT
#define ROWS (DAMAGE_COUNT + 12) /* some are added afterwards */
#define QUERIES 3
#define NEAREST 20
#define KINDS (sizeof kinds / sizeof *kinds)
#define INCARNATION "0123456789abcdef0123456789abcdef"
#define INDEX "vector_store/index.faiss"

static const char *const kinds[] = {"Flat",
                                    "SQ8",
                                    "HNSW8",
                                    "HNSW8,SQ8",
                                    "IVF4,Flat",
                                    "PCA4,IVF4,PQ2x4",
                                    "PCA4,LSHrt",
                                    "ITQ4,SQ8",
                                    "IMI2x1,Flat",
                                    "PQ2x4fs",
                                    "IVF4,PQ2x4fs",
                                    "PCA4,IVF4,PQ4x4fsr_64",
                                    "IVF4,FlatDedup",
                                    "IVF4,PCA4,SH4c",
                                    "RQ2x3_1x2_Nqint8",
                                    "LSQ2x3",
                                    "PRQ2x2x3_Nfloat",
                                    "IVF4,PLSQ2x1x4",
                                    "IVF4,RQ2x4",
                                    "RQ3x4fs",
                                    "IVF4,PRQ2x2x4fs_64"};

static struct {
    rsi_root *root;
    rsi_rows *rows;
    rsi_bitset members, all_rows;
    char index_path[1200], sum_path[1200];
    blob made[KINDS], sums[KINDS];
    float queries[QUERIES * DIMENSION];
    uint64_t number; /* of the file that is tried */
    uint64_t found, refused, harmless;
} all;

static _Noreturn void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "file %" PRIu64 ": ", all.number);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void must(int status, const char *what)
{
    if (status != RAGSTORE_OK)
        wrong("%s: %s", what, rsi_error_message());
}

static rsi_faiss_about about_of(size_t kind)
{
    const rsi_metric metric =
        strstr(kinds[kind], "RQ") != NULL && strstr(kinds[kind], "fs") != NULL
            ? RSI_METRIC_INNER_PRODUCT /* FAISS has no other of these */
            : RSI_METRIC_L2;
    return (rsi_faiss_about){kinds[kind], INCARNATION, "own/8", DIMENSION, metric};
}

/* ---- what is damaged ---- */

static void make_rows(const char *directory)
{
    float vectors[ROWS * DIMENSION];
    rsi_rows_extent extents[4];
    size_t count;
    snprintf(all.index_path, sizeof all.index_path, "%s/" INDEX, directory);
    snprintf(all.sum_path, sizeof all.sum_path, "%s/" INDEX ".sum", directory);
    for (size_t i = 0; i < ROWS * DIMENSION; i++)
        vectors[i] = number_between(-1, 1);
    for (size_t i = 0; i < QUERIES * DIMENSION; i++)
        all.queries[i] = number_between(-1, 1);
    must(rsi_root_open(&all.root, NULL, directory, true), "open");
    must(rsi_rows_open(&all.rows, all.root, "vector_store", INCARNATION, DIMENSION), "open rows");
    must(rsi_rows_append(all.rows, 0, vectors, ROWS, extents, 4, &count), "append rows");
    rsi_rows_set_metric(all.rows, RSI_METRIC_L2);
    for (int64_t chunk = 0; chunk < ROWS; chunk++) {
        must(rsi_bitset_add(&all.all_rows, chunk), "add");
        if (chunk < MEMBERS)
            must(rsi_bitset_add(&all.members, chunk), "add");
    }
}

static void make_file(size_t kind)
{
    enum { SAMPLE = 4097 };
    static float sample[SAMPLE * DIMENSION];
    const rsi_faiss_about about = about_of(kind);
    rsi_faiss_index *index;
    rsi_faiss_probe probe;
    bool done;
    for (size_t i = 0; i < SAMPLE * DIMENSION; i++)
        sample[i] = number_between(-1, 1);
    rsi_rows_set_metric(all.rows, about.metric);
    must(rsi_faiss_index_new(&index, about.factory, DIMENSION, about.metric), "make an index");
    if (!rsi_faiss_index_is_trained(index))
        must(rsi_faiss_index_train(index, sample, SAMPLE), "train");
    must(rsi_faiss_index_absorb(index, &done, all.rows, &all.members, MEMBERS + 1), "add rows");
    must(rsi_faiss_probe_index(&probe, index, all.rows, &all.members), "probe");
    must(rsi_faiss_saved_write(index, all.root, INDEX, &about, &probe, "today"), "write");
    all.made[kind].bytes = temporary_read(all.index_path, &all.made[kind].size);
    all.sums[kind].bytes = temporary_read(all.sum_path, &all.sums[kind].size);
    if (all.made[kind].bytes == NULL || all.sums[kind].bytes == NULL)
        wrong("%s was not written", kinds[kind]);
    rsi_faiss_index_free(index);
}

/* ---- what must come of it ---- */

static void expect_members(rsi_faiss_index *index, const rsi_bitset *members)
{
    for (size_t q = 0; q < QUERIES; q++) {
        idx_t ids[NEAREST];
        float distances[NEAREST];
        const rsi_faiss_query ask = {.vector = all.queries + q * DIMENSION,
                                     .wanted = NEAREST,
                                     .distances = distances,
                                     .ids = ids};
        must(rsi_faiss_query_ask(index, &ask), "search");
        for (size_t i = 0; i < NEAREST; i++)
            if (ids[i] != -1 && !rsi_bitset_has(members, ids[i]))
                wrong("chunk %" PRId64 " does not exist", (int64_t)ids[i]);
    }
}

/* Read it, if it can be; does the library use it? */
static bool is_used(const rsi_faiss_about *about)
{
    rsi_faiss_index *index;
    rsi_faiss_probe probe;
    bool done = false;
    int status = rsi_faiss_saved_read(&index, &probe, all.root, INDEX, about);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_saved_verify(index, &probe, all.rows, &all.members);
    if (status == RAGSTORE_OK) {
        expect_members(index, &all.members);
        while (!done)
            must(rsi_faiss_index_absorb(index, &done, all.rows, &all.all_rows, 100), "add rows");
        expect_members(index, &all.all_rows);
    } else if (status != RAGSTORE_E_DAMAGED) {
        wrong("%s: %s", rsi_status_name(status), rsi_error_message());
    }
    rsi_faiss_index_free(index);
    return status == RAGSTORE_OK;
}

static void try_one(uint64_t seed, uint64_t number)
{
    const size_t kind = number % KINDS;
    const rsi_faiss_about about = about_of(kind);
    const bool checksum_anew = number / (KINDS * 4) % 2 == 1;
    all.number = number;
    fprintf(stderr, "%" PRIu64 "\n", number);
    chance_state = seed * UINT64_C(0x2545F4914F6CDD1D) + number;
    blob file = damage(&all.made[kind], number / KINDS);
    blob sum = all.sums[kind];
    if (file.bytes != NULL && checksum_anew)
        sum.bytes = reseal(file.bytes, file.size, all.sums[kind].bytes, &sum.size);
    if (file.bytes == NULL || sum.bytes == NULL)
        wrong("no memory");
    temporary_write(all.index_path, file.bytes, file.size);
    temporary_write(all.sum_path, sum.bytes, sum.size);
    const bool used = is_used(&about);
    if (used && !checksum_anew)
        wrong("damage was not found");
    all.found += !checksum_anew;
    all.refused += checksum_anew && !used;
    all.harmless += used;
    if (checksum_anew)
        free(sum.bytes);
    free(file.bytes);
}

int main(int count, char **words)
{
    const char *reason;
    if (count != 5) {
        fputs("usage: faiss_saved DIRECTORY SEED FIRST COUNT\n", stderr);
        return 2;
    }
    const uint64_t seed = strtoull(words[2], NULL, 10);
    const uint64_t first = strtoull(words[3], NULL, 10);
    const uint64_t end = first + strtoull(words[4], NULL, 10);
    if (!rsi_faiss_available(&reason)) {
        printf("NOT RUN: %s\n", reason);
        return 0;
    }
    chance_state = seed;
    make_rows(words[1]);
    for (size_t i = 0; i < KINDS; i++)
        make_file(i);
    for (uint64_t number = first; number < end; number++)
        try_one(seed, number);
    printf("{\"damaged indexes\": %" PRIu64 ", \"found by digests\": %" PRIu64
           ", \"refused with new digests\": %" PRIu64 ", \"harmless with new digests\": %" PRIu64
           "}\n",
           end - first, all.found, all.refused, all.harmless);
    rsi_rows_close(all.rows);
    rsi_root_close(all.root);
    rsi_bitset_free(&all.members);
    rsi_bitset_free(&all.all_rows);
    for (size_t i = 0; i < KINDS; i++) {
        free(all.made[i].bytes);
        free(all.sums[i].bytes);
    }
    return 0;
}
