/*
 * The border to libmicrohttpd. Its threads read requests and send replies, and never wait for the
 * store: a request whose body is complete is suspended and handed to a worker, which makes the
 * reply and resumes it. Only a search that is expected to be quick is made on the spot (pace.h).
 *
 *     on_target()     request line      makes the request from the bytes of the URL
 *     on_access() 1   head              checks, route; may refuse already
 *                 2…  pieces of body    kept, fed to the form, or dropped after a refusal
 *                 n   end of body       answered here, or to the worker, connection suspended
 *                 n+1 resumed           the reply is queued
 *     on_completed()  reply sent, or connection lost
 *
 * A refused request's body is read to its end when it is not too long, because many clients send
 * all of it before they look at the reply, and would see a broken connection instead.
 */
#include "http.h"

#include "access.h"
#include "guards.h"
#include "metrics.h"
#include "multipart.h"
#include "reply.h"
#include "routes.h"
#include "server_log.h"
#include "watch.h"
#include "workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECTION_MEMORY = 48 * 1024, /* head of a request and buffers of its connection */
    IDLE_SECONDS = 30,
    LISTENING_THREADS_MAX = 16,
    DRAIN_MAX = 8 * 1024 * 1024, /* read this much more than the limit before giving up */
    FORM_OVERHEAD = 1024 * 1024  /* of a form beside its file */
};

static void *on_target(void *user, const char *target, struct MHD_Connection *connection)
{
    return request_create(user, connection, target);
}

static void count_active(struct server *server, int change)
{
    pthread_mutex_lock(&server->lock);
    server->active = change > 0 ? server->active + 1 : server->active - 1;
    if (server->active == 0) {
        pthread_cond_broadcast(&server->idle);
    }
    pthread_mutex_unlock(&server->lock);
}

static enum MHD_Result send_reply(struct request *request)
{
    request->state = REQUEST_SENT;
    watch_enter(request->connection, request->is_stream ? WATCH_WORK : WATCH_REPLY);
    if (request->response == NULL) { /* memory ran out while it was made */
        reply_no_memory(request);
    }
    if (request->response == NULL) {
        return MHD_NO;
    }
    if (atomic_load(&request->server->stopping)) {
        reply_header(request, "Connection", "close");
    }
    return MHD_queue_response(request->connection, request->status, request->response);
}

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static void read_head(struct request *request, const char *method)
{
    const char *accept = header(request, MHD_HTTP_HEADER_ACCEPT);
    size_t size = strnlen(method, sizeof request->method - 1);

    memcpy(request->method, method, size); /* which is cleared */
    request->content_type = header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (accept != NULL && strstr(accept, "text/event-stream") != NULL) {
        request->format = FORMAT_EVENTS;
    } else if (accept != NULL && strstr(accept, "text/html") != NULL) {
        request->format = FORMAT_HTML;
    }
}

static void refuse_too_large(struct request *request)
{
    char detail[96];

    snprintf(detail, sizeof detail, "This body may have at most %llu bytes.",
             (unsigned long long)request->body_limit);
    reply_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "Too large", detail);
}

/* Prepare for the body that the route takes. */
static void expect_body(struct request *request, uint64_t length)
{
    struct server *server = request->server;
    const struct route *route = request->route;

    request->body_limit = route->body_limit == 0 ? BODY_LIMIT : route->body_limit;
    if (route->body == BODY_FORM) {
        request->body_limit = server->settings.max_upload_bytes + FORM_OVERHEAD;
    }
    if (length > request->body_limit) {
        refuse_too_large(request);
        return;
    }
    if (route->body == BODY_FORM) {
        request->form = multipart_create(request->connection, server->settings.data_dir,
                                         server->settings.max_upload_bytes);
        if (request->form == NULL) {
            reply_no_memory(request);
        }
    }
}

static enum MHD_Result begin(struct request *request, const char *method, const char *version)
{
    uint64_t length = 0;

