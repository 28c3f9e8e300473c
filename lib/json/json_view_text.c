/*
 * Texts of views, compared and copied without decoding them first: see json_view.h.
 *
 * A reader gives the decoded bytes one after the other; as long as neither text holds escapes,
 * memcmp() does the work.
 */
#include "base/utf8.h"
#include "json/json_view.h"

#include <string.h>

typedef struct reader {
    const char *at;
    const char *end;
    char decoded[4]; /* of the escape before `at` */
    size_t decoded_size;
    size_t decoded_at;
} reader;

static uint32_t hex4(const char *at, const char *end)
{
    uint32_t unit = 0;

    if (end - at < 4)
        return 0xFFFD;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 0;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Behind "\u". A half of a surrogate pair, which no accepted text holds, becomes U+FFFD. */
static void decode_unicode(reader *from)
{
    uint32_t code_point = hex4(from->at, from->end);

    from->at += from->end - from->at < 4 ? from->end - from->at : 4;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
        uint32_t low = 0;
        if (code_point <= 0xDBFF && from->end - from->at >= 6 && from->at[0] == '\\' &&
            from->at[1] == 'u')
            low = hex4(from->at + 2, from->end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            from->at += 6;
            code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
        } else {
            code_point = 0xFFFD;
        }
    }
    from->decoded_size = rsi_utf8_encode(code_point, from->decoded);
}

/* Behind a backslash. */
static void decode_escape(reader *from)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";

    from->decoded_at = 0;
    from->decoded_size = 0;
    if (from->at == from->end)
        return;
    char letter = *from->at++;
    if (letter == 'u') {
        decode_unicode(from);
        return;
    }
    const char *known = letter == '\0' ? NULL : strchr(letters, letter);
    from->decoded[0] = known != NULL ? meanings[known - letters] : letter;
    from->decoded_size = 1;
}

/* The next byte, or -1 at the end. */
static int next_byte(reader *from)
{
    for (;;) {
        if (from->decoded_at < from->decoded_size)
            return (unsigned char)from->decoded[from->decoded_at++];
        if (from->at == from->end)
            return -1;
        if (*from->at != '\\')
            return (unsigned char)*from->at++;
        from->at++;
        decode_escape(from);
    }
}

/* Move over what is equal and holds no backslash. */
static void skip_equal(reader *a, reader *b)
{
    if (a->decoded_at < a->decoded_size || b->decoded_at < b->decoded_size)
        return;
    size_t left = (size_t)(a->end - a->at);
    size_t right = (size_t)(b->end - b->at);
    size_t shorter = left < right ? left : right;
    size_t equal = 0;
    while (equal < shorter && a->at[equal] == b->at[equal] && a->at[equal] != '\\')
        equal++;
    a->at += equal;
    b->at += equal;
}

static int compare_slowly(const rsi_json_view *a, const rsi_json_view *b)
{
    reader left = {.at = a->text, .end = a->end};
    reader right = {.at = b->text, .end = b->end};

    for (;;) {
        skip_equal(&left, &right);
        /* only one of the two may hold backslashes that mean themselves */
        int x = a->escaped ? next_byte(&left) : left.at < left.end ? (unsigned char)*left.at++ : -1;
        int y = b->escaped             ? next_byte(&right)
                : right.at < right.end ? (unsigned char)*right.at++
                                       : -1;
        if (x != y)
            return x < y ? -1 : 1;
        if (x < 0)
            return 0;
    }
}

int rsi_json_view_compare_texts(const rsi_json_view *a, const rsi_json_view *b)
{
    if (a->escaped || b->escaped)
        return compare_slowly(a, b);
    size_t size = (size_t)(a->end - a->text);
    size_t other = (size_t)(b->end - b->text);
    size_t shorter = size < other ? size : other;
    int order = shorter == 0 ? 0 : memcmp(a->text, b->text, shorter);
    if (order != 0 || size == other)
        return order;
    return size < other ? -1 : 1;
}

void rsi_json_view_append_text(rsi_bytes *out, const rsi_json_view *text)
{
    if (!text->escaped) {
        rsi_bytes_append(out, text->text, (size_t)(text->end - text->text));
        return;
    }
    reader from = {.at = text->text, .end = text->end};
    while (from.at < from.end) {
        const char *backslash = memchr(from.at, '\\', (size_t)(from.end - from.at));
        const char *plain_end = backslash == NULL ? from.end : backslash;
        rsi_bytes_append(out, from.at, (size_t)(plain_end - from.at));
        from.at = plain_end;
        if (backslash == NULL)
            break;
        from.at++;
        decode_escape(&from);
        rsi_bytes_append(out, from.decoded, from.decoded_size);
    }
}
