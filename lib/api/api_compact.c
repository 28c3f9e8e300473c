/* ragstore_store_compact(). */
#include "api/handles.h"

#include "base/status.h"
#include "entities/compact.h"

#include <string.h>

static void write_report(rsi_bytes *out, const rsi_compaction *compaction)
{
    const rsi_bytes *names = &compaction->quarantine;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_put_integer(&writer, "bytes_before", (int64_t)compaction->bytes_before);
    rsi_json_put_integer(&writer, "bytes_after", (int64_t)compaction->bytes_after);
    rsi_json_key(&writer, "quarantine");
    rsi_json_begin_array(&writer);
    for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1)
        rsi_json_text_value(&writer, names->data + at, strlen(names->data + at));
    rsi_json_end_array(&writer);
    rsi_json_end_object(&writer);
}

static int compact(rsi_bytes *out, rsi_store *store, const ragstore_store_compact_options *given)
{
    rsi_compaction compaction = {.progress = given->progress,
                                 .progress_user = given->progress_user};
    if (rsi_tx_is_open(store->storage))
        return rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                        "this thread has a batch; commit or abort it first");
    int status = rsi_store_compact(&compaction, store);
    if (status == RAGSTORE_OK) {
        write_report(out, &compaction);
        status = rsi_bytes_status(out);
    }
    rsi_bytes_free(&compaction.quarantine);
    return rsi_wrap(status, "compact");
}

int ragstore_store_compact(ragstore_buffer **out, ragstore_store *store,
                           const ragstore_store_compact_options *options)
{
    ragstore_store_compact_options given;
    rsi_bytes text = {0};
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = compact(&text, store->core->store, &given);
    if (out != NULL)
        return rsi_core_leave_with(out, store->core, &text, status);
    rsi_bytes_free(&text);
    return rsi_core_leave(store->core, status);
}
