/*
 * The power is cut before every operation of a store with vectors, and what is left is opened:
 * record, chunks, rows, index.faiss and uploads agree, and each vector finds its own chunk first.
 *
 *   steps ─► store ─► power_disk ─► hook: cut ─► another store opens the copy
 *     └─ names[i]: the documents after step i     ◄── must be those after the last step that has
 *                                                     ended, or of the one that runs
 *
 * RAGSTORE_CRASH_SEED repeats a run, RAGSTORE_CRASH_FACTOR (default 1) makes it longer.
 */
#include "harness/power_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "entities/compact.h"
#include "entities/entity.h"
#include "entities/export.h"
#include "files/paths.h"
#include "ingest/document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACME "acme"   /* documents A to S, with vectors */
#define FILES "files" /* documents T to Z, from files */
#define DIMENSION 16
#define CHUNKS 3 /* of a document with vectors */
#define STEPS_MAX 40

static uint64_t first_seed;
static unsigned factor = 1;
static uint64_t all_states;

typedef struct world {
    power_disk *disk;
    rsi_store *store;
    char incarnations[2][RSI_INCARNATION_DIGITS + 1]; /* of ACME and FILES */
    char doc_ids[26][RSI_DOC_ID_MAX];
    char names[STEPS_MAX][32]; /* documents after each step, ascending */
    size_t begun;              /* steps */
    size_t ended;
    uint64_t seed;
    unsigned choices;
    char failure[1000];
} world;

