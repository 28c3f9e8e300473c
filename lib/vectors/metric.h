/*
 * How two vectors are compared: pinned for an entity when it is made.
 *
 *   metric           rows and queries        score, higher is nearer
 *   cosine           brought to length 1     inner product: the cosine
 *   inner_product    as they are             inner product
 *   l2               as they are             -‖query - row‖²
 *
 * No state, no locks.
 */
#ifndef RSI_VECTORS_METRIC_H
#define RSI_VECTORS_METRIC_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rsi_metric {
    RSI_METRIC_COSINE,
    RSI_METRIC_INNER_PRODUCT,
    RSI_METRIC_L2,
} rsi_metric;

/* The names that callers give, for messages. */
#define RSI_METRIC_NAMES "\"cosine\", \"inner_product\" or \"l2\""

/* False for a name that no metric has. */
bool rsi_metric_parse(rsi_metric *out, const char *name);
const char *rsi_metric_name(rsi_metric metric); /* static */

/* Could a row or a query be prepared? NULL, or what rsi_metric_prepare() would say. */
const char *rsi_metric_check(const float *vector, size_t dimension, rsi_metric metric);

/*
 * Check a row or a query and bring it into the form that the metric compares, in place. NULL, or
 * what is wrong with it: static text that goes on behind "its vector". Lengths are bounded, so that
 * no score overflows.
 */
const char *rsi_metric_prepare(float *vector, size_t dimension, rsi_metric metric);

#endif
