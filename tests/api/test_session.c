/* Sessions and their messages. */
#include "api_fixture.h"

#define KIB 1024

static ragstore_session *make_session(ragstore_entity *entity)
{
    ragstore_session *session;
    assert_ok(ragstore_session_create(&session, entity, NULL));
    return session;
}

static json_t *describe_session(ragstore_session *session)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_session_describe(&buffer, session));
    return take_json(buffer);
}

static json_t *read_messages(ragstore_session *session, uint64_t limit, uint64_t before)
{
    ragstore_buffer *buffer;
    ragstore_session_messages_options options = RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT;
    options.limit = limit;
    options.before = before;
    assert_ok(ragstore_session_messages(&buffer, session, &options));
    return take_json(buffer);
}

static json_t *list_sessions(ragstore_entity *entity, const ragstore_list_options *options)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_session_list(&buffer, entity, options));
    return take_json(buffer);
}

static void append(ragstore_session *session, const char *role, const char *content)
{
    assert_ok(ragstore_session_append(NULL, session, role, content, NULL));
}

/* ---- sessions ---- */

static void session_create__has_an_id_and_a_name_of_its_own(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity_create_options named = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_entity *entity;
    named.name = "Acme Corporation";
    assert_ok(ragstore_entity_create(&entity, store, "Acme Corp", &named));
    ragstore_session *first = make_session(entity);
    ragstore_session *second = make_session(entity);
    const char *id = ragstore_session_id(first);
    assert_int_equal(strlen(id), 20);
    assert_memory_equal(id, "session_", 8);
    assert_int_equal(strspn(id + 8, "0123456789abcdef"), 12);
    assert_string_not_equal(id, ragstore_session_id(second));
    assert_string_equal(ragstore_session_entity_id(first), "Acme Corp");
    json_t *description = describe_session(first);
    assert_text(description, "session_id", id);
    assert_text(description, "entity_id", "Acme Corp");
    assert_text(description, "entity_name", "Acme Corporation");
    assert_text(description, "session_name", "Chat 1");
    assert_number(description, "message_count", 0);
    assert_member(description, "metadata", "{}");
    assert_text(description, "last_activity",
                json_string_value(json_object_get(description, "created_at")));
    json_decref(description);
    description = describe_session(second);
    assert_text(description, "session_name", "Chat 2");
    json_decref(description);
    ragstore_session_free(first);
    ragstore_session_free(second);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_create__keeps_what_the_options_say(void **state)
{
    char id[64];
    ragstore_session *session;
    ragstore_session_create_options options = RAGSTORE_SESSION_CREATE_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    options.name = "Über 日本";
    options.metadata_json = "{\"user\": {\"id\": 7}}";
    assert_ok(ragstore_session_create(&session, entity, &options));
    snprintf(id, sizeof id, "%s", ragstore_session_id(session));
    assert_ok(ragstore_session_create(NULL, entity, &options));
    ragstore_entity_free(entity);
    for (int round = 0; round < 2; round++) {
        json_t *description = describe_session(session);
        assert_text(description, "session_name", options.name);
        assert_member(description, "metadata", options.metadata_json);
        json_decref(description);
        ragstore_session_free(session);
        store = reopen_store(store, state);
        assert_ok(ragstore_session_open(&session, store, id));
    }
    ragstore_session_free(session);
    assert_ok(ragstore_store_close(store));
}

static void session_create__refuses_bad_fields(void **state)
{
    char *long_name = long_text(KIB + 1);
    char *long_metadata = long_text(16 * KIB + 1);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    const struct {
        const char *name;
        const char *metadata;
        int code;
    } cases[] = {
        {long_name, NULL, RAGSTORE_E_TOO_LARGE},
        {NULL, long_metadata, RAGSTORE_E_TOO_LARGE},
        {"\xff", NULL, RAGSTORE_E_INVALID_DATA},
        {NULL, "[]", RAGSTORE_E_INVALID_DATA},
        {NULL, "{", RAGSTORE_E_INVALID_DATA},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_session *session = (ragstore_session *)(uintptr_t)1;
        ragstore_session_create_options options = RAGSTORE_SESSION_CREATE_OPTIONS_INIT;
        options.name = cases[i].name;
        options.metadata_json = cases[i].metadata;
        assert_fails(cases[i].code, ragstore_session_create(&session, entity, &options));
        assert_null(session);
    }
    json_t *list = list_sessions(entity, NULL);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    free(long_name);
    free(long_metadata);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_open__of_what_is_not_there_is_not_found(void **state)
{
    static const char *const ids[] = {"", "session_", "session_000000000000", "0", "../x", "\xff"};
    ragstore_store *store = open_store(state);
    char *endless = long_text(1 << 20);
    for (size_t i = 0; i <= COUNT(ids); i++) {
        ragstore_session *session = (ragstore_session *)(uintptr_t)1;
        const char *id = i < COUNT(ids) ? ids[i] : endless;
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&session, store, id));
        assert_null(session);
        assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_delete(store, id));
    }
    free(endless);
    assert_ok(ragstore_store_close(store));
}

