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

#define LANES 8

/* Summed in lanes, the same ones on every processor, so that the additions need not wait for each
 * other. No square of a float overflows a double: the sum is finite when all numbers are. */
static double sum_of_squares(const float *vector, size_t dimension)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= dimension; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)vector[i + lane] * vector[i + lane];
    for (size_t lane = 0; i < dimension; i++, lane++)
        lanes[lane] += (double)vector[i] * vector[i];
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
           ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

static const char *problem_of(double sum, rsi_metric metric)
{
    if (!isfinite(sum))
        return "has a number that is not finite";
    if (metric != RSI_METRIC_COSINE)
        return sum > LENGTH_MAX * LENGTH_MAX ? "is longer than 1e18" : NULL;
    return sum > 0 ? NULL : "has the length 0, which has no cosine";
}

const char *rsi_metric_check(const float *vector, size_t dimension, rsi_metric metric)
{
    return problem_of(sum_of_squares(vector, dimension), metric);
}

const char *rsi_metric_prepare(float *vector, size_t dimension, rsi_metric metric)
{
    const double sum = sum_of_squares(vector, dimension);
    const char *problem = problem_of(sum, metric);
    if (problem != NULL || metric != RSI_METRIC_COSINE)
        return problem;
    const double scale = 1.0 / sqrt(sum); /* of the smallest and largest vectors it is no float */
    for (size_t i = 0; i < dimension; i++)
        vector[i] = (float)(vector[i] * scale);
    return NULL;
}
