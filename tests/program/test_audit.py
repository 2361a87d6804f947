"""`advisories` carries databases in the mirror, and `audit` matches its packages against them without a network."""

import json
import shutil

import pytest
from harness.osv import advisory, affected, all_zip, events
from harness.python_index import PythonIndex
from harness.upstream import Upstream
from harness.world import World

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")
CVE, GHSA, PYSEC = "CVE-2026-1111", "GHSA-aaaa-bbbb-cccc", "PYSEC-2026-7"
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]
LOW = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"}]
BELOW_2 = affected("shop-lib", ranges=[events(("introduced", "0"), ("fixed", "2.0"))])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A mirror of wheels and conda packages, whose workspace and upstream are gone; tests work in copies of it."""
    directory = tmp_path_factory.mktemp("made")
    with Upstream(root=directory / "upstream") as upstream:
        world = World(directory=directory, root=directory / "upstream", upstream=upstream)
        fill(world)
    return world


def fill(world):
    index = PythonIndex(world)

    def wheel(name, version="1.0"):
        return index.publish(build_wheel(name=name, version=version), name=name, version=version)

    purls = {"shop": ["pkg:pypi/Shop.Lib"], "odd": ["pkg:pypi/odd@1.0.0"]}
    conda = [
        world.publish(build_package(name=name)).hotfixed(purls=found)
        for name, found in [("shop", purls["shop"]), ("odd", purls["odd"]), ("plain", [])]
    ]
    world.lock(
        "workspace",
        environments={
            "default": {"linux-64": [*conda, wheel("Shop_Lib", "1.5+cu1"), wheel("other")]},
            "prod": {"linux-64": [conda[2], wheel("other")]},
        },
        indexes=[index.url],
        version=7,
    )
    assert world.run(*LOCK).status == 0
    shutil.rmtree(world.directory / "workspace")


@pytest.fixture
def mirrored(made, world):
    shutil.copytree(made.mirror, world.mirror, symlinks=True)
    return world


def database(world, *advisories, name="all.zip", **options):
    path = world.directory / name
    path.write_bytes(all_zip(*advisories, **options))
    return path


def bring(world, *advisories, status=0, words=()):
    return world.run_json("advisories", "update", "--from", database(world, *advisories), *words, status=status)


def audit(world, *words, status=1):
    return world.run_json("audit", *words, status=status)


def titles(found, key="findings"):
    return [(each["id"], each["kind"], each["name"], each["version"]) for each in found[key]]


def test_wheels_and_conda_packages_are_found_by_their_project_without_a_network(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, aliases=[CVE], severity=HIGH, summary="It reads too much."))
    mirrored.upstream.close()
    found = audit(mirrored)
    assert titles(found) == [(CVE, "conda", "shop", "1.0"), (CVE, "pypi", "shop-lib", "1.5+cu1")]
    first = found["findings"][0]
    assert (first["project"], first["aliases"], first["advisories"]) == ("shop-lib", [GHSA], [GHSA])
    assert (first["severity"], first["score"], first["fixed"], first["decided"]) == ("high", 7.5, ["2.0"], True)
    assert first["targets"] == [{"workspace": "workspace", "environment": "default", "platform": "linux-64"}]
    assert (found["checked"], [path.rpartition("/")[2] for path in found["unmatched"]]) == (4, ["plain-1.0-0.conda"])
    said = mirrored.run("audit")
    assert said.status == 1
    assert f"high 7.5: {CVE} ({GHSA}) in shop 1.0 (conda; shop-lib on PyPI)" in said.stdout
    assert "  It reads too much.\n  fixed in 2.0\n  in workspace/default/linux-64" in said.stdout
    assert said.stdout.rstrip().endswith("2 findings")


def test_the_version_of_a_purl_is_the_one_that_counts(mirrored):
    bring(
        mirrored, advisory("X-1", affected("odd", versions=["1.0.0"])), advisory("X-2", affected("odd", versions=["2"]))
    )
    assert titles(audit(mirrored)) == [("X-1", "conda", "odd", "1.0.0")]


def test_advisories_that_share_a_name_are_one_finding(mirrored):
    bring(
        mirrored,
        advisory(PYSEC, BELOW_2, aliases=[CVE], severity=LOW),
        advisory(GHSA, affected("shop-lib", versions=["1.5"]), aliases=[CVE], severity=HIGH),
        advisory("PYSEC-2026-8", BELOW_2, summary="another"),
        advisory("PYSEC-2026-9", BELOW_2, aliases=[CVE], withdrawn="2026-02-01T00:00:00Z"),
        advisory("GHSA-elsewhere", affected("shop-lib", ecosystem="npm", versions=["1.5"])),
    )
    found = [each for each in audit(mirrored)["findings"] if each["kind"] == "pypi"]
    assert [(each["id"], each["advisories"]) for each in found] == [
        ("PYSEC-2026-8", ["PYSEC-2026-8"]),
        (CVE, [GHSA, PYSEC]),
    ]
    assert [each["severity"] for each in found] == ["unknown", "high"]


def test_a_withdrawn_advisory_and_another_environment_are_no_findings(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, withdrawn="2026-02-01T00:00:00Z"))
    assert audit(mirrored, status=0)["findings"] == []
    bring(mirrored, advisory(GHSA, BELOW_2))
    assert audit(mirrored, "-e", "prod", status=0)["checked"] == 1
    assert len(audit(mirrored, "-e", "default", "-p", "linux-64")["findings"]) == 2
    assert "has the environment 'prd'" in mirrored.run("audit", "-e", "prd").stderr


@pytest.mark.parametrize(
    ("severity", "level", "status"),
    [(LOW, "low", 1), (LOW, "medium", 0), (HIGH, "high", 1), (HIGH, "critical", 0), (None, "critical", 1)],
)
def test_fail_on_limits_what_ends_with_status_1_and_what_is_unknown_always_does(mirrored, severity, level, status):
    bring(mirrored, advisory(GHSA, BELOW_2, severity=severity))
    assert len(audit(mirrored, "--fail-on", level, status=status)["findings"]) == 2
    assert audit(mirrored, status=1)["findings"]


def test_what_cannot_be_compared_is_a_finding_that_says_so(mirrored):
    bring(mirrored, advisory(GHSA, affected("other", ranges=[events(("introduced", "0"), ("fixed", "r-12-x"))])))
    (found,) = audit(mirrored, "-e", "prod")["findings"]
    assert found["decided"] is False
    assert "cannot be compared" in mirrored.run("audit").stdout


OPENVEX = {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-03-01T00:00:00Z"}


def openvex(world, *statements):
    path = world.directory / "vex.json"
    path.write_text(json.dumps({**OPENVEX, "statements": list(statements)}), encoding="utf-8")
    return path


def statement(product, status="not_affected", vulnerability=CVE, **rest):
    reason = {"justification": "vulnerable_code_not_in_execute_path"} if status == "not_affected" else {}
    return {
        "vulnerability": {"name": vulnerability},
        "products": [{"@id": product}],
        "status": status,
        **reason,
        **rest,
    }


def test_openvex_takes_findings_away_with_a_reason(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, aliases=[CVE]))
    found = audit(mirrored, "--vex", openvex(mirrored, statement("pkg:pypi/Shop-Lib")), status=0)
    assert (found["findings"], len(found["waived"])) == ([], 2)
    assert found["waived"][0]["waiver"] == {
        "document": "vex.json", "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path",
    }  # fmt: skip
    shown = mirrored.run("audit", "--vex", "vex.json").stdout
    assert f"waived:\n  {CVE} in shop 1.0 (conda; shop-lib on PyPI): not_affected, vulnerable_code" in shown


def test_a_statement_is_about_what_its_purl_names_and_no_more(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, aliases=[CVE]))

    def left(*statements):
        found = audit(mirrored, "--vex", openvex(mirrored, *statements), status=1)
        return [each["kind"] for each in found["findings"]]

    assert left(statement("pkg:pypi/shop-lib@1.5%2Bcu1")) == ["conda"]
    assert left(statement("pkg:conda/shop@1.0?subdir=noarch")) == ["pypi"]
    assert left(statement("pkg:conda/shop@1.0?subdir=linux-64")) == ["conda", "pypi"]
    assert left(statement("pkg:pypi/shop-lib@1.4")) == ["conda", "pypi"]
    assert left(statement("pkg:pypi/shop-lib", vulnerability="CVE-2026-2222")) == ["conda", "pypi"]
    app = statement("pkg:oci/app") | {
        "products": [{"@id": "pkg:oci/app", "subcomponents": [{"@id": "pkg:pypi/shop-lib"}]}]
    }
    assert left(app) == ["conda", "pypi"]


def test_the_last_statement_counts_and_one_without_a_reason_does_not(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, aliases=[CVE]))
    old = statement("pkg:pypi/shop-lib", timestamp="2026-01-01T00:00:00Z")
    for status in ("affected", "under_investigation"):
        again = statement("pkg:pypi/shop-lib", status=status, timestamp="2026-02-01T00:00:00Z")
        assert len(audit(mirrored, "--vex", openvex(mirrored, again, old))["findings"]) == 2
    fixed = statement("pkg:pypi/shop-lib", status="fixed", timestamp="2026-02-01T00:00:00Z")
    assert audit(mirrored, "--vex", openvex(mirrored, old, fixed), status=0)["waived"][0]["waiver"]["status"] == "fixed"
    found = audit(mirrored, "--vex", openvex(mirrored, statement("pkg:pypi/shop-lib", justification="")))
    assert len(found["findings"]) == 2
    assert "gives no reason" in found["warnings"][0]
    unused = audit(mirrored, "--vex", openvex(mirrored, statement("pkg:pypi/shop-lib", vulnerability="CVE-1")))
    assert "takes no finding away" in unused["warnings"][0]


def test_cyclonedx_takes_findings_away_by_purl_by_component_and_by_link(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2, aliases=[CVE]))
    bom = json.loads(mirrored.run("sbom").stdout)
    references = {each["name"]: each["bom-ref"] for each in bom["components"]}
    link = f"urn:cdx:{bom['serialNumber'].removeprefix('urn:uuid:')}/1#{references['shop-lib'].replace('&', '%26')}"

    def vex(state, *affects, **rest):
        found = {"id": GHSA, "analysis": {"state": state, **rest}, "affects": [{"ref": each} for each in affects]}
        document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [found]}
        document["components"] = [{"bom-ref": "c1", "purl": references["shop"], "name": "shop", "type": "library"}]
        (mirrored.directory / "vex.cdx.json").write_text(json.dumps(document), encoding="utf-8")
        done = mirrored.run("audit", "--vex", "vex.cdx.json", "--json")
        return [each["kind"] for each in json.loads(done.stdout)["findings"]]

    assert vex("not_affected", "c1", link, justification="code_not_reachable") == []
    assert vex("resolved", references["shop"]) == ["pypi"]
    assert vex("false_positive", "c1", link, detail="it is another library") == []
    assert vex("exploitable", "c1", link) == vex("not_affected", "c1", link) == ["conda", "pypi"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"statements": [{}]}', '{"statements": [{"status": "fixed"}]}', "[" * 100_000,
             '{"bomFormat": "CycloneDX", "vulnerabilities": [{}]}'],
)  # fmt: skip
def test_a_vex_document_that_is_none_is_refused(mirrored, text):
    bring(mirrored, advisory())
    (mirrored.directory / "vex.json").write_text(text, encoding="utf-8")
    done = mirrored.run("audit", "--vex", "vex.json")
    assert (done.status, done.stdout) == (8, "")
    assert "--vex: vex.json cannot be used: " in done.stderr


def test_without_advisories_an_audit_ends_with_status_3(mirrored):
    done = audit(mirrored, status=3)
    assert "advisories update --from" in done["error"]["message"]
    assert audit(mirrored, "--database", database(mirrored, advisory(GHSA, BELOW_2)))["databases"] == []


def test_a_database_comes_by_url_and_is_pinned_until_another_is_asked_for(mirrored):
    url = (
        mirrored.upstream.put("/osv/all.zip", all_zip(advisory(GHSA, BELOW_2)))
        or f"{mirrored.upstream.url}/osv/all.zip"
    )
    secret = url.replace("://", "://user:secret@")
    first = mirrored.run_json("advisories", "update", "--from", secret)
    (held,) = first["databases"]
    assert (held["advisories"], held["newest"], held["source"]) == (1, "2026-11-01T00:00:00+00:00", url)
    assert "secret" not in (mirrored.mirror / "pixi-mirror.json").read_text(encoding="utf-8")
    mirrored.upstream.put(
        "/osv/all.zip", all_zip(advisory(GHSA, BELOW_2, modified="2026-11-20T00:00:00Z"), advisory("X-1"))
    )
    assert mirrored.run("--dry-run").status == 3  # an update of packages does not touch it; the lock is gone
    assert mirrored.run_json("advisories", "list")["databases"] == [held]
    said = mirrored.run("advisories", "update", "--from", url)
    assert "last changed on 2026-11-20" in said.stdout
    assert "before: last changed on 2026-11-01, " in said.stdout
    assert held["sha256"] in said.stdout
    again = mirrored.run_json("advisories", "update", "--from", url)
    assert again["before"]["sha256"] == again["databases"][0]["sha256"]
    older = bring(mirrored, advisory(GHSA, modified="2026-01-01T00:00:00Z"))
    assert older["before"]["newest"] == "2026-11-20T00:00:00+00:00"
    assert (
        "OLDER"
        in mirrored.run(
            "advisories", "update", "--from", database(mirrored, advisory("Y-1", modified="2020-01-01T00:00:00Z"))
        ).stdout
    )


def test_a_file_a_list_and_a_directory_become_the_same_database(mirrored):
    records = [advisory("X-1", BELOW_2), advisory("X-2", BELOW_2)]
    folder = mirrored.directory / "own" / "deeper"
    folder.mkdir(parents=True)
    (folder / "b.json").write_text(json.dumps(records[1], indent=2), encoding="utf-8")
    (folder.parent / "a.json").write_text(json.dumps(records[0]), encoding="utf-8")
    (folder.parent / "notes.txt").write_text("no advisory", encoding="utf-8")
    found = []
    for name, content in [("list.json", records[::-1]), ("answer.json", {"vulns": records})]:
        (mirrored.directory / name).write_text(json.dumps(content), encoding="utf-8")
        found.append(mirrored.run_json("advisories", "update", "--from", name)["databases"][0]["sha256"])
    found.append(mirrored.run_json("advisories", "update", "--from", "own")["databases"][0]["sha256"])
    assert len(set(found)) == 1
    assert len(audit(mirrored)["findings"]) == 4
    (folder / "c.json").write_text(json.dumps(advisory("X-1")), encoding="utf-8")
    done = mirrored.run("advisories", "update", "--from", "own")
    assert (done.status, "X-1 is there twice" in done.stderr) == (8, True)


def test_several_databases_have_names_and_can_be_removed(mirrored):
    bring(mirrored, advisory("X-1", BELOW_2))
    bring(mirrored, advisory("X-2", BELOW_2), words=("--name", "own"))
    assert {each["id"] for each in audit(mirrored)["findings"]} == {"X-1", "X-2"}
    assert mirrored.run("advisories", "remove", "--name", "own").status == 0
    assert {each["id"] for each in audit(mirrored)["findings"]} == {"X-1"}
    assert mirrored.run("advisories", "remove", "--name", "ovs").status == 3
    for name in ("../x", "a/b", "con"):
        assert mirrored.run("advisories", "update", "--from", "all.zip", "--name", name).status == 2


def cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (cut(all_zip(*(advisory(f"X-{number}") for number in range(20)))), "cut short"),
        (all_zip(), "it has no advisory in it"),
        (all_zip(advisory("X-1"), extra=[("bad.json", b"{")]), "bad.json"),
        (all_zip(advisory("X-1"), extra=[("bad.json", b"[]")]), "bad.json: it is no object"),
        (all_zip(extra=[("big.json", b" " * (17 << 20))]), "big.json is"),
        (b'{"id": "X-1"', "Expecting"),
        (b"", "Expecting value"),
        (b"[]", "it has no advisory in it"),
        (b"<html>log in</html>", "Expecting value"),
        (b"[" * 200_000, "nested too deep"),
    ],
)
def test_a_database_that_is_cut_or_none_changes_nothing(mirrored, data, problem):
    bring(mirrored, advisory(GHSA, BELOW_2))
    before = (mirrored.mirror / "pixi-mirror.json").read_bytes()
    mirrored.upstream.put("/bad", data)
    for source in ("bad.file", f"{mirrored.upstream.url}/bad"):
        (mirrored.directory / "bad.file").write_bytes(data)
        done = mirrored.run("advisories", "update", "--from", source)
        assert (done.status, done.stdout) == (8, ""), done.stderr
        assert problem in done.stderr
        assert "Nothing was changed" in done.stderr
    assert (mirrored.mirror / "pixi-mirror.json").read_bytes() == before
    assert len(audit(mirrored)["findings"]) == 2


def test_a_source_that_is_not_there_and_a_mirror_that_is_none(mirrored):
    assert mirrored.run("advisories", "update", "--from", "nowhere.zip").status == 8
    assert mirrored.run("advisories", "update", "--from", f"{mirrored.upstream.url}/nowhere.zip").status == 5
    assert mirrored.run("advisories", "update").status == 2
    assert mirrored.run("advisories", "list", "--from", "x").status == 2
    assert mirrored.run("audit", "elsewhere").status == 8
    assert mirrored.run("advisories").stdout == "mirror carries no advisories\n"


def database_file(world):
    (found,) = world.mirror.glob("advisories/*/*")
    return found


@pytest.mark.broken_mirror("the database is damaged, then dropped")
def test_verify_says_what_mends_a_database_since_a_repair_does_not(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    path = database_file(mirrored)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"x")
    for words in ([], ["--repair"]):
        said = mirrored.run("verify", *words)
        assert (said.status, "verify --repair`" in said.stdout) == (1, False)
        assert "`pixi-mirror advisories update --from SOURCE --name osv`; they came from all.zip" in said.stdout
    assert mirrored.run("advisories", "remove").status == 0
    said = mirrored.run("verify", "--repair")
    assert (said.status, "verify --repair`" in said.stdout) == (1, False)
    assert "`pixi-mirror prune --apply --grace 0` removes what is damaged and no lock wants" in said.stdout


def test_a_dropped_database_that_is_gone_hinders_a_publication_until_a_repair(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    database_file(mirrored).unlink()
    assert mirrored.run("advisories", "remove").status == 0
    assert "`pixi-mirror verify --repair` puts the mirror right" in mirrored.run("publish", "site").stderr
    assert mirrored.run("verify", "--repair").status == 0
    assert mirrored.run("publish", "site").status == 0


@pytest.mark.broken_mirror("the database is damaged, then removed, and brought again")
def test_verify_hashes_the_database_and_an_audit_refuses_a_damaged_one(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    assert mirrored.run("verify").status == 0
    path = database_file(mirrored)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"x")
    found = mirrored.run_json("verify", status=1)
    assert [each["path"] for each in found["changed"]] == [path.relative_to(mirrored.mirror).as_posix()]
    assert "is damaged" in audit(mirrored, status=8)["error"]["message"]
    path.unlink()
    assert mirrored.run_json("verify", status=1)["missing"] == [path.relative_to(mirrored.mirror).as_posix()]
    assert "is missing" in audit(mirrored, status=8)["error"]["message"]
    assert bring(mirrored, advisory(GHSA, BELOW_2))["databases"]
    assert mirrored.run("verify").status == 0
    assert len(audit(mirrored)["findings"]) == 2


def test_prune_leaves_the_database_and_removes_the_one_before_after_its_grace(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    old = database_file(mirrored)
    assert mirrored.run("prune").status == 0
    bring(mirrored, advisory("X-1", BELOW_2))
    assert mirrored.run_json("prune")["waiting"] == [old.relative_to(mirrored.mirror).as_posix()]
    done = mirrored.run_json("prune", "--apply", "--grace", "0")
    assert done["removed"] == [old.relative_to(mirrored.mirror).as_posix()]
    assert database_file(mirrored) != old
    assert mirrored.run("verify", "--strict").status == 0
    assert len(audit(mirrored)["findings"]) == 2


def test_the_far_side_of_an_air_gap_audits_with_the_database_that_was_carried(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    assert mirrored.run("export", "--to", "far", "--assume-received", "-o", "usb").status == 0
    assert mirrored.run("import", "usb", "far").status == 0
    mirrored.upstream.close()
    assert len(audit(mirrored, "far")["findings"]) == 2
    assert mirrored.run("verify", "far").status == 0
    refused = mirrored.run("advisories", "update", "far", "--from", "all.zip")
    assert (refused.status, "pixi-mirror import" in refused.stderr) == (4, True)
    bring(mirrored, advisory("X-1", BELOW_2))
    increment = mirrored.run_json("export", "--to", "far", "-o", "usb2")
    assert increment["files"] == 1
    assert mirrored.run("import", "usb2", "far").status == 0
    assert {each["id"] for each in audit(mirrored, "far")["findings"]} == {"X-1"}
    assert mirrored.run("prune", "far", "--apply", "--grace", "0").status == 0
    assert mirrored.run("verify", "far", "--strict").status == 0
    assert len([*(mirrored.directory / "far").glob("advisories/*/*")]) == 1


def test_a_published_mirror_has_the_database(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    assert mirrored.run("publish", "site").status == 0
    name = database_file(mirrored).relative_to(mirrored.mirror)
    assert (mirrored.directory / "site" / name).read_bytes() == database_file(mirrored).read_bytes()


def test_going_back_keeps_the_advisories_of_now_and_each_database_is_a_generation(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    bring(mirrored, advisory("X-1", BELOW_2))
    log = mirrored.run_json("log")
    assert [each["number"] for each in log["generations"]][:3] in ([3, 2, 1], [1, 2, 3])
    assert mirrored.run("rollback", "1").status == 0
    assert {each["id"] for each in audit(mirrored)["findings"]} == {"X-1"}
    assert mirrored.run("verify").status == 0
    assert mirrored.run("rollback", "2").status == 0
    assert {each["id"] for each in audit(mirrored)["findings"]} == {"X-1"}
    assert mirrored.run("verify", "--strict").status == 0


def test_status_says_what_is_carried(mirrored):
    bring(mirrored, advisory(GHSA, BELOW_2))
    (found,) = mirrored.run_json("status")["advisories"]
    assert (found["name"], found["advisories"]) == ("osv", 1)
    assert "advisories osv: 1 advisory of all.zip, last changed on 2026-11-01" in mirrored.run("status").stdout
