/* The bytes of index.faiss, a piece at a time: see faiss_pieces.h. */
#include "vectors/faiss_pieces.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/rows_internal.h"

#include <string.h>

#define PIECE ((size_t)64 << 10)

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
    cursor.is_once = true;
    while ((status = rsi_rows_cursor_next(&cursor, &stretch)) > 0) {
        *count += stretch.count;
        status = use == NULL ? RAGSTORE_OK : use(to, &stretch, rsi_rows_dimension(rows));
        if (status != RAGSTORE_OK)
            return status;
    }
    return status;
}

int rsi_faiss_pieces_lay_out(rsi_faiss_layout *layout, rsi_rows *rows, const rsi_bitset *allowed)
{
    uint64_t count;
    int status = each_stretch(&count, rows, allowed, NULL, NULL);
    const enum rsi_faiss_metric metric =
        rsi_rows_metric(rows) == RSI_METRIC_L2 ? RSI_FAISS_L2 : RSI_FAISS_INNER_PRODUCT;
    return status == RAGSTORE_OK
               ? rsi_faiss_layout_make(layout, rsi_rows_dimension(rows), count, metric)
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

int rsi_faiss_pieces_write(rsi_file *file, char sha256[RSI_SHA256_HEX],
                           const rsi_faiss_layout *layout, rsi_rows *rows,
                           const rsi_bitset *allowed)
{
    piecewise to = {.file = file, .pass_on = write_piece};
    to.piece = rsi_alloc(PIECE);
    if (to.piece == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = emit_index(&to, layout, rows, allowed);
    rsi_sha256_end_hex(&to.sha, sha256);
    rsi_free(to.piece);
    return status;
}

int rsi_faiss_pieces_compare(bool *same, rsi_file *file, char sha256[RSI_SHA256_HEX],
                             const rsi_faiss_layout *layout, rsi_rows *rows,
                             const rsi_bitset *allowed)
{
    piecewise to = {.file = file, .pass_on = compare_piece};
    *same = false;
    to.piece = rsi_alloc(PIECE);
    to.found = rsi_alloc(PIECE);
    int status = RAGSTORE_E_NO_MEMORY;
    if (to.piece != NULL && to.found != NULL) {
        status = emit_index(&to, layout, rows, allowed);
        rsi_sha256_end_hex(&to.sha, sha256);
        *same = status == RAGSTORE_OK && !to.differs;
    }
    rsi_free(to.piece);
    rsi_free(to.found);
    return status;
}
