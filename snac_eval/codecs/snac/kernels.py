"""SNAC's elementwise work on a CPU, as machine code that LLVM makes for it when it is first needed.

Rows are ``[time, channels]``, float32. A function takes some channels, as many as a vector has,
through all rows, and then the next: what belongs to the channels stays in registers. Snake's sine
is a polynomial on what whole multiples of pi leave of the angle, for sin^2 repeats after pi. What
is not a number stays so. An angle too large for this is reported, and torch computes that tile.

torch goes through memory for every operation, which takes more than three times as long. Needs
llvmlite, which numba brings, and an x86-64 processor with fused multiply-add.
"""

from __future__ import annotations

import ctypes
import math
import platform
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from snac_eval.codecs.snac.vectors import LANES, Writer

_TAPS = 7
# Rows that the depthwise convolution looks back on, in a ring: a power of 2 above 6 * dilation.
_RING = 64
# Below it, the angle without whole pis is exact enough after two steps.
_LARGEST_ANGLE = 1e5
# 1.5 * 2^23: what it is added to and taken from is a whole number.
_TO_WHOLE = 12582912.0
_PI = 3.1415927410125732
# sin^2(r) = u (1 + u (c0 + c1 u + ...)) with u = r^2, |r| <= pi/2: within 9e-9, fitted here for the
# smallest largest error.
_SINE_SQUARED = (
    -0.3333328611911026,
    0.04444248626370735,
    -0.0031716572943823918,
    0.00013902586819685407,
    -3.581266615694493e-06,
)


class Kernels:
    """The functions, for contiguous float32 tensors on the CPU: callers see to that.

    Where one returns False, an angle was too large and its output means nothing. Raises ValueError
    for shapes that do not fit: the machine code would go past the end of one.
    """

    def __init__(self, widest: int, features: str) -> None:
        self._engine = _compiled(_module(widest), features)
        self._snake = self._found("snake", 4, 2)
        self._unit = self._found("unit", 9, 5)
        self._add_scaled = self._found("add_scaled", 3, 2)
        self._to_one = self._found("to_one", 4, 2)

    def snake(self, x: Tensor, alpha: Tensor, inverse: Tensor, out: Tensor) -> bool:
        """Snake of all rows, into ``out``."""
        _check(out.shape == x.shape and _have(x.shape[1], alpha, inverse))
        given = (x.data_ptr(), alpha.data_ptr(), inverse.data_ptr(), out.data_ptr())
        return bool(self._snake(*given, *x.shape) <= _LARGEST_ANGLE)

    def unit(
        self,
        x: Tensor,
        joined: Tensor,
        num_before: int,
        weights: Sequence[Tensor],
        dilation: int,
        out: Tensor,
    ) -> bool:
        """Snake, depthwise convolution and Snake of ``joined``, whose rows after ``num_before`` are
        copied from ``x`` first; its other rows are there already.

        The weights are alpha and inverse of the first, taps and bias, alpha and inverse of the
        second. The convolution must be one that :meth:`knows`.
        """
        pointers = [one.data_ptr() for one in (x, joined, *weights, out)]
        (given, channels), num_rows = x.shape, joined.shape[0]
        taps = weights[2]
        _check(self.knows(taps, dilation) and taps.numel() == _TAPS * channels)
        _check(_have(channels, *weights[:2], *weights[3:]) and joined.shape[1] == channels)
        _check(out.shape == (num_rows - (_TAPS - 1) * dilation, channels))
        _check(num_before + given <= num_rows)
        sizes = (num_before, given, num_rows, channels, dilation)
        return bool(self._unit(*pointers, *sizes) <= _LARGEST_ANGLE)

    @staticmethod
    def knows(taps: Tensor, dilation: int = 1) -> bool:
        """Whether :meth:`unit` and :meth:`to_one` can do this convolution."""
        return len(taps) == _TAPS and (_TAPS - 1) * dilation < _RING

    def add_scaled(self, x: Tensor, factors: Tensor, addend: Tensor) -> None:
        """Each row of ``x`` becomes itself times its factor plus the addend's row."""
        _check(addend.shape == x.shape and factors.numel() == x.shape[0])
        self._add_scaled(x.data_ptr(), factors.data_ptr(), addend.data_ptr(), *x.shape)

    def to_one(self, x: Tensor, taps: Tensor, bias: Tensor, out: Tensor) -> None:
        """A convolution to one channel; ``out`` is 6 rows shorter than ``x``."""
        _check(self.knows(taps) and taps.numel() == _TAPS * x.shape[1] and bias.numel() == 1)
        _check(out.numel() == max(0, x.shape[0] - _TAPS + 1))
        pointers = (x.data_ptr(), taps.data_ptr(), bias.data_ptr(), out.data_ptr())
        self._to_one(*pointers, out.numel(), x.shape[1])

    def _found(self, name: str, num_pointers: int, num_sizes: int) -> Callable[..., float]:
        kinds = [ctypes.c_void_p] * num_pointers + [ctypes.c_int64] * num_sizes
        # Such a call lets other threads of Python run.
        return ctypes.CFUNCTYPE(ctypes.c_float, *kinds)(self._engine.get_function_address(name))


