/* Chunks that are forgotten while other threads read and check them: read again from their file each
 * time, and the same. The thread sanitizer runs this, too. */
#include "storage_fixture.h"

#include "base/clock.h"
#include "harness/fault_files.h"
#include "harness/temporary.h"
#include "storage/check.h"

#include <pthread.h>

#define FORGOTTEN 500 /* times */
#define READ 50       /* likewise, at least */
#define COLLECTIONS 500

typedef struct beside {
    rsi_storage *storage;
    int over;       /* atomic */
    unsigned times; /* atomic: that the other thread has done its work */
    unsigned failures;
} beside;

static bool is_over(const beside *in)
{
    return __atomic_load_n(&in->over, __ATOMIC_RELAXED) != 0;
}

static unsigned times_of(const beside *in)
{
    return __atomic_load_n(&in->times, __ATOMIC_RELAXED);
}

static void note_time(beside *in)
{
    __atomic_fetch_add(&in->times, 1, __ATOMIC_RELAXED);
}

static int read_chunk(rsi_storage *storage)
{
    rsi_bytes value = {0};
    int status = rsi_storage_row_get(&value, storage, RSI_SPACE_CHUNKS, ENTITY, 0);
    if (status == RAGSTORE_OK && strcmp(value.data, CHUNK_JSON) != 0)
        status = RAGSTORE_E_INTERNAL;
    rsi_bytes_free(&value);
    return status;
}

/* The file of the chunks is being read, with everybody else kept out: who wants to forget them now waits
 * for the end of that, and comes before the one who read. */
static int is_read; /* atomic */
static fault_files watched;

static int open_slowly(void *self, int directory, const char *path, unsigned flags)
{
    (void)self;
    if (strstr(path, "chunk_metadata.json") != NULL) {
        __atomic_store_n(&is_read, 1, __ATOMIC_RELEASE);
        rsi_sleep_ms(2);
    }
    return watched.real->open(watched.real->self, directory, path, flags);
}

/* As when memory is short. */
static void *forget(void *user)
{
    beside *in = user;
    while (!is_over(in))
        if (__atomic_exchange_n(&is_read, 0, __ATOMIC_ACQUIRE) != 0) {
            rsi_storage_forget_chunks(in->storage, ENTITY);
            note_time(in);
        } else {
            rsi_sleep_ms(0);
        }
    return NULL;
}

static void *forget_and_read(void *user)
{
    beside *in = user;
    for (; !is_over(in); note_time(in)) {
        rsi_storage_forget_chunks(in->storage, ENTITY);
        in->failures += read_chunk(in->storage) != RAGSTORE_OK;
    }
    return NULL;
}

static void *open_collections(void *user)
{
    beside *in = user;
    for (unsigned i = 0; i < COLLECTIONS; i++, note_time(in)) {
        const char *space;
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        in->failures += rsi_storage_collection(&space, in->storage, name) != RAGSTORE_OK;
    }
    return NULL;
}

static int count_finding(void *user, const rsi_finding *finding)
{
    unsigned *count = user;
    print_message("%s: %s\n", finding->file, finding->problem);
    ++*count;
    return RAGSTORE_OK;
}

static rsi_storage *open_one(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_storage *storage;
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_NORMAL,
                                         .files = &watched.table};
    fault_files_init(&watched, NULL);
    if (rsi_storage_open(&storage, temporary_join(path, state, "store"), &options) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return storage;
}

static void close_one(rsi_storage *storage)
{
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
}

/* The chunks are in their file, and nowhere else but in memory. */
static void begin(beside *in, void **state, pthread_t *thread, void *(*work)(void *user))
{
    rsi_storage *storage = open_one(state);
    assert_int_equal(storage_commit_entity(storage), RAGSTORE_OK);
    close_one(storage);
    *in = (beside){.storage = open_one(state)};
    assert_int_equal(read_chunk(in->storage), RAGSTORE_OK);
    assert_int_equal(pthread_create(thread, NULL, work, in), 0);
}

static void end(beside *in, pthread_t thread)
{
    __atomic_store_n(&in->over, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(in->failures, 0);
    close_one(in->storage);
}

static void storage_forget_chunks__leaves_them_to_be_read(void **state)
{
    beside in;
    pthread_t thread;
    unsigned missed = 0;
    begin(&in, state, &thread, forget);
    watched.table.open = open_slowly;
    while (times_of(&in) < READ) {
        rsi_storage_forget_chunks(in.storage, ENTITY);
        missed += read_chunk(in.storage) != RAGSTORE_OK;
    }
    end(&in, thread);
    assert_int_equal(missed, 0);
}

static void storage_forget_chunks__leaves_them_to_be_checked(void **state)
{
    beside in;
    pthread_t thread;
    unsigned findings = 0;
    begin(&in, state, &thread, forget_and_read);
    for (unsigned i = 0; i < READ || times_of(&in) < FORGOTTEN; i++)
        assert_int_equal(rsi_storage_check_entity(in.storage, ENTITY, count_finding, &findings), 0);
    end(&in, thread);
    assert_int_equal(findings, 0);
}

static void storage_check__goes_on_while_collections_are_opened(void **state)
{
    beside in;
    pthread_t thread;
    unsigned findings = 0;
    begin(&in, state, &thread, open_collections);
    while (times_of(&in) < COLLECTIONS)
        assert_int_equal(rsi_storage_check(in.storage, count_finding, &findings), 0);
    end(&in, thread);
    assert_int_equal(findings, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(storage_forget_chunks__leaves_them_to_be_read),
        TEST(storage_forget_chunks__leaves_them_to_be_checked),
        TEST(storage_check__goes_on_while_collections_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
