"""Rated names and clips find their runs, or are listed, or are refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from snac_eval.errors import SnacEvalError, UsageError
from snac_eval.results.agreement.matching import clips_of, match, parse_mapping
from snac_eval.results.agreement.shapes import LeftOut
from snac_eval.results.listeners.ratings import Rating, Ratings, Role
from snac_eval.results.record import Run
from tests.results.agreement.data import run

CLIPS = ("speech/a", "speech/b")


def made(
    codec: str, clips: Sequence[str] = CLIPS, folder: str = "", said: dict[str, Any] | None = None
) -> Run:
    return run(codec, {"pesq_wb": [1.0] * len(clips)}, clips, folder, said)


def ratings(*codecs: str, clips: Sequence[str] = CLIPS, **roles: Role) -> Ratings:
    rows = [Rating(clip, codec, "me", 50.0) for clip in clips for codec in codecs]
    return Ratings(
        tuple(rows),
        "mushra",
        "r.csv",
        dict.fromkeys(codecs, "codec") | roles,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("rated", "codec", "said"),
    [
        ("opus_12kbps", "opus_12kbps", {}),
        ("Opus 12-kbps", "opus_12kbps", {}),
        ("Lyra v2", "lyra_v2", {"codec": {"card": {"label": "Lyra 3.2"}}}),
        ("LYRA 3.2", "lyra_v2", {"codec": {"card": {"label": "Lyra 3.2"}}}),
        ("lyra_32", "files:lyra_32", {"config": {"model": "files:/data/lyra_32"}}),
        (
            "lyra_32",
            "files:y",
            {
                "config": {"model": "files:/data/lyra_32@x=1"},
                "codec": {"card": {"family": "files"}},
            },
        ),
        ("my_folder", "codec", {}),
    ],
)
def test_a_name_finds_its_run(rated: str, codec: str, said: dict[str, Any]) -> None:
    found = match([made(codec, folder="my_folder", said=said)], ratings(rated))
    assert found.runs[rated].codec == codec
    assert found.clips[rated] == dict(zip(CLIPS, CLIPS, strict=True))
    assert found.left_out == ()


def test_an_exact_name_wins_and_a_mapping_wins_over_it() -> None:
    runs = [made("opus_6"), made("opus6")]
    assert match(runs, ratings("opus6")).runs["opus6"].codec == "opus6"
    assert match(runs, ratings("opus6"), {"opus6": "opus_6"}).runs["opus6"].codec == "opus_6"


def test_what_finds_nothing_is_listed() -> None:
    runs = [made("a"), made("b"), made("c", clips=["other"])]
    rated = ratings("a", "x", "c", "ref", clips=[*CLIPS, "speech/z"], ref="reference")
    assert match(runs, rated).left_out == (
        LeftOut("codec", "x", "no run of it"),
        LeftOut("codec", "c", "the run c has none of the rated clips"),
        LeftOut("codec", "ref", "the reference; no run of it"),
        LeftOut("run", "b", "nobody rated it"),
        LeftOut("clip", "speech/z", "no run has it"),
    )


def test_of_two_datasets_the_rated_one_counts() -> None:
    runs = [made("a", folder="one", clips=["else"]), made("a", folder="two")]
    found = match(runs, ratings("a"))
    assert found.runs["a"].name == "two"
    assert found.left_out == (LeftOut("run", "a", "it has none of the rated clips"),)


@pytest.mark.parametrize(
    ("codecs", "rated", "mapping", "said"),
    [
        (("a_b", "A b"), ("ab",), {}, "'ab' of the ratings could be the runs 'f0' and 'f1'"),
        (("ab",), ("a_b", "a b"), {}, "'a_b' and 'a b' of the ratings are both the run 'ab'"),
        (("lyra_v2",), ("lyra",), {"lyra": "lyra_v3"}, "did you mean 'lyra_v2'?"),
        (("lyra_v2",), ("lyra",), {"lira": "lyra_v2"}, "did you mean 'lyra'?"),
        (("lyra_v2",), ("lyra",), {"lyra_v2": "lyra"}, "ratings comes first: lyra=lyra_v2"),
    ],
)
def test_what_could_be_two_or_is_unknown_is_refused(
    codecs: tuple[str, ...],
    rated: tuple[str, ...],
    mapping: dict[str, str],
    said: str,
) -> None:
    runs = [made(codec, folder=f"f{at}") for at, codec in enumerate(codecs)]
    with pytest.raises(UsageError) as refused:
        match(runs, ratings(*rated), mapping)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rated", "own", "expected"),
    [
        (["a", "b"], ["speech/a", "speech/b"], {"a": "speech/a", "b": "speech/b"}),
        (["a.wav", "x/b.FLAC"], ["a", "b"], {"a.wav": "a", "x/b.FLAC": "b"}),
        (["speech/a.wav"], ["speech/a"], {"speech/a.wav": "speech/a"}),
        (["music/a"], ["speech/a"], {}),
        (["a"], ["speech/a", "music/a"], {}),
        (["x/a", "y/a"], ["a"], {}),
        (["a", "b.c"], ["a", "b.c"], {"a": "a", "b.c": "b.c"}),
    ],
)
def test_clips_by_id_or_by_a_stem_that_is_one(
    rated: list[str], own: list[str], expected: dict[str, str]
) -> None:
    assert clips_of(rated, made("codec", clips=own)) == expected


def test_mappings_are_written_rated_first() -> None:
    assert parse_mapping(["a = b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    for wrong in (["a"], ["=b"], ["a="], ["a=b", "a=c"]):
        with pytest.raises(SnacEvalError):
            parse_mapping(wrong)
