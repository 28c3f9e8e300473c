/*
 * Damage in every file of a small store: bits flipped, ends cut. Each copy is opened for reading,
 * then for writing, and read as a whole; damage.py runs this in slices.
 *
 *   damage STRIDE OFFSET      bit p of a file (p = 8 · byte + bit) is flipped when p % STRIDE is
 *                             OFFSET
 *
 * After each damage, in a process of its own that must neither crash nor take over 20 seconds:
 *
 *   - a store that is refused is refused with a typed error that names a file, and no file has
 *   changed
 *   - what is read is what was put there, or a typed error; entities whose files are whole serve
 *   - a file that may be changed by hand may say something else, as long as it is valid
 *   - the end of the newest journal may be missing: then the state is that of an earlier commit
 *   - where nothing is told, the check of the store tells it, or the file can be made again
 *
 * Two stores: one that was closed, and one that was killed with commits in its journal.
 */
#include "harness/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ragstore.h>

#define TRIAL_SECONDS 20
#define TEXT_MAX ((size_t)1 << 19)
#define STATES_MAX 8
#define FILES_MAX 64
#define LARGE_FILE 16000 /* bits of larger files are tried less densely */

typedef struct file {
    char path[400]; /* below the store */
    char *bytes;
    size_t size;
} file;

typedef struct shared { /* with the process that tries */
    char states[STATES_MAX][TEXT_MAX]; /* what the store held, newest last */
    size_t state_count;
    char trial[500];
    bool may_say_else; /* a hand edit may say anything */
    char wrong[2000];
    uint64_t trials, refused, told, checked, same, edited, earlier;
} shared;

static shared *all;
static char top[400];
static file files[FILES_MAX];
static size_t file_count;

static void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(all->wrong, sizeof all->wrong, format, arguments);
    va_end(arguments);
    _exit(1);
}

static void must(int status, const char *what)
{
    if (status != RAGSTORE_OK)
        wrong("making the store: %s: %s", what, ragstore_error_message());
}

/* ---- reading everything as lines "name value" ---- */

typedef struct lines {
    char *text;
    size_t size;
} lines;

static bool is_typed(int status)
{
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION ||
           status == RAGSTORE_E_CONFLICT || status == RAGSTORE_E_INVALID_DATA;
}

static void add_line(lines *out, const char *name, int status, const char *value)
{
    if (status != RAGSTORE_OK && !is_typed(status) && status != RAGSTORE_E_NOT_FOUND &&
        !all->may_say_else)
        wrong("%s: %s: %s: %s", all->trial, name, ragstore_status_name(status),
              ragstore_error_message());
    int count = snprintf(out->text + out->size, TEXT_MAX - out->size, "%s %s%.100000s\n", name,
                         status == RAGSTORE_OK ? "" : "!", status == RAGSTORE_OK
                         ? value : ragstore_status_name(status));
    out->size += (size_t)count;
    if (out->size >= TEXT_MAX)
        wrong("%s: too much text", all->trial);
}

static void add_buffer(lines *out, const char *name, int status, ragstore_buffer *buffer)
{
    add_line(out, name, status, status == RAGSTORE_OK ? ragstore_buffer_data(buffer) : NULL);
    ragstore_buffer_free(buffer);
}

static void read_search(lines *out, const char *name, ragstore_entity *entity, uint32_t mode)
{
    static const float vector[] = {1, 2, 3};
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    ragstore_buffer *buffer = NULL;
    options.k = 20;
    options.mode = mode;
    options.vector = mode == RAGSTORE_MODE_VECTOR ? vector : NULL;
    options.dimension = mode == RAGSTORE_MODE_VECTOR ? 3 : 0;
    int status = ragstore_entity_search(&result, entity, "granite lamp", &options);
    if (status == RAGSTORE_OK)
        status = ragstore_result_json(&buffer, result);
    add_buffer(out, name, status, buffer);
    ragstore_result_free(result);
}

