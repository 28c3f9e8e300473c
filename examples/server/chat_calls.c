/*
 * Chat: one question to a session, answered whole, as growing text, or as events.
 *
 * The library's callbacks run on this worker while it asks. The first of them decides that the
 * reply is a stream and releases the connection; until then a failure is an ordinary error reply.
 * The question is asked to its end, whether the client is still there or not, because the library
 * stores the answer; only a language model is stopped, and what it has said is stored as partial.
 */
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "results.h"
#include "stream.h"
#include "validate.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#ifdef SERVER_HAS_LLM
enum { LLM_TIMEOUT_MS = 300 * 1000 }; /* a small model without a graphics card is slow */
#endif

struct asking {
    struct request *request; /* not to be touched once `stream` is there */
    const struct server *server;
    char request_id[17];
    const char *session_id;
    bool events;
    bool failed; /* memory ran out before the stream could begin */
    atomic_bool left; /* the client, before the stream has begun */
    struct stream *stream;
};

/* Make the reply a stream and let the connection go on. */
static bool begin_stream(struct asking *asking)
{
    struct request *request = asking->request;
    struct stream *stream = NULL;
    struct MHD_Response *response = NULL;

    if (asking->stream != NULL || asking->failed) {
        return asking->stream != NULL;
    }
    stream = stream_create(request->connection);
    response = stream == NULL ? NULL : stream_response(stream);
    if (response == NULL) {
        asking->failed = true;
        if (stream != NULL) {
            stream_end(stream, false);
        }
        return false;
    }
    reply_response(request, MHD_HTTP_OK, response);
    reply_header(request, "Content-Type",
                 asking->events ? "text/event-stream; charset=utf-8" : "text/plain; charset=utf-8");
    reply_header(request, "X-Accel-Buffering", "no");
    asking->stream = stream;
    asking->request = NULL;
    request->is_stream = true;
    watch_on_leave(request->connection, stream_leave, stream);
    request_release(request);
    return true;
}

/* Send one event; the JSON in *data is taken. */
static void send_event(struct asking *asking, const char *name, struct json_out *data)
{
    struct json_out frame = {0};
    size_t size = 0;
    char *text = NULL;

    out_bytes(&frame, "event: ", 7);
    out_bytes(&frame, name, strlen(name));
    out_bytes(&frame, "\ndata: ", 7);
    if (data->text != NULL) {
        out_bytes(&frame, data->text, data->size);
    }
    out_bytes(&frame, "\n\n", 2);
    frame.failed = frame.failed || data->failed;
    text = out_take(&frame, &size);
    if (text != NULL) {
        stream_write(asking->stream, text, size);
    }
    free(text);
    out_drop(data);
}

static int32_t on_sources(void *user, const ragstore_result *sources)
{
    struct asking *asking = user;
    struct json_out data = {0};

    if (asking->events && begin_stream(asking)) {
        out_results(&data, sources);
        send_event(asking, "sources", &data);
    }
    return 0;
}

static void note_left(void *user)
{
    struct asking *asking = user;

    atomic_store(&asking->left, true);
}

static bool is_alone(void *user)
{
    struct asking *asking = user;

    return asking->stream == NULL ? atomic_load(&asking->left) : stream_is_gone(asking->stream);
}

/* A model is stopped when nobody listens any more: what it has said is stored. Quoting is done at
 * once, and goes on. */
static int32_t stop_model(struct asking *asking)
{
    return asking->server->settings.llm_model != NULL && is_alone(asking);
}

#ifdef SERVER_HAS_LLM
static int32_t generate(void *user, ragstore_generation *out, const char *messages_json,
                        uint32_t max_tokens)
{
    struct asking *asking = user;

    return llm_generate_until(&asking->server->llm, out, messages_json, max_tokens, is_alone,
                              asking);
}
#endif

static int32_t on_text(void *user, const char *text, size_t size)
{
    struct asking *asking = user;
    struct json_out data = {0};

    if (!begin_stream(asking)) {
        return 0;
    }
    if (!asking->events) {
        stream_write(asking->stream, text, size);
        return stop_model(asking);
    }
    out_begin(&data, '{');
    out_key(&data, "text");
    out_text_n(&data, text, size);
    out_end(&data, '}');
    send_event(asking, "delta", &data);
    return stop_model(asking);
}

