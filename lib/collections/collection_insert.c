/* New documents: one transaction for all of a call. */
#include "collections/collections_internal.h"

#include "base/status.h"

#include <string.h>

/* Put one document into the transaction, and its _id into the answer. */
static int insert_one(rsi_tx *tx, const rsi_collection *collection, const rsi_json *document,
                      rsi_json_writer *answer, size_t *bytes)
{
    rsi_json *settled;
    const char *id;
    int status = rsi_document_settle(&settled, &id, document);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_document_put_new(tx, collection, id, settled, bytes);
    if (status == RAGSTORE_OK)
        rsi_json_text_value(answer, id, strlen(id));
    rsi_json_free(settled);
    return status;
}

static int insert_all(const rsi_collection *collection, const rsi_json *documents,
                      rsi_json_writer *answer)
{
    const bool is_array = rsi_json_is_array(documents);
    const size_t count = is_array ? rsi_json_count(documents) : 1;
    const uint64_t epoch = rsi_store_epoch(collection->store);
    size_t bytes = 0;
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, collection->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const rsi_json *document = is_array ? rsi_json_at(documents, i) : documents;
        status = rsi_store_check_interrupt(collection->store, epoch);
        if (status == RAGSTORE_OK)
            status = insert_one(tx, collection, document, answer, &bytes);
        if (is_array)
            rsi_wrap(status, "document %zu", i);
    }
    rsi_json_end_array(answer);
    rsi_json_end_object(answer);
    if (status == RAGSTORE_OK) /* the answer is whole before there is something to tell */
        status = rsi_bytes_status(answer->out);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

int rsi_collection_insert(rsi_bytes *out, const rsi_collection *collection, const char *documents)
{
    rsi_json *given;
    int status = rsi_collection_check_writable(collection);
    if (status == RAGSTORE_OK)
        status = rsi_wrap(
            rsi_json_parse(&given, documents, strlen(documents), RSI_DOCUMENT_DEPTH_MAX + 1),
            "documents");
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_put_integer(&writer, "inserted_count",
                         rsi_json_is_array(given) ? (int64_t)rsi_json_count(given) : 1);
    rsi_json_key(&writer, "inserted_ids");
    rsi_json_begin_array(&writer);
    status = insert_all(collection, given, &writer);
    rsi_json_free(given);
    return status;
}
