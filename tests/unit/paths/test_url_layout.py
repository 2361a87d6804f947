"""The one rule that makes a mirror path of a URL, and what it refuses."""

import hashlib
import re
from urllib.parse import unquote

import pytest
from harness.urls import ANACONDA, FILE, HOSTILE, SEGMENTS
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.errors import PixiMirrorError, UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.records import conda_binary
from pixi_mirror.lockfile.versions import VERSIONS
from pixi_mirror.model.segments import is_portable, mirror_segment, request_path, requested_segment
from pixi_mirror.model.values import admit_path
from pixi_mirror.paths import channel, is_pseudo, url_path


def entry_of(location: str, **fields: str) -> CondaBinary:
    return conda_binary({"conda": location, **fields}, location, VERSIONS[6], {})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{ANACONDA}/c/linux-64/x264-1!164.3095-h1_2.tar.bz2", "c/linux-64/x264-1!164.3095-h1_2.tar.bz2"),
        (f"{ANACONDA}/conda-forge/{FILE}", f"conda-forge/{FILE}"),
        (f"https://Conda.Anaconda.org:443/conda-forge/{FILE}", f"conda-forge/{FILE}"),
        (f"http://conda.anaconda.org/conda-forge/{FILE}", f"conda.anaconda.org/conda-forge/{FILE}"),
        (f"{ANACONDA}:8443/conda-forge/{FILE}", f"conda.anaconda.org_8443/conda-forge/{FILE}"),
        (f"{ANACONDA}/nvidia/label/cuda-11.8.0/{FILE}", f"nvidia/label/cuda-11.8.0/{FILE}"),
        (f"{ANACONDA}/prefix.dev/{FILE}", f"conda.anaconda.org/prefix.dev/{FILE}"),
        (f"{ANACONDA}/pixi-mirror.json/{FILE}", f"conda.anaconda.org/pixi-mirror.json/{FILE}"),
        (f"{ANACONDA}/simple/{FILE}", f"conda.anaconda.org/simple/{FILE}"),
        (f"{ANACONDA}/Local/{FILE}", f"conda.anaconda.org/Local/{FILE}"),
        (f"{ANACONDA}/s3/{FILE}", f"conda.anaconda.org/s3/{FILE}"),
        (f"{ANACONDA}/noarch/{FILE}", f"conda.anaconda.org/noarch/{FILE}"),
        (f"{ANACONDA}/localhost_8081/{FILE}", f"conda.anaconda.org/localhost_8081/{FILE}"),
        (f"{ANACONDA}/{FILE}", f"conda.anaconda.org/{FILE}"),
        (f"https://prefix.dev/conda-forge/{FILE}", f"prefix.dev/conda-forge/{FILE}"),
        (f"http://127.0.0.1:8081/conda-forge/{FILE}", f"127.0.0.1_8081/conda-forge/{FILE}"),
        (f"http://localhost:80/c/{FILE}", f"localhost/c/{FILE}"),
        (f"http://[::1]:8081/c/{FILE}", f"ipv6_--1_8081/c/{FILE}"),
        (f"http://[FE80:0:0::1]/c/{FILE}", f"ipv6_fe80--1/c/{FILE}"),
        (f"https://user:pass@prefix.dev/c/{FILE}", f"prefix.dev/c/{FILE}"),
        (f"https://me@mail.org:pw@prefix.dev/c/{FILE}", f"prefix.dev/c/{FILE}"),
        (f"https://prefix.dev/t/xy-1234/c/{FILE}?sig=1#x", f"prefix.dev/c/{FILE}"),
        (f"{ANACONDA}/t/xy-1234/c/{FILE}", f"c/{FILE}"),
        ("https://files.pypi.example/p/torch-2.3.0%2Bcu121.whl", "files.pypi.example/p/torch-2.3.0+cu121.whl"),
        ("https://pypi.example/simple/", "pypi.example/simple"),
        (f"s3://Bucket/channel/{FILE}", f"s3/bucket/channel/{FILE}"),
    ],
)  # fmt: skip
def test_a_url_has_one_path(url, path):
    assert url_path(url) == path


