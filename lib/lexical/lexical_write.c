/*
 * Writing lexical.rsl: see lexical_file.h.
 *
 * The parts go out in one pass through a buffer of 1 MiB, whose CRC is kept; the header, which
 * counts them, is written last. Chunks and terms are numbered anew on the way, as compaction
 * would number them, so that nothing of a removed chunk reaches the file.
 *
 *   run 0   slots 0 1 2 …     terms a b c         written   slots 0 1 2 …   terms a b c d
 *   run 1   slots 0 1 …       terms c a d
 *
 * Several runs become one: a term has the number that it got where it was first met, and its list is
 * that of each run behind that of the one before. Nobody can tell the file from that of one run.
 */
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_layout.h"

#include <string.h>

struct writing {
    const rsi_lexical_run *runs;
    size_t run_count;
    rsi_file *file;
    unsigned char *buffer; /* RSI_LEXICAL_CHECKED bytes */
    size_t filled;
    uint64_t written; /* of the body, before the buffer */
    uint64_t passed;  /* terms of chunks that were read since views were forgotten, bytes */
    rsi_bytes checks;
    uint32_t **new_slots; /* of each run */
    uint32_t **new_terms;
    rsi_bytes records; /* of the terms */
    rsi_bytes blocks;
    rsi_lexical_header header;
    int status;
};

/* ---- a stream of parts; after a failure nothing more is done ---- */

/* From so many bytes on, written or read, the pages of views that were read for them may go. */
#define FORGET_EVERY ((uint64_t)32 << 20)

static void forget_views(struct writing *w)
{
    for (size_t run = 0; run < w->run_count; run++)
        if (w->runs[run].view != NULL)
            rsi_file_forget(w->file, w->runs[run].view, w->runs[run].view_size);
}

static void write_buffer(struct writing *w)
{
    const uint32_t crc = rsi_crc32c(0, w->buffer, w->filled);
    rsi_bytes_append(&w->checks, &crc, sizeof crc);
    w->status = rsi_bytes_status(&w->checks);
    if (w->status == RAGSTORE_OK)
        w->status =
            rsi_file_write_at(w->file, w->buffer, w->filled, sizeof w->header + w->written);
    w->written += w->filled;
    w->filled = 0;
    if (w->written % FORGET_EVERY == 0)
        forget_views(w);
}

static void put(struct writing *w, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size > 0 && w->status == RAGSTORE_OK) {
        const size_t room = RSI_LEXICAL_CHECKED - w->filled;
        const size_t part = size < room ? size : room;
        memcpy(w->buffer + w->filled, at, part);
        w->filled += part;
        at += part;
        size -= part;
        if (w->filled == RSI_LEXICAL_CHECKED)
            write_buffer(w);
    }
}

static void end_part(struct writing *w)
{
    static const unsigned char zeros[RSI_LEXICAL_ALIGNMENT];
    const size_t over = (w->written + w->filled) % RSI_LEXICAL_ALIGNMENT;
    if (over > 0)
        put(w, zeros, RSI_LEXICAL_ALIGNMENT - over);
}

/* ---- chunks ---- */

static void put_chunks(struct writing *w)
{
    for (size_t run = 0; run < w->run_count; run++) {
        const rsi_chunk_slots *slots = &w->runs[run].slots;
        for (size_t slot = 0; slot < slots->count; slot++)
            if (slots->chunks[slot] >= 0)
                put(w, &slots->chunks[slot], sizeof slots->chunks[slot]);
    }
    end_part(w);
}

/* The terms of a chunk with their new numbers; returns how many bytes. */
static size_t pack_terms(struct writing *w, size_t run, uint32_t slot, bool write)
{
    const unsigned char *at = rsi_chunk_slots_terms(&w->runs[run].slots, slot);
    const unsigned char *end = rsi_chunk_slots_terms_end(&w->runs[run].slots, slot);
    size_t total = 0;
    while (at < end) {
        unsigned char packed[RSI_PACKED_MAX];
        size_t size = rsi_put_packed(packed, w->new_terms[run][rsi_take_packed(&at)]);
        total += size;
        if (write)
            put(w, packed, size);
    }
    w->passed += total;
    if (w->passed >= FORGET_EVERY) {
        forget_views(w);
        w->passed = 0;
    }
    return total;
}

static void put_chunk_ends(struct writing *w)
{
    uint64_t end = 0;
    for (size_t run = 0; run < w->run_count; run++) {
        const rsi_chunk_slots *slots = &w->runs[run].slots;
        for (uint32_t slot = 0; slot < slots->count; slot++) {
            if (slots->chunks[slot] < 0)
                continue;
            end += pack_terms(w, run, slot, false);
            put(w, &end, sizeof end);
        }
    }
    w->header.chunk_terms_bytes = end;
    end_part(w);
}

