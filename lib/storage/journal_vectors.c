/* Vectors in journal lines: see journal_vectors.h. */
#include "storage/journal_vectors.h"

#include "base/base64.h"
#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/storage_internal.h"

#include <inttypes.h>
#include <string.h>

#define PLACE_OF_TEXT 7 /* in the operation */

/* Where in the journals a block is. */
typedef struct block_place {
    uint64_t sequence;
    uint64_t generation;
    uint64_t at; /* of its text in that journal */
    size_t text_size;
    rsi_vector_block block; /* without vectors */
} block_place;

/* Of one entity, in the order of commits. */
typedef struct block_places {
    char incarnation[RSI_INCARNATION_HEX];
    block_place *items;
    size_t count;
    size_t capacity;
} block_places;

struct rsi_vector_reader {
    rsi_storage *storage;
    const char *entity_id;
    block_places places; /* a copy of its own */
    size_t next;
    rsi_file *journal;
    uint64_t generation; /* of that */
    rsi_bytes text;
    rsi_vector_block block;
};

/* ---- the operation ---- */

void rsi_journal_vectors_put(rsi_bytes *line, const char *entity_id, const char *incarnation,
                             const rsi_vector_block *block)
{
    const size_t size = (size_t)block->count * block->dimension * sizeof(float);
    rsi_json_writer writer = rsi_json_writer_of(line);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, "vectors", 7);
    rsi_json_text_value(&writer, entity_id, strlen(entity_id));
    rsi_json_text_value(&writer, incarnation, strlen(incarnation));
    rsi_json_integer_value(&writer, block->segment);
    rsi_json_integer_value(&writer, (int64_t)block->offset);
    rsi_json_integer_value(&writer, block->first_chunk);
    rsi_json_integer_value(&writer, block->count);
    rsi_bytes_append_text(line, ",\"");
    rsi_base64_append(line, block->vectors, size);
    rsi_bytes_append_char(line, '"');
    rsi_json_end_array(&writer);
}

/* The members but for the vectors, whose text is only measured. */
static bool read_op(block_place *place, const rsi_journal_op *op)
{
    const int64_t segment = rsi_journal_op_number(op, 3);
    const int64_t offset = rsi_journal_op_number(op, 4);
    const int64_t first = rsi_journal_op_number(op, 5);
    const int64_t count = rsi_journal_op_number(op, 6);
    const char *text = rsi_journal_op_text(op, PLACE_OF_TEXT);
    if (rsi_journal_op_text(op, 1) == NULL || rsi_journal_op_text(op, 2) == NULL || text == NULL ||
        op->members[PLACE_OF_TEXT].escaped || segment <= 0 || segment > UINT32_MAX || offset < 0 ||
        first < 0 || count <= 0 || count > UINT32_MAX || first > INT64_MAX - count)
        return false;
    const size_t size = strlen(text);
    const size_t padding = size < 2 ? 0 : (size_t)(text[size - 1] == '=') + (text[size - 2] == '=');
    const size_t bytes = rsi_base64_room(size) - padding;
    const size_t row = bytes / (size_t)count;
    if (size % 4 != 0 || bytes == 0 || bytes % (size_t)count != 0 || row % sizeof(float) != 0 ||
        row / sizeof(float) > UINT32_MAX)
        return false;
    place->text_size = size;
    place->block = (rsi_vector_block){.segment = (uint32_t)segment,
                                      .offset = (uint64_t)offset,
                                      .first_chunk = first,
                                      .count = (uint32_t)count,
                                      .dimension = (uint32_t)(row / sizeof(float))};
    return true;
}

/* ---- noting ---- */

static void free_places(void *value)
{
    block_places *places = value;
    if (places == NULL)
        return;
    rsi_free(places->items);
    rsi_free(places);
}

void rsi_journal_vectors_free(rsi_map *places)
{
    rsi_map_free(places, free_places);
}

void rsi_journal_vectors_drop(rsi_map *places, const char *entity_id)
{
    free_places(rsi_map_remove(places, entity_id, strlen(entity_id)));
}

