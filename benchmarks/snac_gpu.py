"""SNAC here against PyPI's ``snac`` on one GPU: speed, memory, and whether the codes are the same.

    python -m benchmarks.snac_gpu [--batches 1 8 64] [--seconds 10] [--budget 90] [--profile]
    python -m benchmarks.snac_gpu --device cpu --quick    # whether it runs, where there is no GPU

Random weights in the published configurations, the same for both; synthetic speech. Prints Markdown
for the README. Times are medians of wall-clock seconds between two synchronisations, encode and
decode together, audio and codes on the device; "times real time" counts the clips' own seconds.
PyPI's is timed with float32 as float32 (as ours always computes) and as torch rounds it by default.
Clips of mixed length are one batch of ours; PyPI's gives a clip its own codes only alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snac_eval.audio import speech_like
from snac_eval.codecs.snac import SNAC, SNACConfig, fused
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.codecs.snac.layers import SeededNoise, Snake1d
from snac_eval.codecs.transfers import together
from snac_eval.machine import hardware
from tests.codecs.snac.models import PUBLISHED, liven

_GIB = 1 << 30
_REPEATS, _WARM_UPS = 3, 2
# A run this long is timed once: two runs before it warmed up.
_LONG_S = 0.5


@dataclass(frozen=True)
class Bench:
    """Where and for how long."""

    device: str
    seconds: float
    batches: tuple[int, ...]
    ends_at: float

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.ends_at

    def synchronise(self) -> None:
        """Wait for the GPU."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def timed(self, run: Callable[[], object]) -> tuple[float, float]:
        """Median seconds and peak GiB of GPU memory; NaN where it does not fit."""
        times: list[float] = []
        try:
            while len(times) < _WARM_UPS + (1 if times[1:] and times[1] > _LONG_S else _REPEATS):
                if self.device == "cuda" and len(times) == _WARM_UPS:
                    torch.cuda.reset_peak_memory_stats()
                start = time.perf_counter()
                run()
                self.synchronise()
                times.append(time.perf_counter() - start)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return float("nan"), float("nan")
        peak = torch.cuda.max_memory_allocated() / _GIB if self.device == "cuda" else float("nan")
        return statistics.median(times[_WARM_UPS:]), peak


