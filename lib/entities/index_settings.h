/*
 * The settings of an entity's index: pinned in its record, changed by key.
 *
 *   "index": {"kind": "partition", "probes": 40}      what is not there has the default
 *
 *   key          value                                default
 *   kind         how vectors are searched             "auto"
 *   probes       lists looked into                    0: by the number of lists
 *   candidates   rows whose exact scores a search     0: by the number of results
 *                by codes or FAISS computes
 *   threads      that share one exact search          0: one
 *
 * index_plan.h says what follows from them. No state, no locks.
 */
#ifndef RSI_ENTITIES_INDEX_SETTINGS_H
#define RSI_ENTITIES_INDEX_SETTINGS_H

#include "vectors/faiss_factory.h"
#include "json/json.h"

#define RSI_INDEX_MEMBER "index"

typedef enum rsi_index_kind {
    RSI_INDEX_AUTO,
    RSI_INDEX_EXACT,
    RSI_INDEX_CODES,
    RSI_INDEX_PARTITION,
    RSI_INDEX_FAISS, /* "faiss:" and a factory string */
} rsi_index_kind;

typedef struct rsi_index_settings { /* all zero: the defaults */
    rsi_index_kind kind;
    uint32_t probes;
    uint32_t candidates;
    uint32_t threads;
    char factory[RSI_FAISS_FACTORY_MAX]; /* of FAISS; "" for the other kinds */
} rsi_index_settings;

/* Change one; `value` NULL: the default again. INVALID_ARGUMENT lists the keys or the values. */
int rsi_index_settings_set(rsi_index_settings *settings, const char *key, const char *value);
/* Append a value as text. INVALID_ARGUMENT as above. */
int rsi_index_settings_get(rsi_bytes *out, const rsi_index_settings *settings, const char *key);

/* From and to the record of an entity, as its member RSI_INDEX_MEMBER. What is missing or, of a
 * newer release, unknown has the default: it changes how fast an answer comes, not what it is. */
void rsi_index_settings_read(rsi_index_settings *out, const rsi_json *record);
void rsi_index_settings_put(rsi_json_writer *writer, const rsi_index_settings *settings);

#endif
