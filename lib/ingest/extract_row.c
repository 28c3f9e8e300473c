/*
 * Rows of tables as readable lines: see rsi_table_row in extract_parts.h.
 *
 *   a short row    Country: Afghanistan; Capital: Kabul; Continent: AS
 *
 *   a long row     Country: Afghanistan; Capital: Kabul; …
 *                                                               (a blank line)
 *                  Country: Afghanistan; Languages: fa-AF; …
 *
 * Either is one block. The lines of a long one are parted so that each can be cut off and quoted
 * and still says whose it is.
 *
 * Used by extract_csv.c and extract_html_table.c.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"

#define SHORT_ROW 480 /* bytes: about what an embedder takes as one thought */
#define LONG_LINE 260 /* of a row that is cut: still short enough to be quoted */

static void append_cell(rsi_bytes *text, const rsi_table_row *row, size_t column)
{
    if (row->names != NULL && row->names[column].size > 0) {
        rsi_slice name = row->names[column];
        if (name.data[name.size - 1] == ':')
            name.size--;
        rsi_bytes_append(text, name.data, name.size);
        rsi_bytes_append(text, ": ", 2);
    }
    rsi_bytes_append(text, row->values[column].data, row->values[column].size);
}

static size_t cell_size(const rsi_table_row *row, size_t column)
{
    return row->values[column].size + 2 + (row->names != NULL ? row->names[column].size + 2 : 0);
}

int rsi_add_row(rsi_extracted *out, const rsi_table_row *row)
{
    rsi_bytes *text = &out->text;
    size_t total = 0;
    for (size_t i = 0; i < row->count; i++)
        if (row->values[i].size > 0)
            total += cell_size(row, i);
    bool is_long = total > SHORT_ROW;
    size_t label = row->label < row->count ? row->label : 0;
    bool has_label = is_long && row->values[label].size > 0 && row->values[label].size < 120;
    rsi_blank_line(text);
    size_t start = text->size;
    size_t line = start;
    for (size_t i = 0; i < row->count; i++) {
        if (row->values[i].size == 0 || (has_label && i == label))
            continue;
        if (is_long && text->size > line && text->size - line + cell_size(row, i) > LONG_LINE) {
            rsi_bytes_append(text, "\n\n", 2);
            line = text->size;
        }
        if (text->size > line) {
            rsi_bytes_append(text, "; ", 2);
        } else if (has_label) {
            append_cell(text, row, label);
            rsi_bytes_append(text, "; ", 2);
        }
        append_cell(text, row, i);
    }
    if (rsi_bytes_status(text) != RAGSTORE_OK)
        return rsi_bytes_status(text);
    return rsi_add_block(out, RSI_BLOCK_TABLE_ROW, 0, start, text->size);
}
