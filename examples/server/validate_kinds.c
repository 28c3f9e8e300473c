/*
 * The kinds of fields that a body may have, one function each; types and messages are those of
 * pydantic, which the original's clients see. Every function returns the default, or NULL, when
 * the field was left out or is wrong.
 */
#include "validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fields_string(struct fields *fields, const char *name, unsigned flags,
                          size_t least_size)
{
    json_t *value = fields_value(fields, name, flags);
    char message[80];

    if (value == NULL) {
        return NULL;
    }
    if (!json_is_string(value)) {
        fields_wrong(fields, name, -1, NULL, "string_type", "Input should be a valid string");
        return NULL;
    }
    if (json_string_length(value) < least_size) {
        snprintf(message, sizeof message, "String should have at least %zu character%s", least_size,
                 least_size == 1 ? "" : "s");
        fields_wrong(fields, name, -1, NULL, "string_too_short", message);
        return NULL;
    }
    return json_string_value(value);
}

enum parsed { PARSED, PARSED_NOT_A_NUMBER, PARSED_FRACTION, PARSED_WRONG_TYPE };

static enum parsed parse_integer_text(int64_t *number, const char *text)
{
    char *end = NULL;
    long long parsed = 0;

    text += strspn(text, " \t");
    errno = 0;
    parsed = strtoll(text, &end, 10);
    *number = parsed;
    return end != text && end[strspn(end, " \t")] == '\0' && errno == 0 ? PARSED
                                                                        : PARSED_NOT_A_NUMBER;
}

static enum parsed parse_integer(int64_t *number, const json_t *value)
{
    double real = 0;

    switch (json_typeof(value)) {
    case JSON_INTEGER:
        *number = json_integer_value(value);
        return PARSED;
    case JSON_TRUE:
    case JSON_FALSE:
        *number = json_is_true(value) ? 1 : 0;
        return PARSED;
    case JSON_STRING:
        return parse_integer_text(number, json_string_value(value));
    case JSON_REAL:
        real = json_real_value(value);
        if (real > 9e15 || real < -9e15) { /* every double out there is whole */
            *number = real > 0 ? INT64_MAX : INT64_MIN;
            return PARSED;
        }
        *number = (int64_t)real;
        return (double)*number == real ? PARSED : PARSED_FRACTION;
    default:
        return PARSED_WRONG_TYPE;
    }
}

static void note_integer_type(struct fields *fields, const char *name, enum parsed parsed)
{
    if (parsed == PARSED_FRACTION) {
        fields_wrong(fields, name, -1, NULL, "int_from_float",
                     "Input should be a valid integer, got a number with a fractional part");
    } else if (parsed == PARSED_NOT_A_NUMBER) {
        fields_wrong(fields, name, -1, NULL, "int_parsing",
                     "Input should be a valid integer, unable to parse string as an integer");
    } else {
        fields_wrong(fields, name, -1, NULL, "int_type", "Input should be a valid integer");
    }
}

int64_t fields_integer(struct fields *fields, const char *name, unsigned flags,
                       int64_t default_value, int64_t least, int64_t most)
{
    json_t *value = fields_value(fields, name, flags);
    int64_t number = default_value;
    enum parsed parsed = value == NULL ? PARSED : parse_integer(&number, value);
    char message[80];

    if (value == NULL) {
        return default_value;
    }
    if (parsed != PARSED) {
        note_integer_type(fields, name, parsed);
    } else if (number < least) {
        snprintf(message, sizeof message, "Input should be greater than or equal to %lld",
                 (long long)least);
        fields_wrong(fields, name, -1, NULL, "greater_than_equal", message);
    } else if (number > most) {
        snprintf(message, sizeof message, "Input should be less than or equal to %lld",
                 (long long)most);
        fields_wrong(fields, name, -1, NULL, "less_than_equal", message);
    } else {
        return number;
    }
    return default_value;
}

