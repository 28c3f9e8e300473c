/* Entity. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <string.h>

static int make_handle(ragstore_entity **out, rsi_core *core, const char *id,
                       const char *incarnation)
{
    ragstore_entity *entity = rsi_alloc_zeroed(sizeof *entity);
    if (entity == NULL)
        return RAGSTORE_E_NO_MEMORY;
    entity->id = rsi_strdup(id);
    if (entity->id == NULL) {
        rsi_free(entity);
        return RAGSTORE_E_NO_MEMORY;
    }
    memcpy(entity->incarnation, incarnation, sizeof entity->incarnation);
    entity->magic = RSI_MAGIC_ENTITY;
    entity->core = core;
    rsi_core_retain(core);
    *out = entity;
    return RAGSTORE_OK;
}

static int enter_store(const ragstore_store *store, const char *function)
{
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, function);
    return status == RAGSTORE_OK ? rsi_core_enter(store->core, function) : status;
}

static int enter_store_to_write(const ragstore_store *store, const char *function)
{
    int status = rsi_check_handle(store, RSI_MAGIC_STORE, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(store->core, function) : status;
}

static int enter_to_write(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(entity->core, function) : status;
}

static int enter(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter(entity->core, function) : status;
}

int ragstore_entity_create(ragstore_entity **out, ragstore_store *store, const char *id,
                           const ragstore_entity_create_options *options)
{
    ragstore_entity_create_options given;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    ragstore_entity *entity = NULL;
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(id, __func__, "id");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_store_to_write(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_entity_fields fields = {given.name, given.description, given.metadata_json, given.metric,
                                given.index_kind, given.language, given.chunk_tokens,
                                given.chunk_overlap};
    memset(incarnation, 0, sizeof incarnation);
    if (out != NULL)
        status = make_handle(&entity, store->core, id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_entity_create(incarnation, store->core->store, id, &fields);
    if (status == RAGSTORE_OK && out != NULL) {
        memcpy(entity->incarnation, incarnation, sizeof incarnation);
        *out = entity;
    } else {
        rsi_saved_error error;
        rsi_error_save(&error);
        ragstore_entity_free(entity);
        rsi_error_restore(&error);
    }
    return rsi_core_leave(store->core, rsi_wrap(status, "create an entity"));
}

int ragstore_entity_open(ragstore_entity **out, ragstore_store *store, const char *id)
{
    rsi_entity_record record = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(id, __func__, "id");
    if (status == RAGSTORE_OK)
        status = enter_store(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&record, store->core->store, id, NULL);
    if (status == RAGSTORE_OK && strlen(record.incarnation) != RSI_INCARNATION_DIGITS)
        status = rsi_fail(RAGSTORE_E_DAMAGED, "api", "the record of \"%s\" has no incarnation",
                          id);
    if (status == RAGSTORE_OK)
        status = make_handle(out, store->core, id, record.incarnation);
    rsi_entity_record_free(&record);
    return rsi_core_leave(store->core, status);
}

void ragstore_entity_free(ragstore_entity *entity)
{
    if (entity == NULL || rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__) != RAGSTORE_OK)
        return;
    entity->magic = RSI_MAGIC_FREED;
    rsi_core *core = entity->core;
    rsi_free(entity->id);
    rsi_free(entity);
    rsi_core_release(core);
}

const char *ragstore_entity_id(const ragstore_entity *entity)
{
    return rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__) == RAGSTORE_OK ? entity->id : NULL;
}

int ragstore_entity_describe(ragstore_buffer **out, ragstore_entity *entity)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_describe(&text, entity->core->store, entity->id, entity->incarnation);
    return rsi_core_leave_with(out, entity->core, &text, status);
}

int ragstore_entity_update(ragstore_entity *entity, const ragstore_entity_update_options *options)
{
    ragstore_entity_update_options given;
    int status = rsi_check_not_null(options, __func__, "options");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_to_write(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_entity_fields fields = {
        .name = given.name, .description = given.description, .metadata_json = given.metadata_json};
    status = rsi_entity_update(entity->core->store, entity->id, entity->incarnation, &fields);
    return rsi_core_leave(entity->core, rsi_wrap(status, "update an entity"));
}

int ragstore_entity_delete(uint64_t *sessions_deleted, ragstore_store *store, const char *id)
{
    if (sessions_deleted != NULL)
        *sessions_deleted = 0;
    int status = rsi_check_not_null(id, __func__, "id");
    if (status == RAGSTORE_OK)
        status = enter_store_to_write(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_delete(sessions_deleted, store->core->store, id);
    return rsi_core_leave(store->core, rsi_wrap(status, "delete an entity"));
}

int ragstore_entity_list(ragstore_buffer **out, ragstore_store *store,
                         const ragstore_list_options *options)
{
    ragstore_list_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_list_options(&given, options, 0, __func__);
    if (status == RAGSTORE_OK)
        status = enter_store(store, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_list(&text, store->core->store,
                             given.limit == 0 ? UINT64_MAX : given.limit, given.offset,
                             given.match);
    return rsi_core_leave_with(out, store->core, &text, status);
}
