"""A page is followed by the programs of an environment, in a folder that is empty at first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.try_wheel import follow

PAGE = """`notes.txt`:

```text
words
```

```sh
pip install nothing-like-this
cat notes.txt > copy
ls nowhere  # exit code 2: not there
```

```python
print(open("notes.txt").read(), end="", file=open("python", "w"))
```
"""


def test_what_installs_is_left_out_and_the_rest_is_run(tmp_path: Path) -> None:
    page, folder = tmp_path / "page.md", tmp_path / "empty"
    page.write_text(PAGE)
    follow(page, Path(sys.executable).parent, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["copy", "notes.txt", "python"]
    assert (folder / "python").read_text() == "words\n"


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("cat", "cat nothing"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        follow(page, Path(sys.executable).parent, tmp_path / "empty")
    assert failed.value.cmd[-1] == "cat nothing notes.txt > copy"
