/*
 * Reading lexical.rsl: see lexical_file.h.
 *
 *   header ─► checks ─► parts, in order, each MiB compared with its CRC
 *                         └─► arrays of a run; postings and blocks into one piece of
 *                             memory each, which the lists borrow until they grow
 *
 * Of a large file that happens once, and then its bytes serve where they lie, mapped: only what may
 * change later is copied (chunk numbers, marks, how many chunks each term has).
 *
 * Then everything is walked once, so that no number in it can lead a search astray.
 */
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_layout.h"

#include <string.h>

#define PART_MAX ((uint64_t)1 << 40) /* bytes; keeps sums of sizes far from overflow */

struct reading {
    rsi_lexical_run *run;
    rsi_file *file;
    const unsigned char *body_bytes; /* of the view; NULL: it is read into memory */
    rsi_lexical_header header;
    unsigned char *buffer; /* RSI_LEXICAL_CHECKED bytes */
    size_t filled;
    size_t taken;
    uint64_t body;
    uint64_t read; /* of the body */
    uint32_t *checks;
    rsi_term_record *records; /* borrowed when mapped */
};

static int damaged(const char *what)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "lexical", "%s", what);
}

/* ---- header and checks ---- */

static int stale(const char *what)
{
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "lexical", "it is of another %s", what);
}

static int check_header(struct reading *r, const rsi_lexical_place *place)
{
    const rsi_lexical_header *header = &r->header;
    char expected[sizeof header->incarnation] = {0};
    memcpy(expected, place->incarnation, strnlen(place->incarnation, sizeof expected));
    if (memcmp(header->magic, RSI_LEXICAL_MAGIC, sizeof header->magic) != 0)
        return damaged("it is no keyword index");
    if (header->byte_order != RSI_LEXICAL_BYTE_ORDER)
        return stale("kind of machine");
    if (header->major > RSI_LEXICAL_MAJOR)
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "lexical", "its format %u is newer than %u",
                        header->major, RSI_LEXICAL_MAJOR);
    if (header->crc != rsi_crc32c(0, header, offsetof(rsi_lexical_header, crc)))
        return damaged("its header does not match its checksum");
    if (memcmp(header->incarnation, expected, sizeof expected) != 0)
        return stale("entity of that name");
    if (header->analysis != RSI_ANALYSIS_VERSION)
        return stale("analysis");
    if (strncmp(header->language, place->language, sizeof header->language) != 0)
        return stale("language");
    if (header->slots > RSI_SLOTS_MAX || header->terms > INT32_MAX ||
        header->chunk_terms_bytes > PART_MAX || header->dictionary_bytes > UINT32_MAX ||
        header->postings_bytes > PART_MAX)
        return damaged("its header has impossible numbers");
    return RAGSTORE_OK;
}

