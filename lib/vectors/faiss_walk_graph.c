/*
 * A graph of neighbours: see faiss_walk.h. FAISS goes wherever it leads.
 *
 *   room        0, 2M, 3M, …    neighbours up to a level, added up
 *   levels      n               that a vector is on, 1 or more
 *   offsets     n + 1           where its neighbours begin: room[levels] each
 *   neighbours  …               level by level; -1: no more
 *   entry, and the highest level
 */
#include "vectors/faiss_walk_internal.h"

#include "base/memory.h"

#define PIECE 1024
#define LEVELS_MAX 64
#define NEIGHBOURS_MAX                                                                             \
    1024                /* on the lowest level: twice the most that a factory string may ask for */
#define EFFORT_MAX 4096 /* that is a wait, not a hang */
#define PROBABILITIES_MAX 64

typedef struct graph {
    rsi_faiss_walker *walker;
    uint64_t count;
    uint64_t level_count;
    int32_t room[LEVELS_MAX + 1]; /* of level_count + 1 */
    uint8_t *levels;
    uint8_t highest;
} graph;

/* Numbers of an array, one after the other. */
typedef struct numbers {
    rsi_faiss_walker *walker;
    int32_t piece[PIECE];
    size_t at, held;
    uint64_t left; /* in the file */
} numbers;

static int next(int32_t *out, numbers *from)
{
    if (from->at == from->held) {
        from->held = from->left < PIECE ? (size_t)from->left : PIECE;
        from->at = 0;
        if (from->held == 0)
            return rsi_faiss_walk_fail(from->walker, "an array ends too early");
        int status =
            rsi_faiss_walk_take(from->walker, from->piece, from->held * sizeof *from->piece);
        if (status != RAGSTORE_OK)
            return status;
        from->left -= from->held;
    }
    *out = from->piece[from->at++];
    return RAGSTORE_OK;
}

/* ---- how much room there is on which level ---- */

static int take_probabilities(graph *of)
{
    double chance[PROBABILITIES_MAX];
    int status = rsi_faiss_walk_length(&of->level_count, of->walker, sizeof *chance);
    if (status != RAGSTORE_OK)
        return status;
    if (of->level_count < 1 || of->level_count > PROBABILITIES_MAX)
        return rsi_faiss_walk_fail(of->walker, "is a graph of too many levels, or none");
    status = rsi_faiss_walk_take(of->walker, chance, (size_t)of->level_count * sizeof *chance);
    for (size_t i = 0; status == RAGSTORE_OK && i < of->level_count; i++)
        if (!(chance[i] >= 0 && chance[i] <= 1))
            status = rsi_faiss_walk_fail(of->walker, "is no probability");
    return status;
}

static int take_room(graph *of)
{
    int status = rsi_faiss_walk_expect_length(of->walker, of->level_count + 1, sizeof *of->room,
                                              "are neighbours for more or fewer levels");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(of->walker, of->room,
                                     (size_t)(of->level_count + 1) * sizeof *of->room);
    if (status != RAGSTORE_OK)
        return status;
    bool is_regular = of->room[0] == 0 && of->room[1] >= 2 && of->room[1] <= NEIGHBOURS_MAX &&
                      of->room[1] % 2 == 0;
    for (size_t i = 2; is_regular && i <= of->level_count; i++)
        is_regular = of->room[i] == of->room[i - 1] + of->room[1] / 2;
    return is_regular ? RAGSTORE_OK : rsi_faiss_walk_fail(of->walker, "is no number of neighbours");
}

/* ---- the vectors' levels and places ---- */

static int take_levels(graph *of)
{
    numbers from = {.walker = of->walker, .left = of->count};
    int status = rsi_faiss_walk_expect_length(of->walker, of->count, sizeof(int32_t),
                                              "are levels for more or fewer vectors");
    if (status != RAGSTORE_OK)
        return status;
    of->levels = rsi_alloc_array((size_t)of->count + 1, sizeof *of->levels);
    if (of->levels == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; status == RAGSTORE_OK && i < of->count; i++) {
        int32_t level = 0;
        status = next(&level, &from);
        if (status == RAGSTORE_OK && (level < 1 || (uint64_t)level > of->level_count))
            status = rsi_faiss_walk_fail(of->walker, "is a vector on a level that there is not");
        of->levels[i] = (uint8_t)level;
        if (of->levels[i] > of->highest)
            of->highest = of->levels[i];
    }
    return status;
}

