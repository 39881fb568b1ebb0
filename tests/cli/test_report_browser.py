"""The report in a real browser: it opens, its tabs switch, its raster scrubs, nothing overflows."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from support.browser import browser, messages, open_page, resize
from support.command import Snncc, compiled

PIXELS = "return document.getElementById('spikes').toDataURL()"
SCRUB = """
const slider = document.getElementById('step');
slider.value = arguments[0];
slider.dispatchEvent(new Event('input'));
"""
TOO_WIDE = """
return [...document.querySelectorAll('section:not([hidden]) *')].filter((each) => {
  if (each.closest('.scroll') && !each.matches('.scroll')) return false;
  return each.getBoundingClientRect().right > innerWidth + 1;
}).map((each) => each.outerHTML.slice(0, 80));
"""
OVERLAPPING = """
const found = [];
for (const svg of document.querySelectorAll('section:not([hidden]) svg')) {
  const texts = [...svg.querySelectorAll('text')];
  const boxes = texts.map((each) => [each.textContent, each.getBoundingClientRect()]);
  boxes.forEach(([one, a], index) => {
    for (const [other, b] of boxes.slice(index + 1)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 3) found.push(`${one} | ${other}`);
    }
  });
}
return found;
"""
OUTLINE = "return getComputedStyle(document.activeElement).outlineStyle"
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
STEP = "return Number(document.getElementById('step').value)"


def tabs(page: Chrome) -> list[str]:
    return [
        tab.get_attribute("aria-controls") or "" for tab in page.find_elements(By.CSS_SELECTOR, "[role=tab]")
    ]


def visible(page: Chrome) -> list[str]:
    panels = page.find_elements(By.CSS_SELECTOR, "[role=tabpanel]")
    return [panel.get_attribute("id") or "" for panel in panels if panel.is_displayed()]


def check_tabs(page: Chrome) -> None:
    names = tabs(page)
    assert visible(page) == names[:1]
    for name in names:
        page.find_element(By.ID, f"tab-{name}").click()
        assert visible(page) == [name]
    for key, index in ((Keys.ARROW_RIGHT, 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_LEFT, 0), (Keys.END, -1)):
        page.switch_to.active_element.send_keys(key)
        assert visible(page) == [names[index]]
        assert page.switch_to.active_element.get_attribute("id") == f"tab-{names[index]}"


def check_raster(page: Chrome) -> None:
    page.find_element(By.ID, "tab-raster").click()
    wait = WebDriverWait(page, 10)
    wait.until(lambda found: found.find_element(By.ID, "when").text.startswith("step "))
    assert len(page.find_elements(By.CSS_SELECTOR, "#answer li")) == 5
    pictures = set()
    for step in (0, 3, 6):
        page.execute_script(SCRUB, step)
        assert page.find_element(By.ID, "when").text.startswith(f"step {step} of ")
        pictures.add(page.execute_script(PIXELS))
    assert len(pictures) == 3
    page.find_element(By.XPATH, "//div[@id='codes']/button[text()='count']").click()
    wait.until(lambda found: found.execute_script(PIXELS) not in pictures)
    page.execute_script(SCRUB, 0)
    page.find_element(By.ID, "play").click()
    wait.until(lambda found: int(found.find_element(By.ID, "step").get_property("value")) > 2)
    page.find_element(By.ID, "play").click()


def check_raster_keys(page: Chrome) -> None:
    canvas = page.find_element(By.ID, "spikes")
    last = int(page.find_element(By.ID, "step").get_attribute("max") or 0)
    moves = (
        (Keys.END, last), (Keys.ARROW_LEFT, last - 1), (Keys.HOME, 0), (Keys.ARROW_LEFT, 0),
        (Keys.ARROW_RIGHT, 1),
    )  # fmt: skip
    for key, step in moves:
        canvas.send_keys(key)
        assert page.execute_script(STEP) == step
    assert page.execute_script(OUTLINE) == "solid"


def check_order(page: Chrome) -> None:
    """Tab leads from the theme through the one tab that is chosen to what the section holds."""
    page.find_element(By.ID, "tab-raster").click()
    page.find_element(By.ID, "theme").click()
    seen = []
    for _ in range(12):
        page.switch_to.active_element.send_keys(Keys.TAB)
        assert page.execute_script(OUTLINE) == "solid"
        seen.append(
            page.execute_script("return document.activeElement.id || document.activeElement.textContent")
        )
    assert seen[0] == "tab-raster"
    assert [each for each in seen[1:] if each.startswith("tab-")] == []
    assert seen.index("radix") < seen.index("play") < seen.index("step") < seen.index("spikes")


def check_theme(page: Chrome) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = page.execute_script(colour)
    page.find_element(By.ID, "theme").click()
    assert page.execute_script(colour) != before


def check_width(page: Chrome, width: int) -> None:
    for name in tabs(page):
        page.find_element(By.ID, f"tab-{name}").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.execute_script(TOO_WIDE) == []
        assert page.execute_script(OVERLAPPING) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", ["lava", "fpga"])
def test_in_chromium(snncc: Snncc, tmp_path: Path, target: str) -> None:
    if target == "lava":
        compiled(snncc)
    else:
        options = ("--calibrate", "data.npz", "--scale", "255", "--lanes", "8")
        snncc("compile", "model.onnx", "--target", "fpga", *options)
    assert snncc("report", "model.snncc", "--data", "other.npz", "--no-verify").code == 0
    with browser(1280) as page:
        open_page(page, tmp_path / "model.html")
        took = WebDriverWait(page, 10).until(lambda found: found.execute_script(LOADED))
        assert took < 2000
        check_tabs(page)
        check_raster(page)
        check_raster_keys(page)
        check_theme(page)
        check_order(page)
        for width in (1280, 390):
            resize(page, width)
            check_width(page, width)
        assert messages(page) == []
