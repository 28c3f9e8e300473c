/*
 * Every call of the file table and every allocation fails in turn, for every function in
 * files.h: the right code, no handle or view or block left open, files old or new but whole.
 *
 * Each case starts from the same small store:
 *
 *   old (5 bytes)   dir/a   dir/sub/b
 */
#include "files/files.h"

#include "base/status.h"
#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define OLD "first"
#define NEW "the second content"

static fault_files faults;
static char base[TEMPORARY_PATH_MAX];

static const char *below(const char *path)
{
    static char full[2 * TEMPORARY_PATH_MAX];

    snprintf(full, sizeof full, "%s/store%s%s", base, path[0] == '\0' ? "" : "/", path);
    return full;
}

static void prepare(void)
{
    temporary_remove_all(below(""));
    assert_int_equal(mkdir(below(""), 0700), 0);
    assert_int_equal(mkdir(below("dir"), 0700), 0);
    assert_int_equal(mkdir(below("dir/sub"), 0700), 0);
    temporary_write(below("old"), OLD, strlen(OLD));
    temporary_write(below("dir/a"), "a", 1);
    temporary_write(below("dir/sub/b"), "b", 1);
}

static bool content_is(const char *path, const char *expected)
{
    char *content = temporary_read(below(path), NULL);
    bool same = content != NULL && strcmp(content, expected) == 0;
    free(content);
    return same;
}

/* ---- the functions under test ---- */

static int act_root(rsi_root *root)
{
    rsi_root *second;

    (void)root;
    int status = rsi_root_open(&second, &faults.table, below(""), true);
    assert_int_equal(second == NULL, status != RAGSTORE_OK);
    rsi_root_close(second);
    return status;
}

static int act_new_root(rsi_root *root)
{
    rsi_root *second;

    (void)root;
    int status = rsi_root_open(&second, &faults.table, below("dir/new-store"), true);
    assert_int_equal(second == NULL, status != RAGSTORE_OK);
    rsi_root_close(second);
    return status;
}

static int act_read_all(rsi_root *root)
{
    rsi_bytes out = {0};

    int status = rsi_file_read_all(root, "old", 100, &out);
    if (status == RAGSTORE_OK)
        assert_string_equal(out.data, OLD);
    else
        assert_null(out.data);
    rsi_bytes_free(&out);
    return status;
}

static int act_replace(rsi_root *root)
{
    int status = rsi_file_replace(root, "old", NEW, strlen(NEW));
    if (status == RAGSTORE_OK)
        assert_true(content_is("old", NEW));
    return status;
}

static int act_info(rsi_root *root)
{
    rsi_file_info info;

    int status = rsi_file_info_of(root, "old", &info);
    if (status == RAGSTORE_OK)
        assert_int_equal(info.size, strlen(OLD));
    return status;
}

static int act_sha256(rsi_root *root)
{
    uint64_t size;
    char hex[65];

    int status = rsi_file_sha256(root, "old", &size, hex);
    assert_int_equal(size, status == RAGSTORE_OK ? strlen(OLD) : 0);
    assert_int_equal(strlen(hex), status == RAGSTORE_OK ? 64 : 0);
    return status;
}

static int act_rename(rsi_root *root)
{
    int status = rsi_file_rename(root, "old", "dir/a");
    if (status == RAGSTORE_OK)
        assert_true(content_is("dir/a", OLD));
    return status;
}

static int act_remove(rsi_root *root)
{
    int status = rsi_file_remove(root, "old");
    if (status == RAGSTORE_OK)
        assert_false(temporary_exists(below("old")));
    return status;
}

