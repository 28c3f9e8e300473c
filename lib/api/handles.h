/*
 * What the public handles are made of, and the one way into the library.
 *
 * Each handle begins with a magic number that tells its kind. What ragstore_store_open() made, the
 * core, is shared by its handles and counted: closing makes every later call answer CLOSED; the
 * memory goes with the last handle, in whatever order they are freed. The disk work is done when
 * the last core of a store is closed.
 *
 *   exported function:  status = rsi_enter(&core, handle…);  …  return rsi_leave(core, status);
 */
#ifndef RSI_API_HANDLES_H
#define RSI_API_HANDLES_H

#include "agent/session.h"
#include "collections/collections.h"
#include "ingest/document.h"
#include "entities/open_stores.h"
#include "ragstore.h"

#define RSI_MAGIC_STORE 0x52535401u
#define RSI_MAGIC_BATCH 0x52535402u
#define RSI_MAGIC_ENTITY 0x52535403u
#define RSI_MAGIC_DOCUMENT 0x52535404u
#define RSI_MAGIC_UPLOAD 0x52535405u
#define RSI_MAGIC_RESULT 0x52535406u
#define RSI_MAGIC_SESSION 0x52535407u
#define RSI_MAGIC_ANSWER 0x52535408u
#define RSI_MAGIC_INDEX 0x52535409u
#define RSI_MAGIC_MODEL 0x5253540Au
#define RSI_MAGIC_BUFFER 0x5253540Bu
#define RSI_MAGIC_COLLECTION 0x5253540Cu
#define RSI_MAGIC_CURSOR 0x5253540Du
#define RSI_MAGIC_JOB 0x52535410u
#define RSI_MAGIC_FREED 0xDEADF0EDu

/* An open store, shared by its handles. */
typedef struct rsi_core {
    rsi_store *store;   /* other cores of this process may share it (open_stores.h) */
    rsi_store_log log;  /* who hears of what happens */
    rsi_job_extractor extractor; /* of this handle; .call is NULL: none */
    bool read_only;     /* this handle's wish: the store itself may be open for writing */
    uint64_t process;   /* a fork's child may not use it */
    pthread_mutex_t mutex; /* guards the three below */
    pthread_cond_t idle;
    unsigned handles; /* that keep the memory */
    unsigned calls;   /* that are running */
    bool is_closed;
    ragstore_batch *batch; /* that is open; belongs to the writer */
} rsi_core;

int rsi_core_open(rsi_core **out, const char *path, const rsi_store_options *options);
int rsi_core_close(rsi_core *core);
void rsi_core_retain(rsi_core *core);
void rsi_core_release(rsi_core *core);

/* Begin a call on a store, which sees what other processes have committed; CLOSED when it is closed
 * or belongs to a parent process. */
int rsi_core_enter(rsi_core *core, const char *function);
/* The same for a call that changes something; READ_ONLY. */
int rsi_core_enter_to_write(rsi_core *core, const char *function);
int rsi_core_leave(rsi_core *core, int status);
/* The same for a call whose answer is a text: it becomes *out when all went well, and is freed. */
int rsi_core_leave_with(ragstore_buffer **out, rsi_core *core, rsi_bytes *text, int status);
/* Was it opened by the process that forked this one? Nothing of it may be touched. */
bool rsi_core_is_foreign(const rsi_core *core);

/* Is this a living handle of that kind? INVALID_ARGUMENT names the function otherwise. */
int rsi_check_handle(const void *handle, uint32_t magic, const char *function);
int rsi_check_not_null(const void *pointer, const char *function, const char *argument);
/* `out` is where a call puts its answer, a pointer: not NULL, and NULL is there until it
 * succeeds. */
int rsi_clear_out(void *out, const char *function);

struct ragstore_store {
    uint32_t magic;
    rsi_core *core;
};

struct ragstore_batch {
    uint32_t magic;
    rsi_core *core;
    rsi_tx *tx; /* NULL: the store was closed, and the batch forgotten */
    pthread_t owner;
};

struct ragstore_entity {
    uint32_t magic;
    rsi_core *core;
    char *id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
};

struct ragstore_document {
    uint32_t magic;
    rsi_core *core;
    char *entity_id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    char doc_id[RSI_DOC_ID_MAX];
    char *description; /* JSON text: the document as it was when looked up */
};

struct ragstore_upload {
    uint32_t magic;
    rsi_core *core;
    rsi_upload *upload;
    char *entity_id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
};

struct ragstore_job {
    uint32_t magic;
    rsi_core *core;
    char job_id[RSI_JOB_ID_MAX];
};

struct ragstore_result {
    uint32_t magic;
    rsi_result *inside;
};

struct ragstore_session {
    uint32_t magic;
    rsi_core *core;
    char session_id[RSI_SESSION_ID_MAX * 8]; /* those of other programs may be longer */
    char *entity_id;
};

struct ragstore_answer {
    uint32_t magic;
    rsi_agent_answer inside;
    ragstore_result sources; /* shows inside.sources */
    char *message;           /* JSON text */
};

struct ragstore_index {
    uint32_t magic;
    rsi_core *core;
    char *entity_id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
};

struct ragstore_collection {
    uint32_t magic;
    rsi_core *core;
    rsi_collection inside;
};

struct ragstore_cursor {
    uint32_t magic;
    rsi_core *core;
    rsi_cursor *inside;
};

struct ragstore_model {
    uint32_t magic;
    rsi_embedder *embedder;
};

struct ragstore_buffer {
    uint32_t magic;
    char *data; /* owned, NUL-terminated */
    size_t size;
};

/* In two steps, for answers of changes: make the buffer before the commit, fill it afterwards,
 * which cannot fail when something was written into `bytes`. */
int rsi_buffer_make(ragstore_buffer **out);
void rsi_buffer_fill(ragstore_buffer *buffer, rsi_bytes *bytes);
/* Hand a byte string over as a buffer; bytes is emptied. */
int rsi_buffer_from(ragstore_buffer **out, rsi_bytes *bytes);

/* A document's fields as the caller gave them: borrowed from the options. */
rsi_document_fields rsi_document_fields_of(const ragstore_document_add_options *given,
                                           const rsi_core *core);

/* Chunks are there, and vectors with their dimension or neither. */
int rsi_check_chunks_arguments(const char *chunks_json, const float *vectors, size_t dimension,
                               const char *function);

int rsi_job_open_handle(ragstore_job **out, rsi_core *core, const char *job_id);
/* Let go of an upload that has ended. */
void rsi_upload_free_handle(ragstore_upload *upload);

int rsi_document_open_handle(ragstore_document **out, rsi_core *core, const char *entity_id,
                             const char *incarnation, const char *doc_id, const rsi_added *added);

/*
 * Bring the caller's options to the newest form: `mine` is filled with defaults (zeros) and then
 * with what the caller's struct, of struct_size bytes, holds. A longer struct is accepted when what
 * is beyond `mine` is zero. options NULL: all defaults.
 */
int rsi_take_options(void *mine, size_t mine_size, const void *options, const char *function);
/* The same for lists, which know some flags. */
int rsi_take_list_options(ragstore_list_options *mine, const ragstore_list_options *options,
                          uint32_t known_flags, const char *function);
/* A member that has no meaning yet may have one for a newer caller: UNSUPPORTED unless zero. */
int rsi_check_reserved(uint32_t reserved, const char *function);

#endif
