/*
 * The scanner of HTML: see extract_html_scan.h.
 */
#include "ingest/extract_html_scan.h"

#include <string.h>

/* Elements whose content is no markup. */
static const char *const raw_elements[] = {"script", "style",   "title",    "textarea",
                                           "xmp",    "noembed", "noframes", "iframe"};

void rsi_html_begin(rsi_html_scanner *scanner, rsi_slice source)
{
    *scanner = (rsi_html_scanner){source, 0, NULL, 0};
}

static rsi_slice rest_of(const rsi_html_scanner *scanner, size_t from)
{
    return (rsi_slice){scanner->source.data + from, scanner->source.size - from};
}

static bool ends_name(char c)
{
    return rsi_is_space(c) || c == '/' || c == '>';
}

/* Where "</name" stands, or the end. */
static size_t find_end_tag(const rsi_html_scanner *scanner, const char *name)
{
    size_t length = strlen(name);
    size_t at = scanner->at;
    while (at < scanner->source.size) {
        const char *found = memchr(scanner->source.data + at, '<', scanner->source.size - at);
        if (found == NULL)
            break;
        at = (size_t)(found - scanner->source.data);
        rsi_slice rest = rest_of(scanner, at + 1);
        if (rest.size > length + 1 && rest.data[0] == '/' &&
            rsi_starts_with((rsi_slice){rest.data + 1, rest.size - 1}, name) &&
            ends_name(rest.data[length + 1]))
            return at;
        at++;
    }
    return scanner->source.size;
}

/* An unclosed script swallows the rest, as in a browser; a title that is not closed is taken for
 * an ordinary element, and is looked for only once. */
static void begin_raw(rsi_html_scanner *scanner, rsi_slice name)
{
    for (size_t i = 0; i < sizeof raw_elements / sizeof raw_elements[0]; i++) {
        if (!rsi_equals_ignoring_case(name, raw_elements[i]) ||
            (scanner->never_closed & 1u << i) != 0)
            continue;
        if (i >= 2 && find_end_tag(scanner, raw_elements[i]) == scanner->source.size)
            scanner->never_closed |= 1u << i;
        else
            scanner->raw = raw_elements[i];
    }
}

/* Move behind `mark`, or to the end of the source. */
static void skip_behind(rsi_html_scanner *scanner, const char *mark)
{
    rsi_slice rest = rest_of(scanner, scanner->at);
    const char *found = memmem(rest.data, rest.size, mark, strlen(mark));
    scanner->at = found == NULL ? scanner->source.size
                                : (size_t)(found - scanner->source.data) + strlen(mark);
}

/* Behind the ">" of a tag; one inside a quoted attribute value does not count. */
static size_t end_of_tag(rsi_slice source, size_t at)
{
    bool in_value = false; /* behind "=": here a quote opens a value */
    while (at < source.size) {
        char c = source.data[at++];
        if (c == '>')
            return at;
        if (in_value && (c == '"' || c == '\'')) {
            const char *close = memchr(source.data + at, c, source.size - at);
            if (close == NULL)
                return source.size;
            at = (size_t)(close - source.data) + 1;
        }
        in_value = c == '=' || (in_value && rsi_is_space(c));
    }
    return at;
}

static bool read_tag(rsi_html_scanner *scanner, rsi_html_token *token, size_t name_at)
{
    const char *data = scanner->source.data;
    size_t name_end = name_at;
    while (name_end < scanner->source.size && !ends_name(data[name_end]))
        name_end++;
    size_t end = end_of_tag(scanner->source, name_end);
    scanner->at = end;
    if (end == 0 || data[end - 1] != '>' || end <= name_end)
        return false; /* cut off in the middle of a tag */
    token->name = (rsi_slice){data + name_at, name_end - name_at};
    token->attributes = (rsi_slice){data + name_end, end - 1 - name_end};
    return true;
}

/* At "<": a tag, something to skip, or a mere character. */
static bool read_markup(rsi_html_scanner *scanner, rsi_html_token *token, bool *skipped)
{
    rsi_slice rest = rest_of(scanner, scanner->at);
    *skipped = true;
    if (rest.size > 1 && rsi_is_letter(rest.data[1])) {
        token->kind = RSI_HTML_OPEN;
        *skipped = !read_tag(scanner, token, scanner->at + 1);
        if (!*skipped)
            begin_raw(scanner, token->name);
        return true;
    }
    if (rest.size > 2 && rest.data[1] == '/' && rsi_is_letter(rest.data[2])) {
        token->kind = RSI_HTML_CLOSE;
        *skipped = !read_tag(scanner, token, scanner->at + 2);
        return true;
    }
    if (rsi_starts_with(rest, "<!--")) {
        scanner->at += 4;
        if (rest.size > 4 && rest.data[4] == '>')
            scanner->at++;
        else
            skip_behind(scanner, "-->");
        return true;
    }
    if (rsi_starts_with(rest, "<![CDATA[")) {
        skip_behind(scanner, "]]>");
        return true;
    }
    if (rest.size > 1 && (rest.data[1] == '!' || rest.data[1] == '?' || rest.data[1] == '/')) {
        skip_behind(scanner, ">");
        return true;
    }
    return false;
}

bool rsi_html_next(rsi_html_scanner *scanner, rsi_html_token *token)
{
    memset(token, 0, sizeof *token);
    if (scanner->raw != NULL) {
        size_t end = find_end_tag(scanner, scanner->raw);
        token->kind = RSI_HTML_RAW;
        token->text = (rsi_slice){scanner->source.data + scanner->at, end - scanner->at};
        scanner->at = end;
        scanner->raw = NULL;
        return true;
    }
    while (scanner->at < scanner->source.size) {
        size_t start = scanner->at;
        bool skipped = false;
        if (scanner->source.data[start] == '<' && read_markup(scanner, token, &skipped)) {
            if (skipped)
                continue;
            return true;
        }
        const char *next =
            memchr(scanner->source.data + start + 1, '<', scanner->source.size - start - 1);
        size_t end = next != NULL ? (size_t)(next - scanner->source.data) : scanner->source.size;
        scanner->at = end;
        token->kind = RSI_HTML_TEXT;
        token->text = (rsi_slice){scanner->source.data + start, end - start};
        return true;
    }
    return false;
}

bool rsi_html_attribute(rsi_slice *attributes, rsi_slice *name, rsi_slice *value)
{
    const char *at = attributes->data;
    const char *end = at + attributes->size;
    while (at < end && (rsi_is_space(*at) || *at == '/'))
        at++;
    name->data = at;
    while (at < end && !rsi_is_space(*at) && *at != '/' && (*at != '=' || at == name->data))
        at++;
    name->size = (size_t)(at - name->data);
    while (at < end && rsi_is_space(*at))
        at++;
    *value = (rsi_slice){at, 0};
    if (at < end && *at == '=') {
        at++;
        while (at < end && rsi_is_space(*at))
            at++;
        char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : '\0';
        value->data = at;
        while (at < end && (quote != '\0' ? *at != quote : !rsi_is_space(*at)))
            at++;
        value->size = (size_t)(at - value->data);
        if (at < end && quote != '\0')
            at++;
    }
    *attributes = (rsi_slice){at, (size_t)(end - at)};
    return name->size > 0;
}
