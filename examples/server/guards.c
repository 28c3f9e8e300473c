/*
 * What is checked on every request before its body is read: sizes, how the body's end is told
 * (two ways at once is how requests are smuggled past a proxy), the Host header (a page in a
 * browser must not reach a local server through a name of its own: DNS rebinding) and the Origin
 * of requests that change something. Runs on the connection's thread.
 */
#include "guards.h"

#include "reply.h"

#include <stdio.h>
#include <string.h>

struct heads {
    unsigned count;
    size_t size;
    bool too_long, odd;
    const char *host, *origin, *length, *encoding;
    bool host_twice, length_twice, encoding_twice;
};

static void keep(const char **slot, bool *twice, const char *value)
{
    *twice = *slot != NULL;
    *slot = value;
}

/* A name is a token of RFC 9110. One that is not ("Content-Length :") may be something else to a
 * proxy, and so may a value with a control character. */
static bool is_plain_header(const char *key, size_t key_size, const char *value, size_t value_size)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    if (key_size == 0 || strspn(key, token) != key_size) {
        return false;
    }
    for (size_t i = 0; i < value_size; i++) {
        unsigned char byte = (unsigned char)value[i];

        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum MHD_Result look_at(void *user, enum MHD_ValueKind kind, const char *key,
                               size_t key_size, const char *value, size_t value_size)
{
    struct heads *heads = user;

    (void)kind;
    heads->count++;
    value = value == NULL ? "" : value;
    heads->size += key_size + value_size + 4; /* ": " and the line's end */
    if (key_size + value_size > HEADER_SIZE_MAX) {
        heads->too_long = true;
    }
    if (!is_plain_header(key, key_size, value, value_size)) {
        heads->odd = true;
    }
    if (strcasecmp(key, "Host") == 0) {
        keep(&heads->host, &heads->host_twice, value);
    } else if (strcasecmp(key, "Origin") == 0) {
        heads->origin = value;
    } else if (strcasecmp(key, "Content-Length") == 0) {
        keep(&heads->length, &heads->length_twice, value);
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        keep(&heads->encoding, &heads->encoding_twice, value);
    }
    return MHD_YES;
}

/* Refuse, and close the connection: what follows on it cannot be told apart from the body. */
static void refuse(struct request *request, unsigned status, const char *error, const char *detail)
{
    reply_error(request, status, error, detail);
    reply_header(request, "Connection", "close");
}

static bool parse_length(uint64_t *length, const char *text)
{
    *length = 0;
    if (*text == '\0' || strlen(text) > 18) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        *length = *length * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static void check_framing(struct request *request, const struct heads *heads, uint64_t *length)
{
    if (heads->odd) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "Bad Request",
               "A header's name or value has a character that may not be there.");
    } else if (heads->length != NULL &&
        (heads->length_twice || heads->encoding != NULL || !parse_length(length, heads->length))) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "Bad Request",
               "Content-Length must be one number, and not come with Transfer-Encoding.");
    } else if (heads->encoding != NULL &&
               (heads->encoding_twice || strcasecmp(heads->encoding, "chunked") != 0)) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "Bad Request",
               "Transfer-Encoding may only be chunked.");
    }
}

/* The part of a Host header before the port: "[::1]:8000" gives 5. */
static size_t host_size(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;

    return end != NULL ? (size_t)(end - host) + 1 : strcspn(host, ":");
}

static bool is_host(const char *host, size_t size, const char *name)
{
    return name != NULL && strlen(name) == size && strncasecmp(host, name, size) == 0;
}

static void check_host(struct request *request, const struct heads *heads, const char *version)
{
    const struct server *server = request->server;
    size_t size = heads->host == NULL ? 0 : host_size(heads->host);
    char detail[256];

    if (heads->host_twice || (heads->host == NULL && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "Bad Request", "One Host header is needed.");
        return;
    }
    if (heads->host == NULL || is_host(heads->host, size, "localhost") ||
        is_host(heads->host, size, "127.0.0.1") || is_host(heads->host, size, "[::1]") ||
        is_host(heads->host, size, server->address) ||
        is_host(heads->host, size, server->settings.public_host)) {
        return;
    }
    snprintf(detail, sizeof detail,
             "This server does not answer to the name \"%.*s\". If it should, start it with "
             "--public-host NAME.",
             size > 100 ? 100 : (int)size, heads->host);
    reply_error(request, MHD_HTTP_FORBIDDEN, "Host not allowed", detail);
}

static bool is_same_site(const char *origin, const char *host)
{
    const char *name = strstr(origin, "://");

    return name != NULL && host != NULL && strcasecmp(name + 3, host) == 0;
}

static bool changes_something(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
           strcmp(method, "OPTIONS") != 0;
}

static void check_origin(struct request *request, const struct heads *heads)
{
    const char *allowed = request->server->settings.cors_origin;
    char detail[256];

    if (heads->origin == NULL || !changes_something(request->method) ||
        is_same_site(heads->origin, heads->host) ||
        (allowed != NULL && strcmp(heads->origin, allowed) == 0)) {
        return;
    }
    snprintf(detail, sizeof detail,
             "Pages of \"%.100s\" may not change anything here. If they should, start the server "
             "with --cors-origin ORIGIN.",
             heads->origin);
    reply_error(request, MHD_HTTP_FORBIDDEN, "Origin not allowed", detail);
}

/* A browser asks before it sends a request from another origin's page. */
static void answer_preflight(struct request *request, const struct heads *heads)
{
    const char *allowed = request->server->settings.cors_origin;

    if (strcmp(request->method, "OPTIONS") != 0 || heads->origin == NULL || allowed == NULL ||
        strcmp(heads->origin, allowed) != 0) {
        return;
    }
    reply_static(request, MHD_HTTP_OK, "text/plain", "", 0);
    reply_header(request, "Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE");
    reply_header(request, "Access-Control-Allow-Headers", "Content-Type, Authorization");
    reply_header(request, "Access-Control-Max-Age", "600");
}

static void check_sizes(struct request *request, const struct heads *heads)
{
    if (request->raw_target_size > TARGET_SIZE_MAX) {
        refuse(request, MHD_HTTP_URI_TOO_LONG, "URI Too Long", "The URL is too long.");
    } else if (heads->count > HEADERS_MAX || heads->too_long ||
               heads->size > HEADERS_SIZE_MAX) {
        refuse(request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers Too Large",
               "There are too many headers, or one is too long.");
    } else if (request->target.malformed) {
        reply_error(request, MHD_HTTP_BAD_REQUEST, "Bad Request",
                    "The URL has an invalid escape, or too many parts.");
    }
}

void guards_check(struct request *request, const char *version, uint64_t *length)
{
    struct heads heads = {0};

    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look_at, &heads);
    check_framing(request, &heads, length);
    if (request->response == NULL) {
        check_host(request, &heads, version);
    }
    if (request->response == NULL) {
        check_sizes(request, &heads);
    }
    if (request->response == NULL) {
        check_origin(request, &heads);
    }
    if (request->response == NULL) {
        answer_preflight(request, &heads);
    }
}
