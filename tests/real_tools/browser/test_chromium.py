"""A real browser shows the page: it searches, is dark where people want that, and fits a phone; chromium, headless."""

import json
import re
import shutil
import subprocess
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from synthetic import conda, inventory, realistic

from pixi_mirror.serve.page.html import html_of
from pixi_mirror.serve.page.style import POLICY

pytestmark = pytest.mark.browser

CONFIGURED = {"pixi": '[mirrors]\n"https://conda.example/a" = ["http://127.0.0.1:8765/' + "very-long/" * 30 + '"]\n'}

# A window cannot be as narrow as a phone; a frame can. Its answers become the title of the page around it.
AROUND = """<!DOCTYPE html><title>not yet</title>
<iframe %s style="border:0;width:%dpx;height:700px" src="/page%s"></iframe>
<script>document.querySelector("iframe").onload=({target})=>{const d=target.contentDocument,w=target.contentWindow;
d.querySelectorAll("details").forEach(each=>{if(%s)each.open=true});
setTimeout(()=>{document.title=JSON.stringify({wide:d.documentElement.scrollWidth,room:w.innerWidth,
back:w.getComputedStyle(d.body).backgroundColor,ink:w.getComputedStyle(d.body).color,
seen:[...d.querySelectorAll("tbody th")].filter(each=>each.checkVisibility()).map(each=>each.textContent),
told:d.getElementById("found").textContent,box:d.getElementById("searching").checkVisibility()})},300)}</script>"""


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium")
    profile = tmp_path_factory.mktemp("profile")

    def run(url, *options):
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   f"--user-data-dir={profile}", "--virtual-time-budget=3000", *options, url]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return done.stdout.decode()

    return run


@pytest.fixture
def shown():
    """Shows a page on loopback, under the policy but for who may frame it; gives the URL and what was asked for."""
    asked = []
    bodies = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            asked.append(path)
            self.send_response(200 if path in bodies else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if path == "/page":
                self.send_header("Content-Security-Policy", POLICY.replace("; frame-ancestors 'none'", ""))
            self.end_headers()
            self.wfile.write(bodies.get(path, b""))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def show(of, around=""):
        bodies["/page"] = html_of(of, configurations=CONFIGURED, updated_s=1_795_262_400.0)
        bodies["/around"] = around.encode()
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield show
    server.shutdown()
    server.server_close()
    thread.join()


def looked(chromium, shown, of, *options, width=700, fragment="", opened=False, frame=""):
    """What a browser makes of the page in a frame of this width."""
    url, asked = shown(of, AROUND % (frame, width, fragment, "true" if opened else "false"))
    dumped = chromium(f"{url}/around", "--dump-dom", *options)
    assert set(asked) <= {"/around", "/page", "/favicon.ico"}, "the page asks for other things"
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", dumped)[1]))


def test_it_renders_and_the_search_box_is_there(chromium, shown):
    seen = looked(chromium, shown, realistic(40), opened=True)
    assert seen["box"]
    assert {"numpy", "openssl", "demo"} <= set(seen["seen"])


def test_words_in_the_fragment_are_searched_for(chromium, shown):
    seen = looked(chromium, shown, realistic(40), fragment="#q=PANDAS%20-1")
    packages = [name for name in seen["seen"] if name != "demo"]
    assert packages
    assert all("pandas-1" in name for name in packages)
    assert seen["told"] == f"{len(packages)} package" + ("s" if len(packages) > 1 else "")


def test_without_a_script_everything_is_there_and_no_search_box(chromium, shown):
    seen = looked(chromium, shown, realistic(40), fragment="#q=zlib", opened=True, frame='sandbox="allow-same-origin"')
    assert not seen["box"]
    assert len(seen["seen"]) == 41


def test_a_search_that_finds_nothing_says_so(chromium, shown):
    seen = looked(chromium, shown, realistic(40), fragment="#q=%3Cb%3Enothing")
    assert seen["told"] == "0 packages"
    assert [name for name in seen["seen"] if name != "demo"] == []


def test_it_is_dark_where_dark_is_wanted(chromium, shown):
    light = looked(chromium, shown, realistic(5), "--blink-settings=preferredColorScheme=1")
    dark = looked(chromium, shown, realistic(5), "--blink-settings=preferredColorScheme=0")
    assert light["back"] == "rgb(255, 255, 255)"
    assert dark["back"] == "rgb(20, 24, 29)"
    assert dark["ink"] == "rgb(231, 235, 240)"


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_need_not_scroll_sideways(chromium, shown, width):
    of = inventory(*realistic(30).snapshots[0].packages, conda("x" * 90, "9" * 90, number=99), workspace="w" * 90)
    seen = looked(chromium, shown, of, width=width, opened=True)
    assert seen["room"] == width
    assert seen["wide"] <= width


def test_hostile_names_run_nothing(chromium, shown):
    attack = "<img src=/stolen onerror=\"parent.document.title='run'\"><script>parent.document.title='run'</script>"
    seen = looked(chromium, shown, inventory(conda(attack[:99], number=1)), fragment=f"#q={attack}", opened=True)
    assert attack[:99] in seen["seen"]