double fields_real(struct fields *fields, const char *name, unsigned flags, double default_value,
                   double least, double most)
{
    json_t *value = fields_value(fields, name, flags);
    double number = json_number_value(value);
    char message[80];

    if (value == NULL) {
        return default_value;
    }
    if (!json_is_number(value)) {
        fields_wrong(fields, name, -1, NULL, "float_type", "Input should be a valid number");
    } else if (number < least) {
        snprintf(message, sizeof message, "Input should be greater than or equal to %g", least);
        fields_wrong(fields, name, -1, NULL, "greater_than_equal", message);
    } else if (number > most) {
        snprintf(message, sizeof message, "Input should be less than or equal to %g", most);
        fields_wrong(fields, name, -1, NULL, "less_than_equal", message);
    } else {
        return number;
    }
    return default_value;
}

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcasecmp(text, *names) == 0) {
            return true;
        }
    }
    return false;
}

bool fields_boolean(struct fields *fields, const char *name, unsigned flags, bool default_value)
{
    static const char *const yes[] = {"true", "t", "yes", "y", "on", "1", NULL};
    static const char *const no[] = {"false", "f", "no", "n", "off", "0", NULL};
    json_t *value = fields_value(fields, name, flags);
    double number = json_number_value(value);

    if (value == NULL) {
        return default_value;
    }
    if (json_is_boolean(value)) {
        return json_is_true(value);
    }
    if (json_is_number(value) && (number == 0 || number == 1)) {
        return number == 1;
    }
    if (json_is_string(value) && is_one_of(json_string_value(value), yes)) {
        return true;
    }
    if (json_is_string(value) && is_one_of(json_string_value(value), no)) {
        return false;
    }
    if (json_is_string(value) || json_is_number(value)) {
        fields_wrong(fields, name, -1, NULL, "bool_parsing",
                     "Input should be a valid boolean, unable to interpret input");
    } else {
        fields_wrong(fields, name, -1, NULL, "bool_type", "Input should be a valid boolean");
    }
    return default_value;
}

json_t *fields_object(struct fields *fields, const char *name, unsigned flags)
{
    json_t *value = fields_value(fields, name, flags);

    if (value != NULL && !json_is_object(value)) {
        fields_wrong(fields, name, -1, NULL, "dict_type", "Input should be a valid dictionary");
        return NULL;
    }
    return value;
}

json_t *fields_list(struct fields *fields, const char *name, unsigned flags)
{
    json_t *value = fields_value(fields, name, flags);

    if (value != NULL && !json_is_array(value)) {
        fields_wrong(fields, name, -1, NULL, "list_type", "Input should be a valid list");
        return NULL;
    }
    return value;
}

int fields_choice(struct fields *fields, const char *name, unsigned flags, const char *const *names)
{
    json_t *value = fields_value(fields, name, flags);
    char message[160] = "Input should be ";

    if (value == NULL) {
        return -1;
    }
    for (int i = 0; names[i] != NULL; i++) {
        size_t used = strlen(message);

        if (json_is_string(value) && strcmp(json_string_value(value), names[i]) == 0) {
            return i;
        }
        snprintf(message + used, sizeof message - used, "%s'%s'",
                 i == 0                 ? ""
                 : names[i + 1] == NULL ? " or "
                                        : ", ",
                 names[i]);
    }
    fields_wrong(fields, name, -1, NULL, "literal_error", message);
    return -1;
}

const char **fields_strings(struct fields *fields, size_t *count, const char *name, unsigned flags)
{
    json_t *list = fields_list(fields, name, flags);
    const char **strings = NULL;

    *count = 0;
    if (list == NULL) {
        return NULL;
    }
    strings = calloc(json_array_size(list) + 1, sizeof *strings);
    if (strings == NULL) {
        fields->details.failed = true;
        fields->wrong = true;
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL) {
            fields_wrong(fields, name, (json_int_t)i, NULL, "string_type",
                         "Input should be a valid string");
        } else {
            strings[(*count)++] = text;
        }
    }
    return strings;
}
