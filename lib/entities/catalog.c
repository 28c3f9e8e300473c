/* Which catalogs are in memory, and how commits reach them: see catalog.h. */
#include "entities/catalog.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <stdio.h>
#include <string.h>

static void free_catalog(rsi_catalog *catalog)
{
    rsi_catalog_clear(catalog);
    rsi_filter_cache_free(&catalog->filters);
    rsi_columns_free(&catalog->columns);
    pthread_rwlock_destroy(&catalog->lock);
    rsi_free(catalog->entity_id);
    rsi_free(catalog);
}

static void free_catalog_value(void *value)
{
    free_catalog(value);
}

void rsi_catalogs_free(rsi_store *store)
{
    rsi_map_free(&store->catalogs, free_catalog_value);
}

static rsi_catalog *make_catalog(const rsi_store *store, const char *entity_id,
                                 const char *incarnation)
{
    rsi_catalog *catalog = rsi_alloc_zeroed(sizeof *catalog);
    if (catalog == NULL)
        return NULL;
    catalog->entity_id = rsi_strdup(entity_id);
    if (catalog->entity_id == NULL) {
        rsi_free(catalog);
        return NULL;
    }
    snprintf(catalog->incarnation, sizeof catalog->incarnation, "%s", incarnation);
    catalog->memory_limit = store->memory_limit_bytes;
    pthread_rwlock_init(&catalog->lock, NULL);
    rsi_filter_cache_init(&catalog->filters);
    rsi_columns_init(&catalog->columns);
    return catalog;
}

void rsi_catalog_count_locked(rsi_store *store, rsi_catalog *catalog)
{
    store->catalog_bytes -= catalog->counted;
    catalog->counted = catalog->references > 0 || catalog->is_stale ? 0 : rsi_catalog_memory(catalog);
    store->catalog_bytes += catalog->counted;
}

/* Take a catalog out of the map; it is freed when nobody uses it any more. */
static void make_stale_locked(rsi_store *store, rsi_catalog *catalog)
{
    if (catalog->is_stale)
        return;
    catalog->is_stale = true;
    rsi_catalog_count_locked(store, catalog);
    rsi_map_remove(&store->catalogs, catalog->entity_id, strlen(catalog->entity_id));
    if (catalog->references == 0)
        free_catalog(catalog);
}

/* Throw away what was not used for longest until the rest fits the limit, or a little less, so that
 * the next ones that come need no look at all catalogs. */
static void shrink_locked(rsi_store *store)
{
    const uint64_t limit = store->memory_limit_bytes;
    const uint64_t embedded = rsi_embedding_cache_memory(store->embedded);
    if (store->catalog_bytes + embedded <= limit)
        return;
    while (store->catalog_bytes + embedded > limit - limit / 16) {
        size_t position = 0;
        rsi_catalog *oldest = NULL;
        void *value;
        while (rsi_map_next(&store->catalogs, &position, NULL, &value)) {
            rsi_catalog *catalog = value;
            if (catalog->references == 0 &&
                (oldest == NULL || catalog->last_use < oldest->last_use))
                oldest = catalog;
        }
        if (oldest == NULL)
            return;
        rsi_storage_forget_chunks(store->storage, oldest->entity_id);
        make_stale_locked(store, oldest);
    }
}

/* ---- room for byte codes ---- */

/* So often catalogs are used before byte codes give way to others, and before they are tried again:
 * entities that are searched in turns do not take the room from each other at each search. */
#define USES_BETWEEN 1024

static void spare_bytes_locked(const rsi_store *store, rsi_catalog *catalog)
{
    catalog->bytes_rest = store->clock + USES_BETWEEN;
    __atomic_store_n(&catalog->bytes_spared, true, __ATOMIC_RELAXED);
}

