/* The file table of the disk that loses power: see power_disk.h. */
#include "harness/power_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- changes ---- */

static void begin_operation(power_disk *disk)
{
    disk->operations++;
    if (disk->hook == NULL || disk->in_hook)
        return;
    disk->in_hook = true;
    disk->hook(disk->hook_user, disk, disk->operations);
    disk->in_hook = false;
}

static int64_t tick(power_disk *disk)
{
    return ++disk->clock_ns - disk->back_dated_ns;
}

static void record_change(power_disk *disk, power_node *node, const void *data, uint64_t size,
                          uint64_t offset)
{
    node->changes = power_resize(node->changes, (node->change_count + 1) * sizeof *node->changes);
    power_change *change = &node->changes[node->change_count++];
    *change = (power_change){.order = ++disk->order, .offset = offset, .size = size};
    if (data != NULL) {
        change->data = power_resize(NULL, (size_t)size + 1);
        memcpy(change->data, data, (size_t)size);
    }
    node->modified_ns = tick(disk);
}

static power_move *record_move(power_disk *disk, size_t subject)
{
    disk->moves = power_resize(disk->moves, (disk->move_count + 1) * sizeof *disk->moves);
    power_move *move = &disk->moves[disk->move_count++];
    *move = (power_move){.order = ++disk->order, .subject = subject};
    return move;
}

/* Change a name now, and note it as part of a pending change. */
static void set_name(power_disk *disk, power_move *move, size_t directory, const char *name,
                     size_t node)
{
    power_names_set(&disk->nodes[directory]->names_now, name, node);
    disk->nodes[directory]->modified_ns = tick(disk);
    move->parts[move->part_count++] = (power_part){directory, power_copy_text(name), node};
}

/* ---- handles and paths ---- */

static power_handle *handle_of(power_disk *disk, int handle)
{
    size_t index = (size_t)handle - FIRST_HANDLE;
    if (handle < FIRST_HANDLE || index >= disk->handle_count || !disk->handles[index].is_open)
        return NULL;
    return &disk->handles[index];
}

static power_node *node_of(power_disk *disk, int handle)
{
    power_handle *open = handle_of(disk, handle);
    return open == NULL ? NULL : disk->nodes[open->node];
}

/* Follow a path to the directory that holds its last name; name "" is that directory itself. */
static int follow(power_disk *disk, int directory, const char *path, size_t *parent,
                  char name[256])
{
    size_t at = 0;
    if (directory >= 0) {
        power_handle *open = handle_of(disk, directory);
        if (open == NULL)
            return -EBADF;
        at = open->node;
    }
    name[0] = '\0';
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        bool is_dot = length == 1 && path[0] == '.';
        if (length > 255)
            return -ENAMETOOLONG;
        if (length > 0 && !is_dot) {
            if (name[0] != '\0') {
                at = power_names_find(&disk->nodes[at]->names_now, name);
                if (at == NO_NODE)
                    return -ENOENT;
            }
            if (!disk->nodes[at]->is_directory)
                return -ENOTDIR;
            memcpy(name, path, length);
            name[length] = '\0';
        }
        path += length;
        path += strspn(path, "/");
    }
    *parent = at;
    return 0;
}

static size_t named(const power_disk *disk, size_t parent, const char *name)
{
    return name[0] == '\0' ? parent : power_names_find(&disk->nodes[parent]->names_now, name);
}

static int add_handle(power_disk *disk, size_t node, const char *path, bool writable)
{
    size_t index = 0;
    while (index < disk->handle_count && disk->handles[index].is_open)
        index++;
    if (index == disk->handle_count) {
        disk->handles =
            power_resize(disk->handles, (disk->handle_count + 1) * sizeof *disk->handles);
        disk->handle_count++;
    }
    disk->handles[index] = (power_handle){
        .is_open = true, .writable = writable, .node = node, .path = power_copy_text(path)};
    return FIRST_HANDLE + (int)index;
}

static bool has_room(const power_disk *disk, uint64_t more)
{
    return disk->limit == 0 || power_disk_used(disk) + more <= disk->limit;
}

/* ---- opening ---- */

