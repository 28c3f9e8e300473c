/* Factory strings: see faiss_factory.h. */
#include "vectors/faiss_factory.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ROWS_PER_CENTROID 39
#define ROWS_MIN 4097 /* fewer are searched exactly */
#define NUMBER_MAX 65536

/* ---- the numbers of a string ---- */

typedef struct number {
    const char *name; /* the letters in front of it */
    size_t name_size;
    uint64_t value;
    const char *end;
} number;

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next number behind `at`; false when there is none. */
static bool next_number(number *out, const char *at)
{
    out->name = at;
    out->name_size = 0;
    for (; *at != '\0' && !is_digit(*at); at++) {
        if (!is_letter(*at)) {
            out->name_size = 0;
            continue;
        }
        if (out->name_size++ == 0)
            out->name = at;
    }
    out->value = 0;
    out->end = at;
    while (is_digit(*out->end) && out->value <= NUMBER_MAX)
        out->value = out->value * 10 + (uint64_t)(*out->end++ - '0');
    return out->end > at;
}

static bool is_named(const number *found, const char *name)
{
    return found->name_size == strlen(name) && memcmp(found->name, name, found->name_size) == 0;
}

static uint64_t limit_of(const number *found)
{
    static const struct {
        const char *name;
        uint64_t most;
    } limits[] = {{"x", 16},   {"HNSW", 512}, {"RQ", 64}, {"LSQ", 64},
                  {"PRQ", 64}, {"PLSQ", 64},  {"IMI", 2}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (is_named(found, limits[i].name))
            return limits[i].most;
    return NUMBER_MAX;
}

/* ---- checks ---- */

static int refuse(const char *factory, const char *why)
{
    return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "the FAISS kind \"%.120s\" %s", factory,
                    why);
}

/* Why a kind that FAISS has does not serve here; NULL: it does. */
static const char *useless_part(const char *factory)
{
    static const struct {
        const char *name, *why;
    } parts[] = {
        {"IDMap", "has an IDMap, which is put around it without being asked"},
        {"RFlat", "compares vectors again, which is done without being asked"},
        {"Refine", "compares vectors again, which is done without being asked"},
        {"NSG", "has a graph that takes no vectors later"}, /* or of few lists, divides by 0 */
        {"MinMax", "takes no vectors with numbers of their own"},
        {"ZnLattice", "takes no vectors"},
        {"Residual", "cannot be searched"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(factory, parts[i].name) != NULL)
            return parts[i].why;
    return NULL;
}

/* Behind "fs_": vectors in a block. FAISS divides by it, and has no loop for more than 160. */
static bool has_odd_blocks(const char *factory)
{
    const char *at = factory;
    while ((at = strstr(at, "fs")) != NULL) {
        number block;
        at += 2 + (at[2] == 'r');
        if (*at != '_' || !is_digit(at[1]))
            continue;
        next_number(&block, at);
        if (block.value % 32 != 0 || block.value < 32 || block.value > 160)
            return true;
    }
    return false;
}

int rsi_faiss_factory_check(const char *factory)
{
    static const char marks[] = ",_()";
    number found;
    const size_t size = strlen(factory);
    const bool is_multi =
        strstr(factory, "IMI") != NULL; /* has the square of 2 to its bits lists */
    if (size == 0 || size >= RSI_FAISS_FACTORY_MAX)
        return refuse(factory, "is not 1 to 120 characters long");
    for (size_t i = 0; i < size; i++)
        if (!is_letter(factory[i]) && !is_digit(factory[i]) && strchr(marks, factory[i]) == NULL)
            return refuse(factory, "has a character other than letters, digits, \",\", \"_\", "
                                   "\"(\" and \")\"");
    const char *useless = useless_part(factory);
    if (useless != NULL)
        return refuse(factory, useless);
    if (has_odd_blocks(factory))
        return refuse(factory, "has blocks other than of 32, 64, 96, 128 or 160 vectors");
    for (const char *at = factory; next_number(&found, at); at = found.end)
        if (found.value > limit_of(&found) ||
            (is_multi && is_named(&found, "x") && found.value > 8))
            return refuse(factory,
                          "has a number that is too large: lists at most 65536, neighbours "
                          "512, bits behind an \"x\" 16, codebooks of RQ and LSQ 64");
    return RAGSTORE_OK;
}

/* Of the centroids of a product quantiser, such as PQ16 or PQ16x4; 0 for another number. */
static uint64_t code_bits(const number *found)
{
    number bits;
    const bool has_codebooks = found->name_size >= 2 && found->name[found->name_size - 1] == 'Q' &&
                               !is_named(found, "SQ") && !is_named(found, "ITQ");
    if (!has_codebooks && !is_named(found, "IMI"))
        return 0;
    /* what turns vectors in front of it has codes of its own, of 8 bits */
    if (is_named(found, "OPQ") || !next_number(&bits, found->end) || bits.name != found->end ||
        !is_named(&bits, "x"))
        return 8;
    return bits.value;
}

size_t rsi_faiss_factory_rows(const char *factory)
{
    number found;
    uint64_t rows = ROWS_MIN;
    for (const char *at = factory; next_number(&found, at); at = found.end) {
        const uint64_t bits = code_bits(&found);
        const uint64_t centroids = is_named(&found, "IVF") ? found.value
                                   : bits > 0              ? (uint64_t)1 << bits
                                                           : 0;
        if (centroids * ROWS_PER_CENTROID > rows)
            rows = centroids * ROWS_PER_CENTROID;
    }
    return (size_t)rows;
}
