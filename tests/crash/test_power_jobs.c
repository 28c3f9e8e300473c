/*
 * The power is cut before every operation of a store with jobs, and what is left is opened and
 * worked on: each job that was acknowledged ends as it must, each that is done has made its
 * document once, and an entity that is embedded again has all vectors of one model.
 *
 *   steps ─► store ─► power_disk ─► hook: cut ─► another store opens the copy, works, is compared
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
#include "entities/catalog.h"
#include "files/paths.h"
#include "ingest/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACME "acme"
#define JOBS_MAX 16

static uint64_t first_seed;
static unsigned factor = 1;
static uint64_t all_states;

/* A job as its submitter knows it. */
typedef struct known_job {
    char id[RSI_JOB_ID_MAX];
    char name; /* of its document; 0: a reembed */
    bool may_be_done;
    bool may_be_cancelled;
} known_job;

typedef struct world {
    power_disk *disk;
    rsi_store *store;
    rsi_embedder *models[2];
    unsigned model; /* that the store is opened with */
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    known_job jobs[JOBS_MAX]; /* acknowledged */
    size_t count;
    char under_way; /* a letter that is being submitted; '*': a reembed; 0: none */
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

static int open_on(rsi_store **out, power_disk *disk, rsi_embedder *model)
{
    const rsi_store_options options = {.storage = {.durability = RAGSTORE_DURABILITY_FULL,
                                                   .files = power_disk_table(disk)},
                                       .memory_limit_bytes = UINT64_C(1) << 28,
                                       .embedder = model,
                                       .run_job = rsi_ingest_run_job};
    return rsi_store_open(out, "/store", &options);
}

static int work(rsi_store *store)
{
    bool did = true;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && did)
        status = rsi_jobs_step(store->jobs, &did);
    return status;
}

/* ---- what must be there ---- */

static bool is_file(char name)
{
    return name >= 'T';
}

static const known_job *find_known(const world *in, const char *id)
{
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->jobs[i].id, id) == 0)
            return &in->jobs[i];
    return NULL;
}

static char name_of(const rsi_json *job)
{
    const char *filename = rsi_json_get_text(job, "filename");
    return filename == NULL ? '*' : filename[0];
}

/* Has it ended as it may? Then `made` has its document. */
static bool check_job(world *in, const rsi_json *job, char made[64])
{
    const char *id = rsi_json_get_text(job, "job_id");
    const char *state = rsi_json_get_text(job, "state");
    const known_job *known = find_known(in, id);
    const bool done = strcmp(state, "done") == 0;
    if (known == NULL && name_of(job) != in->under_way)
        return wrong(in, "nobody submitted the job of %c", name_of(job));
    if (known != NULL && !(done ? known->may_be_done
                                : known->may_be_cancelled && strcmp(state, "cancelled") == 0))
        return wrong(in, "the job of %c is %s", known->name, state);
    if (known == NULL && !done)
        return wrong(in, "the job of %c, which nobody cancelled, is %s", name_of(job), state);
    if (done && name_of(job) != '*')
        snprintf(made + strlen(made), 2, "%c", name_of(job));
    return true;
}

static bool check_jobs(world *in, rsi_store *store, char made[64])
{
    rsi_bytes text = {0};
    rsi_json *list = NULL;
    size_t known = 0;
    bool good = rsi_job_list(&text, store->jobs, NULL, UINT64_MAX, 0) == RAGSTORE_OK &&
                rsi_json_parse(&list, text.data, text.size, 32) == RAGSTORE_OK;
    if (!good)
        wrong(in, "list the jobs: %s", rsi_error_message());
    const rsi_json *jobs = rsi_json_get(list, "jobs");
    for (size_t i = rsi_json_count(jobs); good && i > 0; i--) {
        const rsi_json *job = rsi_json_at(jobs, i - 1);
        known += find_known(in, rsi_json_get_text(job, "job_id")) != NULL;
        good = check_job(in, job, made);
    }
    if (good && known != in->count)
        good = wrong(in, "%zu of %zu acknowledged jobs are there", known, in->count);
    if (good && rsi_json_count(jobs) > in->count + (in->under_way != 0))
        good = wrong(in, "there are %zu jobs", rsi_json_count(jobs));
    rsi_json_free(list);
    rsi_bytes_free(&text);
    return good;
}

