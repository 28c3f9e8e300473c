/*
 * JSON files that only the library writes, whole: the manifest, entity files, the list of a backup.
 *
 *   {"crc32c":"xxxxxxxx","format":1,…}
 *
 * One object, whose first member is the CRC32C of the whole file, computed with its own digits as
 * '0'.
 */
#ifndef RSI_STORAGE_SMALL_FILE_H
#define RSI_STORAGE_SMALL_FILE_H

#include "files/files.h"
#include "json/json.h"

#define RSI_FORMAT 1 /* that this library writes, and the newest that it reads */
#define RSI_SMALL_FILE_MAX ((size_t)16 << 20)

/* Begin the object; members follow. */
rsi_json_writer rsi_small_file_begin(rsi_bytes *text);
/* End the object and put it in place of the file, durably. */
int rsi_small_file_write(rsi_bytes *text, rsi_json_writer *writer, rsi_root *root,
                         const char *path);
/* *root NULL when the file is missing. VERSION; DAMAGED, also over max_bytes, with `remedy` at the end
 * of the message: what to do. */
int rsi_small_file_read(rsi_json **root, rsi_root *files, const char *path, size_t max_bytes,
                        const char *remedy);

#endif
