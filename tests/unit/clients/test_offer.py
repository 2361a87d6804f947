"""What is told to clients leads every file that a mirror has, or will fetch when asked, to where it is."""

import pytest

from pixi_mirror.clients.offer import admit_url, offer_of
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.clients.toml import parse_toml
from pixi_mirror.errors import UsageError
from pixi_mirror.model.packages import Cell, GeneratedFile, Inventory, Package, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, Url
from pixi_mirror.paths import channel, url_path
from pixi_mirror.settings.mirrors import admit_mirrors, is_prefix

URL = "http://mirror.lan/sub"
FORGE = "https://conda.anaconda.org/conda-forge"
OTHER = "https://prefix.example/x"
INDEX = "https://pypi.example/simple"


def conda(url, path=None):
    return Package(
        path=MirrorPath(path or url_path(url)), url=Url(url), sha256=None, md5=None, size=None, kind="conda",
        name="a", version="1", build="0", subdir=url.split("/")[-2], record={},
    )  # fmt: skip


def wheel(url):
    record = {"indexes": [INDEX], "find-links": []}
    return Package(
        path=url_path(url), url=Url(url), sha256=None, md5=None, size=None, kind="pypi",
        name="a", version="1", build=None, subdir=None, record=record,
    )  # fmt: skip


def inventory(*packages, channels=(FORGE,), kept=(), deferred=(), tree=(), layout="channels"):
    cell = Cell(
        environment="default", platform="linux-64", subdir="linux-64", packages=tuple(each.path for each in packages),
        channels=tuple(channel(url, layout) for url in channels),
    )  # fmt: skip
    snapshot = Snapshot(
        id="one", workspace="one", source_sha256="0" * 64, newest_timestamp=0, requests=(), cells=(cell,),
        packages=packages, refused=(),
    )  # fmt: skip
    there = [each for each in (*packages, *kept) if each.path not in deferred]
    return Inventory(
        layout=layout,
        snapshots=(snapshot,),
        kept={each.path: each for each in kept},
        tree={each.path: PackageFile(sha256="0" * 64, size=1) for each in there}
        | {MirrorPath(path): GeneratedFile(recipe="0" * 64) for path in tree},
        deferred=frozenset(deferred),
    )


def leads(of):
    """Prefixes as our own reader of pixi's configuration takes them, with one trailing slash."""
    told = parse_toml(CLIENTS["pixi"].configuration(offer_of(of, URL)))["mirrors"]
    assert all(is_prefix(each) for key, targets in told.items() for each in (key, *targets))
    return {key: to for key, (to,) in admit_mirrors({key: tuple(to) for key, to in told.items()}).targets.items()}


def led(url, mirrors):
    """Where pixi asks for a URL: the longest prefix decides."""
    key = max((key for key in mirrors if url.startswith(key)), key=len)
    return mirrors[key] + url.removeprefix(key)


MAPPING = {"https://conda-mapping.prefix.dev/": f"{URL}/conda-mapping.prefix.dev/"}

PLACES = [
    conda(f"{FORGE}/linux-64/a-1-0.conda"),
    conda(f"{FORGE}/label/rc/noarch/a-1-0.conda"),
    conda(f"{OTHER}/noarch/a-1-0.conda"),
    conda("https://direct.example/deep/linux-64/a-1-0.conda"),
    conda("https://conda.anaconda.org/direct/linux-64/a-1-0.conda"),
    conda("https://conda.anaconda.org/with.dot/linux-64/a-1-0.conda"),
    conda("https://conda.anaconda.org/simple/linux-64/a-1-0.conda"),
    conda("http://conda.anaconda.org/plain/linux-64/a-1-0.conda"),
    wheel("https://files.pypi.example/aa/a-1-py3-none-any.whl"),
    wheel("https://files.pypi.example:8443/aa/a-1-py3-none-any.whl"),
    wheel("https://prefix.example/wheels/a-1-py3-none-any.whl"),
]


@pytest.mark.parametrize("kept", [PLACES, PLACES[:1], []])
def test_every_file_is_led_to_its_place(kept):
    wanted = [each for each in PLACES if each not in kept]
    mirrors = leads(inventory(*wanted, channels=(FORGE, OTHER), kept=kept))
    assert [led(each.url.stripped, mirrors) for each in PLACES] == [f"{URL}/{each.path}" for each in PLACES]


