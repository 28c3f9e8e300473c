/*
 * What the operator chose. Later sources win: defaults, the configuration file, the environment,
 * the command line. All of them go through one table, so that an option has one name, one check
 * and one message everywhere. Called by server_main.c before any thread starts.
 */
#include "settings.h"

#include <errno.h>
#include <ragstore.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { TEXT, NUMBER, SWITCH, LEVEL, FORMAT, PRECISION };

struct option {
    const char *name;
    const char *environment; /* NULL: not read from there */
    enum kind kind;
    uint64_t least, most; /* of a NUMBER */
};

static const struct option options[] = {
    {"data-dir", "DATA_DIR", TEXT, 0, 0},
    {"backup-dir", NULL, TEXT, 0, 0},
    {"host", "HOST", TEXT, 0, 0},
    {"port", "PORT", NUMBER, 0, 65535},
    {"model", NULL, TEXT, 0, 0}, /* RAGSTORE_MODEL is read by ragstore_model_locate() */
    {"precision", "RAGSTORE_PRECISION", PRECISION, 0, 0},
    {"embedder", NULL, TEXT, 0, 0},
    {"embedder-url", NULL, TEXT, 0, 0},
    {"no-reembed", NULL, SWITCH, 0, 0},
    {"extractor", NULL, TEXT, 0, 0},
    {"llm-url", NULL, TEXT, 0, 0},
    {"llm-model", NULL, TEXT, 0, 0},
    {"token-file", NULL, TEXT, 0, 0},
    {"public-host", NULL, TEXT, 0, 0},
    {"cors-origin", NULL, TEXT, 0, 0},
    {"allow-anonymous", NULL, SWITCH, 0, 0},
    {"strict", NULL, SWITCH, 0, 0},
    {"log-level", "LOG_LEVEL", LEVEL, 0, 0},
    {"log-format", NULL, FORMAT, 0, 0},
    {"max-upload", NULL, NUMBER, 1, UINT64_C(1) << 30},
    {"threads", NULL, NUMBER, 1, 256},
    {"max-connections", NULL, NUMBER, 16, 65536},
    {"max-connections-per-address", NULL, NUMBER, 1, 65536},
};

#define OPTION_COUNT (sizeof options / sizeof options[0])

static const char help[] =
    "usage: ragstore-server [OPTION]...\n"
    "\n"
    "Serves a ragstore directory over HTTP.\n"
    "\n"
    "  --data-dir DIR       the directory, made when it is missing (./data)\n"
    "  --backup-dir DIR     where /api/admin/backup puts backups (data-dir.backups)\n"
    "  --host ADDR          the address to listen on (127.0.0.1)\n"
    "  --port N             the port; 0 picks a free one (8000)\n"
    "  --model DIR          the embedding model; none for keyword search only\n"
    "                       (RAGSTORE_MODEL, or where the set-up put it)\n"
    "  --precision KIND     what that model computes in: float32, int16 or int8\n"
    "                       (what is fastest with the vectors of float32)\n"
    "  --embedder NAME      have texts embedded by this model of the endpoint at --llm-url\n"
    "                       instead; hashing: by their words only, for tests\n"
    "  --embedder-url URL   another endpoint for that\n"
    "  --no-reembed         leave documents without vectors that came without a model\n"
    "  --extractor FILE     the helper that reads PDF, Office files, e-books and mails;\n"
    "                       none for text files only (ragstore-extract beside this)\n"
    "  --llm-url URL        an OpenAI-compatible endpoint, such as http://127.0.0.1:8080/v1,\n"
    "  --llm-model NAME     and its model, which answers in chats; without them sentences\n"
    "                       are quoted; key: RAGSTORE_LLM_API_KEY or OPENAI_API_KEY\n"
    "  --token-file FILE    who may do what: lines that --make-token prints; without it\n"
    "                       everybody who reaches the port may do everything\n"
    "  --public-host NAME   a name that clients may use for this server in the Host\n"
    "                       header, beside localhost and loopback addresses\n"
    "  --cors-origin URL    a web origin whose pages may use this server\n"
    "  --allow-anonymous    listen on other than a loopback address without tokens\n"
    "  --strict             refuse unknown fields in request bodies\n"
    "  --log-level LEVEL    error, warning, info or debug (info)\n"
    "  --log-format FORMAT  text, or json: an object to a line (text)\n"
    "  --max-upload BYTES   the largest file that is taken (268435456)\n"
    "  --threads N          requests worked on at a time (twice the processors)\n"
    "  --max-connections N  connections open at a time (2048), and\n"
    "  --max-connections-per-address N\n"
    "                       those of one client address (512)\n"
    "  --config FILE        lines of \"name = value\" with the names above\n"
    "  --make-token NAME (--entity ID... | --all-entities | --admin)\n"
    "                       print a fresh token and its line for the token file, and end\n"
    "  --version, --help\n"
    "\n"
    "The environment variables DATA_DIR, HOST, PORT, LOG_LEVEL and RAGSTORE_PRECISION\n"
    "come before the configuration file and after the command line.\n"
    "\n"
    "exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start or stop cleanly,\n"
    "2 wrong usage\n";

