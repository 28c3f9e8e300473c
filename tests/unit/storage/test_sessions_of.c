/* The sessions of an entity are found without a look at the others: as a plain walk finds them. */
#include "storage_fixture.h"

#include "base/memory.h"
#include "harness/fault_memory.h"
#include "harness/power_explore.h"

#include <time.h>

#define assert_good(call)                                                                          \
    do {                                                                                           \
        if ((call) != RAGSTORE_OK)                                                                 \
            fail_msg("%s: %s", #call, rsi_error_message());                                        \
    } while (0)

#define ENTITIES 3
static const char *const ids[ENTITIES] = {"acme", "b\"e\\ta", "c"};
static const char *const escaped[ENTITIES] = {"acme", "b\\\"e\\\\ta", "c"};

static void make_json(char json[200], unsigned entity, unsigned version)
{
    snprintf(json, 200, "{\"session_id\":\"s\",\"entity_id\":\"%s\",\"version\":%u}",
             escaped[entity], version);
}

/* ---- both ways ---- */

static int append_key(void *user, const char *key, const char *json, size_t size)
{
    (void)json;
    (void)size;
    rsi_bytes_printf(user, "%s ", key);
    return rsi_bytes_status(user);
}

typedef struct plain {
    const char *literal;
    rsi_bytes keys;
    uint64_t count;
} plain;

static int append_if_it_has(void *user, const char *key, const char *json, size_t size)
{
    plain *in = user;
    if (memmem(json, size, in->literal, strlen(in->literal)) == NULL)
        return RAGSTORE_OK;
    in->count++;
    return append_key(&in->keys, key, json, size);
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Within a transaction what it changed comes last, in either way: so sort. */
static void sort_words(rsi_bytes *text)
{
    char *words[500];
    size_t count = 0;
    rsi_bytes sorted = {0};
    rsi_bytes_append_text(text, "");
    for (char *word = strtok(text->data, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    qsort(words, count, sizeof *words, compare_words);
    rsi_bytes_append_text(&sorted, "");
    for (size_t i = 0; i < count; i++)
        rsi_bytes_printf(&sorted, "%s ", words[i]);
    rsi_bytes_free(text);
    *text = sorted;
}

static void compare(rsi_storage *storage, bool in_tx)
{
    for (unsigned e = 0; e < ENTITIES; e++) {
        char literal[80];
        rsi_bytes keys = {0};
        plain all = {.literal = literal};
        uint64_t count;
        snprintf(literal, sizeof literal, "\"entity_id\":\"%s\"", escaped[e]);
        assert_good(rsi_storage_each(storage, RSI_SPACE_SESSIONS, append_if_it_has, &all));
        assert_good(rsi_storage_sessions_of(storage, ids[e], append_key, &keys));
        assert_good(rsi_storage_count_sessions_of(&count, storage, ids[e]));
        assert_int_equal(count, all.count);
        if (in_tx) {
            sort_words(&all.keys);
            sort_words(&keys);
        }
        if (all.count > 0)
            assert_string_equal(keys.data, all.keys.data);
        else
            assert_int_equal(keys.size, 0);
        rsi_bytes_free(&keys);
        rsi_bytes_free(&all.keys);
    }
    uint64_t none;
    assert_good(rsi_storage_count_sessions_of(&none, storage, "nobody"));
    assert_int_equal(none, 0);
}

/* ---- tests ---- */

static void change_something(rsi_tx *tx, uint64_t *seed)
{
    char key[32];
    char json[200];
    snprintf(key, sizeof key, "s%u", (unsigned)power_random(seed, 60));
    if (power_random(seed, 3) == 0) {
        assert_good(rsi_tx_drop(tx, RSI_SPACE_SESSIONS, key));
        return;
    }
    make_json(json, (unsigned)power_random(seed, ENTITIES), (unsigned)power_random(seed, 1000));
    assert_good(storage_put_text(tx, RSI_SPACE_SESSIONS, key, json));
}

static void change_and_compare(rsi_storage *storage, uint64_t *seed)
{
    rsi_tx *tx;
    assert_good(rsi_tx_begin(&tx, storage));
    for (uint64_t n = 1 + power_random(seed, 6); n > 0; n--)
        change_something(tx, seed);
    compare(storage, true);
    if (power_random(seed, 4) == 0)
        rsi_tx_abort(tx);
    else
        assert_good(rsi_tx_commit(tx));
    compare(storage, false);
}

/* Two processes, checkpoints, compactions and reopenings, with small and with large files. */
static void storage_sessions_of__agrees_with_a_walk(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 8; round++) {
        uint64_t seed = round;
        power_disk *disk = storage_make(true);
        power_choose_small(round % 2 == 0);
        rsi_storage *a = storage_open_good(disk);
        rsi_storage *b = storage_open_good(disk);
        for (unsigned step = 0; step < 60; step++) {
            rsi_storage **by = power_random(&seed, 2) == 0 ? &a : &b;
            change_and_compare(*by, &seed);
            switch (power_random(&seed, 8)) {
            case 0:
                assert_good(rsi_storage_checkpoint(*by));
                break;
            case 1:
                assert_good(rsi_storage_compact(*by));
                break;
            case 2:
                assert_good(rsi_storage_close(*by));
                rsi_storage_free(*by);
                *by = storage_open_good(disk);
                break;
            default:
                break;
            }
            assert_good(rsi_storage_follow(a));
            assert_good(rsi_storage_follow(b));
            compare(a, false);
            compare(b, false);
        }
        assert_good(rsi_storage_close(a));
        rsi_storage_free(a);
        assert_good(rsi_storage_close(b));
        rsi_storage_free(b);
        power_choose_small(true);
        power_disk_free(disk);
    }
}

static void storage_sessions_of__survives_each_allocation_that_fails(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        char json[200];
        rsi_tx *tx;
        uint64_t count;
        bool struck = false;
        power_disk *disk = storage_make(true);
        rsi_storage *storage = storage_open_good(disk);
        if (n % 2 == 0) /* it is there when it fails to follow */
            assert_good(rsi_storage_count_sessions_of(&count, storage, "c"));
        fault_memory_install();
        fault_memory_fail(n / 2 + 1, false);
        int status = rsi_tx_begin(&tx, storage);
        make_json(json, 2, 1);
        if (status == RAGSTORE_OK)
            status = storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, "s9", json));
        if (status == RAGSTORE_OK)
            status = rsi_storage_count_sessions_of(&count, storage, "c");
        struck = fault_memory_failed();
        fault_memory_restore();
        if (status == RAGSTORE_OK)
            assert_int_equal(count, 1);
        else
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        compare(storage, false);
        assert_good(rsi_storage_close(storage));
        rsi_storage_free(storage);
        power_disk_free(disk);
        if (!struck && n % 2 == 1)
            break;
        assert_true(n < 2000);
    }
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#define MANY 20000

static void put_many(rsi_storage *storage)
{
    rsi_tx *tx;
    assert_good(rsi_tx_begin(&tx, storage));
    for (unsigned i = 0; i < MANY; i++) {
        char key[32];
        char json[200];
        snprintf(key, sizeof key, "many%u", i);
        make_json(json, i % 2, i);
        assert_good(storage_put_text(tx, RSI_SPACE_SESSIONS, key, json));
    }
    assert_good(rsi_tx_commit(tx));
}

/* Asking for those of an entity with few costs nothing for those of the others, and dropping all of
 * an entity with many costs the same for each. */
static void storage_sessions_of__costs_nothing_for_the_sessions_of_others(void **state)
{
    (void)state;
    char json[200];
    rsi_tx *tx;
    uint64_t count;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    put_many(storage);
    assert_good(rsi_tx_begin(&tx, storage));
    make_json(json, 2, 1);
    assert_good(storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, "only", json)));
    rsi_bytes keys = {0};
    double walked = now_ms();
    plain all = {.literal = "\"entity_id\":\"c\""};
    assert_good(rsi_storage_each(storage, RSI_SPACE_SESSIONS, append_if_it_has, &all));
    walked = now_ms() - walked;
    assert_good(rsi_storage_sessions_of(storage, "c", append_key, &keys)); /* fills */
    double asked = now_ms();
    for (unsigned i = 0; i < 100; i++)
        assert_good(rsi_storage_sessions_of(storage, "c", append_key, &keys));
    asked = (now_ms() - asked) / 100;
    assert_true(asked * 10 < walked);
    assert_good(rsi_tx_begin(&tx, storage));
    for (unsigned i = 0; i < MANY; i += 2) {
        char key[32];
        snprintf(key, sizeof key, "many%u", i);
        assert_good(rsi_tx_drop(tx, RSI_SPACE_SESSIONS, key));
    }
    assert_good(rsi_tx_commit(tx));
    assert_good(rsi_storage_count_sessions_of(&count, storage, ids[0]));
    assert_int_equal(count, 1); /* that of the fixture */
    assert_good(rsi_storage_count_sessions_of(&count, storage, ids[1]));
    assert_int_equal(count, MANY / 2);
    rsi_bytes_free(&keys);
    rsi_bytes_free(&all.keys);
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_sessions_of__agrees_with_a_walk),
        cmocka_unit_test(storage_sessions_of__survives_each_allocation_that_fails),
        cmocka_unit_test(storage_sessions_of__costs_nothing_for_the_sessions_of_others),
    };
    return cmocka_run_group_tests_name("sessions_of", tests, NULL, NULL);
}
