/*
 * A damaged file in an entity's folder costs that entity, and only until the file is put back: the store
 * opens, also after a crash, the others are served, and all that was acknowledged is there again
 * afterwards, however often the store was opened and compacted meanwhile.
 */
#include "entities_fixture.h"

#include "entities/backup.h"
#include "entities/check.h"
#include "entities/compact.h"
#include "storage/manifest.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define WING "wing"
#define LARGE 100000u /* bytes of a chunk: its commit has a segment */

/* What happened to the file. */
typedef enum harm {
    HARM_BIT,
    HARM_EMPTY,
    HARM_HALF,
    HARM_GARBAGE,
    HARM_LONG, /* more than such a file can have */
    HARM_DIRECTORY,
    HARM_DENIED,
    HARM_UNREADABLE, /* the disk gives an error */
    HARM_MISSING,
    HARMS,
} harm;

static const char *const harm_names[HARMS] = {"bit",       "empty",  "half",       "garbage", "long",
                                              "directory", "denied", "unreadable", "missing"};

/* What the journal has of the entity when its file is harmed. */
typedef enum moment {
    MOMENT_CLOSED,   /* nothing: the store was closed */
    MOMENT_CRASHED,  /* nothing, but the store was not closed */
    MOMENT_FRESH,    /* all of it, from its creation on */
    MOMENT_LATER,    /* a document */
    MOMENT_SEGMENT,  /* a document in a segment */
    MOMENT_NEW_SEGMENT, /* the same, and its creation */
    MOMENT_VECTORS,  /* a document with vectors */
    MOMENTS,
} moment;

static const char *const moment_names[MOMENTS] = {"closed", "crashed", "fresh", "later", "segment",
                                                  "new segment", "vectors"};

typedef enum target {
    TARGET_OWN, /* entity.json */
    TARGET_CHUNKS,
    TARGET_SEGMENT,
} target;

typedef struct harmed_store {
    open_store s;
    char wing[RSI_INCARNATION_DIGITS + 1];
    char crashed[TEMPORARY_PATH_MAX];
    char whole[TEMPORARY_PATH_MAX]; /* the file as it was, beside the store */
    uint64_t chunks;                /* of the entity */
    harm harm;
    moment moment;
    target target;
    rsi_path file; /* that is harmed */
} harmed_store;

/* ---- a file that cannot be opened, also by root ---- */

static struct {
    int (*open)(void *self, int directory, const char *path, unsigned flags);
    const char *path;
    int error;
} barred;

static int open_barred(void *self, int directory, const char *path, unsigned flags)
{
    if (barred.path != NULL && (flags & RSI_OPEN_WRITE) == 0 && strcmp(path, barred.path) == 0)
        return -barred.error;
    return barred.open(self, directory, path, flags);
}

/* ---- scenes ---- */

static const char *in_store(char path[TEMPORARY_PATH_MAX], const harmed_store *h, rsi_path below)
{
    snprintf(path, TEMPORARY_PATH_MAX, "%.1000s/%.1000s", h->s.path, below.text);
    return path;
}

static void add_to_wing(harmed_store *h, const char *name, size_t bytes, const float *vectors)
{
    static char json[LARGE + 100];
    static char text[LARGE + 1];
    rsi_added added;
    const rsi_document_fields fields = {.filename = name};
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    snprintf(json, sizeof json, "[{\"text\": \"Wings lift the %s. %s\"}]", name, text);
    if (rsi_document_add_chunks(&added, h->s.store, WING, h->wing, json, vectors,
                                vectors == NULL ? 0 : 2, &fields) != RAGSTORE_OK)
        fail_msg("add %s: %s", name, rsi_error_message());
    h->chunks++;
}

static const float vector[] = {0, 1};

static void add_for_moment(harmed_store *h)
{
    switch (h->moment) {
    case MOMENT_LATER:
        add_to_wing(h, "later", 10, NULL);
        break;
    case MOMENT_SEGMENT:
    case MOMENT_NEW_SEGMENT:
        add_to_wing(h, "large", LARGE, NULL);
        break;
    case MOMENT_VECTORS:
        add_to_wing(h, "vectors", 10, vector);
        break;
    default:
        break;
    }
}

/* Keep what a crash of the open store leaves. */
static void crash(harmed_store *h)
{
    snprintf(h->crashed, sizeof h->crashed, "%.2000s-crashed", h->s.path);
    temporary_copy_all(h->s.path, h->crashed);
    open_store_close(&h->s);
    h->s.path = h->crashed;
}