/* Call each(…, id) for each "<member>":"id" in a JSON text. */
static void each_id(const char *json, const char *member, lines *out, ragstore_store *store,
                    ragstore_entity *entity,
                    void (*each)(lines *, ragstore_store *, ragstore_entity *, const char *))
{
    char pattern[40];
    char id[200];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", member);
    for (const char *at = json; at != NULL && (at = strstr(at, pattern)) != NULL;) {
        at += strlen(pattern);
        snprintf(id, sizeof id, "%.*s", (int)strcspn(at, "\""), at);
        each(out, store, entity, id);
    }
}

static void read_document(lines *out, ragstore_store *store, ragstore_entity *entity,
                          const char *id)
{
    ragstore_document *document;
    ragstore_buffer *buffer = NULL;
    (void)store;
    int status = ragstore_document_open(&document, entity, id);
    if (status == RAGSTORE_OK)
        status = ragstore_document_content(&buffer, document);
    ragstore_document_free(document);
    add_buffer(out, id, status, buffer);
}

static void read_session(lines *out, ragstore_store *store, ragstore_entity *entity, const char *id)
{
    ragstore_session *session;
    ragstore_buffer *buffer = NULL;
    (void)entity;
    int status = ragstore_session_open(&session, store, id);
    if (status == RAGSTORE_OK)
        status = ragstore_session_messages(&buffer, session, NULL);
    ragstore_session_free(session);
    add_buffer(out, "messages", status, buffer);
}

static void read_entity(lines *out, ragstore_store *store, const char *id)
{
    ragstore_entity *entity;
    ragstore_buffer *buffer;
    char name[40];
    int status = ragstore_entity_open(&entity, store, id);
    add_line(out, id, status, "");
    if (status != RAGSTORE_OK)
        return;
    status = ragstore_document_list(&buffer, entity, NULL);
    if (status == RAGSTORE_OK)
        each_id(ragstore_buffer_data(buffer), "doc_id", out, store, entity, read_document);
    snprintf(name, sizeof name, "%s/documents", id);
    add_buffer(out, name, status, buffer);
    status = ragstore_session_list(&buffer, entity, NULL);
    if (status == RAGSTORE_OK)
        each_id(ragstore_buffer_data(buffer), "session_id", out, store, entity, read_session);
    snprintf(name, sizeof name, "%s/sessions", id);
    add_buffer(out, name, status, buffer);
    snprintf(name, sizeof name, "%s/keyword", id);
    read_search(out, name, entity, RAGSTORE_MODE_KEYWORD);
    if (strcmp(id, "acme") == 0)
        read_search(out, "acme/vector", entity, RAGSTORE_MODE_VECTOR);
    ragstore_entity_free(entity);
}

static void read_collection(lines *out, ragstore_store *store)
{
    ragstore_collection *collection;
    ragstore_cursor *cursor = NULL;
    const char *text = NULL;
    int status = ragstore_collection_open(&collection, store, "tasks");
    if (status == RAGSTORE_OK)
        status = ragstore_collection_find(&cursor, collection, NULL, NULL);
    while (status == RAGSTORE_OK &&
           (status = ragstore_cursor_next(&text, NULL, cursor)) == RAGSTORE_OK && text != NULL)
        add_line(out, "task", status, text);
    if (status != RAGSTORE_OK)
        add_line(out, "task", status, NULL);
    ragstore_cursor_free(cursor);
    ragstore_collection_free(collection);
}

static void read_everything(lines *out, ragstore_store *store)
{
    out->size = 0;
    read_entity(out, store, "acme");
    read_entity(out, store, "other");
    read_collection(out, store);
}

/* ---- the two stores ---- */

static void note_state(ragstore_store *store)
{
    lines out = {all->states[all->state_count++], 0};
    read_everything(&out, store);
}

static void add_text(ragstore_entity *entity, const char *name, const char *text)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    options.filename = name;
    must(ragstore_document_add(NULL, entity, text, strlen(text), &options), name);
}

