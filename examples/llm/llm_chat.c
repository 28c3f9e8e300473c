/*
 * Chat: the endpoint's stream of events, as pieces of an answer.
 *
 *   data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n … data: [DONE]\n\n
 *
 * A whole answer that comes without events is taken, too. An event that is not JSON is a failure:
 * it must not look like the end of a good answer, nor does a stream without an end.
 */
#include "llm_request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 20, TIMEOUT_SECONDS = 600 };

struct chat {
    ragstore_generation *out;
    int status; /* of the library, when it says to stop */
    bool (*stop)(void *user); /* NULL: nobody else does */
    void *stop_user;
    char *line; /* what has come of it, or of a whole answer */
    size_t size, capacity;
    bool is_stream; /* an event was seen */
    bool has_said;
    bool has_ended;        /* [DONE] or a finish_reason */
    char why[LLM_MESSAGE]; /* what is wrong with the answer, or "" */
};

static bool fail(struct chat *chat, const char *why)
{
    snprintf(chat->why, sizeof chat->why, "%s", why);
    return false;
}

static bool say(struct chat *chat, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    chat->has_said = true;
    chat->status = ragstore_generation_write(chat->out, text, strlen(text));
    return chat->status == RAGSTORE_OK;
}

/* A JSON answer: a piece of it (delta), or the whole (message). */
static bool take_json(struct chat *chat, const char *json, size_t size)
{
    json_t *event = json_loadb(json, size, 0, NULL);
    json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
    json_t *error = json_object_get(event, "error");
    const char *message =
        json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);
    bool fine = true;

    if (!json_is_object(event)) {
        fine = fail(chat, "the endpoint sent what is not JSON");
    } else if (error != NULL && !json_is_null(error)) {
        snprintf(chat->why, sizeof chat->why, "the endpoint reports an error%s%.300s",
                 message == NULL ? "" : ": ", message == NULL ? "" : message);
        fine = false;
    } else {
        json_t *delta = json_object_get(choice, "delta");
        json_t *whole = json_object_get(choice, "message");

        fine =
            say(chat, json_string_value(json_object_get(delta != NULL ? delta : whole, "content")));
        chat->has_ended = chat->has_ended || whole != NULL ||
                          json_is_string(json_object_get(choice, "finish_reason"));
    }
    json_decref(event);
    return fine;
}

/* A line of the stream. Comments and other fields than "data" say nothing. */
static bool take_line(struct chat *chat, const char *line, size_t size)
{
    if (size > 0 && line[size - 1] == '\r') {
        size--;
    }
    if (size < 5 || memcmp(line, "data:", 5) != 0) {
        return true;
    }
    line += 5;
    size -= 5;
    while (size > 0 && *line == ' ') {
        line++;
        size--;
    }
    chat->is_stream = true;
    if (size == 6 && memcmp(line, "[DONE]", 6) == 0) {
        chat->has_ended = true;
        return true;
    }
    return size == 0 || take_json(chat, line, size);
}

static bool append(struct chat *chat, const char *bytes, size_t size)
{
    if (size > LINE_MAX_BYTES || chat->size + size > LINE_MAX_BYTES) {
        return fail(chat, "the endpoint sent an event without an end");
    }
    if (chat->size + size > chat->capacity) {
        size_t capacity = (chat->size + size) * 2 + 1024;
        char *grown = realloc(chat->line, capacity);

        if (grown == NULL) {
            return fail(chat, "memory ran out");
        }
        chat->line = grown;
        chat->capacity = capacity;
    }
    memcpy(chat->line + chat->size, bytes, size);
    chat->size += size;
    return true;
}

static bool take_bytes(void *user, const char *bytes, size_t size)
{
    struct chat *chat = user;
    size_t begin = 0;

    if (!append(chat, bytes, size)) {
        return false;
    }
    if (!chat->is_stream && chat->size > 0 && chat->line[0] == '{') {
        return true; /* an answer in one piece: its end is not known yet */
    }
    for (size_t i = 0; i < chat->size; i++) {
        if (chat->line[i] != '\n') {
            continue;
        }
        if (!take_line(chat, chat->line + begin, i - begin)) {
            return false;
        }
        begin = i + 1;
    }
    memmove(chat->line, chat->line + begin, chat->size - begin);
    chat->size -= begin;
    return true;
}

static bool go_on(void *user)
{
    struct chat *chat = user;

    if (chat->status == RAGSTORE_OK) {
        chat->status = ragstore_generation_poll(chat->out);
    }
    if (chat->status == RAGSTORE_OK && chat->stop != NULL && chat->stop(chat->stop_user)) {
        chat->status = RAGSTORE_E_INTERRUPTED;
    }
    return chat->status == RAGSTORE_OK;
}

static bool has_begun(void *user)
{
    return ((struct chat *)user)->has_said;
}

static char *make_body(const struct llm_client *client, const char *messages_json,
                       uint32_t max_tokens)
{
    json_t *messages = json_loads(messages_json, 0, NULL);
    json_t *body = messages == NULL ? NULL
                                    : json_pack("{s:s, s:o, s:b, s:I, s:f}", "model", client->model,
                                                "messages", messages, "stream", 1, "max_tokens",
                                                (json_int_t)max_tokens, "temperature", 0.1);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
    return text;
}

/* What is left when the endpoint has ended. */
static bool finish(struct chat *chat)
{
    if (chat->size > 0 && chat->line[0] == '{' && !chat->is_stream) {
        return take_json(chat, chat->line, chat->size);
    }
    if (chat->size > 0 && !take_line(chat, chat->line, chat->size)) {
        return false;
    }
    return chat->has_ended || fail(chat, "the endpoint broke off before the answer's end");
}

int32_t llm_generate(void *user, ragstore_generation *out, const char *messages_json,
                     uint32_t max_tokens)
{
    return llm_generate_until(user, out, messages_json, max_tokens, NULL, NULL);
}

int32_t llm_generate_until(const struct llm_client *client, ragstore_generation *out,
                           const char *messages_json, uint32_t max_tokens,
                           bool (*stop)(void *user), void *user)
{
    struct chat chat = {.out = out, .stop = stop, .stop_user = user};
    char why[LLM_MESSAGE] = "";
    struct llm_request request = {.client = client,
                                  .path = "/chat/completions",
                                  .body = make_body(client, messages_json, max_tokens),
                                  .timeout_seconds = TIMEOUT_SECONDS,
                                  .take = take_bytes,
                                  .go_on = go_on,
                                  .has_begun = has_begun,
                                  .user = &chat};
    enum llm_outcome outcome = LLM_FAILED;

    if (request.body == NULL) {
        return RAGSTORE_E_NO_MEMORY;
    }
    outcome = llm_request_run(&request, why);
    if (outcome == LLM_DONE && chat.status == RAGSTORE_OK && !finish(&chat)) {
        outcome = LLM_STOPPED;
    }
    free((char *)request.body);
    free(chat.line);
    if (chat.status != RAGSTORE_OK) {
        return chat.status;
    }
    return outcome == LLM_DONE
               ? RAGSTORE_OK
               : ragstore_generation_fail(out, chat.why[0] != '\0' ? chat.why : why);
}
