/*
 * ragstore-extract: takes the text out of one document. Started by extract_runner.c, with the
 * document on standard input; writes what extract_protocol.h draws. It takes no arguments.
 *
 * Reading order: this file, extract_jail.c, extract_emit.h, then any format_….c.
 */
#include "extract_emit.h"
#include "extract_formats.h"
#include "extract_jail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the document ---- */

static struct bytes read_input(void)
{
    struct text text = {0};
    static char piece[64 * 1024];

    for (;;) {
        ssize_t count = read(STDIN_FILENO, piece, sizeof piece);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            emit_refusal(REASON_DAMAGED);
        }
        if (count == 0) {
            break;
        }
        text_append(&text, piece, (size_t)count);
    }
    text_append(&text, "", 0);
    return (struct bytes){text.bytes, text.size};
}

/* ---- which format ---- */

static bool contains(const struct bytes *input, const char *wanted, size_t size)
{
    return memmem(input->data, input->size, wanted, size) != NULL;
}

static bool starts_with(const struct bytes *input, const char *wanted, size_t size)
{
    return input->size >= size && memcmp(input->data, wanted, size) == 0;
}

static bool is_pdf(const struct bytes *input)
{
    return memmem(input->data, input->size < 1024 ? input->size : 1024, "%PDF-", 5) != NULL;
}

/* Word, Excel and PowerPoint put an encrypted document into an old container. */
static bool is_encrypted_office(const struct bytes *input)
{
    static const char name[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";

    return starts_with(input, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8) &&
           contains(input, name, sizeof name - 1);
}

static bool is_mail(const struct bytes *input)
{
    size_t size = input->size < 8192 ? input->size : 8192;
    bool from = false;
    bool mime = false;

    for (size_t at = 0; at < size;) {
        const char *line = input->data + at;
        const char *end = memchr(line, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - line);

        if (length <= 1 && (length == 0 || line[0] == '\r')) {
            break;
        }
        from = from || strncasecmp(line, "From:", 5) == 0;
        mime = mime || strncasecmp(line, "MIME-Version:", 13) == 0;
        at += length + 1;
    }
    return from && mime;
}

static void extract_zip(const struct bytes *input)
{
    static const struct {
        const char *entry;
        const char *media_type;
        void (*extract)(struct archive *archive);
    } formats[] = {
        {"word/document.xml",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document", extract_docx},
        {"ppt/presentation.xml",
         "application/vnd.openxmlformats-officedocument.presentationml.presentation", extract_pptx},
        {"xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         extract_xlsx},
        {"META-INF/container.xml", "application/epub+zip", extract_epub},
    };
    struct archive *archive = archive_open(input->data, input->size);
    struct bytes media_type;

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (archive_has(archive, formats[i].entry)) {
            emit_media_type(formats[i].media_type);
            formats[i].extract(archive);
            return;
        }
    }
    if (archive_read(&media_type, archive, "mimetype") &&
        strncmp(media_type.data, "application/vnd.oasis.opendocument.", 35) == 0 &&
        strspn(media_type.data + 35, "abcdefghijklmnopqrstuvwxyz-") < 20) {
        media_type.data[35 + strspn(media_type.data + 35, "abcdefghijklmnopqrstuvwxyz-")] = '\0';
        emit_media_type(media_type.data);
        extract_opendocument(archive);
        return;
    }
    emit_refusal(REASON_UNKNOWN_FORMAT);
}

static void extract(const struct bytes *input)
{
    if (is_encrypted_office(input)) {
        emit_refusal(REASON_ENCRYPTED);
    } else if (starts_with(input, "PK\3\4", 4) || starts_with(input, "PK\5\6", 4)) {
        extract_zip(input);
    } else if (is_pdf(input)) {
        emit_media_type("application/pdf");
        extract_pdf(input->data, input->size);
    } else if (is_mail(input)) {
        emit_media_type("message/rfc822");
        extract_mail(input->data, input->size);
    } else {
        emit_refusal(REASON_UNKNOWN_FORMAT);
    }
}

int main(int argc, char **argv)
{
    struct bytes input;

    if (argc > 1 || isatty(STDIN_FILENO)) {
        fprintf(
            stderr,
            "usage: %s < DOCUMENT\n\nTakes the text out of a PDF, Office file, e-book or e-mail, "
            "in a process that can do nothing else.\n",
            argv[0]);
        return 2;
    }
    jail_prepare();
    extract_pdf_prepare();
    extract_mail_prepare();
    if (!jail_enter()) {
        emit_refusal(REASON_NO_JAIL);
    }
    input = read_input();
    extract(&input);
    emit_end();
}