/* Everything that an open file can do; whatever fails, the file is closed. */
static int act_open_file(rsi_root *root)
{
    rsi_file *file;
    char bytes[8];
    uint64_t size;
    const void *view = NULL;

    int status = rsi_file_open(&file, root, "new", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    if (status != RAGSTORE_OK) {
        assert_null(file);
        return status;
    }
    status = rsi_file_lock(file, 0, 1, RSI_LOCK_EXCLUSIVE);
    if (status == RAGSTORE_OK)
        status = rsi_file_reserve(file, 100);
    if (status == RAGSTORE_OK)
        status = rsi_file_write_at(file, "12345678", 8, 0);
    if (status == RAGSTORE_OK)
        status = rsi_file_truncate(file, 8);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush_data(file);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(file, &size);
    if (status == RAGSTORE_OK)
        status = rsi_file_read_at(file, bytes, 8, 0);
    if (status == RAGSTORE_OK) {
        assert_memory_equal(bytes, "12345678", 8);
        status = rsi_file_view(file, 8, &view);
    }
    if (status == RAGSTORE_OK)
        assert_memory_equal(view, "12345678", 8);
    rsi_file_unview(file, view, 8);
    int closed = rsi_file_close(file);
    return status != RAGSTORE_OK ? status : closed;
}

static int act_make(rsi_root *root)
{
    int status = rsi_directory_make(root, "dir/x/y");
    if (status == RAGSTORE_OK)
        assert_true(temporary_exists(below("dir/x/y")));
    return status;
}

static int act_make_again(rsi_root *root)
{
    return rsi_directory_make(root, "dir/sub");
}

static int count_entry(void *user, const char *name, rsi_file_kind kind)
{
    (void)name;
    (void)kind;
    ++*(int *)user;
    return 0;
}

static int act_list(rsi_root *root)
{
    int count = 0;

    int status = rsi_directory_list(root, "dir", count_entry, &count);
    if (status == RAGSTORE_OK)
        assert_int_equal(count, 2);
    return status;
}

static int act_remove_directory(rsi_root *root)
{
    int status = rsi_directory_remove(root, "dir");
    if (status == RAGSTORE_OK)
        assert_false(temporary_exists(below("dir")));
    return status;
}

static const struct subject {
    const char *name;
    int (*act)(rsi_root *root);
} subjects[] = {
    {"root_open", act_root},          {"root_open new", act_new_root}, {"read_all", act_read_all},
    {"replace", act_replace},         {"info_of", act_info},           {"sha256", act_sha256},
    {"rename", act_rename},           {"remove", act_remove},          {"open file", act_open_file},
    {"directory_make", act_make},     {"make again", act_make_again},  {"directory_list", act_list},
    {"remove", act_remove_directory},
};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

/* ---- the loops ---- */

/* Failures that may go unnoticed: a close after reading or of a directory, the look for a
 * manifest, whose answer "no" only costs a flush, and the making of a root that is there. */
static bool may_pass(const struct subject *subject, fault_call call)
{
    return call == FAULT_CLOSE ||
           (subject->act == act_root && (call == FAULT_INFO_AT || call == FAULT_MAKE_DIRECTORY));
}

static void assert_old_files_whole(const struct subject *subject, int status)
{
    bool is_old = content_is("old", OLD);

    if (subject->act == act_replace) {
        assert_true(is_old || content_is("old", NEW));
        assert_int_equal(temporary_count(below("")), 2); /* no temporary */
    } else if (subject->act != act_remove && subject->act != act_rename) {
        assert_true(is_old);
    } else if (status == RAGSTORE_OK) {
        assert_false(is_old);
    }
}

/* One subject, one faulty call: true when the fault struck. */
static bool run_one(const struct subject *subject, fault_call call, int64_t n, int error,
                    bool for_ever, int expected)
{
    rsi_root *root;

    prepare();
    fault_files_init(&faults, NULL);
    assert_int_equal(rsi_root_open(&root, &faults.table, below(""), false), RAGSTORE_OK);
    fault_files_fail(&faults, call, n, error, for_ever);
    int status = subject->act(root);
    fault_files_disarm(&faults);
    bool struck = fault_files_struck(&faults);

    bool as_expected =
        !struck ? status == RAGSTORE_OK
                : status == expected || (status == RAGSTORE_OK && may_pass(subject, call));
    if (!as_expected)
        fail_msg("%s, %s %d of errno %d%s: status %d, %s", subject->name, fault_call_name(call),
                 (int)n, error, for_ever ? " for ever" : "", status, rsi_error_message());
    assert_old_files_whole(subject, status);
    assert_int_equal(faults.views, 0);
    rsi_root_close(root);
    if (faults.open_handles != 0)
        fail_msg("%s, %s %d of errno %d: %d handles left open", subject->name,
                 fault_call_name(call), (int)n, error, (int)faults.open_handles);
    assert_int_equal(fault_memory_alive(), 0);
    return struck;
}

static void each_call_fails(int error, bool for_ever, int expected)
{
    unsigned faults_seen = 0;

    for (size_t s = 0; s < SUBJECTS; s++)
        for (int call = 0; call < FAULT_CALLS; call++)
            for (int64_t n = 1;
                 run_one(&subjects[s], (fault_call)call, n, error, for_ever, expected); n++)
                faults_seen++;
    assert_true(faults_seen > 80);
}

static int setup(void **state)
{
    if (temporary_setup(state) != 0)
        return -1;
    snprintf(base, sizeof base, "%s", temporary_path(state));
    fault_memory_install();
    return 0;
}

static int teardown(void **state)
{
    fault_memory_restore();
    return temporary_teardown(state);
}

static void files_faults__io_errors_are_reported(void **state)
{
    (void)state;
    each_call_fails(EIO, false, RAGSTORE_E_IO);
    each_call_fails(EIO, true, RAGSTORE_E_IO);
    each_call_fails(EMFILE, false, RAGSTORE_E_IO);
}

static void files_faults__a_full_disk_is_reported(void **state)
{
    (void)state;
    each_call_fails(ENOSPC, false, RAGSTORE_E_DISK_FULL);
    each_call_fails(ENOSPC, true, RAGSTORE_E_DISK_FULL);
    each_call_fails(EDQUOT, false, RAGSTORE_E_DISK_FULL);
}

static void files_faults__a_read_only_file_system_is_reported(void **state)
{
    (void)state;
    each_call_fails(EROFS, false, RAGSTORE_E_PERMISSION);
}

static void files_faults__interrupted_calls_are_made_again(void **state)
{
    rsi_file *file;
    rsi_root *root;

    (void)state;
    for (size_t s = 0; s < SUBJECTS; s++)
        for (int call = 0; call < FAULT_CALLS; call++)
            if (call != FAULT_INFO && call != FAULT_INFO_AT && call != FAULT_VIEW) /* never are */
                for (int64_t n = 1;
                     run_one(&subjects[s], (fault_call)call, n, EINTR, false, RAGSTORE_OK); n++)
                    ;

    /* But not without end. */
    prepare();
    fault_files_init(&faults, NULL);
    assert_int_equal(rsi_root_open(&root, &faults.table, below(""), false), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&file, root, "old", RSI_OPEN_WRITE), RAGSTORE_OK);
    fault_files_fail(&faults, FAULT_ANY, 1, EINTR, true);
    assert_int_equal(rsi_file_write_at(file, "x", 1, 0), RAGSTORE_E_IO);
    assert_int_equal(rsi_file_read_at(file, (char[1]){0}, 1, 0), RAGSTORE_E_IO);
    assert_int_equal(rsi_file_flush(file), RAGSTORE_E_IO);
    assert_int_equal(rsi_file_lock(file, 0, 1, RSI_LOCK_SHARED), RAGSTORE_E_IO);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

static void files_faults__short_counts_are_continued(void **state)
{
    (void)state;
    for (size_t s = 0; s < SUBJECTS; s++) {
        run_one(&subjects[s], FAULT_READ, 1, FAULT_SHORT, true, RAGSTORE_OK);
        run_one(&subjects[s], FAULT_WRITE, 1, FAULT_SHORT, true, RAGSTORE_OK);
    }
}

/* A flush that failed is not tried again: the kernel would say yes to the second one (D4). */
static void files_faults__a_failed_flush_is_final(void **state)
{
    rsi_file *file;
    rsi_root *root;

    (void)state;
    prepare();
    fault_files_init(&faults, NULL);
    assert_int_equal(rsi_root_open(&root, &faults.table, below(""), false), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&file, root, "old", RSI_OPEN_WRITE), RAGSTORE_OK);
    fault_files_reset_counts(&faults);
    fault_files_fail(&faults, FAULT_ANY, 1, EIO, false);
    assert_int_equal(rsi_file_flush_data(file), RAGSTORE_E_IO);
    assert_int_equal(fault_files_count(&faults, FAULT_ANY), 1);
    fault_files_fail(&faults, FAULT_ANY, 1, EIO, false);
    assert_int_equal(rsi_file_flush(file), RAGSTORE_E_IO);
    assert_int_equal(fault_files_count(&faults, FAULT_ANY), 2);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

/* Written, flushed, renamed, directory flushed: in this order, each once (D1). */
static void files_faults__replace_keeps_the_old_file_until_the_rename(void **state)
{
    (void)state;
    for (int call = 0; call < FAULT_CALLS; call++) {
        for (int64_t n = 1; run_one(&subjects[3], (fault_call)call, n, EIO, false, RAGSTORE_E_IO);
             n++) {
            bool only_directory_flush = (call == FAULT_FLUSH && n == 2) ||
                                        (call == FAULT_OPEN && n == 2) ||
                                        (call == FAULT_CLOSE && n == 2);
            if (content_is("old", OLD) == only_directory_flush)
                fail_msg("%s %d left the wrong file", fault_call_name((fault_call)call), (int)n);
        }
    }
    assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 2);
    assert_int_equal(fault_files_count(&faults, FAULT_RENAME), 1);
}

