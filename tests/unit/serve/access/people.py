"""Users for tests, whose passwords are hashed once a process, and what a client sends of them."""

import base64
from functools import cache
from types import MappingProxyType

from pixi_mirror.serve.access.passwords import create_token, hash_password
from pixi_mirror.serve.access.rights import admit_right
from pixi_mirror.serve.access.users import User

PASSWORD = "correct horse"


@cache
def password_of_all():
    return hash_password(PASSWORD)


@cache
def token():
    """A token and its digest."""
    return create_token()


def user(name, *, read=None, password=True, token_too=False):
    return User(
        name,
        password_of_all() if password else None,
        token()[1] if token_too else None,
        None if read is None else tuple(admit_right(right) for right in read),
    )


def users(*them):
    return MappingProxyType({each.name: each for each in them})


def basic(name, secret, encoding="utf-8"):
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode(encoding)).decode()
