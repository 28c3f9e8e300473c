/*
 * What the operator chose: options of the command line, the environment, a configuration file.
 *
 * Read once, before any thread starts; constant afterwards, so every thread may look.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR = 1, /* the values of RAGSTORE_LOG_… */
    LOG_LEVEL_WARNING = 2,
    LOG_LEVEL_INFO = 3,
    LOG_LEVEL_DEBUG = 4
};

struct settings {
    char *data_dir;
    char *host;
    char *model;       /* NULL: where the set-up put it; "none": keyword search only */
    uint32_t precision; /* of that model, RAGSTORE_PRECISION_…; 0: the library's default */
    char *embedder;    /* NULL: model embeds; "hashing", or a model of an endpoint */
    char *embedder_url; /* NULL: llm_url */
    char *extractor;   /* NULL: beside the server; "none": text files only */
    char *llm_url;     /* NULL: there is none */
    char *llm_model;   /* NULL: chats are answered by quoting */
    char *public_host; /* NULL, or one more name that a Host header may have */
    char *backup_dir;  /* NULL: beside data_dir */
    char *token_file;  /* NULL: there are no tokens */
    char *cors_origin; /* NULL, or the web origin that may use this server from a browser */
    uint64_t max_upload_bytes;
    uint16_t port; /* 0: any free one */
    unsigned processors; /* that this process may use */
    unsigned threads;
    unsigned max_connections;
    unsigned max_connections_per_address;
    enum log_level log_level;
    bool log_json;
    bool strict;
    bool allow_anonymous;
    bool no_reembed; /* documents that came without a model keep being searched by keyword */
};

enum settings_result {
    SETTINGS_RUN,   /* start the server */
    SETTINGS_DONE,  /* --help or --version was answered */
    SETTINGS_WRONG, /* a message was printed on standard error */
};

/* Fill *settings; free it with settings_free() whatever the result is. */
enum settings_result settings_read(struct settings *settings, int argc, char **argv);
void settings_free(struct settings *settings);

/* Set one value by the name of its option, without the dashes. `origin` says in messages where it
 * came from. Prints and returns false when name or value is not right. */
bool settings_set(struct settings *settings, const char *name, const char *value,
                  const char *origin);

/* Read "name = value" lines; prints and returns false at the first wrong one. */
bool settings_read_file(struct settings *settings, const char *path);

#endif
