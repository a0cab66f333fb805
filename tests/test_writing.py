"""Files appear whole or not at all, and JSON holds plain values only."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from snac_eval.errors import OutputError
from snac_eval.writing import (
    jsonable,
    printable,
    read_text,
    spreadsheet_text,
    write_file,
    write_json,
    write_text,
)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"name": "é"})
    before = file.read_text(encoding="utf-8")
    assert json.loads(before) == {"name": "é"}

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.json: cannot be written: No space left"):
        write_file(file, fail)
    assert file.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_file_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="pipe: cannot be written: No such device"):
        write_text(pipe, "nobody reads")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "read")
    assert os.read(reader, 100) == b"read"
    os.close(reader)
    assert pipe.is_fifo()
    write_text(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text(encoding="utf-8") == "text"
    assert [one.name for one in (tmp_path / "folder").iterdir()] == ["file"]


def test_jsonable_gives_plain_values() -> None:
    value = {"a": (1, math.nan), "b": Path("x"), "c": frozenset({True}), "d": None}
    assert jsonable(value) == {"a": [1, None], "b": "x", "c": [True], "d": None}


def test_not_a_number_is_refused_where_nobody_took_it_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"a": math.nan})


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder")):
        with pytest.raises(OSError, match=f"it is {kind}, not a file"):
            read_text(path)
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_text(Path("/dev/zero"))
    with pytest.raises(OSError, match="a null byte"):
        read_text(Path("a\0b"))
    (tmp_path / "text").write_text("é\r\n", encoding="utf-8", newline="")
    assert read_text(tmp_path / "text") == "é\r\n"


def test_cells_that_a_spreadsheet_would_run_are_marked() -> None:
    for text in ("=1+1", "+x", "-x", "@x", "\tx", "\rx", "-", "-1+x", "-2 to x", "+1 "):
        assert spreadsheet_text(text) == f"'{text}"
    for plain in (
        "x",
        "",
        "-1.5",
        "+1e-3",
        "-inf",
        "-2 to -1",
        "-0.5 ± 0.1",
        "1=1",
        -1.5,
        None,
        True,
        7,
    ):
        assert spreadsheet_text(plain) is plain


def test_control_characters_are_spelled() -> None:
    assert printable("a\x1b[31m\x9b\u202e\r\0b\n\tc") == r"a\x1b[31m\x9b\u202e\r\x00b" + "\n\tc"
    assert printable("é声 ± ↑ שלום") == "é声 ± ↑ שלום"
