/*
 * Damaged FAISS files, made from what FAISS itself writes; faiss_files.py runs this in slices.
 *
 *   faiss_files DIRECTORY SEED FIRST COUNT      the files FIRST, FIRST + 1, … of the seed
 *
 *   number ──► kind      Flat, IDMap, IDMap2, HNSW, IVF, SQ        number % 6
 *          ├─► damage    bits flipped, cut or lengthened,          / 6 % 4
 *          │             boundary numbers, random words
 *          └─► checksum  of the file before it was damaged,        / 24 % 2
 *                        or made anew for the damaged one
 *
 * Each is laid in the place of an entity's index.faiss, with the stamp that makes it today's, and:
 *
 *   - search answers as before
 *   - the damage is found, told of once, and index.faiss is again what it was, to the byte; in each
 *     49th case by the store's own upkeep after it was opened, otherwise by an export
 *   - the file as it is, given to ragstore_index_import(): a typed error that changes nothing, or
 * as many vectors as it had, under chunk numbers of that document; after it was deleted none of
 * them
 *
 * A crash or a hang ends the process, which the driver notices: the last line of its standard error
 * is the number of the file. Ends with one JSON line of counts.
 *
 * FAISS makes the files and never reads one. Where this processor cannot run it, "NOT RUN" says so.
 */
#include "faiss_damage.h"
#include "harness/temporary.h"

#include "base/digest.h"
#include "vectors/vectors.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/index_factory_c.h>
#include <c_api/index_io_c.h>
#endif

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ragstore.h>

#define DIMENSION DAMAGE_DIMENSION
#define BEFORE 5 /* chunks that were deleted, so that ids do not begin with 0 */
#define COUNT DAMAGE_COUNT
#define QUERIES 3
#define NEAREST 100 /* more than there are */
#define KINDS 6
#define REOPEN_EACH 49 /* shares no factor with 6, 4 and 2 */
#define MAINTAIN_MAX 20

static const char *const kinds[KINDS] = {"Flat",  "IDMap,Flat", "IDMap2,Flat",
                                         "HNSW8", "IVF4,Flat",  "SQ8"};

typedef struct answers {
    int64_t chunks[QUERIES * NEAREST];
    float scores[QUERIES * NEAREST];
} answers;

static struct {
    char path[1000]; /* of the store */
    char index_path[1200];
    char sum_path[1300];
    char given_path[1200]; /* what is imported */
    ragstore_store *store;
    ragstore_entity *acme;
    ragstore_entity *other;
    float vectors[COUNT * DIMENSION];
    float queries[QUERIES * DIMENSION];
    answers right;
    blob index; /* what is true */
    blob sum;
    char stamp[200];
    blob made[KINDS];
    unsigned damages; /* that the log has told of */
    uint64_t number;  /* of the file that is tried */
    uint64_t found, imported, refused;
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
        wrong("%s: %s: %s", what, ragstore_status_name(status), ragstore_error_message());
}

/* ---- the store ---- */

static void listen(void *user, int level, const char *message)
{
    (void)user;
    all.damages +=
        level == RAGSTORE_LOG_WARNING && strstr(message, "index.faiss is damaged") != NULL;
}

static void open_store(void)
{
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    options.log = listen;
    must(ragstore_store_open(&all.store, all.path, &options), "open the store");
}

static void open_entities(void)
{
    must(ragstore_entity_open(&all.acme, all.store, "acme"), "open acme");
    must(ragstore_entity_open(&all.other, all.store, "other"), "open other");
}

static void close_store(void)
{
    ragstore_entity_free(all.acme);
    ragstore_entity_free(all.other);
    must(ragstore_store_close(all.store), "close the store");
}

static void add_chunks(const float *vectors, size_t count)
{
    char json[COUNT * 32] = "[";
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(json + size, sizeof json - size, "{\"text\":\"chunk %zu\"}%s", i,
                                 i + 1 < count ? "," : "]");
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.key = count == BEFORE ? "before" : "kept";
    must(ragstore_document_add_chunks(NULL, all.acme, json, vectors, DIMENSION, &options),
         "add chunks");
}

