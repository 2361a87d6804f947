"""The oracle finds each kind of fault that is planted in the PyPI part of a small mirror, and none in a true one."""

import hashlib
import html
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from harness import oracle, oracle_pages
from harness.urls import SEGMENTS

from pixi_mirror.demo.distributions import build_sdist, build_wheel

WHEEL = build_wheel(name="My.Thing", version="2.0+cu1", requires_python=">=3.8")
NEWER = build_wheel(name="My.Thing", version="3.0", requires_python=">=3.8")
SDIST = build_sdist(name="other-thing", version="1.0")
LINKED = build_wheel(name="linked", version="1.0")
HOST, PRIVATE = "files.pypi.example", "wheels.example_8443"
THING = f"{HOST}/aa/{WHEEL.file_name}"
OTHER = f"{HOST}/bb/{SDIST.file_name}"
LONE = f"{PRIVATE}/dist/{LINKED.file_name}"
THING_3 = f"{HOST}/cc/{NEWER.file_name}"
INDEX, FLAT = "pypi.example/simple", f"{PRIVATE}/dist/index.html"
PAGE, SIMPLE = f"{INDEX}/my-thing", "simple/my-thing"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def url(path):
    host, _, rest = path.partition("/")
    return f"https://{host.replace('_', ':')}/{quote(rest)}"


def relative(path):
    return "../../" + quote(path)


def row(path, built, link, **changes):
    """A file as PEP 691 has it."""
    has_metadata = built.file_name.endswith(".whl")
    metadata = {"sha256": sha256(built.metadata)} if has_metadata else False
    return {
        "filename": built.file_name,
        "url": link(path),
        "hashes": {"sha256": built.sha256},
        "size": len(built.data),
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
        "requires-python": ">=3.8",
        "yanked": "broken & withdrawn",
        "upload-time": "2024-06-07T18:52:13.582Z",
    } | changes


def anchor(file):
    told = {f"data-{key}": file[key] for key in ("requires-python", "yanked", "upload-time", "size")}
    if file["core-metadata"]:
        told["data-core-metadata"] = told["data-dist-info-metadata"] = f"sha256={file['core-metadata']['sha256']}"
    attributes = "".join(f' {key}="{html.escape(str(value))}"' for key, value in told.items())
    return f'<a href="{file["url"]}#sha256={file["hashes"]["sha256"]}"{attributes}>{file["filename"]}</a>'


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def write_html(path, lines):
    head = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"></head><body>'
    write(path, "\n".join([head, *lines, "</body></html>"]).encode())


def write_json(place, files):
    write(
        place / oracle.PEP691,
        {"meta": {"api-version": "1.1"}, "name": place.name, "versions": ["2.0+cu1"], "files": files},
    )


def write_project(place, *files):
    write_html(place / oracle.HTML, map(anchor, files))
    write_json(place, list(files))


def write_root(place, *projects):
    write_html(place / oracle.HTML, (f'<a href="{name}/">{name}</a>' for name in projects))
    write(place / oracle.PEP691, {"meta": {"api-version": "1.0"}, "projects": [{"name": name} for name in projects]})


def place(root, path, built):
    write(root / path, built.data)
    if path.endswith(".whl"):
        write(root / f"{path}.metadata", built.metadata)


def package(path, built, *, name, links=(), pinned=True):
    record = {"indexes": ["https://pypi.example/simple"], "find-links": [*links]}
    digest = built.sha256 if pinned else None
    return {"kind": "pypi", "name": name, "path": path, "sha256": digest, "record": record}


def write_inventory(root):
    packages = [
        package(THING, WHEEL, name="my-thing"),
        package(OTHER, SDIST, name="other-thing", pinned=False),
        package(LONE, LINKED, name="linked", links=[f"https://{PRIVATE.replace('_', ':')}/dist/", "file:///wheels/"]),
        {"kind": "conda", "name": "tool", "path": "conda-forge/noarch/tool-1-0.conda", "sha256": None, "record": {}},
        package(THING_3, NEWER, name="my-thing"),
    ]
    tree = {OTHER: {"sha256": SDIST.sha256, "size": len(SDIST.data)}}
    write(
        root / "pixi-mirror.json",
        {"format": 1, "packages": packages, "subscriptions": [{"packages": [0, 1, 2, 3]}], "tree": tree},
    )


