"""What a page says of a codec, and on whose word."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from snac_eval.codecs.opening import model_card
from snac_eval.results.record import Run, read_run
from snac_eval.site import cards
from snac_eval.site.cards import Card, codec_card, dataset_card
from snac_eval.writing import jsonable
from tests.site.many import scored


def _said(name: str) -> dict[str, Any]:
    """The card as a manifest has it."""
    return dict(jsonable(asdict(replace(model_card(name), options={}))))


def _run(folder: Path, codec: str, card: dict[str, Any], **said: Any) -> Run:  # noqa: ANN401
    return read_run(scored(folder, codec, 3.0, 1.0, card=card, **said))


def _lines(card: Card, label: str) -> tuple[str, ...]:
    return next((fact.lines for fact in card.facts if fact.label == label), ())


def test_card_that_ships_speaks_for_itself_and_says_how_weights_are_got(tmp_path: Path) -> None:
    card = codec_card(_run(tmp_path, "snac_24khz", _said("snac_24khz")))
    assert card.is_known
    assert "comes with snac-eval" in card.source
    weights = next(fact for fact in card.facts if fact.label == "weights")
    assert weights.href == "https://huggingface.co/hubertsiuzdak/snac_24khz"
    first, *_ = _lines(card, "to get and run it")
    assert first.startswith("hf download hubertsiuzdak/snac_24khz --revision ")
    assert _lines(card, "streams")[0] == "1: codebook of 4096, 11.7188 tokens/s, 140.625 bit/s"
    assert card.bibtex.startswith("@misc{siuzdak2024snac")


@pytest.mark.parametrize(("codec", "whose"), [("snac_24khz", "differs"), ("nobodys", "vouched")])
def test_card_of_a_submitter_is_text_alone(tmp_path: Path, codec: str, whose: str) -> None:
    said = _said("snac_24khz") | {"weights": "https://evil.example/x", "licence": "\\input{x}"}
    said |= {"citation": "me } 2026", "channels": "many", "codebook_sizes": [0, "x"]}
    card = codec_card(_run(tmp_path, codec, said))
    assert whose in card.source
    assert not any(fact.href for fact in card.facts)
    assert _lines(card, "licence") == ("\\input{x}",)
    assert _lines(card, "channels") == ("any",)
    assert not _lines(card, "streams")
    assert not _lines(card, "to get and run it")
    assert r"me \} 2026" in card.bibtex


def test_what_an_argument_names_is_not_asked_but_its_card_beside_the_results_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("would run what the name says")

    own = _said("opus_6kbps") | {"name": "theirs", "family": "files"}
    (tmp_path / "cards" / "codecs").mkdir(parents=True)
    lines = [f"{key} = {json.dumps(one)}" for key, one in own.items() if key != "options"]
    text = "\n".join(lines)
    (tmp_path / "cards" / "codecs" / "theirs.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(cards, "model_card", refuse)
    assert not codec_card(_run(tmp_path / "a", "module:os:system", {"family": "module"})).is_known
    run = _run(tmp_path / "b", "theirs:folder", own)
    card = codec_card(run, [tmp_path / "cards"])
    assert card.is_known
    assert "beside the results" in card.source
    assert not _lines(card, "to get and run it")


def test_address_of_a_dataset_is_a_link_only_on_our_word(tmp_path: Path) -> None:
    url = "https://evil.example"
    stated = {"name": "demo", "card": {"name": "demo", "url": url, "domain": "odd"}}
    card = dataset_card(_run(tmp_path, "codec", {}, dataset=stated))
    assert _lines(card, "address") == (url,)
    assert not any(fact.href for fact in card.facts)
    assert card.domains == ("general",)
