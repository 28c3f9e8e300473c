/* OpenDocument files (odt, ods, odp): one part, content.xml, for all of them. */
#include "extract_formats.h"

#include "extract_table.h"
#include "extract_xml.h"

#include <stdlib.h>
#include <string.h>

enum { REPEATS_MAX = 64 };

struct content {
    struct text text;
    int level;
    int page; /* of a presentation; 0: none */
    size_t items;
    size_t skipped; /* depth of what is not the document's text */
    size_t paragraphs;
    size_t tables;
    struct table *table; /* the outermost */
    struct text *cell;
};

static void refuse_encrypted(struct archive *archive)
{
    struct bytes manifest;

    if (archive_read(&manifest, archive, "META-INF/manifest.xml")) {
        if (strstr(manifest.data, "encryption-data") != NULL) {
            emit_refusal(REASON_ENCRYPTED);
        }
        bytes_free(&manifest);
    }
}

static void end_paragraph(struct content *content)
{
    if (content->cell != NULL) {
        if (content->cell->size > 0 && content->text.size > 0) {
            text_append(content->cell, " ", 1);
        }
        text_append(content->cell, content->text.bytes, content->text.size);
        text_clear(&content->text);
        return;
    }
    emit_text(content->level > 0   ? BLOCK_HEADING
              : content->items > 0 ? BLOCK_LIST_ITEM
                                   : BLOCK_PARAGRAPH,
              content->level, content->page, &content->text);
}

/* A cell that stands for several: columns keep their places. */
static void start_cell(struct content *content, const struct xml *xml)
{
    int repeats = atoi(xml_attribute(xml, "number-columns-repeated"));

    content->cell = table_next_cell(content->table);
    for (int i = 1; i < repeats && i < REPEATS_MAX && content->cell != NULL; i++) {
        content->cell = table_next_cell(content->table);
    }
}

static void start_element(struct content *content, const struct xml *xml)
{
    const char *name = xml->name;

    if (strcmp(name, "tracked-changes") == 0 || strcmp(name, "annotation") == 0) {
        content->skipped++;
    } else if (strcmp(name, "p") == 0 || strcmp(name, "h") == 0) {
        int level = atoi(xml_attribute(xml, "outline-level"));

        content->paragraphs++;
        content->level = strcmp(name, "h") != 0 ? 0 : level < 1 ? 1 : level > 6 ? 6 : level;
    } else if (strcmp(name, "s") == 0 || strcmp(name, "tab") == 0 ||
               strcmp(name, "line-break") == 0) {
        text_append(&content->text, " ", 1);
    } else if (strcmp(name, "list-item") == 0) {
        content->items++;
    } else if (strcmp(name, "page") == 0) {
        content->page++;
    } else if (strcmp(name, "table") == 0 && ++content->tables == 1) {
        content->table = table_new();
    } else if (strcmp(name, "table-cell") == 0 && content->tables == 1) {
        start_cell(content, xml);
    }
}

static void end_element(struct content *content, const struct xml *xml)
{
    const char *name = xml->name;

    if (strcmp(name, "tracked-changes") == 0 || strcmp(name, "annotation") == 0) {
        content->skipped -= content->skipped > 0;
    } else if (strcmp(name, "p") == 0 || strcmp(name, "h") == 0) {
        content->paragraphs -= content->paragraphs > 0;
        end_paragraph(content);
        content->level = 0;
    } else if (strcmp(name, "list-item") == 0) {
        content->items -= content->items > 0;
    } else if (strcmp(name, "table-row") == 0 && content->tables == 1) {
        content->cell = NULL;
        table_end_row(content->table, content->page);
    } else if (strcmp(name, "table") == 0 && content->tables > 0 && --content->tables == 0) {
        content->cell = NULL;
        table_end(content->table, content->page);
        table_free(content->table);
        content->table = NULL;
    }
}

void extract_opendocument(struct archive *archive)
{
    struct content content = {0};
    struct bytes part;
    struct xml xml;

    refuse_encrypted(archive);
    part = archive_need(archive, "content.xml");
    xml_open(&xml, &part);
    while (xml_next(&xml)) {
        if (xml.kind == XML_START) {
            start_element(&content, &xml);
        } else if (xml.kind == XML_END) {
            end_element(&content, &xml);
        } else if (content.paragraphs > 0 && content.skipped == 0) {
            text_append_string(&content.text, xml.text);
        }
    }
    xml_close(&xml);
    bytes_free(&part);
    free(content.text.bytes);
}
