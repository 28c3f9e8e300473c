/*
 * A client for language models behind an OpenAI-compatible endpoint: chat and embeddings.
 *
 *     struct llm_client client;
 *     if (llm_client_open(&client, "http://127.0.0.1:8080/v1", "a-model")) {
 *         options.generate = llm_generate;
 *         options.generate_user = &client;
 *     }
 *
 * The key comes from the environment, RAGSTORE_LLM_API_KEY or OPENAI_API_KEY, and is in no message.
 * Redirects are not followed. Busy endpoints (429, 5xx) are asked again, later each time, as long
 * as nothing was said. Any number of threads may use one client.
 */
#ifndef LLM_CLIENT_H
#define LLM_CLIENT_H

#include <ragstore.h>
#include <stdbool.h>

struct llm_client {
    char *url; /* without a slash at the end */
    char *model;
    char *key; /* NULL: none */
};

enum { LLM_MESSAGE = 512 };

/* False when memory is short or the URL is neither http nor https; `why` (LLM_MESSAGE bytes, or
 * NULL) says which. */
bool llm_client_open(struct llm_client *client, const char *url, const char *model, char *why);
void llm_client_close(struct llm_client *client);

/* As ragstore_session_ask_options.generate wants it; user is a struct llm_client. */
int32_t llm_generate(void *user, ragstore_generation *out, const char *messages_json,
                     uint32_t max_tokens);

/* The same, but ends with RAGSTORE_E_INTERRUPTED soon after `stop` has returned true; it is asked
 * about once a second, and whenever something comes. */
int32_t llm_generate_until(const struct llm_client *client, ragstore_generation *out,
                           const char *messages_json, uint32_t max_tokens,
                           bool (*stop)(void *user), void *user);

/* How much a caller waits for. */
struct llm_patience {
    unsigned attempts;       /* while the endpoint is busy or away; 0: 4 */
    unsigned connect_seconds; /* 0: 10 */
    unsigned answer_seconds; /* the whole of one attempt; 0: 120 */
    bool (*stop)(void *user); /* asked about once a second; NULL: nobody gives up before */
    void *user;
    bool *is_away; /* set when it failed: whether the endpoint is out of reach or busy, so that a
                      later try may get by; or NULL */
};

/*
 * Turn texts into vectors: `vectors` has room for count × dimension numbers. False, and `why`
 * (LLM_MESSAGE bytes) says it, when the endpoint fails or its vectors have another dimension.
 * `patience` may be NULL.
 */
bool llm_embed(float *vectors, const struct llm_client *client, const char *const *texts,
               size_t count, size_t dimension, const struct llm_patience *patience, char *why);

/* How many numbers the model's vectors have, found by embedding a word; 0, and `why` says it, when
 * the endpoint fails. */
size_t llm_embed_dimension(const struct llm_client *client, const struct llm_patience *patience,
                           char *why);

#endif
