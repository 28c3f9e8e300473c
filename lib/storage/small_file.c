/* JSON files of ours with a checksum in themselves: see small_file.h. */
#include "storage/small_file.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CRC_START "{\"crc32c\":\""
#define CRC_DIGITS 8

static bool has_crc(const rsi_bytes *text)
{
    return text->size > sizeof CRC_START - 1 + CRC_DIGITS &&
           memcmp(text->data, CRC_START, sizeof CRC_START - 1) == 0;
}

static void crc_digits(char out[CRC_DIGITS + 1], const rsi_bytes *text)
{
    static const char zeros[] = "00000000";
    const size_t start = sizeof CRC_START - 1;
    uint32_t crc = rsi_crc32c(0, text->data, start);
    crc = rsi_crc32c(crc, zeros, CRC_DIGITS);
    crc = rsi_crc32c(crc, text->data + start + CRC_DIGITS, text->size - start - CRC_DIGITS);
    snprintf(out, CRC_DIGITS + 1, "%08" PRIx32, crc);
}

/* A file without one was written by hand, or before there were any. */
static int check_crc(const rsi_bytes *text, const char *path)
{
    char digits[CRC_DIGITS + 1];
    if (!has_crc(text))
        return RAGSTORE_OK;
    crc_digits(digits, text);
    if (memcmp(digits, text->data + sizeof CRC_START - 1, CRC_DIGITS) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: its bytes are not those that were written (CRC32C %s)", path, digits);
}

rsi_json_writer rsi_small_file_begin(rsi_bytes *text)
{
    rsi_json_writer writer = rsi_json_writer_of(text);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "crc32c", "00000000");
    return writer;
}

int rsi_small_file_write(rsi_bytes *text, rsi_json_writer *writer, rsi_root *root, const char *path)
{
    char digits[CRC_DIGITS + 1];
    rsi_json_end_object(writer);
    rsi_bytes_append_char(text, '\n');
    int status = rsi_bytes_status(text);
    if (status != RAGSTORE_OK)
        return status;
    crc_digits(digits, text);
    memcpy(text->data + sizeof CRC_START - 1, digits, CRC_DIGITS);
    return rsi_file_replace(root, path, text->data, text->size);
}

static int check_format(const rsi_json *root, const char *path)
{
    int64_t min_reader = rsi_json_get_integer(root, "min_reader", RSI_FORMAT);
    int64_t format = rsi_json_get_integer(root, "format", 0);
    if (format < 1)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s: it names no format", path);
    if (min_reader > RSI_FORMAT)
        return rsi_fail(RAGSTORE_E_VERSION, "storage",
                        "%s: format %" PRId64 " needs a newer libragstore (this one reads %d)",
                        path, format, RSI_FORMAT);
    return RAGSTORE_OK;
}

static int parse(rsi_json **root, const rsi_bytes *text, const char *path)
{
    int status = rsi_json_parse(root, text->data, text->size, RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_E_INVALID_DATA)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s: %s", path, rsi_error_message());
    if (status == RAGSTORE_OK && !rsi_json_is_object(*root))
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s: it is not a JSON object", path);
    if (status == RAGSTORE_OK)
        status = check_format(*root, path);
    return status == RAGSTORE_OK ? check_crc(text, path) : status;
}

int rsi_small_file_read(rsi_json **root, rsi_root *files, const char *path, size_t max_bytes,
                        const char *remedy)
{
    rsi_bytes text = {0};
    *root = NULL;
    int status = rsi_file_read_all(files, path, max_bytes, &text);
    if (status == RAGSTORE_OK)
        status = parse(root, &text, path);
    if (status != RAGSTORE_OK) {
        rsi_json_free(*root);
        *root = NULL;
    }
    rsi_bytes_free(&text);
    if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_TOO_LARGE)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "%s; %s", rsi_error_message(), remedy);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}
