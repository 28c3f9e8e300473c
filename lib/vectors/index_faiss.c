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
 * The bytes are laid out here (faiss_layout.h) and never by FAISS, which reports success to a full
 * disk (RELIABILITY F3) and needs all vectors a second time in memory. They follow from the rows
 * alone, so an old file is checked by comparing it with what would be written now: whatever
 * happened to it, and to its checksum, only the true bytes are called current.
 *
 *   rows ──► emit() ──► piece ──► write_piece()     into a temporary file
 *                             └─► compare_piece()   with the file that is there
 *
 * The order of writing is: the index into a temporary file, flushed; the .sum replaced; the index
 * renamed into place. So whatever fails first leaves the old pair as it was, and a crash between
 * the last two steps leaves a .sum that does not match, which is not current.
 *
 * Locking: as a search (the rows must not change meanwhile); one writer of a path at a time.
 */
#include "vectors/rows_internal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "vectors/faiss_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)64 << 10)
#define SUM_MAX 2048
#define CRC_LINE 16 /* bytes of the last line of a .sum */

/* ---- the bytes of the index, a piece at a time ---- */

typedef struct piecewise {
    rsi_file *file;
    int (*pass_on)(struct piecewise *to);
    rsi_sha256 sha;       /* of the bytes in the file */
    unsigned char *piece; /* PIECE bytes of what the index has to be */
    unsigned char *found; /* as many of what it is; NULL when writing */
    size_t used;          /* of the piece */
    uint64_t offset;      /* of the piece in the file */
    bool differs;
} piecewise;

static int write_piece(piecewise *to)
{
    rsi_sha256_add(&to->sha, to->piece, to->used);
    return rsi_file_write_at(to->file, to->piece, to->used, to->offset);
}

static int compare_piece(piecewise *to)
{
    int status = rsi_file_read_at(to->file, to->found, to->used, to->offset);
    if (status != RAGSTORE_OK)
        return status;
    rsi_sha256_add(&to->sha, to->found, to->used);
    to->differs = to->differs || memcmp(to->piece, to->found, to->used) != 0;
    return RAGSTORE_OK;
}

static int pass_piece_on(piecewise *to)
{
    int status = to->pass_on(to);
    to->offset += to->used;
    to->used = 0;
    return status;
}

static int emit(piecewise *to, const void *data, size_t size)
{
    const unsigned char *from = data;
    while (size > 0) {
        const size_t part = size < PIECE - to->used ? size : PIECE - to->used;
        memcpy(to->piece + to->used, from, part);
        to->used += part;
        from += part;
        size -= part;
        if (to->used == PIECE) {
            int status = pass_piece_on(to);
            if (status != RAGSTORE_OK)
                return status;
        }
    }
    return RAGSTORE_OK;
}

/* What is done with a run of rows that lie one behind the other. */
typedef int stretch_user(piecewise *to, const rsi_rows_stretch *stretch, uint32_t dimension);

static int emit_vectors(piecewise *to, const rsi_rows_stretch *stretch, uint32_t dimension)
{
    return emit(to, stretch->first, stretch->count * dimension * sizeof(float));
}

static int emit_ids(piecewise *to, const rsi_rows_stretch *stretch, uint32_t dimension)
{
    int status = RAGSTORE_OK;
    (void)dimension;
    for (size_t i = 0; status == RAGSTORE_OK && i < stretch->count; i++) {
        const int64_t id = stretch->first_chunk + (int64_t)i;
        status = emit(to, &id, sizeof id);
    }
    return status;
}

/* Walk through the rows of a set; *count is how many there are. `use` may be NULL. */
static int each_stretch(uint64_t *count, rsi_rows *rows, const rsi_bitset *allowed,
                        stretch_user *use, piecewise *to)
{
    rsi_rows_cursor cursor;
    rsi_rows_stretch stretch;
    int status;
    *count = 0;
    rsi_rows_cursor_init(&cursor, rows, allowed);
    while ((status = rsi_rows_cursor_next(&cursor, &stretch)) > 0) {
        *count += stretch.count;
        status = use == NULL ? RAGSTORE_OK : use(to, &stretch, rsi_rows_dimension(rows));
        if (status != RAGSTORE_OK)
            return status;
    }
    return status;
}

static int lay_out(rsi_faiss_layout *layout, rsi_rows *rows, const rsi_bitset *allowed)
{
    uint64_t count;
    int status = each_stretch(&count, rows, allowed, NULL, NULL);
    return status == RAGSTORE_OK ? rsi_faiss_layout_make(layout, rsi_rows_dimension(rows), count)
                                 : status;
}

/* Pass all bytes of the index on. */
static int emit_index(piecewise *to, const rsi_faiss_layout *layout, rsi_rows *rows,
                      const rsi_bitset *allowed)
{
    unsigned char head[RSI_FAISS_HEAD_MAX];
    uint64_t count;
    rsi_sha256_begin(&to->sha);
    int status = emit(to, head, rsi_faiss_layout_head(head, layout));
    if (status == RAGSTORE_OK)
        status = each_stretch(&count, rows, allowed, emit_vectors, to);
    if (status == RAGSTORE_OK)
        status = emit(to, &layout->count, sizeof layout->count);
    if (status == RAGSTORE_OK)
        status = each_stretch(&count, rows, allowed, emit_ids, to);
    return status == RAGSTORE_OK && to->used > 0 ? pass_piece_on(to) : status;
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
    piecewise to = {.pass_on = write_piece};
    to.piece = rsi_alloc(PIECE);
    if (to.piece == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_file_open(&to.file, root, temporary,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status == RAGSTORE_OK)
        status = emit_index(&to, layout, rows, allowed);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(to.file);
    rsi_free(to.piece);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_close(to.file);
        rsi_error_restore(&saved);
        return status;
    }
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
    rsi_path temporary;
    rsi_faiss_layout layout;
    char sha256[RSI_SHA256_HEX];
    int status = check_stamp(stamp);
    if (status == RAGSTORE_OK)
        status = temporary_path(&temporary, path);
    if (status == RAGSTORE_OK)
        status = lay_out(&layout, rows, allowed);
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

/* Read the whole file beside what it has to be. */
static int compare(bool *same, rsi_root *root, const char *path, const rsi_bytes *sum,
                   rsi_rows *rows, const rsi_bitset *allowed, const char *stamp)
{
    rsi_faiss_layout layout;
    char sha256[RSI_SHA256_HEX];
    rsi_bytes expected = {0};
    piecewise to = {.pass_on = compare_piece};
    uint64_t size = 0;
    *same = false;
    int status = lay_out(&layout, rows, allowed);
    if (status != RAGSTORE_OK)
        return status;
    to.piece = rsi_alloc(PIECE);
    to.found = rsi_alloc(PIECE);
    status = to.piece == NULL || to.found == NULL
                 ? RAGSTORE_E_NO_MEMORY
                 : rsi_file_open(&to.file, root, path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(to.file, &size);
    if (status == RAGSTORE_OK && size == layout.file_size) {
        status = emit_index(&to, &layout, rows, allowed);
        rsi_sha256_end_hex(&to.sha, sha256);
        sum_text(&expected, size, sha256, stamp);
        if (status == RAGSTORE_OK)
            status = rsi_bytes_status(&expected);
        *same = status == RAGSTORE_OK && !to.differs && expected.size == sum->size &&
                memcmp(expected.data, sum->data, sum->size) == 0;
    }
    rsi_file_close(to.file); /* it was only read */
    rsi_bytes_free(&expected);
    rsi_free(to.piece);
    rsi_free(to.found);
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
