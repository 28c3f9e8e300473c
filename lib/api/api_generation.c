/* What the callback of a language model calls while it answers. */
#include "agent/generation.h"
#include "api/handles.h"

#include "base/status.h"

int ragstore_generation_write(ragstore_generation *generation, const char *text, size_t size)
{
    int status = rsi_check_handle(generation, RSI_MAGIC_GENERATION, __func__);
    if (status == RAGSTORE_OK && size > 0)
        status = rsi_check_not_null(text, __func__, "text");
    return status == RAGSTORE_OK ? rsi_generation_write(generation, text, size) : status;
}

int ragstore_generation_poll(ragstore_generation *generation)
{
    int status = rsi_check_handle(generation, RSI_MAGIC_GENERATION, __func__);
    return status == RAGSTORE_OK ? rsi_generation_poll(generation) : status;
}

int ragstore_generation_fail(ragstore_generation *generation, const char *reason)
{
    int status = rsi_check_handle(generation, RSI_MAGIC_GENERATION, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(reason, __func__, "reason");
    return status == RAGSTORE_OK ? rsi_generation_fail(generation, reason) : status;
}
