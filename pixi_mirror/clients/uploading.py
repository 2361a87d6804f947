"""What the configurations of uploaders have in common: they name what is hosted, and have no password in them."""

from pixi_mirror.clients.offer import HostedOffer, Offer
from pixi_mirror.clients.whole_file import WholeFileClient
from pixi_mirror.errors import UsageError

TOKEN_USER = "__token__"  # noqa: S105 - the name that clients send where the password is a token
_INSECURE = "uploads to {url} go over plain http: use it on one machine alone, or serve with --tls-cert."


class UploadClient(WholeFileClient):
    """A program that uploads."""

    kind = "pypi"
    """Of `conda` and `pypi` what it uploads."""

    def configuration(self, offer: Offer) -> str:
        """The whole file."""
        raise NotImplementedError

    def targets(self, offer: Offer) -> tuple[HostedOffer, ...]:
        """The hosted names that it can upload to.

        Raises:
            UsageError: there are none.
        """
        found = tuple(each for each in offer.hosted_names if (each.pypi if self.kind == "pypi" else each.conda))
        if not found:
            what = "Python" if self.kind == "pypi" else "conda"
            make = f"pixi-mirror host add NAME --{self.kind}"
            raise UsageError(f"the mirror hosts nothing that takes {what} packages; make it: `{make}`.")
        return found

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What a person should know besides: where the token comes from, and that http is for one machine."""
        made = "a token is made by `pixi-mirror users add NAME --token --upload HOSTED --file USERS`; it is shown once."
        is_secure = offer.url.startswith("https:") or offer.is_loopback
        return (made,) if is_secure else (made, _INSECURE.format(url=offer.url))
