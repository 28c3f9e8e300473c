/* Compaction of vectors: the space comes back, the living stay, the dead do not. */
#include "peer.h"

#include <dirent.h>
#include <ftw.h>
#include <pthread.h>

#define DIMENSION 64
#define PER_DOCUMENT 50

/* The vector of a number: each other, and each nearest to itself. */
static void make_vector(float vector[DIMENSION], int64_t number)
{
    double length = 0;
    for (int i = 0; i < DIMENSION; i++) {
        uint64_t bits = ((uint64_t)number * DIMENSION + (uint64_t)i + 1) * 0x9E3779B97F4A7C15u;
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u; /* splitmix64 */
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
        vector[i] = (float)((double)((bits ^ bits >> 31) >> 40) / 16777216.0 - 0.5);
        length += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)((double)vector[i] / sqrt(length));
}

/* Add documents of PER_DOCUMENT chunks with the vectors first_number, …; their ids are kept by the
 * key "d<n>". */
static void add_vectors(ragstore_entity *entity, int64_t first_document, int64_t documents)
{
    float *vectors = malloc((size_t)PER_DOCUMENT * DIMENSION * sizeof *vectors);
    char *chunks = malloc(PER_DOCUMENT * 256);
    assert_non_null(vectors);
    assert_non_null(chunks);
    for (int64_t d = first_document; d < first_document + documents; d++) {
        char key[32];
        size_t size = 0;
        ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        snprintf(key, sizeof key, "d%d", (int)d);
        options.key = key;
        for (int64_t i = 0; i < PER_DOCUMENT; i++) {
            make_vector(vectors + i * DIMENSION, d * PER_DOCUMENT + i);
            size += (size_t)sprintf(chunks + size,
                                    "%c{\"text\":\"Passage %d of the logbook, written at the lamp "
                                    "while the wind came from the north-west.\"}",
                                    i == 0 ? '[' : ',', (int)(d * PER_DOCUMENT + i));
        }
        strcpy(chunks + size, "]");
        assert_ok(ragstore_document_add_chunks(NULL, entity, chunks, vectors, DIMENSION, &options));
    }
    free(vectors);
    free(chunks);
}

/* Delete those documents whose number leaves this remainder. */
static void delete_some(ragstore_entity *entity, int modulus, int remainder)
{
    size_t i;
    json_t *document;
    ragstore_list_options all = RAGSTORE_LIST_OPTIONS_INIT;
    json_t *documents = list_documents(entity, &all);
    json_array_foreach(documents, i, document)
    {
        const char *key = json_string_value(json_object_get(document, "key"));
        assert_non_null(key);
        if (atoi(key + 1) % modulus == remainder)
            assert_ok(ragstore_document_delete(
                entity, json_string_value(json_object_get(document, "doc_id"))));
    }
    json_decref(documents);
}

/* Each vector of a document that lives finds itself first; one of a deleted document finds none of
 * that document. Chunk numbers are those of the vectors: nothing else was added. */
static void expect_vectors(ragstore_entity *entity, int64_t documents, int modulus, int remainder)
{
    ragstore_index *index;
    assert_ok(ragstore_index_open(&index, entity));
    for (int64_t n = 0; n < documents * PER_DOCUMENT; n += 7) {
        float vector[DIMENSION];
        int64_t numbers[5];
        float scores[5];
        const int64_t document = n / PER_DOCUMENT;
        const bool lives = modulus == 0 || document % modulus != remainder;
        make_vector(vector, n);
        assert_ok(ragstore_index_search(numbers, scores, index, vector, 1, DIMENSION, 5));
        if (lives)
            assert_int_equal(numbers[0], n);
        for (int i = 0; i < 5 && modulus != 0; i++)
            assert_true(numbers[i] >= 0 && numbers[i] / PER_DOCUMENT % modulus != remainder);
        if (!lives)
            assert_fails(RAGSTORE_E_NOT_FOUND,
                         ragstore_index_vector(vector, index, n, DIMENSION));
    }
    ragstore_index_free(index);
}

/* ---- how large it is ---- */

static uint64_t total_bytes;