@dataclass(frozen=True)
class Pair:
    """Ours and PyPI's, with the same weights."""

    name: str
    ours: SNAC
    theirs: Any

    @classmethod
    def of(cls, name: str, device: str) -> Pair:
        """Random weights, Snakes no two alike, so that codes are many."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyPI's uses a deprecated part of torch
            import snac
        torch.manual_seed(0)
        table = {key: list(v) if isinstance(v, tuple) else v for key, v in PUBLISHED[name].items()}
        theirs = liven(snac.SNAC(**table)).eval()
        ours = SNAC(SNACConfig(**PUBLISHED[name])).eval()
        ours.load_state_dict(fold_weight_norm(theirs.state_dict()))
        return cls(name, ours.to(device), theirs.to(device))

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.ours.config.sampling_rate

    def run_ours(self, audio: Tensor, lengths: Sequence[int]) -> Tensor:
        """There and back, noise from seeds."""
        codes = self.ours.encode_whole(audio, lengths)
        return self.ours.decode_whole(codes, SeededNoise(range(len(audio))), lengths)

    @torch.inference_mode()
    def run_theirs(self, audio: Tensor) -> Tensor:
        """There and back."""
        return self.theirs.decode(self.theirs.encode(audio))  # type: ignore[no-any-return]

    def clips(self, count: int, seconds: float, mixed: bool) -> list[np.ndarray[Any, Any]]:
        """Speech ``[1, time]``, the longest first; mixed lengths are a tenth padding together, the
        most that a run puts into one batch."""
        shares = np.linspace(1, 0.82, count) if mixed else np.ones(count)
        lengths = [max(1, round(share * seconds * self.rate)) for share in shares]
        whole = speech_like(lengths[0] + 1000 * count, self.rate).samples
        return [whole[:, 1000 * i : 1000 * i + length] for i, length in enumerate(lengths)]


@contextmanager
def tf32(rounds: bool) -> Iterator[None]:
    """As torch does by default (convolutions rounded to TF32), or not at all."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = rounds
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def correctness(bench: Bench, pair: Pair) -> list[str]:
    """What must be equal, counted."""
    config, device = pair.ours.config, bench.device
    clips = pair.clips(8, bench.seconds, mixed=True)
    clips = [clip[:, : clip.shape[1] // (1 + item % 3)] for item, clip in enumerate(clips)]
    lengths = [clip.shape[1] for clip in clips]
    audio = together(clips, device)
    together_codes = pair.ours.encode_whole(audio, lengths)
    unmasked = pair.ours.encode_whole(audio)
    decoded = pair.ours.decode_whole(together_codes, SeededNoise(range(8)), lengths)
    total = masked_off = unmasked_off = theirs_off = 0
    apart = 0.0
    for item, length in enumerate(lengths):
        one = audio[item : item + 1, :, :length].contiguous()
        codes = pair.ours.encode_whole(one)
        with tf32(False), torch.inference_mode():
            reference = pair.theirs.encode(one)
        for stream in range(len(codes)):
            mine, count = codes[stream][0], codes[stream].shape[1]
            total += count
            masked_off += int((together_codes[stream][item, :count] != mine).sum())
            unmasked_off += int((unmasked[stream][item, :count] != mine).sum())
            theirs_off += int((reference[stream][0] != mine).sum())
        alone = pair.ours.decode_whole(
            [
                stream[item : item + 1, : own.shape[1]]
                for stream, own in zip(together_codes, codes, strict=True)
            ],
            SeededNoise([item]),
        )
        apart = max(apart, float((decoded[item, :, :length] - alone[0, :, :length]).abs().max()))
    lines = [
        f"- {pair.name}: of {total:,} tokens of 8 clips of {min(lengths) / pair.rate:.1f} to"
        f" {max(lengths) / pair.rate:.1f} s, {masked_off} differ between one batch and single clips"
        f" ({unmasked_off} where the padding is not masked), {theirs_off} between ours and PyPI's"
        f" one by one; audio of the batch within {apart:.1e}."
    ]
    if device != "cpu":
        short = clips[-1][:, : 3 * pair.rate]
        there = pair.ours.encode_whole(torch.from_numpy(short)[None].to(device))
        here = SNAC(config).eval()
        here.load_state_dict(pair.ours.state_dict())
        expected = here.cpu().encode(torch.from_numpy(short)[None])
        off = sum(int((a.cpu() != b).sum()) for a, b in zip(there, expected, strict=True))
        count = sum(stream.shape[1] for stream in expected)
        lines.append(f"- {pair.name}: {off} of {count} tokens differ between {device} and the CPU.")
    return lines


def snake_error(device: str) -> str:
    """Largest error of Snake against float64, of the layer and of the kernel."""
    torch.manual_seed(0)
    x = 30 * torch.randn(2, 64, 100_001, device=device)
    layer = Snake1d(64).to(device).requires_grad_(False)
    layer.alpha.uniform_(0.1, 10)
    exact = x.double() + torch.sin(layer.alpha.double() * x.double()) ** 2 / (
        layer.alpha.double() + 1e-9
    )
    found = {"layer": layer(x)}
    reason = fused.problem(x.device) if x.is_cuda else "no GPU"
    if not reason:
        from snac_eval.codecs.snac import gpu_kernels as kernels

        found["kernel"] = kernels.snake(x, layer.alpha)
    parts = [f"{name} {float((one - exact).abs().max()):.2e}" for name, one in found.items()]
    return f"- Snake, largest error against float64: {', '.join(parts)}" + (
        f"; kernels not used: {reason}." if reason else "."
    )


def rows(bench: Bench, pair: Pair) -> Iterator[str]:
    """A row of the table for each batch."""
    for count in bench.batches:
        for mixed in (False, True) if count > 1 else (False,):
            if bench.is_late:
                yield f"| {pair.name} | {count} | not measured: time is up | | | | | |"
                return
            yield row(bench, pair, count, mixed)


def row(bench: Bench, pair: Pair, count: int, mixed: bool) -> str:
    """One batch, timed with both."""
    clips = pair.clips(count, bench.seconds, mixed)
    lengths = [clip.shape[1] for clip in clips]
    total_s = sum(lengths) / pair.rate
    audio = together(clips, bench.device)
    ours, memory = bench.timed(lambda: pair.run_ours(audio, lengths))
    with tf32(False):
        theirs, their_memory = _theirs(bench, pair, audio, lengths if mixed else ())
    with tf32(True):
        rounded, _ = _theirs(bench, pair, audio, lengths if mixed else ())
    what = f"{count} mixed" if mixed else str(count)
    return (
        f"| {pair.name} | {what} | {total_s / theirs:,.0f} | {total_s / rounded:,.0f} |"
        f" **{total_s / ours:,.0f}** | {theirs / ours:.2f} | {their_memory:.1f} | {memory:.1f} |"
    )


def _theirs(bench: Bench, pair: Pair, audio: Tensor, lengths: Sequence[int]) -> tuple[float, float]:
    """All in one batch; one by one where lengths are given."""
    if not lengths:
        return bench.timed(lambda: pair.run_theirs(audio))
    few = sorted({0, len(lengths) // 2, len(lengths) - 1})  # enough of a long list to tell
    clips = [audio[item : item + 1, :, : lengths[item]].contiguous() for item in few]
    seconds, memory = bench.timed(lambda: [pair.run_theirs(clip) for clip in clips])
    share = sum(lengths) / sum(lengths[item] for item in few)
    return seconds * share, memory


def through_the_adapter(bench: Bench, pair: Pair, count: int) -> str:
    """As a run codes: NumPy in and out, every copy counted."""
    from safetensors.torch import save_file

    from snac_eval.codecs.opening import open_model
    from snac_eval.types import Waveform

    with tempfile.TemporaryDirectory() as folder:
        save_file(pair.ours.state_dict(), Path(folder) / "model.safetensors")
        config = json.dumps(pair.ours.config.to_dict())
        (Path(folder) / "config.json").write_text(config, encoding="utf-8")
        codec = open_model(pair.name, weights=folder, device=bench.device).coder
        assert codec is not None
        codec.prepare()
    clips = [Waveform(clip, pair.rate) for clip in pair.clips(count, bench.seconds, mixed=True)]
    seconds, _ = bench.timed(lambda: codec.decode(codec.encode(clips), range(count)))
    total_s = sum(clip.duration_s for clip in clips)
    return (
        f"- {pair.name} as a run codes it, {count} clips of mixed length, NumPy in and out:"
        f" {total_s / seconds:,.0f} times real time."
    )


def profile(pair: Pair, bench: Bench) -> str:
    """Which kernels of ours take the time, of one batch of 8."""
    clips = pair.clips(8, bench.seconds, mixed=True)
    lengths = [clip.shape[1] for clip in clips]
    audio = together(clips, bench.device)
    pair.run_ours(audio, lengths)
    activities = [torch.profiler.ProfilerActivity.CPU]
    if bench.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as found:
        pair.run_ours(audio, lengths)
        bench.synchronise()
    on_gpu = bench.device == "cuda"

    def self_us(one: Any) -> float:  # noqa: ANN401 - a profiler's event
        return float(one.self_device_time_total if on_gpu else one.self_cpu_time_total)

    averages = sorted(found.key_averages(), key=self_us, reverse=True)[:22]
    lines = [f"{self_us(one) / 1000:9.2f} ms {one.count:5d} x {one.key[:90]}" for one in averages]
    total = sum(self_us(one) for one in found.key_averages()) / 1000
    return "\n".join([f"{pair.name}, 8 clips of mixed length: {total:.1f} ms in all", *lines])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--models", nargs="+", default=list(PUBLISHED), choices=list(PUBLISHED))
    parser.add_argument("--budget", type=float, default=90.0, help="seconds, all in all")
    parser.add_argument(
        "--quick", action="store_true", help="clips of 0.3 s, one model, a batch of 2"
    )
    parser.add_argument("--profile", action="store_true", help="print ours by kernel as well")
    options = parser.parse_args()
    if options.quick:
        options.batches, options.seconds, options.models = [2], 0.3, options.models[:1]
    return options


def main() -> None:
    """Command line."""
    options = _options()
    ends_at = time.monotonic() + options.budget
    bench = Bench(options.device, options.seconds, tuple(options.batches), ends_at)
    torch.set_flush_denormal(True)
    facts = hardware(options.device)
    where = facts.get("gpu", facts["cpu"])
    print(f"{where}, torch {torch.__version__}; clips of {options.seconds:g} s\n", flush=True)
    print(snake_error(options.device), flush=True)
    table = [
        "| model | clips in a batch | PyPI `snac`, float32 | PyPI `snac`, TF32 | snac-eval, float32"
        " | ratio in float32 | PyPI GiB | snac-eval GiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    pairs = [Pair.of(name, options.device) for name in options.models]
    for pair in pairs:
        print("\n".join(correctness(bench, pair)), flush=True)
    print(through_the_adapter(bench, pairs[0], options.batches[-1]), flush=True)
    if options.profile:
        print(profile(pairs[0], bench), flush=True)
    table += (row for pair in pairs for row in rows(bench, pair))
    print("\nTimes real time:\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
