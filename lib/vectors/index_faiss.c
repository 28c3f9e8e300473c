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
 * The bytes are made here (faiss_layout.h, faiss_pieces.h) and never by FAISS, which reports
 * success to a full disk (RELIABILITY F3) and needs all vectors a second time in memory. They
 * follow from the rows alone, so an old file is checked by comparing it with what would be written
 * now: whatever happened to it, and to its checksum, only the true bytes are called current.
 *
 * The order of writing is: the index into a temporary file, flushed; the .sum replaced; the index
 * renamed into place. So whatever fails first leaves the old pair as it was, and a crash between
 * the last two steps leaves a .sum that does not match, which is not current.
 *
 * Locking: as a search (the rows must not change meanwhile); one writer of a path at a time.
 */
#include "base/digest.h"
#include "base/status.h"
#include "files/paths.h"
#include "vectors/faiss_pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUM_MAX 2048
#define CRC_LINE 16 /* bytes of the last line of a .sum */

/* ---- the .sum file ---- */

static int sum_path(rsi_path *out, const char *path)
{
    int length = snprintf(out->text, sizeof out->text, "%s.sum", path);
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

/* Does a .sum, itself intact, say that the file was made for this stamp? And how large it was. */
static bool sum_names(uint64_t *size, const rsi_bytes *found, const char *stamp)
{
    static const char begin[] = "ragstore-faiss 1\nsize ";
    char line[RSI_FAISS_STAMP_MAX + 16];
    char crc_line[CRC_LINE + 1];
    if (found->size < sizeof begin + CRC_LINE || memcmp(found->data, begin, sizeof begin - 1) != 0)
        return false;
    const size_t checked = found->size - CRC_LINE;
    snprintf(crc_line, sizeof crc_line, "crc32c %08" PRIx32 "\n",
             rsi_crc32c(0, found->data, checked));
    if (memcmp(found->data + checked, crc_line, CRC_LINE) != 0)
        return false;
    int length = snprintf(line, sizeof line, "\nstamp %s\n", stamp);
    *size = strtoull(found->data + sizeof begin - 1, NULL, 10);
    return memmem(found->data, checked, line, (size_t)length) != NULL;
}

/* ---- writing ---- */

/* Write, flush and close the temporary file, and say what it holds. */
static int write_temporary(rsi_root *root, const char *temporary, const rsi_faiss_layout *layout,
                           rsi_rows *rows, const rsi_bitset *allowed, char sha256[RSI_SHA256_HEX])
{
    rsi_file *file;
    int status = rsi_file_open(&file, root, temporary,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_faiss_pieces_write(file, sha256, layout, rows, allowed);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    if (status == RAGSTORE_OK)
        return rsi_file_close(file);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_close(file);
    rsi_error_restore(&saved);
    return status;
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
    rsi_path temporary;
    rsi_faiss_layout layout;
    char sha256[RSI_SHA256_HEX];
    int status = check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = rsi_path_temporary(&temporary, path);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_pieces_lay_out(&layout, rows, allowed);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "write %s", path);

    status = write_temporary(root, temporary.text, &layout, rows, allowed, sha256);
    if (status == RAGSTORE_OK)
        status = put_in_place(root, path, temporary.text, layout.file_size, sha256, stamp);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_remove(root, temporary.text);
        rsi_error_restore(&saved);
    }
    return rsi_wrap(status, "write %s", path);
}

int rsi_faiss_remove(rsi_root *root, const char *path)
{
    rsi_path sum;
    int status = sum_path(&sum, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(root, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(root, sum.text);
    return status;
}

/* ---- checking ---- */

/* Something that says "there is no intact file" rather than "it could not be found out". */
static bool means_damage(int status)
{
    return status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_TOO_LARGE ||
           status == RAGSTORE_E_DAMAGED;
}

/* Read the .sum, and look whether a file of the size that it names is there. */
static int look(rsi_faiss_state *state, rsi_bytes *sum, rsi_root *root, const char *path,
                const char *stamp)
{
    rsi_path at;
    rsi_file_info info;
    uint64_t size = 0;
    *state = RSI_FAISS_STALE;
    int status = check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = sum_path(&at, path);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_read_all(root, at.text, SUM_MAX, sum);
    if (status != RAGSTORE_OK)
        return means_damage(status) ? RAGSTORE_OK : status;
    if (!sum_names(&size, sum, stamp))
        return RAGSTORE_OK;
    status = rsi_file_info_of(root, path, &info);
    if (status == RAGSTORE_OK)
        *state = info.size == size ? RSI_FAISS_CURRENT : RSI_FAISS_DAMAGED;
    else if (status == RAGSTORE_E_DAMAGED)
        *state = RSI_FAISS_DAMAGED;
    return means_damage(status) ? RAGSTORE_OK : status;
}

int rsi_faiss_look(rsi_faiss_state *state, rsi_root *root, const char *path, const char *stamp)
{
    rsi_bytes sum = {0};
    int status = look(state, &sum, root, path, stamp);
    rsi_bytes_free(&sum);
    return rsi_wrap(status, "look at %s", path);
}

/* Read the whole file beside what it has to be, and its digest beside that in the .sum. */
static int compare(bool *same, rsi_root *root, const char *path, const rsi_bytes *sum,
                   rsi_rows *rows, const rsi_bitset *allowed, const char *stamp)
{
    rsi_faiss_layout layout;
    char sha256[RSI_SHA256_HEX];
    rsi_file *file = NULL;
    uint64_t size = 0;
    *same = false;
    int status = rsi_faiss_pieces_lay_out(&layout, rows, allowed);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(file, &size);
    if (status == RAGSTORE_OK && size == layout.file_size)
        status = rsi_faiss_pieces_compare(same, file, sha256, &layout, rows, allowed);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_close(file); /* it was only read */
    rsi_error_restore(&saved);
    if (status != RAGSTORE_OK || !*same)
        return status;
    rsi_bytes expected = {0};
    sum_text(&expected, size, sha256, stamp);
    status = rsi_bytes_status(&expected);
    *same = status == RAGSTORE_OK && expected.size == sum->size &&
            memcmp(expected.data, sum->data, sum->size) == 0;
    rsi_bytes_free(&expected);
    return status;
}

int rsi_faiss_check(rsi_faiss_state *state, rsi_root *root, const char *path, rsi_rows *rows,
                    const rsi_bitset *allowed, const char *stamp)
{
    rsi_bytes sum = {0};
    bool same;
    int status = look(state, &sum, root, path, stamp);
    if (status == RAGSTORE_OK && *state == RSI_FAISS_CURRENT) {
        status = compare(&same, root, path, &sum, rows, allowed, stamp);
        if (status != RAGSTORE_OK || !same)
            *state = RSI_FAISS_DAMAGED;
        if (means_damage(status)) /* of the file; or of the rows, as writing it will say */
            status = RAGSTORE_OK;
    }
    rsi_bytes_free(&sum);
    return rsi_wrap(status, "check %s", path);
}