static void fill(ragstore_store *store)
{
    static const float vectors[] = {1, 2, 3, 3, 2, 1, 0, 1, 0};
    ragstore_entity *acme;
    ragstore_entity *other;
    ragstore_session *session;
    ragstore_collection *tasks;
    must(ragstore_entity_create(&acme, store, "acme", NULL), "acme");
    must(ragstore_entity_create(&other, store, "other", NULL), "other");
    must(ragstore_document_add_chunks(NULL, acme,
                                      "[{\"text\":\"granite\"},{\"text\":\"marble\"},"
                                      "{\"text\":\"the lamp of the keeper\"}]",
                                      vectors, 3, NULL),
         "chunks");
    add_text(other, "keeper.txt", "The keeper of the lamp climbs 199 steps every evening.");
    must(ragstore_session_create(&session, acme, NULL), "session");
    must(ragstore_session_append(NULL, session, "user", "What is granite?", NULL), "message");
    must(ragstore_collection_open(&tasks, store, "tasks"), "tasks");
    must(ragstore_collection_insert(NULL, tasks, "{\"_id\":\"one\",\"title\":\"paint\"}"), "task");
    must(ragstore_store_export(store), "export");
    ragstore_collection_free(tasks);
    ragstore_session_free(session);
    ragstore_entity_free(acme);
    ragstore_entity_free(other);
}

/* Commits that stay in the journal, one of them with a segment file. */
static void fill_journal(ragstore_store *store)
{
    static char large[80000];
    ragstore_entity *other;
    ragstore_collection *tasks;
    must(ragstore_entity_open(&other, store, "other"), "other");
    must(ragstore_collection_open(&tasks, store, "tasks"), "tasks");
    note_state(store);
    must(ragstore_collection_insert(NULL, tasks, "{\"_id\":\"two\",\"title\":\"oil\"}"), "task");
    note_state(store);
    for (size_t i = 0; i + 8 < sizeof large; i += 8)
        memcpy(large + i, i % 80 == 0 ? "basalt. " : "and mica", 8);
    add_text(other, "long.txt", large);
    note_state(store);
    add_text(other, "short.txt", "A lamp of granite.");
    note_state(store);
    must(ragstore_collection_update_one(NULL, tasks, "{\"_id\":\"one\"}",
                                        "{\"$set\":{\"done\":true}}", NULL),
         "update");
    note_state(store);
    ragstore_collection_free(tasks);
    ragstore_entity_free(other);
}

static void make_store(const char *path, bool killed)
{
    ragstore_store *store;
    all->state_count = 0;
    must(ragstore_store_open(&store, path, NULL), "open");
    fill(store);
    if (killed) {
        fill_journal(store);
        _exit(0);
    }
    must(ragstore_store_close(store), "close");
    must(ragstore_store_open(&store, path, NULL), "open again");
    note_state(store);
    must(ragstore_store_close(store), "close again");
    _exit(0);
}

/* ---- files ---- */

static void join(char out[1000], const char *store, const char *path)
{
    snprintf(out, 1000, "%.300s/%s/%.400s", top, store, path);
}

static void collect(const char *below)
{
    char path[1000];
    struct stat status;
    struct dirent *entry;
    join(path, "good", below);
    DIR *directory = opendir(path);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char name[400];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%.140s%s%.200s", below, below[0] == '\0' ? "" : "/",
                 entry->d_name);
        join(path, "good", name);
        if (stat(path, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode)) {
            collect(name);
        } else if (file_count < FILES_MAX) {
            file *at = &files[file_count++];
            snprintf(at->path, sizeof at->path, "%s", name);
            at->bytes = temporary_read(path, &at->size);
        }
    }
    if (directory != NULL)
        closedir(directory);
}

static bool contains(const file *of, const char *part)
{
    return strstr(of->path, part) != NULL;
}

static bool may_be_edited(const file *of)
{
    return contains(of, "entities.json") || contains(of, "chat_sessions.json") ||
           contains(of, "collections/");
}

/* Made again from others, or without a meaning of its own. */
static bool is_derived(const file *of)
{
    return contains(of, "index.faiss") || contains(of, "doc_to_chunks") || contains(of, ".rsx") ||
           contains(of, "lexical") || contains(of, "api_storage/commit") ||
           contains(of, "api_storage/reserve") || contains(of, "LOCK") || contains(of, "logs/");
}

/* ---- one damage ---- */

