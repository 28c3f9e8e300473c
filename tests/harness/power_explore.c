/* Workloads on a disk that loses power: see power_explore.h. */
#include "harness/power_explore.h"

#include "base/status.h"
#include "files/paths.h"
#include "harness/power_internal.h"
#include "storage/base.h"
#include "storage/journal.h"
#include "storage/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS 3
#define ROWS 4

const char *power_step_name(power_step step)
{
    static const char *const names[POWER_STEPS] = {
        "entity-new", "entity-put",   "entity-gone", "document-add", "document-drop", "session-put",
        "message",    "session-drop", "segment",     "batch",        "abort",         "checkpoint",
        "compact",    "flush",        "reopen",      "kill"};
    return step < POWER_STEPS ? names[step] : "?";
}

/* ---- cutting ---- */

bool power_explorer_cut(power_explorer *explorer)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    for (unsigned i = 0; i < explorer->choices && explorer->failure[0] == '\0' &&
                         explorer->states < explorer->state_limit;
         i++) {
        uint64_t seed = i == 0 ? POWER_KEEP_NOTHING
                               : POWER_KEEP_ALL + power_random(&explorer->seed, 1u << 30);
        /* some processes are only killed, and the power goes when the next one has begun */
        bool killed = i > 0 && power_random(&explorer->seed, 4) == 0;
        power_explorer_check(explorer,
                             killed ? power_disk_kill(explorer->disk)
                                    : power_disk_cut(explorer->disk, seed),
                             0);
    }
    rsi_error_restore(&error);
    return explorer->failure[0] == '\0';
}

static void cut_before_operation(void *user, power_disk *disk, uint64_t operation)
{
    (void)disk;
    (void)operation;
    power_explorer_cut(user);
}

void power_explorer_begin(power_explorer *explorer, power_disk *disk, const rsi_file_table *table,
                          uint64_t seed)
{
    memset(explorer, 0, sizeof *explorer);
    explorer->disk = disk;
    explorer->table = table != NULL ? table : power_disk_table(disk);
    explorer->durability = RAGSTORE_DURABILITY_FULL;
    explorer->choices = 3;
    explorer->seed = seed;
    explorer->state_limit = UINT64_MAX;
    explorer->texts = power_resize(NULL, sizeof *explorer->texts);
    explorer->texts[0] = power_model_text(&explorer->model);
    power_disk_hook(disk, cut_before_operation, explorer);
}

void power_explorer_end(power_explorer *explorer)
{
    power_disk_hook(explorer->disk, NULL, NULL);
    rsi_storage_free(explorer->storage);
    for (size_t i = 0; i <= explorer->last; i++)
        free(explorer->texts[i]);
    free(explorer->texts);
    power_model_free(&explorer->model);
}

/* ---- opening and closing ---- */

/* All that has been acknowledged is durable now. */
static bool settled(power_explorer *explorer)
{
    explorer->floor = explorer->last;
    return power_explorer_cut(explorer);
}

static bool compare_live(power_explorer *explorer, const char *when)
{
    char *text;
    if (power_storage_text(&text, explorer->storage) != RAGSTORE_OK)
        return power_explorer_fail(explorer, "%s: reading: %s", when, rsi_error_message());
    bool same = strcmp(text, explorer->texts[explorer->last]) == 0;
    free(text);
    return same || power_explorer_fail(explorer, "%s: the store does not hold what was put there",
                                       when);
}

void power_choose_small(bool in_memory)
{
    rsi_base_small_bytes = in_memory ? (uint64_t)64 << 10 : 0;
    rsi_journal_fill_from = in_memory ? (uint64_t)4 << 10 : 0;
    rsi_segment_from = in_memory ? (size_t)4 << 20 : 60;
}

bool power_explorer_open(power_explorer *explorer)
{
    const rsi_storage_options options = {
        .durability = explorer->durability,
        .files = explorer->table,
    };
    power_choose_small(power_random(&explorer->seed, 2) == 0);
    if (rsi_storage_open(&explorer->storage, "/store", &options) != RAGSTORE_OK) {
        explorer->storage = NULL;
        return power_explorer_fail(explorer, "opening: %s", rsi_error_message());
    }
    explorer->was_open = true;
    return settled(explorer) && compare_live(explorer, "opened");
}

bool power_explorer_close(power_explorer *explorer)
{
    int status = rsi_storage_close(explorer->storage);
    rsi_storage_free(explorer->storage);
    explorer->storage = NULL;
    if (status != RAGSTORE_OK)
        return power_explorer_fail(explorer, "closing: %s", rsi_error_message());
    return settled(explorer);
}

/* ---- changes ---- */

typedef struct change {
    power_explorer *explorer;
    rsi_tx *tx;
    power_model *next;
    unsigned entity_changes; /* coming and going is done once in a transaction */
} change;

