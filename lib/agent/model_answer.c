/* Answers by a language model: see model_answer.h. */
#include "agent/model_answer.h"

#include "agent/generation.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "search/hit_details.h"

#include <stdio.h>
#include <string.h>

#define SEARCHES_MAX 4
#define REWRITE_TOKENS 120
#define SEARCH_BYTES_MAX 2048
#define NEIGHBORS 1
#define FUSION_K 60.0f /* of reciprocal ranks */

typedef struct searches {
    char *texts[SEARCHES_MAX]; /* owned */
    size_t count;
} searches;

static void free_searches(searches *all)
{
    for (size_t i = 0; i < all->count; i++)
        rsi_free(all->texts[i]);
    all->count = 0;
}

static int add_search(searches *all, const char *text, size_t size)
{
    while (size > 0 && (text[0] == ' ' || text[0] == '-' || text[0] == '*' || text[0] == '\t')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t' || text[size - 1] == '\r'))
        size--;
    if (size > SEARCH_BYTES_MAX)
        size = rsi_utf8_floor(text, size, SEARCH_BYTES_MAX);
    if (size < 2 || all->count == SEARCHES_MAX)
        return RAGSTORE_OK;
    all->texts[all->count] = rsi_memdup0(text, size);
    if (all->texts[all->count] == NULL)
        return RAGSTORE_E_NO_MEMORY;
    all->count++;
    return RAGSTORE_OK;
}

/* A follow-up is put into words of its own by the model. Without that it is searched as it stands.
 */
static int rewrite(searches *all, rsi_store *store, const rsi_agent_question *question)
{
    ragstore_generation generation = {.store = store};
    rsi_bytes prompt = {0};
    int status = rsi_prompt_rewrite(&prompt, question, question->model);
    if (status == RAGSTORE_OK)
        status = rsi_generate(&generation, question->model, prompt.data, REWRITE_TOKENS);
    if (status == RAGSTORE_E_MODEL) /* the answer itself will tell */
        status = RAGSTORE_OK;
    const char *at = generation.text.data;
    while (status == RAGSTORE_OK && at != NULL && *at != '\0') {
        size_t size = strcspn(at, "\n");
        status = add_search(all, at, size);
        at += size + (at[size] == '\n');
    }
    rsi_bytes_free(&prompt);
    rsi_generation_free(&generation);
    return status;
}

/* Several questions in one message are searched one by one, too. */
static int add_parts(searches *all, const char *message)
{
    size_t questions = 0;
    for (const char *c = message; *c != '\0'; c++)
        questions += *c == '?';
    int status = RAGSTORE_OK;
    for (const char *at = message; status == RAGSTORE_OK && questions > 1 && *at != '\0';) {
        size_t size = strcspn(at, "?");
        status = add_search(all, at, size);
        at += size + (at[size] == '?');
    }
    return status;
}

static int plan(searches *all, rsi_store *store, const rsi_agent_question *question)
{
    rsi_bytes text = {0};
    int status = rsi_agent_search_text(&text, question);
    if (status == RAGSTORE_OK) {
        all->texts[0] = rsi_bytes_take(&text, NULL);
        all->count = all->texts[0] != NULL;
        status = all->count == 0 ? RAGSTORE_E_NO_MEMORY : add_parts(all, question->message);
    }
    if (status == RAGSTORE_OK && question->history_count > 0)
        status = rewrite(all, store, question);
    rsi_bytes_free(&text);
    return status;
}

/* ---- gathering ---- */

static bool has_chunk(rsi_result *into, const rsi_found *found, float points)
{
    for (size_t i = 0; i < into->count; i++) {
        if (into->items[i].chunk == found->chunk) {
            into->items[i].score += points;
            return true;
        }
    }
    return false;
}

/* Take the hits of one search in: each counts by its rank; scores are points until the end. */
static int merge(rsi_result *into, size_t *capacity, rsi_result *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const float points = 1.0f / (FUSION_K + (float)i);
        if (has_chunk(into, &from->items[i], points))
            continue;
        if (!rsi_grow((void **)&into->items, capacity, into->count + 1, sizeof *into->items))
            return RAGSTORE_E_NO_MEMORY;
        into->items[into->count] = from->items[i];
        into->items[into->count++].score = points;
        memset(&from->items[i], 0, sizeof from->items[i]);
    }
    into->mode = from->mode;
    return RAGSTORE_OK;
}

