/*
 * The watchdog over the connections: it closes those that take too long, and notices clients that
 * have left while their answer is being made.
 *
 * libmicrohttpd has one timeout, for connections on which nothing moves. A client that sends or
 * reads one byte now and then never meets it, and while an answer is being made the connection is
 * suspended and nobody looks at it at all. So each connection has a phase here, and a thread looks
 * at all of them a few times a second:
 *
 *     HEAD    from the connection's start, or the first byte after a reply: 10 s until the end of
 *             the head
 *     BODY    10 s, and one second more for each KiB that has come; not much more framing than body
 *     WORK    no limit; when the client leaves, whoever asked to be told is told
 *     REPLY   30 s, and one second more for each KiB that the client has taken
 *
 * Any thread may call these functions. One lock guards all connections; a descriptor is used under
 * it only, and libmicrohttpd closes none before watch_closed().
 */
#ifndef WATCH_H
#define WATCH_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum watch_phase { WATCH_HEAD, WATCH_BODY, WATCH_WORK, WATCH_REPLY };

/* Begin and end to watch, once; watch_stop() waits for the thread. */
bool watch_start(void);
void watch_stop(void);

/* What libmicrohttpd calls when a connection begins and ends. */
void watch_notify(void *user, struct MHD_Connection *connection, void **context,
                  enum MHD_ConnectionNotificationCode what);

/* The server is stopping: what has begun to arrive has 2 s to arrive. */
void watch_hurry(void);

/* The connection enters a phase. */
void watch_enter(struct MHD_Connection *connection, enum watch_phase phase);

/* So many bytes of the body have come. */
void watch_count_body(struct MHD_Connection *connection, size_t size);

/* Call `left` once if the client leaves during WORK; NULL: no more. A call that has begun has ended
 * when this returns. `left` must be quick, and must not call this room. */
void watch_on_leave(struct MHD_Connection *connection, void (*left)(void *user), void *user);

/* How many connections were closed because they took too long, since the start. */
uint64_t watch_count_cut(void);

/* How many are open. */
unsigned watch_count_open(void);

#endif
