/*
 * Another process that has the same store open and does what it is told.
 *
 *   peer other;
 *   peer_start(&other, store_path(state), 0);     // forked; opens the store for itself
 *   peer_do(&other, 'u', 1000);                   // wait for the answer
 *   peer_tell(&other, 'u', 1000); … peer_answer(&other);
 *   peer_end(&other);                             // closes the store; or peer_kill()
 *
 * An answer is what the order gives: a count, or a status of ragstore.h. Orders:
 *
 *   u  upsert so many documents into the collection "notes", _id p<process>-<number>
 *   d  delete so many of the parent's: _id parent-<number>
 *   n  count the documents of "notes"
 *   i  count those of "notes" with kind = the number, which uses an index if there is one
 *   x  make an index on "kind"
 *   t  add so many documents to the entity "acme", of the words "granite <n>"
 *   s  hits of "granite" in "acme"
 *   m  append so many messages to the first session of "acme"
 *   g  how many messages it has
 *   b  begin a batch and put a document into "notes"; c commits it
 *   k  checkpoint (export)
 *   v  add so many vectors to "acme" in a batch that is aborted
 *   w  add so many documents of one chunk with a vector to "acme"
 *   e  delete the entity "acme"
 */
#ifndef TESTS_API_PEER_H
#define TESTS_API_PEER_H

#include "api_fixture.h"

#include <signal.h>

typedef struct peer {
    pid_t process;
    int to;
    int from;
} peer;

typedef struct peer_order {
    char what;
    int64_t number;
} peer_order;

/* ---- what both sides do ---- */

static inline int put_note(ragstore_store *store, const char *id, int64_t kind)
{
    char filter[128];
    char update[128];
    ragstore_collection *notes;
    ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    options.flags = RAGSTORE_UPDATE_UPSERT;
    snprintf(filter, sizeof filter, "{\"_id\":\"%s\"}", id);
    snprintf(update, sizeof update, "{\"$set\":{\"kind\":%d}}", (int)kind);
    int status = ragstore_collection_open(&notes, store, "notes");
    if (status == RAGSTORE_OK)
        status = ragstore_collection_update_one(NULL, notes, filter, update, &options);
    ragstore_collection_free(notes);
    return status;
}

static inline int delete_note(ragstore_store *store, const char *id)
{
    char filter[128];
    ragstore_collection *notes;
    snprintf(filter, sizeof filter, "{\"_id\":\"%s\"}", id);
    int status = ragstore_collection_open(&notes, store, "notes");
    if (status == RAGSTORE_OK)
        status = ragstore_collection_delete_one(NULL, notes, filter);
    ragstore_collection_free(notes);
    return status;
}

static inline int64_t count_notes(ragstore_store *store, const char *filter)
{
    uint64_t count = 0;
    ragstore_collection *notes;
    int status = ragstore_collection_open(&notes, store, "notes");
    if (status == RAGSTORE_OK)
        status = ragstore_collection_count(&count, notes, filter);
    ragstore_collection_free(notes);
    return status == RAGSTORE_OK ? (int64_t)count : status;
}

static inline int64_t count_granite(ragstore_store *store)
{
    ragstore_entity *entity;
    ragstore_result *result = NULL;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.k = 200;
    int status = ragstore_entity_open(&entity, store, "acme");
    if (status != RAGSTORE_OK)
        return status;
    status = ragstore_entity_search(&result, entity, "granite", &options);
    int64_t count = status == RAGSTORE_OK ? (int64_t)ragstore_result_count(result) : status;
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    return count;
}

static inline int add_granite(ragstore_store *store, int64_t number)
{
    char text[128];
    ragstore_entity *entity;
    int status = ragstore_entity_open(&entity, store, "acme");
    if (status != RAGSTORE_OK)
        return status;
    snprintf(text, sizeof text, "All about granite, piece %d of process %d.", (int)number,
             (int)getpid());
    status = ragstore_document_add(NULL, entity, text, strlen(text), NULL);
    ragstore_entity_free(entity);
    return status;
}

