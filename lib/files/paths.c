/*
 * Paths below a store, from validated ids: see paths.h.
 *
 * Ids are refused rather than cleaned; directory names are made by one injective function.
 * Called by every room that keeps files. No state, no locks.
 */
#include "files/paths.h"

#include "base/digest.h"
#include "base/status.h"
#include "base/utf8.h"
#include "files/name_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_MAX 128
#define DIRECTORY_NAME_MAX 200 /* file systems allow 255 bytes; the rest is for suffixes */
#define CUT_MARK "%-"          /* an escape is "%" and two digits: no uncut name contains it */

/* ---- ids ---- */

static int refuse_id(const char *rule)
{
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "entity id: %s", rule);
}

int rsi_entity_id_check(const char *id)
{
    if (id == NULL)
        return refuse_id("it is NULL");
    size_t size = strnlen(id, ID_MAX + 1);
    if (size == 0)
        return refuse_id("it is empty; 1 to 128 bytes are allowed");
    if (size > ID_MAX)
        return refuse_id("it is too long; 1 to 128 bytes are allowed");
    if (!rsi_utf8_valid(id, size, NULL))
        return refuse_id("it is not valid UTF-8");
    if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return refuse_id("'.' and '..' are not allowed");

    bool last_is_space = false;
    for (size_t at = 0; at < size;) {
        bool first = at == 0;
        uint32_t c = rsi_utf8_next(id, size, &at);
        if (rsi_is_slash(c))
            return refuse_id("it contains a slash or backslash");
        if (rsi_is_control(c))
            return refuse_id("it contains a control character");
        last_is_space = rsi_is_white_space(c);
        if (first && last_is_space)
            return refuse_id("it starts with white space");
    }
    if (last_is_space)
        return refuse_id("it ends with white space");
    return RAGSTORE_OK;
}

/* ---- directory names ---- */

static bool stays(unsigned char c, size_t position)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           (c == '.' && position > 0);
}

/* Write the escaped form of text up to DIRECTORY_NAME_MAX bytes and NUL; the whole form's size. */
static size_t escape(char out[DIRECTORY_NAME_MAX + 1], const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        char form[3] = {'%', digits[c >> 4], digits[c & 15]};
        size_t form_size = 3;
        if (stays(c, i)) {
            form[0] = text[i];
            form_size = 1;
        }
        for (size_t j = 0; j < form_size; j++, size++)
            if (size < DIRECTORY_NAME_MAX)
                out[size] = form[j];
    }
    out[size < DIRECTORY_NAME_MAX ? size : DIRECTORY_NAME_MAX] = '\0';
    return size;
}

void rsi_entity_directory(char out[RSI_DIRECTORY_MAX], const char *id)
{
    char hex[RSI_SHA256_HEX];

    if (escape(out, id) <= DIRECTORY_NAME_MAX)
        return;
    size_t kept = DIRECTORY_NAME_MAX - strlen(CUT_MARK) - (RSI_SHA256_HEX - 1);
    rsi_sha256_hex(id, strlen(id), hex);
    memcpy(out + kept, CUT_MARK, strlen(CUT_MARK));
    memcpy(out + kept + strlen(CUT_MARK), hex, sizeof hex);
}

/* ---- paths ---- */

/* A path that does not fit becomes empty, which every function in files.h refuses. */
static rsi_path make_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

static rsi_path make_path(const char *format, ...)
{
    rsi_path path;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(path.text, sizeof path.text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof path.text)
        path.text[0] = '\0';
    return path;
}

rsi_path rsi_path_uploads(const char *entity_id)
{
    char directory[RSI_DIRECTORY_MAX];

    rsi_entity_directory(directory, entity_id);
    return make_path(RSI_PATH_UPLOADS "/%s", directory);
}

/* ".incoming-" and hexadecimal digits: an upload that is not committed yet. */
static bool is_incoming(const char *name)
{
    size_t prefix = sizeof RSI_INCOMING_PREFIX - 1;

    return strncmp(name, RSI_INCOMING_PREFIX, prefix) == 0 &&
           strspn(name + prefix, "0123456789abcdef") == strlen(name + prefix);
}

rsi_path rsi_path_upload(const char *entity_id, const char *name)
{
    char directory[RSI_DIRECTORY_MAX];

    if (!rsi_upload_name_is_safe(name) && !is_incoming(name))
        return (rsi_path){""};
    rsi_entity_directory(directory, entity_id);
    return make_path(RSI_PATH_UPLOADS "/%s/%s", directory, name);
}

rsi_path rsi_path_entity(const char *entity_id)
{
    char directory[RSI_DIRECTORY_MAX];

    rsi_entity_directory(directory, entity_id);
    return make_path(RSI_PATH_ENTITY_ROOT "/%s", directory);
}

rsi_path rsi_path_in_entity(const char *entity_id, const char *below)
{
    char directory[RSI_DIRECTORY_MAX];

    rsi_entity_directory(directory, entity_id);
    return make_path(RSI_PATH_ENTITY_ROOT "/%s/%s", directory, below);
}

rsi_path rsi_path_journal(uint64_t generation)
{
    return make_path(RSI_PATH_API_STORAGE "/journal-%010" PRIu64 ".ndjson", generation);
}

rsi_path rsi_path_collection(const char *name)
{
    char directory[RSI_DIRECTORY_MAX];

    rsi_entity_directory(directory, name);
    return make_path(RSI_PATH_COLLECTIONS "/%s.json", directory);
}

bool rsi_collection_name_is_valid(const char *name)
{
    size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    return size > 0 && size < RSI_COLLECTION_NAME_MAX && name[size] == '\0';
}

static int hex_digit(char c)
{
    const char *digits = "0123456789ABCDEF";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    return found == NULL ? -1 : (int)(found - digits);
}

bool rsi_collection_name_of_file(char out[RSI_COLLECTION_NAME_MAX], const char *file_name)
{
    const char *whole = file_name;
    size_t size = 0;

    while (*file_name != '\0' && *file_name != '.') {
        if (size == RSI_COLLECTION_NAME_MAX - 1)
            return false;
        if (*file_name != '%') {
            out[size++] = *file_name++;
            continue;
        }
        int high = hex_digit(file_name[1]);
        int low = high < 0 ? -1 : hex_digit(file_name[2]);
        if (low < 0)
            return false;
        out[size++] = (char)(high * 16 + low);
        file_name += 3;
    }
    out[size] = '\0';
    if (strcmp(file_name, ".json") != 0 || !rsi_collection_name_is_valid(out))
        return false;
    /* only the form that we write, so that no two files have one name */
    rsi_path path = rsi_path_collection(out);
    return strcmp(path.text + sizeof RSI_PATH_COLLECTIONS, whole) == 0;
}

int rsi_path_temporary(rsi_path *out, const char *path)
{
    char digits[17];
    int status = rsi_random_hex(digits, sizeof digits - 1);
    if (status != RAGSTORE_OK)
        return status;
    const char *slash = strrchr(path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - path) + 1;
    int length = snprintf(out->text, sizeof out->text, "%.*s.tmp-%s", directory, path, digits);
    if (length < 0 || (size_t)length >= sizeof out->text)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "files", "path of %zu bytes is too long",
                        strlen(path));
    return RAGSTORE_OK;
}
