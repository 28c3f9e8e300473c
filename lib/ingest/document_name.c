/*
 * A free name under uploads/ for a document's file.
 *
 *   attempt   0   1   2   3   4   5   6   7   8        "report.pdf", "report (2).pdf", …
 *             ●   ●   ●   ●   ●   ●   ○       ○
 *             │   │   │       ?       ?       │
 *             └───┴───┴───────┼───────────────┘  1. twice as far each time, until one is free
 *                             └── between        2. halving
 *
 * So a thousand files of one name cost the next one a few looks, not a thousand; where none was
 * deleted, it is the first free name that is found. Runs in the transaction that takes the name.
 */
#include "ingest/document_internal.h"

#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define ATTEMPTS_MAX ((unsigned)1 << 24)

typedef struct name_search {
    const char *name;
    bool taken;
} name_search;

static int compare_name(void *user, uint64_t number, const char *json, size_t size)
{
    static const char member[] = "\"stored_name\":\"";
    name_search *search = user;
    (void)number;
    if (search->taken || memmem(json, size, member, sizeof member - 1) == NULL)
        return RAGSTORE_OK;
    rsi_json *value;
    int status = rsi_json_parse(&value, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *name = rsi_json_get_text(value, "stored_name");
    /* some file systems fold case: names that differ in it only are the same there */
    search->taken = name != NULL && strcasecmp(name, search->name) == 0;
    rsi_json_free(value);
    return RAGSTORE_OK;
}

/* Look at one row, which may have been deleted meanwhile. */
static int compare_name_of_row(name_search *search, rsi_store *store, const char *entity_id,
                               uint64_t row)
{
    rsi_bytes text = {0};
    int status = rsi_storage_row_get(&text, store->storage, RSI_SPACE_ENTITIES, entity_id, row);
    if (status == RAGSTORE_OK)
        status = compare_name(search, row, text.data, text.size);
    rsi_bytes_free(&text);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

/* Has a document of the entity this name? Where the catalog knows who may have it, only those are
 * looked at, and what this transaction has put. */
static int find_name(name_search *search, rsi_store *store, const char *entity_id)
{
    uint64_t rows[RSI_CATALOG_CANDIDATES];
    size_t count;
    char folded[RSI_STORED_NAME_MAX];
    rsi_catalog_fold_name(folded, search->name);
    if (!rsi_catalog_candidates(rows, &count, store, entity_id, "stored_name", folded))
        return rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, entity_id, 0, UINT64_MAX,
                                compare_name, search);
    int status = rsi_storage_own_rows(store->storage, RSI_SPACE_ENTITIES, entity_id, compare_name,
                                      search);
    for (size_t i = 0; status == RAGSTORE_OK && !search->taken && i < count; i++)
        status = compare_name_of_row(search, store, entity_id, rows[i]);
    return status;
}

/* The name of an attempt, and whether something has it: a document, or a file. */
static int try_name(bool *taken, char name[RSI_STORED_NAME_MAX], rsi_store *store,
                    const char *entity_id, const char *filename, unsigned attempt)
{
    rsi_upload_name(name, filename, attempt);
    name_search search = {name, false};
    int status = find_name(&search, store, entity_id);
    const rsi_path path = rsi_path_upload(entity_id, name);
    *taken = search.taken || rsi_file_exists(rsi_storage_root(store->storage), path.text);
    return status;
}

int rsi_document_choose_name(char name[RSI_STORED_NAME_MAX], rsi_store *store,
                             const char *entity_id, const char *filename)
{
    const char *wanted = filename == NULL ? "document" : filename;
    unsigned taken_at = 0;
    unsigned free_at = 0;
    bool taken;
    int status = try_name(&taken, name, store, entity_id, wanted, 0);
    while (status == RAGSTORE_OK && taken) {
        taken_at = free_at;
        free_at = free_at == 0 ? 1 : 2 * free_at;
        if (free_at > ATTEMPTS_MAX)
            return rsi_fail(RAGSTORE_E_CONFLICT, "ingest",
                            "there are %u files named like \"%.200s\" already; use another name",
                            ATTEMPTS_MAX, wanted);
        status = try_name(&taken, name, store, entity_id, wanted, free_at);
    }
    while (status == RAGSTORE_OK && free_at - taken_at > 1) {
        const unsigned between = taken_at + (free_at - taken_at) / 2;
        status = try_name(&taken, name, store, entity_id, wanted, between);
        if (taken)
            taken_at = between;
        else
            free_at = between;
    }
    rsi_upload_name(name, wanted, free_at);
    return status;
}