static int disk_open(void *self, int directory, const char *path, unsigned flags)
{
    power_disk *disk = self;
    size_t parent;
    char name[256];

    int result = follow(disk, directory, path, &parent, name);
    if (result < 0)
        return result;
    size_t node = named(disk, parent, name);
    if (node == NO_NODE) {
        if (!(flags & RSI_OPEN_CREATE))
            return -ENOENT;
        if (!has_room(disk, POWER_NAME_BYTES))
            return -ENOSPC;
        begin_operation(disk);
        node = power_node_add(disk, false);
        disk->nodes[node]->modified_ns = tick(disk);
        set_name(disk, record_move(disk, node), parent, name, node);
    } else if ((flags & RSI_OPEN_CREATE) && (flags & RSI_OPEN_EXCLUSIVE)) {
        return -EEXIST;
    }
    bool is_directory = disk->nodes[node]->is_directory;
    if ((flags & RSI_OPEN_DIRECTORY) && !is_directory)
        return -ENOTDIR;
    if ((flags & RSI_OPEN_WRITE) && is_directory)
        return -EISDIR;
    return add_handle(disk, node, path, (flags & RSI_OPEN_WRITE) != 0);
}

static int disk_close(void *self, int handle)
{
    power_handle *open = handle_of(self, handle);
    if (open == NULL)
        return -EBADF;
    free(open->path);
    free(open->locks);
    *open = (power_handle){0};
    return 0;
}

/* ---- bytes ---- */

static int64_t disk_read(void *self, int handle, void *out, size_t size, uint64_t offset)
{
    const power_node *node = node_of(self, handle);
    if (node == NULL)
        return -EBADF;
    if (node->is_directory)
        return -EISDIR;
    if (offset >= node->now.size)
        return 0;
    if (size > node->now.size - offset)
        size = (size_t)(node->now.size - offset);
    memcpy(out, node->now.data + offset, size);
    return (int64_t)size;
}

static power_node *writable_node(power_disk *disk, int handle, int *result)
{
    power_handle *open = handle_of(disk, handle);
    *result = open == NULL || !open->writable ? -EBADF : 0;
    return *result < 0 ? NULL : disk->nodes[open->node];
}

static int64_t disk_write(void *self, int handle, const void *data, size_t size, uint64_t offset)
{
    int result;
    power_node *node = writable_node(self, handle, &result);
    if (node == NULL)
        return result;
    if (size == 0)
        return 0;
    const uint64_t blocks = (node->now.size + POWER_BLOCK - 1) / POWER_BLOCK * POWER_BLOCK;
    if (offset + size > blocks && !has_room(self, offset + size - blocks))
        return -ENOSPC;
    begin_operation(self);
    record_change(self, node, data, size, offset);
    power_bytes_write(&node->now, data, size, offset);
    return (int64_t)size;
}

static int disk_truncate(void *self, int handle, uint64_t size)
{
    int result;
    power_node *node = writable_node(self, handle, &result);
    if (node == NULL)
        return result;
    begin_operation(self);
    record_change(self, node, NULL, size, 0);
    power_bytes_resize(&node->now, size);
    return 0;
}

static int disk_reserve(void *self, int handle, uint64_t size)
{
    int result;
    power_node *node = writable_node(self, handle, &result);
    if (node == NULL)
        return result;
    if (size <= node->reserved)
        return 0;
    const uint64_t before = node->reserved;
    node->reserved = size;
    if (!has_room(self, 0)) {
        node->reserved = before;
        return -ENOSPC;
    }
    return 0;
}

/* ---- flushing ---- */

static void settle_moves(power_disk *disk)
{
    size_t kept = 0;
    power_moves_close(disk->moves, disk->move_count);
    for (size_t i = 0; i < disk->move_count; i++) {
        power_move *move = &disk->moves[i];
        if (!move->chosen) {
            disk->moves[kept++] = *move;
            continue;
        }
        for (size_t p = 0; p < move->part_count; p++) {
            power_part *part = &move->parts[p];
            power_names_set(&disk->nodes[part->directory]->names_durable, part->name, part->node);
            free(part->name);
        }
    }
    disk->move_count = kept;
}

static void flush_names(power_disk *disk, size_t directory)
{
    for (size_t i = 0; i < disk->move_count; i++) {
        power_move *move = &disk->moves[i];
        move->chosen = move->parts[0].directory == directory ||
                       (move->part_count == 2 && move->parts[1].directory == directory);
    }
    settle_moves(disk);
}

