/*
 * Making a token; see tokens.h. The secret goes to standard error, its line to standard output, so
 * that `ragstore-server --make-token ci --entity acme >> tokens` shows the one and keeps the other.
 */
#include "tokens.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SECRET_BYTES = 32, SECRET_SIZE = 3 + 2 * SECRET_BYTES + 1 };

enum { MADE = 0, NOT_MADE = 1, WRONG_USAGE = 2 };

static void write_hex(char *text, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sprintf(text + 2 * i, "%02x", bytes[i]);
    }
}

static bool make_secret(char secret[SECRET_SIZE])
{
    uint8_t random[SECRET_BYTES];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return false;
    }
    memcpy(secret, "rs_", 3);
    write_hex(secret + 3, random, sizeof random);
    return true;
}

/* The line without its digest, from the arguments; NULL, and a message was printed, when they are
 * wrong. */
static json_t *read_wishes(int argc, char **argv)
{
    json_t *line = json_object();
    json_t *entities = json_array();
    const char *name = NULL;
    bool all = false, admin = false, wrong = false;

    for (int i = 1; i < argc && !wrong; i++) {
        bool has_value = i + 1 < argc && argv[i + 1][0] != '\0';

        if (strcmp(argv[i], "--make-token") == 0 && has_value && name == NULL) {
            name = argv[++i];
        } else if (strcmp(argv[i], "--entity") == 0 && has_value) {
            wrong = json_array_append_new(entities, json_string(argv[++i])) != 0;
        } else if (strcmp(argv[i], "--all-entities") == 0) {
            all = true;
        } else if (strcmp(argv[i], "--admin") == 0) {
            admin = true;
        } else {
            wrong = true;
        }
    }
    wrong = wrong || name == NULL || json_object_set_new(line, "name", json_string(name)) != 0 ||
            (json_array_size(entities) > 0) + all + admin != 1;
    if (wrong) {
        fputs("usage: ragstore-server --make-token NAME (--entity ID... | --all-entities | "
              "--admin)\n",
              stderr);
        json_decref(line);
        json_decref(entities);
        return NULL;
    }
    if (admin) {
        json_object_set_new(line, "admin", json_true());
    } else {
        json_object_set(line, "entities", entities);
        if (all) {
            json_object_set_new(line, "entities", json_string("all"));
        }
    }
    json_decref(entities);
    return line;
}

int tokens_make(int argc, char **argv)
{
    json_t *line = read_wishes(argc, argv);
    uint8_t digest[TOKEN_DIGEST_SIZE];
    char hex[2 * TOKEN_DIGEST_SIZE + 1];
    char secret[SECRET_SIZE];
    char *text = NULL;

    if (line == NULL) {
        return WRONG_USAGE;
    }
    if (make_secret(secret)) {
        token_hash(digest, secret, strlen(secret));
        write_hex(hex, digest, sizeof digest);
        json_object_set_new(line, "sha256", json_string(hex));
        text = json_dumps(line, 0);
    }
    json_decref(line);
    if (text == NULL || printf("%s\n", text) < 0 || fflush(stdout) != 0) {
        fputs("ragstore-server: the token could not be made\n", stderr);
        free(text);
        return NOT_MADE;
    }
    fprintf(stderr,
            "token: %s\n"
            "It is shown this once. Clients send it as \"Authorization: Bearer ...\"; the line on "
            "standard output belongs into the file of --token-file.\n",
            secret);
    free(text);
    return MADE;
}
