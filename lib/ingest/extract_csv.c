/*
 * Tables in text files: values separated by commas, semicolons, tabs or bars.
 *
 * The delimiter is the one that gives the first records the same number of fields; the first
 * record holds the columns' names unless it looks like data. Each further record becomes a row
 * of text (extract_row.c). The column that names a row in a wide table is the one whose title
 * says so most plainly ("name", "title"), or else the first whose values are words; and they must
 * be all different.
 */
#include "ingest/extract_csv.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define PROBED_RECORDS 50
#define LABEL_ROWS 200
#define SEEN_BITS 8192 /* of a column's values: 200 different ones seldom meet */

/* Numbers, dates, amounts: what stands in a table's body and not in its head. */
static bool looks_like_data(rsi_slice value)
{
    size_t digits = 0;
    for (size_t i = 0; i < value.size; i++) {
        digits += rsi_is_digit(value.data[i]);
        if (!rsi_is_digit(value.data[i]) && memchr(" .,:;/+-%$()", value.data[i], 12) == NULL)
            return false;
    }
    return digits > 0;
}

/* Years often stand in a table's head: one column for each. */
static bool is_year(rsi_slice value)
{
    return value.size == 4 && rsi_is_digit(value.data[2]) && rsi_is_digit(value.data[3]) &&
           (rsi_starts_with(value, "19") || rsi_starts_with(value, "20"));
}

static bool is_header(const rsi_csv_record *record)
{
    size_t empty = 0;
    size_t data = 0;
    size_t years = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].size > 200)
            return false;
        data += looks_like_data(record->fields[i]);
        years += is_year(record->fields[i]);
        empty += record->fields[i].size == 0;
    }
    return (data == 0 || (data == years && years >= 2 && years < record->count)) &&
           empty * 2 <= record->count;
}

/* How well a delimiter fits: 0 when it is hardly there, more for more equal records. */
static size_t fit_of(rsi_slice source, char delimiter, size_t *fields, int *status)
{
    rsi_csv_reader reader;
    rsi_csv_record record = {0};
    size_t equal = 0;
    size_t records = 0;
    rsi_csv_begin(&reader, source, delimiter);
    *fields = 0;
    while (records < PROBED_RECORDS &&
           (*status = rsi_csv_next(&reader, &record)) == RSI_CSV_RECORD) {
        if (records == 0)
            *fields = record.count;
        equal += record.count == *fields;
        records++;
    }
    rsi_csv_record_free(&record);
    if (*status < 0)
        return 0;
    return *fields < 2 ? 0 : 1 + equal * 1000 / records;
}

int rsi_csv_delimiter(char *delimiter, bool *sure, rsi_slice source)
{
    static const char candidates[] = {',', '\t', ';', '|'};
    size_t best_fit = 0;
    size_t best_fields = 0;
    *delimiter = ',';
    for (size_t i = 0; i < sizeof candidates; i++) {
        int status;
        size_t fields;
        size_t fit = fit_of(source, candidates[i], &fields, &status);
        if (status < 0)
            return status;
        if (fit > best_fit || (fit == best_fit && fields > best_fields)) {
            best_fit = fit;
            best_fields = fields;
            *delimiter = candidates[i];
        }
    }
    *sure = best_fit == 1001 && best_fields >= 3;
    return RAGSTORE_OK;
}

/* 3: the title's last word means "name"; 2: it holds such a word; 1: not. */
static size_t name_words(rsi_slice title)
{
    static const char *const words[] = {
        "name",  "title", "label", "subject", "product", "nombre", "título",   "nom",
        "titre", "titel", "nome",  "titolo",  "naam",    "nazwa",  "название", "имя",
        "名前",  "名称",  "名稱",  "氏名",    "标题",    "이름",
    };
    size_t found = 1;
    for (size_t start = 0; start < title.size;) {
        size_t end = start;
        while (end < title.size && strchr(" _-./()", title.data[end]) == NULL)
            end++;
        rsi_slice word = {title.data + start, end - start};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (rsi_equals_ignoring_case(word, words[i]))
                found = end == title.size ? 3 : 2;
        start = end + 1;
    }
    return found;
}

typedef struct column {
    size_t filled;
    size_t wordy;    /* begin with a letter and are of a name's length */
    size_t repeated; /* were there before, or share a bit with one that was */
    unsigned char seen[SEEN_BITS / 8];
} column;

