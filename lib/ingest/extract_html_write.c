/*
 * Writing a page's text: white space folded as a browser does, blocks with a blank line between
 * them, list items with a dash. See extract_html_page.h.
 */
#include "ingest/extract_html_page.h"

#include "base/status.h"

#include <string.h>

#define CELL_MAX 1500    /* bytes in one cell: more is not data but layout */
#define HEADING_MAX 300u /* a longer heading is a paragraph in large letters */

void rsi_page_fail(rsi_html_page *page, int status)
{
    if (page->status == RAGSTORE_OK)
        page->status = status;
}

static void open_block(rsi_html_page *page)
{
    rsi_bytes *text = &page->out->text;
    page->kind = page->pre > 0       ? RSI_BLOCK_CODE
                 : page->heading > 0 ? RSI_BLOCK_HEADING
                 : page->list_item   ? RSI_BLOCK_LIST_ITEM
                                     : RSI_BLOCK_PARAGRAPH;
    rsi_blank_line(text);
    if (page->kind == RSI_BLOCK_LIST_ITEM && page->last_kind == RSI_BLOCK_LIST_ITEM &&
        text->size > 0)
        text->size--; /* items follow each other line by line */
    page->block_start = text->size;
    if (page->kind == RSI_BLOCK_LIST_ITEM)
        rsi_bytes_append(text, "- ", 2);
    page->list_item = false;
    page->block_open = true;
    page->space_pending = false;
}

void rsi_page_break(rsi_html_page *page)
{
    page->space_pending = true;
    if (!page->block_open || page->table.in_cell)
        return;
    page->block_open = false;
    rsi_bytes *text = &page->out->text;
    if (rsi_bytes_status(text) != RAGSTORE_OK) {
        rsi_page_fail(page, rsi_bytes_status(text));
        return;
    }
    if (page->kind == RSI_BLOCK_HEADING && text->size - page->block_start > HEADING_MAX)
        page->kind = RSI_BLOCK_PARAGRAPH;
    page->last_kind = page->kind;
    uint32_t level = page->kind == RSI_BLOCK_HEADING ? page->heading : 0;
    rsi_page_fail(page, rsi_add_block(page->out, page->kind, level, page->block_start, text->size));
}

void rsi_page_line_break(rsi_html_page *page)
{
    if (page->block_open && !page->table.in_cell && page->heading == 0) {
        rsi_bytes_append_char(&page->out->text, '\n');
        page->space_pending = false;
    } else {
        page->space_pending = true;
    }
}

/* Bytes of white space at the start of text; soft hyphens and the like count as *invisible. */
static size_t space_at(rsi_slice text, bool *invisible)
{
    const unsigned char *c = (const unsigned char *)text.data;
    *invisible = false;
    if (rsi_is_space(text.data[0]))
        return 1;
    if (text.size >= 2 && c[0] == 0xC2 && (c[1] == 0xA0 || c[1] == 0xAD)) {
        *invisible = c[1] == 0xAD;
        return 2;
    }
    if (text.size >= 3 && c[0] == 0xE2 && c[1] == 0x80 && (c[2] <= 0x8B || c[2] == 0xAF)) {
        *invisible = c[2] == 0x8B;
        return 3;
    }
    return 0;
}

/* Where a run of other characters ends. */
static size_t run_of(rsi_slice text)
{
    size_t i = 0;
    while (i < text.size && !rsi_is_space(text.data[i])) {
        bool invisible;
        unsigned char c = (unsigned char)text.data[i];
        if (i > 0 && (c == 0xC2 || c == 0xE2) &&
            space_at((rsi_slice){text.data + i, text.size - i}, &invisible) > 0)
            break;
        i++;
    }
    return i;
}

static void put_run(rsi_html_page *page, rsi_slice run)
{
    rsi_html_table *table = &page->table;
    rsi_bytes *sink = &page->out->text;
    size_t start = page->block_start;
    if (table->in_cell) {
        sink = &table->bytes;
        start = table->cells[table->cell_count - 1].start;
    } else if (!page->block_open) {
        open_block(page);
        start = page->block_start;
    }
    if (page->space_pending && sink->size > start && !rsi_is_space(sink->data[sink->size - 1]))
        rsi_bytes_append_char(sink, ' ');
    page->space_pending = false;
    rsi_bytes_append(sink, run.data, run.size);
    rsi_page_fail(page, rsi_bytes_status(sink));
    if (table->in_cell && sink->size - start > CELL_MAX)
        rsi_html_table_is_layout(page);
}

void rsi_page_decoded_text(rsi_html_page *page, rsi_slice text)
{
    if (page->pre > 0 && !page->table.in_cell) {
        if (!page->block_open && rsi_trim(text).size == 0)
            return;
        if (!page->block_open)
            open_block(page);
        rsi_bytes_append(&page->out->text, text.data, text.size);
        rsi_page_fail(page, rsi_bytes_status(&page->out->text));
        return;
    }
    while (text.size > 0 && page->status == RAGSTORE_OK) {
        bool invisible;
        size_t used = space_at(text, &invisible);
        if (used > 0) {
            page->space_pending = page->space_pending || !invisible;
        } else {
            used = run_of(text);
            put_run(page, (rsi_slice){text.data, used});
        }
        text.data += used;
        text.size -= used;
    }
}

void rsi_page_text(rsi_html_page *page, rsi_slice text)
{
    rsi_bytes_clear(&page->decoded);
    rsi_html_append_decoded(&page->decoded, text);
    rsi_page_fail(page, rsi_bytes_status(&page->decoded));
    if (page->status == RAGSTORE_OK)
        rsi_page_decoded_text(page, (rsi_slice){page->decoded.data, page->decoded.size});
}
