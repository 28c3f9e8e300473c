/*
 * Changes of files that follow a commit: an upload gets its name, a deleted one goes, an entity's
 * folders come and go.
 *
 * The commit stands before they are done, so each can be done again: what fails stays in the list
 * and is tried at the next commit or checkpoint (no checkpoint passes it by), and what a crash
 * prevented is found in the journal at the next open. Whoever reads an upload in between is told
 * where it is: the list is changed under the storage's mutex.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>

static void free_work(rsi_work *work)
{
    rsi_free(work->entity_id);
    rsi_free(work->first);
    rsi_free(work->second);
}

void rsi_work_list_free(rsi_work_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_work(&list->items[i]);
    rsi_free(list->items);
    memset(list, 0, sizeof *list);
}

static bool names_upload(rsi_path *path, const rsi_work_list *list, const char *entity_id,
                         const char *name)
{
    for (size_t i = list->count; i-- > 0;) {
        const rsi_work *work = &list->items[i];
        if (work->kind == RSI_WORK_FILE && strcmp(work->second, name) == 0 &&
            strcmp(work->entity_id, entity_id) == 0) {
            *path = rsi_path_upload(entity_id, work->first);
            return true;
        }
    }
    return false;
}

bool rsi_storage_upload_waits(rsi_path *path, rsi_storage *storage, const char *entity_id,
                              const char *name)
{
    pthread_mutex_lock(&storage->mutex);
    bool found = names_upload(path, &storage->work, entity_id, name) ||
                 names_upload(path, &storage->foreign, entity_id, name);
    pthread_mutex_unlock(&storage->mutex);
    return found;
}

int rsi_work_add(rsi_work_list *list, rsi_work_kind kind, const char *entity_id, const char *first,
                 const char *second)
{
    if (!rsi_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return RAGSTORE_E_NO_MEMORY;
    rsi_work work = {kind, rsi_strdup(entity_id), rsi_strdup(first),
                     second == NULL ? NULL : rsi_strdup(second), 0};
    if (work.entity_id == NULL || work.first == NULL || (second != NULL && work.second == NULL)) {
        free_work(&work);
        return RAGSTORE_E_NO_MEMORY;
    }
    list->items[list->count++] = work;
    return RAGSTORE_OK;
}

void rsi_work_forget(rsi_work_list *list, uint64_t sequence)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].sequence > sequence)
            list->items[kept++] = list->items[i];
        else
            free_work(&list->items[i]);
    list->count = kept;
}

/* ---- the four kinds ---- */

