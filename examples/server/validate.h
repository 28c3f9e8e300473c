/*
 * Checking what a client sent, field by field. Everything that is wrong is collected and told at
 * once, in the form that clients of the API know:
 *
 *     422 {"detail": [{"loc": ["body", "k"], "msg": "…", "type": "less_than_equal"}]}
 *
 *     struct fields fields;
 *     fields_begin(&fields, request);
 *     name = fields_string(&fields, "entity_name", FIELD_REQUIRED, 1);
 *     k    = fields_integer(&fields, "k", 0, 5, 1, 20);
 *     if (fields_end(&fields)) { … use them … }
 *     fields_free(&fields);
 *
 * Values are borrowed from the parsed body and live until fields_free(). Values are taken as
 * leniently as the original takes them: "5" and 5.0 are integers, "yes" is a boolean.
 */
#ifndef VALIDATE_H
#define VALIDATE_H

#include "json_out.h"
#include "request.h"

#include <jansson.h>

enum field_flag {
    FIELD_REQUIRED = 1,
    FIELD_NOT_NULL = 2, /* null is refused; otherwise it means that the field was left out */
    FIELD_ADDED = 4     /* one that the original does not have */
};

enum { FIELDS_KNOWN_MAX = 16 };

struct fields {
    struct request *request;
    const char *place; /* "body" or "query" */
    json_t *object;    /* NULL when there is nothing to look at */
    struct json_out details; /* what is wrong, as the reply will say it */
    bool wrong;
    const char *known[FIELDS_KNOWN_MAX];
    size_t known_count;
    bool uses_added; /* the body has a field that the original does not know */
};

/* Look at the fields of a JSON body. A body that is no JSON object is noted as wrong. */
void fields_begin(struct fields *fields, struct request *request);

/* Look at the query of the URL. Values are strings, so use the integer function only. */
void fields_begin_query(struct fields *fields, struct request *request);

/* ?limit=…&offset=…&q=… of a list; false, and the reply is made, when they are wrong. `fields`
 * holds the text of q, to be freed with fields_free() either way. */
bool fields_page(struct fields *fields, struct request *request, ragstore_list_options *options);

/* Look at an object that is taken (text fields of a form). */
void fields_begin_object(struct fields *fields, struct request *request, json_t *object);

const char *fields_string(struct fields *fields, const char *name, unsigned flags,
                          size_t least_size);
int64_t fields_integer(struct fields *fields, const char *name, unsigned flags,
                       int64_t default_value, int64_t least, int64_t most);
double fields_real(struct fields *fields, const char *name, unsigned flags, double default_value,
                   double least, double most);
bool fields_boolean(struct fields *fields, const char *name, unsigned flags, bool default_value);
json_t *fields_object(struct fields *fields, const char *name, unsigned flags);
json_t *fields_list(struct fields *fields, const char *name, unsigned flags);

/* One of `names`, which ends with NULL: its position from 0, or -1 when it was left out. */
int fields_choice(struct fields *fields, const char *name, unsigned flags,
                  const char *const *names);

/* A list of strings, as a fresh array that the caller frees; NULL when it was left out. */
const char **fields_strings(struct fields *fields, size_t *count, const char *name, unsigned flags);

/* The value as it is, with the checks that all fields share; NULL when it was left out. */
json_t *fields_value(struct fields *fields, const char *name, unsigned flags);

/* Note something wrong. `index` is the place in a list and `inner` a name in there; -1 and NULL
 * when there are none. */
void fields_wrong(struct fields *fields, const char *name, json_int_t index, const char *inner,
                  const char *type, const char *message);

/* Note unknown fields; make the 422 reply and return false if anything is wrong. */
bool fields_end(struct fields *fields);
void fields_free(struct fields *fields);

/* 422 for a value that the library refused; `field` may be NULL. */
void reply_refused_value(struct request *request, const char *field, const char *message);

#endif
