/* The .sum beside index.faiss: see faiss_sum.h. */
#include "vectors/faiss_sum.h"

#include "base/digest.h"
#include "base/status.h"
#include "vectors/vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CRC_LINE 16 /* bytes of the last line */

int rsi_faiss_sum_path(rsi_path *out, const char *path)
{
    int length = snprintf(out->text, sizeof out->text, "%s.sum", path);
    if (length < 0 || (size_t)length >= sizeof out->text)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "path of %zu bytes is too long",
                        strlen(path));
    return RAGSTORE_OK;
}

int rsi_faiss_sum_check_stamp(const char *stamp)
{
    size_t length = stamp == NULL ? 0 : strlen(stamp);
    bool valid = length > 0 && length < RSI_FAISS_STAMP_MAX;
    for (size_t i = 0; valid && i < length; i++)
        valid = stamp[i] >= 0x20 && stamp[i] < 0x7F;
    if (valid)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                    "a stamp is 1 to %d printable ASCII characters", RSI_FAISS_STAMP_MAX - 1);
}

/* ---- the text ---- */

void rsi_faiss_sum_seal(rsi_bytes *text)
{
    uint32_t crc = text->status == RAGSTORE_OK ? rsi_crc32c(0, text->data, text->size) : 0;
    rsi_bytes_printf(text, "crc32c %08" PRIx32 "\n", crc);
}

bool rsi_faiss_sum_is_intact(size_t *checked, const rsi_bytes *text, const char *begin)
{
    char crc_line[CRC_LINE + 1];
    const size_t begin_size = strlen(begin);
    if (text->size < begin_size + 1 + CRC_LINE || memcmp(text->data, begin, begin_size) != 0)
        return false;
    *checked = text->size - CRC_LINE;
    snprintf(crc_line, sizeof crc_line, "crc32c %08" PRIx32 "\n",
             rsi_crc32c(0, text->data, *checked));
    return memcmp(text->data + *checked, crc_line, CRC_LINE) == 0;
}

bool rsi_faiss_sum_has(const rsi_bytes *text, size_t checked, const char *name, const char *value)
{
    char line[RSI_FAISS_STAMP_MAX + 32];
    int length = snprintf(line, sizeof line, "\n%s %s\n", name, value);
    return length > 0 && (size_t)length < sizeof line &&
           memmem(text->data, checked, line, (size_t)length) != NULL;
}

/* ---- the files ---- */

static void remove_keeping_error(rsi_root *root, const char *path)
{
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_remove(root, path);
    rsi_error_restore(&saved);
}

int rsi_faiss_sum_write_temporary(rsi_root *root, const char *temporary, rsi_faiss_filler *fill,
                                  void *user)
{
    rsi_file *file;
    int status = rsi_file_open(&file, root, temporary,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    status = fill(user, file);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    if (status == RAGSTORE_OK) {
        status = rsi_file_close(file);
    } else {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_close(file);
        rsi_error_restore(&saved);
    }
    if (status != RAGSTORE_OK)
        remove_keeping_error(root, temporary);
    return status;
}

int rsi_faiss_sum_put_in_place(rsi_root *root, const char *path, const char *temporary,
                               const rsi_bytes *text)
{
    rsi_path sum;
    int status = rsi_bytes_status(text);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_sum_path(&sum, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_replace(root, sum.text, text->data, text->size);
    if (status == RAGSTORE_OK)
        status = rsi_file_rename(root, temporary, path);
    if (status != RAGSTORE_OK)
        remove_keeping_error(root, temporary);
    return status;
}

bool rsi_faiss_sum_means_damage(int status)
{
    return status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_TOO_LARGE ||
           status == RAGSTORE_E_DAMAGED;
}
