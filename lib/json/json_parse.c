/*
 * From JSON text to jansson's values.
 *
 * The text is read here and jansson only holds the values, for three faults of its
 * parser (2.14): it does not notice when its token buffer cannot grow, and then goes on
 * with a shortened token or ends the process in an assertion; the same assertion ends the
 * process under locales whose decimal point has more than one byte; and it has one
 * recursion limit for all. This parser is a loop over a fixed stack of open containers:
 *
 *   {"a": [1, {"b": ▮              stack: [ {…} ][ […] ][ {…} ]
 *
 * Each value is put into its container as soon as it starts, so that the root owns all
 * of it and one release frees a half-read document.
 *
 * Called by every room that reads JSON. Not locked; the thread's locale plays no part.
 */
#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "json/json.h"
#include "json/json_scan.h"

#include <jansson.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *text;
    size_t size;
    size_t at;
    unsigned max_depth;
    unsigned depth;
    json_t *stack[RSI_JSON_DEPTH_STORED]; /* borrowed from root */
    json_t *root;                         /* owned */
    rsi_bytes decoded;                    /* room for strings with escapes, and long numbers */
    locale_t c_locale;                    /* made for the first real */
    rsi_json_member_visitor *see;         /* takes the members of the root, or NULL */
    void *user;
    size_t seen;
} parser;

/* INVALID_DATA for the character at `offset`; columns count characters from 1. */
static int fail_at(const parser *p, size_t offset, const char *what)
{
    size_t line = 1;
    size_t column = 1;

    for (size_t i = 0; i < offset; i++) {
        unsigned char c = (unsigned char)p->text[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xC0) != 0x80) {
            column++;
        }
    }
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "json", "line %zu, column %zu: %s", line, column,
                    what);
}

/* The next byte, or -1 at the end. */
static int peek(const parser *p)
{
    return p->at < p->size ? (unsigned char)p->text[p->at] : -1;
}

static void skip_space(parser *p)
{
    while (p->at < p->size && (p->text[p->at] == ' ' || p->text[p->at] == '\t' ||
                               p->text[p->at] == '\n' || p->text[p->at] == '\r'))
        p->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* ---- strings ---- */

static int read_hex4(parser *p, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(p);
        uint32_t digit;
        if (is_digit(c))
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A' + 10);
        else
            return fail_at(p, p->at, "\\u needs four hexadecimal digits");
        *unit = *unit << 4 | digit;
        p->at++;
    }
    return RAGSTORE_OK;
}

/* Behind "\u": one code point of one or two escapes, appended to p->decoded. */
static int read_unicode_escape(parser *p)
{
    size_t start = p->at - 2;
    uint32_t code_point;
    uint32_t low;
    char encoded[4];

    int status = read_hex4(p, &code_point);
    if (status != RAGSTORE_OK)
        return status;
    if (code_point == 0)
        return fail_at(p, start, "a NUL character (\\u0000) in a string is refused");
    if (code_point >= 0xDC00 && code_point <= 0xDFFF)
        return fail_at(p, start, "the second half of a surrogate pair without its first");
    if (code_point >= 0xD800 && code_point <= 0xDBFF) {
        if (p->size - p->at < 2 || memcmp(p->text + p->at, "\\u", 2) != 0)
            return fail_at(p, start, "the first half of a surrogate pair without its second");
        p->at += 2;
        status = read_hex4(p, &low);
        if (status != RAGSTORE_OK)
            return status;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail_at(p, start, "the first half of a surrogate pair without its second");
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    }
    rsi_bytes_append(&p->decoded, encoded, rsi_utf8_encode(code_point, encoded));
    return RAGSTORE_OK;
}

/* Behind a backslash. */
static int read_escape(parser *p)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    int c = peek(p);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        p->at++;
        rsi_bytes_append_char(&p->decoded, meanings[letter - letters]);
        return RAGSTORE_OK;
    }
    if (c != 'u')
        return fail_at(p, p->at, "an unknown escape behind a backslash");
    p->at++;
    return read_unicode_escape(p);
}

/* The bytes up to the next quote, backslash or control character. */
static size_t plain_run(const parser *p)
{
    size_t end = p->at;
    for (uint64_t next; p->size - end >= sizeof next; end += sizeof next) {
        memcpy(&next, p->text + end, sizeof next);
        if (rsi_json_may_be_special(next))
            break;
    }
    while (end < p->size && p->text[end] != '"' && p->text[end] != '\\' &&
           (unsigned char)p->text[end] >= 0x20)
        end++;
    return end - p->at;
}

