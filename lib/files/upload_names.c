/*
 * Names for uploaded files: see paths.h.
 *
 *   wanted     "C:\docs\ Q3 report.pdf"        what a client sent, anything at all
 *   base                 "Q3 report.pdf"        behind the last slash, trimmed, cleaned
 *   attempt 1            "Q3 report (2).pdf"    stem, number, extension; together <= 200 bytes
 *
 * Called by ingest for new uploads, and as the check of names read from records. No state.
 */
#include "files/paths.h"

#include "base/utf8.h"
#include "files/name_rules.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 200
#define EXTENSION_MAX 20 /* longer ones are part of the stem */
#define FALLBACK "upload"

static bool is_refused(uint32_t c)
{
    return rsi_is_slash(c) || rsi_is_control(c);
}

/* The code point that ends at text[size], where it starts in *start. size > 0, valid UTF-8. */
static uint32_t last_character(const char *text, size_t size, size_t *start)
{
    size_t at = size - 1;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    *start = at;
    return rsi_utf8_next(text, size, &at);
}

static size_t without_trailing_space(const char *text, size_t size)
{
    size_t start;
    while (size > 0 && rsi_is_white_space(last_character(text, size, &start)))
        size = start;
    return size;
}

bool rsi_upload_name_is_safe(const char *name)
{
    size_t size = strnlen(name, NAME_MAX_BYTES + 1);

    if (size == 0 || size > NAME_MAX_BYTES || name[0] == '.' || !rsi_utf8_valid(name, size, NULL))
        return false;
    for (size_t at = 0; at < size;) {
        bool first = at == 0;
        uint32_t c = rsi_utf8_next(name, size, &at);
        if (is_refused(c) || (first && rsi_is_white_space(c)))
            return false;
    }
    return without_trailing_space(name, size) == size;
}

/*
 * Copy the base name of `wanted`: bytes that are not UTF-8 and control characters become '_',
 * leading dots and white space go, so does white space at the end. What does not fit the room is
 * left off; no file system has names of that length.
 */
static size_t clean_base_name(char *out, size_t room, const char *wanted)
{
    const char *slash = strrchr(wanted, '/');
    const char *base = slash == NULL ? wanted : slash + 1;
    const char *backslash = strrchr(base, '\\');
    if (backslash != NULL)
        base = backslash + 1;

    size_t wanted_size = strlen(base);
    size_t size = 0;
    for (size_t at = 0; at < wanted_size;) {
        size_t start = at;
        uint32_t c = rsi_utf8_next(base, wanted_size, &at);
        bool broken = !rsi_utf8_valid(base + start, at - start, NULL);
        if (size == 0 && (c == '.' || rsi_is_white_space(c)) && !broken)
            continue;
        if (size + 4 > room)
            break;
        if (broken || is_refused(c)) {
            out[size++] = '_';
        } else {
            memcpy(out + size, base + start, at - start);
            size += at - start;
        }
    }
    return without_trailing_space(out, size);
}

/* Where the last dot stands when a short extension (ASCII letters, digits) follows; else size. */
static size_t stem_size(const char *name, size_t size)
{
    for (size_t at = size; at > 1 && size - at < EXTENSION_MAX; at--) {
        char c = name[at - 1];
        if (c == '.')
            return at - 1;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            break;
    }
    return size;
}

void rsi_upload_name(char out[256], const char *wanted, unsigned attempt)
{
    char base[4 * NAME_MAX_BYTES];
    char number[16] = "";

    size_t size = clean_base_name(base, sizeof base, wanted == NULL ? "" : wanted);
    if (size == 0) {
        size = strlen(FALLBACK);
        memcpy(base, FALLBACK, size);
    }
    if (attempt > 0)
        snprintf(number, sizeof number, " (%llu)", (unsigned long long)attempt + 1);

    size_t stem = stem_size(base, size);
    size_t extension = size - stem;
    size_t room = NAME_MAX_BYTES - strlen(number) - extension;
    size_t kept = stem <= room ? stem : rsi_utf8_floor(base, stem, room);

    int length =
        snprintf(out, 256, "%.*s%s%.*s", (int)kept, base, number, (int)extension, base + stem);
    out[without_trailing_space(out, (size_t)length)] = '\0';
}