static void session_delete__takes_its_messages_and_no_others(void **state)
{
    char id[64];
    ragstore_buffer *buffer;
    ragstore_session *found;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *one = make_session(entity);
    ragstore_session *two = make_session(entity);
    append(one, "user", "to be deleted");
    append(two, "user", "to be kept");
    snprintf(id, sizeof id, "%s", ragstore_session_id(one));
    assert_ok(ragstore_session_delete(store, id));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_delete(store, id));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_describe(&buffer, one));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_messages(&buffer, one, NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_append(NULL, one, "user", "late", NULL));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_ask(NULL, one, "Really?", NULL));
    assert_string_equal(ragstore_session_id(one), id);
    ragstore_session *three = make_session(entity); /* never in the place of another */
    json_t *messages = read_messages(two, 0, 0);
    assert_int_equal(json_array_size(messages), 1);
    assert_text(json_array_get(messages, 0), "content", "to be kept");
    json_decref(messages);
    ragstore_session_free(one);
    ragstore_session_free(two);
    ragstore_session_free(three);
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&found, store, id));
    entity = open_entity(store, "acme");
    json_t *list = list_sessions(entity, NULL);
    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_list__is_of_one_entity_and_can_be_cut_and_matched(void **state)
{
    static const char *const names[] = {"Alpha", "beta", "ALPHA 2", "日本"};
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "acme2");
    ragstore_session_free(make_session(other));
    for (size_t i = 0; i < COUNT(names); i++) {
        ragstore_session_create_options named = RAGSTORE_SESSION_CREATE_OPTIONS_INIT;
        named.name = names[i];
        assert_ok(ragstore_session_create(NULL, entity, &named));
    }
    json_t *list = list_sessions(entity, NULL);
    assert_int_equal(json_array_size(list), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_text(json_array_get(list, i), "session_name", names[i]);
    json_decref(list);
    options.limit = 1;
    options.offset = 1;
    options.match = "alpha";
    list = list_sessions(entity, &options);
    assert_int_equal(json_array_size(list), 1);
    assert_text(json_array_get(list, 0), "session_name", "ALPHA 2");
    json_decref(list);
    options.offset = UINT64_MAX;
    list = list_sessions(entity, &options);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    list = list_sessions(other, NULL);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    ragstore_entity_free(entity);
    ragstore_entity_free(other);
    assert_ok(ragstore_store_close(store));
}

