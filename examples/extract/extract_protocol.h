/*
 * What the helper writes to its standard output, and the runner reads:
 *
 *   T <media type>\n                          once, first
 *   B <kind> <level> <page> <bytes>\n…\n      a block: its text, then a line's end
 *   X <reason>\n                              in the place of the rest: there is no text, and why
 *   .\n                                       the end; without it the helper died on the way
 *
 * The runner believes none of it: numbers are checked, a reason is one of the words below, and no
 * sentence of the helper ever reaches a user.
 */
#ifndef EXTRACT_PROTOCOL_H
#define EXTRACT_PROTOCOL_H

/* As RAGSTORE_BLOCK_…; the helper does not know the library. */
enum block_kind {
    BLOCK_PARAGRAPH = 1,
    BLOCK_HEADING = 2,
    BLOCK_LIST_ITEM = 3,
    BLOCK_CODE = 4,
    BLOCK_TABLE_ROW = 5,
};

#define REASON_UNKNOWN_FORMAT "unknown-format"
#define REASON_ENCRYPTED "encrypted"
#define REASON_SCANNED "scanned"
#define REASON_NO_TEXT "no-text"
#define REASON_DAMAGED "damaged"
#define REASON_TOO_LARGE "too-large" /* what comes out of it: an archive bomb, endless pages */
#define REASON_TOO_DEEP "too-deep"
#define REASON_DTD "dtd"
#define REASON_NO_MEMORY "no-memory"
#define REASON_NO_JAIL "no-jail" /* this machine cannot shut the helper in */

#endif
