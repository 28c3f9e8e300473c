/*
 * Aggregation: see pipeline.h.
 *
 * A run has a state for each stage. A document that passes a stage is handed to the next one;
 * behind the last stands the caller's function. At the end the stages that hold something back let
 * go of it, from the first to the last.
 */
#include "query/pipeline.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/group.h"
#include "query/ordering.h"
#include "query/projection.h"

#include <inttypes.h>
#include <string.h>

typedef enum stage_kind {
    STAGE_MATCH,
    STAGE_PROJECT,
    STAGE_SORT,
    STAGE_SKIP,
    STAGE_LIMIT,
    STAGE_GROUP,
    STAGE_COUNT,
} stage_kind;

typedef struct stage {
    stage_kind kind;
    rsi_predicate *predicate;
    rsi_projection *projection;
    rsi_ordering *ordering;
    rsi_grouping *grouping;
    uint64_t number; /* SKIP, LIMIT; SORT: of a $limit right behind it, or 0 */
    char *name;      /* COUNT */
} stage;

struct rsi_pipeline {
    stage *stages;
    size_t count;
};

typedef struct stage_state {
    uint64_t seen; /* SKIP, LIMIT, COUNT */
    rsi_sorter *sorter;
    rsi_groups *groups;
    rsi_bytes text; /* PROJECT */
} stage_state;

struct rsi_pipeline_run {
    const rsi_pipeline *pipeline;
    stage_state *states;
    rsi_pipeline_emit *emit;
    void *user;
};

/* ---- compiling ---- */

static void release_stage(stage *released)
{
    rsi_predicate_free(released->predicate);
    rsi_projection_free(released->projection);
    rsi_ordering_free(released->ordering);
    rsi_grouping_free(released->grouping);
    rsi_free(released->name);
}

void rsi_pipeline_free(rsi_pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    for (size_t i = 0; i < pipeline->count; i++)
        release_stage(&pipeline->stages[i]);
    rsi_free(pipeline->stages);
    rsi_free(pipeline);
}

static int compile_number(stage *made, const rsi_json *value, int64_t least, const rsi_place *place)
{
    double real = rsi_json_number(value, -1);
    int64_t number = rsi_json_integer(value, -1);

    if (!rsi_json_is_integer(value) && real >= 0 && real < 1e15)
        number = (int64_t)real;
    if (number < least || (!rsi_json_is_integer(value) && (double)number != real))
        return rsi_place_refuse(place, "it needs a whole number from %" PRId64 " on", least);
    made->number = (uint64_t)number;
    return RAGSTORE_OK;
}

static int compile_count(stage *made, const rsi_json *value, const rsi_place *place)
{
    const char *name = rsi_json_text(value);

    if (name == NULL || name[0] == '\0' || name[0] == '$' || strchr(name, '.') != NULL)
        return rsi_place_refuse(place, "it needs the name of a member");
    made->name = rsi_strdup(name);
    return made->name != NULL ? RAGSTORE_OK : RAGSTORE_E_NO_MEMORY;
}

static int compile_project(stage *made, const rsi_json *value, const rsi_place *place)
{
    if (!rsi_json_is_object(value) || rsi_json_count(value) == 0)
        return rsi_place_refuse(place, "it needs an object of members");
    return rsi_projection_compile(&made->projection, value, true, place);
}

static int compile_stage(stage *made, const char *name, const rsi_json *value,
                         const rsi_place *place)
{
    static const struct {
        const char *name;
        stage_kind kind;
    } kinds[] = {{"$match", STAGE_MATCH}, {"$project", STAGE_PROJECT}, {"$sort", STAGE_SORT},
                 {"$skip", STAGE_SKIP},   {"$limit", STAGE_LIMIT},     {"$group", STAGE_GROUP},
                 {"$count", STAGE_COUNT}};
    size_t found = 0;

    while (found < sizeof kinds / sizeof *kinds && strcmp(name, kinds[found].name) != 0)
        found++;
    if (found == sizeof kinds / sizeof *kinds)
        return rsi_place_refuse(place, "no stage of this name is known");
    made->kind = kinds[found].kind;
    switch (made->kind) {
    case STAGE_MATCH:
        return rsi_place_wrap(place, rsi_predicate_compile(&made->predicate, value));
    case STAGE_PROJECT:
        return compile_project(made, value, place);
    case STAGE_SORT:
        return rsi_ordering_compile(&made->ordering, value, place);
    case STAGE_SKIP:
        return compile_number(made, value, 0, place);
    case STAGE_LIMIT:
        return compile_number(made, value, 1, place);
    case STAGE_GROUP:
        return rsi_grouping_compile(&made->grouping, value, place);
    case STAGE_COUNT:
        break;
    }
    return compile_count(made, value, place);
}

