"""The web page, used as a person uses it, in a real browser."""

import pytest
from selenium.webdriver.common.keys import Keys

from fake_llm import FakeLlm
from server_process import eventually, ok
from test_tokens import make_token
from texts import FERRIES, GARDEN, paragraphs

HOSTILE = """# Notes <img src=x onerror="window.hacked = 1">

The harbour master wrote <script>window.hacked = 1</script> in the log of the harbour,
and <b>nobody</b> knew why.
"""

# what answers the question, as FERRIES has it
QUOTE = ("Revenue rose to 48 million crowns, because the night crossing to Lindholm carried eleven "
         "percent more lorries than the year before.")


@pytest.fixture
def files(tmp_path):
    made = {"report.md": FERRIES.encode(), "garden.md": GARDEN.encode(),
            "photo.bin": b"\x00\x01\x02\xff\xfe\x00binary" * 20}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in made]


def filled(server, name="The Kestrel Ferry Company"):
    server.create_entity("kestrel", name, description="Ships and their <i>papers</i>")
    server.upload("kestrel", "report.md", FERRIES)
    server.upload("kestrel", "garden.md", GARDEN)
    return "/#/e/kestrel/"


def test_page__from_an_empty_store_to_a_cited_answer_and_a_restart(start, browser, files):
    server = start()
    browser.allowed = ["415"]  # the file that is refused
    browser.open(server.url)
    browser.one(".empty", "Begin with an entity")
    browser.picture("empty-desktop-light")

    browser.test("new-entity")
    browser.type("#new-name", "The Kestrel Ferry Company")
    browser.picture("new-entity-desktop-light")
    browser.test("create")
    browser.one("h1", "The Kestrel Ferry Company")
    assert ok(server.get("/api/entities/the-kestrel-ferry-company"))["total_documents"] == 0

    browser.all("#files")[0].send_keys("\n".join(files))
    browser.one('[data-test="refused"]', "binary file")
    browser.until(lambda: len(browser.all('[data-test="uploaded"]')) == 2, "two files are stored")
    browser.until(lambda: len(browser.all('[data-test="preview"]')) == 2, "two documents are listed")
    browser.one("#counts", "2 documents")
    browser.picture("documents-desktop-light")

    browser.tab("Search")
    browser.type("#query", "why did revenue rise")
    browser.one("#query").send_keys(Keys.ENTER)
    browser.one('[data-test="hit"]', "lorries")
    assert "Revenue" in [mark.text for mark in browser.all('[data-test="hit"] mark')]
    browser.picture("search-desktop-light")

    browser.tab("Chat")
    browser.test("new-session")
    browser.type("#question", "Why did revenue rise?")
    browser.test("send")
    browser.one(".message.assistant .text", "lorries")
    browser.picture("chat-desktop-light")
    browser.test("cite")
    passage = browser.one("#passage")
    assert " ".join(passage.text.split()) == QUOTE
    assert "Annual report" in browser.one(".viewer .body").text
    browser.picture("citation-desktop-light")
    browser.test("close-viewer")

    # the same conversation after a restart, on another port
    path = browser.driver.execute_script("return location.hash")
    assert server.stop() == 0
    again = start()
    browser.open(again.url, "/" + path)
    browser.one(".message.assistant .text", "lorries")
    browser.test("cite")
    assert "lorries" in browser.one("#passage").text
    browser.test("close-viewer")

    browser.tab("Documents")
    browser.click('[data-test="delete-document"]')
    browser.test("confirm")
    browser.until(lambda: len(browser.all('[data-test="preview"]')) == 1, "one document is left")
    browser.one("#counts", "1 document")
    browser.test("delete-entity")
    browser.test("confirm")
    browser.one(".empty", "Begin with an entity")
    assert ok(again.get("/api/entities"))["total"] == 0


def test_page__streams_an_answer_piece_by_piece_and_stops(start, browser):
    server = start("--model", "none")
    path = filled(server)
    session = server.create_session("kestrel")["session_id"]
    browser.open(server.url, path + "chat/" + session)
    # the pieces of an answer, held back until the test lets each of them go
    browser.driver.execute_script("""
        const real = window.fetch;
        window.fetch = async (url, options) => {
            if (url !== "/api/chat") return real(url, options);
            const reply = await real(url, options);
            const frames = (await reply.text()).split(/(?<=\\n\\n)/);
            return new Response(new ReadableStream({
                start(out) { options.signal.addEventListener("abort", () =>
                    out.error(new DOMException("x", "AbortError"))); },
                async pull(out) {
                    if (frames.length === 0) return out.close();
                    await new Promise((go) => { window.next = go; });
                    try { out.enqueue(new TextEncoder().encode(frames.shift())); } catch {}
                }}), {status: reply.status});
        };""")
    step = "const go = window.next; window.next = null; go?.(); return go !== null && go !== undefined"

    def steps(check, what):
        browser.until(lambda: browser.driver.execute_script(step) and False or check(), what)

    browser.type("#question", "How many people work at sea, and which ship is old?")
    browser.test("send")
    waiting = browser.one(".message.assistant[aria-busy]")
    assert browser.one('[data-test="stop"]')
    steps(lambda: "people" in waiting.text or "Plover" in waiting.text, "the first piece is shown")
    assert waiting.get_attribute("aria-busy") == "true"
    browser.test("stop")
    browser.one('[data-test="stopped"]')
    browser.one('[data-test="send"]')
    # what was stopped here is kept whole by the server
    kept = eventually(lambda: len(server.messages(session)) == 2 and server.messages(session))
    browser.driver.refresh()
    assert kept[1]["content"].split("[")[0].strip() in browser.one(".message.assistant .text").text


