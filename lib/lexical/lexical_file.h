/*
 * lexical.rsl: an index as a file, so that the next start need not analyse all texts again.
 *
 *   header         128 bytes, see below
 *   chunks         int64 × slots      ascending slots; living chunks only
 *   ends           uint64 × slots     where in `chunk terms` those of a slot end
 *   lengths        uint32 × slots
 *   marks          uint32 × slots
 *   term ends      uint32 × terms     where in `dictionary` each term ends
 *   chunk terms    bytes              packed dictionary numbers, slot by slot
 *   dictionary     bytes              terms with living chunks only
 *   postings       bytes              as in postings.h, term by term
 *   term records   3 × uint32 × terms postings, their bytes, 1 for a stop word
 *   blocks         rsi_block          of each term: its full blocks and its tail
 *   checks         uint32 …           CRC32C of each MiB of the parts above, and of the checks
 *
 *   header    0   8  "RSLEXIC\n"                 88   4  slots
 *             8   4  byte order mark 0x01020304  92   4  terms
 *            12   2  format, major: 1            96   8  bytes of chunk terms
 *            14   2  format, minor: 0           104   8  bytes of the dictionary
 *            16  32  incarnation, hex           112   8  bytes of the postings
 *            48   4  version of the analysis    120   4  blocks
 *            52  32  language, zero-filled      124   4  CRC32C of bytes 0..123
 *            84   4  0
 *
 * Each part begins at a multiple of 8; zeros fill the gaps. Numbers are in the byte order of the
 * machine; a file of another kind of machine is stale. Derived data: whatever is wrong with it, it
 * is made again from the texts. What is read is checked as if somebody had made it up: counts
 * against sizes, numbers against counts, lists by walking them.
 *
 * Not locked: the index's rules, and one file is written by whoever comes last.
 */
#ifndef RSI_LEXICAL_LEXICAL_FILE_H
#define RSI_LEXICAL_LEXICAL_FILE_H

#include "files/files.h"
#include "lexical/lexical.h"

/* Raised whenever the same text gives other terms than before. */
#define RSI_ANALYSIS_VERSION 1u

/* Write an index, without what removed chunks left. The old file stays on failure. */
int rsi_lexical_write(const rsi_lexical *index, rsi_root *root, const char *path,
                      const char *incarnation);
/* The same; a large one is also read again, to be searched in place of the index, which takes
 * memory or lies in many pieces. *renewed: that one, or NULL, as of an index that is not put away.
 * It needs no root but the one that the index is put away in. */
int rsi_lexical_renew(rsi_lexical **renewed, const rsi_lexical *index, rsi_root *root,
                      const char *path, const char *incarnation);

/* From how many bytes on a file is mapped rather than read into memory. Set by tests before one is
 * read. */
extern uint64_t rsi_lexical_mapped_from;

/*
 * Read an index. NOT_FOUND: there is no file, or one of another incarnation, language, analysis or
 * machine. DAMAGED: it cannot be trusted. UNSUPPORTED: a newer library made it, and it is to be
 * left alone. In all these cases the index is made from the texts.
 */
int rsi_lexical_read(rsi_lexical **out, rsi_root *root, const char *path, const char *incarnation,
                     const char *language);

/* Was the file of this path shortened while the index lies in it, mapped? Whoever touches what is gone
 * ends the process: the index is of no use any more. A file that cannot be looked at is taken for whole.
 */
bool rsi_lexical_is_cut(const rsi_lexical *index, rsi_root *root, const char *path);

#endif
