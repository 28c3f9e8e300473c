/* Byte codes of many entities: together they take no more than their part of the memory limit. */
#include "entities_fixture.h"

#define ENTITIES 4
#define VECTORS 2100 /* enough for byte codes */
#define WIDE 256 /* so that codes are most of what is held of an entity */
#define MANY_USES 1100 /* after as many, what was not used gives way */

typedef struct crowd {
    open_store s;
    char names[ENTITIES][8];
    char incarnations[ENTITIES][RSI_INCARNATION_DIGITS + 1];
    size_t each; /* bytes that the codes of one take */
} crowd;

static void add_vectors(crowd *c, size_t entity)
{
    const rsi_document_fields fields = {.filename = "vectors"};
    rsi_added added;
    rsi_bytes json = {0};
    float *vectors = malloc(VECTORS * WIDE * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < VECTORS; i++)
        rsi_bytes_printf(&json, "%s{\"text\":\"v\"}", i == 0 ? "[" : ",");
    rsi_bytes_append_text(&json, "]");
    for (size_t i = 0; i < (size_t)VECTORS * WIDE; i++)
        vectors[i] = (float)((i * 7919 + entity) % 1009) / 1009 - 0.5f;
    if (rsi_document_add_chunks(&added, c->s.store, c->names[entity], c->incarnations[entity],
                                json.data, vectors, WIDE, &fields) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    free(vectors);
    rsi_bytes_free(&json);
}

static void code_all(crowd *c)
{
    bool did = true;
    for (size_t turns = 0; did; turns++) {
        assert_true(turns < 1000); /* there is an end, also where there is no room */
        assert_int_equal(rsi_catalogs_code(c->s.store, &did), 0);
    }
}

/* Room for the byte codes of two of them: the first two have some. */
static void crowd_begin(crowd *c, void **state)
{
    const rsi_entity_fields fields = {0};
    memset(c, 0, sizeof *c);
    open_store_begin(&c->s, state, NULL);
    c->each = (size_t)rsi_byte_codes_bytes(WIDE, VECTORS);
    c->s.store->memory_limit_bytes = (2 * c->each + c->each / 2) * RSI_BYTES_SHARE;
    for (size_t i = 0; i < ENTITIES; i++) {
        snprintf(c->names[i], sizeof c->names[i], "e%zu", i);
        assert_int_equal(
            rsi_entity_create(c->incarnations[i], c->s.store, c->names[i], &fields), 0);
        add_vectors(c, i);
        code_all(c);
    }
}

static rsi_catalog *take(crowd *c, size_t entity)
{
    rsi_catalog *catalog;
    if (rsi_catalog_acquire(&catalog, c->s.store, c->names[entity], c->incarnations[entity]) !=
        RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return catalog;
}

static void use(crowd *c, size_t entity, size_t times)
{
    for (size_t i = 0; i < times; i++)
        rsi_catalog_release(c->s.store, take(c, entity));
    code_all(c);
}

static bool has_bytes(crowd *c, size_t entity)
{
    rsi_catalog *catalog = take(c, entity);
    const bool has = catalog->bytes != NULL && rsi_byte_codes_count(catalog->bytes) > 0;
    rsi_catalog_release(c->s.store, catalog);
    return has;
}

static void entities_catalog_bytes__of_all_together_keep_to_the_limit(void **state)
{
    crowd c;
    rsi_catalog *held[ENTITIES];
    size_t bytes = 0;
    crowd_begin(&c, state);
    for (size_t i = 0; i < ENTITIES; i++) { /* in use: none of them can go as a whole */
        held[i] = take(&c, i);
        code_all(&c);
    }
    for (size_t i = 0; i < ENTITIES; i++)
        bytes += held[i]->bytes == NULL ? 0 : rsi_byte_codes_memory(held[i]->bytes);
    assert_true(bytes > c.each);
    assert_true(bytes <= c.s.store->memory_limit_bytes / RSI_BYTES_SHARE);
    for (size_t i = 0; i < ENTITIES; i++)
        rsi_catalog_release(c.s.store, held[i]);
    open_store_end(&c.s);
}

static void entities_catalog_bytes__go_where_they_were_not_used_for_long(void **state)
{
    crowd c;
    crowd_begin(&c, state);
    assert_true(has_bytes(&c, 0));
    assert_true(has_bytes(&c, 1));
    assert_false(has_bytes(&c, 2)); /* searched by its rows meanwhile */
    use(&c, 0, 1);
    use(&c, 2, MANY_USES);
    use(&c, 2, 1);
    assert_true(has_bytes(&c, 2));
    assert_int_equal(has_bytes(&c, 0) + has_bytes(&c, 1), 1);
    assert_true(has_bytes(&c, 0)); /* the one that was used later */
    open_store_end(&c.s);
}

/* No room is taken to and fro by entities that are searched in turns. */
static void entities_catalog_bytes__stay_while_others_are_used_in_turn(void **state)
{
    crowd c;
    crowd_begin(&c, state);
    rsi_catalog *first = take(&c, 0);
    const rsi_byte_codes *made = first->bytes;
    assert_non_null(made);
    rsi_catalog_release(c.s.store, first);
    for (int turn = 0; turn < 2 * MANY_USES / ENTITIES; turn++)
        for (size_t i = 0; i < ENTITIES; i++)
            use(&c, i, 1);
    first = take(&c, 0);
    assert_ptr_equal(first->bytes, made);
    rsi_catalog_release(c.s.store, first);
    open_store_end(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(entities_catalog_bytes__of_all_together_keep_to_the_limit),
        FRESH(entities_catalog_bytes__go_where_they_were_not_used_for_long),
        FRESH(entities_catalog_bytes__stay_while_others_are_used_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
