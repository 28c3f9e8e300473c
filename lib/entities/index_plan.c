/* The choice of tiers: see index_plan.h. */
#include "entities/index_plan.h"

#define CODES_FROM 8192
#define PARTITION_FROM 65536
#define FORCED_FROM 4097 /* fewer rows are searched exactly even where there are codes */
#define BYTES_FROM 2048
#define LISTS_MIN 16
/* Of shorter vectors codes say too little, and exact search is as fast; with lists, shorter ones. */
#define CODES_DIMENSION 96
#define PARTITION_DIMENSION 64

static size_t partition_lists(size_t rows)
{
    size_t lists = LISTS_MIN;
    while (lists * lists * 4 < rows * 3) /* the nearest power of two, about */
        lists *= 2;
    return lists;
}

static size_t lists_by_size(rsi_metric metric, uint32_t dimension, size_t rows)
{
    /* rows of different lengths do not lie where their products are best */
    const bool in_lists = rows >= PARTITION_FROM && metric != RSI_METRIC_INNER_PRODUCT;
    if (rows < CODES_FROM || dimension < (in_lists ? PARTITION_DIMENSION : CODES_DIMENSION))
        return 0;
    return in_lists ? partition_lists(rows) : 1;
}

size_t rsi_index_lists(const rsi_index_settings *settings, rsi_metric metric, uint32_t dimension,
                       size_t rows)
{
    const bool forced = rows >= FORCED_FROM;
    switch (settings->kind) {
    case RSI_INDEX_EXACT:
    case RSI_INDEX_FAISS:
        return 0;
    case RSI_INDEX_CODES:
        return forced ? 1 : 0;
    case RSI_INDEX_PARTITION:
        return forced ? partition_lists(rows) : 0;
    case RSI_INDEX_AUTO:
        break;
    }
    return lists_by_size(metric, dimension, rows);
}

typedef enum tier {
    EXACT,
    CODES,
    PARTITION,
} tier;

static tier tier_of(size_t lists)
{
    return lists == 0 ? EXACT : lists == 1 ? CODES : PARTITION;
}

rsi_index_change rsi_index_due(const rsi_index_settings *settings, rsi_metric metric,
                               uint32_t dimension, size_t rows, size_t lists)
{
    const size_t wanted = rsi_index_lists(settings, metric, dimension, rows);
    const bool is_forced = settings->kind != RSI_INDEX_AUTO;
    if (settings->kind == RSI_INDEX_EXACT)
        return lists > 0 ? RSI_INDEX_DROP : RSI_INDEX_KEEP;
    if (settings->kind == RSI_INDEX_FAISS) /* they serve until FAISS's are made */
        return RSI_INDEX_KEEP;
    if (wanted > lists && (lists <= 1 || wanted >= 2 * lists))
        return RSI_INDEX_MAKE;
    if (is_forced)
        return wanted > 0 && (wanted == 1) != (lists == 1) ? RSI_INDEX_MAKE : RSI_INDEX_KEEP;
    /* it is what twice as many rows would have: some fewer are no reason to make it anew */
    if (tier_of(lists) == tier_of(wanted) ||
        tier_of(lists) == tier_of(lists_by_size(metric, dimension, 2 * rows)))
        return RSI_INDEX_KEEP;
    return wanted > 0 ? RSI_INDEX_MAKE : RSI_INDEX_DROP;
}

bool rsi_index_wants_bytes(const rsi_index_settings *settings, size_t lists, size_t rows)
{
    return lists == 0 && settings->kind != RSI_INDEX_FAISS && rows >= BYTES_FROM;
}

bool rsi_index_spares_bytes(size_t rows)
{
    return rows < BYTES_FROM / 2;
}

const char *rsi_index_tier(const rsi_index_settings *settings, size_t lists)
{
    static const char *const names[] = {"exact", "codes", "partition"};
    return settings->kind == RSI_INDEX_EXACT ? names[EXACT] : names[tier_of(lists)];
}
