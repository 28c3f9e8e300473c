/*
 * Damage in the files of a small store: a bit flipped in each byte, each length cut. The answer is
 * a typed error or contents that were committed, never an empty store, and a file that was refused
 * is left as it is. Only a journal that was cut may look like one that was never longer: nothing
 * outside it tells where its durable end is.
 */
#include "storage_fixture.h"

typedef struct trial {
    power_disk *disk;
    const char *path;
    char *texts[3]; /* contents after no, one and two commits */
    bool by_hand;   /* a person may change this file: a change that is valid is taken over */
    bool may_lose;  /* the last commit of a journal may go: nothing tells that it was flushed */
    unsigned refused;
    unsigned accepted;
} trial;

static bool is_typed(int status)
{
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION ||
           status == RAGSTORE_E_CONFLICT;
}

static bool is_allowed(const trial *in, const char *text, bool is_cut)
{
    if (strcmp(text, in->texts[2]) == 0)
        return true;
    if (in->may_lose)
        return strcmp(text, in->texts[1]) == 0 || (is_cut && strcmp(text, in->texts[0]) == 0);
    /* what a hand edit says is taken; but no record may vanish */
    size_t lines = 0;
    size_t expected = 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    for (const char *at = in->texts[2]; *at != '\0'; at++)
        expected += *at == '\n';
    return in->by_hand && lines >= expected - 1 && strlen(text) > 100;
}

/* Open a copy whose file holds these bytes instead. */
static void try_bytes(trial *in, const char *data, size_t size, const char *what, size_t place)
{
    static char after[1 << 16];
    rsi_storage *storage;
    char *text = NULL;
    power_disk *copy = power_disk_cut(in->disk, POWER_KEEP_ALL);
    storage_write_file(copy, in->path, data, size);
    int status = storage_open_on(&storage, power_disk_table(copy), RAGSTORE_OPEN_MUST_EXIST);
    if (status == RAGSTORE_OK) {
        status = power_storage_text(&text, storage);
        rsi_storage_free(storage);
    }
    if (status != RAGSTORE_OK) {
        in->refused++;
        if (!is_typed(status))
            fail_msg("%s %s %zu: %s: %s", in->path, what, place, rsi_status_name(status),
                     rsi_error_message());
        size_t left = storage_read_file(copy, in->path, after, sizeof after);
        if (left != size || memcmp(after, data, size) != 0)
            fail_msg("%s %s %zu: refused, but overwritten", in->path, what, place);
    } else {
        in->accepted++;
        if (!is_allowed(in, text, what[0] == 'c'))
            fail_msg("%s %s %zu: holds %.300s", in->path, what, place, text);
    }
    free(text);
    power_disk_free(copy);
}

static void damage(const char *path, bool clean, bool by_hand, bool may_lose)
{
    static char bytes[1 << 16];
    trial in = {.path = path, .by_hand = by_hand, .may_lose = may_lose};
    power_disk *fresh = power_disk_new();
    rsi_storage *storage = storage_open_good(fresh);
    in.texts[0] = storage_text(storage);
    assert_int_equal(storage_commit_entity(storage), RAGSTORE_OK);
    in.texts[1] = storage_text(storage);
    assert_int_equal(storage_commit_session(storage), RAGSTORE_OK);
    in.texts[2] = storage_text(storage);
    rsi_storage_free(storage);
    power_disk_free(fresh);

    in.disk = storage_make(clean);
    size_t size = storage_read_file(in.disk, path, bytes, sizeof bytes);
    assert_true(size > 0);
    for (size_t i = 0; i < size; i++) {
        const char old = bytes[i];
        bytes[i] = (char)(old ^ (1 << (i % 8)));
        try_bytes(&in, bytes, size, "with a flipped bit at byte", i);
        bytes[i] = old;
    }
    for (size_t i = 0; i < size; i++)
        try_bytes(&in, bytes, i, "cut to", i);
    assert_true(in.refused > 0 || may_lose);
    for (size_t i = 0; i < 3; i++)
        free(in.texts[i]);
    power_disk_free(in.disk);
}

static void storage_damage__in_the_manifest_is_refused_or_harmless(void **state)
{
    (void)state;
    damage(RSI_PATH_MANIFEST, true, false, false);
}

static void storage_damage__in_entities_is_refused_or_an_edit(void **state)
{
    (void)state;
    damage(RSI_PATH_ENTITIES, true, true, false);
}

static void storage_damage__in_sessions_is_refused_or_an_edit(void **state)
{
    (void)state;
    damage(RSI_PATH_SESSIONS, true, true, false);
}

static void storage_damage__in_chunks_is_refused(void **state)
{
    (void)state;
    damage("entity_scoped/entities/" ENTITY "/chunk_metadata.json", true, false, false);
}

static void storage_damage__in_the_file_of_an_entity_is_refused_or_harmless(void **state)
{
    (void)state;
    damage("entity_scoped/entities/" ENTITY "/entity.json", true, false, false);
}

static void storage_damage__in_the_journal_in_use_costs_no_earlier_commit(void **state)
{
    (void)state;
    damage("api_storage/journal-0000000001.ndjson", false, false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_damage__in_the_manifest_is_refused_or_harmless),
        cmocka_unit_test(storage_damage__in_entities_is_refused_or_an_edit),
        cmocka_unit_test(storage_damage__in_sessions_is_refused_or_an_edit),
        cmocka_unit_test(storage_damage__in_chunks_is_refused),
        cmocka_unit_test(storage_damage__in_the_file_of_an_entity_is_refused_or_harmless),
        cmocka_unit_test(storage_damage__in_the_journal_in_use_costs_no_earlier_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