/* Is it there? Not being able to look is a failure, not a no: the work would be taken for done. */
static int look_for(bool *there, rsi_root *root, const char *path)
{
    rsi_file_info info;
    int status = rsi_file_info_of(root, path, &info);
    *there = status == RAGSTORE_OK;
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

/* What is found done may have been done by a process that was killed, or whose flush failed, before
 * it was durable. */
static int settle_done(rsi_root *root, const char *directory)
{
    int status = rsi_directory_flush(root, directory);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

static int name_upload(rsi_root *root, const rsi_work *work)
{
    rsi_path from = rsi_path_upload(work->entity_id, work->first);
    rsi_path to = rsi_path_upload(work->entity_id, work->second);
    bool there;
    int status = look_for(&there, root, from.text);
    if (status != RAGSTORE_OK)
        return status;
    return there ? rsi_file_rename(root, from.text, to.text)
                 : settle_done(root, rsi_path_uploads(work->entity_id).text);
}

static int remove_upload(rsi_root *root, const rsi_work *work)
{
    rsi_path path = rsi_path_upload(work->entity_id, work->first);
    rsi_path directory = rsi_path_uploads(work->entity_id);
    bool there;
    int status = look_for(&there, root, path.text);
    if (status == RAGSTORE_OK && there)
        status = rsi_file_remove(root, path.text);
    return status == RAGSTORE_OK ? settle_done(root, directory.text) : status;
}

/* Move a folder out of the way under a name of ours, then remove it with all below it. When
 * something has that name already the folder has gone before, and what stands in its place came
 * later: from a backup, by hand. */
static int remove_folder(rsi_root *root, const char *path, const char *parent,
                         const char *incarnation)
{
    char gone[RSI_PATH_MAX];
    snprintf(gone, sizeof gone, "%s/.gone-%s", parent, incarnation);
    bool there;
    int status = look_for(&there, root, path);
    if (status == RAGSTORE_OK)
        status = there ? rsi_file_rename(root, path, gone) : settle_done(root, parent);
    if (status == RAGSTORE_E_EXISTS)
        status = settle_done(root, parent);
    return status == RAGSTORE_OK ? rsi_directory_remove(root, gone) : status;
}

static int remove_entity(rsi_root *root, const rsi_work *work)
{
    rsi_path folder = rsi_path_entity(work->entity_id);
    rsi_path uploads = rsi_path_uploads(work->entity_id);
    int status = remove_folder(root, folder.text, RSI_PATH_ENTITY_ROOT, work->first);
    if (status == RAGSTORE_OK)
        status = remove_folder(root, uploads.text, RSI_PATH_UPLOADS, work->first);
    return status;
}

/* A folder of another creation that stands where a new entity's will be goes to quarantine. */
static int clear_place(rsi_root *root, const rsi_work *work)
{
    rsi_path folder = rsi_path_entity(work->entity_id);
    char name[RSI_DIRECTORY_MAX];
    char aside[RSI_PATH_MAX];
    rsi_entity_file file;
    int status = rsi_entity_file_read(&file, root, work->entity_id);
    bool foreign = status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION ||
                   (status == RAGSTORE_OK && file.present &&
                    strcmp(file.incarnation, work->first) != 0);
    if (!foreign)
        return status;
    rsi_entity_directory(name, work->entity_id);
    snprintf(aside, sizeof aside, "quarantine/%.200s-before-%.16s", name, work->first);
    status = rsi_directory_make(root, "quarantine");
    return status == RAGSTORE_OK ? rsi_file_rename(root, folder.text, aside) : status;
}

static int make_entity(rsi_storage *storage, const rsi_work *work)
{
    rsi_root *root = storage->root;
    rsi_entity_file file;
    int status = clear_place(root, work);
    if (status == RAGSTORE_OK)
        status = rsi_entity_file_read(&file, root, work->entity_id);
    if (status != RAGSTORE_OK || file.present)
        return status;
    status = rsi_directory_make(root, rsi_path_in_entity(work->entity_id, "vector_store").text);
    if (status == RAGSTORE_OK)
        status = rsi_directory_make(root, rsi_path_uploads(work->entity_id).text);
    if (status == RAGSTORE_OK) {
        snprintf(file.incarnation, sizeof file.incarnation, "%s", work->first);
        status = rsi_entity_file_write(&file, root, work->entity_id);
    }
    return status;
}

static int do_work(rsi_storage *storage, const rsi_work *work)
{
    switch (work->kind) {
    case RSI_WORK_FILE:
        return rsi_wrap(name_upload(storage->root, work), "name an upload");
    case RSI_WORK_UNLINK:
        return rsi_wrap(remove_upload(storage->root, work), "remove an upload");
    case RSI_WORK_GONE:
        pthread_mutex_lock(&storage->mutex);
        rsi_row_files_forget_entity(&storage->row_files, work->entity_id);
        pthread_mutex_unlock(&storage->mutex);
        return rsi_wrap(remove_entity(storage->root, work), "remove an entity's folders");
    case RSI_WORK_COME:
        return rsi_wrap(make_entity(storage, work), "make an entity's folders");
    }
    return RAGSTORE_OK;
}

static bool removes(const rsi_work *work)
{
    return work->kind == RSI_WORK_UNLINK || work->kind == RSI_WORK_GONE;
}

/* ---- at open, and of other processes ---- */

typedef struct name_search {
    const char *name;
    bool found;
} name_search;

static int compare_stored_name(void *user, uint64_t number, const char *json, size_t size)
{
    name_search *search = user;
    (void)number;
    rsi_json *entry;
    int status = rsi_json_parse(&entry, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *name = rsi_json_get_text(entry, "stored_name");
    search->found = search->found || (name != NULL && strcmp(name, search->name) == 0);
    rsi_json_free(entry);
    return RAGSTORE_OK;
}

/* Does a document of the entity keep its bytes under this name? */
static int is_named(bool *named, rsi_storage *storage, const char *entity_id, const char *name)
{
    name_search search = {name, false};
    int status = rsi_storage_rows(storage, RSI_SPACE_ENTITIES, entity_id, 0, UINT64_MAX,
                                  compare_stored_name, &search);
    *named = search.found;
    return status;
}

static int look_whether_due(bool *due, rsi_storage *storage, const rsi_work *work)
{
    char incarnation[RSI_INCARNATION_HEX];
    bool named;
    int status;
    *due = false;
    switch (work->kind) {
    case RSI_WORK_FILE:
        status = is_named(&named, storage, work->entity_id, work->second);
        *due = status == RAGSTORE_OK && named;
        return status;
    case RSI_WORK_UNLINK:
        status = is_named(&named, storage, work->entity_id, work->first);
        *due = status == RAGSTORE_OK && !named;
        return status;
    case RSI_WORK_GONE:
        /* when the id lives again, its creation waited until the old folders were gone */
        status = rsi_entity_incarnation(incarnation, storage, work->entity_id);
        *due = status == RAGSTORE_E_NOT_FOUND;
        return *due ? RAGSTORE_OK : status;
    case RSI_WORK_COME:
        status = rsi_entity_incarnation(incarnation, storage, work->entity_id);
        *due = status == RAGSTORE_OK && strcmp(incarnation, work->first) == 0;
        return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
    }
    return RAGSTORE_OK;
}

/* Should this piece of work, whose commit is long past, still be done? When the entity's record is
 * damaged, nothing of it is taken away, and an upload gets the name that its document looks for. */
static int is_still_due(bool *due, rsi_storage *storage, const rsi_work *work)
{
    int status = look_whether_due(due, storage, work);
    if (status != RAGSTORE_E_DAMAGED)
        return status;
    *due = work->kind == RSI_WORK_FILE;
    return RAGSTORE_OK;
}

/* What a full disk prevents is done when there is room again. */
static int put_off(rsi_storage *storage, const rsi_work *work, int status)
{
    if (status != RAGSTORE_E_DISK_FULL)
        return status;
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "will be tried again: %s", rsi_error_message());
    return rsi_work_add(&storage->work, work->kind, work->entity_id, work->first, work->second);
}

/* Folders come after the commit of their entity and no operation tells of them: what a crash
 * prevented is seen by the entity file, which is written last. Only an entity without documents can
 * be so new. */
static int complete_folders(void *user, const char *entity_id, const char *json, size_t size)
{
    rsi_storage *storage = user;
    char incarnation[RSI_INCARNATION_HEX];
    uint64_t documents;
    (void)json;
    (void)size;
    if (rsi_file_exists(storage->root, rsi_path_in_entity(entity_id, "entity.json").text))
        return RAGSTORE_OK;
    int status = rsi_storage_row_count(&documents, NULL, storage, RSI_SPACE_ENTITIES, entity_id);
    if (status != RAGSTORE_OK || documents > 0)
        return status;
    if (rsi_entity_incarnation(incarnation, storage, entity_id) != RAGSTORE_OK)
        return RAGSTORE_OK; /* a damaged record is told of where it is used */
    const rsi_work work = {RSI_WORK_COME, (char *)(uintptr_t)entity_id, incarnation, NULL, 0};
    return put_off(storage, &work, do_work(storage, &work));
}

/* Is there something left of a piece of another process's work? Most has long been done. */
static int is_left(bool *left, const rsi_storage *storage, const rsi_work *work)
{
    rsi_path path = work->kind == RSI_WORK_GONE ? rsi_path_entity(work->entity_id)
                    : work->kind == RSI_WORK_COME
                        ? rsi_path_in_entity(work->entity_id, "entity.json")
                        : rsi_path_upload(work->entity_id, work->first);
    bool there;
    int status = look_for(&there, storage->root, path.text);
    *left = there != (work->kind == RSI_WORK_COME);
    return status;
}

static int finish_one(rsi_storage *storage, const rsi_work *work)
{
    bool left;
    bool due = false;
    int status = is_left(&left, storage, work);
    if (status == RAGSTORE_OK && left)
        status = is_still_due(&due, storage, work);
    if (status != RAGSTORE_OK || due)
        return status == RAGSTORE_OK ? do_work(storage, work) : status;
    /* done, but perhaps by a process that was killed before it was durable */
    if (work->kind == RSI_WORK_FILE || work->kind == RSI_WORK_UNLINK)
        status = settle_done(storage->root, rsi_path_uploads(work->entity_id).text);
    return status;
}

/* In order: an id that goes and comes again must go first. */
static int run_list(rsi_storage *storage, rsi_work_list *list,
                    int (*run)(rsi_storage *storage, const rsi_work *work))
{
    size_t done = 0;
    int status = RAGSTORE_OK;
    while (done < list->count) {
        status = run(storage, &list->items[done]);
        if (status == RAGSTORE_E_DISK_FULL && removes(&list->items[done]) &&
            rsi_reserve_release(storage))
            status = run(storage, &list->items[done]);
        if (status != RAGSTORE_OK)
            break;
        done++;
    }
    pthread_mutex_lock(&storage->mutex);
    for (size_t i = 0; i < done; i++)
        free_work(&list->items[i]);
    list->count -= done;
    if (list->count > 0)
        memmove(list->items, list->items + done, list->count * sizeof *list->items);
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

int rsi_work_run(rsi_storage *storage)
{
    if (storage->work.count == 0 && storage->foreign.count == 0)
        return RAGSTORE_OK;
    /* files follow commits that are durable, also where commits need not be at once */
    int status = rsi_storage_flush_locked(storage);
    if (status == RAGSTORE_OK)
        status = run_list(storage, &storage->foreign, finish_one);
    if (status == RAGSTORE_OK)
        status = run_list(storage, &storage->work, do_work);
    return status;
}

int rsi_work_recover(rsi_storage *storage, rsi_work_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        bool due;
        int status = is_still_due(&due, storage, &list->items[i]);
        if (status == RAGSTORE_OK && due)
            status = put_off(storage, &list->items[i], do_work(storage, &list->items[i]));
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "finish what a crash cut short");
    }
    if (!storage->was_unclean)
        return RAGSTORE_OK;
    size_t unreadable; /* counted again when their chunk files are settled */
    return rsi_wrap(rsi_storage_each_readable(&unreadable, storage, RSI_SPACE_ENTITIES,
                                              complete_folders, storage),
                    "make an entity's folders");
}
