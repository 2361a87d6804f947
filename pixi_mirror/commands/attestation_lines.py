"""How attestations read to people and as JSON."""

from collections.abc import Iterator, Mapping

from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted
from pixi_mirror.provenance.check import AttestationsResult
from pixi_mirror.provenance.signers import Signer

_SHOWN = 20


def attestation_lines(found: AttestationsResult) -> Iterator[str]:
    """Who has built what, the failures, and how many files nobody has signed for."""
    signers: dict[Signer, set[str]] = {}
    for each in found.attested:
        signers.setdefault(each.signer, set()).add(each.path)
    if signers:
        yield "signed for:"
        ordered = sorted(signers, key=lambda signer: (-len(signers[signer]), signer.identity))
        for signer in ordered[:_SHOWN]:
            repository = f", from {signer.repository}" if signer.repository else ""
            number = counted(len(signers[signer]), "package file")
            yield f"  {number} by {signer.identity} ({signer.issuer}){repository}"
        if (more := len(ordered) - _SHOWN) > 0:
            yield f"  and more by {counted(more, 'other signer')}; --json has all"
    if found.failed:
        yield "attestations that do not hold:"
        yield from (f"  {each.path}: {each.reason}" for each in found.failed[:_SHOWN])
        if (more := len(found.failed) - _SHOWN) > 0:
            yield f"  and {more} more; --json has all"
    signed = len({each.path for each in found.attested})
    yield (
        f"{counted(signed, 'package file')} signed for, {len(found.failed)} with attestations that do not hold, "
        f"{len(found.unattested)} without any (trusted root {found.root_sha256[:12]}...)"
    )


def attestations_json(found: AttestationsResult | None) -> Mapping[str, Json] | None:
    """The same as JSON; None: it was not requested."""
    if found is None:
        return None
    return {
        "root_sha256": found.root_sha256,
        "attested": [
            {
                "path": each.path,
                "sha256": each.sha256,
                "identity": each.signer.identity,
                "issuer": each.signer.issuer,
                "repository": each.signer.repository,
                "predicate": each.statement.predicate,
                "channel": each.statement.channel,
            }
            for each in found.attested
        ],
        "failed": [{"path": each.path, "reason": each.reason} for each in found.failed],
        "unattested": list(found.unattested),
    }
