/* One POST to the endpoint, repeated while it is busy: see llm_request.h. */
#include "llm_request.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ATTEMPTS = 4,
    FIRST_PAUSE_MS = 400,
    PAUSE_MAX_MS = 10000,
    CONNECT_SECONDS = 10,
    SILENCE_SECONDS = 60, /* without a byte */
    ERROR_BODY_MAX = 8192,
    ANSWER_MAX = 64 << 20,
};

/* One attempt. */
struct attempt {
    const struct llm_request *request;
    CURL *curl;
    long status; /* HTTP; 0: not known yet */
    char error_body[ERROR_BODY_MAX];
    size_t error_size;
    size_t received;
    bool stopped;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    struct attempt *attempt = user;
    const size_t all = size * count;

    if (attempt->status == 0) {
        curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &attempt->status);
    }
    attempt->received += all;
    if (attempt->received > ANSWER_MAX) {
        return 0;
    }
    if (attempt->status < 200 || attempt->status > 299) {
        size_t room = ERROR_BODY_MAX - 1 - attempt->error_size;
        size_t part = all < room ? all : room;

        memcpy(attempt->error_body + attempt->error_size, bytes, part);
        attempt->error_size += part;
        return all;
    }
    if (!attempt->request->take(attempt->request->user, bytes, all)) {
        attempt->stopped = true;
        return 0;
    }
    return all;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    struct attempt *attempt = user;

    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    if (attempt->request->go_on != NULL && !attempt->request->go_on(attempt->request->user)) {
        attempt->stopped = true;
    }
    return attempt->stopped;
}

/* The endpoint's own words about its failure, unless they repeat the key. */
static void say_status(const struct attempt *attempt, char *why)
{
    const char *key = attempt->request->client->key;
    json_t *body = json_loadb(attempt->error_body, attempt->error_size, 0, NULL);
    json_t *error = json_object_get(body, "error");
    const char *message =
        json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);
    const char *hint = attempt->status == 401 || attempt->status == 403
                           ? "; check RAGSTORE_LLM_API_KEY"
                       : attempt->status == 404 ? "; check the URL and the model's name"
                       : attempt->status >= 300 && attempt->status < 400
                           ? "; it points elsewhere, and redirects are not followed"
                           : "";

    if (message != NULL && key != NULL && strstr(message, key) != NULL) {
        message = NULL;
    }
    snprintf(why, LLM_MESSAGE, "the endpoint answered %ld%s%.300s%s", attempt->status,
             message == NULL ? "" : ": ", message == NULL ? "" : message, hint);
    json_decref(body);
}

static struct curl_slist *make_headers(const struct llm_client *client)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *longer = headers;
    size_t size = client->key == NULL ? 0 : strlen(client->key) + 32;
    char *line = size == 0 ? NULL : malloc(size);

    if (line != NULL) {
        snprintf(line, size, "Authorization: Bearer %s", client->key);
        longer = curl_slist_append(headers, line);
    }
    free(line);
    if (longer == NULL || (size > 0 && longer == headers && line == NULL)) {
        curl_slist_free_all(headers);
        return NULL;
    }
    return longer;
}

static bool set_up(CURL *curl, struct attempt *attempt, const char *url, struct curl_slist *headers)
{
    bool fine = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;

    fine = fine && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, attempt->request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(attempt->request->body));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                     attempt->request->connect_seconds > 0 ? attempt->request->connect_seconds
                                                           : (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, attempt->request->timeout_seconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, attempt);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return fine;
}

/* Failures of the network, not of what was asked for. */
static bool is_outage(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
           code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* Try once; *pause_ms receives what the endpoint asks to wait, *again whether that makes sense,
 * *away whether it may make sense later. */
static enum llm_outcome try_once(const struct llm_request *request, char *why, bool *again,
                                 bool *away, long *pause_ms)
{
    struct attempt attempt = {.request = request};
    struct curl_slist *headers = make_headers(request->client);
    char url[2048];
    enum llm_outcome outcome = LLM_FAILED;
    CURLcode code = CURLE_OK;
    curl_off_t wait_seconds = 0;

    *again = false;
    *away = false;
    *pause_ms = 0;
    snprintf(url, sizeof url, "%s%s", request->client->url, request->path);
    attempt.curl = curl_easy_init();
    if (attempt.curl == NULL || headers == NULL || !set_up(attempt.curl, &attempt, url, headers)) {
        snprintf(why, LLM_MESSAGE, "the request could not be made");
    } else {
        code = curl_easy_perform(attempt.curl);
        curl_easy_getinfo(attempt.curl, CURLINFO_RESPONSE_CODE, &attempt.status);
        curl_easy_getinfo(attempt.curl, CURLINFO_RETRY_AFTER, &wait_seconds);
        *pause_ms = wait_seconds > PAUSE_MAX_MS / 1000 ? PAUSE_MAX_MS : (long)wait_seconds * 1000;
        if (attempt.stopped) {
            outcome = LLM_STOPPED;
        } else if (code != CURLE_OK) {
            snprintf(why, LLM_MESSAGE, "the endpoint cannot be reached, or broke off: %s",
                     curl_easy_strerror(code));
            *again = code == CURLE_COULDNT_CONNECT || code == CURLE_GOT_NOTHING ||
                     code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
            *away = is_outage(code);
        } else if (attempt.status < 200 || attempt.status > 299) {
            say_status(&attempt, why);
            *again = attempt.status == 429 || attempt.status >= 500;
            *away = *again || attempt.status == 408;
        } else {
            outcome = LLM_DONE;
        }
    }
    curl_easy_cleanup(attempt.curl);
    curl_slist_free_all(headers);
    return outcome;
}

/* Wait in small steps; false when told to stop. */
static bool pause_for(const struct llm_request *request, long ms)
{
    const struct timespec step = {.tv_nsec = 50 * 1000000};

    for (; ms > 0; ms -= 50) {
        if (request->go_on != NULL && !request->go_on(request->user)) {
            return false;
        }
        (void)nanosleep(&step, NULL);
    }
    return true;
}

enum llm_outcome llm_request_run(const struct llm_request *request, char *why)
{
    enum llm_outcome outcome = LLM_FAILED;
    const unsigned attempts = request->attempts > 0 ? request->attempts : ATTEMPTS;
    long pause_ms = FIRST_PAUSE_MS;

    for (unsigned i = 0; i < attempts; i++) {
        bool again = false;
        bool away = false;
        long asked_ms = 0;

        outcome = try_once(request, why, &again, &away, &asked_ms);
        if (request->is_away != NULL) {
            *request->is_away = away;
        }
        if (outcome != LLM_FAILED || !again || i + 1 == attempts ||
            request->has_begun(request->user)) {
            break;
        }
        if (!pause_for(request, asked_ms > 0 ? asked_ms : pause_ms)) {
            return LLM_STOPPED;
        }
        pause_ms *= 2;
    }
    return outcome;
}
