/* Building byte codes: see byte_codes.h. */
#include "vectors/byte_codes_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/rows_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CODE_MAX 127
#define PIECE_MIN (64u << 10) /* bytes, about: each piece is twice as large as the one before … */
#define PIECE_MAX (8u << 20)  /* … until there are large pages enough in it */
/* Numbers that are all smaller have codes of 0: their scale would be no float of full precision. */
#define LARGEST_MIN 1e-30f
/* A residual is rounded up by more than summing it up and making it a float can have lost. */
#define ROUND_UP (1 + 1e-6)

/* ---- making ---- */

int rsi_byte_codes_new(rsi_byte_codes **out, uint32_t dimension)
{
    *out = NULL;
    if (dimension == 0 || dimension > RSI_DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "code rows of %u numbers; at most %u", dimension, RSI_DIMENSION_MAX);
    rsi_byte_codes *codes = rsi_alloc_zeroed(sizeof *codes);
    if (codes == NULL)
        return RAGSTORE_E_NO_MEMORY;
    pthread_mutex_init(&codes->mutex, NULL); /* cannot fail with default attributes */
    codes->dimension = dimension;
    codes->stride = rsi_byte_stride(dimension);
    codes->block_bytes = rsi_byte_block_bytes(codes->stride);
    *out = codes;
    return RAGSTORE_OK;
}

static void free_piece(rsi_byte_piece *piece)
{
    rsi_free(piece->memory);
    rsi_free(piece);
}

void rsi_byte_codes_free(rsi_byte_codes *codes)
{
    if (codes == NULL)
        return;
    while (codes->first != NULL) {
        rsi_byte_piece *next = codes->first->next;
        free_piece(codes->first);
        codes->first = next;
    }
    pthread_mutex_destroy(&codes->mutex);
    rsi_free(codes);
}

/* How many blocks the next piece has. */
static size_t next_room(const rsi_byte_codes *codes)
{
    size_t bytes = codes->last == NULL ? PIECE_MIN : 2 * codes->last->room * codes->block_bytes;
    if (bytes > PIECE_MAX)
        bytes = PIECE_MAX;
    return bytes / codes->block_bytes + 1;
}

/* A piece without blocks, behind the last; it is found only once one of them is published. */
static int add_piece(rsi_byte_codes *codes)
{
    const size_t room = next_room(codes);
    rsi_byte_piece *piece = rsi_alloc_zeroed(sizeof *piece);
    if (piece == NULL)
        return RAGSTORE_E_NO_MEMORY;
    piece->room = room;
    piece->blocks = rsi_alloc_streamed(
        &piece->memory, room * (codes->block_bytes + RSI_BYTE_BLOCK * sizeof(uint32_t)));
    if (piece->blocks == NULL) {
        free_piece(piece);
        return RAGSTORE_E_NO_MEMORY;
    }
    piece->chunks = (uint32_t *)(void *)(piece->blocks + room * codes->block_bytes);
    pthread_mutex_lock(&codes->mutex);
    if (codes->last == NULL)
        codes->first = piece;
    else
        codes->last->next = piece;
    codes->last = piece;
    codes->room += room;
    pthread_mutex_unlock(&codes->mutex);
    return RAGSTORE_OK;
}

/* ---- asking ---- */

static pthread_mutex_t *mutex_of(const rsi_byte_codes *codes)
{
    return (pthread_mutex_t *)(uintptr_t)&codes->mutex;
}

size_t rsi_byte_codes_count(const rsi_byte_codes *codes)
{
    pthread_mutex_lock(mutex_of(codes));
    const size_t blocks = codes->blocks;
    pthread_mutex_unlock(mutex_of(codes));
    return blocks * RSI_BYTE_BLOCK;
}

int64_t rsi_byte_codes_seen(const rsi_byte_codes *codes)
{
    pthread_mutex_lock(mutex_of(codes));
    const int64_t seen = codes->seen;
    pthread_mutex_unlock(mutex_of(codes));
    return seen;
}

size_t rsi_byte_codes_memory(const rsi_byte_codes *codes)
{
    return sizeof *codes +
           (size_t)rsi_byte_codes_bytes(codes->dimension, rsi_byte_codes_count(codes));
}

uint64_t rsi_byte_codes_bytes(uint32_t dimension, uint64_t rows)
{
    return (rows / RSI_BYTE_BLOCK + 1) *
           (rsi_byte_block_bytes(rsi_byte_stride(dimension)) + RSI_BYTE_BLOCK * sizeof(uint32_t));
}

/* ---- coding ---- */

static float largest_of(const float *vector, size_t dimension)
{
    float largest = 0;
    for (size_t i = 0; i < dimension; i++)
        largest = fabsf(vector[i]) > largest ? fabsf(vector[i]) : largest;
    return largest;
}

static double norm_of(const float *vector, size_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sqrt(sum);
}

/* Which whole number is taken matters little: the residual tells what it is away from the true
 * one. */
