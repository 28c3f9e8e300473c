/*
 * The watchdog over the connections; see watch.h.
 *
 * What has come in and what the client has taken is asked of the kernel (TCP_INFO), which knows it
 * also when libmicrohttpd's own buffers hide it.
 */
#include "watch.h"

#include "server_log.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    TICK_MS = 250,
    HEAD_MS = 10 * 1000,
    BODY_MS = 10 * 1000,
    HURRY_MS = 2 * 1000,
    REPLY_MS = 30 * 1000,
    LEAST_BYTES_PER_SECOND = 1024,
    FRAMING_FACTOR = 16, /* bytes on the wire for a byte of body, beside what waits in the kernel: */
    FRAMING_BYTES = 8 * 1024 * 1024,
    KEEPALIVE_IDLE_SECONDS = 30, /* a peer without power is noticed after 30 + 3 × 10 s */
    KEEPALIVE_EVERY_SECONDS = 10,
    KEEPALIVE_TIMES = 3
};

/* One connection. */
struct peer {
    struct peer *next, *previous;
    int descriptor;
    enum watch_phase phase;
    int64_t since_ms;    /* when the phase began */
    bool has_base;       /* from the first look in this phase on */
    uint64_t base;       /* what the kernel had counted then */
    uint64_t moved;      /* bytes of the body */
    bool waits;          /* HEAD after a reply: no byte of the next request has come */
    bool is_cut;
    void (*left)(void *user);
    void *left_user;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_t thread;
static struct peer *peers;
static unsigned open_count;
static uint64_t cut_count;
static bool stopping, hurried;

/* To a few milliseconds, which is enough here: each request asks several times. */
static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Bytes that have come in, or that the client has taken. */
static uint64_t count_bytes(int descriptor, bool in)
{
    struct tcp_info info;
    socklen_t size = sizeof info;

    memset(&info, 0, sizeof info);
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return 0;
    }
    return in ? info.tcpi_bytes_received : info.tcpi_bytes_acked;
}

static int64_t allowed_ms(int64_t grace_ms, uint64_t bytes)
{
    return grace_ms + (int64_t)(bytes * 1000 / LEAST_BYTES_PER_SECOND);
}

/* Close a connection that takes too long. In the first two phases libmicrohttpd is not writing, so
 * the client can be told. */