#define PEER_DIMENSION 64

static inline int add_vector(ragstore_entity *entity, int number)
{
    char chunks[128];
    float vector[PEER_DIMENSION] = {0};
    vector[number % PEER_DIMENSION] = 1.0f;
    snprintf(chunks, sizeof chunks, "[{\"text\":\"number %d\"}]", number);
    return ragstore_document_add_chunks(NULL, entity, chunks, vector, PEER_DIMENSION, NULL);
}

/* ---- the child ---- */

typedef struct peer_state {
    ragstore_store *store;
    ragstore_batch *batch;
    int64_t made;
} peer_state;

static inline int64_t peer_repeat(peer_state *is, char what, int64_t times)
{
    char id[64];
    int status = RAGSTORE_OK;
    for (int64_t i = 0; status == RAGSTORE_OK && i < times; i++) {
        if (what == 'u') {
            snprintf(id, sizeof id, "p%d-%d", (int)getpid(), (int)is->made++);
            status = put_note(is->store, id, i % 10);
        } else if (what == 'd') {
            snprintf(id, sizeof id, "parent-%d", (int)i);
            status = delete_note(is->store, id);
        } else {
            status = add_granite(is->store, is->made++);
        }
    }
    return status;
}

static inline int open_first_session(ragstore_session **session, ragstore_store *store)
{
    ragstore_entity *entity;
    ragstore_buffer *buffer;
    *session = NULL;
    int status = ragstore_entity_open(&entity, store, "acme");
    if (status == RAGSTORE_OK)
        status = ragstore_session_list(&buffer, entity, NULL);
    if (status == RAGSTORE_OK) {
        json_t *list = json_loads(ragstore_buffer_data(buffer), 0, NULL);
        const char *id = json_string_value(json_object_get(json_array_get(list, 0), "session_id"));
        status = ragstore_session_open(session, store, id == NULL ? "none" : id);
        json_decref(list);
        ragstore_buffer_free(buffer);
    }
    ragstore_entity_free(entity);
    return status;
}

static inline int64_t count_messages(ragstore_session *session)
{
    ragstore_buffer *buffer;
    int status = ragstore_session_messages(&buffer, session, NULL);
    if (status != RAGSTORE_OK)
        return status;
    json_t *list = json_loads(ragstore_buffer_data(buffer), 0, NULL);
    int64_t count = (int64_t)json_array_size(list);
    json_decref(list);
    ragstore_buffer_free(buffer);
    return count;
}

static inline int64_t peer_session(peer_state *is, char what, int64_t times)
{
    ragstore_session *session;
    int64_t answer = open_first_session(&session, is->store);
    for (int64_t i = 0; answer == RAGSTORE_OK && what == 'm' && i < times; i++)
        answer = ragstore_session_append(NULL, session, "user", "hello", NULL);
    if (answer == RAGSTORE_OK && what == 'g')
        answer = count_messages(session);
    ragstore_session_free(session);
    return answer;
}

