/*
 * The listening socket, made here rather than by libmicrohttpd so that messages say what is wrong.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "server.h"

enum listen_result {
    LISTEN_OK,
    LISTEN_FAILED,  /* a message was printed */
    LISTEN_REFUSED, /* not a loopback address, and not allowed; a message was printed */
};

/* Listen as the settings say. On success *listener is the socket, and server->address and
 * server->port say where it is. */
enum listen_result listen_open(struct server *server, int *listener);

#endif
