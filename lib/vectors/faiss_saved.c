/* An index of FAISS's in a file: see faiss_saved.h. */
#include "vectors/faiss_saved.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/faiss_index_internal.h"
#include "vectors/faiss_sum.h"
#include "vectors/faiss_walk.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/index_io_c.h>
#endif

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SUM_MAX ((size_t)16 << 20)
#define BEGIN "ragstore-faiss 2\nsize "
#define DIGEST_LINE 65

/* ---- the .sum ---- */

typedef struct sum {
    rsi_bytes text;
    size_t checked; /* its bytes without the last line */
    uint64_t size;  /* of the file */
    uint64_t count;
    int64_t covered;
    rsi_faiss_probe probe;
} sum;

static void put_sum(rsi_bytes *out, const rsi_faiss_index *index, const rsi_faiss_blocks *blocks,
                    const rsi_faiss_about *about, const rsi_faiss_probe *probe, const char *sha256,
                    const char *stamp)
{
    char digest[DIGEST_LINE];
    rsi_bytes_printf(out, BEGIN "%" PRIu64 "\nsha256 %s\nkind %s\ndimension %" PRIu32 "\n",
                     blocks->size, sha256, about->factory, about->dimension);
    rsi_bytes_printf(out, "metric %s\nincarnation %s\nembedder %s\n",
                     rsi_metric_name(about->metric), about->incarnation, about->embedder);
    rsi_bytes_printf(out, "count %zu\ncovered %" PRId64 "\nfound %" PRIu32 "\nprobed %" PRIu32 "\n",
                     index->count, index->covered, probe->found, probe->of);
    rsi_bytes_printf(out, "stamp %s\nblocks %zu\n", stamp,
                     blocks->digests_size / RSI_FAISS_DIGEST_SIZE);
    for (size_t at = 0; at < blocks->digests_size; at += RSI_FAISS_DIGEST_SIZE) {
        rsi_hex(blocks->digests + at, RSI_FAISS_DIGEST_SIZE, digest);
        rsi_bytes_printf(out, "%s\n", digest);
    }
    rsi_faiss_sum_seal(out);
}

/* The number behind a name; all that are asked for are there in a .sum of this form. */
static uint64_t number_of(const sum *of, const char *name)
{
    char line[32];
    int length = snprintf(line, sizeof line, "\n%s ", name);
    const char *at = memmem(of->text.data, of->checked, line, (size_t)length);
    return at == NULL ? 0 : strtoull(at + length, NULL, 10);
}

/* Was it made of the entity as its record has it today? */
static bool is_about(const sum *of, const rsi_faiss_about *about)
{
    char dimension[16];
    snprintf(dimension, sizeof dimension, "%" PRIu32, about->dimension);
    const char *const lines[][2] = {{"kind", about->factory},
                                    {"dimension", dimension},
                                    {"metric", rsi_metric_name(about->metric)},
                                    {"incarnation", about->incarnation},
                                    {"embedder", about->embedder}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!rsi_faiss_sum_has(&of->text, of->checked, lines[i][0], lines[i][1]))
            return false;
    return true;
}