@pytest.fixture
def mirror(tmp_path):
    """A true mirror: an index with a wheel and an sdist, and a page of links; all of it in `simple/`, too."""
    root = tmp_path / "mirror"
    for path, built in ((THING, WHEEL), (OTHER, SDIST), (LONE, LINKED)):
        place(root, path, built)
    write_project(root / PAGE, row(THING, WHEEL, url))
    write_project(root / INDEX / "other-thing", row(OTHER, SDIST, url))
    write_root(root / INDEX, "my-thing", "other-thing")
    write_html(root / FLAT, [anchor(row(LONE, LINKED, url))])
    write_project(root / SIMPLE, row(THING, WHEEL, relative))
    write_project(root / "simple/other-thing", row(OTHER, SDIST, relative))
    write_project(root / "simple/linked", row(LONE, LINKED, relative))
    write_root(root / "simple", "my-thing", "other-thing", "linked")
    write_inventory(root)
    return root


def test_a_true_mirror_has_no_problem(mirror):
    wanted = {THING: WHEEL.sha256, OTHER: SDIST.sha256, LONE: LINKED.sha256}
    assert oracle.problems(mirror, expected=wanted) == []
    assert len(oracle.listing(mirror).indexes) == 2 * (2 + 1 + 3 + 1) + 1


def test_a_link_may_spell_its_plus_as_it_likes(mirror):
    for page in (mirror / PAGE, mirror / SIMPLE):
        for name in (oracle.HTML, oracle.PEP691):
            data = (page / name).read_bytes()
            assert b"%2B" in data
            write(page / name, data.replace(b"%2B", b"+"))
    assert oracle.problems(mirror) == []


def test_one_file_of_two_hosts_is_one_on_simple(mirror):
    document = json.loads((mirror / "pixi-mirror.json").read_bytes())
    document["packages"].append(package(f"elsewhere.example/{WHEEL.file_name}", WHEEL, name="my-thing"))
    document["subscriptions"].append({"packages": [5]})
    write(mirror / "pixi-mirror.json", document)
    assert oracle.problems(mirror) == []


def test_an_inventory_of_another_format_says_nothing(mirror):
    (mirror / FLAT).unlink()
    write(mirror / "pixi-mirror.json", {"format": 99, "packages": "unknown"})
    assert oracle.problems(mirror) == []


def relink(mirror, place, link, *, path=THING, built=WHEEL, **changes):
    """Write a project's page anew in both formats."""
    write_project(mirror / place, row(path, built, link, **changes))


