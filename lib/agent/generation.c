/* What a language model says: see generation.h. */
#include "agent/generation.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define BYTES_PER_TOKEN 8 /* more than any text has on average */
#define ANSWER_BYTES_MAX ((size_t)512 << 10)

static int stop(ragstore_generation *generation, int status)
{
    if (status != RAGSTORE_OK && generation->status == RAGSTORE_OK) {
        generation->status = status;
        rsi_error_save(&generation->error);
    }
    return status;
}

int rsi_generation_poll(ragstore_generation *generation)
{
    if (generation->status != RAGSTORE_OK)
        return generation->status;
    int status = rsi_store_check_interrupt(generation->store, generation->epoch);
    if (status == RAGSTORE_OK && rsi_monotonic_ms() > generation->deadline_ms)
        status = rsi_fail(RAGSTORE_E_MODEL, "agent", "the language model took too long");
    return stop(generation, status);
}

/* ---- out ---- */

static int say(ragstore_generation *generation, const char *text, size_t size)
{
    const rsi_agent_listener *listener = generation->listener;
    if (size == 0)
        return RAGSTORE_OK;
    if (!generation->has_begun && generation->begin != NULL) {
        generation->has_begun = true;
        int status = generation->begin(generation->begin_user);
        if (status != RAGSTORE_OK)
            return stop(generation, status);
    }
    rsi_bytes_append(&generation->text, text, size);
    int status = rsi_bytes_status(&generation->text);
    if (status == RAGSTORE_OK && listener != NULL && listener->on_text != NULL &&
        listener->on_text(listener->user, text, size) != 0)
        status = rsi_fail(RAGSTORE_E_INTERRUPTED, "agent", "the listener cancelled the answer");
    return stop(generation, status);
}

/* ---- citations ---- */

/* "[1]", "[1, 3]": the numbers that were given stay; false: this is no citation at all. */
static bool read_citation(ragstore_generation *generation, char *out, size_t out_size)
{
    size_t written = 0;
    unsigned kept = 0;
    unsigned numbers = 0;
    const char *at = generation->held + 1;
    const char *end = generation->held + generation->held_size - 1;
    written += (size_t)snprintf(out, out_size, "[");
    while (at < end) {
        size_t number = 0;
        if (*at < '0' || *at > '9') {
            at++;
            continue;
        }
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            number = number < 100000 ? number * 10 + (size_t)(*at - '0') : number;
        numbers++;
        if (number < 1 || number > generation->passages || number > RSI_CITED_MAX) {
            generation->dropped++;
            continue;
        }
        generation->cited |= UINT64_C(1) << (number - 1);
        written += (size_t)snprintf(out + written, out_size - written, "%s%zu",
                                    kept++ > 0 ? ", " : "", number);
    }
    snprintf(out + written, out_size - written, "]");
    if (kept == 0)
        out[0] = '\0';
    return numbers > 0;
}

static int release_held(ragstore_generation *generation)
{
    const size_t size = generation->held_size;
    generation->held_size = 0;
    return say(generation, generation->held, size);
}

static int end_citation(ragstore_generation *generation)
{
    char citation[RSI_GENERATION_HELD_MAX * 4];
    if (!read_citation(generation, citation, sizeof citation))
        return release_held(generation);
    generation->held_size = 0;
    return say(generation, citation, strlen(citation));
}

static bool may_be_in_citation(char c)
{
    return (c >= '0' && c <= '9') || c == ',' || c == ' ' || c == ';';
}

/* Whole characters, with what could become a citation held back. */
static int filter(ragstore_generation *generation, const char *text, size_t size)
{
    size_t plain = 0; /* where what may go through began */
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < size; i++) {
        const char c = text[i];
        if (generation->held_size > 0) {
            bool full = generation->held_size + 1 == RSI_GENERATION_HELD_MAX;
            if (c == ']' || (may_be_in_citation(c) && !full)) {
                generation->held[generation->held_size++] = c;
                plain = i + 1;
                if (c == ']')
                    status = end_citation(generation);
                continue;
            }
            status = release_held(generation);
            plain = i;
        }
        if (status == RAGSTORE_OK && c == '[' && generation->passages > 0) {
            status = say(generation, text + plain, i - plain);
            generation->held[0] = c;
            generation->held_size = 1;
            plain = i + 1;
        }
    }
    return status == RAGSTORE_OK && plain < size ? say(generation, text + plain, size - plain)
                                                 : status;
}