@pytest.mark.parametrize(
    ("url", "canonical", "path"),
    [
        (f"{ANACONDA}/conda-forge/", f"{ANACONDA}/conda-forge", "conda-forge"),
        ("conda-forge", f"{ANACONDA}/conda-forge", "conda-forge"),
        ("conda-forge/label/rust_dev", f"{ANACONDA}/conda-forge/label/rust_dev", "conda-forge/label/rust_dev"),
        ("https://u:p@Prefix.dev:443/t/TK/c/", "https://prefix.dev/c", "prefix.dev/c"),
        ("http://127.0.0.1:8081/c?x=1", "http://127.0.0.1:8081/c", "127.0.0.1_8081/c"),
        ("https://my-channel-host", "https://my-channel-host", "my-channel-host"),
        ("s3://b/p/", "s3://b/p", "s3/b/p"),
    ],
)
def test_a_channel_has_one_url_and_one_directory(url, canonical, path):
    assert (channel(url, "channels").url, channel(url, "channels").path) == (canonical, path)
    assert (channel(url, "flat").url, channel(url, "flat").path) == (canonical, None)


@pytest.mark.parametrize("url", ["file:///srv/my chan", "file:///srv/my%20chan/", "/srv/my chan", "file:/srv/my chan/"])
def test_a_local_channel_is_filed_under_a_digest_and_does_not_tell_its_path(url):
    found = channel(url, "channels")
    assert found.path == "local/channel-" + hashlib.sha256(b"file:///srv/my%20chan").hexdigest()[:12]
    assert "srv" not in found.url


def test_nodefaults_is_no_channel():
    assert is_pseudo(f"{ANACONDA}/nodefaults/")
    assert is_pseudo("nodefaults")
    assert not is_pseudo(f"{ANACONDA}/conda-forge/")
    assert not is_pseudo("https://example.com/nodefaults")


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url[:60]))
def test_a_hostile_url_makes_no_package(url):
    with pytest.raises(WorkspaceError) as caught:
        conda_package(entry_of(url, subdir="linux-64"), layout="channels", base="file:///here/")
    assert caught.value.status == 3
    assert len(str(caught.value)) < 1000
    assert "hunter2" not in str(caught.value)


def test_there_are_sixty_hostile_urls_and_as_many_odd_names():
    assert len(set(HOSTILE)) >= 60
    assert len(SEGMENTS) >= 60


@pytest.mark.parametrize(("spelled", "name"), SEGMENTS.items(), ids=ascii)
def test_every_segment_has_one_name_in_a_mirror(spelled, name):
    """design/product.md: "One rule makes a path of a URL"."""
    url = f"https://h.example/{spelled}/noarch/a-1.0-0.conda"
    assert url_path(url) == f"h.example/{name}/noarch/a-1.0-0.conda"
    assert conda_package(entry_of(url), layout="channels", base="file:///here/").path == url_path(url)
    assert channel(f"https://h.example/{spelled}/", "channels").path == f"h.example/{name}"
    assert url_path(f"https://h.example/x/{spelled}/y/demo-1.0.tar.gz") == f"h.example/x/{name}/y/demo-1.0.tar.gz"
    assert is_portable(name)
    assert admit_path(f"h/{name}")


@pytest.mark.parametrize(("spelled", "name"), SEGMENTS.items(), ids=ascii)
def test_a_request_for_the_upstream_path_and_one_that_we_spell_mean_the_same_name(spelled, name):
    assert requested_segment(spelled) == name
    assert requested_segment(request_path(name)) == name
    assert request_path(name).isascii()
    assert not set(request_path(name)) & set(' <>:"/\\|?*#')


@pytest.mark.parametrize("first", ["-", "+f", "~x", "@s", "$w", "(x)", "My%20Project", ".x", "%3A", "", "caf%C3%A9"])
def test_at_the_root_only_usual_names_stand_without_their_host(first):
    assert url_path(f"{ANACONDA}/{first}/{FILE}").startswith("conda.anaconda.org/")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://host_8081/c", "host=5F8081/c"),
        ("https://host:8081/c", "host_8081/c"),
        ("https://ipv6_--1/c", "ipv6=5F--1/c"),
        ("https://con/c", "=63on/c"),
        ("https://con:81/c", "=63on_81/c"),
        ("https://h.example//c", "h.example/=/c"),
        ("https://h.example/c//", "h.example/c/="),
        ("https://h.example/c/", "h.example/c"),
    ],
)
def test_odd_hosts_and_slashes_have_their_place(url, path):
    assert url_path(url) == path