static int take_offsets(graph *of, uint64_t *neighbours)
{
    uint64_t expected = 0;
    int status = rsi_faiss_walk_expect_length(of->walker, of->count + 1, sizeof expected,
                                              "are places for more or fewer vectors");
    for (size_t i = 0; status == RAGSTORE_OK && i <= of->count; i++) {
        uint64_t offset = 0;
        status = rsi_faiss_walk_take(of->walker, &offset, sizeof offset);
        if (status == RAGSTORE_OK && offset != expected)
            status = rsi_faiss_walk_fail(of->walker, "neighbours begin at another place");
        if (i < of->count)
            expected += (uint64_t)of->room[of->levels[i]];
    }
    *neighbours = expected;
    return status;
}

/* ---- neighbours ---- */

/* Of one vector on one level: each is there, and on that level, too. */
static int take_neighbours(graph *of, numbers *from, size_t level)
{
    int status = RAGSTORE_OK;
    const int32_t room = of->room[level + 1] - of->room[level];
    for (int32_t i = 0; status == RAGSTORE_OK && i < room; i++) {
        int32_t neighbour = -1;
        status = next(&neighbour, from);
        if (status == RAGSTORE_OK &&
            (neighbour < -1 || (neighbour >= 0 && ((uint64_t)neighbour >= of->count ||
                                                   of->levels[neighbour] <= level))))
            status = rsi_faiss_walk_fail(of->walker, "is a neighbour that there is not");
    }
    return status;
}

static int take_all_neighbours(graph *of, uint64_t count)
{
    numbers from = {.walker = of->walker, .left = count};
    int status = rsi_faiss_walk_expect_length(
        of->walker, count, sizeof(int32_t), "are more or fewer neighbours than there is room for");
    for (size_t i = 0; status == RAGSTORE_OK && i < of->count; i++)
        for (size_t level = 0; status == RAGSTORE_OK && level < of->levels[i]; level++)
            status = take_neighbours(of, &from, level);
    return status;
}

/* ---- where a search begins, and how long it takes ---- */

static int take_entry(graph *of)
{
    struct {
        int32_t entry, highest, effort_adding, effort, beam;
    } is = {0};
    int status = rsi_faiss_walk_take(of->walker, &is, sizeof is);
    if (status != RAGSTORE_OK)
        return status;
    const bool is_there = of->count == 0 ? is.entry == -1 && is.highest == -1
                                         : is.entry >= 0 && (uint64_t)is.entry < of->count &&
                                               of->levels[is.entry] == of->highest &&
                                               is.highest == of->highest - 1;
    if (!is_there)
        return rsi_faiss_walk_fail(of->walker, "a graph is entered where nothing is");
    if (is.effort_adding < 1 || is.effort_adding > EFFORT_MAX || is.effort < 1 ||
        is.effort > EFFORT_MAX || is.beam != 1)
        return rsi_faiss_walk_fail(of->walker, "is an effort that nobody asked for");
    return RAGSTORE_OK;
}

int rsi_faiss_walk_graph(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    graph of = {.walker = walker, .count = head->count};
    uint64_t neighbours = 0;
    int status = take_probabilities(&of);
    if (status == RAGSTORE_OK)
        status = take_room(&of);
    if (status == RAGSTORE_OK)
        status = take_levels(&of);
    if (status == RAGSTORE_OK)
        status = take_offsets(&of, &neighbours);
    if (status == RAGSTORE_OK)
        status = take_all_neighbours(&of, neighbours);
    if (status == RAGSTORE_OK)
        status = take_entry(&of);
    rsi_free(of.levels);
    walker->in_graph = true;
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_index(walker, RSI_FAISS_IS_FLAT | RSI_FAISS_IS_CODES,
                                      head->dimension, head->count);
    walker->in_graph = false;
    return status;
}
