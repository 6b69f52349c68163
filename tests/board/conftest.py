"""A headless browser for the pages of the board."""

from __future__ import annotations

from made.browser import browse, chromium, visit  # noqa: F401  fixtures
