/*
 * The $group stage: see group.h.
 *
 *   map: key of _id ──► group ─┬─ _id as text
 *                              └─ one total for each accumulator
 */
#include "query/group.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/status.h"
#include "query/expression.h"
#include "query/value_order.h"

#include <string.h>

typedef enum total_kind {
    TOTAL_SUM,
    TOTAL_AVG,
    TOTAL_MIN,
    TOTAL_MAX,
    TOTAL_PUSH,
    TOTAL_SET,
} total_kind;

static const struct {
    const char *name;
    total_kind kind;
} accumulators[] = {
    {"$sum", TOTAL_SUM}, {"$avg", TOTAL_AVG},   {"$min", TOTAL_MIN},
    {"$max", TOTAL_MAX}, {"$push", TOTAL_PUSH}, {"$addToSet", TOTAL_SET},
};

typedef struct field {
    char *name;
    total_kind kind;
    rsi_expression *expression;
} field;

struct rsi_grouping {
    rsi_expression *id;
    field *fields;
    size_t count;
};

typedef struct total {
    int64_t whole; /* SUM: while all is whole and fits */
    double real;   /* SUM, AVG */
    bool is_real;
    uint64_t count; /* AVG: numbers; MIN, MAX: 0 as long as there is none */
    rsi_bytes key;  /* MIN, MAX */
    rsi_bytes text; /* MIN, MAX: the value; PUSH, SET: the elements */
    rsi_map seen;   /* SET */
} total;

typedef struct group {
    struct group *next;
    rsi_bytes id;
    total *totals;
} group;

struct rsi_groups {
    const rsi_grouping *grouping;
    rsi_map map;
    group *first;
    group **last;
    size_t bytes;
    size_t max_bytes;
    rsi_bytes key;
    rsi_bytes scratch;
};

/* ---- compiling ---- */

void rsi_grouping_free(rsi_grouping *grouping)
{
    if (grouping == NULL)
        return;
    for (size_t i = 0; i < grouping->count; i++) {
        rsi_free(grouping->fields[i].name);
        rsi_expression_free(grouping->fields[i].expression);
    }
    rsi_free(grouping->fields);
    rsi_expression_free(grouping->id);
    rsi_free(grouping);
}

static int compile_field(field *made, const char *name, const rsi_json *value,
                         const rsi_place *place)
{
    void *iterator = NULL;
    const char *operator_name = "";
    rsi_json *operand = NULL;

    if (name[0] == '\0' || name[0] == '$' || strchr(name, '.') != NULL)
        return rsi_place_refuse(place, "a name that is empty, begins with $ or holds a dot");
    if (rsi_json_count(value) != 1 || !rsi_json_each(value, &iterator, &operator_name, &operand))
        return rsi_place_refuse(place, "it needs an object of one accumulator");
    made->name = rsi_strdup(name);
    if (made->name == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_place inner = rsi_place_member(place, operator_name);
    for (size_t i = 0; i < sizeof accumulators / sizeof *accumulators; i++) {
        if (strcmp(operator_name, accumulators[i].name) != 0)
            continue;
        made->kind = accumulators[i].kind;
        return rsi_expression_compile(&made->expression, operand, &inner);
    }
    return rsi_place_refuse(&inner, "no accumulator of this name is known");
}

static int compile_fields(rsi_grouping *made, const rsi_json *spec, const rsi_place *place)
{
    void *iterator = NULL;
    const char *name;
    rsi_json *value;
    int status = RAGSTORE_OK;

    made->fields = rsi_alloc_array(rsi_json_count(spec), sizeof *made->fields);
    if (made->fields == NULL)
        return RAGSTORE_E_NO_MEMORY;
    while (status == RAGSTORE_OK && rsi_json_each(spec, &iterator, &name, &value)) {
        rsi_place inner = rsi_place_member(place, name);
        if (strcmp(name, "_id") == 0)
            status = rsi_expression_compile(&made->id, value, &inner);
        else
            status = compile_field(&made->fields[made->count++], name, value, &inner);
    }
    return status;
}

int rsi_grouping_compile(rsi_grouping **out, const rsi_json *spec, const rsi_place *place)
{
    *out = NULL;
    if (rsi_json_get(spec, "_id") == NULL)
        return rsi_place_refuse(place, "it needs an object with an _id");
    rsi_grouping *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = compile_fields(made, spec, place);
    if (status != RAGSTORE_OK) {
        rsi_grouping_free(made);
        return status;
    }
    *out = made;
    return RAGSTORE_OK;
}

/* ---- adding ---- */

static void free_group(rsi_groups *groups, group *freed)
{
    for (size_t i = 0; freed->totals != NULL && i < groups->grouping->count; i++) {
        rsi_bytes_free(&freed->totals[i].key);
        rsi_bytes_free(&freed->totals[i].text);
        rsi_map_free(&freed->totals[i].seen, NULL);
    }
    rsi_free(freed->totals);
    rsi_bytes_free(&freed->id);
    rsi_free(freed);
}

void rsi_groups_free(rsi_groups *groups)
{
    if (groups == NULL)
        return;
    while (groups->first != NULL) {
        group *freed = groups->first;
        groups->first = freed->next;
        free_group(groups, freed);
    }
    rsi_map_free(&groups->map, NULL);
    rsi_bytes_free(&groups->key);
    rsi_bytes_free(&groups->scratch);
    rsi_free(groups);
}

int rsi_groups_new(rsi_groups **out, const rsi_grouping *grouping, size_t max_bytes)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    (*out)->grouping = grouping;
    (*out)->max_bytes = max_bytes;
    (*out)->last = &(*out)->first;
    return RAGSTORE_OK;
}

