/*
 * Starting the extraction helper: see extract_runner.h.
 *
 *   document ─► sealed memory file ─► helper's standard input
 *   blocks   ◄─ pipe, read with a deadline ◄─ its standard output
 *
 * Between fork() and execve() only calls that are safe in a child of a program with threads.
 * Nothing that the helper writes is believed: see extract_protocol.h.
 */
#include "extract_runner.h"

#include "extract_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 50, PIECE = 64 * 1024, HEAD_MAX = 128, BLOCK_MAX = 64 << 20, OPEN_FILES = 32 };

/* One document on its way through a helper. */
struct run {
    const struct extract_runner *runner;
    ragstore_extraction *extraction;
    pid_t process;
    int output; /* the helper's, to be read */
    int64_t deadline_ms;
    uint64_t received;
    char *bytes; /* received and not yet understood */
    size_t size, capacity;
    char reason[32]; /* why there is no text, as the helper says; "": it does not */
    bool ended;      /* the helper said that this was all */
    bool malformed;
};

/* ---- finding ---- */

bool extract_runner_find(struct extract_runner *runner, const char *path)
{
    if (path != NULL) {
        snprintf(runner->program, sizeof runner->program, "%s", path);
    } else {
        static const char name[] = "ragstore-extract";
        ssize_t size =
            readlink("/proc/self/exe", runner->program, sizeof runner->program - sizeof name - 1);
        char *slash = NULL;

        runner->program[size < 0 ? 0 : size] = '\0';
        slash = strrchr(runner->program, '/');
        if (slash == NULL) {
            return false;
        }
        strcpy(slash + 1, name);
    }
    return runner->program[0] == '/' && access(runner->program, X_OK) == 0;
}

/* ---- what the user is told ---- */

static const struct {
    const char *reason;
    int status;
    const char *sentence;
} refusals[] = {
    {REASON_ENCRYPTED, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document is encrypted: save it without a password and add that"},
    {REASON_SCANNED, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document has pictures of pages and no text: run text recognition (OCR) over it first"},
    {REASON_NO_TEXT, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document has no text: there is nothing to find in it"},
    {REASON_DAMAGED, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document is damaged or was cut off: open it in its own program, save it again and add "
     "that"},
    {REASON_TOO_LARGE, RAGSTORE_E_TOO_LARGE,
     "what the document unpacks to is over the limit: split it into smaller ones"},
    {REASON_TOO_DEEP, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document is nested too deep: save it again in its own program, or as text"},
    {REASON_DTD, RAGSTORE_E_NOT_EXTRACTABLE,
     "the document defines XML entities, which no program that writes such documents does: save it "
     "again in its own program"},
    {REASON_NO_MEMORY, RAGSTORE_E_TOO_LARGE,
     "reading the document takes more memory than is allowed: split it into smaller ones"},
    {REASON_NO_JAIL, RAGSTORE_E_IO,
     "this machine's kernel cannot shut the extraction helper in (seccomp is missing)"},
    {REASON_UNKNOWN_FORMAT, RAGSTORE_E_UNSUPPORTED, "the helper does not know this format"},
};

static int refuse(const struct run *run, const char *reason)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (strcmp(refusals[i].reason, reason) == 0) {
            return ragstore_extraction_refuse(run->extraction, refusals[i].status,
                                              refusals[i].sentence);
        }
    }
    return ragstore_extraction_refuse(run->extraction, RAGSTORE_E_NOT_EXTRACTABLE,
                                      "the extraction helper gave an answer that makes no sense");
}

static int refuse_with(const struct run *run, int status, const char *format, long number)
{
    char sentence[256];

    snprintf(sentence, sizeof sentence, format, number);
    return ragstore_extraction_refuse(run->extraction, status, sentence);
}

/* The helper died before it was done. */
static int refuse_death(const struct run *run, int wait_status)
{
    int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    if (number == SIGXCPU || number == SIGKILL) {
        return refuse_with(run, RAGSTORE_E_TOO_LARGE,
                           "reading the document took more than %ld s of processor time: split it "
                           "into smaller ones",
                           (long)run->runner->processor_seconds);
    }
    if (number == SIGSYS) {
        return refuse_with(run, RAGSTORE_E_NOT_EXTRACTABLE,
                           "reading the document was stopped because its parser tried what it may "
                           "not do (signal %ld): the document may be an attack",
                           number);
    }
    if (number != 0) {
        return refuse_with(run, RAGSTORE_E_NOT_EXTRACTABLE,
                           "the document's parser failed (signal %ld): the document is damaged, or "
                           "too large for the memory that is allowed",
                           number);
    }
    return refuse_with(run, RAGSTORE_E_IO,
                       "the extraction helper could not be started or stopped early (exit status "
                       "%ld)",
                       WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1);
}

/* ---- starting ---- */

/* The document in a file without a name, which nobody can change any more. */
static int make_input(const void *bytes, size_t size)
{
    int input = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    for (size_t written = 0; input >= 0 && written < size;) {
        ssize_t count = write(input, (const char *)bytes + written, size - written);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            close(input);
            return -1;
        }
        written += (size_t)count;
    }
    if (input >= 0) {
        (void)lseek(input, 0, SEEK_SET);
        (void)fcntl(input, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    }
    return input;
}

/* Only calls that may be made between fork() and execve(). */
static void limit(__rlimit_resource_t what, uint64_t most)
{
    struct rlimit both = {.rlim_cur = most, .rlim_max = most};

    if (setrlimit(what, &both) != 0) {
        _exit(126);
    }
}

static void close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) {
        return;
    }
    for (int i = first; i < 65536; i++) {
        close(i);
    }
}

