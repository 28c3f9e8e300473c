/* E-books (EPUB): the pages of the package's spine, in order. */
#include "extract_formats.h"

#include "extract_emit.h"
#include "extract_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 5000, NAME_MAX_BYTES = 512 };

struct item {
    char id[128];
    char link[NAME_MAX_BYTES];
};

static void find_package(char *out, size_t size, struct archive *archive)
{
    struct bytes container = archive_need(archive, "META-INF/container.xml");
    struct xml xml;

    out[0] = '\0';
    xml_open(&xml, &container);
    while (out[0] == '\0' && xml_next(&xml)) {
        if (xml_is(&xml, XML_START, "rootfile")) {
            snprintf(out, size, "%s", xml_attribute(&xml, "full-path"));
        }
    }
    xml_close(&xml);
    bytes_free(&container);
}

/* "a%20b.xhtml" is the entry "a b.xhtml"; what stands behind # is a place in it. */
static void decode_link(char *link)
{
    char *to = link;

    for (const char *from = link; *from != '\0' && *from != '#'; from++) {
        char digits[3] = {0};

        if (from[0] == '%' && from[1] != '\0' && from[2] != '\0') {
            char *end = NULL;

            memcpy(digits, from + 1, 2);
            *to = (char)strtoul(digits, &end, 16);
            if (end == digits + 2 && *to != '\0') {
                to++;
                from += 2;
                continue;
            }
        }
        *to++ = *from;
    }
    *to = '\0';
}

static void read_page(struct archive *archive, const char *package, const struct item *items,
                      size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        char name[NAME_MAX_BYTES * 2];
        struct bytes page;

        if (strcmp(items[i].id, id) != 0) {
            continue;
        }
        archive_resolve(name, sizeof name, package, items[i].link);
        if (archive_read(&page, archive, name)) {
            extract_html(page.data, page.size, "UTF-8");
            bytes_free(&page);
        }
        return;
    }
}

void extract_epub(struct archive *archive)
{
    struct item *items = get_memory(ITEMS_MAX, sizeof *items);
    size_t count = 0;
    size_t pages = 0;
    char package[NAME_MAX_BYTES];
    struct bytes bytes;
    struct xml xml;

    find_package(package, sizeof package, archive);
    bytes = archive_need(archive, package);
    xml_open(&xml, &bytes);
    while (xml_next(&xml)) {
        if (xml_is(&xml, XML_START, "item") && count < ITEMS_MAX) {
            struct item *item = &items[count++];

            snprintf(item->id, sizeof item->id, "%.127s", xml_attribute(&xml, "id"));
            snprintf(item->link, sizeof item->link, "%.511s", xml_attribute(&xml, "href"));
            decode_link(item->link);
        } else if (xml_is(&xml, XML_START, "itemref") && pages++ < ITEMS_MAX) {
            char id[128];

            snprintf(id, sizeof id, "%.127s", xml_attribute(&xml, "idref"));
            read_page(archive, package, items, count, id);
        }
    }
    xml_close(&xml);
    bytes_free(&bytes);
    free(items);
    if (!emit_has_blocks() && archive_has(archive, "META-INF/encryption.xml")) {
        emit_refusal(REASON_ENCRYPTED);
    }
}
