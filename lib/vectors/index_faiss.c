/*
 * index.faiss: the rows of an entity as a file that any FAISS reads, and its checksum beside it.
 *
 *   vector_store/index.faiss       IDMap over Flat, inner product, ids are chunk numbers
 *   vector_store/index.faiss.sum   ragstore-faiss 1
 *                                  size <bytes of index.faiss>
 *                                  sha256 <64 digits>
 *                                  stamp <what it was derived from>
 *                                  crc32c <8 digits, of the lines above>
 *
 * FAISS writes through a stream of ours, because to a full disk it reports success (RELIABILITY
 * F3). The order is: the index into a temporary file, flushed; the .sum replaced; the index renamed
 * into place. So whatever fails first leaves the old pair as it was, and a crash between the last
 * two steps leaves a .sum that does not match, which is not current.
 *
 * The only file that includes FAISS's headers. Nothing of FAISS is called before the processor was
 * asked. Built with RSI_FAISS_BASELINE when FAISS was compiled for the baseline processor. Locking:
 * as a search (the rows must not change meanwhile); one writer of a path at a time.
 */
#include "vectors/rows_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/error_c.h>
#include <c_api/index_factory_c.h>
#include <c_api/index_io_c.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) && !defined(RSI_FAISS_BASELINE)
#include <cpuid.h>
#endif

#define SLICE 4096 /* rows handed over in one call */
#define SUM_MAX 2048

_Static_assert(sizeof(idx_t) == sizeof(int64_t), "FAISS's ids hold chunk numbers");

#if defined(__x86_64__) && !defined(RSI_FAISS_BASELINE)
/* x86-64-v3, as the psABI defines it; the operating system's part is in the compiler's check. */
static bool processor_is_v3(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
        return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_MOVBE) == 0 || (c & bit_F16C) == 0)
        return false;
    return __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & bit_LZCNT) != 0;
}
#else
static bool processor_is_v3(void)
{
    return true;
}
#endif

bool rsi_faiss_available(const char **reason)
{
    bool available = processor_is_v3();
    if (reason != NULL)
        *reason = available ? NULL : "this processor is below x86-64-v3, which FAISS was built for";
    return available;
}

/* FAISS's text is its own until its next call: it is copied here. */
static int fail_in_faiss(const char *what)
{
    const char *text = faiss_get_last_error();
    return rsi_fail(RAGSTORE_E_INTERNAL, "vectors", "FAISS could not %s: %s", what,
                    text != NULL ? text : "it does not say why");
}

static int add_stretch(FaissIndex *index, const rsi_rows_stretch *stretch, uint32_t dimension,
                       idx_t *ids)
{
    for (size_t done = 0; done < stretch->count;) {
        size_t count = stretch->count - done < SLICE ? stretch->count - done : SLICE;
        for (size_t i = 0; i < count; i++)
            ids[i] = stretch->first_chunk + (int64_t)(done + i);
        if (faiss_Index_add_with_ids(index, (idx_t)count, stretch->first + done * dimension, ids) !=
            0)
            return fail_in_faiss("add vectors");
        done += count;
    }
    return RAGSTORE_OK;
}

