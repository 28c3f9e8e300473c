/*
 * Words that tell nothing about what a text is about: see stop_words.h.
 *
 * Closed classes only: articles, pronouns, auxiliaries, prepositions, conjunctions, particles
 * and question words. Each list is in byte order, in folded spelling. "us" is missing on
 * purpose: folded, it is also a country.
 */
#include "lexical/stop_words.h"

#include "lexical/stop_words_internal.h"

#include <string.h>

/* clang-format off */
static const char *const english[] = {
    "a", "about", "above", "after", "again", "against", "all", "along", "also", "although", "am",
    "among", "an", "and", "another", "any", "are", "aren't", "around", "as", "at", "be",
    "because", "been", "before", "behind", "being", "below", "beneath", "between", "beyond",
    "both", "but", "by", "can", "can't", "cannot", "could", "couldn't", "did", "didn't", "do",
    "does", "doesn't", "doing", "don't", "down", "during", "each", "either", "ever", "every",
    "few", "for", "from", "further", "had", "hadn't", "has", "hasn't", "have", "haven't",
    "having", "he", "he'd", "he'll", "her", "here", "hers", "herself", "him", "himself", "his",
    "how", "how're", "however", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is",
    "isn't", "it", "it'll", "its", "itself", "just", "many", "may", "me", "might", "more",
    "most", "much", "must", "mustn't", "my", "myself", "neither", "no", "nor", "not", "now", "of",
    "off", "on", "once", "only", "onto", "or", "other", "ought", "our", "ours", "ourselves",
    "out", "over", "own", "same", "shall", "shan't", "she", "she'd", "she'll", "should",
    "shouldn't", "since", "so", "some", "such", "than", "that", "that'll", "the", "their",
    "theirs", "them", "themselves", "then", "there", "there'll", "therefore", "these", "they",
    "they'd", "they'll", "they're", "they've", "this", "those", "though", "through", "thus", "to",
    "too", "toward", "towards", "under", "unless", "until", "up", "upon", "very", "via", "was",
    "wasn't", "we", "we'd", "we'll", "we're", "we've", "were", "weren't", "what", "what're",
    "when", "where", "whether", "which", "while", "who", "who'll", "who're", "who've", "whom",
    "whose", "why", "will", "with", "within", "without", "won't", "would", "wouldn't", "yet",
    "you", "you'd", "you'll", "you're", "you've", "your", "yours", "yourself", "yourselves",
};

static const char *const russian[] = {
    "а", "б", "без", "будет", "будто", "будут", "бы", "был", "была", "были", "было", "быть", "в",
    "вам", "вами", "вас", "ваш", "ваша", "ваше", "вашего", "вашей", "ваши", "ваших", "ведь",
    "весь", "вместо", "во", "вот", "все", "всего", "всей", "всем", "всеми", "всех", "вся", "вы",
    "где", "да", "даже", "для", "до", "его", "ее", "ей", "ему", "если", "есть", "еще", "ею", "же",
    "за", "зато", "зачем", "здесь", "и", "из", "изо", "или", "им", "ими", "их", "к", "как",
    "какая", "какие", "каким", "каких", "какого", "какое", "какой", "какую", "кем", "ко", "когда",
    "кого", "ком", "кому", "которая", "которого", "которое", "которой", "которому", "которую",
    "которые", "который", "которым", "которыми", "которых", "кто", "куда", "ли", "либо", "лишь",
    "между", "меня", "мне", "мной", "мною", "могут", "мое", "моего", "моей", "может", "можно",
    "мои", "моих", "мой", "мочь", "моя", "мы", "на", "над", "нам", "нами", "нас", "наш", "наша",
    "наше", "нашего", "нашей", "наши", "наших", "не", "него", "нее", "ней", "нем", "нему", "нет",
    "ни", "ним", "ними", "них", "но", "о", "об", "обо", "около", "он", "она", "они", "оно", "от",
    "откуда", "ото", "очень", "перед", "передо", "по", "под", "подо", "пока", "после", "потому",
    "почему", "поэтому", "при", "про", "против", "с", "сам", "сама", "сами", "само", "свое",
    "своего", "своей", "свои", "своим", "своими", "своих", "свой", "свою", "своя", "себе", "себя",
    "сколько", "со", "собой", "среди", "та", "так", "такая", "также", "такие", "таких", "такое",
    "такой", "там", "твое", "твои", "твой", "твоя", "те", "тебе", "тебя", "тем", "теми", "теперь",
    "тех", "то", "тобой", "тогда", "того", "тоже", "той", "только", "том", "тому", "тот", "ту",
    "тут", "ты", "у", "уж", "уже", "хотя", "чего", "чей", "чем", "чему", "через", "что", "чтоб",
    "чтобы", "чье", "чьи", "чья", "эта", "эти", "этим", "этими", "этих", "это", "этого", "этой",
    "этом", "этому", "этот", "эту", "я",
};
/* clang-format on */

rsi_stop_list rsi_stop_list_of(const char *language)
{
    if (strcmp(language, "english") == 0)
        return RSI_STOP_ENGLISH;
    if (strcmp(language, "russian") == 0)
        return RSI_STOP_RUSSIAN;
    for (int list = RSI_STOP_DUTCH; list < RSI_STOP_LISTS; list++)
        if (strcmp(rsi_stop_tables[list - RSI_STOP_DUTCH].language, language) == 0)
            return (rsi_stop_list)list;
    return RSI_STOP_NONE;
}

const char *const *rsi_stop_words(rsi_stop_list list, size_t *count)
{
    switch (list) {
    case RSI_STOP_ENGLISH:
        *count = sizeof english / sizeof english[0];
        return english;
    case RSI_STOP_RUSSIAN:
        *count = sizeof russian / sizeof russian[0];
        return russian;
    case RSI_STOP_NONE:
    case RSI_STOP_LISTS:
        *count = 0;
        return english;
    default:
        *count = rsi_stop_tables[list - RSI_STOP_DUTCH].count;
        return rsi_stop_tables[list - RSI_STOP_DUTCH].words;
    }
}

bool rsi_is_stop_word(rsi_stop_list list, const char *word, size_t size)
{
    size_t high;
    const char *const *words = rsi_stop_words(list, &high);
    size_t low = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = (unsigned char)words[middle][0] - (unsigned char)word[0];
        if (order == 0) /* for most of them it is not */
            order = strncmp(words[middle], word, size);
        if (order == 0 && words[middle][size] == '\0')
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