/* NOT_FOUND: none that is intact, and of this entity. */
static int read_sum(sum *out, rsi_root *root, const char *path, const rsi_faiss_about *about)
{
    rsi_path at;
    memset(out, 0, sizeof *out);
    int status = rsi_faiss_sum_path(&at, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_read_all(root, at.text, SUM_MAX, &out->text);
    const bool is_there = status == RAGSTORE_OK &&
                          rsi_faiss_sum_is_intact(&out->checked, &out->text, BEGIN) &&
                          is_about(out, about);
    if (status != RAGSTORE_OK && !rsi_faiss_sum_means_damage(status))
        return status;
    if (!is_there) {
        rsi_bytes_free(&out->text);
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "vectors", "%s: no index of this entity's kind",
                        path);
    }
    out->size = strtoull(out->text.data + sizeof BEGIN - 1, NULL, 10);
    out->count = number_of(out, "count");
    out->covered = (int64_t)number_of(out, "covered");
    out->probe.found = (uint32_t)number_of(out, "found");
    out->probe.of = (uint32_t)number_of(out, "probed");
    return RAGSTORE_OK;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The lines behind "blocks": DAMAGED when they are not those of a file of that size. */
static int digests_of(unsigned char **out, const sum *of, const char *path)
{
    const uint64_t count = rsi_faiss_blocks_count(of->size);
    const bool fits = count <= of->checked / DIGEST_LINE && count == number_of(of, "blocks");
    bool are_digits = fits;
    *out = rsi_alloc(fits ? (size_t)count * RSI_FAISS_DIGEST_SIZE : 1);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    const char *at = of->text.data + of->checked - (fits ? (size_t)count * DIGEST_LINE : 0);
    for (uint64_t i = 0; are_digits && i < count * RSI_FAISS_DIGEST_SIZE; i++) {
        const uint64_t line = i / RSI_FAISS_DIGEST_SIZE;
        const char *digits = at + line * DIGEST_LINE + i % RSI_FAISS_DIGEST_SIZE * 2;
        are_digits = digit_of(digits[0]) >= 0 && digit_of(digits[1]) >= 0;
        (*out)[i] =
            (unsigned char)((unsigned)digit_of(digits[0]) << 4 | (unsigned)digit_of(digits[1]));
    }
    if (are_digits)
        return RAGSTORE_OK;
    rsi_free(*out);
    *out = NULL;
    return rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "%s: its .sum has no digest for each block",
                    path);
}

int rsi_faiss_saved_look(rsi_faiss_saved *out, rsi_root *root, const char *path,
                         const rsi_faiss_about *about, const char *stamp)
{
    sum of;
    rsi_file_info info;
    memset(out, 0, sizeof *out);
    int status = read_sum(&of, root, path, about);
    if (status == RAGSTORE_OK) {
        status = rsi_file_info_of(root, path, &info);
        out->is_usable = status == RAGSTORE_OK && info.size == of.size;
        out->is_current = out->is_usable && rsi_faiss_sum_has(&of.text, of.checked, "stamp", stamp);
        out->count = of.count;
    }
    rsi_bytes_free(&of.text);
    return rsi_faiss_sum_means_damage(status) ? RAGSTORE_OK : rsi_wrap(status, "look at %s", path);
}

/* ---- writing ---- */

typedef struct filling {
    rsi_faiss_index *index;
    rsi_faiss_blocks blocks;
    char sha256[RSI_SHA256_HEX];
} filling;

/* FAISS tells of no failure: the stream does (RELIABILITY F3). Under the index's lock. */
static int write_index(filling *with)
{
    FILE *stream;
    int status = rsi_faiss_blocks_stream(&stream, &with->blocks, "w");
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_faiss_result(faiss_write_index(with->index->inside, stream), "write that index");
    if (fclose(stream) != 0 && status == RAGSTORE_OK)
        status = rsi_fail_no_memory(); /* unless the file says why */
    const int below = rsi_faiss_blocks_finish(&with->blocks, with->sha256);
    return below != RAGSTORE_OK ? below : status;
}

/* What was written is looked at as it will be when it is read: nothing is saved that is of no use.
 * Another FAISS may write a kind in another form. */
static int fill(void *user, rsi_file *file)
{
    filling *with = user;
    rsi_faiss_facts facts;
    int status = rsi_faiss_blocks_begin(&with->blocks, file);
    if (status == RAGSTORE_OK)
        status = write_index(with);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk(&facts, &with->blocks);
    return status == RAGSTORE_E_DAMAGED
               ? rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                          "an index of FAISS's that is not in a form that is read back: %s",
                          rsi_error_message())
               : status;
}

bool rsi_faiss_saved_is_possible(const rsi_faiss_index *index)
{
    return !__atomic_load_n(&index->is_not_saved, __ATOMIC_RELAXED);
}