static const char *entity_of(const file *of)
{
    return contains(of, "/acme/") ? "acme" : contains(of, "/other/") ? "other" : "";
}

/* Of two texts: does each line of `found` stand in `expected`, or tell of damage? */
static bool each_line_is_told(const char *found, const char *expected, bool *any_error)
{
    bool good = true;
    for (const char *line = found; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *value = memchr(line, ' ', (size_t)(end - line));
        const bool error = value != NULL && value[1] == '!';
        char whole[2000];
        snprintf(whole, sizeof whole, "%.*s", (int)(end - line + 1), line);
        *any_error = *any_error || error;
        good = good && (error || strstr(expected, whole) != NULL);
        line = end + 1;
    }
    return good;
}

/* What belongs to the other entity must be as it was. */
static void expect_others_to_serve(const file *of, const char *found, const char *expected)
{
    static const char *const names[] = {"acme", "other"};
    for (size_t i = 0; i < 2; i++) {
        char name[40];
        if (entity_of(of)[0] == '\0' || strcmp(entity_of(of), names[i]) == 0)
            continue;
        snprintf(name, sizeof name, "%s/keyword ", names[i]);
        const char *line = strstr(found, name);
        const char *same = strstr(expected, name);
        if (line == NULL || same == NULL ||
            strncmp(line, same, strcspn(same, "\n") + 1) != 0)
            wrong("%s: entity %s does not serve any more", all->trial, names[i]);
    }
}

static bool check_tells(ragstore_store *store)
{
    ragstore_buffer *buffer;
    if (ragstore_store_check(&buffer, store) != RAGSTORE_OK)
        wrong("%s: check: %s", all->trial, ragstore_error_message());
    bool told = strstr(ragstore_buffer_data(buffer), "\"problem\"") != NULL;
    ragstore_buffer_free(buffer);
    return told;
}

static bool is_earlier(const char *found)
{
    for (size_t i = 0; i + 1 < all->state_count; i++)
        if (strcmp(all->states[i], found) == 0)
            return true;
    return false;
}

/* Says some things twice: a block of vectors is good although the header of its file is not. The
 * checksum of a manifest is not needed when its name is damaged. */
static bool says_it_twice(const file *of)
{
    return contains(of, ".rsv") || contains(of, "ragstore.json") || contains(of, "/entity.json");
}

static void judge(const file *of, ragstore_store *store, bool is_cut, bool is_read_only)
{
    static char text[TEXT_MAX];
    lines found = {text, 0};
    const char *expected = all->states[all->state_count - 1];
    bool any_error = false;
    read_everything(&found, store);
    expect_others_to_serve(of, text, expected);
    if (strcmp(text, expected) == 0) {
        const bool is_lost_end = is_cut && contains(of, "journal-"); /* nothing tells of an end */
        if (is_read_only && !is_derived(of) && !says_it_twice(of) && !is_lost_end &&
            !check_tells(store))
            wrong("%s: nothing tells", all->trial);
        all->same++;
        return;
    }
    if (each_line_is_told(text, expected, &any_error) && any_error)
        all->told++;
    else if (may_be_edited(of))
        all->edited++;
    else if (contains(of, "journal-") && is_earlier(text))
        all->earlier++;
    else if (check_tells(store))
        all->checked++;
    else
        wrong("%s: silently wrong%s: %.700s", all->trial, is_cut ? " (cut)" : "", text);
}

static void expect_unchanged(void)
{
    for (size_t i = 0; i < file_count; i++) {
        char path[1000];
        size_t size;
        join(path, "damaged", files[i].path);
        char *bytes = temporary_read(path, &size);
        if (bytes == NULL || (size != files[i].size && !contains(&files[i], "LOCK")) ||
            (!contains(&files[i], "LOCK") && memcmp(bytes, files[i].bytes, size) != 0))
            wrong("%s: the store was refused, but %s has changed", all->trial, files[i].path);
        free(bytes);
    }
}

