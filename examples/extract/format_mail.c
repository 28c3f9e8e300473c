/*
 * E-mails (EML), by GMime: the head's lines that a reader sees, then the text of each part. Of
 * several forms of one text the plain one is taken; attachments are named, not opened; a mail
 * inside the mail is read.
 */
#include "extract_formats.h"

#include "extract_emit.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

enum { NESTED_MAX = 8, PARTS_MAX = 1000 };

static int parts_seen;

void extract_mail_prepare(void)
{
    g_mime_init();
}

static void add_line(const char *name, const char *value)
{
    struct text line = {0};

    if (value == NULL || value[0] == '\0') {
        return;
    }
    text_append_string(&line, name);
    text_append_string(&line, ": ");
    text_append_string(&line, value);
    emit_text(BLOCK_PARAGRAPH, 0, 0, &line);
    free(line.bytes);
}

static void add_addresses(const char *name, InternetAddressList *list)
{
    char *text = list == NULL ? NULL : internet_address_list_to_string(list, NULL, FALSE);

    add_line(name, text);
    g_free(text);
}

static void add_head(GMimeMessage *message, int nested)
{
    const char *subject = g_mime_message_get_subject(message);
    GDateTime *date = g_mime_message_get_date(message);
    char *text = date == NULL ? NULL : g_date_time_format(date, "%Y-%m-%d %H:%M %z");

    if (subject != NULL) {
        emit_block(BLOCK_HEADING, nested == 0 ? 1 : 2, 0, subject, strlen(subject));
    }
    add_addresses("From", g_mime_message_get_from(message));
    add_addresses("To", g_mime_message_get_to(message));
    add_addresses("Cc", g_mime_message_get_cc(message));
    add_line("Date", text);
    g_free(text);
}

/* Plain text: a blank line ends a paragraph. */
static void add_plain(const char *text)
{
    struct text paragraph = {0};

    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        size_t inked = strspn(text, " \t\r>");

        if (inked >= size) {
            emit_text(BLOCK_PARAGRAPH, 0, 0, &paragraph);
        } else {
            text_append(&paragraph, text, size);
            text_append(&paragraph, "\n", 1);
        }
        text += size + (text[size] == '\n');
    }
    emit_text(BLOCK_PARAGRAPH, 0, 0, &paragraph);
    free(paragraph.bytes);
}

static void add_text_part(GMimeTextPart *part, bool html)
{
    char *text = g_mime_text_part_get_text(part);

    if (text == NULL) {
        return;
    }
    if (html) {
        extract_html(text, strlen(text), "UTF-8");
    } else {
        add_plain(text);
    }
    g_free(text);
}

static bool is_type(GMimeObject *object, const char *type, const char *subtype)
{
    GMimeContentType *content_type = g_mime_object_get_content_type(object);

    return content_type != NULL && g_mime_content_type_is_type(content_type, type, subtype);
}

/* Which of several forms of the same text? The plain one, or else the first. */
static GMimeObject *best_form(GMimeMultipart *forms)
{
    int count = g_mime_multipart_get_count(forms);

    for (int i = 0; i < count && i < PARTS_MAX; i++) {
        GMimeObject *form = g_mime_multipart_get_part(forms, i);

        if (is_type(form, "text", "plain")) {
            return form;
        }
    }
    return count > 0 ? g_mime_multipart_get_part(forms, 0) : NULL;
}

static void add_message(GMimeMessage *message, int nested);

static void add_part(GMimeObject *part, int nested)
{
    if (part == NULL) {
        return;
    }
    if (nested > NESTED_MAX || ++parts_seen > PARTS_MAX) {
        emit_refusal(REASON_TOO_DEEP);
    }
    if (GMIME_IS_MULTIPART(part)) {
        GMimeMultipart *parts = GMIME_MULTIPART(part);

        if (is_type(part, "multipart", "alternative")) {
            add_part(best_form(parts), nested + 1);
            return;
        }
        if (is_type(part, "multipart", "encrypted")) {
            emit_refusal(REASON_ENCRYPTED);
        }
        for (int i = 0; i < g_mime_multipart_get_count(parts); i++) {
            add_part(g_mime_multipart_get_part(parts, i), nested + 1);
        }
    } else if (GMIME_IS_MESSAGE_PART(part)) {
        add_message(g_mime_message_part_get_message(GMIME_MESSAGE_PART(part)), nested + 1);
    } else if (GMIME_IS_TEXT_PART(part) && !g_mime_part_is_attachment(GMIME_PART(part))) {
        add_text_part(GMIME_TEXT_PART(part), is_type(part, "text", "html"));
    } else if (GMIME_IS_PART(part)) {
        add_line("Attachment", g_mime_part_get_filename(GMIME_PART(part)));
    }
}

static void add_message(GMimeMessage *message, int nested)
{
    if (message == NULL) {
        return;
    }
    add_head(message, nested);
    add_part(g_mime_message_get_mime_part(message), nested + 1);
}

void extract_mail(const char *bytes, size_t size)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(bytes, size);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

    if (message == NULL) {
        emit_refusal(REASON_DAMAGED);
    }
    add_message(message, 0);
}
