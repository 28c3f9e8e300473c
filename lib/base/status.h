/*
 * Status codes and the error of the current thread.
 *
 * Every function that can fail returns an int of ragstore.h's RAGSTORE_E_… codes
 * and has set the thread's error when it returns a negative one. The place that
 * notices a failure calls rsi_fail(); callers that can add where or what it was
 * done for wrap it: "open store: read entities.json: line 3: …".
 *
 * The error lives in thread-local storage of fixed size: setting it cannot fail.
 */
#ifndef RSI_BASE_STATUS_H
#define RSI_BASE_STATUS_H

#include "ragstore.h"

#include <stdbool.h>

#include <stdarg.h>

/* The most bytes of an error message, the final NUL included. Longer ones end in "…". */
#define RSI_MESSAGE_MAX 1024

/* Set the thread's error; returns code. `room` is the caller's directory under lib/. */
int rsi_fail(int code, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with an errno value, whose text is put behind the message. */
int rsi_fail_errno(int code, int system_errno, const char *room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "<context>: " before the message of the current error; returns code. No-op when code >= 0. */
int rsi_wrap(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* RAGSTORE_E_NO_MEMORY from a static record. */
int rsi_fail_no_memory(void);

/* The code that fits an errno value of a file operation (ENOSPC, EACCES, EIO, …). */
int rsi_code_of_errno(int system_errno);

/* Note that the failure may be over later, or in another process: its errno becomes EAGAIN. Returns
 * code. */
int rsi_for_now(int code);
bool rsi_is_for_now(int code); /* of the current error */

/* Read and keep the current error around clean-up calls that may set another. */
typedef struct rsi_saved_error {
    int code;
    int system_errno;
    char room[16];
    char message[RSI_MESSAGE_MAX];
} rsi_saved_error;
void rsi_error_save(rsi_saved_error *saved);
void rsi_error_restore(const rsi_saved_error *saved);

int rsi_error_code(void);
int rsi_error_errno(void);
const char *rsi_error_room(void);
const char *rsi_error_message(void);

const char *rsi_status_name(int code); /* "NOT_FOUND"; "UNKNOWN" for an unknown code */
const char *rsi_status_text(int code); /* one short sentence */

#endif