/* The only segment. */
static rsi_path segment_path(const harmed_store *h)
{
    char path[TEMPORARY_PATH_MAX];
    char below[NAME_MAX + 10] = "";
    DIR *directory = opendir(in_store(path, h, rsi_path_in_entity(WING, "segments")));
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(below, sizeof below, "segments/%s", entry->d_name);
    closedir(directory);
    assert_true(below[0] != '\0');
    return rsi_path_in_entity(WING, below);
}

/* As open_store_begin() does, without a flush: nobody cuts the power, and many stores are made. */
static void begin_store(open_store *s, void **state)
{
    const rsi_entity_fields fields = {.name = "Acme Corp"};
    fault_memory_install();
    fault_files_init(&s->faults, NULL);
    s->faults.drop_flushes = true;
    barred.path = NULL;
    barred.open = s->faults.table.open;
    s->faults.table.open = open_barred;
    s->path = temporary_path(state);
    assert_int_equal(open_store_open(s, 0), 0);
    assert_int_equal(rsi_entity_create(s->incarnation, s->store, ACME, &fields), 0);
}

static void begin(harmed_store *h, void **state, moment at, target of, harm what)
{
    const rsi_entity_fields fields = {.name = "Wing works"};
    open_store *s = &h->s;
    memset(h, 0, sizeof *h);
    h->moment = at;
    h->harm = what;
    h->target = of;
    begin_store(s, state);
    assert_int_equal(rsi_entity_create(h->wing, s->store, WING, &fields), 0);
    if (at == MOMENT_VECTORS)
        add_to_wing(h, "first", 10, vector);
    else if (at != MOMENT_NEW_SEGMENT)
        add_to_wing(h, "first", 10, NULL);
    if (at != MOMENT_FRESH && at != MOMENT_NEW_SEGMENT)
        open_store_again(s);
    add_for_moment(h);
    if (at == MOMENT_CLOSED)
        open_store_close(s);
    else
        crash(h);
    h->file = of == TARGET_SEGMENT ? segment_path(h)
              : rsi_path_in_entity(WING, of == TARGET_OWN ? "entity.json" : "chunk_metadata.json");
}

static void end(harmed_store *h)
{
    barred.path = NULL;
    open_store_end(&h->s);
    if (h->crashed[0] != '\0')
        temporary_remove_all(h->crashed);
    unlink(h->whole);
}

static void overwrite(const harmed_store *h, const char *bytes, size_t size)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_write(in_store(path, h, h->file), bytes, size);
}

static void do_harm(harmed_store *h)
{
    static char path[TEMPORARY_PATH_MAX];
    static char bulk[2 << 20];
    size_t size;
    in_store(path, h, h->file);
    char *bytes = temporary_read(path, &size);
    assert_non_null(bytes);
    snprintf(h->whole, sizeof h->whole, "%.2000s-whole", h->s.path);
    temporary_write(h->whole, bytes, size);
    switch (h->harm) {
    case HARM_BIT:
        bytes[size / 2] ^= 1;
        overwrite(h, bytes, size);
        break;
    case HARM_EMPTY:
        overwrite(h, "", 0);
        break;
    case HARM_HALF:
        overwrite(h, bytes, size / 2);
        break;
    case HARM_GARBAGE:
        overwrite(h, "\xff\x00\x01garbage", 10);
        break;
    case HARM_LONG:
        memset(bulk, ' ', sizeof bulk);
        overwrite(h, bulk, sizeof bulk);
        break;
    case HARM_DIRECTORY:
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    case HARM_DENIED:
    case HARM_UNREADABLE:
        barred.path = h->file.text;
        barred.error = h->harm == HARM_DENIED ? EACCES : EIO;
        break;
    default:
        assert_int_equal(unlink(path), 0);
    }
    free(bytes);
}

/* Put the file back as it was, as somebody does who has a copy. */
static void undo_harm(harmed_store *h)
{
    char path[TEMPORARY_PATH_MAX];
    in_store(path, h, h->file);
    if (barred.path != NULL) {
        barred.path = NULL;
        return;
    }
    (void)rmdir(path);
    assert_int_equal(rename(h->whole, path), 0);
}

/* ---- what is expected ---- */

static void open_as(harmed_store *h, uint32_t flags)
{
    if (open_store_open(&h->s, RAGSTORE_OPEN_MUST_EXIST | flags) != RAGSTORE_OK)
        fail_msg("%s, %s: open: %s", moment_names[h->moment], harm_names[h->harm],
                 rsi_error_message());
}

static int count_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    (void)number;
    (void)json;
    (void)size;
    ++*(uint64_t *)user;
    return RAGSTORE_OK;
}

