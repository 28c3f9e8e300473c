/*
 * Pages of the web: what a reader of the page would read, in blocks.
 *
 * Each element either is dropped with all that it holds (scripts, menus, hidden things), begins
 * a block, or means nothing to the text. When the page says which part is its main one and that
 * part is not nearly empty, only it is kept. The title stands in for a missing first heading.
 * Called by extract.c.
 */
#include "ingest/extract_html_page.h"

#include "base/status.h"

#include <string.h>

#define MAIN_ENOUGH 400 /* bytes of text that make a main part believable */

/* An element that is dropped, until its end. */
typedef struct skip {
    rsi_slice name;
    bool active;
    bool implied_end; /* such as li: ended also by the next one, or by the end of its list */
    unsigned depth;   /* elements of the same name inside */
    unsigned lists;   /* lists and tables inside */
    size_t resume;    /* where reading goes on if the element never ends */
} skip;

static bool is_one_of(rsi_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rsi_equals_ignoring_case(name, names[i]))
            return true;
    return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof(names)[0])

static bool is(rsi_slice name, const char *wanted)
{
    return rsi_equals_ignoring_case(name, wanted);
}

static bool is_block(rsi_slice name)
{
    static const char *const blocks[] = {
        "p",       "div",     "li",         "ul",      "ol",       "section",  "article",
        "header",  "footer",  "main",       "aside",   "nav",      "table",    "dl",
        "dt",      "dd",      "figure",     "hr",      "pre",      "form",     "fieldset",
        "details", "summary", "blockquote", "address", "caption",  "center",   "dialog",
        "dir",     "menu",    "figcaption", "hgroup",  "legend",   "optgroup", "option",
        "search",  "body",    "html",       "head",    "noscript", "listing",  "xmp",
    };
    return IS_ONE_OF(name, blocks);
}

static bool has_implied_end(rsi_slice name)
{
    static const char *const names[] = {"li", "p", "dt", "dd", "tr", "td", "th", "option", "tbody"};
    return IS_ONE_OF(name, names);
}

static bool is_void(rsi_slice name)
{
    static const char *const names[] = {"br",  "img",   "hr",  "input", "link",   "meta", "area",
                                        "col", "embed", "wbr", "base",  "source", "track"};
    return IS_ONE_OF(name, names);
}

static bool holds_list(rsi_slice name)
{
    static const char *const names[] = {"ul", "ol", "dl", "table", "select"};
    return IS_ONE_OF(name, names);
}

static bool has_word(rsi_slice words, const char *const *wanted, size_t count)
{
    size_t i = 0;
    while (i < words.size) {
        size_t start = i;
        while (i < words.size && !rsi_is_space(words.data[i]))
            i++;
        if (is_one_of((rsi_slice){words.data + start, i - start}, wanted, count))
            return true;
        i++;
    }
    return false;
}

/* "display: none" with any white space. */
static bool style_hides(rsi_slice style)
{
    char plain[256];
    size_t size = 0;
    for (size_t i = 0; i < style.size && size < sizeof plain - 1; i++)
        if (!rsi_is_space(style.data[i]))
            plain[size++] = rsi_lower(style.data[i]);
    plain[size] = '\0';
    return strstr(plain, "display:none") != NULL || strstr(plain, "visibility:hidden") != NULL;
}

/* Hidden, or by its role or class no part of the text. */
static bool is_set_apart(rsi_slice attributes, rsi_slice element)
{
    static const char *const roles[] = {"navigation", "menu",   "menubar",     "search",
                                        "dialog",     "button", "contentinfo", "toolbar"};
    /* What common wiki, blog and style software calls its menus and links beside the text. */
    static const char *const classes[] = {
        "noprint",     "navbox",          "mw-editsection",     "mw-jump-link",     "catlinks",
        "printfooter", "vector-dropdown", "vector-toc",         "mw-portlet",       "mw-indicators",
        "metadata",    "sr-only",         "screen-reader-text", "skip-link",        "breadcrumb",
        "breadcrumbs", "headerlink",      "visually-hidden",    "mw-cite-backlink",
    };
    static const char *const note_marks[] = {"reference", "footnote-ref", "noprint"};
    rsi_slice name;
    rsi_slice value;
    while (rsi_html_attribute(&attributes, &name, &value)) {
        if (is(name, "hidden") || (is(name, "aria-hidden") && is(value, "true")) ||
            (is(name, "style") && style_hides(value)) ||
            (is(name, "role") && IS_ONE_OF(value, roles)))
            return true;
        if (is(name, "class") &&
            (has_word(value, classes, sizeof classes / sizeof classes[0]) ||
             (is(element, "sup") &&
              has_word(value, note_marks, sizeof note_marks / sizeof note_marks[0]))))
            return true;
    }
    return false;
}

