/*
 * From passages to sentences that could be quoted: see answer_parts.h.
 *
 * A passage is analyzed once; its terms then go to the sentences in which they stand. Each
 * sentence also gets a sketch of its words, by which near-identical ones, from overlapping chunks
 * or from copies of a document, are found without comparing texts.
 */
#include "agent/answer_parts.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "ingest/chunk.h"

#include <string.h>

#define UNITS_MAX 1024
#define UNIT_MAX 380      /* bytes: what is longer is cut into pieces, which an answer has room
                             for */
#define TITLE_MAX 60      /* bytes of a heading or label */
#define LIKE_PERCENT 90   /* of the words of two near-identical sentences */

/* ---- sentences ---- */

typedef struct cutting {
    rsi_material *material;
    size_t passage;
    int status;
} cutting;

static bool add_unit(cutting *c, size_t start, size_t end)
{
    rsi_material *m = c->material;
    if (m->unit_count == UNITS_MAX)
        return false;
    if (!rsi_grow((void **)&m->units, &m->unit_capacity, m->unit_count + 1, sizeof *m->units)) {
        c->status = RAGSTORE_E_NO_MEMORY;
        return false;
    }
    m->units[m->unit_count++] = (rsi_unit){.passage = c->passage, .start = start, .end = end};
    return true;
}

/* Where to cut: behind the last white space in the second half, or else at a character. */
static size_t cut_of(const char *text, size_t start, size_t end)
{
    const size_t most = rsi_utf8_floor(text, end, start + UNIT_MAX);
    for (size_t at = most; at > start + UNIT_MAX / 2; at--)
        if (text[at - 1] == ' ' || text[at - 1] == '\n' || text[at - 1] == '\t')
            return at;
    return most;
}

static bool add_sentence(void *user, size_t start, size_t end)
{
    cutting *c = user;
    const char *text = c->material->passages[c->passage].found->content;
    while (end - start > UNIT_MAX) {
        const size_t cut = cut_of(text, start, end);
        size_t last = cut;
        while (last > start && (text[last - 1] == ' ' || text[last - 1] == '\n'))
            last--;
        if (last > start && !add_unit(c, start, last))
            return false;
        start = cut;
    }
    return end == start || add_unit(c, start, end);
}

/* ---- terms ---- */

typedef struct reading {
    const rsi_asked *asked;
    rsi_unit *unit; /* the first that may hold the next term */
    rsi_unit *end;
} reading;

static void sketch_word(rsi_unit *unit, const char *term, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)term[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 29;
    unit->sketch[hash % RSI_SKETCH_WORDS] |= UINT64_C(1) << (hash >> 8 & 63);
}

static bool take_term(void *user, const char *term, size_t term_size, size_t start, size_t end)
{
    reading *r = user;
    (void)end;
    while (r->unit < r->end && r->unit->end <= start)
        r->unit++;
    if (r->unit == r->end || start < r->unit->start)
        return true;
    sketch_word(r->unit, term, term_size);
    int asked = rsi_asked_find(r->asked, term, term_size);
    if (asked >= 0)
        r->unit->terms |= UINT64_C(1) << asked;
    return true;
}

typedef struct looking {
    const rsi_asked *asked;
    rsi_asked_set terms;
} looking;

static bool look_at_term(void *user, const char *term, size_t term_size, size_t start, size_t end)
{
    looking *l = user;
    int asked = rsi_asked_find(l->asked, term, term_size);
    (void)start;
    (void)end;
    if (asked >= 0)
        l->terms |= UINT64_C(1) << asked;
    return true;
}

static int find_terms(rsi_material *material, const rsi_asked *asked, size_t first_unit,
                      rsi_passage *passage)
{
    const rsi_found *found = passage->found;
    reading r = {asked, material->units + first_unit, material->units + material->unit_count};
    int status = rsi_lexical_analyze(asked->language, found->content, passage->size, take_term, &r);
    looking l = {asked, 0};
    if (status == RAGSTORE_OK)
        status = rsi_lexical_analyze(asked->language, found->heading, strlen(found->heading),
                                     look_at_term, &l);
    if (status == RAGSTORE_OK)
        status = rsi_lexical_analyze(asked->language, found->doc_name, strlen(found->doc_name),
                                     look_at_term, &l);
    passage->heading_terms = l.terms;
    return status;
}

/* ---- what a unit looks like ---- */

static void look_at_unit(rsi_unit *unit, const char *content)
{
    bool ends = false;
    bool has_field = false;
    for (size_t at = unit->start; at < unit->end; at++) {
        unsigned char c = (unsigned char)content[at];
        has_field = has_field || (c == ':' && at + 1 < unit->end);
        ends = c == '.' || c == '!' || c == '?' || (ends && (c < '0' || c >= 0x80));
    }
    unit->is_title = !ends && !has_field && unit->end - unit->start <= TITLE_MAX;
}

static int popcount(const uint64_t a[RSI_SKETCH_WORDS], const uint64_t b[RSI_SKETCH_WORDS],
                    bool both)
{
    int count = 0;
    for (size_t i = 0; i < RSI_SKETCH_WORDS; i++)
        count += __builtin_popcountll(both ? a[i] & b[i] : a[i] | b[i]);
    return count;
}

bool rsi_unit_is_like(const rsi_unit *a, const rsi_unit *b)
{
    int all = popcount(a->sketch, b->sketch, false);
    return all > 0 && popcount(a->sketch, b->sketch, true) * 100 >= LIKE_PERCENT * all;
}

rsi_slice rsi_unit_text(const rsi_material *material, const rsi_unit *unit)
{
    const char *content = material->passages[unit->passage].found->content;
    return (rsi_slice){content + unit->start, unit->end - unit->start};
}

/* ---- all of it ---- */

static int read_passage(rsi_material *material, const rsi_asked *asked, const rsi_found *found)
{
    rsi_passage *passage = &material->passages[material->passage_count];
    cutting c = {material, material->passage_count, RAGSTORE_OK};
    size_t first = material->unit_count;
    passage->found = found;
    passage->size = strlen(found->content);
    material->passage_count++;
    rsi_sentences(found->content, passage->size, add_sentence, &c);
    int status = c.status;
    if (status == RAGSTORE_OK)
        status = find_terms(material, asked, first, passage);
    for (size_t i = first; i < material->unit_count; i++)
        look_at_unit(&material->units[i], found->content);
    return status;
}

int rsi_material_make(rsi_material *material, const rsi_asked *asked, const rsi_found *found,
                      size_t count)
{
    memset(material, 0, sizeof *material);
    material->passages = rsi_alloc_array(count > 0 ? count : 1, sizeof *material->passages);
    int status = material->passages == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = read_passage(material, asked, &found[i]);
    if (status != RAGSTORE_OK)
        rsi_material_free(material);
    return status;
}

void rsi_material_free(rsi_material *material)
{
    rsi_free(material->passages);
    rsi_free(material->units);
    rsi_free(material->ranking);
    memset(material, 0, sizeof *material);
}
