/* Operations of journal lines: see journal_op.h. */
#include "storage/journal_op.h"

#include "base/status.h"

int rsi_journal_op_read(rsi_journal_op *op, const rsi_json_view *array)
{
    size_t offsets[RSI_OP_MEMBERS] = {0};
    rsi_json_cursor cursor = rsi_json_walk(array);
    int found = RSI_JSON_ABSENT;
    op->count = 0;
    rsi_bytes_clear(&op->decoded);
    if (array->kind != RSI_JSON_ARRAY)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "storage", "an operation is not an array");
    while (op->count < RSI_OP_MEMBERS &&
           (found = rsi_json_next(&cursor, &op->members[op->count])) > 0) {
        offsets[op->count] = op->decoded.size;
        if (op->members[op->count].kind == RSI_JSON_TEXT) {
            rsi_json_view_append_text(&op->decoded, &op->members[op->count]);
            rsi_bytes_append_char(&op->decoded, '\0');
        }
        op->count++;
    }
    if (found < 0)
        return found;
    for (size_t i = 0; i < op->count; i++)
        op->texts[i] = op->members[i].kind == RSI_JSON_TEXT ? op->decoded.data + offsets[i] : NULL;
    return rsi_bytes_status(&op->decoded);
}

void rsi_journal_op_free(rsi_journal_op *op)
{
    rsi_bytes_free(&op->decoded);
    op->count = 0;
}

int64_t rsi_journal_op_number(const rsi_journal_op *op, size_t place)
{
    return place < op->count && op->members[place].kind == RSI_JSON_INTEGER &&
                   op->members[place].integer >= 0
               ? op->members[place].integer
               : -1;
}

int rsi_journal_op_object(rsi_slice *object, const rsi_journal_op *op, size_t place)
{
    *object = (rsi_slice){NULL, 0};
    if (place >= op->count || op->members[place].kind != RSI_JSON_OBJECT)
        return RAGSTORE_OK;
    return rsi_json_view_source(object, &op->members[place]);
}

int rsi_journal_op_member(rsi_bytes *out, const rsi_journal_op *op, size_t place, const char *key)
{
    rsi_json_view member;
    rsi_bytes_clear(out);
    if (place >= op->count)
        return RAGSTORE_OK;
    int found = rsi_json_view_get(&member, &op->members[place], rsi_slice_of(key));
    if (found <= 0)
        return found;
    if (member.kind == RSI_JSON_TEXT)
        rsi_json_view_append_text(out, &member);
    return rsi_bytes_status(out);
}