def test_page__cancels_an_upload(start, browser):
    server = start("--model", "none")
    path = filled(server)
    browser.open(server.url, path + "documents")
    browser.one('[data-test="preview"]', "report.md")
    browser.throttle(20_000)
    browser.drop_files(".drop", {"long.txt": paragraphs("barley", 900)})
    browser.one(".uploads progress")
    browser.click(".uploads button", "Cancel")
    browser.one(".uploads", "Cancelled")
    browser.throttle(0)
    assert len(ok(server.get("/api/entities/kestrel/files"))) == 2
    browser.drop_files(".drop", {"short.txt": "A short note about barley and its price."})
    browser.one('[data-test="uploaded"]', "Stored")
    browser.one('[data-test="preview"]', "short.txt")


def test_page__shows_hostile_text_as_text(start, browser):
    server = start("--model", "none")
    name = "<img src=x onerror=\"window.hacked = 1\">"
    server.create_entity("evil-..%2f", name,
                         description="<script>window.hacked = 1</script>")
    entity = ok(server.get("/api/entities"))["entities"][0]["entity_id"]
    response = server.request("POST", "/api/entities/" + entity.replace("%", "%25") + "/files",
                              files={"file": ("<b>notes.md", HOSTILE)})
    assert response.status_code == 200
    browser.open(server.url)
    browser.click(".entity a", "onerror")
    browser.one("h1", "onerror")
    browser.test("preview", "<b>notes.md")
    browser.one(".viewer .body", "<script>window.hacked")
    browser.test("close-viewer")
    browser.tab("Search")
    browser.type("#query", "harbour master script")
    browser.one("#query").send_keys(Keys.ENTER)
    browser.one('[data-test="hit"]', "<b>nobody</b>")
    browser.tab("Chat")
    browser.test("new-session")
    browser.type("#question", "What did the harbour master write?")
    browser.one("#question").send_keys(Keys.ENTER)
    browser.one(".message.assistant .text", "<script>")
    assert browser.driver.execute_script("return window.hacked === undefined")
    assert browser.all("main img, main b, main script") == []


def test_page__filters_and_says_what_is_wrong_with_a_filter(start, browser):
    server = start("--model", "none")
    browser.allowed = ["422"]
    path = filled(server)
    server.upload("kestrel", "old.md", "# Old\n\nRevenue of the old days was small.",
                  metadata='{"year": 1999}')
    browser.open(server.url, path + "search")
    browser.type("#query", "revenue")
    browser.click("summary", "How to search")
    browser.type("#filter", '{"year": {"$lt": 2000}}')
    browser.one("#query").send_keys(Keys.ENTER)
    browser.one(".found", "1 passage")
    browser.one('[data-test="hit"]', "old days")
    for wrong in ('{"year": ', '{"year": {"$near": 1}}'):
        browser.type("#filter", wrong)
        browser.one("#query").send_keys(Keys.ENTER)
        browser.one("[role=alert]")
        browser.gone('[data-test="hit"]')


def test_page__says_when_the_server_is_gone(start, browser):
    server = start("--model", "none")
    browser.allowed = ["ERR_CONNECTION_REFUSED", "Failed to load resource"]
    path = filled(server)
    browser.open(server.url, path + "search")
    browser.type("#query", "revenue")
    server.stop()
    browser.one("#query").send_keys(Keys.ENTER)
    browser.one("[role=alert]", "cannot be reached")


def test_page__asks_for_a_token_and_shows_what_it_sees(start, browser, tmp_path):
    secret, line = make_token("reader", "--entity", "kestrel")
    admin, admin_line = make_token("admin", "--admin")
    (tmp_path / "tokens").write_text(line + admin_line)
    server = start("--model", "none", "--token-file", str(tmp_path / "tokens"))
    headers = {"Authorization": f"Bearer {admin}"}
    for name in ("kestrel", "other"):
        ok(server.post("/api/entities", json={"entity_id": name, "entity_name": name}, headers=headers))
    document = ok(server.post("/api/entities/kestrel/files", headers=headers,
                              files={"file": ("report.md", FERRIES)}))
    browser.allowed = ["401", "403"]
    browser.open(server.url)
    browser.one("#token-title", "wants a token")
    browser.type("#token", "rs_nonsense")
    browser.picture("token-desktop-light")
    browser.test("use-token")
    browser.one("dialog .refused", "does not know")
    browser.type("#token", secret)
    browser.test("use-token")
    browser.one(".entity", "kestrel")
    assert len(browser.all(".entity")) == 1
    browser.driver.get(server.url + "/#/e/kestrel/documents")
    browser.test("preview", "report.md")
    browser.one("dialog .body", "Plover")
    browser.click("dialog a.button", "Download")
    saved = browser.until(lambda: next((one for one in browser.downloads.iterdir()
                                        if one.name == "report.md"), None), "it is saved")
    assert saved.read_text() == FERRIES
    browser.test("close-viewer")
    browser.driver.get(server.url + "/#/status")
    browser.one(".facts", "1")
    browser.test("check")
    browser.one("#toast", "admin scope")
    assert document["success"]