static const struct option *find_option(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool replace_text(char **slot, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL) {
        fputs("ragstore-server: out of memory\n", stderr);
        return false;
    }
    free(*slot);
    *slot = copy;
    return true;
}

static bool parse_number(uint64_t *number, const char *value)
{
    char *end = NULL;

    if (value[0] < '0' || value[0] > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(value, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_switch(bool *flag, const char *value)
{
    *flag = strcmp(value, "true") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "1") == 0;
    return *flag || strcmp(value, "false") == 0 || strcmp(value, "no") == 0 ||
           strcmp(value, "0") == 0;
}

static bool parse_level(enum log_level *level, const char *value)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(names[i], value) == 0) {
            *level = (enum log_level)(i + 1);
            return true;
        }
    }
    return false;
}

static bool parse_precision(uint32_t *precision, const char *value)
{
    static const char *const names[] = {[RAGSTORE_PRECISION_FLOAT32] = "float32",
                                        [RAGSTORE_PRECISION_INT8] = "int8",
                                        [RAGSTORE_PRECISION_INT16] = "int16"};

    for (uint32_t i = RAGSTORE_PRECISION_FLOAT32; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], value) == 0) {
            *precision = i;
            return true;
        }
    }
    return false;
}

static bool set_text(struct settings *settings, const char *name, const char *value)
{
    if (strcmp(name, "data-dir") == 0) {
        return replace_text(&settings->data_dir, value);
    }
    if (strcmp(name, "backup-dir") == 0) {
        return replace_text(&settings->backup_dir, value);
    }
    if (strcmp(name, "host") == 0) {
        return replace_text(&settings->host, value);
    }
    if (strcmp(name, "model") == 0) {
        return replace_text(&settings->model, value);
    }
    if (strcmp(name, "embedder") == 0) {
        return replace_text(&settings->embedder, value);
    }
    if (strcmp(name, "embedder-url") == 0) {
        return replace_text(&settings->embedder_url, value);
    }
    if (strcmp(name, "extractor") == 0) {
        return replace_text(&settings->extractor, value);
    }
    if (strcmp(name, "llm-url") == 0) {
        return replace_text(&settings->llm_url, value);
    }
    if (strcmp(name, "llm-model") == 0) {
        return replace_text(&settings->llm_model, value);
    }
    if (strcmp(name, "token-file") == 0) {
        return replace_text(&settings->token_file, value);
    }
    if (strcmp(name, "public-host") == 0) {
        return replace_text(&settings->public_host, value);
    }
    return replace_text(&settings->cors_origin, value);
}

