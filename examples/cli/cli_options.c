/* From the command line to struct cli: see cli.h. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_flag *find_in(const struct cli_flag *flags, const char *name, size_t size)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (strlen(flags->name) == size && strncmp(flags->name, name, size) == 0) {
            return flags;
        }
    }
    return NULL;
}

static const struct cli_flag *find_letter(const struct cli_flag *flags, char letter)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (flags->letter == letter) {
            return flags;
        }
    }
    return NULL;
}

static bool keep(struct cli *cli, const struct cli_flag *flag, const char *value)
{
    if (cli->given_count == CLI_GIVEN_MAX) {
        cli_say(cli, "there are over %d options", CLI_GIVEN_MAX);
        return false;
    }
    cli->given[cli->given_count].name = flag->name;
    cli->given[cli->given_count].value = value == NULL ? "" : value;
    cli->given_count++;
    return true;
}

/* "--name", "--name value", "--name=value"; *next is the word behind it, which is used up by
 * setting it to NULL. */
static bool take_long(struct cli *cli, const char *word, char **next)
{
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct cli_flag *flag = find_in(cli_global_flags, name, size);

    if (flag == NULL && cli->command != NULL) {
        flag = find_in(cli->command->flags, name, size);
    }
    if (flag == NULL) {
        cli_say(cli, "there is no option --%.*s; ragstore%s%s --help lists them", (int)size, name,
                cli->command == NULL ? "" : " ", cli->command == NULL ? "" : cli->command->name);
        return false;
    }
    if (flag->value == NULL) {
        if (equals != NULL) {
            cli_say(cli, "--%s takes no value", flag->name);
            return false;
        }
        return keep(cli, flag, NULL);
    }
    if (equals != NULL) {
        return keep(cli, flag, equals + 1);
    }
    if (*next == NULL) {
        cli_say(cli, "--%s needs a value: %s", flag->name, flag->value);
        return false;
    }
    const char *value = *next;
    *next = NULL;
    return keep(cli, flag, value);
}

/* "-q", "-k 5", "-k5", "-qk5". */
static bool take_short(struct cli *cli, const char *word, char **next)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct cli_flag *flag = find_letter(cli_global_flags, *at);

        if (flag == NULL && cli->command != NULL) {
            flag = find_letter(cli->command->flags, *at);
        }
        if (flag == NULL) {
            cli_say(cli, "there is no option -%c; ragstore%s%s --help lists them", *at,
                    cli->command == NULL ? "" : " ",
                    cli->command == NULL ? "" : cli->command->name);
            return false;
        }
        if (flag->value == NULL) {
            if (!keep(cli, flag, NULL)) {
                return false;
            }
            continue;
        }
        if (at[1] != '\0') {
            return keep(cli, flag, at + 1);
        }
        if (*next == NULL) {
            cli_say(cli, "-%c needs a value: %s", *at, flag->value);
            return false;
        }
        const char *value = *next;
        *next = NULL;
        return keep(cli, flag, value);
    }
    return true;
}

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static bool take_word(struct cli *cli, char *word)
{
    if (cli->command == NULL) {
        cli->command = find_command(word);
        if (cli->command == NULL) {
            cli_say(cli, "there is no command \"%s\"; ragstore --help lists them", word);
        }
        return cli->command != NULL;
    }
    cli->arguments[cli->argument_count++] = word;
    return true;
}

bool cli_parse(struct cli *cli, int argc, char **argv)
{
    bool only_words = false;

    cli->arguments = argv; /* words move forward, never past what is read */
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        char *next = i + 1 < argc ? argv[i + 1] : NULL;
        char *const behind = next;
        bool good = true;

        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(word, "--", 2) == 0) {
            good = take_long(cli, word, &next);
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            good = take_short(cli, word, &next);
        } else {
            good = take_word(cli, word);
        }
        if (!good) {
            return false;
        }
        if (next != behind) {
            i++;
        }
    }
    return true;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    for (int i = cli->given_count; i-- > 0;) {
        if (strcmp(cli->given[i].name, name) == 0) {
            return cli->given[i].value;
        }
    }
    return NULL;
}

bool cli_has(const struct cli *cli, const char *name)
{
    return cli_option(cli, name) != NULL;
}

size_t cli_all(const struct cli *cli, const char *name, const char **values, size_t room)
{
    size_t count = 0;

    for (int i = 0; i < cli->given_count && count < room; i++) {
        if (strcmp(cli->given[i].name, name) == 0) {
            values[count++] = cli->given[i].value;
        }
    }
    return count;
}

bool cli_number(const struct cli *cli, const char *name, uint64_t *number, uint64_t least,
                uint64_t most)
{
    const char *text = cli_option(cli, name);
    char *end = NULL;

    if (text == NULL) {
        return true;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least ||
        value > most) {
        cli_say((struct cli *)(uintptr_t)cli,
                "--%s is \"%s\"; it must be a whole number from %llu to %llu", name, text,
                (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    *number = value;
    return true;
}
