/*
 * Word files (docx): paragraphs, headings, lists, tables, notes. What styles mean is read from
 * styles.xml, because their ids are in the language of the program that wrote them.
 */
#include "extract_formats.h"

#include "extract_table.h"
#include "extract_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STYLES_MAX = 2000, NESTED_TABLES = 8 };

struct style {
    char id[64];
    int level; /* of a heading; 0: none */
};

struct styles {
    struct style items[STYLES_MAX];
    size_t count;
};

static int level_of_name(const char *name)
{
    if (strcasecmp(name, "title") == 0) {
        return 1;
    }
    if (strncasecmp(name, "heading ", 8) == 0 && name[8] >= '1' && name[8] <= '9') {
        return name[8] > '6' ? 6 : name[8] - '0';
    }
    return 0;
}

static void read_styles(struct styles *styles, struct archive *archive)
{
    struct bytes bytes;
    struct xml xml;
    struct style *style = NULL;

    if (!archive_read(&bytes, archive, "word/styles.xml")) {
        return;
    }
    xml_open(&xml, &bytes);
    while (xml_next(&xml)) {
        if (xml_is(&xml, XML_START, "style") && styles->count < STYLES_MAX) {
            style = &styles->items[styles->count++];
            snprintf(style->id, sizeof style->id, "%.63s", xml_attribute(&xml, "styleId"));
        } else if (xml_is(&xml, XML_END, "style")) {
            style = NULL;
        } else if (style != NULL && xml_is(&xml, XML_START, "name")) {
            style->level = level_of_name(xml_attribute(&xml, "val"));
        } else if (style != NULL && style->level == 0 && xml_is(&xml, XML_START, "outlineLvl")) {
            int level = atoi(xml_attribute(&xml, "val"));

            style->level = level >= 0 && level < 6 ? level + 1 : 0;
        }
    }
    xml_close(&xml);
    bytes_free(&bytes);
}

static int level_of_style(const struct styles *styles, const char *id)
{
    for (size_t i = 0; i < styles->count; i++) {
        if (strcmp(styles->items[i].id, id) == 0) {
            return styles->items[i].level;
        }
    }
    return level_of_name(id);
}

/* The paragraph that is being read, and the tables around it. */
struct body {
    const struct styles *styles;
    struct text text;
    int level;
    bool is_item;
    bool in_text;        /* inside w:t */
    size_t deleted;      /* depth of w:del, whose text is gone */
    size_t tables;       /* how many are open */
    struct table *table; /* the outermost */
    struct text *cell;
};

static void end_paragraph(struct body *body)
{
    if (body->cell != NULL) {
        if (body->cell->size > 0 && body->text.size > 0) {
            text_append(body->cell, " ", 1);
        }
        text_append(body->cell, body->text.bytes, body->text.size);
        text_clear(&body->text);
    } else {
        emit_text(body->level > 0 ? BLOCK_HEADING
                  : body->is_item ? BLOCK_LIST_ITEM
                                  : BLOCK_PARAGRAPH,
                  body->level, 0, &body->text);
    }
    body->level = 0;
    body->is_item = false;
}

static void start_element(struct body *body, const struct xml *xml)
{
    const char *name = xml->name;

    if (strcmp(name, "t") == 0) {
        body->in_text = true;
    } else if (strcmp(name, "tab") == 0 || strcmp(name, "br") == 0 || strcmp(name, "cr") == 0) {
        text_append(&body->text, " ", 1);
    } else if (strcmp(name, "noBreakHyphen") == 0) {
        text_append(&body->text, "-", 1);
    } else if (strcmp(name, "pStyle") == 0) {
        body->level = level_of_style(body->styles, xml_attribute(xml, "val"));
    } else if (strcmp(name, "numPr") == 0) {
        body->is_item = true;
    } else if (strcmp(name, "del") == 0 || strcmp(name, "moveFrom") == 0) {
        body->deleted++;
    } else if (strcmp(name, "tbl") == 0) {
        body->tables++;
        if (body->tables == 1) {
            body->table = table_new();
        }
    } else if (strcmp(name, "tc") == 0 && body->tables == 1) {
        body->cell = table_next_cell(body->table);
    }
}

static void end_element(struct body *body, const struct xml *xml)
{
    const char *name = xml->name;

    if (strcmp(name, "t") == 0) {
        body->in_text = false;
    } else if (strcmp(name, "p") == 0) {
        end_paragraph(body);
    } else if (strcmp(name, "del") == 0 || strcmp(name, "moveFrom") == 0) {
        body->deleted -= body->deleted > 0;
    } else if (strcmp(name, "tr") == 0 && body->tables == 1) {
        body->cell = NULL;
        table_end_row(body->table, 0);
    } else if (strcmp(name, "tbl") == 0 && body->tables > 0 && --body->tables == 0) {
        body->cell = NULL;
        table_end(body->table, 0);
        table_free(body->table);
        body->table = NULL;
    }
}

static void read_part(const struct styles *styles, const struct bytes *bytes)
{
    struct body body = {.styles = styles};
    struct xml xml;

    xml_open(&xml, bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_START) {
            start_element(&body, &xml);
        } else if (xml.kind == XML_END) {
            end_element(&body, &xml);
        } else if (body.in_text && body.deleted == 0) {
            text_append_string(&body.text, xml.text);
        }
    }
    xml_close(&xml);
    free(body.text.bytes);
}

void extract_docx(struct archive *archive)
{
    static const char *const notes[] = {"word/footnotes.xml", "word/endnotes.xml",
                                        "word/comments.xml"};
    struct styles *styles = get_memory(1, sizeof *styles);
    struct bytes part;

    read_styles(styles, archive);
    part = archive_need(archive, "word/document.xml");
    read_part(styles, &part);
    bytes_free(&part);
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (archive_read(&part, archive, notes[i])) {
            read_part(styles, &part);
            bytes_free(&part);
        }
    }
    free(styles);
}
