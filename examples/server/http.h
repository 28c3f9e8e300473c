/*
 * The border to libmicrohttpd: connections in, requests to the workers, replies out.
 */
#ifndef HTTP_H
#define HTTP_H

#include "server.h"

/* Begin to serve on a listening socket, which is taken. server->store and ->workers must be
 * there. */
bool http_start(struct server *server, int listener);

/* Take no more connections; those that are open get 503 for new requests. */
void http_quiesce(struct server *server);

/* Wait until no request is active, at most so long; false when some still are. */
bool http_wait_idle(struct server *server, unsigned timeout_ms);

/* Close what is still open. No worker may run a request any more. */
void http_stop(struct server *server);

#endif
