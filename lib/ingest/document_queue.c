/*
 * Documents of several threads in one transaction: one flush serves all who wait.
 *
 *   threads   A adds ─┐   B adds ─┐  C adds ─┐
 *   waiting           └─► A       └─► B C    │            in the order in which they came
 *   leading               A alone, flush ──► B and C, one flush, …
 *
 * A document changes the record and the catalog of its entity, so none can be built while another
 * one is being flushed, as small changes of other records can (storage/group.c). Instead whoever
 * finds no leader leads: it takes the writer lock, then all that wait, and puts each into a nested
 * transaction of its own, so that one that fails takes back what it did and nothing else. All of
 * them are one line of the journal. Only documents that are prepared and small wait here.
 *
 * Locking: the queue's mutex is held by nobody who takes another lock. A thread that has a
 * transaction open already adds to that.
 */
#include "ingest/document_internal.h"

#include "base/status.h"

/* Bytes of chunks and vectors, together: more would need files and flushes of their own. */
#define TOGETHER_BYTES ((size_t)48 << 10)

typedef struct rsi_waiting_document {
    rsi_document_builder *build;
    void *user;
    size_t size;
    bool settled;
    int status;
    rsi_saved_error error; /* with a status that is not OK */
    struct rsi_waiting_document *next;
} waiting_document;

static void end_with(waiting_document *document, int status)
{
    document->status = status;
    if (status != RAGSTORE_OK)
        rsi_error_save(&document->error);
}

/* Take the first of the queue up to `last`, with the mutex held. */
static waiting_document *take_until_locked(rsi_document_queue *queue, waiting_document *last)
{
    waiting_document *first = queue->first;
    queue->first = last->next;
    if (queue->first == NULL)
        queue->last = NULL;
    last->next = NULL;
    for (const waiting_document *each = first; each != NULL; each = each->next)
        queue->count--;
    return first;
}

/* Those who wait, as many as go into one transaction; the leader itself is one of them, or comes
 * later. */
static waiting_document *take(rsi_document_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    waiting_document *last = queue->first;
    size_t size = last->size;
    while (last->next != NULL && size + last->next->size <= TOGETHER_BYTES) {
        last = last->next;
        size += last->size;
    }
    waiting_document *first = take_until_locked(queue, last);
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

/* Build one of several in a transaction of its own inside of theirs. */
static void build_nested(waiting_document *document, rsi_storage *storage)
{
    rsi_tx *nested;
    int status = rsi_tx_begin(&nested, storage);
    if (status != RAGSTORE_OK) {
        end_with(document, status);
        return;
    }
    end_with(document, document->build(document->user, nested));
    if (document->status != RAGSTORE_OK)
        rsi_tx_abort(nested);
    else
        end_with(document, rsi_tx_commit(nested));
}

/* Commit what was built: *tx ends. */
static void commit_all(waiting_document *first, rsi_tx *tx)
{
    bool any = false;
    for (const waiting_document *each = first; each != NULL; each = each->next)
        any = any || each->status == RAGSTORE_OK;
    if (!any) {
        rsi_tx_abort(tx);
        return;
    }
    int status = rsi_tx_commit(tx);
    for (waiting_document *each = first; each != NULL; each = each->next)
        if (each->status == RAGSTORE_OK)
            end_with(each, status);
}

/* Without the writer lock it is the end of all who have waited for it as long as their leader. */
static waiting_document *give_up(rsi_document_queue *queue, waiting_document *newest, int status)
{
    pthread_mutex_lock(&queue->mutex);
    waiting_document *first = take_until_locked(queue, newest);
    pthread_mutex_unlock(&queue->mutex);
    for (waiting_document *each = first; each != NULL; each = each->next)
        end_with(each, status);
    return first;
}

/* Take those who wait to their end. `newest`: of those who do when the leader begins. */
static void lead(rsi_document_queue *queue, rsi_storage *storage, waiting_document *newest)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    waiting_document *first =
        status == RAGSTORE_OK ? take(queue) : give_up(queue, newest, status);
    if (status != RAGSTORE_OK) {
        /* nobody was built */
    } else if (first->next == NULL) {
        end_with(first, first->build(first->user, tx));
        commit_all(first, tx);
    } else {
        for (waiting_document *each = first; each != NULL; each = each->next)
            build_nested(each, storage);
        commit_all(first, tx);
    }
    pthread_mutex_lock(&queue->mutex);
    while (first != NULL) {
        waiting_document *next = first->next; /* a settled one may be gone at once */
        first->settled = true;
        first = next;
    }
    pthread_mutex_unlock(&queue->mutex);
}

static int add_alone(rsi_storage *storage, rsi_document_builder *build, void *user)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = build(user, tx);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

int rsi_document_add_together(rsi_store *store, size_t size, rsi_document_builder *build,
                              void *user)
{
    rsi_document_queue *queue = &store->adding;
    waiting_document document = {.build = build, .user = user, .size = size};
    if (size > TOGETHER_BYTES / 2 || rsi_tx_is_open(store->storage))
        return add_alone(store->storage, build, user);
    pthread_mutex_lock(&queue->mutex);
    if (queue->first == NULL)
        queue->first = &document;
    else
        queue->last->next = &document;
    queue->last = &document;
    queue->count++;
    while (!document.settled) {
        if (queue->is_led) {
            pthread_cond_wait(&queue->moved, &queue->mutex);
            continue;
        }
        queue->is_led = true;
        waiting_document *newest = queue->last;
        pthread_mutex_unlock(&queue->mutex);
        lead(queue, store->storage, newest);
        pthread_mutex_lock(&queue->mutex);
        queue->is_led = false;
        pthread_cond_broadcast(&queue->moved);
    }
    pthread_mutex_unlock(&queue->mutex);
    if (document.status != RAGSTORE_OK)
        rsi_error_restore(&document.error);
    return document.status;
}
