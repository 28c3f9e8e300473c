/*
 * The front door: JSON for programs, the web page for people. The files of web/ are in the binary,
 * so that the page works without a network and without a directory of its own.
 */
#include "calls.h"
#include "reply.h"
#include "web_files.h"

#include <string.h>

/* Scripts, styles and pictures come from this server only, and nothing inline is run: a document
 * or a model that smuggles markup into the page still runs nothing. */
static const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static enum handled reply_file(struct request *request, const char *name)
{
    for (size_t i = 0; i < web_file_count; i++) {
        if (strcmp(web_files[i].name, name) == 0) {
            reply_static(request, MHD_HTTP_OK, web_files[i].type, web_files[i].bytes,
                         web_files[i].size);
            reply_header(request, "Content-Security-Policy", page_policy);
            reply_header(request, "Referrer-Policy", "no-referrer");
            return HANDLED;
        }
    }
    reply_error(request, MHD_HTTP_NOT_FOUND, "Not Found", "There is no such file of the page.");
    return HANDLED;
}

enum handled get_page_file(struct request *request)
{
    return reply_file(request, request->arguments[0]);
}

enum handled get_docs(struct request *request)
{
    return reply_file(request, "docs.html");
}

enum handled get_openapi(struct request *request)
{
    return reply_file(request, "openapi.json");
}

enum handled get_root(struct request *request)
{
    struct json_out out = {0};

    if (request->format == FORMAT_HTML) {
        return reply_file(request, "index.html");
    }
    out_begin(&out, '{');
    out_key(&out, "message");
    out_text(&out, "This is ragstore. It stores documents and answers questions about them.");
    out_key(&out, "version");
    out_text(&out, ragstore_version_text());
    out_key(&out, "docs");
    out_text(&out, "/docs");
    out_key(&out, "health");
    out_text(&out, "/health");
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
    return HANDLED;
}
