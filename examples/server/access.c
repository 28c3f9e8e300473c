/*
 * Whether the client of a request may do what it asks; see access.h. Runs on the connection's
 * thread, and on workers for what only they know: the entity of a session or of a body.
 */
#include "access.h"

#include "failures.h"
#include "reply.h"
#include "routes.h"
#include "server_log.h"

#include <string.h>

static void refuse_unknown(struct request *request, bool sent_one)
{
    reply_error(request, MHD_HTTP_UNAUTHORIZED, "Unauthorized",
                sent_one ? "This token is not known here."
                         : "A token is needed: Authorization: Bearer TOKEN.");
    reply_header(request, "WWW-Authenticate",
                 sent_one ? "Bearer realm=\"ragstore\", error=\"invalid_token\""
                          : "Bearer realm=\"ragstore\"");
}

static bool has_entity_in_path(const struct route *route)
{
    static const char prefix[] = "/api/entities/{}";

    return strncmp(route->pattern, prefix, sizeof prefix - 1) == 0;
}

static struct tokens *hold_tokens(struct server *server)
{
    struct tokens *tokens = NULL;

    pthread_mutex_lock(&server->tokens_lock);
    tokens = server->tokens;
    if (tokens != NULL) {
        tokens_hold(tokens);
    }
    pthread_mutex_unlock(&server->tokens_lock);
    return tokens;
}

void access_reload(struct server *server)
{
    char problem[TOKENS_PROBLEM];
    struct tokens *fresh = tokens_read(server->settings.token_file, problem);
    struct tokens *old = NULL;

    if (fresh == NULL) {
        log_line(LOG_LEVEL_ERROR, "the tokens stay as they were: %s", problem);
        return;
    }
    log_line(LOG_LEVEL_INFO, "read %zu tokens from %s", fresh->count, server->settings.token_file);
    pthread_mutex_lock(&server->tokens_lock);
    old = server->tokens;
    server->tokens = fresh;
    pthread_mutex_unlock(&server->tokens_lock);
    tokens_release(old);
}

void access_check(struct request *request)
{
    const char *sent = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_AUTHORIZATION);

    request->tokens = hold_tokens(request->server);
    if (request->tokens == NULL) {
        return;
    }
    request->token = tokens_find(request->tokens, sent);
    if (request->route->access == ACCESS_OPEN) {
        return;
    }
    if (request->token == NULL) {
        refuse_unknown(request, sent != NULL);
    } else if (request->route->access == ACCESS_ADMIN && !request->token->admin) {
        reply_error(request, MHD_HTTP_FORBIDDEN, "Forbidden",
                    "This call needs a token with the admin scope.");
    } else if (has_entity_in_path(request->route) && !access_sees(request, request->arguments[0])) {
        reply_missing(request, "Entity", request->arguments[0]);
    }
    if (request->response != NULL) {
        log_line(
            LOG_LEVEL_WARNING, "%s refused with %u: token %.100s", request->id, request->status,
            request->token == NULL ? (sent == NULL ? "missing" : "unknown") : request->token->name);
    }
}

bool access_sees(const struct request *request, const char *entity_id)
{
    if (request->tokens == NULL) {
        return true;
    }
    return request->token != NULL && token_sees(request->token, entity_id);
}

bool access_sees_all(const struct request *request)
{
    return request->tokens == NULL ||
           (request->token != NULL && request->token->all_entities);
}

bool access_is_admin(const struct request *request)
{
    return request->tokens == NULL ||
           (request->token != NULL && request->token->admin);
}

char *const *access_entities(const struct request *request)
{
    static char *const nobody[] = {NULL};

    if (access_sees_all(request)) {
        return NULL;
    }
    return request->token == NULL ? nobody : request->token->entities;
}
