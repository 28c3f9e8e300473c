/*
 * ragstore, the command-line tool: what its files share.
 *
 *     cli_main.c       the table of commands, --help
 *     cli_options.c    from the command line to struct cli
 *     cli_open.c       store, embedding model, extraction helper, language model
 *     cli_output.c     text for people: safe for a terminal, colours, a progress line; messages
 *     cli_*.c          the commands, by what they are about
 *
 * A consumer of the installed library like any other: it sees ragstore.h and jansson.h. What a
 * command finds goes to standard output, what is said about it to standard error. With --json
 * standard output is JSON and nothing else.
 */
#ifndef CLI_H
#define CLI_H

#include "extract_runner.h"
#ifdef SERVER_HAS_LLM
#include "llm_client.h"
#endif

#include <jansson.h>
#include <ragstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Documented in ragstore(1). */
enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,    /* the system, the language model, or a defect */
    CLI_USAGE = 2,     /* the command line */
    CLI_NOT_FOUND = 3, /* no such store, entity, document, session, file */
    CLI_CONFLICT = 4,  /* it is there already, or was changed meanwhile */
    CLI_REFUSED = 5,   /* a document or another input that cannot be taken */
    CLI_DAMAGED = 6,   /* stored bytes are not what was written */
    CLI_BUSY = 7,      /* another process writes */
    CLI_FULL = 8,      /* no room on the disk, no memory, over a limit */
    CLI_INTERRUPTED = 130
};

struct cli_flag {
    const char *name;  /* without dashes */
    char letter;       /* '\0': none */
    const char *value; /* what --help calls its value; NULL: it has none */
    const char *help;
};

struct cli;

struct cli_command {
    const char *name;
    const char *arguments; /* as --help shows them */
    const char *summary;
    const char *details;          /* more for --help, or NULL */
    const struct cli_flag *flags; /* ends with a name of NULL; or NULL */
    int least, most;              /* arguments; most -1: any number */
    int (*run)(struct cli *cli);
};

enum { CLI_GIVEN_MAX = 64 };

struct cli {
    const struct cli_command *command;
    struct {
        const char *name;
        const char *value; /* "" for a flag without one */
    } given[CLI_GIVEN_MAX];
    int given_count;
    char **arguments;
    int argument_count;
    bool json;
    bool quiet;
    bool colours; /* of standard output */
    bool line;    /* standard error shows a progress line */
    ragstore_store *store;
    ragstore_model *model;
    struct extract_runner extractor;
#ifdef SERVER_HAS_LLM
    struct llm_client llm;
#endif
    bool has_llm;
};

/* ---- cli_main.c ---- */

extern const struct cli_command cli_commands[]; /* ends with a name of NULL */
extern const struct cli_flag cli_global_flags[];

/* ---- cli_options.c ---- */

/* Sort a command line into cli; a message and false when it is not right. */
bool cli_parse(struct cli *cli, int argc, char **argv);
const char *cli_option(const struct cli *cli, const char *name); /* NULL: not given */
bool cli_has(const struct cli *cli, const char *name);
/* The values of one that may be given several times; returns how many. */
size_t cli_all(const struct cli *cli, const char *name, const char **values, size_t room);
/* A whole number in a range; false after a message. *number stays when it was not given. */
bool cli_number(const struct cli *cli, const char *name, uint64_t *number, uint64_t least,
                uint64_t most);

/* ---- cli_open.c ---- */

enum cli_needs {
    CLI_READS = 0,
    CLI_WRITES = 1,
    CLI_CREATES = 2, /* the store may be missing */
    CLI_EMBEDS = 4,  /* the embedding model */
    CLI_EXTRACTS = 8 /* the extraction helper */
};
const char *cli_directory(const struct cli *cli);
/* A status of enum cli_status, after a message unless it is CLI_OK. */
int cli_open(struct cli *cli, unsigned needs);
int cli_open_llm(struct cli *cli);
int cli_open_entity(ragstore_entity **out, struct cli *cli, const char *id);
/* Close what is open; CLI_OK or what closing says. */
int cli_close(struct cli *cli);

/* ---- cli_interrupt.c ---- */

/* The first Ctrl-C makes this true, the second ends the program. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);
void cli_forget_interrupt(void);

/* ---- cli_output.c ---- */

/* "ragstore: …" on standard error. */
void cli_say(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Say what the library's last error was, and what status it makes; context NULL: none. */
int cli_fail(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_status_of(int status); /* of ragstore.h */

/* Text that came from a document or a person: control characters, with which a text could drive the
 * terminal, are shown as "?" and invalid UTF-8 as U+FFFD. */
void cli_print_text(FILE *to, const char *text, size_t size);
void cli_print_word(FILE *to, const char *text); /* on one line; NULL is "-" */
void cli_print_words(FILE *to, const char *text,
                     size_t width); /* the same, cut at so many columns */
void cli_bold(const struct cli *cli, bool on);
void cli_faint(const struct cli *cli, bool on);
/* Print JSON of the library, and free it; a status. */
int cli_print_json(struct cli *cli, ragstore_buffer *buffer);
int cli_print_value(const json_t *value);
json_t *cli_take_json(ragstore_buffer *buffer); /* parse and free; NULL when memory is short */
const char *cli_text(const json_t *object, const char *key); /* "" when it is none */
int64_t cli_integer(const json_t *object, const char *key);
/* An object as lines of "key  value". */
void cli_print_object(const struct cli *cli, const json_t *object, const char *const *keys);
void cli_print_bytes(FILE *to, uint64_t bytes); /* 4.1 MiB */

/* A line on standard error that is written again and again; total 0: unknown. */
void cli_progress(struct cli *cli, const char *what, const char *stage, uint64_t done,
                  uint64_t total);
void cli_progress_end(struct cli *cli);
/* For the library's progress callbacks; user is a struct cli_watch. */
struct cli_watch {
    struct cli *cli;
    const char *what;
};
int32_t cli_watch(void *user, const char *stage, uint64_t done, uint64_t total);

/* Ask on the terminal; false when the answer is not yes. Without a terminal --yes must be there,
 * and false is returned after a message. */
bool cli_confirm(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the commands ---- */

int cli_create(struct cli *cli);
int cli_list(struct cli *cli);
int cli_show(struct cli *cli);
int cli_delete(struct cli *cli);
int cli_add(struct cli *cli);
int cli_search(struct cli *cli);
int cli_chat(struct cli *cli);
int cli_sessions(struct cli *cli);
int cli_backup(struct cli *cli);
int cli_restore(struct cli *cli);
int cli_check(struct cli *cli);
int cli_compact(struct cli *cli);
int cli_export(struct cli *cli);
int cli_stats(struct cli *cli);

/* Print findings of a check for people; how many. */
size_t cli_print_findings(struct cli *cli, const json_t *report);
/* Print the sources of an answer, or the hits of a search, one by one. */
void cli_print_source(const struct cli *cli, size_t number, const ragstore_result *result,
                      size_t position);

#endif
