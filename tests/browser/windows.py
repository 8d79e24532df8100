# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The windows that pages are looked at in, and pictures of them.

SCREENSHOTS names a folder for pictures, CHROMIUM the browser's program where it is not found by itself.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
in_chromium = pytest.mark.skipif(
    not CHROMIUM, reason="there is no Chromium on this machine: install it or set CHROMIUM"
)

SIZES: dict[str, dict[str, Any]] = {
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}
WINDOWS: dict[str, dict[str, Any]] = {
    f"{size}-{scheme}": {**SIZES[size], "color_scheme": scheme}
    for size, scheme in itertools.product(SIZES, ("light", "dark"))
}


@contextmanager
def open_window(browser: Browser, name: str, **options: Any) -> Iterator[BrowserContext]:
    """A browser that nobody has used yet, in one of WINDOWS; ``options`` are those of Playwright's contexts."""
    context = browser.new_context(**WINDOWS[name], **options)
    yield context
    context.close()


def take_picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        # The pages have few colours, and their smoothed edges can do with 256: a third of the size.
        picture.quantize(256, dither=Image.Dither.NONE).save(Path(SCREENSHOTS) / f"{name}.png", optimize=True)
