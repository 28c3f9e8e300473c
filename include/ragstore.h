/*
 * ragstore: documents, vectors and conversations in one directory.
 *
 * This header is the contract of libragstore. What it does not say is not promised.
 *
 * THE MODEL
 *   A store is one directory. It holds entities (tenants). An entity holds documents;
 *   a document is cut into chunks; a chunk has a text, usually a vector, and a number
 *   that is never used again. Sessions are conversations about one entity. A search
 *   ranks the chunks of one entity; asking a session searches, answers with citations,
 *   and stores both messages. Nothing of one entity is ever seen from another.
 *   Beside them a store holds collections: JSON documents of the application, with the
 *   queries and updates of ragstore_query(7).
 *
 * CAVEATS, before anything else
 *   - Several processes may have a store open, all of them may write, and what a call
 *     has acknowledged in one the next call in any other sees. Changes wait for each
 *     other up to busy_timeout_ms and then give BUSY; reading waits for nobody. A
 *     process that dies keeps nothing locked. A batch holds up the writers of all
 *     processes until it ends.
 *   - A second open of a directory in one process shares what the first one opened.
 *     Durability, model, memory limit and busy timeout must be the same: CONFLICT names
 *     the one that differs. Each handle is closed on its own.
 *   - After fork() the child must not use handles of the parent; every call answers
 *     CLOSED there, and the child only has to free what it holds.
 *   - Network file systems are not supported: their locks and flushes do not hold.
 *   - Callbacks run on the calling thread and must not call into the same store. Those that a job
 *     needs (extract) run on threads of the library, perhaps two at a time.
 *   - Text is UTF-8 without NUL. Times are UTC.
 *
 * STATUS
 *   Functions return an int: 0 is success, a negative value one of RAGSTORE_E_….
 *   Details of the thread's last failure: ragstore_error_message() and its siblings.
 *   "Errors" lists name codes without the prefix; "common" stands for INVALID_ARGUMENT
 *   (a NULL or malformed argument), CLOSED, NO_MEMORY, IO, DAMAGED, FAILED, PERMISSION,
 *   INTERRUPTED and INTERNAL.
 *
 * OWNERSHIP, in five words
 *   owned     you free it with the named function
 *   borrowed  valid until the named event
 *   copied    the library keeps its own copy; yours may go at once
 *   taken     the library frees it, also when the call fails
 *   static    lives as long as the library is loaded
 *
 * THREADS
 *   store, entity, document, session, index, model,
 *   collection, job                                   any thread, at the same time
 *   result, answer, buffer                            any thread may read; one frees
 *   upload, cursor                                    one thread at a time
 *   extraction, generation                            the thread of its callback, until that
 *                                                     returns
 *   batch                                             the thread that began it
 *   the thread's error                                its own thread
 *   Freeing a handle while another thread uses it is a mistake of the caller.
 *
 * OPTIONS
 *   Each options struct begins with struct_size and is filled by its _init function or
 *   _INIT macro. Zero in any field means the default; NULL for the whole struct means all
 *   defaults. Structs only ever grow at the end.
 */
#ifndef RAGSTORE_H
#define RAGSTORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RAGSTORE_API __attribute__((visibility("default")))
#else
#define RAGSTORE_API
#endif

/* ------------------------------------------------------------------ version ------ */

#define RAGSTORE_VERSION_MAJOR 0
#define RAGSTORE_VERSION_MINOR 1
#define RAGSTORE_VERSION_PATCH 0
#define RAGSTORE_VERSION_STRING "0.1.0"

/**
 * Tell the version of the loaded library.
 *
 * @return major * 1,000,000 + minor * 1,000 + patch
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int32_t ragstore_version_number(void);

/**
 * Tell the version of the loaded library as text.
 *
 * @return such as "0.1.0"
 *
 * Ownership: the result is static.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_version_text(void);

/* ------------------ status and errors ------------------------------------------- */

/* Usage */
#define RAGSTORE_OK 0
#define RAGSTORE_E_INVALID_ARGUMENT (-1) /* an argument is NULL, malformed or out of range */
#define RAGSTORE_E_WRONG_STATE (-2)      /* the handle does not allow this call now */
#define RAGSTORE_E_CLOSED (-3)           /* the store of this handle is closed, or we are a fork's
                                            child */
#define RAGSTORE_E_UNSUPPORTED (-4)      /* this build or this processor cannot do it */
#define RAGSTORE_E_VERSION (-5)          /* written by a newer library; nothing was touched */
/* Data */
#define RAGSTORE_E_NOT_FOUND (-20)       /* no such entity, document, session, … */
#define RAGSTORE_E_EXISTS (-21)          /* an entity, key or directory of that name is there
                                            already */
#define RAGSTORE_E_CONFLICT (-22)        /* changed meanwhile, or two truths that contradict each
                                            other */
#define RAGSTORE_E_DAMAGED (-23)         /* stored bytes fail their check; the message says which */
#define RAGSTORE_E_INVALID_DATA (-24)    /* JSON, UTF-8 or a value given by the caller is not
                                            valid */
#define RAGSTORE_E_NOT_EXTRACTABLE (-25) /* no text can be taken from this document */
#define RAGSTORE_E_EMBEDDER (-26)        /* no embedding model, or not the one the entity was made
                                            with */
#define RAGSTORE_E_QUERY (-27)           /* an operator or value in a query is unknown or
                                            malformed */
#define RAGSTORE_E_MODEL (-28)           /* the language model failed; the message says how */
/* Resources */
#define RAGSTORE_E_NO_MEMORY (-40)
#define RAGSTORE_E_TOO_LARGE (-41)       /* over a documented limit */
#define RAGSTORE_E_BUSY (-42)            /* another process or thread is writing; the deadline
                                            passed */
#define RAGSTORE_E_DISK_FULL (-43)       /* no space or quota left; nothing was changed */
#define RAGSTORE_E_INTERRUPTED (-44)     /* stopped by ragstore_store_interrupt() or by a
                                            callback */
/* System */
#define RAGSTORE_E_IO (-60)              /* the operating system failed to read or write */
#define RAGSTORE_E_PERMISSION (-61)      /* the operating system refused */
#define RAGSTORE_E_READ_ONLY (-62)       /* the store was opened for reading only */
#define RAGSTORE_E_FAILED (-63)          /* an earlier flush failed; reopen the store to write
                                            again */
/* Internal */
#define RAGSTORE_E_INTERNAL (-80)        /* a defect of the library; please report it */

/**
 * Name a status code.
 *
 * @param status  any value
 * @return such as "NOT_FOUND", or "UNKNOWN"
 *
 * Ownership: the result is static.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_status_name(int status);

/**
 * Explain a status code in one sentence.
 *
 * @param status  any value
 * @return English text
 *
 * Ownership: the result is static.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_status_text(int status);

/**
 * Tell the code of the last failure on this thread.
 *
 * @return a RAGSTORE_E_… value, or 0 when nothing failed yet. Success does not clear it.
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   concerns the calling thread only.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_error_code(void);

/**
 * Tell the operating system's errno behind the last failure on this thread.
 *
 * @return an errno value, or 0
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   concerns the calling thread only.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_error_errno(void);

/**
 * Tell in which part of the library the last failure on this thread arose.
 *
 * @return such as "storage"; "" when nothing failed yet
 *
 * Ownership: borrowed.
 * Lifetime:  until the next call on this thread.
 * Threads:   concerns the calling thread only.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_error_room(void);

/**
 * Tell what went wrong last on this thread, where, and what to do where that is known.
 *
 * @return UTF-8 text of at most 1,023 bytes; "" when nothing failed yet
 *
 * Ownership: borrowed.
 * Lifetime:  until the next call on this thread.
 * Threads:   concerns the calling thread only.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_error_message(void);

/**
 * Look up a constant of this header by name, for bindings that cannot read it.
 *
 * @param out  set to the value, to 0 on failure
 * @param name  such as "RAGSTORE_E_NOT_FOUND" or "RAGSTORE_MODE_HYBRID"
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    INVALID_ARGUMENT, NOT_FOUND.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_constant_get(int64_t *out, const char *name);

/* ------------------ types ------------------------------------------------------- */

typedef struct ragstore_store ragstore_store;       /* an open directory */
typedef struct ragstore_batch ragstore_batch;       /* several changes, one commit */
typedef struct ragstore_entity ragstore_entity;     /* a tenant */
typedef struct ragstore_document ragstore_document; /* one document as it was when looked up */
typedef struct ragstore_upload ragstore_upload;     /* a document on its way in */
typedef struct ragstore_job ragstore_job;           /* work that goes on behind a call */
typedef struct ragstore_extraction ragstore_extraction; /* the text of a document on its way in */
typedef struct ragstore_result ragstore_result;     /* ranked chunks */
typedef struct ragstore_session ragstore_session;   /* a conversation about an entity */
typedef struct ragstore_generation ragstore_generation; /* what a language model is saying */
typedef struct ragstore_answer ragstore_answer;     /* an answer with its sources */
typedef struct ragstore_index ragstore_index;       /* the vectors of an entity */
typedef struct ragstore_collection ragstore_collection; /* documents of the application */
typedef struct ragstore_cursor ragstore_cursor;     /* documents found, one by one */
typedef struct ragstore_model ragstore_model;       /* an embedding model */
typedef struct ragstore_buffer ragstore_buffer;     /* bytes from the library */

/* ------------------ buffer ------------------------------------------------------ */

/**
 * Point at the bytes of a buffer. A NUL follows the last one, so text can be used as a C string.
 *
 * @param buffer  not NULL
 * @return the bytes; NULL when buffer is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the buffer is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_buffer_data(const ragstore_buffer *buffer);

/**
 * Count the bytes of a buffer, without the final NUL.
 *
 * @param buffer  not NULL
 * @return bytes; 0 when buffer is NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API size_t ragstore_buffer_size(const ragstore_buffer *buffer);

/**
 * Free a buffer.
 *
 * @param buffer  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  pointers into it end here.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_buffer_free(ragstore_buffer *buffer);

/* ------------------ model ------------------------------------------------------- */

/* An embedding model is a directory with model.safetensors, config.json and tokenizer.json or
 * vocab.txt, as published for models of the BERT family (all-MiniLM-L6-v2 and relatives). */

/**
 * Say where the embedding model is that this machine's set-up made: the RAGSTORE_MODEL environment
 * variable, or else the set-up's cache.
 *
 * @param out  set to the path, to NULL on failure
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread that does not change the environment meanwhile.
 * Errors:    NOT_FOUND (no model is there), common.
 * Blocking:  looks at the file system.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_locate(ragstore_buffer **out);

/**
 * Load an embedding model.
 *
 * @param out  set to the model, to NULL on failure
 * @param path  its directory
 *
 * Ownership: caller owns *out, free with ragstore_model_free(); path is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_DATA (damaged), UNSUPPORTED (of an unknown kind), common.
 * Blocking:  reads from disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_open(ragstore_model **out, const char *path);

/* 0, the default: as FLOAT32, or computed as INT16 where the processor has instructions for it; the
 * fingerprint is that of FLOAT32 */
