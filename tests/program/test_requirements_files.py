"""A requirements file with hashes is a lock: index pages say which files have these hashes, and where they are."""

import pytest
from harness.looking import contents
from harness.python_index import PythonIndex
from harness.upstream import status

from pixi_mirror.demo.distributions import build_sdist, build_wheel

ONE = build_wheel(name="one", version="1.0")
OLD = build_wheel(name="one", version="0.9")
TWO = build_wheel(name="two", version="2.0")
THREE = build_sdist(name="three", version="3.0")
FILE = "project/requirements.txt"


@pytest.fixture
def index(world):
    index = PythonIndex(world)
    for each in (OLD, ONE, TWO, THREE):
        name, version = each.file_name.removesuffix(".tar.gz").split("-")[:2]
        index.publish(each, name=name, version=version)
    return index


def write(world, *lines, name="requirements.txt"):
    place = world.directory / "project" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def pin(built, *more, marker=""):
    name, version = built.file_name.removesuffix(".tar.gz").split("-")[:2]
    hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in (built.sha256, *more))
    return f"{name}=={version}{f' ; {marker}' if marker else ''}{hashes}"


def run(world, *words, status=0):
    done = world.run(*words)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def held(world):
    return {path.rpartition("/")[2] for path in contents(world.mirror) if path.endswith((".whl", ".tar.gz"))}


def test_files_are_found_by_their_hashes_on_the_index_that_the_file_names(world, index):
    write(world, "# made by a tool", f"--index-url {index.url}", pin(ONE, "ab" * 32), pin(THREE))
    run(world, "--lock", FILE)
    assert held(world) == {ONE.file_name, THREE.file_name}
    run(world, "verify")
    requests = len(world.requests)
    assert "nothing to do" in run(world).stdout
    assert len(world.requests) == requests
    (row,) = world.run_json("status")["subscriptions"]
    assert (row["state"], row["environments"]) == ("current", ["default"])
    write(world, f"--index-url {index.url}", pin(ONE), pin(TWO))
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "changed"
    run(world)
    assert held(world) == {ONE.file_name, TWO.file_name, THREE.file_name}
    write(world, "one==")
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "unreadable"


def test_the_index_of_pixis_configuration_counts_where_the_file_names_none(world, index):
    write(world, pin(ONE))
    done = run(world, "--lock", FILE, status=3)
    assert "`--index-url URL`" in done.stderr
    assert "pypi-config.index-url" in done.stderr
    assert not world.mirror.exists()
    more = PythonIndex(world, path="more/simple")
    more.publish(build_wheel(name="four", version="4.0"), name="four", version="4.0")
    write(world, pin(ONE), pin(build_wheel(name="four", version="4.0")))
    config = f'[pypi-config]\nindex-url = "{index.url}"\nextra-index-urls = ["{more.url}/"]\n'
    (world.directory / "config.toml").write_text(config, encoding="utf-8")
    run(world, "--lock", FILE, "--config-file", "config.toml")
    assert held(world) == {ONE.file_name, "four-4.0-py3-none-any.whl"}


def test_the_index_that_the_user_names_is_kept_for_refreshes_without_its_password(world, index):
    write(world, "--index-url https://nobody.example/simple", pin(ONE))
    secret = "hunter2"
    url = index.url.replace("://", f"://user:{secret}@")
    run(world, "--lock", FILE, "--index-url", url)
    assert held(world) == {ONE.file_name}
    assert any(request.authorization for request in world.requests)
    assert all(secret.encode() not in data for data in contents(world.mirror).values())
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "current"
    write(world, pin(ONE), pin(TWO))
    run(world)
    assert held(world) == {ONE.file_name, TWO.file_name}
    other = PythonIndex(world, path="other/simple")
    for each in (ONE, TWO):
        other.publish(each, name=each.file_name.split("-")[0], version=each.file_name.split("-")[1])
    run(world, "--lock", FILE, "--index-url", other.url)
    assert {*other.asked} == {"one", "two"}, "another index is another lock"
    write(world, pin(ONE), name="other.txt")
    done = run(world, "--lock", FILE, "--lock", "project/other.txt", "--index-url", index.url, status=2)
    assert "one --lock" in done.stderr
    assert "URL by http or https" in run(world, "--lock", FILE, "--index-url", "pypi", status=2).stderr