static void session_list__is_by_the_last_activity_when_asked(void **state)
{
    static const char *const expected[] = {"Chat 1", "Chat 3", "Chat 2"};
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    ragstore_buffer *buffer;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *first = make_session(entity);
    ragstore_session_free(make_session(entity));
    ragstore_session_free(make_session(entity));
    usleep(2);
    append(first, "user", "hello again");
    options.flags = RAGSTORE_LIST_NEWEST_FIRST;
    for (size_t i = 0; i < COUNT(expected); i++) {
        options.limit = 1;
        options.offset = i;
        json_t *list = list_sessions(entity, &options);
        assert_int_equal(json_array_size(list), 1);
        assert_text(json_array_get(list, 0), "session_name", expected[i]);
        json_decref(list);
    }
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_document_list(&buffer, entity, &options));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_list(&buffer, store, &options));
    options.flags = 2;
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_session_list(&buffer, entity, &options));
    options.flags = 0;
    options.reserved = 1;
    assert_fails(RAGSTORE_E_UNSUPPORTED, ragstore_session_list(&buffer, entity, &options));
    ragstore_session_free(first);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_list__of_a_later_entity_of_the_same_id_shows_none_of_the_earlier(void **state)
{
    char id[64];
    char path[TEMPORARY_PATH_MAX];
    size_t size;
    ragstore_session *found = (ragstore_session *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    append(session, "user", "a secret");
    snprintf(id, sizeof id, "%s", ragstore_session_id(session));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    char *backup =
        temporary_read(temporary_join(path, state, "store/api_storage/chat_sessions.json"), &size);

    store = open_store(state);
    assert_ok(ragstore_entity_delete(NULL, store, "acme"));
    ragstore_entity_free(make_entity(store, "acme"));
    assert_ok(ragstore_store_close(store));
    char *secret = strstr(backup, "a secret");
    assert_non_null(secret);
    *secret = 'A'; /* not the bytes that the journal knows: an edit by hand, taken over as it is */
    temporary_write(path, backup, size);
    free(backup);

    store = open_store(state);
    entity = open_entity(store, "acme");
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_open(&found, store, id));
    assert_null(found);
    json_t *list = list_sessions(entity, NULL);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- messages ---- */

static void session_append__keeps_messages_in_order(void **state)
{
    char id[64];
    uint64_t number = 99;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    snprintf(id, sizeof id, "%s", ragstore_session_id(session));
    assert_ok(ragstore_session_append(&number, session, "system", "Be brief.", NULL));
    assert_int_equal(number, 0);
    assert_ok(ragstore_session_append(&number, session, "user", "日本\n\"é\"", "{\"a\": [1]}"));
    assert_int_equal(number, 1);
    assert_ok(ragstore_session_append(&number, session, "assistant", "", NULL));
    assert_int_equal(number, 2);
    ragstore_entity_free(entity);
    for (int round = 0; round < 2; round++) {
        json_t *messages = read_messages(session, 0, 0);
        assert_int_equal(json_array_size(messages), 3);
        assert_text(json_array_get(messages, 0), "role", "system");
        assert_text(json_array_get(messages, 1), "role", "user");
        assert_text(json_array_get(messages, 1), "content", "日本\n\"é\"");
        assert_member(json_array_get(messages, 1), "metadata", "{\"a\": [1]}");
        assert_int_equal(
            strlen(json_string_value(json_object_get(json_array_get(messages, 1), "timestamp"))),
            26);
        assert_text(json_array_get(messages, 2), "content", "");
        json_decref(messages);
        json_t *description = describe_session(session);
        assert_number(description, "message_count", 3);
        assert_true(strcmp(json_string_value(json_object_get(description, "last_activity")),
                           json_string_value(json_object_get(description, "created_at"))) >= 0);
        json_decref(description);
        ragstore_session_free(session);
        store = reopen_store(store, state);
        assert_ok(ragstore_session_open(&session, store, id));
    }
    ragstore_session_free(session);
    assert_ok(ragstore_store_close(store));
}

static void session_messages__are_read_page_by_page(void **state)
{
    enum { MANY = 7 };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    json_t *messages = read_messages(session, 0, 0);
    assert_int_equal(json_array_size(messages), 0);
    json_decref(messages);
    for (int i = 0; i < MANY; i++) {
        char content[16];
        snprintf(content, sizeof content, "%d", i);
        append(session, "user", content);
    }
    const struct {
        uint64_t limit;
        uint64_t before;
        size_t count;
        const char *first;
    } pages[] = {
        {2, 0, 2, "5"},          {2, 5, 2, "3"},   {3, 2, 2, "0"},
        {UINT64_MAX, 3, 3, "0"}, {0, 1000, 7, "0"}, {1, UINT64_MAX, 1, "6"},
    };
    for (size_t i = 0; i < COUNT(pages); i++) {
        messages = read_messages(session, pages[i].limit, pages[i].before);
        assert_int_equal(json_array_size(messages), pages[i].count);
        assert_text(json_array_get(messages, 0), "content", pages[i].first);
        json_decref(messages);
    }
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_append__refuses_bad_messages(void **state)
{
    static const char *const roles[] = {"", "User", "tool", "user ", "\xff"};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    char *longest = long_text(KIB * KIB);
    char *too_long = long_text(KIB * KIB + 1);
    char *metadata = long_text(16 * KIB + 1);
    for (size_t i = 0; i < COUNT(roles); i++) {
        uint64_t number = 99;
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_session_append(&number, session, roles[i], "hello", NULL));
        assert_int_equal(number, 0);
    }
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_session_append(NULL, session, "user", "\xff", NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA,
                 ragstore_session_append(NULL, session, "user", "a", "[]"));
    assert_fails(RAGSTORE_E_TOO_LARGE,
                 ragstore_session_append(NULL, session, "user", too_long, NULL));
    assert_fails(RAGSTORE_E_TOO_LARGE,
                 ragstore_session_append(NULL, session, "user", "a", metadata));
    json_t *description = describe_session(session);
    assert_number(description, "message_count", 0);
    json_decref(description);
    append(session, "user", longest);
    json_t *messages = read_messages(session, 0, 0);
    assert_text(json_array_get(messages, 0), "content", longest);
    json_decref(messages);
    free(longest);
    free(too_long);
    free(metadata);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- changing ---- */

static void read_version(char version[64], ragstore_session *session)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_session_version(&buffer, session));
    snprintf(version, 64, "%s", ragstore_buffer_data(buffer));
    ragstore_buffer_free(buffer);
}