static uint64_t pick(change *in, uint64_t limit)
{
    return power_random(&in->explorer->seed, limit);
}

static int put(change *in, const char *space, const char *key, const char *json)
{
    char name[200];
    snprintf(name, sizeof name, "%s/%s", space, key);
    power_model_set(in->next, name, json);
    return rsi_tx_put(in->tx, space, key, json, strlen(json));
}

static int row_put(change *in, const char *space, const char *key, uint64_t number,
                   const char *json)
{
    char name[200];
    snprintf(name, sizeof name, "%s/%s#%05" PRIu64, space, key, number);
    power_model_set(in->next, name, json);
    return rsi_tx_row_put(in->tx, space, key, number, json, strlen(json));
}

static int row_drop(change *in, const char *space, const char *key, uint64_t number)
{
    char name[200];
    snprintf(name, sizeof name, "%s/%s#%05" PRIu64, space, key, number);
    power_model_drop(in->next, name);
    return rsi_tx_row_drop(in->tx, space, key, number);
}

static bool has(const power_model *model, const char *space, const char *key)
{
    char name[200];
    snprintf(name, sizeof name, "%s/%s", space, key);
    return power_model_has(model, name);
}

static bool has_row(const power_model *model, const char *space, const char *key, uint64_t number)
{
    char row[64];
    snprintf(row, sizeof row, "%.32s#%05" PRIu64, key, number);
    return has(model, space, row);
}

static int entity_put(change *in, const char *id, const char *incarnation)
{
    char json[200];
    snprintf(json, sizeof json, "{\"_id\":\"%s\",\"incarnation\":\"%s\",\"n\":%u}", id,
             incarnation, ++in->explorer->made);
    return put(in, RSI_SPACE_ENTITIES, id, json);
}

/* The incarnation in the model's record of an entity. */
static void incarnation_of(char out[33], const power_model *model, const char *id)
{
    char name[200];
    int size = snprintf(name, sizeof name, RSI_SPACE_ENTITIES "/%s=", id);
    memset(out, 0, 33);
    for (size_t i = 0; i < model->count; i++)
        if (strncmp(model->lines[i], name, (size_t)size) == 0)
            memcpy(out, strstr(model->lines[i], "incarnation\":\"") + 14, 32);
}

static int entity_new(change *in, const char *id)
{
    char incarnation[33];
    snprintf(incarnation, sizeof incarnation, "%032x", ++in->explorer->made);
    in->entity_changes++;
    int status = entity_put(in, id, incarnation);
    return status == RAGSTORE_OK ? rsi_tx_come(in->tx, id, incarnation) : status;
}

static int entity_gone(change *in, const char *id)
{
    char name[200];
    char incarnation[33];
    incarnation_of(incarnation, in->next, id);
    in->entity_changes++;
    const char *const places[] = {RSI_SPACE_ENTITIES, RSI_SPACE_CHUNKS, RSI_PATH_UPLOADS};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(name, sizeof name, "%s/%s", places[i], id);
        power_model_drop(in->next, name);
    }
    int status = rsi_tx_drop(in->tx, RSI_SPACE_ENTITIES, id);
    return status == RAGSTORE_OK ? rsi_tx_gone(in->tx, id, incarnation) : status;
}

/* ---- documents: a row, chunks, a file ---- */

