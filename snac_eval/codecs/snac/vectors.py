"""Writes loops over vectors of float32 in LLVM's intermediate language, as text.

Only what :mod:`kernels` needs. Every name is given once; what changes from round to round of a loop
goes in and comes out by name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

LANES = (16, 8, 4, 1)
"""Numbers of one vector that there can be, widest first."""


class Writer:
    """The lines of a module; ``lanes`` is how many numbers the vectors have at the moment."""

    def __init__(self) -> None:
        self.lanes = LANES[0]
        self._lines: list[str] = []
        self._count = 0

    @property
    def vector(self) -> str:
        """The type of a vector."""
        return f"<{self.lanes} x float>"

    def let(self, code: str) -> str:
        """A new name for what ``code`` computes."""
        name = self._name()
        self.do(f"{name} = {code}")
        return name

    def do(self, code: str) -> None:
        """An instruction."""
        self._lines.append(f"  {code}")

    def constant(self, value: float) -> str:
        """A vector of equal numbers: ``value``, rounded to float32."""
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
        (bits,) = struct.unpack("<Q", struct.pack("<d", rounded))
        return f"<{', '.join([f'float 0x{bits:016X}'] * self.lanes)}>"

    def compute(self, what: str, one: str, other: str) -> str:
        """``fadd``, ``fsub`` or ``fmul``, lane by lane."""
        return self.let(f"{what} {self.vector} {one}, {other}")

    def multiply_add(self, one: str, other: str, addend: str) -> str:
        """``one * other + addend``, rounded once."""
        return self._call("fma", one, other, addend)

    def larger_size(self, one: str, other: str) -> str:
        """The absolute value of ``one`` where it is larger than ``other``, else this."""
        size = self._call("fabs", one)
        wins = self.let(f"fcmp ogt {self.vector} {size}, {other}")
        return self.let(
            f"select <{self.lanes} x i1> {wins}, {self.vector} {size}, {self.vector} {other}"
        )

    def place(self, pointer: str, index: str) -> str:
        """Where number ``index`` from ``pointer`` on lies."""
        return self.let(f"getelementptr float, ptr {pointer}, i64 {index}")

    def read(self, pointer: str, index: str) -> str:
        """The vector that begins with number ``index``."""
        return self.let(f"load {self.vector}, ptr {self.place(pointer, index)}, align 4")

    def write(self, value: str, pointer: str, index: str) -> None:
        """A vector to where number ``index`` lies."""
        self.do(f"store {self.vector} {value}, ptr {self.place(pointer, index)}, align 4")

    def spread(self, pointer: str, index: str) -> str:
        """Number ``index`` in every lane."""
        number = self.let(f"load float, ptr {self.place(pointer, index)}, align 4")
        first = self.let(f"insertelement {self.vector} poison, float {number}, i64 0")
        return self.let(
            f"shufflevector {self.vector} {first}, {self.vector} poison,"
            f" <{self.lanes} x i32> zeroinitializer"
        )

    def whole(self, what: str, one: str, other: str | int) -> str:
        """``add``, ``sub``, ``mul`` or ``and`` of whole numbers."""
        return self.let(f"{what} i64 {one}, {other}")

    def largest(self, value: str, other: str) -> str:
        """The largest of a vector's numbers and of one more."""
        reduced = self._reduced("nnan", "fmax", value)
        wins = self.let(f"fcmp ogt float {reduced}, {other}")
        return self.let(f"select i1 {wins}, float {reduced}, float {other}")

    def total(self, value: str, other: str) -> str:
        """The sum of a vector's numbers, in pairs, and of one more."""
        summed = self._reduced("reassoc", "fadd", value, "float -0.0, ")
        return self.let(f"fadd float {summed}, {other}")

    def loop(
        self,
        bounds: tuple[str, str],
        step: int,
        carried: Sequence[str],
        body: Callable[[str, list[str]], Sequence[str]],
    ) -> list[str]:
        """From the first bound to below the second; the ``carried`` vectors after the last round.

        ``body`` gets the index and the vectors, and gives the vectors for the next round.
        """
        before, head, inside, end, after = (f"block{self._name()[2:]}" for _ in range(5))
        index, following = self._name(), self._name()
        values = [self._name() for _ in carried]
        self._open(before)
        self._open(head)
        self.do(f"{index} = phi i64 [{bounds[0]}, %{before}], [{following}, %{end}]")
        place = len(self._lines)
        more = self.let(f"icmp slt i64 {index}, {bounds[1]}")
        self.do(f"br i1 {more}, label %{inside}, label %{after}")
        self._lines.append(f"{inside}:")
        turned = body(index, values)
        self._open(end)
        self.do(f"{following} = add i64 {index}, {step}")
        self.do(f"br label %{head}")
        self._lines.append(f"{after}:")
        self._lines[place:place] = [
            f"  {value} = phi {self.vector} [{first}, %{before}], [{last}, %{end}]"
            for value, first, last in zip(values, carried, turned, strict=True)
        ]
        return values

    def function(self, name: str, arguments: Sequence[str], body: Callable[[], str]) -> None:
        """A function that returns the float which ``body`` names."""
        self._lines.append(f"define float @{name}({', '.join(arguments)}) {{")
        self._lines.append("entry:")
        self.do(f"ret float {body()}")
        self._lines.append("}")

    def text(self) -> str:
        """The module."""
        declared = []
        for lanes in LANES:
            vector, suffix = f"<{lanes} x float>", f"v{lanes}f32"
            declared += [
                f"declare {vector} @llvm.fma.{suffix}({vector}, {vector}, {vector})",
                f"declare {vector} @llvm.fabs.{suffix}({vector})",
                f"declare float @llvm.vector.reduce.fmax.{suffix}({vector})",
                f"declare float @llvm.vector.reduce.fadd.{suffix}(float, {vector})",
            ]
        return "\n".join([*declared, *self._lines, ""])

    def _name(self) -> str:
        self._count += 1
        return f"%n{self._count}"

    def _open(self, block: str) -> None:
        self.do(f"br label %{block}")
        self._lines.append(f"{block}:")

    def _call(self, what: str, *operands: str) -> str:
        given = ", ".join(f"{self.vector} {one}" for one in operands)
        return self.let(f"call {self.vector} @llvm.{what}.v{self.lanes}f32({given})")

    def _reduced(self, flag: str, what: str, value: str, first: str = "") -> str:
        name = f"@llvm.vector.reduce.{what}.v{self.lanes}f32"
        return self.let(f"call {flag} float {name}({first}{self.vector} {value})")