static void flush_bytes(power_node *node)
{
    if (node->change_count == 0)
        return;
    for (size_t i = 0; i < node->change_count; i++)
        free(node->changes[i].data);
    node->change_count = 0;
    power_bytes_copy(&node->durable, &node->now);
}

static int disk_flush(void *self, int handle)
{
    power_disk *disk = self;
    power_handle *open = handle_of(disk, handle);
    if (open == NULL)
        return -EBADF;
    size_t node = open->node;
    begin_operation(disk);
    if (disk->nodes[node]->is_directory)
        flush_names(disk, node);
    else
        flush_bytes(disk->nodes[node]);
    return 0;
}

/* ---- looking ---- */

static void fill_info(const power_disk *disk, size_t node, rsi_file_info *info)
{
    const power_node *of = disk->nodes[node];
    *info = (rsi_file_info){
        .device = disk->device,
        .inode = of->number,
        .size = of->now.size,
        .modified_ns = of->modified_ns,
        .changed_ns = of->modified_ns,
        .links = of->linked ? 1 : 0,
        .kind = of->is_directory ? RSI_FILE_DIRECTORY : RSI_FILE_REGULAR,
    };
}

static int disk_info(void *self, int handle, bool times, rsi_file_info *info)
{
    power_disk *disk = self;
    const power_handle *open = handle_of(disk, handle);
    if (open == NULL)
        return -EBADF;
    fill_info(disk, open->node, info);
    if (!times)
        info->modified_ns = info->changed_ns = 0;
    return 0;
}

static int disk_info_at(void *self, int directory, const char *path, rsi_file_info *info)
{
    power_disk *disk = self;
    size_t parent;
    char name[256];

    int result = follow(disk, directory, path, &parent, name);
    if (result < 0)
        return result;
    size_t node = named(disk, parent, name);
    if (node == NO_NODE)
        return -ENOENT;
    fill_info(disk, node, info);
    return 0;
}

