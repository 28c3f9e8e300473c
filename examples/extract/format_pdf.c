/*
 * PDF, by poppler: pages, paragraphs, headings.
 *
 * Poppler gives each page's characters in reading order, with a rectangle for each and the size of
 * the type for runs of them. Lines that stand further apart than lines of a paragraph do begin a
 * new one; lines in larger type than most of the page are headings.
 */
#include "extract_formats.h"

#include "extract_emit.h"

#include <math.h>
#include <poppler.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES_MAX = 20000, HEADING_BYTES = 200 };

/* A line of a page. */
struct line {
    const char *bytes;
    size_t size;
    double top, bottom, left, right;
    double type_size;
    bool has_place;
};

void extract_pdf_prepare(void)
{
    /* poppler sets itself up at the first document; this one is none, and enough */
    GBytes *nothing = g_bytes_new_static("%PDF-1.4\n", 9);
    GError *error = NULL;
    PopplerDocument *document = poppler_document_new_from_bytes(nothing, NULL, &error);

    g_clear_error(&error);
    g_clear_object(&document);
    g_bytes_unref(nothing);
}

/* ---- lines ---- */

static double type_size_at(GList *attributes, int character)
{
    for (GList *item = attributes; item != NULL; item = item->next) {
        const PopplerTextAttributes *run = item->data;

        if (character >= run->start_index && character <= run->end_index) {
            return run->font_size;
        }
    }
    return 0;
}

static void place_line(struct line *line, const PopplerRectangle *rectangles, guint count,
                       guint first, guint characters)
{
    for (guint i = first; i < first + characters && i < count; i++) {
        const PopplerRectangle *box = &rectangles[i];

        if (fabs(box->x2 - box->x1) < 1e-6) {
            continue;
        }
        if (!line->has_place) {
            line->top = box->y1;
            line->bottom = box->y2;
            line->left = box->x1;
            line->right = box->x2;
            line->has_place = true;
            continue;
        }
        line->top = fmin(line->top, box->y1);
        line->bottom = fmax(line->bottom, box->y2);
        line->left = fmin(line->left, box->x1);
        line->right = fmax(line->right, box->x2);
    }
}

static struct line *cut_lines(size_t *count, PopplerPage *page, const char *text)
{
    PopplerRectangle *rectangles = NULL;
    guint rectangle_count = 0;
    GList *attributes = poppler_page_get_text_attributes(page);
    struct line *lines = get_memory(strlen(text) + 1, sizeof *lines);
    guint character = 0;

    (void)poppler_page_get_text_layout(page, &rectangles, &rectangle_count);
    *count = 0;
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, "\n");
        guint characters = (guint)g_utf8_strlen(at, (gssize)size);
        struct line *line = &lines[(*count)++];

        line->bytes = at;
        line->size = size;
        place_line(line, rectangles, rectangle_count, character, characters);
        line->type_size = type_size_at(attributes, (int)(character + characters / 2));
        character += characters + 1;
        at += size + (at[size] == '\n');
    }
    poppler_page_free_text_attributes(attributes);
    g_free(rectangles);
    return lines;
}

/* ---- from lines to blocks ---- */

/* The size of type that most bytes of a page are set in. */
static double body_size(const struct line *lines, size_t count)
{
    double best = 0;
    size_t most = 0;

    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;

        for (size_t j = i > 200 ? i - 200 : 0; j < count && j < i + 200; j++) {
            bytes += fabs(lines[j].type_size - lines[i].type_size) < 0.2 ? lines[j].size : 0;
        }
        if (bytes > most) {
            most = bytes;
            best = lines[i].type_size;
        }
    }
    return best;
}

