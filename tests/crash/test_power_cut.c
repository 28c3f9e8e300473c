/*
 * The power is cut before every operation of many workloads, and what is left is opened.
 *
 * RAGSTORE_CRASH_SEED repeats a run, RAGSTORE_CRASH_FACTOR (default 1) makes it longer,
 * RAGSTORE_CRASH_TESTS (a pattern) chooses tests by their names.
 */
#include "harness/power_explore.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t first_seed;
static uint64_t all_states;
static unsigned factor = 1;

/* What is there before a pair of steps: an entity with a document, a session with a message. */
static const power_step base[] = {STEP_ENTITY_NEW, STEP_DOCUMENT_ADD, STEP_SESSION_PUT,
                                  STEP_MESSAGE};

static void finish(power_explorer *explorer, uint64_t seed)
{
    char failure[sizeof explorer->failure];
    all_states += explorer->states;
    snprintf(failure, sizeof failure, "%s", explorer->failure);
    power_explorer_end(explorer);
    power_disk_free(explorer->disk);
    if (failure[0] != '\0')
        fail_msg("seed %llu: %s", (unsigned long long)seed, failure);
}

static void storage_crash__leaves_a_store_or_none_while_it_is_made(void **state)
{
    (void)state;
    power_explorer explorer;
    for (unsigned i = 0; i < 3 * factor; i++) {
        power_explorer_begin(&explorer, power_disk_new(), NULL, first_seed + i);
        explorer.choices = 12;
        bool good = power_explorer_open(&explorer) && power_explorer_close(&explorer);
        assert_int_equal(good, explorer.failure[0] == '\0');
        finish(&explorer, first_seed + i);
    }
}

/* Cut within the second and third step of base + one + other. */
static void run_pair(power_step one, power_step other, uint32_t durability, bool no_files,
                     uint64_t seed)
{
    power_explorer explorer;
    power_explorer_begin(&explorer, power_disk_new(), NULL, seed);
    explorer.durability = durability;
    explorer.no_files = no_files;
    explorer.choices = 0;
    bool good = power_explorer_open(&explorer);
    for (size_t i = 0; good && i < sizeof base / sizeof *base; i++)
        good = power_explorer_step(&explorer, base[i]);
    explorer.choices = 3;
    good = good && power_explorer_step(&explorer, one) && power_explorer_step(&explorer, other);
    explorer.choices = 1;
    if (good)
        power_explorer_close(&explorer);
    finish(&explorer, seed);
}

static void storage_crash__keeps_every_pair_of_steps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POWER_STEPS; i++)
        for (unsigned k = 0; k < POWER_STEPS; k++)
            run_pair((power_step)i, (power_step)k, RAGSTORE_DURABILITY_FULL, false,
                     first_seed + i * POWER_STEPS + k);
}

static void run_normal_pairs(bool no_files)
{
    for (unsigned i = 0; i < POWER_STEPS; i++)
        for (unsigned k = 0; k < 3; k++)
            run_pair((power_step)i, (power_step)((i * 7 + k * 5) % POWER_STEPS),
                     RAGSTORE_DURABILITY_NORMAL, no_files, first_seed + 1000 + i * 3 + k);
}

static void storage_crash__keeps_a_prefix_in_normal_durability(void **state)
{
    (void)state;
    run_normal_pairs(true);
}

static void storage_crash__opens_after_a_kill_and_a_cut_in_normal_durability(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POWER_STEPS; i++)
        run_pair(STEP_SESSION_PUT, STEP_KILL, RAGSTORE_DURABILITY_NORMAL, true,
                 first_seed + 1100 + i);
}

static void storage_crash__keeps_files_with_commits_in_normal_durability(void **state)
{
    (void)state;
    run_normal_pairs(false);
}

static void run_random(uint64_t seed, uint32_t durability, bool old_files)
{
    power_explorer explorer;
    power_explorer_begin(&explorer, power_disk_new(), NULL, seed);
    explorer.durability = durability;
    explorer.no_files = durability == RAGSTORE_DURABILITY_NORMAL;
    if (old_files) /* journals are old enough to go */
        power_disk_back_date(explorer.disk, 3600);
    explorer.choices = 0;
    bool good = power_explorer_open(&explorer);
    explorer.choices = 2;
    for (unsigned i = 0; good && i < 25; i++)
        good =
            power_explorer_step(&explorer, (power_step)power_random(&explorer.seed, POWER_STEPS));
    if (good)
        power_explorer_close(&explorer);
    finish(&explorer, seed);
}

static void storage_crash__keeps_random_workloads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8 * factor; i++)
        run_random(first_seed + 2000 + i, RAGSTORE_DURABILITY_FULL, false);
}

static void storage_crash__keeps_random_workloads_in_normal_durability(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * factor; i++)
        run_random(first_seed + 2500 + i, RAGSTORE_DURABILITY_NORMAL, false);
}

static void storage_crash__keeps_random_workloads_whose_journals_go(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10 * factor; i++)
        run_random(first_seed + 3000 + i, RAGSTORE_DURABILITY_FULL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_crash__leaves_a_store_or_none_while_it_is_made),
        cmocka_unit_test(storage_crash__keeps_every_pair_of_steps),
        cmocka_unit_test(storage_crash__keeps_a_prefix_in_normal_durability),
        cmocka_unit_test(storage_crash__opens_after_a_kill_and_a_cut_in_normal_durability),
        cmocka_unit_test(storage_crash__keeps_files_with_commits_in_normal_durability),
        cmocka_unit_test(storage_crash__keeps_random_workloads),
        cmocka_unit_test(storage_crash__keeps_random_workloads_in_normal_durability),
        cmocka_unit_test(storage_crash__keeps_random_workloads_whose_journals_go),
    };
    const char *seed = getenv("RAGSTORE_CRASH_SEED");
    const char *times = getenv("RAGSTORE_CRASH_FACTOR");
    if (getenv("RAGSTORE_CRASH_TESTS") != NULL)
        cmocka_set_test_filter(getenv("RAGSTORE_CRASH_TESTS"));
    first_seed = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    if (times != NULL && atoi(times) > 0)
        factor = (unsigned)atoi(times);
    printf("RAGSTORE_CRASH_SEED=%llu\n", (unsigned long long)first_seed);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%llu states after a power cut were opened\n", (unsigned long long)all_states);
    return failed;
}
