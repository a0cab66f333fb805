"""The data of figures: which runs are joined, over which clips, and who is left out and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from snac_eval.codecs.losses import BIT_ERRORS, PACKET_LOSS
from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.results.curves import STEP, Panel, axis, default_metrics, default_x, panels
from snac_eval.results.families import families, named_by_title, training_step
from snac_eval.results.ranking import contest, frontiers
from snac_eval.results.record import Run, read_run
from tests.runs import Column, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4, 24)
SPEAKERS = [f"s{index % 6}" for index in range(24)]
DEAD = "error: the codec answered an audible clip with silence"


def _run(
    folder: Path,
    codec: str,
    kbps: float = 6.0,
    scores: Column = tuple(PESQ),
    **facts: Any,  # noqa: ANN401 - whatever the test wants the manifest to say
) -> Run:
    columns = {"bitrate": [kbps] * len(scores), "pesq_wb": scores}
    facts = {"speakers": SPEAKERS} | facts
    return read_run(write_run(folder, columns, codec=codec, **facts))


def _shipped(folder: Path, name: str, shift: float = 0.0, **facts: Any) -> Run:  # noqa: ANN401
    """A run of a shipped codec, at the rate and with the names that its card has."""
    card = plugins.codec_card(name)
    said = {
        "label": card.label,
        "series": card.series,
        "nominal_bitrate_bps": card.nominal_bitrate_bps,
        "codebook_sizes": list(card.codebook_sizes),
    }
    rate = card.nominal_bitrate_bps / 1000
    return _run(folder / name, name, rate, shifted(PESQ, shift, 0.1), card=said, **facts)


def _names(panel: Panel) -> dict[str, list[str]]:
    return {curve.name: [point.run.codec for point in curve.points] for curve in panel.curves}


def test_the_rates_of_a_codec_are_one_curve_in_order_of_rate(tmp_path: Path) -> None:
    names = ("opus_24kbps", "snac_24khz", "opus_6kbps", "opus_vbr_12kbps", "opus_12kbps")
    (panel,), over, notes = panels(
        [_shipped(tmp_path, name) for name in names], ["pesq_wb"], "bitrate"
    )
    assert _names(panel) == {
        "Opus": ["opus_6kbps", "opus_12kbps", "opus_24kbps"],
        "SNAC 24 kHz": ["snac_24khz"],
        "Opus VBR, 12 kbps": ["opus_vbr_12kbps"],
    }
    assert over is not None
    assert over.is_ratio
    assert (panel.num_clips, panel.left_out, panel.lost, notes) == (24, (), (), ())


def test_numbers_are_those_of_the_table_and_of_the_frontier(tmp_path: Path) -> None:
    runs = [
        _shipped(tmp_path, name, shift, place={})
        for name, shift in (("opus_6kbps", 0.0), ("opus_12kbps", 0.5), ("mp3_16kbps", 0.3))
    ]
    (panel,), _, _ = panels(runs, ["pesq_wb"], "bitrate")
    named = named_by_title(runs)
    table, frontier = contest(named, "pesq_wb"), frontiers(named, ["pesq_wb"])[0][0]
    found = {point.run.name: point for point in panel.points}
    for run, other in zip(named, frontier.points, strict=True):
        point = found[run.name]
        assert (point.mean, point.interval) == (table.mean(run), table.interval(run))
        assert (point.x, point.mean, point.interval) == (other.cost, other.quality, other.interval)


def test_a_run_that_lost_clips_is_marked_and_all_means_are_of_what_is_left(tmp_path: Path) -> None:
    whole = _run(tmp_path / "a", "a")
    holed = _run(tmp_path / "b", "b", 12.0, [DEAD, *PESQ[1:]])
    dead = _run(tmp_path / "c", "c", 3.0, [DEAD] * 24)
    (panel,), _, _ = panels([whole, holed, dead], ["pesq_wb"], "bitrate")
    assert panel.num_clips == 23
    assert [(point.run.name, point.lost) for point in panel.points] == [("a", False), ("b", True)]
    assert panel.points[0].mean == pytest.approx(sum(PESQ[1:]) / 23)
    assert [(loss.run, loss.count) for loss in panel.lost] == [("b", 1), ("c", 24)]
    assert panel.left_out == (f"c: no pesq_wb, {DEAD.partition(': ')[2]}",)


def test_of_too_few_speakers_no_ends_are_given(tmp_path: Path) -> None:
    run = _run(tmp_path / "a", "a", speakers=["x", "y"] * 12)
    (panel,), _, _ = panels([run], ["pesq_wb"], "bitrate")
    (point,) = panel.points
    assert point.interval is not None
    assert point.interval.claim == "too few"
    assert point.ends is None


def test_datasets_and_metrics_have_panels_of_their_own(tmp_path: Path) -> None:
    speech = _run(tmp_path / "s", "a", dataset={"name": "speech"})
    columns = {"bitrate": [6.0] * 24, "visqol_audio": PESQ}
    music = read_run(write_run(tmp_path / "m", columns, codec="a", dataset={"name": "music"}))
    found, _, notes = panels([speech, music], ["pesq_wb", "visqol_audio"], "bitrate")
    assert [(one.dataset, one.info.name) for one in found] == [
        ("speech", "pesq_wb"),
        ("music", "visqol_audio"),
    ]
    assert notes == (
        "speech: no panel of visqol_audio (a: visqol_audio was not measured).",
        "music: no panel of pesq_wb (a: pesq_wb was not measured).",
    )
    assert default_metrics([speech, music]) == ("pesq_wb", "visqol_audio")


def test_streams_and_speed_are_axes(tmp_path: Path) -> None:
    speeds = {
        "encode_real_time_factor": [0.25] * 24,
        "decode_real_time_factor": [0.5] * 24,
        "bitrate": [1.0] * 24,
        "pesq_wb": PESQ,
    }
    runs = [
        read_run(
            write_run(
                tmp_path / f"k{count}",
                speeds,
                codec=f"x@k={count}" if count < 3 else "x",
                card={"codebook_sizes": [1024] * count},
            )
        )
        for count in (3, 1, 2)
    ]
    (panel,), _, _ = panels(runs, ["pesq_wb"], "streams")
    assert [point.x for point in panel.points] == [1, 2, 3]
    assert [curve.name for curve in panel.curves] == ["x"]
    (panel,), over, _ = panels(runs, ["pesq_wb"], "speed")
    assert {point.x for point in panel.points} == {0.75}
    assert over is not None
    assert over.is_ratio


@pytest.mark.parametrize(
    ("model", "weights", "step"),
    [
        ("files:out/step_1000", "", 1000),
        ("files:out/step_12k/wav", "", 12_000),
        ("files:run_3_step=1.5M", "", 1_500_000),
        ("snac_24khz", "ckpt/0004000", 4000),
        ("snac_24khz", "ckpt_24khz/best", None),
        ("my_module:Codec2", "", None),
        ("files:home2/me/out/wav", "", None),
        ("files:epoch-7_24khz", "", 7),
    ],
)
def test_the_step_is_read_off_the_end_of_a_path(
    tmp_path: Path, model: str, weights: str, step: float | None
) -> None:
    family = {"family": "files" if model.startswith("files") else "snac"}
    config = {"model": model, "weights": weights}
    assert training_step(_run(tmp_path / "r", "x", card=family, config=config)) == step


def test_two_trainings_are_two_curves_over_steps(tmp_path: Path) -> None:
    runs = [
        _run(
            tmp_path / f"{training}{step}",
            f"files:step_{step}",
            scores=shifted(PESQ, step / 1e5, 0.1),
            card={"name": "files", "family": "files"},
            config={"model": f"files:{training}/step_{step}"},
        )
        for step in (10_000, 2_000)
        for training in ("a", "b")
    ]
    (panel,), _, _ = panels(runs, ["pesq_wb"], STEP)
    points = {curve.name: [point.x for point in curve.points] for curve in panel.curves}
    assert points == {"a/step_*": [2000, 10_000], "b/step_*": [2000, 10_000]}
    (alone,), _, _ = panels(runs[:1], ["pesq_wb"], STEP)
    assert [curve.name for curve in alone.curves] == ["files:step_10000"]


def test_losses_are_points_of_one_line_for_each_codec_and_no_line_over_bitrate(
    tmp_path: Path,
) -> None:
    def of(name: str, words: str = "") -> Run:
        return _run(tmp_path / f"r{len(list(tmp_path.iterdir()))}", name, card={
            "label": f"Opus, {name[5]} kbps{words}", "series": f"Opus{words}"})  # fmt: skip

    runs = [
        of(f"opus_{kbps}kbps{option}", words)
        for kbps in (6, 9)
        for option, words in (
            ("@packet_loss=0.2@burst=3", ", 20 % loss, burst ratio 3"),
            ("", ""),
            ("@packet_loss=0.05@burst=3", ", 5 % loss, burst ratio 3"),
        )
    ]
    (panel,), _, _ = panels(runs, ["pesq_wb"], PACKET_LOSS)
    xs = {curve.name: [point.x for point in curve.points] for curve in panel.curves}
    assert xs == {"Opus, 6 kbps": [0, 5, 20], "Opus, 9 kbps": [0, 5, 20]}
    assert default_x(runs) == PACKET_LOSS
    over_rate = set(families(named_by_title(runs)).values())
    assert over_rate == {"Opus", "Opus, 5 % loss, burst ratio 3", "Opus, 20 % loss, burst ratio 3"}
    other = of("opus_6kbps@packet_loss=0.05", ", 5 % loss")
    (panel,), _, _ = panels([*runs[:3], other], ["pesq_wb"], PACKET_LOSS)
    assert _names(panel) == {
        "Opus, 6 kbps, burst ratio 3": ["opus_6kbps@packet_loss=0.05@burst=3", runs[0].codec],
        "Opus, 6 kbps": ["opus_6kbps", "opus_6kbps@packet_loss=0.05"],
    }
    assert default_x([*runs, _run(tmp_path / "clean", "clean")]) == "bitrate"
    bits = [runs[1], of("opus_6kbps@bit_errors=0.001", ", bit errors 0.001")]
    (panel,), _, _ = panels(bits, ["pesq_wb"], BIT_ERRORS)
    assert [point.x for point in panel.points] == [0, 0.001]
    assert default_x(bits) == BIT_ERRORS
    with pytest.raises(UsageError, match="no run has @packet_loss; run with --packet-loss"):
        panels(bits, ["pesq_wb"], PACKET_LOSS)


def test_other_weights_or_seeds_are_other_curves_and_a_codec_twice_is_none(tmp_path: Path) -> None:
    def of(name: str, **config: object) -> Run:
        facts = {"card": {"series": "X"}, "config": config}
        return _run(tmp_path / f"{name}{len(list(tmp_path.iterdir()))}", name, **facts)

    seeds = [of("x@k=1"), of("x@k=2"), of("x@k=1", seed=1), of("x@k=2", seed=1)]
    assert set(families(named_by_title(seeds)).values()) == {"X", "X (seed 1)"}
    weights = [of("x@k=1", weights="w/a"), of("x@k=2", weights="w/a"), seeds[0], seeds[1]]
    assert set(families(named_by_title(weights)).values()) == {"X", "X (weights w/a)"}
    twice = named_by_title([of("x@k=1"), of("x@k=1"), of("x@k=2")])
    assert list(families(twice).values())[:2] == [run.name for run in twice[:2]]


def test_titles_name_runs_where_they_differ(tmp_path: Path) -> None:
    mine = _run(tmp_path / "a", "x", config={"label": "Ours"})
    others = [_run(tmp_path / name, "y", card={"label": "Y"}) for name in ("b", "c")]
    assert [run.name for run in named_by_title([mine, *others])] == ["Ours", "y (b)", "y (c)"]


def test_scores_of_all_clips_together_are_points_without_interval(tmp_path: Path) -> None:
    def of(name: str, value: float, **facts: Any) -> Run:  # noqa: ANN401
        columns = {"bitrate": [6.0 * (1 + value)] * 24, "pesq_wb": PESQ}
        facts = {"corpus": {"fad_clap": value}} | facts
        return read_run(write_run(tmp_path / name, columns, codec=name, **facts))

    runs = [of("a", 0.5), of("b", 0.25)]
    (panel,), _, _ = panels(runs, ["fad_clap"], "bitrate")
    points = [(one.mean, one.interval, one.ends) for one in panel.points]
    assert points == [(0.5, None, None), (0.25, None, None)]
    (turned,), _, _ = panels(runs, ["pesq_wb"], "fad_clap")
    assert [point.x for point in turned.points] == [0.5, 0.25]
    other = of("c", 0.1, fingerprints={"fad_clap": "fad_clap;v=2"})
    with pytest.raises(UsageError, match="a and c: fad_clap was measured in two ways"):
        panels([*runs, other], ["fad_clap"], "bitrate")
    with pytest.raises(UsageError, match="fad_clap has no score per clip"):
        panels(runs, ["fad_clap"])


def _differently(tmp_path: Path) -> Sequence[Run]:
    other = {"fingerprints": {"pesq_wb": "pesq_wb;v=2"}}
    return [_run(tmp_path / "a", "a"), _run(tmp_path / "b", "b", **other)]


def test_what_cannot_be_drawn_is_refused_in_one_line(tmp_path: Path) -> None:
    runs = [_run(tmp_path / "a", "a")]
    for metrics, x, words in [
        (["pesq"], "bitrate", "did you mean 'pesq_wb'"),
        (["pesq_wb"], "bitrat", "unknown x 'bitrat': did you mean 'bitrate'"),
        (["pesq_wb"], "pesq_wb", "pesq_wb over pesq_wb says nothing"),
        (["pesq_wb"], "streams", "a: no streams of codes.*NAME@k=1"),
        (["pesq_wb"], "step", "names a step.*step_1000"),
        (["pesq_wb"], "speed", "encode_real_time_factor was not measured"),
    ]:
        with pytest.raises(UsageError, match=words):
            panels(runs, metrics, x)
    with pytest.raises(UsageError, match="cannot share a panel: a and b: measured in two ways"):
        panels(_differently(tmp_path / "two"), ["pesq_wb"], "bitrate")
    with pytest.raises(UsageError, match="no runs given"):
        panels([], ["pesq_wb"])
    bare = read_run(write_run(tmp_path / "bare", {"bitrate": [6.0]}))
    with pytest.raises(UsageError, match="no score of quality"):
        default_metrics([bare])
    assert math.isnan(panels(runs, ["pesq_wb"])[0][0].points[0].x)
    assert axis("bitrate", runs).columns == ("bitrate",)
