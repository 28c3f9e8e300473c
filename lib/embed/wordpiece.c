/*
 * From text to the token ids of a BERT-family model.
 *
 * One pass over the text, character by character, with room for one word only:
 *
 *   added token? ─► drop controls ─► space? ─► decompose, drop marks ─► lower case
 *       │ id                           │ word ends                          │
 *       ▼                              ▼                                    ▼
 *   the list ◄──── longest pieces of the vocabulary ◄──── word (punctuation: by itself)
 *
 * This gives the ids of the reference (which normalises the whole text first, then splits
 * it): each step looks at one character, except the canonical order of combining marks,
 * and that never reaches over the begin of a word. Marks that are dropped need no order;
 * the few that stay are put in their place in the word as they come.
 *
 * Words over the model's limit of characters (100) become one unknown token, so their rest
 * need not be kept, and time is linear in the text.
 *
 * Called by embedder.c. No state between calls, no memory: any thread.
 */
#include "embed/wordpiece.h"

#include "base/utf8.h"
#include "embed/bert_characters.h"

#include <string.h>
#include <utf8proc.h>

typedef struct open_word {
    uint32_t characters[RSI_WORD_CHARACTERS_MAX];
    unsigned char orders[RSI_WORD_CHARACTERS_MAX]; /* canonical combining classes; 0: a starter */
    size_t count;                                  /* one over the limit: too long */
    size_t settled;                                /* marks are not moved before this one */
} open_word;

typedef struct pass {
    const rsi_wordpiece *wordpiece;
    rsi_token_list *list;
    open_word word;
} pass;

static void put_id(rsi_token_list *list, int32_t id)
{
    if (list->count < list->capacity)
        list->ids[list->count] = id;
    list->count++;
}

/* All pieces of a word, or one unknown token when some part of it is in no piece. */
static void put_pieces(pass *run, const char *text, size_t size)
{
    int32_t ids[4 * RSI_WORD_CHARACTERS_MAX];
    size_t count = 0;
    for (size_t from = 0; from < size;) {
        size_t matched;
        int32_t id = rsi_vocabulary_match(&run->wordpiece->vocabulary, from > 0, text + from,
                                          size - from, &matched);
        if (id < 0) {
            put_id(run->list, run->wordpiece->unknown);
            return;
        }
        ids[count++] = id;
        from += matched;
    }
    for (size_t i = 0; i < count; i++)
        put_id(run->list, ids[i]);
}

static void end_word(pass *run)
{
    open_word *word = &run->word;
    char text[4 * RSI_WORD_CHARACTERS_MAX];
    size_t size = 0;
    if (word->count > run->wordpiece->word_characters) {
        put_id(run->list, run->wordpiece->unknown);
    } else if (word->count > 0) {
        for (size_t i = 0; i < word->count; i++) {
            if (word->characters[i] < 0x80)
                text[size++] = (char)word->characters[i];
            else
                size += rsi_utf8_encode(word->characters[i], text + size);
        }
        put_pieces(run, text, size);
    }
    word->count = 0;
    word->settled = 0;
}

static void add_to_word(pass *run, uint32_t character, unsigned char order)
{
    open_word *word = &run->word;
    if (word->count >= run->wordpiece->word_characters) {
        word->count = run->wordpiece->word_characters + 1;
        return;
    }
    size_t at = word->count++;
    if (order == 0)
        word->settled = word->count;
    while (at > word->settled && order != 0 && word->orders[at - 1] > order) {
        word->characters[at] = word->characters[at - 1];
        word->orders[at] = word->orders[at - 1];
        at--;
    }
    word->characters[at] = character;
    word->orders[at] = order;
}

/* A character after cleaning and decomposition. */
static void put_character(pass *run, uint32_t character)
{
    rsi_character kind = rsi_character_kind(character);
    unsigned char order = 0;
    if (run->wordpiece->strip_accents) {
        order = (unsigned char)utf8proc_get_property((utf8proc_int32_t)character)->combining_class;
        if (kind == RSI_CHARACTER_MARK) {
            if (order == 0)
                run->word.settled = run->word.count;
            return;
        }
    }
    if (kind == RSI_CHARACTER_PUNCTUATION) {
        end_word(run);
        add_to_word(run, character, 0);
        end_word(run);
        return;
    }
    if (run->wordpiece->lowercase) {
        if (character == 0x130) { /* the one capital whose lower case is two characters */
            add_to_word(run, 'i', 0);
            character = 0x307;
        } else {
            character = (uint32_t)utf8proc_tolower((utf8proc_int32_t)character);
        }
    }
    add_to_word(run, character, order);
}

