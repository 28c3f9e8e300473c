/*
 * Which kind of text it is: by the content where that is beyond doubt, else by the file's name,
 * else by the media type, else by what the content looks like. Called by extract.c.
 */
#include "ingest/extract_csv.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define SAMPLE (32u << 10) /* bytes looked at */

typedef struct known_kind {
    const char *name; /* an extension, or a media type */
    rsi_text_kind kind;
    const char *media_type;
} known_kind;

static const known_kind extensions[] = {
    {"html", RSI_TEXT_HTML, "text/html"},
    {"htm", RSI_TEXT_HTML, "text/html"},
    {"xhtml", RSI_TEXT_HTML, "text/html"},
    {"md", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"markdown", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"mdown", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"mkd", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"mdx", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"rmd", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"qmd", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"csv", RSI_TEXT_CSV, "text/csv"},
    {"tsv", RSI_TEXT_CSV, "text/tab-separated-values"},
    {"tab", RSI_TEXT_CSV, "text/tab-separated-values"},
    {"json", RSI_TEXT_JSON, "application/json"},
    {"geojson", RSI_TEXT_JSON, "application/json"},
    {"jsonl", RSI_TEXT_JSON_LINES, "application/jsonl"},
    {"ndjson", RSI_TEXT_JSON_LINES, "application/jsonl"},
    {"txt", RSI_TEXT_PLAIN, "text/plain"},
    {"text", RSI_TEXT_PLAIN, "text/plain"},
    {"log", RSI_TEXT_PLAIN, "text/plain"},
    {"rst", RSI_TEXT_PLAIN, "text/x-rst"},
    {"adoc", RSI_TEXT_PLAIN, "text/asciidoc"},
    {"org", RSI_TEXT_PLAIN, "text/org"},
    {"tex", RSI_TEXT_PLAIN, "text/x-tex"},
    {"srt", RSI_TEXT_PLAIN, "text/plain"},
    {"vtt", RSI_TEXT_PLAIN, "text/vtt"},
    {"xml", RSI_TEXT_CODE, "text/xml"},
    {"svg", RSI_TEXT_CODE, "text/xml"},
    {"yaml", RSI_TEXT_CODE, "application/yaml"},
    {"yml", RSI_TEXT_CODE, "application/yaml"},
    {"toml", RSI_TEXT_CODE, "application/toml"},
    {"js", RSI_TEXT_CODE, "text/javascript"},
    {"mjs", RSI_TEXT_CODE, "text/javascript"},
    {"css", RSI_TEXT_CODE, "text/css"},
    {"sql", RSI_TEXT_CODE, "application/sql"},
    {"py", RSI_TEXT_CODE, "text/x-python"},
    {"c", RSI_TEXT_CODE, "text/x-c"},
    {"h", RSI_TEXT_CODE, "text/x-c"},
    {"cc", RSI_TEXT_CODE, "text/x-c++"},
    {"cpp", RSI_TEXT_CODE, "text/x-c++"},
    {"cxx", RSI_TEXT_CODE, "text/x-c++"},
    {"hpp", RSI_TEXT_CODE, "text/x-c++"},
    {"java", RSI_TEXT_CODE, "text/x-java"},
    {"sh", RSI_TEXT_CODE, "text/x-shellscript"},
    {"bash", RSI_TEXT_CODE, "text/x-shellscript"},
};

/* Source code without a media type of its own in common use. */
static const char *const code_extensions[] = {
    "ts",  "tsx",    "jsx",    "vue",   "go",    "rs",    "rb",  "php",  "pl",    "pm",
    "lua", "swift",  "kt",     "kts",   "scala", "cs",    "fs",  "m",    "mm",    "r",
    "jl",  "hs",     "ml",     "mli",   "ex",    "exs",   "erl", "clj",  "lisp",  "el",
    "scm", "asm",    "s",      "zig",   "nim",   "dart",  "f90", "f",    "pas",   "vb",
    "ps1", "bat",    "cmd",    "cmake", "mk",    "ini",   "cfg", "conf", "proto", "graphql",
    "tf",  "gradle", "groovy", "jsp",   "diff",  "patch", "hh",  "awk",  "tcl",
};

