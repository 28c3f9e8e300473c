/* PowerPoint and Excel files (pptx, xlsx), and what all Office files have in common: relations. */
#include "extract_formats.h"

#include "extract_dates.h"
#include "extract_table.h"
#include "extract_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 512, STRINGS_MAX = 2 << 20 };

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text);

    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

static bool is_same(const char *text, const char *wanted)
{
    return strcmp(text, wanted) == 0;
}

/* Where the first relation of a part leads whose attribute fits. */
static bool find_relation(char *out, size_t size, struct archive *archive, const char *part,
                          const char *attribute, const char *wanted,
                          bool (*fits)(const char *text, const char *wanted))
{
    char name[2 * NAME_MAX_BYTES + 16];
    const char *slash = strrchr(part, '/');
    size_t directory = slash == NULL ? 0 : (size_t)(slash - part) + 1;
    struct bytes bytes;
    struct xml xml;
    bool found = false;

    snprintf(name, sizeof name, "%.*s_rels/%s.rels", (int)directory, part, part + directory);
    if (!archive_read(&bytes, archive, name)) {
        return false;
    }
    xml_open(&xml, &bytes);
    while (!found && xml_next(&xml)) {
        if (xml_is(&xml, XML_START, "Relationship") &&
            fits(xml_attribute(&xml, attribute), wanted)) {
            archive_resolve(out, size, part, xml_attribute(&xml, "Target"));
            found = true;
        }
    }
    xml_close(&xml);
    bytes_free(&bytes);
    return found;
}

bool office_relation(char *out, size_t size, struct archive *archive, const char *part,
                     const char *id)
{
    return find_relation(out, size, archive, part, "Id", id, is_same);
}

/* An attribute "r:id": the local name is "id", and so is that of another attribute. */
static void relation_id(char *out, size_t size, const struct xml *xml)
{
    static const char *const spaces[] = {
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "http://purl.oclc.org/ooxml/officeDocument/relationships"};

    out[0] = '\0';
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        xmlChar *value = xmlTextReaderGetAttributeNs(xml->reader, (const xmlChar *)"id",
                                                     (const xmlChar *)spaces[i]);

        if (value != NULL) {
            snprintf(out, size, "%s", (const char *)value);
            xmlFree(value);
            return;
        }
    }
}

/* ---- PowerPoint ---- */

static void read_slide(const struct bytes *bytes, int number)
{
    struct xml xml;
    struct text text = {0};
    struct table *table = NULL;
    struct text *cell = NULL;
    bool in_text = false;
    bool is_title = false;

    xml_open(&xml, bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_TEXT) {
            if (in_text) {
                text_append_string(cell != NULL ? cell : &text, xml.text);
            }
        } else if (strcmp(xml.name, "t") == 0) {
            in_text = xml.kind == XML_START;
        } else if (xml_is(&xml, XML_START, "sp")) {
            is_title = false;
        } else if (xml_is(&xml, XML_START, "ph")) {
            const char *type = xml_attribute(&xml, "type");

            is_title = strcmp(type, "title") == 0 || strcmp(type, "ctrTitle") == 0;
        } else if (xml_is(&xml, XML_START, "br")) {
            text_append(cell != NULL ? cell : &text, " ", 1);
        } else if (xml_is(&xml, XML_START, "tbl")) {
            table_free(table);
            table = table_new();
        } else if (xml_is(&xml, XML_START, "tc") && table != NULL) {
            cell = table_next_cell(table);
        } else if (xml_is(&xml, XML_END, "tr") && table != NULL) {
            cell = NULL;
            table_end_row(table, number);
        } else if (xml_is(&xml, XML_END, "tbl") && table != NULL) {
            table_end(table, number);
            table_free(table);
            table = NULL;
        } else if (xml_is(&xml, XML_END, "p") && cell == NULL) {
            emit_text(is_title ? BLOCK_HEADING : BLOCK_PARAGRAPH, is_title ? 2 : 0, number, &text);
        } else if (xml_is(&xml, XML_END, "p")) {
            text_append(cell, " ", 1);
        }
    }
    xml_close(&xml);
    table_free(table);
    free(text.bytes);
}

/* What the speaker wants to say: of the page of notes, the shape with the notes. The others repeat
 * the slide, its number and the date. */
static void read_notes(const struct bytes *bytes, int number)
{
    struct xml xml;
    struct text text = {0};
    bool in_text = false;
    bool in_notes = false;

    xml_open(&xml, bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_TEXT) {
            if (in_text && in_notes) {
                text_append_string(&text, xml.text);
            }
        } else if (strcmp(xml.name, "t") == 0) {
            in_text = xml.kind == XML_START;
        } else if (strcmp(xml.name, "sp") == 0) {
            in_notes = false;
        } else if (xml_is(&xml, XML_START, "ph")) {
            in_notes = strcmp(xml_attribute(&xml, "type"), "body") == 0;
        } else if (xml_is(&xml, XML_START, "br")) {
            text_append(&text, " ", 1);
        } else if (xml_is(&xml, XML_END, "p")) {
            emit_text(BLOCK_PARAGRAPH, 0, number, &text);
        }
    }
    xml_close(&xml);
    free(text.bytes);
}

static void read_notes_of(struct archive *archive, const char *slide, int number)
{
    char name[NAME_MAX_BYTES];
    struct bytes notes;

    if (find_relation(name, sizeof name, archive, slide, "Type", "/notesSlide", ends_with) &&
        archive_read(&notes, archive, name)) {
        read_notes(&notes, number);
        bytes_free(&notes);
    }
}