static void put_chunk_terms(struct writing *w)
{
    for (size_t run = 0; run < w->run_count; run++)
        for (uint32_t slot = 0; slot < w->runs[run].slots.count; slot++)
            if (w->runs[run].slots.chunks[slot] >= 0)
                pack_terms(w, run, slot, true);
    end_part(w);
}

static void put_of_slots(struct writing *w, const rsi_chunk_slots *slots, const uint32_t *numbers)
{
    for (size_t slot = 0; slot < slots->count; slot++)
        if (slots->chunks[slot] >= 0)
            put(w, &numbers[slot], sizeof numbers[slot]);
}

static void put_lengths_and_marks(struct writing *w)
{
    for (size_t run = 0; run < w->run_count; run++)
        put_of_slots(w, &w->runs[run].slots, w->runs[run].slots.lengths);
    end_part(w);
    for (size_t run = 0; run < w->run_count; run++)
        put_of_slots(w, &w->runs[run].slots, w->runs[run].slots.marks);
    end_part(w);
}

/* ---- terms ---- */

/* The terms in the order of their new numbers, each where it was first met. */
struct term_walk {
    size_t run;
    uint32_t term; /* of the run */
    uint32_t next; /* new number */
};

static bool next_term(struct term_walk *walk, const struct writing *w)
{
    for (walk->term++; walk->run < w->run_count; walk->run++, walk->term = 0)
        for (; walk->term < w->runs[walk->run].dictionary.count; walk->term++)
            if (w->new_terms[walk->run][walk->term] == walk->next) {
                walk->next++;
                return true;
            }
    return false;
}

#define FIRST_TERM ((struct term_walk){.term = UINT32_MAX}) /* one before 0 */

static rsi_slice text_of(const struct writing *w, const struct term_walk *walk)
{
    return rsi_dictionary_term(&w->runs[walk->run].dictionary, walk->term);
}

static void put_term_ends(struct writing *w)
{
    struct term_walk walk = FIRST_TERM;
    uint64_t end = 0;
    while (next_term(&walk, w)) {
        end += text_of(w, &walk).size;
        const uint32_t written = (uint32_t)end;
        put(w, &written, sizeof written);
    }
    if (end > UINT32_MAX && w->status == RAGSTORE_OK)
        w->status =
            rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "too many different words in one entity");
    w->header.dictionary_bytes = end;
    end_part(w);
}

static void put_dictionary(struct writing *w)
{
    struct term_walk walk = FIRST_TERM;
    while (next_term(&walk, w)) {
        const rsi_slice text = text_of(w, &walk);
        put(w, text.data, text.size);
    }
    end_part(w);
}

static void put_list(struct writing *w, const rsi_postings *list, bool stop)
{
    const rsi_term_record record = {list->count, list->size, stop};
    put(w, rsi_postings_bytes(list), list->size);
    rsi_bytes_append(&w->records, &record, sizeof record);
    rsi_bytes_append(&w->blocks, list->blocks,
                     rsi_postings_full_blocks(list) * sizeof *list->blocks);
    rsi_bytes_append(&w->blocks, &list->tail, sizeof list->tail);
    w->header.postings_bytes += list->size;
}

/* Append what a run has of the term of a walk. */
static void add_list_of(struct writing *w, rsi_postings *list, const struct term_walk *walk,
                        size_t run)
{
    const rsi_lexical_run *from = &w->runs[run];
    uint32_t term = walk->term;
    size_t memory = 0;
    if (run != walk->run) {
        const rsi_slice text = text_of(w, walk);
        term = rsi_dictionary_find(&from->dictionary, text.data, text.size);
    }
    if (term != RSI_NO_TERM && from->terms[term].chunks > 0 && w->status == RAGSTORE_OK)
        w->status = rsi_postings_renumber(list, &from->terms[term].postings, w->new_slots[run],
                                          from->slots.lengths, &memory);
}

static void put_postings(struct writing *w)
{
    const bool as_it_is =
        w->run_count == 1 && w->runs[0].slots.count == w->runs[0].slots.alive;
    struct term_walk walk = FIRST_TERM;
    while (w->status == RAGSTORE_OK && next_term(&walk, w)) {
        const rsi_term *term = &w->runs[walk.run].terms[walk.term];
        rsi_postings list = {.count = 0};
        for (size_t run = walk.run; !as_it_is && run < w->run_count; run++)
            add_list_of(w, &list, &walk, run);
        if (w->status == RAGSTORE_OK)
            put_list(w, as_it_is ? &term->postings : &list, term->stop);
        rsi_postings_free(&list);
    }
    end_part(w);
}

