"""A real browser shows every page: without scripts, dark where people want that, and on a phone; chromium, headless."""

import json
import re
import shutil
import subprocess
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from synthetic import conda, inventory, realistic
from test_page import CHANGE, environment, home, package, search

from pixi_mirror.serve.page.style import POLICY

pytestmark = pytest.mark.browser

CONFIGURED = {"pixi": '[mirrors]\n"https://conda.example/a" = ["http://127.0.0.1:8765/' + "very-long/" * 30 + '"]\n'}
WORST = inventory(
    *realistic(30).snapshots[0].packages,
    conda("x" * 90, "9" * 90, number=99, depends=["y" * 90, "z >=1"], license="L" * 90),
    workspace="w" * 90,
)
PAGES = {
    "home": lambda of: home(of, CONFIGURED),
    "search": search,
    "package": lambda of: package(of, "conda", of.snapshots[0].packages[-1].name),
    "environment": lambda of: environment(of, CHANGE),
}

# A window cannot be as narrow as a phone; a frame can. Its answers become the title of the page around it.
AROUND = """<!DOCTYPE html><title>not yet</title>
<iframe style="border:0;width:%dpx;height:700px" src="/-/page"></iframe>
<script>document.querySelector("iframe").onload=({target})=>{const d=target.contentDocument,w=target.contentWindow;
d.querySelectorAll("details").forEach(each=>each.open=true);
const seen=each=>each.checkVisibility()&&each.getClientRects().length>0;
setTimeout(()=>{document.title=JSON.stringify({wide:d.documentElement.scrollWidth,room:w.innerWidth,
back:w.getComputedStyle(d.body).backgroundColor,ink:w.getComputedStyle(d.body).color,
tint:d.querySelector("rect.t0")?w.getComputedStyle(d.querySelector("rect.t0")).fill:null,
rows:[...d.querySelectorAll("tbody th")].filter(seen).map(each=>each.textContent),
pictures:[...d.querySelectorAll("figure svg")].filter(seen).length,
small:[...d.querySelectorAll("a,button,input,select,summary")].filter(seen).filter(each=>
each.getBoundingClientRect().height<18).map(each=>each.outerHTML),
focusable:[...d.querySelectorAll("a,button,input,select,summary,[tabindex]")].every(each=>each.tabIndex>=0)})},300)}
</script>"""


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
            asked.append(self.path)
            self.send_response(200 if self.path in bodies else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if self.path == "/-/page":
                self.send_header("Content-Security-Policy", POLICY.replace("; frame-ancestors 'none'", ""))
            self.end_headers()
            self.wfile.write(bodies.get(self.path, b""))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def show(body, around):
        bodies["/-/page"] = body
        bodies["/around"] = around.encode()
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield show
    server.shutdown()
    server.server_close()
    thread.join()


def looked(chromium, shown, body, *options, width=700):
    """What a browser makes of a page in a frame of this width."""
    url, asked = shown(body, AROUND % width)
    dumped = chromium(f"{url}/around", "--dump-dom", *options)
    assert set(asked) <= {"/around", "/-/page", "/favicon.ico"}, "the page asks for other things"
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", dumped)[1]))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_need_not_scroll_sideways(chromium, shown, page, width):
    seen = looked(chromium, shown, PAGES[page](WORST), width=width)
    assert seen["room"] == width
    assert seen["wide"] <= width


@pytest.mark.parametrize("page", PAGES)
def test_everything_is_there_without_a_script_and_can_be_reached_by_keys(chromium, shown, page):
    seen = looked(chromium, shown, PAGES[page](realistic(40)))
    assert seen["rows"]
    assert seen["focusable"]
    assert seen["small"] == []
    assert seen["pictures"] == (1 if page == "environment" else 0)


@pytest.mark.parametrize("page", PAGES)
def test_it_is_dark_where_dark_is_wanted(chromium, shown, page):
    body = PAGES[page](realistic(5))
    light = looked(chromium, shown, body, "--blink-settings=preferredColorScheme=1")
    dark = looked(chromium, shown, body, "--blink-settings=preferredColorScheme=0")
    assert light["back"] == "rgb(255, 255, 255)"
    assert dark["back"] == "rgb(20, 24, 29)"
    assert dark["ink"] == "rgb(231, 235, 240)"
    assert (light["tint"], dark["tint"]) in ((None, None), ("rgb(185, 214, 247)", "rgb(39, 73, 122)"))


def test_a_phone_has_the_narrow_picture_and_a_screen_the_broad_one(chromium, shown):
    body = environment(realistic(40))
    assert looked(chromium, shown, body, width=390)["pictures"] == 1
    assert looked(chromium, shown, body, width=1000)["pictures"] == 1


def test_hostile_names_run_nothing(chromium, shown):
    attack = "<img src=/stolen onerror=\"parent.document.title='run'\"><script>parent.document.title='run'</script>"
    of = inventory(conda(attack[:99], number=1, depends=[attack], license=attack), workspace=attack)
    for make in PAGES.values():
        seen = looked(chromium, shown, make(of))
        assert seen["back"]
    assert attack[:99] in looked(chromium, shown, search(of))["rows"]
