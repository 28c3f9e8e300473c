/*
 * Dates in Excel files: a number of days, which only the format of its cell makes a date.
 */
#ifndef EXTRACT_DATES_H
#define EXTRACT_DATES_H

#include "extract_archive.h"

enum date_kind {
    DATE_NONE,    /* a number is a number */
    DATE_DAY,     /* 2024-03-05 */
    DATE_TIME,    /* 14:30 */
    DATE_MOMENT,  /* 2024-03-05 14:30 */
    DATE_DURATION /* 26:30:00 */
};

struct dates {
    unsigned char *kinds; /* of each cell format of the workbook */
    size_t count;
    bool from_1904; /* days are counted from 1904, as old Macintosh files do */
};

/* Read what the cell formats of a workbook are; free() dates->kinds. */
void dates_read(struct dates *dates, struct archive *archive);

/* What a format such as "d/m/yy h:mm" shows. */
enum date_kind dates_kind_of(const char *format);

/* Write the value of a cell of this format as a date; false when it is none. */
bool dates_write(char *out, size_t size, const struct dates *dates, size_t format,
                 const char *value);

#endif
