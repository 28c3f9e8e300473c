/* Where this machine's set-up put the embedding model. */
#ifndef RSI_EMBED_MODEL_LOCATE_H
#define RSI_EMBED_MODEL_LOCATE_H

#include "base/bytes.h"

/* RAGSTORE_MODEL, or else the set-up's cache: ${XDG_CACHE_HOME:-~/.cache}/ragstore/models.
 * NOT_FOUND says how to get one. Reads the environment. */
int rsi_model_locate(rsi_bytes *path);

#endif
