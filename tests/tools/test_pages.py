"""Parts of pages are replaced between their marks and nowhere else."""

from stages.tools.pages import between_marks, marked, replace_part


def test_a_part_is_written_between_its_marks_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    text = "# A\n<!-- results: a -->\n\nold\n<!-- /results -->\ntext\n<!-- results: b -->\nkept\n<!-- /results -->\n"
    page.write_text(text)
    for _ in range(2):
        replace_part(page, between_marks("results: a"), marked("results: a", "| x |\n"))
        assert page.read_text() == text.replace("\n\nold\n", "\n\n| x |\n\n")


def test_backslashes_stay_what_they_are(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- a -->\n<!-- /a -->\n")
    replace_part(page, between_marks("a"), marked("a", r"\\1"))
    assert page.read_text() == marked("a", r"\\1")
