"""A notebook as a page: its text, and its code as blocks. Ours are kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path

from tools.docs.made import Made
from tools.docs.prose import fence


def notebook_page(path: Path) -> Made:
    """The page of ``docs/notebooks/NAME.ipynb``. Raises ValueError for what is no notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else fence(text, "python"))
    note = f"\n\n*The notebook itself: [{path.name}]({path.name}).*"
    head, *rest = parts
    address = f"notebooks/{path.stem}.md"
    return Made(address, "\n\n".join([head + note, *rest]) + "\n", source=path.as_posix())
