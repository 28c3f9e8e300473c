/* Phrases, prefixes, duplicates, fusion, languages and odd texts in ragstore_entity_search(). */
#include "api_fixture.h"

static ragstore_entity *make_with_language(ragstore_store *store, const char *id,
                                           const char *language)
{
    ragstore_entity *entity;
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    options.language = language;
    assert_ok(ragstore_entity_create(&entity, store, id, &options));
    return entity;
}

/* The names of the documents found, best first, joined by spaces. */
static const char *found_with(ragstore_entity *entity, const char *query,
                              const ragstore_entity_search_options *options)
{
    static char names[4096];
    ragstore_result *result;
    names[0] = '\0';
    assert_ok(ragstore_entity_search(&result, entity, query, options));
    for (size_t i = 0; i < ragstore_result_count(result); i++) {
        if (i > 0)
            strcat(names, " ");
        strcat(names, ragstore_result_doc_name(result, i));
    }
    ragstore_result_free(result);
    return names;
}

static const char *found(ragstore_entity *entity, const char *query)
{
    return found_with(entity, query, NULL);
}

static void search_words__quoted_stand_one_behind_the_other(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    add_text(acme, "a", "The boundary layer is thin. Much is known about it.");
    add_text(acme, "b", "The layer at the boundary is thin. Little is known about it.");
    add_text(acme, "c", "A boundary of many layers, and a layer of boundaries.");
    add_text(acme, "d", "Nothing about it.");
    assert_string_equal(found(acme, "\"boundary layer\""), "a");
    assert_string_equal(found(acme, "thin \"layer at the boundary\""), "b");
    assert_string_equal(found(acme, "\"boundary layer\" \"much is known\""), "a");
    assert_string_equal(found(acme, "\"boundary layer\" \"little is known\""), "");
    assert_string_equal(found(acme, "\"layer boundary\""), "");
    assert_non_null(strstr(found(acme, "\"boundary layer"), "b")); /* half a pair says nothing */
    assert_non_null(strstr(found(acme, "boundary layer\""), "b"));
    assert_string_equal(found(acme, "\"\" boundary layer \"boundary layer\""), "a");
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__with_an_asterisk_stand_for_those_that_begin_so(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    add_text(acme, "a", "Aerodynamics of wings.");
    add_text(acme, "b", "Aeroelastic flutter.");
    add_text(acme, "c", "Heat in a plate.");
    assert_string_equal(found(acme, "aero"), "");
    const char *names = found(acme, "aero*");
    assert_non_null(strchr(names, 'a'));
    assert_non_null(strchr(names, 'b'));
    assert_null(strchr(names, 'c'));
    assert_string_equal(found(acme, "aerod*"), "a");
    assert_string_equal(found(acme, "zz*"), "");
    assert_string_equal(found(acme, "*"), "");
    ragstore_result *result;
    assert_ok(ragstore_entity_search(&result, acme, "aero*", NULL));
    assert_true(ragstore_result_score(result, 0) > 0.1f && ragstore_result_score(result, 0) <= 1);
    ragstore_result_free(result);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

/* More chunks with the words than a ranking has, of which the last one has them in order. */
static void search_words__quoted_are_found_behind_a_thousand_others(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    json_t *chunks = json_array();
    for (int i = 0; i < 2500; i++)
        json_array_append_new(chunks, json_pack("{s:s}", "text", "layer of the boundary"));
    json_array_append_new(
        chunks, json_pack("{s:s}", "text", "a long text about much else in which the layer comes"));
    char *json = json_dumps(chunks, 0);
    assert_ok(ragstore_document_add_chunks(NULL, acme, json, NULL, 0, NULL));
    ragstore_result *result;
    assert_ok(ragstore_entity_search(&result, acme, "\"the layer\"", NULL));
    assert_int_equal(ragstore_result_count(result), 1);
    assert_int_equal(ragstore_result_chunk_number(result, 0), 2500);
    ragstore_result_free(result);
    json_decref(chunks);
    free(json);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

#define LAMP                                                                                       \
    "The keeper lights the lamp of the tower every evening at dusk and reads until midnight"

static void search_words__that_say_the_same_come_last(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    add_text(acme, "a", LAMP);
    add_text(acme, "b", LAMP ".");
    add_text(acme, "c", "THE KEEPER lights the lamp of the tower every evening at dusk, and reads "
                        "until midnight");
    add_text(acme, "d",
             "A lamp that the keeper of another house has, with much else to say on it.");
    options.k = 2;
    assert_string_equal(found_with(acme, "keeper lamp tower", &options), "a d");
    options.k = 4;
    assert_string_equal(found_with(acme, "keeper lamp tower", &options), "a d b c");
    options.duplicates = RAGSTORE_DUPLICATES_KEEP;
    assert_string_equal(found_with(acme, "keeper lamp tower", &options), "a b c d");
    options.duplicates = RAGSTORE_DUPLICATES_KEEP + 1;
    ragstore_result *result;
    assert_int_equal(ragstore_entity_search(&result, acme, "lamp", &options),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(result);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

/* One text many times, more often than one ranking or two are deep, and four others behind it: all
 * five come. */
static void search_words__that_say_the_same_hide_nothing_else(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    json_t *chunks = json_array();
    for (int i = 0; i < 2500; i++)
        json_array_append_new(chunks, json_pack("{s:s}", "text", "lamp lamp lamp keeper"));
    char *json = json_dumps(chunks, 0);
    assert_ok(ragstore_document_add_chunks(NULL, acme, json, NULL, 0, NULL));
    for (int i = 0; i < 4; i++) {
        const char name[] = {(char)('p' + i), '\0'};
        char text[80];
        snprintf(text, sizeof text, "a lamp stands in a longer text of the kind %s", name);
        add_text(acme, name, text);
    }
    options.k = 5;
    const char *names = found_with(acme, "lamp", &options);
    for (char name = 'p'; name < 't'; name++)
        assert_non_null(strchr(names, name));
    json_decref(chunks);
    free(json);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__are_fused_as_asked(void **state)
{
    static const float rows[] = {1, 0, 0.6f, 0.8f, 0, 1};
    static const float query[] = {1, 0};
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    assert_ok(ragstore_document_add_chunks(
        NULL, acme, "[{\"text\": \"one\"}, {\"text\": \"lamp\"}, {\"text\": \"lamp lamp lamp\"}]",
        rows, 2, NULL));
    options.vector = query;
    options.dimension = 2;
    for (uint32_t fusion = 0; fusion <= RAGSTORE_FUSION_RANKS; fusion++) {
        options.fusion = fusion;
        assert_ok(ragstore_entity_search(&result, acme, "lamp", &options));
        assert_int_equal(ragstore_result_count(result), 3);
        /* by ranks 1/61, 1/62 + 1/62, 1/61 + 1/63; by scores 1, 0.6 + 0, 0 + 1 */
        assert_int_equal(ragstore_result_chunk_number(result, 0),
                         fusion == RAGSTORE_FUSION_RANKS ? 2 : 0);
        ragstore_result_free(result);
    }
    options.fusion = RAGSTORE_FUSION_RANKS + 1;
    assert_int_equal(ragstore_entity_search(&result, acme, "lamp", &options),
                     RAGSTORE_E_INVALID_ARGUMENT);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__are_reduced_by_the_language_of_the_entity(void **state)
{
    static const struct {
        const char *language;
        const char *text;
        const char *query;
        const char *stop; /* finds nothing beside other words */
    } cases[] = {
        {"german", "Die H\xC3\xA4user der Stadt wurden gebaut.", "Haus", "der"},
        {"french", "L'avion traverse les nuages.", "avions nuage", "les"},
        {"spanish", "Las canciones m\xC3\xA1s hermosas.", "canci\xC3\xB3n hermosa", "las"},
        {"italian", "I libri della biblioteca.", "libro", "della"},
        {"portuguese", "As cidades antigas do pa\xC3\xADs.", "cidade antiga", "do"},
        {"dutch", "De boten liggen in de haven.", "boot", "de"},
        {"swedish", "Husen ligger vid stranden.", "huset strand", "vid"},
        {"russian",
         "\xD0\x9A\xD0\xBD\xD0\xB8\xD0\xB3\xD0\xB8 \xD0\xBD\xD0\xB0 "
         "\xD1\x81\xD1\x82\xD0\xBE\xD0\xBB\xD0\xB5.",
         "\xD0\xBA\xD0\xBD\xD0\xB8\xD0\xB3\xD0\xB0", "\xD0\xBD\xD0\xB0"},
        {"auto",
         "\xE6\x9D\xB1\xE4\xBA\xAC\xE3\x81\xA7\xE4\xBC\x9A\xE3\x81\x84\xE3\x81\xBE\xE3\x81\x97"
         "\xE3\x81\x9F",
         "\xE6\x9D\xB1\xE4\xBA\xAC", NULL},
        {"none", "Running wild", "running", NULL},
    };
    ragstore_store *store = open_store(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_entity *entity = make_with_language(store, cases[i].language, cases[i].language);
        char both[256];
        add_text(entity, "t", cases[i].text);
        if (strcmp(found(entity, cases[i].query), "t") != 0)
            fail_msg("%s: %s", cases[i].language, cases[i].query);
        if (cases[i].stop != NULL) {
            snprintf(both, sizeof both, "%s xyzzy", cases[i].stop);
            if (found(entity, both)[0] != '\0')
                fail_msg("%s: %s is no stop word", cases[i].language, cases[i].stop);
        }
        ragstore_entity_free(entity);
    }
    ragstore_entity *none = open_entity(store, "none");
    assert_string_equal(found(none, "run"), "");
    ragstore_entity_free(none);
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    options.language = "klingon";
    assert_int_equal(ragstore_entity_create(NULL, store, "k", &options),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_non_null(strstr(ragstore_error_message(), "klingon"));
    assert_ok(ragstore_store_close(store));
}

/* ---- texts of all kinds ---- */

static void search_words__are_found_on_a_line_of_10_megabytes(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    const size_t size = 10 << 20;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 8 == 7 ? ' ' : (char)('a' + (i / 8 * 7 + i % 8) % 26);
    memcpy(text + size / 2, " lighthouse ", 12);
    text[size] = '\0';
    ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    adding.filename = "line.txt";
    assert_ok(ragstore_document_add(NULL, acme, text, size, &adding));
    assert_string_equal(found(acme, "lighthouse"), "line.txt");
    free(text);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__of_many_scripts_stand_in_one_text(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    add_text(
        acme, "mixed",
        "lamp \xD0\xBC\xD0\xB0\xD1\x8F\xD0\xBA \xD7\x9E\xD7\x92\xD7\x93\xD7\x9C\xD7\x95\xD7\xA8 "
        "\xD9\x85\xD9\x86\xD8\xA7\xD8\xB1\xD8\xA9 \xE7\x81\xAF\xE5\x8F\xB0 "
        "\xCF\x86\xCE\xAC\xCF\x81\xCE\xBF\xCF\x82");
    add_text(acme, "other", "something else");
    static const char *const queries[] = {
        "lamps",
        "\xD0\xBC\xD0\xB0\xD1\x8F\xD0\xBA",                                 /* Russian */
        "\xD7\x9E\xD7\x92\xD7\x93\xD7\x9C\xD7\x95\xD7\xA8",                 /* Hebrew */
        "\xD9\x85\xD9\x86\xD8\xA7\xD8\xB1\xD8\xA9",                         /* Arabic */
        "\xE7\x81\xAF\xE5\x8F\xB0",                                         /* Chinese */
        "\xCE\xA6\xCE\x86\xCE\xA1\xCE\x9F\xCE\xA3",                         /* Greek, in capitals */
        "\"lamp \xD0\xBC\xD0\xB0\xD1\x8F\xD0\xBA\"",
    };
    for (size_t i = 0; i < COUNT(queries); i++)
        if (strcmp(found(acme, queries[i]), "mixed") != 0)
            fail_msg("%s: %s", queries[i], found(acme, queries[i]));
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__may_be_none_at_all(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_result *result;
    add_text(acme, "emoji", "\xF0\x9F\x9A\x80\xF0\x9F\x8E\x89 \xF0\x9F\x98\x80");
    add_text(acme, "lamp", "a lamp");
    assert_string_equal(found(acme, "\xF0\x9F\x9A\x80"), "");
    assert_string_equal(found(acme, "\"\xF0\x9F\x9A\x80\""), "");
    assert_string_equal(found(acme, "lamp \xF0\x9F\x9A\x80"), "lamp");
    assert_int_equal(ragstore_entity_search(&result, acme, "", NULL), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(ragstore_entity_search(&result, acme, "lamp\xFF", NULL),
                     RAGSTORE_E_INVALID_DATA);
    assert_null(result);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

static void search_words__stand_beside_bytes_of_no_text(void **state)
{
    static const char nul[] = "a lamp\0 in the tower";
    static const char broken[] = "a lamp \xFF\xC3 in the tower";
    ragstore_store *store = open_store(state);
    ragstore_entity *acme = make_entity(store, "acme");
    ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    const struct {
        const char *name;
        const char *bytes;
        size_t size;
    } files[] = {{"nul.txt", nul, sizeof nul - 1}, {"broken.txt", broken, sizeof broken - 1},
                 {"empty.txt", "", 0}};
    for (size_t i = 0; i < COUNT(files); i++) {
        adding.filename = files[i].name;
        int status =
            ragstore_document_add(NULL, acme, files[i].bytes, files[i].size, &adding);
        bool is_found = strstr(found(acme, "tower"), files[i].name) != NULL;
        assert_true(status == RAGSTORE_OK || status == RAGSTORE_E_NOT_EXTRACTABLE ||
                    status == RAGSTORE_E_INVALID_DATA);
        assert_int_equal(is_found, status == RAGSTORE_OK);
    }
    assert_int_equal(
        ragstore_document_add_chunks(NULL, acme, "[{\"text\": \"lamp \xFF\"}]", NULL, 0, NULL),
        RAGSTORE_E_INVALID_DATA);
    ragstore_entity_free(acme);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(search_words__quoted_stand_one_behind_the_other),
        TEST(search_words__with_an_asterisk_stand_for_those_that_begin_so),
        TEST(search_words__quoted_are_found_behind_a_thousand_others),
        TEST(search_words__that_say_the_same_come_last),
        TEST(search_words__that_say_the_same_hide_nothing_else),
        TEST(search_words__are_fused_as_asked),
        TEST(search_words__are_reduced_by_the_language_of_the_entity),
        TEST(search_words__are_found_on_a_line_of_10_megabytes),
        TEST(search_words__of_many_scripts_stand_in_one_text),
        TEST(search_words__may_be_none_at_all),
        TEST(search_words__stand_beside_bytes_of_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
