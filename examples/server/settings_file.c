/*
 * The configuration file: one "name = value" to a line, names as on the command line without the
 * dashes. Empty lines and lines that begin with # are skipped; white space around a name and a
 * value is dropped; a # later in a line belongs to the value.
 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *trim(char *text)
{
    static const char blank[] = " \t\r\n";
    size_t length = 0;

    text += strspn(text, blank);
    length = strlen(text);
    while (length > 0 && strchr(blank, text[length - 1]) != NULL) {
        length--;
    }
    text[length] = '\0';
    return text;
}

static bool read_line(struct settings *settings, char *line, const char *origin)
{
    char *text = trim(line);
    char *equals = strchr(text, '=');

    if (text[0] == '\0' || text[0] == '#') {
        return true;
    }
    if (equals == NULL) {
        fprintf(stderr, "ragstore-server: %s: \"%s\" is not of the form name = value\n", origin,
                text);
        return false;
    }
    *equals = '\0';
    return settings_set(settings, trim(text), trim(equals + 1), origin);
}

bool settings_read_file(struct settings *settings, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    bool ok = true;

    if (file == NULL) {
        fprintf(stderr, "ragstore-server: cannot read the configuration file %s: %s\n", path,
                strerror(errno));
        return false;
    }
    while (ok && getline(&line, &capacity, file) >= 0) {
        char origin[512];

        snprintf(origin, sizeof origin, "%.400s, line %u", path, ++number);
        ok = read_line(settings, line, origin);
    }
    if (ok && ferror(file)) {
        fprintf(stderr, "ragstore-server: cannot read the configuration file %s: %s\n", path,
                strerror(errno));
        ok = false;
    }
    free(line);
    fclose(file);
    return ok;
}
