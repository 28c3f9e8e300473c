/* Embeddings: texts to vectors, in the order in which they were given. See llm_client.h. */
#include "llm_request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_SECONDS = 120, ANSWER_MAX = 64 << 20 };

struct answer {
    const struct llm_patience *patience;
    char *bytes;
    size_t size, capacity;
    bool is_given_up; /* the caller's stop said so */
};

static bool take_bytes(void *user, const char *bytes, size_t size)
{
    struct answer *answer = user;

    if (size > ANSWER_MAX - answer->size) {
        return false;
    }
    if (answer->size + size > answer->capacity) {
        size_t capacity = (answer->size + size) * 2;
        char *grown = realloc(answer->bytes, capacity);

        if (grown == NULL) {
            return false;
        }
        answer->bytes = grown;
        answer->capacity = capacity;
    }
    memcpy(answer->bytes + answer->size, bytes, size);
    answer->size += size;
    return true;
}

static bool has_begun(void *user)
{
    ((struct answer *)user)->size = 0; /* what came of a failed attempt is forgotten */
    return false;
}

static bool go_on(void *user)
{
    struct answer *answer = user;
    const struct llm_patience *patience = answer->patience;

    answer->is_given_up = patience->stop != NULL && patience->stop(patience->user);
    return !answer->is_given_up;
}

static char *make_body(const struct llm_client *client, const char *const *texts, size_t count)
{
    json_t *input = json_array();
    json_t *body = NULL;
    char *text = NULL;

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(input, json_string(texts[i]));
    }
    if (json_array_size(input) == count) {
        body = json_pack("{s:s, s:O}", "model", client->model, "input", input);
    }
    text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    json_decref(input);
    return text;
}

static bool read_vector(float *vector, const json_t *item, size_t dimension)
{
    const json_t *numbers = json_object_get(item, "embedding");

    if (json_array_size(numbers) != dimension) {
        return false;
    }
    for (size_t i = 0; i < dimension; i++) {
        const json_t *number = json_array_get(numbers, i);

        if (!json_is_number(number)) {
            return false;
        }
        vector[i] = (float)json_number_value(number);
    }
    return true;
}

/* Each text must have got exactly one vector. */
static bool read_answer(float *vectors, const struct answer *answer, size_t count, size_t dimension,
                        char *why)
{
    json_t *json = answer->size == 0 ? NULL : json_loadb(answer->bytes, answer->size, 0, NULL);
    json_t *data = json_object_get(json, "data");
    bool *seen = calloc(count + 1, sizeof *seen);
    bool fine = seen != NULL && json_array_size(data) == count;

    for (size_t i = 0; fine && i < count; i++) {
        json_t *item = json_array_get(data, i);
        json_t *index = json_object_get(item, "index");
        json_int_t place = json_is_integer(index) ? json_integer_value(index) : (json_int_t)i;

        fine = place >= 0 && (size_t)place < count && !seen[place] &&
               read_vector(vectors + (size_t)place * dimension, item, dimension);
        if (fine) {
            seen[place] = true;
        }
    }
    if (!fine) {
        snprintf(why, LLM_MESSAGE, "the endpoint did not send %zu vectors of %zu numbers", count,
                 dimension);
    }
    free(seen);
    json_decref(json);
    return fine;
}

/* Have the texts embedded; *answer receives what the endpoint sent, to be freed in any case. */
static bool ask(struct answer *answer, const struct llm_client *client, const char *const *texts,
                size_t count, const struct llm_patience *patience, char *why)
{
    static const struct llm_patience usual = {0};
    const struct llm_patience *limits = patience == NULL ? &usual : patience;
    struct llm_request request = {
        .client = client,
        .path = "/embeddings",
        .body = make_body(client, texts, count),
        .timeout_seconds = limits->answer_seconds > 0 ? limits->answer_seconds : TIMEOUT_SECONDS,
        .connect_seconds = limits->connect_seconds,
        .attempts = limits->attempts,
        .is_away = limits->is_away,
        .take = take_bytes,
        .go_on = go_on,
        .has_begun = has_begun,
        .user = answer};
    enum llm_outcome outcome = LLM_FAILED;

    *answer = (struct answer){.patience = limits};
    snprintf(why, LLM_MESSAGE, "memory ran out, or a text is not UTF-8");
    if (request.body != NULL) {
        outcome = llm_request_run(&request, why);
    }
    if (outcome == LLM_STOPPED) {
        snprintf(why, LLM_MESSAGE, "%s",
                 answer->is_given_up ? "it was told to stop" : "the endpoint's answer is too long");
    }
    free((char *)request.body);
    return outcome == LLM_DONE;
}

bool llm_embed(float *vectors, const struct llm_client *client, const char *const *texts,
               size_t count, size_t dimension, const struct llm_patience *patience, char *why)
{
    struct answer answer;
    bool fine = ask(&answer, client, texts, count, patience, why) &&
                read_answer(vectors, &answer, count, dimension, why);

    free(answer.bytes);
    return fine;
}

size_t llm_embed_dimension(const struct llm_client *client, const struct llm_patience *patience,
                           char *why)
{
    static const char *const word = "granite";
    struct answer answer;
    size_t dimension = 0;

    if (ask(&answer, client, &word, 1, patience, why)) {
        json_t *json =
            answer.size == 0 ? NULL : json_loadb(answer.bytes, answer.size, 0, NULL);
        json_t *item = json_array_get(json_object_get(json, "data"), 0);

        dimension = json_array_size(json_object_get(item, "embedding"));
        if (dimension == 0) {
            snprintf(why, LLM_MESSAGE, "the endpoint did not send a vector of numbers");
        }
        json_decref(json);
    }
    free(answer.bytes);
    return dimension;
}