static void open_and_judge(const file *of, uint32_t flags, bool is_cut)
{
    char path[1000];
    ragstore_store *store;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    options.flags = RAGSTORE_OPEN_MUST_EXIST | flags;
    snprintf(path, sizeof path, "%s/damaged", top);
    int status = ragstore_store_open(&store, path, &options);
    if (status == RAGSTORE_OK) {
        judge(of, store, is_cut, flags != 0);
        (void)ragstore_store_close(store);
        return;
    }
    if (!is_typed(status))
        wrong("%s: refused with %s: %s", all->trial, ragstore_status_name(status),
              ragstore_error_message());
    if (strstr(ragstore_error_message(), "json") == NULL && !contains(of, ".rsv"))
        wrong("%s: no file is named: %s", all->trial, ragstore_error_message());
    all->refused++;
    expect_unchanged();
}

static void try_bytes(file *of, size_t size, const char *what, size_t place)
{
    char good[1000];
    char damaged[1000];
    alarm(TRIAL_SECONDS);
    snprintf(all->trial, sizeof all->trial, "%s: %s %zu", of->path, what, place);
    all->may_say_else = may_be_edited(of);
    snprintf(good, sizeof good, "%s/good", top);
    snprintf(damaged, sizeof damaged, "%s/damaged", top);
    temporary_copy_all(good, damaged);
    join(damaged, "damaged", of->path);
    temporary_write(damaged, of->bytes, size);
    const size_t whole = of->size;
    of->size = size; /* as expect_unchanged() is to find it */
    open_and_judge(of, RAGSTORE_OPEN_READ_ONLY, what[0] == 'c');
    open_and_judge(of, 0, what[0] == 'c');
    of->size = whole;
    all->trials++;
}

static void try_file(file *of, size_t stride, size_t offset)
{
    if (of->size > LARGE_FILE)
        stride *= 64;
    for (size_t p = offset; p < of->size * 8; p += stride) {
        of->bytes[p / 8] = (char)(of->bytes[p / 8] ^ (1 << (p % 8)));
        try_bytes(of, of->size, "flipped bit", p);
        of->bytes[p / 8] = (char)(of->bytes[p / 8] ^ (1 << (p % 8)));
    }
    const size_t step = stride < 8 ? 1 : stride / 8;
    for (size_t length = offset % step; length < of->size; length += step)
        try_bytes(of, length, "cut to", length);
    _exit(0);
}

/* ---- processes ---- */

/* Wait for a child; false with a message when it was not content. */
static bool wait_for(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status))
        printf("%s: %s\n", all->trial, WTERMSIG(status) == SIGALRM ? "hangs" : "crashes");
    else
        printf("%s\n", all->wrong);
    return false;
}

static bool run(bool killed, size_t stride, size_t offset)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/good", top);
    temporary_remove_all(path);
    pid_t child = fork();
    if (child == 0)
        make_store(path, killed);
    if (!wait_for(child))
        return false;
    file_count = 0;
    collect("");
    for (size_t i = 0; i < file_count; i++) {
        if (is_derived(&files[i]) && files[i].size == 0)
            continue;
        child = fork();
        if (child == 0)
            try_file(&files[i], stride, offset);
        if (!wait_for(child))
            return false;
    }
    return true;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: %s STRIDE OFFSET\n", arguments[0]);
        return 2;
    }
    const size_t stride = strtoull(arguments[1], NULL, 10);
    const size_t offset = strtoull(arguments[2], NULL, 10);
    const char *base = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/ragstore-damage-XXXXXX",
             base != NULL ? base : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (stride == 0 || mkdtemp(top) == NULL)
        return 2;
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 2;
    bool good = run(false, stride, offset) && run(true, stride, offset);
    if (good)
        printf("{\"damages\": %llu, \"opens refused\": %llu, \"told when read\": %llu, "
               "\"told by the check\": %llu, \"harmless\": %llu, \"taken as edits\": %llu, "
               "\"unacknowledged ends\": %llu}\n",
               (unsigned long long)all->trials, (unsigned long long)all->refused,
               (unsigned long long)all->told, (unsigned long long)all->checked,
               (unsigned long long)all->same, (unsigned long long)all->edited,
               (unsigned long long)all->earlier);
    temporary_remove_all(top);
    return good ? 0 : 1;
}
