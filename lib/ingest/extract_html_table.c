/*
 * Tables of a page: cells are collected until their row ends, then written as one readable line
 * with the columns' names (extract_row.c). See rsi_html_table in extract_html_page.h.
 */
#include "ingest/extract_html_page.h"

#include "base/status.h"

#include <string.h>

static bool is_layout(const rsi_html_table *table)
{
    return table->depth > RSI_HTML_TABLES || (table->layouts >> (table->depth - 1) & 1) != 0;
}

void rsi_html_table_free(rsi_html_table *table)
{
    rsi_bytes_free(&table->bytes);
    rsi_bytes_free(&table->name_bytes);
}

static void clear_row(rsi_html_table *table)
{
    rsi_bytes_clear(&table->bytes);
    table->cell_count = 0;
    table->in_cell = false;
    table->row_spans = false;
    table->reach = 0;
}

static rsi_slice slice_of(const rsi_bytes *bytes, rsi_html_cell cell)
{
    if (bytes->data == NULL) /* nothing was ever written */
        return (rsi_slice){"", 0};
    return rsi_trim((rsi_slice){bytes->data + cell.start, cell.end - cell.start});
}

static bool all_header(const rsi_html_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        if (!table->cells[i].is_header && slice_of(&table->bytes, table->cells[i]).size > 0)
            return false;
    return table->cell_count > 0;
}

/* This row holds the names of the columns. */
static void keep_names(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    rsi_bytes_clear(&table->name_bytes);
    rsi_bytes_append(&table->name_bytes, table->bytes.data, table->bytes.size);
    rsi_page_fail(page, rsi_bytes_status(&table->name_bytes));
    memcpy(table->names, table->cells, sizeof table->names);
    table->name_count = table->cell_count;
}

static void write_row(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    rsi_slice values[RSI_HTML_COLUMNS];
    rsi_slice names[RSI_HTML_COLUMNS];
    bool heads = all_header(table);
    bool named = !heads && !table->row_spans && table->rows_below == 0 &&
                 table->name_count == table->cell_count;
    for (size_t i = 0; i < table->cell_count; i++) {
        values[i] = slice_of(&table->bytes, table->cells[i]);
        names[i] = named ? slice_of(&table->name_bytes, table->names[i]) : (rsi_slice){"", 0};
    }
    bool first_names = table->cells[0].is_header ||
                       (values[0].size > 1 && values[0].data[values[0].size - 1] == ':');
    if (!named && !heads && first_names && table->cell_count > 1) {
        names[1] = values[0]; /* "Kingdom | Animalia" reads "Kingdom: Animalia" */
        values[0].size = 0;
        if (values[1].size == 0) {
            values[0] = names[1];
            names[1].size = 0;
        }
    }
    rsi_table_row row = {names, values, table->cell_count, 0};
    size_t blocks = page->out->block_count;
    rsi_page_fail(page, rsi_add_row(page->out, &row));
    if (page->out->block_count > blocks)
        page->last_kind = RSI_BLOCK_TABLE_ROW;
    if (heads && table->cell_count > 1 && !table->row_spans && page->status == RAGSTORE_OK)
        keep_names(page);
}

void rsi_html_table_cell_end(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    if (table->in_cell)
        table->cells[table->cell_count - 1].end = table->bytes.size;
    else
        rsi_page_break(page);
    table->in_cell = false;
}

void rsi_html_table_row(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    rsi_html_table_cell_end(page);
    if (table->depth == 0 || table->cell_count == 0 || page->status != RAGSTORE_OK)
        return;
    write_row(page);
    unsigned below = table->rows_below > 0 ? table->rows_below - 1 : 0;
    unsigned reach = table->reach;
    clear_row(table);
    table->rows_below = reach > below ? reach : below;
}

void rsi_html_table_open(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    if (table->depth > 0)
        rsi_html_table_is_layout(page);
    rsi_page_break(page);
    table->depth++;
    if (table->depth <= RSI_HTML_TABLES)
        table->layouts &= ~((uint64_t)1 << (table->depth - 1));
    clear_row(table);
    table->name_count = 0;
    table->rows_below = 0;
}

void rsi_html_table_close(rsi_html_page *page)
{
    rsi_html_table_row(page);
    if (page->table.depth > 0)
        page->table.depth--;
}

void rsi_html_table_is_layout(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    if (table->depth == 0 || is_layout(table))
        return;
    if (table->in_cell)
        table->cells[table->cell_count - 1].end = table->bytes.size;
    bool was_in_cell = table->in_cell;
    size_t count = table->cell_count;
    table->layouts |= (uint64_t)1 << (table->depth - 1);
    table->in_cell = false;
    table->cell_count = 0;
    for (size_t i = 0; i < count && page->status == RAGSTORE_OK; i++) {
        rsi_slice cell = slice_of(&table->bytes, table->cells[i]);
        rsi_page_decoded_text(page, cell);
        if (i + 1 < count || !was_in_cell)
            rsi_page_break(page);
    }
    clear_row(table);
}

static unsigned span_of(rsi_slice value)
{
    unsigned span = 0;
    for (size_t i = 0; i < value.size && rsi_is_digit(value.data[i]) && span < 10000; i++)
        span = span * 10 + (unsigned)(value.data[i] - '0');
    return span == 0 ? 1 : span;
}

void rsi_html_table_cell(rsi_html_page *page, bool is_header, rsi_slice attributes)
{
    rsi_html_table *table = &page->table;
    rsi_html_table_cell_end(page);
    if (table->depth == 0 || is_layout(table))
        return;
    rsi_page_break(page);
    rsi_slice name;
    rsi_slice value;
    while (rsi_html_attribute(&attributes, &name, &value)) {
        bool rows = rsi_equals_ignoring_case(name, "rowspan");
        if ((!rows && !rsi_equals_ignoring_case(name, "colspan")) || span_of(value) == 1)
            continue;
        table->row_spans = true;
        if (rows && span_of(value) - 1 > table->reach)
            table->reach = span_of(value) - 1;
    }
    rsi_bytes_append_char(&table->bytes, ' ');
    rsi_page_fail(page, rsi_bytes_status(&table->bytes));
    if (table->cell_count < RSI_HTML_COLUMNS)
        table->cells[table->cell_count++] = (rsi_html_cell){table->bytes.size, 0, is_header};
    page->space_pending = false;
    table->in_cell = true;
}
