/* What the tests of document*.c share. */
#ifndef TESTS_UNIT_INGEST_DOCUMENT_FIXTURE_H
#define TESTS_UNIT_INGEST_DOCUMENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/open_store.h"
#include "harness/temporary.h"
#include "ingest/document_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int add_chunks(rsi_added *added, open_store *s, const char *json,
                             const float *vectors, size_t dimension,
                             const rsi_document_fields *fields)
{
    static const rsi_document_fields none = {.filename = NULL};
    return rsi_document_add_chunks(added, s->store, ACME, s->incarnation, json, vectors, dimension,
                                   fields == NULL ? &none : fields);
}

/* Upload bytes in one piece. */
static inline int upload(rsi_added *added, open_store *s, const void *bytes, size_t size,
                         const rsi_document_fields *fields)
{
    rsi_upload *up;
    int status = rsi_upload_begin(&up, s->store, ACME, s->incarnation, fields);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_upload_write(up, bytes, size);
    if (status != RAGSTORE_OK) {
        rsi_upload_abort(up);
        return status;
    }
    return rsi_upload_commit(added, up);
}

static inline rsi_json *describe(open_store *s, const char *doc_id)
{
    rsi_bytes out = {0};
    rsi_json *json;
    if (rsi_document_describe(&out, s->store, ACME, s->incarnation, doc_id, NULL) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 32), 0);
    rsi_bytes_free(&out);
    return json;
}

/* How many files an entity has under uploads/. */
static inline size_t count_uploads(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_join(path, state, "uploads/" ACME);
    return temporary_exists(path) ? temporary_count(path) : 0;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

#endif
