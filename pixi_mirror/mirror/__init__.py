"""Renew pins, bring, derive, record: in the one safe order.

At any time every index file is whole, and every file that it lists is there: packages come first, then indexes, then
the inventory; nothing is removed in the same run. `bringing`, which needs the cache and the network, is a room of its
own that only a run with something to bring enters.
"""

from pixi_mirror.mirror.planning import Plan, is_ignorant, planned, undeferrable, unsettled
from pixi_mirror.mirror.renewal import Renewal, Wish, refreshes, refusal_of, renewed, standing, subscription_of, wish
from pixi_mirror.mirror.transaction import Settled, expected, needed_indexes, require_program, settle, stale

__all__ = [
    "Plan",
    "Renewal",
    "Settled",
    "Wish",
    "expected",
    "is_ignorant",
    "needed_indexes",
    "planned",
    "refreshes",
    "refusal_of",
    "renewed",
    "require_program",
    "settle",
    "stale",
    "standing",
    "subscription_of",
    "undeferrable",
    "unsettled",
    "wish",
]
