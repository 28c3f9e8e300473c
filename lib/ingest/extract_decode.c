/*
 * From bytes to clean UTF-8.
 *
 * The guessed encoding is tried; when too much of the bytes does not fit it, what the document
 * says about itself is disbelieved, and at last Windows-1252 is tried. iconv converts everything
 * that is not UTF-8. Then the text is cleaned: "\n" for every kind of line end, no NUL,
 * no control characters, no byte order marks. All of that goes window by window, and the text does
 * not depend on where they end. Called by extract.c.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Names under which iconv knows more characters of the same encoding: what the web means by the
 * smaller name. `high_controls`: the larger one is only needed for bytes 0x80 to 0x9F. */
static const char *larger_encoding(const char *name, bool high_controls)
{
    static const struct {
        const char *name;
        const char *larger;
        bool for_high_controls;
    } names[] = {
        {"iso-8859-1", "windows-1252", true},
        {"iso-8859-9", "windows-1254", true},
        {"shift_jis", "cp932", false},
        {"shift-jis", "cp932", false},
        {"sjis", "cp932", false},
        {"x-sjis", "cp932", false},
        {"gb2312", "gb18030", false},
        {"gbk", "gb18030", false},
        {"euc-kr", "uhc", false},
        {"ks_c_5601-1987", "uhc", false},
        {"iso-8859-8-i", "iso-8859-8", false},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0 && (high_controls || !names[i].for_high_controls))
            return names[i].larger;
    return name;
}

#define PIECE ((size_t)64 << 10)

typedef struct decoder {
    rsi_spill *text;
    rsi_bytes piece; /* converted, and not cleaned yet */
    uint64_t all;    /* bytes converted */
    uint64_t replaced;
    uint64_t dropped;
    int status; /* the first failure */
} decoder;

/* Clean the piece in place, but for what may go on behind it, and put it behind the text; no
 * character gets longer. */
static void clean(decoder *to, bool is_last)
{
    char *data = to->piece.data;
    const size_t size = to->piece.size;
    const size_t stop = is_last ? size : size < 2 ? 0 : size - 2;
    size_t out = 0;
    size_t i = 0;
    for (; i < stop; i++) {
        unsigned char c = (unsigned char)data[i];
        size_t left = size - i;
        if (c == '\r') {
            if (left < 2 || data[i + 1] != '\n')
                data[out++] = '\n';
        } else if (c == '\f' || c == '\v') {
            data[out++] = '\n';
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
            to->dropped++;
        } else if (c == 0xC2 && left > 1 && (unsigned char)data[i + 1] < 0xA0) {
            i++; /* U+0080 to U+009F; U+0085 ends a line */
            if ((unsigned char)data[i] == 0x85)
                data[out++] = '\n';
            else
                to->dropped++;
        } else if (c == 0xEF && left > 2 && memcmp(data + i, "\xEF\xBB\xBF", 3) == 0) {
            i += 2;
        } else {
            data[out++] = (char)c;
        }
    }
    if (to->status == RAGSTORE_OK && out > 0)
        to->status = rsi_spill_append(to->text, data, out);
    if (i > 0 && i < size)
        memmove(data, data + i, size - i);
    to->piece.size = size - (i < size ? i : size);
}

static void put(decoder *to, const char *bytes, size_t size)
{
    to->all += size;
    while (size > 0 && to->status == RAGSTORE_OK) {
        const size_t part = size < PIECE ? size : PIECE;
        rsi_bytes_append(&to->piece, bytes, part);
        to->status = rsi_bytes_status(&to->piece);
        if (to->status == RAGSTORE_OK && to->piece.size >= PIECE)
            clean(to, false);
        bytes += part;
        size -= part;
    }
}

static void put_replacement(decoder *to)
{
    put(to, REPLACEMENT, 3);
    to->replaced++;
}

/* UTF-8 with U+FFFD for each character that is broken. Returns how many bytes at the end of the
 * window may go on behind it. */
static size_t put_utf8(decoder *to, const rsi_input_walk *window)
{
    const char *bytes = window->data;
    size_t size = window->size;
    size_t bad;
    while (!rsi_utf8_valid(bytes, size, &bad)) {
        put(to, bytes, bad);
        bytes += bad;
        size -= bad;
        if (!window->is_last && size < RSI_UTF8_MAX)
            return size;
        put_replacement(to);
        size_t broken = 1;
        while (broken < 3 && (unsigned char)bytes[0] >= 0xC2 && broken < size &&
               ((unsigned char)bytes[broken] & 0xC0) == 0x80)
            broken++;
        bytes += broken;
        size -= broken;
    }
    put(to, bytes, size);
    return 0;
}