static void put_records(struct writing *w)
{
    if (w->status == RAGSTORE_OK)
        w->status = rsi_bytes_status(&w->records);
    if (w->status == RAGSTORE_OK)
        w->status = rsi_bytes_status(&w->blocks);
    put(w, w->records.data, w->records.size);
    end_part(w);
    put(w, w->blocks.data, w->blocks.size);
    end_part(w);
    w->header.blocks = (uint32_t)(w->blocks.size / sizeof(rsi_block));
}

/* ---- the whole ---- */

/* The new number of a term that a run before this one has, or RSI_NO_TERM. */
static uint32_t number_from_before(const struct writing *w, size_t run, uint32_t term)
{
    const rsi_slice text = rsi_dictionary_term(&w->runs[run].dictionary, term);
    for (size_t before = 0; before < run; before++) {
        const uint32_t found =
            rsi_dictionary_find(&w->runs[before].dictionary, text.data, text.size);
        if (found != RSI_NO_TERM && w->new_terms[before][found] != RSI_NO_TERM)
            return w->new_terms[before][found];
    }
    return RSI_NO_TERM;
}

/* A term keeps the number that it got where it was first met while any run has a chunk with it. */
static bool is_alive(const struct writing *w, size_t run, uint32_t term)
{
    bool alive = w->runs[run].terms[term].chunks > 0;
    const rsi_slice text = rsi_dictionary_term(&w->runs[run].dictionary, term);
    for (size_t later = run + 1; later < w->run_count && !alive; later++) {
        const rsi_lexical_run *other = &w->runs[later];
        const uint32_t found = rsi_dictionary_find(&other->dictionary, text.data, text.size);
        alive = found != RSI_NO_TERM && other->terms[found].chunks > 0;
    }
    return alive;
}