def test_page__shows_jobs_and_begins_them(start, browser):
    server = start("--model", "none")
    filled(server)
    browser.open(server.url, "/#/status")
    browser.one("main", "Nothing has been done")
    browser.test("check")
    browser.one('[data-test="job-state"]', "done")
    browser.one(".list", "Everything is as it should be")
    browser.test("compact")
    browser.test("confirm")
    browser.one(".list", "Compaction")
    browser.test("backup")
    browser.one(".list", ".backups/")
    failed = server.post("/api/entities/kestrel/files?wait=false",
                         files={"file": ("photo.bin", b"\0\1\2" * 50)})
    assert ok(failed)["kind"] == "upload"
    browser.one(".list", "photo.bin")
    browser.one('[data-test="job-state"]', "failed")
    browser.picture("jobs-desktop-light")
    browser.look("phone", "dark")
    browser.picture("jobs-phone-dark")


def test_page__stops_the_model_and_keeps_what_it_said(start, browser):
    fake = FakeLlm(["The Plover ", "sails on ", "SILENT"])
    try:
        server = start("--model", "none", "--llm-url", fake.url, "--llm-model", "tiny")
        path = filled(server)
        session = server.create_session("kestrel")["session_id"]
        browser.open(server.url, path + "chat/" + session)
        browser.type("#question", "Which ship is it?")
        browser.test("send")
        browser.one(".message.assistant", "The Plover")
        browser.test("stop")
        browser.one('[data-test="stopped"]', "is kept")
        assert fake.broken.wait(10)
        assert eventually(lambda: len(server.messages(session)) == 2)
        browser.driver.refresh()
        browser.one(".message.assistant", "Answer, cut short")
        browser.one(".message.assistant", "The Plover")
    finally:
        fake.close()


def test_page__can_be_used_with_the_keyboard_alone(start, browser):
    server = start("--model", "none")
    filled(server)
    browser.open(server.url)
    browser.one(".entity a")
    active = browser.driver.switch_to
    for _ in range(20):
        active.active_element.send_keys(Keys.TAB)
        if "Kestrel" in active.active_element.text:
            break
    active.active_element.send_keys(Keys.ENTER)
    browser.one("h1", "Kestrel")
    for _ in range(30):
        active.active_element.send_keys(Keys.TAB)
        if active.active_element.text == "report.md":
            break
    active.active_element.send_keys(Keys.ENTER)
    browser.one(".viewer .body", "Annual report")
    active.active_element.send_keys(Keys.ESCAPE)
    browser.gone("dialog")
    assert active.active_element.text == "report.md"


def test_page__is_accessible_in_each_view_size_and_scheme(start, browser, axe_source):
    server = start("--model", "none")
    path = filled(server)
    for number in range(3):
        server.create_entity(f"other{number}", f"Another company {number}")
    session = server.create_session("kestrel")["session_id"]
    server.ask(session, "Why did revenue rise?")
    views = {"entities": ("/#/", ".entity"), "documents": (path + "documents", '[data-test="preview"]'),
             "search": (path + "search", "#query"),
             "chat": (path + "chat/" + session, '[data-test="cite"]'),
             "status": ("/#/status", ".facts"), "docs": ("/docs", ".call")}
    found = []
    for size in ("desktop", "phone"):
        for name, (place, sign) in views.items():
            browser.look(size, "light")
            browser.driver.get("about:blank")
            browser.open(server.url, place)
            browser.one(sign)
            if name == "search":
                browser.type("#query", "revenue ships")
                browser.one("#query").send_keys(Keys.ENTER)
                browser.one('[data-test="hit"]')
            for scheme in ("light", "dark"):
                browser.look(size, scheme)
                browser.picture(f"{name}-{size}-{scheme}")
                found += [f"{name}, {size}, {scheme}: {text}" for text in browser.axe(axe_source)]
            wide = browser.driver.execute_script(
                "return document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                found.append(f"{name}, {size}: {wide} pixels wider than the window")
    assert found == [], "\n".join(found)


def test_page__runs_nothing_inline_and_loads_nothing_from_elsewhere(start):
    server = start("--model", "none")
    page = server.get("/", headers={"Accept": "text/html"})
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy
    for path in ("/", "/docs", "/web/page.css", "/web/page.js", "/web/dom.js"):
        text = server.get(path, headers={"Accept": "text/html"}).text
        assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text
    for path in ("/", "/docs"):
        text = server.get(path, headers={"Accept": "text/html"}).text
        assert " style=" not in text and "onclick" not in text and "<style" not in text
    assert server.get("/web/nothing.js").status_code == 404
    assert server.get("/web/..%2fpage.js").status_code == 404
