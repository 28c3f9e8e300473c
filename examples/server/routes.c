/*
 * Which call a request is. A new call is one row here and one handler.
 */
#include "routes.h"

#include "calls.h"
#include "reply.h"

#include <stdio.h>
#include <string.h>

static const struct route routes[] = {
    {"GET", "/", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_root},
    {"GET", "/web/{}", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_page_file},
    {"GET", "/docs", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_docs},
    {"GET", "/openapi.json", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_openapi},
    {"GET", "/health", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_health},
    {"GET", "/ready", BODY_NONE, 0, ACCESS_OPEN, POOL_QUICK, get_ready},
    {"GET", "/metrics", BODY_NONE, 0, ACCESS_ADMIN, POOL_QUICK, get_metrics},

    {"POST", "/api/entities", BODY_JSON, 0, ACCESS_TOKEN, POOL_QUICK, create_entity},
    {"GET", "/api/entities", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, list_entities},
    {"GET", "/api/entities/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_entity},
    {"PATCH", "/api/entities/{}", BODY_JSON, 0, ACCESS_TOKEN, POOL_QUICK, update_entity},
    {"DELETE", "/api/entities/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, delete_entity},

    {"POST", "/api/entities/{}/files", BODY_FORM, 0, ACCESS_TOKEN, POOL_UPLOAD, upload_file},
    {"GET", "/api/entities/{}/files", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, list_documents},
    {"GET", "/api/entities/{}/files/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_document},
    {"GET", "/api/entities/{}/files/{}/content", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_document_content},
    {"GET", "/api/entities/{}/files/{}/text", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_document_text},
    {"PATCH", "/api/entities/{}/files/{}", BODY_JSON, 0, ACCESS_TOKEN, POOL_QUICK, update_document},
    {"DELETE", "/api/entities/{}/files/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, delete_document},
    {"POST", "/api/entities/{}/chunks", BODY_JSON, BODY_LIMIT_CHUNKS, ACCESS_TOKEN, POOL_UPLOAD, add_chunks},

    {"POST", "/api/chat/sessions", BODY_JSON, 0, ACCESS_TOKEN, POOL_QUICK, create_session},
    {"GET", "/api/chat/sessions/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_session},
    {"PATCH", "/api/chat/sessions/{}", BODY_JSON, 0, ACCESS_TOKEN, POOL_QUICK, update_session},
    {"DELETE", "/api/chat/sessions/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, delete_session},
    {"GET", "/api/chat/sessions/{}/messages", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, list_messages},
    {"GET", "/api/entities/{}/messages", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, search_messages},
    {"GET", "/api/entities/{}/sessions", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, list_sessions},

    {"GET", "/api/jobs", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, list_jobs},
    {"GET", "/api/jobs/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, get_job},
    {"DELETE", "/api/jobs/{}", BODY_NONE, 0, ACCESS_TOKEN, POOL_QUICK, cancel_job},
    {"POST", "/api/admin/check", BODY_NONE, 0, ACCESS_ADMIN, POOL_QUICK, begin_check},
    {"POST", "/api/admin/compact", BODY_NONE, 0, ACCESS_ADMIN, POOL_QUICK, begin_compact},
    {"POST", "/api/admin/backup", BODY_NONE, 0, ACCESS_ADMIN, POOL_QUICK, begin_backup},

    {"POST", "/api/chat", BODY_JSON, 0, ACCESS_TOKEN, POOL_CHAT, chat},
    {"POST", "/api/search", BODY_JSON, 0, ACCESS_TOKEN, POOL_SEARCH, search},
};

/* What the query of a call may have; that of one that is not here may have nothing. */
static const struct {
    enum handled (*handler)(struct request *request);
    const char *names[4];
} queries[] = {
    {list_entities, {"limit", "offset", "q"}},
    {upload_file, {"wait"}},
    {add_chunks, {"wait"}},
    {list_documents, {"limit", "offset", "q"}},
    {list_messages, {"limit", "before"}},
    {search_messages, {"q", "session_id", "limit", "offset"}},
    {list_sessions, {"limit", "offset", "q"}},
    {list_jobs, {"limit"}},
};

enum { QUERY_COUNT = sizeof queries / sizeof queries[0] };
enum { QUERY_NAMES = sizeof queries[0].names / sizeof queries[0].names[0] };

enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };
_Static_assert((int)ROUTE_COUNT <= (int)ROUTES_MAX, "raise ROUTES_MAX");

size_t routes_index(const struct route *route)
{
    return (size_t)(route - routes);
}

const struct route *routes_at(size_t index)
{
    return index < ROUTE_COUNT ? &routes[index] : NULL;
}

/* Compare the segments with a pattern; fills in the arguments on the way. */
static bool matches(struct request *request, const char *pattern)
{
    const struct target *target = &request->target;
    size_t argument_count = 0;
    size_t i = 0;

    for (pattern++; *pattern != '\0'; i++) { /* behind the first slash */
        const char *segment = i < target->segment_count ? target->segments[i] : "";

        if (*segment == '\0') {
            return false;
        }
        if (*pattern == '{') {
            request->arguments[argument_count++] = segment;
            pattern += strlen("{}");
        } else {
            /* a slash in a segment was sent as %2F, and is none */
            for (; *segment != '\0' && *segment == *pattern && *segment != '/'; segment++) {
                pattern++;
            }
            if (*segment != '\0' || (*pattern != '\0' && *pattern != '/')) {
                return false;
            }
        }
        pattern += *pattern == '/';
    }
    return i == target->segment_count;
}

static bool answers_method(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

void routes_find(struct request *request)
{
    char allowed[64] = "";

    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        size_t used = strlen(allowed);

        if (!matches(request, routes[i].pattern)) {
            continue;
        }
        if (answers_method(&routes[i], request->method)) {
            request->route = &routes[i];
            return;
        }
        snprintf(allowed + used, sizeof allowed - used, "%s%s", used == 0 ? "" : ", ",
                 routes[i].method);
    }
    if (allowed[0] != '\0') {
        reply_error(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed",
                    "This path does not take that method; the Allow header lists what it takes.");
        reply_header(request, "Allow", allowed);
    } else {
        reply_error(request, MHD_HTTP_NOT_FOUND, "Not Found", "There is no such path.");
    }
}

static const char *const *names_of(const struct route *route)
{
    static const char *const nothing[QUERY_NAMES];

    for (size_t i = 0; i < QUERY_COUNT; i++) {
        if (queries[i].handler == route->handler) {
            return queries[i].names;
        }
    }
    return nothing;
}

static bool takes(const char *const *names, const char *name)
{
    for (size_t i = 0; i < QUERY_NAMES && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void refuse_query(struct request *request, const char *const *names, const char *name)
{
    char detail[512];
    int used = snprintf(detail, sizeof detail, "The query of this URL has \"%.100s\", ", name);

    for (size_t i = 0; i < QUERY_NAMES && names[i] != NULL; i++) {
        used += snprintf(detail + used, sizeof detail - (size_t)used, "%s%s",
                         i == 0 ? "but this call takes only " : ", ", names[i]);
    }
    snprintf(detail + used, sizeof detail - (size_t)used, "%s",
             names[0] == NULL ? "but this call takes nothing there." : ".");
    reply_error(request, MHD_HTTP_BAD_REQUEST, "Bad Request", detail);
}

void routes_check_query(struct request *request)
{
    const struct target *target = &request->target;
    const char *const *names = names_of(request->route);

    if (strncmp(request->route->pattern, "/api/", 5) != 0) {
        return;
    }
    for (size_t i = 0; i < target->query_count; i++) {
        if (!takes(names, target->queries[i].name)) {
            refuse_query(request, names, target->queries[i].name);
            return;
        }
    }
}