static double quantise(uint8_t *codes, const float *vector, size_t dimension, float scale)
{
    const float per_number = 1 / scale;
    double squares = 0;
    for (size_t i = 0; i < dimension; i++) {
        const float steps = vector[i] * per_number;
        const int code = (int)(steps + (steps < 0 ? -0.5f : 0.5f));
        const double apart = (double)vector[i] - (double)scale * code;
        squares += apart * apart;
        codes[i] = (uint8_t)(code + RSI_BYTE_ZERO);
    }
    return sqrt(squares);
}

rsi_byte_coded rsi_byte_encode(uint8_t *codes, const float *vector, size_t dimension, size_t stride)
{
    rsi_byte_coded coded = {.norm = norm_of(vector, dimension)};
    const float largest = largest_of(vector, dimension);
    memset(codes, RSI_BYTE_ZERO, stride);
    if (!(coded.norm <= RSI_BYTE_LENGTH_MAX)) {
        coded.norm = 0;
        coded.residual = INFINITY;
        return coded;
    }
    coded.residual = coded.norm;
    if (largest >= LARGEST_MIN) {
        const float scale = largest / CODE_MAX;
        coded.scale = (double)scale;
        coded.residual = quantise(codes, vector, dimension, scale);
    }
    coded.residual = coded.residual * ROUND_UP + (double)FLT_MIN;
    return coded;
}

/* ---- absorbing ---- */

void rsi_byte_encode_row(uint8_t *block, size_t stride, size_t at, const float *vector,
                         size_t dimension)
{
    const rsi_byte_coded coded = rsi_byte_encode(block + at * stride, vector, dimension, stride);
    float *factors = (float *)(void *)(block + RSI_BYTE_BLOCK * stride);
    factors[at] = (float)coded.scale;
    factors[RSI_BYTE_BLOCK + at] = (float)coded.norm;
    factors[2 * RSI_BYTE_BLOCK + at] = (float)coded.residual;
}

/* The next block, which nobody sees yet, of the members from the cursor on: *full, unless there are
 * too few. *seen is the number behind the last of them. */
static int fill_block(const rsi_byte_codes *codes, size_t number, rsi_rows_cursor *cursor,
                      bool *full, int64_t *seen)
{
    uint8_t *block = codes->last->blocks + number * codes->block_bytes;
    uint32_t *chunks = codes->last->chunks + number * RSI_BYTE_BLOCK;
    size_t count = 0;
    *full = false;
    while (count < RSI_BYTE_BLOCK && cursor->chunk >= 0) {
        const float *row;
        const int64_t chunk = cursor->chunk;
        if (chunk > UINT32_MAX)
            return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                            "code the rows: chunk numbers over %u", UINT32_MAX);
        int status = rsi_rows_get(&row, cursor->rows, chunk);
        if (status != RAGSTORE_OK && status != RAGSTORE_E_NOT_FOUND)
            return status;
        *seen = chunk + 1;
        cursor->chunk = rsi_bitset_next(cursor->allowed, *seen);
        if (status == RAGSTORE_E_NOT_FOUND)
            continue;
        rsi_byte_encode_row(block, codes->stride, count, row, codes->dimension);
        chunks[count++] = (uint32_t)chunk;
    }
    *full = count == RSI_BYTE_BLOCK;
    return RAGSTORE_OK;
}

static int absorb_block(rsi_byte_codes *codes, rsi_rows_cursor *cursor, bool *full)
{
    int64_t seen = codes->seen;
    *full = false;
    int status = codes->blocks == codes->room ? add_piece(codes) : RAGSTORE_OK;
    if (status != RAGSTORE_OK)
        return status;
    const size_t number = codes->blocks - (codes->room - codes->last->room);
    status = fill_block(codes, number, cursor, full, &seen);
    if (status != RAGSTORE_OK)
        return status;
    pthread_mutex_lock(&codes->mutex);
    codes->seen = seen;
    if (*full) {
        codes->covered = seen;
        codes->blocks++;
    }
    pthread_mutex_unlock(&codes->mutex);
    return RAGSTORE_OK;
}

int rsi_byte_codes_absorb(rsi_byte_codes *codes, bool *done, rsi_rows *rows,
                          const rsi_bitset *wanted, size_t limit)
{
    const int64_t begun = codes->covered; /* nobody else changes it */
    rsi_rows_cursor cursor;
    bool full = true;
    int status = RAGSTORE_OK;
    *done = false;
    if (codes->dimension != rsi_rows_dimension(rows))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "code rows of %u numbers; the others have %u", rsi_rows_dimension(rows),
                        codes->dimension);
    rsi_rows_cursor_init(&cursor, rows, wanted);
    cursor.chunk = rsi_bitset_next(wanted, begun);
    for (size_t coded = 0; status == RAGSTORE_OK && full && coded < limit; coded += RSI_BYTE_BLOCK)
        status = absorb_block(codes, &cursor, &full);
    *done = status == RAGSTORE_OK && !full;
    rsi_rows_let_go(rows, begun, codes->covered);
    return status;
}