void extract_pptx(struct archive *archive)
{
    struct bytes presentation = archive_need(archive, "ppt/presentation.xml");
    struct xml xml;
    int number = 0;

    xml_open(&xml, &presentation);
    while (xml_next(&xml)) {
        char id[64];
        char name[NAME_MAX_BYTES];
        struct bytes slide;

        if (!xml_is(&xml, XML_START, "sldId")) {
            continue;
        }
        number++;
        relation_id(id, sizeof id, &xml);
        if (office_relation(name, sizeof name, archive, "ppt/presentation.xml", id) &&
            archive_read(&slide, archive, name)) {
            read_slide(&slide, number);
            bytes_free(&slide);
            read_notes_of(archive, name, number);
        }
    }
    xml_close(&xml);
}

/* ---- Excel ---- */

struct strings {
    char **items;
    size_t count;
    size_t capacity;
};

static void add_string(struct strings *strings, const struct text *text)
{
    if (strings->count == strings->capacity) {
        strings->capacity = strings->capacity * 2 + 256;
        strings->items = realloc(strings->items, strings->capacity * sizeof *strings->items);
        if (strings->items == NULL) {
            emit_refusal(REASON_NO_MEMORY);
        }
    }
    if (strings->count >= STRINGS_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    strings->items[strings->count++] = copy_string(text->size == 0 ? "" : text->bytes, text->size);
}

static void read_strings(struct strings *strings, struct archive *archive)
{
    struct bytes bytes;
    struct xml xml;
    struct text text = {0};
    bool in_text = false;
    bool phonetic = false;

    if (!archive_read(&bytes, archive, "xl/sharedStrings.xml")) {
        return;
    }
    xml_open(&xml, &bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_TEXT) {
            if (in_text && !phonetic) {
                text_append_string(&text, xml.text);
            }
        } else if (strcmp(xml.name, "t") == 0) {
            in_text = xml.kind == XML_START;
        } else if (strcmp(xml.name, "rPh") == 0) {
            phonetic = xml.kind == XML_START;
        } else if (xml_is(&xml, XML_END, "si")) {
            add_string(strings, &text);
            text_clear(&text);
        }
    }
    xml_close(&xml);
    bytes_free(&bytes);
    free(text.bytes);
}

/* "BC12" is in column 54. */
static size_t column_of(const char *reference)
{
    size_t column = 0;

    while (*reference >= 'A' && *reference <= 'Z' && column < 100000) {
        column = column * 26 + (size_t)(*reference++ - 'A') + 1;
    }
    return column == 0 ? TABLE_COLUMNS : column - 1;
}

/* What is the same for all sheets of a workbook. */
struct workbook {
    struct strings strings;
    struct dates dates;
};

static void end_cell(struct text *cell, const struct text *value, const char *type, size_t format,
                     const struct workbook *workbook)
{
    const struct strings *strings = &workbook->strings;
    char date[64];

    if (cell == NULL || value->size == 0) {
        return;
    }
    if (strcmp(type, "s") == 0) {
        size_t index = strtoul(value->bytes, NULL, 10);

        if (index < strings->count) {
            text_append_string(cell, strings->items[index]);
        }
    } else if (strcmp(type, "b") == 0) {
        text_append_string(cell, value->bytes[0] == '1' ? "true" : "false");
    } else if ((type[0] == '\0' || strcmp(type, "n") == 0) &&
               dates_write(date, sizeof date, &workbook->dates, format, value->bytes)) {
        text_append_string(cell, date);
    } else if (strcmp(type, "e") != 0) {
        text_append(cell, value->bytes, value->size);
    }
}

static void read_sheet(const struct bytes *bytes, const struct workbook *workbook, int number)
{
    struct table *table = table_new();
    struct text value = {0};
    struct text *cell = NULL;
    struct xml xml;
    char type[16] = "";
    size_t format = 0;
    bool in_value = false;

    xml_open(&xml, bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_TEXT) {
            if (in_value) {
                text_append_string(&value, xml.text);
            }
        } else if (strcmp(xml.name, "v") == 0 || strcmp(xml.name, "t") == 0) {
            in_value = xml.kind == XML_START;
        } else if (xml_is(&xml, XML_START, "c")) {
            size_t column = column_of(xml_attribute(&xml, "r"));

            snprintf(type, sizeof type, "%.15s", xml_attribute(&xml, "t"));
            format = strtoul(xml_attribute(&xml, "s"), NULL, 10);
            cell = column == TABLE_COLUMNS ? table_next_cell(table) : table_cell(table, column);
            text_clear(&value);
        } else if (xml_is(&xml, XML_END, "c")) {
            end_cell(cell, &value, type, format, workbook);
            cell = NULL;
        } else if (xml_is(&xml, XML_END, "row")) {
            table_end_row(table, number);
        }
    }
    xml_close(&xml);
    table_end(table, number);
    table_free(table);
    free(value.bytes);
}

void extract_xlsx(struct archive *archive)
{
    struct bytes list = archive_need(archive, "xl/workbook.xml");
    struct workbook workbook = {0};
    struct xml xml;
    int number = 0;

    read_strings(&workbook.strings, archive);
    dates_read(&workbook.dates, archive);
    xml_open(&xml, &list);
    while (xml_next(&xml)) {
        char id[64];
        char name[NAME_MAX_BYTES];
        char title[256];
        struct bytes sheet;

        if (!xml_is(&xml, XML_START, "sheet")) {
            continue;
        }
        number++;
        relation_id(id, sizeof id, &xml);
        snprintf(title, sizeof title, "%.255s", xml_attribute(&xml, "name"));
        if (office_relation(name, sizeof name, archive, "xl/workbook.xml", id) &&
            archive_read(&sheet, archive, name)) {
            emit_block(BLOCK_HEADING, 1, number, title, strlen(title));
            read_sheet(&sheet, &workbook, number);
            bytes_free(&sheet);
        }
    }
    xml_close(&xml);
}
