/*
 * Counts of what was served; see metrics.h. One counter for each call and class of status, and a
 * histogram of the times, all of them atomic.
 */
#include "metrics.h"

#include "routes.h"

#include <stdio.h>
#include <string.h>

enum { CLASSES = 6, BOUNDS = 12 }; /* class 2 is 200 to 299, and so on */

/* Seconds. What is above the last one counts as +Inf. */
static const double bounds[BOUNDS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                      0.05,   0.1,   0.25,   1,     5,    30};

static atomic_uint_fast64_t requests[ROUTES_MAX + 1][CLASSES]; /* the last row: no such call */
static atomic_uint_fast64_t times[BOUNDS + 1];
static atomic_uint_fast64_t total_microseconds, sent_bytes;

void metrics_count(const struct request *request)
{
    size_t row = request->route == NULL ? ROUTES_MAX : routes_index(request->route);
    unsigned class = request->status / 100;
    double seconds = request_age_ms(request) / 1e3;
    size_t bucket = 0;

    while (bucket < BOUNDS && seconds > bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add(&requests[row][class < CLASSES ? class : 0], 1);
    atomic_fetch_add(&times[bucket], 1);
    atomic_fetch_add(&total_microseconds, (uint_fast64_t)(seconds * 1e6));
    atomic_fetch_add(&sent_bytes, request->reply_size);
}

static void write_line(struct json_out *out, const char *line, int length)
{
    if (length > 0) {
        out_bytes(out, line, (size_t)length);
    }
}

void metrics_write_one(struct json_out *out, const char *name, const char *type, const char *help,
                       double value)
{
    char line[512];

    write_line(out, line,
               snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help,
                        name, type, name, value));
}

static void write_requests(struct json_out *out)
{
    static const char head[] = "# HELP ragstore_http_requests_total Requests that have ended.\n"
                               "# TYPE ragstore_http_requests_total counter\n";
    char line[256];

    out_bytes(out, head, sizeof head - 1);
    for (size_t row = 0; row <= ROUTES_MAX; row++) {
        const struct route *route = row == ROUTES_MAX ? NULL : routes_at(row);

        for (unsigned class = 0; class < CLASSES; class ++) {
            unsigned long long count = atomic_load(&requests[row][class]);

            if (count > 0) {
                write_line(out, line,
                           snprintf(line, sizeof line,
                                    "ragstore_http_requests_total{method=\"%s\",path=\"%s\","
                                    "status=\"%uxx\"} %llu\n",
                                    route == NULL ? "" : route->method,
                                    route == NULL ? "" : route->pattern, class, count));
            }
        }
    }
}

static void write_times(struct json_out *out)
{
    static const char head[] =
        "# HELP ragstore_http_request_seconds From the request line to the end of the reply.\n"
        "# TYPE ragstore_http_request_seconds histogram\n";
    unsigned long long below = 0;
    char line[256];

    out_bytes(out, head, sizeof head - 1);
    for (size_t i = 0; i <= BOUNDS; i++) {
        char bound[32] = "+Inf";

        below += atomic_load(&times[i]);
        if (i < BOUNDS) {
            snprintf(bound, sizeof bound, "%g", bounds[i]);
        }
        write_line(out, line,
                   snprintf(line, sizeof line,
                            "ragstore_http_request_seconds_bucket{le=\"%s\"} %llu\n", bound,
                            below));
    }
    write_line(out, line,
               snprintf(line, sizeof line,
                        "ragstore_http_request_seconds_sum %.6f\n"
                        "ragstore_http_request_seconds_count %llu\n",
                        (double)atomic_load(&total_microseconds) / 1e6, below));
}

void metrics_write(struct json_out *out)
{
    write_requests(out);
    write_times(out);
    metrics_write_one(out, "ragstore_http_sent_bytes_total", "counter",
                      "Bytes of replies whose size was known when they began.",
                      (double)atomic_load(&sent_bytes));
}