#define RAGSTORE_PRECISION_FLOAT32 1u /* the published model's own vectors */
#define RAGSTORE_PRECISION_INT8 2u    /* 8-bit weights: faster, a quarter of the memory, nearly the
                                         same */
#define RAGSTORE_PRECISION_INT16 3u   /* 16-bit weights: faster, half the memory, cosine above
                                         0.99999 */

#define RAGSTORE_MODEL_THREADS_MAX 64u

typedef struct ragstore_model_open_options {
    size_t struct_size;
    uint32_t threads;            /* that one call computes with, at most; 0: the processors at
                                    hand */
    uint32_t precision;          /* RAGSTORE_PRECISION_…; 0: what is fastest with the vectors of
                                    FLOAT32, cosine above 0.99999 */
    const char *query_prompt;    /* put before each query; NULL: what the model's files say; "":
                                    nothing */
    const char *document_prompt; /* the same for documents; at most 1,024 bytes each */
} ragstore_model_open_options;

#define RAGSTORE_MODEL_OPEN_OPTIONS_INIT {sizeof(ragstore_model_open_options), 0, 0, NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_model_open_options_init(ragstore_model_open_options *options);

/**
 * Load an embedding model in another way than the usual one. Precision, but for the default and
 * FLOAT32, and prompts are part of its fingerprint: vectors of one way never mix with those of
 * another.
 *
 * @param out  set to the model, to NULL on failure
 * @param path  its directory
 * @param options  NULL for the defaults, which are those of ragstore_model_open()
 *
 * Ownership: caller owns *out, free with ragstore_model_free(); path and prompts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_DATA (damaged), UNSUPPORTED (of an unknown kind), common.
 * Blocking:  reads from disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_open_with(ragstore_model **out, const char *path,
                                          const ragstore_model_open_options *options);

#define RAGSTORE_ROLE_DOCUMENT 1u /* a text in which answers are found */
#define RAGSTORE_ROLE_QUERY 2u    /* a question */

typedef struct ragstore_model_callback_options {
    size_t struct_size;
    const char *fingerprint; /* required: names model, version, and whatever else decides about the
                                vectors, such as "acme-embed-3/1024"; at most 256 bytes */
    uint32_t dimension;      /* required: numbers of a vector, 1 to 65,536 */
    uint32_t batch_size;     /* texts of one call at most: 1 to 256; default 32 */
    uint32_t max_tokens;     /* words of a document that count, about: chunks stay below; at least
                                16; default 256 */
    uint32_t reserved;       /* zero */
    /* Required. Fills count × dimension floats, row by row, for count NUL-terminated UTF-8 texts;
     * role is RAGSTORE_ROLE_…. Returns 0, or another number after writing into `reason`, which has
     * room for reason_size bytes, why not: RAGSTORE_E_INTERRUPTED ends the call with that, anything
     * else with EMBEDDER and the reason. After RAGSTORE_E_BUSY, which says that a later try may get
     * by, ragstore_error_errno() is EAGAIN, and a job is put off instead of failing. Called on any
     * thread, by several at once, and holds nobody up but the call that needs the vectors. */
    int32_t (*embed)(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size);
    void (*release)(void *user); /* called when nothing uses the model any more; NULL: nothing is */
    void *user;
} ragstore_model_callback_options;

