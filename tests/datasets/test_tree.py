"""The files below a folder: links, loops, what systems leave behind."""

import os

import pytest

from stages.datasets.tree import AGAIN, HIDDEN, SYSTEM, child_folders, files_below, list_files
from stages.runtime.errors import InputError
from tests.datasets.small_sets import write_text


def names(tmp_path, paths):
    return [path.relative_to(tmp_path).as_posix() for path in paths]


def test_files_are_sorted_by_posix_path_and_suffixes_count_in_any_case(tmp_path):
    for name in ("b/c.JPG", "b.jpg", "a/x.txt"):
        write_text(tmp_path / name, "")
    assert names(tmp_path, files_below(tmp_path)) == ["a/x.txt", "b.jpg", "b/c.JPG"]
    assert names(tmp_path, files_below(tmp_path, frozenset({".jpg"}))) == ["b.jpg", "b/c.JPG"]


def test_what_systems_leave_behind_is_passed_over_with_its_reason(tmp_path):
    for name in (
        "a.jpg",
        ".DS_Store",
        ".git/x",
        "Thumbs.db",
        "b/desktop.ini",
        "@eaDir/a.jpg/T.jpg",
        "__MACOSX/._a.jpg",
    ):
        write_text(tmp_path / name, "")
    tree = list_files(tmp_path)
    assert names(tmp_path, tree.files) == ["a.jpg"]
    assert {reason: names(tmp_path, paths) for reason, paths in tree.passed_over.items()} == {
        HIDDEN: [".DS_Store", ".git"],
        SYSTEM: ["@eaDir", "Thumbs.db", "__MACOSX", "b/desktop.ini"],
    }
    assert names(tmp_path, child_folders(tmp_path)) == ["b"]


def test_links_to_folders_are_followed_under_the_links_name(tmp_path):
    write_text(tmp_path / "store/deep/s.jpg", "")
    write_text(tmp_path / "set/a.jpg", "")
    (tmp_path / "set/kind").symlink_to(tmp_path / "store")
    tree = list_files(tmp_path / "set")
    assert names(tmp_path, tree.files) == ["set/a.jpg", "set/kind/deep/s.jpg"]
    assert not tree.passed_over
    assert child_folders(tmp_path / "set", {"kind"}) == [tmp_path / "set/kind"]


def test_every_folder_is_listed_once_under_its_own_path(tmp_path):
    write_text(tmp_path / "set/z/real/s.jpg", "")
    for number in range(2):
        (tmp_path / f"set/{number}").symlink_to(tmp_path / "set/z/real")
    tree = list_files(tmp_path / "set")
    assert names(tmp_path, tree.files) == ["set/z/real/s.jpg"]
    assert names(tmp_path, tree.passed_over[AGAIN]) == ["set/0", "set/1"]


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_loop_of_links_ends(tmp_path, target):
    write_text(tmp_path / "set/a/a.jpg", "")
    (tmp_path / "set/a/loop").symlink_to(tmp_path / "set" / target)
    tree = list_files(tmp_path / "set")
    assert names(tmp_path, tree.files) == ["set/a/a.jpg"]
    assert names(tmp_path, tree.passed_over[AGAIN]) == ["set/a/loop"]


def test_a_link_to_itself_is_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "x.jpg").symlink_to("x.jpg")
    assert names(tmp_path, list_files(tmp_path).files) == ["x.jpg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="closed: cannot be listed"):
        list_files(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be listed"):
        list_files(tmp_path / "nowhere")
