/* Time: see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static struct timespec later(struct timespec moment, uint32_t ms)
{
    moment.tv_sec += ms / 1000;
    moment.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (moment.tv_nsec >= 1000000000L) {
        moment.tv_sec++;
        moment.tv_nsec -= 1000000000L;
    }
    return moment;
}

void rsi_time_after_text(char out[RSI_TIME_TEXT], uint32_t ms)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct timespec moment = later(now, ms);
    gmtime_r(&moment.tv_sec, &utc);
    size_t used = strftime(out, RSI_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + used, RSI_TIME_TEXT - used, ".%06u",
             (unsigned)(moment.tv_nsec / 1000) % 1000000u);
}

void rsi_time_now_text(char out[RSI_TIME_TEXT])
{
    rsi_time_after_text(out, 0);
}

int64_t rsi_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t rsi_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void rsi_sleep_ms(uint32_t ms)
{
    struct timespec wait = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    nanosleep(&wait, NULL);
}

void rsi_sleep_us(uint32_t us)
{
    struct timespec wait = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000L};
    nanosleep(&wait, NULL);
}

struct timespec rsi_monotonic_after_ms(uint32_t ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return later(now, ms);
}
