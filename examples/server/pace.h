/*
 * How long the searches of each entity take, of late.
 *
 * To hand a request to a worker and its reply back costs some 20 µs of waking and switching between
 * threads; to search a small entity costs 30. So a search that is expected to be quick runs on the
 * connection's own thread. That thread serves other connections too, which is why nothing slow may
 * run there: not the first search of an entity, which reads it from disk, nor those of a large one.
 *
 * Any thread may call these functions.
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

/* A search of this entity took so long. */
void pace_note(const char *entity_id, uint64_t microseconds);

/* Have all searches of it been quick, as far as is known, and was there one in the last seconds? */
bool pace_is_quick(const char *entity_id);

#endif
