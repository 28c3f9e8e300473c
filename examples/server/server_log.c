/*
 * The server's log. A line is written at once, with one call, so threads need no lock and a killed
 * server loses nothing. Control characters become '?', so one event stays one line.
 *
 * A full file is renamed by whoever notices first, and the new one takes over its descriptor
 * (dup3), so that the others go on writing without a look.
 */
#include "server_log.h"

#include "json_out.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048, FILE_MAX = 10 * 1024 * 1024, OLD_FILES = 4, PATH_SIZE = 4096 };

static const char *const level_names[] = {"", "ERROR", "WARNING", "INFO", "DEBUG"};

static enum log_level wanted_level = LOG_LEVEL_INFO;
static bool as_json;
static int log_file = -1;
static char log_path[PATH_SIZE];
static _Atomic(int64_t) log_size;
static pthread_mutex_t rotation = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
    wanted_level = level;
}

void log_set_json(bool json)
{
    as_json = json;
}

static int open_file(void)
{
    return open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

bool log_open_file(const char *directory, const char *name)
{
    struct stat found = {0};
    int length = snprintf(log_path, sizeof log_path, "%s/%s", directory, name);

    if (length < 0 || (size_t)length >= sizeof log_path) {
        log_line(LOG_LEVEL_WARNING, "no log file: the path of %s is too long", name);
        return false;
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        log_line(LOG_LEVEL_WARNING, "no log file: cannot make %s: %s", directory, strerror(errno));
        return false;
    }
    log_file = open_file();
    if (log_file < 0) {
        log_line(LOG_LEVEL_WARNING, "no log file: cannot open %s: %s", log_path, strerror(errno));
        return false;
    }
    if (fstat(log_file, &found) == 0) {
        atomic_store(&log_size, (int64_t)found.st_size);
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

static void name_file(char path[PATH_SIZE + 16], int age)
{
    if (age == 0) {
        snprintf(path, PATH_SIZE + 16, "%s", log_path);
    } else {
        snprintf(path, PATH_SIZE + 16, "%s.%d", log_path, age);
    }
}

/* Rename the files, the oldest first, and begin a new one. When that fails the old one goes on. */
static void rotate(void)
{
    char from[PATH_SIZE + 16], to[PATH_SIZE + 16];
    int fresh = -1;

    for (int age = OLD_FILES; age > 0; age--) {
        name_file(from, age - 1);
        name_file(to, age);
        (void)rename(from, to);
    }
    fresh = open_file();
    if (fresh >= 0) {
        (void)dup3(fresh, log_file, O_CLOEXEC);
        close(fresh);
    }
    atomic_store(&log_size, 0);
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

/* Write a line, which ends with a line break. */
static void put_line(const char *line, size_t size)
{
    write_all(STDERR_FILENO, line, size);
    if (log_file < 0) {
        return;
    }
    write_all(log_file, line, size);
    if (atomic_fetch_add(&log_size, (int64_t)size) + (int64_t)size > FILE_MAX &&
        pthread_mutex_trylock(&rotation) == 0) {
        if (atomic_load(&log_size) > FILE_MAX) {
            rotate();
        }
        pthread_mutex_unlock(&rotation);
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

/* ---- as JSON ---- */

static void begin_object(struct json_out *out, enum log_level level)
{
    char time[40];

    put_time(time, sizeof time);
    out_begin(out, '{');
    out_key(out, "time");
    out_text(out, time);
    out_key(out, "level");
    out_text(out, level_names[level]);
}

static void put_object(struct json_out *out)
{
    size_t size = 0;
    char *text = NULL;

    out_end(out, '}');
    out_bytes(out, "\n", 1);
    text = out_take(out, &size);
    if (text != NULL) {
        put_line(text, size);
    }
    free(text);
}

static void put_message_object(enum log_level level, const char *message)
{
    struct json_out out = {0};

    begin_object(&out, level);
    out_key(&out, "message");
    out_text(&out, message);
    put_object(&out);
}

static void put_request_object(const struct log_entry *entry)
{
    struct json_out out = {0};

    begin_object(&out, LOG_LEVEL_INFO);
    out_key(&out, "request");
    out_text(&out, entry->id);
    out_key(&out, "method");
    out_text(&out, entry->method);
    out_key(&out, "path");
    out_text(&out, entry->path);
    out_key(&out, "status");
    out_whole(&out, entry->status);
    out_key(&out, "ms");
    out_decimal(&out, entry->milliseconds);
    out_key(&out, "bytes");
    out_whole(&out, (json_int_t)entry->bytes);
    out_key(&out, "token");
    out_text(&out, entry->token);
    out_key(&out, "client_left");
    out_flag(&out, entry->client_left);
    put_object(&out);
}

/* ---- as text ---- */

static void put_message_text(enum log_level level, const char *message)
{
    char line[LINE_SIZE + 64];
    size_t length = put_time(line, sizeof line);

    length += (size_t)snprintf(line + length, sizeof line - length, " %s ", level_names[level]);
    for (; *message != '\0' && length < sizeof line - 1; message++) {
        unsigned char byte = (unsigned char)*message;

        line[length++] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
    }
    line[length++] = '\n';
    put_line(line, length);
}

void log_line(enum log_level level, const char *format, ...)
{
    char message[LINE_SIZE];
    va_list arguments;

    if (level > wanted_level) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (as_json) {
        put_message_object(level, message);
    } else {
        put_message_text(level, message);
    }
}

void log_request(const struct log_entry *entry)
{
    if (LOG_LEVEL_INFO > wanted_level) {
        return;
    }
    if (as_json) {
        put_request_object(entry);
        return;
    }
    log_line(LOG_LEVEL_INFO, "%s %s %.512s %u %.1fms %lluB%s%.100s%s", entry->id, entry->method,
             entry->path, entry->status, entry->milliseconds, (unsigned long long)entry->bytes,
             entry->token == NULL ? "" : " by ", entry->token == NULL ? "" : entry->token,
             entry->client_left ? " (client left)" : "");
}
