/* XML: see extract_xml.h. */
#include "extract_xml.h"

#include "extract_emit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 256 };

static bool failed_deep; /* what the parser complained about */

static void on_error(void *user, xmlErrorPtr error)
{
    (void)user;
    if (error->code == XML_ERR_INTERNAL_ERROR && error->message != NULL &&
        strstr(error->message, "depth") != NULL) {
        failed_deep = true;
    }
}

void xml_open(struct xml *xml, const struct bytes *bytes)
{
    *xml = (struct xml){0};
    if (bytes->size > INT_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    xml->reader = xmlReaderForMemory(bytes->data, (int)bytes->size, NULL, NULL,
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                         XML_PARSE_NOCDATA);
    if (xml->reader == NULL) {
        emit_refusal(REASON_NO_MEMORY);
    }
    xmlTextReaderSetStructuredErrorHandler(xml->reader, on_error, NULL);
}

/* Step over what is neither an element nor a text. */
static bool look(struct xml *xml)
{
    switch (xmlTextReaderNodeType(xml->reader)) {
    case XML_READER_TYPE_ELEMENT:
        xml->kind = XML_START;
        break;
    case XML_READER_TYPE_END_ELEMENT:
        xml->kind = XML_END;
        break;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
    case XML_READER_TYPE_WHITESPACE:
        xml->kind = XML_TEXT;
        xml->text = (const char *)xmlTextReaderConstValue(xml->reader);
        return xml->text != NULL;
    case XML_READER_TYPE_DOCUMENT_TYPE:
    case XML_READER_TYPE_ENTITY:
    case XML_READER_TYPE_ENTITY_REFERENCE:
        emit_refusal(REASON_DTD);
    default:
        return false;
    }
    xml->name = (const char *)xmlTextReaderConstLocalName(xml->reader);
    return xml->name != NULL;
}

bool xml_next(struct xml *xml)
{
    if (xml->kind == XML_START && xmlTextReaderIsEmptyElement(xml->reader) == 1) {
        xml->kind = XML_END;
        return true;
    }
    for (;;) {
        int got = xmlTextReaderRead(xml->reader);

        if (got < 0) {
            emit_refusal(failed_deep ? REASON_TOO_DEEP : REASON_DAMAGED);
        }
        if (got == 0) {
            return false;
        }
        if (xmlTextReaderDepth(xml->reader) > DEPTH_MAX) {
            emit_refusal(REASON_TOO_DEEP);
        }
        if (look(xml)) {
            return true;
        }
    }
}

void xml_close(struct xml *xml)
{
    xmlFreeTextReader(xml->reader);
    *xml = (struct xml){0};
}

bool xml_is(const struct xml *xml, int kind, const char *name)
{
    return xml->kind == kind && strcmp(xml->name, name) == 0;
}

const char *xml_attribute(const struct xml *xml, const char *name)
{
    static char value[1024];

    value[0] = '\0';
    for (int more = xmlTextReaderMoveToFirstAttribute(xml->reader); more == 1;
         more = xmlTextReaderMoveToNextAttribute(xml->reader)) {
        const xmlChar *local = xmlTextReaderConstLocalName(xml->reader);
        const xmlChar *text = xmlTextReaderConstValue(xml->reader);

        if (local != NULL && text != NULL && strcmp((const char *)local, name) == 0) {
            snprintf(value, sizeof value, "%s", (const char *)text);
            break;
        }
    }
    (void)xmlTextReaderMoveToElement(xml->reader);
    return value;
}