NAMES_OF_ANY_KIND = st.one_of(
    st.binary(max_size=12),
    st.text(alphabet="=0123ABabf:. /%\\", max_size=8).map(str.encode),
    st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=8).map(str.encode),
    st.sampled_from([b"con", b"CON.x", b"=", b"=3A", b"nul ", b"aux. "]),
)


@given(NAMES_OF_ANY_KIND, NAMES_OF_ANY_KIND)
def test_two_names_stay_apart_and_every_one_is_portable(one, other):
    made = mirror_segment(one)
    assert (made == mirror_segment(other)) is (one == other)
    assert len(made) > 80 or is_portable(made)
    assert requested_segment(request_path(made)) in (made, None)


@given(st.text(alphabet="./%25eEfFcC\\a", max_size=16))
def test_no_decoding_of_what_is_admitted_is_a_dot_segment(segment):
    name = requested_segment(segment)
    for _ in range(10):
        if name is not None:
            assert not {".", ".."} & set(re.split(r"[/\\]", unquote(segment)))
        segment = unquote(segment)


def test_a_channel_in_a_registry_is_below_its_host_as_one_on_the_web():
    assert (
        url_path("oci://GHCR.example/team/chan/noarch/a-1!2-0.conda") == "ghcr.example/team/chan/noarch/a-1!2-0.conda"
    )
    assert url_path("oci://ghcr.example:443/c") == "ghcr.example/c"
    assert url_path("oci://ghcr.example:5000/c") == "ghcr.example_5000/c"
    assert channel("oci://ghcr.example/team/chan/", "channels").path == "ghcr.example/team/chan"


@pytest.mark.parametrize("url", ["gcs://bucket/c", "ftp://h/c"])
def test_other_schemes_are_unmirrorable(url):
    for function in (url_path, lambda url: channel(url, "channels")):
        with pytest.raises(UnmirrorableError, match="not supported yet"):
            function(url)


PIECES = st.one_of(
    st.sampled_from(["..", ".", "%2e", "%252e", "%2F", "/", "\\", "linux-64", "noarch", "forge", "con", "t", ";"]),
    st.text(alphabet="aZ0_.-+!~=@,%/ \u202e\n", max_size=12),
)  # fmt: skip
HOSTS = st.sampled_from([ANACONDA, "https://prefix.dev", "http://[::1]:80", "https://u:p@h.example:81", "https://x_1"])
NAMES = st.one_of(
    st.sampled_from(["a-1.0-0.conda", "_x-1!2+3-h_1.tar.bz2", "A-1-0.conda", "a-1%2b2-0.conda"]),
    st.text(alphabet="a1-._%+!/", max_size=20).map(lambda stem: stem + ".conda"),
)


@given(host=HOSTS, pieces=st.lists(PIECES, max_size=4), subdir=st.sampled_from(["linux-64", "noarch"]), name=NAMES)
def test_an_accepted_url_is_exactly_channel_subdir_and_file(host, pieces, subdir, name):
    home = "/".join([host, *pieces])
    location = f"{home}/{subdir}/{name}"
    try:
        entry = entry_of(location)
        package = conda_package(entry, layout="channels", base="file:///here/")
    except (PixiMirrorError, ValueError) as error:
        assert isinstance(error, WorkspaceError) or "missing" in str(error)  # noqa: PT017
        return
    parts = package.path.split("/")
    assert parts == [*str(channel(f"{home}/", "channels").path).split("/"), subdir, entry.file_name]
    assert package.path == url_path(location) == admit_path(package.path)
    assert not {"", ".", ".."} & set(parts)
    flat = conda_package(entry, layout="flat", base="file:///here/")
    assert flat.path == f"{subdir}/{entry.file_name}"


@given(st.text(max_size=40))
def test_no_text_leads_out_of_a_mirror_or_to_another_error(text):
    for function in (url_path, lambda url: channel(url, "channels")):
        for url in (text, f"https://{text}", f"{ANACONDA}/{text}"):
            try:
                function(url)
            except (WorkspaceError, UnmirrorableError):
                continue


def test_a_token_without_a_channel_is_not_shown():
    with pytest.raises(WorkspaceError) as caught:
        channel("https://h.example/t/hunter2", "channels")
    assert "hunter2" not in str(caught.value)