def replace(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def edit(path, **changes):
    """Change keys of a page of JSON; None takes one out."""
    document = json.loads(path.read_bytes()) | changes
    write(path, {key: value for key, value in document.items() if value is not None})


def retell(mirror, **changes):
    """Let the JSON alone tell something else of the wheel."""
    file = row(THING, WHEEL, url, **changes)
    write_json(mirror / PAGE, [{key: value for key, value in file.items() if value is not None}])


def other_metadata(mirror):
    """Serve, and declare on every page, metadata that the wheel does not hold."""
    other = WHEEL.metadata.replace(b"3.8", b"3.6")
    write(mirror / f"{THING}.metadata", other)
    told = {"core-metadata": {"sha256": sha256(other)}, "dist-info-metadata": {"sha256": sha256(other)}}
    relink(mirror, PAGE, url, **told)
    relink(mirror, SIMPLE, relative, **told)


def no_wheel(mirror):
    data = b"no zip"
    write(mirror / THING, data)
    for page, link in ((PAGE, url), (SIMPLE, relative)):
        relink(mirror, page, link, hashes={"sha256": sha256(data)}, size=len(data))


def two_metadata(mirror):
    with zipfile.ZipFile(mirror / THING, "a") as archive:
        archive.writestr("other-1.0.dist-info/METADATA", WHEEL.metadata)
    data = (mirror / THING).read_bytes()
    for page, link in ((PAGE, url), (SIMPLE, relative)):
        relink(mirror, page, link, hashes={"sha256": sha256(data)}, size=len(data))


def stranger(mirror):
    """List another project's archive on a page, in both formats."""
    write_project(mirror / PAGE, row(THING, WHEEL, url), row(OTHER, SDIST, url))
    shutil.rmtree(mirror / INDEX / "other-thing")
    write_root(mirror / INDEX, "my-thing")


def second_index(mirror):
    write_project(mirror / "other.example/simple/my-thing", row(THING, WHEEL, url))
    write_root(mirror / "other.example/simple", "my-thing")


def mixed_case(mirror):
    (mirror / PAGE).rename(mirror / INDEX / "My.Thing")


FAULTS = {
    "simple/my-thing/index.html: has the absolute link https://": lambda m: relink(m, SIMPLE, url),
    "simple/my-thing/index.v1_json: has the absolute link": lambda m: relink(m, SIMPLE, url),
    f"{PAGE}/index.html: has the relative link": lambda m: relink(m, PAGE, lambda path: "../../../" + quote(path)),
    f"{FLAT}: has the relative link": lambda m: write_html(
        m / FLAT, [anchor(row(LONE, LINKED, url, url=LINKED.file_name))]
    ),
    "neither relative nor": lambda m: relink(m, SIMPLE, lambda path: "/" + path),
    "is neither relative nor the address": lambda m: relink(m, PAGE, lambda path: "ftp://host/" + path),
    "leads out of the mirror": lambda m: relink(m, SIMPLE, lambda path: "../../../" + path),
    "private.whl' leads out": lambda m: relink(m, SIMPLE, lambda _: "../../.pixi-mirror/private.whl"),
    f"lists {THING}, which is not there": lambda m: (m / THING).unlink(),
    "/%2B/x.whl, which is not there": lambda m: relink(m, PAGE, lambda _: "https://files.pypi.example/%252B/x.whl"),
    "lists ipv6_2001-db8--1_81/x.whl, which is not there": lambda m: relink(
        m, PAGE, lambda _: "http://[2001:DB8::1]:81/x.whl"
    ),
    f"{PRIVATE}/links.htm: lists {PRIVATE}/x.whl, which is not there": lambda m: write_html(
        m / PRIVATE / "links.htm", [anchor(row(f"{PRIVATE}/x.whl", LINKED, url))]
    ),
    "lists files.pypi.example/a=2Fx.whl.metadata, which is not there": lambda m: relink(m, PAGE, lambda _: "https://files.pypi.example/a%2Fx.whl"),
    f"calls {THING} 'other-1.0.zip'": lambda m: relink(m, PAGE, url, filename="other-1.0.zip"),
    f"lists {THING} with sha256": lambda m: replace(m / THING, b"__version__", b"__wersion__"),
    f"lists {THING} with 7 bytes, it has": lambda m: relink(m, PAGE, url, size=7),
    "without a sha256": lambda m: relink(m, PAGE, url, hashes={"sha256": ""})
    or replace(m / PAGE / oracle.HTML, b"#sha256=", b""),
    f"lists {THING} twice": lambda m: write_project(m / PAGE, *[row(THING, WHEEL, url)] * 2),
    "its base is": lambda m: replace(m / SIMPLE / oracle.HTML, b"<head>", b'<head><base href="https://pypi.example/">'),
    f"index.html: lacks {THING}": lambda m: write_html(m / PAGE / oracle.HTML, []),
    "as size of": lambda m: replace(m / PAGE / oracle.HTML, b" data-size=", b" data-length="),
    "as core metadata of": lambda m: retell(m, **{"core-metadata": False, "dist-info-metadata": False}),
    "as Requires-Python of": lambda m: retell(m, **{"requires-python": ">=3.6"}),
    "as yanked of": lambda m: retell(m, yanked=False),
    "says 'broken & withdrawn' as yanked": lambda m: retell(m, yanked=True),
    "as upload time of": lambda m: retell(m, **{"upload-time": None}),
    "index.html: stands without index.v1_json": lambda m: (m / PAGE / oracle.PEP691).unlink(),
    "index.v1_json: stands without index.html": lambda m: (m / PAGE / oracle.HTML).unlink(),
    f"index.v1_json: declares the core metadata of {WHEEL.file_name} in two ways": lambda m: retell(
        m, **{"core-metadata": {"sha256": "0" * 64}}
    ),
    f"index.html: declares the core metadata of {WHEEL.file_name} in two ways": lambda m: replace(
        m / PAGE / oracle.HTML, b'data-dist-info-metadata="sha256=', b'data-dist-info-metadata="sha256=0'
    ),
    f"lists {THING}.metadata, which is not there": lambda m: (m / f"{THING}.metadata").unlink(),
    f"lists {THING}.metadata with sha256": lambda m: write(m / f"{THING}.metadata", b"Metadata-Version: 2.1\n"),
    "which is not the my_thing-2.0+cu1.dist-info/METADATA of the wheel": other_metadata,
    "which is no wheel": no_wheel,
    "in which 2 members are METADATA": two_metadata,
    f"{INDEX}/index.html: lacks the project in {PAGE}": lambda m: write_html(
        m / INDEX / oracle.HTML, ['<a href="other-thing/">other-thing</a>']
    ),
    f"{INDEX}/index.v1_json: lacks the project in {PAGE}": lambda m: edit(m / INDEX / oracle.PEP691, projects=[]),
    f"{INDEX}/index.html: is missing": lambda m: (m / INDEX / oracle.HTML).unlink(),
    f"{INDEX}/index.v1_json: is missing": lambda m: (m / INDEX / oracle.PEP691).unlink(),
    f"{INDEX}/index.html: links to {INDEX}/gone/": lambda m: write_root(m / INDEX, "my-thing", "other-thing", "gone"),
    f"{INDEX}/index.v1_json: links to {INDEX}/gone/": lambda m: write_root(m / INDEX, "my-thing", "gone"),
    f"{INDEX}/index.html: links to {PAGE}/, which has no index.v1_json of files": lambda m: (
        m / PAGE / oracle.PEP691
    ).unlink(),
    "calls the project in": lambda m: replace(m / INDEX / oracle.HTML, b">my-thing<", b">your-thing<"),
    "lists projects and files": lambda m: replace(m / INDEX / oracle.HTML, b"<a ", b'<a href="x.whl">x.whl</a><a '),
    f"{THING}: is on the pages of several indexes: other.example/simple, {INDEX}": second_index,
    f"{LONE}: is on the pages of several indexes: {INDEX}, {FLAT}": lambda m: write_project(
        m / INDEX / "linked", row(LONE, LINKED, url)
    ),
    f"{THING}: is wanted, and simple/my-thing/ does not list it": lambda m: shutil.rmtree(m / SIMPLE),
    f"{OTHER}: is wanted": lambda m: write_project(m / "simple/other-thing"),
    f"{INDEX}/My.Thing/index.html: stands in 'My.Thing'": mixed_case,
    f"lists {SDIST.file_name}, which is no archive of my-thing": stranger,
    "has the API version '2.0'": lambda m: edit(m / PAGE / oracle.PEP691, meta={"api-version": "2.0"}),
    f"{PAGE}/index.html: has the API version '2.0'": lambda m: replace(
        m / PAGE / oracle.HTML, b'content="1.1"', b'content="2.0"'
    ),
    "index.v1_json: cannot be read: KeyError: 'meta'": lambda m: edit(m / PAGE / oracle.PEP691, meta=None),
    "says it is of the project None": lambda m: edit(m / PAGE / oracle.PEP691, name=None),
    "says it is of the project 'My.Thing'": lambda m: edit(m / PAGE / oracle.PEP691, name="My.Thing"),
    "has the versions None": lambda m: edit(m / PAGE / oracle.PEP691, versions=None),
    "versions of none": lambda m: edit(m / PAGE / oracle.PEP691, versions=[]),
    "with the size None": lambda m: retell(m, size=None),
    "has neither files nor projects": lambda m: edit(m / PAGE / oracle.PEP691, files=None),
    "gone-1.0-py3-none-any.whl.metadata: stands without its archive": lambda m: write(
        m / HOST / "gone-1.0-py3-none-any.whl.metadata", b""
    ),
    "pixi-mirror.json: cannot be read": lambda m: edit(m / "pixi-mirror.json", packages=[{}]),
}  # fmt: skip


@pytest.mark.broken_mirror("the fault is what the test is about")
@pytest.mark.parametrize("complaint", FAULTS)
def test_a_planted_fault_is_found(mirror, complaint):
    FAULTS[complaint](mirror)
    found = oracle.problems(mirror)
    assert any(complaint in problem for problem in found), found


@pytest.mark.parametrize(
    ("name", "project", "is_one"),
    [
        ("a_b-1.0-1-py3-none-any.whl", "a-b", True),
        ("a.B-1.0.tar.gz", "a-b", True),
        ("a-b-1.0-beta.zip", "a-b", True),
        ("a-b-1.0.tar.bz2", "b", False),
        ("a_b-1.0-py3-none-any.whl", "a-b-1-0", False),
        ("ab.tar.gz", "ab", False),
        ("ab-1.0.exe", "ab", False),
    ],
)
def test_an_archive_is_of_the_project_that_its_name_says(mirror, name, project, is_one):
    built = build_sdist(name="x", version="1")
    built = type(built)(file_name=name, data=built.data, sha256=built.sha256, metadata=built.metadata)
    write(mirror / HOST / "named" / name, built.data)
    told = {"core-metadata": False, "dist-info-metadata": False}
    write_project(mirror / "simple" / project, row(f"{HOST}/named/{name}", built, relative, **told))
    write_root(mirror / "simple", "my-thing", "other-thing", "linked", project)
    wrong = [each for each in oracle.problems(mirror) if "no archive of" in each]
    assert bool(wrong) is not is_one
    shutil.rmtree(mirror)


def test_the_program_judges_pages_too_wherever_it_was_carried(mirror, tmp_path):
    harness = Path(oracle.__file__).parent
    for name in ("oracle.py", "oracle_pages.py", "oracle_python.py"):
        shutil.copy(harness / name, tmp_path / name)
    program = [sys.executable, tmp_path / "oracle.py", mirror]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (mirror / f"{THING}.metadata").rename(mirror / "away")
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{PAGE}/index.html: lists {THING}.metadata, which is not there" in done.stdout
    (mirror / "away").rename(mirror / f"{THING}.metadata")


# Between two states.


@pytest.fixture
def states(mirror):
    """The mirror before a run that adds a wheel, with what it was, what it is to become, and that beside it."""
    old = oracle.listing(mirror)
    place(mirror, THING_3, NEWER)
    after = mirror.with_name("after")
    shutil.copytree(mirror, after)
    for page, link in ((PAGE, url), (SIMPLE, relative)):
        write_project(after / page, row(THING, WHEEL, link), row(THING_3, NEWER, link))
    assert oracle.problems(after) == []
    return old, oracle.listing(after), after


def test_pages_become_new_one_by_one(mirror, states):
    old, new, after = states
    assert oracle.verdict(mirror, old=old, new=new) == oracle.Verdict(state="OLD", reasons=())
    pages = [f"{page}/{name}" for page in (PAGE, SIMPLE) for name in (oracle.HTML, oracle.PEP691)]
    for page in pages:
        assert oracle.verdict(mirror, old=old, new=new).state != "NEW"
        (after / page).replace(mirror / page)
        assert oracle.verdict(mirror, old=old, new=new).state == ("NEW" if page == pages[-1] else "BETWEEN")
    shutil.rmtree(after)


BREAKS = {
    "is neither what it was": lambda m: write_project(m / PAGE, row(THING_3, NEWER, url)),
    f"{FLAT}: is neither what it was": lambda m: write_html(m / FLAT, []),
    "is gone, and both": lambda m: (m / PAGE / oracle.HTML).unlink(),
    f"{FLAT}: is gone, and both": lambda m: (m / FLAT).unlink(),
    "cannot be read": lambda m: write(m / PAGE / oracle.PEP691, b'{"meta"'),
    f"lists {THING}, which is not there": lambda m: (m / THING).unlink(),
    f"lists {LONE}.metadata, which is not there": lambda m: (m / f"{LONE}.metadata").unlink(),
    "is temporary": lambda m: write(m / PAGE / ".index.html.1", b""),
}


@pytest.mark.broken_mirror("the fault is what the test is about")
@pytest.mark.parametrize("complaint", BREAKS)
def test_a_mirror_that_is_in_no_state_of_a_run_is_broken(mirror, states, complaint):
    BREAKS[complaint](mirror)
    found = oracle.verdict(mirror, old=states[0], new=states[1])
    assert found.state == "broken"
    assert any(complaint in reason for reason in found.reasons), found


def test_a_wheel_whose_page_is_still_to_come_may_be_there(mirror, states):
    (mirror / f"{THING_3}.metadata").unlink()
    assert oracle.verdict(mirror, old=states[0], new=states[1]).state == "OLD"


@pytest.mark.parametrize(("spelled", "name"), SEGMENTS.items(), ids=ascii)
def test_the_oracle_has_the_rule_of_paths_for_itself(spelled, name):
    assert oracle_pages.named(spelled) == name
