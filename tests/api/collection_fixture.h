/* What the tests of collections share: one-line calls that fail the test instead of returning. */
#ifndef TESTS_API_COLLECTION_FIXTURE_H
#define TESTS_API_COLLECTION_FIXTURE_H

#include "api_fixture.h"

static inline ragstore_collection *open_collection(ragstore_store *store, const char *name)
{
    ragstore_collection *collection;
    assert_ok(ragstore_collection_open(&collection, store, name));
    return collection;
}

static inline void insert(ragstore_collection *collection, const char *documents)
{
    assert_ok(ragstore_collection_insert(NULL, collection, documents));
}

static inline uint64_t count(ragstore_collection *collection, const char *filter)
{
    uint64_t found;
    assert_ok(ragstore_collection_count(&found, collection, filter));
    return found;
}

/* All that a cursor tells, as an array; the cursor is freed. */
static inline json_t *drain(ragstore_cursor *cursor)
{
    json_t *all = json_array();
    const char *text;
    size_t size;
    for (;;) {
        assert_ok(ragstore_cursor_next(&text, &size, cursor));
        if (text == NULL)
            break;
        assert_int_equal(strlen(text), size);
        json_t *document = json_loadb(text, size, 0, NULL);
        assert_non_null(document);
        json_array_append_new(all, document);
    }
    assert_int_equal(size, 0);
    ragstore_cursor_free(cursor);
    return all;
}

static inline json_t *find_with(ragstore_collection *collection, const char *filter,
                                const ragstore_collection_find_options *options)
{
    ragstore_cursor *cursor;
    assert_ok(ragstore_collection_find(&cursor, collection, filter, options));
    return drain(cursor);
}

static inline json_t *find_one(ragstore_collection *collection, const char *filter)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_collection_find_one(&buffer, NULL, collection, filter, NULL));
    return take_json(buffer);
}

/* The value is equal to JSON text; it is freed. */
static inline void assert_json(json_t *taken, const char *expected)
{
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
    assert_non_null(wanted);
    if (!json_equal(taken, wanted)) {
        char *text = json_dumps(taken, JSON_ENCODE_ANY | JSON_COMPACT);
        fail_msg("%s is not %s", text, expected);
    }
    json_decref(wanted);
    json_decref(taken);
}

static inline void assert_finds(ragstore_collection *collection, const char *filter,
                                const char *expected)
{
    assert_json(find_with(collection, filter, NULL), expected);
}

/* The ids of what a filter finds, as a JSON array. */
static inline json_t *ids_of(ragstore_collection *collection, const char *filter)
{
    json_t *found = find_with(collection, filter, NULL);
    json_t *ids = json_array();
    size_t i;
    json_t *document;
    json_array_foreach(found, i, document) json_array_append(ids, json_object_get(document, "_id"));
    json_decref(found);
    return ids;
}

#endif
