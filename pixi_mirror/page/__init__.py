"""Show people what a mirror holds: one HTML page that needs nothing else, made of the inventory; pure."""

from pixi_mirror.page.look import POLICY
from pixi_mirror.page.written import Page, html_of, page_of

__all__ = ["POLICY", "Page", "html_of", "page_of"]