static void cut_locked(struct peer *peer, const char *what)
{
    static const char reply[] =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: 76\r\n\r\n"
        "{\"error\":\"Request Timeout\",\"detail\":\"This request took too long to arrive.\"}";

    if (peer->phase != WATCH_REPLY && count_bytes(peer->descriptor, true) > 0) {
        (void)!send(peer->descriptor, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    (void)shutdown(peer->descriptor, SHUT_RDWR);
    peer->is_cut = true;
    cut_count++;
    log_line(LOG_LEVEL_INFO, "closed a connection: %s", what);
}

/* Bytes that have moved since the first look in this phase. */
static uint64_t count_moved_locked(struct peer *peer, bool in)
{
    uint64_t count = count_bytes(peer->descriptor, in);

    if (!peer->has_base) {
        peer->has_base = true;
        peer->base = count;
    }
    return count - peer->base;
}

static void look_at_head_locked(struct peer *peer, int64_t now)
{
    if (peer->waits && count_moved_locked(peer, true) > 0) {
        peer->waits = false;
        peer->since_ms = now;
    }
    if (!peer->waits && now - peer->since_ms > HEAD_MS) {
        cut_locked(peer, "the head of a request took too long");
    }
}

static void look_for_leaving_locked(struct peer *peer)
{
    struct pollfd poll_ = {.fd = peer->descriptor, .events = POLLRDHUP};
    void (*left)(void *) = peer->left;

    if (left != NULL && poll(&poll_, 1, 0) > 0 &&
        (poll_.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        peer->left = NULL;
        left(peer->left_user);
    }
}

static void look_at_locked(struct peer *peer, int64_t now)
{
    int64_t age = now - peer->since_ms;

    switch (peer->phase) {
    case WATCH_HEAD:
        look_at_head_locked(peer, now);
        break;
    case WATCH_BODY:
        if (hurried && age > HURRY_MS) {
            cut_locked(peer, "the server is stopping");
        } else if (age > allowed_ms(BODY_MS, peer->moved)) {
            cut_locked(peer, "the body of a request came too slowly");
        } else if (count_moved_locked(peer, true) > peer->moved * FRAMING_FACTOR + FRAMING_BYTES) {
            cut_locked(peer, "the chunks of a body were almost empty");
        }
        break;
    case WATCH_WORK:
        look_for_leaving_locked(peer);
        break;
    case WATCH_REPLY:
        if (age > allowed_ms(REPLY_MS, count_moved_locked(peer, false))) {
            cut_locked(peer, "a reply was taken too slowly");
        }
        break;
    }
}

void watch_hurry(void)
{
    pthread_mutex_lock(&lock);
    hurried = true;
    pthread_mutex_unlock(&lock);
}

static void wait_for_tick_locked(void)
{
    struct timespec until = {0};

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    if (peers == NULL) {
        (void)pthread_cond_wait(&changed, &lock);
    } else {
        (void)pthread_cond_timedwait(&changed, &lock, &until);
    }
}

static void *watch(void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        int64_t now = now_ms();

        for (struct peer *peer = peers; peer != NULL; peer = peer->next) {
            if (!peer->is_cut) {
                look_at_locked(peer, now);
            }
        }
        wait_for_tick_locked();
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

bool watch_start(void)
{
    pthread_condattr_t attributes;
    bool started = false;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
    started = pthread_create(&thread, NULL, watch, NULL) == 0;
    if (!started) {
        pthread_cond_destroy(&changed);
    }
    return started;
}

void watch_stop(void)
{
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&changed);
}

/* A client whose machine has lost its power says nothing any more. */
static void ask_for_life(int descriptor)
{
    int on = 1, idle = KEEPALIVE_IDLE_SECONDS, every = KEEPALIVE_EVERY_SECONDS,
        times = KEEPALIVE_TIMES;

    (void)setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

static void watch_opened(struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct peer *peer = info == NULL ? NULL : calloc(1, sizeof *peer);

    *context = peer;
    if (peer == NULL) {
        return; /* memory is short: this one has libmicrohttpd's timeout only */
    }
    peer->descriptor = info->connect_fd;
    peer->since_ms = now_ms();
    ask_for_life(peer->descriptor);
    pthread_mutex_lock(&lock);
    peer->next = peers;
    if (peers != NULL) {
        peers->previous = peer;
    } else {
        pthread_cond_signal(&changed);
    }
    peers = peer;
    open_count++;
    pthread_mutex_unlock(&lock);
}

static void watch_closed(void **context)
{
    struct peer *peer = *context;

    *context = NULL;
    if (peer == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    if (peer->next != NULL) {
        peer->next->previous = peer->previous;
    }
    if (peer->previous != NULL) {
        peer->previous->next = peer->next;
    } else {
        peers = peer->next;
    }
    open_count--;
    pthread_mutex_unlock(&lock);
    free(peer);
}

void watch_notify(void *user, struct MHD_Connection *connection, void **context,
                  enum MHD_ConnectionNotificationCode what)
{
    (void)user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        watch_opened(connection, context);
    } else {
        watch_closed(context);
    }
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info == NULL ? NULL : info->socket_context;
}

void watch_enter(struct MHD_Connection *connection, enum watch_phase phase)
{
    struct peer *peer = peer_of(connection);

    if (peer == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    peer->phase = phase;
    peer->since_ms = now_ms();
    peer->moved = 0;
    peer->waits = phase == WATCH_HEAD;
    peer->has_base = false;
    pthread_mutex_unlock(&lock);
}

void watch_count_body(struct MHD_Connection *connection, size_t size)
{
    struct peer *peer = peer_of(connection);

    if (peer != NULL) {
        pthread_mutex_lock(&lock);
        peer->moved += size;
        pthread_mutex_unlock(&lock);
    }
}

void watch_on_leave(struct MHD_Connection *connection, void (*left)(void *user), void *user)
{
    struct peer *peer = peer_of(connection);

    if (peer != NULL) {
        pthread_mutex_lock(&lock);
        peer->left = left;
        peer->left_user = user;
        pthread_mutex_unlock(&lock);
    }
}

uint64_t watch_count_cut(void)
{
    uint64_t count = 0;

    pthread_mutex_lock(&lock);
    count = cut_count;
    pthread_mutex_unlock(&lock);
    return count;
}

unsigned watch_count_open(void)
{
    unsigned count = 0;

    pthread_mutex_lock(&lock);
    count = open_count;
    pthread_mutex_unlock(&lock);
    return count;
}
