/*
 * Extractive answers: see agent.h, and answer_parts.h for the steps.
 *
 * The sentences that answer best are quoted, each with the number of its source, up to a few
 * hundred bytes. When none answers, nothing is quoted.
 */
#include "agent/answer_parts.h"
#include "agent/model_answer.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define SHORT_BYTES 24           /* a message shorter than this goes on from the one before */
#define HISTORY_BYTES_MAX 2048   /* of that one */
#define QUESTION_BYTES_MAX 32768 /* what is searched for */
#define QUOTES_MAX 4
#define ANSWER_BYTES_MAX 400 /* marks included */
#define MARK_BYTES 5         /* " [n]" behind a quotation and the end of its line */
#define QUOTE_SHARE 0.5f /* of the best one's score, for the others */

typedef struct quote {
    size_t source; /* position in the result */
    size_t start;  /* in the content */
    size_t end;
} quote;

static bool is_quoted(const rsi_unit *const *quoted, size_t count, const rsi_unit *unit)
{
    for (size_t i = 0; i < count; i++)
        if (rsi_unit_is_like(quoted[i], unit))
            return true;
    return false;
}

static bool same_paragraph(const char *content, size_t end, size_t next_start)
{
    size_t newlines = 0;
    for (size_t at = end; at < next_start; at++)
        newlines += content[at] == '\n';
    return newlines < 2;
}

/* Where a quotation that begins with this sentence ends: one that announces something takes along
 * what comes next, as does one that stands alone, within its paragraph. */
static size_t quote_end(const rsi_material *material, const rsi_unit *unit, size_t room, bool alone)
{
    const rsi_unit *next = unit + 1;
    const char *content = material->passages[unit->passage].found->content;
    bool announces = unit->end > unit->start && content[unit->end - 1] == ':';
    if (next == material->units + material->unit_count || next->passage != unit->passage ||
        next->end - unit->start > room)
        return unit->end;
    alone = alone && same_paragraph(content, unit->end, next->start);
    return announces || alone ? next->end : unit->end;
}

/* The best sentences that fit, best first. */
static size_t choose(quote quotes[QUOTES_MAX], const rsi_material *material)
{
    const rsi_unit *quoted[QUOTES_MAX];
    size_t count = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < material->ranked && count < QUOTES_MAX; i++) {
        const rsi_unit *unit = &material->units[material->ranking[i]];
        if (!rsi_unit_answers(unit) || (count > 0 && unit->score < quoted[0]->score * QUOTE_SHARE))
            break;
        if (bytes + MARK_BYTES > ANSWER_BYTES_MAX)
            break;
        const size_t room = ANSWER_BYTES_MAX - bytes - MARK_BYTES;
        if (unit->end - unit->start > room || is_quoted(quoted, count, unit))
            continue;
        if (unit->is_title && count > 0) /* adds nothing to a sentence */
            continue;
        size_t end = quote_end(material, unit, room, false);
        bytes += end - unit->start + MARK_BYTES;
        quoted[count] = unit;
        quotes[count++] = (quote){unit->passage, unit->start, end};
    }
    if (count == 1)
        quotes[0].end = quote_end(material, quoted[0], ANSWER_BYTES_MAX - MARK_BYTES, true);
    return count;
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

/* What is searched for: a very short message is about what was said before. */
int rsi_agent_search_text(rsi_bytes *text, const rsi_agent_question *question)
{
    for (size_t i = question->history_count; strlen(question->message) < SHORT_BYTES && i-- > 0;) {
        if (!question->history[i].is_user)
            continue;
        const char *before = question->history[i].content;
        size_t size = strlen(before);
        if (size > HISTORY_BYTES_MAX) /* the message comes last, and must not be cut off */
            size = rsi_utf8_floor(before, size, HISTORY_BYTES_MAX);
        rsi_bytes_append(text, before, size);
        rsi_bytes_append_char(text, ' ');
        break;
    }
    rsi_bytes_append_text(text, question->message);
    if (text->size > QUESTION_BYTES_MAX)
        text->size = rsi_utf8_floor(text->data, text->size, QUESTION_BYTES_MAX);
    return rsi_bytes_status(text);
}