static void delete_first_document(ragstore_entity *entity)
{
    ragstore_buffer *list;
    char doc_id[64] = "";
    must(ragstore_document_list(&list, entity, NULL), "list documents");
    const char *at = strstr(ragstore_buffer_data(list), "\"doc_id\":\"");
    if (at == NULL || sscanf(at, "\"doc_id\":\"%63[^\"]\"", doc_id) != 1)
        wrong("there is no document to delete in %s", ragstore_buffer_data(list));
    ragstore_buffer_free(list);
    must(ragstore_document_delete(entity, doc_id), "delete a document");
}

static void search(answers *found, ragstore_entity *entity)
{
    ragstore_index *index;
    must(ragstore_index_open(&index, entity), "open an index");
    must(ragstore_index_search(found->chunks, found->scores, index, all.queries, QUERIES, DIMENSION,
                               NEAREST),
         "search");
    ragstore_index_free(index);
}

/* Compare the first answers with cosines of our own: all chunks, best first. */
static void check_first_answers(void)
{
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t i = 0; i < NEAREST; i++) {
            const int64_t chunk = all.right.chunks[q * NEAREST + i];
            const float score = all.right.scores[q * NEAREST + i];
            float sum = 0;
            float squares = 0; /* of the query; the vectors have length 1 */
            if (i >= COUNT) {
                if (chunk != -1 || !isnan(score))
                    wrong("there are more answers than chunks");
                continue;
            }
            if (chunk < BEFORE || chunk >= BEFORE + COUNT)
                wrong("chunk %" PRId64 " does not exist", chunk);
            for (size_t d = 0; d < DIMENSION; d++) {
                const float number = all.queries[q * DIMENSION + d];
                sum += all.vectors[(size_t)(chunk - BEFORE) * DIMENSION + d] * number;
                squares += number * number;
            }
            if (fabsf(sum / sqrtf(squares) - score) > 1e-4f ||
                (i > 0 && score > all.right.scores[q * NEAREST + i - 1]))
                wrong("answer %zu is not what it should be", i);
        }
    }
}

static void export_index(void)
{
    ragstore_index *index;
    must(ragstore_index_open(&index, all.acme), "open an index");
    must(ragstore_index_export(index), "export");
    ragstore_index_free(index);
}

static blob read_blob(const char *path)
{
    blob out = {NULL, 0};
    out.bytes = temporary_read(path, &out.size);
    return out;
}

static void make_store(const char *directory)
{
    snprintf(all.path, sizeof all.path, "%s/store", directory);
    snprintf(all.index_path, sizeof all.index_path,
             "%s/entity_scoped/entities/acme/vector_store/index.faiss", all.path);
    snprintf(all.sum_path, sizeof all.sum_path, "%s.sum", all.index_path);
    snprintf(all.given_path, sizeof all.given_path, "%s/given.faiss", directory);
    for (size_t i = 0; i < COUNT; i++) {
        float *vector = all.vectors + i * DIMENSION;
        float sum = 0;
        for (size_t d = 0; d < DIMENSION; d++) {
            vector[d] = number_between(-1, 1);
            sum += vector[d] * vector[d];
        }
        for (size_t d = 0; d < DIMENSION; d++)
            vector[d] /= sqrtf(sum);
    }
    for (size_t i = 0; i < QUERIES * DIMENSION; i++)
        all.queries[i] = number_between(-1, 1);
    open_store();
    must(ragstore_entity_create(&all.acme, all.store, "acme", NULL), "make acme");
    must(ragstore_entity_create(&all.other, all.store, "other", NULL), "make other");
    add_chunks(all.vectors, BEFORE);
    add_chunks(all.vectors, COUNT);
    delete_first_document(all.acme);
    search(&all.right, all.acme);
    check_first_answers();
    export_index();
    all.index = read_blob(all.index_path);
    all.sum = read_blob(all.sum_path);
    const char *stamp = all.sum.bytes == NULL ? NULL : strstr(all.sum.bytes, "stamp ");
    if (all.index.bytes == NULL || stamp == NULL ||
        sscanf(stamp, "stamp %199[^\n]", all.stamp) != 1)
        wrong("index.faiss or its checksum was not written");
}

