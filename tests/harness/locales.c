/* Locales for tests: see locales.h. */
#include "harness/locales.h"

#include <locale.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

extern char **environ;

static bool compile(const char *directory, const char *name)
{
    char source[64];
    char target[2048];
    pid_t child;
    int result;

    snprintf(source, sizeof source, "%s", name);
    snprintf(target, sizeof target, "%s/%s.UTF-8", directory, name);
    char *arguments[] = {"localedef", "--quiet", "--no-archive", "-i", source,
                         "-f",        "UTF-8",   target,         NULL};
    if (posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) != 0)
        return false;
    return waitpid(child, &result, 0) == child && WIFEXITED(result);
}

bool locales_use(const char *directory, const char *name)
{
    char full_name[64];

    snprintf(full_name, sizeof full_name, "%s.UTF-8", name);
    if (compile(directory, name) && setenv("LOCPATH", directory, 1) == 0 &&
        setlocale(LC_ALL, full_name) != NULL)
        return true;
    print_message("the locale %s cannot be made here: not tested\n", name);
    locales_restore();
    return false;
}

void locales_restore(void)
{
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
}
