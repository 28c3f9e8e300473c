/*
 * How long searches take; see pace.h.
 *
 * Each entity has one place in a table, which it shares: the last one there wins, and the other is
 * not known any more. A place is one number, so that it is read and written without a lock:
 *
 *     63        36 35      20 19       0
 *     ┌───────────┬──────────┬──────────┐
 *     │ of the id │ second   │ µs       │   the longest search; an eighth of it is forgotten with
 *     └───────────┴──────────┴──────────┘   each one that is shorter
 *
 * Where searches took a small part of what is quick, a single long one had to wait for its
 * processor, most likely, and says nothing about the next. A second one soon after does.
 *
 * Two threads that note at the same time may lose one of the two.
 */
#include "pace.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

enum {
    PLACES = 1024,
    QUICK_MICROSECONDS = 500,
    USUAL_MICROSECONDS = QUICK_MICROSECONDS / 4, /* ten more searches, and a quick one is this */
    KNOWN_SECONDS = 10, /* then the entity may have left memory */
    TIME_BITS = 20,
    SECOND_BITS = 16
};

#define TIME_MAX ((UINT64_C(1) << TIME_BITS) - 1)
#define SECOND_MAX ((UINT64_C(1) << SECOND_BITS) - 1)

static _Atomic(uint64_t) places[PLACES];

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t this_second(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec & SECOND_MAX;
}

static bool is_of(uint64_t place, uint64_t hash)
{
    return place >> (TIME_BITS + SECOND_BITS) == hash >> (TIME_BITS + SECOND_BITS);
}

void pace_note(const char *entity_id, uint64_t microseconds)
{
    uint64_t hash = hash_of(entity_id);
    _Atomic(uint64_t) *place = &places[hash % PLACES];
    uint64_t before = atomic_load_explicit(place, memory_order_relaxed);
    uint64_t longest = microseconds < TIME_MAX ? microseconds : TIME_MAX;

    if (is_of(before, hash)) {
        uint64_t remembered = (before & TIME_MAX) - (before & TIME_MAX) / 8;

        if (longest > QUICK_MICROSECONDS && remembered <= USUAL_MICROSECONDS) {
            longest = QUICK_MICROSECONDS;
        }
        longest = remembered > longest ? remembered : longest;
    }
    hash = hash >> (TIME_BITS + SECOND_BITS) << (TIME_BITS + SECOND_BITS);
    atomic_store_explicit(place, hash | this_second() << TIME_BITS | longest, memory_order_relaxed);
}

bool pace_is_quick(const char *entity_id)
{
    uint64_t hash = hash_of(entity_id);
    uint64_t place = atomic_load_explicit(&places[hash % PLACES], memory_order_relaxed);
    uint64_t age = (this_second() - (place >> TIME_BITS)) & SECOND_MAX;

    return place != 0 && is_of(place, hash) && age <= KNOWN_SECONDS &&
           (place & TIME_MAX) <= QUICK_MICROSECONDS;
}
