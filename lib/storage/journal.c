/* The journal: see journal.h. */
#include "storage/journal.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "[\"RSJ1 "
#define AT_GENERATION 7
#define AT_SEQUENCE 18
#define AT_FLUSHED 39
#define AT_LENGTH 60
#define AT_CRC 71

/* Ahead at a time, and at most as much again as there is: a flush of bytes that are added takes
 * twice as long as one of bytes that replace others. More than this makes no difference. */
#define FILL_LEAST ((size_t)64 << 10)
#define FILL_MOST ((size_t)256 << 10)
#define FILL_LINE_MAX ((size_t)8 << 10) /* longer lines make no use of it */

uint64_t rsi_journal_fill_from = 4 << 10;

static const char no_crc[] = "00000000";

bool rsi_journal_is_named(const char *name, uint64_t *generation)
{
    char tail;
    if (sscanf(name, "journal-%10" SCNu64 ".ndjso%c", generation, &tail) != 2 || tail != 'n')
        return false;
    return strcmp(rsi_path_journal(*generation).text + sizeof RSI_PATH_API_STORAGE, name) == 0;
}

static uint32_t crc_of_line(const char *line, size_t size)
{
    uint32_t crc = rsi_crc32c(0, line, AT_CRC);
    crc = rsi_crc32c(crc, no_crc, 8);
    return rsi_crc32c(crc, line + AT_CRC + 8, size - AT_CRC - 8);
}

static int encode_line(rsi_bytes *line, const rsi_journal *journal, uint64_t sequence,
                       const char *ops, size_t size)
{
    size_t length;
    if (!rsi_add_size(size, RSI_JOURNAL_HEAD + 2, &length) || length > RSI_JOURNAL_LINE_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "storage",
                        "a commit of %zu bytes is over the limit of %zu; use several smaller ones",
                        size, RSI_JOURNAL_LINE_MAX);
    char head[] = MAGIC "GGGGGGGGGG SSSSSSSSSSSSSSSSSSSS FFFFFFFFFFFFFFFFFFFF LLLLLLLLLL "
                        "00000000\",";
    rsi_put_decimal(head + AT_GENERATION, 10, journal->generation);
    rsi_put_decimal(head + AT_SEQUENCE, 20, sequence);
    rsi_put_decimal(head + AT_FLUSHED, 20, journal->flushed);
    rsi_put_decimal(head + AT_LENGTH, 10, length);
    rsi_bytes_append(line, head, RSI_JOURNAL_HEAD);
    rsi_bytes_append(line, ops, size);
    rsi_bytes_append(line, "]\n", 2);
    if (rsi_bytes_status(line) == RAGSTORE_OK)
        rsi_put_hex(line->data + AT_CRC, 8, crc_of_line(line->data, line->size));
    return rsi_bytes_status(line);
}

/* Newlines behind a line that does not fit into those that are there. Without memory for them the
 * file grows by the line. */
static void add_filler(rsi_bytes *line, const rsi_journal *journal)
{
    const size_t size = line->size;
    const uint64_t end = journal->size + size;
    const size_t fill = end < FILL_LEAST ? FILL_LEAST : end < FILL_MOST ? (size_t)end : FILL_MOST;
    if (end <= journal->reserved || end < rsi_journal_fill_from || size > FILL_LINE_MAX)
        return;
    if (!rsi_bytes_reserve(line, fill))
        return;
    memset(line->data + size, '\n', fill);
    line->size = size + fill;
}

/* On failure the file ends behind the last valid line; what lay ahead is gone. */
static int write_line(rsi_journal *journal, const rsi_bytes *line, bool *broken)
{
    int status = rsi_file_write_at(journal->file, line->data, line->size, journal->size);
    if (status == RAGSTORE_OK) {
        if (journal->size + line->size > journal->reserved)
            journal->reserved = journal->size + line->size;
        return status;
    }
    rsi_saved_error error;
    rsi_error_save(&error);
    *broken = rsi_file_truncate(journal->file, journal->size) != RAGSTORE_OK;
    journal->reserved = journal->size;
    rsi_error_restore(&error);
    return status;
}

int rsi_journal_append(rsi_journal *journal, const char *ops, size_t size, bool is_commit,
                       bool *broken)
{
    rsi_bytes line = {0};
    *broken = false;
    uint64_t sequence = journal->sequence + (is_commit ? 1 : 0);
    int status = encode_line(&line, journal, sequence, ops, size);
    if (status != RAGSTORE_OK)
        goto cleanup;
    const size_t length = line.size;
    add_filler(&line, journal);
    status = write_line(journal, &line, broken);
    if (status == RAGSTORE_E_DISK_FULL && !*broken && line.size > length) {
        line.size = length; /* the line alone may find room */
        status = write_line(journal, &line, broken);
    }
    if (status != RAGSTORE_OK)
        goto cleanup;
    journal->size += length;
    journal->sequence = sequence;

cleanup:
    rsi_bytes_free(&line);
    return status;
}

