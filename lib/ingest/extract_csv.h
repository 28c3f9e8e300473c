/*
 * Reading records of comma-separated values (RFC 4180, with other delimiters, and forgiving).
 *
 * A record's fields have their white space folded and are slices of its own memory, valid until
 * the next rsi_csv_next. A quoted field that does not end within FIELD_MAX bytes is taken to begin
 * with a stray quote. Reading stays linear: behind a stray quote all quotes come in even numbers
 * for that long, and fields that begin with an even number of quotes end by themselves.
 */
#ifndef RSI_INGEST_EXTRACT_CSV_H
#define RSI_INGEST_EXTRACT_CSV_H

#include "ingest/extract_parts.h"

#define RSI_CSV_RECORD 1 /* of rsi_csv_next: there was one more */

typedef struct rsi_csv_reader {
    rsi_slice source;
    size_t at;
    char delimiter;
} rsi_csv_reader;

typedef struct rsi_csv_record {
    rsi_slice *fields;
    size_t count; /* at most RSI_COLUMNS_MAX; what is beyond stands in the last field */
    size_t capacity;
    rsi_bytes bytes;
} rsi_csv_record;

void rsi_csv_begin(rsi_csv_reader *reader, rsi_slice source, char delimiter);
/* RSI_CSV_RECORD, 0 at the end, or an error. Empty lines are skipped. */
int rsi_csv_next(rsi_csv_reader *reader, rsi_csv_record *record);
void rsi_csv_record_free(rsi_csv_record *record);

/* extract_csv.c. *sure: at least three columns and as many fields in all of the first records. */
int rsi_csv_delimiter(char *delimiter, bool *sure, rsi_slice source);

#endif
