"""Every channel that packages come from is offered, whether or not an environment names it."""

from types import MappingProxyType

from pixi_mirror.clients.offer import offer_of
from pixi_mirror.model.packages import (
    Cell,
    Channel,
    Inventory,
    Package,
    PackageFile,
    Snapshot,
    home_channel,
    home_channels,
)
from pixi_mirror.model.values import MirrorPath, Sha256, Url

DIGEST = Sha256("a" * 64)


def package(path, url):
    return Package(
        path=MirrorPath(path), url=Url(url), sha256=DIGEST, md5=None, size=3, kind="conda", name="a", version="1",
        build="0", subdir=path.split("/")[-2], record=MappingProxyType({}),
    )  # fmt: skip


FORGE = package("conda-forge/linux-64/a-1-0.conda", "https://u:s@conda.anaconda.org/conda-forge/linux-64/a-1-0.conda")
OTHER = package("conda.example/base/noarch/a-1-0.conda", "https://conda.example/base/noarch/a-1-0.conda?x=y")
DIRECT = package("files.example/v1/a-1-0.conda", "https://files.example/v1/a-1-0.conda")
FLAT = package("linux-64/a-1-0.conda", "https://conda.example/base/linux-64/a-1-0.conda")
LOCAL = package("local/channel-0123/linux-64/a-1-0.conda", "file:///srv/channel/linux-64/a-1-0.conda")


def test_a_channel_is_what_stands_before_the_subdir_here_and_upstream():
    assert home_channel(FORGE) == Channel(url="https://conda.anaconda.org/conda-forge", path=MirrorPath("conda-forge"))
    assert home_channel(FLAT) == Channel(url="https://conda.example/base", path=None)
    assert home_channel(LOCAL) is None
    assert {channel.url: subdirs for channel, subdirs in home_channels([OTHER, FORGE]).items()} == {
        "https://conda.anaconda.org/conda-forge": {"linux-64"},
        "https://conda.example/base": {"noarch"},
    }


def test_a_client_is_led_to_a_channel_that_only_packages_name():
    cell = Cell(
        environment="default",
        platform="linux-64",
        subdir="linux-64",
        channels=(Channel(url="https://conda.anaconda.org/conda-forge", path=MirrorPath("conda-forge")),),
        packages=(FORGE.path, OTHER.path),
    )
    snapshot = Snapshot(
        id="1", workspace="w", source_sha256=DIGEST, newest_timestamp=0, requests=(), cells=(cell,),
        packages=(FORGE, OTHER), refused=(),
    )  # fmt: skip
    tree = {each.path: PackageFile(sha256=DIGEST, size=3) for each in (FORGE, OTHER)}
    offer = offer_of(Inventory(layout="channels", snapshots=(snapshot,), kept={}, tree=tree), "http://m.example")
    assert list(offer.channels.items()) == [
        ("https://conda.anaconda.org/conda-forge", "http://m.example/conda-forge"),
        ("https://conda.example/base", "http://m.example/conda.example/base"),
    ]
    assert offer.origins == {}
