/* Projection, expressions, grouping, aggregation and distinct values. */
#include "query_fixture.h"

static const char *const documents[] = {
    "{'_id': 1, 'k': 'x', 'n': 1, 'o': {'p': 1, 'q': [1, 2]}, 'l': [{'m': 1}, {'m': 2}, 3]}",
    "{'_id': 2, 'k': 'y', 'n': 2.5, 'o': {'p': 2}, 'l': []}",
    "{'_id': 3, 'k': 'x', 'n': 'text', 'l': [{'m': 1, 'z': 0}]}",
    "{'_id': 4, 'n': 1.0, 'o': null}",
};
#define DOCUMENT_COUNT (sizeof documents / sizeof *documents)

static int append_line(void *user, const char *text, size_t size)
{
    rsi_bytes_append(user, text, size);
    rsi_bytes_append_char(user, ';');
    return RAGSTORE_OK;
}

static int run(rsi_bytes *out, const char *json, size_t size, size_t max_bytes)
{
    rsi_pipeline *pipeline;
    rsi_pipeline_run *going = NULL;

    int status = rsi_pipeline_compile_text(&pipeline, json, size);
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_start(&going, pipeline, max_bytes, append_line, out);
    for (size_t i = 0; status == RAGSTORE_OK && i < DOCUMENT_COUNT; i++) {
        const char *text = quoted(documents[i]);
        if (rsi_pipeline_wants_more(going))
            status = rsi_pipeline_feed(going, text, strlen(text));
    }
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_finish(going);
    rsi_pipeline_stop(going);
    rsi_pipeline_free(pipeline);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

static void query_pipeline__passes_documents_through_its_stages(void **state)
{
    static const char *const examples[][2] = {
        {"[{'$match': {'k': 'x'}}, {'$count': 'c'}]", "{'c':2};"},
        {"[{'$match': {'k': 'w'}}, {'$count': 'c'}]", ""},
        {"[{'$skip': 1}, {'$limit': 2}, {'$project': {'n': 1}}]",
         "{'_id':2,'n':2.5};{'_id':3,'n':'text'};"},
        {"[{'$sort': {'n': -1}}, {'$limit': 2}, {'$project': {'_id': 1}}]", "{'_id':3};{'_id':2};"},
        {"[{'$group': {'_id': '$k', 'c': {'$sum': 1}, 's': {'$sum': '$n'}, 'a': {'$avg': '$n'}, "
         "'i': {'$min': '$n'}, 'x': {'$max': '$n'}}}]",
         "{'_id':'x','c':2,'s':1,'a':1.0,'i':1,'x':'text'};"
         "{'_id':'y','c':1,'s':2.5,'a':2.5,'i':2.5,'x':2.5};"
         "{'_id':null,'c':1,'s':1.0,'a':1.0,'i':1.0,'x':1.0};"},
        {"[{'$group': {'_id': {'$literal': '$k'}, 'p': {'$push': '$o.p'}, "
         "'t': {'$addToSet': '$n'}, 'w': {'$push': {'a': '$n', 'b': '$z'}}}}, "
         "{'$project': {'w': 0}}]",
         "{'_id':'$k','p':[1,2],'t':[1,2.5,'text']};"},
        {"[{'$match': {'_id': 1}}, {'$project': {'_id': 0, 'm': '$l.m', 'q': '$o.q', "
         "'c': {'$literal': [1]}, 'no': '$a.b', 'e': {'y': '$n'}}}]",
         "{'m':[1,2],'q':[1, 2],'c':[1],'e':{'y':1}};"},
        {"[]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rsi_bytes out = {0};
        const char *json = quoted(examples[i][0]);
        if (run(&out, json, strlen(json), 0) != RAGSTORE_OK)
            fail_msg("%s: %s", examples[i][0], rsi_error_message());
        const char *got = out.data != NULL ? out.data : "";
        if (examples[i][1] != NULL && strcmp(got, quoted(examples[i][1])) != 0)
            fail_msg("%s: %s", examples[i][0], got);
        rsi_bytes_free(&out);
    }
}

static void query_pipeline__refuses_with_the_place(void **state)
{
    static const char *const refused[][2] = {
        {"{}", "an array of at most"},
        {"[1]", "at [0]: a stage is"},
        {"[{}]", "at [0]: a stage is"},
        {"[{'$skip': 0}, {'$unwind': '$a'}]", "at [1].$unwind: no stage"},
        {"[{'$match': {'a': {'$gx': 1}}}]", "at [0].$match: query: at a.$gx"},
        {"[{'$limit': 0}]", "at [0].$limit: it needs a whole number from 1"},
        {"[{'$skip': -1}]", "at [0].$skip"},
        {"[{'$skip': 1.5}]", "at [0].$skip"},
        {"[{'$count': ''}]", "at [0].$count"},
        {"[{'$count': 'a.b'}]", "at [0].$count"},
        {"[{'$sort': {'a': 0}}]", "at [0].$sort.a"},
        {"[{'$group': {'a': {'$sum': 1}}}]", "at [0].$group: it needs an object with an _id"},
        {"[{'$group': {'_id': 1, 'a': 1}}]", "at [0].$group.a: it needs an object of one"},
        {"[{'$group': {'_id': 1, 'a': {'$first': 1}}}]", "at [0].$group.a.$first: no accumulator"},
        {"[{'$group': {'_id': 1, 'a.b': {'$sum': 1}}}]", "at [0].$group.a.b: a name"},
        {"[{'$group': {'_id': {'$add': [1, 2]}}}]", "at [0].$group._id.$add: no expression"},
        {"[{'$group': {'_id': '$$x'}}]", "no variable"},
        {"[{'$project': {}}]", "at [0].$project"},
        {"[{'$project': {'a': 1, 'b': 0}}]", "at [0].$project.b: members cannot"},
        {"[{'$project': {'a.b': '$c'}}]", "at [0].$project.a.b: it needs 1 or 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rsi_pipeline *pipeline;
        const char *json = quoted(refused[i][0]);
        assert_says(rsi_pipeline_compile_text(&pipeline, json, strlen(json)), RAGSTORE_E_QUERY,
                    refused[i][0], refused[i][1]);
        assert_null(pipeline);
    }
}

static void query_pipeline__keeps_to_its_memory(void **state)
{
    static const char *const stages[] = {"[{'$sort': {'n': 1}}]",
                                         "[{'$group': {'_id': '$_id', 'a': {'$push': '$l'}}}]"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rsi_bytes out = {0};
        const char *json = quoted(stages[i]);
        assert_int_equal(run(&out, json, strlen(json), 100), RAGSTORE_E_TOO_LARGE);
        rsi_bytes_free(&out);
    }
}

static int run_all(void *user)
{
    rsi_bytes out = {0};
    const char *json =
        quoted("[{'$match': {'_id': {'$gt': 0}}}, {'$sort': {'k': 1}}, {'$project': {'z': 0}}, "
               "{'$group': {'_id': {'k': '$k'}, 'p': {'$push': '$l.m'}, 's': {'$addToSet': '$n'}, "
               "'x': {'$max': '$o'}}}, {'$project': {'p': 1, 'y': '$s'}}, {'$count': 'c'}]");
    (void)user;

    int status = run(&out, json, strlen(json), 0);
    rsi_bytes_free(&out);
    return status;
}

static void query_pipeline__survives_each_failing_allocation(void **state)
{
    (void)state;
    fail_each_allocation(run_all, NULL);
}

static void query_projection__tells_or_leaves_out(void **state)
{
    static const char *const document =
        "{'_id': 1, 'a': {'b': 1, 'c': 2}, 'l': [{'b': 1, 'c': 2}, [{'b': 3}], 4], 'z\\n': 5}";
    static const char *const examples[][2] = {
        {"{}", "{'_id':1,'a':{'b': 1, 'c': 2},'l':[{'b': 1, 'c': 2}, [{'b': 3}], 4],'z\\n':5}"},
        {"{'a': 1}", "{'_id':1,'a':{'b': 1, 'c': 2}}"},
        {"{'a.b': true, '_id': 0}", "{'a':{'b':1}}"},
        {"{'a': {'b': 1}, '_id': 0}", "{'a':{'b':1}}"},
        {"{'l.b': 1, '_id': false}", "{'l':[{'b':1},[{'b':3}]]}"},
        {"{'l.b': 0, 'a': 0}", "{'_id':1,'l':[{'c':2},[{}],4],'z\\n':5}"},
        {"{'_id': 1}", "{'_id':1}"},
        {"{'_id': 0, 'l': 0, 'a.b.x': 0}", "{'a':{'b':1,'c':2},'z\\n':5}"},
        {"{'z\\n': 1, 'a.b.c': 1}", "{'_id':1,'a':{},'z\\n':5}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        rsi_projection *projection;
        rsi_json_view view;
        rsi_bytes out = {0};
        const char *json = quoted(examples[i][0]);
        const char *text = quoted(document);
        assert_int_equal(rsi_json_view_of_text(&view, text, strlen(text)), RAGSTORE_OK);
        if (rsi_projection_compile_text(&projection, json, strlen(json)) != RAGSTORE_OK)
            fail_msg("%s: %s", json, rsi_error_message());
        assert_int_equal(rsi_projection_write(&out, projection, &view), RAGSTORE_OK);
        if (strcmp(out.data, quoted(examples[i][1])) != 0)
            fail_msg("%s: %s", json, out.data);
        rsi_bytes_free(&out);
        rsi_projection_free(projection);
    }
}

static void query_projection__refuses_with_the_place(void **state)
{
    static const char *const refused[][2] = {
        {"[]", "a projection must be an object"},
        {"{'a': 'x'}", "at a: it needs 1 or 0"},
        {"{'a': 1, 'b': 0}", "at b: members"},
        {"{'a': 1, 'a.b': 1}", "at a.b: this path"},
        {"{'a.b': 1, 'a': 1}", "at a: this path"},
        {"{'a': {'$slice': 1}}", "at a: it needs 1 or 0"},
        {"{'a': {}}", "at a: an empty object"},
        {"{'': 1}", "a name that is empty"},
        {"{'a.$': 1}", "begins with $"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        rsi_projection *projection;
        const char *json = quoted(refused[i][0]);
        assert_says(rsi_projection_compile_text(&projection, json, strlen(json)), RAGSTORE_E_QUERY,
                    refused[i][0], refused[i][1]);
        assert_null(projection);
    }
}

static int take_distinct(void *user)
{
    rsi_bytes *out = user;
    rsi_distinct *distinct;

    int status = rsi_distinct_new(&distinct, "n", 1, 0);
    for (size_t i = 0; status == RAGSTORE_OK && i < DOCUMENT_COUNT; i++) {
        const char *text = quoted(documents[i]);
        rsi_json_view view;
        assert_int_equal(rsi_json_view_of_text(&view, text, strlen(text)), RAGSTORE_OK);
        status = rsi_distinct_add(distinct, &view);
    }
    rsi_bytes_clear(out);
    if (status == RAGSTORE_OK)
        status = rsi_distinct_write(out, distinct);
    rsi_distinct_free(distinct);
    return status;
}

static int take_distinct_alone(void *user)
{
    rsi_bytes out = {0};
    (void)user;
    int status = take_distinct(&out);
    rsi_bytes_free(&out);
    return status;
}

static void query_distinct__tells_each_value_once(void **state)
{
    rsi_bytes out = {0};
    (void)state;
    assert_int_equal(take_distinct(&out), RAGSTORE_OK);
    assert_string_equal(out.data, "[1,2.5,\"text\"]");
    rsi_bytes_free(&out);
    fail_each_allocation(take_distinct_alone, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_pipeline__passes_documents_through_its_stages),
        cmocka_unit_test(query_pipeline__refuses_with_the_place),
        cmocka_unit_test(query_pipeline__keeps_to_its_memory),
        cmocka_unit_test(query_pipeline__survives_each_failing_allocation),
        cmocka_unit_test(query_projection__tells_or_leaves_out),
        cmocka_unit_test(query_projection__refuses_with_the_place),
        cmocka_unit_test(query_distinct__tells_each_value_once),
    };
    return cmocka_run_group_tests_name("query/pipeline", tests, NULL, NULL);
}