static void out_message(struct json_out *out, const char *session_id, const ragstore_answer *answer)
{
    ragstore_buffer *message = NULL;
    int status = ragstore_answer_message(&message, answer);

    out_begin(out, '{');
    out_key(out, "session_id");
    out_text(out, session_id);
    out_key(out, "message");
    out_raw(out, status == RAGSTORE_OK ? ragstore_buffer_data(message) : NULL);
    out->failed = out->failed || status != RAGSTORE_OK;
    ragstore_buffer_free(message);
}

static void reply_answer(struct request *request, const char *session_id,
                         const ragstore_answer *answer)
{
    struct json_out out = {0};

    out_message(&out, session_id, answer);
    out_key(&out, "sources");
    out_results(&out, ragstore_answer_sources(answer));
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
}

/* End a stream that has begun with what the library said in the end. */
static void finish_stream(struct asking *asking, int status, const ragstore_answer *answer)
{
    struct json_out data = {0};

    if (asking->events && status == RAGSTORE_OK) {
        out_message(&data, asking->session_id, answer);
        out_end(&data, '}');
        send_event(asking, "done", &data);
    } else if (asking->events) {
        out_failure(&data, asking->server, asking->request_id, status);
        send_event(asking, "error", &data);
    }
    stream_end(asking->stream, asking->events || status == RAGSTORE_OK);
}

static void reply_ask_failure(struct request *request, int status, const char *session_id)
{
    if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Session", session_id);
    } else {
        reply_failure(request, status, status == RAGSTORE_E_QUERY ? "filter" : "message");
    }
}

static enum handled ask(struct request *request, ragstore_session *session, const char *message,
                        ragstore_session_ask_options *options, bool stream)
{
    struct asking asking = {.request = request,
                            .server = request->server,
                            .session_id = ragstore_session_id(session),
                            .events = request->format == FORMAT_EVENTS};
    ragstore_answer *answer = NULL;
    int status = RAGSTORE_OK;

    memcpy(asking.request_id, request->id, sizeof asking.request_id);
    if (stream) {
        options->on_sources = on_sources;
        options->on_text = on_text;
        options->user = &asking;
    }
#ifdef SERVER_HAS_LLM
    if (asking.server->llm.url != NULL) {
        options->generate = generate;
        options->generate_user = &asking;
        options->timeout_ms = LLM_TIMEOUT_MS;
    }
#endif
    watch_on_leave(request->connection, note_left, &asking);
    status = ragstore_session_ask(&answer, session, message, options);
    if (stream && status == RAGSTORE_OK && begin_stream(&asking)) {
        /* also when the answer had no text */
    }
    if (asking.stream == NULL) {
        watch_on_leave(request->connection, NULL, NULL);
    }
    if (asking.stream != NULL) {
        finish_stream(&asking, status, answer);
    } else if (status != RAGSTORE_OK) {
        reply_ask_failure(request, status, asking.session_id);
    } else if (!asking.failed) {
        reply_answer(request, asking.session_id, answer);
    }
    ragstore_answer_free(answer);
    return asking.stream != NULL ? DETACHED : HANDLED;
}

enum handled chat(struct request *request)
{
    ragstore_session_ask_options options = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    ragstore_session *session = NULL;
    const char **doc_ids = NULL;
    const char *session_id = NULL;
    const char *message = NULL;
    char *filter_json = NULL;
    json_t *filter = NULL;
    bool stream = false;
    enum handled handled = HANDLED;
    struct fields fields;

    fields_begin(&fields, request);
    session_id = fields_string(&fields, "session_id", FIELD_REQUIRED, 1);
    message = fields_string(&fields, "message", FIELD_REQUIRED, 1);
    stream = fields_boolean(&fields, "stream", FIELD_NOT_NULL, true);
    doc_ids = fields_strings(&fields, &options.doc_ids_count, "doc_ids", FIELD_ADDED);
    options.doc_ids = doc_ids;
    filter = fields_object(&fields, "filter", FIELD_ADDED);
    if (fields_end(&fields)) {
        filter_json = filter == NULL ? NULL : json_dumps(filter, JSON_COMPACT);
        options.filter_json = filter_json;
        session = filter != NULL && filter_json == NULL ? NULL : open_session(request, session_id);
    }
    if (session != NULL) {
        handled = ask(request, session, message, &options, stream);
    }
    ragstore_session_free(session);
    free(doc_ids);
    free(filter_json);
    fields_free(&fields);
    return handled;
}