static int build_index(FaissIndex **out, rsi_rows *rows, const rsi_bitset *allowed)
{
    *out = NULL;
    FaissIndex *index = NULL;
    idx_t *ids = rsi_alloc_array(SLICE, sizeof *ids);
    if (ids == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = RAGSTORE_OK;
    if (faiss_index_factory(&index, (int)rsi_rows_dimension(rows), "IDMap,Flat",
                            METRIC_INNER_PRODUCT) != 0) {
        index = NULL;
        status = fail_in_faiss("make an index");
        goto cleanup;
    }
    rsi_rows_cursor cursor;
    rsi_rows_stretch stretch;
    rsi_rows_cursor_init(&cursor, rows, allowed);
    idx_t added = 0;
    while ((status = rsi_rows_cursor_next(&cursor, &stretch)) > 0) {
        status = add_stretch(index, &stretch, rsi_rows_dimension(rows), ids);
        if (status != RAGSTORE_OK)
            goto cleanup;
        added += (idx_t)stretch.count;
    }
    if (status < 0)
        goto cleanup;
    if (faiss_Index_ntotal(index) != added) {
        status = rsi_fail(RAGSTORE_E_INTERNAL, "vectors", "FAISS lost vectors");
        goto cleanup;
    }
    *out = index;
    index = NULL;

cleanup:
    if (index != NULL)
        faiss_Index_free(index);
    rsi_free(ids);
    return status;
}

/* ---- the stream that FAISS writes to ---- */

typedef struct stream {
    rsi_file *file;
    uint64_t size;
    rsi_sha256 sha;
    int status; /* the first failure, whose error is kept in `error` */
    rsi_saved_error error;
} stream;

static ssize_t stream_write(void *cookie, const char *data, size_t size)
{
    stream *to = cookie;
    if (to->status == RAGSTORE_OK) {
        to->status = rsi_file_write_at(to->file, data, size, to->size);
        if (to->status != RAGSTORE_OK)
            rsi_error_save(&to->error);
    }
    if (to->status != RAGSTORE_OK) {
        errno = EIO;
        return 0; /* how such a stream tells an error */
    }
    rsi_sha256_add(&to->sha, data, size);
    to->size += size;
    return (ssize_t)size;
}

static int write_index(const FaissIndex *index, stream *to)
{
    cookie_io_functions_t functions = {.write = stream_write};
    FILE *file = fopencookie(to, "w", functions);
    if (file == NULL)
        return rsi_fail_no_memory();
    int status = RAGSTORE_OK;
    if (faiss_write_index(index, file) != 0)
        status = fail_in_faiss("write an index");
    bool failed = fflush(file) != 0 || ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    if (to->status != RAGSTORE_OK) {
        rsi_error_restore(&to->error);
        return to->status;
    }
    if (status == RAGSTORE_OK && failed)
        status = rsi_fail(RAGSTORE_E_IO, "vectors", "%s: writing failed", rsi_file_path(to->file));
    return status;
}

/* ---- the .sum file ---- */

static int sum_path(rsi_path *out, const char *path)
{
    int length = snprintf(out->text, sizeof out->text, "%s.sum", path);
    if (length < 0 || (size_t)length >= sizeof out->text)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "path of %zu bytes is too long",
                        strlen(path));
    return RAGSTORE_OK;
}

/* A name for the index while it is written, in the same directory. */
static int temporary_path(rsi_path *out, const char *path)
{
    char random[17];
    int status = rsi_random_hex(random, sizeof random - 1);
    if (status != RAGSTORE_OK)
        return status;
    const char *slash = strrchr(path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - path) + 1;
    int length = snprintf(out->text, sizeof out->text, "%.*s.tmp-%s", directory, path, random);
    if (length < 0 || (size_t)length >= sizeof out->text)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "path of %zu bytes is too long",
                        strlen(path));
    return RAGSTORE_OK;
}

static void sum_text(rsi_bytes *out, uint64_t size, const char *sha256, const char *stamp)
{
    rsi_bytes_printf(out, "ragstore-faiss 1\nsize %" PRIu64 "\nsha256 %s\nstamp %s\n", size, sha256,
                     stamp);
    uint32_t crc = out->status == RAGSTORE_OK ? rsi_crc32c(0, out->data, out->size) : 0;
    rsi_bytes_printf(out, "crc32c %08" PRIx32 "\n", crc);
}

static int check_stamp(const char *stamp)
{
    size_t length = stamp == NULL ? 0 : strlen(stamp);
    bool valid = length > 0 && length < RSI_FAISS_STAMP_MAX;
    for (size_t i = 0; valid && i < length; i++)
        valid = stamp[i] >= 0x20 && stamp[i] < 0x7F;
    if (valid)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                    "a stamp is 1 to %d printable ASCII characters", RSI_FAISS_STAMP_MAX - 1);
}

