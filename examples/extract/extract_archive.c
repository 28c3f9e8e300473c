/* Archives with limits: see extract_archive.h. */
#include "extract_archive.h"

#include "extract_emit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum {
    ENTRIES_MAX = 10000,
    RATIO_MAX = 200,          /* inflated to stored, once that is worth a look: */
    RATIO_FROM = 4 << 20,     /* bytes */
    ENTRY_MAX = 128 << 20,    /* of one entry */
    INFLATED_MAX = 256 << 20, /* of all that is read */
    PIECE = 64 * 1024,
};

struct archive {
    zip_t *zip;
    uint64_t inflated; /* so far */
};

struct archive *archive_open(const char *bytes, size_t size)
{
    struct archive *archive = get_memory(1, sizeof *archive);
    zip_error_t error;
    zip_source_t *source = NULL;

    zip_error_init(&error);
    source = zip_source_buffer_create(bytes, size, 0, &error);
    archive->zip = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY, &error);
    if (archive->zip == NULL) {
        emit_refusal(zip_error_code_zip(&error) == ZIP_ER_MEMORY ? REASON_NO_MEMORY
                                                                 : REASON_DAMAGED);
    }
    if (zip_get_num_entries(archive->zip, 0) > ENTRIES_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    return archive;
}

bool archive_has(struct archive *archive, const char *name)
{
    return zip_name_locate(archive->zip, name, 0) >= 0;
}

static void count(struct archive *archive, uint64_t size, uint64_t stored, uint64_t more)
{
    archive->inflated += more;
    if (size > ENTRY_MAX || archive->inflated > INFLATED_MAX ||
        (size > RATIO_FROM && size / RATIO_MAX > stored)) {
        emit_refusal(REASON_TOO_LARGE);
    }
}

static void inflate_entry(struct text *text, struct archive *archive, zip_file_t *file,
                          uint64_t stored)
{
    static char piece[PIECE];

    for (;;) {
        zip_int64_t got = zip_fread(file, piece, sizeof piece);

        if (got < 0) {
            emit_refusal(REASON_DAMAGED);
        }
        if (got == 0) {
            return;
        }
        count(archive, text->size + (uint64_t)got, stored, (uint64_t)got);
        text_append(text, piece, (size_t)got);
    }
}

bool archive_read(struct bytes *out, struct archive *archive, const char *name)
{
    struct text text = {0};
    zip_stat_t facts;
    zip_file_t *file = NULL;

    *out = (struct bytes){0};
    zip_stat_init(&facts);
    if (zip_stat(archive->zip, name, 0, &facts) != 0) {
        return false;
    }
    if ((facts.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && facts.encryption_method != ZIP_EM_NONE) {
        emit_refusal(REASON_ENCRYPTED);
    }
    file = zip_fopen_index(archive->zip, facts.index, 0);
    if (file == NULL) {
        emit_refusal(REASON_DAMAGED);
    }
    text_append(&text, "", 0);
    inflate_entry(&text, archive, file,
                  (facts.valid & ZIP_STAT_COMP_SIZE) != 0 ? facts.comp_size : 0);
    zip_fclose(file);
    *out = (struct bytes){text.bytes, text.size};
    return true;
}

struct bytes archive_need(struct archive *archive, const char *name)
{
    struct bytes out;

    if (!archive_read(&out, archive, name)) {
        emit_refusal(REASON_DAMAGED);
    }
    return out;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* Take the last step of a path away. */
static void go_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL) {
        path[0] = '\0';
    } else {
        *slash = '\0';
    }
}

void archive_resolve(char *out, size_t size, const char *part, const char *link)
{
    snprintf(out, size, "%s", link[0] == '/' ? "" : part);
    if (link[0] == '/') {
        link++;
    } else {
        go_up(out);
    }
    while (strncmp(link, "../", 3) == 0 || strncmp(link, "./", 2) == 0) {
        if (link[1] == '.') {
            go_up(out);
        }
        link = strchr(link, '/') + 1;
    }
    if (strlen(out) + strlen(link) + 2 > size) {
        out[0] = '\0';
        return;
    }
    if (out[0] != '\0') {
        strcat(out, "/");
    }
    strcat(out, link);
}