void rsi_journal_trim(rsi_journal *journal)
{
    rsi_saved_error error;
    if (journal->file == NULL || journal->reserved <= journal->size)
        return;
    rsi_error_save(&error);
    if (rsi_file_truncate(journal->file, journal->size) == RAGSTORE_OK)
        journal->reserved = journal->size;
    rsi_error_restore(&error);
}

bool rsi_journal_is_filler(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != '\n' && data[i] != '\0')
            return false;
    return true;
}

int rsi_journal_flush(rsi_journal *journal)
{
    int status = rsi_file_flush_data(journal->file);
    if (status == RAGSTORE_OK)
        journal->flushed = journal->sequence;
    return status;
}

int rsi_journal_create(rsi_journal *journal, rsi_root *root, uint64_t generation,
                       uint64_t sequence, const char *store_id)
{
    rsi_path path = rsi_path_journal(generation);
    memset(journal, 0, sizeof *journal);
    int status = rsi_file_open(&journal->file, root, path.text,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    if (status != RAGSTORE_OK)
        return status;
    journal->generation = generation;
    journal->sequence = sequence;
    journal->flushed = sequence;

    char begin[160];
    int length = snprintf(begin, sizeof begin,
                          "[\"begin\",{\"format\":1,\"min_reader\":1,\"min_writer\":1,"
                          "\"store_id\":\"%s\"}]",
                          store_id);
    bool broken;
    status = rsi_journal_append(journal, begin, (size_t)length, false, &broken);
    if (status != RAGSTORE_OK) {
        rsi_journal_close(journal);
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_file_remove(root, path.text);
        rsi_error_restore(&error);
    }
    return status;
}

void rsi_journal_close(rsi_journal *journal)
{
    rsi_file_close(journal->file);
    journal->file = NULL;
}

/* A number of exactly `digits` decimal digits; false when it is not one. */
static bool read_number(const char *text, int digits, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9' || *value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static bool read_hex32(const char *text, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL)
            return false;
        *value = *value << 4 | (uint32_t)(digit - digits);
    }
    return true;
}

/* Is there a whole, intact line at data[0..size)? */
static bool read_line(const char *data, size_t size, rsi_journal_line *line)
{
    uint64_t length;
    uint32_t crc;
    if (size < RSI_JOURNAL_HEAD + 2 || memcmp(data, MAGIC, sizeof MAGIC - 1) != 0)
        return false;
    if (!read_number(data + AT_GENERATION, 10, &line->generation) ||
        !read_number(data + AT_SEQUENCE, 20, &line->sequence) ||
        !read_number(data + AT_FLUSHED, 20, &line->flushed) ||
        !read_number(data + AT_LENGTH, 10, &length) || !read_hex32(data + AT_CRC, &crc))
        return false;
    if (length < RSI_JOURNAL_HEAD + 2 || length > RSI_JOURNAL_LINE_MAX || length > size)
        return false;
    if (data[length - 1] != '\n' || crc_of_line(data, (size_t)length) != crc)
        return false;
    line->text = data;
    line->size = (size_t)length;
    return true;
}

/*
 * Does a valid line behind `offset` tell that the bad one there, of `sequence`, had been flushed?
 * A later line of the same sequence tells it too: the bad one then changed nothing, and such lines
 * are flushed before any commit follows.
 */
static bool was_flushed(const char *data, size_t size, size_t offset, uint64_t generation,
                        uint64_t sequence)
{
    const char *at = data + offset;
    const char *end = data + size;
    while ((at = memchr(at, '[', (size_t)(end - at))) != NULL) {
        rsi_journal_line line;
        if (read_line(at, (size_t)(end - at), &line) && line.generation == generation &&
            (line.flushed >= sequence || line.sequence <= sequence))
            return true;
        at++;
    }
    return false;
}

int rsi_journal_scan(const char *path, const char *data, size_t size, uint64_t generation,
                     rsi_journal_visitor *visit, void *user, size_t *valid_size)
{
    size_t offset = 0;
    uint64_t last = 0;
    bool first = true;
    *valid_size = 0;
    while (offset < size) {
        rsi_journal_line line;
        bool valid = read_line(data + offset, size - offset, &line) &&
                     line.generation == generation &&
                     (first || line.sequence == last || line.sequence == last + 1);
        if (!valid) {
            if (was_flushed(data, size, offset, generation, last + 1))
                return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                                "%s: byte %zu: the commit with sequence %" PRIu64
                                " is damaged although it was flushed; restore this file from a "
                                "backup",
                                path, offset, last + 1);
            return RAGSTORE_OK;
        }
        line.offset = offset;
        int status = visit(user, &line);
        if (status != RAGSTORE_OK)
            return rsi_wrap(status, "%s: byte %zu", path, offset);
        first = false;
        last = line.sequence;
        offset += line.size;
        *valid_size = offset;
    }
    return RAGSTORE_OK;
}
