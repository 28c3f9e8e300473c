/* The header of lexical.rsl and the place of its parts, and what writes and reads them: see
 * lexical_file.h. */
#ifndef RSI_LEXICAL_LEXICAL_LAYOUT_H
#define RSI_LEXICAL_LEXICAL_LAYOUT_H

#include "lexical/lexical_index.h"

#include <stddef.h>
#include <stdint.h>

#define RSI_LEXICAL_MAGIC "RSLEXIC\n"
#define RSI_LEXICAL_BYTE_ORDER 0x01020304u
#define RSI_LEXICAL_MAJOR 1u
#define RSI_LEXICAL_CHECKED 1048576u /* bytes to a CRC */
#define RSI_LEXICAL_ALIGNMENT 8u

typedef struct rsi_lexical_header {
    char magic[8];
    uint32_t byte_order;
    uint16_t major;
    uint16_t minor;
    char incarnation[32];
    uint32_t analysis;
    char language[RSI_LANGUAGE_MAX];
    uint32_t padding;
    uint32_t slots;
    uint32_t terms;
    uint64_t chunk_terms_bytes;
    uint64_t dictionary_bytes;
    uint64_t postings_bytes;
    uint32_t blocks;
    uint32_t crc;
} rsi_lexical_header;

_Static_assert(sizeof(rsi_lexical_header) == 128, "as lexical_file.h says");
_Static_assert(sizeof(rsi_block) == 16, "as it is written");

typedef struct rsi_term_record {
    uint32_t count;
    uint32_t size;
    uint32_t stop;
} rsi_term_record;

static inline uint64_t rsi_lexical_aligned(uint64_t size)
{
    return (size + RSI_LEXICAL_ALIGNMENT - 1) / RSI_LEXICAL_ALIGNMENT * RSI_LEXICAL_ALIGNMENT;
}

/* Bytes of all parts, without header and checks. The header's numbers are below 2^40. */
static inline uint64_t rsi_lexical_body(const rsi_lexical_header *header)
{
    return rsi_lexical_aligned((uint64_t)header->slots * sizeof(int64_t)) +
           rsi_lexical_aligned((uint64_t)header->slots * sizeof(uint64_t)) +
           2 * rsi_lexical_aligned((uint64_t)header->slots * sizeof(uint32_t)) +
           rsi_lexical_aligned((uint64_t)header->terms * sizeof(uint32_t)) +
           rsi_lexical_aligned(header->chunk_terms_bytes) +
           rsi_lexical_aligned(header->dictionary_bytes) +
           rsi_lexical_aligned(header->postings_bytes) +
           rsi_lexical_aligned((uint64_t)header->terms * sizeof(rsi_term_record)) +
           rsi_lexical_aligned((uint64_t)header->blocks * sizeof(rsi_block));
}

/* How many CRCs a body has. */
static inline uint64_t rsi_lexical_checks(uint64_t body)
{
    return (body + RSI_LEXICAL_CHECKED - 1) / RSI_LEXICAL_CHECKED;
}

/* Where a file is, and whose. */
typedef struct rsi_lexical_place {
    rsi_root *root;
    const char *path;
    const char *incarnation;
    const char *language;
} rsi_lexical_place;

/* Write runs as one. A new file; on failure there may be a part of it. */
int rsi_lexical_write_runs(const rsi_lexical_place *place, const rsi_lexical_run *runs,
                           size_t count, bool flush);
/* Read a file as a run with the hashes of `seed`: into memory, or mapped when it has `mapped_from`
 * bytes or more. As rsi_lexical_read(). */
int rsi_lexical_read_run(rsi_lexical_run *out, const rsi_lexical_place *place, uint64_t seed,
                         uint64_t mapped_from);

#endif
