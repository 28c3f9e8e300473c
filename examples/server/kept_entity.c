/*
 * The entity that a thread searched last; see kept_entity.h. It is closed when the thread ends,
 * which is before the store is.
 */
#include "kept_entity.h"

#include "access.h"
#include "failures.h"
#include "reply.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    ragstore_entity *entity;
    char id[];
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

static void close_kept(void *kept)
{
    if (kept != NULL) {
        ragstore_entity_free(((struct kept *)kept)->entity);
    }
    free(kept);
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, close_kept) == 0;
}

static struct kept *find_kept(void)
{
    pthread_once(&once, make_key);
    return has_key ? pthread_getspecific(key) : NULL;
}

void kept_entity_forget(void)
{
    struct kept *kept = find_kept();

    if (kept != NULL) {
        (void)pthread_setspecific(key, NULL);
    }
    close_kept(kept);
}

ragstore_entity *kept_entity(struct request *request, const char *id)
{
    struct kept *kept = find_kept();
    size_t size = strlen(id) + 1;

    if (kept != NULL && strcmp(kept->id, id) == 0 && access_sees(request, id)) {
        return kept->entity;
    }
    kept_entity_forget();
    kept = malloc(sizeof *kept + size);
    if (kept == NULL) {
        reply_no_memory(request);
        return NULL;
    }
    memcpy(kept->id, id, size);
    kept->entity = open_entity(request, id);
    if (kept->entity != NULL && (!has_key || pthread_setspecific(key, kept) != 0)) {
        reply_no_memory(request);
    }
    if (request->response != NULL) {
        close_kept(kept);
        return NULL;
    }
    return kept->entity;
}
