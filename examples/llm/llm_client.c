/* Opening a client: see llm_client.h. */
#include "llm_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(char *why, const char *what)
{
    if (why != NULL) {
        snprintf(why, LLM_MESSAGE, "%s", what);
    }
    return false;
}

/* A key is one word of the header line that it stands in. */
static const char *find_key(void)
{
    const char *key = getenv("RAGSTORE_LLM_API_KEY");

    if (key == NULL || key[0] == '\0') {
        key = getenv("OPENAI_API_KEY");
    }
    return key == NULL || key[0] == '\0' || strpbrk(key, "\r\n") != NULL ? NULL : key;
}

bool llm_client_open(struct llm_client *client, const char *url, const char *model, char *why)
{
    const char *key = find_key();
    size_t size = strlen(url);

    *client = (struct llm_client){0};
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        return wrong(why, "the URL begins with neither http:// nor https://");
    }
    if (size > 1024) {
        return wrong(why, "the URL is too long");
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return wrong(why, "libcurl cannot be set up");
    }
    while (size > 0 && url[size - 1] == '/') {
        size--;
    }
    client->url = strndup(url, size);
    client->model = strdup(model);
    client->key = key == NULL ? NULL : strdup(key);
    if (client->url == NULL || client->model == NULL || (key != NULL && client->key == NULL)) {
        llm_client_close(client);
        return wrong(why, "memory ran out");
    }
    return true;
}

void llm_client_close(struct llm_client *client)
{
    if (client->url != NULL) {
        curl_global_cleanup();
    }
    if (client->key != NULL) {
        explicit_bzero(client->key, strlen(client->key));
    }
    free(client->url);
    free(client->model);
    free(client->key);
    *client = (struct llm_client){0};
}
