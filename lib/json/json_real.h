/* Reals as JSON text, exactly and without a locale. */
#ifndef RSI_JSON_REAL_H
#define RSI_JSON_REAL_H

#include <stddef.h>

#define RSI_JSON_REAL_TEXT 40

/* Write a finite number with the fewest of 15, 16 or 17 digits that read back as the same double,
 * and so that it reads back as a real; returns the size. No NUL follows. */
size_t rsi_json_real_write(char text[RSI_JSON_REAL_TEXT], double value);

#endif
