/*
 * Where the words of a text are: the first step of analysis.
 *
 *   WORD       letters, digits and marks, with an English contraction  boundary  don't  key2
 *   COMPOUND   words held together without a space     add_page_break  U+2028  3.14  C++  C#
 *   UNSPACED   a run of a script that is written without spaces        日本語  ภาษาไทย
 *
 * Hyphens, slashes and everything else separate. A final 's belongs to no segment. Bytes that
 * are not UTF-8 separate too. Pure functions.
 */
#ifndef RSI_LEXICAL_TEXT_SEGMENTS_H
#define RSI_LEXICAL_TEXT_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rsi_segment_kind {
    RSI_SEGMENT_WORD,
    RSI_SEGMENT_COMPOUND,
    RSI_SEGMENT_UNSPACED,
} rsi_segment_kind;

typedef struct rsi_segment {
    size_t start; /* byte offsets into the text */
    size_t end;
    rsi_segment_kind kind;
} rsi_segment;

/* The next segment at or behind *offset, which is moved behind it; false at the end. */
bool rsi_segment_next(const char *text, size_t size, size_t *offset, rsi_segment *segment);

/* The next segments, as many as there are up to `max`; returns how many. 0: at the end. */
size_t rsi_segments_next(const char *text, size_t size, size_t *offset, rsi_segment *segments,
                         size_t max);

/* The next word inside a COMPOUND: its parts without what joins them, but with ++ and #. */
bool rsi_segment_next_part(const char *text, const rsi_segment *compound, size_t *offset,
                           rsi_segment *part);

/* The next unit of an UNSPACED segment: a character with the marks that sit on it. */
bool rsi_segment_next_unit(const char *text, const rsi_segment *unspaced, size_t *offset,
                           rsi_segment *unit);

#endif
