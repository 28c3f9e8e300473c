/*
 * Files that are not text, recognised by their first bytes, and what to tell the user about them.
 *
 * A table of signatures; the ZIP family is told apart by the names of its entries, which stand
 * uncompressed in the file. Signatures that could begin a text ("BM", "MZ") count only when a NUL
 * stands near the start. Called by extract.c before anything is decoded.
 */
#include "ingest/extract_parts.h"

#include "base/status.h"

#include <string.h>

#define NEEDS_EXTRACTOR "convert it to text, Markdown or HTML first; no extractor here reads it"
#define NO_TEXT "there is no text in it to take out"
#define UNPACK "unpack it and add the files inside"

typedef struct signature {
    size_t offset;
    size_t size;
    const char *bytes;
    bool needs_nul; /* the bytes alone could be the start of a text */
    const char *name;
    const char *advice;
} signature;

static const signature signatures[] = {
    {0, 8, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", false, "an old Office file (doc, xls, ppt or msg)",
     NEEDS_EXTRACTOR},
    {0, 5, "{\\rtf", false, "an RTF file", NEEDS_EXTRACTOR},
    {0, 4, "%!PS", false, "a PostScript file", NEEDS_EXTRACTOR},
    {0, 8, "AT&TFORM", false, "a DjVu file", NEEDS_EXTRACTOR},
    {0, 8, "\x89PNG\r\n\x1A\n", false, "a PNG image", NO_TEXT},
    {0, 3, "\xFF\xD8\xFF", false, "a JPEG image", NO_TEXT},
    {0, 4, "GIF8", true, "a GIF image", NO_TEXT},
    {0, 2, "BM", true, "a BMP image", NO_TEXT},
    {0, 4, "II*\0", false, "a TIFF image", NO_TEXT},
    {0, 4, "MM\0*", false, "a TIFF image", NO_TEXT},
    {8, 4, "WEBP", true, "a WebP image", NO_TEXT},
    {0, 4, "RIFF", true, "a sound or video file", NO_TEXT},
    {0, 4, "OggS", true, "a sound or video file", NO_TEXT},
    {0, 4, "fLaC", true, "a sound file", NO_TEXT},
    {0, 3, "ID3", true, "a sound file (MP3)", NO_TEXT},
    {4, 4, "ftyp", true, "a sound, video or image file (MP4 family)", NO_TEXT},
    {0, 4, "\x1A\x45\xDF\xA3", false, "a video file (Matroska)", NO_TEXT},
    {0, 2, "\x1F\x8B", false, "a gzip archive", UNPACK},
    {0, 3, "BZh", true, "a bzip2 archive", UNPACK},
    {0, 6,
     "\xFD"
     "7zXZ\0",
     false, "an xz archive", UNPACK},
    {0, 4, "\x28\xB5\x2F\xFD", false, "a zstd archive", UNPACK},
    {0, 6, "7z\xBC\xAF\x27\x1C", false, "a 7z archive", UNPACK},
    {0, 6, "Rar!\x1A\x07", false, "a RAR archive", UNPACK},
    {257, 5, "ustar", true, "a tar archive", UNPACK},
    {0, 4,
     "\x7F"
     "ELF",
     false, "a program (ELF)", NO_TEXT},
    {0, 2, "MZ", true, "a program (Windows)", NO_TEXT},
    {0, 4, "\xCF\xFA\xED\xFE", false, "a program (Mach-O)", NO_TEXT},
    {0, 4, "\xCA\xFE\xBA\xBE", false, "a program (Mach-O or Java class)", NO_TEXT},
    {0, 4, "\0asm", false, "a program (WebAssembly)", NO_TEXT},
    {0, 16, "SQLite format 3\0", false, "an SQLite database", "export its tables as CSV first"},
    {0, 4, "PAR1", true, "a Parquet file", "export it as CSV first"},
    {0, 6, "\x93NUMPY", false, "a NumPy array", NO_TEXT},
    {0, 4, "wOFF", true, "a font", NO_TEXT},
    {0, 4, "wOF2", true, "a font", NO_TEXT},
    {0, 4, "OTTO", true, "a font", NO_TEXT},
    {0, 5, "\0\1\0\0\0", false, "a font", NO_TEXT},
};

static int refuse(const char *name, const char *advice)
{
    return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest", "this is %s: %s", name, advice);
}

static bool contains(const char *bytes, size_t size, const char *wanted)
{
    return memmem(bytes, size, wanted, strlen(wanted)) != NULL;
}

static int refuse_zip(const char *bytes, size_t size)
{
    static const struct {
        const char *entry;
        const char *name;
    } kinds[] = {
        {"word/document", "a Word file (docx)"},
        {"xl/workbook", "an Excel file (xlsx)"},
        {"ppt/presentation", "a PowerPoint file (pptx)"},
        {"mimetypeapplication/epub+zip", "an e-book (EPUB)"},
        {"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file (odt, ods or odp)"},
        {"[Content_Types].xml", "an Office file (docx, xlsx or pptx)"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (contains(bytes, size, kinds[i].entry))
            return refuse(kinds[i].name, NEEDS_EXTRACTOR);
    return refuse("a ZIP archive", UNPACK);
}

/* An e-mail as it is sent: header lines, among them the one that only mail has. */
static bool is_mail(const char *bytes, size_t size)
{
    rsi_slice text = {bytes, size < 8192 ? size : 8192};
    rsi_slice line;
    size_t offset = 0;
    bool mime = false;
    bool from = false;
    while (rsi_next_line(text, &offset, &line)) {
        bool folded = line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
        if (!folded && memchr(line.data, ':', line.size) == NULL)
            break;
        mime = mime || rsi_starts_with(line, "MIME-Version:");
        from = from || rsi_starts_with(line, "From:");
    }
    return mime && from;
}

int rsi_refuse_binary(const char *bytes, size_t size)
{
    size_t blank = 0;
    while (blank < size && blank < 1024 && rsi_is_space(bytes[blank]))
        blank++;
    if (size - blank >= 5 && memcmp(bytes + blank, "%PDF-", 5) == 0)
        return refuse("a PDF", NEEDS_EXTRACTOR);
    if (size >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0))
        return refuse_zip(bytes, size);
    bool has_nul = memchr(bytes, '\0', size < 1024 ? size : 1024) != NULL;
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        const signature *s = &signatures[i];
        if (size >= s->offset + s->size && memcmp(bytes + s->offset, s->bytes, s->size) == 0 &&
            (has_nul || !s->needs_nul))
            return refuse(s->name, s->advice);
    }
    if (is_mail(bytes, size))
        return refuse("an e-mail", NEEDS_EXTRACTOR);
    return RAGSTORE_OK;
}
