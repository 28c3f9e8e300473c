/* What must be true of a store after a power cut: see power_explore.h. */
#include "base/status.h"
#include "files/paths.h"
#include "harness/power_explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS_WITHIN_CUTS 2

bool power_explorer_fail(power_explorer *explorer, const char *format, ...)
{
    if (explorer->failure[0] != '\0')
        return false;
    va_list arguments;
    va_start(arguments, format);
    int at = vsnprintf(explorer->failure, sizeof explorer->failure, format, arguments);
    va_end(arguments);
    size_t length = at < 0 ? 0 : (size_t)at;
    for (size_t i = 0; i <= explorer->step_count && length < sizeof explorer->failure; i++) {
        const char *name = i == 0 ? "\n  after:" : power_step_name(explorer->steps[i - 1]);
        length += (size_t)snprintf(explorer->failure + length, sizeof explorer->failure - length,
                                   " %s", name);
    }
    return false;
}

/* ---- opening a copy ---- */

typedef struct second_cut {
    uint64_t at; /* the operation before which the power goes again */
    uint64_t seed;
    power_disk *left;
} second_cut;

static void cut_again(void *user, power_disk *disk, uint64_t operation)
{
    second_cut *cut = user;
    if (operation == cut->at)
        cut->left = power_disk_cut(disk, cut->seed);
}

static int open_copy(rsi_storage **storage, power_explorer *explorer, power_disk *disk)
{
    const rsi_storage_options options = {
        .flags = explorer->was_open ? RAGSTORE_OPEN_MUST_EXIST : 0,
        .durability = RAGSTORE_DURABILITY_FULL,
        .files = power_disk_table(disk),
    };
    power_choose_small(power_random(&explorer->seed, 2) == 0);
    return rsi_storage_open(storage, "/store", &options);
}

/* The same, with a power cut somewhere in it when *left is wanted; *left is NULL without one. */
static int open_and_cut(rsi_storage **storage, power_explorer *explorer, power_disk *disk,
                        power_disk **left)
{
    second_cut cut = {
        .at = power_disk_operations(disk) + 1 + power_random(&explorer->seed, 24),
        .seed = power_random(&explorer->seed, 1u << 30),
    };
    power_disk_hook(disk, cut_again, &cut);
    int status = open_copy(storage, explorer, disk);
    power_disk_hook(disk, NULL, NULL);
    *left = cut.left;
    return status;
}

/* Where two texts part, for the message. */
static void describe_difference(char out[400], const char *found, const char *expected)
{
    size_t at = 0;
    size_t line = 0;
    for (; found[at] != '\0' && found[at] == expected[at]; at++)
        line = found[at] == '\n' ? at + 1 : line;
    snprintf(out, 400, "found \"%.150s\", expected \"%.150s\"", found + line, expected + line);
}

/* The number of the commit whose text this is, or SIZE_MAX with a message. */
static bool is_a_prefix(power_explorer *explorer, const char *text)
{
    for (size_t i = explorer->last + 1; i-- > explorer->floor;)
        if (strcmp(explorer->texts[i], text) == 0)
            return true;
    for (size_t i = explorer->floor; i-- > 0;)
        if (strcmp(explorer->texts[i], text) == 0)
            return power_explorer_fail(explorer,
                                       "the state is that of commit %zu, but %zu was "
                                       "acknowledged",
                                       i, explorer->floor);
    char difference[400];
    describe_difference(difference, text, explorer->texts[explorer->last]);
    return power_explorer_fail(explorer, "the state is not that of any commit up to %zu: %s",
                               explorer->last, difference);
}

static bool read_text(char **text, power_explorer *explorer, rsi_storage *storage, const char *when)
{
    if (power_storage_text(text, storage) == RAGSTORE_OK)
        return true;
    return power_explorer_fail(explorer, "%s: reading: %s", when, rsi_error_message());
}

static bool is_same(power_explorer *explorer, const char *text, const char *before,
                    const char *when)
{
    char difference[400];
    if (strcmp(text, before) == 0)
        return true;
    describe_difference(difference, text, before);
    return power_explorer_fail(explorer, "%s: %s", when, difference);
}

/* ---- one more write ---- */

