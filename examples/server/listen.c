/*
 * The listening socket; see listen.h. Called by server_main.c before any thread starts.
 */
#include "listen.h"

#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;

        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* Write the address as it stands in a URL. */
static void describe(struct server *server, int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";

    getsockname(listener, (struct sockaddr *)&address, &size);
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&address;

        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        snprintf(server->address, sizeof server->address, "[%s]", text);
        server->port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in = (const void *)&address;

        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        snprintf(server->address, sizeof server->address, "%s", text);
        server->port = ntohs(in->sin_port);
    }
}

/* May the server listen there? */
static bool is_allowed(const struct settings *settings, const struct sockaddr *address)
{
    if (is_loopback(address) || settings->token_file != NULL || settings->allow_anonymous) {
        return true;
    }
    fprintf(
        stderr,
        "ragstore-server: \"%s\" is not a loopback address, so everybody who can reach it could "
        "read and change all data; --token-file says who may, --allow-anonymous allows "
        "everybody\n",
        settings->host);
    return false;
}

/* Take the socket of the service manager. */
static enum listen_result take_socket(struct server *server, int given, int *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;

    if (getsockname(given, (struct sockaddr *)&address, &size) != 0 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
        fputs("ragstore-server: the socket of the service manager is not a TCP socket\n", stderr);
        return LISTEN_FAILED;
    }
    if (!is_allowed(&server->settings, (const struct sockaddr *)&address)) {
        return LISTEN_REFUSED;
    }
    *listener = given;
    describe(server, given);
    return LISTEN_OK;
}

static int open_socket(const struct addrinfo *info)
{
    int listener = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (listener < 0) {
        return -1;
    }
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, info->ai_addr, info->ai_addrlen) != 0 || listen(listener, BACKLOG) != 0) {
        int error_number = errno;

        close(listener);
        errno = error_number;
        return -1;
    }
    return listener;
}

enum listen_result listen_open(struct server *server, int *listener)
{
    const struct settings *settings = &server->settings;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    enum listen_result result = LISTEN_FAILED;
    char port[8];
    int error = 0;

    int given = service_listener();

    *listener = -1;
    if (given >= 0) {
        return take_socket(server, given, listener);
    }
    snprintf(port, sizeof port, "%u", (unsigned)settings->port);
    error = getaddrinfo(settings->host, port, &hints, &info);
    if (error != 0) {
        fprintf(stderr, "ragstore-server: cannot listen on \"%s\": %s\n", settings->host,
                gai_strerror(error));
        return LISTEN_FAILED;
    }
    if (!is_allowed(settings, info->ai_addr)) {
        result = LISTEN_REFUSED;
    } else if ((*listener = open_socket(info)) < 0) {
        fprintf(stderr, "ragstore-server: cannot listen on %s port %s: %s%s\n", settings->host,
                port, strerror(errno),
                errno == EADDRINUSE ? "; --port 0 picks a free port" : "");
    } else {
        describe(server, *listener);
        result = LISTEN_OK;
    }
    freeaddrinfo(info);
    return result;
}
