/*
 * The runner of the extraction helper, with a helper whose parser has been taken over: whatever it
 * tries, it is stopped, the reason is told, and this process goes on unharmed. That helper lies
 * beside this program.
 */
#include "api/api_fixture.h"

#include "extract_runner.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>

static struct extract_runner runner = {"", (uint64_t)256 << 20, (uint64_t)1 << 20, 1, 3000};

static int try_attack(ragstore_entity *entity, const char *word)
{
    char document[128];
    int size = snprintf(document, sizeof document, "%%PDF-1.4\n%s\n", word);
    return ragstore_document_add(NULL, entity, document, (size_t)size, NULL);
}

static ragstore_store *open_attacked(void **state, ragstore_entity **entity)
{
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.extract = extract_run;
    options.extract_user = &runner;
    assert_ok(ragstore_store_open(&store, store_path(state), &options));
    *entity = make_entity(store, "acme");
    return store;
}

static void close_attacked(ragstore_store *store, ragstore_entity *entity)
{
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* No helper and nothing that one started is left. */
static void expect_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void runner__stops_every_attack_and_says_why(void **state)
{
    static const struct {
        const char *word;
        int status;
        const char *says;
    } attacks[] = {
        {"fork", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"connect", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"execute", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"kill", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"code", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"sleep", RAGSTORE_E_NOT_EXTRACTABLE, "tried what it may not do"},
        {"spin", RAGSTORE_E_TOO_LARGE, "more than 1 s of processor time"},
        {"eat", RAGSTORE_E_TOO_LARGE, "more memory than is allowed"},
        {"flood", RAGSTORE_E_TOO_LARGE, "over the limit"},
        {"babble", RAGSTORE_E_NOT_EXTRACTABLE, "makes no sense"},
        {"crash", RAGSTORE_E_NOT_EXTRACTABLE, "parser failed"},
        {"stop", RAGSTORE_E_IO, "stopped early"},
    };
    ragstore_entity *entity;
    ragstore_store *store = open_attacked(state, &entity);
    assert_ok(try_attack(entity, "harmless"));
    const size_t descriptors = count_descriptors();
    for (size_t i = 0; i < COUNT(attacks); i++) {
        print_message("%s\n", attacks[i].word);
        assert_fails(attacks[i].status, try_attack(entity, attacks[i].word));
        assert_message_has(attacks[i].says);
        expect_no_children();
        assert_int_equal(count_descriptors(), descriptors);
    }
    assert_int_equal(count_hits(entity, "harmless"), 1);
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 1);
    json_decref(documents);
    close_attacked(store, entity);
}

static void runner__leaves_no_way_to_files(void **state)
{
    ragstore_entity *entity;
    ragstore_store *store = open_attacked(state, &entity);
    (void)unlink("/tmp/ragstore-attacked");
    assert_ok(try_attack(entity, "write"));
    assert_ok(try_attack(entity, "read"));
    assert_int_equal(access("/tmp/ragstore-attacked", F_OK), -1);
    assert_int_equal(count_hits(entity, "could"), 2); /* "could not write", "could not read" */
    assert_int_equal(count_hits(entity, "wrote"), 0);
    close_attacked(store, entity);
}

static int32_t stop_soon(void *user, const char *stage, uint64_t done, uint64_t total)
{
    int *calls = user;
    (void)done;
    (void)total;
    return strcmp(stage, "extract") == 0 && ++*calls > 3;
}

static void runner__stops_when_it_is_told_to(void **state)
{
    ragstore_entity *entity;
    ragstore_store *store = open_attacked(state, &entity);
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    int calls = 0;
    options.progress = stop_soon;
    options.progress_user = &calls;
    assert_fails(RAGSTORE_E_INTERRUPTED,
                 ragstore_document_add(NULL, entity, "%PDF-1.4\nspin", 13, &options));
    expect_no_children();
    close_attacked(store, entity);
}

static void runner__keeps_to_the_wall_clock(void **state)
{
    struct timespec before, after;
    ragstore_entity *entity;
    ragstore_store *store = open_attacked(state, &entity);
    const struct extract_runner kept = runner;
    runner.processor_seconds = 60;
    runner.wall_ms = 300;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_fails(RAGSTORE_E_TOO_LARGE, try_attack(entity, "spin"));
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_message_has("took more than");
    assert_true(after.tv_sec - before.tv_sec < 10);
    expect_no_children();
    runner = kept;
    close_attacked(store, entity);
}

static void runner__says_when_there_is_no_helper(void **state)
{
    ragstore_entity *entity;
    ragstore_store *store = open_attacked(state, &entity);
    struct extract_runner none = runner;
    assert_false(extract_runner_find(&none, "/nowhere/ragstore-extract"));
    const struct extract_runner kept = runner;
    snprintf(runner.program, sizeof runner.program, "/nowhere/ragstore-extract");
    assert_fails(RAGSTORE_E_IO, try_attack(entity, "harmless"));
    assert_message_has("could not be started");
    runner = kept;
    close_attacked(store, entity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runner__stops_every_attack_and_says_why), TEST(runner__leaves_no_way_to_files),
        TEST(runner__stops_when_it_is_told_to),        TEST(runner__keeps_to_the_wall_clock),
        TEST(runner__says_when_there_is_no_helper),
    };
    char helper[4096];
    ssize_t size = readlink("/proc/self/exe", helper, sizeof helper - 16);
    helper[size < 0 ? 0 : size] = '\0';
    strcpy(strrchr(helper, '/') + 1, "attacked");
    if (!extract_runner_find(&runner, helper)) {
        fprintf(stderr, "there is no %s\n", helper);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