_Noreturn static void become_helper(const struct extract_runner *runner, int input, int output,
                                    int nothing)
{
    static char *const arguments[] = {(char *)"ragstore-extract", NULL};
    static char *const environment[] = {NULL};
    sigset_t none;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i < 32; i++) {
        (void)signal(i, SIG_DFL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(nothing, STDERR_FILENO) < 0 || chdir("/") != 0) {
        _exit(126);
    }
    close_from(STDERR_FILENO + 1);
    limit(RLIMIT_AS, runner->memory_bytes);
    limit(RLIMIT_CPU, runner->processor_seconds);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, OPEN_FILES);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_CORE, 0);
    execve(runner->program, arguments, environment);
    _exit(127);
}

/* Descriptors 0 to 2 would be closed by the child's dup2() before they are used. */
static int above_standard(int descriptor)
{
    int moved = descriptor;

    if (descriptor >= 0 && descriptor <= STDERR_FILENO) {
        moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(descriptor);
    }
    return moved;
}

static bool start(struct run *run, const void *bytes, size_t size)
{
    int ends[2] = {-1, -1};
    int input = above_standard(make_input(bytes, size));
    int nothing = above_standard(open("/dev/null", O_WRONLY | O_CLOEXEC));
    bool fine = input >= 0 && nothing >= 0 && pipe2(ends, O_CLOEXEC) == 0;

    ends[0] = above_standard(ends[0]);
    ends[1] = above_standard(ends[1]);
    fine = fine && ends[0] >= 0 && ends[1] >= 0;
    run->process = fine ? fork() : -1;
    if (run->process == 0) {
        become_helper(run->runner, input, ends[1], nothing);
    }
    if (run->process > 0) {
        (void)setpgid(run->process, run->process);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        run->output = ends[0];
        ends[0] = -1;
    }
    for (size_t i = 0; i < 2; i++) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    if (input >= 0) {
        close(input);
    }
    if (nothing >= 0) {
        close(nothing);
    }
    return run->process > 0;
}

/* ---- understanding ---- */

static bool next_number(const char **at, unsigned long most, unsigned long *number)
{
    char *end = NULL;

    if (**at < '0' || **at > '9') {
        return false;
    }
    errno = 0;
    *number = strtoul(*at, &end, 10);
    *at = *end == ' ' ? end + 1 : end;
    return errno == 0 && *number <= most;
}

/* A block: its head is a line, its text and a line's end follow. Gives the bytes used; 0: not all
 * is there yet. */
static size_t take_block(struct run *run, const char *line, size_t line_size, int *status)
{
    unsigned long kind, level, page, size;
    char head[HEAD_MAX];
    const char *at = head;

    snprintf(head, sizeof head, "%.*s", (int)line_size - 2, line + 2);
    if (!next_number(&at, 5, &kind) || !next_number(&at, 6, &level) ||
        !next_number(&at, 1000000, &page) || !next_number(&at, BLOCK_MAX, &size) || *at != '\0') {
        run->malformed = true;
        return 0;
    }
    if (run->size < line_size + 1 + size + 1) {
        return 0;
    }
    *status = ragstore_extraction_add(run->extraction, (uint32_t)kind, (uint32_t)level,
                                      (uint32_t)page, line + line_size + 1, size);
    return line_size + 1 + size + 1;
}

static void take_word(char *out, size_t size, const char *line, size_t line_size)
{
    size_t length = line_size - 2 < size ? line_size - 2 : size - 1;

    memcpy(out, line + 2, length);
    out[length] = '\0';
}

/* One message at the start of what was received; gives the bytes used. */
static size_t take_message(struct run *run, const char *line, size_t line_size, int *status)
{
    char media_type[64];

    if (line_size == 1 && line[0] == '.') {
        run->ended = true;
    } else if (line_size > 2 && line[1] == ' ' && line[0] == 'T') {
        take_word(media_type, sizeof media_type, line, line_size);
        *status = ragstore_extraction_set_media_type(run->extraction, media_type);
    } else if (line_size > 2 && line[1] == ' ' && line[0] == 'X') {
        take_word(run->reason, sizeof run->reason, line, line_size);
    } else if (line_size > 2 && line[1] == ' ' && line[0] == 'B') {
        return take_block(run, line, line_size, status);
    } else {
        run->malformed = true;
    }
    return line_size + 1;
}

