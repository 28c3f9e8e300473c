/* Dates in Excel files: see extract_dates.h. */
#include "extract_dates.h"

#include "extract_emit.h"
#include "extract_xml.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMATS_MAX = 1 << 16, OWN_MAX = 1024 };

/* ---- formats ---- */

/* Formats that every workbook has, by their numbers. Those of East Asian versions from 27 on are
 * dates, too. */
static enum date_kind built_in(unsigned long number)
{
    if ((number >= 14 && number <= 17) || (number >= 27 && number <= 31) || number == 36 ||
        (number >= 50 && number <= 54) || number == 57 || number == 58) {
        return DATE_DAY;
    }
    if ((number >= 18 && number <= 21) || (number >= 32 && number <= 35) || number == 45 ||
        number == 47 || number == 55 || number == 56) {
        return DATE_TIME;
    }
    return number == 22 ? DATE_MOMENT : number == 46 ? DATE_DURATION : DATE_NONE;
}

/* The end of what begins with a quote, a bracket, or a character that quotes the next one. */
static const char *skip_literal(const char *at)
{
    const char closing = *at == '"' ? '"' : ']';

    if (*at == '\\' || *at == '_' || *at == '*') {
        return at[1] == '\0' ? at + 1 : at + 2;
    }
    at++;
    while (*at != '\0' && *at != closing) {
        at++;
    }
    return *at == '\0' ? at : at + 1;
}

enum date_kind dates_kind_of(const char *format)
{
    bool day = false;
    bool time = false;

    for (const char *at = format; *at != '\0' && *at != ';';) {
        if (*at == '[' && strchr("hHmMsS", at[1]) != NULL && at[1] != '\0') {
            return DATE_DURATION; /* [h]:mm counts beyond a day */
        }
        if (strchr("\"[\\_*", *at) != NULL) {
            at = skip_literal(at);
            continue;
        }
        if (strncmp(at, "General", 7) == 0) {
            return DATE_NONE;
        }
        day = day || strchr("yYdD", *at) != NULL;
        time = time || strchr("hHsS", *at) != NULL;
        /* a month, unless hours or seconds make minutes of it */
        if ((*at == 'm' || *at == 'M') && strpbrk(format, "hHsS") == NULL) {
            day = true;
        }
        at++;
    }
    return day && time ? DATE_MOMENT : day ? DATE_DAY : time ? DATE_TIME : DATE_NONE;
}

struct own_format {
    unsigned long number;
    enum date_kind kind;
};

static enum date_kind kind_of_number(unsigned long number, const struct own_format *own,
                                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (own[i].number == number) {
            return own[i].kind;
        }
    }
    return built_in(number);
}

static void add_format(struct dates *dates, enum date_kind kind)
{
    if (dates->count == FORMATS_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    if (dates->count % 256 == 0) {
        unsigned char *larger = realloc(dates->kinds, dates->count + 256);

        if (larger == NULL) {
            emit_refusal(REASON_NO_MEMORY);
        }
        dates->kinds = larger;
    }
    dates->kinds[dates->count++] = (unsigned char)kind;
}

static void read_styles(struct dates *dates, const struct bytes *bytes)
{
    struct own_format *own = get_memory(OWN_MAX, sizeof *own);
    size_t own_count = 0;
    bool in_cells = false;
    struct xml xml;

    xml_open(&xml, bytes);
    while (xml_next(&xml)) {
        if (xml.kind == XML_TEXT) {
            continue;
        }
        if (strcmp(xml.name, "cellXfs") == 0) {
            in_cells = xml.kind == XML_START;
        } else if (xml_is(&xml, XML_START, "numFmt") && own_count < OWN_MAX) {
            own[own_count].number = strtoul(xml_attribute(&xml, "numFmtId"), NULL, 10);
            own[own_count].kind = dates_kind_of(xml_attribute(&xml, "formatCode"));
            own_count++;
        } else if (xml_is(&xml, XML_START, "xf") && in_cells) {
            const unsigned long number = strtoul(xml_attribute(&xml, "numFmtId"), NULL, 10);

            add_format(dates, kind_of_number(number, own, own_count));
        }
    }
    xml_close(&xml);
    free(own);
}

static bool counts_from_1904(const struct bytes *workbook)
{
    bool found = false;
    struct xml xml;

    xml_open(&xml, workbook);
    while (xml_next(&xml)) {
        if (xml_is(&xml, XML_START, "workbookPr")) {
            const char *value = xml_attribute(&xml, "date1904");

            found = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
        }
    }
    xml_close(&xml);
    return found;
}

void dates_read(struct dates *dates, struct archive *archive)
{
    struct bytes bytes;

    *dates = (struct dates){0};
    if (archive_read(&bytes, archive, "xl/styles.xml")) {
        read_styles(dates, &bytes);
        bytes_free(&bytes);
    }
    if (archive_read(&bytes, archive, "xl/workbook.xml")) {
        dates->from_1904 = counts_from_1904(&bytes);
        bytes_free(&bytes);
    }
}

/* ---- values ---- */

/* The day of the Gregorian calendar, so many days after 1970-01-01. */
static void write_day(char *out, size_t size, long long days)
{
    /* years that begin in March, so that a leap day is the last: the usual counting by eras */
    const long long shifted = days + 719468;
    const long long era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const long long of_era = shifted - era * 146097;
    const long long year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const long long of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const long long month = (5 * of_year + 2) / 153;
    const long long day = of_year - (153 * month + 2) / 5 + 1;
    const long long year = year_of_era + era * 400 + (month >= 10);

    snprintf(out, size, "%04lld-%02lld-%02lld", year, month < 10 ? month + 3 : month - 9, day);
}

static void write_time(char *out, size_t size, long long seconds)
{
    const long long hours = seconds / 3600;
    const long long minutes = seconds / 60 % 60;

    if (seconds % 60 == 0) {
        snprintf(out, size, "%02lld:%02lld", hours, minutes);
    } else {
        snprintf(out, size, "%02lld:%02lld:%02lld", hours, minutes, seconds % 60);
    }
}

bool dates_write(char *out, size_t size, const struct dates *dates, size_t format,
                 const char *value)
{
    const enum date_kind kind =
        format < dates->count ? (enum date_kind)dates->kinds[format] : DATE_NONE;
    char *end = NULL;
    const double serial = strtod(value, &end);
    char day[64];
    char time[64];

    /* up to the year 9999, which is all that Excel shows */
    if (kind == DATE_NONE || end == value || *end != '\0' || !(serial >= 0) || serial >= 2958466) {
        return false;
    }
    const long long seconds = llround(serial * 86400);
    long long days = seconds / 86400;
    if (kind == DATE_DURATION) {
        write_time(out, size, seconds);
        return true;
    }
    write_time(time, sizeof time, seconds % 86400);
    if (kind == DATE_TIME && days == 0) {
        snprintf(out, size, "%s", time);
        return true;
    }
    if (dates->from_1904) {
        days += 1462;
    } else if (days < 60) {
        days++; /* Excel has a 29 February 1900 */
    }
    write_day(day, sizeof day, days - 25569);
    if (kind == DATE_DAY && seconds % 86400 == 0) {
        snprintf(out, size, "%s", day);
    } else {
        snprintf(out, size, "%s %s", day, time);
    }
    return true;
}
