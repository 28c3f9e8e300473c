/*
 * One POST of JSON to the endpoint, with time limits and repeats: what chat and embeddings share.
 */
#ifndef LLM_REQUEST_H
#define LLM_REQUEST_H

#include "llm_client.h"

struct llm_request {
    const struct llm_client *client;
    const char *path; /* below the client's URL, such as "/embeddings" */
    const char *body; /* JSON */
    long timeout_seconds;
    long connect_seconds; /* 0: 10 */
    unsigned attempts;    /* 0: 4 */
    bool *is_away;        /* set when it failed: whether a later try may get by; or NULL */
    /* Takes the bytes of a good answer; false stops. */
    bool (*take)(void *user, const char *bytes, size_t size);
    /* Asked several times a second; false stops. May be NULL. */
    bool (*go_on)(void *user);
    /* Has something been taken that cannot be taken back? Then nothing is repeated. */
    bool (*has_begun)(void *user);
    void *user;
};

enum llm_outcome {
    LLM_DONE,    /* the whole answer was taken */
    LLM_STOPPED, /* take or go_on said so */
    LLM_FAILED,  /* `why` says how */
};

enum llm_outcome llm_request_run(const struct llm_request *request, char *why);

#endif
