/* ragstore_store_check_with(): the findings as JSON. */
#include "api/findings.h"
#include "api/handles.h"

#include "base/status.h"

#include <string.h>

void rsi_findings_begin(rsi_findings *findings, rsi_bytes *out, rsi_json_writer writer)
{
    *findings = (rsi_findings){.writer = writer, .out = out};
    rsi_json_key(&findings->writer, "findings");
    rsi_json_begin_array(&findings->writer);
}

int rsi_findings_add(void *findings, const rsi_finding *finding)
{
    rsi_findings *to = findings;
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

void rsi_findings_end(rsi_findings *findings, const rsi_check_tally *tally)
{
    rsi_json_end_array(&findings->writer);
    rsi_json_put_bool(&findings->writer, "ok", !findings->any);
    rsi_json_put_integer(&findings->writer, "entities", (int64_t)tally->entities);
    rsi_json_put_integer(&findings->writer, "documents", (int64_t)tally->documents);
}

/* ---- the call ---- */

typedef struct checking {
    rsi_findings findings; /* first: what rsi_findings_add() is given */
    const ragstore_store_check_options *options;
} checking;

static int tell_progress(void *user, uint64_t done, uint64_t total)
{
    const checking *check = user;
    const ragstore_store_check_options *options = check->options;
    if (options->progress == NULL ||
        options->progress(options->progress_user, "check", done, total) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "api", "the caller cancelled the check");
}

static int write_report(rsi_bytes *out, rsi_store *store,
                        const ragstore_store_check_options *options)
{
    checking check = {.options = options};
    rsi_check_tally tally;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_findings_begin(&check.findings, out, writer);
    const rsi_check_watch watch = {rsi_findings_add, tell_progress, &check};
    int status = rsi_store_check(&tally, store, &watch);
    rsi_findings_end(&check.findings, &tally);
    rsi_json_end_object(&check.findings.writer);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

int ragstore_store_check_with(ragstore_buffer **out, ragstore_store *store,
                              const ragstore_store_check_options *options)
{
    ragstore_store_check_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = write_report(&text, store->core->store, &given);
    return rsi_core_leave_with(out, store->core, &text, status);
}

int ragstore_store_check(ragstore_buffer **out, ragstore_store *store)
{
    return ragstore_store_check_with(out, store, NULL);
}
