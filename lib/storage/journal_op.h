/*
 * One operation of a journal's line, seen where it lies: ["put","entities","acme",{…}]
 *
 *   place   0      1           2      3
 *   text    put    entities    acme   NULL        decoded, terminated by NUL
 *   value                             {…}         its bytes as they are
 *
 * The line's checksum has vouched for its bytes, so nothing is parsed that is not looked at.
 */
#ifndef RSI_STORAGE_JOURNAL_OP_H
#define RSI_STORAGE_JOURNAL_OP_H

#include "json/json_view.h"

#define RSI_OP_MEMBERS 10 /* further ones are of no use to this version */

typedef struct rsi_journal_op {
    size_t count;
    rsi_json_view members[RSI_OP_MEMBERS];
    const char *texts[RSI_OP_MEMBERS]; /* NULL: not a text */
    rsi_bytes decoded;
} rsi_journal_op;

/* Start with a zeroed one; it can be read into again and again. INVALID_DATA: not an array. */
int rsi_journal_op_read(rsi_journal_op *op, const rsi_json_view *array);
void rsi_journal_op_free(rsi_journal_op *op);

/* The text at a place, or NULL. */
static inline const char *rsi_journal_op_text(const rsi_journal_op *op, size_t place)
{
    return place < op->count ? op->texts[place] : NULL;
}

/* The number at a place; -1 when there is none that counts something. */
int64_t rsi_journal_op_number(const rsi_journal_op *op, size_t place);
/* The bytes of the object at a place; data NULL when there is none. */
int rsi_journal_op_object(rsi_slice *object, const rsi_journal_op *op, size_t place);
/* A text member of the object at a place, decoded; empty when there is none. */
int rsi_journal_op_member(rsi_bytes *out, const rsi_journal_op *op, size_t place, const char *key);

#endif
