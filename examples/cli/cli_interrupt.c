/* Ctrl-C: the first asks what is running to end in order, the second ends the program. See
 * cli.h. */
#include "cli.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void cli_catch_interrupts(void)
{
    /* without SA_RESTART: a question at the terminal ends, too */
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_DFL);
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

void cli_forget_interrupt(void)
{
    interrupted = 0;
    cli_catch_interrupts();
}
