/*
 * Which files of a store belong in a backup: what is true. See backup.h.
 *
 *   ragstore.json
 *   api_storage/{entities,chat_sessions}.json  api_storage/journal-<n>.ndjson
 *   api_storage/collections/<file>
 *   uploads/<entity>/<name>
 *   entity_scoped/entities/<entity>/{entity,chunk_metadata}.json
 *   entity_scoped/entities/<entity>/segments/<name>
 *   entity_scoped/entities/<entity>/vector_store/rows-<n>.rsv
 *
 * Not: what is derived, locks, what is being written under names of ours, quarantine/, logs/.
 */
#include "storage/backup_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/journal.h"

#include <stdio.h>
#include <string.h>

#define STEPS_MAX 6

/* ---- names ---- */

static bool consists_of(const char *text, const char *letters)
{
    return text[0] != '\0' && text[strspn(text, letters)] == '\0';
}

/* As rsi_entity_directory() makes them. */
static bool is_entity_directory(const char *name)
{
    return name[0] != '.' && strlen(name) < RSI_DIRECTORY_MAX &&
           consists_of(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.%ABCDEF");
}

static bool is_upload(const char *name)
{
    static const size_t prefix = sizeof RSI_INCOMING_PREFIX - 1;
    if (strncmp(name, RSI_INCOMING_PREFIX, prefix) == 0)
        return strlen(name) == prefix + 16 && consists_of(name + prefix, "0123456789abcdef");
    return rsi_upload_name_is_safe(name);
}

/* <prefix><digits><suffix> */
static bool is_numbered(const char *name, const char *prefix, const char *suffix)
{
    const size_t start = strlen(prefix);
    if (strncmp(name, prefix, start) != 0)
        return false;
    const size_t digits = strspn(name + start, "0123456789");
    return digits > 0 && digits <= 20 && strcmp(name + start + digits, suffix) == 0;
}

static bool is_segment(const char *name)
{
    const size_t size = strlen(name);
    return size > 7 && size < 64 && strcmp(name + size - 7, ".ndjson") == 0 &&
           name[strspn(name, "0123456789-")] == '.';
}

static bool is_any_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

/* ---- paths ---- */

typedef struct steps {
    rsi_path copy;
    const char *at[STEPS_MAX];
    size_t count; /* 0: too many, or an empty one */
} steps;

static void split(steps *of, const char *path)
{
    const size_t size = strnlen(path, RSI_PATH_MAX);
    size_t count = 0;
    of->count = 0;
    if (size == 0 || size == RSI_PATH_MAX)
        return;
    memcpy(of->copy.text, path, size + 1);
    for (char *step = of->copy.text; step != NULL; count++) {
        char *slash = strchr(step, '/');
        if (count == STEPS_MAX || step[0] == '/' || step[0] == '\0')
            return;
        of->at[count] = step;
        if (slash != NULL)
            *slash++ = '\0';
        step = slash;
    }
    of->count = count;
}

static bool is_in_api_storage(const steps *of)
{
    static const char *const names[] = {"entities.json", "chat_sessions.json", NULL};
    char collection[RSI_COLLECTION_NAME_MAX];
    uint64_t generation;
    if (of->count == 2)
        return is_any_of(of->at[1], names) || rsi_journal_is_named(of->at[1], &generation);
    return of->count == 3 && strcmp(of->at[1], "collections") == 0 &&
           rsi_collection_name_of_file(collection, of->at[2]);
}

static bool is_in_entity(const steps *of)
{
    static const char *const names[] = {"entity.json", "chunk_metadata.json", NULL};
    if (of->count < 4 || strcmp(of->at[1], "entities") != 0 || !is_entity_directory(of->at[2]))
        return false;
    if (of->count == 4)
        return is_any_of(of->at[3], names);
    return of->count == 5 &&
           ((strcmp(of->at[3], "segments") == 0 && is_segment(of->at[4])) ||
            (strcmp(of->at[3], "vector_store") == 0 && is_numbered(of->at[4], "rows-", ".rsv")));
}

bool rsi_backup_has(const char *path)
{
    steps of;
    split(&of, path);
    if (of.count == 0)
        return false;
    if (strcmp(of.at[0], RSI_PATH_API_STORAGE) == 0)
        return is_in_api_storage(&of);
    if (strcmp(of.at[0], RSI_PATH_UPLOADS) == 0)
        return of.count == 3 && is_entity_directory(of.at[1]) && is_upload(of.at[2]);
    if (strcmp(of.at[0], RSI_PATH_ENTITY_PARENT) == 0)
        return is_in_entity(&of);
    return of.count == 1 && strcmp(of.at[0], RSI_PATH_MANIFEST) == 0;
}

/* Can there be such a file below this directory? */
static bool may_hold(const char *path)
{
    static const char *const below[] = {"segments", "vector_store", NULL};
    steps of;
    split(&of, path);
    if (of.count == 0)
        return false;
    if (strcmp(of.at[0], RSI_PATH_API_STORAGE) == 0)
        return of.count == 1 || (of.count == 2 && strcmp(of.at[1], "collections") == 0);
    if (strcmp(of.at[0], RSI_PATH_UPLOADS) == 0)
        return of.count == 1 || (of.count == 2 && is_entity_directory(of.at[1]));
    return strcmp(of.at[0], RSI_PATH_ENTITY_PARENT) == 0 &&
           (of.count == 1 || (of.count == 2 && strcmp(of.at[1], "entities") == 0) ||
            (of.count == 3 && is_entity_directory(of.at[2])) ||
            (of.count == 4 && is_any_of(of.at[3], below)));
}

/* ---- the walk ---- */

typedef struct walk {
    rsi_root *root;
    const rsi_file_info *other;
    rsi_backup_visitor *visit;
    void *user;
    const char *directory; /* whose entries are visited; "" is the root */
} walk;

static int walk_directory(const walk *at, const char *path);

/* What goes while it is looked at is not there. Links and the like are no files of a store. */
static int walk_path(const walk *at, const char *path)
{
    rsi_file_info info;
    const bool is_file = rsi_backup_has(path);
    if (!is_file && !may_hold(path))
        return RAGSTORE_OK;
    int status = rsi_file_info_of(at->root, path, &info);
    if (status != RAGSTORE_OK)
        return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
    if (is_file)
        return info.kind == RSI_FILE_REGULAR ? at->visit(at->user, path, &info) : RAGSTORE_OK;
    if (info.kind != RSI_FILE_DIRECTORY)
        return RAGSTORE_OK;
    if (info.device == at->other->device && info.inode == at->other->inode)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "storage",
                        "the directory for the backup lies inside the store, at %s; name one "
                        "outside",
                        path);
    status = walk_directory(at, path);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

static int walk_name(void *user, const char *name)
{
    const walk *at = user;
    rsi_path path;
    const int length = snprintf(path.text, sizeof path.text, "%s/%s", at->directory, name);
    if (length < 0 || (size_t)length >= sizeof path.text)
        return RAGSTORE_OK; /* nothing of ours is that long */
    return walk_path(at, path.text);
}

static int walk_directory(const walk *at, const char *path)
{
    walk below = *at;
    below.directory = path;
    return rsi_directory_names(at->root, path, walk_name, &below);
}

int rsi_backup_walk(rsi_root *root, const rsi_file_info *other, rsi_backup_visitor *visit,
                    void *user)
{
    static const char *const tops[] = {RSI_PATH_MANIFEST, RSI_PATH_API_STORAGE, RSI_PATH_UPLOADS,
                                       RSI_PATH_ENTITY_PARENT};
    const walk at = {root, other, visit, user, ""};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < sizeof tops / sizeof *tops; i++)
        status = walk_path(&at, tops[i]);
    return status;
}
