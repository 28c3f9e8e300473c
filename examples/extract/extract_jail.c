/*
 * The jail of the helper: see extract_jail.h.
 *
 * The limits on memory, time, output and open files are set by the runner before the helper starts
 * (extract_runner.c); what is here can only be done by the helper itself, because starting a
 * program needs files.
 */
#include "extract_jail.h"

#include <errno.h>
#include <iconv.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a parser needs. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(clock_getres),
    SCMP_SYS(restart_syscall),
};

/* What libraries try and can do without: they are told that it failed. */
static const int refused[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(openat2),   SCMP_SYS(access),
    SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(stat),      SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx),      SCMP_SYS(readlink),  SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),     SCMP_SYS(ioctl),      SCMP_SYS(prlimit64), SCMP_SYS(getdents64),
    SCMP_SYS(statfs),     SCMP_SYS(fcntl),      SCMP_SYS(unlink),    SCMP_SYS(mkdir),
};

static bool add_rules(scmp_filter_ctx filter)
{
    bool fine = true;

    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        fine = fine && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused[i], 0) == 0;
    }
    /* to its standard output and error only */
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                    SCMP_A0(SCMP_CMP_LE, STDERR_FILENO, 0)) == 0;
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(writev), 1,
                                    SCMP_A0(SCMP_CMP_LE, STDERR_FILENO, 0)) == 0;
    /* memory that is not code: 4 is PROT_EXEC */
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0)) == 0;
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                    SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0)) == 0;
    /* a signal to itself: how abort() ends */
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)) == 0;
    return fine;
}

static bool filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool fine = filter != NULL && add_rules(filter) && seccomp_load(filter) == 0;

    if (filter != NULL) {
        seccomp_release(filter);
    }
    return fine;
}

/* Every right that this kernel knows, and no rule that gives one back. */
static void forbid_files(void)
{
    struct landlock_ruleset_attr attributes;
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int rules = -1;

    if (version < 1) {
        return;
    }
    memset(&attributes, 0, sizeof attributes);
    attributes.handled_access_fs = (UINT64_C(1) << (version == 1   ? 13
                                                    : version == 2 ? 14
                                                                   : 15)) -
                                   1;
    rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (rules >= 0) {
        (void)syscall(SYS_landlock_restrict_self, rules, 0);
        close(rules);
    }
}

void jail_prepare(void)
{
    static const char *const sets[] = {
        "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",   "ISO-8859-5",
        "ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",   "ISO-8859-10",
        "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16",  "WINDOWS-1250",
        "WINDOWS-1251", "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255",
        "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "KOI8-R",       "KOI8-U",
        "MACINTOSH",    "GBK",          "GB18030",      "BIG5",         "SHIFT_JIS",
        "EUC-JP",       "ISO-2022-JP",  "EUC-KR",       "UTF-16",       "UTF-7",
        "CP437",        "TIS-620",
    };

    /* left open on purpose: an open conversion keeps its module in memory */
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        (void)iconv_open("UTF-8", sets[i]);
        (void)iconv_open("UTF-16LE", sets[i]);
    }
}

bool jail_enter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return false;
    }
    forbid_files();
    return filter_calls();
}
