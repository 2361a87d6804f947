"""A redirect from a host of the internet to this machine is refused, with status 5, unless the user allows it."""

from harness.upstream import redirect
from harness.world import small_packages

LOCK = ("--lock", "workspace/pixi.lock")
PLACE = "/conda-forge/noarch/base-2024.1-0.conda"


def lock(world, host="public.example"):
    entry = world.publish(small_packages()["base"], base=f"http://{host}")
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    world.upstream.put("/else/base.conda", small_packages()["base"].data)


def proxied(world):
    return {"http_proxy": world.upstream.url}


def test_a_host_of_the_internet_leads_to_this_machine_only_if_that_is_allowed(world):
    lock(world)
    world.upstream.script(PLACE, *[redirect(f"{world.upstream.url}/else/base.conda")] * 2)
    done = world.run(*LOCK, "--retries", "0", env=proxied(world))
    assert done.status == 5
    assert "--allow-private-redirects" in done.stderr
    assert not [request for request in world.requests if request.path == "/else/base.conda"]
    assert world.run(*LOCK, "--allow-private-redirects", env=proxied(world)).status == 0


def test_a_host_of_a_private_network_may_lead_there(world):
    lock(world, world.upstream.authority)
    world.upstream.script(PLACE, redirect(f"http://localhost:{world.upstream.url.rpartition(':')[2]}/else/base.conda"))
    done = world.run(*LOCK)
    assert done.status == 0, done.stderr
