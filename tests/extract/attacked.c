/*
 * The extraction helper with a parser that has been taken over: it is shut in as the real one is
 * (the same jail and the same output), and then does what the document says. The runner's test
 * starts it. "harmless" gives a text, so that the test knows that the rest works.
 */
#include "extract_emit.h"
#include "extract_jail.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text)
{
    emit_block(BLOCK_PARAGRAPH, 0, 1, text, strlen(text));
}

static void do_fork(void)
{
    if (fork() == 0) {
        for (;;) {
            pause();
        }
    }
    say("forked");
}

static void do_write(void)
{
    int file = open("/tmp/ragstore-attacked", O_WRONLY | O_CREAT, 0600);

    say(file < 0 ? "could not write" : "wrote");
}

static void do_read(void)
{
    say(open("/etc/passwd", O_RDONLY) < 0 ? "could not read" : "read");
}

static void do_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);

    (void)connect(connection, (struct sockaddr *)&to, sizeof to);
    say("connected");
}

static void do_execute(void)
{
    char *const arguments[] = {(char *)"sh", NULL};

    (void)execve("/bin/sh", arguments, NULL);
    say("executed");
}

static void do_kill(void)
{
    (void)kill(getppid(), SIGKILL);
    say("killed");
}

static void do_code(void)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    say(page == MAP_FAILED ? "no code" : "code");
}

static void do_spin(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

/* Wait for ever, for what is not there. */
static void do_sleep(void)
{
    for (;;) {
        sleep(1000);
    }
}

static void do_eat(void)
{
    for (;;) {
        memset(get_memory(1, 1 << 20), 1, 1 << 20);
    }
}

static void do_flood(void)
{
    for (;;) {
        say("on and on and on and on and on and on and on and on and on and on and on");
    }
}

static void do_babble(void)
{
    (void)!write(STDOUT_FILENO, "B 1 0 1 99999999999999999999\nx\n.\n", 33);
    _exit(0);
}

static void do_crash(void)
{
    abort();
}

static void do_stop_early(void)
{
    (void)!write(STDOUT_FILENO, "B 1 0 1 4\ntext\n", 15);
    _exit(3);
}

static void do_nothing_wrong(void)
{
    say("harmless text");
}

static const struct {
    const char *word;
    void (*attack)(void);
} attacks[] = {
    {"fork", do_fork},       {"write", do_write},     {"read", do_read},
    {"connect", do_connect}, {"execute", do_execute}, {"kill", do_kill},
    {"code", do_code},       {"spin", do_spin},       {"sleep", do_sleep},
    {"eat", do_eat},         {"flood", do_flood},     {"babble", do_babble},
    {"crash", do_crash},     {"stop", do_stop_early}, {"harmless", do_nothing_wrong},
};

int main(void)
{
    static char document[4096];
    ssize_t size = 0;

    jail_prepare();
    if (!jail_enter()) {
        emit_refusal(REASON_NO_JAIL);
    }
    size = read(STDIN_FILENO, document, sizeof document - 1);
    document[size < 0 ? 0 : size] = '\0';
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        if (strstr(document, attacks[i].word) != NULL) {
            attacks[i].attack();
            emit_end();
        }
    }
    emit_refusal(REASON_UNKNOWN_FORMAT);
}
