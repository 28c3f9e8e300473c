/* Options structs: two ways to fill them, and structs of other sizes than today's. */
#include "api_fixture.h"

#include <stddef.h>

/* ---- filling ---- */

/* All bytes are set first, so that a member which an init function forgets shows. */
#define INIT_IS_THE_MACRO(type, MACRO)                                                             \
    do {                                                                                           \
        const type by_macro = MACRO;                                                               \
        type by_function;                                                                          \
        memset(&by_function, 0xAA, sizeof by_function);                                            \
        type##_init(&by_function);                                                                 \
        assert_int_equal(by_macro.struct_size, sizeof(type));                                      \
        assert_memory_equal(&by_macro, &by_function, sizeof by_macro);                             \
        type##_init(NULL);                                                                         \
    } while (0)

static void options__are_equal_by_macro_and_by_function(void **state)
{
    (void)state;
    INIT_IS_THE_MACRO(ragstore_model_open_options, RAGSTORE_MODEL_OPEN_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_model_callback_options, RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_store_open_options, RAGSTORE_STORE_OPEN_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_store_check_options, RAGSTORE_STORE_CHECK_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_store_compact_options, RAGSTORE_STORE_COMPACT_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_backup_options, RAGSTORE_BACKUP_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_entity_create_options, RAGSTORE_ENTITY_CREATE_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_entity_update_options, RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_list_options, RAGSTORE_LIST_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_document_add_options, RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_document_update_options, RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_job_list_options, RAGSTORE_JOB_LIST_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_entity_search_options, RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_index_rebuild_options, RAGSTORE_INDEX_REBUILD_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_session_create_options, RAGSTORE_SESSION_CREATE_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_session_update_options, RAGSTORE_SESSION_UPDATE_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_session_search_options, RAGSTORE_SESSION_SEARCH_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_session_messages_options, RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT);
    INIT_IS_THE_MACRO(ragstore_session_ask_options, RAGSTORE_SESSION_ASK_OPTIONS_INIT);
}

static void options__have_no_gap_that_could_hold_garbage(void **state)
{
    (void)state;
    /* every byte belongs to a member: the sum of the members is the size (64 bits) */
    assert_int_equal(sizeof(ragstore_store_open_options),
                     offsetof(ragstore_store_open_options, extract_user) + sizeof(void *));
    assert_int_equal(offsetof(ragstore_store_open_options, memory_limit_bytes),
                     sizeof(size_t) + 4 * sizeof(uint32_t));
    assert_int_equal(offsetof(ragstore_model_callback_options, embed),
                     2 * sizeof(size_t) + 4 * sizeof(uint32_t));
    assert_int_equal(offsetof(ragstore_entity_search_options, doc_ids),
                     sizeof(size_t) + 3 * sizeof(uint32_t) + sizeof(float));
    assert_int_equal(offsetof(ragstore_session_ask_options, on_sources),
                     4 * sizeof(size_t) + 2 * sizeof(uint32_t));
}

/* ---- other sizes ---- */

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
    char path[TEMPORARY_PATH_MAX]; /* of a store that is not open */
    unsigned round;
} stage;

typedef int call_with_options(stage *on, const void *options);

static int call_model_open(stage *on, const void *options)
{
    ragstore_buffer *place;
    ragstore_model *model;
    (void)on;
    the_model(); /* skips the test where there is none */
    assert_ok(ragstore_model_locate(&place));
    int status = ragstore_model_open_with(&model, ragstore_buffer_data(place), options);
    ragstore_buffer_free(place);
    ragstore_model_free(model);
    return status;
}

static int call_store_open(stage *on, const void *options)
{
    ragstore_store *store;
    int status = ragstore_store_open(&store, on->path, options);
    if (status != RAGSTORE_OK) {
        assert_null(store);
        return status;
    }
    return ragstore_store_close(store);
}

static int call_entity_create(stage *on, const void *options)
{
    char id[32];
    snprintf(id, sizeof id, "entity %u", on->round);
    return ragstore_entity_create(NULL, on->store, id, options);
}

static int call_entity_update(stage *on, const void *options)
{
    return ragstore_entity_update(on->entity, options);
}