static int take_messages(struct run *run)
{
    size_t used = 0;
    int status = RAGSTORE_OK;

    while (status == RAGSTORE_OK && !run->malformed && !run->ended && used < run->size) {
        const char *line = run->bytes + used;
        size_t left = run->size - used;
        const char *end = memchr(line, '\n', left < HEAD_MAX ? left : HEAD_MAX);
        size_t all = run->size;
        size_t taken = 0;

        if (end == NULL) {
            run->malformed = left >= HEAD_MAX;
            break;
        }
        run->size = left; /* what a block may count on */
        taken = take_message(run, line, (size_t)(end - line), &status);
        run->size = all;
        if (taken == 0) {
            break;
        }
        used += taken;
    }
    memmove(run->bytes, run->bytes + used, run->size - used);
    run->size -= used;
    return status;
}

/* ---- waiting ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read what is there; *open becomes false at the end. */
static int receive(struct run *run, bool *open)
{
    ssize_t count = 0;

    if (run->capacity - run->size < PIECE) {
        size_t capacity = run->capacity * 2 + 2 * PIECE;
        char *grown = realloc(run->bytes, capacity);

        if (grown == NULL) {
            return RAGSTORE_E_NO_MEMORY;
        }
        run->bytes = grown;
        run->capacity = capacity;
    }
    count = read(run->output, run->bytes + run->size, PIECE);
    if (count < 0) {
        *open = errno == EINTR || errno == EAGAIN;
        return RAGSTORE_OK;
    }
    *open = count > 0;
    run->size += (size_t)count;
    run->received += (uint64_t)count;
    return run->received > run->runner->output_bytes ? refuse(run, REASON_TOO_LARGE)
                                                     : take_messages(run);
}

static int check_time(const struct run *run)
{
    int status = ragstore_extraction_progress(run->extraction, run->received, 0);

    if (status == RAGSTORE_OK && now_ms() > run->deadline_ms) {
        status =
            refuse_with(run, RAGSTORE_E_TOO_LARGE,
                        "reading the document took more than %ld s: split it into smaller ones",
                        (long)run->runner->wall_ms / 1000);
    }
    return status;
}

static int read_answer(struct run *run)
{
    bool open = true;
    int status = RAGSTORE_OK;

    while (status == RAGSTORE_OK && open && !run->ended && !run->malformed) {
        struct pollfd wait_for = {.fd = run->output, .events = POLLIN};

        if (poll(&wait_for, 1, TICK_MS) > 0) {
            status = receive(run, &open);
        }
        if (status == RAGSTORE_OK) {
            status = check_time(run);
        }
    }
    return status;
}

/* Has the helper ended by itself? Its state is left, so that its number stays its own. */
static bool has_ended(const struct run *run)
{
    siginfo_t information = {0};

    return waitid(P_PID, (id_t)run->process, &information, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           information.si_pid == run->process;
}

/* End the helper and whatever it may have started; tells how it died when it did so by itself. */
static int end_helper(const struct run *run, bool wait_first)
{
    int wait_status = 0;
    const struct timespec tick = {.tv_nsec = 1000000};

    for (int i = 0; wait_first && i < 1000 && !has_ended(run); i++) {
        (void)nanosleep(&tick, NULL);
    }
    (void)kill(-run->process, SIGKILL);
    (void)kill(run->process, SIGKILL);
    while (waitpid(run->process, &wait_status, 0) < 0 && errno == EINTR) {
    }
    return wait_status;
}

int32_t extract_run(void *user, ragstore_extraction *extraction, const void *bytes, size_t size,
                    const char *filename)
{
    const struct extract_runner *runner = user;
    struct run run = {.runner = runner,
                      .extraction = extraction,
                      .output = -1,
                      .deadline_ms = now_ms() + runner->wall_ms};
    int status = RAGSTORE_OK;
    int wait_status = 0;

    (void)filename;
    if (!start(&run, bytes, size)) {
        return refuse_with(&run, RAGSTORE_E_NO_MEMORY,
                           "the extraction helper could not be started "
                           "(errno %ld)",
                           errno);
    }
    status = read_answer(&run);
    wait_status = end_helper(&run, status == RAGSTORE_OK && !run.ended && !run.malformed);
    close(run.output);
    free(run.bytes);
    if (status != RAGSTORE_OK) {
        return status;
    }
    if (run.ended && run.reason[0] == '\0') {
        return RAGSTORE_OK;
    }
    return run.ended || run.malformed ? refuse(&run, run.malformed ? "" : run.reason)
                                      : refuse_death(&run, wait_status);
}
