/* Metrics: see metric.h. */
#include "vectors/metric.h"

#include <math.h>
#include <string.h>

/* Of two vectors of this length no sum of products or squares comes near the largest float. */
#define LENGTH_MAX 1e18

static const char *const names[] = {
    [RSI_METRIC_COSINE] = "cosine",
    [RSI_METRIC_INNER_PRODUCT] = "inner_product",
    [RSI_METRIC_L2] = "l2",
};

bool rsi_metric_parse(rsi_metric *out, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (rsi_metric)i;
            return true;
        }
    }
    return false;
}

const char *rsi_metric_name(rsi_metric metric)
{
    return names[metric];
}

const char *rsi_metric_prepare(float *vector, size_t dimension, rsi_metric metric)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        if (!isfinite(vector[i]))
            return "has a number that is not finite";
        sum += (double)vector[i] * vector[i];
    }
    if (metric != RSI_METRIC_COSINE)
        return sum > LENGTH_MAX * LENGTH_MAX ? "is longer than 1e18" : NULL;
    if (!(sum > 0))
        return "has the length 0, which has no cosine";
    const double scale = 1.0 / sqrt(sum); /* of the smallest and largest vectors it is no float */
    for (size_t i = 0; i < dimension; i++)
        vector[i] = (float)(vector[i] * scale);
    return NULL;
}
