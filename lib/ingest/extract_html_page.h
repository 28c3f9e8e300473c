/*
 * A page while its text is written: shared by extract_html.c (which element means what),
 * extract_html_write.c (blocks and white space) and extract_html_table.c (rows).
 *
 *   tags and texts ─► extract_html.c ─┬─► rsi_page_text ─► out->text, or the row's cell
 *                                     └─► rsi_page_break, rsi_html_table_… ─► out->blocks
 */
#ifndef RSI_INGEST_EXTRACT_HTML_PAGE_H
#define RSI_INGEST_EXTRACT_HTML_PAGE_H

#include "ingest/extract_html_scan.h"

#define RSI_HTML_COLUMNS 64
#define RSI_HTML_TABLES 64 /* tables in tables; deeper ones are layout */

typedef struct rsi_html_cell {
    size_t start; /* in the row's bytes */
    size_t end;
    bool is_header;
} rsi_html_cell;

/*
 * The innermost table. Its rows are collected cell by cell and written as one line. A table whose
 * cells hold headings, code, other tables or long texts only arranges the page: then its cells are
 * written like ordinary paragraphs.
 */
typedef struct rsi_html_table {
    unsigned depth;      /* tables around the present place */
    uint64_t layouts;    /* bit d: the table at depth d + 1 only arranges the page */
    bool in_cell;        /* text goes to the cell */
    bool row_spans;      /* a cell of this row spans several columns or rows */
    unsigned rows_below; /* rows into which a cell above reaches */
    unsigned reach;      /* of this row's cells into the rows below */
    rsi_html_cell cells[RSI_HTML_COLUMNS];
    size_t cell_count;
    rsi_bytes bytes;
    rsi_html_cell names[RSI_HTML_COLUMNS]; /* of the columns, in name_bytes */
    size_t name_count;
    rsi_bytes name_bytes;
} rsi_html_table;

typedef struct rsi_html_page {
    rsi_extracted *out;
    int status; /* the first failure; afterwards nothing more is done */
    rsi_bytes decoded;
    rsi_bytes title;
    rsi_html_table table;
    bool block_open;    /* text[block_start..] is a block being written */
    bool space_pending; /* white space came behind the last character */
    bool list_item;     /* the next block begins a list item */
    rsi_block_kind last_kind;
    rsi_block_kind kind; /* of the open block */
    size_t block_start;
    uint32_t heading;  /* level of the heading we are in; 0: none */
    unsigned pre;      /* pre elements around the present place */
    unsigned articles; /* main and article elements around the present place */
    size_t main_first; /* blocks of the main element: from … */
    size_t main_end;   /* … to before */
    bool has_main;
    bool in_main;
} rsi_html_page;

/* extract_html_write.c */
void rsi_page_text(rsi_html_page *page, rsi_slice text);         /* with entities */
void rsi_page_decoded_text(rsi_html_page *page, rsi_slice text); /* without */
void rsi_page_line_break(rsi_html_page *page);
void rsi_page_break(rsi_html_page *page); /* the open block ends */
void rsi_page_fail(rsi_html_page *page, int status);

/* extract_html_table.c: what the tags of tables do. */
void rsi_html_table_open(rsi_html_page *page);
void rsi_html_table_close(rsi_html_page *page);
void rsi_html_table_row(rsi_html_page *page); /* a row begins or ends */
void rsi_html_table_cell(rsi_html_page *page, bool is_header, rsi_slice attributes);
void rsi_html_table_cell_end(rsi_html_page *page);
void rsi_html_table_is_layout(rsi_html_page *page); /* what came up in a cell belongs to no data */
void rsi_html_table_free(rsi_html_table *table);

#endif
