/* Finding the model of the set-up: see model_locate.h. */
#include "embed/model_locate.h"

#include "base/status.h"
#include "embed/model_file.h"

#include <stdlib.h>

#define IN_CACHE "/ragstore/models/all-MiniLM-L6-v2"

static bool is_model(const char *directory)
{
    rsi_model_file weights = {0};
    bool readable = rsi_model_file_map(&weights, directory, "model.safetensors") == RAGSTORE_OK;
    rsi_model_file_unmap(&weights);
    return readable;
}

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

int rsi_model_locate(rsi_bytes *path)
{
    const char *named = set_variable("RAGSTORE_MODEL");
    const char *cache = set_variable("XDG_CACHE_HOME");
    const char *home = set_variable("HOME");
    if (named != NULL)
        rsi_bytes_append_text(path, named);
    else if (cache != NULL)
        rsi_bytes_printf(path, "%s" IN_CACHE, cache);
    else if (home != NULL)
        rsi_bytes_printf(path, "%s/.cache" IN_CACHE, home);
    if (rsi_bytes_status(path) != RAGSTORE_OK)
        return rsi_bytes_status(path);
    if (path->size > 0 && is_model(path->data))
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "embed",
                    "there is no embedding model at %s; \"make setup\" fetches one, and "
                    "RAGSTORE_MODEL names the directory of another",
                    path->size > 0 ? path->data : "the usual place");
}
