/* add: files, directories, standard input. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, DEPTH_MAX = 64 };

struct adding {
    struct cli *cli;
    ragstore_entity *entity;
    ragstore_document_add_options options;
    json_t *added;  /* descriptions */
    json_t *failed; /* {file, error, message} */
    size_t fresh, unchanged, replaced;
    int status; /* what is to be said of the whole: the first failure */
    bool stops; /* nothing more is to be tried */
};

/* ---- reports ---- */

static void note_failure(struct adding *to, const char *file, int status, const char *error,
                         const char *message)
{
    json_array_append_new(to->failed, json_pack("{s:s+,s:s,s:s}", "file", file, "", "error", error,
                                                "message", message));
    if (to->status == CLI_OK) {
        to->status = status;
    }
    cli_say(to->cli, "%s: %s", file, message);
}

static void note_library_failure(struct adding *to, const char *file)
{
    const int code = ragstore_error_code();

    note_failure(to, file, cli_status_of(code), ragstore_status_name(code),
                 code == RAGSTORE_E_INTERRUPTED ? "interrupted" : ragstore_error_message());
    /* the next document would fail as this one did */
    to->stops = code == RAGSTORE_E_INTERRUPTED || code == RAGSTORE_E_BUSY ||
                code == RAGSTORE_E_DISK_FULL || code == RAGSTORE_E_FAILED ||
                code == RAGSTORE_E_READ_ONLY || code == RAGSTORE_E_IO;
}

static void note_document(struct adding *to, const char *file, ragstore_document *document)
{
    ragstore_buffer *buffer = NULL;

    if (ragstore_document_describe(&buffer, document) != RAGSTORE_OK) {
        note_library_failure(to, file);
        return;
    }
    json_t *described = cli_take_json(buffer);
    const bool same = json_is_true(json_object_get(described, "is_duplicate"));
    const bool replaced = json_is_true(json_object_get(described, "replaced"));
    to->unchanged += same;
    to->replaced += replaced && !same;
    to->fresh += !replaced && !same;
    if (!to->cli->json && !to->cli->quiet) {
        cli_progress_end(to->cli);
        cli_print_word(stdout, cli_text(described, "doc_id"));
        fputc('\t', stdout);
        cli_print_word(stdout, file);
        printf("\t%s\n", same ? "unchanged" : replaced ? "replaced" : "added");
        fflush(stdout);
    }
    json_array_append_new(to->added, described);
}

/* ---- one document ---- */

/* Stream what is in `file` to the library; a status of ragstore.h, and *why when reading failed. */
static int stream(struct adding *to, int file, ragstore_upload *upload, int *why)
{
    char *piece = malloc(PIECE);
    int status = RAGSTORE_OK;

    *why = piece == NULL ? ENOMEM : 0;
    while (piece != NULL && status == RAGSTORE_OK) {
        ssize_t size = read(file, piece, PIECE);

        if (cli_interrupted()) {
            *why = EINTR;
            break;
        }
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            *why = errno;
        }
        if (size <= 0) {
            break;
        }
        status = ragstore_upload_write(upload, piece, (size_t)size);
    }
    free(piece);
    (void)to;
    return status;
}

