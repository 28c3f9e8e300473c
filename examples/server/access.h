/*
 * Whether the client of a request may do what it asks. Without --token-file everybody may do
 * everything.
 *
 * What a token may not see looks as if it were not there: an entity of somebody else is answered
 * like one that does not exist, in every call, so that ids cannot be guessed.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "request.h"

/* Read the token file again: for requests from now on, those that run keep what they were allowed.
 * A file that is wrong changes nothing, and the log says what is wrong. Any thread. */
void access_reload(struct server *server);

/* Find the request's token and look whether it allows this route; otherwise make the reply: 401
 * without a token, 403 without the admin scope, 404 for an entity in the path that it does not
 * see. Called before the body is read. */
void access_check(struct request *request);

/* May the client know of that entity? */
bool access_sees(const struct request *request, const char *entity_id);

/* May the client know of everything? */
bool access_sees_all(const struct request *request);

/* May the client use what is the operator's? */
bool access_is_admin(const struct request *request);

/* NULL when the client may see all entities; otherwise the ids that it may see, NULL behind the
 * last one. */
char *const *access_entities(const struct request *request);

#endif
