/*
 * The formats that the helper reads. Each function takes the whole document, writes its blocks and
 * returns; what cannot be read ends the process with a refusal.
 */
#ifndef EXTRACT_FORMATS_H
#define EXTRACT_FORMATS_H

#include "extract_archive.h"

#include <stddef.h>

void extract_pdf(const char *bytes, size_t size);
void extract_mail(const char *bytes, size_t size);
void extract_docx(struct archive *archive);
void extract_pptx(struct archive *archive);
void extract_xlsx(struct archive *archive);
void extract_opendocument(struct archive *archive);
void extract_epub(struct archive *archive);

/* A page of an e-book, or a mail that is written in HTML. charset may be NULL. */
void extract_html(const char *bytes, size_t size, const char *charset);

/* What a format needs from disk before the jail is shut. */
void extract_pdf_prepare(void);
void extract_mail_prepare(void);

/* Office files: the target of a relation of a part, by its id; false when there is none. */
bool office_relation(char *out, size_t size, struct archive *archive, const char *part,
                     const char *id);

#endif
