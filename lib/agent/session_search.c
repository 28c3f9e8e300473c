/*
 * Search in the history: which messages have each word of a query, whatever the case, somewhere in
 * their content. Nothing is kept for it: messages are read from the newest back until the page is
 * full.
 * See session.h.
 *
 *   sessions by last activity ─► pages of PAGE messages from the end ─► hits, newest first
 */
#include "agent/session.h"

#include "base/memory.h"
#include "base/status.h"
#include "lexical/fold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAGE 256
#define WORDS_MAX 16
#define QUERY_MAX ((size_t)1024)

typedef struct hit {
    uint64_t number;
    char *json; /* owned */
} hit;

typedef struct history_search {
    char words[WORDS_MAX][RSI_TERM_MAX + 1]; /* folded */
    size_t word_count;
    hit hits[PAGE]; /* of the page that is being read, ascending */
    size_t hit_count;
    rsi_json_writer writer;
    uint64_t skip; /* hits to pass over */
    uint64_t left; /* hits to write */
} history_search;

typedef struct searched_session {
    char *id; /* owned, as are the others */
    char *name;
    char *last_activity;
} searched_session;

/* ---- words ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Parts of the query that white space separates, without case and accents. */
static int take_words(history_search *search, const char *query)
{
    int status = rsi_text_check(query, QUERY_MAX, "the query");
    for (const char *at = query; status == RAGSTORE_OK && *at != '\0';) {
        const char *end = at;
        while (*end != '\0' && !is_space(*end))
            end++;
        if (end > at) {
            if (search->word_count == WORDS_MAX)
                return rsi_fail(RAGSTORE_E_TOO_LARGE, "agent", "the query has over %d words",
                                WORDS_MAX);
            char *word = search->words[search->word_count];
            const size_t size = rsi_fold(at, (size_t)(end - at), true, word);
            word[size] = '\0';
            search->word_count += size > 0;
        }
        at = *end == '\0' ? end : end + 1;
    }
    if (status == RAGSTORE_OK && search->word_count == 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "agent", "the query has no word");
    return status;
}

/* The content as words are compared: folded piece by piece, since a fold is of bounded size. */
static int fold_content(rsi_bytes *out, const char *content)
{
    char folded[RSI_TERM_MAX];
    for (const char *at = content; *at != '\0';) {
        const char *end = at;
        while (*end != '\0' && !is_space(*end) && end - at < RSI_TERM_MAX / 2)
            end++;
        while (end > at && ((unsigned char)*end & 0xC0) == 0x80)
            end--; /* a character stays whole */
        if (end == at)
            end++;
        rsi_bytes_append(out, folded, rsi_fold(at, (size_t)(end - at), true, folded));
        if (is_space(*end))
            rsi_bytes_append_char(out, ' ');
        at = is_space(*end) ? end + 1 : end;
    }
    rsi_bytes_append_char(out, '\0');
    return rsi_bytes_status(out);
}

static int has_each_word(bool *has, const history_search *search, const char *content)
{
    rsi_bytes folded = {0};
    int status = fold_content(&folded, content);
    *has = status == RAGSTORE_OK;
    for (size_t i = 0; *has && i < search->word_count; i++)
        *has = strstr(folded.data, search->words[i]) != NULL;
    rsi_bytes_free(&folded);
    return status;
}

/* ---- messages ---- */

static int look_at_message(void *user, uint64_t number, const char *json, size_t size)
{
    history_search *search = user;
    rsi_json *message;
    bool has = false;
    int status = rsi_json_parse(&message, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *content = rsi_json_get_text(message, "content");
    if (content != NULL)
        status = has_each_word(&has, search, content);
    rsi_json_free(message);
    if (status != RAGSTORE_OK || !has)
        return status;
    char *copy = rsi_memdup0(json, size);
    if (copy == NULL)
        return RAGSTORE_E_NO_MEMORY;
    search->hits[search->hit_count++] = (hit){number, copy};
    return RAGSTORE_OK;
}

/* {"session_id":…,"session_name":…,"number":…,<the message's members>} */
static void put_hit(history_search *search, const searched_session *session, const hit *found)
{
    rsi_json_writer *writer = &search->writer;
    const size_t size = strlen(found->json);
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "session_id", session->id);
    rsi_json_put_text(writer, "session_name", session->name);
    rsi_json_put_integer(writer, "number", (int64_t)found->number);
    if (size > 2) { /* a message is an object */
        rsi_bytes_append_char(writer->out, ',');
        rsi_bytes_append(writer->out, found->json + 1, size - 2);
    }
    rsi_json_end_object(writer);
}

