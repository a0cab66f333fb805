"""Cards of codecs and datasets: every value in every place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import soundfile
from hypothesis import given
from hypothesis import strategies as st

from snac_eval.registry.cards import data_dir
from tests.conftest import tone
from tests.fuzz.harness import Place, call, few, once, place, spoilt, toml, twisted

_CODECS = ("pcm_8bit", "opus_12kbps", "mp3_16kbps", "amr_nb_12.2kbps", "snac_24khz", "files")
_DATASETS = ("daps", "librispeech", "fma_small", "demo", "folder", "manifest", "hf", "common_voice")


@once
def _codecs() -> list[Any]:
    return [_read("codecs", name) for name in _CODECS]


@once
def _datasets() -> list[Any]:
    return [_read("datasets", name) for name in _DATASETS]


def _read(kind: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - a literal
    text = (data_dir(kind) / f"{name}.toml").read_text(encoding="utf-8")
    return {**tomllib.loads(text), "name": "mine"}


def _content(data: st.DataObject, card: dict[str, Any]) -> bytes:
    text = toml(data.draw(twisted(card))).encode("utf-8", "surrogatepass")
    return data.draw(spoilt([text])) if data.draw(st.integers(0, 4)) == 0 else text


def _clips(folder: Path) -> None:
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", tone(0.4), 16000)


def _run(where: Place, model: str, dataset: str, *more: str | Path) -> None:
    call(
        where,
        *("run", "--model", model, "--dataset", dataset, "--cards", where.input),
        *("--metrics", "si_sdr", "--workers", "0", "--quiet", "--no-html", "--limit", "2"),
        *("--output", where.output / "run", *more),
        allowed=(0, 2, 4),
    )


@given(data=st.data())
@few(12)
def test_any_codec_card_is_a_codec_or_one_line(data: st.DataObject) -> None:
    content = _content(data, data.draw(st.sampled_from(_codecs())))
    with place() as where:
        (where.input / "codecs").mkdir()
        (where.input / "codecs" / "mine.toml").write_bytes(content)
        _clips(where.input / "clips")
        call(where, "list", "codecs", "--cards", where.input)
        _run(where, "mine", f"folder:{where.input / 'clips'}")


@given(data=st.data())
@few(12)
def test_any_dataset_card_is_a_dataset_or_one_line(data: st.DataObject) -> None:
    content = _content(data, data.draw(st.sampled_from(_datasets())))
    argument = data.draw(st.sampled_from(("", ":clean", ":..", ":/etc", ":a/b:c", ":\ud800")))
    with place() as where:
        (where.input / "datasets").mkdir()
        (where.input / "datasets" / "mine.toml").write_bytes(content)
        _clips(where.input / "data" / "clean")
        call(where, "list", "datasets", "--cards", where.input)
        _run(where, "pcm_8bit", f"mine{argument}", "--data-root", where.input / "data")
