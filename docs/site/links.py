"""Lead the links that leave docs/ to the repository: the site has the pages of docs/ alone."""

import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig

LOG = logging.getLogger("mkdocs.hooks.links")
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")


def on_page_markdown(markdown: str, *, config: MkDocsConfig, **_: Any) -> str:
    """Return the text of a page in which each link out of docs/ has the repository's URL.

    Args:
        markdown: The text of one page as its file has it.
        config: The configuration of the site; its `repo_url` is the repository.
    """
    top = Path(config.docs_dir).parent

    def absolute(link: re.Match[str]) -> str:
        if not (top / link[1]).exists():
            LOG.warning("a link leads to %s, which the repository does not have", link[1])
        return f"]({config.repo_url}/blob/main/{link[1]}"

    return OUTSIDE.sub(absolute, markdown)
