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

typedef struct rsi_session_page {
    uint64_t limit;
    uint64_t offset;
    const char *match; /* NULL: all */
    bool newest_first; /* by their last activity; otherwise in the order in which they came */
} rsi_session_page;
int rsi_session_list(rsi_bytes *out, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_session_page *page);

/* ---- changing (session_change.c) ---- */

#define RSI_SESSION_VERSION_SIZE 17 /* 16 digits and NUL */

/* What is to become of a record's members; NULL: they stay. */
typedef struct rsi_session_change {
    const char *name;
    const char *metadata_json; /* checked */
    const char *last_activity;
} rsi_session_change;

/* Put the record with a change into a transaction. */
int rsi_session_put(rsi_tx *tx, const rsi_session_record *record, const rsi_session_change *change);
/* A text that changes with each change of the session, messages included. */
int rsi_session_version(char version[RSI_SESSION_VERSION_SIZE], rsi_store *store,
                        const char *session_id);
/* Change name and metadata (as given, not checked yet), if it has this version (NULL: any).
 * CONFLICT. */
int rsi_session_update(rsi_store *store, const char *session_id, const rsi_session_change *change,
                       const char *version);

/* ---- searching (session_search.c) ---- */

/* Messages that have each word of `query`, the newest first, as a JSON array. session_id NULL: of
 * all sessions of the entity. */
int rsi_session_search(rsi_bytes *out, rsi_store *store, const char *entity_id,
                       const char *incarnation, const char *query, const char *session_id,
                       const rsi_session_page *page);

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
