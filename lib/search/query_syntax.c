/* Phrases and prefixes: see query_syntax.h. */
#include "search/query_syntax.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* Pairs of quotation marks. */
static const struct {
    const char *open;
    const char *close;
} quotes[] = {
    {"\"", "\""},
    {"\xE2\x80\x9C", "\xE2\x80\x9D"}, /* “ ” */
    {"\xE2\x80\x9E", "\xE2\x80\x9C"}, /* „ “ */
    {"\xC2\xAB", "\xC2\xBB"},         /* « » */
};

static bool begins(const char *text, size_t size, const char *mark)
{
    const size_t length = strlen(mark);
    return size >= length && memcmp(text, mark, length) == 0;
}

/* The phrase that begins with a mark at `at`; its size with both marks, or 0. */
static size_t find_phrase(rsi_slice *phrase, const char *at, size_t size)
{
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        if (!begins(at, size, quotes[i].open))
            continue;
        const char *start = at + strlen(quotes[i].open);
        const char *end = memmem(start, size - (size_t)(start - at), quotes[i].close,
                                 strlen(quotes[i].close));
        if (end == NULL)
            continue;
        *phrase = (rsi_slice){start, (size_t)(end - start)};
        return (size_t)(end - at) + strlen(quotes[i].close);
    }
    return 0;
}

static bool is_word_byte(char c)
{
    const unsigned char byte = (unsigned char)c;
    return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

/* The word before an asterisk at query[at], behind which no word goes on; empty: none. */
static rsi_slice prefix_before(const char *query, size_t size, size_t at)
{
    size_t start = at;
    while (start > 0 && is_word_byte(query[start - 1]))
        start--;
    const bool goes_on = at + 1 < size && (is_word_byte(query[at + 1]) || query[at + 1] == '*');
    const bool enough = at - start >= RSI_PREFIX_BYTES_MIN && !goes_on;
    return (rsi_slice){query + start, enough ? at - start : 0};
}

int rsi_query_syntax_read(rsi_query_syntax *syntax, const char *query, size_t size)
{
    memset(syntax, 0, sizeof *syntax);
    syntax->plain = rsi_alloc(size + 1);
    if (syntax->plain == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t at = 0; at < size;) {
        rsi_slice phrase;
        size_t taken = syntax->phrase_count < RSI_QUERY_PHRASES_MAX
                           ? find_phrase(&phrase, query + at, size - at)
                           : 0;
        if (taken > 0) {
            syntax->phrases[syntax->phrase_count++] = phrase;
            memcpy(syntax->plain + syntax->plain_size, phrase.data, phrase.size);
            syntax->plain_size += phrase.size;
            syntax->plain[syntax->plain_size++] = ' ';
            at += taken;
            continue;
        }
        rsi_slice prefix = {NULL, 0};
        if (query[at] == '*' && syntax->prefix_count < RSI_QUERY_PREFIXES_MAX)
            prefix = prefix_before(query, size, at);
        if (prefix.size > 0)
            syntax->prefixes[syntax->prefix_count++] = prefix;
        syntax->plain[syntax->plain_size++] = prefix.size > 0 ? ' ' : query[at];
        at++;
    }
    syntax->plain[syntax->plain_size] = '\0';
    return RAGSTORE_OK;
}

void rsi_query_syntax_free(rsi_query_syntax *syntax)
{
    rsi_free(syntax->plain);
    memset(syntax, 0, sizeof *syntax);
}
