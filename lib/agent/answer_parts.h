/*
 * The steps from a message to an answer. Only extractive.c, answer_*.c and their tests include
 * this.
 *
 *   message ─► answer_terms.c ► the question's terms, each with its weight
 *   passages ► answer_units.c ► sentences, each with the set of question terms that it has
 *              answer_score.c ► how well each answers; does any answer at all?
 *              extractive.c ──► which are quoted: text with [n], sources, citations
 *
 * All of it works on what one call gives it: no state, no locks.
 */
#ifndef RSI_AGENT_ANSWER_PARTS_H
#define RSI_AGENT_ANSWER_PARTS_H

#include "agent/agent.h"

/* ---- answer_terms.c ---- */

#define RSI_ASKED_MAX 64 /* distinct terms of a question: the bits of a set */

typedef uint64_t rsi_asked_set;

typedef struct rsi_asked_term {
    size_t start; /* of its bytes in `bytes` */
    size_t size;
    float share;  /* how much the term counts: 1 in the message, less in what it goes on from */
    float weight; /* share × rarity */
} rsi_asked_term;

/* The question as terms; position in `terms` is the bit in a set. */
typedef struct rsi_asked {
    char language[32];
    rsi_bytes bytes;
    rsi_asked_term terms[RSI_ASKED_MAX];
    size_t count;
    float total; /* of the weights */
} rsi_asked;

/* Add the terms of a text that are not there yet. */
int rsi_asked_add(rsi_asked *asked, const char *text, size_t size, float share);
/* Weigh the terms by how rare they are in an index. Under the catalog's lock. */
void rsi_asked_weigh_locked(rsi_asked *asked, const rsi_lexical *index);
void rsi_asked_free(rsi_asked *asked);

int rsi_asked_find(const rsi_asked *asked, const char *term, size_t size); /* -1: not asked for */
float rsi_asked_weight(const rsi_asked *asked, rsi_asked_set set);
/* Share of the question that a set covers: 0 to 1. */
float rsi_asked_coverage(const rsi_asked *asked, rsi_asked_set set);

/* ---- answer_units.c ---- */

typedef struct rsi_passage {
    const rsi_found *found;
    size_t size; /* of its content */
    rsi_asked_set heading_terms; /* of its heading and its document's name */
} rsi_passage;

#define RSI_SKETCH_WORDS 4

/* A sentence, list item, row of a table or line of code. */
typedef struct rsi_unit {
    size_t passage; /* position in rsi_material.passages */
    size_t start;   /* in its content */
    size_t end;
    rsi_asked_set terms;
    uint64_t sketch[RSI_SKETCH_WORDS]; /* a bit for each of its words: near-identical ones agree */
    bool is_title;    /* a heading or label: a few words that say nothing alone */
    float coverage;   /* share of the question that it and its heading hold: 0 to 1 */
    float score;      /* see answer_score.c */
} rsi_unit;

typedef struct rsi_material {
    rsi_passage *passages; /* in order of their rank */
    size_t passage_count;
    rsi_unit *units; /* by passage, in order of their place */
    size_t unit_count;
    size_t unit_capacity;
    size_t *ranking; /* positions of units, best first; set by rsi_units_judge() */
    size_t ranked;
} rsi_material;

/* Take hits apart. `found` must outlive the material. */
int rsi_material_make(rsi_material *material, const rsi_asked *asked, const rsi_found *found,
                      size_t count);
void rsi_material_free(rsi_material *material);

rsi_slice rsi_unit_text(const rsi_material *material, const rsi_unit *unit);
/* Are two sentences near-identical, as in overlapping chunks or copies of a document? */
bool rsi_unit_is_like(const rsi_unit *a, const rsi_unit *b);

/* ---- answer_score.c ---- */

/* Score the units and order them best first: by words, and where the search went by vector, by how
 * similar their passages are in the entity's metric. embedder NULL: that of a few sentences is not
 * asked for where nothing would answer. */
int rsi_units_judge(rsi_material *material, const rsi_asked *asked, rsi_metric metric,
                    const rsi_embedder *embedder, rsi_slice question);
/* Does a judged unit answer the question, or a part of it? */
bool rsi_unit_answers(const rsi_unit *unit);

#endif