/* At an opening quote. The text is borrowed from the document or from p->decoded. */
static int read_string(parser *p, rsi_slice *text)
{
    size_t start = p->at++;
    size_t run = plain_run(p);

    *text = (rsi_slice){p->text + p->at, run};
    p->at += run;
    if (peek(p) == '"') { /* most strings: nothing to decode */
        p->at++;
        return RAGSTORE_OK;
    }

    rsi_bytes_clear(&p->decoded);
    rsi_bytes_append(&p->decoded, text->data, text->size);
    while (peek(p) == '\\') {
        p->at++;
        int status = read_escape(p);
        if (status != RAGSTORE_OK)
            return status;
        run = plain_run(p);
        rsi_bytes_append(&p->decoded, p->text + p->at, run);
        p->at += run;
    }
    if (peek(p) == -1)
        return fail_at(p, start, "this string does not end");
    if (peek(p) != '"')
        return fail_at(p, p->at, "a control character in a string; write it as an escape");
    p->at++;
    *text = (rsi_slice){p->decoded.data, p->decoded.size};
    return rsi_bytes_status(&p->decoded);
}

/* ---- numbers ---- */

/* Move over one digit or more. */
static bool skip_digits(parser *p)
{
    size_t start = p->at;
    while (is_digit(peek(p)))
        p->at++;
    return p->at > start;
}

/* Move over a number as RFC 8259 writes it, and tell whether it is a real. */
static int scan_number(parser *p, bool *is_real)
{
    size_t start = p->at;

    *is_real = false;
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0') {
        p->at++;
        if (is_digit(peek(p)))
            return fail_at(p, start, "a number must not start with 0");
    } else if (!skip_digits(p)) {
        return fail_at(p, start, "a minus sign without a number");
    }
    if (peek(p) == '.') {
        *is_real = true;
        p->at++;
        if (!skip_digits(p))
            return fail_at(p, start, "a number needs digits behind its decimal point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        *is_real = true;
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (!skip_digits(p))
            return fail_at(p, start, "a number needs digits in its exponent");
    }
    return RAGSTORE_OK;
}

static int make_integer(const parser *p, size_t start, json_t **value)
{
    bool negative = p->text[start] == '-';
    int64_t number = 0;

    for (size_t i = start + (negative ? 1 : 0); i < p->at; i++) {
        int64_t digit = p->text[i] - '0';
        if (__builtin_mul_overflow(number, (int64_t)10, &number) ||
            __builtin_sub_overflow(number, negative ? digit : -digit, &number))
            return fail_at(p, start, "an integer outside of -2^63 … 2^63-1");
    }
    *value = json_integer(number);
    return *value != NULL ? RAGSTORE_OK : rsi_fail_no_memory();
}

static int make_real(parser *p, size_t start, json_t **value)
{
    if (p->c_locale == (locale_t)0)
        p->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (p->c_locale == (locale_t)0)
        return rsi_fail_no_memory();

    rsi_bytes_clear(&p->decoded); /* strtod needs a NUL behind the number */
    rsi_bytes_append(&p->decoded, p->text + start, p->at - start);
    if (rsi_bytes_status(&p->decoded) != RAGSTORE_OK)
        return rsi_bytes_status(&p->decoded);

    double number = strtod_l(p->decoded.data, NULL, p->c_locale);
    if (!isfinite(number))
        return fail_at(p, start, "a number too large for a double");
    *value = json_real(number);
    return *value != NULL ? RAGSTORE_OK : rsi_fail_no_memory();
}

static int read_number(parser *p, json_t **value)
{
    size_t start = p->at;
    bool is_real;

    int status = scan_number(p, &is_real);
    if (status != RAGSTORE_OK)
        return status;
    return is_real ? make_real(p, start, value) : make_integer(p, start, value);
}

/* ---- values ---- */

static int read_word(parser *p, json_t **value)
{
    static const struct {
        const char *word;
        size_t size;
    } words[] = {{"true", 4}, {"false", 5}, {"null", 4}};

    for (size_t i = 0; i < 3; i++) {
        if (p->size - p->at < words[i].size ||
            memcmp(p->text + p->at, words[i].word, words[i].size) != 0)
            continue;
        p->at += words[i].size;
        *value = i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        return RAGSTORE_OK;
    }
    if (p->at == p->size)
        return fail_at(p, p->at, "the text ends where a value is expected");
    return fail_at(p, p->at, "expected a value");
}

/* Make an empty container; the caller puts it into its parent and onto the stack. */
static int open_container(parser *p, json_t **value)
{
    if (p->depth == p->max_depth)
        return fail_at(p, p->at, "nested deeper than allowed here");
    *value = p->text[p->at] == '{' ? json_object() : json_array();
    p->at++;
    return *value != NULL ? RAGSTORE_OK : rsi_fail_no_memory();
}

/* A scalar, or a container that was just opened. */
static int read_value(parser *p, json_t **value)
{
    rsi_slice text;
    int status;

    *value = NULL;
    skip_space(p);
    switch (peek(p)) {
    case '{':
    case '[':
        return open_container(p, value);
    case '"':
        status = read_string(p, &text);
        if (status != RAGSTORE_OK)
            return status;
        *value = json_stringn_nocheck(text.data, text.size);
        return *value != NULL ? RAGSTORE_OK : rsi_fail_no_memory();
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(p, value);
    default:
        return read_word(p, value);
    }
}