static int compile_stages(rsi_pipeline *made, const rsi_json *stages)
{
    size_t count = rsi_json_count(stages);
    int status = RAGSTORE_OK;

    made->stages = rsi_alloc_array(count, sizeof *made->stages);
    if (made->stages == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_place place = rsi_place_element(NULL, i);
        void *iterator = NULL;
        const char *name;
        rsi_json *value;
        if (rsi_json_count(rsi_json_at(stages, i)) != 1 ||
            !rsi_json_each(rsi_json_at(stages, i), &iterator, &name, &value))
            return rsi_place_refuse(&place, "a stage is an object of one operator");
        rsi_place inner = rsi_place_member(&place, name);
        status = compile_stage(&made->stages[made->count++], name, value, &inner);
    }
    for (size_t i = 1; i < made->count; i++)
        if (made->stages[i].kind == STAGE_LIMIT && made->stages[i - 1].kind == STAGE_SORT)
            made->stages[i - 1].number = made->stages[i].number;
    return status;
}

int rsi_pipeline_compile(rsi_pipeline **out, const rsi_json *stages)
{
    *out = NULL;
    if (!rsi_json_is_array(stages) || rsi_json_count(stages) > RSI_PIPELINE_STAGES_MAX)
        return rsi_fail(RAGSTORE_E_QUERY, "query",
                        "pipeline: it must be an array of at most %d "
                        "stages",
                        RSI_PIPELINE_STAGES_MAX);
    rsi_pipeline *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = compile_stages(made, stages);
    if (status != RAGSTORE_OK) {
        rsi_pipeline_free(made);
        return rsi_wrap(status, "pipeline");
    }
    *out = made;
    return RAGSTORE_OK;
}

int rsi_pipeline_compile_text(rsi_pipeline **out, const char *json, size_t size)
{
    rsi_json *stages;

    *out = NULL;
    int status = rsi_json_parse(&stages, json, size, RSI_QUERY_DEPTH);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "pipeline");
    status = rsi_pipeline_compile(out, stages);
    rsi_json_free(stages);
    return status;
}

const rsi_predicate *rsi_pipeline_first_match(const rsi_pipeline *pipeline)
{
    return pipeline->count > 0 ? pipeline->stages[0].predicate : NULL;
}

/* ---- running ---- */

static int pass(rsi_pipeline_run *run, size_t at, const char *text, size_t size);

typedef struct onward {
    rsi_pipeline_run *run;
    size_t at;
} onward;

static int pass_onward(void *user, const char *text, size_t size)
{
    const onward *to = user;
    return pass(to->run, to->at, text, size);
}

static int pass_projected(rsi_pipeline_run *run, size_t at, const rsi_json_view *document)
{
    rsi_bytes *text = &run->states[at].text;

    rsi_bytes_clear(text);
    int status = rsi_projection_write(text, run->pipeline->stages[at].projection, document);
    return status == RAGSTORE_OK ? pass(run, at + 1, text->data, text->size) : status;
}