def test_included_files_and_constraints_belong_to_the_file(world, index):
    write(world, f"-i {index.url}", "-r more.txt", "-c constraints.txt", "two")
    write(world, pin(ONE), "-r requirements.txt", name="more.txt")
    write(world, pin(TWO), name="constraints.txt")
    run(world, "--lock", FILE)
    assert held(world) == {ONE.file_name, TWO.file_name}
    assert "nothing to do" in run(world).stdout
    write(world, pin(ONE), pin(THREE), name="more.txt")
    (row,) = world.run_json("status")["subscriptions"]
    assert row["state"] == "changed"
    run(world)
    assert THREE.file_name in held(world)
    (world.directory / "project" / "more.txt").unlink()
    done = run(world, status=3)
    assert "requirements.txt includes" in done.stderr
    assert "more.txt, which cannot be read" in done.stderr
    assert ONE.file_name in held(world)


def test_markers_choose_platforms(world, index):
    write(world, f"--index-url {index.url}", pin(ONE, marker="sys_platform == 'win32'"), pin(TWO))
    run(world, "--lock", FILE)
    targets = {
        row["name"]: {each["platform"] for each in row["targets"]} for row in world.run_json("--dry-run")["wanted"]
    }
    assert targets["one"] == {"win-64"}
    assert {"linux-64", "osx-arm64", "win-64"} <= targets["two"]