static int read_checks(struct reading *r)
{
    uint64_t size;
    r->body = rsi_lexical_body(&r->header);
    const uint64_t count = rsi_lexical_checks(r->body) + 1;
    int status = rsi_file_size(r->file, &size);
    if (status == RAGSTORE_OK &&
        size != sizeof r->header + r->body + count * sizeof *r->checks)
        status = damaged("its size does not match its header");
    if (status != RAGSTORE_OK)
        return status;
    r->buffer = rsi_alloc(RSI_LEXICAL_CHECKED);
    r->checks = rsi_alloc_array((size_t)count, sizeof *r->checks);
    if (r->buffer == NULL || r->checks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    const size_t bytes = (size_t)count * sizeof *r->checks;
    status = rsi_file_read_at(r->file, r->checks, bytes, sizeof r->header + r->body);
    if (status == RAGSTORE_OK &&
        r->checks[count - 1] != rsi_crc32c(0, r->checks, bytes - sizeof *r->checks))
        status = damaged("its checksums do not match theirs");
    return status;
}

/* ---- the stream of parts ---- */

static int fill_buffer(struct reading *r)
{
    const uint64_t left = r->body - r->read;
    r->filled = left < RSI_LEXICAL_CHECKED ? (size_t)left : RSI_LEXICAL_CHECKED;
    r->taken = 0;
    int status = rsi_file_read_at(r->file, r->buffer, r->filled, sizeof r->header + r->read);
    if (status == RAGSTORE_OK &&
        rsi_crc32c(0, r->buffer, r->filled) != r->checks[r->read / RSI_LEXICAL_CHECKED])
        status = damaged("a part of it does not match its checksum");
    r->read += r->filled;
    return status;
}

/* The next bytes; out NULL skips them. */
static int take(struct reading *r, void *out, uint64_t size)
{
    unsigned char *at = out;
    int status = RAGSTORE_OK;
    while (size > 0 && status == RAGSTORE_OK) {
        if (r->taken == r->filled)
            status = fill_buffer(r);
        const uint64_t here = r->filled - r->taken;
        const size_t part = size < here ? (size_t)size : (size_t)here;
        if (status == RAGSTORE_OK && at != NULL) {
            memcpy(at, r->buffer + r->taken, part);
            at += part;
        }
        r->taken += part;
        size -= part;
    }
    return status;
}

/* The next part, into new memory, its own in any case. */
static int copy_part(struct reading *r, void *out, uint64_t size)
{
    void **memory = out;
    *memory = rsi_alloc((size_t)size);
    if (*memory == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (r->body_bytes == NULL) {
        int status = take(r, *memory, size);
        return status != RAGSTORE_OK ? status : take(r, NULL, rsi_lexical_aligned(size) - size);
    }
    memcpy(*memory, r->body_bytes + r->read, (size_t)size);
    r->read += rsi_lexical_aligned(size);
    return RAGSTORE_OK;
}

/* The next part, where it lies in the view, or in new memory. */
static int take_part(struct reading *r, void *out, uint64_t size)
{
    if (r->body_bytes == NULL)
        return copy_part(r, out, size);
    const unsigned char *at = r->body_bytes + r->read;
    memcpy(out, &at, sizeof at); /* nobody writes there: the capacities are 0 */
    r->read += rsi_lexical_aligned(size);
    return RAGSTORE_OK;
}

/* Map the file, whose bytes have all been compared with their checksums. */
static int map_body(struct reading *r)
{
    const size_t size = sizeof r->header + (size_t)r->body;
    rsi_file_info info;
    int status = rsi_file_inspect(r->file, &info);
    while (r->read < r->body && status == RAGSTORE_OK)
        status = fill_buffer(r);
    if (status == RAGSTORE_OK)
        status = rsi_file_view(r->file, size, &r->run->view);
    if (status != RAGSTORE_OK)
        return status;
    r->run->view_size = size;
    r->run->inode = info.inode;
    r->body_bytes = (const unsigned char *)r->run->view + sizeof r->header;
    r->read = 0;
    return RAGSTORE_OK;
}

#define FORGET_EVERY ((uint64_t)32 << 20) /* bytes walked */

/* What was walked need not stay in memory: searches come back to little of it. */
static void forget_view(const struct reading *r)
{
    if (r->run->view != NULL)
        rsi_file_forget(r->file, r->run->view, r->run->view_size);
}

/* ---- chunks ---- */

static int take_chunks(struct reading *r)
{
    rsi_chunk_slots *slots = &r->run->slots;
    const size_t count = r->header.slots;
    _Static_assert(sizeof *slots->ends == sizeof(uint64_t), "as it is written");
    int status = copy_part(r, &slots->chunks, count * sizeof *slots->chunks);
    if (status == RAGSTORE_OK)
        status = take_part(r, &slots->ends, count * sizeof *slots->ends);
    if (status == RAGSTORE_OK)
        status = take_part(r, &slots->lengths, count * sizeof *slots->lengths);
    if (status == RAGSTORE_OK)
        status = copy_part(r, &slots->marks, count * sizeof *slots->marks);
    slots->chunks_capacity = slots->marks_capacity = count;
    slots->lengths_capacity = slots->ends_capacity = r->body_bytes == NULL ? count : 0;
    return status;
}

/* Also counts how many chunks have each term: compaction relies on that. */
static int check_chunks(struct reading *r)
{
    const rsi_chunk_slots *slots = &r->run->slots;
    size_t start = 0;
    size_t walked = 0; /* up to where pages of the view may go */
    for (uint32_t slot = 0; slot < r->header.slots; slot++) {
        const size_t end = slots->ends[slot];
        if (end < start || end > r->header.chunk_terms_bytes)
            return damaged("a chunk's terms are not where they should be");
        const unsigned char *at = slots->terms + start;
        uint32_t term;
        while (at < slots->terms + end) {
            if (!rsi_take_packed_checked(&term, &at, slots->terms + end) ||
                term >= r->header.terms)
                return damaged("a chunk has a term that is not there");
            r->run->terms[term].chunks++;
        }
        if (end - walked >= FORGET_EVERY) {
            forget_view(r);
            walked = end;
        }
        start = end;
    }
    return RAGSTORE_OK;
}

/* ---- terms ---- */

static int take_dictionary_ends(struct reading *r)
{
    rsi_dictionary *dictionary = &r->run->dictionary;
    int status =
        take_part(r, &dictionary->ends, (uint64_t)r->header.terms * sizeof *dictionary->ends);
    dictionary->ends_capacity = r->body_bytes == NULL ? r->header.terms : 0;
    uint32_t start = 0;
    for (size_t i = 0; i < r->header.terms && status == RAGSTORE_OK; i++) {
        const uint32_t end = dictionary->ends[i];
        if (end <= start || end - start > RSI_KEY_MAX || end > r->header.dictionary_bytes)
            status = damaged("a term is not where it should be");
        start = end;
    }
    return status;
}

/* Walk a block; *slot goes along. Only the first slot of all may be 0. */
static bool walk_packed(const unsigned char *at, const unsigned char *end, uint32_t count,
                        uint64_t *slot, bool first, uint32_t most)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number;
        uint32_t frequency = 1;
        if (!rsi_take_packed_checked(&number, &at, end) ||
            ((number & 1) == 0 && !rsi_take_packed_checked(&frequency, &at, end)) ||
            (number >> 1 == 0 && !(first && i == 0)) || frequency == 0 || frequency > most)
            return false;
        *slot += number >> 1;
    }
    return at == end;
}