#define RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT                                                       \
    {sizeof(ragstore_model_callback_options), NULL, 0, 0, 0, 0, NULL, NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_model_callback_options_init(ragstore_model_callback_options *options);

/**
 * Make a model of the application's own function, such as a client of a server for embeddings. Its
 * vectors are brought to length 1; a number that it did not write, or that is not finite, and a
 * vector of zeros are refused. Two models with one fingerprint count as the same.
 *
 * @param out  set to the model, to NULL on failure
 * @param options  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_model_free(); the fingerprint is copied.
 * Lifetime:  user must live until release is called: after ragstore_model_free() and after the last
 *            store that uses the model has been closed and its handles freed. When opening fails it
 *            is not called.
 * Threads:   any thread.
 * Errors:    UNSUPPORTED, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_open_callback(ragstore_model **out,
                                              const ragstore_model_callback_options *options);

/**
 * Make a model that knows no meaning: texts with the same words get similar vectors. It needs no
 * file and is for tests of programs, not for search.
 *
 * @param out  set to the model, to NULL on failure
 * @param dimension  8 to 4,096; 0: 256
 *
 * Ownership: caller owns *out, free with ragstore_model_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_open_hashing(ragstore_model **out, uint32_t dimension);

/**
 * Tell how many numbers a vector of this model has.
 *
 * @param model  not NULL
 * @return the dimension; 0 when model is NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API uint32_t ragstore_model_dimension(const ragstore_model *model);

/**
 * Identify a model: two models with equal fingerprints give equal vectors.
 *
 * @param model  not NULL
 * @return text such as "all-MiniLM-L6-v2/384/mean/l2/53aa51172d142c89"; NULL when model is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the model is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_model_fingerprint(const ragstore_model *model);

/**
 * Cut a text into the model's token ids, with the special ones, cut at the model's limit.
 *
 * @param ids  array of `capacity` numbers, filled from the front; may be NULL when capacity is 0
 * @param count  set to how many ids the text has after the cut, also when capacity is smaller
 * @param uncut_count  NULL, or set to how many ids the text would have without the cut
 * @param model  not NULL
 * @param capacity  in numbers
 * @param text  UTF-8, `size` bytes
 * @param size  bytes
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    INVALID_DATA (not UTF-8), UNSUPPORTED (a model without tokens), common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_tokenize(int32_t *ids, size_t *count, size_t *uncut_count,
                                         ragstore_model *model, size_t capacity, const char *text,
                                         size_t size);

/**
 * Turn texts into vectors, as a store does with documents: the model's prompt for documents, if it
 * has one, is put before each. A text's vector depends on nothing but the text and the model.
 *
 * @param vectors  array of count × dimension floats, row by row, each of length 1
 * @param model  not NULL
 * @param texts  count UTF-8 strings
 * @param count  at most 65,536
 *
 * Ownership: texts are borrowed until the call returns.
 * Lifetime:  none.
 * Threads:   any thread; a call on many texts has as many threads of its own as the model may use.
 * Errors:    INVALID_DATA (not UTF-8), EMBEDDER (the callback failed), INTERRUPTED (likewise),
 *            common.
 * Blocking:  computes.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_embed(float *vectors, ragstore_model *model,
                                      const char *const *texts, size_t count);

/**
 * Turn queries into vectors, as a search does: the same as ragstore_model_embed(), but with the
 * model's prompt for queries. Models without prompts give the same vectors for both.
 *
 * @param vectors  array of count × dimension floats, row by row, each of length 1
 * @param model  not NULL
 * @param texts  count UTF-8 strings
 * @param count  at most 65,536
 *
 * Ownership: texts are borrowed until the call returns.
 * Lifetime:  none.
 * Threads:   any thread; a call on many texts has as many threads of its own as the model may use.
 * Errors:    INVALID_DATA (not UTF-8), common.
 * Blocking:  computes.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_model_embed_queries(float *vectors, ragstore_model *model,
                                              const char *const *texts, size_t count);

/**
 * Free a model. Stores that use it keep it alive.
 *
 * @param model  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_model_free(ragstore_model *model);

/* ------------------ store ------------------------------------------------------- */

/* flags of ragstore_store_open_options */
#define RAGSTORE_OPEN_MUST_EXIST 0x1u    /* fail with NOT_FOUND instead of making a new store */
#define RAGSTORE_OPEN_MUST_CREATE 0x2u   /* fail with EXISTS instead of opening a store */
#define RAGSTORE_OPEN_READ_ONLY 0x4u     /* change nothing; several readers may share the store */
#define RAGSTORE_OPEN_IMMUTABLE 0x8u     /* take no lock and write nothing: nobody changes the
                                            directory */
#define RAGSTORE_OPEN_NO_BACKGROUND 0x10u /* start no thread; call ragstore_store_maintain() */
#define RAGSTORE_OPEN_NO_REEMBED 0x20u /* make no vectors for documents that came without a model,
                                        * unless ragstore_entity_reembed() asks for them */

#define RAGSTORE_DURABILITY_FULL 1u   /* the default: what returned survives a power cut */
#define RAGSTORE_DURABILITY_NORMAL 2u /* a power cut may cost the last second, never order or
                                         atomicity */

#define RAGSTORE_NO_WAIT 0xffffffffu /* as busy_timeout_ms: do not wait at all */

#define RAGSTORE_LOG_ERROR 1
#define RAGSTORE_LOG_WARNING 2
#define RAGSTORE_LOG_INFO 3
#define RAGSTORE_LOG_DEBUG 4

typedef struct ragstore_store_open_options {
    size_t struct_size;
    uint32_t flags;           /* RAGSTORE_OPEN_… */
    uint32_t durability;      /* RAGSTORE_DURABILITY_…; default FULL */
    uint32_t busy_timeout_ms; /* wait this long for another process or writer; default 5,000 */
    uint32_t reserved;        /* zero */
    uint64_t memory_limit_bytes; /* for what is cached per entity; default 1 GiB */
    ragstore_model *model;       /* embeds documents and queries; NULL: keyword search only */
    void (*log)(void *user, int level, const char *message); /* any thread; NULL: silent */
    void *log_user;
    /* Takes the text out of documents that are not text (PDF, Office, e-mail, …), on the thread
     * that adds them, or of the library for those of a job: see ragstore_extraction_add(). Returns
     * 0, or a RAGSTORE_E_… code; UNSUPPORTED: it does not know the format. NULL: such documents are
     * refused. */
    int32_t (*extract)(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                       const char *filename);
    void *extract_user;
} ragstore_store_open_options;

#define RAGSTORE_STORE_OPEN_OPTIONS_INIT                                                           \
    {sizeof(ragstore_store_open_options), 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_store_open_options_init(ragstore_store_open_options *options);

/**
 * Open a store, and make it first when the directory is missing or empty.
 * A directory that holds other things is left alone. After a crash the store is recovered here, by
 * the first process that opens it to write; later ones open it as it is.
 * With a model, entities whose documents were added while there was none get vectors behind the
 * call, by jobs as of ragstore_entity_reembed(), unless RAGSTORE_OPEN_NO_REEMBED is set: one that
 * is cancelled or fails is left alone until the store is opened again.
 * One that this process has open already is shared; a handle opened for reading refuses changes all
 * the same, and each handle's log and extract callbacks are called until that handle is closed.
 *
 * @param out  set to the store, to NULL on failure
 * @param path  the directory; its parent must exist
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, close with ragstore_store_close(); path is copied; options->model is
 *            shared.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, EXISTS, BUSY (another process is opening, recovering or closing it),
 *            CONFLICT (this process has it open with another option), VERSION, READ_ONLY,
 *            DISK_FULL, common.
 * Blocking:  waits up to busy_timeout_ms for a process that opens or closes it; replays the
 *            journal.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_open(ragstore_store **out, const char *path,
                                     const ragstore_store_open_options *options);

/**
 * Close a store: bring its JSON files up to date, release the directory, free the handle. While
 * another handle of this process has it open, only this handle goes; while another process has,
 * that one brings the files up to date.
 * Handles of its entities, sessions and so on may be freed later, in any order; their calls answer
 * CLOSED.
 * An error tells that the files could not be brought up to date; the journal has everything all the
 * same. A batch of the calling thread is forgotten.
 *
 * @param store  NULL is fine
 *
 * Ownership: taken, also on failure.
 * Lifetime:  none.
 * Threads:   any thread, once, while no other call uses this handle.
 * Errors:    DISK_FULL, common.
 * Blocking:  waits for running calls and for the disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_close(ragstore_store *store);

/**
 * Describe a store as a JSON object: path, store_id, format, read_only, state ("ok", "failed" or
 * "degraded"), problems (array of texts), entities, documents, chunks, sessions, embedder
 * (fingerprint or null), journal_bytes.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_describe(ragstore_buffer **out, ragstore_store *store);

/**
 * Read every file of a store again and tell what is wrong with it, changing nothing.
 * Snapshots, journals and uploads are compared with the digests that were written down, vectors
 * with the chunks that should have one. Gives a JSON object: ok (true when nothing was found),
 * entities, documents (how many were looked at), findings (array of objects: file, relative to the
 * store's directory; offset in it in bytes, or null; record, an id, or null; problem, a sentence).
 * Others may read meanwhile, and write between its steps: the files of api_storage/, then those of
 * each entity. ragstore_store_interrupt() ends it between two files.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    BUSY, INTERRUPTED, IO (a directory cannot be read), common. Damage is a finding.
 * Blocking:  reads all files of the store.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_check(ragstore_buffer **out, ragstore_store *store);

typedef struct ragstore_store_check_options {
    size_t struct_size;
    /* Called before each entity and each uploaded file: stage is "check", done and total count
     * entities. A return other than 0 cancels the call. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ragstore_store_check_options;

#define RAGSTORE_STORE_CHECK_OPTIONS_INIT {sizeof(ragstore_store_check_options), NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_store_check_options_init(ragstore_store_check_options *options);

/**
 * Check a store as ragstore_store_check() does, and tell how far it is.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 * @param options  NULL for the defaults: nobody is told how far it is
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    BUSY, INTERRUPTED (also: cancelled by the callback), IO (a directory cannot be read),
 *            common. Damage is a finding.
 * Blocking:  reads all files of the store.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_check_with(ragstore_buffer **out, ragstore_store *store,
                                           const ragstore_store_check_options *options);

/**
 * Bring every JSON file and index.faiss up to date with the journal. What is damaged keeps no other
 * entity's files from being written.
 *
 * @param store  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    READ_ONLY, DISK_FULL, DAMAGED (told at the end, of the first), common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_export(ragstore_store *store);

typedef struct ragstore_store_compact_options {
    size_t struct_size;
    /* Called now and then; a return other than 0 cancels the call. total is 0 while unknown. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ragstore_store_compact_options;

#define RAGSTORE_STORE_COMPACT_OPTIONS_INIT {sizeof(ragstore_store_compact_options), NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_store_compact_options_init(ragstore_store_compact_options *options);

/**
 * Take what was deleted out of every file, and give its space back.
 *
 * Afterwards no text and no vector that was deleted before the call is in any file of the store,
 * except what repair has moved to quarantine/. Nothing is embedded again. Others may read and write
 * meanwhile. A backup that somebody is just making with tar may miss journals and should be made
 * again.
 *
 * @param out      may be NULL; set to a JSON object on success: bytes_before, bytes_after (of all
 *                 files but uploads), quarantine (names in quarantine/, which stay)
 * @param store    not NULL
 * @param options  NULL for the defaults: nobody is told how far it is
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread, without a batch of its own.
 * Errors:    WRONG_STATE (this thread has a batch), DAMAGED (an entity cannot be read: the journals
 *            stay, the rest was done), READ_ONLY, DISK_FULL, BUSY, INTERRUPTED, common.
 * Blocking:  reads the chunks of each entity; writers wait as for a checkpoint, and while a file of
 *            vectors (at most 64 MiB) is written again.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_compact(ragstore_buffer **out, ragstore_store *store,
                                        const ragstore_store_compact_options *options);

/* flags of ragstore_backup_options */
#define RAGSTORE_BACKUP_UNCHECKED 0x1u /* compare digests only; do not look into the copy */

typedef struct ragstore_backup_options {
    size_t struct_size;
    uint32_t flags;    /* RAGSTORE_BACKUP_… */
    uint32_t reserved; /* zero */
    /* Called now and then; a return other than 0 cancels the call. total is 0 while unknown. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ragstore_backup_options;

#define RAGSTORE_BACKUP_OPTIONS_INIT {sizeof(ragstore_backup_options), 0, 0, NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_backup_options_init(ragstore_backup_options *options);

/**
 * Copy a store, as it is at one moment, into a directory: documents, chunks, vectors, sessions,
 * collections. Others read and write meanwhile.
 *
 * Writers wait only for the end of the copying, while what has changed since its beginning is
 * copied.
 * The copies are flushed, read again and compared, and opened as a store and checked, before the
 * list of files, backup.json, makes a backup of the directory. What is derived is left out and
 * comes back by itself. Damage that the store has is in its copy, too, and is told of as a finding.
 *
 * @param out        may be NULL; set to a JSON object on success: store_id, created_at (the
 *                   moment), files, bytes, held_ms (how long writers waited), checked, and as from
 *                   ragstore_store_check() ok, entities, documents, findings
 * @param store      not NULL
 * @param directory  made when missing, its parent must exist; otherwise empty, and not in the store
 * @param options    NULL for the defaults: nobody is told how far it is, the copy is checked
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread, without a batch of its own.
 * Errors:    WRONG_STATE (this thread has a batch), EXISTS (the directory is not empty), NOT_FOUND
 *            (its parent), DISK_FULL, BUSY, FAILED, DAMAGED (the copy is not what was written),
 *            INTERRUPTED, common. What was copied is removed.
 * Blocking:  reads the store's files, writes as much, and waits for the disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_backup(ragstore_buffer **out, ragstore_store *store,
                                       const char *directory,
                                       const ragstore_backup_options *options);

/**
 * Read a backup and compare each file with the digest that was written down when it was made.
 *
 * @param out        may be NULL; set to a JSON object on success, as from ragstore_store_backup()
 * @param directory  of the backup
 * @param options    NULL for the defaults: the copy is opened and checked, too
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (no backup), DAMAGED (a file is missing or not as it was), VERSION,
 *            INTERRUPTED, common.
 * Blocking:  reads the backup.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_backup_verify(ragstore_buffer **out, const char *directory,
                                        const ragstore_backup_options *options);

/**
 * Make a store of a backup. It is copied under another name beside its place, compared with the
 * list of the backup, flushed, checked, and renamed: what has the name is whole.
 *
 * @param out        may be NULL; set to a JSON object on success, as from ragstore_store_backup()
 * @param backup     the directory of the backup; nothing in it is changed
 * @param directory  of the new store: missing, with a parent that exists, or empty
 * @param options    NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (no backup, or no parent), EXISTS (the directory is not empty), DAMAGED (a
 *            file of the backup is missing or not as it was), VERSION, DISK_FULL, INTERRUPTED,
 *            common. What was copied is removed.
 * Blocking:  reads the backup, writes as much, and waits for the disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_restore(ragstore_buffer **out, const char *backup,
                                        const char *directory,
                                        const ragstore_backup_options *options);

/**
 * Do waiting background work (checkpoints, index files, jobs) on the calling thread.
 *
 * @param store  not NULL
 * @param budget_ms  start no further piece of work after this time; 0: one piece at most
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    READ_ONLY, DISK_FULL, common.
 * Blocking:  up to the budget, plus the piece that has begun.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_maintain(ragstore_store *store, uint32_t budget_ms);

/**
 * Make long calls that are running on this store end soon with INTERRUPTED. Calls that start later
 * are not concerned. What was acknowledged stays.
 *
 * @param store  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_store_interrupt(ragstore_store *store);

/* ------------------ batch ------------------------------------------------------- */

/**
 * Begin a batch: changes made to this store by the calling thread from now on become one commit.
 * The thread sees its own changes; others see them when it commits. Other writers wait meanwhile,
 * so be brief.
 * Documents added in a batch can be searched after the commit.
 *
 * @param out  set to the batch, to NULL on failure
 * @param store  not NULL
 *
 * Ownership: caller owns *out; end it with ragstore_batch_commit() or ragstore_batch_abort().
 * Lifetime:  none.
 * Threads:   the thread that began it.
 * Errors:    BUSY, READ_ONLY, WRONG_STATE (this thread has a batch already), common.
 * Blocking:  waits up to busy_timeout_ms for the running writer.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_batch_begin(ragstore_batch **out, ragstore_store *store);

/**
 * Make all changes of a batch durable and visible at once, or none of them.
 *
 * @param batch  not NULL
 *
 * Ownership: taken, also on failure, but not by another thread.
 * Lifetime:  none.
 * Threads:   the thread that began it.
 * Errors:    DISK_FULL, WRONG_STATE (another thread), common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_batch_commit(ragstore_batch *batch);

/**
 * Forget all changes of a batch.
 *
 * @param batch  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   the thread that began it.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_batch_abort(ragstore_batch *batch);

/* ------------------ entity ------------------------------------------------------ */

/* An entity id is UTF-8 of 1 to 128 bytes without '/', '\\' and control characters, without white
 * space at either end, and neither "." nor "..". */

typedef struct ragstore_entity_create_options {
    size_t struct_size;
    const char *name;          /* default: the id; at most 1,024 bytes */
    const char *description;   /* default: ""; at most 16 KiB */
    const char *metadata_json; /* default: {}; a JSON object of at most 16 KiB */
    const char *metric;        /* how vectors are compared, for good: "cosine" (the default; they
                                * are brought to length 1), "inner_product" or "l2" */
    const char *index_kind;    /* default: "auto"; see ragstore_index_set() */
    const char *language;      /* how words are reduced for keyword search, for good: "auto" (the
                                * default: English, Russian, others as they are), "none", or a
                                * Snowball name such as "german"; see ragstore_entity(3) */
    uint32_t chunk_tokens;     /* how long the chunks of its documents are, for good: 16 to 8,192
                                * tokens; the last of a section may be a quarter longer, and none is
                                * longer than the model takes; default: 200 */
    uint32_t chunk_overlap;    /* tokens that a chunk repeats of the one before where a paragraph
                                * had to be cut, for good: at most half of chunk_tokens; default:
                                * none */
} ragstore_entity_create_options;

#define RAGSTORE_ENTITY_CREATE_OPTIONS_INIT                                                        \
    {sizeof(ragstore_entity_create_options), NULL, NULL, NULL, NULL, NULL, NULL, 0, 0}

typedef struct ragstore_entity_update_options {
    size_t struct_size;
    const char *name;          /* NULL: keep */
    const char *description;   /* NULL: keep */
    const char *metadata_json; /* NULL: keep; otherwise replaces the whole object */
} ragstore_entity_update_options;

#define RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT                                                        \
    {sizeof(ragstore_entity_update_options), NULL, NULL, NULL}

#define RAGSTORE_LIST_NEWEST_FIRST 0x1u /* of sessions: by their last activity */

typedef struct ragstore_list_options {
    size_t struct_size;
    uint64_t limit;    /* default: all */
    uint64_t offset;   /* skip this many first */
    const char *match; /* only those whose id or name has this text, without regard to case */
    uint32_t flags;    /* RAGSTORE_LIST_…; default: oldest first */
    uint32_t reserved; /* zero */
} ragstore_list_options;

#define RAGSTORE_LIST_OPTIONS_INIT {sizeof(ragstore_list_options), 0, 0, NULL, 0, 0}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_entity_create_options_init(ragstore_entity_create_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_entity_update_options_init(ragstore_entity_update_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_list_options_init(ragstore_list_options *options);

/**
 * Create an entity. Its embedding model is the store's, until ragstore_entity_reembed() changes it;
 * without one it answers by keyword.
 *
 * @param out  NULL, or set to the entity, to NULL on failure
 * @param store  not NULL
 * @param id  the new entity's id
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_entity_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    EXISTS, INVALID_DATA (metadata), TOO_LARGE, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_create(ragstore_entity **out, ragstore_store *store,
                                        const char *id,
                                        const ragstore_entity_create_options *options);

/**
 * Look up an entity.
 *
 * @param out  set to the entity, to NULL on failure
 * @param store  not NULL
 * @param id  its id
 *
 * Ownership: caller owns *out, free with ragstore_entity_free().
 * Lifetime:  when the entity is deleted, calls answer NOT_FOUND, also if an entity of the same id
 *            is created again.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_open(ragstore_entity **out, ragstore_store *store, const char *id);

/**
 * Free an entity's handle. The entity stays.
 *
 * @param entity  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_entity_free(ragstore_entity *entity);

/**
 * Tell an entity's id.
 *
 * @param entity  not NULL
 * @return its id; NULL when entity is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_entity_id(const ragstore_entity *entity);

/**
 * Describe an entity as a JSON object: entity_id, entity_name, description, metadata, created_at,
 * total_documents, total_chunks, has_vector_store, embedder (fingerprint or null), search_mode
 * ("hybrid" or "keyword": what a default search will do now) and notice (why it is keyword, or
 * null).
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param entity  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_describe(ragstore_buffer **out, ragstore_entity *entity);

/**
 * Change an entity's name, description or metadata.
 *
 * @param entity  not NULL
 * @param options  what to change; not NULL
 *
 * Ownership: texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_DATA, TOO_LARGE, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_update(ragstore_entity *entity,
                                        const ragstore_entity_update_options *options);

/**
 * Delete an entity with its documents, files, chunks, vectors and sessions.
 *
 * @param sessions_deleted  NULL, or set to how many sessions went
 * @param store  not NULL
 * @param id  its id
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_delete(uint64_t *sessions_deleted, ragstore_store *store,
                                        const char *id);

/**
 * List entities, oldest first, as JSON: {"entities": [as ragstore_entity_describe() has them],
 * "total": how many match}. One whose records cannot be used has its id, null for the rest, and
 * "error" with "status", "code" and "message". When the lines of some cannot be read, "unreadable" tells of how
 * many; ragstore_store_check() names them.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 * @param options  NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_list(ragstore_buffer **out, ragstore_store *store,
                                      const ragstore_list_options *options);

/* ------------------ document ---------------------------------------------------- */

typedef struct ragstore_document_add_options {
    size_t struct_size;
    const char *filename;      /* as the user knows it; kept as given, made safe for the disk */
    const char *media_type;    /* default: told from the content and the file name */
    const char *source;        /* what search results name; default: the file name */
    const char *description;   /* default: none */
    const char *metadata_json; /* default: {}; a JSON object of at most 16 KiB */
    const char *key;           /* the caller's own identity for it, at most 1,024 bytes: the same
                                  key replaces the document and keeps its id; default: none */
    /* Called now and then; a return other than 0 cancels the call. total is 0 while unknown. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ragstore_document_add_options;

#define RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT                                                         \
    {sizeof(ragstore_document_add_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

typedef struct ragstore_document_update_options {
    size_t struct_size;
    const char *source;        /* NULL: keep */
    const char *description;   /* NULL: keep */
    const char *metadata_json; /* NULL: keep; otherwise replaces the whole object */
} ragstore_document_update_options;

#define RAGSTORE_DOCUMENT_UPDATE_OPTIONS_INIT                                                      \
    {sizeof(ragstore_document_update_options), NULL, NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_document_add_options_init(ragstore_document_add_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_document_update_options_init(ragstore_document_update_options *options);

/**
 * Add a document from bytes: text, Markdown, HTML, CSV or JSON, and whatever else the store's
 * extract callback knows. File, chunks, vectors and record become
 * visible in one commit.
 * Bytes that the entity already holds change nothing: the document that has them is returned, with
 * the key, metadata and names that it has, and its file and index are mended if need be. With a key
 * only the document of that key is looked at: another one may have the same bytes.
 *
 * @param out  NULL, or set to the document, to NULL on failure
 * @param entity  not NULL
 * @param bytes  its content; may be NULL when size is 0
 * @param size  bytes
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_document_free(); everything else is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (entity), NOT_EXTRACTABLE (no text in it, or of an unknown kind), EMBEDDER
 *            (the entity's model is not the store's), INVALID_DATA, TOO_LARGE (over 1 GiB),
 *            CONFLICT, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_add(ragstore_document **out, ragstore_entity *entity,
                                       const void *bytes, size_t size,
                                       const ragstore_document_add_options *options);

/**
 * Add a document of ready-made chunks, and of ready-made vectors if given.
 * chunks_json is an array of 1 to 10,000 objects: text (required), metadata (object), page
 * (number), start, end (byte offsets into the caller's own text), vector (array of numbers).
 * Missing vectors are embedded. The first vectors of an entity decide about the dimension of all;
 * a wrong one fails the whole call.
 *
 * @param out  NULL, or set to the document, to NULL on failure
 * @param entity  not NULL
 * @param chunks_json  UTF-8 JSON text, at most 256 MiB
 * @param vectors  NULL, or one row of `dimension` floats for each chunk, instead of vectors in the
 *                 JSON
 * @param dimension  numbers in a row; 0 when vectors is NULL
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_document_free(); everything else is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (entity), NOT_EXTRACTABLE (no text in it, or of an unknown kind), EMBEDDER
 *            (the entity's model is not the store's), INVALID_DATA, TOO_LARGE (over 1 GiB),
 *            CONFLICT, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_add_chunks(ragstore_document **out, ragstore_entity *entity,
                                              const char *chunks_json, const float *vectors,
                                              size_t dimension,
                                              const ragstore_document_add_options *options);

/**
 * Look up a document of an entity.
 *
 * @param out  set to the document as it is now, to NULL on failure
 * @param entity  not NULL
 * @param doc_id  its id
 *
 * Ownership: caller owns *out, free with ragstore_document_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_open(ragstore_document **out, ragstore_entity *entity,
                                        const char *doc_id);

/**
 * Free a document's handle. The document stays.
 *
 * @param document  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_document_free(ragstore_document *document);

/**
 * Tell a document's id.
 *
 * @param document  not NULL
 * @return "doc_" and a UUID; NULL when document is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_document_id(const ragstore_document *document);

/**
 * Describe a document as a JSON object: doc_id, entity_id, filename, file_path, file_size,
 * media_type, sha256, key, source, description, metadata, uploaded_at, chunks_count, and for the
 * result of an add also is_duplicate, replaced and notice (text or null, such as that it can be
 * found by keyword only).
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param document  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_describe(ragstore_buffer **out, ragstore_document *document);

/**
 * Read the bytes of a document as they were sent.
 *
 * @param out  set to the bytes, to NULL on failure
 * @param document  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (deleted meanwhile, or made of chunks), DAMAGED (not the bytes that were
 *            sent), common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_content(ragstore_buffer **out, ragstore_document *document);

/**
 * Give the text that was taken from a document: what the offsets of chunks and citations count in.
 *
 * @param out  set to UTF-8 text, to NULL on failure
 * @param document  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (deleted meanwhile, or made of chunks), DAMAGED, common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_text(ragstore_buffer **out, ragstore_document *document);

/**
 * List the documents of an entity, oldest first, as a JSON array of objects as
 * ragstore_document_describe() has them.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param entity  not NULL
 * @param options  NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_list(ragstore_buffer **out, ragstore_entity *entity,
                                        const ragstore_list_options *options);

/**
 * Change what is known about a document: searches see it at once. Its text, chunks and vectors
 * stay, and the handle describes the document as it was; look it up again.
 *
 * @param document  not NULL
 * @param options  NULL changes nothing
 *
 * Ownership: texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (deleted meanwhile), INVALID_DATA, TOO_LARGE, BUSY, READ_ONLY, DISK_FULL,
 *            common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_update(ragstore_document *document,
                                          const ragstore_document_update_options *options);

/**
 * Delete a document with its file, chunks and vectors.
 *
 * @param entity  not NULL
 * @param doc_id  its id
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_delete(ragstore_entity *entity, const char *doc_id);

/* ------------------ extraction -------------------------------------------------- */

#define RAGSTORE_BLOCK_PARAGRAPH 1u
#define RAGSTORE_BLOCK_HEADING 2u   /* of level 1 (outermost) to 6 */
#define RAGSTORE_BLOCK_LIST_ITEM 3u
#define RAGSTORE_BLOCK_CODE 4u
#define RAGSTORE_BLOCK_TABLE_ROW 5u /* one row, as a text that can be understood alone */

/**
 * Hand over the next piece of a document's text, in reading order. For the extract callback of
 * ragstore_store_open_options, which calls it any number of times and then returns 0.
 * White space around a block goes; a blank line or a line's end comes between two. What the text is
 * made of decides where it is cut into chunks. A failure makes the whole document fail.
 *
 * @param extraction  what the callback was given
 * @param kind  RAGSTORE_BLOCK_…
 * @param level  1 to 6 for a heading, 0 otherwise
 * @param page  on which it stands, from 1; 0: there are no pages
 * @param text  UTF-8 without NUL, `size` bytes; may be NULL when size is 0
 * @param size  bytes; at most 1 GiB in all blocks
 *
 * Ownership: text is copied.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INVALID_DATA (not UTF-8), TOO_LARGE, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_extraction_add(ragstore_extraction *extraction, uint32_t kind,
                                         uint32_t level, uint32_t page, const char *text,
                                         size_t size);

/**
 * Tell what the document turned out to be. Without this it is "application/octet-stream".
 *
 * @param extraction  what the callback was given
 * @param media_type  such as "application/pdf", at most 63 bytes
 *
 * Ownership: media_type is copied.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INVALID_DATA, TOO_LARGE, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_extraction_set_media_type(ragstore_extraction *extraction,
                                                    const char *media_type);

/**
 * Tell how far the extraction is, and learn whether to go on. Call it several times a second.
 *
 * @param extraction  what the callback was given
 * @param done  of total, in any unit
 * @param total  0 while unknown
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INTERRUPTED (stop and return), common.
 * Blocking:  calls the progress callback of the add.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_extraction_progress(ragstore_extraction *extraction, uint64_t done,
                                              uint64_t total);

/**
 * Say why the document has no text, for the message of the error. The callback returns the status:
 * NOT_EXTRACTABLE for a document that is encrypted, scanned, damaged or empty.
 *
 * @param extraction  what the callback was given
 * @param status  a RAGSTORE_E_… code
 * @param reason  what is wrong and what the user can do, in one sentence; at most 511 bytes are
 *                used
 * @return status; INVALID_ARGUMENT when it is not a code
 *
 * Ownership: reason is copied.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INVALID_ARGUMENT.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_extraction_refuse(ragstore_extraction *extraction, int status,
                                            const char *reason);

/* ------------------ upload ------------------------------------------------------ */

/**
 * Begin a document whose bytes come piece by piece; they go to disk, not to memory.
 *
 * @param out  set to the upload, to NULL on failure
 * @param entity  not NULL
 * @param options  NULL for the defaults; copied, callbacks included
 *
 * Ownership: caller owns *out; end it with ragstore_upload_commit(), ragstore_upload_submit() or
 *            ragstore_upload_abort().
 * Lifetime:  none.
 * Threads:   one thread at a time.
 * Errors:    NOT_FOUND, READ_ONLY, INVALID_DATA, TOO_LARGE, DISK_FULL, common.
 * Blocking:  writes to disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_upload_begin(ragstore_upload **out, ragstore_entity *entity,
                                       const ragstore_document_add_options *options);

/**
 * Add bytes to an upload.
 *
 * @param upload  not NULL
 * @param bytes  may be NULL when size is 0
 * @param size  bytes
 *
 * Ownership: bytes are copied.
 * Lifetime:  none.
 * Threads:   one thread at a time.
 * Errors:    TOO_LARGE, DISK_FULL, WRONG_STATE (an earlier write failed), common.
 * Blocking:  writes to disk.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_upload_write(ragstore_upload *upload, const void *bytes, size_t size);

/**
 * Add the uploaded bytes as a document; see ragstore_document_add().
 *
 * @param out  NULL, or set to the document, to NULL on failure
 * @param upload  not NULL
 *
 * Ownership: upload is taken, also on failure; caller owns *out, free with
 *            ragstore_document_free().
 * Lifetime:  none.
 * Threads:   one thread at a time.
 * Errors:    NOT_FOUND (entity), NOT_EXTRACTABLE (no text in it, or of an unknown kind), EMBEDDER
 *            (the entity's model is not the store's), INVALID_DATA, TOO_LARGE (over 1 GiB),
 *            CONFLICT, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_upload_commit(ragstore_document **out, ragstore_upload *upload);

/**
 * Forget an upload.
 *
 * @param upload  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   one thread at a time.
 * Errors:    none.
 * Blocking:  removes a file.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_upload_abort(ragstore_upload *upload);

/* ------------------ job --------------------------------------------------------- */

/* A job goes on behind the calls, in threads of the library, or in ragstore_store_maintain() when
 * the store was opened with NO_BACKGROUND. It is written down before it begins: after a crash the
 * next process that has the store open takes it up again, and of several exactly one does. One that
 * meets what may be over later, a full disk, a writer that takes long, an embedder that is out of
 * reach (see ragstore_model_callback_options) or the entity's model not loaded, is put off, for
 * longer each time up to a minute. A document that ended together with its process ten times has
 * failed. Of the jobs that have ended the last 1,000 are kept. */

typedef struct ragstore_job_list_options {
    size_t struct_size;
    const char *entity_id; /* only this entity's; NULL: all */
    uint64_t limit;        /* default: all */
    uint64_t offset;       /* skip this many first */
} ragstore_job_list_options;

#define RAGSTORE_JOB_LIST_OPTIONS_INIT {sizeof(ragstore_job_list_options), NULL, 0, 0}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_job_list_options_init(ragstore_job_list_options *options);

/**
 * Leave an upload to a job, in place of ragstore_upload_commit(): the text is taken out, cut and
 * embedded behind the call, and added in one commit that also ends the job.
 * The progress callback of the upload is not called; the extract callback of a store handle of the
 * process that works on the job is. A job that needs one waits for a process that has one, if the
 * submitting handle had. In a batch the job begins after the commit.
 *
 * @param out  NULL, or set to the job, to NULL on failure
 * @param upload  not NULL
 *
 * Ownership: upload is taken, also on failure; caller owns *out, free with ragstore_job_free().
 * Lifetime:  none.
 * Threads:   one thread at a time.
 * Errors:    NOT_FOUND (entity), NOT_EXTRACTABLE (it is empty), EMBEDDER (the entity's model is not
 *            the store's), WRONG_STATE (a write failed), BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when bytes and job survive a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_upload_submit(ragstore_job **out, ragstore_upload *upload);

/**
 * Leave chunks, and vectors if given, to a job: as ragstore_document_add_chunks() takes them, which
 * are embedded as far as they have no vectors, and added in one commit that also ends the job. What
 * that call would refuse, as the entity is now, is refused at once. In a batch the job begins after
 * the commit. The progress callback of the options is not called.
 *
 * @param out  NULL, or set to the job, to NULL on failure
 * @param entity  not NULL
 * @param chunks_json  UTF-8 JSON text: an array of 1 to 10,000 objects; at most 256 MiB
 * @param vectors  NULL, or one row of `dimension` floats for each chunk, instead of vectors in the
 *                 JSON; with the text at most 1 GiB
 * @param dimension  numbers in a row; 0 when vectors is NULL
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_job_free(); everything else is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (entity), EMBEDDER (the entity's model is not the store's), INVALID_DATA,
 *            TOO_LARGE, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when chunks and job survive a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_document_submit_chunks(ragstore_job **out, ragstore_entity *entity,
                                                 const char *chunks_json, const float *vectors,
                                                 size_t dimension,
                                                 const ragstore_document_add_options *options);

/**
 * Make vectors of the store's model for all documents of an entity, by a job: of one that was made
 * without a model, or with another one. Searches go by keyword until the one commit in which the
 * new vectors take over, so that all documents are found by the same measure at any moment; they
 * may be added and deleted meanwhile. Vectors of another model count no
 * more from the call on: this store cannot embed questions for them. When the process dies the next
 * one goes on where it was.
 * A job that is on its way is given again. One that finds nothing to do is done at once. Its result
 * has embedder (fingerprint) and chunks (how many the entity has).
 *
 * @param out  NULL, or set to the job, to NULL on failure
 * @param entity  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_job_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, EMBEDDER (the store has no model, or the vectors are the caller's own),
 *            BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the job survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_reembed(ragstore_job **out, ragstore_entity *entity);

/**
 * Look up a job.
 *
 * @param out  set to the job, to NULL on failure
 * @param store  not NULL
 * @param job_id  its id: "job_" and 12 hexadecimal digits
 *
 * Ownership: caller owns *out, free with ragstore_job_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_job_open(ragstore_job **out, ragstore_store *store, const char *job_id);

/**
 * Free a job's handle. The job goes on.
 *
 * @param job  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_job_free(ragstore_job *job);

/**
 * Tell a job's id, which finds it again in any process.
 *
 * @param job  not NULL
 * @return its id; NULL when job is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_job_id(const ragstore_job *job);

/**
 * Describe a job as a JSON object: job_id, kind ("upload", "chunks" or "reembed"), entity_id,
 * filename (or null), state ("waiting", "running", "done", "failed" or "cancelled"), stage (of a
 * running one: "extract", "chunk", "embed" or "commit"; else null), done and total (in the stage's
 * own unit; total is 0 while unknown), error (null, or status such as "NOT_EXTRACTABLE", its code,
 * and message: of a waiting one what it was put off for), next_try_at (of such a one, at the
 * latest; else null), retries (how often it was put off), result (null, or of one that is done: the
 * document as ragstore_document_describe() has it), created_at, updated_at.
 * Another process's stage is not known: null.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param job  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (it ended, and 1,000 others since), common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_job_describe(ragstore_buffer **out, ragstore_job *job);

/**
 * Wait until a job has ended, and tell how.
 *
 * @param job  not NULL
 * @param timeout_ms  at most so long; 0: only look
 * @return 0 when it is done; what it failed with, with its message; INTERRUPTED when it was
 * cancelled;
 *         BUSY when it has not ended in time
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread, without a batch of its own.
 * Errors:    BUSY, INTERRUPTED, NOT_FOUND, WRONG_STATE (this thread has a batch), those of the job,
 *            common.
 * Blocking:  up to timeout_ms.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_job_wait(ragstore_job *job, uint32_t timeout_ms);

/**
 * Cancel a job: nothing of it stays. One that has ended stays as it is; deleting an entity cancels
 * its jobs.
 *
 * @param job  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_job_cancel(ragstore_job *job);

/**
 * List jobs, the newest first, as JSON: {"jobs": [as ragstore_job_describe() has them], "total":
 * how many there are}.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 * @param options  NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_job_list(ragstore_buffer **out, ragstore_store *store,
                                   const ragstore_job_list_options *options);

/* ------------------ search and result ------------------------------------------- */

#define RAGSTORE_MODE_HYBRID 1u  /* the default: keyword and vector ranking, fused */
#define RAGSTORE_MODE_VECTOR 2u
#define RAGSTORE_MODE_KEYWORD 3u

#define RAGSTORE_FUSION_SUM 1u   /* the default: both scores, each made 0 to 1, added */
#define RAGSTORE_FUSION_RANKS 2u /* reciprocal ranks, 1 / (60 + rank), added */

#define RAGSTORE_DUPLICATES_LAST 1u /* the default: what says the same as a better hit comes last */
#define RAGSTORE_DUPLICATES_KEEP 2u /* each in its place */

typedef struct ragstore_entity_search_options {
    size_t struct_size;
    uint32_t k;         /* how many chunks at most: 1 to 200; default 5 */
    uint32_t mode;      /* RAGSTORE_MODE_…; hybrid becomes keyword when there is no model */
    uint32_t neighbors; /* chunks before and after each hit to attach to its text: 0 to 10 */
    float min_score;    /* leave out chunks below this score (0 to 1) */
    const char *const *doc_ids; /* only these documents; NULL: all */
    size_t doc_ids_count;
    const char *filter_json; /* a query on the documents' and chunks' metadata, such as
                                {"year": {"$gte": 2020}}; see ragstore_query(7); NULL: all */
    const float *vector;     /* search by this vector instead of embedding the query */
    size_t dimension;        /* numbers in vector */
    uint32_t fusion;     /* RAGSTORE_FUSION_…: how hybrid ranking adds up; default sum */
    uint32_t duplicates; /* RAGSTORE_DUPLICATES_…; by default what says the same comes last */
} ragstore_entity_search_options;

#define RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT                                                        \
    {sizeof(ragstore_entity_search_options), 0, 0, 0, 0.0f, NULL, 0, NULL, NULL, 0, 0, 0}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_entity_search_options_init(ragstore_entity_search_options *options);

/**
 * Find the chunks of one entity that best answer a query. Without the entity's model, and when an
 * application's embedder fails, hybrid ranking is by keyword; ragstore_result_mode() says it.
 *
 * @param out  set to the result on success, to NULL on failure; a result may have no hits
 * @param entity  whose documents are searched; no other entity's are ever seen
 * @param query  UTF-8, 1 byte to 32 KiB; may be empty only when options->vector is given
 * @param options  NULL for the defaults: k = 5, hybrid ranking, no filter
 *
 * Ownership: caller owns *out, free with ragstore_result_free().
 * Lifetime:  strings of the result live until it is freed, also after the entity is closed.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (entity deleted meanwhile), EMBEDDER (vector mode without the entity's
 *            model, or it failed), QUERY, INVALID_DATA, TOO_LARGE, common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_entity_search(ragstore_result **out, ragstore_entity *entity,
                                        const char *query,
                                        const ragstore_entity_search_options *options);

/**
 * Free a result.
 *
 * @param result  NULL is fine; an answer's sources are not freed by the caller
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_result_free(ragstore_result *result);

/**
 * Count the hits of a result.
 *
 * @param result  not NULL
 * @return 0 when result is NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API size_t ragstore_result_count(const ragstore_result *result);

/**
 * Tell how a result was ranked: a hybrid search of an entity without a model is ranked by keyword.
 *
 * @param result  not NULL
 * @return RAGSTORE_MODE_…; 0 when result is NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API uint32_t ragstore_result_mode(const ragstore_result *result);

/**
 * Give the text of a hit, with its neighbours when they were asked for.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return UTF-8 text; NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_content(const ragstore_result *result, size_t position);

/**
 * Give the id of a hit's document.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_doc_id(const ragstore_result *result, size_t position);

/**
 * Give the file name of a hit's document.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_doc_name(const ragstore_result *result, size_t position);

/**
 * Give the source that was named when a hit's document was added, or else its file name.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_source(const ragstore_result *result, size_t position);

/**
 * Give the metadata of a hit: the document's, overlaid by the chunk's.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return a JSON object as text; NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_metadata(const ragstore_result *result, size_t position);

/**
 * Give the headings above a hit, from the outermost in, joined by " > ".
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return "" when there are none; NULL when position is out of range
 *
 * Ownership: borrowed.
 * Lifetime:  until the result is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_result_heading(const ragstore_result *result, size_t position);

/**
 * Give the number of a hit's chunk: unique in its entity, never used again.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return -1 when position is out of range
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int64_t ragstore_result_chunk_number(const ragstore_result *result, size_t position);

/**
 * Give the place of a hit's chunk in its document, counted from 0.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return -1 when position is out of range
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int64_t ragstore_result_chunk_order(const ragstore_result *result, size_t position);

/**
 * Give the page of a hit.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return from 1; 0 when the document has no pages or position is out of range
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API uint32_t ragstore_result_page(const ragstore_result *result, size_t position);

/**
 * Give where a hit's chunk starts in the document's text.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return byte offset; -1 when unknown
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int64_t ragstore_result_start(const ragstore_result *result, size_t position);

/**
 * Give where a hit's chunk ends in the document's text.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return byte offset behind the last byte; -1 when unknown
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int64_t ragstore_result_end(const ragstore_result *result, size_t position);

/**
 * Give how well a hit answers the query. Comparable between queries of one entity; hits are ordered
 * by the ranking of the search, which the score follows closely but not always.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return 0 (not at all) to 1; 0 when position is out of range
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API float ragstore_result_score(const ragstore_result *result, size_t position);

/**
 * Give the similarity of the vectors of query and hit, by the entity's metric: the cosine, the
 * inner product, or for "l2" minus the squared distance.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return a cosine is -1 to 1; NaN when it was not computed
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API float ragstore_result_vector_score(const ragstore_result *result, size_t position);

/**
 * Give how much of the best possible keyword score the hit reaches.
 *
 * @param result  not NULL
 * @param position  0 to count - 1, best first
 * @return 0 to 1; NaN when it was not computed
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API float ragstore_result_keyword_score(const ragstore_result *result, size_t position);

/**
 * Copy chunk numbers and scores of all hits at once.
 *
 * @param chunk_numbers  NULL, or array of `capacity` numbers
 * @param scores  NULL, or array of `capacity` floats
 * @param result  not NULL
 * @param capacity  hits to copy at most
 * @return how many were copied
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API size_t ragstore_result_copy(int64_t *chunk_numbers, float *scores,
                                         const ragstore_result *result, size_t capacity);

/**
 * Give a result as a JSON array of objects: content, doc_id, doc_name, chunk_order_index,
 * chunk_number, source, score, scores {vector, keyword}, metadata, heading, page, start, end.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param result  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_result_json(ragstore_buffer **out, const ragstore_result *result);

/* ------------------ session ----------------------------------------------------- */

typedef struct ragstore_session_create_options {
    size_t struct_size;
    const char *name;          /* default: "Chat N", N = sessions of the entity + 1; at most 1,024
                                  bytes */
    const char *metadata_json; /* default: {}; a JSON object of at most 16 KiB */
} ragstore_session_create_options;

#define RAGSTORE_SESSION_CREATE_OPTIONS_INIT                                                       \
    {sizeof(ragstore_session_create_options), NULL, NULL}

typedef struct ragstore_session_update_options {
    size_t struct_size;
    const char *name;          /* NULL: keep */
    const char *metadata_json; /* NULL: keep; otherwise replaces the whole object */
    const char *version;       /* fail with CONFLICT unless the session has it; NULL: any */
} ragstore_session_update_options;

#define RAGSTORE_SESSION_UPDATE_OPTIONS_INIT                                                       \
    {sizeof(ragstore_session_update_options), NULL, NULL, NULL}

typedef struct ragstore_session_search_options {
    size_t struct_size;
    const char *session_id; /* only in this session; NULL: in all of the entity */
    uint64_t limit;         /* default 20 */
    uint64_t offset;        /* skip this many first */
} ragstore_session_search_options;

#define RAGSTORE_SESSION_SEARCH_OPTIONS_INIT                                                       \
    {sizeof(ragstore_session_search_options), NULL, 0, 0}

typedef struct ragstore_session_messages_options {
    size_t struct_size;
    uint64_t limit;  /* the newest so many; default: all */
    uint64_t before; /* only messages with a smaller number; default: up to the newest */
} ragstore_session_messages_options;

#define RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT                                                     \
    {sizeof(ragstore_session_messages_options), 0, 0}

typedef struct ragstore_session_ask_options {
    size_t struct_size;
    const char *const *doc_ids; /* answer from these documents only; NULL: all */
    size_t doc_ids_count;
    const char *filter_json; /* as in ragstore_entity_search_options */
    uint32_t k;              /* passages to draw on: 1 to 50; default 8 */
    uint32_t reserved;       /* zero */
    /* Called once before any text. A return other than 0 cancels. */
    int32_t (*on_sources)(void *user, const ragstore_result *sources);
    /* Called as the answer grows. A return other than 0 cancels: what was said so far is stored. */
    int32_t (*on_text)(void *user, const char *text, size_t size);
    void *user;
    /* A language model: answers messages_json, a JSON array of {role, content}, with at most
     * max_tokens tokens; see ragstore_generation_write(). Returns 0, or a RAGSTORE_E_… code. Called
     * once, and once more before that when the message follows up on others. NULL: sentences are
     * quoted. */
    int32_t (*generate)(void *user, ragstore_generation *out, const char *messages_json,
                        uint32_t max_tokens);
    void *generate_user;
    uint32_t max_answer_tokens; /* default 800 */
    uint32_t max_prompt_tokens; /* passages and conversation together; default 3,000 */
    uint32_t timeout_ms;        /* for each call of generate; default 120,000 */
    uint32_t padding;           /* zero */
} ragstore_session_ask_options;

#define RAGSTORE_SESSION_ASK_OPTIONS_INIT                                                          \
    {sizeof(ragstore_session_ask_options),                                                         \
     NULL,                                                                                         \
     0,                                                                                            \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     NULL,                                                                                         \
     NULL,                                                                                         \
     NULL,                                                                                         \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     0,                                                                                            \
     0}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_session_create_options_init(ragstore_session_create_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_session_update_options_init(ragstore_session_update_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_session_search_options_init(ragstore_session_search_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void
ragstore_session_messages_options_init(ragstore_session_messages_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_session_ask_options_init(ragstore_session_ask_options *options);

/**
 * Begin a conversation about an entity.
 *
 * @param out  NULL, or set to the session, to NULL on failure
 * @param entity  not NULL
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_session_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_DATA, TOO_LARGE, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_create(ragstore_session **out, ragstore_entity *entity,
                                         const ragstore_session_create_options *options);

/**
 * Look up a session by its id.
 *
 * @param out  set to the session, to NULL on failure
 * @param store  not NULL
 * @param session_id  "session_" and 12 hexadecimal digits
 *
 * Ownership: caller owns *out, free with ragstore_session_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_open(ragstore_session **out, ragstore_store *store,
                                       const char *session_id);

/**
 * Free a session's handle. The session stays.
 *
 * @param session  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_session_free(ragstore_session *session);

/**
 * Tell a session's id.
 *
 * @param session  not NULL
 * @return its id; NULL when session is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_session_id(const ragstore_session *session);

/**
 * Tell the id of the entity that a session is about.
 *
 * @param session  not NULL
 * @return the entity's id; NULL when session is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_session_entity_id(const ragstore_session *session);

/**
 * Describe a session as a JSON object: session_id, entity_id, entity_name, session_name,
 * created_at, last_activity, message_count, metadata.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param session  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_describe(ragstore_buffer **out, ragstore_session *session);

/**
 * List the sessions of an entity, oldest first unless the options say otherwise, as a JSON array of
 * objects as ragstore_session_describe() has them.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param entity  not NULL
 * @param options  NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_list(ragstore_buffer **out, ragstore_entity *entity,
                                       const ragstore_list_options *options);

/**
 * Change the name or the metadata of a session. Its last activity stays as it is.
 *
 * @param session  not NULL
 * @param options  NULL changes nothing
 *
 * Ownership: texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, CONFLICT (it has another version), INVALID_DATA, TOO_LARGE, BUSY,
 *            READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_update(ragstore_session *session,
                                         const ragstore_session_update_options *options);

/**
 * Tell the version of a session: a text that is another one after each of its changes, messages
 * included. Read it before the session is read, and ragstore_session_update() changes what was
 * read.
 *
 * @param out  set to the version, to NULL on failure
 * @param session  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_version(ragstore_buffer **out, ragstore_session *session);

/**
 * Find messages in the history of an entity: those that have each word of a query somewhere in
 * their content, without regard to case and accents. A JSON array of objects: session_id,
 * session_name, number, role, content, timestamp, metadata; first those of the session with the
 * last activity, in each session the newest first.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param entity  not NULL
 * @param query  UTF-8, at most 1 KiB and 16 words
 * @param options  NULL for the defaults: all sessions, 20 messages
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, TOO_LARGE, INTERRUPTED, common.
 * Blocking:  reads messages, from the newest back, until it has found enough.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_search(ragstore_buffer **out, ragstore_entity *entity,
                                         const char *query,
                                         const ragstore_session_search_options *options);

/**
 * Delete a session with its messages.
 *
 * @param store  not NULL
 * @param session_id  its id
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_delete(ragstore_store *store, const char *session_id);

/**
 * Append a message.
 *
 * @param number  NULL, or set to the message's number, counted from 0
 * @param session  not NULL
 * @param role  "user", "assistant" or "system"
 * @param content  UTF-8, at most 1 MiB
 * @param metadata_json  NULL, or a JSON object of at most 16 KiB
 *
 * Ownership: texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_DATA, TOO_LARGE, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_append(uint64_t *number, ragstore_session *session,
                                         const char *role, const char *content,
                                         const char *metadata_json);

/**
 * Read messages, oldest first, as a JSON array of objects: role, content, timestamp, metadata.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param session  not NULL
 * @param options  NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_messages(ragstore_buffer **out, ragstore_session *session,
                                           const ragstore_session_messages_options *options);

/* ------------------ answer ------------------------------------------------------ */

/**
 * Ask a session: store the message, search the entity with the conversation in mind, answer with
 * numbered citations, store the answer.
 * The answer quotes the sentences that best answer the message, or says that nothing in the
 * documents does. With options->generate a language model answers from the passages that were
 * found; its sources are all of those, and a citation of anything else is taken out of its text.
 * When it fails before it says anything, sentences are quoted, and model_error in the message's
 * metadata says why; when it fails in the middle, what it said is stored and marked as partial.
 *
 * @param out  NULL, or set to the answer, to NULL on failure
 * @param session  not NULL
 * @param message  UTF-8, 1 byte to 32 KiB
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_answer_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread; callbacks run on the calling one.
 * Errors:    NOT_FOUND, INVALID_DATA, TOO_LARGE, QUERY, BUSY, READ_ONLY, DISK_FULL, INTERRUPTED (a
 *            callback cancelled; both messages are stored), MODEL (it failed in the middle; both
 *            messages are stored), common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_session_ask(ragstore_answer **out, ragstore_session *session,
                                      const char *message,
                                      const ragstore_session_ask_options *options);

/**
 * Say the next piece of an answer. For the generate callback of ragstore_session_ask_options.
 *
 * @param generation  what the callback was given
 * @param text  UTF-8, `size` bytes; a character may be split between two calls, and what is not
 *              valid becomes U+FFFD; may be NULL when size is 0
 * @param size  bytes
 *
 * Ownership: text is copied.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    TOO_LARGE (the answer is as long as it may be: return), INTERRUPTED and MODEL
 *            (cancelled or out of time: return), common.
 * Blocking:  calls on_text.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_generation_write(ragstore_generation *generation, const char *text,
                                           size_t size);

/**
 * Ask whether to go on, while there is nothing to say. Call it several times a second.
 *
 * @param generation  what the callback was given
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INTERRUPTED, MODEL (out of time), common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_generation_poll(ragstore_generation *generation);

/**
 * Say why the language model cannot answer, or not go on; for the message of the error. The
 * callback returns the status.
 *
 * @param generation  what the callback was given
 * @param reason  one sentence without secrets; at most 511 bytes are used
 * @return MODEL; INVALID_ARGUMENT when an argument is NULL
 *
 * Ownership: reason is copied.
 * Lifetime:  none.
 * Threads:   the thread of the callback.
 * Errors:    INVALID_ARGUMENT, MODEL.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_generation_fail(ragstore_generation *generation, const char *reason);

/**
 * Free an answer and its sources.
 *
 * @param answer  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_answer_free(ragstore_answer *answer);

/**
 * Give the text of an answer.
 *
 * @param answer  not NULL
 * @return UTF-8 text; NULL when answer is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the answer is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_answer_text(const ragstore_answer *answer);

/**
 * Give the sources of an answer: the hit at position n - 1 is what [n] cites.
 *
 * @param answer  not NULL
 * @return a result; NULL when answer is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the answer is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const ragstore_result *ragstore_answer_sources(const ragstore_answer *answer);

/**
 * Give the stored message of an answer as a JSON object: role, content, timestamp, metadata.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param answer  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_answer_message(ragstore_buffer **out, const ragstore_answer *answer);

/* ------------------ index ------------------------------------------------------- */

/**
 * Look at the vectors of an entity.
 *
 * @param out  set to the index, to NULL on failure
 * @param entity  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_index_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, EMBEDDER (a keyword-only entity has no vectors), common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_open(ragstore_index **out, ragstore_entity *entity);

/**
 * Free an index's handle. The vectors stay.
 *
 * @param index  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_index_free(ragstore_index *index);

/**
 * Describe an index as a JSON object: kind (as it is set), tier ("exact", "codes", "partition"
 * or "faiss": how it is searched now), problem (why the kind could not be made, or null), state
 * ("ready", or "building" while another tier or further vectors are being made ready in the
 * background), metric, dimension, count (vectors that can be found), coded (of them in codes, or in
 * FAISS's index), rows (vectors on disk), dead (rows whose chunks were deleted), bytes (of the rows
 * on disk), memory (bytes of the codes, or of FAISS's index, about), embedder, file (path of
 * index.faiss below the store, or null while it is not there).
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param index  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_describe(ragstore_buffer **out, ragstore_index *index);

/**
 * Change a setting of an index. It is kept with the entity. Another kind is made ready in the
 * background, while searches go on with what there is.
 *
 *   kind         "auto" (the default): by the number of vectors and how many numbers each has;
 *                "exact": each is compared;
 *                "codes": all are looked at by their codes, and the best compared; "partition":
 *                codes in lists, of which some are looked into; "faiss:" and a factory string of
 *                FAISS, such as "faiss:HNSW32" or "faiss:IVF256,SQ8". Up to 4,096 vectors are
 *                always compared. FAISS's index is read from index.faiss after a restart; of
 *                some RQ, LSQ, PRQ and PLSQ, which ragstore_format(5) names, it is made again from
 *                the vectors instead. RFlat, Refine, NSG, MinMax, ZnLattice and Residual are refused:
 *                INVALID_ARGUMENT.
 *   probes       how many lists of a partition, or of FAISS's, a search looks into; "0" (the
 *                default): by their number, and of a partition no more than are likely to help
 *   candidates   how many vectors a search by codes or FAISS compares; "0" (the default): by k
 *   threads      how many share one exact search of many vectors; "0" (the default): one
 *
 * @param index  not NULL
 * @param key  one of those above
 * @param value  text; NULL for the default
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_ARGUMENT (no such key, or value: the message lists those that there
 *            are; or no such kind of FAISS for these vectors), UNSUPPORTED (this processor cannot
 *            run FAISS), BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_set(ragstore_index *index, const char *key, const char *value);

/**
 * Read a setting of an index.
 *
 * @param out  set to its value as text, to NULL on failure
 * @param index  not NULL
 * @param key  as ragstore_index_set() takes it
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_ARGUMENT (no such key), common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_get(ragstore_buffer **out, ragstore_index *index, const char *key);

typedef struct ragstore_index_rebuild_options {
    size_t struct_size;
    /* Called now and then; a return other than 0 cancels the call. stage is "train" or "vectors";
     * total is 0 while unknown. */
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ragstore_index_rebuild_options;

#define RAGSTORE_INDEX_REBUILD_OPTIONS_INIT {sizeof(ragstore_index_rebuild_options), NULL, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_index_rebuild_options_init(ragstore_index_rebuild_options *options);

/**
 * Make what an entity is searched by anew from its vectors, now and on this thread: another kind
 * that was set need not be waited for. Others search by what there is until it is ready, and go on
 * with it when the call fails or is cancelled. Nothing is embedded again, and nothing needs it: the
 * same is done in the background when there is a reason.
 *
 * @param index  not NULL
 * @param options  NULL for the defaults: nobody is told how far it is
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, UNSUPPORTED (FAISS cannot make such an index of these vectors), INTERRUPTED
 *            (cancelled, or the store was interrupted), common.
 * Blocking:  reads every vector; waits for other such work of the store.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_rebuild(ragstore_index *index,
                                        const ragstore_index_rebuild_options *options);

/**
 * Find the nearest vectors to each of several queries.
 *
 * @param chunk_numbers  query_count × k numbers, row by row, best first; -1 where there are fewer
 *                       than k
 * @param scores  query_count × k floats in the same order, higher is nearer: cosines, inner
 *                products, or for the metric "l2" minus the squared distances; NaN beside -1
 * @param index  not NULL
 * @param queries  query_count × dimension floats, row by row; finite numbers, for cosine not all 0
 * @param query_count  0 to 65,536
 * @param dimension  must be the index's
 * @param k  1 to 16,384
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_ARGUMENT (dimension, not finite, 0, longer than 1e18), common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_search(int64_t *chunk_numbers, float *scores, ragstore_index *index,
                                       const float *queries, size_t query_count, size_t dimension,
                                       size_t k);

/**
 * Read one vector.
 *
 * @param vector  `dimension` floats
 * @param index  not NULL
 * @param chunk_number  of a chunk that is not deleted
 * @param dimension  must be the index's
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, INVALID_ARGUMENT, common.
 * Blocking:  reads from disk, never waits for another thread's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_vector(float *vector, ragstore_index *index, int64_t chunk_number,
                                       size_t dimension);

/**
 * Write vector_store/index.faiss anew from the rows, so that it is exact now. Entities of up to
 * 20,000 vectors have it without being asked, a moment after a checkpoint. For a kind of index of
 * FAISS's it is that index, and the next start reads it instead of making it again.
 *
 * @param index  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_export(ragstore_index *index);

/**
 * Take the vectors of a FAISS file into an entity: as one document with a chunk for each vector, in
 * one commit. Flat files, and IDMap and IDMap2 over Flat, with inner product or L2, are read, by
 * code that believes nothing in them; FAISS itself never sees the file. It is read once and may go.
 * chunks_json gives the chunks' texts: a JSON array with an object for each vector, in the file's
 * order, as ragstore_document_add_chunks() takes them, without vectors. When it is NULL, a chunk's
 * text is "vector 17", where 17 is the vector's id in the file, or its place, from 0, in one
 * without ids. The same number is the member faiss_id of the chunk's metadata, unless that has one
 * already. Chunk numbers are the store's own. Vectors are compared by the entity's metric, whatever
 * the file's is; for "cosine" they are brought to length 1, which ranks like the file's metric when
 * they had length 1 before.
 *
 * @param out  NULL, or set to the document, to NULL on failure
 * @param entity  not NULL; its vectors must have the file's dimension, or it has no documents yet
 * @param path  of the file, anywhere on disk; at most 1,000,000 vectors and 4 GiB
 * @param chunks_json  NULL, or UTF-8 JSON text, at most 256 MiB
 * @param options  NULL for the defaults; the file name is that of the path
 *
 * Ownership: caller owns *out, free with ragstore_document_free(); everything else is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (file, or entity), INVALID_DATA (not a FAISS file, damaged, another
 *            dimension, a vector that is not finite or 0, an id that is negative or there twice),
 *            UNSUPPORTED (another kind of FAISS index or metric), EMBEDDER (the entity's documents
 *            have no vectors), TOO_LARGE, CONFLICT, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  reads the file; waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_index_import(ragstore_document **out, ragstore_entity *entity,
                                       const char *path, const char *chunks_json,
                                       const ragstore_document_add_options *options);

/* ------------------ collection -------------------------------------------------- */

typedef struct ragstore_collection_find_options {
    size_t struct_size;
    const char *sort_json;       /* such as {"year": -1}; default: the order in which they came */
    const char *projection_json; /* such as {"title": 1}; default: whole documents */
    uint64_t skip;
    uint64_t limit; /* default: all */
} ragstore_collection_find_options;

#define RAGSTORE_COLLECTION_FIND_OPTIONS_INIT                                                      \
    {sizeof(ragstore_collection_find_options), NULL, NULL, 0, 0}

#define RAGSTORE_UPDATE_UPSERT 0x1u /* insert a document when none matches */

typedef struct ragstore_collection_update_options {
    size_t struct_size;
    uint32_t flags;      /* RAGSTORE_UPDATE_… */
    uint32_t reserved;   /* zero */
    const char *version; /* fail with CONFLICT unless the document has it; NULL: any; not with
                            UPSERT */
} ragstore_collection_update_options;

#define RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT                                                    \
    {sizeof(ragstore_collection_update_options), 0, 0, NULL}

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_collection_find_options_init(ragstore_collection_find_options *options);

/**
 * Fill an options struct with the defaults.
 *
 * @param options  not NULL
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void
ragstore_collection_update_options_init(ragstore_collection_update_options *options);

/**
 * Open a collection of documents. One that nothing was put into is empty and leaves no trace.
 * "entities" and "chat_sessions" open the store's own records, which can only be read here.
 *
 * @param out  set to the collection, to NULL on failure
 * @param store  not NULL
 * @param name  1 to 64 letters, digits, '_' and '-'; not "chunks", not with '_' in front
 *
 * Ownership: caller owns *out, free with ragstore_collection_free(); name is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    INVALID_ARGUMENT (a name that is malformed or reserved), common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_open(ragstore_collection **out, ragstore_store *store,
                                          const char *name);

/**
 * Free a collection's handle. The documents stay.
 *
 * @param collection  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_collection_free(ragstore_collection *collection);

/**
 * Tell the name of a collection.
 *
 * @param collection  not NULL
 * @return its name; NULL when collection is NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the handle is freed.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_collection_name(const ragstore_collection *collection);

/**
 * List the application's collections that have documents, by name, as a JSON array of objects:
 * name, documents (how many).
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param store  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_list(ragstore_buffer **out, ragstore_store *store);

/**
 * Insert documents, all of them or none. One without an "_id" gets one of 24 hexadecimal digits.
 *
 * @param out  NULL, or set to a JSON object: inserted_count, inserted_ids
 * @param collection  not NULL
 * @param documents_json  a JSON object, or an array of objects, each at most 16 MiB
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    EXISTS (an _id is taken), INVALID_DATA, TOO_LARGE, INTERRUPTED, BUSY, READ_ONLY,
 *            DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_insert(ragstore_buffer **out, ragstore_collection *collection,
                                            const char *documents_json);

/**
 * Find documents. The cursor reads them in batches: a batch is consistent, and other threads may
 * change documents between two of them; a document that is there all the time is told once. A
 * sorted cursor, and one opened in a ragstore_batch of the calling thread, reads everything at once
 * and is consistent as a whole.
 *
 * @param out  set to a cursor, to NULL on failure
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 * @param options  NULL for whole documents, all of them, in the order in which they came
 *
 * Ownership: caller owns *out, free with ragstore_cursor_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY (the place in the query is named), INVALID_DATA, TOO_LARGE (too much to sort),
 *            INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_find(ragstore_cursor **out, ragstore_collection *collection,
                                          const char *filter_json,
                                          const ragstore_collection_find_options *options);

/**
 * Tell the next document of a cursor.
 *
 * @param out  set to the next document as JSON text, to NULL at the end and on failure
 * @param size  NULL, or set to its bytes
 * @param cursor  not NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the next call with this cursor.
 * Threads:   one at a time.
 * Errors:    QUERY (a $regex over its limits), INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_cursor_next(const char **out, size_t *size, ragstore_cursor *cursor);

/**
 * Tell the version of the document that was told last: a text that changes whenever the document
 * does, for ragstore_collection_update_options.
 *
 * @param cursor  not NULL
 * @return 32 hexadecimal digits; "" when no document of a collection was told; NULL when cursor is
 *         NULL
 *
 * Ownership: borrowed.
 * Lifetime:  until the next call with this cursor.
 * Threads:   one at a time.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API const char *ragstore_cursor_version(const ragstore_cursor *cursor);

/**
 * Free a cursor.
 *
 * @param cursor  NULL is fine
 *
 * Ownership: taken.
 * Lifetime:  what it told ends here.
 * Threads:   any thread.
 * Errors:    none.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API void ragstore_cursor_free(ragstore_cursor *cursor);

/**
 * Find the first document.
 *
 * @param out  set to the document as JSON text, to NULL on failure
 * @param version  NULL, or set to its version, to NULL on failure
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 * @param options  NULL for the defaults; limit is not used
 *
 * Ownership: caller owns *out and *version, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND (nothing matches), QUERY, INVALID_DATA, TOO_LARGE, INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_find_one(ragstore_buffer **out, ragstore_buffer **version,
                                              ragstore_collection *collection,
                                              const char *filter_json,
                                              const ragstore_collection_find_options *options);

/**
 * Count documents.
 *
 * @param out  set to the number, to 0 on failure
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_count(uint64_t *out, ragstore_collection *collection,
                                           const char *filter_json);

/**
 * Update the first document that matches. Reading, deciding and writing are one step that no other
 * change can come into.
 *
 * @param out  NULL, or set to a JSON object: matched_count, modified_count, upserted_id (or null),
 *                version (of the document when it is one, or null)
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 * @param update_json  an update, see ragstore_query(7)
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, TOO_LARGE, EXISTS (an upsert would take the _id of another
 *            document), CONFLICT (the document has another version), INTERRUPTED, BUSY, READ_ONLY,
 *            DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_update_one(ragstore_buffer **out,
                                                ragstore_collection *collection,
                                                const char *filter_json, const char *update_json,
                                                const ragstore_collection_update_options *options);

/**
 * Update all documents that match, or none of them when one update fails.
 *
 * @param out  NULL, or set to a JSON object: matched_count, modified_count, upserted_id (or null),
 *                version (of the document when it is one, or null)
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 * @param update_json  an update, see ragstore_query(7)
 * @param options  NULL for the defaults; version must be NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, TOO_LARGE, EXISTS (an upsert would take the _id of another
 *            document), INTERRUPTED, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_update_many(ragstore_buffer **out,
                                                 ragstore_collection *collection,
                                                 const char *filter_json, const char *update_json,
                                                 const ragstore_collection_update_options *options);

/**
 * Replace the first document that matches; it keeps its _id.
 *
 * @param out  NULL, or set to a JSON object: matched_count, modified_count, upserted_id (or null),
 *                version (of the document when it is one, or null)
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 * @param document_json  a JSON object; its _id, if any, must be that of the document
 * @param options  NULL for the defaults
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, TOO_LARGE, EXISTS (an upsert would take the _id of another
 *            document), CONFLICT (the document has another version), INTERRUPTED, BUSY, READ_ONLY,
 *            DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_replace_one(ragstore_buffer **out,
                                                 ragstore_collection *collection,
                                                 const char *filter_json, const char *document_json,
                                                 const ragstore_collection_update_options *options);

/**
 * Delete the first document that matches.
 *
 * @param out  NULL, or set to a JSON object: deleted_count
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, INTERRUPTED, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_delete_one(ragstore_buffer **out,
                                                ragstore_collection *collection,
                                                const char *filter_json);

/**
 * Delete all documents that match.
 *
 * @param out  NULL, or set to a JSON object: deleted_count
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, INTERRUPTED, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_delete_many(ragstore_buffer **out,
                                                 ragstore_collection *collection,
                                                 const char *filter_json);

/**
 * Index a field. An index lives in memory, is made at its first use and follows each change; that
 * there is one is kept in the store.
 *
 * @param collection  not NULL
 * @param path  of a field, such as "author.name"
 *
 * Ownership: path is copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    EXISTS, QUERY (a malformed path), BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_index_create(ragstore_collection *collection,
                                                  const char *path);

/**
 * Drop the index of a field.
 *
 * @param collection  not NULL
 * @param path  as given to ragstore_collection_index_create()
 *
 * Ownership: none.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    NOT_FOUND, BUSY, READ_ONLY, DISK_FULL, common.
 * Blocking:  waits for the disk: returns when the change survives a power cut.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_index_drop(ragstore_collection *collection, const char *path);

/**
 * List the indexes of a collection as a JSON array of objects: path.
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param collection  not NULL
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    common.
 * Blocking:  never.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_index_list(ragstore_buffer **out,
                                                ragstore_collection *collection);

/**
 * Tell how a filter is answered, as a JSON object: plan ("ids", "index", "scan" or "nothing"),
 * index (its path, or null), candidates (documents to be looked at), documents (in the collection).
 *
 * @param out  set to UTF-8 JSON text, to NULL on failure
 * @param collection  not NULL
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_explain(ragstore_buffer **out, ragstore_collection *collection,
                                             const char *filter_json);

/**
 * Tell the different values of a field, in the order of their first appearance. The elements of an
 * array count, not the array.
 *
 * @param out  set to a JSON array, to NULL on failure
 * @param collection  not NULL
 * @param path  of a field, such as "author.name"
 * @param filter_json  a query, see ragstore_query(7); NULL for all
 *
 * Ownership: caller owns *out, free with ragstore_buffer_free().
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, TOO_LARGE, INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_distinct(ragstore_buffer **out,
                                              ragstore_collection *collection, const char *path,
                                              const char *filter_json);

/**
 * Let all documents pass the stages of a pipeline. The documents that come out are there when the
 * call returns; the cursor tells them.
 *
 * @param out  set to a cursor, to NULL on failure
 * @param collection  not NULL
 * @param pipeline_json  an array of stages, see ragstore_query(7)
 *
 * Ownership: caller owns *out, free with ragstore_cursor_free(); texts are copied.
 * Lifetime:  none.
 * Threads:   any thread.
 * Errors:    QUERY, INVALID_DATA, TOO_LARGE (over 256 MiB in a stage, or in what comes out),
 *            INTERRUPTED, common.
 * Blocking:  never waits for a writer's flush.
 * Since:     0.1
 */
RAGSTORE_API int ragstore_collection_aggregate(ragstore_cursor **out,
                                               ragstore_collection *collection,
                                               const char *pipeline_json);

#ifdef __cplusplus
}
#endif

#endif
