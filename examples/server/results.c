/*
 * Ranked chunks as JSON; see results.h. The first five members are the original's.
 */
#include "results.h"

#include <string.h>

enum { HIT_FRAME = 400 }; /* names and numbers of a hit */

static void out_offset(struct json_out *out, const char *name, int64_t offset)
{
    out_key(out, name);
    if (offset < 0) {
        out_nothing(out);
    } else {
        out_whole(out, offset);
    }
}

static void out_hit(struct json_out *out, const ragstore_result *result, size_t position)
{
    uint32_t page = ragstore_result_page(result, position);

    out_begin(out, '{');
    out_key(out, "content");
    out_text(out, ragstore_result_content(result, position));
    out_key(out, "doc_id");
    out_text(out, ragstore_result_doc_id(result, position));
    out_offset(out, "chunk_order_index", ragstore_result_chunk_order(result, position));
    out_key(out, "source");
    out_text(out, ragstore_result_source(result, position));
    out_key(out, "score");
    out_decimal(out, (double)ragstore_result_score(result, position));
    out_key(out, "doc_name");
    out_text(out, ragstore_result_doc_name(result, position));
    out_key(out, "metadata");
    out_raw(out, ragstore_result_metadata(result, position));
    out_key(out, "heading");
    out_text(out, ragstore_result_heading(result, position));
    out_offset(out, "page", page == 0 ? -1 : (int64_t)page);
    out_offset(out, "start", ragstore_result_start(result, position));
    out_offset(out, "end", ragstore_result_end(result, position));
    out_key(out, "scores");
    out_begin(out, '{');
    out_key(out, "vector");
    out_decimal(out, (double)ragstore_result_vector_score(result, position));
    out_key(out, "keyword");
    out_decimal(out, (double)ragstore_result_keyword_score(result, position));
    out_end(out, '}');
    out_end(out, '}');
}

/* What the texts take, if nothing has to be escaped. */
static size_t measure(const ragstore_result *result, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += HIT_FRAME + strlen(ragstore_result_content(result, i)) +
                strlen(ragstore_result_metadata(result, i)) +
                strlen(ragstore_result_doc_name(result, i)) +
                strlen(ragstore_result_source(result, i)) +
                strlen(ragstore_result_heading(result, i));
    }
    return size;
}

void out_results(struct json_out *out, const ragstore_result *result)
{
    size_t count = ragstore_result_count(result);

    out_reserve(out, measure(result, count));
    out_begin(out, '[');
    for (size_t i = 0; i < count; i++) {
        out_hit(out, result, i);
    }
    out_end(out, ']');
}
