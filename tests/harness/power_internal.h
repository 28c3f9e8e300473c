/*
 * What the disk that loses power is made of: see power_disk.h.
 *
 *   disk ── nodes[0] is "/"
 *     │       file:      now, durable, changes (in order)
 *     │       directory: now, durable
 *     ├── moves   pending changes of names, in order, over all directories
 *     └── handles
 */
#ifndef TESTS_HARNESS_POWER_INTERNAL_H
#define TESTS_HARNESS_POWER_INTERNAL_H

#include "harness/power_disk.h"

#define POWER_SECTOR 512u
#define POWER_BLOCK 4096u
#define POWER_NAME_BYTES 64u /* that a file or directory takes by being there */
#define NO_NODE SIZE_MAX
#define FIRST_HANDLE 1000 /* no number that a descriptor of the process is likely to have */

typedef struct power_bytes {
    unsigned char *data;
    uint64_t size;
} power_bytes;

/* data NULL: the size becomes `size`. */
typedef struct power_change {
    uint64_t order;
    uint64_t offset;
    uint64_t size;
    unsigned char *data;
} power_change;

typedef struct power_name {
    char *text;
    size_t node;
} power_name;

typedef struct power_names {
    power_name *items;
    size_t count;
} power_names;

typedef struct power_node {
    uint64_t number; /* as info() tells it; a cut keeps it */
    bool is_directory;
    bool linked;
    int64_t modified_ns;
    power_bytes now;
    power_bytes durable;
    uint64_t reserved; /* bytes for which blocks are held */
    power_change *changes;
    size_t change_count;
    power_names names_now;
    power_names names_durable;
} power_node;

/* One name of one directory comes to mean `node`, or nothing. */
typedef struct power_part {
    size_t directory;
    char *name;
    size_t node;
} power_part;

typedef struct power_move {
    uint64_t order;
    size_t subject; /* the node that is made, moved or removed */
    power_part parts[2];
    size_t part_count;
    bool chosen; /* while a flush or a crash picks */
} power_move;

typedef struct power_lock {
    uint64_t start;
    uint64_t end;
    int kind;
} power_lock;

typedef struct power_handle {
    bool is_open;
    bool writable;
    size_t node;
    char *path;
    power_lock *locks;
    size_t lock_count;
} power_handle;

struct power_disk {
    rsi_file_table table;
    uint64_t device;
    power_node **nodes;
    size_t node_count;
    power_move *moves;
    size_t move_count;
    power_handle *handles;
    size_t handle_count;
    uint64_t order; /* of the newest change */
    uint64_t operations;
    int64_t clock_ns;
    int64_t back_dated_ns;
    size_t views;
    uint64_t limit; /* bytes that fit on it; 0: no end */
    bool split_renames;
    power_hook *hook;
    void *hook_user;
    bool in_hook;
};

/* Memory of the harness: never NULL, a test without memory ends. */
void *power_resize(void *old, size_t size);
char *power_copy_text(const char *text);

void power_bytes_resize(power_bytes *bytes, uint64_t size);
void power_bytes_write(power_bytes *bytes, const void *data, uint64_t size, uint64_t offset);
void power_bytes_copy(power_bytes *to, const power_bytes *from);
size_t power_names_find(const power_names *names, const char *name); /* its node, or NO_NODE */
void power_names_set(power_names *names, const char *name, size_t node);
size_t power_node_add(power_disk *disk, bool is_directory);
/* Choose also what the chosen ones rest on. */
void power_moves_close(power_move *moves, size_t count);

extern const rsi_file_table power_table; /* power_table.c; self is not set */

#endif
