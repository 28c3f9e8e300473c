/*
 * The research agent: from a message in a conversation to a cited answer.
 *
 * Nothing of it is kept: it is made from the stored session whenever it is needed. Without a
 * language model it answers extractively: it quotes the sentences of the found passages that best
 * answer the message, each with the number of its source, or says that nothing does.
 */
#ifndef RSI_AGENT_AGENT_H
#define RSI_AGENT_AGENT_H

#include "ragstore.h"
#include "search/search.h"

/* A language model: the callback of ragstore_session_ask_options, and its limits; none is 0. */
typedef struct rsi_agent_model {
    int32_t (*generate)(void *user, ragstore_generation *out, const char *messages_json,
                        uint32_t max_tokens);
    void *user;
    uint32_t max_answer_tokens;
    uint32_t max_prompt_tokens;
    uint32_t timeout_ms;
} rsi_agent_model;

typedef struct rsi_agent_question {
    const char *message; /* what the user says now */
    /* Earlier messages of the conversation, oldest first; may be NULL when history_count is 0. */
    const struct rsi_agent_turn {
        bool is_user;
        const char *content;
    } *history;
    size_t history_count;
    const char *const *doc_ids;
    size_t doc_ids_count;
    const char *filter_json;
    uint32_t k; /* passages to draw on: 1 to 50 */
    const rsi_agent_model *model; /* NULL: answer extractively */
} rsi_agent_question;

typedef struct rsi_agent_answer {
    char *text;          /* UTF-8, with [n] behind each quotation; an extractive one has at most 400
                            bytes */
    rsi_result *sources; /* the hit at n - 1 is what [n] cites; nothing that is not cited */
    /* Metadata of the stored message, a JSON object: mode ("extractive"), answered (bool),
     * citations: [{n, doc_id, doc_name, chunk_number, page, start, end, quote}]. Of a model: mode
     * "model", sources are all passages that it was given, citations have no quote, and there may
     * be dropped_citations, finish and model_error. */
    char *metadata;
} rsi_agent_answer;

typedef struct rsi_agent_listener {
    int (*on_sources)(void *user, const rsi_result *sources); /* non-zero cancels; may be NULL */
    int (*on_text)(void *user, const char *text, size_t size); /* non-zero cancels; may be NULL */
    void *user;
} rsi_agent_listener;

/*
 * Answer. When a listener cancels, the answer holds what was said so far and the status is
 * INTERRUPTED (and *answer is still filled); the same with MODEL when the language model failed in
 * the middle. One that fails before it says anything is replaced by an extractive answer, with
 * model_error in its metadata. On any other failure *answer is empty.
 */
int rsi_agent_answer_question(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                              const char *incarnation, const rsi_agent_question *question,
                              const rsi_agent_listener *listener);
void rsi_agent_answer_free(rsi_agent_answer *answer);

#endif
