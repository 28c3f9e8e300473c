/* ragstore_store_backup(), ragstore_backup_verify(), ragstore_store_restore(). */
#include "api/findings.h"
#include "api/handles.h"

#include "base/status.h"
#include "entities/backup.h"

#include <string.h>

/* A report in the making: the findings come first. */
typedef struct report {
    rsi_bytes text;
    rsi_findings findings;
    rsi_backup_work work;
} report;

static void begin_report(report *to, const ragstore_backup_options *given)
{
    rsi_json_writer writer = rsi_json_writer_of(&to->text);
    rsi_json_begin_object(&writer);
    rsi_findings_begin(&to->findings, &to->text, writer);
    to->work.progress = given->progress;
    to->work.progress_user = given->progress_user;
    to->work.unchecked = (given->flags & RAGSTORE_BACKUP_UNCHECKED) != 0;
    to->work.visit = rsi_findings_add;
    to->work.user = &to->findings;
}

static int end_report(report *to, int status)
{
    const rsi_backup_facts *facts = &to->work.facts;
    rsi_json_writer *writer = &to->findings.writer;
    if (status != RAGSTORE_OK)
        return status;
    rsi_findings_end(&to->findings, &to->work.tally);
    rsi_json_put_bool(writer, "checked", !to->work.unchecked);
    rsi_json_put_text(writer, "store_id", facts->store_id);
    rsi_json_put_text(writer, "created_at", facts->created_at);
    rsi_json_put_integer(writer, "files", (int64_t)facts->files);
    rsi_json_put_integer(writer, "bytes", (int64_t)facts->bytes);
    rsi_json_put_integer(writer, "held_ms", facts->held_us / 1000);
    rsi_json_end_object(writer);
    return rsi_bytes_status(&to->text);
}

static int take_backup_options(ragstore_backup_options *given,
                               const ragstore_backup_options *options, const char *function)
{
    int status = rsi_take_options(given, sizeof *given, options, function);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(given->reserved, function);
    if (status == RAGSTORE_OK && (given->flags & ~RAGSTORE_BACKUP_UNCHECKED) != 0)
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: unknown flags 0x%x", function,
                          given->flags & ~RAGSTORE_BACKUP_UNCHECKED);
    return status;
}

/* What a call without a store has written becomes its answer. */
static int hand_over(ragstore_buffer **out, report *to, int status)
{
    if (status == RAGSTORE_OK && out != NULL)
        status = rsi_buffer_from(out, &to->text);
    rsi_bytes_free(&to->text);
    return status;
}

int ragstore_store_backup(ragstore_buffer **out, ragstore_store *store, const char *directory,
                          const ragstore_backup_options *options)
{
    ragstore_backup_options given;
    report to = {0};
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(directory, __func__, "directory");
    if (status == RAGSTORE_OK)
        status = take_backup_options(&given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    if (rsi_tx_is_open(store->core->store->storage)) {
        status = rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                          "this thread has a batch; commit or abort it first");
    } else {
        begin_report(&to, &given);
        status = end_report(&to, rsi_backup_store(&to.work, store->core->store, directory));
    }
    return rsi_core_leave(store->core, hand_over(out, &to, status));
}

int ragstore_backup_verify(ragstore_buffer **out, const char *directory,
                           const ragstore_backup_options *options)
{
    ragstore_backup_options given;
    report to = {0};
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(directory, __func__, "directory");
    if (status == RAGSTORE_OK)
        status = take_backup_options(&given, options, __func__);
    if (status != RAGSTORE_OK)
        return status;
    begin_report(&to, &given);
    return hand_over(out, &to, end_report(&to, rsi_backup_look(&to.work, directory)));
}

int ragstore_store_restore(ragstore_buffer **out, const char *backup, const char *directory,
                           const ragstore_backup_options *options)
{
    ragstore_backup_options given;
    report to = {0};
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(backup, __func__, "backup");
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(directory, __func__, "directory");
    if (status == RAGSTORE_OK)
        status = take_backup_options(&given, options, __func__);
    if (status != RAGSTORE_OK)
        return status;
    begin_report(&to, &given);
    return hand_over(out, &to, end_report(&to, rsi_backup_restore(&to.work, backup, directory)));
}