static int count_bytes(rsi_groups *groups, size_t more)
{
    groups->bytes += more;
    if (groups->max_bytes == 0 || groups->bytes <= groups->max_bytes)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_TOO_LARGE, "query", "grouping needs more than %zu bytes",
                    groups->max_bytes);
}

static void add_number(total *sum, const rsi_json_view *value)
{
    if (!rsi_json_view_is_number(value))
        return;
    sum->count++;
    sum->real += value->kind == RSI_JSON_REAL ? value->real : (double)value->integer;
    if (value->kind == RSI_JSON_REAL ||
        __builtin_add_overflow(sum->whole, value->integer, &sum->whole))
        sum->is_real = true;
}

static int keep_extreme(total *kept, total_kind kind, const rsi_json_view *value, rsi_bytes *key)
{
    if (value->kind == RSI_JSON_MISSING || value->kind == RSI_JSON_NULL)
        return RAGSTORE_OK;
    rsi_bytes_clear(key);
    int status = rsi_value_append_key(key, value);
    if (status != RAGSTORE_OK)
        return status;
    if (kept->count > 0) {
        size_t shorter = key->size < kept->key.size ? key->size : kept->key.size;
        int order = memcmp(key->data, kept->key.data, shorter);
        if (kind == TOTAL_MIN ? order >= 0 : order <= 0)
            return RAGSTORE_OK;
    }
    kept->count = 1;
    rsi_bytes_clear(&kept->key);
    rsi_bytes_append(&kept->key, key->data, key->size);
    rsi_bytes_clear(&kept->text);
    rsi_json_writer writer = rsi_json_writer_of(&kept->text);
    status = rsi_json_view_write(&writer, value);
    return status == RAGSTORE_OK ? rsi_bytes_status(&kept->key) : status;
}

static int append_element(rsi_groups *groups, total *list, const rsi_json_view *value)
{
    size_t before = list->text.size;

    if (value->kind == RSI_JSON_MISSING)
        return RAGSTORE_OK;
    if (before > 0)
        rsi_bytes_append_char(&list->text, ',');
    rsi_json_writer writer = rsi_json_writer_of(&list->text);
    int status = rsi_json_view_write(&writer, value);
    return status == RAGSTORE_OK ? count_bytes(groups, list->text.size - before) : status;
}

static int append_new_element(rsi_groups *groups, total *set, const rsi_json_view *value)
{
    static char mark;

    if (value->kind == RSI_JSON_MISSING)
        return RAGSTORE_OK;
    rsi_bytes_clear(&groups->key);
    int status = rsi_value_append_key(&groups->key, value);
    if (status != RAGSTORE_OK ||
        rsi_map_get(&set->seen, groups->key.data, groups->key.size) != NULL)
        return status;
    status = rsi_map_put(&set->seen, groups->key.data, groups->key.size, &mark, NULL);
    if (status == RAGSTORE_OK)
        status = count_bytes(groups, groups->key.size);
    return status == RAGSTORE_OK ? append_element(groups, set, value) : status;
}