/* ---- writing and checking ---- */

/* Write, flush and close the temporary file, and say what it holds. */
static int write_temporary(rsi_root *root, const char *temporary, const FaissIndex *index,
                           uint64_t *size, char sha256[RSI_SHA256_HEX])
{
    stream to = {.status = RAGSTORE_OK};
    rsi_sha256_begin(&to.sha);
    int status = rsi_file_open(&to.file, root, temporary,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    status = write_index(index, &to);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(to.file);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_close(to.file);
        rsi_error_restore(&saved);
        return status;
    }
    *size = to.size;
    rsi_sha256_end_hex(&to.sha, sha256);
    return rsi_file_close(to.file);
}

static int put_in_place(rsi_root *root, const char *path, const char *temporary, uint64_t size,
                        const char *sha256, const char *stamp)
{
    rsi_path sum;
    int status = sum_path(&sum, path);
    if (status != RAGSTORE_OK)
        return status;
    rsi_bytes text = {0};
    sum_text(&text, size, sha256, stamp);
    status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(root, sum.text, text.data, text.size);
    rsi_bytes_free(&text);
    return status != RAGSTORE_OK ? status : rsi_file_rename(root, temporary, path);
}

int rsi_faiss_write(rsi_root *root, const char *path, rsi_rows *rows, const rsi_bitset *allowed,
                    const char *stamp)
{
    const char *reason;
    if (!rsi_faiss_available(&reason))
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "write %s: %s", path, reason);
    rsi_path temporary;
    FaissIndex *index = NULL;
    uint64_t size = 0;
    char sha256[RSI_SHA256_HEX];
    int status = check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = temporary_path(&temporary, path);
    if (status == RAGSTORE_OK)
        status = build_index(&index, rows, allowed);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "write %s", path);

    status = write_temporary(root, temporary.text, index, &size, sha256);
    faiss_Index_free(index);
    if (status == RAGSTORE_OK)
        status = put_in_place(root, path, temporary.text, size, sha256, stamp);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_remove(root, temporary.text);
        rsi_error_restore(&saved);
    }
    return rsi_wrap(status, "write %s", path);
}

/* Something that says "there is no intact file" rather than "it could not be found out". */
static bool means_absent(int status)
{
    return status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_TOO_LARGE ||
           status == RAGSTORE_E_DAMAGED;
}

/* Does the .sum name this stamp at all? Saves reading the index when it does not. */
static bool names_stamp(const rsi_bytes *found, const char *stamp)
{
    char line[RSI_FAISS_STAMP_MAX + 16];
    int length = snprintf(line, sizeof line, "\nstamp %s\n", stamp);
    return memmem(found->data, found->size, line, (size_t)length) != NULL;
}

int rsi_faiss_is_current(bool *current, rsi_root *root, const char *path, const char *stamp)
{
    *current = false;
    rsi_path sum;
    int status = check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = sum_path(&sum, path);
    if (status != RAGSTORE_OK)
        return status;

    uint64_t size;
    char sha256[RSI_SHA256_HEX];
    rsi_bytes found = {0};
    rsi_bytes expected = {0};
    status = rsi_file_read_all(root, sum.text, SUM_MAX, &found);
    if (status != RAGSTORE_OK || !names_stamp(&found, stamp))
        goto cleanup;
    status = rsi_file_sha256(root, path, &size, sha256);
    if (status != RAGSTORE_OK)
        goto cleanup;
    sum_text(&expected, size, sha256, stamp);
    status = rsi_bytes_status(&expected);
    *current = status == RAGSTORE_OK && expected.size == found.size &&
               memcmp(expected.data, found.data, found.size) == 0;

cleanup:
    rsi_bytes_free(&found);
    rsi_bytes_free(&expected);
    return means_absent(status) ? RAGSTORE_OK : rsi_wrap(status, "check %s", path);
}
