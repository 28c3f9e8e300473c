/* A file table that does not do what it says: see power_lies.h. */
#include "harness/power_lies.h"

#include <stdlib.h>
#include <string.h>

static bool tells(const power_liar *liar, power_lie lie)
{
    return liar->lie == lie && !liar->is_off;
}

static bool is_directory(power_liar *liar, int handle)
{
    rsi_file_info info;
    return liar->real->info(liar->disk, handle, false, &info) == 0 && info.kind == RSI_FILE_DIRECTORY;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- flushes ---- */

static bool flush_is_left_out(power_liar *liar, int handle, bool data_only)
{
    const char *name = power_disk_name(liar->disk, handle);
    const bool directory = is_directory(liar, handle);
    liar->flushes++;
    if (liar->is_off)
        return false;
    switch (liar->lie) {
    case LIE_NO_FLUSH:
        return true;
    case LIE_NO_FILE_FLUSH:
        return !directory && !data_only;
    case LIE_NO_DATA_FLUSH:
        return data_only;
    case LIE_NO_DIRECTORY_FLUSH:
        return directory;
    case LIE_NO_JOURNAL_FLUSH:
        return strstr(name, "journal-") != NULL;
    case LIE_NO_TEMPORARY_FLUSH:
    case LIE_RENAME_BEFORE_FLUSH:
        return strstr(name, ".tmp-") != NULL;
    case LIE_NO_UPLOAD_FLUSH:
        return strstr(name, ".incoming-") != NULL;
    case LIE_NO_ROOT_FLUSH:
        return directory && (strcmp(name, ".") == 0 || name[0] == '/');
    case LIE_NO_STORAGE_FLUSH:
        return directory && strcmp(name, "api_storage") == 0;
    case LIE_NO_UPLOADS_FLUSH:
        return directory && starts_with(name, "uploads/");
    case LIE_NO_ENTITY_FLUSH:
        return directory && starts_with(name, "entity_scoped/");
    case LIE_OTHER_FLUSHES:
        return liar->flushes % 2 == 0;
    default:
        return false;
    }
}

static int lie_flush(void *self, int handle)
{
    power_liar *liar = self;
    return flush_is_left_out(liar, handle, false) ? 0 : liar->real->flush(liar->disk, handle);
}

static int lie_flush_data(void *self, int handle)
{
    power_liar *liar = self;
    return flush_is_left_out(liar, handle, true) ? 0 : liar->real->flush_data(liar->disk, handle);
}

/* ---- names ---- */

static void flush_path(power_liar *liar, int directory, const char *path, unsigned flags)
{
    int handle = liar->real->open(liar->disk, directory, path, flags);
    if (handle < 0)
        return;
    (void)liar->real->flush(liar->disk, handle);
    (void)liar->real->close(liar->disk, handle);
}

static int lie_rename(void *self, int directory, const char *from, const char *to)
{
    power_liar *liar = self;
    if (tells(liar, LIE_NO_RENAME))
        return 0;
    if (tells(liar, LIE_SPLIT_RENAME))
        power_disk_split_renames(liar->disk);
    int result = liar->real->rename(liar->disk, directory, from, to);
    if (result == 0 && tells(liar, LIE_RENAME_BEFORE_FLUSH)) {
        char parent[1024];
        const char *slash = strrchr(to, '/');
        size_t size = slash == NULL ? 1 : (size_t)(slash - to);
        memcpy(parent, slash == NULL ? "." : to, size);
        parent[size] = '\0';
        flush_path(liar, directory, parent, RSI_OPEN_DIRECTORY);
        flush_path(liar, directory, to, RSI_OPEN_READ);
    }
    return result;
}

static int lie_remove(void *self, int directory, const char *path, bool directory_too)
{
    power_liar *liar = self;
    return tells(liar, LIE_NO_REMOVE)
               ? 0
               : liar->real->remove(liar->disk, directory, path, directory_too);
}

typedef struct shortened {
    int (*each)(void *user, const char *name);
    void *user;
    bool left_out;
} shortened;

static int pass_all_but_one(void *user, const char *name)
{
    shortened *list = user;
    if (!list->left_out) {
        list->left_out = true;
        return 0;
    }
    return list->each(list->user, name);
}

static int lie_list(void *self, int handle, int (*each)(void *user, const char *name), void *user)
{
    power_liar *liar = self;
    shortened list = {each, user, !tells(liar, LIE_SHORT_LIST)};
    return liar->real->list(liar->disk, handle, pass_all_but_one, &list);
}

/* ---- bytes ---- */

static int64_t write_flipped(power_liar *liar, int handle, const void *data, size_t size,
                             uint64_t offset)
{
    unsigned char *copy = malloc(size);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    copy[size / 2] ^= 1;
    int64_t result = liar->real->write(liar->disk, handle, copy, size, offset);
    free(copy);
    return result;
}

static int64_t lie_write(void *self, int handle, const void *data, size_t size, uint64_t offset)
{
    power_liar *liar = self;
    const rsi_file_table *real = liar->real;
    liar->writes++;
    if (tells(liar, LIE_FLIPPED_BIT) && liar->writes % 5 == 0)
        return write_flipped(liar, handle, data, size, offset);
    if (tells(liar, LIE_LOST_WRITE) && liar->writes % 7 == 0)
        return (int64_t)size;
    if (tells(liar, LIE_SHORT_WRITE)) {
        int64_t result = real->write(liar->disk, handle, data, size / 2, offset);
        return result < 0 ? result : (int64_t)size;
    }
    if (tells(liar, LIE_SHIFTED_WRITE) && offset > 0)
        offset++;
    return real->write(liar->disk, handle, data, size, offset);
}

static int64_t lie_read(void *self, int handle, void *out, size_t size, uint64_t offset)
{
    power_liar *liar = self;
    rsi_file_info info;
    if (tells(liar, LIE_SHORT_READ) && liar->real->info(liar->disk, handle, false, &info) == 0) {
        uint64_t end = info.size / 2;
        if (offset >= end)
            return 0;
        size = size < end - offset ? size : (size_t)(end - offset);
    }
    return liar->real->read(liar->disk, handle, out, size, offset);
}

/* ---- what is always done as it should be ---- */

static int pass_open(void *self, int directory, const char *path, unsigned flags)
{
    power_liar *liar = self;
    return liar->real->open(liar->disk, directory, path, flags);
}

static int pass_close(void *self, int handle)
{
    power_liar *liar = self;
    return liar->real->close(liar->disk, handle);
}

static int pass_truncate(void *self, int handle, uint64_t size)
{
    power_liar *liar = self;
    return liar->real->truncate(liar->disk, handle, size);
}

static int pass_reserve(void *self, int handle, uint64_t size)
{
    power_liar *liar = self;
    return liar->real->reserve(liar->disk, handle, size);
}

static int pass_info(void *self, int handle, bool times, rsi_file_info *info)
{
    power_liar *liar = self;
    return liar->real->info(liar->disk, handle, times, info);
}

static int pass_info_at(void *self, int directory, const char *path, rsi_file_info *info)
{
    power_liar *liar = self;
    return liar->real->info_at(liar->disk, directory, path, info);
}

static int pass_make_directory(void *self, int directory, const char *path)
{
    power_liar *liar = self;
    return liar->real->make_directory(liar->disk, directory, path);
}

static int pass_lock(void *self, int handle, uint64_t start, uint64_t size, int kind)
{
    power_liar *liar = self;
    return liar->real->lock(liar->disk, handle, start, size, kind);
}

static int pass_view(void *self, int handle, size_t size, const void **bytes)
{
    power_liar *liar = self;
    return liar->real->view(liar->disk, handle, size, bytes);
}

static void pass_unview(void *self, const void *bytes, size_t size)
{
    power_liar *liar = self;
    liar->real->unview(liar->disk, bytes, size);
}

void power_liar_init(power_liar *liar, power_disk *disk, power_lie lie)
{
    *liar = (power_liar){.disk = disk, .real = power_disk_table(disk), .lie = lie};
    liar->table = (rsi_file_table){
        .open = pass_open,
        .close = pass_close,
        .read = lie_read,
        .write = lie_write,
        .truncate = pass_truncate,
        .reserve = pass_reserve,
        .flush_data = lie_flush_data,
        .flush = lie_flush,
        .info = pass_info,
        .info_at = pass_info_at,
        .rename = lie_rename,
        .remove = lie_remove,
        .make_directory = pass_make_directory,
        .list = lie_list,
        .lock = pass_lock,
        .view = pass_view,
        .unview = pass_unview,
        .self = liar,
    };
}

const char *power_lie_name(power_lie lie)
{
    static const char *const names[POWER_LIES] = {
        "none",
        "no flush at all",
        "no flush of files",
        "no flush of data",
        "no flush of directories",
        "no flush of journals",
        "no flush of temporaries",
        "no flush of uploads",
        "no flush of the store's directory",
        "no flush of api_storage",
        "no flush of the directories of uploads",
        "no flush of the directories of entities",
        "every other flush left out",
        "renamed before it is flushed",
        "half a rename",
        "no rename",
        "no removal",
        "half of each write",
        "a lost write",
        "a flipped bit",
        "appended one byte too far",
        "reads end early",
        "a name left out of a list",
    };
    return names[lie];
}