/* To the stage `at`, or out behind the last one. */
static int pass(rsi_pipeline_run *run, size_t at, const char *text, size_t size)
{
    rsi_json_view document;
    bool matched;

    if (at == run->pipeline->count)
        return run->emit(run->user, text, size);
    const stage *now = &run->pipeline->stages[at];
    stage_state *state = &run->states[at];
    int status = rsi_json_view_of_text(&document, text, size);
    if (status != RAGSTORE_OK)
        return status;
    switch (now->kind) {
    case STAGE_MATCH:
        status = rsi_predicate_match_view(&matched, now->predicate, &document);
        return status == RAGSTORE_OK && matched ? pass(run, at + 1, text, size) : status;
    case STAGE_PROJECT:
        return pass_projected(run, at, &document);
    case STAGE_SORT:
        return rsi_sorter_add(state->sorter, text, size);
    case STAGE_SKIP:
        return state->seen++ < now->number ? RAGSTORE_OK : pass(run, at + 1, text, size);
    case STAGE_LIMIT:
        return state->seen++ < now->number ? pass(run, at + 1, text, size) : RAGSTORE_OK;
    case STAGE_GROUP:
        return rsi_groups_add(state->groups, &document);
    case STAGE_COUNT:
        break;
    }
    state->seen++;
    return RAGSTORE_OK;
}

bool rsi_pipeline_wants_more(const rsi_pipeline_run *run)
{
    for (size_t i = 0; i < run->pipeline->count; i++) {
        const stage *now = &run->pipeline->stages[i];
        if (now->kind == STAGE_LIMIT && run->states[i].seen >= now->number)
            return false;
    }
    return true;
}

int rsi_pipeline_feed(rsi_pipeline_run *run, const char *text, size_t size)
{
    return pass(run, 0, text, size);
}

static int let_go_of_sorted(rsi_pipeline_run *run, size_t at)
{
    rsi_slice text;
    int status = RAGSTORE_OK;

    while (status >= 0 && rsi_sorter_next(run->states[at].sorter, &text))
        status = pass(run, at + 1, text.data, text.size);
    return status;
}

static int let_go_of_count(rsi_pipeline_run *run, size_t at)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);

    if (run->states[at].seen == 0)
        return RAGSTORE_OK;
    rsi_json_begin_object(&writer);
    rsi_json_put_integer(&writer, run->pipeline->stages[at].name, (int64_t)run->states[at].seen);
    rsi_json_end_object(&writer);
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = pass(run, at + 1, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

int rsi_pipeline_finish(rsi_pipeline_run *run)
{
    int status = RAGSTORE_OK;

    for (size_t i = 0; status >= 0 && i < run->pipeline->count; i++) {
        onward to = {run, i + 1};
        if (run->states[i].sorter != NULL)
            status = let_go_of_sorted(run, i);
        else if (run->states[i].groups != NULL)
            status = rsi_groups_tell(run->states[i].groups, pass_onward, &to);
        else if (run->pipeline->stages[i].kind == STAGE_COUNT)
            status = let_go_of_count(run, i);
    }
    return status < 0 ? status : RAGSTORE_OK;
}

void rsi_pipeline_stop(rsi_pipeline_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; run->states != NULL && i < run->pipeline->count; i++) {
        rsi_sorter_free(run->states[i].sorter);
        rsi_groups_free(run->states[i].groups);
        rsi_bytes_free(&run->states[i].text);
    }
    rsi_free(run->states);
    rsi_free(run);
}

int rsi_pipeline_start(rsi_pipeline_run **out, const rsi_pipeline *pipeline, size_t max_bytes,
                       rsi_pipeline_emit *emit, void *user)
{
    int status = RAGSTORE_OK;

    *out = NULL;
    rsi_pipeline_run *run = rsi_alloc_zeroed(sizeof *run);
    if (run == NULL)
        return RAGSTORE_E_NO_MEMORY;
    *run = (rsi_pipeline_run){.pipeline = pipeline, .emit = emit, .user = user};
    run->states = rsi_alloc_array(pipeline->count, sizeof *run->states);
    if (run->states == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < pipeline->count; i++) {
        const stage *now = &pipeline->stages[i];
        if (now->kind == STAGE_SORT)
            status = rsi_sorter_new(&run->states[i].sorter, now->ordering, (size_t)now->number,
                                    max_bytes);
        else if (now->kind == STAGE_GROUP)
            status = rsi_groups_new(&run->states[i].groups, now->grouping, max_bytes);
    }
    if (status != RAGSTORE_OK) {
        rsi_pipeline_stop(run);
        return status;
    }
    *out = run;
    return RAGSTORE_OK;
}
