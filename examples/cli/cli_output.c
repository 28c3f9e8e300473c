/* What people see: see cli.h. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- messages ---- */

static void say(struct cli *cli, const char *format, va_list arguments)
{
    char *text = NULL;

    cli_progress_end(cli);
    if (vasprintf(&text, format, arguments) < 0) {
        return;
    }
    fputs("ragstore: ", stderr);
    cli_print_text(stderr, text, strlen(text));
    fputc('\n', stderr);
    free(text);
}

void cli_say(struct cli *cli, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(cli, format, arguments);
    va_end(arguments);
}

int cli_status_of(int status)
{
    switch (status) {
    case RAGSTORE_OK:
        return CLI_OK;
    case RAGSTORE_E_NOT_FOUND:
        return CLI_NOT_FOUND;
    case RAGSTORE_E_EXISTS:
    case RAGSTORE_E_CONFLICT:
        return CLI_CONFLICT;
    case RAGSTORE_E_INVALID_ARGUMENT:
    case RAGSTORE_E_INVALID_DATA:
    case RAGSTORE_E_NOT_EXTRACTABLE:
    case RAGSTORE_E_EMBEDDER:
    case RAGSTORE_E_QUERY:
        return CLI_REFUSED;
    case RAGSTORE_E_DAMAGED:
        return CLI_DAMAGED;
    case RAGSTORE_E_BUSY:
        return CLI_BUSY;
    case RAGSTORE_E_DISK_FULL:
    case RAGSTORE_E_NO_MEMORY:
    case RAGSTORE_E_TOO_LARGE:
        return CLI_FULL;
    case RAGSTORE_E_INTERRUPTED:
        return CLI_INTERRUPTED;
    default:
        return CLI_FAILED;
    }
}

int cli_fail(struct cli *cli, const char *format, ...)
{
    const int status = cli_status_of(ragstore_error_code());
    char *message = strdup(ragstore_error_message());
    char *context = NULL;
    va_list arguments;

    if (format != NULL) {
        va_start(arguments, format);
        if (vasprintf(&context, format, arguments) < 0) {
            context = NULL;
        }
        va_end(arguments);
    }
    if (status == CLI_INTERRUPTED) {
        cli_say(cli, "%s%sinterrupted", context == NULL ? "" : context,
                context == NULL ? "" : ": ");
    } else {
        cli_say(cli, "%s%s%s", context == NULL ? "" : context, context == NULL ? "" : ": ",
                message == NULL ? "out of memory" : message);
    }
    free(context);
    free(message);
    return status;
}

/* ---- text ---- */

/* The bytes of a character that may be shown at `at`, or 0. */
static size_t shown_character(const unsigned char *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : at[0] >= 0xC2 ? 2 : 0;
    uint32_t code = 0;

    if (size == 0 || size > left || at[0] > 0xF4) {
        return 0;
    }
    code = size == 1 ? at[0] : at[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3Fu);
    }
    /* C0, DEL, C1, and marks that turn the direction of the rest of the line */
    if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0) ||
        (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069)) {
        return 0;
    }
    return size;
}

void cli_print_text(FILE *to, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;

    for (size_t at = 0; at < size;) {
        size_t shown = shown_character(bytes + at, size - at);

        if (shown > 0) {
            fwrite(text + at, 1, shown, to);
            at += shown;
            continue;
        }
        if (bytes[at] < 0x80) {
            fputc(bytes[at] == '\r' ? ' ' : '?', to);
            at++;
            continue;
        }
        fputs("\xEF\xBF\xBD", to);
        for (at++; at < size && (bytes[at] & 0xC0) == 0x80;) {
            at++;
        }
    }
}

void cli_print_words(FILE *to, const char *text, size_t width)
{
    char line[1024];
    size_t used = 0;
    size_t columns = 0;
    bool space = false;

    if (text == NULL) {
        text = "-";
    }
    for (const char *at = text; *at != '\0' && used + 8 < sizeof line;) {
        const unsigned char c = (unsigned char)*at;

        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            space = used > 0;
            at++;
            continue;
        }
        if (columns + 1 + (space ? 1u : 0u) > width) {
            memcpy(line + used, "\xE2\x80\xA6", 3);
            used += 3;
            break;
        }
        if (space) {
            line[used++] = ' ';
            columns++;
            space = false;
        }
        do {
            line[used++] = *at++;
        } while (((unsigned char)*at & 0xC0) == 0x80 && used + 8 < sizeof line);
        columns++;
    }
    cli_print_text(to, line, used);
}