static void add_open_file(struct adding *to, int file, const char *name)
{
    struct cli_watch watch = {to->cli, name};
    ragstore_document_add_options options = to->options;
    ragstore_document *document = NULL;
    ragstore_upload *upload = NULL;
    int why = 0;

    options.progress = cli_watch;
    options.progress_user = &watch;
    cli_progress(to->cli, name, "read", 0, 0);
    if (ragstore_upload_begin(&upload, to->entity, &options) != RAGSTORE_OK) {
        note_library_failure(to, name);
        return;
    }
    const int status = stream(to, file, upload, &why);
    if (status != RAGSTORE_OK) {
        note_library_failure(to, name);
        ragstore_upload_abort(upload);
        return;
    }
    if (why != 0) {
        ragstore_upload_abort(upload);
        to->stops = why == EINTR;
        note_failure(to, name, why == EINTR ? CLI_INTERRUPTED : CLI_FAILED,
                     why == EINTR ? "INTERRUPTED" : "IO",
                     why == EINTR ? "interrupted" : strerror(why));
        return;
    }
    if (ragstore_upload_commit(&document, upload) != RAGSTORE_OK) {
        note_library_failure(to, name);
        return;
    }
    note_document(to, name, document);
    ragstore_document_free(document);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static void add_file(struct adding *to, int directory, const char *name, const char *path)
{
    const int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const bool named = to->options.filename != NULL;
    struct stat info;

    if (file < 0 || fstat(file, &info) != 0) {
        note_failure(to, path, errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED,
                     errno == ENOENT ? "NOT_FOUND" : "IO", strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        note_failure(to, path, CLI_REFUSED, "INVALID_ARGUMENT", "not a regular file");
    } else {
        if (!named) {
            to->options.filename = base_name(path);
        }
        if (cli_has(to->cli, "update")) {
            to->options.key = path;
        }
        add_open_file(to, file, path);
        to->options.key = cli_option(to->cli, "key");
        if (!named) {
            to->options.filename = NULL;
        }
    }
    if (file >= 0) {
        close(file);
    }
}

/* ---- directories ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory that are not hidden, sorted; NULL and errno on failure. */
static char **read_names(int directory, size_t *count)
{
    DIR *entries = fdopendir(dup(directory));
    char **names = calloc(1, sizeof *names);
    size_t room = 0;

    *count = 0;
    for (const struct dirent *entry = NULL;
         entries != NULL && names != NULL && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (*count == room) {
            room = room == 0 ? 64 : room * 2;
            char **larger = realloc(names, room * sizeof *names);
            if (larger == NULL) {
                break;
            }
            names = larger;
        }
        names[*count] = strdup(entry->d_name);
        *count += names[*count] != NULL;
    }
    if (entries == NULL) {
        free(names);
        names = NULL;
    } else {
        closedir(entries);
    }
    if (*count > 1) {
        qsort(names, *count, sizeof *names, compare_names);
    }
    return names;
}

static void add_directory(struct adding *to, int directory, const char *path, unsigned depth);

/* An entry of a directory: links are not followed, so that nothing comes twice or from
 * elsewhere. */
static void add_entry(struct adding *to, int directory, const char *name, const char *above,
                      unsigned depth)
{
    struct stat info;
    char *path = NULL;

    if (asprintf(&path, "%s%s%s", above, above[strlen(above) - 1] == '/' ? "" : "/", name) < 0) {
        return;
    }
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        note_failure(to, path, CLI_FAILED, "IO", strerror(errno));
    } else if (S_ISREG(info.st_mode)) {
        add_file(to, directory, name, path);
    } else if (S_ISDIR(info.st_mode)) {
        const int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (below < 0) {
            note_failure(to, path, CLI_FAILED, "IO", strerror(errno));
        } else {
            add_directory(to, below, path, depth + 1);
            close(below);
        }
    } else if (!to->cli->quiet) {
        cli_say(to->cli, "%s: passed over, it is neither a file nor a directory", path);
    }
    free(path);
}

static void add_directory(struct adding *to, int directory, const char *path, unsigned depth)
{
    size_t count = 0;
    char **names = depth > DEPTH_MAX ? NULL : read_names(directory, &count);

    if (names == NULL) {
        note_failure(to, path, CLI_FAILED, "IO",
                     depth > DEPTH_MAX ? "directories nested too deep" : strerror(errno));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!to->stops && !cli_interrupted()) {
            add_entry(to, directory, names[i], path, depth);
        }
        free(names[i]);
    }
    free(names);
}

