/*
 * HTML inside other formats: pages of e-books and mails. (A page by itself is read by the library.)
 *
 * libxml2's HTML parser makes a tree of it, which is walked without recursion.
 */
#include "extract_formats.h"

#include "extract_table.h"

#include <libxml/HTMLparser.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000 };

struct page {
    struct text text;
    struct table *table; /* the outermost that is open */
    size_t tables;
    struct text *cell;
    size_t items;
    size_t code;
    int level;
};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_skipped(const char *name)
{
    static const char *const names[] = {"script", "style", "head",   "template", "svg",
                                        "math",   "nav",   "iframe", "object",   NULL};

    return is_one_of(name, names);
}

static bool is_block(const char *name)
{
    static const char *const names[] = {
        "p",       "div",  "section",  "article",    "header", "footer",     "main",
        "aside",   "h1",   "h2",       "h3",         "h4",     "h5",         "h6",
        "ul",      "ol",   "li",       "dl",         "dt",     "dd",         "pre",
        "table",   "body", "html",     "blockquote", "figure", "figcaption", "hr",
        "address", "form", "fieldset", "tr",         "center", NULL};

    return is_one_of(name, names);
}

static void end_block(struct page *page)
{
    if (page->cell != NULL) {
        if (page->cell->size > 0) {
            text_append(page->cell, " ", 1);
        }
        return;
    }
    emit_text(page->level > 0   ? BLOCK_HEADING
              : page->code > 0  ? BLOCK_CODE
              : page->items > 0 ? BLOCK_LIST_ITEM
                                : BLOCK_PARAGRAPH,
              page->level, 0, &page->text);
}

static int heading_level(const char *name)
{
    return name[0] == 'h' && name[1] >= '1' && name[1] <= '6' && name[2] == '\0' ? name[1] - '0'
                                                                                 : 0;
}

static void open_element(struct page *page, const char *name)
{
    if (is_block(name)) {
        end_block(page);
    }
    if (heading_level(name) > 0) {
        page->level = heading_level(name);
    } else if (strcmp(name, "li") == 0) {
        page->items++;
    } else if (strcmp(name, "pre") == 0) {
        page->code++;
    } else if (strcmp(name, "br") == 0) {
        text_append(page->cell != NULL ? page->cell : &page->text, page->code > 0 ? "\n" : " ", 1);
    } else if (strcmp(name, "table") == 0 && ++page->tables == 1) {
        page->table = table_new();
    } else if ((strcmp(name, "td") == 0 || strcmp(name, "th") == 0) && page->tables == 1) {
        page->cell = table_next_cell(page->table);
    }
}

static void close_element(struct page *page, const char *name)
{
    if (is_block(name)) {
        end_block(page);
    }
    if (heading_level(name) > 0) {
        page->level = 0;
    } else if (strcmp(name, "li") == 0) {
        page->items -= page->items > 0;
    } else if (strcmp(name, "pre") == 0) {
        page->code -= page->code > 0;
    } else if (strcmp(name, "tr") == 0 && page->tables == 1) {
        page->cell = NULL;
        table_end_row(page->table, 0);
    } else if (strcmp(name, "table") == 0 && page->tables > 0 && --page->tables == 0) {
        page->cell = NULL;
        table_end(page->table, 0);
        table_free(page->table);
        page->table = NULL;
    }
}

/* Look at a node; true when its children are to be looked at, too. */
static bool visit(struct page *page, const xmlNode *node)
{
    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) {
        if (node->content != NULL) {
            text_append_string(page->cell != NULL ? page->cell : &page->text,
                               (const char *)node->content);
        }
        return false;
    }
    if (node->type != XML_ELEMENT_NODE || is_skipped((const char *)node->name)) {
        return false;
    }
    open_element(page, (const char *)node->name);
    return true;
}

static void walk(struct page *page, xmlNode *root)
{
    xmlNode *node = root;
    size_t depth = 0;

    while (node != NULL) {
        if (visit(page, node)) {
            if (node->children != NULL) {
                if (++depth > DEPTH_MAX) {
                    emit_refusal(REASON_TOO_DEEP);
                }
                node = node->children;
                continue;
            }
            close_element(page, (const char *)node->name);
        }
        while (node != root && node->next == NULL) {
            node = node->parent;
            depth--;
            close_element(page, (const char *)node->name);
        }
        node = node == root ? NULL : node->next;
    }
}

void extract_html(const char *bytes, size_t size, const char *charset)
{
    struct page page = {0};
    htmlDocPtr document = NULL;

    if (size > INT_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    document = htmlReadMemory(bytes, (int)size, NULL, charset,
                              HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                  HTML_PARSE_NONET);
    if (document != NULL) {
        walk(&page, xmlDocGetRootElement(document));
        end_block(&page);
        xmlFreeDoc(document);
    }
    table_free(page.table);
    free(page.text.bytes);
}
