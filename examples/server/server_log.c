/*
 * The server's log. A line is made on the stack and written at once, so threads need no lock and
 * a killed server loses nothing. Control characters become '?', so one event stays one line.
 */
#include "server_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static enum log_level wanted_level = LOG_LEVEL_INFO;
static int log_file = -1;

void log_set_level(enum log_level level)
{
    wanted_level = level;
}

bool log_open_file(const char *directory, const char *name)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);

    if (length < 0 || (size_t)length >= sizeof path) {
        log_line(LOG_LEVEL_WARNING, "no log file: the path of %s is too long", name);
        return false;
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        log_line(LOG_LEVEL_WARNING, "no log file: cannot make %s: %s", directory, strerror(errno));
        return false;
    }
    log_file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_file < 0) {
        log_line(LOG_LEVEL_WARNING, "no log file: cannot open %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

void log_close_file(void)
{
    if (log_file >= 0) {
        close(log_file);
    }
    log_file = -1;
}

static void write_all(int file, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, line, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return; /* nobody could be told */
        }
        line += written;
        size -= (size_t)written;
    }
}

static size_t put_time(char *line, size_t size)
{
    struct timespec now = {0};
    struct tm parts = {0};
    size_t length = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    length = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &parts);
    return length + (size_t)snprintf(line + length, size - length, ".%06ldZ", now.tv_nsec / 1000);
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"", "ERROR", "WARNING", "INFO", "DEBUG"};
    char line[LINE_SIZE];
    size_t length = 0;
    int added = 0;
    va_list arguments;

    if (level > wanted_level) {
        return;
    }
    length = put_time(line, sizeof line);
    length += (size_t)snprintf(line + length, sizeof line - length, " %s ", names[level]);
    va_start(arguments, format);
    added = vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    if (added > 0) {
        size_t room = sizeof line - length - 2;
        size_t end = length + ((size_t)added < room ? (size_t)added : room);

        for (; length < end; length++) {
            if ((unsigned char)line[length] < 0x20 || line[length] == 0x7f) {
                line[length] = '?';
            }
        }
    }
    line[length++] = '\n';
    write_all(STDERR_FILENO, line, length);
    if (log_file >= 0) {
        write_all(log_file, line, length);
    }
}
