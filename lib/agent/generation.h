/*
 * What a language model says, piece by piece, on its way to the listener and into the answer.
 *
 *   model's bytes ─► whole, valid characters ─► [n] that were given pass, others go ─► text
 *                                                                                  └─► listener
 *
 * The model is the application's callback; it may write anything. Stops it at the token limit, at
 * the deadline, and when the listener or an interrupt cancels. One thread.
 */
#ifndef RSI_AGENT_GENERATION_H
#define RSI_AGENT_GENERATION_H

#include "agent/agent.h"
#include "base/status.h"

#define RSI_MAGIC_GENERATION 0x52535410u
#define RSI_GENERATION_REASON_MAX 512
#define RSI_GENERATION_HELD_MAX 40 /* of what could become a citation */
#define RSI_CITED_MAX 64

struct ragstore_generation {
    uint32_t magic;
    rsi_store *store;
    uint64_t epoch; /* of the store's interrupts */
    int64_t deadline_ms;
    size_t bytes_max;
    size_t passages; /* [1] to [passages] may be cited; 0: all brackets go through */
    const rsi_agent_listener *listener; /* NULL: nobody listens */
    int (*begin)(void *user);           /* before the first text; NULL: nothing to do */
    void *begin_user;
    rsi_bytes text;
    char broken[4]; /* a character that has not come whole yet */
    size_t broken_size;
    char held[RSI_GENERATION_HELD_MAX]; /* from a '[' on */
    size_t held_size;
    uint64_t cited;   /* bit n - 1: [n] was */
    uint32_t dropped; /* citations of what was not given */
    bool has_begun;
    bool is_cut;           /* at the token limit */
    int status;            /* why it has to stop; sticky */
    rsi_saved_error error; /* of that */
    int refusal;           /* what the callback says of its own failure */
    char reason[RSI_GENERATION_REASON_MAX];
};

/* The public calls. */
int rsi_generation_write(ragstore_generation *generation, const char *text, size_t size);
int rsi_generation_poll(ragstore_generation *generation);
int rsi_generation_fail(ragstore_generation *generation, const char *reason);

/* Call the model. What it said is in generation->text, whatever the status: MODEL (it failed, or
 * took too long), INTERRUPTED, NO_MEMORY. Cut at the token limit is OK. */
int rsi_generate(ragstore_generation *generation, const rsi_agent_model *model,
                 const char *messages_json, uint32_t max_tokens);
void rsi_generation_free(ragstore_generation *generation);

#endif
