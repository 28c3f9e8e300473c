/*
 * Why the chunks of an entity cannot be read. What was found is kept, or each checkpoint would read
 * the files again, until stat() shows one of them otherwise: then somebody has put it back, and it is
 * tried again. Under the state lock, held exclusively.
 */
#include "storage/space_damage.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/storage_internal.h"

#include <string.h>

bool rsi_is_of_one_entity(int status)
{
    return rsi_is_lasting_damage(status) || status == RAGSTORE_E_IO;
}

bool rsi_is_lasting_damage(int status)
{
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION ||
           status == RAGSTORE_E_INVALID_DATA;
}

int rsi_of_entity_folder(int status)
{
    if (status == RAGSTORE_E_PERMISSION)
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s: let the user of this process read it, or " RSI_RESTORE_ENTITY,
                        rsi_error_message());
    if (status == RAGSTORE_E_DAMAGED && strcmp(rsi_error_room(), "files") == 0)
        return rsi_fail(status, "storage", "%s; " RSI_RESTORE_ENTITY, rsi_error_message());
    return status;
}

void rsi_folder_look_at(rsi_folder_look *look, rsi_storage *storage, const char *entity_id)
{
    rsi_saved_error error;
    memset(look, 0, sizeof *look);
    rsi_error_save(&error); /* one that is missing looks like nothing */
    rsi_path own = rsi_path_in_entity(entity_id, "entity.json");
    rsi_path chunks = rsi_path_in_entity(entity_id, "chunk_metadata.json");
    (void)rsi_file_info_of(storage->root, own.text, &look->own);
    (void)rsi_file_info_of(storage->root, chunks.text, &look->chunks);
    rsi_error_restore(&error);
}

static bool is_same(const rsi_file_info *a, const rsi_file_info *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static void forget(rsi_space *space)
{
    rsi_free(space->damage);
    space->damage = NULL;
    space->damage_stays = false;
}

static int keep(rsi_space *space, int status, char *text)
{
    forget(space);
    if (text == NULL)
        return RAGSTORE_E_NO_MEMORY;
    space->damage = text;
    space->damage_status = status;
    return RAGSTORE_OK;
}

int rsi_space_mark_damaged(rsi_space *space, const char *what)
{
    rsi_bytes text = {0};
    rsi_bytes_printf(&text, "%s; " RSI_RESTORE_ENTITY " and open the store again", what);
    int status = keep(space, RAGSTORE_E_DAMAGED, rsi_bytes_take(&text, NULL));
    space->damage_stays = status == RAGSTORE_OK;
    /* rows of the journals are missing: a checkpoint must not take them for written */
    space->must_write = true;
    return status;
}

int rsi_space_note_damage(rsi_space *space, int status, const rsi_folder_look *look)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    if (keep(space, status, rsi_strdup(error.message)) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    space->damage_look = *look;
    rsi_error_restore(&error);
    return status;
}

int rsi_space_damage(rsi_storage *storage, rsi_space *space)
{
    rsi_folder_look now;
    if (space->damage == NULL)
        return RAGSTORE_OK;
    rsi_folder_look_at(&now, storage, space->entity_id);
    if (space->damage_stays || (is_same(&now.own, &space->damage_look.own) &&
                                is_same(&now.chunks, &space->damage_look.chunks)))
        return rsi_fail(space->damage_status, "storage", "%s", space->damage);
    forget(space);
    return RAGSTORE_OK;
}
