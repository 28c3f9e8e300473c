/* Time: UTC for records, monotonic for deadlines. */
#ifndef RSI_BASE_CLOCK_H
#define RSI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define RSI_TIME_TEXT 32

/* "2026-01-31T12:34:56.123456": UTC, ISO 8601, microseconds, without a zone mark. */
void rsi_time_now_text(char out[RSI_TIME_TEXT]);

/* The same of the moment so long from now. */
void rsi_time_after_text(char out[RSI_TIME_TEXT], uint32_t ms);

int64_t rsi_monotonic_ms(void);
int64_t rsi_monotonic_us(void);
/* The moment so long from now, for a condition that waits by CLOCK_MONOTONIC. */
struct timespec rsi_monotonic_after_ms(uint32_t ms);
void rsi_sleep_ms(uint32_t ms);
void rsi_sleep_us(uint32_t us);

#endif