static bool walk_dense(const unsigned char *block, uint64_t *slot, bool first, uint32_t most)
{
    uint32_t before = 0;
    for (uint32_t place = 0; place < RSI_BLOCK_POSTINGS; place++) {
        const uint32_t offset = rsi_dense_offset(block, place);
        const uint32_t frequency = rsi_dense_frequency(block, place);
        if ((offset <= before && !(first && place == 0)) || frequency == 0 || frequency > most)
            return false;
        before = offset;
    }
    *slot += before;
    return true;
}

static bool is_sound(const rsi_postings *list, uint32_t slots)
{
    const unsigned char *bytes = rsi_postings_bytes(list);
    const uint32_t full = rsi_postings_full_blocks(list);
    const uint32_t rest = list->count % RSI_BLOCK_POSTINGS;
    uint64_t slot = 0;
    uint32_t start = 0;
    for (uint32_t i = 0; i < full + (rest > 0); i++) {
        const rsi_block *block = i < full ? &list->blocks[i] : &list->tail;
        const uint32_t base = (uint32_t)slot;
        if (block->end < start || block->end > list->size || block->last_slot < base)
            return false;
        const bool dense = i < full && rsi_block_is_dense(block, base);
        if (dense && block->end - start != RSI_DENSE_BLOCK)
            return false;
        const uint32_t count = i < full ? RSI_BLOCK_POSTINGS : rest;
        const bool sound =
            dense ? walk_dense(bytes + start, &slot, i == 0, block->max_frequency)
                  : walk_packed(bytes + start, bytes + block->end, count, &slot, i == 0,
                                block->max_frequency);
        if (!sound || slot != block->last_slot || slot >= slots)
            return false;
        start = block->end;
    }
    return start == list->size && list->tail.last_slot == (uint32_t)slot;
}

/* Let the lists borrow their bytes and blocks. */
static int place_lists(struct reading *r)
{
    rsi_lexical_run *run = r->run;
    uint64_t at = 0;
    uint64_t block = 0;
    uint64_t walked = 0; /* up to where pages of the view may go */
    for (size_t i = 0; i < r->header.terms; i++) {
        const rsi_term_record *record = &r->records[i];
        const uint32_t full = record->count / RSI_BLOCK_POSTINGS;
        rsi_postings *list = &run->terms[i].postings;
        if (record->count == 0 || record->count != run->terms[i].chunks ||
            record->size > r->header.postings_bytes - at || full >= r->header.blocks - block)
            return damaged("a term's chunks are not where they should be");
        list->count = record->count;
        list->size = record->size;
        if (record->size <= RSI_POSTINGS_INLINE)
            memcpy(list->bytes.inlined, run->borrowed_bytes + at, record->size);
        else
            list->bytes.borrowed = run->borrowed_bytes + at;
        list->blocks = full == 0 ? NULL : run->borrowed_blocks + block;
        list->tail = run->borrowed_blocks[block + full];
        run->terms[i].stop = record->stop & 1;
        at += record->size;
        block += full + 1;
        if (!is_sound(list, r->header.slots))
            return damaged("the chunks of a term make no sense");
        if (at - walked >= FORGET_EVERY) {
            forget_view(r);
            walked = at;
        }
    }
    return at == r->header.postings_bytes && block == r->header.blocks
               ? RAGSTORE_OK
               : damaged("it has more than its terms need");
}

/* ---- the whole ---- */

