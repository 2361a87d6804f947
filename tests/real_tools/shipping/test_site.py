"""The site of docs/: it builds strictly, a link that leads nowhere fails it, and no page asks a foreign host."""

import re
import shutil
from pathlib import Path

import pytest
from harness.child import ROOT, run_program, user_environment

pytestmark = [
    pytest.mark.python_tools,
    pytest.mark.skipif(shutil.which("mkdocs") is None, reason="needs mkdocs: pip install '.[lint]'"),
]


def build(directory: Path, *, pages: Path = ROOT / "docs"):
    """Build the site of a folder of pages, strictly."""
    words = ("build", "--strict", "-f", str(pages / "site" / "mkdocs.yml"), "-d", str(directory / "site"))
    return run_program(shutil.which("mkdocs"), *words, env=user_environment(directory / "home"), cwd=directory)


def test_the_site_builds_and_its_pages_load_nothing_from_elsewhere(tmp_path):
    done = build(tmp_path)
    assert done.status == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=[\"']([^\"']+)", text)
        assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == [], page.name


@pytest.mark.parametrize("link", ["no-such-page.md", "layout.md#no-such-heading", "../no-such-file"])
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path, link):
    pages = tmp_path / "top" / "docs"
    shutil.copytree(ROOT / "docs", pages)
    for text in [path.read_text(encoding="utf-8") for path in pages.glob("*.md")]:
        for target in re.findall(r"\]\(\.\./([^)#]+)", text):
            (tmp_path / "top" / target).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "top" / target).touch()
    page = pages / "guide.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\nSee [there]({link}).\n", encoding="utf-8")
    done = build(tmp_path, pages=pages)
    assert done.status == 1
    assert link.removeprefix("../") in done.stderr
    page.write_text(page.read_text(encoding="utf-8").replace(link, "layout.md"), encoding="utf-8")
    assert build(tmp_path, pages=pages).status == 0
