"""The speed protocol: what is measured, in which process, and what the figures become."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch.utils.flop_counter import FlopCounterMode

from snac_eval.audio import speech_like
from snac_eval.bench import measure as measure_module
from snac_eval.bench import protocol as bench_module
from snac_eval.bench.measure import Measurement, Setting, measure
from snac_eval.bench.protocol import BenchConfig, bench, measure_in_process, settings
from snac_eval.bench.table import (
    SPEED_COLUMNS,
    Measured,
    median_interval,
    plot,
    score_rows,
    speed_markdown,
    speed_table,
)
from snac_eval.codecs.counting import multiply_adds_per_s
from snac_eval.codecs.generations import after_itself
from snac_eval.codecs.opening import open_model, opened
from snac_eval.codecs.snac import SNAC
from snac_eval.errors import CodecError, OutputError, SnacEvalError, UsageError
from snac_eval.machine import num_cores
from snac_eval.registry import plugins
from snac_eval.run.sealed import SCORE_COLUMNS

PCM = Setting("pcm_8bit", "cpu", 1, 1, 0.5, repeats=6, with_facts=True)
MINI = replace(PCM, model="snac_16khz_mini", repeats=1)


def config(tmp_path: Path, **fields: object) -> BenchConfig:
    """A bench that takes a second: a codec without a model, one thread."""
    small = {"durations_s": (0.5, 0.2), "batch_sizes": (1,), "threads": ("1",), "repeats": 6}
    fields = {"models": ("pcm_8bit",), "output": tmp_path / "bench", **small, **fields}
    return BenchConfig(**fields)  # type: ignore[arg-type]


def test_sweep_varies_one_thing_at_a_time(tmp_path: Path) -> None:
    wanted = config(
        tmp_path, models=("snac_16khz_mini",), durations_s=(5, 1), batch_sizes=(1, 4), device="cpu",
        threads=("1", "all"),
    )  # fmt: skip
    names = [setting.name for setting in settings(wanted, "snac_16khz_mini")]
    shapes = ["5s_batch1", "1s_batch1", "5s_batch4"]
    counts = dict.fromkeys((1, num_cores()))
    assert names == [f"{shape}_threads{count}" for count in counts for shape in shapes]
    with_facts = [one.name for one in settings(wanted, "snac_16khz_mini") if one.with_facts]
    assert with_facts == [f"5s_batch1_threads{count}" for count in counts]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"repeats": 0}, "--repeats 0: must be at least 1"),
        ({"durations_s": (0.01,)}, "--durations 0.01: seconds must lie in"),
        ({"durations_s": (math.nan,)}, "--durations nan: seconds must lie in"),
        ({"durations_s": ()}, "--durations"),
        ({"batch_sizes": (0,)}, "--batch-sizes"),
        ({"threads": ("two",)}, "--threads two: use numbers or 'all'"),
        ({"threads": ("0",)}, "--threads 0"),
        ({"models": ("a", "b"), "weights": "w"}, "--weights w: goes with one --model"),
    ],
)
def test_bad_choices_are_refused(tmp_path: Path, fields: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        config(tmp_path, **fields)


def test_codec_on_the_cpu_gets_no_row_for_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "resolve_device", lambda _: "cuda")
    assert {one.device for one in settings(config(tmp_path), "pcm_8bit")} == {"cpu"}
    wanted = config(tmp_path, models=("snac_16khz_mini",))
    places = [(one.device, one.threads) for one in settings(wanted, "snac_16khz_mini")]
    assert list(dict.fromkeys(places)) == [("cpu", 1), ("cuda", 0)]
    only = settings(replace(wanted, device="cuda"), "snac_16khz_mini")
    assert [one.name for one in only] == ["0.5s_batch1_cuda", "0.2s_batch1_cuda"]


def test_measuring_a_model_gives_its_size_and_cost() -> None:
    outcome = measure(MINI)
    assert outcome.error == ""
    assert len(outcome.encode_s) == len(outcome.decode_s) == len(outcome.first_chunk_s) == 1
    model = SNAC.from_pretrained(MINI.model)
    assert outcome.parameters == sum(one.numel() for one in model.parameters())
    assert outcome.first_chunk_audio_s == pytest.approx(0.08)
    assert outcome.peak_memory_mib >= outcome.loaded_memory_mib > 0
    assert math.isnan(outcome.gpu_peak_memory_mib)


def test_multiply_adds_are_those_of_the_layers() -> None:
    torch = pytest.importorskip("torch")

    class OneConvolution:
        """18 multiply-adds for each of 1000 samples."""

        card, device, fingerprint = plugins.codec_card("pcm_8bit"), "cpu", "one/1"

        def __init__(self) -> None:
            self.model = torch.nn.Conv1d(1, 2, 9, padding=4, bias=False)

        def prepare(self) -> None:
            """Nothing to load."""

        def padded_length(self, num_samples: int) -> int:
            return num_samples

        def encode(self, batch: list[object]) -> list[object]:
            return [self.model(torch.zeros(1, 1, 1000)) for _ in batch]

        def decode(self, codes: list[object], _: object) -> list[object]:
            return codes

    second = speech_like(1000, 1000, 1, 0)
    codec = opened(OneConvolution(), "a test")
    assert multiply_adds_per_s(codec, second) == 18_000
    assert codec.num_parameters == 18


def test_codec_without_a_model_has_unknown_size_and_no_batches() -> None:
    outcome = measure(PCM)
    assert math.isnan(outcome.parameters)
    assert math.isnan(outcome.multiply_adds_per_s)
    assert outcome.first_chunk_audio_s == pytest.approx(0.02)
    assert measure(replace(PCM, batch_size=2)).undefined == "pcm_8bit codes one clip at a time"


def test_failures_have_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = measure(replace(MINI, weights=str(tmp_path / "nowhere")))
    assert broken.broken_set_up
    assert "nowhere" in broken.error

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(measure_module, "_timed", fail)
    assert measure(PCM).error == "0.5s_batch1_threads1: MemoryError"


def test_process_has_the_threads_asked_for_and_a_clean_memory() -> None:
    hoard = np.ones(40_000_000)
    outcome = measure_in_process(replace(PCM, threads=3))
    assert hoard.nbytes / 2**20 > 300 > outcome.peak_memory_mib
    assert bench_module._thread_environment(replace(PCM, threads=3))["OMP_NUM_THREADS"] == "3"


def test_process_that_dies_is_an_error_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def killed(command: list[str], **options: object) -> object:
        script = "import os; print('no room', file=__import__('sys').stderr, flush=True);"
        return real([sys.executable, "-c", f"{script} os.kill(os.getpid(), 9)"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", killed)
    reason = "0.5s_batch1_threads1: the measuring process ended with signal 9: no room"
    assert measure_in_process(PCM).error == reason


def test_median_has_the_interval_of_order_statistics() -> None:
    # Conover: of 9 values the second and the eighth bound the median with 96 % confidence.
    values = [9.0, 1, 5, 3, 7, 2, 8, 4, 6]
    assert median_interval(values) == (5.0, 2.0, 8.0)
    middle, low, high = median_interval([1.0, 2, 3, 4, 5])
    assert middle == 3
    assert math.isnan(low)
    assert math.isnan(high)
    assert all(map(math.isnan, median_interval([])))


def test_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        _, low, high = median_interval(rng.lognormal(size=7).tolist())
        hits += low <= 1.0 <= high
    assert hits / 400 >= 0.95


def _measured(**fields: object) -> Measured:
    outcome = Measurement(
        encode_s=[0.1 * k for k in range(1, 7)], decode_s=[0.2] * 6, peak_memory_mib=100.0,
        first_chunk_s=[0.01] * 6, first_chunk_audio_s=0.08, parameters=1.5e6,
    )  # fmt: skip
    return Measured("a|b", replace(PCM, duration_s=2.0), replace(outcome, **fields))


def test_rows_are_those_of_a_run() -> None:
    lost = _measured(error="no memory", encode_s=[], decode_s=[])
    rows = score_rows([_measured(), lost], "id", "bench", {"cpu": "X", "cores": 2})
    assert list(rows.columns) == list(SCORE_COLUMNS)
    encode = rows[(rows["metric"] == "bench_encode_real_time_factor") & (rows["status"] == "ok")]
    assert encode["value"].tolist() == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
    assert encode["clip_id"].iloc[2] == "2s_batch1_threads1_r03"
    assert encode["speaker"].unique().tolist() == ["2s_batch1_threads1"]
    assert all(text.endswith(";cpu=X;cores=2") for text in rows["fingerprint"])
    assert rows.groupby("metric")["fingerprint"].nunique().max() == 1
    errors = rows[rows["status"] == "error"]
    assert errors["reason"].unique().tolist() == ["no memory"]
    assert errors["value"].isna().all()


def test_table_and_words() -> None:
    table = speed_table([_measured(), _measured(undefined="one at a time")])
    assert list(table.columns) == SPEED_COLUMNS
    row = table.iloc[0]
    assert row["encode_real_time_factor"] == pytest.approx(0.175)
    assert row["encode_real_time_factor_high"] == pytest.approx(0.3)
    assert row["speed_x"] == pytest.approx(1 / 0.275)
    assert row["first_chunk_latency_ms"] == pytest.approx(10)
    text = speed_markdown(table)
    for words in ("a\\|b", "1 CPU thread", "0.175 (0.05 to 0.3)", "1.5 M", "unknown"):
        assert words in text
    assert "a\\|b, 1 CPU thread, batch 1, 2 s: undefined: one at a time" in text
    assert "First chunk" not in speed_markdown(speed_table([_measured(first_chunk_s=[])]))
    assert [len(axes.lines) for axes in plot(table).axes] == [2, 2]


def test_bench_writes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "_notes", lambda: ("busy",))
    wanted = config(tmp_path, models=("pcm_8bit@generation=2", "pcm_16bit"))
    result = bench(wanted, ["bench"])
    notes = [json.loads((one / "manifest.json").read_text())["notes"] for one in result.folders]
    of_first = "encode times are those of 2 generations together"
    assert notes == [["busy", of_first], ["busy"]]
    assert result.notes == ("busy", of_first)
    assert len(result.table) == 4
    assert (result.table["status"] == "ok").all()
    joint = {"bench.csv", "bench.md", "bench.svg", "bench.png"}
    assert joint < {path.name for path in wanted.output.iterdir()}
    rows = pd.read_parquet(result.folders[0] / "scores.parquet")
    assert rows.groupby("metric")["value"].count().to_dict() == {
        "bench_decode_real_time_factor": 12,
        "bench_encode_real_time_factor": 12,
        "bench_first_chunk_latency": 6,
        "bench_peak_memory": 2,
    }
    with pytest.raises(UsageError, match="holds a bench already"):
        bench(wanted)


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "store.sqlite").touch()
    with pytest.raises(UsageError, match="holds a run"):
        bench(config(tmp_path, output=tmp_path / "run"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write here"):
        bench(config(tmp_path, output=tmp_path / "file" / "x"))
    with pytest.raises(CodecError, match="no speed to measure"):
        bench(config(tmp_path, models=(f"files:{tmp_path}",)))
    with pytest.raises(SnacEvalError, match="nowhere"):
        bench(config(tmp_path, models=("snac_16khz_mini",), weights=str(tmp_path / "nowhere")))


def test_multiply_adds_of_snac_count_its_depthwise_convolutions() -> None:
    codec = open_model("snac_16khz_mini")
    second = speech_like(16000, 16000, 1, 0)
    assert codec.coder is not None
    codec.prepare()
    with FlopCounterMode(display=False) as counter:
        codec.coder.decode(codec.coder.encode([second]), [0])
    seen = counter.get_total_flops() / 2
    once = multiply_adds_per_s(codec, second)
    assert once > 1.01 * seen
    assert multiply_adds_per_s(after_itself(codec, 2), second) == 2 * once


def test_multiply_adds_are_of_whole_frames_and_not_of_padding() -> None:
    codec = open_model("snac_16khz_mini")
    codec.prepare()
    assert codec.coder is not None
    length = measure_module._whole_frames(codec.coder, 16000)
    assert length >= 16000
    assert codec.coder.padded_length(length) == length
    counts = [multiply_adds_per_s(codec, speech_like(n, 16000, 1, 0)) for n in (length, 2 * length)]
    assert counts[0] == pytest.approx(counts[1], rel=1e-9)
    # A second is padded, and what is computed on the padding is not of that second.
    padded = multiply_adds_per_s(codec, speech_like(16000, 16000, 1, 0))
    assert padded / counts[0] == pytest.approx(length / 16000)


@pytest.mark.parametrize(
    ("model", "rate", "length"),
    [("mimi_1.1kbps", 24000, 13 * 1920), ("encodec_24khz_6kbps", 24000, 24000)],
)
def test_a_codec_that_does_not_say_how_it_pads_has_frames_in_its_card(
    model: str, rate: int, length: int
) -> None:
    class Alone:
        card = plugins.codec_card(model)

        def padded_length(self, num_samples: int) -> None:
            return None

    assert measure_module._whole_frames(Alone(), rate) == length  # type: ignore[arg-type]