static int compare_letters(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

static bool check_documents(world *in, rsi_store *store, char made[64])
{
    rsi_bytes text = {0};
    rsi_json *list = NULL;
    char found[64] = "";
    int status =
        rsi_document_list(&text, store, ACME, in->incarnation, UINT64_MAX, 0, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&list, text.data, text.size, 32);
    for (size_t i = 0; status == RAGSTORE_OK && i < rsi_json_count(list) && i < 60; i++)
        snprintf(found + i, 2, "%c", name_of(rsi_json_at(list, i)));
    rsi_json_free(list);
    rsi_bytes_free(&text);
    if (status != RAGSTORE_OK)
        return wrong(in, "list the documents: %s", rsi_error_message());
    qsort(found, strlen(found), 1, compare_letters);
    qsort(made, strlen(made), 1, compare_letters);
    return strcmp(found, made) == 0 ||
           wrong(in, "the documents are \"%s\", of the jobs \"%s\"", found, made);
}

static int count_file(void *user, const char *name)
{
    (void)name;
    ++*(size_t *)user;
    return 0;
}

/* Each file that was uploaded, and nothing that a job left. */
static bool check_files(world *in, rsi_store *store, const char *made)
{
    size_t files = 0;
    size_t expected = 0;
    for (const char *at = made; *at != '\0'; at++)
        expected += is_file(*at);
    int status = rsi_directory_names(rsi_storage_root(store->storage), rsi_path_uploads(ACME).text,
                                     count_file, &files);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_NOT_FOUND)
        return wrong(in, "list uploads/: %s", rsi_error_message());
    return files == expected || wrong(in, "%zu files for \"%s\"", files, made);
}

/* Every chunk has a vector of the model that the entity names, which is the store's after a
 * reembed. */
static bool check_vectors(world *in, rsi_store *store, bool reembedded)
{
    rsi_entity_record entity;
    rsi_catalog *catalog = NULL;
    rsi_bitset missing = {0};
    int status = rsi_entity_read(&entity, store, ACME, in->incarnation);
    if (status != RAGSTORE_OK)
        return wrong(in, "read the entity: %s", rsi_error_message());
    const bool has = entity.embedder != NULL;
    const bool is_ours =
        has && strcmp(entity.embedder, rsi_embedder_fingerprint(in->models[in->model])) == 0;
    bool good = !reembedded || is_ours || entity.next_row == 0 ||
                wrong(in, "the entity has vectors of %s", has ? entity.embedder : "nothing");
    if (good && has)
        status = rsi_catalog_acquire(&catalog, store, ACME, in->incarnation);
    if (status == RAGSTORE_OK && catalog != NULL && catalog->rows != NULL)
        status = rsi_rows_missing(&missing, catalog->rows, &catalog->alive);
    if (status != RAGSTORE_OK)
        good = wrong(in, "look at the vectors: %s", rsi_error_message());
    else if (missing.count > 0 ||
             (catalog != NULL && catalog->alive.count > 0 && catalog->rows == NULL))
        good = wrong(in, "vectors are missing");
    rsi_bitset_free(&missing);
    rsi_catalog_release(store, catalog);
    rsi_entity_record_free(&entity);
    return good;
}

/* A reembed that was acknowledged is done by now. */
static bool has_reembedded(const world *in)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->jobs[i].name == '*')
            return true;
    return false;
}

/* Takes the disk. */
static void check_disk(world *in, power_disk *disk)
{
    rsi_store *store;
    char made[64] = "";
    all_states++;
    if (open_on(&store, disk, in->models[in->model]) != RAGSTORE_OK) {
        wrong(in, "open: %s", rsi_error_message());
        power_disk_free(disk);
        return;
    }
    bool good = work(store) == RAGSTORE_OK || wrong(in, "work: %s", rsi_error_message());
    good = good && check_jobs(in, store, made) && check_documents(in, store, made) &&
           check_files(in, store, made);
    if (good)
        check_vectors(in, store, has_reembedded(in));
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
            snprintf(in->failure, sizeof in->failure, "operation %llu, %s: %.700s",
                     (unsigned long long)operation, killed ? "killed" : "cut", text);
        }
    }
    rsi_error_restore(&error);
}

/* ---- the steps ---- */

static int submit_file(char id[RSI_JOB_ID_MAX], world *in, const rsi_document_fields *fields)
{
    rsi_upload *upload;
    char text[64];
    snprintf(text, sizeof text, "%s is a file about granite.", fields->filename);
    int status = rsi_upload_begin(&upload, in->store, ACME, in->incarnation, fields);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_upload_write(upload, text, strlen(text));
    if (status == RAGSTORE_OK)
        return rsi_upload_submit(id, upload);
    rsi_upload_abort(upload);
    return status;
}