static int ask_terms(rsi_asked *asked, const rsi_catalog *catalog, const char *message,
                     const rsi_bytes *searched)
{
    int status = rsi_asked_add(asked, message, strlen(message), 1);
    if (status == RAGSTORE_OK && asked->count == 0)
        status = rsi_asked_add(asked, searched->data, searched->size, 1);
    if (status == RAGSTORE_OK)
        rsi_asked_weigh_locked(asked, catalog->lexical);
    return status;
}

static int answer_extractively(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                               const char *incarnation, const rsi_agent_question *question,
                               const rsi_agent_listener *listener)
{
    rsi_catalog *catalog = NULL;
    rsi_entity_record entity = {0};
    rsi_asked asked = {.count = 0};
    rsi_material material = {0};
    rsi_bytes searched = {0};
    bool has_documents = false;
    memset(answer, 0, sizeof *answer);
    int status = rsi_agent_search_text(&searched, question);
    rsi_search_query query = {.text = searched.data,
                              .plain = true,
                              .size = searched.size,
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
        snprintf(asked.language, sizeof asked.language, "%s", entity.language);
        pthread_rwlock_rdlock(&catalog->lock);
        has_documents = catalog->alive.count > 0;
        status = ask_terms(&asked, catalog, question->message, &searched);
        pthread_rwlock_unlock(&catalog->lock);
    }
    if (status == RAGSTORE_OK)
        status = rsi_material_make(&material, &asked, answer->sources->items,
                                   answer->sources->count);
    if (status == RAGSTORE_OK)
        status = rsi_units_judge(&material, &asked, entity.metric, store->embedder,
                                 (rsi_slice){searched.data, searched.size});
    if (status == RAGSTORE_OK) {
        quote quotes[QUOTES_MAX];
        size_t count = choose(quotes, &material);
        status = keep_cited(answer->sources, quotes, count);
        if (status == RAGSTORE_OK)
            status = say(answer, listener, quotes, count, has_documents);
    }
    rsi_material_free(&material);
    rsi_asked_free(&asked);
    rsi_catalog_release(store, catalog);
    rsi_entity_record_free(&entity);
    rsi_bytes_free(&searched);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_INTERRUPTED)
        rsi_agent_answer_free(answer);
    return rsi_wrap(status, "answer");
}

/* Say in the metadata why the model did not answer. */
static int note_failure(rsi_agent_answer *answer, const char *reason)
{
    rsi_bytes text = {0};
    size_t size = strlen(answer->metadata);
    rsi_bytes_append(&text, answer->metadata, size - 1);
    rsi_bytes_append_text(&text, size > 2 ? ",\"model_error\":" : "\"model_error\":");
    rsi_json_writer writer = rsi_json_writer_of(&text);
    rsi_json_text_value(&writer, reason, strlen(reason));
    rsi_bytes_append_char(&text, '}');
    char *metadata = rsi_bytes_take(&text, NULL);
    if (metadata == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_free(answer->metadata);
    answer->metadata = metadata;
    return RAGSTORE_OK;
}

int rsi_agent_answer_question(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                              const char *incarnation, const rsi_agent_question *question,
                              const rsi_agent_listener *listener)
{
    rsi_saved_error failure;
    int status = RAGSTORE_OK;
    if (question->model == NULL)
        return answer_extractively(answer, store, entity_id, incarnation, question, listener);
    status = rsi_model_answer(answer, store, entity_id, incarnation, question, listener);
    if (status != RAGSTORE_E_MODEL || answer->text != NULL)
        return rsi_wrap(status, "answer");
    rsi_error_save(&failure);
    status = answer_extractively(answer, store, entity_id, incarnation, question, listener);
    if (answer->metadata != NULL && note_failure(answer, failure.message) != RAGSTORE_OK) {
        rsi_agent_answer_free(answer);
        return RAGSTORE_E_NO_MEMORY;
    }
    return status;
}

void rsi_agent_answer_free(rsi_agent_answer *answer)
{
    rsi_free(answer->text);
    rsi_free(answer->metadata);
    rsi_result_free(answer->sources);
    memset(answer, 0, sizeof *answer);
}