static bool is_dropped(const rsi_html_page *page, const rsi_html_token *tag)
{
    static const char *const always[] = {
        "script", "style",  "noscript", "template", "svg",    "nav",    "menu",       "select",
        "button", "iframe", "object",   "canvas",   "audio",  "video",  "textarea",   "datalist",
        "dialog", "map",    "noembed",  "noframes", "applet", "search", "annotation",
    };
    static const char *const never[] = {"html", "body", "main", "article", "head", "title"};
    rsi_slice attributes = tag->attributes;
    if (is_void(tag->name) || IS_ONE_OF(tag->name, never))
        return false;
    if (IS_ONE_OF(tag->name, always))
        return !(is(tag->name, "svg") && attributes.size > 0 &&
                 attributes.data[attributes.size - 1] == '/');
    if (is(tag->name, "footer") && page->articles == 0)
        return true;
    return attributes.size > 0 && is_set_apart(attributes, tag->name);
}

static bool is_main(const rsi_html_token *tag)
{
    rsi_slice attributes = tag->attributes;
    rsi_slice name;
    rsi_slice value;
    if (is(tag->name, "main"))
        return true;
    while (rsi_html_attribute(&attributes, &name, &value))
        if (is(name, "role") && is(value, "main"))
            return true;
    return false;
}

static uint32_t heading_level(rsi_slice name)
{
    bool heading = name.size == 2 && rsi_lower(name.data[0]) == 'h' && name.data[1] >= '1' &&
                   name.data[1] <= '6';
    return heading ? (uint32_t)(name.data[1] - '0') : 0;
}

static void open_heading(rsi_html_page *page, uint32_t level)
{
    rsi_html_table_is_layout(page);
    rsi_page_break(page);
    page->heading = level;
}

static void open_pre(rsi_html_page *page)
{
    rsi_html_table_is_layout(page);
    rsi_page_break(page);
    page->heading = 0;
    page->pre++;
}

static void open_item(rsi_html_page *page)
{
    rsi_html_table *table = &page->table;
    rsi_page_break(page);
    page->heading = 0;
    if (!table->in_cell) {
        page->list_item = true;
    } else if (table->bytes.size > table->cells[table->cell_count - 1].start) {
        rsi_bytes_append_char(&table->bytes, ','); /* a list within a cell */
        page->space_pending = true;
    }
}

static void begin_main(rsi_html_page *page)
{
    rsi_page_break(page);
    if (!page->has_main) {
        page->main_first = page->out->block_count;
        page->main_end = SIZE_MAX;
        page->has_main = true;
        page->in_main = true;
    }
}

static void open_element(rsi_html_page *page, const rsi_html_token *tag)
{
    rsi_slice name = tag->name;
    uint32_t level = heading_level(name);
    if (tag->attributes.size > 0 || is(name, "main"))
        if (is_main(tag))
            begin_main(page);
    if (is(name, "article") || is(name, "main"))
        page->articles++;
    if (level > 0) {
        open_heading(page, level);
    } else if (is(name, "br")) {
        rsi_page_line_break(page);
    } else if (is(name, "li") || is(name, "dd")) {
        open_item(page);
    } else if (is(name, "pre") || is(name, "listing") || is(name, "xmp")) {
        open_pre(page);
    } else if (is(name, "table")) {
        rsi_html_table_open(page);
        page->heading = 0;
    } else if (is(name, "tr")) {
        rsi_html_table_row(page);
    } else if (is(name, "td") || is(name, "th")) {
        rsi_html_table_cell(page, is(name, "th"), tag->attributes);
    } else if (is_block(name)) {
        rsi_page_break(page);
        if (is(name, "p") || is(name, "ul") || is(name, "ol"))
            page->heading = 0; /* a heading that was not closed */
    }
}

static void close_element(rsi_html_page *page, rsi_slice name)
{
    if (heading_level(name) > 0) {
        rsi_page_break(page);
        page->heading = 0;
    } else if (is(name, "pre") || is(name, "listing") || is(name, "xmp")) {
        rsi_page_break(page);
        page->pre -= page->pre > 0;
    } else if (is(name, "table")) {
        rsi_html_table_close(page);
    } else if (is(name, "tr")) {
        rsi_html_table_row(page);
    } else if (is(name, "td") || is(name, "th")) {
        rsi_html_table_cell_end(page);
    } else if (is_block(name)) {
        rsi_page_break(page);
        page->list_item = page->list_item && !is(name, "li");
    }
    if ((is(name, "article") || is(name, "main")) && page->articles > 0)
        page->articles--;
    if (is(name, "main") && page->in_main) {
        page->main_end = page->out->block_count;
        page->in_main = false;
    }
}

static void begin_skip(skip *s, const rsi_html_token *tag, size_t resume)
{
    *s = (skip){tag->name, true, has_implied_end(tag->name), 0, 0, resume};
}

static bool same_name(rsi_slice a, rsi_slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (rsi_lower(a.data[i]) != rsi_lower(b.data[i]))
            return false;
    return true;
}

/* Is the token swallowed by the element that is being dropped? */
static bool is_skipped(skip *s, const rsi_html_token *token)
{
    if (token->kind == RSI_HTML_TEXT || token->kind == RSI_HTML_RAW)
        return true;
    bool opens = token->kind == RSI_HTML_OPEN;
    if (same_name(token->name, s->name)) {
        if (opens && s->implied_end && s->lists == 0) {
            s->active = false;
            return false;
        }
        if (opens)
            s->depth++;
        else if (s->depth > 0)
            s->depth--;
        else
            s->active = false;
    } else if (s->implied_end && holds_list(token->name)) {
        if (opens) {
            s->lists++;
        } else if (s->lists > 0) {
            s->lists--;
        } else {
            s->active = false;
            return false;
        }
    }
    return true;
}

