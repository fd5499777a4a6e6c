"""The page of `dvc plots show` with everything inside, so that plots open without a network.

DVC's own page loads Vega from a content delivery network. `python -m stages.tools.offline_page OUT.html` writes a
page that carries Vega itself; `dvc config plots.html_template OUT.html` (relative to .dvc/) makes DVC fill that one in.
"""

import argparse
from pathlib import Path

import vl_convert

from stages.records.files import new_file

VEGA_LITE = "5.21"  # the newest that reads version 5, which the templates in .dvc/plots are written in

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>DefectLens plots</title>
<script>
%s
</script>
<style>
body { font-family: sans-serif; margin: 24px; color: #222; background: #fff; }
body > div { margin: 0 0 40px; overflow-x: auto; }
img { max-width: 100%%; height: auto; }
</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """Return the page; DVC replaces `{plot_divs}` and `{refresh_tag}`, and finds no `{scripts}` to fill."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    # inside a script element the text </script would end it
    return PAGE % bundle.replace("</script", "<\\/script")


def main() -> None:
    """Write the page to the path on the command line and print where."""
    parser = argparse.ArgumentParser(description="Write the page for DVC plots that needs no network.")
    parser.add_argument("out", type=Path, help="the HTML file, for `dvc config plots.html_template`")
    out = parser.parse_args().out
    with new_file(out) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    print(f"offline page: {out}, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
