/*
 * Bytes as text: base64 with padding (RFC 4648, section 4).
 */
#ifndef RSI_BASE_BASE64_H
#define RSI_BASE_BASE64_H

#include "base/bytes.h"

/* Append the text of `size` bytes: four characters for each started three. */
void rsi_base64_append(rsi_bytes *out, const void *data, size_t size);
/* How many bytes a text of `size` characters stands for: at most so many. */
size_t rsi_base64_room(size_t size);
/* Decode into `out`, which has room for them. False: not what rsi_base64_append() writes. */
bool rsi_base64_decode(void *out, size_t *out_size, const char *text, size_t size);

#endif