def test_a_file_that_is_deferred_is_led_here_too():
    later = wheel("https://files.pypi.example/aa/a-1-py3-none-any.whl")
    assert "https://files.pypi.example/" in leads(inventory(later, deferred=[later.path]))
    assert offer_of(inventory(later, deferred=[later.path]), URL).has_python


def test_a_file_that_is_neither_there_nor_deferred_leads_nothing_here():
    lost = wheel("https://files.pypi.example/aa/a-1-py3-none-any.whl")
    empty = Inventory(layout="channels", snapshots=inventory(lost).snapshots, kept={}, tree={})
    assert leads(empty) == {f"{FORGE}/": f"{URL}/conda-forge/", **MAPPING}


def test_what_is_left_of_a_forgotten_channel_diverts_that_channel_alone():
    left = conda("https://conda.anaconda.org/bio/linux-64/a-1-0.conda")
    assert leads(inventory(kept=[left])) == {
        f"{FORGE}/": f"{URL}/conda-forge/",
        "https://conda.anaconda.org/bio/": f"{URL}/bio/",
        **MAPPING,
    }
    assert offer_of(inventory(kept=[left]), URL).channels == {FORGE: f"{URL}/conda-forge"}


def test_the_flat_layout_leads_every_channel_to_the_root():
    package = conda(f"{FORGE}/linux-64/a-1-0.conda", "linux-64/a-1-0.conda")
    left = conda("https://conda.anaconda.org/bio/linux-64/b-1-0.conda", "linux-64/b-1-0.conda")
    mirrors = leads(inventory(package, channels=(FORGE, OTHER), kept=[left], layout="flat"))
    channels = (f"{FORGE}/", f"{OTHER}/", "https://conda.anaconda.org/bio/")
    assert mirrors == {**dict.fromkeys(channels, f"{URL}/"), **MAPPING}
    offer = offer_of(inventory(package, channels=(FORGE, OTHER), layout="flat"), URL)
    assert CLIENTS["conda"].configuration(offer).count(f'- "{URL}"') == 1


def test_a_direct_url_in_the_flat_layout_is_led_to_the_root_by_what_stands_before_its_subdir():
    direct = conda("https://direct.example/deep/linux-64/a-1-0.conda", "linux-64/a-1-0.conda")
    mirrors = leads(inventory(direct, layout="flat"))
    assert led(direct.url.stripped, mirrors) == f"{URL}/linux-64/a-1-0.conda"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ((), set()),
        (("pypi.example/simple/index.html",), {f"{INDEX}/"}),
    ],
)
def test_an_index_is_led_here_only_if_something_of_it_is_here_and_the_mapping_host_always(tree, expected):
    package = wheel("https://files.pypi.example/aa/a-1-py3-none-any.whl")
    assert (
        leads(inventory(package, tree=tree)).keys() == {f"{FORGE}/", "https://files.pypi.example/", *MAPPING} | expected
    )


def test_a_channel_of_this_machine_is_told_to_nobody():
    assert leads(inventory(channels=(FORGE, "file:///home/me/channel"))) == {
        f"{FORGE}/": f"{URL}/conda-forge/",
        **MAPPING,
    }


def test_pip_and_uv_are_told_when_there_is_nothing_for_them():
    direct = conda("https://direct.example/deep/linux-64/a-1-0.conda")
    for client in ("pip", "uv"):
        assert "no PyPI files" in " ".join(CLIENTS[client].notes(offer_of(inventory(direct), URL)))
        assert CLIENTS[client].notes(offer_of(inventory(wheel("https://files.pypi.example/a-1.whl")), URL)) == ()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:1", None), ("http://127.9.9.9", None), ("http://localhost:1", None), ("http://[::1]", None),
        ("https://mirror.lan", None), ("http://mirror.lan:81/sub", "mirror.lan:81"), ("http://[fd00::1]", "[fd00::1]"),
        ("http://127.evil.example", "127.evil.example"), ("http://localhost.example", "localhost.example"),
    ],
)  # fmt: skip
def test_only_plain_http_that_leaves_this_machine_needs_trust(url, host):
    assert offer_of(inventory(), admit_url(url)).needs_trust == host


@pytest.mark.parametrize(
    "raw", ["http://x?", "http://x#", "http://mirror lan", "http://x\\y", 'http://x/"', "http://x/?token=S3CRET"]
)
def test_a_url_that_no_configuration_could_hold_is_refused(raw):
    with pytest.raises(UsageError) as caught:
        admit_url(raw)
    assert "S3CRET" not in str(caught.value)