static inline int64_t peer_add_vectors(peer_state *is, int64_t count)
{
    ragstore_entity *entity;
    int status = ragstore_entity_open(&entity, is->store, "acme");
    for (int64_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = add_vector(entity, (int)is->made++);
    ragstore_entity_free(entity);
    return status;
}

static inline int64_t peer_abort_vectors(ragstore_store *store, int64_t count)
{
    ragstore_batch *batch;
    ragstore_entity *entity;
    int status = ragstore_entity_open(&entity, store, "acme");
    if (status == RAGSTORE_OK)
        status = ragstore_batch_begin(&batch, store);
    if (status != RAGSTORE_OK)
        return status;
    for (int i = 0; status == RAGSTORE_OK && i < count; i++)
        status = add_vector(entity, i);
    ragstore_batch_abort(batch);
    ragstore_entity_free(entity);
    return status;
}

static inline int64_t peer_obey(peer_state *is, const peer_order *order)
{
    char filter[64];
    ragstore_collection *notes;
    int status;
    switch (order->what) {
    case 'u':
    case 'd':
    case 't':
        return peer_repeat(is, order->what, order->number);
    case 'n':
        return count_notes(is->store, "{}");
    case 'i':
        snprintf(filter, sizeof filter, "{\"kind\":%d}", (int)order->number);
        return count_notes(is->store, filter);
    case 'x':
        status = ragstore_collection_open(&notes, is->store, "notes");
        if (status == RAGSTORE_OK)
            status = ragstore_collection_index_create(notes, "kind");
        ragstore_collection_free(notes);
        return status;
    case 's':
        return count_granite(is->store);
    case 'm':
    case 'g':
        return peer_session(is, order->what, order->number);
    case 'b':
        status = ragstore_batch_begin(&is->batch, is->store);
        return status == RAGSTORE_OK ? put_note(is->store, "in a batch", order->number) : status;
    case 'c':
        return ragstore_batch_commit(is->batch);
    case 'k':
        return ragstore_store_export(is->store);
    case 'v':
        return peer_abort_vectors(is->store, order->number);
    case 'w':
        return peer_add_vectors(is, order->number);
    case 'e':
        return ragstore_entity_delete(NULL, is->store, "acme");
    default:
        return RAGSTORE_E_INVALID_ARGUMENT;
    }
}

static inline void peer_main(int orders, int answers, const char *path, uint32_t flags)
{
    peer_state is = {0};
    peer_order order;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.busy_timeout_ms = 20000;
    alarm(120); /* whatever happens to the test */
    int64_t answer = ragstore_store_open(&is.store, path, &options);
    if (answer != RAGSTORE_OK)
        fprintf(stderr, "peer: %s\n", ragstore_error_message());
    if (write(answers, &answer, sizeof answer) != sizeof answer || answer != RAGSTORE_OK)
        _exit(1);
    while (read(orders, &order, sizeof order) == sizeof order && order.what != 'q') {
        answer = peer_obey(&is, &order);
        if (answer < 0 && answer != RAGSTORE_E_BUSY && answer != RAGSTORE_E_READ_ONLY)
            fprintf(stderr, "peer: %c: %s\n", order.what, ragstore_error_message());
        if (write(answers, &answer, sizeof answer) != sizeof answer)
            _exit(1);
    }
    _exit(ragstore_store_close(is.store) == RAGSTORE_OK ? 0 : 1);
}

/* ---- the parent ---- */

static inline int64_t peer_answer(const peer *other)
{
    int64_t answer;
    assert_int_equal(read(other->from, &answer, sizeof answer), sizeof answer);
    return answer;
}

static inline void peer_tell(const peer *other, char what, int64_t number)
{
    const peer_order order = {what, number};
    assert_int_equal(write(other->to, &order, sizeof order), sizeof order);
}

static inline int64_t peer_do(const peer *other, char what, int64_t number)
{
    peer_tell(other, what, number);
    return peer_answer(other);
}

static inline void peer_start(peer *other, const char *path, uint32_t flags)
{
    int orders[2];
    int answers[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    other->process = fork();
    assert_true(other->process >= 0);
    if (other->process == 0) {
        close(orders[1]);
        close(answers[0]);
        peer_main(orders[0], answers[1], path, flags);
    }
    close(orders[0]);
    close(answers[1]);
    other->to = orders[1];
    other->from = answers[0];
    assert_int_equal(peer_answer(other), RAGSTORE_OK);
}

static inline int peer_wait(peer *other)
{
    int status;
    close(other->to);
    assert_int_equal(waitpid(other->process, &status, 0), other->process);
    close(other->from);
    return status;
}

static inline void peer_end(peer *other)
{
    peer_tell(other, 'q', 0); /* later peers hold this one's pipe open */
    int status = peer_wait(other);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void peer_kill(peer *other)
{
    assert_int_equal(kill(other->process, SIGKILL), 0);
    assert_true(WIFSIGNALED(peer_wait(other)));
}

#endif
