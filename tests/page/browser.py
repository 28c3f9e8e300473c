"""Chromium as a person uses it: what is on the page is found by its text, role or data-test."""

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 20
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


class Browser:
    def __init__(self, temporary, screenshots):
        options = Options()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--disable-background-networking", "--no-first-run", "--lang=en",
                         "--no-proxy-server", f"--user-data-dir={temporary / 'profile'}"):
            options.add_argument(argument)
        self.downloads = temporary / "downloads"
        self.downloads.mkdir()
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads)})
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(WAIT_SECONDS)
        self.screenshots = screenshots
        self.allowed = []  # parts of console messages that a test has provoked
        self.url = None

    def quit(self):
        self.driver.quit()

    def complaints(self):
        """What the console has to say, but for what was provoked."""
        return [one["message"] for one in self.driver.get_log("browser")
                if one["level"] in ("SEVERE", "WARNING")
                and not any(part in one["message"] for part in self.allowed)]

    def look(self, size="desktop", scheme="light"):
        """Take the width of a phone or a desktop, and a colour scheme."""
        width, height = SIZES[size]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def throttle(self, bytes_per_second):
        """Slow down what is sent; 0 for as fast as it goes."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": False, "latency": 0, "downloadThroughput": -1,
            "uploadThroughput": bytes_per_second or -1})

    def picture(self, name):
        self.screenshots.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self.screenshots / f"{name}.png"))

    def open(self, url, path="/"):
        self.url = url
        self.driver.get(url + path)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def until(self, check, what):
        def attempt(_):
            try:
                return check()
            except StaleElementReferenceException:
                return False
        return WebDriverWait(self.driver, WAIT_SECONDS, 0.05).until(attempt, what)

    def one(self, css, text=None):
        """The first visible element that matches, and has the text; waits for it."""
        return self.until(lambda: next((e for e in self.all(css) if e.is_displayed()
                                        and (text is None or text in e.text)), None),
                          f"nothing matches {css!r} with the text {text!r}")

    def gone(self, css, text=None):
        self.until(lambda: not [e for e in self.all(css) if text is None or text in e.text],
                   f"{css!r} with the text {text!r} is still there")

    def click(self, css, text=None):
        for _ in range(5):
            try:
                element = self.one(css, text)
                self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
                return
            except WebDriverException as error:
                last = error
        raise last

    def type(self, css, text):
        element = self.one(css)
        element.clear()
        element.send_keys(text)

    def test(self, name, text=None):
        self.click(f'[data-test="{name}"]', text)

    def tab(self, text):
        self.click(".tabs a", text)

    def drop_files(self, css, files):
        """Drop files {name: text} on an element, as from a file manager."""
        self.driver.execute_script("""
            const transfer = new DataTransfer();
            for (const [name, text] of Object.entries(arguments[1]))
                transfer.items.add(new File([text], name));
            for (const kind of ["dragover", "drop"])
                arguments[0].dispatchEvent(new DragEvent(kind,
                    {dataTransfer: transfer, bubbles: true, cancelable: true}));
        """, self.one(css), files)

    def axe(self, source):
        """What axe finds that is serious or critical."""
        if not self.driver.execute_script("return window.axe !== undefined"):
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": source})
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document).then(r => done(r.violations), e => done(String(e)));")
        assert isinstance(found, list), found
        return [f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']][:4]}"
                for one in found if one["impact"] in ("serious", "critical")]
