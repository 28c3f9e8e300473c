/*
 * Regular expressions: see regex.h.
 *
 * What a match needs besides the pattern is kept with it for the next match; a thread that finds
 * it taken makes its own. The patterns work on characters, and those of UTF-8 by their Unicode
 * properties only where the pattern says so, as MongoDB has it.
 */
#include "query/regex.h"

#include "base/memory.h"
#include "base/status.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdatomic.h>
#include <string.h>

struct rsi_regex {
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *limits;
    _Atomic(pcre2_match_data *) spare; /* NULL while a thread uses it */
};

static void *allocate(size_t size, void *user)
{
    (void)user;
    return rsi_alloc(size);
}

static void release(void *block, void *user)
{
    (void)user;
    rsi_free(block);
}

static int read_options(uint32_t *flags, const char *options)
{
    for (; *options != '\0'; options++) {
        switch (*options) {
        case 'i':
            *flags |= PCRE2_CASELESS;
            break;
        case 'm':
            *flags |= PCRE2_MULTILINE;
            break;
        case 's':
            *flags |= PCRE2_DOTALL;
            break;
        case 'x':
            *flags |= PCRE2_EXTENDED;
            break;
        case 'u': /* it always is */
            break;
        default:
            return rsi_fail(RAGSTORE_E_QUERY, "query", "the options are letters of \"imsxu\"");
        }
    }
    return RAGSTORE_OK;
}

/* PCRE2's word for a failed compilation. */
static int refuse(int error, size_t offset)
{
    PCRE2_UCHAR text[160];

    if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
        return rsi_fail_no_memory();
    pcre2_get_error_message(error, text, sizeof text);
    return rsi_fail(RAGSTORE_E_QUERY, "query", "at offset %zu of the pattern: %s", offset,
                    (const char *)text);
}

static int compile_pattern(rsi_regex *regex, const char *pattern, size_t size, uint32_t flags)
{
    int error = 0;
    PCRE2_SIZE offset = 0;

    pcre2_compile_context *context = pcre2_compile_context_create(regex->memory);
    if (context == NULL)
        return rsi_fail_no_memory();
    pcre2_set_parens_nest_limit(context, 100);
    regex->code = pcre2_compile((PCRE2_SPTR)pattern, size, flags, &error, &offset, context);
    pcre2_compile_context_free(context);
    /* PCRE2 calls memory that ran out error 121 here */
    if (regex->code == NULL && error == PCRE2_ERROR_HEAP_FAILED)
        return rsi_fail_no_memory();
    return regex->code != NULL ? RAGSTORE_OK : refuse(error, offset);
}

int rsi_regex_compile(rsi_regex **out, const char *pattern, size_t size, const char *options)
{
    uint32_t flags = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;

    *out = NULL;
    int status = read_options(&flags, options);
    if (status != RAGSTORE_OK)
        return status;
    if (size > RSI_REGEX_PATTERN_MAX)
        return rsi_fail(RAGSTORE_E_QUERY, "query", "a pattern of more than %d bytes",
                        RSI_REGEX_PATTERN_MAX);
    rsi_regex *regex = rsi_alloc_zeroed(sizeof *regex);
    if (regex == NULL)
        return RAGSTORE_E_NO_MEMORY;
    regex->memory = pcre2_general_context_create(allocate, release, NULL);
    status =
        regex->memory == NULL ? rsi_fail_no_memory() : compile_pattern(regex, pattern, size, flags);
    if (status == RAGSTORE_OK) {
        regex->limits = pcre2_match_context_create(regex->memory);
        if (regex->limits == NULL)
            status = rsi_fail_no_memory();
    }
    if (status != RAGSTORE_OK) {
        rsi_regex_free(regex);
        return status;
    }
    pcre2_set_match_limit(regex->limits, RSI_REGEX_STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, RSI_REGEX_STEPS_MAX);
    pcre2_set_heap_limit(regex->limits, RSI_REGEX_HEAP_MAX_KIB);
    *out = regex;
    return RAGSTORE_OK;
}

void rsi_regex_free(rsi_regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_match_data_free(atomic_load(&regex->spare));
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->memory);
    rsi_free(regex);
}

static int match_bytes(bool *matched, rsi_regex *regex, const char *text, size_t size)
{
    pcre2_match_data *data = atomic_exchange(&regex->spare, NULL);
    PCRE2_UCHAR message[160];

    if (data == NULL)
        data = pcre2_match_data_create(1, regex->memory);
    if (data == NULL)
        return rsi_fail_no_memory();
    int result = pcre2_match(regex->code, (PCRE2_SPTR)text, size, 0, 0, data, regex->limits);
    pcre2_match_data *other = atomic_exchange(&regex->spare, data);
    pcre2_match_data_free(other);

    *matched = result >= 0;
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH)
        return RAGSTORE_OK;
    if (result == PCRE2_ERROR_NOMEMORY)
        return rsi_fail_no_memory();
    pcre2_get_error_message(result, message, sizeof message);
    return rsi_fail(RAGSTORE_E_QUERY, "query", "$regex: %s", (const char *)message);
}

int rsi_regex_matches(bool *matched, rsi_regex *regex, const rsi_json_view *text)
{
    rsi_bytes decoded = {0};

    *matched = false;
    if (!text->escaped)
        return match_bytes(matched, regex, text->text, (size_t)(text->end - text->text));
    rsi_json_view_append_text(&decoded, text);
    int status = rsi_bytes_status(&decoded);
    if (status == RAGSTORE_OK)
        status = match_bytes(matched, regex, decoded.data, decoded.size);
    rsi_bytes_free(&decoded);
    return status;
}
