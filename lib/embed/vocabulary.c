/*
 * The pieces of words that a model knows, by number.
 *
 * A hash table over the pieces' bytes. The hash is one that grows byte by byte, so that
 * one walk over a word gives the hashes of all its beginnings, and the search for the
 * longest known one is a few probes from the back. Pieces inside words are stored with
 * their "##"; their hashes start from the hash of "##".
 *
 *   pieces[id] -> begin, size          slots: linear probing, at most half full
 *   text:  [PAD][unused0]…the##of##s   | hash, id |  free  | hash, id | …
 *
 * Called by wordpiece.c. Does not change once made: no locks.
 */
#include "embed/vocabulary.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"

#include <string.h>

#define PIECES_MAX ((size_t)1 << 22)
#define TEXT_MAX ((size_t)1 << 28)
#define HASH_BEGIN 2166136261u /* FNV-1a */
#define HASH_FACTOR 16777619u
#define WINDOW 1024 /* bytes of a word that are looked at; longer pieces cannot match */

static int bad_vocabulary(const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "vocabulary: %s", what);
}

static uint32_t hash_more(uint32_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * HASH_FACTOR;
    return hash;
}

/* The id of the piece prefix + text; the caller has its hash. */
static int32_t look_up(const rsi_vocabulary *vocabulary, uint32_t hash, const char *prefix,
                       size_t prefix_size, const char *text, size_t size)
{
    for (size_t i = hash & vocabulary->mask;; i = (i + 1) & vocabulary->mask) {
        const rsi_vocabulary_slot *slot = &vocabulary->slots[i];
        if (slot->id < 0)
            return -1;
        if (slot->hash != hash)
            continue;
        const rsi_vocabulary_piece *piece = &vocabulary->pieces[slot->id];
        const char *known = vocabulary->text.data + piece->begin;
        if (piece->size == prefix_size + size && memcmp(known, prefix, prefix_size) == 0 &&
            memcmp(known + prefix_size, text, size) == 0)
            return slot->id;
    }
}

/* A piece with two ids is refused: which of them a model was trained with cannot be told. */
static int put_in_slot(rsi_vocabulary *vocabulary, int32_t id)
{
    const rsi_vocabulary_piece *piece = &vocabulary->pieces[id];
    const char *text = vocabulary->text.data + piece->begin;
    uint32_t hash = hash_more(HASH_BEGIN, text, piece->size);
    size_t i = hash & vocabulary->mask;
    while (vocabulary->slots[i].id >= 0) {
        const rsi_vocabulary_piece *other = &vocabulary->pieces[vocabulary->slots[i].id];
        if (vocabulary->slots[i].hash == hash && other->size == piece->size &&
            memcmp(vocabulary->text.data + other->begin, text, piece->size) == 0)
            return rsi_fail(
                RAGSTORE_E_INVALID_DATA, "embed", "vocabulary: \"%.*s\" has two ids, %d and %d",
                (int)(piece->size < 60 ? piece->size : 60), text, vocabulary->slots[i].id, id);
        i = (i + 1) & vocabulary->mask;
    }
    vocabulary->slots[i].hash = hash;
    vocabulary->slots[i].id = id;
    return RAGSTORE_OK;
}

static int make_slots(rsi_vocabulary *vocabulary)
{
    size_t capacity = 64;
    while (capacity < 2 * vocabulary->count)
        capacity *= 2;
    vocabulary->slots = rsi_alloc_array(capacity, sizeof *vocabulary->slots);
    if (vocabulary->slots == NULL)
        return RAGSTORE_E_NO_MEMORY;
    vocabulary->mask = capacity - 1;
    for (size_t i = 0; i < capacity; i++)
        vocabulary->slots[i].id = -1;
    for (size_t id = 0; id < vocabulary->count; id++) {
        if (!vocabulary->pieces[id].present)
            continue;
        int status = put_in_slot(vocabulary, (int32_t)id);
        if (status != RAGSTORE_OK)
            return status;
        if (vocabulary->pieces[id].size > vocabulary->longest)
            vocabulary->longest = vocabulary->pieces[id].size;
    }
    return RAGSTORE_OK;
}

/* A line's end without white space, as the reference trims it. */
static size_t trimmed(const char *line, size_t size)
{
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    return size;
}

