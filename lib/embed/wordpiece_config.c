/*
 * Reading the set-up of a tokenizer from a model directory.
 *
 *   tokenizer.json        everything, as the reference implementation writes it; or, without it,
 *   vocab.txt             the pieces, one a line, and
 *   tokenizer_config.json lower case, accents, ideographs (may be missing: the BERT defaults)
 *
 * What decides about ids and is not understood is refused, never ignored. The file's truncation
 * and padding are not part of the tokenizer: the model's own limit counts (bert_config.c).
 *
 * Called by embedder.c when a model is opened.
 */
#include "embed/wordpiece.h"

#include "base/memory.h"
#include "base/status.h"
#include "embed/model_file.h"
#include "json/json.h"

#include <string.h>

#define TOKENIZER_SIZE_MAX ((size_t)64 << 20)
#define SMALL_SIZE_MAX ((size_t)1 << 20)
#define DEPTH_MAX 32
#define ADDED_MAX 4096
#define WORD_CHARACTERS 100 /* unless the file says otherwise */

static int unsupported(const char *what)
{
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "embed", "tokenizer: %s", what);
}

static bool has_text(const rsi_json *object, const char *key, const char *text)
{
    const char *found = rsi_json_get_text(object, key);
    return found != NULL && strcmp(found, text) == 0;
}

/* A member that is absent or null has the default. */
static bool flag(const rsi_json *object, const char *key, bool otherwise)
{
    const rsi_json *value = rsi_json_get(object, key);
    return rsi_json_is_bool(value) ? rsi_json_true(value) : otherwise;
}

static int add_token(rsi_wordpiece *wordpiece, const char *text, size_t size, int32_t id)
{
    rsi_added_token *token = &wordpiece->added[wordpiece->added_count];
    token->text = rsi_memdup0(text, size);
    if (token->text == NULL)
        return RAGSTORE_E_NO_MEMORY;
    token->size = size;
    token->id = id;
    wordpiece->added_count++;
    wordpiece->begins_added[(unsigned char)text[0]] = true;
    return RAGSTORE_OK;
}

static int read_added_tokens(rsi_wordpiece *wordpiece, const rsi_json *list)
{
    size_t count = rsi_json_count(list);
    if (count > ADDED_MAX)
        return unsupported("too many added tokens");
    wordpiece->added = rsi_alloc_array(count, sizeof *wordpiece->added);
    if (wordpiece->added == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const rsi_json *entry = rsi_json_at(list, i);
        const rsi_json *content = rsi_json_get(entry, "content");
        int64_t id = rsi_json_get_integer(entry, "id", -1);
        if (rsi_json_text_size(content) == 0 || id < 0 || id > INT32_MAX)
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed",
                            "tokenizer: added token %zu has no content or no id", i);
        /* White space around it does not matter here, so lstrip and rstrip do not either. */
        if (flag(entry, "single_word", false) || flag(entry, "normalized", false))
            return unsupported("an added token that is matched in normalised text or whole words");
        int status =
            add_token(wordpiece, rsi_json_text(content), rsi_json_text_size(content), (int32_t)id);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

static int read_normalizer(rsi_wordpiece *wordpiece, const rsi_json *normalizer)
{
    if (!has_text(normalizer, "type", "BertNormalizer") || !flag(normalizer, "clean_text", true))
        return unsupported("its normalizer is not the BertNormalizer with clean_text");
    wordpiece->split_ideographs = flag(normalizer, "handle_chinese_chars", true);
    wordpiece->lowercase = flag(normalizer, "lowercase", true);
    wordpiece->strip_accents = flag(normalizer, "strip_accents", wordpiece->lowercase);
    return RAGSTORE_OK;
}

/* Is it [CLS] text [SEP]? */
static bool frames_the_text(const rsi_json *post_processor)
{
    if (has_text(post_processor, "type", "BertProcessing"))
        return true;
    const rsi_json *single = rsi_json_get(post_processor, "single");
    return has_text(post_processor, "type", "TemplateProcessing") && rsi_json_count(single) == 3 &&
           has_text(rsi_json_get(rsi_json_at(single, 0), "SpecialToken"), "id", "[CLS]") &&
           rsi_json_get(rsi_json_at(single, 1), "Sequence") != NULL &&
           has_text(rsi_json_get(rsi_json_at(single, 2), "SpecialToken"), "id", "[SEP]");
}

static int find_special(int32_t *id, const rsi_wordpiece *wordpiece, const char *piece)
{
    *id = rsi_vocabulary_find(&wordpiece->vocabulary, piece);
    if (*id < 0)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "vocabulary: \"%.40s\" is missing",
                        piece);
    return RAGSTORE_OK;
}

static int find_specials(rsi_wordpiece *wordpiece, const char *unknown)
{
    int status = find_special(&wordpiece->unknown, wordpiece, unknown);
    if (status == RAGSTORE_OK)
        status = find_special(&wordpiece->begin, wordpiece, "[CLS]");
    if (status == RAGSTORE_OK)
        status = find_special(&wordpiece->end, wordpiece, "[SEP]");
    return status;
}