static void order(rsi_result *result)
{
    for (size_t i = 1; i < result->count; i++) {
        rsi_found moved = result->items[i];
        size_t j = i;
        for (; j > 0 && result->items[j - 1].score < moved.score; j--)
            result->items[j] = result->items[j - 1];
        result->items[j] = moved;
    }
}

static int gather_several(rsi_result **out, rsi_result *const *results, size_t count)
{
    size_t capacity = 0;
    rsi_result *all = rsi_alloc_zeroed(sizeof *all);
    int status = all == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = merge(all, &capacity, results[i]);
    if (status != RAGSTORE_OK) {
        rsi_result_free(all);
        return status;
    }
    order(all);
    for (size_t i = 0; i < all->count; i++) /* the best possible is 1, as everywhere */
        all->items[i].score = all->items[i].score * FUSION_K / (float)count;
    *out = all;
    return RAGSTORE_OK;
}

static int gather(rsi_result **out, rsi_store *store, const char *entity_id,
                  const char *incarnation, const rsi_agent_question *question,
                  const searches *wanted)
{
    rsi_result *results[SEARCHES_MAX] = {NULL};
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < wanted->count; i++) {
        rsi_search_query query = {.text = wanted->texts[i],
                                  .plain = true,
                                  .size = strlen(wanted->texts[i]),
                                  .k = question->k,
                                  .mode = RAGSTORE_MODE_HYBRID,
                                  .doc_ids = question->doc_ids,
                                  .doc_ids_count = question->doc_ids_count,
                                  .filter_json = question->filter_json};
        status = rsi_search(&results[i], store, entity_id, incarnation, &query);
    }
    if (status == RAGSTORE_OK && wanted->count == 1) {
        *out = results[0];
        results[0] = NULL;
    } else if (status == RAGSTORE_OK) {
        status = gather_several(out, results, wanted->count);
    }
    for (size_t i = 0; i < SEARCHES_MAX; i++)
        rsi_result_free(results[i]);
    return status;
}

static void keep_first(rsi_result *result, size_t count)
{
    if (count >= result->count)
        return;
    for (size_t i = count; i < result->count; i++)
        rsi_found_clear(&result->items[i]);
    result->count = count;
}

/* ---- passages ---- */

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++)
        rsi_free(texts[i]);
    rsi_free(texts);
}

/* The texts of the passages, each with its neighbours. */
static int read_passages(char ***out, rsi_store *store, const char *entity_id,
                         const char *incarnation, const rsi_result *sources)
{
    rsi_catalog *catalog = NULL;
    char **texts = rsi_alloc_array(sources->count + 1, sizeof *texts);
    if (texts == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memset(texts, 0, (sources->count + 1) * sizeof *texts);
    int status = rsi_catalog_acquire(&catalog, store, entity_id, incarnation);
    for (size_t i = 0; status == RAGSTORE_OK && i < sources->count; i++) {
        rsi_found wider;
        pthread_rwlock_rdlock(&catalog->lock);
        int filled = rsi_found_fill(&wider, store, catalog, sources->items[i].chunk, NEIGHBORS);
        pthread_rwlock_unlock(&catalog->lock);
        if (filled == RAGSTORE_OK) {
            rsi_result one = {.items = NULL};
            texts[i] = wider.content;
            wider.content = NULL;
            one.items = &wider;
            one.count = 1;
            keep_first(&one, 0);
        } else if (filled == RAGSTORE_E_NOT_FOUND) { /* gone meanwhile: as it was found */
            texts[i] = rsi_strdup(sources->items[i].content);
        } else {
            status = filled;
            break;
        }
        status = texts[i] == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    }
    rsi_catalog_release(store, catalog);
    if (status != RAGSTORE_OK) {
        free_texts(texts, sources->count);
        return status;
    }
    *out = texts;
    return RAGSTORE_OK;
}

/* ---- the answer ---- */

typedef struct beginning {
    const rsi_agent_listener *listener;
    const rsi_result *sources;
} beginning;

/* The model has said something: now the sources are settled. */
static int tell_sources(void *user)
{
    const beginning *begun = user;
    if (begun->listener == NULL || begun->listener->on_sources == NULL ||
        begun->listener->on_sources(begun->listener->user, begun->sources) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "agent", "the listener cancelled the answer");
}

static void put_citation(rsi_json_writer *writer, size_t n, const rsi_found *passage)
{
    rsi_json_begin_object(writer);
    rsi_json_put_integer(writer, "n", (int64_t)n);
    rsi_json_put_text(writer, "doc_id", passage->doc_id);
    rsi_json_put_text(writer, "doc_name", passage->doc_name);
    rsi_json_put_integer(writer, "chunk_number", passage->chunk);
    rsi_json_put_integer(writer, "page", passage->page);
    if (passage->start >= 0) {
        rsi_json_put_integer(writer, "start", passage->start);
        rsi_json_put_integer(writer, "end", passage->end);
    }
    rsi_json_end_object(writer);
}

static int write_metadata(rsi_agent_answer *answer, const ragstore_generation *generation,
                          int status)
{
    rsi_bytes out = {0};
    rsi_json_writer writer = rsi_json_writer_of(&out);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "mode", "model");
    rsi_json_put_bool(&writer, "answered", generation->cited != 0);
    rsi_json_key(&writer, "citations");
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < answer->sources->count && i < RSI_CITED_MAX; i++)
        if ((generation->cited >> i & 1) != 0)
            put_citation(&writer, i + 1, &answer->sources->items[i]);
    rsi_json_end_array(&writer);
    if (generation->dropped > 0)
        rsi_json_put_integer(&writer, "dropped_citations", generation->dropped);
    if (generation->is_cut)
        rsi_json_put_text(&writer, "finish", "length");
    if (status == RAGSTORE_E_MODEL)
        rsi_json_put_text(&writer, "model_error", rsi_error_message());
    rsi_json_end_object(&writer);
    int written = rsi_bytes_status(&out);
    answer->metadata = rsi_bytes_take(&out, NULL);
    rsi_bytes_free(&out);
    return written == RAGSTORE_OK && answer->metadata == NULL ? RAGSTORE_E_NO_MEMORY : written;
}

