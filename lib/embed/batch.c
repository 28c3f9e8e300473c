/*
 * Many texts through an encoder, on several threads.
 *
 * Texts are taken in slices of bounded size, as many as have some hundred tokens together (one text
 * at least). So memory does not grow with the batch, and what one slice needs stays in a
 * processor's own cache. Each thread takes the next slice, tokenizes it while the others wait (some
 * thousandth of the work), and computes it by itself: there is nothing else to wait for. A batch of one
 * slice, such as a question, is computed by the caller's thread and a team (team.c), unless that
 * helps another call.
 *
 * Vectors do not depend on the slices (encoder.c), so they are the same with any number of threads.
 */
#include "embed/batch.h"

#include "base/memory.h"
#include "base/status.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SLICE_TOKENS 512     /* at most, but for the text that fills it */
#define SLICE_TOKENS_MIN 128 /* less is not worth a thread */
#define BYTES_PER_TOKEN 4    /* about */

/* What the threads share. */
typedef struct crew {
    const rsi_batch *batch;
    rsi_team *team; /* of a batch of one slice, when it is free */
    size_t slice_tokens;
    pthread_mutex_t mutex; /* guards what follows */
    size_t next;           /* text */
    bool failed;
    int status;
    rsi_saved_error error; /* the first failure's */
} crew;

/* A thread's own. */
typedef struct slice {
    size_t first; /* text */
    size_t count;
    int32_t *ids;
    size_t *lengths;
    rsi_bytes joined; /* prompt and text */
} slice;

static int begin_slice(slice *part, const crew *all)
{
    const size_t tokens = all->slice_tokens, limit = all->batch->encoder->config.max_tokens;
    memset(part, 0, sizeof *part);
    /* The text that fills a slice may bring as many tokens again as a text can have. */
    part->ids = rsi_alloc_array(tokens + limit, sizeof *part->ids);
    part->lengths = rsi_alloc_array(tokens / RSI_SPECIAL_TOKENS + 1, sizeof *part->lengths);
    return part->ids == NULL || part->lengths == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static void end_slice(slice *part)
{
    rsi_free(part->ids);
    rsi_free(part->lengths);
    rsi_bytes_free(&part->joined);
}

/* What is embedded of a text: the text itself, or `joined`, the prompt and the text. */
static int put_prompt(rsi_slice *out, rsi_bytes *joined, const rsi_batch *batch, size_t text)
{
    *out = batch->texts[text];
    if (batch->prompt[0] == '\0')
        return RAGSTORE_OK;
    rsi_bytes_clear(joined);
    rsi_bytes_append_text(joined, batch->prompt);
    rsi_bytes_append(joined, out->data, out->size);
    *out = (rsi_slice){joined->data, joined->size};
    return rsi_bytes_status(joined);
}

/* The next texts, tokenized, until the slice is full; none when all are taken. */
static int fill_locked(slice *part, crew *all)
{
    const rsi_batch *batch = all->batch;
    size_t tokens = 0;
    part->first = all->next;
    part->count = 0;
    while (all->next < batch->count && tokens < all->slice_tokens) {
        rsi_slice text;
        int status = put_prompt(&text, &part->joined, batch, all->next);
        if (status != RAGSTORE_OK)
            return status;
        const size_t length =
            rsi_wordpiece_frame(batch->wordpiece, part->ids + tokens, NULL,
                                batch->encoder->config.max_tokens, text.data, text.size);
        part->lengths[part->count++] = length;
        tokens += length;
        all->next++;
    }
    return RAGSTORE_OK;
}

static void note_failure_locked(crew *all, int status)
{
    if (all->failed)
        return;
    all->failed = true;
    all->status = status;
    rsi_error_save(&all->error);
}

/* What each thread does, until there is nothing left or somebody failed. */
static void labour(crew *all)
{
    slice part;
    int status = begin_slice(&part, all);
    for (bool done = false; !done;) {
        pthread_mutex_lock(&all->mutex);
        if (status == RAGSTORE_OK && !all->failed)
            status = fill_locked(&part, all);
        if (status != RAGSTORE_OK)
            note_failure_locked(all, status);
        done = all->failed || part.count == 0;
        pthread_mutex_unlock(&all->mutex);
        if (!done)
            status = rsi_encoder_run(all->batch->encoder, all->team,
                                     all->batch->vectors +
                                         part.first * all->batch->encoder->config.hidden,
                                     part.ids, part.lengths, part.count);
    }
    end_slice(&part);
}

static void *help(void *all)
{
    labour(all);
    return NULL;
}

/* About how many tokens the texts have. */
static size_t estimate(const rsi_batch *batch)
{
    const size_t limit = batch->encoder->config.max_tokens;
    const size_t prompt = strlen(batch->prompt) / BYTES_PER_TOKEN + RSI_SPECIAL_TOKENS;
    size_t tokens = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const size_t own = batch->texts[i].size / BYTES_PER_TOKEN + prompt;
        tokens += own < limit ? own : limit;
    }
    return tokens;
}

int rsi_batch_run(const rsi_batch *batch, size_t threads)
{
    const size_t tokens = estimate(batch);
    crew all = {.batch = batch, .slice_tokens = tokens / threads};
    pthread_t helpers[RSI_BATCH_THREADS_MAX];
    size_t count = 0;
    if (all.slice_tokens > SLICE_TOKENS)
        all.slice_tokens = SLICE_TOKENS;
    if (all.slice_tokens < SLICE_TOKENS_MIN)
        all.slice_tokens = SLICE_TOKENS_MIN;
    pthread_mutex_init(&all.mutex, NULL); /* cannot fail with default attributes */
    /* Where there can be no thread, those that there are do the work. */
    while (count + 1 < threads && (count + 1) * all.slice_tokens < tokens &&
           pthread_create(&helpers[count], NULL, help, &all) == 0)
        count++;
    if (count == 0 && threads > 1 && rsi_team_take(batch->team))
        all.team = batch->team;
    labour(&all);
    if (all.team != NULL)
        rsi_team_give_back(all.team);
    for (size_t i = 0; i < count; i++)
        pthread_join(helpers[i], NULL);
    pthread_mutex_destroy(&all.mutex);
    if (all.failed)
        rsi_error_restore(&all.error);
    return all.status;
}

size_t rsi_batch_threads(void)
{
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) != 0)
        return 1; /* more of them than the set can say */
    const int count = CPU_COUNT(&processors);
    return count > RSI_BATCH_THREADS_MAX ? RSI_BATCH_THREADS_MAX : (size_t)count;
}