static bool wrong(world *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(world *in, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (in->failure[0] == '\0')
        vsnprintf(in->failure, sizeof in->failure, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- what a document holds ---- */

static void make_vector(float vector[DIMENSION], char name, int chunk)
{
    uint64_t seed = (uint64_t)name * 100 + (uint64_t)chunk + 1;
    double length = 0;
    for (int i = 0; i < DIMENSION; i++) {
        vector[i] = (float)power_random(&seed, 2001) / 1000.0f - 1.0f;
        length += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)((double)vector[i] / sqrt(length));
}

static bool has_vectors(char name)
{
    return name < 'T';
}

/* ---- opening what is left ---- */

static int open_with(rsi_store **out, power_disk *disk, uint32_t flags)
{
    const rsi_store_options options = {.storage = {.flags = flags,
                                                   .durability = RAGSTORE_DURABILITY_FULL,
                                                   .files = power_disk_table(disk)},
                                       .memory_limit_bytes = UINT64_C(1) << 28};
    return rsi_store_open(out, "/store", &options);
}

static int open_on(rsi_store **out, power_disk *disk)
{
    return open_with(out, disk, 0);
}

static bool is_vector_of(const float *row, char name, int chunk)
{
    float expected[DIMENSION];
    make_vector(expected, name, chunk);
    for (int i = 0; i < DIMENSION; i++)
        if (fabsf(row[i] - expected[i]) > 1e-6f)
            return false;
    return true;
}

/* Each vector of a document is where its chunk says, and found first. */
static bool check_vectors(world *in, rsi_catalog *catalog, const rsi_catalog_document *document)
{
    const char name = document->name[0];
    if (document->end_chunk - document->first_chunk != CHUNKS)
        return wrong(in, "document %c has %d chunks", name,
                    (int)(document->end_chunk - document->first_chunk));
    for (int i = 0; i < CHUNKS; i++) {
        const int64_t chunk = document->first_chunk + i;
        const float *row;
        rsi_hit hit;
        size_t count;
        if (rsi_rows_get(&row, catalog->rows, chunk) != RAGSTORE_OK)
            return wrong(in, "chunk %d of document %c: %s", i, name, rsi_error_message());
        if (!is_vector_of(row, name, i))
            return wrong(in, "chunk %d of document %c has another's vector", i, name);
        if (rsi_catalog_search_locked(&hit, &count, catalog, row, 1, &catalog->alive) !=
                RAGSTORE_OK ||
            count != 1 || hit.chunk != chunk)
            return wrong(in, "the vector of chunk %d of document %c does not find it", i, name);
    }
    return true;
}

/* The documents by their names, which are one letter each; each with all that it consists of. Adds
 * them to `names`. */
static bool check_catalog(world *in, rsi_store *store, rsi_catalog *catalog, char names[32])
{
    uint64_t documents;
    uint64_t chunks;
    size_t count = strlen(names);
    if (rsi_entity_totals(&documents, &chunks, store, catalog->entity_id) != RAGSTORE_OK)
        return wrong(in, "totals: %s", rsi_error_message());
    if (documents != catalog->document_count || chunks != catalog->alive.count)
        return wrong(in, "the record says %d documents and %d chunks, there are %d and %d",
                    (int)documents, (int)chunks, (int)catalog->document_count,
                    (int)catalog->alive.count);
    for (char name = 'A'; name <= 'Z'; name++)
        for (size_t i = 0; i < catalog->document_count; i++) {
            const rsi_catalog_document *document = &catalog->documents[i];
            rsi_bytes content = {0};
            if (document->name[0] != name)
                continue;
            names[count++] = name;
            if (has_vectors(name)) {
                if (!check_vectors(in, catalog, document))
                    return false;
                continue;
            }
            int status = rsi_document_content(&content, store, FILES, catalog->incarnation,
                                              document->doc_id);
            rsi_bytes_free(&content);
            if (status != RAGSTORE_OK)
                return wrong(in, "document %c has no file: %s", name, rsi_error_message());
        }
    names[count] = '\0';
    return true;
}

/* index.faiss is what it should be now that it was asked for, and so is what else is derived. */
static bool check_export(world *in, rsi_store *store, rsi_catalog *catalog)
{
    rsi_bytes documents = {0};
    rsi_json *json = NULL;
    const rsi_path path = rsi_path_in_entity(catalog->entity_id, "doc_to_chunks.json");
    if (rsi_export_entity(store, catalog->entity_id, RSI_EXPORT_ALL) != RAGSTORE_OK ||
        rsi_file_read_all(rsi_storage_root(store->storage), path.text, 1 << 20, &documents) !=
            RAGSTORE_OK ||
        rsi_json_parse(&json, documents.data, documents.size, 32) != RAGSTORE_OK)
        wrong(in, "export: %s", rsi_error_message());
    else if (rsi_json_count(json) != catalog->document_count)
        wrong(in, "doc_to_chunks.json has %d documents", (int)rsi_json_count(json));
    rsi_json_free(json);
    rsi_bytes_free(&documents);
    return in->failure[0] == '\0';
}

static bool check_entity(world *in, rsi_store *store, const char *id, char names[32])
{
    rsi_entity_record record;
    rsi_catalog *catalog;
    int status = rsi_entity_read(&record, store, id, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(&catalog, store, id, record.incarnation);
    rsi_entity_record_free(&record);
    if (status != RAGSTORE_OK)
        return wrong(in, "open the entity: %s", rsi_error_message());
    if (catalog->rows_problem != NULL)
        wrong(in, "%s", catalog->rows_problem);
    bool good = in->failure[0] == '\0' && check_catalog(in, store, catalog, names) &&
                (rsi_storage_is_read_only(store->storage) || check_export(in, store, catalog));
    rsi_catalog_release(store, catalog);
    return good;
}

static bool check_store(world *in, rsi_store *store, char names[32])
{
    names[0] = '\0';
    return check_entity(in, store, ACME, names) && check_entity(in, store, FILES, names);
}

static int add_vectors(rsi_added *added, rsi_store *store, const char *incarnation, char name)
{
    float vectors[CHUNKS * DIMENSION];
    char filename[2] = {name, '\0'};
    char json[256];
    const rsi_document_fields fields = {.filename = filename};
    for (int i = 0; i < CHUNKS; i++)
        make_vector(vectors + i * DIMENSION, name, i);
    snprintf(json, sizeof json,
             "[{\"text\":\"%c one\"},{\"text\":\"%c two\"},{\"text\":\"%c three\"}]", name, name,
             name);
    return rsi_document_add_chunks(added, store, ACME, incarnation, json, vectors, DIMENSION,
                                   &fields);
}

/* And it goes on: one more document, which is there after another opening. */
static bool go_on(world *in, rsi_store *store, power_disk *disk, const char *names)
{
    rsi_added added;
    rsi_store *again;
    char expected[40];
    char found[32];
    int status = add_vectors(&added, store, in->incarnations[0], 'S');
    if (status == RAGSTORE_OK)
        status = rsi_store_close(store);
    if (status != RAGSTORE_OK)
        return wrong(in, "go on: %s", rsi_error_message());
    size_t before = strcspn(names, "TUVWXYZ");
    snprintf(expected, sizeof expected, "%.*sS%s", (int)before, names, names + before);
    if (open_on(&again, disk) != RAGSTORE_OK)
        return wrong(in, "open after going on: %s", rsi_error_message());
    bool good = check_store(in, again, found);
    if (good && strcmp(found, expected) != 0)
        good = wrong(in, "after going on: \"%s\", not \"%s\"", found, expected);
    rsi_store_close(again);
    rsi_store_free(again);
    return good;
}

static bool check_names(world *in, const char *names)
{
    return strcmp(names, in->names[in->ended]) == 0 || strcmp(names, in->names[in->begun]) == 0 ||
           wrong(in, "\"%s\" is there, neither \"%s\" nor \"%s\"", names, in->names[in->ended],
                 in->names[in->begun]);
}

/* Who may not mend what the power cut took sees all of it as well. */
static bool check_reading(world *in, power_disk *disk, uint32_t flags)
{
    rsi_store *store;
    char names[32];
    if (open_with(&store, disk, flags) != RAGSTORE_OK)
        return wrong(in, "open to read: %s", rsi_error_message());
    bool good = check_store(in, store, names) && check_names(in, names);
    rsi_store_close(store);
    rsi_store_free(store);
    return good;
}

/* What was recovered is durable: the power goes again. */
static bool check_again(world *in, const power_disk *disk, const char *expected)
{
    rsi_store *store;
    char names[32];
    power_disk *again = power_disk_cut(disk, power_random(&in->seed, 2) == 0
                                                 ? POWER_KEEP_NOTHING
                                                 : POWER_KEEP_ALL + power_random(&in->seed, 1000));
    if (open_on(&store, again) != RAGSTORE_OK) {
        power_disk_free(again);
        return wrong(in, "open after another cut: %s", rsi_error_message());
    }
    bool good = check_store(in, store, names);
    if (good && strcmp(names, expected) != 0)
        good = wrong(in, "after another cut: \"%s\", not \"%s\"", names, expected);
    rsi_store_close(store);
    rsi_store_free(store);
    power_disk_free(again);
    return good;
}

/* Takes the disk. */
static void check_disk(world *in, power_disk *disk)
{
    rsi_store *store;
    char names[32];
    all_states++;
    if (!check_reading(in, disk,
                       power_random(&in->seed, 2) == 0 ? RAGSTORE_OPEN_READ_ONLY
                                                       : RAGSTORE_OPEN_IMMUTABLE)) {
        power_disk_free(disk);
        return;
    }
    if (open_on(&store, disk) != RAGSTORE_OK) {
        wrong(in, "open: %s", rsi_error_message());
        power_disk_free(disk);
        return;
    }
    if (check_store(in, store, names) && check_names(in, names) && check_again(in, disk, names))
        go_on(in, store, disk, names);
    rsi_store_close(store);
    rsi_store_free(store);
    power_disk_free(disk);
}

static void cut(void *user, power_disk *disk, uint64_t operation)
{
    world *in = user;
    rsi_saved_error error;
    rsi_error_save(&error);
    for (unsigned i = 0; i < in->choices && in->failure[0] == '\0'; i++) {
        const bool killed = i > 0 && power_random(&in->seed, 4) == 0;
        const uint64_t seed =
            i == 0 ? POWER_KEEP_NOTHING : POWER_KEEP_ALL + power_random(&in->seed, 1u << 30);
        check_disk(in, killed ? power_disk_kill(disk) : power_disk_cut(disk, seed));
        if (in->failure[0] != '\0') {
            char text[sizeof in->failure];
            snprintf(text, sizeof text, "%s", in->failure);
            snprintf(in->failure, sizeof in->failure, "step %zu, operation %llu, %s: %.700s",
                     in->begun, (unsigned long long)operation, killed ? "killed" : "cut", text);
        }
    }
    rsi_error_restore(&error);
}

/* ---- the steps ---- */

static int add_batch(world *in)
{
    rsi_tx *tx;
    rsi_added added;
    int status = rsi_tx_begin(&tx, in->store->storage);
    for (char name = 'P'; status == RAGSTORE_OK && name <= 'Q'; name++)
        status = add_vectors(&added, in->store, in->incarnations[0], name);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

/*
 * A letter from 'A' adds the document of that name, with vectors below 'T', from a file above;
 * lower case deletes it. '+': documents P and Q in one batch; '!': rows without the dead; '?':
 * derived files; '=': a checkpoint; '#': ragstore_store_compact(); '<': close and open.
 */
static int do_step(world *in, char what)
{
    rsi_added added;
    rsi_upload *upload;
    rsi_compaction compaction = {0};
    char filename[2] = {what, '\0'};
    const rsi_document_fields fields = {.filename = filename};
    int status;
    switch (what) {
    case '+':
        return add_batch(in);
    case '!':
        return rsi_compact_rows(in->store, ACME, RSI_COMPACT_ALL);
    case '?':
        return rsi_export_entity(in->store, ACME, RSI_EXPORT_UNASKED);
    case '=':
        return rsi_storage_checkpoint(in->store->storage);
    case '#':
        status = rsi_store_compact(&compaction, in->store);
        rsi_bytes_free(&compaction.quarantine);
        return status;
    case '<':
        status = rsi_store_close(in->store);
        rsi_store_free(in->store);
        in->store = NULL;
        return status == RAGSTORE_OK ? open_on(&in->store, in->disk) : status;
    default:
        break;
    }
    if (what >= 'a')
        return what < 't' ? rsi_document_delete(in->store, ACME, in->incarnations[0],
                                                in->doc_ids[what - 'a'])
                          : rsi_document_delete(in->store, FILES, in->incarnations[1],
                                                in->doc_ids[what - 'a']);
    if (has_vectors(what)) {
        status = add_vectors(&added, in->store, in->incarnations[0], what);
    } else {
        char text[64];
        snprintf(text, sizeof text, "%c is a file.", what);
        status = rsi_upload_begin(&upload, in->store, FILES, in->incarnations[1], &fields);
        if (status == RAGSTORE_OK)
            status = rsi_upload_write(upload, text, strlen(text));
        if (status == RAGSTORE_OK)
            status = rsi_upload_commit(&added, upload);
    }
    if (status == RAGSTORE_OK)
        snprintf(in->doc_ids[what - 'A'], RSI_DOC_ID_MAX, "%s", added.doc_id);
    return status;
}

/* Which documents there are after a step: those before, with a letter more or less. */
static void names_after(char after[32], const char *before, char what)
{
    char between[32];
    if (what == '+') {
        names_after(between, before, 'P');
        names_after(after, between, 'Q');
        return;
    }
    size_t count = 0;
    bool put = false;
    const bool adds = what >= 'A' && what <= 'Z';
    for (const char *at = before; *at != '\0'; at++) {
        if (adds && !put && *at > what) {
            after[count++] = what;
            put = true;
        }
        if (!(what >= 'a' && what <= 'z' && *at == what - 'a' + 'A'))
            after[count++] = *at;
    }
    if (adds && !put)
        after[count++] = what;
    after[count] = '\0';
}

static void run(const char *steps, uint64_t seed, unsigned choices)
{
    world *in = calloc(1, sizeof *in);
    assert_non_null(in);
    in->disk = power_disk_new();
    in->seed = seed;
    in->choices = choices;
    const rsi_entity_fields fields = {.name = "Acme"};
    if (open_on(&in->store, in->disk) != RAGSTORE_OK ||
        rsi_entity_create(in->incarnations[0], in->store, ACME, &fields) != RAGSTORE_OK ||
        rsi_entity_create(in->incarnations[1], in->store, FILES, &fields) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    power_disk_hook(in->disk, cut, in);
    for (size_t i = 0; steps[i] != '\0' && in->failure[0] == '\0'; i++) {
        assert_true(i + 1 < STEPS_MAX);
        in->begun = i + 1;
        names_after(in->names[i + 1], in->names[i], steps[i]);
        if (do_step(in, steps[i]) != RAGSTORE_OK)
            wrong(in, "step %c: %s", steps[i], rsi_error_message());
        in->ended = i + 1;
    }
    if (in->failure[0] == '\0')
        cut(in, in->disk, 0);
    power_disk_hook(in->disk, NULL, NULL);
    char failure[sizeof in->failure];
    snprintf(failure, sizeof failure, "%s", in->failure);
    if (in->store != NULL) {
        rsi_store_close(in->store);
        rsi_store_free(in->store);
    }
    power_disk_free(in->disk);
    free(in);
    if (failure[0] != '\0')
        fail_msg("seed %llu, \"%s\": %s", (unsigned long long)seed, steps, failure);
}

static const size_t line_bytes[] = {
    64 << 10,               /* all vectors travel in the lines of their commits */
    CHUNKS * DIMENSION * 4, /* those of one document do */
    0,                      /* none do */
};

static void vectors_crash__record_chunks_rows_and_index_agree(void **state)
{
    static const char *const workloads[] = {
        "ABaTC?tb=D",     /* uploads and deletes, the index between them */
        "ABCab!D!c?",     /* rows without the dead, and behind them */
        "TUAtB#bu#C",     /* everything without the dead */
        "AB?<aC!?<D",     /* the same across openings */
        "Aa!B=b!C?",      /* the last row goes */
        "ABCDb=EFe!G<H",  /* many adds between two checkpoints */
        "A+a=B!C",        /* a batch */
    };
    (void)state;
    for (unsigned round = 0; round < factor; round++)
        for (size_t limit = 0; limit < sizeof line_bytes / sizeof *line_bytes; limit++)
            for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
                rsi_line_vector_bytes = line_bytes[limit];
                run(workloads[i], first_seed + round * 100 + i, 3);
            }
}

/* Sequences that nobody thought of. */
static void vectors_crash__random_sequences(void **state)
{
    (void)state;
    uint64_t seed = first_seed;
    for (unsigned round = 0; round < 4 * factor; round++) {
        char steps[16] = "";
        char there[32] = "";
        char next_name = 'A';
        char next_file = 'T';
        rsi_line_vector_bytes = line_bytes[round % 2];
        for (size_t i = 0; i < 12; i++) {
            const size_t count = strlen(there);
            const uint64_t kind = power_random(&seed, 10);
            if (kind < 3 && next_name < 'E') {
                steps[i] = next_name++;
            } else if (kind < 4 && next_file <= 'Z') {
                steps[i] = next_file++;
            } else if (kind < 7 && count > 0) {
                size_t which = (size_t)power_random(&seed, count);
                steps[i] = (char)(there[which] - 'A' + 'a');
                memmove(there + which, there + which + 1, count - which);
                continue;
            } else {
                steps[i] = "!?=#<"[power_random(&seed, 5)];
                continue;
            }
            there[count] = steps[i];
            there[count + 1] = '\0';
        }
        steps[12] = '\0';
        run(steps, seed, 2);
    }
}

static int report(void **state)
{
    (void)state;
    printf("RAGSTORE_CRASH_SEED=%llu\n%llu states with vectors opened\n",
           (unsigned long long)first_seed, (unsigned long long)all_states);
    return 0;
}

int main(void)
{
    const char *seed = getenv("RAGSTORE_CRASH_SEED");
    const char *times = getenv("RAGSTORE_CRASH_FACTOR");
    first_seed = seed != NULL ? strtoull(seed, NULL, 10) : 20260101;
    factor = times != NULL ? (unsigned)strtoul(times, NULL, 10) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_crash__record_chunks_rows_and_index_agree),
        cmocka_unit_test(vectors_crash__random_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, report);
}