int rsi_faiss_saved_write(rsi_faiss_index *index, rsi_root *root, const char *path,
                          const rsi_faiss_about *about, const rsi_faiss_probe *probe,
                          const char *stamp)
{
    rsi_path temporary;
    rsi_bytes text = {0};
    filling with = {.index = index};
    int status = rsi_faiss_sum_check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = rsi_path_temporary(&temporary, path);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_rdlock(&index->lock);
        status = rsi_faiss_sum_write_temporary(root, temporary.text, fill, &with);
        if (status == RAGSTORE_OK)
            put_sum(&text, index, &with.blocks, about, probe, with.sha256, stamp);
        pthread_rwlock_unlock(&index->lock);
    }
    if (status == RAGSTORE_OK)
        status = rsi_faiss_sum_put_in_place(root, path, temporary.text, &text);
    if (status == RAGSTORE_E_UNSUPPORTED)
        __atomic_store_n(&index->is_not_saved, true, __ATOMIC_RELAXED);
    rsi_faiss_blocks_free(&with.blocks);
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write %s", path);
}

/* ---- reading ---- */

typedef struct opened {
    sum of;
    rsi_file *file;
    rsi_faiss_blocks blocks;
} opened;

static void close_saved(opened *it)
{
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_faiss_blocks_free(&it->blocks);
    rsi_file_close(it->file); /* it was only read */
    rsi_bytes_free(&it->of.text);
    rsi_error_restore(&saved);
}

static int open_saved(opened *it, rsi_root *root, const char *path, const rsi_faiss_about *about)
{
    unsigned char *digests = NULL;
    uint64_t size = 0;
    memset(it, 0, sizeof *it);
    int status = read_sum(&it->of, root, path, about);
    if (status == RAGSTORE_OK)
        status = digests_of(&digests, &it->of, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&it->file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(it->file, &size);
    if (status == RAGSTORE_OK && size != it->of.size)
        status =
            rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                     "%s: it has %" PRIu64 " bytes, and had %" PRIu64, path, size, it->of.size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_blocks_open(&it->blocks, it->file, size, digests);
    rsi_free(digests);
    return status;
}

/* Somebody may have put another pair in place between the two: then this one is gone, not
 * damaged. */
static int tell_replaced(int status, const opened *it, rsi_root *root, const char *path,
                         const rsi_faiss_about *about)
{
    sum now;
    rsi_saved_error saved;
    if (status != RAGSTORE_E_DAMAGED)
        return status;
    rsi_error_save(&saved);
    const bool is_same = read_sum(&now, root, path, about) == RAGSTORE_OK &&
                         now.text.size == it->of.text.size &&
                         memcmp(now.text.data, it->of.text.data, now.text.size) == 0;
    rsi_bytes_free(&now.text);
    rsi_error_restore(&saved);
    return is_same
               ? status
               : rsi_fail(RAGSTORE_E_NOT_FOUND, "vectors", "%s: it was replaced meanwhile", path);
}

/* The ids of an IDMap, borrowed; NULL: it is none. Under the index's lock. */
static idx_t *ids_of(FaissIndex *inside, size_t *count)
{
    idx_t *ids = NULL;
    FaissIndexIDMap *map = faiss_IndexIDMap_cast(inside);
    *count = 0;
    if (map != NULL)
        faiss_IndexIDMap_id_map(map, &ids, count);
    return ids;
}

static int have_faiss_read(FaissIndex **inside, opened *it)
{
    FILE *stream;
    int status = rsi_faiss_blocks_stream(&stream, &it->blocks, "r");
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_faiss_result(faiss_read_index(stream, 0, inside), "read that index");
    fclose(stream); /* it was only read */
    if (it->blocks.status != RAGSTORE_OK)
        rsi_error_restore(&it->blocks.error);
    return it->blocks.status != RAGSTORE_OK ? it->blocks.status : status;
}

/* Is what FAISS made of it what was found in it? */
static bool is_as_found(FaissIndex *inside, const rsi_faiss_facts *facts)
{
    size_t ids;
    ids_of(inside, &ids);
    return (uint64_t)faiss_Index_d(inside) == facts->dimension &&
           (uint64_t)faiss_Index_ntotal(inside) == facts->count && ids == facts->count &&
           faiss_Index_is_trained(inside) != 0 &&
           (faiss_Index_metric_type(inside) == METRIC_L2) == (facts->metric == RSI_FAISS_L2);
}

static int read_index(rsi_faiss_index **out, opened *it, const rsi_faiss_about *about,
                      const char *path)
{
    rsi_faiss_facts facts;
    FaissIndex *inside = NULL;
    int status = rsi_faiss_walk(&facts, &it->blocks);
    /* FAISS makes some kinds for L2 whatever the entity's metric is */
    if (status == RAGSTORE_OK &&
        (facts.dimension != about->dimension || facts.count != it->of.count))
        status = rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                          "%s: it is not the index that its .sum names", path);
    if (status == RAGSTORE_OK)
        status = have_faiss_read(&inside, it);
    if (status == RAGSTORE_OK && !is_as_found(inside, &facts)) {
        faiss_Index_free(inside);
        status =
            rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "%s: FAISS finds another index in it", path);
    }
    if (status == RAGSTORE_OK)
        status = rsi_faiss_index_wrap(out, inside, about->factory, about->dimension, about->metric);
    if (status == RAGSTORE_E_UNSUPPORTED) /* never written here */
        status = rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "%s", rsi_error_message());
    return status;
}

