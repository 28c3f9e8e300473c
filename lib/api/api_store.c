/* Store and batch. */
#include "api/handles.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "entities/export.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_BUSY_TIMEOUT_MS 5000
#define DEFAULT_MEMORY_LIMIT ((uint64_t)1 << 30)

#define ALL_OPEN_FLAGS                                                                             \
    (RAGSTORE_OPEN_MUST_EXIST | RAGSTORE_OPEN_MUST_CREATE | RAGSTORE_OPEN_READ_ONLY |              \
     RAGSTORE_OPEN_IMMUTABLE | RAGSTORE_OPEN_NO_BACKGROUND | RAGSTORE_OPEN_NO_REEMBED)

static int check_open_options(const ragstore_store_open_options *given)
{
    if ((given->flags & ~ALL_OPEN_FLAGS) != 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "unknown flags 0x%x",
                        given->flags & ~ALL_OPEN_FLAGS);
    if ((given->flags & RAGSTORE_OPEN_MUST_CREATE) != 0 &&
        (given->flags &
         (RAGSTORE_OPEN_MUST_EXIST | RAGSTORE_OPEN_READ_ONLY | RAGSTORE_OPEN_IMMUTABLE)) != 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                        "MUST_CREATE does not go with MUST_EXIST, READ_ONLY or IMMUTABLE");
    if (given->durability > RAGSTORE_DURABILITY_NORMAL)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "unknown durability %u",
                        given->durability);
    return given->model == NULL
               ? RAGSTORE_OK
               : rsi_check_handle(given->model, RSI_MAGIC_MODEL, "options->model");
}

static rsi_store_options convert_open_options(const ragstore_store_open_options *given)
{
    rsi_store_options options = {0};
    options.storage.flags = given->flags;
    options.storage.durability =
        given->durability == 0 ? RAGSTORE_DURABILITY_FULL : given->durability;
    options.storage.busy_timeout_ms = given->busy_timeout_ms == 0 ? DEFAULT_BUSY_TIMEOUT_MS
                                      : given->busy_timeout_ms == RAGSTORE_NO_WAIT
                                          ? 0
                                          : given->busy_timeout_ms;
    options.storage.log = given->log;
    options.storage.log_user = given->log_user;
    options.memory_limit_bytes =
        given->memory_limit_bytes == 0 ? DEFAULT_MEMORY_LIMIT : given->memory_limit_bytes;
    options.embedder = given->model == NULL ? NULL : given->model->embedder;
    options.run_job = rsi_ingest_run_job;
    options.offer_jobs =
        (given->flags & RAGSTORE_OPEN_NO_REEMBED) == 0 ? rsi_reembed_offer : NULL;
    options.background = (given->flags & RAGSTORE_OPEN_NO_BACKGROUND) == 0;
    return options;
}

int ragstore_store_open(ragstore_store **out, const char *path,
                        const ragstore_store_open_options *options)
{
    ragstore_store_open_options given;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(path, __func__, "path");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(given.reserved, __func__);
    if (status == RAGSTORE_OK)
        status = check_open_options(&given);
    if (status != RAGSTORE_OK)
        return status;
    rsi_store_options converted = convert_open_options(&given);
    ragstore_store *store = rsi_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return RAGSTORE_E_NO_MEMORY;
    status = rsi_core_open(&store->core, path, &converted);
    if (status != RAGSTORE_OK) {
        rsi_free(store);
        return rsi_wrap(status, "open store %s", path);
    }
    store->core->extractor.call = given.extract;
    store->core->extractor.user = given.extract_user;
    if (given.extract != NULL)
        rsi_job_extractor_add(store->core->store->jobs, &store->core->extractor);
    store->magic = RSI_MAGIC_STORE;
    *out = store;
    return RAGSTORE_OK;
}

/* A batch of this thread would make the close wait for itself: it is forgotten. */
static void forget_own_batch(rsi_core *core)
{
    ragstore_batch *batch = core->batch;
    if (rsi_core_is_foreign(core) || !rsi_tx_is_open(core->store->storage) || batch == NULL)
        return;
    core->batch = NULL;
    rsi_tx_abort(batch->tx);
    batch->tx = NULL;
    rsi_core_leave(core, RAGSTORE_OK);
}

