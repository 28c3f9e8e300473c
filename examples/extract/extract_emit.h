/*
 * The helper's output: blocks of text as extract_protocol.h draws them, and how it gives up.
 *
 * One document a process, so the state is in one place (extract_emit.c). Everything that goes wrong
 * ends the process: there is nothing to clean up in a process that is thrown away.
 */
#ifndef EXTRACT_EMIT_H
#define EXTRACT_EMIT_H

#include "extract_protocol.h"

#include <stdbool.h>
#include <stddef.h>

/* A growing text. */
struct text {
    char *bytes;
    size_t size;
    size_t capacity;
};

void text_append(struct text *text, const char *bytes, size_t size);
void text_append_string(struct text *text, const char *string);
void text_clear(struct text *text);
bool text_is_blank(const struct text *text);

/* Memory that is there, or the process ends. */
void *get_memory(size_t count, size_t size);
char *copy_string(const char *string, size_t size);

void emit_media_type(const char *media_type);

/* Write a block: valid UTF-8 comes out whatever goes in, white space is folded except in code, and
 * nothing comes out of a blank one. */
void emit_block(enum block_kind kind, int level, int page, const char *bytes, size_t size);
void emit_text(enum block_kind kind, int level, int page, struct text *text); /* and clear it */

/* Has anything been written? */
bool emit_has_blocks(void);

_Noreturn void emit_refusal(const char *reason);
_Noreturn void emit_end(void); /* no text at all is a refusal, too */

#endif