static int plan_run(struct writing *w, size_t run)
{
    const rsi_lexical_run *from = &w->runs[run];
    const size_t slots = from->slots.count;
    uint32_t *new_slots = rsi_alloc_array(slots, sizeof *new_slots);
    uint32_t *new_terms = rsi_alloc_array(from->dictionary.count, sizeof *new_terms);
    w->new_slots[run] = new_slots;
    w->new_terms[run] = new_terms;
    if (new_slots == NULL || new_terms == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (w->header.slots + from->slots.alive > RSI_SLOTS_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "lexical", "too many chunks in one entity");
    rsi_chunk_slots_plan(&from->slots, new_slots);
    for (size_t slot = 0; slot < slots; slot++)
        if (new_slots[slot] != RSI_NO_SLOT)
            new_slots[slot] += w->header.slots;
    for (uint32_t term = 0; term < from->dictionary.count; term++) {
        new_terms[term] = RSI_NO_TERM;
        if (!is_alive(w, run, term))
            continue;
        new_terms[term] = number_from_before(w, run, term);
        if (new_terms[term] == RSI_NO_TERM)
            new_terms[term] = w->header.terms++;
    }
    w->header.slots += (uint32_t)from->slots.alive;
    return RAGSTORE_OK;
}

static int plan(struct writing *w)
{
    w->buffer = rsi_alloc(RSI_LEXICAL_CHECKED);
    w->new_slots = rsi_alloc_array(w->run_count, sizeof *w->new_slots);
    w->new_terms = rsi_alloc_array(w->run_count, sizeof *w->new_terms);
    if (w->buffer == NULL || w->new_slots == NULL || w->new_terms == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = RAGSTORE_OK;
    for (size_t run = 0; run < w->run_count && status == RAGSTORE_OK; run++)
        status = plan_run(w, run);
    return status;
}

static void free_writing(struct writing *w)
{
    for (size_t run = 0; run < w->run_count; run++) {
        if (w->new_slots != NULL)
            rsi_free(w->new_slots[run]);
        if (w->new_terms != NULL)
            rsi_free(w->new_terms[run]);
    }
    rsi_free(w->new_slots);
    rsi_free(w->new_terms);
    rsi_free(w->buffer);
    rsi_bytes_free(&w->checks);
    rsi_bytes_free(&w->records);
    rsi_bytes_free(&w->blocks);
}

static int write_header(struct writing *w, const rsi_lexical_place *place)
{
    rsi_lexical_header *header = &w->header;
    memcpy(header->magic, RSI_LEXICAL_MAGIC, sizeof header->magic);
    header->byte_order = RSI_LEXICAL_BYTE_ORDER;
    header->major = RSI_LEXICAL_MAJOR;
    header->analysis = RSI_ANALYSIS_VERSION;
    memcpy(header->incarnation, place->incarnation,
           strnlen(place->incarnation, sizeof header->incarnation));
    memcpy(header->language, place->language, strnlen(place->language, sizeof header->language));
    header->crc = rsi_crc32c(0, header, offsetof(rsi_lexical_header, crc));
    return rsi_file_write_at(w->file, header, sizeof *header, 0);
}

static int write_parts(struct writing *w, const rsi_lexical_place *place)
{
    put_chunks(w);
    put_chunk_ends(w);
    put_lengths_and_marks(w);
    put_term_ends(w);
    put_chunk_terms(w);
    put_dictionary(w);
    put_postings(w);
    put_records(w);
    if (w->status == RAGSTORE_OK && w->filled > 0)
        write_buffer(w);
    const uint32_t crc = rsi_crc32c(0, w->checks.data, w->checks.size);
    rsi_bytes_append(&w->checks, &crc, sizeof crc);
    if (w->status == RAGSTORE_OK)
        w->status = rsi_bytes_status(&w->checks);
    if (w->status == RAGSTORE_OK)
        w->status = rsi_file_write_at(w->file, w->checks.data, w->checks.size,
                                      sizeof w->header + w->written);
    return w->status != RAGSTORE_OK ? w->status : write_header(w, place);
}

int rsi_lexical_write_runs(const rsi_lexical_place *place, const rsi_lexical_run *runs,
                           size_t count, bool flush)
{
    struct writing w = {.runs = runs, .run_count = count};
    int status = plan(&w);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&w.file, place->root, place->path,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status == RAGSTORE_OK)
        status = write_parts(&w, place);
    if (w.file != NULL)
        forget_views(&w);
    if (status == RAGSTORE_OK && flush)
        status = rsi_file_flush(w.file);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    const int closed = rsi_file_close(w.file);
    if (status == RAGSTORE_OK)
        status = closed;
    else
        rsi_error_restore(&saved);
    free_writing(&w);
    return status;
}

/* Is a file to be searched where it lies? What keeps it from that is nobody's error. */
static rsi_lexical *read_large(const rsi_lexical_place *place)
{
    rsi_lexical *index = NULL;
    rsi_file_info info;
    rsi_saved_error saved;
    rsi_error_save(&saved);
    if (rsi_file_info_of(place->root, place->path, &info) == RAGSTORE_OK &&
        info.size >= rsi_lexical_mapped_from)
        rsi_lexical_read(&index, place->root, place->path, place->incarnation, place->language);
    rsi_error_restore(&saved);
    return index;
}

static int write_index(rsi_lexical **renewed, const rsi_lexical *index,
                       const rsi_lexical_place *place)
{
    rsi_path temporary;
    rsi_saved_error saved;
    int status = rsi_path_temporary(&temporary, place->path);
    if (status != RAGSTORE_OK)
        return status;
    rsi_lexical_place new_file = *place;
    new_file.path = temporary.text;
    status = rsi_lexical_write_runs(&new_file, index->runs, index->run_count, true);
    if (status == RAGSTORE_OK && renewed != NULL) /* before another process can replace it */
        *renewed = read_large(&new_file);
    if (status == RAGSTORE_OK)
        status = rsi_file_rename(place->root, temporary.text, place->path);
    if (status == RAGSTORE_OK)
        return status;
    rsi_error_save(&saved);
    rsi_file_remove(place->root, temporary.text);
    if (renewed != NULL) {
        rsi_lexical_free(*renewed);
        *renewed = NULL;
    }
    rsi_error_restore(&saved);
    return status;
}

int rsi_lexical_renew(rsi_lexical **renewed, const rsi_lexical *index, rsi_root *root,
                      const char *path, const char *incarnation)
{
    const rsi_lexical_place place = {root, path, incarnation, index->language};
    *renewed = NULL;
    int status = write_index(index->place == NULL ? NULL : renewed, index, &place);
    if (status == RAGSTORE_OK && *renewed != NULL &&
        rsi_lexical_put_away_beside(*renewed, index->root, index->place) != RAGSTORE_OK) {
        rsi_lexical_free(*renewed);
        *renewed = NULL;
    }
    return rsi_wrap(status, "write %s", path);
}

int rsi_lexical_write(const rsi_lexical *index, rsi_root *root, const char *path,
                      const char *incarnation)
{
    const rsi_lexical_place place = {root, path, incarnation, index->language};
    return rsi_wrap(write_index(NULL, index, &place), "write %s", path);
}