static int write_incoming(change *in, const char *id, const char *incoming, const char *text)
{
    rsi_root *root = rsi_storage_root(in->explorer->storage);
    rsi_file *file;
    int status = rsi_file_open(&file, root, rsi_path_upload(id, incoming).text,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_write_at(file, text, strlen(text), 0);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    if (status == RAGSTORE_OK)
        status = closed;
    return status == RAGSTORE_OK ? rsi_directory_flush(root, rsi_path_uploads(id).text) : status;
}

/* Each document has two chunks, whose numbers follow from its row; `padding` makes them long. */
static int put_chunks(change *in, const char *id, uint64_t row, size_t padding)
{
    int status = RAGSTORE_OK;
    char *json = power_resize(NULL, padding + 100);
    for (uint64_t i = 0; status == RAGSTORE_OK && i < 2; i++) {
        int at = snprintf(json, 100, "{\"doc_id\":\"d%" PRIu64 "\",\"n\":%u,\"text\":\"", row,
                          ++in->explorer->made);
        memset(json + at, 'a' + (int)(in->explorer->made % 26), padding);
        memcpy(json + (size_t)at + padding, "\"}", 3);
        status = row_put(in, RSI_SPACE_CHUNKS, id, row * 2 + i, json);
    }
    free(json);
    return status;
}

static int document_add(change *in, const char *id, uint64_t row, size_t padding)
{
    char json[200];
    char stored[40];
    char incoming[40];
    char name[200];
    const unsigned number = ++in->explorer->made;
    snprintf(stored, sizeof stored, "file-%u.txt", number);
    snprintf(incoming, sizeof incoming, RSI_INCOMING_PREFIX "%016x", number);
    snprintf(json, sizeof json, "{\"doc_id\":\"d%" PRIu64 "\",\"stored_name\":\"%s\"}", row,
             stored);
    int status = write_incoming(in, id, incoming, json);
    if (status == RAGSTORE_OK)
        status = row_put(in, RSI_SPACE_ENTITIES, id, row, json);
    if (status == RAGSTORE_OK)
        status = put_chunks(in, id, row, padding);
    snprintf(name, sizeof name, "uploads/%s/%s", id, stored);
    power_model_set(in->next, name, json);
    return status == RAGSTORE_OK ? rsi_tx_file(in->tx, id, incoming, stored) : status;
}

static int document_drop(change *in, const char *id, uint64_t row)
{
    char name[200];
    char stored[40] = "";
    int size = snprintf(name, sizeof name, RSI_SPACE_ENTITIES "/%s#%05" PRIu64 "=", id, row);
    for (size_t i = 0; i < in->next->count; i++)
        if (strncmp(in->next->lines[i], name, (size_t)size) == 0)
            sscanf(strstr(in->next->lines[i], "stored_name\":\"") + 14, "%39[^\"]", stored);
    int status = row_drop(in, RSI_SPACE_ENTITIES, id, row);
    for (uint64_t i = 0; status == RAGSTORE_OK && i < 2; i++)
        status = row_drop(in, RSI_SPACE_CHUNKS, id, row * 2 + i);
    snprintf(name, sizeof name, "uploads/%s/%s", id, stored);
    power_model_drop(in->next, name);
    return status == RAGSTORE_OK ? rsi_tx_unlink(in->tx, id, stored) : status;
}

/* ---- steps ---- */

/* Make one change of a kind where it is possible, else a harmless one. */
static int change_something(change *in, power_step step)
{
    char id[8];
    char session[8];
    char json[200];
    if (in->explorer->no_files && step <= STEP_SEGMENT && step != STEP_MESSAGE &&
        step != STEP_SESSION_DROP && step != STEP_ENTITY_PUT && step != STEP_ENTITY_NEW)
        step = STEP_SESSION_PUT;
    const power_model *now = &in->explorer->model; /* folders are there once this is committed */
    snprintf(id, sizeof id, "e%u", (unsigned)pick(in, IDS));
    snprintf(session, sizeof session, "s%u", (unsigned)pick(in, IDS));
    for (unsigned i = 0; i < IDS; i++) { /* an id that suits the step, if there is one */
        bool is_there = has(now, RSI_SPACE_ENTITIES, id) && has(in->next, RSI_SPACE_ENTITIES, id);
        if (is_there != (step == STEP_ENTITY_NEW))
            break;
        snprintf(id, sizeof id, "e%u", (unsigned)(id[1] - '0' + 1) % IDS);
    }
    const bool entity = has(now, RSI_SPACE_ENTITIES, id) && has(in->next, RSI_SPACE_ENTITIES, id);
    const bool free_id =
        !has(now, RSI_SPACE_ENTITIES, id) && !has(in->next, RSI_SPACE_ENTITIES, id);
    uint64_t row = 0;
    while (row < ROWS && has_row(in->next, RSI_SPACE_ENTITIES, id, row) !=
                             (step == STEP_DOCUMENT_DROP))
        row++;

    if (step == STEP_ENTITY_NEW && free_id && in->entity_changes == 0)
        return entity_new(in, id);
    if (step == STEP_ENTITY_GONE && entity && in->entity_changes == 0)
        return entity_gone(in, id);
    if (step == STEP_ENTITY_PUT && entity) {
        char incarnation[33];
        incarnation_of(incarnation, in->next, id);
        return entity_put(in, id, incarnation);
    }
    if ((step == STEP_DOCUMENT_ADD || step == STEP_SEGMENT) && entity && row < ROWS)
        return document_add(in, id, row, step == STEP_SEGMENT ? 40000 : pick(in, 400));
    if (step == STEP_DOCUMENT_DROP && entity && row < ROWS)
        return document_drop(in, id, row);
    if (step == STEP_SESSION_DROP && has(in->next, RSI_SPACE_SESSIONS, session)) {
        snprintf(json, sizeof json, RSI_SPACE_SESSIONS "/%s", session);
        power_model_drop(in->next, json);
        return rsi_tx_drop(in->tx, RSI_SPACE_SESSIONS, session);
    }
    if (step == STEP_MESSAGE && has(in->next, RSI_SPACE_SESSIONS, session)) {
        for (row = 0; has_row(in->next, RSI_SPACE_SESSIONS, session, row);)
            row++;
        snprintf(json, sizeof json, "{\"role\":\"user\",\"content\":\"%u\"}",
                 ++in->explorer->made);
        return row_put(in, RSI_SPACE_SESSIONS, session, row, json);
    }
    snprintf(json, sizeof json, "{\"session_id\":\"%s\",\"n\":%u}", session, ++in->explorer->made);
    return put(in, RSI_SPACE_SESSIONS, session, json);
}

/* A change in a nested transaction that is taken back. */
static int change_and_take_back(change *in, power_step step)
{
    power_model kept;
    rsi_tx *inner;
    power_model *next = in->next;
    int status = rsi_tx_begin(&inner, in->explorer->storage);
    if (status != RAGSTORE_OK)
        return status;
    power_model_copy(&kept, next);
    in->next = &kept;
    status = change_something(in, step);
    in->next = next;
    power_model_free(&kept);
    rsi_tx_abort(inner);
    return status;
}

static int change_several(change *in)
{
    static const power_step kinds[] = {STEP_ENTITY_PUT,  STEP_DOCUMENT_ADD, STEP_DOCUMENT_DROP,
                                       STEP_SESSION_PUT, STEP_MESSAGE,      STEP_MESSAGE,
                                       STEP_SESSION_DROP, STEP_ENTITY_GONE, STEP_ENTITY_NEW};
    int status = RAGSTORE_OK;
    for (unsigned i = 0; status == RAGSTORE_OK && i < 3; i++)
        status = change_something(in, kinds[pick(in, sizeof kinds / sizeof *kinds)]);
    if (status == RAGSTORE_OK)
        status = change_and_take_back(in, kinds[pick(in, 5)]);
    rsi_tx *inner;
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&inner, in->explorer->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = change_something(in, STEP_SESSION_PUT);
    int committed = rsi_tx_commit(inner);
    return status == RAGSTORE_OK ? committed : status;
}

static bool commit(power_explorer *explorer, change *in)
{
    explorer->texts =
        power_resize(explorer->texts, (explorer->last + 2) * sizeof *explorer->texts);
    explorer->texts[++explorer->last] = power_model_text(in->next);
    if (rsi_tx_commit(in->tx) != RAGSTORE_OK) {
        power_model_free(in->next);
        return power_explorer_fail(explorer, "committing: %s", rsi_error_message());
    }
    power_model_free(&explorer->model);
    explorer->model = *in->next;
    if (explorer->durability == RAGSTORE_DURABILITY_FULL)
        return settled(explorer);
    return power_explorer_cut(explorer);
}

static bool run_transaction(power_explorer *explorer, power_step step)
{
    power_model next;
    change in = {.explorer = explorer, .next = &next};
    if (rsi_tx_begin(&in.tx, explorer->storage) != RAGSTORE_OK)
        return power_explorer_fail(explorer, "beginning: %s", rsi_error_message());
    power_model_copy(&next, &explorer->model);
    int status = step == STEP_BATCH || step == STEP_ABORT ? change_several(&in)
                                                          : change_something(&in, step);
    if (status == RAGSTORE_OK && step != STEP_ABORT)
        return commit(explorer, &in) && compare_live(explorer, "after a commit");
    bool good = status == RAGSTORE_OK ||
                power_explorer_fail(explorer, "changing: %s", rsi_error_message());
    rsi_tx_abort(in.tx);
    power_model_free(&next);
    return good && compare_live(explorer, "after an abort");
}

bool power_explorer_step(power_explorer *explorer, power_step step)
{
    if (explorer->failure[0] != '\0')
        return false;
    if (explorer->step_count < sizeof explorer->steps / sizeof *explorer->steps)
        explorer->steps[explorer->step_count++] = step;
    int status;
    switch (step) {
    case STEP_CHECKPOINT:
    case STEP_COMPACT:
    case STEP_FLUSH:
        status = step == STEP_FLUSH     ? rsi_storage_flush(explorer->storage)
                 : step == STEP_COMPACT ? rsi_storage_compact(explorer->storage)
                                        : rsi_storage_checkpoint(explorer->storage);
        if (status != RAGSTORE_OK)
            return power_explorer_fail(explorer, "%s: %s", power_step_name(step),
                                       rsi_error_message());
        rsi_storage_forget_chunks(explorer->storage, "e0");
        return settled(explorer) && compare_live(explorer, power_step_name(step));
    case STEP_REOPEN:
        return power_explorer_close(explorer) && power_explorer_open(explorer);
    case STEP_KILL:
        rsi_storage_free(explorer->storage);
        explorer->storage = NULL;
        return power_explorer_open(explorer);
    default:
        return run_transaction(explorer, step);
    }
}
