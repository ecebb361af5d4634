"""Files that appear complete or not at all."""

import pytest

from keras_gen.files import remove, replacing, write, write_json


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "file"
    write(path, "a long text")
    write(path, b"short")
    assert path.read_bytes() == b"short"
    write_json(path, {"a": [1]})
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, "file", "folder"])
def test_what_was_there_stays_if_writing_fails(tmp_path, old):
    path = tmp_path / "it"
    if old == "file":
        path.write_text("old")
    elif old == "folder":
        path.mkdir()
        (path / "old").write_text("old")
    before = sorted(p.name for p in tmp_path.rglob("*"))

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_folder_replaces_a_folder_and_the_leftover_of_a_killed_process(tmp_path):
    path, leftover = tmp_path / "it", tmp_path / "it.part"
    for folder in (path, leftover):
        folder.mkdir()
        (folder / "old").write_text("old")
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert [p.name for p in path.iterdir()] == ["new"]
    assert not leftover.exists()


def test_remove_takes_what_is_there(tmp_path):
    remove(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert (tmp_path / "folder").is_dir()
    remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