static int call_entity_list(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_entity_list(&buffer, on->store, options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_document_add(stage *on, const void *options)
{
    return ragstore_document_add(NULL, on->entity, "one line", 8, options);
}

static int call_document_add_chunks(stage *on, const void *options)
{
    return ragstore_document_add_chunks(NULL, on->entity, "[{\"text\": \"one\"}]", NULL, 0,
                                        options);
}

static int call_store_compact(stage *on, const void *options)
{
    return ragstore_store_compact(NULL, on->store, options);
}

static int call_store_check(stage *on, const void *options)
{
    ragstore_buffer *report;
    int status = ragstore_store_check_with(&report, on->store, options);
    ragstore_buffer_free(report);
    return status;
}

static int call_store_backup(stage *on, const void *options)
{
    char path[TEMPORARY_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s-backup-%u", on->path, on->round);
    return ragstore_store_backup(NULL, on->store, path, options);
}

static int call_document_update(stage *on, const void *options)
{
    ragstore_document *document = add_document(on->entity, "u.txt", "what is updated");
    int status = ragstore_document_update(document, options);
    ragstore_document_free(document);
    return status;
}

static int call_document_list(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_document_list(&buffer, on->entity, options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_upload_begin(stage *on, const void *options)
{
    ragstore_upload *upload;
    int status = ragstore_upload_begin(&upload, on->entity, options);
    ragstore_upload_abort(upload);
    return status;
}

static int call_job_list(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_job_list(&buffer, on->store, options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_entity_search(stage *on, const void *options)
{
    ragstore_result *result;
    int status = ragstore_entity_search(&result, on->entity, "line", options);
    ragstore_result_free(result);
    return status;
}

static int call_session_create(stage *on, const void *options)
{
    return ragstore_session_create(NULL, on->entity, options);
}

static int call_session_list(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_session_list(&buffer, on->entity, options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_session_update(stage *on, const void *options)
{
    return ragstore_session_update(on->session, options);
}

static int call_session_search(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_session_search(&buffer, on->entity, "line", options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_session_messages(stage *on, const void *options)
{
    ragstore_buffer *buffer;
    int status = ragstore_session_messages(&buffer, on->session, options);
    ragstore_buffer_free(buffer);
    return status;
}

static int call_index_rebuild(stage *on, const void *options)
{
    static const float vector[] = {3, 4};
    static unsigned round; /* refused options are tried several times in a round */
    char id[32];
    ragstore_index *index;
    snprintf(id, sizeof id, "vectors %u", ++round);
    ragstore_entity *entity = make_entity(on->store, id);
    assert_ok(ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"one\"}]", vector, 2, NULL));
    assert_ok(ragstore_index_open(&index, entity));
    const int status = ragstore_index_rebuild(index, options);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    return status;
}

static int call_session_ask(stage *on, const void *options)
{
    return ragstore_session_ask(NULL, on->session, "What is a line?", options);
}

static int call_submit_chunks(stage *on, const void *options)
{
    return ragstore_document_submit_chunks(NULL, on->entity, "[{\"text\": \"a line\"}]", NULL, 0,
                                           options);
}

static const struct {
    const char *name;
    call_with_options *call;
    size_t size; /* of today's struct */
} calls[] = {
    {"ragstore_model_open_with", call_model_open, sizeof(ragstore_model_open_options)},
    {"ragstore_store_open", call_store_open, sizeof(ragstore_store_open_options)},
    {"ragstore_store_check_with", call_store_check, sizeof(ragstore_store_check_options)},
    {"ragstore_store_compact", call_store_compact, sizeof(ragstore_store_compact_options)},
    {"ragstore_store_backup", call_store_backup, sizeof(ragstore_backup_options)},
    {"ragstore_index_rebuild", call_index_rebuild, sizeof(ragstore_index_rebuild_options)},
    {"ragstore_entity_create", call_entity_create, sizeof(ragstore_entity_create_options)},
    {"ragstore_entity_update", call_entity_update, sizeof(ragstore_entity_update_options)},
    {"ragstore_entity_list", call_entity_list, sizeof(ragstore_list_options)},
    {"ragstore_upload_begin", call_upload_begin, sizeof(ragstore_document_add_options)},
    {"ragstore_document_add", call_document_add, sizeof(ragstore_document_add_options)},
    {"ragstore_document_add_chunks", call_document_add_chunks,
     sizeof(ragstore_document_add_options)},
    {"ragstore_document_submit_chunks", call_submit_chunks, sizeof(ragstore_document_add_options)},
    {"ragstore_document_update", call_document_update, sizeof(ragstore_document_update_options)},
    {"ragstore_document_list", call_document_list, sizeof(ragstore_list_options)},
    {"ragstore_job_list", call_job_list, sizeof(ragstore_job_list_options)},
    {"ragstore_entity_search", call_entity_search, sizeof(ragstore_entity_search_options)},
    {"ragstore_session_create", call_session_create, sizeof(ragstore_session_create_options)},
    {"ragstore_session_list", call_session_list, sizeof(ragstore_list_options)},
    {"ragstore_session_update", call_session_update, sizeof(ragstore_session_update_options)},
    {"ragstore_session_search", call_session_search, sizeof(ragstore_session_search_options)},
    {"ragstore_session_messages", call_session_messages, sizeof(ragstore_session_messages_options)},
    {"ragstore_session_ask", call_session_ask, sizeof(ragstore_session_ask_options)},
};

static stage *set_stage(void **state)
{
    static stage on;
    memset(&on, 0, sizeof on);
    on.store = open_store(state);
    on.entity = make_entity(on.store, "acme");
    assert_ok(ragstore_session_create(&on.session, on.entity, NULL));
    temporary_join(on.path, state, "other");
    return &on;
}

static void strike_stage(stage *on)
{
    ragstore_session_free(on->session);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

/* Zeroed memory, longer than any struct, that begins with a size. */
#define ROOM (256 + 64)
static _Alignas(max_align_t) unsigned char room[ROOM];

static const void *options_of_size(size_t size)
{
    memset(room, 0, sizeof room);
    memcpy(room, &size, sizeof size);
    return room;
}

static void options__of_an_impossible_size_are_refused(void **state)
{
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, ((size_t)1 << 16) + 1, SIZE_MAX};
    stage *on = set_stage(state);
    for (size_t i = 0; i < COUNT(calls); i++)
        for (size_t j = 0; j < COUNT(sizes); j++) {
            assert_fails(RAGSTORE_E_INVALID_ARGUMENT, calls[i].call(on, options_of_size(sizes[j])));
            assert_message_has("struct_size");
        }
    strike_stage(on);
}

static void options__of_an_older_caller_are_accepted(void **state)
{
    stage *on = set_stage(state);
    for (size_t i = 0; i < COUNT(calls); i++) {
        on->round++;
        /* garbage behind the caller's struct is not the library's to read */
        const size_t size = sizeof(size_t);
        memset(room, 0xAA, sizeof room);
        memcpy(room, &size, sizeof size);
        if (calls[i].call(on, room) != RAGSTORE_OK)
            fail_msg("%s: %s", calls[i].name, ragstore_error_message());
    }
    strike_stage(on);
}

static void options__of_a_newer_caller_are_accepted_when_their_tail_is_zero(void **state)
{
    stage *on = set_stage(state);
    for (size_t i = 0; i < COUNT(calls); i++) {
        on->round++;
        if (calls[i].call(on, options_of_size(calls[i].size + 64)) != RAGSTORE_OK)
            fail_msg("%s: %s", calls[i].name, ragstore_error_message());
    }
    strike_stage(on);
}

static void options__of_a_newer_caller_are_refused_when_a_later_member_is_set(void **state)
{
    stage *on = set_stage(state);
    for (size_t i = 0; i < COUNT(calls); i++)
        for (size_t beyond = 0; beyond < 64; beyond += 63) {
            options_of_size(calls[i].size + 64);
            room[calls[i].size + beyond] = 1;
            assert_fails(RAGSTORE_E_UNSUPPORTED, calls[i].call(on, room));
            assert_message_has(strcmp(calls[i].name, "ragstore_document_add") == 0
                                   ? "ragstore_upload_begin"
                                   : calls[i].name);
        }
    strike_stage(on);
}

static void options__with_a_reserved_member_set_are_refused(void **state)
{
    stage *on = set_stage(state);
    ragstore_store_open_options open = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    ragstore_session_ask_options ask = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    open.reserved = 1;
    ask.reserved = UINT32_MAX;
    assert_fails(RAGSTORE_E_UNSUPPORTED, call_store_open(on, &open));
    assert_false(temporary_exists(on->path));
    assert_fails(RAGSTORE_E_UNSUPPORTED, call_session_ask(on, &ask));
    strike_stage(on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__are_equal_by_macro_and_by_function),
        cmocka_unit_test(options__have_no_gap_that_could_hold_garbage),
        TEST(options__of_an_impossible_size_are_refused),
        TEST(options__of_an_older_caller_are_accepted),
        TEST(options__of_a_newer_caller_are_accepted_when_their_tail_is_zero),
        TEST(options__of_a_newer_caller_are_refused_when_a_later_member_is_set),
        TEST(options__with_a_reserved_member_set_are_refused),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
