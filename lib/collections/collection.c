/* Collections by name. */
#include "collections/collections_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static int check_name(const char *name)
{
    if (!rsi_collection_name_is_valid(name))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "collections",
                        "a collection's name has 1 to 64 letters, digits, '_' and '-'");
    if (name[0] == '_' || strcmp(name, RSI_SPACE_CHUNKS) == 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "collections",
                        "\"%s\" is reserved: no collection is called \"chunks\" or begins with "
                        "'_'",
                        name);
    return RAGSTORE_OK;
}

int rsi_collection_open(rsi_collection *collection, rsi_store *store, const char *name)
{
    memset(collection, 0, sizeof *collection);
    int status = check_name(name);
    if (status != RAGSTORE_OK)
        return status;
    collection->store = store;
    memcpy(collection->name, name, strlen(name) + 1);
    if (strcmp(name, RSI_SPACE_ENTITIES) == 0)
        collection->space = RSI_SPACE_ENTITIES;
    else if (strcmp(name, RSI_SPACE_SESSIONS) == 0)
        collection->space = RSI_SPACE_SESSIONS;
    collection->is_read_only = collection->space != NULL;
    if (collection->is_read_only)
        return RAGSTORE_OK;
    status = rsi_storage_collection(&collection->space, store->storage, name);
    return status == RAGSTORE_OK ? rsi_indexes_attach(collection) : status;
}

int rsi_collection_check_writable(const rsi_collection *collection)
{
    if (!collection->is_read_only)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_READ_ONLY, "collections",
                    "%s can only be read here, because files and vectors belong to its documents; "
                    "use the calls for entities and sessions",
                    collection->name);
}

int rsi_filter_compile(rsi_predicate **out, const char *filter)
{
    if (filter == NULL)
        filter = "{}";
    return rsi_wrap(rsi_predicate_compile_text(out, filter, strlen(filter)), "filter");
}

/* ---- the list ---- */

typedef struct listed_name {
    char name[RSI_COLLECTION_NAME_MAX];
    size_t documents;
} listed_name;

typedef struct name_list {
    listed_name *items;
    size_t count;
    size_t capacity;
} name_list;

static int add_name(void *user, const char *name, size_t documents)
{
    name_list *list = user;
    if (name[0] == '_')
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return RAGSTORE_E_NO_MEMORY;
    listed_name *item = &list->items[list->count++];
    memcpy(item->name, name, strlen(name) + 1);
    item->documents = documents;
    return RAGSTORE_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const listed_name *)a)->name, ((const listed_name *)b)->name);
}

int rsi_collection_list(rsi_bytes *out, rsi_store *store)
{
    name_list list = {0};
    rsi_json_writer writer = rsi_json_writer_of(out);
    int status = rsi_storage_collections(store->storage, add_name, &list);
    if (list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, compare_names);
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < list.count; i++) {
        rsi_json_begin_object(&writer);
        rsi_json_put_text(&writer, "name", list.items[i].name);
        rsi_json_put_integer(&writer, "documents", (int64_t)list.items[i].documents);
        rsi_json_end_object(&writer);
    }
    rsi_json_end_array(&writer);
    rsi_free(list.items);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
