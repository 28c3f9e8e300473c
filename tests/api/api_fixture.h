/*
 * What the tests of the public calls share: stores in a temporary directory, small documents, JSON
 * answers as jansson values, and children of this process.
 *
 * Knows <ragstore.h> only. Helpers fail the test instead of returning errors.
 */
#ifndef TESTS_API_API_FIXTURE_H
#define TESTS_API_API_FIXTURE_H

#include "harness/temporary.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include <ragstore.h>

#define NOBODY 65534 /* a user without rights, for tests that run as root */

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- statuses ---- */

static inline void expect_ok(int status, const char *call, const char *file, int line)
{
    if (status == RAGSTORE_OK)
        return;
    print_error("%s: %s: %s\n", call, ragstore_status_name(status), ragstore_error_message());
    _fail(file, line);
}

/* The call failed with this code, and the thread's error says the same. */
static inline void expect_failure(int status, int code, const char *call, const char *file,
                                  int line)
{
    if (status == code && ragstore_error_code() == code && ragstore_error_message()[0] != '\0')
        return;
    print_error("%s: returned %s, not %s; the error is %s: %s\n", call,
                ragstore_status_name(status), ragstore_status_name(code),
                ragstore_status_name(ragstore_error_code()), ragstore_error_message());
    _fail(file, line);
}

#define assert_ok(call) expect_ok((call), #call, __FILE__, __LINE__)
#define assert_fails(code, call) expect_failure((call), (code), #call, __FILE__, __LINE__)

static inline void assert_message_has(const char *part)
{
    if (strstr(ragstore_error_message(), part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, ragstore_error_message());
}

/* ---- stores ---- */

static inline const char *store_path(void **state)
{
    static char path[TEMPORARY_PATH_MAX];
    return temporary_join(path, state, "store");
}

static inline ragstore_store *open_store_with(void **state, uint32_t flags, ragstore_model *model)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.model = model;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    return store;
}

static inline ragstore_store *open_store(void **state)
{
    return open_store_with(state, 0, NULL);
}

static inline ragstore_store *reopen_store(ragstore_store *store, void **state)
{
    assert_ok(ragstore_store_close(store));
    return open_store(state);
}

/* The embedding model of this machine, loaded once; the test is skipped where there is none. */
static inline ragstore_model *the_model(void)
{
    static ragstore_model *model;
    ragstore_buffer *path;
    if (model != NULL)
        return model;
    if (ragstore_model_locate(&path) != RAGSTORE_OK) {
        print_message("no embedding model is installed: not tested\n");
        skip();
    }
    assert_ok(ragstore_model_open(&model, ragstore_buffer_data(path)));
    ragstore_buffer_free(path);
    return model;
}

/* ---- entities and documents ---- */

static inline ragstore_entity *make_entity(ragstore_store *store, const char *id)
{
    ragstore_entity *entity;
    assert_ok(ragstore_entity_create(&entity, store, id, NULL));
    return entity;
}

static inline ragstore_entity *open_entity(ragstore_store *store, const char *id)
{
    ragstore_entity *entity;
    assert_ok(ragstore_entity_open(&entity, store, id));
    return entity;
}

static inline ragstore_document *add_document(ragstore_entity *entity, const char *filename,
                                              const char *text)
{
    ragstore_document *document;
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = filename;
    assert_ok(ragstore_document_add(&document, entity, text, strlen(text), &options));
    return document;
}

static inline void add_text(ragstore_entity *entity, const char *filename, const char *text)
{
    ragstore_document_free(add_document(entity, filename, text));
}

static inline ragstore_result *search(ragstore_entity *entity, const char *query)
{
    ragstore_result *result;
    assert_ok(ragstore_entity_search(&result, entity, query, NULL));
    return result;
}

static inline size_t count_hits(ragstore_entity *entity, const char *query)
{
    ragstore_result *result = search(entity, query);
    size_t count = ragstore_result_count(result);
    ragstore_result_free(result);
    return count;
}

/* ---- JSON ---- */

/* Parse and free a buffer. */
static inline json_t *take_json(ragstore_buffer *buffer)
{
    json_error_t error;
    json_t *value =
        json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer), 0, &error);
    if (value == NULL)
        fail_msg("%s in: %s", error.text, ragstore_buffer_data(buffer));
    ragstore_buffer_free(buffer);
    return value;
}

static inline json_t *describe_store(ragstore_store *store)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_store_describe(&buffer, store));
    return take_json(buffer);
}

static inline json_t *describe_entity(ragstore_entity *entity)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_entity_describe(&buffer, entity));
    return take_json(buffer);
}

static inline json_t *describe_document(ragstore_document *document)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_document_describe(&buffer, document));
    return take_json(buffer);
}

static inline json_t *list_documents(ragstore_entity *entity, const ragstore_list_options *options)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_document_list(&buffer, entity, options));
    return take_json(buffer);
}

static inline void assert_text(const json_t *object, const char *key, const char *expected)
{
    const char *found = json_string_value(json_object_get(object, key));
    if (found == NULL)
        fail_msg("\"%s\" is no text", key);
    assert_string_equal(found, expected);
}

static inline void assert_number(const json_t *object, const char *key, json_int_t expected)
{
    const json_t *found = json_object_get(object, key);
    if (!json_is_integer(found))
        fail_msg("\"%s\" is no integer", key);
    if (json_integer_value(found) != expected)
        fail_msg("\"%s\" is %lld, not %lld", key, (long long)json_integer_value(found),
                 (long long)expected);
}

static inline void assert_null_member(const json_t *object, const char *key)
{
    if (!json_is_null(json_object_get(object, key)))
        fail_msg("\"%s\" is missing or not null", key);
}

/* The member is equal to a value given as JSON text. */
static inline void assert_member(const json_t *object, const char *key, const char *expected)
{
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
    assert_non_null(wanted);
    if (!json_equal(json_object_get(object, key), wanted))
        fail_msg("\"%s\" is not %s", key, expected);
    json_decref(wanted);
}

/* ---- texts ---- */

/* `size` bytes of one letter; free() it. */
static inline char *long_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

/* ---- other processes ---- */

/* For the begin of a test: one that is skipped further on leaves its handles behind, which is told
 * of as a leak. */
static inline void skip_without_children(void)
{
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator may be locked for ever in the child of a process with threads */
#endif
}

/* Run a function in a child; its result, 0 to 255, is this one's. */
static inline int run_in_child(int (*run)(void *user), void *user)
{
    int status;
    skip_without_children();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run(user));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