static void session_update__changes_what_it_is_told_and_nothing_else(void **state)
{
    ragstore_session_update_options options = RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    ragstore_session_create_options given = RAGSTORE_SESSION_CREATE_OPTIONS_INIT;
    ragstore_session *session;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    given.metadata_json = "{\"a\": 1}";
    assert_ok(ragstore_session_create(&session, entity, &given));
    append(session, "user", "hello");
    json_t *before = describe_session(session);
    assert_ok(ragstore_session_update(session, NULL));
    options.name = "Ferries \xe2\x9b\xb4";
    assert_ok(ragstore_session_update(session, &options));
    json_t *after = describe_session(session);
    json_object_set_new(before, "session_name", json_string(options.name));
    assert_true(json_equal(before, after));
    json_decref(after);
    options = (ragstore_session_update_options)RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    options.metadata_json = "{\"b\": [2]}";
    assert_ok(ragstore_session_update(session, &options));
    ragstore_session_free(session);
    const char *id = json_string_value(json_object_get(before, "session_id"));
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    assert_ok(ragstore_session_open(&session, store, id));
    after = describe_session(session);
    json_object_set_new(before, "metadata", json_pack("{s:[i]}", "b", 2));
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(before);
    ragstore_session_free(session);
    assert_ok(ragstore_store_close(store));
}