static void put_beyond_ascii(pass *run, uint32_t character)
{
    rsi_character kind = rsi_character_kind(character);
    if (kind == RSI_CHARACTER_CONTROL)
        return;
    if (kind == RSI_CHARACTER_SPACE) {
        end_word(run);
        return;
    }
    bool apart = run->wordpiece->split_ideographs && rsi_character_is_ideograph(character);
    if (apart)
        end_word(run);
    if (run->wordpiece->strip_accents) {
        utf8proc_int32_t parts[16]; /* a canonical decomposition has at most four */
        int ignored = 0;
        utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)character, parts, 16,
                                                         UTF8PROC_DECOMPOSE, &ignored);
        for (utf8proc_ssize_t i = 0; i < count && i < 16; i++)
            put_character(run, (uint32_t)parts[i]);
    } else {
        put_character(run, character);
    }
    if (apart)
        end_word(run);
}

static void put_ascii(pass *run, uint32_t character)
{
    switch (rsi_character_kind(character)) {
    case RSI_CHARACTER_SPACE:
        end_word(run);
        break;
    case RSI_CHARACTER_PUNCTUATION:
        end_word(run);
        add_to_word(run, character, 0);
        end_word(run);
        break;
    case RSI_CHARACTER_OTHER:
        if (run->wordpiece->lowercase && character >= 'A' && character <= 'Z')
            character += 'a' - 'A';
        add_to_word(run, character, 0);
        break;
    default:
        break;
    }
}

/* The longest added token written at this place, or NULL. */
static const rsi_added_token *added_at(const rsi_wordpiece *wordpiece, const char *text,
                                       size_t size)
{
    const rsi_added_token *best = NULL;
    if (!wordpiece->begins_added[(unsigned char)text[0]])
        return NULL;
    for (size_t i = 0; i < wordpiece->added_count; i++) {
        const rsi_added_token *token = &wordpiece->added[i];
        if (token->size <= size && memcmp(text, token->text, token->size) == 0 &&
            (best == NULL || token->size > best->size))
            best = token;
    }
    return best;
}

void rsi_wordpiece_run(const rsi_wordpiece *wordpiece, rsi_token_list *list, const char *text,
                       size_t size)
{
    pass run;
    run.wordpiece = wordpiece;
    run.list = list;
    run.word.count = 0;
    run.word.settled = 0;
    for (size_t at = 0; at < size;) {
        if (list->only_first && list->count >= list->capacity)
            break;
        const rsi_added_token *token = added_at(wordpiece, text + at, size - at);
        if (token != NULL) {
            end_word(&run);
            put_id(list, token->id);
            at += token->size;
        } else if ((unsigned char)text[at] < 0x80) {
            put_ascii(&run, (unsigned char)text[at++]);
        } else {
            put_beyond_ascii(&run, rsi_utf8_next(text, size, &at));
        }
    }
    end_word(&run);
    if (list->only_first && list->count > list->capacity)
        list->count = list->capacity;
}

size_t rsi_wordpiece_frame(const rsi_wordpiece *wordpiece, int32_t *ids, size_t *uncut,
                           size_t limit, const char *text, size_t size)
{
    const size_t room = limit - RSI_SPECIAL_TOKENS;
    rsi_token_list list = {.ids = ids + 1, .capacity = room, .only_first = uncut == NULL};
    rsi_wordpiece_run(wordpiece, &list, text, size);
    if (uncut != NULL)
        *uncut = list.count + RSI_SPECIAL_TOKENS;
    const size_t kept = list.count < room ? list.count : room;
    ids[0] = wordpiece->begin;
    ids[kept + 1] = wordpiece->end;
    return kept + RSI_SPECIAL_TOKENS;
}
