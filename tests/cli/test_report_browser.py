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


def check_theme(page: Chrome) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = page.execute_script(colour)
    page.find_element(By.ID, "theme").click()
    assert page.execute_script(colour) != before


def check_width(page: Chrome) -> None:
    for name in tabs(page):
        page.find_element(By.ID, f"tab-{name}").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        assert page.execute_script(TOO_WIDE) == []


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
        check_tabs(page)
        check_raster(page)
        check_theme(page)
        resize(page, 390)
        check_width(page)
        assert messages(page) == []