@lru_cache(maxsize=1)
def kernels() -> Kernels | None:
    """This machine's; None where there can be none, or where they compute something else."""
    try:
        from llvmlite import binding
    except ImportError:
        return None
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    try:
        features = binding.get_host_cpu_features()
        if not (features.get("fma") and features.get("avx2")):
            return None
        made = Kernels(16 if features.get("avx512f") else 8, features.flatten())
    except (AttributeError, RuntimeError):  # another llvmlite, or its LLVM reads other text
        return None
    return made if _is_right(made) else None


def _have(channels: int, *weights: Tensor) -> bool:
    return all(one.numel() == channels for one in weights)


def _check(fits: bool) -> None:
    if not fits:
        raise ValueError("SNAC's kernels were given tensors whose shapes do not fit one another")


def _is_right(made: Kernels) -> bool:
    generator = torch.Generator().manual_seed(0)
    x = 30 * torch.randn(80, 29, generator=generator)
    alpha = 0.5 + torch.rand(29, generator=generator)
    out, inverse = torch.empty_like(x), alpha.reciprocal()
    fits = made.snake(x, alpha, inverse, out)
    wide, factor = x.double(), alpha.double()
    expected = wide + (wide * alpha).sin().square() / factor
    # The product with alpha is rounded once, as torch's is: that turns the angle by 4e-6.
    return fits and bool((out - expected).abs().max() < 5e-5)


def _compiled(text: str, features: str) -> Any:  # noqa: ANN401 - llvmlite has no types
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3, jit=True
    )
    module = binding.parse_assembly(text)
    module.verify()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


def _module(widest: int) -> str:
    writer = Writer()
    _write_snake(writer, widest)
    _write_unit(writer, widest)
    _write_add_scaled(writer, widest)
    _write_to_one(writer, widest)
    return writer.text()


def _write_snake(w: Writer, widest: int) -> None:
    def columns(column: str, worst: list[str]) -> list[str]:
        alpha, inverse = w.read("%alpha", column), w.read("%inverse", column)

        def row(index: str, worst: list[str]) -> list[str]:
            at = w.whole("add", w.whole("mul", index, "%channels"), column)
            value, size = _snake(w, w.read("%x", at), alpha, inverse, worst[0])
            w.write(value, "%out", at)
            return [size]

        return w.loop(("0", "%rows"), 1, worst, row)

    arguments = ["ptr %x", "ptr %alpha", "ptr %inverse", "ptr %out", "i64 %rows", "i64 %channels"]
    w.function("snake", arguments, lambda: _all_channels(w, widest, columns))


def _write_unit(w: Writer, widest: int) -> None:
    def columns(column: str, worst: list[str]) -> list[str]:
        first = w.read("%alpha1", column), w.read("%inverse1", column)
        second = w.read("%alpha2", column), w.read("%inverse2", column)
        bias = w.read("%bias", column)
        offsets = [w.whole("mul", "%channels", tap) for tap in range(_TAPS)]
        taps = [w.read("%taps", w.whole("add", offset, column)) for offset in offsets]

        def come_in(index: str, worst: str) -> tuple[str, str]:
            # Before and after the rows of x, those of joined are copied onto themselves.
            moved = w.whole("sub", index, "%before")
            is_inside = w.let(f"icmp ult i64 {moved}, %given")
            source = w.let(f"select i1 {is_inside}, ptr %x, ptr %joined")
            number = w.let(f"select i1 {is_inside}, i64 {moved}, i64 {index}")
            value = w.read(source, w.whole("add", w.whole("mul", number, "%channels"), column))
            w.write(value, "%joined", w.whole("add", w.whole("mul", index, "%channels"), column))
            changed, size = _snake(w, value, *first, worst)
            w.write(changed, "%ring", _in_ring(w, index))
            return changed, size

        def go_out(index: str, worst: list[str]) -> list[str]:
            newest, size = come_in(index, worst[0])
            oldest = w.whole("sub", index, "%span")
            total = bias
            for tap in range(_TAPS - 1):
                place = w.whole("add", oldest, w.whole("mul", "%dilation", tap))
                total = w.multiply_add(w.read("%ring", _in_ring(w, place)), taps[tap], total)
            total = w.multiply_add(newest, taps[-1], total)
            value, size = _snake(w, total, *second, size)
            w.write(value, "%out", w.whole("add", w.whole("mul", oldest, "%channels"), column))
            return [size]

        worst = w.loop(("0", "%span"), 1, worst, lambda i, worst: [come_in(i, worst[0])[1]])
        return w.loop(("%span", "%rows"), 1, worst, go_out)

    def body() -> str:
        w.do(f"%ring = alloca float, i64 {_RING * widest}, align 64")
        w.do(f"%span = mul i64 %dilation, {_TAPS - 1}")
        return _all_channels(w, widest, columns)

    pointers = ["x", "joined", "alpha1", "inverse1", "taps", "bias", "alpha2", "inverse2", "out"]
    sizes = ["before", "given", "rows", "channels", "dilation"]
    arguments = [f"ptr %{name}" for name in pointers] + [f"i64 %{name}" for name in sizes]
    w.function("unit", arguments, body)


