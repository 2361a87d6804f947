"""Who needs whom in one environment, by records and by the metadata of wheels."""

from dataclasses import replace

from harness.inventories import conda, sdist

from pixi_mirror.mirror.requirements_graph import RequirementsGraph


def graph(*packages, lines=None, subdir="linux-64"):
    known = lines or {}
    return RequirementsGraph(packages, subdir=subdir, requirements=lambda path: known.get(path, ()))


def names(found):
    return [(each.package.name, each.requirement) for each in found]


def test_each_spelling_of_a_spec_names_its_package():
    specs = ["base", "base >=1,<2", "conda-forge::base >=1", "conda-forge/noarch::base", "base[version='>=1']", "BASE"]
    users = [conda(f"user{number}", depends=[spec, "__glibc >=2.17", "gone"]) for number, spec in enumerate(specs)]
    base = conda("base")
    found = graph(base, *users).dependants(base)
    assert names(found) == [(f"user{number}", spec) for number, spec in enumerate(specs)]


def test_the_chain_is_the_shortest_from_a_package_that_nothing_needs():
    deep = conda("deep")
    middle, other = conda("middle", depends=["deep"]), conda("other", depends=["middle"])
    long, short = conda("z-long", depends=["other"]), conda("a-short", depends=["middle"])
    whole = graph(deep, middle, other, long, short)
    assert [each.name for each in whole.chain(deep)] == ["a-short", "middle", "deep"]
    assert [each.name for each in whole.chain(long)] == ["z-long"]


def test_a_circle_has_no_beginning_unless_something_outside_needs_it():
    one, two = conda("one", depends=["two"]), conda("two", depends=["one", "two"])
    whole = graph(one, two)
    assert names(whole.dependants(two)) == [("one", "two")], "itself is no reason"
    assert whole.chain(one) == ()
    outside = conda("outside", depends=["two"])
    assert [each.name for each in graph(one, two, outside).chain(one)] == ["outside", "two", "one"]


def test_markers_count_for_the_python_and_the_platform_of_the_environment():
    python = replace(conda("python"), version="3.12.4")
    tool, user = sdist("tool"), sdist("user")
    cases = {
        "tool": True,
        "tool; python_version >= '3.12'": True,
        "tool; python_version < '3.12'": False,
        "tool; sys_platform == 'linux'": True,
        "tool; sys_platform == 'win32'": False,
        "tool; extra == 'test'": False,
        "Tool ; nonsense": True,  # what cannot be read is not taken away
    }
    for line, counts in cases.items():
        found = graph(python, tool, user, lines={user.path: (line,)}).dependants(tool)
        assert bool(found) == counts, line
    found = graph(tool, user, lines={user.path: ("tool; sys_platform == 'linux'",)}, subdir="emscripten-wasm32")
    assert found.dependants(tool), "a platform that Python's markers do not know"


def test_a_conda_package_stands_for_the_projects_of_its_purls_and_else_for_its_name():
    user = sdist("user")
    lines = {user.path: ("big.project>=1", "plain")}
    named = conda("big-project", purls=[])
    by_purl = conda("libbig", purls=["pkg:pypi/Big-Project?source=hash-mapping"])
    plain = conda("plain")
    whole = graph(user, named, by_purl, plain, lines=lines)
    assert whole.dependants(named) == (), "its purls say that it is on no index"
    assert names(whole.dependants(by_purl)) == [("user", "big.project>=1")]
    assert names(whole.dependants(plain)) == [("user", "plain")]
