/* Sharing the stores that are open: see open_stores.h. */
#include "entities/open_stores.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>

typedef enum entry_state {
    ENTRY_OPENING,
    ENTRY_OPEN,
    ENTRY_CLOSING, /* by the last user */
} entry_state;

typedef struct entry {
    const rsi_file_table *files;
    uint64_t device;
    uint64_t inode;
    bool writes;
    entry_state state;
    rsi_store *store;          /* when open */
    rsi_store_options options; /* of the first user; the embedder is the store's */
    struct entry *next;
} entry;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* an entry came, went, or changed its state */
static entry *entries;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- forks ---- */

static void make_condition(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

/* What the parent has open is none of the child's; its copies are left alone. */
static void after_fork_in_child(void)
{
    entries = NULL;
    make_condition();
    pthread_mutex_unlock(&mutex);
}

static void prepare(void)
{
    make_condition();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- the list, with the mutex held ---- */

static void remove_entry(entry *gone)
{
    entry **at = &entries;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    rsi_free(gone);
    pthread_cond_broadcast(&changed);
}

static entry *entry_of(const rsi_store *store)
{
    entry *at = entries;
    while (at != NULL && at->store != store)
        at = at->next;
    return at;
}

/* A writer can serve readers, too. */
static entry *find_entry(const entry *wanted)
{
    entry *found = NULL;
    for (entry *at = entries; at != NULL; at = at->next)
        if (at->files == wanted->files && at->device == wanted->device &&
            at->inode == wanted->inode && (at->writes || !wanted->writes) &&
            (found == NULL || at->writes))
            found = at;
    return found;
}

/* ---- may it be shared? ---- */

static bool is_same_model(const rsi_embedder *a, const rsi_embedder *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a == b || strcmp(rsi_embedder_fingerprint(a), rsi_embedder_fingerprint(b)) == 0;
}

static int check_options(const entry *open, const rsi_store_options *asked, bool writes)
{
    const rsi_store_options *first = &open->options;
    const char *other = NULL;
    if ((asked->storage.flags & RAGSTORE_OPEN_MUST_CREATE) != 0)
        return rsi_fail(RAGSTORE_E_EXISTS, "entities", "there is a store already");
    if (writes && asked->storage.durability != first->storage.durability)
        other = "durability";
    else if (!is_same_model(asked->embedder, first->embedder))
        other = "model";
    else if (asked->memory_limit_bytes != first->memory_limit_bytes)
        other = "memory_limit_bytes";
    else if (asked->storage.busy_timeout_ms != first->storage.busy_timeout_ms)
        other = "busy_timeout_ms";
    if (other == NULL)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_CONFLICT, "entities",
                    "the store is open in this process with another %s: use that handle, give the "
                    "same, or close it first",
                    other);
}

/* One more user of an open store. */
static int share(rsi_store **out, const entry *open, const rsi_store_options *options, bool writes)
{
    int status = check_options(open, options, writes);
    if (status == RAGSTORE_OK && options->background && open->writes)
        status = rsi_upkeep_start(open->store); /* nothing when it runs */
    if (status != RAGSTORE_OK)
        return status;
    if (options->offer_jobs != NULL)
        rsi_upkeep_set_offerer(open->store, options->offer_jobs);
    rsi_store_log_add(open->store, options->log);
    open->store->opens++;
    open->store->users++;
    *out = open->store;
    return RAGSTORE_OK;
}

/* ---- joining ---- */

/* Which directory is it? Made when the options allow it, as opening would. */
static int identify(entry *wanted, const char *path, const rsi_store_options *options)
{
    rsi_root *root;
    rsi_file_info info = {0};
    bool create = wanted->writes && (options->storage.flags & RAGSTORE_OPEN_MUST_EXIST) == 0;
    int status = rsi_root_open(&root, options->storage.files, path, create);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_root_info(root, &info);
    wanted->device = info.device;
    wanted->inode = info.inode;
    rsi_root_close(root);
    return status;
}

/* Share an open store, or put an entry of our own into the list: *mine. */
static int find_or_announce(rsi_store **out, entry **mine, const entry *wanted,
                            const rsi_store_options *options)
{
    const struct timespec until = rsi_monotonic_after_ms(options->storage.busy_timeout_ms);
    int status = RAGSTORE_OK;
    int waited = 0;
    *mine = NULL;
    pthread_mutex_lock(&mutex);
    entry *found;
    while ((found = find_entry(wanted)) != NULL && found->state != ENTRY_OPEN && waited == 0)
        waited = pthread_cond_timedwait(&changed, &mutex, &until);
    if (found == NULL) {
        *mine = rsi_alloc_zeroed(sizeof **mine);
        if (*mine == NULL) {
            status = RAGSTORE_E_NO_MEMORY;
        } else {
            **mine = *wanted;
            (*mine)->next = entries;
            entries = *mine;
        }
    } else if (found->state == ENTRY_OPEN) {
        status = share(out, found, options, wanted->writes);
    } else {
        status = rsi_fail(RAGSTORE_E_BUSY, "entities",
                          "another thread has been opening or closing it for %u ms; try again, or "
                          "allow a longer busy_timeout_ms",
                          options->storage.busy_timeout_ms);
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

static int open_new(rsi_store **out, entry *mine, const char *path,
                    const rsi_store_options *options)
{
    rsi_store *store;
    int status = rsi_store_open(&store, path, options);
    pthread_mutex_lock(&mutex);
    if (status == RAGSTORE_OK) {
        mine->state = ENTRY_OPEN;
        mine->store = store;
        mine->options = *options;
        mine->options.embedder = store->embedder;
        *out = store;
        pthread_cond_broadcast(&changed);
    } else {
        remove_entry(mine);
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

int rsi_store_join(rsi_store **out, const char *path, const rsi_store_options *options)
{
    const uint32_t flags = options->storage.flags;
    entry wanted = {.files = options->storage.files,
                    .writes = (flags & RAGSTORE_OPEN_READ_ONLY) == 0,
                    .state = ENTRY_OPENING};
    entry *mine;
    *out = NULL;
    if ((flags & RAGSTORE_OPEN_IMMUTABLE) != 0)
        return rsi_store_open(out, path, options);
    pthread_once(&once, prepare);
    int status = identify(&wanted, path, options);
    if (status == RAGSTORE_OK)
        status = find_or_announce(out, &mine, &wanted, options);
    if (status == RAGSTORE_OK && *out == NULL)
        status = open_new(out, mine, path, options);
    return status;
}

/* ---- leaving ---- */

int rsi_store_leave(rsi_store *store, rsi_store_log *log)
{
    pthread_mutex_lock(&mutex);
    entry *open = entry_of(store);
    const bool is_last = --store->opens == 0;
    if (is_last && open != NULL)
        open->state = ENTRY_CLOSING;
    pthread_mutex_unlock(&mutex);
    int status = is_last ? rsi_store_close(store) : RAGSTORE_OK;
    rsi_store_log_remove(store, log);
    if (!is_last || open == NULL)
        return status;
    pthread_mutex_lock(&mutex);
    remove_entry(open);
    pthread_mutex_unlock(&mutex);
    return status;
}

void rsi_store_forget(rsi_store *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&mutex);
    const bool is_last = --store->users == 0;
    pthread_mutex_unlock(&mutex);
    if (is_last)
        rsi_store_free(store);
}
