/* What an extractor calls to hand over a document's text. */
#include "api/handles.h"

#include "base/status.h"
#include "ingest/extract_callback.h"

int ragstore_extraction_add(ragstore_extraction *extraction, uint32_t kind, uint32_t level,
                            uint32_t page, const char *text, size_t size)
{
    int status = rsi_check_handle(extraction, RSI_MAGIC_EXTRACTION, __func__);
    if (status == RAGSTORE_OK && size > 0)
        status = rsi_check_not_null(text, __func__, "text");
    return status == RAGSTORE_OK ? rsi_extraction_add(extraction, kind, level, page, text, size)
                                 : status;
}

int ragstore_extraction_set_media_type(ragstore_extraction *extraction, const char *media_type)
{
    int status = rsi_check_handle(extraction, RSI_MAGIC_EXTRACTION, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(media_type, __func__, "media_type");
    return status == RAGSTORE_OK ? rsi_extraction_set_media_type(extraction, media_type) : status;
}

int ragstore_extraction_progress(ragstore_extraction *extraction, uint64_t done, uint64_t total)
{
    int status = rsi_check_handle(extraction, RSI_MAGIC_EXTRACTION, __func__);
    return status == RAGSTORE_OK ? rsi_extraction_progress(extraction, done, total) : status;
}

int ragstore_extraction_refuse(ragstore_extraction *extraction, int status, const char *reason)
{
    int checked = rsi_check_handle(extraction, RSI_MAGIC_EXTRACTION, __func__);
    if (checked == RAGSTORE_OK)
        checked = rsi_check_not_null(reason, __func__, "reason");
    return checked == RAGSTORE_OK ? rsi_extraction_refuse(extraction, status, reason) : checked;
}