static void read_page(rsi_html_page *page, rsi_slice source)
{
    rsi_html_scanner scanner;
    rsi_html_token token;
    skip skipped = {0};
    bool trust_ends = true; /* false: an element that was to be dropped never ended */
    rsi_slice raw_in = {"", 0};
    rsi_html_begin(&scanner, source);
    while (page->status == RAGSTORE_OK) {
        if (!rsi_html_next(&scanner, &token)) {
            if (!skipped.active || !trust_ends)
                break;
            scanner = (rsi_html_scanner){source, skipped.resume, NULL, scanner.never_closed};
            skipped.active = false;
            trust_ends = false;
            continue;
        }
        if (skipped.active && is_skipped(&skipped, &token))
            continue;
        if (token.kind == RSI_HTML_TEXT) {
            rsi_page_text(page, token.text);
        } else if (token.kind == RSI_HTML_RAW) {
            if (is(raw_in, "title") && page->title.size == 0)
                rsi_html_append_decoded(&page->title, token.text);
            else if (is(raw_in, "xmp"))
                rsi_page_decoded_text(page, token.text);
        } else if (token.kind == RSI_HTML_CLOSE) {
            close_element(page, token.name);
        } else if (trust_ends && is_dropped(page, &token)) {
            if (is_block(token.name))
                rsi_page_break(page);
            begin_skip(&skipped, &token, scanner.at);
        } else {
            raw_in = token.name;
            open_element(page, &token);
        }
    }
    if (page->status != RAGSTORE_OK)
        return;
    while (page->table.depth > 0)
        rsi_html_table_close(page);
    rsi_page_break(page);
}

/* Keep blocks first to before end, and their text. */
static void keep_blocks(rsi_extracted *out, size_t first, size_t end)
{
    size_t from = out->blocks[first].start;
    size_t to = out->blocks[end - 1].end;
    memmove(out->text.data, out->text.data + from, to - from);
    out->text.size = to - from;
    out->text.data[out->text.size] = '\0';
    memmove(out->blocks, out->blocks + first, (end - first) * sizeof *out->blocks);
    out->block_count = end - first;
    for (size_t i = 0; i < out->block_count; i++) {
        out->blocks[i].start -= from;
        out->blocks[i].end -= from;
    }
}

static void keep_main(rsi_html_page *page)
{
    rsi_extracted *out = page->out;
    size_t end = page->main_end < out->block_count ? page->main_end : out->block_count;
    if (!page->has_main || page->main_first >= end)
        return;
    size_t size = out->blocks[end - 1].end - out->blocks[page->main_first].start;
    if (size >= MAIN_ENOUGH || size * 2 >= out->text.size)
        keep_blocks(out, page->main_first, end);
}

/* The title as first heading of a page that has none. */
static int put_title(rsi_html_page *page)
{
    rsi_extracted *out = page->out;
    for (size_t i = 0; i < out->block_count; i++)
        if (out->blocks[i].kind == RSI_BLOCK_HEADING && out->blocks[i].level == 1)
            return RAGSTORE_OK;
    rsi_bytes folded = {0};
    rsi_slice title = rsi_trim((rsi_slice){page->title.data, page->title.size});
    int status = rsi_bytes_status(&page->title);
    if (status != RAGSTORE_OK || title.size == 0)
        return status;
    rsi_append_folded(&folded, title);
    size_t size = folded.size;
    size_t blocks = out->block_count;
    rsi_blank_line(&folded);
    size_t shift = folded.size;
    rsi_bytes_append(&folded, out->text.data, out->text.size);
    status = rsi_bytes_status(&folded);
    if (status == RAGSTORE_OK) {
        rsi_bytes_free(&out->text);
        out->text = folded;
        for (size_t i = 0; i < blocks; i++) {
            out->blocks[i].start += shift;
            out->blocks[i].end += shift;
        }
        status = rsi_add_block(out, RSI_BLOCK_HEADING, 1, 0, size);
    } else {
        rsi_bytes_free(&folded);
    }
    if (status == RAGSTORE_OK && blocks > 0) { /* from the end to the front */
        rsi_block first = out->blocks[blocks];
        memmove(out->blocks + 1, out->blocks, blocks * sizeof *out->blocks);
        out->blocks[0] = first;
    }
    return status;
}

int rsi_extract_html(rsi_extracted *out, rsi_slice source)
{
    rsi_html_page page = {.out = out, .last_kind = RSI_BLOCK_PARAGRAPH};
    read_page(&page, source);
    int status = page.status;
    if (status == RAGSTORE_OK) {
        keep_main(&page);
        status = put_title(&page);
    }
    rsi_bytes_free(&page.decoded);
    rsi_bytes_free(&page.title);
    rsi_html_table_free(&page.table);
    return status;
}
