/* The metadata of chunks: see metadata.h. */
#include "search/metadata.h"

#include "base/status.h"

#include <string.h>

/* Has the object a member of that name? */
static int has_member(const rsi_json_view *object, const rsi_json_view *key, rsi_bytes *scratch)
{
    rsi_json_view ignored;
    rsi_slice name = {key->text, (size_t)(key->end - key->text)};
    if (key->escaped) {
        rsi_bytes_clear(scratch);
        rsi_json_view_append_text(scratch, key);
        if (rsi_bytes_status(scratch) != RAGSTORE_OK)
            return rsi_bytes_status(scratch);
        name = (rsi_slice){scratch->data, scratch->size};
    }
    return rsi_json_view_get(&ignored, object, name);
}

/* Write the members of an object; of those that `over` has as well, nothing. */
static int put_members(rsi_json_writer *writer, const rsi_json_view *object,
                       const rsi_json_view *over, rsi_bytes *scratch)
{
    rsi_json_cursor cursor = rsi_json_walk(object);
    rsi_json_view member;
    int found;
    while ((found = rsi_json_next(&cursor, &member)) > 0) {
        int hidden = over == NULL ? RSI_JSON_ABSENT : has_member(over, &cursor.key, scratch);
        if (hidden < 0)
            return hidden;
        if (hidden > 0)
            continue;
        rsi_json_view_key(writer, &cursor.key);
        int status = rsi_json_view_write(writer, &member);
        if (status != RAGSTORE_OK)
            return status;
    }
    return found;
}

int rsi_metadata_overlay(rsi_bytes *out, const rsi_json_view *document,
                         const rsi_json_view *chunk)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_bytes scratch = {0};
    rsi_json_begin_object(&writer);
    int status = put_members(&writer, document, chunk, &scratch);
    if (status == RAGSTORE_OK)
        status = put_members(&writer, chunk, NULL, &scratch);
    rsi_json_end_object(&writer);
    rsi_bytes_free(&scratch);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

typedef struct walking {
    const rsi_catalog *catalog;
    const rsi_catalog_document *document;
    const rsi_bitset *chosen;
    rsi_json_view metadata; /* the document's */
    bool is_bare;           /* it has none */
    rsi_bytes merged;       /* kept from chunk to chunk */
    rsi_metadata_visitor *visit;
    void *user;
} walking;

static bool is_asked_for(const walking *walk, int64_t chunk)
{
    return rsi_bitset_has(&walk->catalog->annotated, chunk) &&
           (walk->chosen == NULL || rsi_bitset_has(walk->chosen, chunk));
}

/* A row beside the one that was read costs a fifth of another call. */
#define GAP_MAX 5

/* The next chunk that is asked for, or the end of the document. */
static int64_t next_asked_for(const walking *walk, int64_t from)
{
    const rsi_bitset *fewer = walk->chosen == NULL ? &walk->catalog->annotated : walk->chosen;
    int64_t chunk = rsi_bitset_next(fewer, from);
    while (chunk >= 0 && chunk < walk->document->end_chunk && !is_asked_for(walk, chunk))
        chunk = rsi_bitset_next(fewer, chunk + 1);
    return chunk < 0 || chunk > walk->document->end_chunk ? walk->document->end_chunk : chunk;
}

/* A chunk's own metadata, laid over those of its document. */
static int see_own(walking *walk, int64_t chunk, const rsi_json_view *own)
{
    rsi_json_view merged;
    if (walk->is_bare)
        return walk->visit(walk->user, chunk, own);
    rsi_bytes_clear(&walk->merged);
    int status = rsi_metadata_overlay(&walk->merged, &walk->metadata, own);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_of_text(&merged, walk->merged.data, walk->merged.size);
    return status == RAGSTORE_OK ? walk->visit(walk->user, chunk, &merged) : status;
}

static int see_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    walking *walk = user;
    const int64_t chunk = (int64_t)number;
    rsi_json_view value;
    rsi_json_view own;
    if (chunk >= walk->document->end_chunk || !is_asked_for(walk, chunk) ||
        !rsi_bitset_has(&walk->catalog->alive, chunk))
        return RAGSTORE_OK;
    int status = rsi_json_view_of_text(&value, json, size);
    if (status != RAGSTORE_OK)
        return status;
    int found = rsi_json_view_get(&own, &value, rsi_slice_of("metadata"));
    if (found < 0)
        return found;
    return own.kind == RSI_JSON_OBJECT ? see_own(walk, chunk, &own)
                                       : walk->visit(walk->user, chunk, &walk->metadata);
}

int rsi_metadata_walk(rsi_store *store, const rsi_catalog *catalog,
                      const rsi_catalog_document *document, const rsi_bitset *chosen,
                      rsi_metadata_visitor *visit, void *user)
{
    walking walk = {.catalog = catalog,
                    .document = document,
                    .chosen = chosen,
                    .is_bare = strcmp(document->metadata, "{}") == 0,
                    .visit = visit,
                    .user = user};
    int status =
        rsi_json_view_of_text(&walk.metadata, document->metadata, strlen(document->metadata));
    if (status == RAGSTORE_OK)
        status = visit(user, RSI_METADATA_OF_DOCUMENT, &walk.metadata);
    int64_t first = next_asked_for(&walk, document->first_chunk);
    while (status == RAGSTORE_OK && first < document->end_chunk) {
        int64_t behind = first + 1;
        int64_t next = next_asked_for(&walk, behind);
        while (next < document->end_chunk && next - behind <= GAP_MAX) {
            behind = next + 1;
            next = next_asked_for(&walk, behind);
        }
        status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                  (uint64_t)first, (uint64_t)(behind - first), see_chunk, &walk);
        first = next;
    }
    rsi_bytes_free(&walk.merged);
    return status;
}
