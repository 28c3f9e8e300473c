/*
 * The threads that work on requests, so that a slow disk never holds up the connections.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "request.h"

struct workers;

/* NULL when memory or threads ran out. */
struct workers *workers_start(unsigned count);

/* Hand over a request whose connection is suspended; false when too many wait already. */
bool workers_give(struct workers *workers, struct request *request);

/* Finish what was given, then end the threads. */
void workers_stop(struct workers *workers);

#endif
