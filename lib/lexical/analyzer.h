/*
 * From text to terms: segments, folded, split into parts, checked for stop words, stemmed.
 *
 *   "The Key2 of add_page_break"
 *     the            stop
 *     key2  key  2   a word of letters and digits or in camelCase, and its parts
 *     of             stop
 *     add_page_break  add  page  break      a compound, whole and unstemmed, and its parts
 *
 * Single letters are no parts. Runs of a script without spaces give overlapping pairs of
 * characters, or the character when it is alone.
 *
 * An analyzer holds Snowball stemmers, which have state: one thread at a time. It makes them
 * when it first needs them.
 */
#ifndef RSI_LEXICAL_ANALYZER_H
#define RSI_LEXICAL_ANALYZER_H

#include "lexical/fold.h"
#include "lexical/stop_words.h"
#include "lexical/text_segments.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum rsi_script {
    RSI_SCRIPT_LATIN,
    RSI_SCRIPT_CYRILLIC,
    RSI_SCRIPT_OTHER, /* digits too */
    RSI_SCRIPTS,
} rsi_script;

/* The most tokens of a segment that is a WORD: itself and its parts. */
#define RSI_WORD_PARTS_MAX 8
#define RSI_WORD_TOKENS_MAX (1 + RSI_WORD_PARTS_MAX)

struct sb_stemmer;

typedef struct rsi_analyzer {
    struct {
        const char *language; /* of Snowball; NULL: words stay as they are. Static. */
        struct sb_stemmer *stemmer;
        rsi_stop_list stop_words;
    } scripts[RSI_SCRIPTS];
    bool accents_first; /* accents are dropped before stemming, not after it */
} rsi_analyzer;

typedef struct rsi_token {
    const char *text; /* valid during the call */
    size_t size;      /* 1 to RSI_TERM_MAX */
    size_t start;     /* where it stands in the analyzed text */
    size_t end;
    bool stop; /* a stop word: folded, not stemmed */
} rsi_token;

/* Takes a token; anything but 0 ends the analysis and is returned by it. */
typedef int rsi_token_sink(void *user, const rsi_token *token);

/* INVALID_ARGUMENT for an unknown language. */
int rsi_analyzer_open(rsi_analyzer *analyzer, const char *language);
void rsi_analyzer_close(rsi_analyzer *analyzer); /* zero-initialised is fine */

/* Every token of a text, in order of their ends. */
int rsi_analyzer_run(rsi_analyzer *analyzer, const char *text, size_t size, rsi_token_sink *sink,
                     void *user);
/* The tokens of one segment. */
int rsi_analyzer_expand(rsi_analyzer *analyzer, const char *text, const rsi_segment *segment,
                        rsi_token_sink *sink, void *user);

#endif
