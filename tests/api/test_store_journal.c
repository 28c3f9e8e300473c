/* What a killed process leaves: its journal, torn, damaged, contradicted, or read by others. */
#include "api_fixture.h"

#include <dirent.h>

#define ENTITIES "store/api_storage/entities.json"

/* A child makes a store with three entities, each of one commit, and dies. */
static int write_and_die(void *user)
{
    static const char *const ids[] = {"one", "two", "three"};
    void **state = user;
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    if (ragstore_store_open(&store, store_path(state), &options) != RAGSTORE_OK)
        return 1;
    for (size_t i = 0; i < COUNT(ids); i++)
        if (ragstore_entity_create(NULL, store, ids[i], NULL) != RAGSTORE_OK)
            return 1;
    return 0;
}

static void make_unclean_store(void **state)
{
    assert_int_equal(run_in_child(write_and_die, state), 0);
}

/* The journal that holds a text. */
static const char *find_journal(void **state, const char *text)
{
    static char path[TEMPORARY_PATH_MAX];
    char directory[TEMPORARY_PATH_MAX];
    bool found = false;
    const struct dirent *entry;
    DIR *list = opendir(temporary_join(directory, state, "store/api_storage"));
    assert_non_null(list);
    while (!found && (entry = readdir(list)) != NULL) {
        if (strncmp(entry->d_name, "journal-", 8) != 0)
            continue;
        assert_true(snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) <
                    (int)sizeof path);
        char *content = temporary_read(path, NULL);
        found = strstr(content, text) != NULL;
        free(content);
    }
    assert_int_equal(closedir(list), 0);
    assert_true(found);
    return path;
}

static json_int_t count_entities(void **state, uint32_t flags)
{
    ragstore_store *store = open_store_with(state, flags, NULL);
    json_t *description = describe_store(store);
    json_int_t count = json_integer_value(json_object_get(description, "entities"));
    json_decref(description);
    assert_ok(ragstore_store_close(store));
    return count;
}

static int try_open(void **state)
{
    ragstore_store *store;
    int status = ragstore_store_open(&store, store_path(state), NULL);
    if (status == RAGSTORE_OK)
        return ragstore_store_close(store);
    assert_null(store);
    return status;
}

static void store_journal__is_replayed(void **state)
{
    make_unclean_store(state);
    assert_int_equal(count_entities(state, 0), 3);
    assert_int_equal(count_entities(state, 0), 3);
}

static void store_journal__is_read_by_readers_who_change_nothing(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    make_unclean_store(state);
    size_t entries = temporary_count(temporary_join(path, state, "store/api_storage"));
    assert_int_equal(count_entities(state, RAGSTORE_OPEN_READ_ONLY), 3);
    assert_int_equal(count_entities(state, RAGSTORE_OPEN_IMMUTABLE), 3);
    assert_int_equal(temporary_count(path), entries);
    char *text = temporary_read(temporary_join(path, state, ENTITIES), NULL);
    assert_string_equal(text, "{\n}\n"); /* nobody has brought it up to date */
    free(text);
}

static void store_journal__loses_only_a_torn_tail(void **state)
{
    make_unclean_store(state);
    const char *path = find_journal(state, "\"three\"");
    size_t size;
    char *text = temporary_read(path, &size);
    temporary_write(path, text, size - 5);
    free(text);
    assert_int_equal(count_entities(state, 0), 2);
    ragstore_store *store = open_store(state);
    ragstore_entity_free(make_entity(store, "three")); /* and the place is free again */
    assert_ok(ragstore_store_close(store));
    assert_int_equal(count_entities(state, 0), 3);
}

static void store_journal__that_is_damaged_before_its_end_is_told_and_untouched(void **state)
{
    make_unclean_store(state);
    const char *path = find_journal(state, "\"three\"");
    size_t size;
    size_t after_size;
    char *text = temporary_read(path, &size);
    char *first = strstr(text, "\"one\"");
    assert_non_null(first);
    first[1] = 'O';
    temporary_write(path, text, size);
    assert_fails(RAGSTORE_E_DAMAGED, try_open(state));
    assert_message_has("journal-");
    char *after = temporary_read(path, &after_size);
    assert_int_equal(after_size, size);
    assert_memory_equal(after, text, size);
    free(after);
    first[1] = 'o'; /* mended */
    temporary_write(path, text, size);
    free(text);
    assert_int_equal(count_entities(state, 0), 3);
}

static void store_journal__and_a_hand_edit_contradict_each_other(void **state)
{
    static const char edited[] =
        "{\n\"mine\": {\"_id\":\"mine\",\"entity_id\":\"mine\",\"documents\":[]}\n}\n";
    char path[TEMPORARY_PATH_MAX];
    make_unclean_store(state);
    char *before = temporary_read(temporary_join(path, state, ENTITIES), NULL);
    temporary_write(path, edited, sizeof edited - 1);
    assert_fails(RAGSTORE_E_CONFLICT, try_open(state));
    assert_message_has("entities.json");
    char *after = temporary_read(path, NULL);
    assert_string_equal(after, edited);
    temporary_write(path, before, strlen(before));
    free(before);
    free(after);
    assert_int_equal(count_entities(state, 0), 3);
}

/* ---- other ways of opening ---- */

static void store_open__takes_paths_of_many_forms(void **state)
{
    static const char *const forms[] = {"store/", "store//", "./store", "日本 store", "%41"};
    char here[TEMPORARY_PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(temporary_path(state)), 0);
    for (size_t i = 0; i < COUNT(forms); i++) {
        ragstore_store *store;
        int status = ragstore_store_open(&store, forms[i], NULL);
        if (status != RAGSTORE_OK)
            fail_msg("%s: %s", forms[i], ragstore_error_message());
        assert_ok(ragstore_store_close(store));
    }
    assert_int_equal(chdir(here), 0);
    assert_int_equal(temporary_count(temporary_path(state)), 3);
}

static void store_open__with_little_memory_finds_everything_all_the_same(void **state)
{
    enum { MANY = 5 };
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.memory_limit_bytes = 1;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            char id[16];
            snprintf(id, sizeof id, "e%d", i);
            ragstore_entity *entity = round == 0 ? make_entity(store, id) : open_entity(store, id);
            if (round == 0)
                add_text(entity, "a.txt", "All about granite.");
            assert_int_equal(count_hits(entity, "granite"), 1);
            ragstore_entity_free(entity);
        }
    assert_ok(ragstore_store_close(store));
}

static void store_open__with_normal_durability_keeps_everything_at_close(void **state)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.durability = RAGSTORE_DURABILITY_NORMAL;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    store = reopen_store(store, state);
    entity = open_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_journal__is_replayed),
        TEST(store_journal__is_read_by_readers_who_change_nothing),
        TEST(store_journal__loses_only_a_torn_tail),
        TEST(store_journal__that_is_damaged_before_its_end_is_told_and_untouched),
        TEST(store_journal__and_a_hand_edit_contradict_each_other),
        TEST(store_open__takes_paths_of_many_forms),
        TEST(store_open__with_little_memory_finds_everything_all_the_same),
        TEST(store_open__with_normal_durability_keeps_everything_at_close),
    };
    return cmocka_run_group_tests_name("store_journal", tests, NULL, NULL);
}
