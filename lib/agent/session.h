/*
 * Sessions: conversations about one entity, with their messages as numbered rows. A session and
 * its entity go together: it is found by its id alone, and names the entity's incarnation, so that
 * it never speaks about another entity of the same id.
 */
#ifndef RSI_AGENT_SESSION_H
#define RSI_AGENT_SESSION_H

#include "agent/agent.h"

#define RSI_SESSION_ID_MAX 21 /* "session_", 12 digits, NUL */
#define RSI_MESSAGE_BYTES_MAX ((size_t)1 << 20)

/* A parsed record; the texts are borrowed from `json`. */
typedef struct rsi_session_record {
    rsi_json *json; /* owned */
    const char *id;
    const char *entity_id;
    const char *incarnation; /* of the entity */
} rsi_session_record;

int rsi_session_read(rsi_session_record *record, rsi_store *store, const char *session_id);
void rsi_session_record_free(rsi_session_record *record);

int rsi_session_create(char session_id[RSI_SESSION_ID_MAX], rsi_store *store,
                       const char *entity_id, const char *incarnation, const char *name,
                       const char *metadata_json);
int rsi_session_delete(rsi_store *store, const char *session_id);
int rsi_session_describe(rsi_bytes *out, rsi_store *store, const char *session_id);
int rsi_session_list(rsi_bytes *out, rsi_store *store, const char *entity_id,
                     const char *incarnation, uint64_t limit, uint64_t offset, const char *match);

/* One message. *json (may be NULL) receives it as callers see it. */
int rsi_session_append(uint64_t *number, rsi_bytes *json, rsi_store *store,
                       const char *session_id, const char *role, const char *content,
                       const char *metadata_json);
/* The newest `limit` messages with numbers below `before`, oldest first, as a JSON array. */
int rsi_session_messages(rsi_bytes *out, rsi_store *store, const char *session_id, uint64_t limit,
                         uint64_t before);

typedef struct rsi_session_question {
    const char *message;
    const char *const *doc_ids;
    size_t doc_ids_count;
    const char *filter_json;
    uint32_t k;
    const rsi_agent_model *model; /* NULL: extractive */
} rsi_session_question;

/*
 * Store the message, answer it, store the answer; *message_json receives the stored answer. When a
 * listener cancels, or the model fails in the middle, what was said so far is stored and marked,
 * *answer is filled, and the status is INTERRUPTED or MODEL.
 */
int rsi_session_ask(rsi_agent_answer *answer, rsi_bytes *message_json, rsi_store *store,
                    const char *session_id, const rsi_session_question *question,
                    const rsi_agent_listener *listener);

#endif
