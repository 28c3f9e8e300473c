/*
 * Making and changing parsed values.
 *
 * Values are shared, not copied: a changed document holds the unchanged parts of the old one. So a
 * container may be changed only by who owns it alone, which rsi_json_own_… see to:
 *
 *   old ──► { a: ●, b: ● }               after "set b.c": a is held by both, b was copied
 *             │      └──► { c: 1, d: ● }
 *             ▼                     ▼
 *            [ … ]                [ … ]
 *             ▲                     ▲
 *   new ──► { a: ●, b: ● }          │
 *                    └──► { c: 2, d: ● }
 *
 * `taken` values belong to the callee, also when it fails. All may return NO_MEMORY.
 */
#ifndef RSI_JSON_EDIT_H
#define RSI_JSON_EDIT_H

#include "json/json.h"

int rsi_json_new_object(rsi_json **out);
int rsi_json_new_array(rsi_json **out);
int rsi_json_new_text(rsi_json **out, const char *text, size_t size);
int rsi_json_new_integer(rsi_json **out, int64_t value);
int rsi_json_new_real(rsi_json **out, double value); /* finite */
rsi_json *rsi_json_new_null(void);                   /* cannot fail */
rsi_json *rsi_json_share(const rsi_json *value);     /* one more owner; NULL gives NULL */

rsi_json *rsi_json_get_sized(const rsi_json *object, rsi_slice key);

/* A member is replaced where it stands, or put at the end. */
int rsi_json_set(rsi_json *object, rsi_slice key, rsi_json *taken);
void rsi_json_remove(rsi_json *object, rsi_slice key); /* an absent one is fine */
/* position: at most the count of members. */
int rsi_json_insert(rsi_json *array, size_t position, rsi_json *taken);
int rsi_json_append(rsi_json *array, rsi_json *taken);
int rsi_json_replace(rsi_json *array, size_t position, rsi_json *taken); /* of a member */
void rsi_json_remove_at(rsi_json *array, size_t position);

/* A container with the same members, owned by the caller alone. */
int rsi_json_copy_container(rsi_json **out, const rsi_json *container);
/* The container below an owned container, made the parent's own. Borrowed. */
int rsi_json_own_member(rsi_json **member, rsi_json *object, rsi_slice key);
int rsi_json_own_element(rsi_json **element, rsi_json *array, size_t position);

/* The same kinds with the same values and, in objects, the same order: 1 is not 1.0. */
bool rsi_json_identical(const rsi_json *a, const rsi_json *b);

#endif
