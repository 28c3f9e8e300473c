/*
 * Threads that share the work of a call: lib/embed/team.c.
 */
#include "embed/team.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 37
#define ROUNDS 3000

typedef struct sum {
    uint32_t done[PIECES]; /* how often each piece was done; not atomic: rounds are in order */
    atomic_uint by_member[RSI_TEAM_MAX];
    unsigned work; /* turns of a loop */
} sum;

static void count_piece(void *user, size_t piece, size_t member)
{
    sum *all = user;
    for (volatile unsigned i = 0; i < all->work; i++)
        continue;
    all->done[piece]++;
    atomic_fetch_add(&all->by_member[member], 1);
}

/* Each piece of each round once, and a round sees what the one before it did: the sanitizer for
 * threads looks on. */
static void embed_team__does_each_piece_once(void **state)
{
    (void)state;
    for (size_t members = 1; members <= RSI_TEAM_MAX + 1; members++) {
        rsi_team team;
        sum all = {.work = 20};
        rsi_team_open(&team, members);
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            const bool taken = rsi_team_take(&team);
            assert_int_equal(taken, members > 1);
            assert_int_equal(rsi_team_members(taken ? &team : NULL),
                             members > RSI_TEAM_MAX ? RSI_TEAM_MAX : members);
            rsi_team_do(taken ? &team : NULL, count_piece, &all, PIECES);
            for (size_t i = 0; i < PIECES; i++)
                assert_int_equal(all.done[i], round);
            if (taken)
                rsi_team_give_back(&team);
        }
        rsi_team_close(&team);
    }
}

/* With pieces that take a while, helpers do come. */
static void embed_team__helpers_do_some_of_the_pieces(void **state)
{
    (void)state;
    rsi_team team;
    sum all = {.work = 200000};
    rsi_team_open(&team, 2);
    for (size_t tries = 0; tries < 1000 && atomic_load(&all.by_member[1]) == 0; tries++) {
        assert_true(rsi_team_take(&team));
        rsi_team_do(&team, count_piece, &all, PIECES);
        rsi_team_give_back(&team);
    }
    assert_true(atomic_load(&all.by_member[1]) > 0);
    rsi_team_close(&team);
}

static void wait_long(void *user, size_t piece, size_t member)
{
    (void)piece;
    if (member != 0) /* longer than the leader's patience: it sleeps */
        usleep(2000);
    count_piece(user, piece, member);
}

static void embed_team__waits_for_a_piece_that_takes_long(void **state)
{
    (void)state;
    rsi_team team;
    sum all = {.work = 1000};
    rsi_team_open(&team, 3);
    for (uint32_t round = 1; round <= 200; round++) {
        assert_true(rsi_team_take(&team));
        rsi_team_do(&team, wait_long, &all, PIECES);
        for (size_t i = 0; i < PIECES; i++)
            assert_int_equal(all.done[i], round);
        rsi_team_give_back(&team);
    }
    rsi_team_close(&team);
}

static void embed_team__is_had_by_one_call_at_a_time(void **state)
{
    (void)state;
    rsi_team team;
    rsi_team_open(&team, 2);
    assert_true(rsi_team_take(&team));
    assert_false(rsi_team_take(&team));
    rsi_team_give_back(&team);
    assert_true(rsi_team_take(&team));
    rsi_team_give_back(&team);
    rsi_team_close(&team);
}

/* Beside the leader they would only take its time. */
static void embed_team__helpers_keep_away_from_the_leaders_processor(void **state)
{
    (void)state;
    rsi_team team;
    cpu_set_t all, one, theirs;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    if (CPU_COUNT(&all) < 2)
        skip();
    rsi_team_open(&team, 3);
    for (size_t processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0);
        assert_int_equal(sched_getcpu(), (int)processor);
        assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof all, &all), 0);
        assert_true(rsi_team_take(&team));
        for (size_t i = 0; i < team.count; i++) {
            pthread_t helper = team.helpers[i].thread;
            assert_int_equal(pthread_getaffinity_np(helper, sizeof theirs, &theirs), 0);
            assert_false(CPU_ISSET((size_t)team.leader_processor, &theirs));
            assert_int_equal(CPU_COUNT(&theirs), CPU_COUNT(&all) - 1);
        }
        rsi_team_give_back(&team);
    }
    rsi_team_close(&team);
}

/* A child has no helpers; closing must not wait for them. */
static void embed_team__is_not_there_in_a_child(void **state)
{
    (void)state;
    rsi_team team;
    sum all = {.work = 20};
    rsi_team_open(&team, 2);
    assert_true(rsi_team_take(&team));
    rsi_team_do(&team, count_piece, &all, PIECES);
    rsi_team_give_back(&team);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        const bool taken = rsi_team_take(&team);
        rsi_team_close(&team);
        _exit(taken ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(rsi_team_take(&team));
    rsi_team_give_back(&team);
    rsi_team_close(&team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_team__does_each_piece_once),
        cmocka_unit_test(embed_team__helpers_do_some_of_the_pieces),
        cmocka_unit_test(embed_team__waits_for_a_piece_that_takes_long),
        cmocka_unit_test(embed_team__helpers_keep_away_from_the_leaders_processor),
        cmocka_unit_test(embed_team__is_had_by_one_call_at_a_time),
        cmocka_unit_test(embed_team__is_not_there_in_a_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