static int heading_level(const struct line *line, double body)
{
    if (body <= 0 || line->size > HEADING_BYTES || line->type_size < body * 1.15) {
        return 0;
    }
    return line->type_size >= body * 1.8 ? 1 : line->type_size >= body * 1.35 ? 2 : 3;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static bool same_type(const struct line *before, const struct line *line)
{
    return fabs(line->type_size - before->type_size) <= before->type_size * 0.12;
}

/* From a line to the next in the same paragraph: the lower quarter of all distances on the page. */
static double usual_distance(const struct line *lines, size_t count)
{
    double *distances = get_memory(count + 1, sizeof *distances);
    size_t known = 0;
    double usual = 0;

    for (size_t i = 1; i < count; i++) {
        double distance = lines[i].top - lines[i - 1].top;

        if (lines[i].has_place && lines[i - 1].has_place && same_type(&lines[i - 1], &lines[i]) &&
            distance > lines[i].type_size * 0.5) {
            distances[known++] = distance;
        }
    }
    qsort(distances, known, sizeof *distances, compare);
    if (known > 0) {
        usual = distances[known / 4];
    }
    free(distances);
    return usual;
}

static size_t bullet_size(const struct line *line)
{
    static const char *const bullets[] = {"\xE2\x80\xA2", "\xE2\x97\xA6", "\xE2\x96\xAA",
                                          "\xE2\x97\x8F", "\xEF\x82\xB7"};

    for (size_t i = 0; i < sizeof bullets / sizeof bullets[0]; i++) {
        if (line->size >= 3 && memcmp(line->bytes, bullets[i], 3) == 0) {
            return 3;
        }
    }
    return 0;
}

static bool begins_block(const struct line *before, const struct line *line, double usual)
{
    double distance = line->top - before->top;

    if (bullet_size(line) > 0) {
        return true;
    }
    if (!before->has_place || !line->has_place) {
        return false;
    }
    /* a new column begins higher up; its first line may go on with the sentence */
    return !same_type(before, line) || (usual > 0 && distance > usual * 1.3);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* A word that was cut at the end of a line is put together again. */
static void append_line(struct text *text, const struct line *line)
{
    size_t size = text->size;

    if (size > 1 && text->bytes[size - 1] == '-' && is_word_byte(text->bytes[size - 2]) &&
        line->size > 0 && line->bytes[0] >= 'a' && line->bytes[0] <= 'z') {
        text->size--;
    } else if (size > 0) {
        text_append(text, " ", 1);
    }
    text_append(text, line->bytes, line->size);
}

static void write_lines(const struct line *lines, size_t count, int page)
{
    const double body = body_size(lines, count);
    const double usual = usual_distance(lines, count);
    struct text text = {0};
    enum block_kind kind = BLOCK_PARAGRAPH;
    int level = 0;
    bool lone_bullet = false; /* its item is on the next line */

    for (size_t i = 0; i < count; i++) {
        int next = heading_level(&lines[i], body);
        size_t bullet = bullet_size(&lines[i]);

        if (i > 0 && !lone_bullet &&
            (next != level || begins_block(&lines[i - 1], &lines[i], usual))) {
            emit_text(kind, level, page, &text);
            kind = BLOCK_PARAGRAPH;
        }
        level = bullet > 0 ? 0 : next;
        kind = level > 0 ? BLOCK_HEADING : bullet > 0 ? BLOCK_LIST_ITEM : kind;
        lone_bullet = bullet > 0 && bullet == lines[i].size;
        append_line(&text, &lines[i]);
    }
    emit_text(kind, level, page, &text);
    free(text.bytes);
}

/* ---- the document ---- */

static bool has_images(PopplerPage *page)
{
    GList *images = poppler_page_get_image_mapping(page);
    bool found = images != NULL;

    poppler_page_free_image_mapping(images);
    return found;
}

static PopplerDocument *open_document(const char *bytes, size_t size)
{
    GError *error = NULL;
    GBytes *whole = g_bytes_new_static(bytes, size);
    PopplerDocument *document = poppler_document_new_from_bytes(whole, NULL, &error);

    if (document == NULL) {
        emit_refusal(g_error_matches(error, POPPLER_ERROR, POPPLER_ERROR_ENCRYPTED)
                         ? REASON_ENCRYPTED
                         : REASON_DAMAGED);
    }
    g_bytes_unref(whole);
    return document;
}

void extract_pdf(const char *bytes, size_t size)
{
    PopplerDocument *document = open_document(bytes, size);
    int pages = poppler_document_get_n_pages(document);
    bool images = false;

    if (pages <= 0) {
        emit_refusal(REASON_DAMAGED);
    }
    if (pages > PAGES_MAX) {
        emit_refusal(REASON_TOO_LARGE);
    }
    for (int i = 0; i < pages; i++) {
        PopplerPage *page = poppler_document_get_page(document, i);
        char *text = page == NULL ? NULL : poppler_page_get_text(page);

        if (text != NULL && text[0] != '\0') {
            size_t count = 0;
            struct line *lines = cut_lines(&count, page, text);

            write_lines(lines, count, i + 1);
            free(lines);
        } else if (page != NULL) {
            images = images || has_images(page);
        }
        g_free(text);
        g_clear_object(&page);
    }
    if (!emit_has_blocks()) {
        emit_refusal(images ? REASON_SCANNED : REASON_NO_TEXT);
    }
}