static void set_number(struct settings *settings, const char *name, uint64_t number)
{
    if (strcmp(name, "port") == 0) {
        settings->port = (uint16_t)number;
    } else if (strcmp(name, "threads") == 0) {
        settings->threads = (unsigned)number;
    } else if (strcmp(name, "max-connections") == 0) {
        settings->max_connections = (unsigned)number;
    } else if (strcmp(name, "max-connections-per-address") == 0) {
        settings->max_connections_per_address = (unsigned)number;
    } else {
        settings->max_upload_bytes = number;
    }
}

static bool wrong_value(const struct option *option, const char *value, const char *origin)
{
    fprintf(stderr, "ragstore-server: %s: \"%s\" is not a value for %s; ", origin, value,
            option->name);
    switch (option->kind) {
    case NUMBER:
        fprintf(stderr, "use a number from %llu to %llu\n", (unsigned long long)option->least,
                (unsigned long long)option->most);
        break;
    case SWITCH:
        fputs("use true or false\n", stderr);
        break;
    case LEVEL:
        fputs("use error, warning, info or debug\n", stderr);
        break;
    case FORMAT:
        fputs("use text or json\n", stderr);
        break;
    case PRECISION:
        fputs("use float32, int16 or int8\n", stderr);
        break;
    case TEXT:
        fputs("it must not be empty\n", stderr);
        break;
    }
    return false;
}

static bool *find_switch(struct settings *settings, const char *name)
{
    if (strcmp(name, "strict") == 0) {
        return &settings->strict;
    }
    return strcmp(name, "no-reembed") == 0 ? &settings->no_reembed : &settings->allow_anonymous;
}

bool settings_set(struct settings *settings, const char *name, const char *value,
                  const char *origin)
{
    const struct option *option = find_option(name, strlen(name));
    uint64_t number = 0;

    if (option == NULL) {
        fprintf(stderr, "ragstore-server: %s: there is no option \"%s\"; see --help\n", origin,
                name);
        return false;
    }
    switch (option->kind) {
    case TEXT:
        if (value[0] == '\0') {
            return wrong_value(option, value, origin);
        }
        return set_text(settings, name, value);
    case NUMBER:
        if (!parse_number(&number, value) || number < option->least || number > option->most) {
            return wrong_value(option, value, origin);
        }
        set_number(settings, name, number);
        return true;
    case SWITCH:
        return parse_switch(find_switch(settings, name), value) ||
               wrong_value(option, value, origin);
    case LEVEL:
        return parse_level(&settings->log_level, value) || wrong_value(option, value, origin);
    case PRECISION:
        return parse_precision(&settings->precision, value) || wrong_value(option, value, origin);
    case FORMAT:
        settings->log_json = strcmp(value, "json") == 0;
        return settings->log_json || strcmp(value, "text") == 0 ||
               wrong_value(option, value, origin);
    }
    return false;
}

static bool read_environment(struct settings *settings)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *variable = options[i].environment;
        const char *value = variable == NULL ? NULL : getenv(variable);
        char origin[64];

        if (value == NULL || value[0] == '\0') {
            continue;
        }
        snprintf(origin, sizeof origin, "environment variable %s", variable);
        if (!settings_set(settings, options[i].name, value, origin)) {
            return false;
        }
    }
    return true;
}

/* Split argv[*index] into the name and value of an option; "--name value" moves *index on. */
static bool next_argument(const char **name, const char **value, int *index, int argc, char **argv)
{
    static char name_buffer[32];
    const char *argument = argv[*index];
    const char *equals = strchr(argument, '=');
    size_t length = 0;
    const struct option *option = NULL;

    if (strncmp(argument, "--", 2) != 0) {
        fprintf(stderr, "ragstore-server: unexpected argument \"%s\"; see --help\n", argument);
        return false;
    }
    argument += 2;
    length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
    option = find_option(argument, length);
    if (option == NULL && !(length == 6 && memcmp(argument, "config", 6) == 0)) {
        fprintf(stderr, "ragstore-server: there is no option --%.*s; see --help\n", (int)length,
                argument);
        return false;
    }
    snprintf(name_buffer, sizeof name_buffer, "%.*s", (int)length, argument);
    *name = name_buffer;
    if (equals != NULL) {
        *value = equals + 1;
    } else if (option != NULL && option->kind == SWITCH) {
        *value = "true";
    } else if (*index + 1 < argc) {
        *value = argv[++*index];
    } else {
        fprintf(stderr, "ragstore-server: --%s needs a value; see --help\n", name_buffer);
        return false;
    }
    return true;
}

