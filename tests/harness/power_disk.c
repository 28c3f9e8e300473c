/* The disk that loses power: its parts, and what a cut leaves of them. See power_disk.h. */
#include "harness/power_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- parts ---- */

void *power_resize(void *old, size_t size)
{
    void *block = realloc(old, size);
    if (block == NULL)
        abort();
    return block;
}

char *power_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(power_resize(NULL, size), text, size);
}

void power_bytes_resize(power_bytes *bytes, uint64_t size)
{
    bytes->data = power_resize(bytes->data, (size_t)size + 1);
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, (size_t)(size - bytes->size));
    bytes->size = size;
}

void power_bytes_write(power_bytes *bytes, const void *data, uint64_t size, uint64_t offset)
{
    if (offset + size > bytes->size)
        power_bytes_resize(bytes, offset + size);
    memcpy(bytes->data + offset, data, (size_t)size);
}

void power_bytes_copy(power_bytes *to, const power_bytes *from)
{
    power_bytes_resize(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, (size_t)from->size);
}

static size_t find_place(const power_names *names, const char *name)
{
    size_t at = 0;
    while (at < names->count && strcmp(names->items[at].text, name) != 0)
        at++;
    return at;
}

size_t power_names_find(const power_names *names, const char *name)
{
    size_t at = find_place(names, name);
    return at < names->count ? names->items[at].node : NO_NODE;
}

void power_names_set(power_names *names, const char *name, size_t node)
{
    size_t at = find_place(names, name);
    if (node == NO_NODE) {
        if (at == names->count)
            return;
        free(names->items[at].text);
        names->items[at] = names->items[--names->count];
        return;
    }
    if (at == names->count) {
        names->items = power_resize(names->items, (names->count + 1) * sizeof *names->items);
        names->items[names->count++].text = power_copy_text(name);
    }
    names->items[at].node = node;
}

static void free_names(power_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].text);
    free(names->items);
}

size_t power_node_add(power_disk *disk, bool is_directory)
{
    power_node *node = power_resize(NULL, sizeof *node);
    *node =
        (power_node){.number = disk->node_count + 1, .is_directory = is_directory, .linked = true};
    disk->nodes = power_resize(disk->nodes, (disk->node_count + 1) * sizeof *disk->nodes);
    disk->nodes[disk->node_count] = node;
    return disk->node_count++;
}

static void free_node(power_node *node)
{
    for (size_t i = 0; i < node->change_count; i++)
        free(node->changes[i].data);
    free(node->changes);
    free(node->now.data);
    free(node->durable.data);
    free_names(&node->names_now);
    free_names(&node->names_durable);
    free(node);
}

/* ---- the disk ---- */

static power_disk *make_disk(void)
{
    static uint64_t made;
    power_disk *disk = power_resize(NULL, sizeof *disk);
    *disk = (power_disk){
        .table = power_table, .device = ++made, .clock_ns = (int64_t)time(NULL) * 1000000000};
    disk->table.self = disk;
    return disk;
}

power_disk *power_disk_new(void)
{
    power_disk *disk = make_disk();
    power_node_add(disk, true);
    return disk;
}

void power_disk_free(power_disk *disk)
{
    if (disk == NULL)
        return;
    for (size_t i = 0; i < disk->node_count; i++)
        free_node(disk->nodes[i]);
    for (size_t i = 0; i < disk->move_count; i++)
        for (size_t p = 0; p < disk->moves[i].part_count; p++)
            free(disk->moves[i].parts[p].name);
    for (size_t i = 0; i < disk->handle_count; i++) {
        free(disk->handles[i].path);
        free(disk->handles[i].locks);
    }
    free(disk->nodes);
    free(disk->moves);
    free(disk->handles);
    free(disk);
}

const rsi_file_table *power_disk_table(power_disk *disk)
{
    return &disk->table;
}

void power_disk_hook(power_disk *disk, power_hook *hook, void *user)
{
    disk->hook = hook;
    disk->hook_user = user;
}

uint64_t power_disk_operations(const power_disk *disk)
{
    return disk->operations;
}

size_t power_disk_pending(const power_disk *disk)
{
    size_t count = disk->move_count;
    for (size_t i = 0; i < disk->node_count; i++)
        count += disk->nodes[i]->change_count;
    return count;
}

size_t power_disk_open_handles(const power_disk *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->handle_count; i++)
        count += disk->handles[i].is_open;
    return count;
}

size_t power_disk_views(const power_disk *disk)
{
    return disk->views;
}

const char *power_disk_name(const power_disk *disk, int handle)
{
    size_t index = (size_t)handle - FIRST_HANDLE;
    return index < disk->handle_count && disk->handles[index].is_open ? disk->handles[index].path
                                                                      : "";
}

void power_disk_back_date(power_disk *disk, int64_t seconds)
{
    disk->back_dated_ns = seconds * 1000000000;
}

void power_disk_limit(power_disk *disk, uint64_t bytes)
{
    disk->limit = bytes;
}