static int count_chunks(uint64_t *count, harmed_store *h)
{
    *count = 0;
    return rsi_storage_rows(h->s.store->storage, RSI_SPACE_CHUNKS, WING, 0, UINT64_MAX, count_chunk,
                            count);
}

/* What entity.json says is known otherwise after a crash, and it is made again. */
static bool is_made_again(const harmed_store *h)
{
    return h->target == TARGET_OWN && h->harm == HARM_MISSING && h->moment != MOMENT_CLOSED;
}

/* The entity is damaged, and says why and what to do; or it lacks nothing. */
static void expect_told(harmed_store *h)
{
    uint64_t count;
    const int status = count_chunks(&count, h);
    if (status == RAGSTORE_OK && h->target == TARGET_OWN && h->harm == HARM_MISSING) {
        assert_int_equal(count, h->chunks);
        return;
    }
    if (status != (h->harm == HARM_UNREADABLE && h->target != TARGET_SEGMENT
                       ? RAGSTORE_E_IO
                       : RAGSTORE_E_DAMAGED))
        fail_msg("%s, %s: %s (%s)", moment_names[h->moment], harm_names[h->harm],
                 rsi_status_name(status), rsi_error_message());
    expect_message(h->file.text);
    if (status == RAGSTORE_E_DAMAGED)
        expect_message("backup");
}

typedef struct findings {
    const char *file; /* that is looked for */
    bool found;
} findings;

static int note_finding(void *user, const rsi_finding *finding)
{
    findings *in = user;
    in->found = in->found || strcmp(finding->file, in->file) == 0;
    return RAGSTORE_OK;
}

static void expect_check_names_it(harmed_store *h, bool expected)
{
    findings in = {h->file.text, false};
    rsi_check_tally tally;
    const rsi_check_watch watch = {.visit = note_finding, .user = &in};
    if (rsi_store_check(&tally, h->s.store, &watch) != RAGSTORE_OK)
        fail_msg("%s, %s: check: %s", moment_names[h->moment], harm_names[h->harm],
                 rsi_error_message());
    if (in.found != expected)
        fail_msg("%s, %s: the check %s %s", moment_names[h->moment], harm_names[h->harm],
                 in.found ? "names" : "does not name", in.file);
    assert_int_equal(tally.entities, 2);
}

static void expect_backup(harmed_store *h)
{
    char place[TEMPORARY_PATH_MAX];
    const rsi_backup_watch watch = {0};
    rsi_backup *backup = NULL;
    snprintf(place, sizeof place, "%.2000s-backup", h->s.path);
    const int status = rsi_backup_take(&backup, h->s.store->storage, place, &watch);
    rsi_backup_free(backup);
    temporary_remove_all(place);
    if (status != (barred.path == NULL ? RAGSTORE_OK
                   : h->harm == HARM_DENIED ? RAGSTORE_E_PERMISSION
                                            : RAGSTORE_E_IO))
        fail_msg("%s, %s: back up: %s", moment_names[h->moment], harm_names[h->harm],
                 rsi_error_message());
}

/* A checkpoint tells at its end of a file that may be readable at the next try. */
static bool is_told(const harmed_store *h, int status)
{
    return status == RAGSTORE_OK ||
           (h->harm == HARM_UNREADABLE && status == RAGSTORE_E_IO);
}

/* The others take documents, and upkeep comes to an end. */
static void expect_others_served(harmed_store *h, const char *name)
{
    bool did = true;
    uint64_t documents;
    uint64_t chunks;
    rsi_bytes list = {0};
    assert_int_equal(rsi_entity_totals(&documents, &chunks, h->s.store, ACME), 0);
    open_store_add_text(&h->s, name, name, NULL);
    open_store_expect_totals(&h->s, documents + 1, chunks + 1);
    assert_int_equal(rsi_entity_describe(&list, h->s.store, ACME, NULL), 0);
    rsi_bytes_free(&list);
    for (unsigned i = 0; did && i < 20; i++)
        if (!is_told(h, rsi_upkeep_step(h->s.store, true, &did)))
            fail_msg("%s, %s: upkeep: %s", moment_names[h->moment], harm_names[h->harm],
                     rsi_error_message());
    rsi_catalog *catalog = acquire(&h->s);
    rsi_catalog_release(h->s.store, catalog);
}

static void close_harmed(harmed_store *h)
{
    if (!is_told(h, rsi_store_close(h->s.store)))
        fail_msg("%s, %s: close: %s", moment_names[h->moment], harm_names[h->harm],
                 rsi_error_message());
    rsi_store_free(h->s.store);
    h->s.store = NULL;
}

