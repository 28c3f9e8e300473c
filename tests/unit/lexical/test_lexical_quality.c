/*
 * How good the ranking is: nDCG@10 on the Cranfield collection, read in place. Where the
 * collection is absent, only a few texts of our own are ranked.
 */
#include "lexical_fixture.h"

#include "base/bytes.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DOCUMENTS_MAX 2000
#define QUERIES_MAX 300

static struct {
    rsi_bytes queries[QUERIES_MAX];                     /* by id */
    unsigned char relevant[QUERIES_MAX][DOCUMENTS_MAX]; /* by id */
} collection;

static FILE *open_file(const char *name)
{
    const char *shared = getenv("RAGSTORE_SHARED_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/cranfield/%s", shared != NULL ? shared : "../shared/data",
             name);
    return fopen(path, "r");
}

/* Calls use(id, text) for each line {"id", "title"?, "text"}. */
static void each_text(const char *name, void (*use)(void *user, size_t id, const rsi_bytes *text),
                      void *user)
{
    FILE *file = open_file(name);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    assert_non_null(file);
    while ((length = getline(&line, &room, file)) > 0) {
        rsi_json *object;
        rsi_bytes text = {0};
        assert_int_equal(rsi_json_parse(&object, line, (size_t)length, RSI_JSON_DEPTH_REQUEST), 0);
        if (rsi_json_get_text(object, "title") != NULL)
            rsi_bytes_printf(&text, "%s ", rsi_json_get_text(object, "title"));
        rsi_bytes_append_text(&text, rsi_json_get_text(object, "text"));
        use(user, (size_t)strtoul(rsi_json_get_text(object, "id"), NULL, 10), &text);
        rsi_bytes_free(&text);
        rsi_json_free(object);
    }
    free(line);
    fclose(file);
}

static void keep_query(void *user, size_t id, const rsi_bytes *text)
{
    (void)user;
    assert_in_range(id, 1, QUERIES_MAX - 1);
    rsi_bytes_append(&collection.queries[id], text->data, text->size);
}

static void index_document(void *user, size_t id, const rsi_bytes *text)
{
    assert_in_range(id, 1, DOCUMENTS_MAX - 1);
    assert_int_equal(rsi_lexical_add(user, (int64_t)id, text->data, text->size), RAGSTORE_OK);
}

static void read_judgements(void)
{
    FILE *file = open_file("qrels.tsv");
    char line[256];
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned query;
        unsigned document;
        int grade;
        if (sscanf(line, "%u\t%u\t%d", &query, &document, &grade) == 3 && grade > 0 &&
            query < QUERIES_MAX && document < DOCUMENTS_MAX)
            collection.relevant[query][document] = 1;
    }
    fclose(file);
}

static double ndcg_of(const rsi_lexical *index, size_t query)
{
    const unsigned char *relevant = collection.relevant[query];
    size_t total = 0;
    double gain = 0;
    double best = 0;
    answer found = search(index, collection.queries[query].data, 10, NULL);
    for (size_t i = 0; i < DOCUMENTS_MAX; i++)
        total += relevant[i];
    for (size_t i = 0; i < 10 && i < total; i++)
        best += 1 / log2((double)i + 2);
    for (size_t i = 0; i < found.count; i++)
        gain += relevant[found.hits[i].chunk] / log2((double)i + 2);
    return best > 0 ? gain / best : -1;
}

static double mean_ndcg(const char *language)
{
    rsi_lexical *index = new_index(language);
    double sum = 0;
    double judged = 0;
    each_text("corpus.jsonl", index_document, index);
    for (size_t query = 0; query < QUERIES_MAX; query++) {
        if (collection.queries[query].size == 0)
            continue;
        double ndcg = ndcg_of(index, query);
        sum += ndcg >= 0 ? ndcg : 0;
        judged += ndcg >= 0;
    }
    rsi_lexical_free(index);
    assert_true(judged > 200);
    return sum / judged;
}

static void lexical_quality__reaches_the_reference_on_cranfield(void **state)
{
    (void)state;
    FILE *file = open_file("corpus.jsonl");
    if (file == NULL) {
        print_message("no Cranfield collection (RAGSTORE_SHARED_DATA): not measured\n");
        skip();
    }
    fclose(file);
    each_text("queries.jsonl", keep_query, NULL);
    read_judgements();
    assert_true(mean_ndcg("none") >= 0.349);
    assert_true(mean_ndcg("english") >= 0.376);
    assert_true(mean_ndcg("auto") >= 0.376);
    for (size_t query = 0; query < QUERIES_MAX; query++)
        rsi_bytes_free(&collection.queries[query]);
}

static void lexical_quality__prefers_rare_words_short_texts_and_repetition(void **state)
{
    (void)state;
    rsi_lexical *index = new_index("auto");
    add(index, 1, "the printer has paper and the printer has ink");
    add(index, 2, "paper, paper and more paper for the office, the archive and the workshop");
    add(index, 3, "ink");
    add(index, 4, "paper in the office");
    add(index, 5, "the toner cartridge of the printer in the office is empty");
    assert_int_equal(search(index, "toner for the printer", 1, NULL).hits[0].chunk, 5);
    assert_int_equal(search(index, "where is the ink?", 1, NULL).hits[0].chunk, 3);
    assert_int_equal(search(index, "papers", 1, NULL).hits[0].chunk, 2);
    rsi_lexical_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_quality__prefers_rare_words_short_texts_and_repetition),
        cmocka_unit_test(lexical_quality__reaches_the_reference_on_cranfield),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