/* Walk the command line: once for the configuration file, which comes first, once for the rest. */
static bool read_arguments(struct settings *settings, int argc, char **argv, bool only_config)
{
    for (int i = 1; i < argc; i++) {
        const char *name = NULL;
        const char *value = NULL;

        if (!next_argument(&name, &value, &i, argc, argv)) {
            return false;
        }
        if (strcmp(name, "config") == 0) {
            if (only_config && !settings_read_file(settings, value)) {
                return false;
            }
        } else if (!only_config && !settings_set(settings, name, value, "command line")) {
            return false;
        }
    }
    return true;
}

/* Those that this process may use, which may be fewer than there are. */
static unsigned count_processors(void)
{
    cpu_set_t mine;
    long processors = sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine)
                                                                    : sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : (unsigned)processors;
}

static bool set_defaults(struct settings *settings)
{
    unsigned processors = count_processors();

    *settings = (struct settings){0};
    settings->processors = processors;
    settings->port = 8000;
    settings->max_upload_bytes = UINT64_C(256) << 20;
    settings->threads = processors < 2 ? 4 : processors > 32 ? 64 : processors * 2;
    settings->max_connections = 2048;
    settings->max_connections_per_address = 512;
    settings->log_level = LOG_LEVEL_INFO;
    return replace_text(&settings->data_dir, "./data") &&
           replace_text(&settings->host, "127.0.0.1");
}

/* One endpoint answers in chats, one embeds; by default it is the same. */
static bool check_endpoints(const struct settings *settings)
{
    const char *wrong = NULL;
    bool embeds = settings->embedder != NULL && strcmp(settings->embedder, "hashing") != 0;

    if (settings->embedder != NULL && settings->model != NULL) {
        wrong = "--embedder and --model name two embedding models; give one of them";
    } else if (settings->embedder_url != NULL && !embeds) {
        wrong = "--embedder-url needs --embedder NAME, the model that embeds there";
    } else if (embeds && settings->embedder_url == NULL && settings->llm_url == NULL) {
        wrong =
            "--embedder NAME needs --embedder-url or --llm-url, the endpoint that has this model";
    } else if (settings->llm_model != NULL && settings->llm_url == NULL) {
        wrong = "--llm-url and --llm-model are given together or not at all";
    } else if (settings->llm_url != NULL && settings->llm_model == NULL &&
               (!embeds || settings->embedder_url != NULL)) {
        wrong = "--llm-url and --llm-model are given together, or --llm-url and --embedder";
    }
    if (wrong != NULL) {
        fprintf(stderr, "ragstore-server: %s\n", wrong);
    }
    return wrong == NULL;
}

enum settings_result settings_read(struct settings *settings, int argc, char **argv)
{
    if (!set_defaults(settings)) {
        return SETTINGS_WRONG;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return SETTINGS_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("ragstore-server %s\n", ragstore_version_text());
            return SETTINGS_DONE;
        }
    }
    if (!read_arguments(settings, argc, argv, true) || !read_environment(settings) ||
        !read_arguments(settings, argc, argv, false)) {
        return SETTINGS_WRONG;
    }
    return check_endpoints(settings) ? SETTINGS_RUN : SETTINGS_WRONG;
}

void settings_free(struct settings *settings)
{
    free(settings->data_dir);
    free(settings->backup_dir);
    free(settings->host);
    free(settings->model);
    free(settings->embedder);
    free(settings->embedder_url);
    free(settings->extractor);
    free(settings->llm_url);
    free(settings->llm_model);
    free(settings->token_file);
    free(settings->public_host);
    free(settings->cors_origin);
    *settings = (struct settings){0};
}
