"""The inventories out of nothing are those of the page's own tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "serve" / "page"))
