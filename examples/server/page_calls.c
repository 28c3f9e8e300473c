/*
 * The front door: JSON for programs, a page that explains the calls for people.
 */
#include "calls.h"
#include "reply.h"

#include <string.h>

static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>ragstore</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 0 auto;\n"
    "       padding: 2rem 1.2rem 4rem; }\n"
    "h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }\n"
    "pre { padding: .8rem 1rem; border: 1px solid #8886; border-radius: 8px; overflow-x: auto;\n"
    "      font: 14px/1.5 ui-monospace, monospace; }\n"
    "table { border-collapse: collapse; width: 100%; } td { padding: .3rem .6rem .3rem 0;\n"
    "        border-top: 1px solid #8884; vertical-align: top; }\n"
    "code { font: .92em ui-monospace, monospace; }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n"
    "<main>\n"
    "<h1>ragstore</h1>\n"
    "<p>This server stores documents, finds passages in them, and answers questions with cited\n"
    "sources. <a href=\"/health\">Its health</a> says how it is.</p>\n"
    "<h2>Try it</h2>\n"
    "<pre>curl -X POST http://localhost:8000/api/entities \\\n"
    "  -H \"Content-Type: application/json\" \\\n"
    "  -d '{\"entity_id\": \"demo\", \"entity_name\": \"Demo\"}'\n"
    "\n"
    "curl -X POST http://localhost:8000/api/entities/demo/files \\\n"
    "  -F \"file=@document.txt\"\n"
    "\n"
    "curl -X POST http://localhost:8000/api/search \\\n"
    "  -H \"Content-Type: application/json\" \\\n"
    "  -d '{\"entity_id\": \"demo\", \"query\": \"your question\", \"k\": 5}'\n"
    "\n"
    "curl -X POST http://localhost:8000/api/chat/sessions \\\n"
    "  -H \"Content-Type: application/json\" -d '{\"entity_id\": \"demo\"}'\n"
    "\n"
    "curl -N -X POST http://localhost:8000/api/chat \\\n"
    "  -H \"Content-Type: application/json\" \\\n"
    "  -d '{\"session_id\": \"session_&hellip;\", \"message\": \"your question\"}'</pre>\n"
    "<h2>All calls</h2>\n"
    "<table>\n"
    "<tr><td><code>POST GET /api/entities</code></td><td>create, list</td></tr>\n"
    "<tr><td><code>GET PATCH DELETE /api/entities/{id}</code></td><td>one entity</td></tr>\n"
    "<tr><td><code>POST GET /api/entities/{id}/files</code></td><td>upload, list</td></tr>\n"
    "<tr><td><code>GET DELETE /api/entities/{id}/files/{doc_id}</code></td>"
    "<td>one document</td></tr>\n"
    "<tr><td><code>GET /api/entities/{id}/files/{doc_id}/content</code></td>"
    "<td>its bytes</td></tr>\n"
    "<tr><td><code>POST /api/entities/{id}/chunks</code></td><td>ready-made chunks</td></tr>\n"
    "<tr><td><code>GET /api/entities/{id}/sessions</code></td><td>its conversations</td></tr>\n"
    "<tr><td><code>POST /api/chat/sessions</code></td><td>begin a conversation</td></tr>\n"
    "<tr><td><code>GET DELETE /api/chat/sessions/{sid}</code></td><td>one conversation</td></tr>\n"
    "<tr><td><code>GET /api/chat/sessions/{sid}/messages</code></td><td>what was said</td></tr>\n"
    "<tr><td><code>POST /api/chat</code></td><td>ask; <code>\"stream\": false</code> for JSON\n"
    "</td></tr>\n"
    "<tr><td><code>POST /api/search</code></td><td>find passages</td></tr>\n"
    "<tr><td><code>GET /health</code>, <code>GET /ready</code></td><td>state</td></tr>\n"
    "</table>\n"
    "</main>\n"
    "</body>\n"
    "</html>\n";

enum handled get_page(struct request *request)
{
    reply_static(request, MHD_HTTP_OK, "text/html; charset=utf-8", page, sizeof page - 1);
    reply_header(request, "Content-Security-Policy",
                 "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                 "form-action 'none'; frame-ancestors 'none'");
    return HANDLED;
}

enum handled get_root(struct request *request)
{
    struct json_out out = {0};

    if (request->format == FORMAT_HTML) {
        return get_page(request);
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
