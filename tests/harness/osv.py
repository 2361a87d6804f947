"""Advisories in the format OSV, made by hand, and the archives in which they come; the projects are invented."""

import io
import json
import zipfile


def events(*pairs):
    """Events of a range: `("introduced", "1.0"), ("fixed", "1.5")`."""
    return [{kind: version} for kind, version in pairs]


def affected(project="shop-lib", *, ranges=(), versions=(), ecosystem="PyPI", kind="ECOSYSTEM", **rest):
    """What an advisory says of a project; `ranges` are lists of events."""
    return {
        "package": {"name": project, "ecosystem": ecosystem},
        "ranges": [{"type": kind, "events": each} for each in ranges],
        "versions": list(versions),
        **rest,
    }


def advisory(identifier="GHSA-aaaa-bbbb-cccc", *about, modified="2026-11-01T00:00:00Z", **rest):
    """One record; without `about` all versions of shop-lib are affected."""
    about = about or (affected(ranges=[events(("introduced", "0"))]),)
    return {"schema_version": "1.7.0", "id": identifier, "modified": modified, "affected": list(about), **rest}


def all_zip(*advisories, extra=()):
    """The bytes of an `all.zip`; `extra` are more members, as name and bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in advisories:
            archive.writestr(f"{each['id']}.json", json.dumps(each))
        for name, data in extra:
            archive.writestr(name, data)
    return buffer.getvalue()
