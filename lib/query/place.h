/*
 * Where in a query, an update or a pipeline something is wrong: a chain of names on the stack, told
 * as "$or[1].age.$gt". Each level of a compiler has one place and hands its address down.
 */
#ifndef RSI_QUERY_PLACE_H
#define RSI_QUERY_PLACE_H

#include <stddef.h>

typedef struct rsi_place {
    const struct rsi_place *up; /* NULL: this is the whole */
    const char *name;           /* NULL: the element at `position` */
    size_t position;
    unsigned depth;
} rsi_place;

static inline rsi_place rsi_place_member(const rsi_place *up, const char *name)
{
    return (rsi_place){up, name, 0, up == NULL ? 1 : up->depth + 1};
}

static inline rsi_place rsi_place_element(const rsi_place *up, size_t position)
{
    return (rsi_place){up, NULL, position, up == NULL ? 1 : up->depth + 1};
}

/* RAGSTORE_E_QUERY: "at $or[1].age.$gt: …". */
int rsi_place_refuse(const rsi_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Put the place before the message of an error of code QUERY; returns code. */
int rsi_place_wrap(const rsi_place *place, int code);
/* QUERY when the place is deeper than a query may be. */
int rsi_place_check_depth(const rsi_place *place);

#endif