    request->state = REQUEST_READING;
    watch_enter(request->connection, WATCH_BODY);
    request->counted = true;
    count_active(request->server, +1);
    read_head(request, method);
    guards_check(request, version, &length);
    if (request->response == NULL && atomic_load(&request->server->stopping)) {
        reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Stopping", "The server is stopping.");
    }
    if (request->response == NULL) {
        routes_find(request);
    }
    if (request->response == NULL) {
        access_check(request);
    }
    if (request->response == NULL) {
        routes_check_query(request);
    }
    if (request->response == NULL) {
        expect_body(request, length);
    }
    if (request->response != NULL &&
        (length > request->body_limit + DRAIN_MAX || header(request, "Expect") != NULL ||
         MHD_get_response_header(request->response, "Connection") != NULL)) {
        return send_reply(request);
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct request *request, const char *bytes, size_t size)
{
    request->body_seen += size;
    watch_count_body(request->connection, size);
    if (request->body_seen > request->body_limit) {
        if (request->response == NULL) {
            refuse_too_large(request);
        }
        return request->body_seen > request->body_limit + DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    if (request->response != NULL) {
        return MHD_YES; /* refused already */
    }
    if (request->form != NULL) {
        multipart_take(request->form, bytes, size);
    } else if (request->route->body == BODY_JSON && !request_keep_body(request, bytes, size)) {
        reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Busy",
                    "Too many large requests are arriving at once. Try again later.");
        reply_header(request, "Retry-After", "1");
    }
    return MHD_YES;
}

/* Have it done on this thread, unless that may take long. */
static bool is_answered_here(struct request *request)
{
    bool answered = false;

    request->is_here = true;
    answered = request->route->handler(request) != TOO_SLOW;
    request->is_here = false;
    return answered;
}

static enum MHD_Result hand_over(struct request *request)
{
    if (request->response != NULL) {
        return send_reply(request);
    }
    if (request->form != NULL) {
        multipart_finish(request->form);
    }
    request->state = REQUEST_RUNNING;
    watch_enter(request->connection, WATCH_WORK);
    if (request->route->pool == POOL_SEARCH && is_answered_here(request)) {
        return send_reply(request);
    }
    MHD_suspend_connection(request->connection);
    if (!workers_give(request->server->workers[request->route->pool], request)) {
        reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Busy",
                    "Too many requests are waiting. Try again later.");
        reply_header(request, "Retry-After", "1");
        request_release(request);
    }
    return MHD_YES;
}

static enum MHD_Result on_access(void *user, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload_data,
                                 size_t *upload_data_size, void **context)
{
    struct request *request = *context;
    size_t size = *upload_data_size;

    (void)user;
    (void)connection;
    (void)url;
    if (request == NULL) {
        return MHD_NO; /* memory ran out */
    }
    switch (request->state) {
    case REQUEST_FRESH:
        return begin(request, method, version);
    case REQUEST_READING:
        *upload_data_size = 0;
        return size > 0 ? take_body(request, upload_data, size) : hand_over(request);
    case REQUEST_RUNNING:
        return MHD_YES;
    case REQUEST_ANSWERED:
        return send_reply(request);
    case REQUEST_SENT:
        break;
    }
    *upload_data_size = 0;
    return MHD_YES;
}

static void log_end(const struct request *request, bool whole)
{
    struct log_entry entry = {.id = request->id,
                              .method = request->method,
                              .path = request->target.path,
                              .token = request->token == NULL ? NULL : request->token->name,
                              .status = request->status,
                              .milliseconds = request_age_ms(request),
                              .bytes = request->reply_size,
                              .client_left = !whole};

    log_request(&entry);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct request *request = *context;
    struct server *server = user;
    bool whole = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;

    if (request == NULL) {
        return;
    }
    *context = NULL;
    watch_on_leave(connection, NULL, NULL);
    watch_enter(connection, WATCH_HEAD);
    if (request->counted) {
        metrics_count(request);
        log_end(request, whole);
        request_free(request);
        count_active(server, -1);
    } else {
        request_free(request);
    }
}

static void on_message(void *user, const char *format, va_list arguments)
{
    char text[512];

    (void)user;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_line(LOG_LEVEL_DEBUG, "connection: %s", text);
}

/* One for each processor, because quick searches are made on them: with more they would take it
 * from each other. libmicrohttpd calls a single one none. */
static unsigned count_listening_threads(const struct settings *settings)
{
    unsigned count = settings->threads / 2;

    if (count > settings->processors) {
        count = settings->processors;
    }
    return count > LISTENING_THREADS_MAX ? LISTENING_THREADS_MAX : count < 2 ? 0 : count;
}

bool http_start(struct server *server, int listener)
{
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    if (!watch_start()) {
        fputs("ragstore-server: cannot start threads\n", stderr);
        close(listener);
        return false;
    }
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_THREAD_POOL_SIZE,
        count_listening_threads(&server->settings), MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        watch_notify, NULL, MHD_OPTION_CONNECTION_LIMIT, server->settings.max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, server->settings.max_connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_END);
    if (server->daemon == NULL) {
        fputs("ragstore-server: cannot serve on this socket; --log-level debug says more\n",
              stderr);
        close(listener);
        watch_stop();
        return false;
    }
    return true;
}

void http_quiesce(struct server *server)
{
    int listener = -1;

    atomic_store(&server->stopping, true);
    watch_hurry();
    listener = MHD_quiesce_daemon(server->daemon);
    if (listener >= 0) {
        close(listener);
    }
}

bool http_wait_idle(struct server *server, unsigned timeout_ms)
{
    struct timespec until = {0};
    bool idle = false;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (server->active > 0 &&
           pthread_cond_timedwait(&server->idle, &server->lock, &until) != ETIMEDOUT) {
    }
    idle = server->active == 0;
    pthread_mutex_unlock(&server->lock);
    return idle;
}

void http_stop(struct server *server)
{
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    watch_stop();
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->idle);
}