static int submit_chunks(char id[RSI_JOB_ID_MAX], world *in, const rsi_document_fields *fields)
{
    char json[128];
    snprintf(json, sizeof json,
             "[{\"text\":\"%s one\"},{\"text\":\"%s two\"},{\"text\":\"three\"}]", fields->filename,
             fields->filename);
    return rsi_chunks_submit(id, in->store, ACME, in->incarnation, json, NULL, 0, fields);
}

static int submit(world *in, char name)
{
    char filename[2] = {name, '\0'};
    const rsi_document_fields fields = {.filename = filename};
    known_job *job = &in->jobs[in->count];
    in->under_way = name;
    int status = name == '*'     ? rsi_reembed_submit(job->id, in->store, ACME, in->incarnation)
                 : is_file(name) ? submit_file(job->id, in, &fields)
                                 : submit_chunks(job->id, in, &fields);
    in->under_way = 0;
    job->name = name;
    job->may_be_done = true;
    in->count++;
    return status;
}

static int cancel_last(world *in)
{
    known_job *job = &in->jobs[in->count - 1];
    job->may_be_cancelled = true;
    int status = rsi_job_cancel(in->store->jobs, job->id);
    job->may_be_done = false;
    return status;
}

static int open_again(world *in)
{
    int status = rsi_store_close(in->store);
    rsi_store_free(in->store);
    in->store = NULL;
    return status == RAGSTORE_OK ? open_on(&in->store, in->disk, in->models[in->model]) : status;
}

/* A letter submits the document of that name, chunks or, from 'T', a file; '*' a reembed; '-'
 * cancels what was submitted last; '.' works; '<' closes and opens; '%' goes on with the other
 * model. */
static int do_step(world *in, char what)
{
    switch (what) {
    case '-':
        return cancel_last(in);
    case '.':
        return work(in->store);
    case '%':
        in->model = 1 - in->model;
        return open_again(in);
    case '<':
        return open_again(in);
    default:
        return submit(in, what);
    }
}

static void run(const char *steps, unsigned choices, uint64_t seed)
{
    const rsi_entity_fields fields = {.name = "Acme"};
    world in = {.disk = power_disk_new(), .seed = seed, .choices = choices};
    assert_int_equal(rsi_embedder_open_hashing(&in.models[0], 16), 0);
    assert_int_equal(rsi_embedder_open_hashing(&in.models[1], 24), 0);
    assert_int_equal(open_on(&in.store, in.disk, in.models[0]), 0);
    assert_int_equal(rsi_entity_create(in.incarnation, in.store, ACME, &fields), 0);
    power_disk_hook(in.disk, cut, &in);
    for (const char *at = steps; *at != '\0' && in.failure[0] == '\0'; at++)
        if (do_step(&in, *at) != RAGSTORE_OK)
            wrong(&in, "step %c: %s", *at, rsi_error_message());
    power_disk_hook(in.disk, NULL, NULL);
    rsi_store_close(in.store);
    rsi_store_free(in.store);
    power_disk_free(in.disk);
    rsi_embedder_release(in.models[0]);
    rsi_embedder_release(in.models[1]);
    if (in.failure[0] != '\0')
        fail_msg("seed %llu, \"%s\": %s", (unsigned long long)seed, steps, in.failure);
}

static void jobs_crash__leaves_documents_whole_or_absent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < factor; i++) {
        run("TA.", 3, first_seed + i);
        run("UBT..<A.", 2, first_seed + i);
    }
}

static void jobs_crash__leaves_nothing_of_what_was_cancelled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < factor; i++)
        run("T-A-U.B-V.", 2, first_seed + i);
}

static void jobs_crash__leaves_vectors_of_one_model(void **state)
{
    (void)state;
    for (unsigned i = 0; i < factor; i++)
        run("TAU.%*.B.", 2, first_seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_crash__leaves_documents_whole_or_absent),
        cmocka_unit_test(jobs_crash__leaves_nothing_of_what_was_cancelled),
        cmocka_unit_test(jobs_crash__leaves_vectors_of_one_model),
    };
    const char *seed = getenv("RAGSTORE_CRASH_SEED");
    const char *longer = getenv("RAGSTORE_CRASH_FACTOR");
    first_seed = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    factor = longer == NULL ? 1 : (unsigned)strtoul(longer, NULL, 10);
    const int failed = cmocka_run_group_tests_name("power_jobs", tests, NULL, NULL);
    printf("%llu states, seed %llu\n", (unsigned long long)all_states,
           (unsigned long long)first_seed);
    return failed;
}