/* An upload to an entity that is there, made as the library makes it. */
static int upload_more(rsi_storage *storage, rsi_tx *tx, const char *entity_id)
{
    static const char incoming[] = RSI_INCOMING_PREFIX "00000000000af7e4";
    static const char row[] = "{\"doc_id\":\"d9\",\"stored_name\":\"afterwards.txt\"}";
    rsi_root *root = rsi_storage_root(storage);
    rsi_bytes record = {0};
    rsi_file *file = NULL;
    int status = rsi_storage_get(&record, storage, RSI_SPACE_ENTITIES, entity_id);
    rsi_bytes_free(&record);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_directory_make(root, rsi_path_uploads(entity_id).text);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&file, root, rsi_path_upload(entity_id, incoming).text,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    if (status == RAGSTORE_OK)
        status = rsi_file_write_at(file, row, sizeof row - 1, 0);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    rsi_file_close(file);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(root, rsi_path_uploads(entity_id).text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_put(tx, RSI_SPACE_ENTITIES, entity_id, 9, row, sizeof row - 1);
    return status == RAGSTORE_OK ? rsi_tx_file(tx, entity_id, incoming, "afterwards.txt") : status;
}

static bool write_more(power_explorer *explorer, rsi_storage *storage)
{
    static const char session[] = "{\"session_id\":\"afterwards\",\"n\":1}";
    static const char message[] = "{\"role\":\"user\",\"content\":\"still there?\"}";
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status == RAGSTORE_OK) {
        status = rsi_tx_put(tx, RSI_SPACE_SESSIONS, "afterwards", session, sizeof session - 1);
        if (status == RAGSTORE_OK)
            status = rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "afterwards", 0, message,
                                    sizeof message - 1);
        for (char id[] = "e0"; status == RAGSTORE_OK && id[1] < '3'; id[1]++)
            status = upload_more(storage, tx, id);
        if (status == RAGSTORE_OK)
            status = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
    }
    return status == RAGSTORE_OK ||
           power_explorer_fail(explorer, "a write after the cut: %s", rsi_error_message());
}

static bool reopen_and_compare(power_explorer *explorer, power_disk *disk, const char *before,
                               const char *when)
{
    rsi_storage *storage;
    char *text = NULL;
    if (open_copy(&storage, explorer, disk) != RAGSTORE_OK)
        return power_explorer_fail(explorer, "%s: opening: %s", when, rsi_error_message());
    bool good = read_text(&text, explorer, storage, when) && is_same(explorer, text, before, when);
    free(text);
    rsi_storage_free(storage);
    return good;
}

/* Go on with an opened copy in one of several ways. Takes the storage. */
static bool go_on(power_explorer *explorer, power_disk *disk, rsi_storage *storage,
                  const char *before)
{
    const uint64_t way = power_random(&explorer->seed, 4);
    char *text = NULL;
    bool good = true;
    if (way == 0) { /* opening twice gives the same */
        rsi_storage_free(storage);
        good = reopen_and_compare(explorer, disk, before, "opened twice") &&
               open_copy(&storage, explorer, disk) == RAGSTORE_OK;
        if (!good)
            return power_explorer_fail(explorer, "opened a third time: %s", rsi_error_message());
    }
    good = write_more(explorer, storage) &&
           read_text(&text, explorer, storage, "after one more write") &&
           (strstr(text, "still there?") != NULL ||
            power_explorer_fail(explorer, "one more write cannot be read"));
    if (good && way == 1)
        good = rsi_storage_close(storage) == RAGSTORE_OK ||
               power_explorer_fail(explorer, "closing after a cut: %s", rsi_error_message());
    if (good && way < 3) {
        power_disk *after = power_disk_cut(disk, way == 2 ? power_random(&explorer->seed, 1u << 30)
                                                          : POWER_KEEP_NOTHING);
        good = reopen_and_compare(explorer, after, text, "a second cut, after one more write");
        power_disk_free(after);
    }
    rsi_storage_free(storage);
    free(text);
    return good;
}

bool power_explorer_check(power_explorer *explorer, power_disk *disk, unsigned depth)
{
    rsi_storage *storage;
    power_disk *left = NULL;
    char *text = NULL;
    const bool again = depth < CUTS_WITHIN_CUTS && power_random(&explorer->seed, 6) == 0;

    explorer->states++;
    int status =
        again ? open_and_cut(&storage, explorer, disk, &left) : open_copy(&storage, explorer, disk);
    bool good = status == RAGSTORE_OK ||
                power_explorer_fail(explorer, "opening after a cut: %s", rsi_error_message());
    if (good) {
        good = read_text(&text, explorer, storage, "after a cut") && is_a_prefix(explorer, text);
        if (good && left == NULL)
            good = go_on(explorer, disk, storage, text);
        else
            rsi_storage_free(storage);
        free(text);
    }
    if (good && (power_disk_open_handles(disk) > 0 || power_disk_views(disk) > 0))
        good = power_explorer_fail(explorer, "a handle or a view was left open");
    power_disk_free(disk);
    if (left != NULL) {
        if (good)
            good = power_explorer_check(explorer, left, depth + 1);
        else
            power_disk_free(left);
    }
    return good;
}
