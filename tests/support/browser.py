"""A headless Chromium for tests of pages."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from support.tools import skip_or_fail

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
NO_BROWSER = "SNNCC_NO_BROWSER"
"""Environment variable: 1 where no browser can be installed, so that its absence is no failure."""

INSTALL = "on Debian: apt install chromium chromium-driver"


@contextmanager
def browser(width: int, height: int = 900) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile, as wide as that; without Chromium the test is skipped, or fails."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = f"Chromium and its driver were not found; {INSTALL}"
        if os.environ.get(NO_BROWSER) == "1":
            pytest.skip(missing)
        skip_or_fail(missing)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        found = webdriver.Chrome(options=options, service=Service(driver))
        try:
            resize(found, width, height)
            yield found
        finally:
            found.quit()


def resize(found: webdriver.Chrome, width: int, height: int = 900) -> None:
    """Give the page that much room, less than a window may have."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    found.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def open_page(found: webdriver.Chrome, page: Path) -> None:
    """Open a file, as from disk."""
    found.get(page.resolve().as_uri())


def messages(found: webdriver.Chrome) -> list[str]:
    """What the console says."""
    return [entry["message"] for entry in found.get_log("browser")]