static void session_update__refuses_bad_fields_and_changes_nothing(void **state)
{
    char version[64];
    char later[64];
    char *endless = long_text(KIB + 1);
    ragstore_session_update_options options = RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    read_version(version, session);
    options.name = endless;
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_session_update(session, &options));
    options.name = "\xff";
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_session_update(session, &options));
    options.name = NULL;
    options.metadata_json = "[]";
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_session_update(session, &options));
    read_version(later, session);
    assert_string_equal(version, later);
    free(endless);
    options.metadata_json = NULL;
    options.name = "x";
    assert_ok(ragstore_session_delete(store, ragstore_session_id(session)));
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_update(session, &options));
    ragstore_buffer *buffer;
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_version(&buffer, session));
    assert_null(buffer);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_version__lets_only_one_of_two_change_what_both_have_read(void **state)
{
    char version[64];
    char later[64];
    ragstore_session_update_options options = RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    read_version(version, session);
    options.version = version;
    options.name = "mine";
    assert_ok(ragstore_session_update(session, &options));
    options.name = "theirs";
    assert_fails(RAGSTORE_E_CONFLICT, ragstore_session_update(session, &options));
    json_t *described = describe_session(session);
    assert_text(described, "session_name", "mine");
    json_decref(described);
    read_version(version, session);
    append(session, "user", "hello");
    read_version(later, session);
    assert_string_not_equal(version, later);
    assert_fails(RAGSTORE_E_CONFLICT, ragstore_session_update(session, &options));
    options.version = later;
    assert_ok(ragstore_session_update(session, &options));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- searching ---- */

static json_t *search_history(ragstore_entity *entity, const char *query, const char *session_id,
                              uint64_t limit, uint64_t offset)
{
    ragstore_buffer *buffer;
    ragstore_session_search_options options = RAGSTORE_SESSION_SEARCH_OPTIONS_INIT;
    options.session_id = session_id;
    options.limit = limit;
    options.offset = offset;
    assert_ok(ragstore_session_search(&buffer, entity, query, &options));
    return take_json(buffer);
}

static void session_search__finds_words_in_all_sessions_newest_first(void **state)
{
    char text[64];
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    ragstore_session *first = make_session(entity);
    ragstore_session *second = make_session(entity);
    ragstore_session *foreign = make_session(other);
    append(foreign, "user", "Ferry timetables of others");
    for (int i = 0; i < 600; i++) { /* several pages of the reading */
        snprintf(text, sizeof text, "Question %d about the FERRY\ntimetable", i);
        append(first, i % 2 == 0 ? "user" : "assistant", i % 3 == 0 ? text : "Something else");
    }
    append(second, "user", "Caf\xc3\xa9s on the ferry: which timetable do they keep?");
    json_t *found = search_history(entity, "timetable  Ferry", NULL, 3, 0);
    assert_int_equal(json_array_size(found), 3);
    assert_text(json_array_get(found, 0), "session_id", ragstore_session_id(second));
    assert_text(json_array_get(found, 0), "session_name", "Chat 2");
    assert_number(json_array_get(found, 0), "number", 0);
    assert_text(json_array_get(found, 0), "role", "user");
    assert_number(json_array_get(found, 1), "number", 597);
    assert_number(json_array_get(found, 2), "number", 594);
    assert_text(json_array_get(found, 2), "content", "Question 594 about the FERRY\ntimetable");
    json_decref(found);
    found = search_history(entity, "ferry", ragstore_session_id(first), 1000, 0);
    assert_int_equal(json_array_size(found), 200);
    json_decref(found);
    found = search_history(entity, "ferry", NULL, 0, 199);
    assert_int_equal(json_array_size(found), 2);
    assert_number(json_array_get(found, 1), "number", 0);
    json_decref(found);
    found = search_history(entity, "cafes KEEP?", NULL, 0, 0);
    assert_int_equal(json_array_size(found), 1);
    json_decref(found);
    found = search_history(entity, "ferry submarine", NULL, 0, 0);
    assert_int_equal(json_array_size(found), 0);
    json_decref(found);
    ragstore_session_free(first);
    ragstore_session_free(second);
    ragstore_session_free(foreign);
    ragstore_entity_free(other);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_search__refuses_bad_queries(void **state)
{
    ragstore_buffer *buffer;
    ragstore_session_search_options options = RAGSTORE_SESSION_SEARCH_OPTIONS_INIT;
    char *endless = long_text(KIB + 1);
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity *other = make_entity(store, "other");
    ragstore_session *foreign = make_session(other);
    const char *const wordless[] = {"", "  \n", "\xc2\xad"};
    for (size_t i = 0; i < COUNT(wordless); i++)
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT,
                     ragstore_session_search(&buffer, entity, wordless[i], NULL));
    assert_null(buffer);
    assert_fails(RAGSTORE_E_TOO_LARGE, ragstore_session_search(&buffer, entity, endless, NULL));
    assert_fails(
        RAGSTORE_E_TOO_LARGE,
        ragstore_session_search(&buffer, entity, "a b c d e f g h i j k l m n o p q", NULL));
    assert_fails(RAGSTORE_E_INVALID_DATA, ragstore_session_search(&buffer, entity, "\xff", NULL));
    options.session_id = ragstore_session_id(foreign); /* another entity's */
    assert_fails(RAGSTORE_E_NOT_FOUND, ragstore_session_search(&buffer, entity, "x", &options));
    free(endless);
    ragstore_session_free(foreign);
    ragstore_entity_free(other);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void session_calls__refuse_null(void **state)
{
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_session *found = (ragstore_session *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_session *session = make_session(entity);
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    assert_fails(wrong, ragstore_session_create(&found, NULL, NULL));
    assert_null(found);
    assert_fails(wrong, ragstore_session_open(NULL, store, "session_x"));
    assert_fails(wrong, ragstore_session_open(&found, NULL, "session_x"));
    assert_fails(wrong, ragstore_session_open(&found, store, NULL));
    assert_fails(wrong, ragstore_session_describe(NULL, session));
    assert_fails(wrong, ragstore_session_describe(&buffer, NULL));
    assert_null(buffer);
    assert_fails(wrong, ragstore_session_list(NULL, entity, NULL));
    assert_fails(wrong, ragstore_session_list(&buffer, NULL, NULL));
    assert_fails(wrong, ragstore_session_delete(NULL, "session_x"));
    assert_fails(wrong, ragstore_session_delete(store, NULL));
    assert_fails(wrong, ragstore_session_append(NULL, NULL, "user", "x", NULL));
    assert_fails(wrong, ragstore_session_append(NULL, session, NULL, "x", NULL));
    assert_fails(wrong, ragstore_session_append(NULL, session, "user", NULL, NULL));
    assert_fails(wrong, ragstore_session_messages(NULL, session, NULL));
    assert_fails(wrong, ragstore_session_messages(&buffer, NULL, NULL));
    assert_fails(wrong, ragstore_session_update(NULL, NULL));
    assert_fails(wrong, ragstore_session_version(NULL, session));
    assert_fails(wrong, ragstore_session_version(&buffer, NULL));
    assert_fails(wrong, ragstore_session_search(NULL, entity, "x", NULL));
    assert_fails(wrong, ragstore_session_search(&buffer, NULL, "x", NULL));
    assert_fails(wrong, ragstore_session_search(&buffer, entity, NULL, NULL));
    assert_null(ragstore_session_id(NULL));
    assert_null(ragstore_session_entity_id(NULL));
    ragstore_session_free(NULL);
    assert_fails(wrong, ragstore_session_describe(&buffer, (ragstore_session *)(void *)entity));
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(session_create__has_an_id_and_a_name_of_its_own),
        TEST(session_create__keeps_what_the_options_say),
        TEST(session_create__refuses_bad_fields),
        TEST(session_open__of_what_is_not_there_is_not_found),
        TEST(session_delete__takes_its_messages_and_no_others),
        TEST(session_list__is_of_one_entity_and_can_be_cut_and_matched),
        TEST(session_list__of_a_later_entity_of_the_same_id_shows_none_of_the_earlier),
        TEST(session_append__keeps_messages_in_order),
        TEST(session_messages__are_read_page_by_page),
        TEST(session_append__refuses_bad_messages),
        TEST(session_list__is_by_the_last_activity_when_asked),
        TEST(session_update__changes_what_it_is_told_and_nothing_else),
        TEST(session_update__refuses_bad_fields_and_changes_nothing),
        TEST(session_version__lets_only_one_of_two_change_what_both_have_read),
        TEST(session_search__finds_words_in_all_sessions_newest_first),
        TEST(session_search__refuses_bad_queries),
        TEST(session_calls__refuse_null),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
