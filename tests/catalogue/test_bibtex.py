"""Every shipped card's BibTeX parses, says what its citation says, and its key is its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from snac_eval.catalogue.bibtex import FILE, card_entry, entries
from snac_eval.errors import CardError
from snac_eval.registry import plugins
from snac_eval.registry.cards import Kind, data_dir
from snac_eval.types import CodecCard, DatasetCard

_ACCENTS = {"'": "\u0301", '"': "\u0308", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_FIELD = re.compile(r"^  ([a-z]+) *= \{(.*)\},$")


Shipped = dict[str, tuple[CodecCard | DatasetCard, list[Path]]]


@pytest.fixture(scope="module")
def shipped() -> Shipped:
    found: Shipped = {}
    for name in plugins.codec_names():
        found[name] = plugins.codec_card(name), plugins.card_folders("codecs")
    for name in plugins.dataset_names():
        found[name] = plugins.dataset_card(name), plugins.card_folders("datasets")
    return found


def _fields(entry: str) -> dict[str, str]:
    """Names and values; anything that is no line of an entry is an error."""
    first, *lines, last = entry.splitlines()
    assert re.fullmatch(r"@(misc|article|inproceedings)\{[a-z0-9-]+,", first)
    assert last == "}"
    matches = [_FIELD.match(line) for line in lines]
    assert all(matches), entry
    return {match[1]: match[2] for match in matches if match}


def _read(tex: str) -> str:
    """As it is printed: accents composed, without braces."""

    def accented(found: re.Match[str]) -> str:
        return unicodedata.normalize("NFC", found[2] + _ACCENTS[found[1]])

    return re.sub(r"[{}]", "", re.sub(r"\{\\(.)(\w)\}", accented, tex))


def test_entries_say_what_the_citation_says(shipped: Shipped) -> None:
    cited = 0
    for name, (card, folders) in shipped.items():
        entry = card_entry(card, folders)
        if card.citation.startswith("none:"):
            assert not card.cite
            assert entry == ""
            continue
        cited += 1
        assert card.cite, name
        fields = _fields(entry)
        assert f"{{{card.cite}," in entry
        if arxiv := re.search(r"arXiv (\d{4}\.\d{5})", card.citation):
            assert fields["eprint"] == arxiv[1]
            assert fields["archiveprefix"] == "arXiv"
            assert fields["year"] == f"20{arxiv[1][:2]}"
        elif "year" in fields:
            assert fields["year"] in card.citation
        said = card.citation.partition("architecture: ")[2] or card.citation
        if "author" in fields:
            authors = [one.partition(",")[0] for one in _read(fields["author"]).split(" and ")]
            shown = [one for one in authors if one != "others"]
            assert shown[0] in said, name
            if "et al." not in said:
                assert all(one in said for one in shown), name
        if "," in said.partition(":")[0]:  # authors, then a title
            assert _read(fields["title"]).casefold() in said.casefold() or "arXiv" in said
    assert cited > 60


def test_keys_are_unique_and_every_entry_is_used(shipped: Shipped) -> None:
    kinds: tuple[Kind, ...] = ("codecs", "datasets")
    known = [key for kind in kinds for key in entries((data_dir(kind) / FILE).read_text("utf-8"))]
    assert len(known) == len(set(known))
    assert set(known) == {card.cite for card, _ in shipped.values() if card.cite}


def test_bibtex_itself_takes_them_all(shipped: Shipped, tmp_path: Path) -> None:
    if shutil.which("bibtex") is None:
        pytest.skip("needs the program bibtex")
    texts = {card_entry(card, folders) for card, folders in shipped.values()}
    own = CodecCard("50% & more_x", "f", "d", 16000, citation="Ünal & Søn: 100 % {braces} \\here")
    texts.add(card_entry(own, []))
    (tmp_path / "all.bib").write_text("\n\n".join(texts), encoding="utf-8")
    aux = "\\citation{*}\n\\bibstyle{plain}\n\\bibdata{all}\n"
    (tmp_path / "paper.aux").write_text(aux, encoding="ascii")
    done = subprocess.run(
        ["bibtex", "paper"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "error" not in done.stdout.lower(), done.stdout
    made = (tmp_path / "paper.bbl").read_text("utf-8")
    assert made.count("\\bibitem{") == len(texts - {""})
    assert "Alexandre D{\\'e}fossez" in made


def test_a_card_without_a_key_quotes_its_citation(tmp_path: Path) -> None:
    card = CodecCard("my_codec", "f", "d", 16000, citation="Müller: 50% & more, 2026")
    entry = card_entry(card, [])
    assert entry.startswith("@misc{my_codec,")
    assert r"note  = {M\"{u}ller: 50\% \& more, 2026}" in entry
    assert card_entry(CodecCard("x", "f", "d", 16000), []) == ""


def test_what_is_wrong_with_a_bibliography_is_one_line(tmp_path: Path) -> None:
    card = CodecCard("x", "f", "d", 16000, citation="c", cite="key")
    with pytest.raises(CardError, match=r"cite is 'key', which is not there \(there is no cit"):
        card_entry(card, [tmp_path])
    for text, words in {
        "@misc{other, title={a}}": "cite is 'key', which is not there",
        "@misc{key, title={a}": "the braces of 'key' do not close",
        "@misc{key, a={}}\n@misc{key, a={}}": "the key 'key' stands twice",
    }.items():
        (tmp_path / FILE).write_text(text)
        with pytest.raises(CardError, match=words):
            card_entry(card, [tmp_path])
    (tmp_path / FILE).write_text("% @misc{not, this}\n@Misc { key , title = {a \\} {b}} }\nrest")
    assert card_entry(card, [tmp_path]) == "@Misc { key , title = {a \\} {b}} }"


def test_own_entries_go_before_shipped_ones(tmp_path: Path) -> None:
    card = plugins.codec_card("dac_44khz_2.6kbps")
    shipped = plugins.card_folders("codecs")
    own = tmp_path / "codecs"
    # An own card may cite what is shipped.
    assert card_entry(card, [*shipped, own]) == card_entry(card, shipped)
    own.mkdir()
    (own / FILE).write_text("@misc{kumar2023dac, title={mine}}")
    assert card_entry(card, plugins.card_folders("codecs", [tmp_path])).endswith("{mine}}")
