"""What hatchling does before it makes a package: the trader's page is built, so that every wheel has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Runs scripts/page.py, which does nothing where the page is there and its sources are unchanged."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's own names
        """Build the page, except for a link to this folder: `scripts/run` builds it there when it is needed."""
        if version != "editable":
            subprocess.run([sys.executable, Path(self.root) / "scripts" / "page.py"], check=True)