static int add_to_total(rsi_groups *groups, total *changed, const field *told,
                        const rsi_json_view *value)
{
    switch (told->kind) {
    case TOTAL_SUM:
    case TOTAL_AVG:
        add_number(changed, value);
        return RAGSTORE_OK;
    case TOTAL_MIN:
    case TOTAL_MAX:
        return keep_extreme(changed, told->kind, value, &groups->key);
    case TOTAL_PUSH:
        return append_element(groups, changed, value);
    case TOTAL_SET:
        break;
    }
    return append_new_element(groups, changed, value);
}

static int make_group(group **out, rsi_groups *groups, const rsi_json_view *id)
{
    group *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    made->totals = rsi_alloc_array(groups->grouping->count, sizeof *made->totals);
    int status = made->totals == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    rsi_json_writer writer = rsi_json_writer_of(&made->id);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_write(&writer, id);
    if (status == RAGSTORE_OK)
        status = count_bytes(groups, sizeof *made + made->id.size + groups->key.size +
                                         groups->grouping->count * sizeof *made->totals);
    if (status == RAGSTORE_OK)
        status = rsi_map_put(&groups->map, groups->key.data, groups->key.size, made, NULL);
    if (status != RAGSTORE_OK) {
        free_group(groups, made);
        return status;
    }
    *groups->last = made;
    groups->last = &made->next;
    *out = made;
    return RAGSTORE_OK;
}

int rsi_groups_add(rsi_groups *groups, const rsi_json_view *document)
{
    const rsi_grouping *grouping = groups->grouping;
    rsi_json_view value;

    int status = rsi_expression_evaluate(&value, grouping->id, document, &groups->scratch);
    rsi_bytes_clear(&groups->key);
    if (status == RAGSTORE_OK)
        status = rsi_value_append_key(&groups->key, &value);
    if (status != RAGSTORE_OK)
        return status;
    group *found = rsi_map_get(&groups->map, groups->key.data, groups->key.size);
    if (found == NULL)
        status = make_group(&found, groups, &value);
    for (size_t i = 0; status == RAGSTORE_OK && i < grouping->count; i++) {
        const field *told = &grouping->fields[i];
        status = rsi_expression_evaluate(&value, told->expression, document, &groups->scratch);
        if (status == RAGSTORE_OK)
            status = add_to_total(groups, &found->totals[i], told, &value);
    }
    return status;
}

/* ---- telling ---- */

static void write_total(rsi_json_writer *writer, const total *told, total_kind kind)
{
    switch (kind) {
    case TOTAL_SUM:
        if (told->is_real)
            rsi_json_real_value(writer, told->real);
        else
            rsi_json_integer_value(writer, told->whole);
        break;
    case TOTAL_AVG:
        if (told->count == 0)
            rsi_json_null_value(writer);
        else
            rsi_json_real_value(writer, told->real / (double)told->count);
        break;
    case TOTAL_MIN:
    case TOTAL_MAX:
        if (told->count == 0)
            rsi_json_null_value(writer);
        else
            rsi_json_raw_value(writer, told->text.data, told->text.size);
        break;
    case TOTAL_PUSH:
    case TOTAL_SET:
        rsi_json_begin_array(writer);
        if (told->text.size > 0)
            rsi_json_raw_value(writer, told->text.data, told->text.size);
        rsi_json_end_array(writer);
        break;
    }
}

int rsi_groups_tell(const rsi_groups *groups, rsi_pipeline_emit *emit, void *user)
{
    rsi_bytes text = {0};
    int status = RAGSTORE_OK;

    for (const group *told = groups->first; status >= 0 && told != NULL; told = told->next) {
        rsi_bytes_clear(&text);
        rsi_json_writer writer = rsi_json_writer_of(&text);
        rsi_json_begin_object(&writer);
        rsi_json_key(&writer, "_id");
        rsi_json_raw_value(&writer, told->id.data, told->id.size);
        for (size_t i = 0; i < groups->grouping->count; i++) {
            rsi_json_key(&writer, groups->grouping->fields[i].name);
            write_total(&writer, &told->totals[i], groups->grouping->fields[i].kind);
        }
        rsi_json_end_object(&writer);
        status = rsi_bytes_status(&text);
        if (status == RAGSTORE_OK)
            status = emit(user, text.data, text.size);
    }
    rsi_bytes_free(&text);
    return status;
}
