/* The set-up files of a model: lib/embed/bert_config.c. */
#include "embed/bert_config.h"

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SIZES                                                                                      \
    "\"hidden_size\": 384, \"num_hidden_layers\": 6, \"num_attention_heads\": 12, "                \
    "\"intermediate_size\": 1536, \"vocab_size\": 30522, \"max_position_embeddings\": 512"
#define CONFIG "{\"model_type\": \"bert\", \"layer_norm_eps\": 1e-12, " SIZES "}"

static void write_below(void **state, const char *name, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(path, state, name), text, strlen(text));
}

static void write_pooling(void **state, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    mkdir(temporary_join(path, state, "1_Pooling"), 0700);
    write_below(state, "1_Pooling/config.json", text);
}

static rsi_bert_config read_ok(void **state)
{
    rsi_bert_config config;
    if (rsi_bert_config_read(&config, temporary_path(state)) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return config;
}

static void read_fails(void **state, int code, const char *why)
{
    rsi_bert_config config;
    int status = rsi_bert_config_read(&config, temporary_path(state));
    if (status != code || strstr(rsi_error_message(), why) == NULL)
        fail_msg("%d, %s; not %s", status, status == 0 ? "accepted" : rsi_error_message(), why);
}

static void embed_config__reads_all_files(void **state)
{
    write_below(state, "config.json", CONFIG);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": 256}");
    write_below(state, "modules.json",
                "[{\"type\": \"sentence_transformers.models.Transformer\"},"
                " {\"type\": \"sentence_transformers.models.Pooling\"},"
                " {\"type\": \"sentence_transformers.models.Normalize\"}]");
    write_pooling(state, "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    rsi_bert_config config = read_ok(state);
    assert_int_equal(config.hidden, 384);
    assert_int_equal(config.layers, 6);
    assert_int_equal(config.heads, 12);
    assert_int_equal(config.intermediate, 1536);
    assert_int_equal(config.vocabulary, 30522);
    assert_int_equal(config.positions, 512);
    assert_int_equal(config.types, 2);
    assert_int_equal(config.max_tokens, 256);
    assert_int_equal(config.pooling, RSI_POOLING_CLS);
    assert_true(config.norm_epsilon > 0.9e-12f && config.norm_epsilon < 1.1e-12f);
}

static void pools(void **state, const char *text, rsi_pooling expected)
{
    write_pooling(state, text);
    assert_int_equal(read_ok(state).pooling, expected);
}

static void embed_config__reads_pooling_as_models_are_published(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    write_below(state, "config.json", CONFIG);
    pools(state, "{\"pooling_mode\": \"cls\", \"embedding_dimension\": 384}", RSI_POOLING_CLS);
    pools(state, "{\"pooling_mode\": \"mean\", \"include_prompt\": true}", RSI_POOLING_MEAN);
    pools(state, "{\"pooling_mode_cls_token\": true, \"include_prompt\": true}", RSI_POOLING_CLS);
    write_below(state, "modules.json",
                "[{\"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"},"
                " {\"path\": \"3_Pool\", \"type\": \"sentence_transformers.models.Pooling\"}]");
    assert_int_equal(read_ok(state).pooling, RSI_POOLING_MEAN); /* no such file */
    mkdir(temporary_join(path, state, "3_Pool"), 0700);
    write_below(state, "3_Pool/config.json", "{\"pooling_mode_cls_token\": true}");
    write_pooling(state, "{\"pooling_mode_mean_tokens\": true}");
    assert_int_equal(read_ok(state).pooling, RSI_POOLING_CLS);
}