static int take_parts(struct reading *r)
{
    rsi_lexical_run *run = r->run;
    int status = take_chunks(r);
    if (status == RAGSTORE_OK)
        status = take_dictionary_ends(r);
    if (status == RAGSTORE_OK)
        status = take_part(r, &run->slots.terms, r->header.chunk_terms_bytes);
    run->slots.terms_capacity = r->body_bytes == NULL ? (size_t)r->header.chunk_terms_bytes : 0;
    if (status == RAGSTORE_OK)
        status = take_part(r, &run->dictionary.text, r->header.dictionary_bytes);
    run->dictionary.text_capacity = r->body_bytes == NULL ? (size_t)r->header.dictionary_bytes : 0;
    if (status == RAGSTORE_OK)
        status = take_part(r, &run->borrowed_bytes, r->header.postings_bytes);
    if (status == RAGSTORE_OK)
        status = take_part(r, &r->records, (uint64_t)r->header.terms * sizeof *r->records);
    if (status == RAGSTORE_OK)
        status = take_part(r, &run->borrowed_blocks,
                           (uint64_t)r->header.blocks * sizeof *run->borrowed_blocks);
    return status;
}

/* The dictionary counts its terms last: freeing walks the lists by it. */
static int take_terms(struct reading *r)
{
    rsi_lexical_run *run = r->run;
    if (rsi_lexical_reserve_terms(run, r->header.terms) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    if (run->terms_capacity > 0)
        memset(run->terms, 0, run->terms_capacity * sizeof *run->terms);
    int status = check_chunks(r);
    if (status == RAGSTORE_OK)
        status = place_lists(r);
    if (status == RAGSTORE_OK)
        status = rsi_dictionary_restore(&run->dictionary, r->header.terms);
    return status;
}

static int read_run(struct reading *r, const rsi_lexical_place *place, uint64_t mapped_from)
{
    int status = rsi_file_read_at(r->file, &r->header, sizeof r->header, 0);
    if (status == RAGSTORE_OK)
        status = check_header(r, place);
    if (status == RAGSTORE_OK)
        status = read_checks(r);
    if (status == RAGSTORE_OK && r->body >= mapped_from)
        status = map_body(r);
    if (status == RAGSTORE_OK)
        status = take_parts(r);
    if (status == RAGSTORE_OK)
        status = take_terms(r);
    if (status == RAGSTORE_OK)
        status = rsi_chunk_slots_restore(&r->run->slots, r->header.slots);
    if (status == RAGSTORE_OK && r->body_bytes == NULL)
        r->run->postings_memory =
            (size_t)r->header.postings_bytes + r->header.blocks * sizeof(rsi_block);
    forget_view(r);
    return status;
}

int rsi_lexical_read_run(rsi_lexical_run *out, const rsi_lexical_place *place, uint64_t seed,
                         uint64_t mapped_from)
{
    struct reading r = {.run = out};
    rsi_saved_error saved;
    *out = (rsi_lexical_run){.dictionary.seed = seed};
    int status = rsi_file_open(&r.file, place->root, place->path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = read_run(&r, place, mapped_from);
    rsi_error_save(&saved);
    rsi_file_close(r.file); /* it was only read */
    rsi_free(r.buffer);
    rsi_free(r.checks);
    if (r.body_bytes == NULL)
        rsi_free(r.records);
    if (status != RAGSTORE_OK)
        rsi_lexical_run_free(out, place->root);
    rsi_error_restore(&saved);
    return status;
}

bool rsi_lexical_is_cut(const rsi_lexical *index, rsi_root *root, const char *path)
{
    rsi_saved_error saved;
    rsi_file_info info = {0};
    size_t viewed = 0;
    bool is_cut = false;
    while (viewed < index->run_count && index->runs[viewed].view == NULL)
        viewed++;
    if (viewed == index->run_count)
        return false;
    rsi_error_save(&saved);
    const bool is_there = rsi_file_info_of(root, path, &info) == RAGSTORE_OK;
    rsi_error_restore(&saved);
    for (size_t i = viewed; is_there && i < index->run_count; i++) {
        const rsi_lexical_run *run = &index->runs[i];
        is_cut |= run->view != NULL && run->inode == info.inode && info.size < run->view_size;
    }
    return is_cut;
}

uint64_t rsi_lexical_mapped_from = (uint64_t)16 << 20;

int rsi_lexical_read(rsi_lexical **out, rsi_root *root, const char *path, const char *incarnation,
                     const char *language)
{
    rsi_lexical *index;
    *out = NULL;
    int status = rsi_lexical_create(&index, language);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "read %s", path);
    const rsi_lexical_place place = {root, path, incarnation, language};
    index->root = root;
    status = rsi_lexical_read_run(&index->runs[0], &place, index->seed, rsi_lexical_mapped_from);
    if (status == RAGSTORE_OK && index->runs[0].view != NULL)
        status = rsi_lexical_begin_run(index);
    if (status == RAGSTORE_OK) {
        *out = index;
        return status;
    }
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_lexical_free(index);
    rsi_error_restore(&saved);
    return rsi_wrap(status, "read %s", path);
}
