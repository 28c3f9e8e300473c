/*
 * Writing lexical.rsl: see lexical_file.h.
 *
 * The parts go out in one pass through a buffer of 1 MiB, whose CRC is kept; the header, which
 * counts them, is written last. Chunks and terms are numbered anew on the way, as compaction
 * would number them, so that nothing of a removed chunk reaches the file.
 */
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_layout.h"

#include <string.h>

struct writing {
    const rsi_lexical *index;
    rsi_file *file;
    unsigned char *buffer; /* RSI_LEXICAL_CHECKED bytes */
    size_t filled;
    uint64_t written; /* of the body, before the buffer */
    rsi_bytes checks;
    uint32_t *new_slots;
    uint32_t *new_terms;
    rsi_bytes records; /* of the terms */
    rsi_bytes blocks;
    rsi_lexical_header header;
    int status;
};

/* ---- a stream of parts; after a failure nothing more is done ---- */

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
    const rsi_chunk_slots *slots = &w->index->slots;
    for (size_t slot = 0; slot < slots->count; slot++)
        if (slots->chunks[slot] >= 0)
            put(w, &slots->chunks[slot], sizeof slots->chunks[slot]);
    end_part(w);
}

/* The terms of a chunk with their new numbers; returns how many bytes. */
static size_t pack_terms(struct writing *w, uint32_t slot, bool write)
{
    const unsigned char *at = rsi_chunk_slots_terms(&w->index->slots, slot);
    const unsigned char *end = rsi_chunk_slots_terms_end(&w->index->slots, slot);
    size_t total = 0;
    while (at < end) {
        unsigned char packed[RSI_PACKED_MAX];
        size_t size = rsi_put_packed(packed, w->new_terms[rsi_take_packed(&at)]);
        total += size;
        if (write)
            put(w, packed, size);
    }
    return total;
}

static void put_chunk_ends(struct writing *w)
{
    const rsi_chunk_slots *slots = &w->index->slots;
    uint64_t end = 0;
    for (uint32_t slot = 0; slot < slots->count; slot++) {
        if (slots->chunks[slot] < 0)
            continue;
        end += pack_terms(w, slot, false);
        put(w, &end, sizeof end);
    }
    w->header.chunk_terms_bytes = end;
    end_part(w);
}

static void put_chunk_terms(struct writing *w)
{
    for (uint32_t slot = 0; slot < w->index->slots.count; slot++)
        if (w->index->slots.chunks[slot] >= 0)
            pack_terms(w, slot, true);
    end_part(w);
}

static void put_of_slots(struct writing *w, const uint32_t *numbers)
{
    for (size_t slot = 0; slot < w->index->slots.count; slot++)
        if (w->index->slots.chunks[slot] >= 0)
            put(w, &numbers[slot], sizeof numbers[slot]);
    end_part(w);
}

/* ---- terms ---- */

static void put_term_ends(struct writing *w)
{
    uint32_t end = 0;
    for (uint32_t term = 0; term < w->index->dictionary.count; term++) {
        if (w->new_terms[term] == RSI_NO_TERM)
            continue;
        end += (uint32_t)rsi_dictionary_term(&w->index->dictionary, term).size;
        put(w, &end, sizeof end);
    }
    w->header.dictionary_bytes = end;
    end_part(w);
}

static void put_dictionary(struct writing *w)
{
    for (uint32_t term = 0; term < w->index->dictionary.count; term++) {
        rsi_slice text = rsi_dictionary_term(&w->index->dictionary, term);
        if (w->new_terms[term] != RSI_NO_TERM)
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

static void put_postings(struct writing *w)
{
    const bool dense = w->index->slots.count == w->index->slots.alive;
    size_t memory = 0;
    for (size_t i = 0; i < w->index->dictionary.count && w->status == RAGSTORE_OK; i++) {
        const rsi_term *term = &w->index->terms[i];
        rsi_postings list = {.count = 0};
        if (w->new_terms[i] == RSI_NO_TERM)
            continue;
        if (!dense)
            w->status = rsi_postings_renumber(&list, &term->postings, w->new_slots,
                                              w->index->slots.lengths, &memory);
        put_list(w, dense ? &term->postings : &list, term->stop);
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

static int plan(struct writing *w)
{
    const rsi_lexical *index = w->index;
    uint32_t next = 0;
    w->buffer = rsi_alloc(RSI_LEXICAL_CHECKED);
    w->new_slots = rsi_alloc_array(index->slots.count, sizeof *w->new_slots);
    w->new_terms = rsi_alloc_array(index->dictionary.count, sizeof *w->new_terms);
    if (w->buffer == NULL || w->new_slots == NULL || w->new_terms == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_chunk_slots_plan(&index->slots, w->new_slots);
    for (size_t i = 0; i < index->dictionary.count; i++)
        w->new_terms[i] = index->terms[i].chunks == 0 ? RSI_NO_TERM : next++;
    w->header.slots = (uint32_t)index->slots.alive;
    w->header.terms = next;
    return RAGSTORE_OK;
}

static int write_header(struct writing *w, const char *incarnation)
{
    rsi_lexical_header *header = &w->header;
    memcpy(header->magic, RSI_LEXICAL_MAGIC, sizeof header->magic);
    header->byte_order = RSI_LEXICAL_BYTE_ORDER;
    header->major = RSI_LEXICAL_MAJOR;
    header->analysis = RSI_ANALYSIS_VERSION;
    memcpy(header->incarnation, incarnation, strnlen(incarnation, sizeof header->incarnation));
    memcpy(header->language, w->index->language, sizeof header->language);
    header->crc = rsi_crc32c(0, header, offsetof(rsi_lexical_header, crc));
    return rsi_file_write_at(w->file, header, sizeof *header, 0);
}

static int write_parts(struct writing *w, const char *incarnation)
{
    put_chunks(w);
    put_chunk_ends(w);
    put_of_slots(w, w->index->slots.lengths);
    put_of_slots(w, w->index->slots.marks);
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
    return w->status != RAGSTORE_OK ? w->status : write_header(w, incarnation);
}

/* Write, flush and close a new file. */
static int write_file(struct writing *w, rsi_root *root, const char *path, const char *incarnation)
{
    int status = plan(w);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&w->file, root, path,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    status = write_parts(w, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(w->file);
    if (status == RAGSTORE_OK)
        return rsi_file_close(w->file);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_file_close(w->file);
    rsi_error_restore(&saved);
    return status;
}

int rsi_lexical_write(const rsi_lexical *index, rsi_root *root, const char *path,
                      const char *incarnation)
{
    rsi_path temporary;
    struct writing w = {.index = index};
    int status = rsi_path_temporary(&temporary, path);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "write %s", path);
    status = write_file(&w, root, temporary.text, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_file_rename(root, temporary.text, path);
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_file_remove(root, temporary.text);
        rsi_error_restore(&saved);
    }
    rsi_free(w.buffer);
    rsi_free(w.new_slots);
    rsi_free(w.new_terms);
    rsi_bytes_free(&w.checks);
    rsi_bytes_free(&w.records);
    rsi_bytes_free(&w.blocks);
    return rsi_wrap(status, "write %s", path);
}
