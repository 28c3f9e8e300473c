/*
 * A reply that grows while it is sent: bytes go in on a worker, and out on the connection's
 * thread, through a bounded queue.
 *
 * A reader that leaves, or is too slow, is forgotten: what is written for it is dropped. The writer
 * may ask, and decides itself what becomes of its work (a finished answer is stored in any case).
 */
#ifndef STREAM_H
#define STREAM_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct stream;

/* NULL when memory ran out. The writer ends it with stream_end(). */
struct stream *stream_create(struct MHD_Connection *connection);

/* The reply that reads from it, once; NULL when memory ran out. */
struct MHD_Response *stream_response(struct stream *stream);

/* Append bytes; waits while the queue is full. */
void stream_write(struct stream *stream, const char *bytes, size_t size);

/* The client has left, as the watchdog noticed; user is a stream. */
void stream_leave(void *user);

/* Has the reader left? */
bool stream_is_gone(struct stream *stream);

/* No more will come; the stream is taken. When not complete, the connection is cut, so that the
 * client can tell. */
void stream_end(struct stream *stream, bool complete);

#endif
