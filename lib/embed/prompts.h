/* What is put before a text, by what it is: see prompts.c. */
#ifndef RSI_EMBED_PROMPTS_H
#define RSI_EMBED_PROMPTS_H

#define RSI_PROMPT_BYTES_MAX 1024

/* Owned text, "" for nothing. */
typedef struct rsi_prompts {
    char *query;
    char *document;
} rsi_prompts;

/* The caller's, where they are not NULL, or else the model directory's.
 * INVALID_ARGUMENT: the caller's are too long or not UTF-8; INVALID_DATA: the model's are. */
int rsi_prompts_read(rsi_prompts *out, const char *directory, const char *query,
                     const char *document);
void rsi_prompts_free(rsi_prompts *prompts); /* also zeroed ones */

#endif
