"""Real locks mirror with the first command, except where a person must decide: docs/guide.md has the reasons."""

import pytest
from harness.child import ROOT
from harness.corpus import ROWS, lock_path, needs_corpus, sampled

DAMAGED = (3, "is damaged")
MERGING = (3, "unresolved merge conflict")
POINTER = (3, "is a Git LFS pointer")
MD5 = (4, "the lock has only an md5; --allow-md5 accepts that")
UNHASHED = (4, "the lock has no hash; --allow-unhashed pins what comes first")
ABSENT = (4, "cannot be read: No such file or directory (--skip-unmirrorable leaves it out)")
EXCEPTIONS = {
    "Deltares__Ribasim__root__at-f7b9cee3": [DAMAGED],
    "prefix-dev__pixi__root__at-b87e7c1a": [DAMAGED],
    "prefix-dev__pixi__root__at-2b47aeb6": [MERGING],
    "ami-iit__jaxsim__root": [POINTER],
    "nerfstudio-project__nerfstudio__root": [MD5],
    "prefix-dev__pixi__examples-pypi-source-deps": [UNHASHED],
    "prefix-dev__pixi__examples-conda-path-dependencies__at-b6bbac34": [UNHASHED, ABSENT],
    "Quantco__pixi-pack__examples-pypi-wheel-packages": [UNHASHED, ABSENT],
    "prefix-dev__pixi__examples-pypi-find-links": [ABSENT],
    "prefix-dev__pixi__tests-data-satisfiability-local-wheel": [ABSENT],
}
"""The locks that the first command does not mirror: the status and what its message says; the corpus holds locks alone,
without the files of their workspaces."""


@needs_corpus
@pytest.mark.parametrize("slug", sampled(ROWS))
def test_a_real_lock_mirrors_with_the_first_command_except_where_a_person_decides(world, slug):
    done = world.run("update", "--dry-run", "--lock", lock_path(slug), "--all-environments")
    exceptions = EXCEPTIONS.get(slug, [])
    assert {done.status} == ({status for status, _ in exceptions} or {0}), done.stderr
    assert [words for _, words in exceptions if words not in done.stderr] == []
    assert ("would bring nothing" in done.stdout) == (done.status == 4)
    assert done.stderr.count("cannot be mirrored") <= 1
    assert not list(world.directory.glob("mirror"))


@needs_corpus
@pytest.mark.parametrize("switch", ["--allow-md5", "--allow-unhashed"])
def test_the_switch_that_leaves_out_drops_nothing_that_another_switch_would_bring(world, switch):
    words = {"--allow-md5": MD5, "--allow-unhashed": UNHASHED}[switch]
    slugs = [slug for slug, exceptions in EXCEPTIONS.items() if words in exceptions]
    for slug in slugs:
        first = ("update", "--dry-run", "--lock", lock_path(slug), "--all-environments", "--skip-unmirrorable")
        refused = world.run(*first)
        assert (refused.status, words[1] in refused.stderr) == (4, True)
        assert world.run(*first, switch).status == 0


@needs_corpus
def test_the_guide_counts_the_real_locks_that_a_person_must_decide_about():
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    assert f"Of {len(ROWS)} locks of public repositories, {len(ROWS) - len(EXCEPTIONS)} mirror" in guide