/* What byte codes of the other catalogs take; *oldest: the one that may give way first, or NULL. */
static size_t bytes_of_others_locked(rsi_catalog **oldest, const rsi_store *store,
                                     const rsi_catalog *catalog)
{
    size_t position = 0;
    size_t sum = 0;
    void *value;
    *oldest = NULL;
    while (rsi_map_next(&store->catalogs, &position, NULL, &value)) {
        rsi_catalog *other = value;
        const size_t size = __atomic_load_n(&other->bytes_memory, __ATOMIC_RELAXED);
        if (other == catalog || size == 0)
            continue;
        sum += size;
        if (other->references == 0 && other->last_use + USES_BETWEEN <= store->clock &&
            (*oldest == NULL || other->last_use < (*oldest)->last_use))
            *oldest = other;
    }
    return sum;
}

bool rsi_catalog_take_room(rsi_store *store, rsi_catalog *catalog, size_t size)
{
    const uint64_t limit = store->memory_limit_bytes / RSI_BYTES_SHARE;
    rsi_catalog *oldest;
    pthread_mutex_lock(&store->catalogs_mutex);
    size_t others = bytes_of_others_locked(&oldest, store, catalog);
    while (others + size > limit && oldest != NULL) {
        rsi_catalog_drop_bytes_locked(oldest); /* nobody uses it: its lock is free */
        rsi_catalog_count_locked(store, oldest);
        spare_bytes_locked(store, oldest);
        others = bytes_of_others_locked(&oldest, store, catalog);
    }
    const bool fits = others + size <= limit;
    if (fits)
        __atomic_store_n(&catalog->bytes_memory, size, __ATOMIC_RELAXED);
    else
        spare_bytes_locked(store, catalog);
    pthread_mutex_unlock(&store->catalogs_mutex);
    return fits;
}

/* It is used again: is it time to look for room once more? */
static void think_of_bytes_locked(const rsi_store *store, rsi_catalog *catalog)
{
    if (catalog->bytes_rest == 0 || store->clock < catalog->bytes_rest)
        return;
    catalog->bytes_rest = 0;
    __atomic_store_n(&catalog->bytes_spared, false, __ATOMIC_RELAXED);
    __atomic_store_n(&catalog->wants_codes, true, __ATOMIC_RELAXED);
}

/* ---- referring ---- */

