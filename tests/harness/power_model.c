/* What a store should hold and what it does hold: see power_model.h. */
#include "harness/power_model.h"

#include "base/status.h"
#include "files/paths.h"
#include "harness/power_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void power_model_free(power_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->lines[i]);
    free(model->lines);
    *model = (power_model){0};
}

void power_model_copy(power_model *to, const power_model *from)
{
    to->count = from->count;
    to->lines = power_resize(NULL, (from->count + 1) * sizeof *to->lines);
    for (size_t i = 0; i < from->count; i++)
        to->lines[i] = power_copy_text(from->lines[i]);
}

static size_t find_line(const power_model *model, const char *name)
{
    size_t size = strlen(name);
    size_t at = 0;
    while (at < model->count &&
           (strncmp(model->lines[at], name, size) != 0 || model->lines[at][size] != '='))
        at++;
    return at;
}

bool power_model_has(const power_model *model, const char *name)
{
    return find_line(model, name) < model->count;
}

static void add_line(power_model *model, const char *name, const char *value, size_t size)
{
    size_t name_size = strlen(name);
    char *line = power_resize(NULL, name_size + size + 2);
    memcpy(line, name, name_size);
    line[name_size] = '=';
    memcpy(line + name_size + 1, value, size);
    line[name_size + 1 + size] = '\0';
    model->lines = power_resize(model->lines, (model->count + 1) * sizeof *model->lines);
    model->lines[model->count++] = line;
}

void power_model_set(power_model *model, const char *name, const char *value)
{
    size_t at = find_line(model, name);
    if (at < model->count) {
        free(model->lines[at]);
        model->lines[at] = model->lines[--model->count];
    }
    add_line(model, name, value, strlen(value));
}

void power_model_drop(power_model *model, const char *name)
{
    size_t size = strlen(name);
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        char *line = model->lines[i];
        bool goes = strncmp(line, name, size) == 0 &&
                    (line[size] == '=' || line[size] == '#' || line[size] == '/');
        if (goes)
            free(line);
        else
            model->lines[kept++] = line;
    }
    model->count = kept;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *power_model_text(power_model *model)
{
    size_t size = 1;
    for (size_t i = 0; i < model->count; i++)
        size += strlen(model->lines[i]) + 1;
    if (model->count > 1)
        qsort(model->lines, model->count, sizeof *model->lines, compare_lines);
    char *text = power_resize(NULL, size);
    char *end = text;
    for (size_t i = 0; i < model->count; i++) {
        end = stpcpy(end, model->lines[i]);
        *end++ = '\n';
    }
    *end = '\0';
    return text;
}

/* ---- from a store ---- */

typedef struct reading {
    power_model *model;
    rsi_storage *storage;
    const char *space;
    const char *key;
    power_model keys; /* of entities, as lines "key=" */
} reading;

static int read_row(void *user, uint64_t number, const char *json, size_t size)
{
    reading *in = user;
    char name[200];
    snprintf(name, sizeof name, "%s/%.80s#%05" PRIu64, in->space, in->key, number);
    add_line(in->model, name, json, size);
    return RAGSTORE_OK;
}

static int read_record(void *user, const char *key, const char *json, size_t size)
{
    reading *in = user;
    char name[200];
    snprintf(name, sizeof name, "%s/%.80s", in->space, key);
    add_line(in->model, name, json, size);
    add_line(&in->keys, key, "", 0);
    return RAGSTORE_OK;
}

static int read_rows(reading *in, const char *space, const char *key)
{
    in->space = space;
    in->key = key;
    return rsi_storage_rows(in->storage, space, key, 0, UINT64_MAX, read_row, in);
}

static int read_space(reading *in, const char *space)
{
    in->space = space;
    in->keys = (power_model){0};
    int status = rsi_storage_each(in->storage, space, read_record, in);
    for (size_t i = 0; status == RAGSTORE_OK && i < in->keys.count; i++) {
        char *key = in->keys.lines[i];
        key[strlen(key) - 1] = '\0';
        status = read_rows(in, space, key);
        if (status == RAGSTORE_OK && strcmp(space, RSI_SPACE_ENTITIES) == 0)
            status = read_rows(in, RSI_SPACE_CHUNKS, key);
    }
    power_model_free(&in->keys);
    return status;
}

/* Files whose names are not the library's own for unfinished work. */
static int read_upload(void *user, const char *name, rsi_file_kind kind)
{
    reading *in = user;
    rsi_bytes bytes = {0};
    char path[RSI_PATH_MAX];
    if (name[0] == '.' || kind != RSI_FILE_REGULAR)
        return RAGSTORE_OK;
    snprintf(path, sizeof path, RSI_PATH_UPLOADS "/%.300s/%.300s", in->key, name);
    int status = rsi_file_read_all(rsi_storage_root(in->storage), path, 1 << 20, &bytes);
    if (status == RAGSTORE_OK)
        add_line(in->model, path, bytes.data == NULL ? "" : bytes.data, bytes.size);
    rsi_bytes_free(&bytes);
    return status;
}

static int read_upload_directory(void *user, const char *name, rsi_file_kind kind)
{
    reading *in = user;
    char path[RSI_PATH_MAX];
    if (name[0] == '.' || kind != RSI_FILE_DIRECTORY)
        return RAGSTORE_OK;
    in->key = name;
    snprintf(path, sizeof path, RSI_PATH_UPLOADS "/%.300s", name);
    return rsi_directory_list(rsi_storage_root(in->storage), path, read_upload, in);
}

int power_storage_text(char **text, rsi_storage *storage)
{
    power_model model = {0};
    reading in = {.model = &model, .storage = storage};
    *text = NULL;
    int status = read_space(&in, RSI_SPACE_ENTITIES);
    if (status == RAGSTORE_OK)
        status = read_space(&in, RSI_SPACE_SESSIONS);
    if (status == RAGSTORE_OK) {
        status = rsi_directory_list(rsi_storage_root(storage), RSI_PATH_UPLOADS,
                                    read_upload_directory, &in);
        if (status == RAGSTORE_E_NOT_FOUND) /* making the store was cut short */
            status = RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK)
        *text = power_model_text(&model);
    power_model_free(&model);
    return status;
}