uint64_t power_disk_used(const power_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const power_node *node = disk->nodes[i];
        const uint64_t blocks = (node->now.size + POWER_BLOCK - 1) / POWER_BLOCK * POWER_BLOCK;
        if (node->linked)
            used += (blocks > node->reserved ? blocks : node->reserved) + POWER_NAME_BYTES;
    }
    return used;
}

void power_disk_split_renames(power_disk *disk)
{
    disk->split_renames = true;
}

/* ---- choices ---- */

/* The finalizer of splitmix64: every bit of the result depends on every bit of the number. */
static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

uint64_t power_random(uint64_t *seed, uint64_t limit)
{
    *seed += 0x9e3779b97f4a7c15u;
    return mix(*seed) % limit;
}

typedef enum keep_kind {
    KEEP_NOTHING,
    KEEP_ALL,
    KEEP_PREFIX,  /* what is older than `border` */
    KEEP_SUFFIX,  /* what is younger */
    KEEP_ALL_BUT, /* all except `border` */
    KEEP_ONLY,    /* nothing except `border` */
    KEEP_NAMES,   /* changes of names, and some bytes */
    KEEP_BYTES,   /* bytes, and some changes of names */
    KEEP_SOME,    /* each with the same chance */
    KEEP_KINDS,
} keep_kind;

typedef struct cut_choice {
    uint64_t seed;
    keep_kind kind;
    uint64_t border;
    uint64_t chance; /* of 8 */
} cut_choice;

static uint64_t oldest_pending(const power_disk *disk)
{
    uint64_t oldest = disk->move_count > 0 ? disk->moves[0].order : disk->order + 1;
    for (size_t i = 0; i < disk->node_count; i++)
        if (disk->nodes[i]->change_count > 0 && disk->nodes[i]->changes[0].order < oldest)
            oldest = disk->nodes[i]->changes[0].order;
    return oldest;
}

static cut_choice choose(const power_disk *disk, uint64_t seed)
{
    cut_choice choice = {.seed = seed};
    if (seed == POWER_KEEP_NOTHING || seed == POWER_KEEP_ALL) {
        choice.kind = seed == POWER_KEEP_ALL ? KEEP_ALL : KEEP_NOTHING;
        return choice;
    }
    uint64_t oldest = oldest_pending(disk);
    choice.kind = KEEP_PREFIX + (keep_kind)power_random(&seed, KEEP_KINDS - KEEP_PREFIX);
    choice.border = oldest + power_random(&seed, disk->order + 2 - oldest);
    choice.chance = 1 + power_random(&seed, 7);
    return choice;
}

/* Is piece `part` of the pending change `order` kept? */
static bool is_kept(const cut_choice *choice, uint64_t order, uint64_t part, bool is_name)
{
    bool perhaps = mix(choice->seed ^ mix(order * 2654435761u + part)) % 8 < choice->chance;
    switch (choice->kind) {
    case KEEP_NOTHING:
        return false;
    case KEEP_ALL:
        return true;
    case KEEP_PREFIX:
        return order < choice->border || (order == choice->border && perhaps);
    case KEEP_SUFFIX:
        return order > choice->border || (order == choice->border && perhaps);
    case KEEP_ALL_BUT:
        return order != choice->border || perhaps;
    case KEEP_ONLY:
        return order == choice->border && perhaps;
    case KEEP_NAMES:
        return is_name || perhaps;
    case KEEP_BYTES:
        return !is_name || perhaps;
    default:
        return perhaps;
    }
}

/* ---- a cut ---- */

static bool rests_on(const power_move *later, const power_move *earlier)
{
    if (later->subject == earlier->subject && later->subject != NO_NODE)
        return true;
    for (size_t a = 0; a < later->part_count; a++)
        for (size_t b = 0; b < earlier->part_count; b++)
            if (later->parts[a].directory == earlier->parts[b].directory &&
                strcmp(later->parts[a].name, earlier->parts[b].name) == 0)
                return true;
    return false;
}

void power_moves_close(power_move *moves, size_t count)
{
    for (size_t later = count; later-- > 1;)
        for (size_t earlier = later; moves[later].chosen && earlier-- > 0;)
            if (rests_on(&moves[later], &moves[earlier]))
                moves[earlier].chosen = true;
}

/* A sector is written as it is in memory: with this change also the earlier ones are on disk. */
static bool sector_is_kept(const cut_choice *choice, const power_node *node, size_t change,
                           uint64_t sector)
{
    for (size_t i = change; i < node->change_count; i++) {
        const power_change *at = &node->changes[i];
        uint64_t end = at->offset + at->size;
        if (at->data != NULL && at->offset < (sector + 1) * POWER_SECTOR &&
            end > sector * POWER_SECTOR && is_kept(choice, at->order, sector, false))
            return true;
    }
    return false;
}

static void cut_bytes(power_bytes *out, const power_node *node, const cut_choice *choice)
{
    power_bytes_copy(out, &node->durable);
    for (size_t i = 0; i < node->change_count; i++) {
        const power_change *change = &node->changes[i];
        const uint64_t end = change->offset + change->size;
        const bool size_is_kept = is_kept(choice, change->order, UINT64_MAX, false);
        if (change->data == NULL) {
            if (size_is_kept)
                power_bytes_resize(out, change->size);
            continue;
        }
        if (size_is_kept && end > out->size)
            power_bytes_resize(out, end);
        for (uint64_t at = change->offset; at < end;) {
            const uint64_t sector = at / POWER_SECTOR;
            uint64_t stop = (sector + 1) * POWER_SECTOR;
            stop = stop < end ? stop : end;
            if (sector_is_kept(choice, node, i, sector))
                power_bytes_write(out, change->data + (at - change->offset), stop - at, at);
            at = stop;
        }
    }
}

