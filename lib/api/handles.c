/* Handles and cores: see handles.h. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/process.h"
#include "base/status.h"

#include <string.h>

int rsi_core_open(rsi_core **out, const char *path, const rsi_store_options *options)
{
    *out = NULL;
    rsi_core *core = rsi_alloc_zeroed(sizeof *core);
    if (core == NULL)
        return RAGSTORE_E_NO_MEMORY;
    pthread_mutex_init(&core->mutex, NULL);
    pthread_cond_init(&core->idle, NULL);
    core->process = rsi_process_number();
    core->handles = 1;
    core->read_only =
        (options->storage.flags & (RAGSTORE_OPEN_READ_ONLY | RAGSTORE_OPEN_IMMUTABLE)) != 0;
    core->log = (rsi_store_log){options->storage.log, options->storage.log_user, NULL};
    rsi_store_options shared = *options;
    shared.log = &core->log;
    int status = rsi_store_join(&core->store, path, &shared);
    if (status != RAGSTORE_OK) {
        core->is_closed = true;
        rsi_core_release(core);
        return status;
    }
    *out = core;
    return RAGSTORE_OK;
}

void rsi_core_retain(rsi_core *core)
{
    pthread_mutex_lock(&core->mutex);
    core->handles++;
    pthread_mutex_unlock(&core->mutex);
}

void rsi_core_release(rsi_core *core)
{
    if (rsi_core_is_foreign(core))
        return; /* a fork's child: locks may be held for ever; leave the copy alone */
    pthread_mutex_lock(&core->mutex);
    bool is_last = --core->handles == 0;
    pthread_mutex_unlock(&core->mutex);
    if (!is_last)
        return;
    rsi_store_forget(core->store);
    pthread_mutex_destroy(&core->mutex);
    pthread_cond_destroy(&core->idle);
    rsi_free(core);
}

int rsi_core_enter(rsi_core *core, const char *function)
{
    if (rsi_core_is_foreign(core))
        return rsi_fail(RAGSTORE_E_CLOSED, "api",
                        "%s: the store was opened by the process that forked this one; open it "
                        "again here",
                        function);
    pthread_mutex_lock(&core->mutex);
    bool is_closed = core->is_closed;
    if (!is_closed)
        core->calls++;
    pthread_mutex_unlock(&core->mutex);
    if (is_closed)
        return rsi_fail(RAGSTORE_E_CLOSED, "api", "%s: the store is closed", function);
    int status = rsi_storage_follow(core->store->storage);
    return status == RAGSTORE_OK ? status : rsi_core_leave(core, status);
}

int rsi_core_enter_to_write(rsi_core *core, const char *function)
{
    int status = rsi_core_enter(core, function);
    if (status != RAGSTORE_OK || !core->read_only)
        return status;
    return rsi_core_leave(core, rsi_fail(RAGSTORE_E_READ_ONLY, "api",
                                         "%s: the store was opened for reading only", function));
}

bool rsi_core_is_foreign(const rsi_core *core)
{
    return core->process != rsi_process_number();
}

int rsi_core_leave(rsi_core *core, int status)
{
    pthread_mutex_lock(&core->mutex);
    if (--core->calls == 0)
        pthread_cond_broadcast(&core->idle);
    pthread_mutex_unlock(&core->mutex);
    return status;
}

int rsi_core_leave_with(ragstore_buffer **out, rsi_core *core, rsi_bytes *text, int status)
{
    if (status == RAGSTORE_OK)
        status = rsi_buffer_from(out, text);
    rsi_bytes_free(text);
    return rsi_core_leave(core, status);
}

int rsi_core_close(rsi_core *core)
{
    if (rsi_core_is_foreign(core))
        return RAGSTORE_OK;
    pthread_mutex_lock(&core->mutex);
    core->is_closed = true;
    while (core->calls > 0)
        pthread_cond_wait(&core->idle, &core->mutex);
    pthread_mutex_unlock(&core->mutex);
    if (core->extractor.call != NULL)
        rsi_job_extractor_remove(core->store->jobs, &core->extractor);
    return rsi_wrap(rsi_store_leave(core->store, &core->log), "close store");
}

int rsi_check_handle(const void *handle, uint32_t magic, const char *function)
{
    if (handle == NULL)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: the handle is NULL", function);
    uint32_t found;
    memcpy(&found, handle, sizeof found);
    if (found == magic)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %s", function,
                    found == RSI_MAGIC_FREED ? "the handle was freed"
                                             : "the handle is of another kind");
}

int rsi_check_not_null(const void *pointer, const char *function, const char *argument)
{
    if (pointer != NULL)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: %s is NULL", function, argument);
}

int rsi_clear_out(void *out, const char *function)
{
    int status = rsi_check_not_null(out, function, "out");
    if (status == RAGSTORE_OK)
        memset(out, 0, sizeof(void *)); /* whatever it points to: all null pointers look alike */
    return status;
}

static int refuse_unknown_field(const char *function)
{
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "api",
                    "%s: the options hold a field that this version does not know", function);
}

int rsi_take_list_options(ragstore_list_options *mine, const ragstore_list_options *options,
                          uint32_t known_flags, const char *function)
{
    int status = rsi_take_options(mine, sizeof *mine, options, function);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(mine->reserved, function);
    if (status == RAGSTORE_OK && (mine->flags & ~known_flags) != 0)
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: unknown flags 0x%x", function,
                          mine->flags & ~known_flags);
    return status;
}

int rsi_check_reserved(uint32_t reserved, const char *function)
{
    return reserved == 0 ? RAGSTORE_OK : refuse_unknown_field(function);
}

int rsi_take_options(void *mine, size_t mine_size, const void *options, const char *function)
{
    size_t given;
    memset(mine, 0, mine_size);
    if (options == NULL)
        return RAGSTORE_OK;
    memcpy(&given, options, sizeof given);
    if (given < sizeof given || given > (size_t)1 << 16)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                        "%s: options->struct_size is %zu; fill the struct with its init function",
                        function, given);
    const unsigned char *bytes = options;
    for (size_t i = mine_size; i < given; i++)
        if (bytes[i] != 0)
            return refuse_unknown_field(function);
    memcpy(mine, options, given < mine_size ? given : mine_size);
    return RAGSTORE_OK;
}

int rsi_buffer_make(ragstore_buffer **out)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    (*out)->magic = RSI_MAGIC_BUFFER;
    return RAGSTORE_OK;
}

void rsi_buffer_fill(ragstore_buffer *buffer, rsi_bytes *bytes)
{
    buffer->data = rsi_bytes_take(bytes, &buffer->size);
}

int rsi_buffer_from(ragstore_buffer **out, rsi_bytes *bytes)
{
    *out = NULL;
    ragstore_buffer *buffer = rsi_alloc_zeroed(sizeof *buffer);
    if (buffer != NULL) {
        buffer->data = rsi_bytes_take(bytes, &buffer->size);
        buffer->magic = RSI_MAGIC_BUFFER;
    }
    if (buffer == NULL || buffer->data == NULL) {
        rsi_free(buffer);
        rsi_bytes_free(bytes);
        return RAGSTORE_E_NO_MEMORY;
    }
    *out = buffer;
    return RAGSTORE_OK;
}
