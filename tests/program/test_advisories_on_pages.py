"""The page of a package has what the advisories in the mirror say of it, as soon as they are there."""

import json
from dataclasses import replace
from urllib.request import urlopen

from harness.osv import advisory, affected, events
from harness.serving import served
from harness.world import small_packages


def test_the_page_of_a_package_names_its_known_vulnerabilities(world):
    base = world.publish(small_packages()["base"])
    base = replace(base, record={**base.record, "purls": ["pkg:pypi/base"]})
    lock = world.lock("workspace", environments={"default": {"linux-64": [base]}}, version=7)
    world.run_json("update", "--lock", lock)
    about = affected("base", ranges=[events(("introduced", "0"))])
    (world.directory / "own.json").write_text(json.dumps(advisory("GHSA-aaaa-bbbb-cccc", about, summary="it leaks")))
    with served(world.mirror, env=world.environment) as url:

        def page():
            with urlopen(f"{url}/-/packages/conda/base", timeout=30) as response:
                return response.read().decode()

        assert "Known vulnerabilities" not in page()
        world.run_json("advisories", "update", "--from", "own.json")
        found = world.run_json("audit", status=1)["findings"]
        assert [each["name"] for each in found] == ["base"]
        text = page()
        assert "1 known vulnerability" in text
        assert "GHSA-aaaa-bbbb-cccc" in text
        assert "it leaks" in text