static int ask_model(rsi_agent_answer *answer, rsi_store *store, const rsi_agent_question *question,
                     const rsi_agent_listener *listener, char *const *texts)
{
    rsi_bytes prompt = {0};
    beginning begun = {listener, answer->sources};
    ragstore_generation generation = {.store = store,
                                      .passages = answer->sources->count,
                                      .listener = listener,
                                      .begin = tell_sources,
                                      .begin_user = &begun};
    int status = rsi_prompt_answer(&prompt, question, question->model, answer->sources, texts,
                                   answer->sources->count);
    if (status == RAGSTORE_OK)
        status = rsi_generate(&generation, question->model, prompt.data,
                              question->model->max_answer_tokens);
    if (status == RAGSTORE_OK && generation.text.size == 0)
        status = rsi_fail(RAGSTORE_E_MODEL, "agent", "the language model said nothing");
    const bool has_text =
        generation.text.size > 0 &&
        (status == RAGSTORE_OK || status == RAGSTORE_E_MODEL || status == RAGSTORE_E_INTERRUPTED);
    if (has_text) {
        int written = write_metadata(answer, &generation, status);
        if (written == RAGSTORE_OK)
            answer->text = rsi_bytes_take(&generation.text, NULL);
        if (written != RAGSTORE_OK || answer->text == NULL)
            status = RAGSTORE_E_NO_MEMORY;
    }
    rsi_bytes_free(&prompt);
    rsi_generation_free(&generation);
    return status;
}

int rsi_model_answer(rsi_agent_answer *answer, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_agent_question *question,
                     const rsi_agent_listener *listener)
{
    searches wanted = {.count = 0};
    char **texts = NULL;
    size_t text_count = 0;
    memset(answer, 0, sizeof *answer);
    int status = plan(&wanted, store, question);
    if (status == RAGSTORE_OK)
        status = gather(&answer->sources, store, entity_id, incarnation, question, &wanted);
    if (status == RAGSTORE_OK) {
        keep_first(answer->sources, question->k);
        status = read_passages(&texts, store, entity_id, incarnation, answer->sources);
        text_count = status == RAGSTORE_OK ? answer->sources->count : 0;
    }
    if (status == RAGSTORE_OK) {
        keep_first(answer->sources,
                   rsi_prompt_fit(question, question->model, texts, answer->sources->count));
        status = ask_model(answer, store, question, listener, texts);
    }
    free_texts(texts, text_count);
    free_searches(&wanted);
    if (answer->text == NULL) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_agent_answer_free(answer);
        rsi_error_restore(&error);
    }
    return status;
}