def _write_add_scaled(w: Writer, widest: int) -> None:
    def columns(column: str, worst: list[str]) -> list[str]:
        def row(index: str, worst: list[str]) -> list[str]:
            at = w.whole("add", w.whole("mul", index, "%channels"), column)
            factor, addend = w.spread("%factors", index), w.read("%addend", at)
            w.write(w.multiply_add(w.read("%x", at), factor, addend), "%x", at)
            return worst

        return w.loop(("0", "%rows"), 1, worst, row)

    arguments = ["ptr %x", "ptr %factors", "ptr %addend", "i64 %rows", "i64 %channels"]
    w.function("add_scaled", arguments, lambda: _all_channels(w, widest, columns))


def _write_to_one(w: Writer, widest: int) -> None:
    def row(index: str, nothing: list[str]) -> list[str]:
        first = w.whole("mul", index, "%channels")

        def columns(column: str, sums: list[str]) -> list[str]:
            def product(tap: int, addend: str) -> str:
                place = w.whole("add", w.whole("mul", "%channels", tap), column)
                here = w.whole("add", first, place)
                return w.multiply_add(w.read("%x", here), w.read("%taps", place), addend)

            return [product(tap, addend) for tap, addend in enumerate(sums)]

        total, start = w.let("load float, ptr %bias, align 4"), "0"
        for lanes in (one for one in LANES if one <= widest):
            w.lanes = lanes
            stop = w.whole("and", "%channels", -lanes)
            sums = w.loop((start, stop), lanes, ["zeroinitializer"] * _TAPS, columns)
            while len(sums) > 1:
                sums = [*sums[2:], w.compute("fadd", sums[0], sums[1])]
            total, start = w.total(sums[0], total), stop
        w.do(f"store float {total}, ptr {w.place('%out', index)}, align 4")
        return nothing

    def body() -> str:
        w.loop(("0", "%rows"), 1, [], row)
        return "0.0"

    arguments = ["ptr %x", "ptr %taps", "ptr %bias", "ptr %out", "i64 %rows", "i64 %channels"]
    w.function("to_one", arguments, body)


def _all_channels(w: Writer, widest: int, columns: Callable[[str, list[str]], list[str]]) -> str:
    """``columns`` for all channels, as many at once as can be; the largest of what it carries."""
    worst, start = "0.0", "0"
    for lanes in (one for one in LANES if one <= widest):
        w.lanes = lanes
        stop = w.whole("and", "%channels", -lanes)
        worst = w.largest(w.loop((start, stop), lanes, ["zeroinitializer"], columns)[0], worst)
        start = stop
    return worst


def _snake(w: Writer, x: str, alpha: str, inverse: str, worst: str) -> tuple[str, str]:
    """Snake of a vector, and the larger of its angles' size and ``worst``."""
    angle = w.compute("fmul", x, alpha)
    moved = w.multiply_add(angle, w.constant(1 / math.pi), w.constant(_TO_WHOLE))
    count = w.compute("fsub", moved, w.constant(_TO_WHOLE))
    left = w.multiply_add(count, w.constant(-_PI), angle)
    left = w.multiply_add(count, w.constant(_PI - math.pi), left)
    square = w.compute("fmul", left, left)
    sum_ = w.constant(_SINE_SQUARED[-1])
    for coefficient in (*_SINE_SQUARED[-2::-1], 1.0):
        sum_ = w.multiply_add(sum_, square, w.constant(coefficient))
    sine = w.compute("fmul", sum_, square)
    return w.multiply_add(sine, inverse, x), w.larger_size(angle, worst)


def _in_ring(w: Writer, index: str) -> str:
    return w.whole("mul", w.whole("and", index, _RING - 1), w.lanes)
