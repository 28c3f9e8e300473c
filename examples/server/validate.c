/*
 * Checking what a client sent: the body as a whole, unknown fields, and the 422 reply. The kinds
 * of fields are in validate_kinds.c. A struct fields belongs to one worker.
 */
#include "validate.h"

#include "json_in.h"
#include "reply.h"
#include "server_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(struct fields *fields, const char *name, json_int_t index, const char *inner,
                 const char *type, const char *message, const char *context)
{
    struct json_out *out = &fields->details;

    out_begin(out, '{');
    out_key(out, "loc");
    out_begin(out, '[');
    out_text(out, fields->place);
    if (name != NULL) {
        out_text(out, name);
    }
    if (index >= 0) {
        out_whole(out, index);
    }
    if (inner != NULL) {
        out_text(out, inner);
    }
    out_end(out, ']');
    out_key(out, "msg");
    out_text(out, message);
    out_key(out, "type");
    out_text(out, type);
    if (context != NULL) {
        out_key(out, "ctx");
        out_begin(out, '{');
        out_key(out, "error");
        out_text(out, context);
        out_end(out, '}');
    }
    out_end(out, '}');
    fields->wrong = true;
}

void fields_wrong(struct fields *fields, const char *name, json_int_t index, const char *inner,
                  const char *type, const char *message)
{
    note(fields, name, index, inner, type, message, NULL);
}

static bool is_json_type(const char *type)
{
    size_t length = type == NULL ? 0 : strcspn(type, "; \t");

    return type == NULL || (length == 16 && strncasecmp(type, "application/json", length) == 0) ||
           (length > 17 && strncasecmp(type, "application/", 12) == 0 &&
            strncasecmp(type + length - 5, "+json", 5) == 0);
}

static void begin(struct fields *fields, struct request *request, const char *place)
{
    *fields = (struct fields){0};
    fields->request = request;
    fields->place = place;
    out_begin(&fields->details, '{');
    out_key(&fields->details, "detail");
    out_begin(&fields->details, '[');
}

void fields_begin(struct fields *fields, struct request *request)
{
    struct json_fault fault = {0};

    begin(fields, request, "body");
    if (request->body_size == 0) {
        fields_wrong(fields, NULL, -1, NULL, "missing", "Field required");
        return;
    }
    if (!is_json_type(request->content_type)) {
        fields_wrong(fields, NULL, -1, NULL, "model_attributes_type",
                     "Input should be a valid dictionary or object to extract fields from; send it "
                     "with Content-Type: application/json");
        return;
    }
    fields->object = json_read(request->body, request->body_size, &fault);
    if (fields->object == NULL) {
        note(fields, NULL, (json_int_t)fault.position, NULL, "json_invalid", "JSON decode error",
             fault.text);
    } else if (!json_is_object(fields->object)) {
        json_decref(fields->object);
        fields->object = NULL;
        fields_wrong(fields, NULL, -1, NULL, "model_attributes_type",
                     "Input should be a valid dictionary or object to extract fields from");
    }
}

void fields_begin_query(struct fields *fields, struct request *request)
{
    const struct target *target = &request->target;

    begin(fields, request, "query");
    fields->object = json_object();
    for (size_t i = target->query_count; i-- > 0;) { /* backwards: the first of a name wins */
        (void)json_object_set_new(fields->object, target->queries[i].name,
                                  json_string(target->queries[i].value));
    }
}

bool fields_page(struct fields *fields, struct request *request, ragstore_list_options *options)
{
    fields_begin_query(fields, request);
    ragstore_list_options_init(options);
    options->limit = (uint64_t)fields_integer(fields, "limit", 0, 0, 1, INT32_MAX);
    options->offset = (uint64_t)fields_integer(fields, "offset", 0, 0, 0, INT64_MAX);
    options->match = fields_string(fields, "q", 0, 0);
    return fields_end(fields);
}

void fields_begin_object(struct fields *fields, struct request *request, json_t *object)
{
    begin(fields, request, "body");
    fields->object = object;
}

json_t *fields_value(struct fields *fields, const char *name, unsigned flags)
{
    json_t *value = fields->object == NULL ? NULL : json_object_get(fields->object, name);

    if (fields->known_count < FIELDS_KNOWN_MAX) {
        fields->known[fields->known_count++] = name;
    }
    if (value == NULL) {
        if ((flags & FIELD_REQUIRED) != 0 && fields->object != NULL) {
            fields_wrong(fields, name, -1, NULL, "missing", "Field required");
        }
        return NULL;
    }
    if ((flags & FIELD_ADDED) != 0) {
        fields->uses_added = true;
    }
    if (json_is_null(value) && (flags & (FIELD_REQUIRED | FIELD_NOT_NULL)) == 0) {
        return NULL;
    }
    return value;
}

static bool is_known(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->known_count; i++) {
        if (strcmp(fields->known[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Append a name to the X-Ragstore-Ignored header, with everything escaped that could end the
 * header or the name. */
static void ignore(struct request *request, const char *name)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t used = request->ignored == NULL ? 0 : strlen(request->ignored);
    char *text = NULL;

    if (used > 800) {
        return; /* enough to see that something is wrong */
    }
    text = realloc(request->ignored, used + 2 + 64 * 3 + 1);
    if (text == NULL) {
        return;
    }
    request->ignored = text;
    if (used > 0) {
        memcpy(text + used, ", ", 3);
        used += 2;
    }
    for (size_t i = 0; name[i] != '\0' && i < 64; i++) {
        if (strchr(plain, name[i]) != NULL) {
            text[used++] = name[i];
        } else {
            used += (size_t)sprintf(text + used, "%%%02X", (unsigned char)name[i]);
        }
    }
    text[used] = '\0';
}

static void check_unknown(struct fields *fields)
{
    bool refuse = fields->uses_added || fields->request->server->settings.strict;
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach (fields->object, name, value) {
        if (is_known(fields, name)) {
            continue;
        }
        if (refuse) {
            fields_wrong(fields, name, -1, NULL, "extra_forbidden",
                         "Extra inputs are not permitted");
        } else {
            ignore(fields->request, name);
        }
    }
    if (fields->request->ignored != NULL) {
        log_line(LOG_LEVEL_INFO, "%s ignored unknown fields: %s", fields->request->id,
                 fields->request->ignored);
    }
}

bool fields_end(struct fields *fields)
{
    if (fields->object != NULL && strcmp(fields->place, "body") == 0) {
        check_unknown(fields);
    }
    if (fields->wrong) {
        out_end(&fields->details, ']');
        out_end(&fields->details, '}');
        reply_out(fields->request, MHD_HTTP_UNPROCESSABLE_CONTENT, &fields->details);
        return false;
    }
    return true;
}

void fields_free(struct fields *fields)
{
    json_decref(fields->object);
    out_drop(&fields->details);
    *fields = (struct fields){0};
}

void reply_refused_value(struct request *request, const char *field, const char *message)
{
    struct fields fields;
    char text[1100];

    begin(&fields, request, "body");
    snprintf(text, sizeof text, "Value error, %s", message);
    fields_wrong(&fields, field, -1, NULL, "value_error", text);
    (void)fields_end(&fields);
    fields_free(&fields);
}
