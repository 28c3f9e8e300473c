/*
 * A few threads that share the work of one short call.
 *
 * A query takes about a millisecond in some thirty steps, so that a step is over before a thread that
 * sleeps has woken. Helpers are therefore woken once a call, wait for each step in a loop, for some
 * ten microseconds at most, and sleep again when the call is over or their patience is. The leader
 * is the thread that called; it works as well, and waits for nobody who has not begun: a step is cut
 * into pieces, and whoever has the time takes the next one. When the other processors are busy, the
 * leader does them all.
 *
 *   offer   ┌ round: 32 ┬ pieces: 16 ┬ next: 16 ┐   one number, so that a piece is taken together
 *           └───────────┴────────────┴──────────┘   with the round that it belongs to
 *
 * Who has taken a piece may read the round's work and task: the round does not end before the piece
 * is done.
 *
 * A child of fork() has no helpers: there the team is never taken, and closing it waits for nobody.
 */
#include "embed/team.h"

#include "base/process.h"

#include <sched.h>

#define PATIENCE 2000 /* turns of a waiting loop: some ten microseconds */
#define PIECES_SHIFT 16
#define ROUND_SHIFT 32
#define FIELD 0xFFFFu

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- pieces ---- */

/* The next piece of the round, for the caller to do; false: all are taken. */
static bool take_piece(rsi_team *team, size_t *piece)
{
    uint64_t offer = atomic_load(&team->offer);
    while ((offer & FIELD) < (offer >> PIECES_SHIFT & FIELD))
        if (atomic_compare_exchange_weak(&team->offer, &offer, offer + 1)) {
            *piece = offer & FIELD;
            return true;
        }
    return false;
}

static void announce(rsi_team *team, size_t pieces)
{
    const uint64_t round = (atomic_load(&team->offer) >> ROUND_SHIFT) + 1;
    atomic_store(&team->offer, round << ROUND_SHIFT | (uint64_t)pieces << PIECES_SHIFT);
}

/* ---- helpers ---- */

static void finish_piece(rsi_team *team)
{
    /* The leader says that it sleeps, and then looks at what is done; here it is the other way
     * round, so that one of the two sees the other. */
    atomic_fetch_add(&team->done, 1);
    if (atomic_load(&team->leader_sleeps)) {
        pthread_mutex_lock(&team->mutex);
        pthread_cond_signal(&team->finished);
        pthread_mutex_unlock(&team->mutex);
    }
}

/* Take pieces until the call is over, or there has been none for too long. */
static void serve(const rsi_team_helper *helper)
{
    rsi_team *team = helper->team;
    size_t piece;
    for (size_t idle = 0; idle < PATIENCE && atomic_load(&team->on_duty); idle++) {
        while (take_piece(team, &piece)) {
            team->work(team->task, piece, helper->member);
            finish_piece(team);
            idle = 0;
        }
        relax();
    }
}

/* Sleep until there is another call; false: the team closes. */
static bool wait_for_call(rsi_team *team, uint64_t *seen)
{
    pthread_mutex_lock(&team->mutex);
    while (team->calls == *seen && !team->closing)
        pthread_cond_wait(&team->called, &team->mutex);
    *seen = team->calls;
    const bool closing = team->closing;
    pthread_mutex_unlock(&team->mutex);
    return !closing;
}

static void *help(void *user)
{
    const rsi_team_helper *helper = user;
    uint64_t seen = 0;
    while (wait_for_call(helper->team, &seen))
        serve(helper);
    return NULL;
}

/* As many as there can be. */
static void begin_helpers(rsi_team *team)
{
    while (team->count < team->wanted) {
        rsi_team_helper *helper = &team->helpers[team->count];
        helper->team = team;
        helper->member = team->count + 1;
        if (pthread_create(&helper->thread, NULL, help, helper) != 0)
            return; /* the next call tries again */
        team->count++;
    }
}

/* ---- the leader ---- */

void rsi_team_open(rsi_team *team, size_t members)
{
    *team = (rsi_team){0};
    team->wanted = members < RSI_TEAM_MAX ? members - 1 : RSI_TEAM_MAX - 1;
    team->process = rsi_process_number();
    team->leader_processor = -1;
    pthread_mutex_init(&team->mutex, NULL); /* cannot fail with default attributes */
    pthread_cond_init(&team->called, NULL);
    pthread_cond_init(&team->finished, NULL);
}

void rsi_team_close(rsi_team *team)
{
    if (team->process != rsi_process_number())
        return; /* what the helpers had in hand is theirs */
    pthread_mutex_lock(&team->mutex);
    team->closing = true;
    pthread_cond_broadcast(&team->called);
    pthread_mutex_unlock(&team->mutex);
    for (size_t i = 0; i < team->count; i++)
        pthread_join(team->helpers[i].thread, NULL);
    pthread_cond_destroy(&team->finished);
    pthread_cond_destroy(&team->called);
    pthread_mutex_destroy(&team->mutex);
}

/* A wish: helpers run on other processors than the leader. A system that is busy wakes them on the one
 * that wakes them, where they would only take the leader's time. */
static void keep_apart(rsi_team *team)
{
    cpu_set_t others;
    const int processor = sched_getcpu();
    if (processor < 0 || processor >= CPU_SETSIZE || processor == team->leader_processor ||
        sched_getaffinity(0, sizeof others, &others) != 0)
        return;
    CPU_CLR((size_t)processor, &others);
    for (size_t i = 0; i < team->count; i++)
        (void)pthread_setaffinity_np(team->helpers[i].thread, sizeof others, &others);
    team->leader_processor = processor;
}

bool rsi_team_take(rsi_team *team)
{
    if (team->wanted == 0 || team->process != rsi_process_number() ||
        atomic_exchange(&team->taken, true))
        return false;
    begin_helpers(team);
    if (team->count == 0) {
        atomic_store(&team->taken, false);
        return false;
    }
    keep_apart(team);
    atomic_store(&team->on_duty, true);
    pthread_mutex_lock(&team->mutex);
    team->calls++;
    pthread_cond_broadcast(&team->called); /* they are awake when there is something to do */
    pthread_mutex_unlock(&team->mutex);
    return true;
}

void rsi_team_give_back(rsi_team *team)
{
    atomic_store(&team->on_duty, false);
    atomic_store(&team->taken, false);
}

/* Until helpers have done so many pieces of the round. */
static void wait_for_helpers(rsi_team *team, size_t pieces)
{
    for (size_t i = 0; i < PATIENCE; i++) {
        if (atomic_load(&team->done) == pieces)
            return;
        relax();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_store(&team->leader_sleeps, true);
    while (atomic_load(&team->done) < pieces)
        pthread_cond_wait(&team->finished, &team->mutex);
    atomic_store(&team->leader_sleeps, false);
    pthread_mutex_unlock(&team->mutex);
}

void rsi_team_do(rsi_team *team, rsi_team_work *work, void *task, size_t pieces)
{
    size_t own = 0, piece;
    if (team == NULL || pieces == 1) {
        for (piece = 0; piece < pieces; piece++)
            work(task, piece, 0);
        return;
    }
    team->work = work;
    team->task = task;
    atomic_store(&team->done, 0);
    announce(team, pieces);
    while (take_piece(team, &piece)) {
        work(task, piece, 0);
        own++;
    }
    wait_for_helpers(team, pieces - own);
}

size_t rsi_team_members(const rsi_team *team)
{
    return team == NULL ? 1 : team->count + 1;
}
