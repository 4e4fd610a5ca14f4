"""The rules of axe-core on an open page. A context that opens such pages runs ``AXE`` on each: ``add_init_script``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""Rules whose outcome depends on colours."""
_RUN = """async rules => {
  const chosen = rules ? {runOnly: {type: "rule", values: rules}} : {};
  // Style sheets are preloaded for a rule that is experimental and not applied.
  const options = {resultTypes: ["violations"], selectors: false, preload: false};
  const found = await axe.run(document, {...options, ...chosen});
  return found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 120)}`));
}"""


def violations(tab: Page, rules: list[str] | None = None) -> list[str]:
    """Return what breaks some rules on an open page, by default those that axe-core itself applies."""
    return tab.evaluate(_RUN, rules)
