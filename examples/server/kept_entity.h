/*
 * The entity that a thread searched last, kept open: searches of one entity come in rows, and to
 * open it for each costs as much as a fifth of a search.
 *
 * A kept entity may have been deleted meanwhile: searching it says NOT_FOUND then, also when there
 * is another of that id now, which has to be opened.
 */
#ifndef KEPT_ENTITY_H
#define KEPT_ENTITY_H

#include "request.h"

/* The entity, borrowed until the next call on this thread; NULL, and the reply is made, when the
 * client does not see one of that id. */
ragstore_entity *kept_entity(struct request *request, const char *id);

/* Close what this thread has kept. */
void kept_entity_forget(void);

#endif
