"""``snac_eval.evaluate``: several codecs and datasets, and a result that shows itself."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import snac_eval
from snac_eval.errors import SnacEvalError, UsageError
from snac_eval.results.study import read_runs
from tests.conftest import tone

MODELS = ("pcm_8bit", "opus_6kbps")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for index in range(5):
        soundfile.write(folder / f"{index}.wav", tone(0.6, seed=index), 16000)
    return folder


@pytest.fixture(scope="module")
def result(clips: Path) -> snac_eval.Evaluation:
    return snac_eval.evaluate(
        models=MODELS,
        datasets=[f"folder:{clips}"],
        metrics=["bitrate", "mel_dac_paper", "si_sdr_aligned"],
        workers=0,
    )


def test_frames_hold_every_codec(result: snac_eval.Evaluation) -> None:
    assert set(result.scores["codec"]) == set(MODELS)
    assert len(result.scores) == 2 * 5 * 3
    assert list(result.summary["codec"]) == [name for name in MODELS for _ in range(3)]
    assert result.run_dir is None
    assert not result.problems


def test_it_shows_itself(result: snac_eval.Evaluation) -> None:
    html = result._repr_html_()
    assert "<table" in html
    assert all(run.title in html for run in result.runs)
    assert repr(result).startswith("<Evaluation of pcm_8bit on folder:")
    assert "| codec " in result.table(["si_sdr_aligned"])
    assert "opus_6kbps" in result.compare()
    assert result.compare()._repr_markdown_() == result.compare()


def test_it_is_drawn(result: snac_eval.Evaluation, tmp_path: Path) -> None:
    figure = result.plot(y=["mel_dac_paper"])
    assert len(figure.axes) == 1
    figure.savefig(tmp_path / "figure.png")


def test_it_is_heard_though_nothing_was_asked_to_be_kept(result: snac_eval.Evaluation) -> None:
    sound = result.listen("3")
    assert list(sound.versions) == ["reference", *MODELS]
    assert sound._repr_html_().count("<audio") == 3
    assert result.listen().clip in map(str, range(5))
    with pytest.raises(UsageError, match="unknown clip '7'"):
        result.listen("7")


def test_what_was_not_to_be_kept_goes_with_the_result(clips: Path) -> None:
    found = snac_eval.evaluate("pcm_8bit", f"folder:{clips}", ["bitrate"], limit=2, workers=0)
    folder = found.runs[0].folder
    assert folder is not None
    assert folder.is_dir()
    del found
    gc.collect()
    assert not folder.exists()


class _Quiet:
    """A codec that no name opens."""

    sample_rate = 16000
    codebook_size = 256

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        return ((audio + 1) * 127.5).round().astype(np.int64)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        return (codes / 127.5 - 1).astype(np.float32) / 2


def test_an_object_is_heard_too(clips: Path) -> None:
    data, few = f"folder:{clips}", {"metrics": ["bitrate"], "limit": 1, "workers": 0}
    for found in (
        snac_eval.evaluate(_Quiet(), data, **few),  # type: ignore[arg-type]
        snac_eval.evaluate(models=[_Quiet()], datasets=[data], **few),  # type: ignore[arg-type]
    ):
        sound = found.listen()
        assert (list(sound.versions), sound.notes) == (["reference", "_Quiet"], [])


def test_a_study_is_kept_where_it_is_asked_for(clips: Path, tmp_path: Path) -> None:
    place = tmp_path / "study"
    models = ["pcm_8bit", "files:nowhere"]
    found = snac_eval.evaluate(
        models=models,
        dataset=f"folder:{clips}",
        metrics=["bitrate"],
        output=place,
        html=False,
        workers=0,
    )
    assert found.run_dir == place
    assert [run.codec for run in read_runs([place])] == ["pcm_8bit"]
    assert list(found.problems) == [f"files:nowhere on folder:{clips}"]


def test_what_cannot_be_evaluated_is_one_line(clips: Path) -> None:
    data = f"folder:{clips}"
    with pytest.raises(UsageError, match="give model, or models"):
        snac_eval.evaluate(dataset=data)
    with pytest.raises(UsageError, match="give dataset, or datasets"):
        snac_eval.evaluate("pcm_8bit", data, datasets=[data])
    with pytest.raises(UsageError, match="models is empty"):
        snac_eval.evaluate(models=[], dataset=data)
    with pytest.raises(SnacEvalError, match=r"files:nowhere on .*; files:neither on"):
        snac_eval.evaluate(models=["files:nowhere", "files:neither"], dataset=data, workers=0)
