"""What records of one environment ask of each other and do not get is told in pixi-pack's words, and nothing else."""

import pytest
from harness.corpus import ROWS, lock_path, needs_corpus

from pixi_mirror.conda.closure import unjudged, unmet
from pixi_mirror.conda.matchspec import MatchSpec
from pixi_mirror.conda.version import CondaVersion
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.reader import read_lock

FEW = [slug for slug in ROWS if slug.startswith("Quantco__pixi-pack__examples-")]


def record(name, version="1.0", build="0", depends=(), constrains=(), **others):
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": list(depends),
        "constrains": list(constrains),
        **others,
    }


def texts(*records, virtual=()):
    return [found.text for found in unmet(records, virtual=virtual)]


def test_an_environment_that_fits_together_has_nothing_unmet():
    assert unmet([record("a", depends=["b >=1,<2"]), record("b", constrains=["a 1.*", "c >9"])]) == ()


def test_a_missing_dependency_is_told_as_pixi_pack_tells_it():
    broken = record("my-webserver-broken", "0.1.0", "pyh4616a5c_0", depends=["fastapi >=0.112", "python"])
    assert texts(broken, record("fastapi", "0.111.9"), record("python")) == [
        "package 'my-webserver-broken=0.1.0=pyh4616a5c_0' has dependency 'fastapi >=0.112', "
        "which is not in the environment"
    ]


def test_a_broken_constraint_is_told_as_pixi_pack_tells_it():
    assert texts(record("a", constrains=["b  >=2"]), record("b", "1.5", "h_1")) == [
        "package 'a=1.0=0' has constraint 'b  >=2', which is not satisfied by 'b=1.5=h_1' in the environment"
    ]


def test_all_are_told_in_the_order_of_the_records_with_their_numbers():
    found = unmet([record("ok"), record("a", depends=["x", "y"], constrains=["ok 2"]), record("b", depends=["z"])])
    assert [(each.number, each.kind, each.spec) for each in found] == [
        (1, "depends", "x"),
        (1, "depends", "y"),
        (1, "constrains", "ok 2"),
        (2, "depends", "z"),
    ]


def test_one_of_two_packages_of_a_name_meets_a_dependency_and_each_can_break_a_constraint():
    both = record("b", "1"), record("b", "2")
    assert texts(record("a", depends=["b 1", "b 2"]), *both) == []
    assert [each.violator for each in unmet([record("a", constrains=["b 2"]), *both])] == ["b=1=0"]


def test_virtual_packages_are_judged_only_where_they_are_known():
    needy = record("a", depends=["__glibc >=2.34", "__unix", "__archspec * x86_64"], constrains=["__cuda >=12"])
    assert texts(needy) == []
    assert texts(needy, virtual=["__glibc=2.35", "__unix=0=0", "__archspec=0=x86_64"]) == []
    assert [found.spec for found in unmet([needy], virtual=["__glibc=2.28", "__archspec=0=arm64", "__cuda=11.8"])] == [
        "__glibc >=2.34",
        "__archspec * x86_64",
        "__cuda >=12",
    ]


def test_the_build_of_archspec_decides_and_its_version_is_one_for_everybody():
    """A lock has `__archspec=0=x86_64_v3`; pixi's solver has the version 1 whatever the lock says."""
    needy = record("a", depends=["__archspec 1.* x86_64_v3"])
    assert texts(needy, virtual=["__archspec=0=x86_64_v3"]) == []
    assert texts(needy, virtual=["__archspec=1=x86_64_v3"]) == []
    assert [found.spec for found in unmet([needy], virtual=["__archspec=0=x86_64"])] == ["__archspec 1.* x86_64_v3"]
    assert [found.spec for found in unmet([needy], virtual=["__archspec=0"])] == ["__archspec 1.* x86_64_v3"]


def test_a_pattern_that_lists_all_microarchitectures_is_judged():
    listed = "|".join(f"microarchitecture_{number}" for number in range(90))
    needy = record("a", depends=[f"__archspec 1.* ^({listed}|skylake)$"])
    assert unjudged([needy]) == ()
    assert texts(needy, virtual=["__archspec=0=skylake"]) == []
    assert len(texts(needy, virtual=["__archspec=0=x86_64"])) == 1


def test_what_is_asked_under_a_condition_is_neither_met_nor_unmet_and_said_so():
    records = [record("a", depends=["b; if python >=3", 'c[when="d"]'], constrains=["a >9[when=e]"])]
    assert unmet(records) == ()
    assert [(each.spec, each.reason) for each in unjudged(records)] == [
        ("b; if python >=3", "it holds only if python >=3"),
        ('c[when="d"]', "it holds only if d"),
        ("a >9[when=e]", "it holds only if e"),
    ]


