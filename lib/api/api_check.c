/* ragstore_store_check(): the findings as JSON. */
#include "api/handles.h"

#include "base/status.h"
#include "entities/check.h"

#include <string.h>

typedef struct report {
    rsi_json_writer writer;
    rsi_bytes *out;
    bool any;
} report;

static int write_finding(void *user, const rsi_finding *finding)
{
    report *to = user;
    to->any = true;
    rsi_json_begin_object(&to->writer);
    rsi_json_put_text(&to->writer, "file", finding->file);
    rsi_json_key(&to->writer, "offset");
    if (finding->offset < 0)
        rsi_json_null_value(&to->writer);
    else
        rsi_json_integer_value(&to->writer, finding->offset);
    rsi_json_put_text(&to->writer, "record", finding->record);
    rsi_json_put_text(&to->writer, "problem", finding->problem);
    rsi_json_end_object(&to->writer);
    return rsi_bytes_status(to->out);
}

static int write_report(rsi_bytes *out, rsi_store *store)
{
    report to = {.writer = rsi_json_writer_of(out), .out = out};
    rsi_check_tally tally;
    rsi_json_begin_object(&to.writer);
    rsi_json_key(&to.writer, "findings");
    rsi_json_begin_array(&to.writer);
    int status = rsi_store_check(&tally, store, write_finding, &to);
    rsi_json_end_array(&to.writer);
    rsi_json_put_bool(&to.writer, "ok", !to.any);
    rsi_json_put_integer(&to.writer, "entities", (int64_t)tally.entities);
    rsi_json_put_integer(&to.writer, "documents", (int64_t)tally.documents);
    rsi_json_end_object(&to.writer);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

int ragstore_store_check(ragstore_buffer **out, ragstore_store *store)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = write_report(&text, store->core->store);
    return rsi_core_leave_with(out, store->core, &text, status);
}
