/*
 * Who may do what: the tokens of --token-file.
 *
 * The file has one JSON object to a line; empty lines and lines that begin with # are skipped:
 *
 *     {"name": "ci", "sha256": "9f86d0…", "entities": ["acme", "globex"]}
 *     {"name": "reader", "sha256": "2c26b4…", "entities": "all"}
 *     {"name": "ops", "sha256": "fcde2b…", "admin": true}
 *
 * A token is 32 random bytes, so one round of SHA-256 keeps it: whoever has the file cannot find
 * it. What a client sends is hashed and compared with all lines, in a time that does not depend on
 * how much of it is right.
 *
 * A set of tokens never changes. When the file is read again, a new set takes the place of the old
 * one, which goes with the last request that it was held for.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKEN_DIGEST_SIZE = 32, TOKENS_PROBLEM = 4608 };

struct token {
    char *name; /* for the log */
    uint8_t digest[TOKEN_DIGEST_SIZE];
    bool admin;        /* everything, and the calls of operators */
    bool all_entities; /* also of an admin */
    char **entities;   /* the ids that it may see, NULL behind the last one */
};

struct tokens {
    atomic_uint references;
    struct token *items;
    size_t count; /* never 0 */
};

/* Read a file: one reference for the caller, or NULL, and what is wrong with it. */
struct tokens *tokens_read(const char *path, char problem[TOKENS_PROBLEM]);
void tokens_hold(struct tokens *tokens);
void tokens_release(struct tokens *tokens); /* NULL is fine */

/* The token of an Authorization header ("Bearer …"), or NULL. */
const struct token *tokens_find(const struct tokens *tokens, const char *authorization);

/* May this token know of an entity of that id, whether there is one or not? */
bool token_sees(const struct token *token, const char *entity_id);

/* SHA-256. */
void token_hash(uint8_t digest[TOKEN_DIGEST_SIZE], const char *secret, size_t size);

/* ragstore-server --make-token NAME (--entity ID… | --all-entities | --admin): print a fresh token
 * on standard error and its line for the file on standard output. Returns the exit status. */
int tokens_make(int argc, char **argv);

#endif