def test_what_cannot_be_read_is_neither_met_nor_unmet_and_said_so():
    records = [record("a", depends=["b =>1", "c"]), record("c", "no version!")]
    assert [each.text for each in unjudged(records)] == [
        "package 'a=1.0=0' asks for 'b =>1', which was not judged: 'b =>1' is no match spec: '=>' is no operator"
    ]
    # A package without a version is none that anybody could ask for.
    assert [each.spec for each in unmet(records)] == ["c"]


def test_records_need_neither_dependencies_nor_a_build_number():
    assert unmet([{"name": "A", "version": "1", "build": "0"}, record("b", depends=["a 1"])]) == ()


def environments(slug):
    try:
        lock = read_lock(lock_path(slug).read_bytes(), name=slug)
    except WorkspaceError:
        return  # test_lock_corpus.py says which and why
    for name, environment in lock.environments.items():
        for platform, packages in environment.packages.items():
            records = [entry.record for entry in packages if isinstance(entry, CondaBinary)]
            yield f"{name} on {platform}", records, lock.platforms[platform].virtual_packages


@needs_corpus
@pytest.mark.parametrize("slug", FEW)
def test_real_environments_fit_together(slug):
    assert [name for name, records, virtual in environments(slug) if unmet(records, virtual=virtual)] == []


@pytest.mark.rattler
@needs_corpus
@pytest.mark.parametrize("slug", ROWS)
def test_py_rattler_finds_every_environment_as_closed_as_we_do_with_and_without_one_package(slug):
    for name, records, virtual in environments(slug):
        assert (unmet(records, virtual=virtual), unjudged(records)) == ((), ()), name
        # The one in the middle is as good as any to be missing.
        for fewer in (records, records[: len(records) // 2] + records[len(records) // 2 + 1 :]):
            assert next((each.text for each in unmet(fewer)), None) == said_by_rattler(fewer), name


@pytest.mark.rattler
def test_py_rattler_tells_of_a_broken_constraint_in_the_same_words():
    records = [record("b", "1.5", "h_1"), record("a", constrains=["b  >=2"])]
    assert texts(*records) == [said_by_rattler(records)]


@pytest.mark.rattler
@needs_corpus
def test_py_rattler_takes_the_same_versions_for_every_spec_of_the_corpus():
    import rattler

    records = {id(each): each for slug in ROWS for _, some, _ in environments(slug) for each in some}.values()
    versions: dict[str, set[tuple[str, str]]] = {}
    for each in records:
        versions.setdefault(each["name"], set()).add((each["version"], each["build"]))
    for text in sorted({text for each in records for text in (*each["depends"], *each.get("constrains", ()))}):
        spec, theirs = MatchSpec.parse(text), rattler.MatchSpec(text)
        for version, build in sorted(versions.get(spec.name, ()))[:20]:
            candidate = rattler.PackageRecord(spec.name, version, rattler.BuildString(build), 0, "noarch")
            taken = spec.matches(name=spec.name, version=version, build=build, build_number=0)
            assert taken == theirs.matches(candidate), (text, version, build)
    every = sorted({version for some in versions.values() for version, _ in some})
    assert sorted(every, key=CondaVersion.parse) == sorted(every, key=rattler.Version)


def said_by_rattler(records):
    import rattler

    try:
        rattler.PackageRecord.validate(
            [
                rattler.PackageRecord(
                    each["name"],
                    each["version"],
                    rattler.BuildString(each["build"]),
                    each.get("build_number", 0),
                    each.get("subdir", "noarch"),
                    depends=list(each.get("depends", ())),
                    constrains=list(each.get("constrains", ())),
                )
                for each in records
            ]
        )
    except Exception as error:  # noqa: BLE001 - it has no public class for this
        return str(error)
    return None


def test_a_build_pattern_that_would_take_too_long_is_not_judged_and_said_so():
    records = [
        record("a", depends=["b * ^(x|y){100}$"], constrains=["b * ^((x{99}){99})+$"]),
        record("b", build="x" * 4000),
    ]
    assert unmet(records) == ()
    assert [each.reason.partition(": ")[2] or each.reason for each in unjudged(records)] == [
        "a comparison with a build of 4000 characters would take too long",
        "its build pattern has too many repetitions to be judged",
    ]
