/*
 * The exploration of power cuts must notice a disk that lies, and say nothing of one that does
 * not: see power_lies.h. RAGSTORE_CRASH_SEED repeats a run.
 */
#include "harness/power_explore.h"
#include "harness/power_lies.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 40 /* half a rename is seen only in the cut between two flushes of an upload */

static uint64_t first_seed;

/* Every kind of change, so that each flush, rename and removal of the library is there. */
static const power_step workload[] = {
    STEP_ENTITY_NEW,  STEP_DOCUMENT_ADD, STEP_SESSION_PUT,   STEP_MESSAGE,     STEP_CHECKPOINT,
    STEP_SEGMENT,     STEP_ENTITY_NEW,   STEP_DOCUMENT_DROP, STEP_SESSION_PUT, STEP_CHECKPOINT,
    STEP_ENTITY_PUT,  STEP_REOPEN,       STEP_DOCUMENT_ADD,  STEP_BATCH,       STEP_KILL,
    STEP_ENTITY_GONE, STEP_REOPEN,       STEP_ENTITY_NEW,    STEP_SESSION_DROP};

/* Run the workload on a disk that tells a lie; what was noticed, or "". */
static void run(char noticed[sizeof((power_explorer *)0)->failure], power_lie lie, uint64_t seed,
                uint64_t *states)
{
    power_explorer explorer;
    power_liar liar;
    power_disk *disk = power_disk_new();
    power_liar_init(&liar, disk, lie);
    power_explorer_begin(&explorer, disk, &liar.table, seed);
    explorer.choices = 0;
    /* A lie about a store that is being made would be found at once; one is about nothing else. */
    liar.is_off = lie != LIE_NO_ROOT_FLUSH;
    bool good = power_explorer_open(&explorer);
    liar.is_off = false;
    explorer.choices = 2;
    for (size_t i = 0; good && i < sizeof workload / sizeof *workload; i++)
        good = power_explorer_step(&explorer, workload[i]);
    if (good)
        power_explorer_close(&explorer);
    memcpy(noticed, explorer.failure, sizeof explorer.failure);
    *states += explorer.states;
    power_explorer_end(&explorer);
    power_disk_free(disk);
}

static void crash_explorer__says_nothing_of_an_honest_disk(void **state)
{
    (void)state;
    char noticed[sizeof((power_explorer *)0)->failure];
    uint64_t states = 0;
    for (unsigned i = 0; i < 4; i++) {
        run(noticed, LIE_NONE, first_seed + i, &states);
        if (noticed[0] != '\0')
            fail_msg("%s", noticed);
    }
    assert_true(states > 1000);
}

static void crash_explorer__notices_every_lie(void **state)
{
    (void)state;
    char noticed[sizeof((power_explorer *)0)->failure];
    unsigned missed = 0;
    for (power_lie lie = LIE_NONE + 1; lie < POWER_LIES; lie++) {
        uint64_t states = 0;
        noticed[0] = '\0';
        for (unsigned i = 0; noticed[0] == '\0' && i < TRIES; i++)
            run(noticed, lie, first_seed + i, &states);
        printf("%s: %s after %llu states: %.300s\n", power_lie_name(lie),
               noticed[0] == '\0' ? "MISSED" : "noticed", (unsigned long long)states, noticed);
        missed += noticed[0] == '\0';
    }
    printf("%d lies of a disk were told, %u were missed\n", POWER_LIES - 1, missed);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_explorer__says_nothing_of_an_honest_disk),
        cmocka_unit_test(crash_explorer__notices_every_lie),
    };
    const char *seed = getenv("RAGSTORE_CRASH_SEED");
    first_seed = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    printf("RAGSTORE_CRASH_SEED=%llu\n", (unsigned long long)first_seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
