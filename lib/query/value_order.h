/*
 * The order of values, and keys whose bytes have that order.
 *
 * Values of different kinds are ordered as BSON orders them:
 *
 *   missing and null < numbers < text < object < array < false < true
 *
 * Numbers by their value, whether whole or real, exactly; texts by their bytes. Objects by their
 * members from the first on: kind of the value, then key, then value; then the shorter first.
 * Arrays by their elements, then the shorter first.
 *
 * A key is made of the parts below. No key is the beginning of another one, so that keys can be
 * joined, and inverted for a descending order, and still be compared as plain bytes:
 *
 *   null      10
 *   number    20  8 bytes: the largest double not above it, its bits turned into an unsigned
 *                 number of the same order   2 bytes: what an integer has beyond that double
 *   text      30  its bytes  00
 *   object    40  for each member: tag of its value, key, 00, rest of the value's key   00
 *   array     50  for each element: its key   00
 *   bool      60  00 or 01
 *
 * Texts hold no NUL: the reader of JSON refuses it.
 */
#ifndef RSI_QUERY_VALUE_ORDER_H
#define RSI_QUERY_VALUE_ORDER_H

#include "json/json_view.h"

/* Negative, 0 or positive. Malformed text counts as its readable beginning. */
int rsi_value_compare(const rsi_json_view *a, const rsi_json_view *b);

/* Are they of one kind, so that $gt and its relatives compare them? Missing and null are one. */
bool rsi_value_same_kind(const rsi_json_view *a, const rsi_json_view *b);

#define RSI_VALUE_TAG_NULL 0x10
#define RSI_VALUE_TAG_NUMBER 0x20
#define RSI_VALUE_TAG_TEXT 0x30
#define RSI_VALUE_TAG_OBJECT 0x40
#define RSI_VALUE_TAG_ARRAY 0x50
#define RSI_VALUE_TAG_BOOL 0x60
#define RSI_VALUE_TAG_END 0x70 /* above every key */

unsigned char rsi_value_tag(rsi_json_kind kind);
/* Append the key of a value; errors stay in `out`. INVALID_DATA for malformed text. */
int rsi_value_append_key(rsi_bytes *out, const rsi_json_view *value);

#endif
