"""Tell the two units of the timestamps in conda records apart; pure."""

_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


def milliseconds(timestamp: int) -> int:
    """The timestamp of a record in milliseconds. rattler: up to the end of the year 9999 it is in seconds."""
    return timestamp if timestamp > _LAST_SECOND else timestamp * 1000
