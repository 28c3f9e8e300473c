/*
 * Extractive answers: see agent.h.
 *
 * The sentences of the found passages are weighed by the question's terms that they hold; the best
 * are quoted, each with the number of its source. When the best holds too little of the question,
 * nothing is quoted.
 */
#include "agent/agent.h"

#include "base/memory.h"
#include "base/status.h"
#include "ingest/chunk.h"

#include <string.h>

#define QUOTES_MAX 3
#define QUOTE_BYTES_MAX 400
#define ENOUGH_OVERLAP 0.34 /* share of the question's weight that the best sentence must hold */
#define ENOUGH_SIMILARITY 0.35f /* or cosine of the passage, with at least one shared term */

typedef struct term_list {
    char *terms[64];
    float weights[64];
    bool seen[64];
    size_t count;
    const rsi_lexical *index;
    int status; /* of collecting and marking */
} term_list;

static bool collect_term(void *user, const char *term, size_t size, size_t start, size_t end)
{
    term_list *list = user;
    (void)start;
    (void)end;
    if (list->count == 64)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->terms[i]) == size && memcmp(list->terms[i], term, size) == 0)
            return true;
    char *copy = rsi_memdup0(term, size);
    if (copy == NULL) {
        list->status = RAGSTORE_E_NO_MEMORY;
        return false;
    }
    list->weights[list->count] = rsi_lexical_idf(list->index, term, size);
    list->terms[list->count++] = copy;
    return true;
}

static bool mark_term(void *user, const char *term, size_t size, size_t start, size_t end)
{
    term_list *list = user;
    (void)start;
    (void)end;
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->terms[i]) == size && memcmp(list->terms[i], term, size) == 0)
            list->seen[i] = true;
    return true;
}

typedef struct quote {
    size_t source; /* position in the result */
    size_t start;  /* in the content */
    size_t end;
    double weight;
} quote;

typedef struct weighing {
    term_list *question;
    const char *language;
    const rsi_found *passage;
    size_t source;
    quote best[QUOTES_MAX];
    size_t count;
} weighing;

static double weigh(weighing *on, const char *text, size_t size)
{
    double all = 0;
    double held = 0;
    memset(on->question->seen, 0, sizeof on->question->seen);
    int status = rsi_lexical_analyze(on->language, on->passage->heading,
                                     strlen(on->passage->heading), mark_term, on->question);
    if (status == RAGSTORE_OK)
        status = rsi_lexical_analyze(on->language, text, size, mark_term, on->question);
    if (status != RAGSTORE_OK)
        on->question->status = status;
    for (size_t i = 0; i < on->question->count; i++) {
        /* a term that no chunk has weighs as much as the rarest */
        double weight = on->question->weights[i] > 0 ? on->question->weights[i] : 6.0;
        all += weight;
        held += on->question->seen[i] ? weight : 0;
    }
    return all > 0 ? held / all : 0;
}

static void keep_best(weighing *on, quote one)
{
    size_t at = on->count < QUOTES_MAX ? on->count++ : QUOTES_MAX - 1;
    if (at == QUOTES_MAX - 1 && on->count == QUOTES_MAX && on->best[at].weight >= one.weight &&
        on->best[at].end > 0)
        return;
    on->best[at] = one;
    while (at > 0 && on->best[at - 1].weight < on->best[at].weight) {
        quote swap = on->best[at];
        on->best[at] = on->best[at - 1];
        on->best[at - 1] = swap;
        at--;
    }
}

static bool weigh_sentence(void *user, size_t start, size_t end)
{
    weighing *on = user;
    if (end - start <= QUOTE_BYTES_MAX) {
        quote one = {on->source, start, end, weigh(on, on->passage->content + start, end - start)};
        if (one.weight > 0)
            keep_best(on, one);
    }
    return on->question->status == RAGSTORE_OK;
}