static const known_kind media_types[] = {
    {"text/html", RSI_TEXT_HTML, "text/html"},
    {"application/xhtml+xml", RSI_TEXT_HTML, "text/html"},
    {"text/markdown", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"text/x-markdown", RSI_TEXT_MARKDOWN, "text/markdown"},
    {"text/csv", RSI_TEXT_CSV, "text/csv"},
    {"text/tab-separated-values", RSI_TEXT_CSV, "text/tab-separated-values"},
    {"application/json", RSI_TEXT_JSON, "application/json"},
    {"application/jsonl", RSI_TEXT_JSON_LINES, "application/jsonl"},
    {"application/x-ndjson", RSI_TEXT_JSON_LINES, "application/jsonl"},
    {"text/x-rst", RSI_TEXT_PLAIN, "text/x-rst"},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const known_kind *find_kind(const known_kind *kinds, size_t count, rsi_slice name)
{
    for (size_t i = 0; i < count; i++)
        if (rsi_equals_ignoring_case(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static rsi_slice extension_of(const char *filename)
{
    const char *base = filename != NULL ? filename : "";
    for (const char *c = base; *c != '\0'; c++)
        if (*c == '/' || *c == '\\')
            base = c + 1;
    const char *dot = strrchr(base, '.');
    return dot != NULL && dot > base ? rsi_slice_of(dot + 1) : (rsi_slice){"", 0};
}

static bool has_code_name(const char *filename)
{
    static const char *const names[] = {"Makefile", "Dockerfile", "CMakeLists.txt", "Rakefile"};
    rsi_slice extension = extension_of(filename);
    for (size_t i = 0; i < COUNT(code_extensions); i++)
        if (rsi_equals_ignoring_case(extension, code_extensions[i]))
            return true;
    size_t length = filename != NULL ? strlen(filename) : 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t size = strlen(names[i]);
        if (length >= size && strcmp(filename + length - size, names[i]) == 0 &&
            (length == size || filename[length - size - 1] == '/'))
            return true;
    }
    return false;
}

/* Behind comments and the XML declaration. */
static rsi_slice skip_prologue(rsi_slice text)
{
    for (;;) {
        text = rsi_trim(text);
        const char *mark = rsi_starts_with(text, "<!--")    ? "-->"
                           : rsi_starts_with(text, "<?xml") ? "?>"
                                                            : NULL;
        if (mark == NULL)
            return text;
        const char *end = memmem(text.data, text.size, mark, strlen(mark));
        if (end == NULL)
            return text;
        end += strlen(mark);
        text.size -= (size_t)(end - text.data);
        text.data = end;
    }
}

static bool is_html_page(rsi_slice sample)
{
    rsi_slice start = skip_prologue(sample);
    return rsi_starts_with(start, "<!doctype html") || rsi_starts_with(start, "<html>") ||
           rsi_starts_with(start, "<html ") || rsi_starts_with(start, "<html\n") ||
           rsi_starts_with(start, "<head>") || rsi_starts_with(start, "<body");
}

static bool has(rsi_slice sample, const char *wanted)
{
    return memmem(sample.data, sample.size, wanted, strlen(wanted)) != NULL;
}

/* Two different signs of Markdown; each alone may stand in any text. */
static bool looks_like_markdown(rsi_slice sample)
{
    rsi_slice line;
    size_t offset = 0;
    bool heading = rsi_starts_with(sample, "# ");
    unsigned items = 0;
    while (rsi_next_line(sample, &offset, &line)) {
        heading = heading || rsi_starts_with(line, "## ") || rsi_starts_with(line, "### ");
        items += rsi_list_marker(line) > 0;
    }
    return heading + has(sample, "\n```") + has(sample, "](") + has(sample, "**") + (items >= 3) >=
           2;
}

static int looks_like_csv(bool *sure, rsi_slice sample)
{
    char delimiter;
    size_t lines = 0;
    const char *last = memrchr(sample.data, '\n', sample.size);
    *sure = false;
    if (last == NULL)
        return RAGSTORE_OK;
    sample.size = (size_t)(last - sample.data) + 1; /* the sample may end within a line */
    for (size_t i = 0; i < sample.size; i++)
        lines += sample.data[i] == '\n';
    return lines >= 3 ? rsi_csv_delimiter(&delimiter, sure, sample) : RAGSTORE_OK;
}

/* No name and no type said what it is. */
static int look_at(known_kind *result, rsi_slice sample)
{
    bool csv = false;
    rsi_slice start = rsi_trim(sample);
    known_kind found = {NULL, RSI_TEXT_PLAIN, "text/plain"};
    char first = start.size > 0 ? start.data[0] : '\0';
    if (first == '{' || first == '[')
        found = (known_kind){NULL, RSI_TEXT_JSON, "application/json"};
    else if (rsi_starts_with(start, "#!"))
        found = (known_kind){NULL, RSI_TEXT_CODE, "text/x-source"};
    else if (rsi_starts_with(start, "<?xml"))
        found = (known_kind){NULL, RSI_TEXT_CODE, "text/xml"};
    else if (first == '<' && (has(sample, "</p>") || has(sample, "</div>") || has(sample, "</h1>")))
        found = (known_kind){NULL, RSI_TEXT_HTML, "text/html"};
    else if (looks_like_markdown(sample))
        found = (known_kind){NULL, RSI_TEXT_MARKDOWN, "text/markdown"};
    else if (looks_like_csv(&csv, sample) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    if (csv)
        found = (known_kind){NULL, RSI_TEXT_CSV, "text/csv"};
    *result = found;
    return RAGSTORE_OK;
}

static const known_kind *kind_of_media_type(const char *hint)
{
    if (hint == NULL)
        return NULL;
    rsi_slice type = rsi_slice_of(hint);
    const char *parameters = strchr(hint, ';');
    if (parameters != NULL)
        type.size = (size_t)(parameters - hint);
    return find_kind(media_types, COUNT(media_types), rsi_trim(type));
}

int rsi_text_kind_of(rsi_text_kind *kind, char media_type[64], rsi_slice text, const char *filename,
                     const char *hint)
{
    rsi_slice sample = {text.data, text.size < SAMPLE ? text.size : SAMPLE};
    known_kind result = {NULL, RSI_TEXT_CODE, "text/x-source"};
    if (!has_code_name(filename)) {
        const known_kind *known = find_kind(extensions, COUNT(extensions), extension_of(filename));
        if ((known == NULL || known->kind == RSI_TEXT_PLAIN) && is_html_page(sample))
            known = &extensions[0];
        if (known == NULL)
            known = kind_of_media_type(hint);
        if (known != NULL)
            result = *known;
        else if (look_at(&result, sample) != RAGSTORE_OK)
            return RAGSTORE_E_NO_MEMORY;
    }
    snprintf(media_type, 64, "%s", result.media_type);
    *kind = result.kind;
    return RAGSTORE_OK;
}
