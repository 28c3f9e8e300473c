/* Numbers in JSON text to values, exactly and without a locale. */
#ifndef RSI_JSON_NUMBER_H
#define RSI_JSON_NUMBER_H

#include "json/json_view.h"

/* Sets kind and value of `view` from the number text..end. False when it is none, or one that
 * fits neither int64 nor double. */
bool rsi_json_number_read(rsi_json_view *view, const char *text, const char *end);

#endif
