/*
 * What lies beside index.faiss: lines of text, the first of which says what they are and the last
 * their checksum; and how both come into place together.
 *
 * The order is: the index in a temporary file, flushed; the .sum replaced; the index renamed into
 * place. So whatever fails first leaves the old pair as it was, and a crash between the last two
 * steps leaves a .sum that does not match, which is not current. No state, no locks.
 */
#ifndef RSI_VECTORS_FAISS_SUM_H
#define RSI_VECTORS_FAISS_SUM_H

#include "files/files.h"
#include "files/paths.h"

int rsi_faiss_sum_path(rsi_path *out, const char *path);
/* INVALID_ARGUMENT when it cannot stand in a line. */
int rsi_faiss_sum_check_stamp(const char *stamp);

/* Append the last line. */
void rsi_faiss_sum_seal(rsi_bytes *text);
/* Does it begin with these lines, and is it intact? *checked: its bytes without the last line. */
bool rsi_faiss_sum_is_intact(size_t *checked, const rsi_bytes *text, const char *begin);
/* A line "name value" with that value is among the checked bytes? */
bool rsi_faiss_sum_has(const rsi_bytes *text, size_t checked, const char *name, const char *value);

/* Make the temporary file, have it filled, and flush it. It is gone after a failure. */
typedef int rsi_faiss_filler(void *user, rsi_file *file);
int rsi_faiss_sum_write_temporary(rsi_root *root, const char *temporary, rsi_faiss_filler *fill,
                                  void *user);
/* Put both in place; the temporary file is gone after a failure, too. */
int rsi_faiss_sum_put_in_place(rsi_root *root, const char *path, const char *temporary,
                               const rsi_bytes *text);

/* Something that says "there is no intact file" rather than "it could not be found out". */
bool rsi_faiss_sum_means_damage(int status);

#endif
