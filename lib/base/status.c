/*
 * Status codes and the error of the current thread: see status.h.
 *
 * One table holds every code with its name and text; the header's constants and
 * this table are compared by a test.
 */
#include "base/status.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
    const char *text;
} table[] = {
    {RAGSTORE_OK, "OK", "success"},
    {RAGSTORE_E_INVALID_ARGUMENT, "INVALID_ARGUMENT", "an argument is missing or out of range"},
    {RAGSTORE_E_WRONG_STATE, "WRONG_STATE", "the handle does not allow this call now"},
    {RAGSTORE_E_CLOSED, "CLOSED", "the store is closed"},
    {RAGSTORE_E_UNSUPPORTED, "UNSUPPORTED", "this build or processor cannot do it"},
    {RAGSTORE_E_VERSION, "VERSION", "written by a newer version of the library"},
    {RAGSTORE_E_NOT_FOUND, "NOT_FOUND", "there is no such thing"},
    {RAGSTORE_E_EXISTS, "EXISTS", "it exists already"},
    {RAGSTORE_E_CONFLICT, "CONFLICT", "changed meanwhile, or contradictory"},
    {RAGSTORE_E_DAMAGED, "DAMAGED", "stored data fails its check"},
    {RAGSTORE_E_INVALID_DATA, "INVALID_DATA", "the given data is not valid"},
    {RAGSTORE_E_NOT_EXTRACTABLE, "NOT_EXTRACTABLE", "no text can be taken from this document"},
    {RAGSTORE_E_EMBEDDER, "EMBEDDER", "the embedding model is missing or another one"},
    {RAGSTORE_E_QUERY, "QUERY", "the query has an unknown or malformed operator"},
    {RAGSTORE_E_MODEL, "MODEL", "the language model failed"},
    {RAGSTORE_E_NO_MEMORY, "NO_MEMORY", "out of memory"},
    {RAGSTORE_E_TOO_LARGE, "TOO_LARGE", "over a documented limit"},
    {RAGSTORE_E_BUSY, "BUSY", "held by another process or thread"},
    {RAGSTORE_E_DISK_FULL, "DISK_FULL", "no space left on the disk"},
    {RAGSTORE_E_INTERRUPTED, "INTERRUPTED", "the call was interrupted"},
    {RAGSTORE_E_IO, "IO", "reading or writing failed"},
    {RAGSTORE_E_PERMISSION, "PERMISSION", "the operating system refused access"},
    {RAGSTORE_E_READ_ONLY, "READ_ONLY", "the store is open for reading only"},
    {RAGSTORE_E_FAILED, "FAILED", "an earlier flush failed; reopen the store"},
    {RAGSTORE_E_INTERNAL, "INTERNAL", "a defect of the library"},
};

static _Thread_local rsi_saved_error current;

/* Cut at RSI_MESSAGE_MAX without splitting a UTF-8 sequence, and show that it was cut. */
static void end_with_ellipsis(char *message)
{
    size_t end = RSI_MESSAGE_MAX - 1 - 3;
    while (end > 0 && ((unsigned char)message[end] & 0xC0) == 0x80)
        end--;
    memcpy(message + end, "\xE2\x80\xA6", 4);
}

/* Callers' ids and paths may hold any bytes, and a precision may cut one short: what is not UTF-8
 * becomes question marks. */
static void keep_utf8(char *message)
{
    size_t bad;
    size_t size = strlen(message);
    while (!rsi_utf8_valid(message, size, &bad))
        message[bad] = '?';
}

/* The arguments may be the message that was there: it is written only when the new one is done. */
static void set_message(const char *format, va_list arguments)
{
    char message[RSI_MESSAGE_MAX];
    int length = vsnprintf(message, sizeof message, format, arguments);
    if (length < 0)
        message[0] = '\0';
    else if ((size_t)length >= sizeof message)
        end_with_ellipsis(message);
    keep_utf8(message);
    memcpy(current.message, message, strlen(message) + 1);
}

static void set_origin(int code, int system_errno, const char *room)
{
    current.code = code;
    current.system_errno = system_errno;
    snprintf(current.room, sizeof current.room, "%s", room);
}

int rsi_fail(int code, const char *room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_message(format, arguments);
    va_end(arguments);
    set_origin(code, 0, room);
    return code;
}

int rsi_fail_errno(int code, int system_errno, const char *room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_message(format, arguments);
    va_end(arguments);
    set_origin(code, system_errno, room);

    char reason[128];
    const char *text = strerror_r(system_errno, reason, sizeof reason);
    size_t used = strlen(current.message);
    int length = snprintf(current.message + used, sizeof current.message - used, ": %s", text);
    if (length < 0 || (size_t)length >= sizeof current.message - used)
        end_with_ellipsis(current.message);
    return code;
}

int rsi_wrap(int code, const char *format, ...)
{
    if (code >= 0 || code == RAGSTORE_E_NO_MEMORY)
        return code;
    char inner[RSI_MESSAGE_MAX];
    memcpy(inner, current.message, sizeof inner);

    va_list arguments;
    va_start(arguments, format);
    set_message(format, arguments);
    va_end(arguments);
    size_t used = strlen(current.message);
    int length = snprintf(current.message + used, sizeof current.message - used, ": %s", inner);
    if (length < 0 || (size_t)length >= sizeof current.message - used)
        end_with_ellipsis(current.message);
    return code;
}

int rsi_fail_no_memory(void)
{
    static const char text[] = "out of memory";
    set_origin(RAGSTORE_E_NO_MEMORY, ENOMEM, "base");
    memcpy(current.message, text, sizeof text);
    return RAGSTORE_E_NO_MEMORY;
}

int rsi_for_now(int code)
{
    if (code < 0 && code != RAGSTORE_E_NO_MEMORY)
        current.system_errno = EAGAIN;
    return code;
}

bool rsi_is_for_now(int code)
{
    return code < 0 && current.code == code && current.system_errno == EAGAIN;
}

int rsi_code_of_errno(int system_errno)
{
    switch (system_errno) {
    case ENOMEM:
        return RAGSTORE_E_NO_MEMORY;
    case ENOENT:
        return RAGSTORE_E_NOT_FOUND;
    case EEXIST:
        return RAGSTORE_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return RAGSTORE_E_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return RAGSTORE_E_PERMISSION;
    default:
        return RAGSTORE_E_IO;
    }
}

void rsi_error_save(rsi_saved_error *saved)
{
    *saved = current;
}

void rsi_error_restore(const rsi_saved_error *saved)
{
    current = *saved;
}

int rsi_error_code(void)
{
    return current.code;
}

int rsi_error_errno(void)
{
    return current.system_errno;
}

const char *rsi_error_room(void)
{
    return current.room;
}

const char *rsi_error_message(void)
{
    return current.message;
}

const char *rsi_status_name(int code)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].code == code)
            return table[i].name;
    return "UNKNOWN";
}

const char *rsi_status_text(int code)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].code == code)
            return table[i].text;
    return "an unknown status code";
}
