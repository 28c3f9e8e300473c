/* Version, status, errors, constants, buffers. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int32_t ragstore_version_number(void)
{
    return RAGSTORE_VERSION_MAJOR * 1000000 + RAGSTORE_VERSION_MINOR * 1000 +
           RAGSTORE_VERSION_PATCH;
}

const char *ragstore_version_text(void)
{
    return RAGSTORE_VERSION_STRING;
}

const char *ragstore_status_name(int status)
{
    return rsi_status_name(status);
}

const char *ragstore_status_text(int status)
{
    return rsi_status_text(status);
}

int ragstore_error_code(void)
{
    return rsi_error_code();
}

int ragstore_error_errno(void)
{
    return rsi_error_errno();
}

const char *ragstore_error_room(void)
{
    return rsi_error_room();
}

const char *ragstore_error_message(void)
{
    return rsi_error_message();
}

#define CONSTANT(name) {#name, (int64_t)(name)}

static const struct {
    const char *name;
    int64_t value;
} constants[] = {
    CONSTANT(RAGSTORE_VERSION_MAJOR),
    CONSTANT(RAGSTORE_VERSION_MINOR),
    CONSTANT(RAGSTORE_VERSION_PATCH),
    CONSTANT(RAGSTORE_OK),
    CONSTANT(RAGSTORE_E_INVALID_ARGUMENT),
    CONSTANT(RAGSTORE_E_WRONG_STATE),
    CONSTANT(RAGSTORE_E_CLOSED),
    CONSTANT(RAGSTORE_E_UNSUPPORTED),
    CONSTANT(RAGSTORE_E_VERSION),
    CONSTANT(RAGSTORE_E_NOT_FOUND),
    CONSTANT(RAGSTORE_E_EXISTS),
    CONSTANT(RAGSTORE_E_CONFLICT),
    CONSTANT(RAGSTORE_E_DAMAGED),
    CONSTANT(RAGSTORE_E_INVALID_DATA),
    CONSTANT(RAGSTORE_E_NOT_EXTRACTABLE),
    CONSTANT(RAGSTORE_E_EMBEDDER),
    CONSTANT(RAGSTORE_E_QUERY),
    CONSTANT(RAGSTORE_E_MODEL),
    CONSTANT(RAGSTORE_E_NO_MEMORY),
    CONSTANT(RAGSTORE_E_TOO_LARGE),
    CONSTANT(RAGSTORE_E_BUSY),
    CONSTANT(RAGSTORE_E_DISK_FULL),
    CONSTANT(RAGSTORE_E_INTERRUPTED),
    CONSTANT(RAGSTORE_E_IO),
    CONSTANT(RAGSTORE_E_PERMISSION),
    CONSTANT(RAGSTORE_E_READ_ONLY),
    CONSTANT(RAGSTORE_E_FAILED),
    CONSTANT(RAGSTORE_E_INTERNAL),
    CONSTANT(RAGSTORE_PRECISION_FLOAT32),
    CONSTANT(RAGSTORE_PRECISION_INT8),
    CONSTANT(RAGSTORE_PRECISION_INT16),
    CONSTANT(RAGSTORE_MODEL_THREADS_MAX),
    CONSTANT(RAGSTORE_OPEN_MUST_EXIST),
    CONSTANT(RAGSTORE_OPEN_MUST_CREATE),
    CONSTANT(RAGSTORE_OPEN_READ_ONLY),
    CONSTANT(RAGSTORE_OPEN_IMMUTABLE),
    CONSTANT(RAGSTORE_OPEN_NO_BACKGROUND),
    CONSTANT(RAGSTORE_OPEN_NO_REEMBED),
    CONSTANT(RAGSTORE_BACKUP_UNCHECKED),
    CONSTANT(RAGSTORE_LIST_NEWEST_FIRST),
    CONSTANT(RAGSTORE_UPDATE_UPSERT),
    CONSTANT(RAGSTORE_DURABILITY_FULL),
    CONSTANT(RAGSTORE_DURABILITY_NORMAL),
    CONSTANT(RAGSTORE_NO_WAIT),
    CONSTANT(RAGSTORE_LOG_ERROR),
    CONSTANT(RAGSTORE_LOG_WARNING),
    CONSTANT(RAGSTORE_LOG_INFO),
    CONSTANT(RAGSTORE_LOG_DEBUG),
    CONSTANT(RAGSTORE_BLOCK_PARAGRAPH),
    CONSTANT(RAGSTORE_BLOCK_HEADING),
    CONSTANT(RAGSTORE_BLOCK_LIST_ITEM),
    CONSTANT(RAGSTORE_BLOCK_CODE),
    CONSTANT(RAGSTORE_BLOCK_TABLE_ROW),
    CONSTANT(RAGSTORE_ROLE_DOCUMENT),
    CONSTANT(RAGSTORE_ROLE_QUERY),
    CONSTANT(RAGSTORE_FUSION_SUM),
    CONSTANT(RAGSTORE_FUSION_RANKS),
    CONSTANT(RAGSTORE_DUPLICATES_LAST),
    CONSTANT(RAGSTORE_DUPLICATES_KEEP),
    CONSTANT(RAGSTORE_MODE_HYBRID),
    CONSTANT(RAGSTORE_MODE_VECTOR),
    CONSTANT(RAGSTORE_MODE_KEYWORD),
};

int ragstore_constant_get(int64_t *out, const char *name)
{
    int status = rsi_check_not_null(out, __func__, "out");
    if (status != RAGSTORE_OK)
        return status;
    *out = 0;
    status = rsi_check_not_null(name, __func__, "name");
    if (status != RAGSTORE_OK)
        return status;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strcmp(constants[i].name, name) == 0) {
            *out = constants[i].value;
            return RAGSTORE_OK;
        }
    }
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "api", "there is no constant \"%.100s\"", name);
}

const char *ragstore_buffer_data(const ragstore_buffer *buffer)
{
    return rsi_check_handle(buffer, RSI_MAGIC_BUFFER, __func__) == RAGSTORE_OK ? buffer->data
                                                                               : NULL;
}

size_t ragstore_buffer_size(const ragstore_buffer *buffer)
{
    return rsi_check_handle(buffer, RSI_MAGIC_BUFFER, __func__) == RAGSTORE_OK ? buffer->size : 0;
}

void ragstore_buffer_free(ragstore_buffer *buffer)
{
    if (buffer == NULL || rsi_check_handle(buffer, RSI_MAGIC_BUFFER, __func__) != RAGSTORE_OK)
        return;
    buffer->magic = RSI_MAGIC_FREED;
    rsi_free(buffer->data);
    rsi_free(buffer);
}