static void push_if_container(parser *p, json_t *value)
{
    if (json_is_object(value) || json_is_array(value))
        p->stack[p->depth++] = value;
}

static int read_array_member(parser *p, json_t *array)
{
    json_t *value;

    int status = read_value(p, &value);
    if (status != RAGSTORE_OK)
        return status;
    if (json_array_append_new(array, value) != 0)
        return rsi_fail_no_memory();
    push_if_container(p, value);
    return RAGSTORE_OK;
}

static int read_object_member(parser *p, json_t *object)
{
    json_t *value = NULL;
    rsi_slice borrowed;
    char small[256];
    char *kept = small; /* the value may overwrite p->decoded, where the key may lie */

    skip_space(p);
    if (peek(p) != '"')
        return fail_at(p, p->at, "expected a key in quotes");
    size_t key_at = p->at;
    int status = read_string(p, &borrowed);
    if (status != RAGSTORE_OK)
        return status;
    if (json_object_getn(object, borrowed.data, borrowed.size) != NULL)
        return fail_at(p, key_at, "this key is in its object already");
    if (borrowed.size >= sizeof small) {
        kept = rsi_memdup0(borrowed.data, borrowed.size);
        if (kept == NULL)
            return RAGSTORE_E_NO_MEMORY;
    } else if (borrowed.size > 0) {
        memcpy(small, borrowed.data, borrowed.size);
    }

    skip_space(p);
    if (peek(p) != ':') {
        status = fail_at(p, p->at, "expected ':' behind a key");
        goto cleanup;
    }
    p->at++;
    status = read_value(p, &value);
    if (status != RAGSTORE_OK)
        goto cleanup;
    if (json_object_setn_new_nocheck(object, kept, borrowed.size, value) != 0) {
        status = rsi_fail_no_memory();
        goto cleanup;
    }
    push_if_container(p, value);

cleanup:
    if (kept != small)
        rsi_free(kept);
    return status;
}

/* One member of the innermost container, or its end. */
static int read_member(parser *p)
{
    json_t *container = p->stack[p->depth - 1];
    bool is_object = json_is_object(container);

    skip_space(p);
    if (peek(p) == (is_object ? '}' : ']')) {
        p->at++;
        p->depth--;
        return RAGSTORE_OK;
    }
    if (rsi_json_count(container) > 0 || (p->depth == 1 && p->seen > 0)) {
        if (peek(p) != ',')
            return fail_at(p, p->at, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
        p->at++;
    }
    return is_object ? read_object_member(p, container) : read_array_member(p, container);
}

/* Show the member of the root that has just become whole, and let it go. */
static int show_member(parser *p)
{
    if (p->see == NULL || p->depth > 1 || json_array_size(p->root) == 0)
        return RAGSTORE_OK;
    int status = p->see(p->user, json_array_get(p->root, 0), p->seen++);
    json_array_clear(p->root);
    return status;
}

static int read_document(parser *p)
{
    int status = read_value(p, &p->root);
    if (status == RAGSTORE_OK)
        push_if_container(p, p->root);
    while (status == RAGSTORE_OK && p->depth > 0) {
        status = read_member(p);
        if (status == RAGSTORE_OK)
            status = show_member(p);
    }
    if (status != RAGSTORE_OK)
        return status;

    skip_space(p);
    if (p->at < p->size)
        return fail_at(p, p->at, "text behind the end of the value");
    return RAGSTORE_OK;
}

/* On failure p->root is NULL. */
static int parse_with(parser *p)
{
    size_t bad;
    if (p->max_depth > RSI_JSON_DEPTH_STORED)
        p->max_depth = RSI_JSON_DEPTH_STORED;
    int status = rsi_utf8_valid(p->text, p->size, &bad) ? read_document(p)
                                                        : fail_at(p, bad, "not valid UTF-8");
    if (status != RAGSTORE_OK) {
        json_decref(p->root);
        p->root = NULL;
    }
    rsi_bytes_free(&p->decoded);
    if (p->c_locale != (locale_t)0)
        freelocale(p->c_locale);
    return status;
}

int rsi_json_parse(rsi_json **out, const char *text, size_t size, unsigned max_depth)
{
    parser p = {.text = text, .size = size, .max_depth = max_depth};
    int status = parse_with(&p);
    *out = p.root;
    return status;
}

int rsi_json_parse_members(bool *is_array, const char *text, size_t size, unsigned max_depth,
                           rsi_json_member_visitor *see, void *user)
{
    parser p = {.text = text, .size = size, .max_depth = max_depth, .see = see, .user = user};
    int status = parse_with(&p);
    *is_array = p.seen > 0 || json_is_array(p.root);
    json_decref(p.root);
    return status;
}