int rsi_vocabulary_of_lines(rsi_vocabulary *out, rsi_bytes *lines)
{
    memset(out, 0, sizeof *out);
    out->text = *lines;
    rsi_bytes_init(lines);
    const char *text = out->text.data;
    size_t size = out->text.size, capacity = 0;
    int status = RAGSTORE_OK;
    if (size == 0 || size > TEXT_MAX || !rsi_utf8_valid(text, size, NULL)) {
        status = bad_vocabulary("vocab.txt is empty, too large or not UTF-8");
        goto cleanup;
    }
    for (size_t begin = 0; begin < size;) {
        const char *newline = memchr(text + begin, '\n', size - begin);
        size_t end = newline == NULL ? size : (size_t)(newline - text);
        if (out->count == PIECES_MAX) {
            status = bad_vocabulary("vocab.txt has too many lines");
            goto cleanup;
        }
        if (!rsi_grow((void **)&out->pieces, &capacity, out->count + 1, sizeof *out->pieces)) {
            status = RAGSTORE_E_NO_MEMORY;
            goto cleanup;
        }
        size_t kept = trimmed(text + begin, end - begin);
        out->pieces[out->count++] =
            (rsi_vocabulary_piece){(uint32_t)begin, (uint32_t)kept, kept > 0};
        begin = end + 1;
    }
    status = make_slots(out);
cleanup:
    if (status != RAGSTORE_OK)
        rsi_vocabulary_free(out);
    return status;
}

/* The largest id + 1 and the bytes of all pieces. */
static int measure_json(const rsi_json *object, size_t *count, size_t *bytes)
{
    void *iterator = NULL;
    const char *piece;
    rsi_json *value;
    *count = 0;
    *bytes = 0;
    while (rsi_json_each(object, &iterator, &piece, &value)) {
        int64_t id = rsi_json_is_integer(value) ? rsi_json_integer(value, -1) : -1;
        if (id < 0 || id >= (int64_t)PIECES_MAX)
            return bad_vocabulary("an id is not a whole number or too large");
        if ((size_t)id >= *count)
            *count = (size_t)id + 1;
        *bytes += strlen(piece);
    }
    if (*count == 0 || *bytes > TEXT_MAX)
        return bad_vocabulary("empty or too large");
    return RAGSTORE_OK;
}

int rsi_vocabulary_of_json(rsi_vocabulary *out, const rsi_json *object)
{
    memset(out, 0, sizeof *out);
    size_t bytes = 0;
    int status = rsi_json_is_object(object) ? measure_json(object, &out->count, &bytes)
                                            : bad_vocabulary("not an object");
    if (status != RAGSTORE_OK)
        goto cleanup;
    out->pieces = rsi_alloc_array(out->count, sizeof *out->pieces);
    if (out->pieces == NULL || !rsi_bytes_reserve(&out->text, bytes)) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    void *iterator = NULL;
    const char *piece;
    rsi_json *value;
    while (rsi_json_each(object, &iterator, &piece, &value)) {
        rsi_vocabulary_piece *entry = &out->pieces[rsi_json_integer(value, 0)];
        size_t size = strlen(piece);
        if (entry->present) {
            status = bad_vocabulary("two pieces have the same id");
            goto cleanup;
        }
        *entry = (rsi_vocabulary_piece){(uint32_t)out->text.size, (uint32_t)size, size > 0};
        rsi_bytes_append(&out->text, piece, size);
    }
    status = make_slots(out);
cleanup:
    if (status != RAGSTORE_OK)
        rsi_vocabulary_free(out);
    return status;
}

void rsi_vocabulary_free(rsi_vocabulary *vocabulary)
{
    rsi_bytes_free(&vocabulary->text);
    rsi_free(vocabulary->pieces);
    rsi_free(vocabulary->slots);
    memset(vocabulary, 0, sizeof *vocabulary);
}

int32_t rsi_vocabulary_find(const rsi_vocabulary *vocabulary, const char *piece)
{
    size_t size = strlen(piece);
    return look_up(vocabulary, hash_more(HASH_BEGIN, piece, size), "", 0, piece, size);
}

int32_t rsi_vocabulary_match(const rsi_vocabulary *vocabulary, bool inside_word, const char *text,
                             size_t size, size_t *matched)
{
    const char *prefix = inside_word ? "##" : "";
    size_t prefix_size = inside_word ? 2 : 0;
    uint32_t hashes[WINDOW];
    uint32_t hash = hash_more(HASH_BEGIN, prefix, prefix_size);
    size_t reach = size < WINDOW ? size : WINDOW;
    if (reach + prefix_size > vocabulary->longest)
        reach = vocabulary->longest > prefix_size ? vocabulary->longest - prefix_size : 0;

    for (size_t i = 0; i < reach; i++)
        hashes[i] = hash = hash_more(hash, text + i, 1);
    for (size_t length = reach; length > 0; length--) {
        int32_t id = look_up(vocabulary, hashes[length - 1], prefix, prefix_size, text, length);
        if (id >= 0) {
            *matched = length;
            return id;
        }
    }
    *matched = 0;
    return -1;
}

void rsi_vocabulary_digest(const rsi_vocabulary *vocabulary, rsi_sha256 *sha)
{
    for (size_t id = 0; id < vocabulary->count; id++) {
        const rsi_vocabulary_piece *piece = &vocabulary->pieces[id];
        rsi_sha256_add(sha, vocabulary->text.data + piece->begin, piece->size);
        rsi_sha256_add(sha, "\n", 1);
    }
}