void cli_print_word(FILE *to, const char *text)
{
    cli_print_words(to, text, 1000);
}

void cli_bold(const struct cli *cli, bool on)
{
    if (cli->colours) {
        fputs(on ? "\033[1m" : "\033[0m", stdout);
    }
}

void cli_faint(const struct cli *cli, bool on)
{
    if (cli->colours) {
        fputs(on ? "\033[2m" : "\033[0m", stdout);
    }
}

void cli_print_bytes(FILE *to, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double number = (double)bytes;
    size_t unit = 0;

    if (bytes < 1024) {
        fprintf(to, "%" PRIu64 " bytes", bytes);
        return;
    }
    for (number /= 1024; number >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) {
        number /= 1024;
    }
    fprintf(to, "%.1f %s", number, units[unit]);
}

/* ---- JSON ---- */

int cli_print_value(const json_t *value)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text == NULL) {
        fputs("ragstore: out of memory\n", stderr);
        return CLI_FULL;
    }
    puts(text);
    free(text);
    return CLI_OK;
}

int cli_print_json(struct cli *cli, ragstore_buffer *buffer)
{
    (void)cli;
    fwrite(ragstore_buffer_data(buffer), 1, ragstore_buffer_size(buffer), stdout);
    fputc('\n', stdout);
    ragstore_buffer_free(buffer);
    return CLI_OK;
}

json_t *cli_take_json(ragstore_buffer *buffer)
{
    json_t *value = json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer),
                               JSON_DECODE_ANY, NULL);

    ragstore_buffer_free(buffer);
    return value;
}

const char *cli_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

int64_t cli_integer(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static void print_member(const json_t *value)
{
    if (json_is_string(value)) {
        cli_print_word(stdout, json_string_value(value));
    } else if (json_is_null(value) || value == NULL) {
        fputc('-', stdout);
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);

        cli_print_word(stdout, text);
        free(text);
    }
    fputc('\n', stdout);
}

void cli_print_object(const struct cli *cli, const json_t *object, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const json_t *value = json_object_get(object, *keys);

        if (value == NULL || json_is_null(value) ||
            (json_is_string(value) && json_string_length(value) == 0)) {
            continue;
        }
        cli_faint(cli, true);
        printf("%-18s", *keys);
        cli_faint(cli, false);
        print_member(value);
    }
}

/* ---- progress ---- */

void cli_progress(struct cli *cli, const char *what, const char *stage, uint64_t done,
                  uint64_t total)
{
    static int64_t last_ms;
    struct timespec now;

    if (cli->quiet || cli->json || !isatty(STDERR_FILENO)) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (cli->line && ms - last_ms < 80) {
        return;
    }
    last_ms = ms;
    fputs("\r\033[K", stderr);
    cli_print_words(stderr, what, 40);
    fprintf(stderr, "  %s", stage);
    if (total > 0) {
        const unsigned percent = (unsigned)((double)done * 100 / (double)total);
        char bar[21];

        for (unsigned i = 0; i < 20; i++) {
            bar[i] = i * 5 < percent ? '#' : '.';
        }
        bar[20] = '\0';
        fprintf(stderr, "  [%s] %3u %%", bar, percent);
    }
    fflush(stderr);
    cli->line = true;
}

void cli_progress_end(struct cli *cli)
{
    if (cli->line) {
        fputs("\r\033[K", stderr);
        cli->line = false;
    }
}

int32_t cli_watch(void *user, const char *stage, uint64_t done, uint64_t total)
{
    const struct cli_watch *watch = user;

    cli_progress(watch->cli, watch->what, stage, done, total);
    return cli_interrupted() ? 1 : 0;
}

/* ---- questions ---- */

bool cli_confirm(struct cli *cli, const char *format, ...)
{
    char answer[16] = "";
    char *text = NULL;
    va_list arguments;

    if (cli_has(cli, "yes")) {
        return true;
    }
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
    }
    va_end(arguments);
    if (!isatty(STDIN_FILENO) || text == NULL) {
        cli_say(cli, "%s Say so with --yes", text == NULL ? "" : text);
        free(text);
        return false;
    }
    cli_print_text(stderr, text, strlen(text));
    fputs(" [y/N] ", stderr);
    free(text);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        fputc('\n', stderr);
    }
    if (answer[0] == 'y' || answer[0] == 'Y') {
        return true;
    }
    cli_say(cli, "nothing was deleted");
    return false;
}