/* The same for what iconv converts; `unit` bytes are left out for what is broken. */
static size_t put_converted(decoder *to, iconv_t converter, size_t unit,
                            const rsi_input_walk *window)
{
    char *in = (char *)(uintptr_t)window->data; /* iconv only reads it */
    size_t left = window->size;
    while (left > 0 && to->status == RAGSTORE_OK) {
        char buffer[4096];
        char *out = buffer;
        size_t room = sizeof buffer;
        int problem = iconv(converter, &in, &left, &out, &room) == (size_t)-1 ? errno : 0;
        put(to, buffer, sizeof buffer - room);
        if (problem == EINVAL && !window->is_last)
            break;
        if (problem == EILSEQ || problem == EINVAL) {
            put_replacement(to);
            const size_t skipped = left < unit ? left : unit;
            in += skipped;
            left -= skipped;
        }
    }
    return left;
}

/* What the converter still has. */
static void put_rest(decoder *to, iconv_t converter)
{
    int problem = E2BIG;
    while (problem == E2BIG) {
        char buffer[4096];
        char *out = buffer;
        size_t room = sizeof buffer;
        problem = iconv(converter, NULL, NULL, &out, &room) == (size_t)-1 ? errno : 0;
        put(to, buffer, sizeof buffer - room);
    }
}

static size_t unit_of(const char *name)
{
    return strncmp(name, "utf-16", 6) == 0 ? 2 : strncmp(name, "utf-32", 6) == 0 ? 4 : 1;
}

/* Convert from `offset` on; *known: this system's iconv knows the encoding. */
static int convert(decoder *to, bool *known, const char *name, const rsi_input *input,
                   uint64_t offset)
{
    const bool is_utf8 = strcmp(name, "utf-8") == 0;
    rsi_input_walk walk = {.input = input, .end = offset};
    iconv_t converter = (iconv_t)-1;
    size_t carried = 0;
    int found = 0;
    *known = true;
    if (!is_utf8 && (converter = iconv_open("UTF-8", name)) == (iconv_t)-1) {
        *known = false;
        return errno == ENOMEM ? rsi_fail_no_memory() : RAGSTORE_OK;
    }
    while (to->status == RAGSTORE_OK && (found = rsi_input_next(&walk, carried)) > 0)
        carried = is_utf8 ? put_utf8(to, &walk)
                          : put_converted(to, converter, unit_of(name), &walk);
    if (!is_utf8) {
        if (found == 0 && to->status == RAGSTORE_OK)
            put_rest(to, converter);
        iconv_close(converter);
    }
    if (found == 0 && to->status == RAGSTORE_OK)
        clean(to, true);
    rsi_input_walk_free(&walk);
    return found < 0 ? found : to->status;
}

static int has_high_controls(bool *has, const rsi_input *input)
{
    rsi_input_walk walk = {.input = input};
    int found = 0;
    *has = false;
    while (!*has && (found = rsi_input_next(&walk, 0)) > 0)
        for (size_t i = 0; i < walk.size && !*has; i++)
            *has = ((unsigned char)walk.data[i] & 0xE0) == 0x80;
    rsi_input_walk_free(&walk);
    return !*has && found < 0 ? found : RAGSTORE_OK;
}

/* Convert and clean; *is_text tells whether nearly all of it turned out to be text. */
static int try_encoding(rsi_spill *text, bool *is_text, const char *encoding,
                        const rsi_input *input, uint64_t offset)
{
    decoder to = {.text = text};
    bool high_controls = false;
    bool known = false;
    int status = RAGSTORE_OK;
    *is_text = false;
    rsi_spill_free(text);
    if (strcmp(encoding, "utf-8") != 0)
        status = has_high_controls(&high_controls, input);
    if (status == RAGSTORE_OK)
        status = convert(&to, &known, larger_encoding(encoding, high_controls), input, offset);
    rsi_bytes_free(&to.piece);
    *is_text = status == RAGSTORE_OK && known && to.dropped <= 1 + to.all / 20 &&
               to.replaced <= 1 + to.all / 50;
    return status;
}

int rsi_decode(rsi_spill *text, char encoding[RSI_ENCODING_MAX], const rsi_input *input)
{
    bool is_text = false;
    for (int attempt = 0; attempt < 3 && !is_text; attempt++) {
        size_t bom_size = 0;
        int status = RAGSTORE_OK;
        if (attempt < 2)
            status = rsi_guess_encoding(encoding, &bom_size, input, attempt == 0);
        else
            snprintf(encoding, RSI_ENCODING_MAX, "windows-1252");
        if (status == RAGSTORE_OK)
            status = try_encoding(text, &is_text, encoding, input, bom_size);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (!is_text)
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                        "this is a binary file, not text in an encoding known here: convert it "
                        "to UTF-8 text, Markdown or HTML first");
    return RAGSTORE_OK;
}