static void put_page(history_search *search, const searched_session *session)
{
    while (search->hit_count > 0) {
        hit *last = &search->hits[--search->hit_count];
        if (search->skip > 0) {
            search->skip--;
        } else if (search->left > 0) {
            search->left--;
            put_hit(search, session, last);
        }
        rsi_free(last->json);
    }
}

static int search_session(history_search *search, rsi_store *store, const searched_session *session,
                          uint64_t epoch)
{
    uint64_t end = 0;
    int status = rsi_storage_row_count(NULL, &end, store->storage, RSI_SPACE_SESSIONS, session->id);
    while (status == RAGSTORE_OK && end > 0 && search->left > 0) {
        const uint64_t from = end > PAGE ? end - PAGE : 0;
        status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = rsi_storage_rows(store->storage, RSI_SPACE_SESSIONS, session->id, from,
                                      end - from, look_at_message, search);
        put_page(search, session);
        end = from;
    }
    return status;
}

/* ---- sessions ---- */

typedef struct sessions {
    searched_session *items;
    size_t count;
    size_t capacity;
    const char *incarnation;
    const char *only; /* NULL: all */
} sessions;

static char *text_of(const rsi_json *session, const char *key)
{
    const char *text = rsi_json_get_text(session, key);
    return rsi_strdup(text == NULL ? "" : text);
}

static int collect(void *user, const char *key, const char *json, size_t size)
{
    sessions *all = user;
    rsi_json *session;
    if (all->only != NULL && strcmp(key, all->only) != 0)
        return RAGSTORE_OK;
    int status = rsi_json_parse(&session, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *incarnation = rsi_json_get_text(session, "incarnation");
    if (incarnation == NULL || strcmp(incarnation, all->incarnation) == 0) {
        if (!rsi_grow((void **)&all->items, &all->capacity, all->count + 1, sizeof *all->items)) {
            status = RAGSTORE_E_NO_MEMORY;
        } else {
            searched_session *one = &all->items[all->count++];
            *one = (searched_session){rsi_strdup(key), text_of(session, "session_name"),
                                      text_of(session, "last_activity")};
            if (one->id == NULL || one->name == NULL || one->last_activity == NULL)
                status = RAGSTORE_E_NO_MEMORY;
        }
    }
    rsi_json_free(session);
    return status;
}

static int compare_newest(const void *a, const void *b)
{
    return strcmp(((const searched_session *)b)->last_activity,
                  ((const searched_session *)a)->last_activity);
}

static void free_sessions(sessions *all)
{
    for (size_t i = 0; i < all->count; i++) {
        rsi_free(all->items[i].id);
        rsi_free(all->items[i].name);
        rsi_free(all->items[i].last_activity);
    }
    rsi_free(all->items);
}

static int search_all(history_search *search, rsi_store *store, const char *entity_id,
                      sessions *all)
{
    const uint64_t epoch = rsi_store_epoch(store);
    int status = rsi_storage_sessions_of(store->storage, entity_id, collect, all);
    if (status == RAGSTORE_OK && all->only != NULL && all->count == 0)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "agent", "there is no session \"%.100s\"", all->only);
    if (status == RAGSTORE_OK && all->count > 1)
        qsort(all->items, all->count, sizeof *all->items, compare_newest);
    for (size_t i = 0; status == RAGSTORE_OK && i < all->count; i++)
        status = search_session(search, store, &all->items[i], epoch);
    return status;
}

int rsi_session_search(rsi_bytes *out, rsi_store *store, const char *entity_id,
                       const char *incarnation, const char *query, const char *session_id,
                       const rsi_session_page *page)
{
    rsi_entity_record entity = {0};
    sessions all = {.incarnation = incarnation, .only = session_id};
    history_search *search = rsi_alloc_zeroed(sizeof *search);
    if (search == NULL)
        return RAGSTORE_E_NO_MEMORY;
    search->writer = rsi_json_writer_of(out);
    search->skip = page->offset;
    search->left = page->limit;
    int status = take_words(search, query);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&entity, store, entity_id, incarnation);
    rsi_json_begin_array(&search->writer);
    if (status == RAGSTORE_OK)
        status = search_all(search, store, entity_id, &all);
    rsi_json_end_array(&search->writer);
    free_sessions(&all);
    rsi_entity_record_free(&entity);
    rsi_free(search);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
