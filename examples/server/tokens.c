/*
 * Reading and finding tokens; see tokens.h. The digest and the comparison are Nettle's.
 */
#include "tokens.h"

#include <errno.h>
#include <jansson.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert((int)TOKEN_DIGEST_SIZE == (int)SHA256_DIGEST_SIZE, "the digest is SHA-256");

enum { TOKEN_TEXT_MAX = 512 };

void token_hash(uint8_t digest[TOKEN_DIGEST_SIZE], const char *secret, size_t size)
{
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, size, (const uint8_t *)secret);
    sha256_digest(&context, TOKEN_DIGEST_SIZE, digest);
}

static bool read_hex(uint8_t digest[TOKEN_DIGEST_SIZE], const char *text)
{
    if (text == NULL || strlen(text) != 2 * TOKEN_DIGEST_SIZE ||
        text[strspn(text, "0123456789abcdefABCDEF")] != '\0') {
        return false;
    }
    for (size_t i = 0; i < TOKEN_DIGEST_SIZE; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        digest[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static void free_ids(char **ids)
{
    for (char **id = ids; id != NULL && *id != NULL; id++) {
        free(*id);
    }
    free(ids);
}

static bool has_id(char *const *ids, const char *wanted)
{
    while (*ids != NULL && strcmp(*ids, wanted) != 0) {
        ids++;
    }
    return *ids != NULL;
}

/* Each id once, NULL behind the last one. */
static char **copy_ids(const json_t *list)
{
    char **ids = calloc(json_array_size(list) + 1, sizeof *ids);
    size_t count = 0, i = 0;
    json_t *id = NULL;

    if (ids == NULL) {
        return NULL;
    }
    json_array_foreach ((json_t *)list, i, id) {
        if (has_id(ids, json_string_value(id))) {
            continue;
        }
        ids[count] = strdup(json_string_value(id));
        if (ids[count++] == NULL) {
            free_ids(ids);
            return NULL;
        }
    }
    return ids;
}

static const char *check_members(const json_t *line)
{
    static const char *const known[] = {"name", "sha256", "entities", "admin"};
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)line, name, value) {
        bool is_known = false;

        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            is_known = is_known || strcmp(name, known[i]) == 0;
        }
        if (!is_known) {
            return "it has a member other than name, sha256, entities and admin";
        }
    }
    return NULL;
}

/* Take the scope out of a line; returns what is wrong, or NULL. */
static const char *read_scope(struct token *token, const json_t *line)
{
    const json_t *entities = json_object_get(line, "entities");
    const json_t *admin = json_object_get(line, "admin");
    size_t i = 0;
    json_t *id = NULL;

    if (admin != NULL && !json_is_boolean(admin)) {
        return "\"admin\" must be true or false";
    }
    token->admin = json_is_true(admin);
    token->all_entities = token->admin || (json_is_string(entities) &&
                                           strcmp(json_string_value(entities), "all") == 0);
    if (entities == NULL && !token->admin) {
        return "it needs \"entities\": a list of ids or \"all\"; or \"admin\": true";
    }
    if (entities != NULL && !json_is_array(entities) && !token->all_entities) {
        return "\"entities\" must be a list of ids, or \"all\"";
    }
    json_array_foreach ((json_t *)entities, i, id) {
        if (!json_is_string(id)) {
            return "\"entities\" must be a list of strings";
        }
    }
    token->entities = copy_ids(entities);
    return token->entities == NULL ? "memory ran out" : NULL;
}

static const char *read_token(struct tokens *tokens, const json_t *line)
{
    struct token *token = &tokens->items[tokens->count];
    const char *name = json_string_value(json_object_get(line, "name"));
    const char *problem = NULL;

    if (!json_is_object(line)) {
        return "it is not a JSON object";
    }
    problem = check_members(line);
    if (problem != NULL) {
        return problem;
    }
    if (name == NULL || name[0] == '\0') {
        return "it needs a \"name\"";
    }
    *token = (struct token){0};
    if (!read_hex(token->digest, json_string_value(json_object_get(line, "sha256")))) {
        return "it needs \"sha256\", 64 hexadecimal digits";
    }
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->items[i].name, name) == 0 ||
            memcmp(tokens->items[i].digest, token->digest, TOKEN_DIGEST_SIZE) == 0) {
            return "its name or its token is in an earlier line already";
        }
    }
    problem = read_scope(token, line);
    if (problem != NULL) {
        return problem;
    }
    token->name = strdup(name);
    if (token->name == NULL) {
        free_ids(token->entities);
        return "memory ran out";
    }
    tokens->count++;
    return NULL;
}

