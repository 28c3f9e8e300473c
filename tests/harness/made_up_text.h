/*
 * A large text that is made up, and what memory this process takes: for bench_memory and the campaign
 * large_text.
 *
 * The text has 50,000 words, as frequent as words are in English, in paragraphs ("text"), rows of CSV
 * ("csv"), lines of JSON ("jsonl"), lines without a blank one ("lines"), one line without an end ("line"),
 * or one without the end of a sentence ("words"). The peak is that of the resident set (VmHWM of Linux); what of
 * it was no page of a file is looked at every 2 ms: pages of files the kernel takes away when somebody
 * else needs the memory.
 */
#ifndef TESTS_HARNESS_MADE_UP_TEXT_H
#define TESTS_HARNESS_MADE_UP_TEXT_H

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MADE_UP_WORDS 50000
#define MADE_UP_PIECE ((size_t)1 << 20)

/* ---- the text ---- */

typedef struct made_up_text {
    const char *kind;
    uint64_t random;
    uint64_t rows;
    uint64_t words; /* of the paragraph so far */
    char *piece; /* MADE_UP_PIECE bytes and 4,096 more */
    size_t size;
} made_up_text;

static inline uint64_t made_up_random(made_up_text *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

/* Frequencies fall as 1 / rank does: the exponent of the rank is evenly spread. */
static inline unsigned made_up_pick(made_up_text *w)
{
    const unsigned bits = (unsigned)(made_up_random(w) % 16);
    const unsigned rank = (1u << bits) - 1 + (unsigned)(made_up_random(w) % (1u << bits));
    return rank % MADE_UP_WORDS;
}

static inline size_t made_up_spell(char *out, unsigned word)
{
    static const char *const syllables[] = {"ba", "den", "li", "mor", "sa", "te", "run", "ko"};
    size_t size = 0;
    do {
        const char *syllable = syllables[word % 8];
        const size_t length = strlen(syllable);
        memcpy(out + size, syllable, length);
        size += length;
        word /= 8;
    } while (word > 0);
    return size;
}

static inline void made_up_put(made_up_text *w, const char *text)
{
    const size_t size = strlen(text);
    memcpy(w->piece + w->size, text, size);
    w->size += size;
}

static inline void made_up_end(made_up_text *w)
{
    if (strcmp(w->kind, "line") == 0)
        made_up_put(w, ". ");
    else if (strcmp(w->kind, "words") == 0)
        made_up_put(w, " ");
    else if (strcmp(w->kind, "lines") == 0)
        made_up_put(w, ".\n");
    else if (strcmp(w->kind, "csv") == 0)
        made_up_put(w, "\n");
    else if (strcmp(w->kind, "jsonl") == 0)
        made_up_put(w, "\"}\n");
    else
        made_up_put(w, ".\n\n");
    w->words = 0;
}

static inline void made_up_begin(made_up_text *w)
{
    char head[64];
    head[0] = '\0';
    if (strcmp(w->kind, "csv") == 0)
        snprintf(head, sizeof head, w->rows == 0 ? "id,remark\n0," : "%" PRIu64 ",", w->rows);
    else if (strcmp(w->kind, "jsonl") == 0)
        snprintf(head, sizeof head, "{\"id\":%" PRIu64 ",\"remark\":\"", w->rows);
    made_up_put(w, head);
    w->rows++;
}

static inline void made_up_next(made_up_text *w)
{
    w->size = 0;
    while (w->size < MADE_UP_PIECE) {
        if (w->words == 0)
            made_up_begin(w);
        w->size += made_up_spell(w->piece + w->size, made_up_pick(w));
        if (++w->words >= 60)
            made_up_end(w);
        else
            made_up_put(w, w->words % 15 == 0 && strcmp(w->kind, "words") != 0 ? ". " : " ");
    }
}

/* ---- the memory ---- */

static inline uint64_t memory_kib(const char *field)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoull(line + strlen(field) + 1, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib;
}

static pthread_mutex_t memory_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t memory_most_kib;

static inline void memory_sample(void)
{
    const uint64_t kib = memory_kib("RssAnon");
    pthread_mutex_lock(&memory_mutex);
    if (kib > memory_most_kib)
        memory_most_kib = kib;
    pthread_mutex_unlock(&memory_mutex);
}

static inline void *memory_watch(void *user)
{
    const struct timespec wait = {.tv_nsec = 2000000};
    (void)user;
    for (;;) {
        memory_sample();
        nanosleep(&wait, NULL);
    }
    return NULL;
}

/* The most since the last call. */
static inline uint64_t memory_most_anonymous(void)
{
    memory_sample();
    pthread_mutex_lock(&memory_mutex);
    const uint64_t kib = memory_most_kib;
    memory_most_kib = 0;
    pthread_mutex_unlock(&memory_mutex);
    return kib;
}

static inline void memory_forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file != NULL) {
        fputs("5", file);
        fclose(file);
    }
}

#endif
