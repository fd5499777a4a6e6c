"""The page at the line: worst first, safe whatever files are called, used by keys in a browser without a network."""

import json
import re
import shutil

import PIL.Image
import pytest

from tests.figures.html import Elements
from tests.inspection.command import run
from tests.inspection.line_models import plate, write_model

pytest.importorskip("onnxruntime")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert(1)<script> & 'q' #1?.png"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "in").mkdir()
    for name, spots in {"good.png": (), "z bad.png": ((16, 16, 8, 8), (32, 32, 8, 7)), EVIL: ((16, 16, 8, 7),)}.items():
        PIL.Image.fromarray(plate(150, 170, *spots)).save(tmp_path / "in" / name)
    (tmp_path / "in/broken.png").write_text("no picture")
    run(tmp_path / "in", "--model", write_model(tmp_path / "m.onnx"), "--out", tmp_path / "out")
    return tmp_path / "out"


def data_of(out):
    return json.loads(re.search(r'id="data">(.*?)</script>', (out / "index.html").read_text(), re.DOTALL)[1])


def test_the_worst_come_first(out):
    entries = data_of(out)["photographs"]
    assert [entry["name"] for entry in entries] == ["z bad.png", EVIL, "broken.png", "good.png"]
    assert [entry["verdict"] for entry in entries] == ["defective", "defective", "failed", "good"]
    assert "no format that is read" in entries[2]["reason"] and entries[2]["overlay"] is None


def test_it_fetches_nothing_and_a_files_name_is_no_code(out):
    elements = Elements((out / "index.html").read_text())
    assert elements.fetched == [] and elements.names.count("script") == 2
    assert "<script>alert" not in (out / "index.html").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `apt install chromium` runs this test")
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_in_a_browser(out, width):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 844}, offline=True).new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto((out / "index.html").resolve().as_uri())
        page.wait_for_selector("#inspection[data-ready]", timeout=10_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        name, opacity = page.locator("#name"), "getComputedStyle(document.getElementById('overlay')).opacity"
        loaded = "['photograph', 'overlay'].every((id) => document.getElementById(id).naturalWidth === 170)"
        assert name.inner_text() == "z bad.png" and page.evaluate(opacity) == "1"
        page.wait_for_function(loaded)
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(opacity) == "0.9" and page.locator("#strength-value").inner_text() == "90 %"
        assert page.locator("#regions tbody tr").count() == 2 and page.locator("#marker").is_hidden()
        page.keyboard.press("r")
        assert page.locator("#marker").is_visible()
        assert page.locator("#regions tbody tr[aria-selected=true] td").first.inner_text() == "1"
        page.keyboard.press("ArrowDown")
        assert name.inner_text() == EVIL
        page.wait_for_function(loaded)
        page.keyboard.press("ArrowDown")
        assert "no format that is read" in page.locator("#says").inner_text() and page.locator("#stage").is_hidden()
        page.locator("#hide-good").check()
        page.locator("#next").click()
        assert name.inner_text() == "broken.png"
        browser.close()
        assert errors == []