static int read_tokenizer(rsi_wordpiece *wordpiece, const rsi_json *tokenizer)
{
    const rsi_json *model = rsi_json_get(tokenizer, "model");
    const char *prefix = rsi_json_get_text(model, "continuing_subword_prefix");
    const char *unknown = rsi_json_get_text(model, "unk_token");
    int64_t characters = rsi_json_get_integer(model, "max_input_chars_per_word", WORD_CHARACTERS);
    if (!has_text(model, "type", "WordPiece") || (prefix != NULL && strcmp(prefix, "##") != 0))
        return unsupported("its model is not WordPiece with \"##\"");
    if (characters < 1 || characters > RSI_WORD_CHARACTERS_MAX)
        return unsupported("max_input_chars_per_word is out of range");
    if (!has_text(rsi_json_get(tokenizer, "pre_tokenizer"), "type", "BertPreTokenizer"))
        return unsupported("its pre_tokenizer is not the BertPreTokenizer");
    if (!frames_the_text(rsi_json_get(tokenizer, "post_processor")))
        return unsupported("its post_processor does not put [CLS] and [SEP] around the text");

    wordpiece->word_characters = (size_t)characters;
    int status = read_normalizer(wordpiece, rsi_json_get(tokenizer, "normalizer"));
    if (status == RAGSTORE_OK)
        status = read_added_tokens(wordpiece, rsi_json_get(tokenizer, "added_tokens"));
    if (status == RAGSTORE_OK)
        status = rsi_vocabulary_of_json(&wordpiece->vocabulary, rsi_json_get(model, "vocab"));
    if (status == RAGSTORE_OK)
        status = find_specials(wordpiece, unknown == NULL ? "[UNK]" : unknown);
    return status;
}

static int read_json(rsi_json **out, const char *directory, const char *name, size_t max_size)
{
    rsi_bytes text = {0};
    *out = NULL;
    int status = rsi_model_file_read(&text, directory, name, max_size);
    if (status == RAGSTORE_OK) {
        status = rsi_json_parse(out, text.data, text.size, DEPTH_MAX);
        rsi_wrap(status, "%s", name);
    }
    rsi_bytes_free(&text);
    return status;
}

/* Without a tokenizer.json: the BERT defaults, as far as tokenizer_config.json does not differ. */
static int read_vocabulary_file(rsi_wordpiece *wordpiece, const char *directory)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    size_t special_count = sizeof specials / sizeof specials[0];
    rsi_bytes lines = {0};
    rsi_json *config = NULL;
    int status = rsi_model_file_read(&lines, directory, "vocab.txt", TOKENIZER_SIZE_MAX);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = rsi_vocabulary_of_lines(&wordpiece->vocabulary, &lines);
    if (status != RAGSTORE_OK)
        goto cleanup;
    status = read_json(&config, directory, "tokenizer_config.json", SMALL_SIZE_MAX);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_NOT_FOUND)
        goto cleanup;
    wordpiece->word_characters = WORD_CHARACTERS;
    wordpiece->split_ideographs = flag(config, "tokenize_chinese_chars", true);
    wordpiece->lowercase = flag(config, "do_lower_case", true);
    wordpiece->strip_accents = flag(config, "strip_accents", wordpiece->lowercase);
    status = find_specials(wordpiece, "[UNK]");
    if (status != RAGSTORE_OK)
        goto cleanup;
    wordpiece->added = rsi_alloc_array(special_count, sizeof *wordpiece->added);
    if (wordpiece->added == NULL)
        status = RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < special_count && status == RAGSTORE_OK; i++) {
        int32_t id = rsi_vocabulary_find(&wordpiece->vocabulary, specials[i]);
        if (id >= 0)
            status = add_token(wordpiece, specials[i], strlen(specials[i]), id);
    }
cleanup:
    rsi_json_free(config);
    rsi_bytes_free(&lines);
    return status;
}

int rsi_wordpiece_open(rsi_wordpiece *out, const char *directory)
{
    memset(out, 0, sizeof *out);
    rsi_json *tokenizer = NULL;
    int status = read_json(&tokenizer, directory, "tokenizer.json", TOKENIZER_SIZE_MAX);
    if (status == RAGSTORE_OK)
        status = rsi_wrap(read_tokenizer(out, tokenizer), "tokenizer.json");
    else if (status == RAGSTORE_E_NOT_FOUND)
        status = read_vocabulary_file(out, directory);
    rsi_json_free(tokenizer);
    if (status != RAGSTORE_OK)
        rsi_wordpiece_free(out);
    return status;
}

void rsi_wordpiece_free(rsi_wordpiece *wordpiece)
{
    for (size_t i = 0; i < wordpiece->added_count; i++)
        rsi_free(wordpiece->added[i].text);
    rsi_free(wordpiece->added);
    rsi_vocabulary_free(&wordpiece->vocabulary);
    memset(wordpiece, 0, sizeof *wordpiece);
}

static void digest_number(rsi_sha256 *sha, int64_t number)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)number >> (8 * i));
    rsi_sha256_add(sha, bytes, sizeof bytes);
}

void rsi_wordpiece_digest(const rsi_wordpiece *wordpiece, rsi_sha256 *sha)
{
    rsi_vocabulary_digest(&wordpiece->vocabulary, sha);
    digest_number(sha, (int64_t)wordpiece->added_count);
    for (size_t i = 0; i < wordpiece->added_count; i++) {
        digest_number(sha, wordpiece->added[i].id);
        rsi_sha256_add(sha, wordpiece->added[i].text, wordpiece->added[i].size + 1);
    }
    digest_number(sha, wordpiece->unknown);
    digest_number(sha, (int64_t)wordpiece->word_characters);
    digest_number(sha, wordpiece->lowercase | wordpiece->strip_accents << 1 |
                           wordpiece->split_ideographs << 2);
}