/* Those of this creation of an entity; what there was of an older one is forgotten. */
static block_places *places_of(rsi_map *places, const char *entity_id, const char *incarnation)
{
    const size_t size = strlen(incarnation);
    block_places *known = rsi_map_get(places, entity_id, strlen(entity_id));
    if (known != NULL && strcmp(known->incarnation, incarnation) == 0)
        return known;
    if (known != NULL)
        rsi_journal_vectors_drop(places, entity_id);
    known = rsi_alloc_zeroed(sizeof *known);
    if (known == NULL)
        return NULL;
    memcpy(known->incarnation, incarnation,
           size < sizeof known->incarnation ? size : sizeof known->incarnation - 1);
    if (rsi_map_put(places, entity_id, strlen(entity_id), known, NULL) == RAGSTORE_OK)
        return known;
    free_places(known);
    return NULL;
}

int rsi_journal_vectors_note(rsi_map *places, const rsi_journal_line *line,
                             const rsi_journal_op *op)
{
    block_place place;
    if (!read_op(&place, op))
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage", "a malformed \"vectors\" operation");
    block_places *known =
        places_of(places, rsi_journal_op_text(op, 1), rsi_journal_op_text(op, 2));
    if (known == NULL || !rsi_grow((void **)&known->items, &known->capacity, known->count + 1,
                                   sizeof *known->items))
        return RAGSTORE_E_NO_MEMORY;
    place.sequence = line->sequence;
    place.generation = line->generation;
    place.at = line->offset + (uint64_t)(op->members[PLACE_OF_TEXT].text - line->text);
    known->items[known->count++] = place;
    return RAGSTORE_OK;
}

int rsi_journal_vectors_each(const rsi_map *places,
                             int (*visit)(void *user, const char *entity_id, uint32_t segment,
                                          uint64_t sequence),
                             void *user)
{
    size_t position = 0;
    rsi_slice key;
    void *value;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(places, &position, &key, &value)) {
        const block_places *known = value;
        for (size_t i = 0; status == RAGSTORE_OK && i < known->count; i++)
            if (i + 1 == known->count ||
                known->items[i + 1].block.segment != known->items[i].block.segment)
                status = visit(user, key.data, known->items[i].block.segment,
                               known->items[i].sequence);
    }
    return status;
}

/* ---- reading ---- */

static int count_row(void *user, uint64_t number, const char *json, size_t size)
{
    const uint64_t end = *(const uint64_t *)user;
    (void)json;
    (void)size;
    return number < end ? RSI_JSON_FOUND : RAGSTORE_OK;
}

/* Does one of the block's chunks live? Where they cannot be read, they may. */
static bool is_wanted(const rsi_vector_reader *reader, const block_place *place)
{
    rsi_saved_error error;
    const uint64_t first = (uint64_t)place->block.first_chunk;
    uint64_t end = first + place->block.count;
    rsi_error_save(&error);
    int found = rsi_storage_rows(reader->storage, RSI_SPACE_CHUNKS, reader->entity_id, first, 1,
                                 count_row, &end);
    rsi_error_restore(&error);
    return found != RAGSTORE_OK;
}

static int open_journal(rsi_vector_reader *reader, uint64_t generation)
{
    if (reader->journal != NULL && reader->generation == generation)
        return RAGSTORE_OK;
    rsi_file_close(reader->journal);
    reader->journal = NULL;
    reader->generation = generation;
    return rsi_file_open(&reader->journal, reader->storage->root,
                         rsi_path_journal(generation).text, RSI_OPEN_READ);
}

/* The text is decoded over itself: bytes take less room. */
static int read_block(rsi_vector_reader *reader, const block_place *place)
{
    size_t size;
    rsi_bytes_clear(&reader->text);
    int status = open_journal(reader, place->generation);
    if (status == RAGSTORE_OK && !rsi_bytes_reserve(&reader->text, place->text_size))
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status =
            rsi_file_read_at(reader->journal, reader->text.data, place->text_size, place->at);
    if (status != RAGSTORE_OK)
        return status;
    if (!rsi_base64_decode(reader->text.data, &size, reader->text.data, place->text_size))
        return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                        "%s: byte %" PRIu64 ": vectors that cannot be read",
                        rsi_file_path(reader->journal), place->at);
    reader->block = place->block;
    reader->block.vectors = (const float *)(const void *)reader->text.data;
    return RAGSTORE_OK;
}