static void add_path(struct adding *to, const char *path)
{
    struct stat info;

    if (strcmp(path, "-") == 0) {
        to->options.filename = cli_option(to->cli, "filename");
        if (to->options.filename == NULL) {
            to->options.filename = "stdin.txt";
        }
        add_open_file(to, STDIN_FILENO, to->options.filename);
        to->options.filename = NULL;
        return;
    }
    if (stat(path, &info) != 0) {
        note_failure(to, path, errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED,
                     errno == ENOENT ? "NOT_FOUND" : "IO", strerror(errno));
        return;
    }
    if (!S_ISDIR(info.st_mode)) {
        to->options.filename = cli_option(to->cli, "filename");
        add_file(to, AT_FDCWD, path, path);
        to->options.filename = NULL;
        return;
    }
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        note_failure(to, path, CLI_FAILED, "IO", strerror(errno));
        return;
    }
    add_directory(to, directory, path, 0);
    close(directory);
}

/* ---- all of it ---- */

static int check_words(struct cli *cli)
{
    size_t inputs = 0;

    for (int i = 1; i < cli->argument_count; i++) {
        inputs += strcmp(cli->arguments[i], "-") == 0;
        if (cli->arguments[i][0] == '\0') {
            cli_say(cli, "one of the paths is empty");
            return CLI_USAGE;
        }
    }
    if (inputs > 1) {
        cli_say(cli, "standard input can be added once");
        return CLI_USAGE;
    }
    if (cli->argument_count > 2 && (cli_has(cli, "filename") || cli_has(cli, "key"))) {
        cli_say(cli, "--%s is for one document", cli_has(cli, "key") ? "key" : "filename");
        return CLI_USAGE;
    }
    if (cli_has(cli, "key") && cli_has(cli, "update")) {
        cli_say(cli, "--update makes keys of the paths; leave --key out");
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int open_or_create(struct adding *to)
{
    struct cli *cli = to->cli;
    const char *id = cli->arguments[0];

    if (cli_has(cli, "create") &&
        ragstore_entity_open(&to->entity, cli->store, id) != RAGSTORE_OK) {
        if (ragstore_error_code() != RAGSTORE_E_NOT_FOUND) {
            return cli_fail(cli, NULL);
        }
        return ragstore_entity_create(&to->entity, cli->store, id, NULL) == RAGSTORE_OK
                   ? CLI_OK
                   : cli_fail(cli, NULL);
    }
    return to->entity != NULL ? CLI_OK : cli_open_entity(&to->entity, cli, id);
}

static void print_sum(struct adding *to)
{
    const size_t failed = json_array_size(to->failed);

    if (to->cli->json) {
        json_t *report = json_pack("{s:O,s:O}", "documents", to->added, "failed", to->failed);

        (void)cli_print_value(report);
        json_decref(report);
    } else if (!to->cli->quiet && to->fresh + to->unchanged + to->replaced + failed > 1) {
        cli_say(to->cli, "%zu added, %zu replaced, %zu unchanged, %zu failed", to->fresh,
                to->replaced, to->unchanged, failed);
    }
}

int cli_add(struct cli *cli)
{
    struct adding to = {.cli = cli, .options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT};
    unsigned needs = CLI_WRITES | CLI_EMBEDS | CLI_EXTRACTS;
    int status = check_words(cli);

    if (status == CLI_OK) {
        status = cli_open(cli, cli_has(cli, "create") ? needs | CLI_CREATES : needs);
    }
    if (status == CLI_OK) {
        status = open_or_create(&to);
    }
    if (status != CLI_OK) {
        return status;
    }
    to.options.source = cli_option(cli, "source");
    to.options.description = cli_option(cli, "description");
    to.options.metadata_json = cli_option(cli, "metadata");
    to.options.media_type = cli_option(cli, "type");
    to.options.key = cli_option(cli, "key");
    to.added = json_array();
    to.failed = json_array();
    if (cli->argument_count == 1) {
        add_path(&to, "-");
    }
    for (int i = 1; i < cli->argument_count && !to.stops && !cli_interrupted(); i++) {
        add_path(&to, cli->arguments[i]);
    }
    if (cli_interrupted() && to.status == CLI_OK) {
        to.status = CLI_INTERRUPTED;
    }
    cli_progress_end(cli);
    print_sum(&to);
    json_decref(to.added);
    json_decref(to.failed);
    ragstore_entity_free(to.entity);
    return to.status;
}