/* With the file as it was, nothing is missing. */
static void expect_all_back(harmed_store *h)
{
    uint64_t count;
    if (count_chunks(&count, h) != RAGSTORE_OK || count != h->chunks)
        fail_msg("%s, %s: %u of %u chunks: %s", moment_names[h->moment], harm_names[h->harm],
                 (unsigned)count, (unsigned)h->chunks, rsi_error_message());
    expect_check_names_it(h, false);
}

/* For the next store of the same test. */
static void clear(void **state)
{
    temporary_remove_all(temporary_path(state));
    assert_int_equal(mkdir(temporary_path(state), 0700), 0);
}

static void try_harm(void **state, moment at, target of, harm what)
{
    harmed_store h;
    rsi_compaction compaction = {0};
    begin(&h, state, at, of, what);
    do_harm(&h);
    open_as(&h, RAGSTORE_OPEN_READ_ONLY);
    expect_told(&h);
    close_harmed(&h);

    open_as(&h, 0);
    expect_told(&h);
    expect_others_served(&h, "one jet pushes.txt");
    expect_check_names_it(&h, !is_made_again(&h));
    expect_backup(&h);
    close_harmed(&h);

    open_as(&h, 0);
    expect_others_served(&h, "two jets push.txt");
    /* as after 15 minutes: journals go, but not those that the entity needs */
    (void)rsi_store_compact(&compaction, h.s.store);
    rsi_bytes_free(&compaction.quarantine);
    close_harmed(&h);

    if (!is_made_again(&h))
        undo_harm(&h);
    open_as(&h, 0);
    expect_all_back(&h);
    end(&h);
    clear(state);
}

static void try_all(void **state, moment at, target of)
{
    for (harm what = 0; what < HARMS; what++)
        try_harm(state, at, of, what);
}

/* One of each kind. */
static const harm some[] = {HARM_BIT, HARM_DIRECTORY, HARM_MISSING};

static void try_some(void **state, moment at, target of)
{
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        try_harm(state, at, of, some[i]);
}

