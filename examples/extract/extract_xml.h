/*
 * XML read from front to back, never as a tree: without document types, entities, network and
 * files, to a depth of 256.
 *
 * What is wrong with a part ends the process with a refusal; names are local ones, without prefix.
 */
#ifndef EXTRACT_XML_H
#define EXTRACT_XML_H

#include "extract_archive.h"

#include <libxml/xmlreader.h>

struct xml {
    xmlTextReaderPtr reader;
    int kind;         /* XML_START, … */
    const char *name; /* of the element; until the next step */
    const char *text; /* likewise, of XML_TEXT */
};

enum { XML_START = 1, XML_END = 2, XML_TEXT = 3 };

void xml_open(struct xml *xml, const struct bytes *bytes);

/* The next start, end or text; an empty element has a start and an end. False at the end. */
bool xml_next(struct xml *xml);
void xml_close(struct xml *xml);

bool xml_is(const struct xml *xml, int kind, const char *name);

/* The value of an attribute of the element, by its local name; "" when there is none. Until the
 * next call. */
const char *xml_attribute(const struct xml *xml, const char *name);

#endif