int ragstore_store_close(ragstore_store *store)
{
    if (store == NULL)
        return RAGSTORE_OK;
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status != RAGSTORE_OK)
        return status;
    store->magic = RSI_MAGIC_FREED;
    rsi_core *core = store->core;
    rsi_free(store);
    forget_own_batch(core);
    status = rsi_core_close(core);
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_core_release(core);
    rsi_error_restore(&error);
    return status;
}

/* Check the handle and begin a call. */
static int enter(const ragstore_store *store, const char *function)
{
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, function);
    return status == RAGSTORE_OK ? rsi_core_enter(store->core, function) : status;
}

static int enter_to_write(const ragstore_store *store, const char *function)
{
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(store->core, function) : status;
}

typedef struct totals {
    rsi_store *store;
    uint64_t documents;
    uint64_t chunks;
    size_t unreadable; /* entities whose records are damaged */
} totals;

static int add_up(totals *sum, rsi_store *store)
{
    rsi_bytes ids = {0};
    int status = rsi_storage_keys(&ids, &sum->unreadable, store->storage, RSI_SPACE_ENTITIES);
    for (size_t at = 0; status == RAGSTORE_OK && at < ids.size; at += strlen(ids.data + at) + 1) {
        uint64_t documents;
        uint64_t chunks;
        status = rsi_entity_totals(&documents, &chunks, store, ids.data + at);
        sum->documents += documents;
        sum->chunks += chunks;
    }
    rsi_bytes_free(&ids);
    return status;
}

static void put_unreadable(rsi_json_writer *writer, size_t count)
{
    char text[96];
    int size = snprintf(text, sizeof text,
                        "records of entities that cannot be read: %zu; a check names them", count);
    rsi_json_text_value(writer, text, (size_t)size);
}

static int describe(rsi_bytes *out, const rsi_core *core)
{
    rsi_store *store = core->store;
    totals sum = {.store = store};
    rsi_bytes failure = {0};
    int status = add_up(&sum, store);
    if (status == RAGSTORE_OK)
        status = rsi_storage_failure(&failure, store->storage);
    const bool failed = failure.size > 0;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "path", store->path);
    rsi_json_put_text(&writer, "store_id", rsi_storage_id(store->storage));
    rsi_json_put_integer(&writer, "format", 1);
    rsi_json_put_bool(&writer, "read_only", core->read_only);
    rsi_json_put_text(&writer, "state",
                      failed ? "failed" : sum.unreadable > 0 ? "degraded" : "ok");
    rsi_json_key(&writer, "problems");
    rsi_json_begin_array(&writer);
    if (failed)
        rsi_json_text_value(&writer, failure.data, failure.size);
    if (sum.unreadable > 0)
        put_unreadable(&writer, sum.unreadable);
    rsi_json_end_array(&writer);
    rsi_json_put_integer(&writer, "entities",
                         (int64_t)rsi_storage_count(store->storage, RSI_SPACE_ENTITIES));
    rsi_json_put_integer(&writer, "documents", (int64_t)sum.documents);
    rsi_json_put_integer(&writer, "chunks", (int64_t)sum.chunks);
    rsi_json_put_integer(&writer, "sessions",
                         (int64_t)rsi_storage_count(store->storage, RSI_SPACE_SESSIONS));
    rsi_json_put_text(&writer, "embedder",
                      store->embedder == NULL ? NULL : rsi_embedder_fingerprint(store->embedder));
    rsi_json_put_integer(&writer, "journal_bytes",
                         (int64_t)rsi_storage_journal_bytes(store->storage));
    rsi_json_end_object(&writer);
    rsi_bytes_free(&failure);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

int ragstore_store_describe(ragstore_buffer **out, ragstore_store *store)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = describe(&text, store->core);
    return rsi_core_leave_with(out, store->core, &text, status);
}

