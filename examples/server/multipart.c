/*
 * The form of an upload; see multipart.h. libmicrohttpd cuts the body into parts and calls
 * take_piece() for each piece of each part.
 */
#include "multipart.h"

#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PARSER_BUFFER = 32 * 1024,
    FIELD_MAX = 64 * 1024,
    ALL_FIELDS_MAX = 256 * 1024,
    FIELDS_MAX = 64
};

static enum MHD_Result wrong(struct multipart *form, enum multipart_problem problem)
{
    if (form->problem == MULTIPART_FINE) {
        form->problem = problem;
        form->error_number = errno;
    }
    return MHD_NO;
}

/* The text field that was being read is complete. */
static void end_field(struct multipart *form)
{
    json_t *text = NULL;

    if (form->name == NULL) {
        return;
    }
    text = json_stringn(form->text == NULL ? "" : form->text, form->text_size);
    if (text == NULL || (form->text != NULL && memchr(form->text, 0, form->text_size) != NULL)) {
        (void)wrong(form, MULTIPART_NOT_UTF8);
    }
    if (json_object_set_new(form->fields, form->name, text) != 0) {
        (void)wrong(form, MULTIPART_NOT_UTF8);
    }
    free(form->name);
    free(form->text);
    form->name = NULL;
    form->text = NULL;
    form->text_size = 0;
}

static enum MHD_Result take_text(struct multipart *form, const char *key, const char *data,
                                 uint64_t offset, size_t size)
{
    char *text = NULL;

    if (offset == 0) {
        end_field(form);
        form->name = strdup(key);
        if (form->name == NULL) {
            return wrong(form, MULTIPART_NO_MEMORY);
        }
    }
    form->total_text += size;
    if (form->text_size + size > FIELD_MAX || form->total_text > ALL_FIELDS_MAX ||
        json_object_size(form->fields) >= FIELDS_MAX) {
        return wrong(form, MULTIPART_FIELD_TOO_LARGE);
    }
    if (size == 0) {
        return MHD_YES;
    }
    text = realloc(form->text, form->text_size + size);
    if (text == NULL) {
        return wrong(form, MULTIPART_NO_MEMORY);
    }
    memcpy(text + form->text_size, data, size);
    form->text = text;
    form->text_size += size;
    return MHD_YES;
}

static enum MHD_Result begin_file(struct multipart *form, const char *filename)
{
    if (form->filename != NULL) {
        /* A part that starts with a line break is begun twice, the first time without bytes. */
        return form->file_size == 0 && strcmp(form->filename, filename) == 0
                   ? MHD_YES
                   : wrong(form, MULTIPART_TWO_FILES);
    }
    form->filename = strdup(filename);
    if (form->filename == NULL) {
        return wrong(form, MULTIPART_NO_MEMORY);
    }
    form->spool = spool_open(form->spool_directory);
    return form->spool < 0 ? wrong(form, MULTIPART_DISK) : MHD_YES;
}

static enum MHD_Result take_file(struct multipart *form, const char *filename, const char *data,
                                 uint64_t offset, size_t size)
{
    if (offset == 0 && begin_file(form, filename) != MHD_YES) {
        return MHD_NO;
    }
    if (size > form->max_file_bytes - form->file_size) {
        return wrong(form, MULTIPART_FILE_TOO_LARGE);
    }
    if (!spool_write(form->spool, data, size)) {
        return wrong(form, MULTIPART_DISK);
    }
    form->file_size += size;
    return MHD_YES;
}

static enum MHD_Result take_piece(void *user, enum MHD_ValueKind kind, const char *key,
                                  const char *filename, const char *content_type,
                                  const char *transfer_encoding, const char *data, uint64_t offset,
                                  size_t size)
{
    struct multipart *form = user;

    (void)kind;
    (void)content_type;
    (void)transfer_encoding;
    if (form->problem != MULTIPART_FINE) {
        return MHD_NO;
    }
    if (key == NULL) {
        return wrong(form, MULTIPART_MALFORMED);
    }
    if (filename != NULL && strcmp(key, "file") == 0) {
        end_field(form);
        /* a browser's empty file input sends a part without a name */
        return filename[0] == '\0' ? MHD_YES : take_file(form, filename, data, offset, size);
    }
    return take_text(form, key, data, offset, size);
}

struct multipart *multipart_create(struct MHD_Connection *connection, const char *spool_directory,
                                   uint64_t max_file_bytes)
{
    struct multipart *form = calloc(1, sizeof *form);

    if (form == NULL) {
        return NULL;
    }
    form->spool = -1;
    form->spool_directory = spool_directory;
    form->max_file_bytes = max_file_bytes;
    form->fields = json_object();
    form->parser = MHD_create_post_processor(connection, PARSER_BUFFER, take_piece, form);
    if (form->fields == NULL) {
        multipart_free(form);
        return NULL;
    }
    return form;
}

void multipart_take(struct multipart *form, const char *bytes, size_t size)
{
    if (form->parser != NULL && form->problem == MULTIPART_FINE &&
        MHD_post_process(form->parser, bytes, size) != MHD_YES) {
        (void)wrong(form, MULTIPART_MALFORMED);
    }
}

void multipart_finish(struct multipart *form)
{
    bool whole = form->parser == NULL || MHD_destroy_post_processor(form->parser) == MHD_YES;

    form->parser = NULL;
    end_field(form);
    if (!whole) {
        (void)wrong(form, MULTIPART_MALFORMED);
    }
}

void multipart_free(struct multipart *form)
{
    if (form == NULL) {
        return;
    }
    if (form->parser != NULL) {
        (void)MHD_destroy_post_processor(form->parser);
    }
    if (form->spool >= 0) {
        close(form->spool);
    }
    json_decref(form->fields);
    free(form->name);
    free(form->text);
    free(form->filename);
    free(form);
}
