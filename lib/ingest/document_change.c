/* A document's record again, with other words about it: its chunks and its file stay. */
#include "ingest/document_internal.h"

#include "base/status.h"

#include <string.h>

static const char *new_text(const rsi_document_fields *fields, const char *key)
{
    if (strcmp(key, "source") == 0)
        return fields->source;
    return strcmp(key, "description") == 0 ? fields->description : NULL;
}

static int encode(rsi_bytes *out, const rsi_json *row, const rsi_document_fields *fields,
                  const rsi_bytes *metadata)
{
    static const char *const texts[] = {"source", "description"};
    rsi_json_writer writer = rsi_json_writer_of(out);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(row, &iterator, &key, &value)) {
        if (new_text(fields, key) != NULL)
            rsi_json_put_text(&writer, key, new_text(fields, key));
        else if (fields->metadata_json != NULL && strcmp(key, "metadata") == 0)
            rsi_json_put_raw(&writer, key, metadata->data);
        else
            rsi_json_put_value(&writer, key, value);
    }
    /* records of other programs may lack them */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (new_text(fields, texts[i]) != NULL && rsi_json_get(row, texts[i]) == NULL)
            rsi_json_put_text(&writer, texts[i], new_text(fields, texts[i]));
    if (fields->metadata_json != NULL && rsi_json_get(row, "metadata") == NULL)
        rsi_json_put_raw(&writer, "metadata", metadata->data);
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

int rsi_document_update(rsi_store *store, const char *entity_id, const char *incarnation,
                        const char *doc_id, const rsi_document_fields *fields)
{
    rsi_entity_record entity = {0};
    rsi_stored_document document = {0};
    rsi_bytes metadata = {0};
    rsi_bytes text = {0};
    rsi_tx *tx = NULL;
    int status = rsi_document_check_fields(fields);
    if (status == RAGSTORE_OK)
        status = rsi_metadata_check(&metadata, fields->metadata_json);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_stored_document_find(&document, store, entity_id, "doc_id", doc_id);
    if (status == RAGSTORE_OK)
        status = encode(&text, document.json, fields, &metadata);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_refresh_on_commit(tx, store, entity_id, document.row);
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_put(tx, RSI_SPACE_ENTITIES, entity_id, document.row, text.data,
                                text.size);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);

cleanup:
    rsi_stored_document_free(&document);
    rsi_entity_record_free(&entity);
    rsi_bytes_free(&metadata);
    rsi_bytes_free(&text);
    return status;
}
