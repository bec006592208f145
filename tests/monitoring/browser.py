"""A real browser for tests: headless Chromium, asked through its own debugging protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--disable-features=IsolateSandboxedIframes",  # else a frame without an origin is another process, out of reach
)  # fmt: skip
_PATIENCE_SECONDS = 60


def find_browser() -> str | None:
    """The browser's command, or None when there is none on this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. Remembers every request that left it, and every error that its console would show."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loaded = False
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict:
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]

    def open(self, path: Path | str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a file or an address in a window of this size and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.requests.clear()
        self.errors.clear()
        self._loaded = False
        opened = self.call("Page.navigate", url=path.as_uri() if isinstance(path, Path) else path)
        if "loaderId" not in opened:  # only the anchor is another one: the browser would load nothing
            self.call("Page.reload")
        self._wait_until_loaded()

    def ask(self, expression: str) -> object:
        """The value of a JavaScript expression; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait, without a fixed sleep, until an expression holds; the page looks at it once per frame."""
        until = (
            f"new Promise(done => {{ const look = () => ({expression}) ? done(true) : setTimeout(look, 50); look(); }})"
        )
        assert self.ask(until) is True

    def press(self, key: str) -> None:
        """Press and let go of a key: ``Tab``, ``Escape``, ``Enter``."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **text)

    def point_at(self, selector: str) -> None:
        """Bring an element into view and move the mouse onto its middle."""
        self._mouse("mouseMoved", *self._middle(selector))

    def point_away(self) -> None:
        """Move the mouse to the window's corner."""
        self._mouse("mouseMoved", 1, 1)

    def click(self, selector: str) -> None:
        """Click on the middle of an element, as a person would."""
        at = self._middle(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._mouse(kind, *at)

    def follow(self, selector: str) -> None:
        """Click on a link and wait until what it leads to is loaded."""
        self._loaded = False
        self.click(selector)
        self._wait_until_loaded()

    def picture(self, path: Path) -> Path:
        """Write a picture of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _wait_until_loaded(self) -> None:
        while not self._loaded:
            self._receive()

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self.ask(
            f"""(() => {{ const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const at = found.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; }})()"""
        )
        assert isinstance(box, list)
        return box[0], box[1]

    def _mouse(self, kind: str, x: float, y: float) -> None:
        held = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def _receive(self) -> dict:
        message = json.loads(self._connection.recv(timeout=_PATIENCE_SECONDS))
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        if (said := _error(message)) is not None:
            self.errors.append(said)
        return message

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()


def _error(message: dict) -> str | None:
    """What a message of the browser adds to its console as an error or a warning, if anything."""
    what = message.get("params", {})
    if message.get("method") == "Runtime.exceptionThrown":
        return str(what["exceptionDetails"].get("exception", what["exceptionDetails"]))
    if message.get("method") == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
        return str(what["args"])
    if message.get("method") == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
        return f"{what['entry']['text']} {what['entry'].get('url', '')}"
    return None


@contextmanager
def browser_page(command: str, profile: Path) -> Iterator[Page]:
    """Start a browser, lend one tab, end the browser."""
    process = subprocess.Popen(
        [command, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(profile / "DevToolsActivePort", process)
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            tab = next(found for found in json.load(answer) if found["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as connection, Page(connection) as page:
            yield page
    finally:
        process.terminate()
        process.wait()


def _port(file: Path, process: subprocess.Popen) -> int:
    """The browser writes its port into a file when it is ready."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        assert process.poll() is None, "the browser ended at once"
        time.sleep(0.05)  # polling another process' file: there is nothing to wait on
    raise TimeoutError("the browser did not start")