static void append_quote(rsi_bytes *text, const rsi_found *passage, const quote *one)
{
    for (size_t i = one->start; i < one->end; i++) {
        char c = passage->content[i];
        rsi_bytes_append_char(text, (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c);
    }
}

/* Put the cited passages first, in the order of their numbers, and drop the rest. */
static int keep_cited(rsi_result *result, quote *quotes, size_t count)
{
    size_t kept = 0;
    for (size_t q = 0; q < count; q++) {
        size_t source = quotes[q].source;
        if (source < kept)
            continue;
        rsi_found swap = result->items[kept];
        result->items[kept] = result->items[source];
        result->items[source] = swap;
        for (size_t other = 0; other < count; other++) {
            if (quotes[other].source == source)
                quotes[other].source = kept;
            else if (quotes[other].source == kept)
                quotes[other].source = source;
        }
        kept++;
    }
    if (kept == result->count)
        return RAGSTORE_OK;
    const size_t dropped = result->count - kept;
    rsi_result *rest = rsi_alloc_zeroed(sizeof *rest);
    if (rest == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rest->items = rsi_alloc_array(dropped, sizeof *rest->items);
    if (rest->items == NULL) {
        rsi_free(rest);
        return RAGSTORE_E_NO_MEMORY;
    }
    memcpy(rest->items, result->items + kept, dropped * sizeof *rest->items);
    rest->count = dropped;
    result->count = kept;
    rsi_result_free(rest);
    return RAGSTORE_OK;
}

static int tell(rsi_agent_answer *answer, const rsi_agent_listener *listener, rsi_bytes *text,
                const char *piece, size_t size)
{
    (void)answer;
    rsi_bytes_append(text, piece, size);
    if (rsi_bytes_status(text) != RAGSTORE_OK)
        return rsi_bytes_status(text);
    if (listener != NULL && listener->on_text != NULL &&
        listener->on_text(listener->user, piece, size) != 0)
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "agent", "the listener cancelled the answer");
    return RAGSTORE_OK;
}

static int say(rsi_agent_answer *answer, const rsi_agent_listener *listener, const quote *quotes,
               size_t count, bool has_documents)
{
    rsi_bytes text = {0};
    rsi_bytes metadata = {0};
    int status = RAGSTORE_OK;
    if (listener != NULL && listener->on_sources != NULL &&
        listener->on_sources(listener->user, answer->sources) != 0)
        status = rsi_fail(RAGSTORE_E_INTERRUPTED, "agent", "the listener cancelled the answer");
    rsi_json_writer writer = rsi_json_writer_of(&metadata);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "mode", "extractive");
    rsi_json_put_bool(&writer, "answered", count > 0);
    rsi_json_key(&writer, "citations");
    rsi_json_begin_array(&writer);
    for (size_t q = 0; status == RAGSTORE_OK && q < count; q++) {
        const rsi_found *passage = &answer->sources->items[quotes[q].source];
        rsi_bytes piece = {0};
        if (q > 0)
            rsi_bytes_append_char(&piece, '\n');
        append_quote(&piece, passage, &quotes[q]);
        rsi_bytes_printf(&piece, " [%zu]", quotes[q].source + 1);
        status = rsi_bytes_status(&piece);
        if (status == RAGSTORE_OK)
            status = tell(answer, listener, &text, piece.data, piece.size);
        rsi_bytes_free(&piece);
        rsi_json_begin_object(&writer);
        rsi_json_put_integer(&writer, "n", (int64_t)quotes[q].source + 1);
        rsi_json_put_text(&writer, "doc_id", passage->doc_id);
        rsi_json_put_text(&writer, "doc_name", passage->doc_name);
        rsi_json_put_integer(&writer, "chunk_number", passage->chunk);
        rsi_json_put_integer(&writer, "page", passage->page);
        if (passage->start >= 0) {
            rsi_json_put_integer(&writer, "start", passage->start + (int64_t)quotes[q].start);
            rsi_json_put_integer(&writer, "end", passage->start + (int64_t)quotes[q].end);
        }
        rsi_json_key(&writer, "quote");
        rsi_json_text_value(&writer, passage->content + quotes[q].start,
                            quotes[q].end - quotes[q].start);
        rsi_json_end_object(&writer);
    }
    rsi_json_end_array(&writer);
    rsi_json_end_object(&writer);
    static const char nothing[] = "Nothing in these documents answers that.";
    static const char empty[] = "There are no documents yet: add some, then ask again.";
    if (status == RAGSTORE_OK && count == 0)
        status = has_documents ? tell(answer, listener, &text, nothing, sizeof nothing - 1)
                               : tell(answer, listener, &text, empty, sizeof empty - 1);
    answer->text = rsi_bytes_take(&text, NULL);
    answer->metadata = rsi_bytes_take(&metadata, NULL);
    if (answer->text == NULL || answer->metadata == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    return status;
}

int rsi_agent_answer_question(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                              const char *incarnation, const rsi_agent_question *question,
                              const rsi_agent_listener *listener)
{
    rsi_catalog *catalog = NULL;
    rsi_entity_record entity = {0};
    term_list terms = {.count = 0};
    rsi_bytes asked = {0};
    memset(answer, 0, sizeof *answer);
    /* a very short message is about what was said before */
    for (size_t i = question->history_count; strlen(question->message) < 24 && i-- > 0;) {
        if (!question->history[i].is_user)
            continue;
        rsi_bytes_append_text(&asked, question->history[i].content);
        rsi_bytes_append_char(&asked, ' ');
        break;
    }
    rsi_bytes_append_text(&asked, question->message);
    int status = rsi_bytes_status(&asked);
    rsi_search_query query = {.text = asked.data,
                              .size = asked.size > 32768 ? 32768 : asked.size,
                              .k = question->k,
                              .mode = RAGSTORE_MODE_HYBRID,
                              .doc_ids = question->doc_ids,
                              .doc_ids_count = question->doc_ids_count,
                              .filter_json = question->filter_json};
    if (status == RAGSTORE_OK)
        status = rsi_search(&answer->sources, store, entity_id, incarnation, &query);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, entity_id, incarnation);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_rdlock(&catalog->lock);
        bool has_documents = catalog->alive.count > 0;
        terms.index = catalog->lexical;
        status = rsi_lexical_analyze(entity.language, question->message, strlen(question->message),
                                     collect_term, &terms);
        if (status == RAGSTORE_OK && terms.count == 0)
            status = rsi_lexical_analyze(entity.language, asked.data, asked.size, collect_term,
                                         &terms);
        if (status == RAGSTORE_OK)
            status = terms.status;
        pthread_rwlock_unlock(&catalog->lock);
        weighing on = {.question = &terms, .language = entity.language};
        for (size_t i = 0; status == RAGSTORE_OK && i < answer->sources->count; i++) {
            on.passage = &answer->sources->items[i];
            on.source = i;
            rsi_sentences(on.passage->content, strlen(on.passage->content), weigh_sentence, &on);
            status = terms.status;
        }
        size_t count = 0;
        size_t bytes = 0;
        for (size_t i = 0; i < on.count; i++) {
            const rsi_found *passage = &answer->sources->items[on.best[i].source];
            bool enough = on.best[i].weight >= ENOUGH_OVERLAP ||
                          passage->vector_score >= ENOUGH_SIMILARITY;
            bytes += on.best[i].end - on.best[i].start;
            if (!enough || bytes > QUOTE_BYTES_MAX || on.best[i].weight < on.best[0].weight / 2)
                break;
            count = i + 1;
        }
        if (status == RAGSTORE_OK)
            status = keep_cited(answer->sources, on.best, count);
        if (status == RAGSTORE_OK)
            status = say(answer, listener, on.best, count, has_documents);
    }
    for (size_t i = 0; i < terms.count; i++)
        rsi_free(terms.terms[i]);
    rsi_catalog_release(store, catalog);
    rsi_entity_record_free(&entity);
    rsi_bytes_free(&asked);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_INTERRUPTED)
        rsi_agent_answer_free(answer);
    return rsi_wrap(status, "answer");
}

void rsi_agent_answer_free(rsi_agent_answer *answer)
{
    rsi_free(answer->text);
    rsi_free(answer->metadata);
    rsi_result_free(answer->sources);
    memset(answer, 0, sizeof *answer);
}
