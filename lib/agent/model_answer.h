/*
 * Answers by a language model, which is the application's callback.
 *
 *   message, conversation ─► searches (rewritten by the model when it is a follow-up)
 *     ─► hits of all of them, fused and without doubles ─► passages with their neighbours, in
 * budget ─► prompt (model_prompt.c) ─► the model, streamed (generation.h) ─► text, sources,
 * citations
 *
 * A model that fails before it says anything costs no turn: the answer is extractive then, and says
 * why in its metadata. One that fails in the middle leaves what it said.
 */
#ifndef RSI_AGENT_MODEL_ANSWER_H
#define RSI_AGENT_MODEL_ANSWER_H

#include "agent/agent.h"

/* As rsi_agent_answer_question(), for a question with a model. MODEL: it failed in the middle, and
 * *answer holds what it said, or before it said anything, and *answer is empty. */
int rsi_model_answer(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_agent_question *question,
                     const rsi_agent_listener *listener);

/* extractive.c: what is searched for without a model. */
int rsi_agent_search_text(rsi_bytes *text, const rsi_agent_question *question);

/* model_prompt.c: chat messages as a JSON array of {role, content}. */
int rsi_prompt_rewrite(rsi_bytes *out, const rsi_agent_question *question,
                       const rsi_agent_model *model);
/* How many of the passages fit, best first; at least one. */
size_t rsi_prompt_fit(const rsi_agent_question *question, const rsi_agent_model *model,
                      char *const *texts, size_t count);
int rsi_prompt_answer(rsi_bytes *out, const rsi_agent_question *question,
                      const rsi_agent_model *model, const rsi_result *sources, char *const *texts,
                      size_t count);

#endif