static void embed_config__refuses_pooling_that_it_cannot_do(void **state)
{
    static const struct {
        const char *modules, *why;
    } cases[] = {
        {"[{\"path\": \"../secret\", \"type\": \"Pooling\"}]", "../secret"},
        {"[{\"path\": \"/etc\", \"type\": \"Pooling\"}]", "/etc"},
        {"[{\"path\": \"..\", \"type\": \"Pooling\"}]", "folder of the pooling"},
        {"[{\"path\": \"\", \"type\": \"Pooling\"}]", "folder of the pooling"},
        {"[{\"path\": \"0_Transformer\", \"type\": \"Transformer\"}]", "0_Transformer"},
    };
    write_below(state, "config.json", CONFIG);
    write_pooling(state, "{\"pooling_mode\": \"max\"}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "max");
    write_pooling(state, "{\"pooling_mode\": [\"cls\", \"mean\"]}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "several");
    write_pooling(state, "{\"pooling_mode_mean_tokens\": true, \"include_prompt\": false}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "include_prompt");
    write_pooling(state, "{\"pooling_mode_mean_tokens\": true}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_below(state, "modules.json", cases[i].modules);
        read_fails(state, RAGSTORE_E_UNSUPPORTED, cases[i].why);
    }
}

static void embed_config__refuses_values_of_another_type(void **state)
{
    write_below(state, "config.json",
                "{\"model_type\": \"bert\", \"type_vocab_size\": \"2\", " SIZES "}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "type_vocab_size");
    write_below(state, "config.json",
                "{\"model_type\": \"bert\", \"layer_norm_eps\": \"NaN\", " SIZES "}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "layer_norm_eps");
    write_below(state, "config.json", CONFIG);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": \"256\"}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "max_seq_length");
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": null}");
    assert_int_equal(read_ok(state).max_tokens, 512);
}

static void embed_config__has_defaults_for_missing_files(void **state)
{
    write_below(state, "config.json", CONFIG);
    rsi_bert_config config = read_ok(state);
    assert_int_equal(config.max_tokens, 512);
    assert_int_equal(config.pooling, RSI_POOLING_MEAN);
}

static void embed_config__limits_tokens_by_the_positions(void **state)
{
    write_below(state, "config.json", CONFIG);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": 100000}");
    assert_int_equal(read_ok(state).max_tokens, 512);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": null}");
    assert_int_equal(read_ok(state).max_tokens, 512);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": 2}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "max_seq_length");
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": -1}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "max_seq_length");
    write_below(state, "sentence_bert_config.json", "{\"do_lower_case\": true}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "do_lower_case");
}

static void embed_config__refuses_other_architectures(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"model_type\": \"roberta\", " SIZES "}", "roberta"},
        {"{" SIZES "}", "model_type"},
        {"[]", "model_type"},
        {"{\"model_type\": \"bert\", \"hidden_act\": \"gelu_new\", " SIZES "}", "gelu_new"},
        {"{\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\", " SIZES "}",
         "relative_key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_below(state, "config.json", cases[i].text);
        read_fails(state, RAGSTORE_E_UNSUPPORTED, cases[i].why);
    }
    write_below(state, "config.json", CONFIG);
    write_below(state, "modules.json", "[{\"type\": \"sentence_transformers.models.Dense\"}]");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "Dense");
    write_below(state, "modules.json", "[7]");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "module");
    write_below(state, "modules.json", "[]");
    write_pooling(state, "{\"pooling_mode_max_tokens\": true}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "max_tokens");
    write_pooling(state, "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_cls_token\": true}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "several");
    write_pooling(state, "{}");
    read_fails(state, RAGSTORE_E_UNSUPPORTED, "none");
}

static void embed_config__refuses_sizes_out_of_range(void **state)
{
    static const char *const keys[] = {"hidden_size",         "num_hidden_layers",
                                       "num_attention_heads", "intermediate_size",
                                       "vocab_size",          "max_position_embeddings"};
    static const char *const values[] = {"0", "-1", "99999999999", "1.5", "\"1\"", "null"};
    for (size_t k = 0; k < 6; k++)
        for (size_t v = 0; v < 6; v++) {
            /* Each key with its value from a correct file, except the one in question. */
            char text[1024] = "{\"model_type\": \"bert\"";
            for (size_t i = 0; i < 6; i++) {
                strcat(strcat(strcat(text, ", \""), keys[i]), "\": ");
                strcat(text, i == k ? values[v] : "12");
            }
            strcat(text, "}");
            write_below(state, "config.json", text);
            read_fails(state, RAGSTORE_E_INVALID_DATA, keys[k]);
        }
    write_below(state, "config.json",
                "{\"model_type\": \"bert\", " SIZES ", \"layer_norm_eps\": -1}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "layer_norm_eps");
    write_below(state, "config.json",
                "{\"model_type\": \"bert\", \"hidden_size\": 10, \"num_hidden_layers\": 1, "
                "\"num_attention_heads\": 3, \"intermediate_size\": 1, \"vocab_size\": 1, "
                "\"max_position_embeddings\": 8}");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "divide");
}

static void embed_config__reports_damage_and_absence(void **state)
{
    read_fails(state, RAGSTORE_E_NOT_FOUND, "config.json");
    write_below(state, "config.json", "{\"model_type\"");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "config.json: line 1");
    write_below(state, "config.json", CONFIG);
    write_below(state, "sentence_bert_config.json", "{{");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "sentence_bert_config.json: line 1");
    write_below(state, "sentence_bert_config.json", "");
    read_fails(state, RAGSTORE_E_INVALID_DATA, "sentence_bert_config.json");

    char *huge = malloc((1 << 20) + 2);
    memset(huge, ' ', (1 << 20) + 1);
    huge[(1 << 20) + 1] = '\0';
    write_below(state, "sentence_bert_config.json", huge);
    read_fails(state, RAGSTORE_E_TOO_LARGE, "sentence_bert_config.json");
    free(huge);
}

static void embed_config__survives_each_failing_allocation(void **state)
{
    write_below(state, "config.json", CONFIG);
    write_below(state, "sentence_bert_config.json", "{\"max_seq_length\": 256}");
    write_pooling(state, "{\"pooling_mode_mean_tokens\": true}");
    fault_memory_install();
    unsigned n = 1;
    for (bool failed = true; failed; n++) {
        rsi_bert_config config;
        fault_memory_fail(n, false);
        int status = rsi_bert_config_read(&config, temporary_path(state));
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(fault_memory_alive(), 0);
    }
    fault_memory_restore();
    assert_true(n > 5);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(embed_config__reads_all_files),
        WITH_DIRECTORY(embed_config__has_defaults_for_missing_files),
        WITH_DIRECTORY(embed_config__limits_tokens_by_the_positions),
        WITH_DIRECTORY(embed_config__refuses_other_architectures),
        WITH_DIRECTORY(embed_config__refuses_sizes_out_of_range),
        WITH_DIRECTORY(embed_config__reports_damage_and_absence),
        WITH_DIRECTORY(embed_config__survives_each_failing_allocation),
        WITH_DIRECTORY(embed_config__reads_pooling_as_models_are_published),
        WITH_DIRECTORY(embed_config__refuses_pooling_that_it_cannot_do),
        WITH_DIRECTORY(embed_config__refuses_values_of_another_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