int rsi_faiss_saved_read(rsi_faiss_index **out, rsi_faiss_probe *probe, rsi_root *root,
                         const char *path, const rsi_faiss_about *about)
{
    opened it;
    const char *reason;
    *out = NULL;
    if (!rsi_faiss_available(&reason))
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "FAISS cannot be used: %s", reason);
    int status = open_saved(&it, root, path, about);
    if (status == RAGSTORE_OK)
        status = read_index(out, &it, about, path);
    status = tell_replaced(status, &it, root, path, about);
    if (status == RAGSTORE_OK) {
        (*out)->count = (size_t)it.of.count;
        (*out)->covered = it.of.covered;
        *probe = it.of.probe;
    }
    close_saved(&it);
    return status;
}

int rsi_faiss_saved_check(rsi_root *root, const char *path, const rsi_faiss_about *about)
{
    opened it;
    rsi_faiss_facts facts;
    int status = open_saved(&it, root, path, about);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk(&facts, &it.blocks);
    status = tell_replaced(status, &it, root, path, about);
    close_saved(&it);
    return status;
}

/* ---- beside the rows ---- */

size_t rsi_faiss_index_forget_dead(rsi_faiss_index *index, const rsi_bitset *alive)
{
    size_t count;
    size_t dead = 0;
    pthread_rwlock_wrlock(&index->lock);
    idx_t *ids = ids_of(index->inside, &count);
    for (size_t i = 0; i < count; i++)
        if (!rsi_bitset_has(alive, ids[i])) {
            ids[i] = -1;
            dead++;
        }
    pthread_rwlock_unlock(&index->lock);
    return dead;
}

#define PROBES 64
#define PROBE_DEPTH 128 /* among so many the row has to be */
#define PROBE_SLACK 20  /* one in so many may be found no more: processors round differently */

/* The chunk that is probed as number `i`, or the next that lives: -1 when there is none. */
static int64_t chunk_to_probe(rsi_faiss_index *index, size_t i, const rsi_bitset *alive)
{
    int64_t chunk = -1;
    size_t count;
    pthread_rwlock_rdlock(&index->lock);
    const idx_t *ids = ids_of(index->inside, &count);
    for (size_t at = count * i / PROBES; chunk < 0 && at < count * (i + 1) / PROBES; at++)
        if (ids[at] >= 0 && rsi_bitset_has(alive, ids[at]))
            chunk = ids[at];
    pthread_rwlock_unlock(&index->lock);
    return chunk;
}

