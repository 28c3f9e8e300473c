/*
 * /metrics: what was served, what is stored, and what the process takes, for Prometheus.
 */
#include "calls.h"
#include "failures.h"
#include "metrics.h"
#include "reply.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct {
    const char *of_library, *name, *help;
} gauges[] = {
    {"entities", "ragstore_entities", "Entities that are stored."},
    {"documents", "ragstore_documents", "Documents of all entities."},
    {"chunks", "ragstore_chunks", "Passages of all documents."},
    {"sessions", "ragstore_sessions", "Conversations of all entities."},
    {"journal_bytes", "ragstore_journal_bytes", "Size of the journal."},
};

static double resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static unsigned count_active(struct server *server)
{
    unsigned active = 0;

    pthread_mutex_lock(&server->lock);
    active = server->active;
    pthread_mutex_unlock(&server->lock);
    return active;
}

static void write_store(struct json_out *out, const json_t *description)
{
    const char *state = json_string_value(json_object_get(description, "state"));

    metrics_write_one(out, "ragstore_healthy", "gauge", "1 when the store is as it should be.",
                      state != NULL && strcmp(state, "ok") == 0);
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        metrics_write_one(
            out, gauges[i].name, "gauge", gauges[i].help,
            (double)json_integer_value(json_object_get(description, gauges[i].of_library)));
    }
}

static void write_process(struct json_out *out, struct server *server)
{
    struct statvfs disk;

    if (statvfs(server->settings.data_dir, &disk) == 0) {
        metrics_write_one(out, "ragstore_disk_free_bytes", "gauge",
                          "Room on the disk of the data directory.",
                          (double)disk.f_bavail * (double)disk.f_frsize);
    }
    metrics_write_one(out, "ragstore_http_active_requests", "gauge",
                      "Requests that have begun and not ended.", count_active(server));
    metrics_write_one(out, "ragstore_http_connections", "gauge", "Connections that are open.",
                      watch_count_open());
    metrics_write_one(out, "ragstore_http_cut_connections_total", "counter",
                      "Connections closed because they took too long.",
                      (double)watch_count_cut());
    metrics_write_one(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
                      resident_bytes());
}

enum handled get_metrics(struct request *request)
{
    ragstore_buffer *json = NULL;
    json_t *description = NULL;
    struct MHD_Response *response = NULL;
    struct json_out out = {0};
    size_t size = 0;
    char *text = NULL;

    if (ragstore_store_describe(&json, request->server->store) == RAGSTORE_OK) {
        description = json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
    }
    metrics_write(&out);
    write_store(&out, description);
    write_process(&out, request->server);
    json_decref(description);
    ragstore_buffer_free(json);
    text = out_take(&out, &size);
    response =
        text == NULL ? NULL : MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return HANDLED;
    }
    request->reply_size = size;
    reply_response(request, MHD_HTTP_OK, response);
    reply_header(request, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return HANDLED;
}
