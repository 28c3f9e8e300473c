/*
 * A value seen where it lies: in JSON text that nobody has parsed, or in a parsed tree.
 *
 *   text   {"name":"Ann","tags":["a","b"],"year":1999}
 *          ▲view         ▲view of a member             nothing before it is kept, nothing behind
 *                                                      it has been looked at
 *
 * A view of a scalar holds its value. A view of a container only knows where it begins: walking it
 * finds the members one by one, and skipping an uninteresting one costs a scan for its end. Texts
 * with escapes are not decoded: comparing and copying decode as they go. Nothing is allocated.
 *
 * The text must be one that rsi_json_parse() once accepted, as every stored record is. Any other
 * text is safe to look at: nothing outside of it is read, and what cannot be understood is reported
 * as INVALID_DATA when it is met, which need not be the first fault of the text.
 *
 * Views borrow the text or the tree. Not locked: neither changes while it is looked at.
 */
#ifndef RSI_JSON_VIEW_H
#define RSI_JSON_VIEW_H

#include "json/json.h"

/* In the order in which values of different kinds are sorted: BSON's. */
typedef enum rsi_json_kind {
    RSI_JSON_MISSING, /* there is no such value */
    RSI_JSON_NULL,
    RSI_JSON_INTEGER, /* these two are one kind when compared */
    RSI_JSON_REAL,
    RSI_JSON_TEXT,
    RSI_JSON_OBJECT,
    RSI_JSON_ARRAY,
    RSI_JSON_BOOL,
} rsi_json_kind;

typedef struct rsi_json_view {
    rsi_json_kind kind;
    bool escaped;         /* TEXT: there are escapes between text and end */
    const rsi_json *tree; /* OBJECT or ARRAY of a tree; else NULL */
    const char *text;     /* TEXT: behind the opening quote. In JSON text also: where it begins */
    const char *end;      /* TEXT and scalars in JSON text: behind it. Containers: of all text */
    union {
        int64_t integer;
        double real;
        bool truth;
    };
} rsi_json_view;

/* The value that a JSON text consists of. */
int rsi_json_view_of_text(rsi_json_view *view, const char *text, size_t size);
rsi_json_view rsi_json_view_of(const rsi_json *value); /* NULL: MISSING */
rsi_json_view rsi_json_view_of_string(const char *text, size_t size);

static inline bool rsi_json_view_is_number(const rsi_json_view *view)
{
    return view->kind == RSI_JSON_INTEGER || view->kind == RSI_JSON_REAL;
}

/* ---- members ---- */

/* The answers of the functions that look for something. Negative: the text is malformed. */
#define RSI_JSON_FOUND 1
#define RSI_JSON_ABSENT 0

/* The member of an object; MISSING and ABSENT when there is none or it is no object. */
int rsi_json_view_get(rsi_json_view *member, const rsi_json_view *object, rsi_slice key);

/*
 *   rsi_json_cursor cursor = rsi_json_walk(&container);
 *   while ((found = rsi_json_next(&cursor, &member)) > 0)
 *       … cursor.key is the key, in an object …
 *   return found;                                     ABSENT at the end, or an error
 */
typedef struct rsi_json_cursor {
    rsi_json_view key; /* TEXT */
    bool is_object;
    bool started;
    const rsi_json *tree;
    void *iterator;
    size_t position; /* in an array: of the next member */
    const char *at;
    const char *end;
} rsi_json_cursor;

rsi_json_cursor rsi_json_walk(const rsi_json_view *container); /* of a scalar: no members */
int rsi_json_next(rsi_json_cursor *cursor, rsi_json_view *member);

/* ---- texts ---- */

/* Compares the decoded bytes: negative, 0 or positive. Both are TEXT. */
int rsi_json_view_compare_texts(const rsi_json_view *a, const rsi_json_view *b);
void rsi_json_view_append_text(rsi_bytes *out, const rsi_json_view *text); /* decoded */

/* ---- whole values ---- */

/* Write the value as JSON; in text that is a copy of its bytes. MISSING writes null. */
int rsi_json_view_write(rsi_json_writer *writer, const rsi_json_view *view);
/* Write a key that a cursor found. */
void rsi_json_view_key(rsi_json_writer *writer, const rsi_json_view *key);
/* The bytes of a value in JSON text. */
int rsi_json_view_source(rsi_slice *source, const rsi_json_view *view);
/* A tree of the value. Owned by the caller; a value that is in a tree already is shared. */
int rsi_json_view_tree(rsi_json **out, const rsi_json_view *view);

#endif