/* ---- characters ---- */

/* How many bytes a character has whose first is this. */
static size_t length_of(unsigned char lead)
{
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
}

static int repair(rsi_bytes *out, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        char encoded[4];
        uint32_t c = rsi_utf8_next(bytes, size, &at);
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        if (!control)
            rsi_bytes_append(out, encoded, rsi_utf8_encode(c, encoded));
    }
    return rsi_bytes_status(out);
}

/* What is behind the last whole character waits for the rest of it. */
static size_t unfinished(const char *bytes, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)bytes[size - back];
        if (c < 0x80)
            return 0;
        if (c >= 0xC0)
            return length_of(c) > back ? back : 0;
    }
    return 0;
}

int rsi_generation_write(ragstore_generation *generation, const char *text, size_t size)
{
    rsi_bytes raw = {0};
    rsi_bytes whole = {0};
    int status = rsi_generation_poll(generation);
    if (status != RAGSTORE_OK || generation->is_cut)
        return status != RAGSTORE_OK ? status : RAGSTORE_E_TOO_LARGE;
    const size_t room = generation->bytes_max > generation->text.size
                            ? generation->bytes_max - generation->text.size
                            : 0;
    const bool over = size > room;
    rsi_bytes_append(&raw, generation->broken, generation->broken_size);
    rsi_bytes_append(&raw, text, over ? room : size);
    status = rsi_bytes_status(&raw);
    if (status == RAGSTORE_OK && raw.size > 0) {
        generation->broken_size = unfinished(raw.data, raw.size);
        memcpy(generation->broken, raw.data + raw.size - generation->broken_size,
               generation->broken_size);
        status = repair(&whole, raw.data, raw.size - generation->broken_size);
    }
    if (status == RAGSTORE_OK && whole.size > 0)
        status = filter(generation, whole.data, whole.size);
    rsi_bytes_free(&raw);
    rsi_bytes_free(&whole);
    generation->is_cut = over;
    stop(generation, status);
    return status == RAGSTORE_OK && over ? RAGSTORE_E_TOO_LARGE : status;
}

int rsi_generation_fail(ragstore_generation *generation, const char *reason)
{
    rsi_bytes line = {0};
    generation->refusal = RAGSTORE_E_MODEL;
    if (repair(&line, reason, strlen(reason)) == RAGSTORE_OK && line.size > 0) {
        const size_t most = RSI_GENERATION_REASON_MAX - 1;
        const size_t size =
            line.size <= most ? line.size : rsi_utf8_floor(line.data, line.size, most);
        memcpy(generation->reason, line.data, size);
        generation->reason[size] = '\0';
        for (size_t i = 0; i < size; i++)
            if (generation->reason[i] == '\n' || generation->reason[i] == '\t')
                generation->reason[i] = ' ';
    }
    rsi_bytes_free(&line);
    return RAGSTORE_E_MODEL;
}

/* ---- the call ---- */

static int settle(const ragstore_generation *generation, int32_t returned)
{
    if (generation->status != RAGSTORE_OK) {
        rsi_error_restore(&generation->error);
        return generation->status;
    }
    if (returned == RAGSTORE_OK || generation->is_cut)
        return RAGSTORE_OK;
    if (returned == RAGSTORE_E_NO_MEMORY)
        return rsi_fail_no_memory();
    return rsi_fail(RAGSTORE_E_MODEL, "agent", "the language model failed: %s",
                    generation->reason[0] != '\0' ? generation->reason
                                                  : rsi_status_text((int)returned));
}

int rsi_generate(ragstore_generation *generation, const rsi_agent_model *model,
                 const char *messages_json, uint32_t max_tokens)
{
    const size_t bytes = (size_t)max_tokens * BYTES_PER_TOKEN;
    generation->magic = RSI_MAGIC_GENERATION;
    generation->epoch = rsi_store_epoch(generation->store);
    generation->deadline_ms = rsi_monotonic_ms() + model->timeout_ms;
    generation->bytes_max = bytes < ANSWER_BYTES_MAX ? bytes : ANSWER_BYTES_MAX;
    int32_t returned = model->generate(model->user, generation, messages_json, max_tokens);
    generation->magic = 0;
    if (generation->status == RAGSTORE_OK)
        stop(generation, release_held(generation));
    return settle(generation, returned);
}

void rsi_generation_free(ragstore_generation *generation)
{
    rsi_bytes_free(&generation->text);
}
