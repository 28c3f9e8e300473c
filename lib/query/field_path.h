/*
 * A path to fields, such as "author.name" or "tags.0", and the values that it leads to.
 *
 * A path leads through objects by name. Where it meets an array before its end, it goes on in each
 * element that is an object, and, when its next part is a whole number, in the element at that
 * position. Where it ends at an array, it leads to each element and then to the array itself.
 *
 *   {"a": [{"b": 1}, {"b": [2, 3]}, {}]}      a.b    → 1, 2, 3, [2, 3], missing
 *                                             a.1.b  → 2, 3, [2, 3]
 *
 * Called by the parts of this room that look into documents. A path does not change after it was
 * made and can be used by many threads.
 */
#ifndef RSI_QUERY_FIELD_PATH_H
#define RSI_QUERY_FIELD_PATH_H

#include "json/json_view.h"

#define RSI_FIELD_PARTS_MAX 100

typedef struct rsi_field_part {
    rsi_slice name;   /* in `text` of the path */
    int64_t position; /* the part as a whole number, or -1 */
} rsi_field_part;

typedef struct rsi_field_path {
    char *text;
    rsi_field_part *parts;
    size_t count;
} rsi_field_path;

/* QUERY when it has more than RSI_FIELD_PARTS_MAX parts. */
int rsi_field_path_make(rsi_field_path *path, const char *text, size_t size);
void rsi_field_path_free(rsi_field_path *path);
bool rsi_field_path_equal(const rsi_field_path *a, const rsi_field_path *b);
/* Is one the other, or the beginning of it? */
bool rsi_field_path_overlap(const rsi_field_path *a, const rsi_field_path *b);

/* Asked about each value: go on? An element is one value of an array that the path ends at. */
typedef bool rsi_field_visit(void *user, const rsi_json_view *value);

typedef enum rsi_field_leaf {
    RSI_FIELD_ELEMENTS, /* an array at the end: its elements, then itself */
    RSI_FIELD_WHOLE,    /* an array at the end: only itself */
} rsi_field_leaf;

#define RSI_FIELD_STOPPED 1

/* 0 at the end, RSI_FIELD_STOPPED when `visit` said so, negative for malformed text. */
int rsi_field_path_each(const rsi_field_path *path, const rsi_json_view *document,
                        rsi_field_leaf leaf, rsi_field_visit *visit, void *user);

/* The same in two steps, for several questions about one path: as far as it leads through objects
 * alone, and the rest from there. */
typedef struct rsi_field_start {
    rsi_json_view value; /* MISSING, the end, or an array on the way */
    size_t part;         /* how many parts are behind it */
} rsi_field_start;
int rsi_field_path_start(rsi_field_start *start, const rsi_field_path *path,
                         const rsi_json_view *document);
int rsi_field_path_each_from(const rsi_field_path *path, const rsi_field_start *start,
                             rsi_field_leaf leaf, rsi_field_visit *visit, void *user);

#endif
