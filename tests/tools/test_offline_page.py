"""The page for DVC plots that loads nothing from elsewhere."""

import subprocess
import sys


def test_the_page_carries_vega_and_the_place_for_plots(tmp_path):
    out = tmp_path / "page.html"
    command = [sys.executable, "-m", "stages.tools.offline_page", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"offline page: {out}, ")
    page = out.read_text(encoding="utf-8")
    assert page.count("{plot_divs}") == 1
    assert "window.vegaEmbed=" in page
    assert page.count("</script>") == 1
    assert "<script src" not in page
    assert "<link" not in page
