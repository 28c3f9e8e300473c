/*
 * From a query to nodes: see predicate_internal.h. The operators of a condition are compiled in
 * predicate_operators.c.
 */
#include "base/memory.h"
#include "base/status.h"
#include "query/predicate_internal.h"
#include "json/json_edit.h"

#include <string.h>

bool rsi_is_operators(const rsi_json *value)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *member;

    return rsi_json_is_object(value) && rsi_json_each(value, &iterator, &key, &member) &&
           key[0] == '$';
}

void rsi_node_release(rsi_node *node)
{
    for (size_t i = 0; i < node->child_count; i++)
        rsi_node_release(&node->children[i]);
    rsi_free(node->children);
    rsi_field_path_free(&node->path);
    rsi_tests_release(node->tests, node->test_count);
    *node = (rsi_node){0};
}

static int compile_list(rsi_node *node, const rsi_json *list, const rsi_place *place)
{
    size_t count = rsi_json_count(list);
    int status = RAGSTORE_OK;

    if (!rsi_json_is_array(list) || count == 0)
        return rsi_place_refuse(place, "it needs an array of queries, not an empty one");
    node->children = rsi_alloc_array(count, sizeof *node->children);
    if (node->children == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        rsi_place inner = rsi_place_element(place, i);
        status = rsi_node_compile(&node->children[i], rsi_json_at(list, i), &inner);
        node->child_count++;
    }
    return status;
}

static int compile_member(rsi_node *node, const char *key, const rsi_json *value,
                          const rsi_place *place)
{
    if (key[0] != '$') {
        node->kind = RSI_NODE_FIELD;
        int status = rsi_field_path_make(&node->path, key, strlen(key));
        if (status != RAGSTORE_OK)
            return rsi_place_wrap(place, status);
        return rsi_tests_compile(&node->tests, &node->test_count, value, place);
    }
    if (strcmp(key, "$and") == 0)
        node->kind = RSI_NODE_AND;
    else if (strcmp(key, "$or") == 0)
        node->kind = RSI_NODE_OR;
    else if (strcmp(key, "$nor") == 0)
        node->kind = RSI_NODE_NOR;
    else
        return rsi_place_refuse(place, "no operator of this name is known here");
    return compile_list(node, value, place);
}

static int compile_members(rsi_node *node, const rsi_json *query, const rsi_place *place)
{
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = RAGSTORE_OK;

    node->kind = RSI_NODE_AND;
    node->children = rsi_alloc_array(rsi_json_count(query), sizeof *node->children);
    if (node->children == NULL)
        return RAGSTORE_E_NO_MEMORY;
    while (status == RAGSTORE_OK && rsi_json_each(query, &iterator, &key, &value)) {
        rsi_place inner = rsi_place_member(place, key);
        status = compile_member(&node->children[node->child_count++], key, value, &inner);
    }
    return status;
}

int rsi_node_compile(rsi_node *node, const rsi_json *query, const rsi_place *place)
{
    *node = (rsi_node){0};
    int status = rsi_place_check_depth(place);
    if (status == RAGSTORE_OK && !rsi_json_is_object(query))
        status = rsi_place_refuse(place, "a query must be an object");
    if (status == RAGSTORE_OK)
        status = compile_members(node, query, place);
    if (status != RAGSTORE_OK)
        rsi_node_release(node);
    return status;
}

int rsi_predicate_compile(rsi_predicate **out, const rsi_json *query)
{
    *out = NULL;
    rsi_predicate *predicate = rsi_alloc_zeroed(sizeof *predicate);
    if (predicate == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_node_compile(&predicate->root, query, NULL);
    if (status != RAGSTORE_OK) {
        rsi_free(predicate);
        return rsi_wrap(status, "query");
    }
    predicate->query = rsi_json_share(query);
    *out = predicate;
    return RAGSTORE_OK;
}

int rsi_predicate_compile_text(rsi_predicate **out, const char *json, size_t size)
{
    rsi_json *query;

    *out = NULL;
    int status = rsi_json_parse(&query, json, size, RSI_QUERY_DEPTH);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "query");
    status = rsi_predicate_compile(out, query);
    rsi_json_free(query);
    return status;
}

void rsi_predicate_free(rsi_predicate *predicate)
{
    if (predicate == NULL)
        return;
    rsi_node_release(&predicate->root);
    rsi_json_free(predicate->query);
    rsi_free(predicate);
}