void rsi_catalog_release(rsi_store *store, rsi_catalog *catalog)
{
    if (catalog == NULL)
        return;
    pthread_mutex_lock(&store->catalogs_mutex);
    if (--catalog->references == 0) {
        if (catalog->is_stale) {
            free_catalog(catalog);
        } else {
            rsi_catalog_count_locked(store, catalog);
            shrink_locked(store);
        }
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
}

/* The catalog of this incarnation, made when missing, with a reference. */
static rsi_catalog *reference_catalog(rsi_store *store, const char *entity_id,
                                      const char *incarnation)
{
    pthread_mutex_lock(&store->catalogs_mutex);
    rsi_catalog *catalog = rsi_map_get(&store->catalogs, entity_id, strlen(entity_id));
    if (catalog != NULL && strcmp(catalog->incarnation, incarnation) != 0) {
        make_stale_locked(store, catalog);
        catalog = NULL;
    }
    if (catalog == NULL) {
        catalog = make_catalog(store, entity_id, incarnation);
        if (catalog != NULL && rsi_map_put(&store->catalogs, entity_id, strlen(entity_id), catalog,
                                           NULL) != RAGSTORE_OK) {
            free_catalog(catalog);
            catalog = NULL;
        }
    }
    if (catalog != NULL) {
        catalog->references++;
        rsi_catalog_count_locked(store, catalog);
        catalog->last_use = ++store->clock;
        think_of_bytes_locked(store, catalog);
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
    return catalog;
}

void rsi_catalog_drop(rsi_store *store, rsi_catalog *catalog)
{
    pthread_mutex_lock(&store->catalogs_mutex);
    make_stale_locked(store, catalog);
    pthread_mutex_unlock(&store->catalogs_mutex);
}

/* Index files may have been written from what this catalog holds, after the other process wrote
 * newer ones: they are looked at again. */
static void overtake_locked(rsi_store *store, rsi_catalog *catalog)
{
    rsi_upkeep_mark(store, catalog->entity_id);
    make_stale_locked(store, catalog);
}

void rsi_catalogs_follow(void *user, const char *entity_id)
{
    rsi_store *store = user;
    size_t position = 0;
    void *value;
    pthread_mutex_lock(&store->catalogs_mutex);
    if (entity_id != NULL) {
        rsi_catalog *catalog = rsi_map_get(&store->catalogs, entity_id, strlen(entity_id));
        if (catalog != NULL)
            overtake_locked(store, catalog);
    } else {
        while (rsi_map_next(&store->catalogs, &position, NULL, &value)) {
            overtake_locked(store, value);
            position = 0; /* it is out of the map */
        }
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
}

/* As it is in memory, or loaded. */
static int acquire(rsi_catalog **out, rsi_store *store, const char *entity_id,
                   const char *incarnation)
{
    *out = NULL;
    rsi_catalog *catalog = reference_catalog(store, entity_id, incarnation);
    if (catalog == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = RAGSTORE_OK;
    pthread_rwlock_rdlock(&catalog->lock);
    bool loaded = catalog->is_loaded;
    pthread_rwlock_unlock(&catalog->lock);
    if (!loaded) {
        pthread_rwlock_wrlock(&catalog->lock);
        if (!catalog->is_loaded)
            status = rsi_catalog_load_locked(catalog, store);
        pthread_rwlock_unlock(&catalog->lock);
    }
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_catalog_drop(store, catalog);
        rsi_catalog_release(store, catalog);
        rsi_error_restore(&error);
        return status;
    }
    *out = catalog;
    return RAGSTORE_OK;
}

int rsi_catalog_acquire(rsi_catalog **out, rsi_store *store, const char *entity_id,
                        const char *incarnation)
{
    bool is_cut;
    int status = acquire(out, store, entity_id, incarnation);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_catalog_notice_cuts(&is_cut, *out, store);
    if (status == RAGSTORE_OK && !is_cut)
        return RAGSTORE_OK;
    if (is_cut)
        rsi_catalog_drop(store, *out);
    rsi_catalog_release(store, *out);
    *out = NULL;
    return is_cut ? acquire(out, store, entity_id, incarnation) : status;
}

/* The catalog of an entity if it is in memory, with a reference. */
static rsi_catalog *reference_existing(rsi_store *store, const char *entity_id)
{
    pthread_mutex_lock(&store->catalogs_mutex);
    rsi_catalog *catalog = rsi_map_get(&store->catalogs, entity_id, strlen(entity_id));
    if (catalog != NULL) {
        catalog->references++;
        rsi_catalog_count_locked(store, catalog);
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
    return catalog;
}

bool rsi_catalog_candidates(uint64_t rows[RSI_CATALOG_CANDIDATES], size_t *count, rsi_store *store,
                            const char *entity_id, const char *member, const char *value)
{
    rsi_catalog *catalog = reference_existing(store, entity_id);
    bool known = false;
    if (catalog == NULL)
        return false;
    pthread_rwlock_rdlock(&catalog->lock);
    if (catalog->is_loaded && !catalog->lookup.incomplete) {
        *count = rsi_document_lookup_find(rows, RSI_CATALOG_CANDIDATES, &catalog->lookup, member,
                                          value);
        known = *count <= RSI_CATALOG_CANDIDATES;
    }
    pthread_rwlock_unlock(&catalog->lock);
    rsi_catalog_release(store, catalog);
    return known;
}

/* ---- rows ---- */

int64_t rsi_catalog_next_chunk(rsi_catalog *catalog, int64_t recorded)
{
    pthread_rwlock_rdlock(&catalog->lock);
    int64_t next = recorded;
    if (catalog->rows != NULL && rsi_rows_next_chunk(catalog->rows) > next)
        next = rsi_rows_next_chunk(catalog->rows);
    if (catalog->document_count > 0 &&
        catalog->documents[catalog->document_count - 1].end_chunk > next)
        next = catalog->documents[catalog->document_count - 1].end_chunk;
    pthread_rwlock_unlock(&catalog->lock);
    return next;
}

typedef struct row_files {
    rsi_root *root;
    const char *directory;
} row_files;

static int remove_row_file(void *user, const char *name, rsi_file_kind kind)
{
    const row_files *files = user;
    char path[RSI_PATH_MAX];
    size_t size = strlen(name);
    if (kind != RSI_FILE_REGULAR || size < 9 || strncmp(name, "rows-", 5) != 0 ||
        strcmp(name + size - 4, ".rsv") != 0)
        return RAGSTORE_OK;
    int length = snprintf(path, sizeof path, "%s/%s", files->directory, name);
    return length < 0 || (size_t)length >= sizeof path ? RAGSTORE_OK
                                                       : rsi_file_remove(files->root, path);
}

/* Rows that no commit ever named: of a first document that failed or that a crash cut short. */
static int drop_unnamed_rows_locked(rsi_catalog *catalog, rsi_store *store)
{
    rsi_path directory = rsi_path_in_entity(catalog->entity_id, "vector_store");
    row_files files = {rsi_storage_root(store->storage), directory.text};
    rsi_catalog_drop_codes_locked(catalog);
    rsi_rows_close(catalog->rows);
    catalog->rows = NULL;
    int status = rsi_directory_list(files.root, directory.text, remove_row_file, &files);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(files.root, directory.text);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

int rsi_catalog_drop_rows(rsi_catalog *catalog, rsi_store *store)
{
    pthread_rwlock_wrlock(&catalog->lock);
    int status = drop_unnamed_rows_locked(catalog, store);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

static bool has_rows_of(const rsi_catalog *catalog, uint32_t dimension)
{
    return catalog->rows != NULL && rsi_rows_dimension(catalog->rows) == dimension;
}

int rsi_catalog_refresh_rows_locked(rsi_catalog *catalog, rsi_store *store, uint32_t dimension)
{
    const uint64_t lease = rsi_storage_lease_count(store->storage);
    if (catalog->rows != NULL && catalog->rows_lease != lease) {
        /* another process may have written rows that no commit named, or files anew */
        bool current;
        int status = rsi_rows_is_current(&current, catalog->rows);
        if (status != RAGSTORE_OK)
            return status;
        if (current) {
            catalog->rows_lease = lease;
        } else {
            rsi_rows_close(catalog->rows);
            catalog->rows = NULL;
        }
    }
    return catalog->rows == NULL ? rsi_catalog_open_rows_locked(catalog, store, dimension)
                                 : RAGSTORE_OK;
}

int rsi_catalog_prepare_rows(rsi_catalog *catalog, rsi_store *store, uint32_t dimension,
                             int64_t recorded)
{
    pthread_rwlock_wrlock(&catalog->lock);
    int status = rsi_catalog_refresh_rows_locked(catalog, store, dimension);
    if (status == RAGSTORE_OK && !has_rows_of(catalog, dimension) && recorded == 0) {
        status = drop_unnamed_rows_locked(catalog, store);
        if (status == RAGSTORE_OK)
            status = rsi_catalog_open_rows_locked(catalog, store, dimension);
    }
    if (status == RAGSTORE_OK && !has_rows_of(catalog, dimension))
        status = rsi_fail(RAGSTORE_E_DAMAGED, "entities", "%s",
                          catalog->rows_problem != NULL ? catalog->rows_problem
                                                        : "the vectors have another dimension");
    const bool lost = status != RAGSTORE_OK && catalog->rows == NULL && catalog->rows_problem == NULL;
    pthread_rwlock_unlock(&catalog->lock);
    if (lost)
        rsi_catalog_drop(store, catalog); /* another one opens them */
    return status;
}

/* A document has at most so many blocks: 64 MiB segments hold 1 MiB blocks. */
#define EXTENTS_AT_ONCE 64
#define BYTES_AT_ONCE ((size_t)16 << 20)

/* Rows on their way into a catalog. */
typedef struct incoming_rows {
    int64_t first_chunk;
    rsi_rows_source *source;
    void *user;
    size_t done; /* in front of those that are appended now */
} incoming_rows;

static int read_on(void *user, float *out, size_t from, size_t count)
{
    const incoming_rows *rows = user;
    return rows->source(rows->user, out, rows->done + from, count);
}

static int name_extents(const rsi_catalog *catalog, const rsi_rows_extent *extents, size_t count,
                        const float *vectors, rsi_tx *tx)
{
    const uint32_t dimension = rsi_rows_dimension(catalog->rows);
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const rsi_rows_extent *at = &extents[i];
        const size_t before = (size_t)(at->first_chunk - extents[0].first_chunk);
        const rsi_vector_block block = {.segment = at->segment,
                                        .offset = at->offset,
                                        .size = at->size,
                                        .crc = at->crc,
                                        .first_chunk = at->first_chunk,
                                        .count = at->count,
                                        .dimension = dimension,
                                        .vectors = vectors == NULL ? NULL
                                                                   : vectors + before * dimension};
        status = rsi_tx_vectors(tx, catalog->entity_id, catalog->incarnation, &block);
    }
    return status;
}

/* Few rows travel in the journal's line, too, and need no flush of their own. */
static int append_few_locked(rsi_catalog *catalog, incoming_rows *rows, size_t count, rsi_tx *tx)
{
    rsi_rows_extent extents[EXTENTS_AT_ONCE];
    size_t extents_count;
    float *vectors = rsi_alloc(count * rsi_rows_dimension(catalog->rows) * sizeof *vectors);
    int status = vectors == NULL ? RAGSTORE_E_NO_MEMORY : read_on(rows, vectors, 0, count);
    if (status == RAGSTORE_OK)
        status = rsi_rows_append_unflushed(catalog->rows, rows->first_chunk, vectors, count,
                                           extents, EXTENTS_AT_ONCE, &extents_count);
    if (status == RAGSTORE_OK)
        status = name_extents(catalog, extents, extents_count, vectors, tx);
    rsi_free(vectors);
    return status;
}

static int append_many_locked(rsi_catalog *catalog, incoming_rows *rows, size_t count, rsi_tx *tx)
{
    rsi_rows_extent extents[EXTENTS_AT_ONCE];
    size_t extents_count;
    const size_t row_bytes = rsi_rows_dimension(catalog->rows) * sizeof(float);
    const size_t at_once = BYTES_AT_ONCE / row_bytes + 1;
    int status = RAGSTORE_OK;
    for (; status == RAGSTORE_OK && rows->done < count; rows->done += at_once) {
        const size_t part = count - rows->done < at_once ? count - rows->done : at_once;
        status = rsi_rows_append_from(catalog->rows, rows->first_chunk + (int64_t)rows->done,
                                      read_on, rows, part, extents, EXTENTS_AT_ONCE,
                                      &extents_count);
        if (status == RAGSTORE_OK)
            status = name_extents(catalog, extents, extents_count, NULL, tx);
    }
    return status;
}

int rsi_catalog_append_rows(rsi_catalog *catalog, int64_t first_chunk, rsi_rows_source *source,
                            void *user, size_t count, rsi_tx *tx)
{
    incoming_rows rows = {.first_chunk = first_chunk, .source = source, .user = user};
    pthread_rwlock_wrlock(&catalog->lock);
    const size_t row_bytes = rsi_rows_dimension(catalog->rows) * sizeof(float);
    int status = count <= rsi_line_vector_bytes / row_bytes
                     ? append_few_locked(catalog, &rows, count, tx)
                     : append_many_locked(catalog, &rows, count, tx);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

/* ---- changes that follow a commit ---- */

typedef enum change_kind {
    CHANGE_ADD,
    CHANGE_REFRESH,
    CHANGE_REMOVE,
    CHANGE_SETTLE,
    CHANGE_FORGET
} change_kind;

typedef struct change {
    rsi_store *store;
    change_kind kind;
    uint64_t row;
    int64_t first_chunk;
    char entity_id[]; /* NUL-terminated */
} change;

static int settle_from_record_locked(rsi_catalog *catalog, rsi_store *store)
{
    rsi_entity_record record;
    rsi_index_settings settings;
    int status = rsi_entity_read(&record, store, catalog->entity_id, catalog->incarnation);
    if (status != RAGSTORE_OK)
        return status;
    rsi_index_settings_read(&settings, record.json);
    rsi_catalog_settle_locked(catalog, &settings);
    rsi_entity_record_free(&record);
    return RAGSTORE_OK;
}

static void apply_change(void *user, bool committed)
{
    change *what = user;
    rsi_store *store = what->store;
    rsi_catalog *catalog = committed ? reference_existing(store, what->entity_id) : NULL;
    if (catalog != NULL) {
        int status = RAGSTORE_OK;
        pthread_rwlock_wrlock(&catalog->lock);
        if (catalog->is_loaded && what->kind == CHANGE_ADD)
            status = rsi_catalog_add_locked(catalog, store, what->row);
        else if (catalog->is_loaded && what->kind == CHANGE_REFRESH)
            status = rsi_catalog_refresh_locked(catalog, store, what->row);
        else if (catalog->is_loaded && what->kind == CHANGE_REMOVE)
            rsi_catalog_remove_locked(catalog, what->first_chunk);
        else if (catalog->is_loaded && what->kind == CHANGE_SETTLE)
            status = settle_from_record_locked(catalog, store);
        pthread_rwlock_unlock(&catalog->lock);
        if (status != RAGSTORE_OK || what->kind == CHANGE_FORGET)
            rsi_catalog_drop(store, catalog);
        rsi_catalog_release(store, catalog);
    }
    if (committed && what->kind != CHANGE_FORGET)
        rsi_upkeep_mark(store, what->entity_id); /* last: who takes the mark sees the change */
    rsi_free(what);
}

static int change_on_commit(rsi_tx *tx, rsi_store *store, change_kind kind, const char *entity_id,
                            uint64_t row, int64_t first_chunk)
{
    size_t size = strlen(entity_id) + 1;
    change *what = rsi_alloc(sizeof *what + size);
    if (what == NULL)
        return RAGSTORE_E_NO_MEMORY;
    what->store = store;
    what->kind = kind;
    what->row = row;
    what->first_chunk = first_chunk;
    memcpy(what->entity_id, entity_id, size);
    int status = rsi_tx_on_end(tx, apply_change, what);
    if (status != RAGSTORE_OK)
        rsi_free(what);
    return status;
}

int rsi_catalog_add_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id, uint64_t row)
{
    return change_on_commit(tx, store, CHANGE_ADD, entity_id, row, 0);
}

int rsi_catalog_refresh_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                  uint64_t row)
{
    return change_on_commit(tx, store, CHANGE_REFRESH, entity_id, row, 0);
}

int rsi_catalog_remove_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                 int64_t first_chunk)
{
    return change_on_commit(tx, store, CHANGE_REMOVE, entity_id, 0, first_chunk);
}

int rsi_catalog_settle_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id)
{
    return change_on_commit(tx, store, CHANGE_SETTLE, entity_id, 0, 0);
}

int rsi_catalog_forget_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id)
{
    return change_on_commit(tx, store, CHANGE_FORGET, entity_id, 0, 0);
}
