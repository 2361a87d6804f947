"""Know who may read what of a served mirror: the file of users, their passwords, tokens and rights, and the gate.

It alone makes, keeps and compares secrets of ours; what it tells of one, in an error or a representation, is nothing.
"""

from pixi_mirror.access.gate import Gate, Verdict
from pixi_mirror.access.passwords import hashed, issued
from pixi_mirror.access.rights import ListedAt, admit_right
from pixi_mirror.access.userfile import UserFile, changing, read_users
from pixi_mirror.access.users import User, Users, admit_name, admit_password

__all__ = [
    "Gate",
    "ListedAt",
    "User",
    "UserFile",
    "Users",
    "Verdict",
    "admit_name",
    "admit_password",
    "admit_right",
    "changing",
    "hashed",
    "issued",
    "read_users",
]
