/* Documents as they are stored: compact text, the _id first. */
#include "collections/collections_internal.h"

#include "base/digest.h"
#include "base/status.h"
#include "json/json_edit.h"

#include <string.h>

void rsi_document_version(char out[RSI_VERSION_SIZE], const char *json, size_t size)
{
    char sha256[RSI_SHA256_HEX];
    rsi_sha256_hex(json, size, sha256);
    memcpy(out, sha256, RSI_VERSION_SIZE - 1);
    out[RSI_VERSION_SIZE - 1] = '\0';
}

int rsi_document_version_of(char version[RSI_VERSION_SIZE], const rsi_json *document)
{
    rsi_bytes text = {0};
    int status = rsi_json_dump(&text, document);
    if (status == RAGSTORE_OK)
        rsi_document_version(version, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

static int check_id(const rsi_json *id)
{
    size_t size = rsi_json_text_size(id);
    if (!rsi_json_is_string(id) || size == 0 || size > RSI_DOCUMENT_ID_BYTES_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "collections",
                        "_id must be a text of 1 to %d bytes", RSI_DOCUMENT_ID_BYTES_MAX);
    return RAGSTORE_OK;
}

/* The same members with the _id in front. */
static int move_id_to_front(rsi_json **out, const rsi_json *document, rsi_json *taken_id)
{
    const rsi_slice id_key = {"_id", 3};
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = rsi_json_new_object(out);
    if (status != RAGSTORE_OK) {
        rsi_json_free(taken_id);
        return status;
    }
    status = rsi_json_set(*out, id_key, taken_id);
    while (status == RAGSTORE_OK && rsi_json_each(document, &iterator, &key, &value))
        if (strcmp(key, "_id") != 0)
            status = rsi_json_set(*out, rsi_slice_of(key), rsi_json_share(value));
    if (status != RAGSTORE_OK) {
        rsi_json_free(*out);
        *out = NULL;
    }
    return status;
}

int rsi_document_with_id(rsi_json **out, const rsi_json *document, const char *id)
{
    rsi_json *text;
    int status = rsi_json_new_text(&text, id, strlen(id));
    return status == RAGSTORE_OK ? move_id_to_front(out, document, text) : status;
}

static int check_names(const rsi_json *document)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    while (rsi_json_each(document, &iterator, &key, &value))
        if (key[0] == '$')
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "collections",
                            "\"%.100s\": no member of a document begins with '$'", key);
    return RAGSTORE_OK;
}

int rsi_document_settle(rsi_json **out, const char **id, const rsi_json *document)
{
    void *iterator = NULL;
    const char *first_key = NULL;
    rsi_json *first;
    *out = NULL;
    if (!rsi_json_is_object(document))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "collections", "a document must be a JSON object");
    rsi_json *given = rsi_json_get(document, "_id");
    int status = given == NULL ? RAGSTORE_OK : check_id(given);
    if (status == RAGSTORE_OK)
        status = check_names(document);
    if (status != RAGSTORE_OK)
        return status;
    if (given != NULL && rsi_json_each(document, &iterator, &first_key, &first) &&
        strcmp(first_key, "_id") == 0) {
        *out = rsi_json_share(document);
    } else if (given != NULL) {
        status = move_id_to_front(out, document, rsi_json_share(given));
    } else {
        char digits[25];
        rsi_json *made = NULL;
        status = rsi_random_hex(digits, 24);
        if (status == RAGSTORE_OK)
            status = rsi_json_new_text(&made, digits, 24);
        if (status == RAGSTORE_OK)
            status = move_id_to_front(out, document, made);
    }
    if (status == RAGSTORE_OK)
        *id = rsi_json_get_text(*out, "_id");
    return status;
}

/* How deep brackets are nested in JSON text. */
static unsigned depth_of(const char *json, size_t size)
{
    unsigned depth = 0;
    unsigned deepest = 0;
    bool in_text = false;
    for (size_t i = 0; i < size; i++) {
        char c = json[i];
        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            deepest = ++depth > deepest ? depth : deepest;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

int rsi_document_put(char version[RSI_VERSION_SIZE], rsi_tx *tx, const rsi_collection *collection,
                     const char *id, const rsi_json *document, size_t *bytes)
{
    rsi_bytes text = {0};
    int status = rsi_json_dump(&text, document);
    if (status == RAGSTORE_OK && text.size > RSI_DOCUMENT_BYTES_MAX)
        status = rsi_fail(RAGSTORE_E_TOO_LARGE, "collections",
                          "the document has %zu bytes; at most %zu are allowed", text.size,
                          RSI_DOCUMENT_BYTES_MAX);
    if (status == RAGSTORE_OK && depth_of(text.data, text.size) > RSI_DOCUMENT_DEPTH_MAX)
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "collections",
                          "the document is nested deeper than %d", RSI_DOCUMENT_DEPTH_MAX);
    *bytes += text.size;
    if (status == RAGSTORE_OK && *bytes > RSI_CHANGE_BYTES_MAX)
        status =
            rsi_fail(RAGSTORE_E_TOO_LARGE, "collections",
                     "one call can write %zu bytes; divide it into several", RSI_CHANGE_BYTES_MAX);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, collection->space, id, text.data, text.size);
    if (status == RAGSTORE_OK)
        rsi_document_version(version, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

int rsi_document_put_new(rsi_tx *tx, const rsi_collection *collection, const char *id,
                         const rsi_json *document, size_t *bytes)
{
    rsi_bytes there = {0};
    char version[RSI_VERSION_SIZE];
    int status = rsi_storage_get(&there, collection->store->storage, collection->space, id);
    rsi_bytes_free(&there);
    if (status == RAGSTORE_OK)
        return rsi_fail(RAGSTORE_E_EXISTS, "collections", "there is a document \"%.100s\" already",
                        id);
    if (status != RAGSTORE_E_NOT_FOUND)
        return status;
    return rsi_document_put(version, tx, collection, id, document, bytes);
}