def test_all_files_of_the_version_that_have_a_hash_of_it_are_brought_and_no_others(world, index):
    linux = build_wheel(name="bin", version="1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    other = build_wheel(name="bin", version="1.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    windows = build_wheel(name="bin", version="1.0", tag="cp312-cp312-win_amd64")
    unlisted = build_wheel(name="bin", version="1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    for each in (linux, other, windows, unlisted):
        index.publish(each, name="bin", version="1.0")
    write(world, f"--index-url {index.url}", pin(linux, other.sha256, windows.sha256))
    run(world, "--lock", FILE, "-p", "linux-64")
    assert held(world) == {linux.file_name, other.file_name}


def test_an_sdist_is_brought_where_wheels_are_not_to_be_taken(world, index):
    sdist = build_sdist(name="one", version="1.0")
    index.publish(sdist, name="one", version="1.0")
    write(world, f"--index-url {index.url}", "--no-binary One", pin(ONE, sdist.sha256))
    run(world, "--lock", FILE)
    assert held(world) == {sdist.file_name}


def test_links_and_urls_are_taken_as_well_as_indexes(world, index):
    links = world.directory / "project" / "links"
    links.mkdir(parents=True)
    (links / ONE.file_name).write_bytes(ONE.data)
    (links / OLD.file_name).write_bytes(OLD.data)
    world.upstream.put(f"/direct/{TWO.file_name}", TWO.data)
    url = f"{world.upstream.url}/direct/{TWO.file_name}"
    write(world, "--no-index", "--find-links links", pin(ONE), f"two @ {url} --hash=sha256:{TWO.sha256}")
    run(world, "--lock", FILE)
    assert held(world) == {ONE.file_name, TWO.file_name}
    assert (world.mirror / "local" / ONE.sha256 / ONE.file_name).read_bytes() == ONE.data


def test_a_line_without_hash_is_refused_and_not_the_file(world, index):
    write(world, f"--index-url {index.url}", pin(ONE), "two==2.0", "-e .")
    done = run(world, "--lock", FILE, status=4)
    assert TWO.file_name in done.stderr
    assert ONE.file_name not in done.stderr
    done = run(world, "--lock", FILE, "--allow-unhashed")
    assert held(world) == {ONE.file_name, TWO.file_name}
    (source,) = world.run_json("status")["checkout"]
    assert source["path"] == "."


@pytest.mark.parametrize(
    ("lines", "status", "answer"),
    [
        (("one==1.0",), 3, "has no hashes (sha256)"),
        (("one>=1",), 3, "--generate-hashes"),
        ((pin(ONE), "two>=1"), 3, "two is not pinned"),
        ((pin(ONE), "--frobnicate"), 3, "line 3: there is no option '--frobnicate'"),
        ((pin(ONE), "one=1"), 3, "line 3: "),
        ((pin(ONE), "-r gone.txt"), 3, "gone.txt, which cannot be read"),
        ((pin(ONE), "git+https://git.example/x@main"), 3, "not pinned to a commit"),
        ((f"one==1.0 --hash=sha256:{'ab' * 32}",), 4, "no file of one==1.0 with one of its hashes"),
        ((f"gone==1.0 --hash=sha256:{'ab' * 32}",), 5, "no file was found for gone==1.0"),
        ((pin(ONE).replace("==1.0", "==0.9"),), 4, "no file of one==0.9"),
        (("<<<<<<< ours", pin(ONE)), 3, "merge conflict at line 1"),
        ((pin(ONE), "one==1.0 ; " + "(" * 4000), 3, "line 3: "),
        ((pin(ONE), "x" * 9000), 3, "a requirement of more than 8192 characters"),
        ((pin(ONE), "one==1.0 --hash=sha256:zz"), 3, "line 3: "),
        ((pin(ONE), "one==1.0 --hash"), 3, "is no hash"),
    ],
)
def test_what_is_no_lock_is_refused_with_what_to_do(world, index, lines, status, answer):
    config = f'[pypi-config]\nindex-url = "{index.url}"\n'
    (world.directory / "config.toml").write_text(config, encoding="utf-8")
    write(world, *lines)
    done = run(world, "--lock", FILE, "--config-file", "config.toml", "--retries", "0", status=status)
    assert answer in done.stderr
    assert "Traceback" not in done.stderr
    assert held(world) == set() if world.mirror.exists() else True


def test_bytes_that_have_another_hash_than_the_page_says_are_refused(world, index):
    index.rows["one"][1]["hashes"] = {"sha256": "cd" * 32}
    index.publish(build_wheel(name="one", version="1.1"), name="one", version="1.1")  # it writes the page anew
    write(world, f"--index-url {index.url}", f"one==1.0 --hash=sha256:{'cd' * 32}")
    run(world, "--lock", FILE, status=6)
    assert held(world) == set()


def test_a_page_that_links_to_a_file_of_this_machine_is_not_followed(world, index):
    place = world.directory / "private" / TWO.file_name
    place.parent.mkdir()
    place.write_bytes(TWO.data)
    index.rows["two"][0]["url"] = place.as_uri()
    index.publish(build_wheel(name="two", version="2.1"), name="two", version="2.1")  # it writes the page anew
    for line in (pin(TWO), f"{pin(ONE)}\ntwo==2.0"):
        write(world, f"--index-url {index.url}", line)
        done = run(world, "--lock", FILE, "--allow-unhashed", status=4)
        assert "no file of two==2.0" in done.stderr


def test_white_space_without_end_is_read_at_once(world, index):
    write(world, f"--index-url {index.url}", pin(ONE) + " " * 2_000_000 + "x", "[" * 8000)
    run(world, "--lock", FILE, status=3)


def test_an_index_that_is_down_at_a_refresh_leaves_what_was_wanted(world, index):
    write(world, f"--index-url {index.url}", pin(ONE))
    run(world, "--lock", FILE)
    write(world, f"--index-url {index.url}", pin(ONE), pin(TWO))
    world.upstream.script("/simple/two/", status(503))
    done = run(world, "--retries", "0", status=3)
    assert "could not be refreshed; what was wanted last stays" in done.stderr
    assert held(world) == {ONE.file_name}
    run(world, "verify")


def test_a_password_of_the_file_is_used_and_stands_nowhere(world, index):
    secret = "hunter2"
    url = index.url.replace("://", f"://user:{secret}@")
    write(
        world, f"--index-url {url}", pin(ONE), f"--extra-index-url https://${{TOKEN}}@{index.url.partition('://')[2]}"
    )
    done = run(world, "--lock", FILE, "-v")
    assert secret not in done.stdout + done.stderr
    assert all(secret.encode() not in data for data in contents(world.mirror).values())
    assert any(request.authorization for request in world.requests)


def test_an_explicit_list_of_that_name_is_still_one(world):
    write(world, "# platform: linux-64", "@EXPLICIT", f"{world.upstream.url}/c/noarch/x-1-0.conda#{'a' * 32}")
    done = run(world, "--lock", FILE, status=4)
    assert "--allow-md5" in done.stderr
