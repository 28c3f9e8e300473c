/*
 * One request; see request.h for its states and who may touch it when.
 */
#include "request.h"

#include "multipart.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Eight digits. */
static void put_hex(char *digits, uint32_t number)
{
    for (int i = 7; i >= 0; i--) {
        digits[i] = "0123456789abcdef"[number & 15];
        number >>= 4;
    }
}

/* An id that differs between requests and between runs: a random start and a counter. */
static void make_id(char id[17])
{
    static atomic_uint_fast32_t counter;
    static _Atomic(uint32_t) start;
    uint32_t prefix = atomic_load(&start);

    if (prefix == 0) {
        uint32_t random = 0;

        if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
            random = (uint32_t)time(NULL);
        }
        random |= 1;
        if (atomic_compare_exchange_strong(&start, &prefix, random)) {
            prefix = random;
        }
    }
    put_hex(id, prefix);
    put_hex(id + 8, (uint32_t)atomic_fetch_add(&counter, 1));
    id[16] = '\0';
}

/* Memory for bodies that are arriving or being worked on. One of the greatest size always fits. */
enum { BODIES_MAX = 64 * 1024 * 1024 };

/* Room for most questions, and for most of the rest. */
enum { BODY_FIRST = 1000, BODY_SECOND = 4096 };

static atomic_size_t bodies_size;

/* Memory for replies on their way. A small one always fits, and so does a large one alone. */
enum { REPLIES_MAX = 128 * 1024 * 1024, SMALL_REPLY = 64 * 1024 };

static _Atomic(uint64_t) replies_size;

static bool reserve(size_t size)
{
    if (atomic_fetch_add(&bodies_size, size) + size > BODIES_MAX) {
        atomic_fetch_sub(&bodies_size, size);
        return false;
    }
    return true;
}

struct request *request_create(struct server *server, struct MHD_Connection *connection,
                               const char *raw_target)
{
    struct request *request = calloc(1, sizeof *request);

    if (request == NULL) {
        return NULL;
    }
    request->server = server;
    request->connection = connection;
    make_id(request->id);
    clock_gettime(CLOCK_MONOTONIC, &request->begun);
    request->raw_target_size = strlen(raw_target);
    if (!target_parse(&request->target, raw_target)) {
        request_free(request);
        return NULL;
    }
    return request;
}

void request_free(struct request *request)
{
    if (request == NULL) {
        return;
    }
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    tokens_release(request->tokens);
    multipart_free(request->form);
    target_free(&request->target);
    free(request->body);
    atomic_fetch_sub(&bodies_size, request->body_capacity);
    atomic_fetch_sub(&replies_size, request->held_size);
    free(request->ignored);
    free(request);
}

bool request_keep_body(struct request *request, const char *bytes, size_t size)
{
    size_t needed = request->body_size + size + 1;

    if (needed > request->body_capacity) {
        size_t capacity = request->body_capacity == 0 ? BODY_FIRST
                          : request->body_capacity < BODY_SECOND
                              ? BODY_SECOND
                              : request->body_capacity + request->body_capacity / 2;
        char *body = NULL;

        if (capacity < needed) {
            capacity = needed;
        }
        if (!reserve(capacity - request->body_capacity)) {
            return false;
        }
        body = realloc(request->body, capacity);
        if (body == NULL) {
            atomic_fetch_sub(&bodies_size, capacity - request->body_capacity);
            return false;
        }
        request->body = body;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    request->body[request->body_size] = '\0';
    return true;
}

bool request_hold_reply(struct request *request, uint64_t size)
{
    uint64_t before = atomic_fetch_add(&replies_size, size);

    if (size > SMALL_REPLY && before > 0 && before + size > REPLIES_MAX) {
        atomic_fetch_sub(&replies_size, size);
        return false;
    }
    atomic_fetch_sub(&replies_size, request->held_size);
    request->held_size = size;
    return true;
}

double request_age_ms(const struct request *request)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - request->begun.tv_sec) * 1e3 +
           (double)(now.tv_nsec - request->begun.tv_nsec) / 1e6;
}

void request_release(struct request *request)
{
    request->state = REQUEST_ANSWERED;
    MHD_resume_connection(request->connection);
}
