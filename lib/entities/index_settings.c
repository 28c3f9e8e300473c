/* Settings of an index: see index_settings.h. */
#include "entities/index_settings.h"

#include "base/status.h"
#include "vectors/byte_codes.h"
#include "vectors/quantised.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CANDIDATES_MAX 1000000u

static const char *const kinds[] = {
    [RSI_INDEX_AUTO] = "auto",           [RSI_INDEX_EXACT] = "exact",  [RSI_INDEX_CODES] = "codes",
    [RSI_INDEX_PARTITION] = "partition", [RSI_INDEX_FAISS] = "faiss:",
};
#define FAISS_PREFIX_SIZE (sizeof "faiss:" - 1)

/* ---- one value ---- */

static int set_faiss(rsi_index_settings *settings, const char *factory)
{
    const int status = rsi_faiss_factory_check(factory);
    if (status == RAGSTORE_OK) {
        settings->kind = RSI_INDEX_FAISS;
        snprintf(settings->factory, sizeof settings->factory, "%s", factory);
    }
    return status;
}

static int set_kind(rsi_index_settings *settings, const char *value)
{
    if (strncmp(value, kinds[RSI_INDEX_FAISS], FAISS_PREFIX_SIZE) == 0)
        return set_faiss(settings, value + FAISS_PREFIX_SIZE);
    for (size_t i = 0; i < RSI_INDEX_FAISS; i++) {
        if (strcmp(value, kinds[i]) == 0) {
            settings->kind = (rsi_index_kind)i;
            memset(settings->factory, 0, sizeof settings->factory);
            return RAGSTORE_OK;
        }
    }
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                    "there is no kind of index \"%.100s\"; there are \"auto\", \"exact\", "
                    "\"codes\", \"partition\", and \"faiss:\" with a factory string, such as "
                    "\"faiss:HNSW32\"",
                    value);
}

static int set_number(uint32_t *number, const char *key, const char *value, uint32_t most)
{
    uint64_t found = 0;
    size_t digits = 0;
    while (value[digits] >= '0' && value[digits] <= '9' && digits < 10)
        found = found * 10 + (uint64_t)(value[digits++] - '0');
    if (digits == 0 || value[digits] != '\0' || found > most)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                        "%s is \"%.100s\"; it is a whole number of 0 (the default) to %" PRIu32,
                        key, value, most);
    *number = (uint32_t)found;
    return RAGSTORE_OK;
}

static int no_key(const char *key)
{
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "entities",
                    "an index has no setting \"%.100s\"; it has \"kind\", \"probes\", "
                    "\"candidates\" and \"threads\"",
                    key);
}

int rsi_index_settings_set(rsi_index_settings *settings, const char *key, const char *value)
{
    if (strcmp(key, "kind") == 0)
        return set_kind(settings, value == NULL ? kinds[RSI_INDEX_AUTO] : value);
    if (strcmp(key, "probes") == 0)
        return set_number(&settings->probes, key, value == NULL ? "0" : value,
                          RSI_QUANTISED_LISTS_MAX);
    if (strcmp(key, "candidates") == 0)
        return set_number(&settings->candidates, key, value == NULL ? "0" : value, CANDIDATES_MAX);
    if (strcmp(key, "threads") == 0)
        return set_number(&settings->threads, key, value == NULL ? "0" : value,
                          RSI_BYTE_THREADS_MAX);
    return no_key(key);
}

int rsi_index_settings_get(rsi_bytes *out, const rsi_index_settings *settings, const char *key)
{
    if (strcmp(key, "kind") == 0)
        rsi_bytes_printf(out, "%s%s", kinds[settings->kind], settings->factory);
    else if (strcmp(key, "probes") == 0)
        rsi_bytes_printf(out, "%" PRIu32, settings->probes);
    else if (strcmp(key, "candidates") == 0)
        rsi_bytes_printf(out, "%" PRIu32, settings->candidates);
    else if (strcmp(key, "threads") == 0)
        rsi_bytes_printf(out, "%" PRIu32, settings->threads);
    else
        return no_key(key);
    return rsi_bytes_status(out);
}

/* ---- the record ---- */

void rsi_index_settings_read(rsi_index_settings *out, const rsi_json *record)
{
    const rsi_json *members = rsi_json_get(record, RSI_INDEX_MEMBER);
    const char *kind = rsi_json_get_text(members, "kind");
    const int64_t probes = rsi_json_get_integer(members, "probes", 0);
    const int64_t candidates = rsi_json_get_integer(members, "candidates", 0);
    const int64_t threads = rsi_json_get_integer(members, "threads", 0);
    memset(out, 0, sizeof *out);
    if (kind != NULL && set_kind(out, kind) != RAGSTORE_OK)
        memset(out, 0, sizeof *out);
    if (probes > 0 && probes <= RSI_QUANTISED_LISTS_MAX)
        out->probes = (uint32_t)probes;
    if (candidates > 0 && candidates <= CANDIDATES_MAX)
        out->candidates = (uint32_t)candidates;
    if (threads > 0 && threads <= (int64_t)RSI_BYTE_THREADS_MAX)
        out->threads = (uint32_t)threads;
}

void rsi_index_settings_put(rsi_json_writer *writer, const rsi_index_settings *settings)
{
    char kind[FAISS_PREFIX_SIZE + RSI_FAISS_FACTORY_MAX + 8];
    snprintf(kind, sizeof kind, "%s%s", kinds[settings->kind], settings->factory);
    rsi_json_key(writer, RSI_INDEX_MEMBER);
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "kind", kind);
    rsi_json_put_integer(writer, "probes", settings->probes);
    rsi_json_put_integer(writer, "candidates", settings->candidates);
    rsi_json_put_integer(writer, "threads", settings->threads);
    rsi_json_end_object(writer);
}
