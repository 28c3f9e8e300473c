/* What table.c, table_read.c and table_freeze.c share. */
#ifndef RSI_STORAGE_TABLE_INTERNAL_H
#define RSI_STORAGE_TABLE_INTERNAL_H

#include "storage/base.h"
#include "storage/table.h"

/* Of its own or of the base. */
bool rsi_record_has_value(const rsi_table *table, const rsi_record *record);
void rsi_record_free_members(rsi_record *record);
/* Position in `sequence` of the first place with an order >= `order`. */
size_t rsi_table_position(const rsi_table *table, uint64_t order);

static inline bool rsi_table_covers(const rsi_table *table, size_t number)
{
    return (table->covered[number / 8] >> number % 8 & 1) != 0;
}

#endif