/* One line of the file: nothing, or one token more. Returns what is wrong, or NULL. */
static const char *read_line(struct tokens *tokens, const char *text)
{
    struct token *more = NULL;
    const char *problem = NULL;
    json_t *line = NULL;

    text += strspn(text, " \t\r\n");
    if (*text == '\0' || *text == '#') {
        return NULL;
    }
    more = realloc(tokens->items, (tokens->count + 1) * sizeof *more);
    if (more == NULL) {
        return "memory ran out";
    }
    tokens->items = more;
    line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    problem = line == NULL ? "it is not JSON" : read_token(tokens, line);
    json_decref(line);
    return problem;
}

static void free_tokens(struct tokens *tokens)
{
    for (size_t i = 0; tokens != NULL && i < tokens->count; i++) {
        free_ids(tokens->items[i].entities);
        free(tokens->items[i].name);
    }
    if (tokens != NULL) {
        free(tokens->items);
    }
    free(tokens);
}

/* Add the lines of a file; false, and what is wrong. */
static bool read_lines(struct tokens *tokens, FILE *file, const char *path,
                       char problem[TOKENS_PROBLEM])
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    const char *wrong = NULL;

    while (wrong == NULL && getline(&line, &capacity, file) >= 0) {
        wrong = read_line(tokens, line);
        number++;
    }
    free(line);
    if (wrong != NULL) {
        snprintf(problem, TOKENS_PROBLEM, "%s, line %u: %s; --make-token prints such lines", path,
                 number, wrong);
    } else if (ferror(file)) {
        snprintf(problem, TOKENS_PROBLEM, "cannot read the token file %s: %s", path,
                 strerror(errno));
    } else if (tokens->count == 0) {
        snprintf(
            problem, TOKENS_PROBLEM,
            "there is no token in %s, so nobody could use this server; --make-token NAME prints "
            "a line for it",
            path);
    } else {
        return true;
    }
    return false;
}

struct tokens *tokens_read(const char *path, char problem[TOKENS_PROBLEM])
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    FILE *file = tokens == NULL ? NULL : fopen(path, "re");
    bool ok = false;

    if (file == NULL) {
        snprintf(problem, TOKENS_PROBLEM, "cannot read the token file %s: %s", path,
                 strerror(errno));
    } else {
        tokens_hold(tokens);
        ok = read_lines(tokens, file, path, problem);
        fclose(file);
    }
    if (!ok) {
        free_tokens(tokens);
        return NULL;
    }
    return tokens;
}

void tokens_hold(struct tokens *tokens)
{
    atomic_fetch_add(&tokens->references, 1);
}

void tokens_release(struct tokens *tokens)
{
    if (tokens != NULL && atomic_fetch_sub(&tokens->references, 1) == 1) {
        free_tokens(tokens);
    }
}

const struct token *tokens_find(const struct tokens *tokens, const char *authorization)
{
    const struct token *found = NULL;
    uint8_t digest[TOKEN_DIGEST_SIZE];
    size_t size = 0;

    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0) {
        return NULL;
    }
    authorization += 7 + strspn(authorization + 7, " ");
    size = strcspn(authorization, " ");
    if (size == 0 || size > TOKEN_TEXT_MAX || authorization[size] != '\0') {
        return NULL;
    }
    token_hash(digest, authorization, size);
    for (size_t i = 0; i < tokens->count; i++) { /* all of them, also behind the right one */
        if (memeql_sec(tokens->items[i].digest, digest, sizeof digest)) {
            found = &tokens->items[i];
        }
    }
    return found;
}

bool token_sees(const struct token *token, const char *entity_id)
{
    return token->all_entities || has_id(token->entities, entity_id);
}
