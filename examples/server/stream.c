/*
 * A reply that grows while it is sent; see stream.h.
 *
 * The connection sleeps (suspended) when there is nothing to send, and the writer wakes it. Both
 * happen under the stream's lock, and a suspended connection cannot end, so the writer never wakes
 * one that is gone. Two hold the stream, the writer and the reply; the last one frees it.
 */
#include "stream.h"

#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A thousand readers that stall keep this much each. */
enum { QUEUE_MAX = 32 * 1024, BLOCK_SIZE = 4 * 1024 };

/* The writer is a worker that others wait for. */
enum { STALL_MS = 5 * 1000, WAIT_MS = 20 * 1000 };

struct stream {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct MHD_Connection *connection;
    char *bytes; /* queue: from `begin`, `size` bytes */
    size_t begin, size, capacity;
    int64_t waited_ms; /* for room in the queue */
    bool sleeping; /* the connection is suspended */
    bool ended;
    bool broken; /* ended, and not complete */
    bool gone;   /* nobody reads any more */
    bool is_watched; /* as a reply that has to be taken in time */
    int holders;
};

struct stream *stream_create(struct MHD_Connection *connection)
{
    struct stream *stream = calloc(1, sizeof *stream);
    pthread_condattr_t attributes;

    if (stream != NULL) {
        pthread_mutex_init(&stream->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&stream->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        stream->connection = connection;
        stream->holders = 1;
    }
    return stream;
}

/* Unlocks, and frees the stream when nobody holds it. */
static void let_go_locked(struct stream *stream)
{
    bool last = --stream->holders == 0;

    pthread_mutex_unlock(&stream->lock);
    if (last) {
        pthread_mutex_destroy(&stream->lock);
        pthread_cond_destroy(&stream->changed);
        free(stream->bytes);
        free(stream);
    }
}

static void wake_locked(struct stream *stream)
{
    if (stream->sleeping) {
        stream->sleeping = false;
        MHD_resume_connection(stream->connection);
    }
}

static bool make_room_locked(struct stream *stream, size_t size)
{
    size_t capacity = stream->size + size;
    char *bytes = NULL;

    if (stream->begin > 0) {
        memmove(stream->bytes, stream->bytes + stream->begin, stream->size);
        stream->begin = 0;
    }
    if (capacity <= stream->capacity) {
        return true;
    }
    capacity = (capacity + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    bytes = realloc(stream->bytes, capacity);
    if (bytes == NULL) {
        return false;
    }
    stream->bytes = bytes;
    stream->capacity = capacity;
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until the queue is not full. A reader that takes nothing for a while is given up, and so is
 * one for whom the writer has waited too long, all its waits together. */
static void wait_for_room_locked(struct stream *stream)
{
    int64_t begun_ms = now_ms();
    int64_t left_ms = WAIT_MS - stream->waited_ms;
    struct timespec until = {0};

    left_ms = left_ms < 0 ? 0 : left_ms > STALL_MS ? STALL_MS : left_ms;

    if (stream->size < QUEUE_MAX || stream->gone) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ms / 1000;
    until.tv_nsec += left_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (stream->size >= QUEUE_MAX && !stream->gone) {
        if (pthread_cond_timedwait(&stream->changed, &stream->lock, &until) == ETIMEDOUT) {
            stream->gone = true;
        }
    }
    stream->waited_ms += now_ms() - begun_ms;
}

void stream_write(struct stream *stream, const char *bytes, size_t size)
{
    pthread_mutex_lock(&stream->lock);
    while (size > 0 && !stream->gone) {
        size_t piece = 0;

        wait_for_room_locked(stream);
        piece = QUEUE_MAX - stream->size < size ? QUEUE_MAX - stream->size : size;
        if (stream->gone || !make_room_locked(stream, piece)) {
            stream->gone = true; /* a reply with a hole must not look whole */
        } else {
            memcpy(stream->bytes + stream->size, bytes, piece);
            stream->size += piece;
            bytes += piece;
            size -= piece;
        }
        wake_locked(stream);
    }
    pthread_mutex_unlock(&stream->lock);
}

void stream_leave(void *user)
{
    struct stream *stream = user;

    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    pthread_cond_signal(&stream->changed);
    wake_locked(stream);
    pthread_mutex_unlock(&stream->lock);
}

bool stream_is_gone(struct stream *stream)
{
    bool gone = false;

    pthread_mutex_lock(&stream->lock);
    gone = stream->gone;
    pthread_mutex_unlock(&stream->lock);
    return gone;
}

void stream_end(struct stream *stream, bool complete)
{
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->broken = !complete;
    wake_locked(stream);
    let_go_locked(stream);
}

static ssize_t read_some(void *user, uint64_t position, char *buffer, size_t max)
{
    struct stream *stream = user;
    ssize_t result = 0;

    (void)position;
    pthread_mutex_lock(&stream->lock);
    if (stream->ended && !stream->is_watched) { /* what is left must be taken in time */
        stream->is_watched = true;
        watch_enter(stream->connection, WATCH_REPLY);
    }
    if (stream->gone) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (stream->size > 0) {
        size_t count = stream->size < max ? stream->size : max;

        memcpy(buffer, stream->bytes + stream->begin, count);
        stream->begin += count;
        stream->size -= count;
        if (stream->size == 0) {
            free(stream->bytes);
            stream->bytes = NULL;
            stream->begin = stream->capacity = 0;
        }
        pthread_cond_signal(&stream->changed);
        result = (ssize_t)count;
    } else if (stream->ended) {
        result = stream->broken ? MHD_CONTENT_READER_END_WITH_ERROR
                                : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->sleeping = true;
        MHD_suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&stream->lock);
    return result;
}

static void reader_left(void *user)
{
    struct stream *stream = user;

    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    pthread_cond_signal(&stream->changed);
    let_go_locked(stream);
}

struct MHD_Response *stream_response(struct stream *stream)
{
    struct MHD_Response *response = NULL;

    stream->holders++; /* not shared yet */
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_some, stream,
                                                 reader_left);
    if (response == NULL) {
        stream->holders--;
    }
    return response;
}
