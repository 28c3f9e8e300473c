/* Counting forks: see process.h. */
#include "base/process.h"

#include <pthread.h>

static uint64_t number;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    number++; /* the child has one thread */
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

uint64_t rsi_process_number(void)
{
    pthread_once(&once, watch_forks);
    return number;
}
