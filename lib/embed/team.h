/*
 * A few threads that share the work of one short call: see team.c.
 *
 *   if (rsi_team_take(team))              the helpers wake
 *       rsi_team_do(team, …) …            each returns when all pieces are done
 *       rsi_team_give_back(team)          the helpers sleep
 */
#ifndef RSI_EMBED_TEAM_H
#define RSI_EMBED_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_TEAM_MAX 4 /* members; more of them would wait for each other most of the time */

/* Do one piece of a task. `member` is below RSI_TEAM_MAX, and no two threads are the same. */
typedef void rsi_team_work(void *task, size_t piece, size_t member);

typedef struct rsi_team rsi_team;

typedef struct rsi_team_helper {
    rsi_team *team;
    size_t member;
    pthread_t thread;
} rsi_team_helper;

struct rsi_team {
    rsi_team_helper helpers[RSI_TEAM_MAX - 1];
    size_t wanted; /* helpers */
    size_t count;  /* of those, begun */
    uint64_t process;
    atomic_bool taken;         /* by a call, which is the leader */
    _Atomic uint64_t offer;    /* what there is to do: round, pieces, next piece */
    rsi_team_work *work;       /* of the round; written before the offer */
    void *task;                /* the same */
    atomic_size_t done;        /* pieces of the round that helpers have done */
    atomic_bool on_duty;       /* between take and give back */
    int leader_processor;      /* that helpers keep away from; -1: none yet */
    atomic_bool leader_sleeps; /* until the helpers have done their pieces */
    pthread_mutex_t mutex;     /* of those who sleep; guards calls and closing */
    pthread_cond_t called;
    pthread_cond_t finished;
    uint64_t calls;
    bool closing;
};

/* A team of so many members at most, the caller's thread included. Its threads begin when somebody
 * first takes it. */
void rsi_team_open(rsi_team *team, size_t members);
void rsi_team_close(rsi_team *team); /* nobody has it */

/* Have the team for the calling thread alone, and wake it; false: somebody else has it, or there are
 * no other threads. Never waits. */
bool rsi_team_take(rsi_team *team);
void rsi_team_give_back(rsi_team *team);

/* Do all pieces of a task, at most 65,535, with whoever of the team has the time. `team` is one that
 * the caller has taken, or NULL: the caller does all of them, in order. */
void rsi_team_do(rsi_team *team, rsi_team_work *work, void *task, size_t pieces);

/* How many threads may take pieces. */
size_t rsi_team_members(const rsi_team *team);

#endif