/* ---- the files ---- */

/* The entity's vectors as FAISS writes them; those with ids have its chunk numbers. */
static blob make_file(const char *kind)
{
    float vectors[COUNT * DIMENSION];
    idx_t ids[COUNT];
    FaissIndex *index = NULL;
    blob out = {NULL, 0};
    ragstore_index *rows;
    must(ragstore_index_open(&rows, all.acme), "open an index");
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = BEFORE + (idx_t)i;
        must(ragstore_index_vector(vectors + i * DIMENSION, rows, ids[i], DIMENSION),
             "read a vector");
    }
    ragstore_index_free(rows);
    FILE *stream = open_memstream(&out.bytes, &out.size);
    const bool has_ids = strncmp(kind, "IDMap", 5) == 0;
    if (stream == NULL || faiss_index_factory(&index, DIMENSION, kind, METRIC_INNER_PRODUCT) != 0 ||
        faiss_Index_train(index, COUNT, vectors) != 0 ||
        (has_ids ? faiss_Index_add_with_ids(index, COUNT, vectors, ids)
                 : faiss_Index_add(index, COUNT, vectors)) != 0 ||
        faiss_write_index(index, stream) != 0 || fclose(stream) != 0)
        wrong("FAISS could not make %s", kind);
    faiss_Index_free(index);
    return out;
}

/* A checksum that is right for these bytes, with today's stamp. */
static void write_sum(const blob *file)
{
    char text[512];
    char sha256[RSI_SHA256_HEX];
    rsi_sha256_hex(file->bytes, file->size, sha256);
    int size = snprintf(text, sizeof text, "ragstore-faiss 1\nsize %zu\nsha256 %s\nstamp %s\n",
                        file->size, sha256, all.stamp);
    const uint32_t crc = rsi_crc32c(0, text, (size_t)size);
    size += snprintf(text + size, sizeof text - (size_t)size, "crc32c %08" PRIx32 "\n", crc);
    temporary_write(all.sum_path, text, (size_t)size);
}

/* ---- what must come of it ---- */

static void expect_right_answers(const char *when)
{
    answers found;
    search(&found, all.acme);
    if (memcmp(found.chunks, all.right.chunks, sizeof found.chunks) != 0 ||
        memcmp(found.scores, all.right.scores, sizeof found.scores) != 0)
        wrong("the answers are others %s", when);
}

static bool is_mended(void)
{
    blob index = read_blob(all.index_path);
    blob sum = read_blob(all.sum_path);
    bool same = index.bytes != NULL && sum.bytes != NULL && index.size == all.index.size &&
                sum.size == all.sum.size && memcmp(index.bytes, all.index.bytes, index.size) == 0 &&
                memcmp(sum.bytes, all.sum.bytes, sum.size) == 0;
    free(index.bytes);
    free(sum.bytes);
    return same;
}

static void lay_in_place(const blob *whole, const blob *file)
{
    const bool checksum_anew = all.number / (KINDS * 4) % 2 == 1;
    temporary_write(all.index_path, file->bytes, file->size);
    write_sum(checksum_anew ? file : whole);
}

static void try_in_place(const blob *whole, const blob *file)
{
    const bool reopen = all.number % REOPEN_EACH == 0;
    if (reopen)
        close_store();
    lay_in_place(whole, file);
    if (reopen) {
        open_store();
        open_entities();
    }
    all.damages = 0;
    expect_right_answers("beside a damaged file");
    if (reopen)
        for (int i = 0; i < MAINTAIN_MAX && !is_mended(); i++)
            must(ragstore_store_maintain(all.store, 0), "maintain");
    else
        export_index();
    if (all.damages != 1)
        wrong("the damage was told of %u times", all.damages);
    if (!is_mended())
        wrong("index.faiss was not written again as it was");
    all.found++;
    expect_right_answers("after the file was mended");
}