static void files_faults__a_file_system_without_directory_flush_will_do(void **state)
{
    (void)state;
    run_one(&subjects[9], FAULT_FLUSH, 1, EINVAL, true, RAGSTORE_OK);
    assert_true(fault_files_struck(&faults));
}

/* The directory and the one that holds it, until there is a manifest, which is written last. */
static void files_faults__a_root_is_made_durable_until_it_has_a_manifest(void **state)
{
    rsi_root *root;

    (void)state;
    prepare();
    fault_files_init(&faults, NULL);
    for (int i = 0; i < 2; i++) {
        fault_files_reset_counts(&faults);
        assert_int_equal(rsi_root_open(&root, &faults.table, below("new"), true), RAGSTORE_OK);
        assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 2);
        assert_int_equal(rsi_file_replace(root, "ragstore.json", "{}", 2), RAGSTORE_OK);
        rsi_root_close(root);
        if (i == 0)
            assert_int_equal(remove(below("new/ragstore.json")), 0);
    }
    fault_files_reset_counts(&faults);
    assert_int_equal(rsi_root_open(&root, &faults.table, below("new"), true), RAGSTORE_OK);
    rsi_root_close(root);
    assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 0);
    assert_int_equal(faults.open_handles, 0);
}

static void files_faults__each_allocation_fails_once(void **state)
{
    rsi_root *root;
    unsigned failures = 0;

    (void)state;
    for (size_t s = 0; s < SUBJECTS; s++) {
        for (unsigned n = 1;; n++) {
            prepare();
            fault_files_init(&faults, NULL);
            assert_int_equal(rsi_root_open(&root, &faults.table, below(""), false), RAGSTORE_OK);
            fault_memory_fail(n, n % 2 == 0);
            int status = subjects[s].act(root);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            rsi_root_close(root);
            assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
            assert_int_equal(fault_memory_alive(), 0);
            assert_int_equal(faults.open_handles, 0);
            if (!failed)
                break;
            failures++;
        }
    }
    assert_true(failures >= 10);
}

#define IN_TEMPORARY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(files_faults__io_errors_are_reported),
        IN_TEMPORARY(files_faults__a_full_disk_is_reported),
        IN_TEMPORARY(files_faults__a_read_only_file_system_is_reported),
        IN_TEMPORARY(files_faults__interrupted_calls_are_made_again),
        IN_TEMPORARY(files_faults__short_counts_are_continued),
        IN_TEMPORARY(files_faults__a_failed_flush_is_final),
        IN_TEMPORARY(files_faults__replace_keeps_the_old_file_until_the_rename),
        IN_TEMPORARY(files_faults__a_file_system_without_directory_flush_will_do),
        IN_TEMPORARY(files_faults__a_root_is_made_durable_until_it_has_a_manifest),
        IN_TEMPORARY(files_faults__each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
