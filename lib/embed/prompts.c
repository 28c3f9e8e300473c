/*
 * What is put before a text, by what it is.
 *
 * Some models were trained with words before each text that say whether it is a question or
 * something to be found: "query: " and "passage: " of the E5 family, a sentence before the
 * questions of the BGE family. Without them they rank worse. Models are published with
 *
 *   config_sentence_transformers.json
 *   {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": null}
 *
 * where documents are also called "document" or "corpus", and what has no prompt of its own takes
 * the default one. A model without the file, such as those published before it was invented, has
 * none, unless the caller names them.
 *
 * Called by embedder.c when a model is opened.
 */
#include "embed/prompts.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "embed/model_file.h"
#include "json/json.h"

#include <string.h>

#define FILE_NAME "config_sentence_transformers.json"
#define FILE_SIZE_MAX ((size_t)1 << 20)
#define FILE_DEPTH_MAX 16

static int copy_prompt(char **out, const char *text, const char *what, int code)
{
    size_t bad, size = strlen(text);
    if (size > RSI_PROMPT_BYTES_MAX)
        return rsi_fail(code, "embed", "the prompt for %s has %zu bytes, more than %d", what, size,
                        RSI_PROMPT_BYTES_MAX);
    if (!rsi_utf8_valid(text, size, &bad))
        return rsi_fail(code, "embed", "the prompt for %s is not UTF-8 at byte %zu", what, bad);
    *out = rsi_strdup(text);
    return *out == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* The first of the names that has a prompt, or else the default one; "" when there is none. */
static int find_prompt(char **out, const rsi_json *file, const char *const *names, size_t count)
{
    const rsi_json *prompts = rsi_json_get(file, "prompts");
    const rsi_json *found = NULL;
    for (size_t i = 0; i < count && found == NULL; i++)
        found = rsi_json_get(prompts, names[i]);
    const char *standard = rsi_json_get_text(file, "default_prompt_name");
    if (found == NULL && standard != NULL) {
        found = rsi_json_get(prompts, standard);
        if (found == NULL)
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                            "default_prompt_name \"%.60s\" is not among the prompts", standard);
    }
    if (found != NULL && !rsi_json_is_string(found))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "the prompt for %s is not text",
                        names[0]);
    return copy_prompt(out, found == NULL ? "" : rsi_json_text(found), names[0],
                       RAGSTORE_E_INVALID_DATA);
}

static int read_file(rsi_json **out, const char *directory)
{
    rsi_bytes text = {0};
    *out = NULL;
    int status = rsi_model_file_read(&text, directory, FILE_NAME, FILE_SIZE_MAX);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(out, text.data, text.size, FILE_DEPTH_MAX);
    rsi_bytes_free(&text);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

int rsi_prompts_read(rsi_prompts *out, const char *directory, const char *query,
                     const char *document)
{
    static const char *const query_names[] = {"query"};
    static const char *const document_names[] = {"document", "passage", "corpus"};
    rsi_json *file = NULL;
    memset(out, 0, sizeof *out);
    int status = RAGSTORE_OK;
    if (query == NULL || document == NULL)
        status = rsi_wrap(read_file(&file, directory), FILE_NAME);
    if (status == RAGSTORE_OK)
        status = query != NULL
                     ? copy_prompt(&out->query, query, "query", RAGSTORE_E_INVALID_ARGUMENT)
                     : rsi_wrap(find_prompt(&out->query, file, query_names, 1), FILE_NAME);
    if (status == RAGSTORE_OK)
        status =
            document != NULL
                ? copy_prompt(&out->document, document, "document", RAGSTORE_E_INVALID_ARGUMENT)
                : rsi_wrap(find_prompt(&out->document, file, document_names, 3), FILE_NAME);
    rsi_json_free(file);
    if (status != RAGSTORE_OK)
        rsi_prompts_free(out);
    return status;
}

void rsi_prompts_free(rsi_prompts *prompts)
{
    rsi_free(prompts->query);
    rsi_free(prompts->document);
    memset(prompts, 0, sizeof *prompts);
}