static int add_size(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)at;
    if (kind == FTW_F && strstr(path, "/uploads/") == NULL)
        total_bytes += (uint64_t)info->st_blocks * 512;
    return 0;
}

static uint64_t bytes_on_disk(void **state)
{
    total_bytes = 0;
    nftw(store_path(state), add_size, 16, FTW_PHYS);
    return total_bytes;
}

static uint64_t rows_bytes(void **state)
{
    char path[TEMPORARY_PATH_MAX + 128];
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/entity_scoped/entities/acme/vector_store", store_path(state));
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct stat info;
        if (strncmp(entry->d_name, "rows-", 5) == 0 &&
            fstatat(dirfd(directory), entry->d_name, &info, 0) == 0)
            bytes += (uint64_t)info.st_size;
    }
    closedir(directory);
    return bytes;
}

/* ---- tests ---- */

static void compact_vectors__half_deleted_is_half_the_space(void **state)
{
    enum { DOCUMENTS = 400 };
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "acme");
    add_vectors(entity, 0, DOCUMENTS);
    assert_ok(ragstore_store_compact(NULL, store, NULL));
    const uint64_t before = bytes_on_disk(state);
    expect_vectors(entity, DOCUMENTS, 0, 0);
    delete_some(entity, 2, 1);
    assert_ok(ragstore_store_compact(NULL, store, NULL));
    const uint64_t after = bytes_on_disk(state);
    if ((double)after > 0.55 * (double)before)
        fail_msg("%zu bytes of %zu", (size_t)after, (size_t)before);
    for (int again = 0; again < 2; again++) {
        expect_vectors(entity, DOCUMENTS, 2, 1);
        ragstore_entity_free(entity);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    /* what comes now has numbers of its own */
    add_vectors(entity, DOCUMENTS, 1);
    expect_vectors(entity, DOCUMENTS + 1, 2, 1);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void compact_vectors__upkeep_writes_wasteful_files_again_unasked(void **state)
{
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "acme");
    add_vectors(entity, 0, 40);
    assert_ok(ragstore_store_maintain(store, 60000));
    const uint64_t before = rows_bytes(state);
    delete_some(entity, 4, 1);
    assert_ok(ragstore_store_maintain(store, 60000));
    assert_int_equal(rows_bytes(state), before); /* a quarter is not worth it */
    delete_some(entity, 2, 0);
    assert_ok(ragstore_store_maintain(store, 60000));
    assert_true(rows_bytes(state) < before / 3);
    for (int i = 1; i < 40 * PER_DOCUMENT; i += 2 * PER_DOCUMENT) {
        ragstore_index *index;
        float vector[DIMENSION];
        int64_t number;
        float score;
        make_vector(vector, i + 2 * PER_DOCUMENT);
        assert_ok(ragstore_index_open(&index, entity));
        assert_ok(ragstore_index_search(&number, &score, index, vector, 1, DIMENSION, 1));
        assert_int_equal(number / PER_DOCUMENT % 4, 3);
        ragstore_index_free(index);
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void delete_first(ragstore_entity *entity, size_t count)
{
    json_t *documents = list_documents(entity, NULL);
    for (size_t i = 0; i < count; i++)
        assert_ok(ragstore_document_delete(
            entity,
            json_string_value(json_object_get(json_array_get(documents, i), "doc_id"))));
    json_decref(documents);
}

static void expect_from(ragstore_entity *entity, int64_t first, int64_t end)
{
    ragstore_index *index;
    assert_ok(ragstore_index_open(&index, entity));
    for (int64_t n = 0; n < end; n++) {
        float vector[PEER_DIMENSION];
        assert_int_equal(ragstore_index_vector(vector, index, n, PEER_DIMENSION),
                         n < first ? RAGSTORE_E_NOT_FOUND : RAGSTORE_OK);
    }
    ragstore_index_free(index);
}

/* Another process that has the old file mapped appends to the new one. No commit tells it that
 * there is one. */
static void compact_vectors__other_processes_go_on(void **state)
{
    enum { BEFORE = 500, DELETED = 400, AFTER = 5 };
    peer other;
    ragstore_store *store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    ragstore_entity *entity = make_entity(store, "acme");
    peer_start(&other, store_path(state), RAGSTORE_OPEN_NO_BACKGROUND);
    assert_int_equal(peer_do(&other, 'w', BEFORE), RAGSTORE_OK);
    const uint64_t before = rows_bytes(state);
    delete_first(entity, DELETED);
    for (int i = 0; rows_bytes(state) == before; i++) {
        assert_true(i < 100);
        assert_int_equal(peer_do(&other, 's', 0), 0); /* it opens the vectors */
        assert_ok(ragstore_store_maintain(store, 0));
    }
    assert_int_equal(peer_do(&other, 'w', AFTER), RAGSTORE_OK);
    assert_true(rows_bytes(state) < before / 2); /* behind the rows, not where they ended before */
    for (int again = 0; again < 2; again++) {
        expect_from(entity, DELETED, BEFORE + AFTER);
        ragstore_entity_free(entity);
        if (again == 0)
            peer_end(&other);
        store = reopen_store(store, state);
        entity = open_entity(store, "acme");
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- all at once ---- */

#define ROUNDS 30

typedef struct together {
    ragstore_store *store;
    ragstore_entity *entity;
    bool ends; /* atomic */
} together;

/* The first ten documents stay: each of their vectors is found first, whatever goes on. */
static void *keep_searching(void *user)
{
    together *with = user;
    ragstore_index *index;
    assert_ok(ragstore_index_open(&index, with->entity));
    for (int64_t n = 0; !__atomic_load_n(&with->ends, __ATOMIC_RELAXED);
         n = (n + 1) % (10 * PER_DOCUMENT)) {
        float vector[DIMENSION];
        int64_t number;
        float score;
        make_vector(vector, n);
        assert_ok(ragstore_index_search(&number, &score, index, vector, 1, DIMENSION, 1));
        assert_int_equal(number, n);
    }
    ragstore_index_free(index);
    return NULL;
}

static void *keep_compacting(void *user)
{
    together *with = user;
    while (!__atomic_load_n(&with->ends, __ATOMIC_RELAXED))
        assert_ok(ragstore_store_compact(NULL, with->store, NULL));
    return NULL;
}

static void delete_newest(ragstore_entity *entity, int keep)
{
    size_t i;
    json_t *document;
    json_t *documents = list_documents(entity, NULL);
    json_array_foreach(documents, i, document)
    {
        const char *key = json_string_value(json_object_get(document, "key"));
        if (key != NULL && atoi(key + 1) >= keep)
            assert_ok(ragstore_document_delete(
                entity, json_string_value(json_object_get(document, "doc_id"))));
    }
    json_decref(documents);
}

static void compact_vectors__beside_searches_adds_and_deletes(void **state)
{
    pthread_t threads[3];
    together with = {.store = open_store(state)};
    with.entity = make_entity(with.store, "acme");
    add_vectors(with.entity, 0, 10);
    pthread_create(&threads[0], NULL, keep_searching, &with);
    pthread_create(&threads[1], NULL, keep_searching, &with);
    pthread_create(&threads[2], NULL, keep_compacting, &with);
    for (int round = 0; round < ROUNDS; round++) {
        add_vectors(with.entity, 10 + 3 * round, 3);
        delete_newest(with.entity, 10);
    }
    __atomic_store_n(&with.ends, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    expect_vectors(with.entity, 10, 0, 0);
    json_t *described = describe_entity(with.entity);
    assert_number(described, "total_chunks", 10 * PER_DOCUMENT);
    json_decref(described);
    ragstore_entity_free(with.entity);
    assert_ok(ragstore_store_close(with.store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(compact_vectors__half_deleted_is_half_the_space),
        TEST(compact_vectors__upkeep_writes_wasteful_files_again_unasked),
        TEST(compact_vectors__other_processes_go_on),
        TEST(compact_vectors__beside_searches_adds_and_deletes),
    };
    return cmocka_run_group_tests_name("compact_vectors", tests, NULL, NULL);
}