static int probe_one(rsi_faiss_probe *out, rsi_faiss_index *index, rsi_rows *rows, int64_t chunk)
{
    const float *row;
    idx_t found[PROBE_DEPTH];
    float distances[PROBE_DEPTH];
    int status = rsi_rows_get(&row, rows, chunk);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_faiss_query_ask(index, &(rsi_faiss_query){.vector = row,
                                                               .wanted = PROBE_DEPTH,
                                                               .distances = distances,
                                                               .ids = found});
    if (status != RAGSTORE_OK)
        return status;
    out->of++;
    for (size_t i = 0; i < PROBE_DEPTH; i++) {
        if (found[i] == chunk) {
            out->found++;
            break;
        }
    }
    return RAGSTORE_OK;
}

int rsi_faiss_probe_index(rsi_faiss_probe *out, rsi_faiss_index *index, rsi_rows *rows,
                          const rsi_bitset *alive)
{
    int status = RAGSTORE_OK;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; status == RAGSTORE_OK && i < PROBES; i++) {
        const int64_t chunk = chunk_to_probe(index, i, alive);
        if (chunk >= 0)
            status = probe_one(out, index, rows, chunk);
    }
    return status;
}

static int fail_verify(const char *why)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "a saved index of FAISS's %s", why);
}

/* Chunk numbers below what it covers, each once. */
static int collect_ids(rsi_bitset *out, rsi_faiss_index *index)
{
    size_t count;
    int status = RAGSTORE_OK;
    pthread_rwlock_rdlock(&index->lock);
    const idx_t *ids = ids_of(index->inside, &count);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        if (ids[i] == -1)
            continue;
        status = ids[i] < 0 || ids[i] >= index->covered || rsi_bitset_has(out, ids[i])
                     ? fail_verify("has numbers that are none of its chunks, or twice the same")
                     : rsi_bitset_add(out, ids[i]);
    }
    pthread_rwlock_unlock(&index->lock);
    return status;
}

/* A living chunk with a row that is not in it would never be found. */
static int check_members(const rsi_bitset *members, rsi_rows *rows, const rsi_bitset *alive,
                         int64_t covered)
{
    const float *row;
    for (int64_t chunk = rsi_bitset_next(alive, 0); chunk >= 0 && chunk < covered;
         chunk = rsi_bitset_next(alive, chunk + 1)) {
        if (rsi_bitset_has(members, chunk))
            continue;
        int status = rsi_rows_get(&row, rows, chunk);
        if (status == RAGSTORE_OK)
            return fail_verify("lacks a chunk that it should have");
        if (status != RAGSTORE_E_NOT_FOUND)
            return status;
    }
    return RAGSTORE_OK;
}

int rsi_faiss_saved_verify(rsi_faiss_index *index, const rsi_faiss_probe *before, rsi_rows *rows,
                           const rsi_bitset *alive)
{
    rsi_bitset members = {0};
    rsi_faiss_probe now = {0};
    /* rows that were put back from a backup may be older; chunk numbers are given again then */
    int status = index->covered < 0 || index->covered > rsi_rows_next_chunk(rows)
                     ? fail_verify("covers chunks that have no row yet")
                     : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = collect_ids(&members, index);
    if (status == RAGSTORE_OK)
        status = check_members(&members, rows, alive, index->covered);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_probe_index(&now, index, rows, alive);
    const uint64_t was = (uint64_t)before->found * now.of;
    const uint64_t is = (uint64_t)now.found * before->of;
    const uint64_t slack = (uint64_t)before->of * now.of / PROBE_SLACK;
    if (status == RAGSTORE_OK && is + slack < was)
        status = fail_verify("does not find what it found before");
    rsi_bitset_free(&members);
    return status;
}
