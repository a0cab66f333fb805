"""Refuse import circles between the files of a package, at any depth.

python tools/check_imports.py snac_eval

An import counts wherever it stands: at the top, within a function, or for type checkers only.
A package's ``__init__.py`` is a file like any other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp

Imports = Mapping[str, set[str]]


def read_imports(package: str) -> Imports:
    """Modules of the package, and those that each of them imports."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circles(imports: Imports) -> Iterator[list[str]]:
    """Circles, each as the modules on its way; no two share an import."""
    rest = {module: set(others) for module, others in imports.items()}
    while True:
        try:
            TopologicalSorter(rest).prepare()
            return
        except CycleError as error:
            way: list[str] = error.args[1][::-1]
        yield way
        for importer, imported in pairwise(way):
            rest[importer].remove(imported)


def main(packages: list[str]) -> int:
    """Print every finding; 1 if there is one."""
    sys.path.insert(0, "")
    found = [way for package in packages for way in circles(read_imports(package))]
    print("\n".join(f"import circle: {' -> '.join(way)}" for way in found) or "no import circles")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