int ragstore_store_export(ragstore_store *store)
{
    int status = enter_to_write(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_saved_error damage;
    const int written = rsi_storage_checkpoint(store->core->store->storage);
    rsi_error_save(&damage);
    status = written;
    if (written == RAGSTORE_OK || written == RAGSTORE_E_DAMAGED)
        status = rsi_export_all(store->core->store);
    if (status == RAGSTORE_OK && written != RAGSTORE_OK) {
        rsi_error_restore(&damage);
        status = written;
    }
    return rsi_core_leave(store->core, rsi_wrap(status, "export"));
}

int ragstore_store_maintain(ragstore_store *store, uint32_t budget_ms)
{
    int status = enter_to_write(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    int64_t deadline = rsi_monotonic_ms() + budget_ms;
    bool did = true;
    status = rsi_storage_flush(store->core->store->storage);
    while (status == RAGSTORE_OK && did) {
        status = rsi_upkeep_step(store->core->store, true, &did);
        if (status == RAGSTORE_OK && !did)
            status = rsi_upkeep_offer_jobs(store->core->store, &did);
        if (status == RAGSTORE_OK && !did)
            status = rsi_jobs_step(store->core->store->jobs, &did);
        if (rsi_monotonic_ms() >= deadline)
            break;
    }
    return rsi_core_leave(store->core, rsi_wrap(status, "maintain"));
}

int ragstore_store_interrupt(ragstore_store *store)
{
    int status = enter(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_store_interrupt(store->core->store);
    return rsi_core_leave(store->core, RAGSTORE_OK);
}

/* ---- batch ---- */

int ragstore_batch_begin(ragstore_batch **out, ragstore_store *store)
{
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter_to_write(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = store->core;
    ragstore_batch *batch = rsi_alloc_zeroed(sizeof *batch);
    if (batch == NULL)
        return rsi_core_leave(core, RAGSTORE_E_NO_MEMORY);
    status = rsi_tx_is_open(core->store->storage)
                 ? rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                            "%s: this thread has a batch already; commit or abort it first",
                            __func__)
                 : rsi_tx_begin(&batch->tx, core->store->storage);
    if (status != RAGSTORE_OK) {
        rsi_free(batch);
        return rsi_core_leave(core, status);
    }
    batch->magic = RSI_MAGIC_BATCH;
    batch->core = core;
    batch->owner = pthread_self();
    core->batch = batch;
    rsi_core_retain(core);
    *out = batch;
    return RAGSTORE_OK; /* the call goes on until the batch ends: close waits for it */
}

static int end_batch(ragstore_batch *batch, bool commit)
{
    rsi_core *core = batch->core;
    int status = RAGSTORE_OK;
    batch->magic = RSI_MAGIC_FREED;
    if (rsi_core_is_foreign(core)) {
        status = rsi_fail(RAGSTORE_E_CLOSED, "api",
                          "the batch belongs to the process that forked this one");
    } else if (batch->tx == NULL) {
        status = rsi_fail(RAGSTORE_E_CLOSED, "api", "the store was closed, the batch is forgotten");
    } else {
        core->batch = NULL;
        if (commit)
            status = rsi_tx_commit(batch->tx);
        else
            rsi_tx_abort(batch->tx);
        rsi_core_leave(core, status);
    }
    rsi_free(batch);
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_core_release(core);
    rsi_error_restore(&error);
    return rsi_wrap(status, "commit a batch");
}

int ragstore_batch_commit(ragstore_batch *batch)
{
    int status = rsi_check_handle(batch, RSI_MAGIC_BATCH, __func__);
    if (status != RAGSTORE_OK)
        return status;
    if (!pthread_equal(batch->owner, pthread_self()))
        return rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                        "%s: the batch belongs to the thread that began it", __func__);
    return end_batch(batch, true);
}

void ragstore_batch_abort(ragstore_batch *batch)
{
    if (batch == NULL || rsi_check_handle(batch, RSI_MAGIC_BATCH, __func__) != RAGSTORE_OK)
        return;
    if (!pthread_equal(batch->owner, pthread_self())) {
        rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                 "%s: the batch belongs to the thread that began it", __func__);
        return;
    }
    end_batch(batch, false);
}