static uint32_t hash_of(rsi_slice value)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < value.size; i++)
        hash = (hash ^ (unsigned char)value.data[i]) * 16777619u;
    return hash;
}

static void look_at_row(column *columns, size_t count, const rsi_csv_record *record)
{
    for (size_t i = 0; i < count && i < record->count; i++) {
        rsi_slice value = record->fields[i];
        if (value.size == 0)
            continue;
        uint32_t hash = hash_of(value);
        columns[i].filled++;
        columns[i].wordy += value.size >= 2 && value.size <= 80 && rsi_has_words(value.data, 1) &&
                            !rsi_is_digit(value.data[0]) && !rsi_starts_with(value, "http");
        /* Letters of other scripts begin with a byte that is no letter of its own. */
        columns[i].wordy += (unsigned char)value.data[0] >= 0xC3 && value.size <= 120;
        unsigned char bit = (unsigned char)(1u << hash % 8);
        columns[i].repeated += (columns[i].seen[hash / 8 % sizeof columns[i].seen] & bit) != 0;
        columns[i].seen[hash / 8 % sizeof columns[i].seen] |= bit;
    }
}

/* The column that names its row. */
static int label_column(size_t *label, rsi_slice source, char delimiter)
{
    rsi_csv_reader reader;
    rsi_csv_record names = {0};
    rsi_csv_record record = {0};
    size_t rows = 0;
    column *columns = NULL;
    rsi_csv_begin(&reader, source, delimiter);
    *label = 0;
    int status = rsi_csv_next(&reader, &names);
    if (status != RSI_CSV_RECORD)
        goto cleanup;
    columns = rsi_alloc_array(names.count, sizeof *columns);
    if (columns == NULL) {
        status = RAGSTORE_E_NO_MEMORY;
        goto cleanup;
    }
    while (rows < LABEL_ROWS && (status = rsi_csv_next(&reader, &record)) == RSI_CSV_RECORD) {
        look_at_row(columns, names.count, &record);
        rows++;
    }
    size_t best = 0;
    for (size_t i = 0; i < names.count && status >= 0; i++) {
        const column *c = &columns[i];
        if (c->filled * 10 < rows * 9 || c->wordy * 10 < rows * 9 || c->repeated * 10 > rows)
            continue;
        size_t score = name_words(names.fields[i]);
        if (score > best ||
            (score == best && names.fields[i].size < names.fields[*label].size && score > 1)) {
            best = score;
            *label = i;
        }
    }
cleanup:
    rsi_free(columns);
    rsi_csv_record_free(&record);
    rsi_csv_record_free(&names);
    return status < 0 ? status : RAGSTORE_OK;
}

/* The rows behind the head, which may be absent. */
static int add_rows(rsi_extracted *out, rsi_csv_reader *reader, const rsi_csv_record *names,
                    size_t label)
{
    rsi_csv_record record = {0};
    int status;
    while ((status = rsi_csv_next(reader, &record)) == RSI_CSV_RECORD) {
        /* Fields behind the last name have none; a row of its own is the way to keep them. */
        bool named = names != NULL && record.count <= names->count;
        rsi_table_row row = {named ? names->fields : NULL, record.fields, record.count, label};
        status = rsi_add_row(out, &row);
        if (status != RAGSTORE_OK)
            break;
        rsi_source_passed(out, reader->at);
    }
    rsi_csv_record_free(&record);
    return status;
}

int rsi_extract_csv(rsi_extracted *out, rsi_slice source)
{
    rsi_csv_reader reader;
    rsi_csv_record first = {0};
    char delimiter;
    bool sure;
    size_t label = 0;
    int status = rsi_csv_delimiter(&delimiter, &sure, source);
    if (status != RAGSTORE_OK)
        return status;
    rsi_csv_begin(&reader, source, delimiter);
    status = rsi_csv_next(&reader, &first);
    if (status != RSI_CSV_RECORD)
        goto cleanup;
    if (is_header(&first)) {
        status = label_column(&label, source, delimiter);
        if (status == RAGSTORE_OK)
            status = add_rows(out, &reader, &first, label);
    } else {
        rsi_csv_begin(&reader, source, delimiter);
        status = add_rows(out, &reader, NULL, 0);
    }
    if (status == RAGSTORE_OK && !rsi_has_blocks(out)) { /* a head without rows */
        rsi_table_row row = {NULL, first.fields, first.count, 0};
        status = rsi_add_row(out, &row);
    }
cleanup:
    rsi_csv_record_free(&first);
    return status;
}
