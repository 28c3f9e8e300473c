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
 * How both come into place is written in faiss_sum.h.
 *
 * Locking: as a search (the rows must not change meanwhile); one writer of a path at a time.
 */
#include "base/digest.h"
#include "base/status.h"
#include "vectors/faiss_pieces.h"
#include "vectors/faiss_sum.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SUM_MAX 2048
#define BEGIN "ragstore-faiss 1\nsize "

/* ---- the .sum file ---- */

static void sum_text(rsi_bytes *out, uint64_t size, const char *sha256, const char *stamp)
{
    rsi_bytes_printf(out, BEGIN "%" PRIu64 "\nsha256 %s\nstamp %s\n", size, sha256, stamp);
    rsi_faiss_sum_seal(out);
}

/* Does a .sum, itself intact, say that the file was made for this stamp? And how large it was. */
static bool sum_names(uint64_t *size, const rsi_bytes *found, const char *stamp)
{
    size_t checked;
    if (!rsi_faiss_sum_is_intact(&checked, found, BEGIN))
        return false;
    *size = strtoull(found->data + sizeof BEGIN - 1, NULL, 10);
    return rsi_faiss_sum_has(found, checked, "stamp", stamp);
}

/* ---- writing ---- */

typedef struct filling {
    const rsi_faiss_layout *layout;
    rsi_rows *rows;
    const rsi_bitset *allowed;
    char sha256[RSI_SHA256_HEX];
} filling;

static int fill(void *user, rsi_file *file)
{
    filling *with = user;
    return rsi_faiss_pieces_write(file, with->sha256, with->layout, with->rows, with->allowed);
}

int rsi_faiss_write(rsi_root *root, const char *path, rsi_rows *rows, const rsi_bitset *allowed,
                    const char *stamp)
{
    rsi_path temporary;
    rsi_faiss_layout layout;
    rsi_bytes text = {0};
    filling with = {.layout = &layout, .rows = rows, .allowed = allowed};
    int status = rsi_faiss_sum_check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = rsi_path_temporary(&temporary, path);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_pieces_lay_out(&layout, rows, allowed);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_sum_write_temporary(root, temporary.text, fill, &with);
    if (status == RAGSTORE_OK) {
        sum_text(&text, layout.file_size, with.sha256, stamp);
        status = rsi_faiss_sum_put_in_place(root, path, temporary.text, &text);
    }
    rsi_bytes_free(&text);
    return rsi_wrap(status, "write %s", path);
}

int rsi_faiss_remove(rsi_root *root, const char *path)
{
    rsi_path sum;
    int status = rsi_faiss_sum_path(&sum, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(root, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(root, sum.text);
    return status;
}

/* ---- checking ---- */

/* Read the .sum, and look whether a file of the size that it names is there. */
static int look(rsi_faiss_state *state, rsi_bytes *sum, rsi_root *root, const char *path,
                const char *stamp)
{
    rsi_path at;
    rsi_file_info info;
    uint64_t size = 0;
    *state = RSI_FAISS_STALE;
    int status = rsi_faiss_sum_check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_sum_path(&at, path);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_read_all(root, at.text, SUM_MAX, sum);
    if (status != RAGSTORE_OK)
        return rsi_faiss_sum_means_damage(status) ? RAGSTORE_OK : status;
    if (!sum_names(&size, sum, stamp))
        return RAGSTORE_OK;
    status = rsi_file_info_of(root, path, &info);
    if (status == RAGSTORE_OK)
        *state = info.size == size ? RSI_FAISS_CURRENT : RSI_FAISS_DAMAGED;
    else if (status == RAGSTORE_E_DAMAGED)
        *state = RSI_FAISS_DAMAGED;
    return rsi_faiss_sum_means_damage(status) ? RAGSTORE_OK : status;
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
        if (rsi_faiss_sum_means_damage(status)) /* of the file; or of the rows, as writing it will
                                                   say */
            status = RAGSTORE_OK;
    }
    rsi_bytes_free(&sum);
    return rsi_wrap(status, "check %s", path);
}
