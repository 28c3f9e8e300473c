/*
 * What a store should hold, as sorted lines "name=value", made from a model that knows nothing of
 * storage, or read back from a store:
 *
 *   entities/<key>=<json>    entities/<key>#<row>=<json>    chunks/<key>#<row>=<json>
 *   chat_sessions/…          uploads/<directory>/<name>=<bytes>
 */
#ifndef TESTS_HARNESS_POWER_MODEL_H
#define TESTS_HARNESS_POWER_MODEL_H

#include "storage/storage.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct power_model {
    char **lines;
    size_t count;
} power_model;

void power_model_free(power_model *model);
void power_model_copy(power_model *to, const power_model *from);
void power_model_set(power_model *model, const char *name, const char *value);
/* Every line whose name is `name`, or begins with it and is longer at a '#' or '/'. */
void power_model_drop(power_model *model, const char *name);
bool power_model_has(const power_model *model, const char *name);
/* malloc()ed. */
char *power_model_text(power_model *model);

/* The same text of an open store; *text is malloc()ed, NULL on failure. */
int power_storage_text(char **text, rsi_storage *storage);

#endif