static void entities_damaged_folder__in_a_closed_store(void **state)
{
    try_all(state, MOMENT_CLOSED, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash(void **state)
{
    try_some(state, MOMENT_CRASHED, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash_since_its_creation(void **state)
{
    try_some(state, MOMENT_FRESH, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash_with_a_document(void **state)
{
    try_all(state, MOMENT_LATER, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash_with_a_segment(void **state)
{
    try_all(state, MOMENT_SEGMENT, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash_with_a_first_segment(void **state)
{
    try_some(state, MOMENT_NEW_SEGMENT, TARGET_OWN);
}

static void entities_damaged_folder__after_a_crash_with_vectors(void **state)
{
    try_some(state, MOMENT_VECTORS, TARGET_OWN);
}

static void entities_damaged_folder__chunks_in_a_closed_store(void **state)
{
    try_all(state, MOMENT_CLOSED, TARGET_CHUNKS);
}

static void entities_damaged_folder__chunks_after_a_crash(void **state)
{
    try_all(state, MOMENT_LATER, TARGET_CHUNKS);
    try_some(state, MOMENT_SEGMENT, TARGET_CHUNKS);
    try_some(state, MOMENT_VECTORS, TARGET_CHUNKS);
}

static void entities_damaged_folder__a_segment_after_a_crash(void **state)
{
    try_all(state, MOMENT_SEGMENT, TARGET_SEGMENT);
    try_some(state, MOMENT_NEW_SEGMENT, TARGET_SEGMENT);
}

/* ---- while the store is open ---- */

static void checkpoint(harmed_store *h)
{
    if (rsi_storage_checkpoint(h->s.store->storage) != RAGSTORE_OK)
        fail_msg("checkpoint: %s", rsi_error_message());
}

/* A store with the entity in memory. */
static void begin_loaded(harmed_store *h, void **state, harm what)
{
    uint64_t count;
    begin(h, state, MOMENT_CLOSED, TARGET_OWN, what);
    open_as(h, 0);
    assert_int_equal(count_chunks(&count, h), 0);
    do_harm(h);
    add_to_wing(h, "more", 10, NULL);
}

static void entities_damaged_folder__is_written_anew_from_memory(void **state)
{
    static const harm harms[] = {HARM_BIT, HARM_EMPTY, HARM_HALF, HARM_GARBAGE, HARM_MISSING};
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
        harmed_store h;
        begin_loaded(&h, state, harms[i]);
        checkpoint(&h);
        expect_all_back(&h);
        open_store_again(&h.s);
        expect_all_back(&h);
        end(&h);
        clear(state);
    }
}

/* The checkpoint came to its end: the manifest has the file as it is. */
static void expect_others_written(harmed_store *h)
{
    rsi_manifest manifest;
    rsi_root *root = rsi_storage_root(h->s.store->storage);
    assert_int_equal(rsi_manifest_read(&manifest, root), 0);
    assert_true(rsi_file_state_is_current(&manifest.entities, root, RSI_PATH_ENTITIES));
    rsi_candidates_free(&manifest.collections);
}

/* Nothing can take the place of a directory. */
static void entities_damaged_folder__with_a_directory_waits_for_its_file(void **state)
{
    harmed_store h;
    begin_loaded(&h, state, HARM_DIRECTORY);
    open_store_add_text(&h.s, "first.txt", "Jets push.", NULL);
    assert_int_equal(rsi_storage_checkpoint(h.s.store->storage), RAGSTORE_E_DAMAGED);
    expect_message("a directory stands where a file is expected");
    expect_others_written(&h);
    expect_others_served(&h, "jets.txt");
    assert_int_equal(rsi_store_close(h.s.store), RAGSTORE_E_DAMAGED);
    rsi_store_free(h.s.store);
    open_as(&h, 0);
    expect_told(&h);
    undo_harm(&h);
    expect_all_back(&h);
    checkpoint(&h);
    expect_all_back(&h);
    open_store_again(&h.s);
    expect_all_back(&h);
    end(&h);
}

static void expect_mended(void **state, moment at, target of, harm what)
{
    harmed_store h;
    begin(&h, state, at, of, what);
    do_harm(&h);
    open_as(&h, 0);
    expect_told(&h);
    expect_told(&h);
    checkpoint(&h);
    undo_harm(&h);
    expect_all_back(&h);
    add_to_wing(&h, "afterwards", 10, at == MOMENT_VECTORS ? vector : NULL);
    checkpoint(&h);
    open_store_again(&h.s);
    expect_all_back(&h);
    end(&h);
    clear(state);
}

static void entities_damaged_folder__is_whole_when_its_file_is_put_back(void **state)
{
    for (harm what = 0; what < HARM_DENIED; what++)
        expect_mended(state, MOMENT_CLOSED, TARGET_CHUNKS, what);
    expect_mended(state, MOMENT_CLOSED, TARGET_OWN, HARM_BIT);
    expect_mended(state, MOMENT_LATER, TARGET_OWN, HARM_DIRECTORY);
    expect_mended(state, MOMENT_LATER, TARGET_CHUNKS, HARM_HALF);
    expect_mended(state, MOMENT_SEGMENT, TARGET_OWN, HARM_EMPTY);
    expect_mended(state, MOMENT_VECTORS, TARGET_OWN, HARM_BIT);
}

static void entities_damaged_folder__can_be_deleted(void **state)
{
    for (harm what = 0; what < HARMS; what++) {
        char path[TEMPORARY_PATH_MAX];
        uint64_t sessions;
        harmed_store h;
        begin(&h, state, MOMENT_SEGMENT, TARGET_OWN, what);
        do_harm(&h);
        open_as(&h, 0);
        if (rsi_entity_delete(&sessions, h.s.store, WING) != RAGSTORE_OK)
            fail_msg("%s: delete: %s", harm_names[what], rsi_error_message());
        checkpoint(&h);
        assert_false(temporary_exists(in_store(path, &h, rsi_path_entity(WING))));
        open_store_again(&h.s);
        expect_others_served(&h, "jets.txt");
        end(&h);
        clear(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_damaged_folder__in_a_closed_store),
        FRESH(entities_damaged_folder__after_a_crash),
        FRESH(entities_damaged_folder__after_a_crash_since_its_creation),
        FRESH(entities_damaged_folder__after_a_crash_with_a_document),
        FRESH(entities_damaged_folder__after_a_crash_with_a_segment),
        FRESH(entities_damaged_folder__after_a_crash_with_a_first_segment),
        FRESH(entities_damaged_folder__after_a_crash_with_vectors),
        FRESH(entities_damaged_folder__chunks_in_a_closed_store),
        FRESH(entities_damaged_folder__chunks_after_a_crash),
        FRESH(entities_damaged_folder__a_segment_after_a_crash),
        FRESH(entities_damaged_folder__is_written_anew_from_memory),
        FRESH(entities_damaged_folder__with_a_directory_waits_for_its_file),
        FRESH(entities_damaged_folder__is_whole_when_its_file_is_put_back),
        FRESH(entities_damaged_folder__can_be_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