static int disk_list(void *self, int handle, int (*each)(void *user, const char *name), void *user)
{
    power_disk *disk = self;
    const power_node *node = node_of(disk, handle);
    int result = 0;
    if (node == NULL)
        return -EBADF;
    if (!node->is_directory)
        return -ENOTDIR;
    size_t count = node->names_now.count;
    char **names = power_resize(NULL, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = power_copy_text(node->names_now.items[i].text);
    for (size_t i = 0; i < count; i++) {
        if (result == 0)
            result = each(user, names[i]);
        free(names[i]);
    }
    free(names);
    return result;
}

/* ---- names ---- */

/* May `node` stand where `old` is? */
static int check_replace(const power_disk *disk, size_t node, size_t old)
{
    const power_node *from = disk->nodes[node];
    const power_node *to = disk->nodes[old];
    if (from->is_directory && !to->is_directory)
        return -ENOTDIR;
    if (!from->is_directory && to->is_directory)
        return -EISDIR;
    return to->names_now.count > 0 ? -ENOTEMPTY : 0;
}

static int disk_rename(void *self, int directory, const char *from, const char *to)
{
    power_disk *disk = self;
    size_t parents[2];
    char old_name[256];
    char new_name[256];

    int result = follow(disk, directory, from, &parents[0], old_name);
    if (result == 0)
        result = follow(disk, directory, to, &parents[1], new_name);
    if (result < 0)
        return result;
    if (old_name[0] == '\0' || new_name[0] == '\0')
        return -EBUSY;
    size_t node = named(disk, parents[0], old_name);
    size_t old = named(disk, parents[1], new_name);
    if (node == NO_NODE)
        return -ENOENT;
    if (node == old)
        return 0;
    result = old == NO_NODE ? 0 : check_replace(disk, node, old);
    if (result < 0)
        return result;

    begin_operation(disk);
    power_move *move = record_move(disk, node);
    set_name(disk, move, parents[0], old_name, NO_NODE);
    if (disk->split_renames) /* another subject, so that neither rests on the other */
        move = record_move(disk, NO_NODE);
    set_name(disk, move, parents[1], new_name, node);
    if (old != NO_NODE)
        disk->nodes[old]->linked = false;
    return 0;
}

static int disk_remove(void *self, int directory, const char *path, bool is_directory)
{
    power_disk *disk = self;
    size_t parent;
    char name[256];

    int result = follow(disk, directory, path, &parent, name);
    if (result < 0)
        return result;
    size_t node = named(disk, parent, name);
    if (node == NO_NODE)
        return -ENOENT;
    if (name[0] == '\0')
        return -EBUSY;
    if (disk->nodes[node]->is_directory != is_directory)
        return is_directory ? -ENOTDIR : -EISDIR;
    if (disk->nodes[node]->names_now.count > 0)
        return -ENOTEMPTY;
    begin_operation(disk);
    set_name(disk, record_move(disk, node), parent, name, NO_NODE);
    disk->nodes[node]->linked = false;
    return 0;
}

static int disk_make_directory(void *self, int directory, const char *path)
{
    power_disk *disk = self;
    size_t parent;
    char name[256];

    int result = follow(disk, directory, path, &parent, name);
    if (result < 0)
        return result;
    if (named(disk, parent, name) != NO_NODE)
        return -EEXIST;
    if (!has_room(disk, POWER_NAME_BYTES))
        return -ENOSPC;
    begin_operation(disk);
    size_t node = power_node_add(disk, true);
    disk->nodes[node]->modified_ns = tick(disk);
    set_name(disk, record_move(disk, node), parent, name, node);
    return 0;
}

/* ---- locks ---- */

static void add_lock(power_handle *open, uint64_t start, uint64_t end, int kind)
{
    if (start >= end)
        return;
    open->locks = power_resize(open->locks, (open->lock_count + 1) * sizeof *open->locks);
    open->locks[open->lock_count++] = (power_lock){start, end, kind};
}

static int disk_lock_range(void *self, int handle, uint64_t start, uint64_t size, int kind)
{
    power_disk *disk = self;
    power_handle *open = handle_of(disk, handle);
    const uint64_t end = size == 0 ? UINT64_MAX : start + size;
    if (open == NULL || (kind == RSI_LOCK_EXCLUSIVE && !open->writable))
        return -EBADF;
    for (size_t h = 0; kind != RSI_LOCK_NONE && h < disk->handle_count; h++) {
        const power_handle *other = &disk->handles[h];
        for (size_t i = 0; other != open && other->node == open->node && i < other->lock_count; i++)
            if (other->locks[i].start < end && start < other->locks[i].end &&
                (kind >= RSI_LOCK_EXCLUSIVE || other->locks[i].kind == RSI_LOCK_EXCLUSIVE))
                return -EAGAIN;
    }
    if (kind == RSI_LOCK_LOOK)
        return 0;
    power_lock *old = open->locks;
    const size_t count = open->lock_count;
    open->locks = NULL;
    open->lock_count = 0;
    for (size_t i = 0; i < count; i++) { /* what this handle had outside the range stays */
        if (old[i].end <= start || old[i].start >= end) {
            add_lock(open, old[i].start, old[i].end, old[i].kind);
        } else {
            add_lock(open, old[i].start, start, old[i].kind);
            add_lock(open, end, old[i].end, old[i].kind);
        }
    }
    free(old);
    if (kind != RSI_LOCK_NONE)
        add_lock(open, start, end, kind);
    return 0;
}

/* ---- views ---- */

static int disk_view(void *self, int handle, size_t size, const void **bytes)
{
    power_disk *disk = self;
    const power_node *node = node_of(disk, handle);
    if (node == NULL || size > node->now.size)
        return node == NULL ? -EBADF : -EINVAL;
    unsigned char *copy = power_resize(NULL, size + 1);
    if (size > 0)
        memcpy(copy, node->now.data, size);
    *bytes = copy;
    disk->views++;
    return 0;
}

static void disk_unview(void *self, const void *bytes, size_t size)
{
    power_disk *disk = self;
    (void)size;
    free((void *)(uintptr_t)bytes);
    disk->views--;
}

const rsi_file_table power_table = {
    .open = disk_open,
    .close = disk_close,
    .read = disk_read,
    .write = disk_write,
    .truncate = disk_truncate,
    .reserve = disk_reserve,
    .flush_data = disk_flush,
    .flush = disk_flush,
    .info = disk_info,
    .info_at = disk_info_at,
    .rename = disk_rename,
    .remove = disk_remove,
    .make_directory = disk_make_directory,
    .list = disk_list,
    .lock = disk_lock_range,
    .view = disk_view,
    .unview = disk_unview,
};