int rsi_vector_reader_next(const rsi_vector_block **block, rsi_vector_reader *reader)
{
    *block = NULL;
    while (reader->next < reader->places.count) {
        const block_place *place = &reader->places.items[reader->next++];
        if (!is_wanted(reader, place))
            continue;
        int status = read_block(reader, place);
        if (status == RAGSTORE_E_NOT_FOUND) /* a checkpoint of others has flushed the files */
            continue;
        if (status != RAGSTORE_OK)
            return status;
        *block = &reader->block;
        return RSI_JSON_FOUND;
    }
    return RSI_JSON_ABSENT;
}

void rsi_vector_reader_free(rsi_vector_reader *reader)
{
    if (reader == NULL)
        return;
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_file_close(reader->journal);
    rsi_error_restore(&error);
    rsi_bytes_free(&reader->text);
    rsi_free(reader->places.items);
    rsi_free(reader);
}

/* Those that no checkpoint has passed yet. */
static int copy_places(rsi_vector_reader *reader, const block_places *known, uint64_t base)
{
    block_places *own = &reader->places;
    own->items = rsi_alloc_array(known->count + 1, sizeof *own->items);
    if (own->items == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(own->incarnation, known->incarnation, sizeof own->incarnation);
    for (size_t i = 0; i < known->count; i++)
        if (known->items[i].sequence > base)
            own->items[own->count++] = known->items[i];
    return RAGSTORE_OK;
}

/* *reader: NULL when there is nothing to read. */
static int make_reader(rsi_vector_reader **reader, rsi_storage *storage, const char *entity_id,
                       const block_places *known)
{
    rsi_entity_file file;
    *reader = NULL;
    int status = rsi_entity_file_read(&file, storage->root, entity_id);
    if (status != RAGSTORE_OK)
        return status;
    rsi_vector_reader *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    made->storage = storage;
    made->entity_id = entity_id;
    status = copy_places(made, known,
                         file.present && file.chunks.known ? file.chunks.base_sequence : 0);
    if (status != RAGSTORE_OK || made->places.count == 0) {
        rsi_vector_reader_free(made);
        return status;
    }
    *reader = made;
    return RAGSTORE_OK;
}

int rsi_vector_reader_open(rsi_vector_reader **reader, rsi_storage *storage, const char *entity_id,
                           const char *incarnation)
{
    *reader = NULL;
    int status = RAGSTORE_OK;
    pthread_rwlock_rdlock(&storage->state);
    const block_places *known =
        rsi_map_get(&storage->vector_places, entity_id, strlen(entity_id));
    if (known != NULL && strcmp(known->incarnation, incarnation) == 0)
        status = make_reader(reader, storage, entity_id, known);
    pthread_rwlock_unlock(&storage->state);
    return status;
}

/* ---- after a crash ---- */

static int restore_entity(rsi_storage *storage, const char *entity_id, const block_places *known)
{
    char incarnation[RSI_INCARNATION_HEX];
    rsi_vector_reader *reader;
    int status = rsi_entity_incarnation(incarnation, storage, entity_id);
    if (status != RAGSTORE_OK || strcmp(incarnation, known->incarnation) != 0)
        return status == RAGSTORE_E_NO_MEMORY ? status : RAGSTORE_OK; /* it is gone, or damaged */
    status = make_reader(&reader, storage, entity_id, known);
    if (rsi_is_of_one_entity(status)) { /* told of where it is used */
        storage->keeps_journals = true;
        return RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK && reader != NULL)
        status = storage->options.restore_vectors(storage, storage->root, entity_id, incarnation,
                                                  reader);
    rsi_vector_reader_free(reader);
    return rsi_wrap(status, "entity \"%s\"", entity_id);
}

int rsi_journal_vectors_restore(rsi_storage *storage)
{
    size_t position = 0;
    rsi_slice key;
    void *value;
    int status = RAGSTORE_OK;
    if (storage->options.restore_vectors == NULL)
        return RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&storage->vector_places, &position, &key, &value))
        status = restore_entity(storage, key.data, value);
    return rsi_wrap(status, "bring vectors back");
}