static int64_t count_of(ragstore_entity *entity, const char *member)
{
    ragstore_buffer *buffer;
    char pattern[64];
    long long count = -1;
    must(ragstore_entity_describe(&buffer, entity), "describe an entity");
    snprintf(pattern, sizeof pattern, "\"%s\":", member);
    const char *at = strstr(ragstore_buffer_data(buffer), pattern);
    if (at == NULL || sscanf(at + strlen(pattern), "%lld", &count) != 1)
        wrong("there is no %s in %s", member, ragstore_buffer_data(buffer));
    ragstore_buffer_free(buffer);
    return count;
}

/* All of an import is there, under the numbers of its own chunks, which lie one behind the other.
 */
static void check_import(void)
{
    answers found;
    float vector[DIMENSION];
    ragstore_index *index;
    int64_t first = INT64_MAX;
    bool seen[COUNT] = {false};
    if (count_of(all.other, "total_chunks") != COUNT)
        wrong("an import has not as many chunks as the file vectors");
    search(&found, all.other);
    for (size_t i = 0; i < COUNT; i++)
        first = found.chunks[i] < first ? found.chunks[i] : first;
    must(ragstore_index_open(&index, all.other), "open an index");
    for (size_t i = 0; i < NEAREST; i++) {
        if (i >= COUNT && found.chunks[i] != -1)
            wrong("chunk %" PRId64 " does not exist", found.chunks[i]);
        if (i >= COUNT)
            continue;
        if (found.chunks[i] < first || found.chunks[i] >= first + COUNT ||
            seen[found.chunks[i] - first] || !isfinite(found.scores[i]))
            wrong("chunk %" PRId64 " is none of the import, or was found twice", found.chunks[i]);
        seen[found.chunks[i] - first] = true;
        must(ragstore_index_vector(vector, index, found.chunks[i], DIMENSION), "read a vector");
    }
    ragstore_index_free(index);
}

static void try_import(const blob *file)
{
    temporary_write(all.given_path, file->bytes, file->size);
    int status = ragstore_index_import(NULL, all.other, all.given_path, NULL, NULL);
    if (status == RAGSTORE_OK) {
        all.imported++;
        check_import();
        delete_first_document(all.other);
    } else if (status == RAGSTORE_E_INVALID_DATA || status == RAGSTORE_E_UNSUPPORTED ||
               status == RAGSTORE_E_TOO_LARGE) {
        all.refused++;
    } else {
        must(status, "import a damaged file");
    }
    if (count_of(all.other, "total_documents") != 0 || count_of(all.other, "total_chunks") != 0)
        wrong("something is left of an import");
}

static void try_one(uint64_t seed, uint64_t number)
{
    const blob *whole = &all.made[number % KINDS];
    all.number = number;
    fprintf(stderr, "%" PRIu64 "\n", number);
    chance_state = seed * UINT64_C(0x2545F4914F6CDD1D) + number;
    blob file = damage(whole, number / KINDS);
    if (file.bytes == NULL)
        wrong("no memory");
    try_in_place(whole, &file);
    try_import(&file);
    free(file.bytes);
}

int main(int count, char **words)
{
    const char *reason;
    if (count != 5) {
        fputs("usage: faiss_files DIRECTORY SEED FIRST COUNT\n", stderr);
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
    make_store(words[1]);
    for (size_t i = 0; i < KINDS; i++)
        all.made[i] = make_file(kinds[i]);
    for (uint64_t number = first; number < end; number++)
        try_one(seed, number);
    close_store();
    printf("{\"damaged files\": %" PRIu64 ", \"found and mended\": %" PRIu64
           ", \"imports refused\": %" PRIu64 ", \"imports of other numbers\": %" PRIu64 "}\n",
           end - first, all.found, all.refused, all.imported);
    for (size_t i = 0; i < KINDS; i++)
        free(all.made[i].bytes);
    free(all.index.bytes);
    free(all.sum.bytes);
    return 0;
}