/* Names of each directory after the cut: durable ones with the kept changes. */
static power_names *cut_names(const power_disk *disk, const cut_choice *choice)
{
    power_names *names = power_resize(NULL, disk->node_count * sizeof *names);
    memset(names, 0, disk->node_count * sizeof *names);
    for (size_t i = 0; i < disk->node_count; i++)
        for (size_t n = 0; n < disk->nodes[i]->names_durable.count; n++)
            power_names_set(&names[i], disk->nodes[i]->names_durable.items[n].text,
                            disk->nodes[i]->names_durable.items[n].node);
    for (size_t i = 0; i < disk->move_count; i++)
        disk->moves[i].chosen = is_kept(choice, disk->moves[i].order, 0, true);
    power_moves_close(disk->moves, disk->move_count);
    for (size_t i = 0; i < disk->move_count; i++)
        for (size_t p = 0; disk->moves[i].chosen && p < disk->moves[i].part_count; p++)
            power_names_set(&names[disk->moves[i].parts[p].directory], disk->moves[i].parts[p].name,
                            disk->moves[i].parts[p].node);
    return names;
}

static size_t copy_tree(power_disk *to, const power_disk *from, size_t node,
                        const power_names *names, const cut_choice *choice)
{
    const power_node *old = from->nodes[node];
    size_t copy = power_node_add(to, old->is_directory);
    to->nodes[copy]->number = old->number;
    to->nodes[copy]->modified_ns = old->modified_ns;
    to->nodes[copy]->reserved = old->reserved;
    if (!old->is_directory) {
        cut_bytes(&to->nodes[copy]->durable, old, choice);
        power_bytes_copy(&to->nodes[copy]->now, &to->nodes[copy]->durable);
    }
    for (size_t i = 0; i < names[node].count; i++) {
        size_t child = copy_tree(to, from, names[node].items[i].node, names, choice);
        power_names_set(&to->nodes[copy]->names_now, names[node].items[i].text, child);
        power_names_set(&to->nodes[copy]->names_durable, names[node].items[i].text, child);
    }
    return copy;
}

power_disk *power_disk_cut(const power_disk *disk, uint64_t seed)
{
    const cut_choice choice = choose(disk, seed);
    power_disk *after = make_disk();
    after->clock_ns = disk->clock_ns;
    after->back_dated_ns = disk->back_dated_ns;
    after->limit = disk->limit;
    power_names *names = cut_names(disk, &choice);
    copy_tree(after, disk, 0, names, &choice);
    for (size_t i = 0; i < disk->node_count; i++)
        free_names(&names[i]);
    free(names);
    return after;
}

/* ---- a kill ---- */

static void copy_names(power_names *to, const power_names *from)
{
    for (size_t i = 0; i < from->count; i++)
        power_names_set(to, from->items[i].text, from->items[i].node);
}

static void copy_node(power_disk *to, const power_node *from)
{
    size_t place = power_node_add(to, from->is_directory);
    power_node *node = to->nodes[place];
    node->number = from->number;
    node->linked = from->linked;
    node->modified_ns = from->modified_ns;
    node->reserved = from->reserved;
    power_bytes_copy(&node->now, &from->now);
    power_bytes_copy(&node->durable, &from->durable);
    node->change_count = from->change_count;
    node->changes = power_resize(NULL, (from->change_count + 1) * sizeof *node->changes);
    for (size_t i = 0; i < from->change_count; i++) {
        node->changes[i] = from->changes[i];
        if (from->changes[i].data != NULL) {
            node->changes[i].data = power_resize(NULL, (size_t)from->changes[i].size + 1);
            memcpy(node->changes[i].data, from->changes[i].data, (size_t)from->changes[i].size);
        }
    }
    copy_names(&node->names_now, &from->names_now);
    copy_names(&node->names_durable, &from->names_durable);
}

power_disk *power_disk_kill(const power_disk *disk)
{
    power_disk *after = make_disk();
    after->clock_ns = disk->clock_ns;
    after->back_dated_ns = disk->back_dated_ns;
    after->limit = disk->limit;
    after->order = disk->order;
    after->split_renames = disk->split_renames;
    for (size_t i = 0; i < disk->node_count; i++)
        copy_node(after, disk->nodes[i]);
    after->move_count = disk->move_count;
    after->moves = power_resize(NULL, (disk->move_count + 1) * sizeof *after->moves);
    for (size_t i = 0; i < disk->move_count; i++) {
        after->moves[i] = disk->moves[i];
        for (size_t k = 0; k < disk->moves[i].part_count; k++)
            after->moves[i].parts[k].name = power_copy_text(disk->moves[i].parts[k].name);
    }
    return after;
}
