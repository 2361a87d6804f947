"""Licences are SPDX expressions where they are such, and stand as found where they are not."""

import pytest

from pixi_mirror.pypi.licenses import license_of_metadata, read_license


@pytest.mark.parametrize(
    ("text", "expression", "identifier"),
    [
        ("MIT", "MIT", "MIT"),
        ("mit ", "MIT", "MIT"),
        ("GPL-2.0", "GPL-2.0", "GPL-2.0"),
        ("GPL-2.0+", "GPL-2.0+", None),
        ("MIT and (apache-2.0 or BSD-3-Clause)", "MIT AND (Apache-2.0 OR BSD-3-Clause)", None),
        ("LGPL-2.1-or-later WITH GCC-exception-3.1", "LGPL-2.1-or-later WITH GCC-exception-3.1", None),
        ("LicenseRef-Proprietary", "LicenseRef-Proprietary", None),
    ],
)
def test_an_expression_is_one(text, expression, identifier):
    found = read_license(text)
    assert (found.expression, found.identifier) == (expression, identifier)


@pytest.mark.parametrize(
    "text", ["Apache 2.0", "MIT/X11", "BSD", "custom", "MIT, BSD", "GPL-2.0-or-later WITH MIT", "(" * 150, "MIT AND"]
)
def test_what_is_none_stays_as_it_was_found(text):
    found = read_license(text)
    assert (found.text, found.expression, found.identifier) == (text, None, None)


@pytest.mark.parametrize("text", ["", "  ", "NOASSERTION", "none", None, 7, 1.5])
def test_no_statement_is_none(text):
    assert read_license(text) is None


def test_a_long_text_is_cut():
    found = read_license("Permission is hereby granted " * 100)
    assert len(found.text) < 210
    assert found.text.endswith("...")


def test_names_of_ones_own_are_listed():
    assert read_license("MIT AND LicenseRef-b AND LicenseRef-a").own_references == ("LicenseRef-a", "LicenseRef-b")
    assert read_license("MIT").own_references == ()


OSI = "License :: OSI Approved"


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "wanted"),
    [
        ("MIT", "BSD", [f"{OSI} :: Apache Software License"], "MIT"),
        (None, "BSD", [f"{OSI} :: Apache Software License"], "BSD"),
        (None, "A long text. " * 100, [OSI, f"{OSI} :: MIT License"], "MIT License"),
        (None, None, [f"{OSI} :: MIT License", f"{OSI} :: BSD License"], "BSD License, MIT License"),
        (None, "UNKNOWN", ["Programming Language :: Python"], None),
        (None, None, [], None),
    ],
)
def test_core_metadata_say_it_in_three_ways(expression, text, classifiers, wanted):
    found = license_of_metadata(expression, text, classifiers)
    assert (None if found is None else found.text) == wanted


def test_the_text_of_a_licence_is_better_than_nothing():
    assert license_of_metadata(None, "A long text. " * 100, []).text.startswith("A long text. A long")
