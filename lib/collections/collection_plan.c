/*
 * What a filter has to look at, and walking there in pieces.
 *
 * A filter that asks for one _id, or for one of several, is answered by key. Whatever a plan names
 * is only what can match: the filter itself is asked about each document.
 */
#include "collections/collection_index.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/value_order.h"

#include <string.h>

void rsi_plan_free(rsi_plan *plan)
{
    for (size_t i = 0; i < plan->id_count; i++)
        rsi_free(plan->ids[i]);
    rsi_free(plan->ids);
    rsi_free(plan->orders);
    rsi_free(plan->index);
    memset(plan, 0, sizeof *plan);
}

/* The keys of texts give the ids back; documents have no _id of another kind. */
static int take_ids(rsi_plan *plan, const rsi_constraint *constraint)
{
    plan->kind = RSI_PLAN_IDS;
    plan->ids = rsi_alloc_array(constraint->key_count + 1, sizeof *plan->ids);
    if (plan->ids == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < constraint->key_count; i++) {
        const rsi_bytes *key = &constraint->keys[i];
        if (key->size < 3 || (unsigned char)key->data[0] != RSI_VALUE_TAG_TEXT)
            continue;
        char *id = rsi_memdup0(key->data + 1, key->size - 2);
        if (id == NULL)
            return RAGSTORE_E_NO_MEMORY;
        plan->ids[plan->id_count++] = id;
    }
    if (plan->id_count == 0)
        plan->kind = RSI_PLAN_NOTHING;
    return RAGSTORE_OK;
}

int rsi_plan_make(rsi_plan *plan, const rsi_collection *collection, const rsi_predicate *predicate)
{
    rsi_constraint constraint;
    memset(plan, 0, sizeof *plan);
    plan->kind = RSI_PLAN_SCAN;
    if (collection->is_read_only)
        return RAGSTORE_OK;
    int status = rsi_predicate_constraint(&constraint, predicate, "_id", 3, false);
    if (status != RAGSTORE_OK)
        return status;
    if (constraint.kind == RSI_CONSTRAINT_KEYS)
        status = take_ids(plan, &constraint);
    rsi_constraint_free(&constraint);
    if (status == RAGSTORE_OK && plan->kind == RSI_PLAN_SCAN)
        status = rsi_indexes_choose(plan, collection, predicate);
    if (status != RAGSTORE_OK)
        rsi_plan_free(plan);
    return status;
}

int rsi_collection_explain(rsi_bytes *out, const rsi_collection *collection, const char *filter)
{
    static const char *const kinds[] = {"ids", "index", "scan", "nothing"};
    rsi_predicate *predicate;
    rsi_plan plan;
    rsi_json_writer writer = rsi_json_writer_of(out);
    const size_t documents = rsi_storage_count(collection->store->storage, collection->space);
    int status = rsi_filter_compile(&predicate, filter);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_plan_make(&plan, collection, predicate);
    rsi_predicate_free(predicate);
    if (status != RAGSTORE_OK)
        return status;
    const size_t candidates[] = {plan.id_count, plan.order_count, documents, 0};
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "plan", kinds[plan.kind]);
    rsi_json_put_text(&writer, "index", plan.index);
    rsi_json_put_integer(&writer, "candidates", (int64_t)candidates[plan.kind]);
    rsi_json_put_integer(&writer, "documents", (int64_t)documents);
    rsi_json_end_object(&writer);
    rsi_plan_free(&plan);
    return rsi_bytes_status(out);
}

/* ---- walking ---- */

int rsi_walk_begin(rsi_walk *walk, const rsi_collection *collection, const rsi_predicate *predicate)
{
    memset(walk, 0, sizeof *walk);
    rsi_storage_settle(collection->store->storage);
    int status = rsi_plan_make(&walk->plan, collection, predicate);
    if (walk->plan.kind == RSI_PLAN_INDEX) {
        walk->scan.orders = walk->plan.orders;
        walk->scan.count = walk->plan.order_count;
    }
    walk->ended = walk->plan.kind == RSI_PLAN_NOTHING;
    return status;
}

void rsi_walk_end(rsi_walk *walk)
{
    rsi_plan_free(&walk->plan);
    walk->ended = true;
}

static int step_ids(rsi_walk *walk, const rsi_collection *collection, size_t max_records,
                    rsi_record_visitor *visit, void *user)
{
    rsi_bytes json = {0};
    int status = RAGSTORE_OK;
    for (; status == RAGSTORE_OK && walk->next_id < walk->plan.id_count && max_records > 0;
         max_records--) {
        const char *id = walk->plan.ids[walk->next_id++];
        rsi_bytes_clear(&json);
        status = rsi_storage_get(&json, collection->store->storage, collection->space, id);
        if (status == RAGSTORE_OK)
            status = visit(user, id, json.data, json.size);
        else if (status == RAGSTORE_E_NOT_FOUND)
            status = RAGSTORE_OK;
    }
    walk->ended = walk->next_id == walk->plan.id_count;
    rsi_bytes_free(&json);
    return status;
}

int rsi_walk_step(rsi_walk *walk, const rsi_collection *collection, size_t max_records,
                  rsi_record_visitor *visit, void *user)
{
    if (walk->ended)
        return RAGSTORE_OK;
    if (walk->plan.kind == RSI_PLAN_IDS)
        return step_ids(walk, collection, max_records, visit, user);
    int status = rsi_storage_scan(&walk->scan, collection->store->storage, collection->space,
                                  max_records, visit, user);
    walk->ended = walk->scan.ended;
    return status;
}

int rsi_walk_all(const rsi_collection *collection, const rsi_predicate *predicate,
                 rsi_record_visitor *visit, void *user)
{
    rsi_walk walk;
    const uint64_t epoch = rsi_store_epoch(collection->store);
    int status = rsi_walk_begin(&walk, collection, predicate);
    while (status == RAGSTORE_OK && !walk.ended) {
        status = rsi_walk_step(&walk, collection, RSI_WALK_PIECE, visit, user);
        if (status == RAGSTORE_OK)
            status = rsi_store_check_interrupt(collection->store, epoch);
    }
    rsi_walk_end(&walk);
    return status < 0 ? status : RAGSTORE_OK;
}
