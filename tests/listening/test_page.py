"""The text of the page: what it is told, and what it keeps to itself."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.errors import UsageError
from snac_eval.listening.page.writing import page
from snac_eval.listening.shapes import METHODS, Method
from tests.listening.held import CODECS, make_key, write_test

HOSTILE = "</script><script>alert(1)</script><!--"


def _facts(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text)
    assert found is not None
    facts = json.loads(found[1])
    assert isinstance(facts, dict)
    return facts


def test_nothing_of_the_folder_says_which_sound_is_which(tmp_path: Path) -> None:
    for method in METHODS:
        write_test(tmp_path / method, make_key(method), seconds=0.01)
        for path in (tmp_path / method).rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                told = [*CODECS, "anchor_3500", "clip 1", "is_training", '"seed"', '"role"']
                assert not [word for word in told if word.encode() in content], path


def test_the_page_is_told_names_in_an_order_of_their_own() -> None:
    key = make_key("mushra", num_trials=1, with_training=False)
    turned = replace(key.trials[0], stimuli=key.trials[0].stimuli[::-1])
    assert page(replace(key, trials=(turned,))) == page(key)
    assert _facts(page(key))["trials"] == [
        {
            "id": "t0",
            "reference": "t0ref",
            "stimuli": ["t0s0", "t0s1", "t0s2", "t0s3"],
            "training": False,
        }
    ]
    facts = _facts(page(make_key("abx"), repeats=3))
    assert facts["repeats"] == 3
    trials = facts["trials"]
    assert isinstance(trials, list)
    assert {trial["reference"] for trial in trials} == {""}


def test_a_hidden_reference_that_is_the_known_one_is_refused() -> None:
    key = make_key("mushra")
    open_trial = replace(key.trials[1], reference="t1s0")
    with pytest.raises(UsageError, match="trial t1: its hidden reference is the file of the known"):
        page(replace(key, trials=(open_trial,)))


@pytest.mark.parametrize("method", METHODS)
def test_hostile_texts_are_text_and_the_script_is_the_one_of_the_policy(method: Method) -> None:
    key = replace(make_key(method), test_id=HOSTILE)
    text = page(key, title=HOSTILE, contact=HOSTILE, post_to="https://example.org/a?b=<script>")
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;alert") == 3
    assert _facts(text)["test"] == HOSTILE
    script = text.rsplit("<script>", 1)[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert f"script-src 'sha256-{digest}' 'self' file:;" in policy
    assert "connect-src 'self' https://example.org;" in policy
    assert "default-src 'none'" in policy
    assert not re.findall(r'(?:src|href)="(?!data:)', text.replace(script, ""))


@pytest.mark.parametrize(
    "address",
    ["example.org", "javascript:alert(1)", "https://", "https://a b", "http://[x", "http://a:b/",
     "https://x;script-src *", "file:///etc/passwd"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address to post to"):
        page(make_key("mos"), post_to=address)


def test_no_repeats_are_refused() -> None:
    with pytest.raises(UsageError, match="repeats: 0"):
        page(make_key("abx"), repeats=0)


def test_a_script_beside_each_sound_holds_its_samples(tmp_path: Path) -> None:
    folder = write_test(tmp_path / "test", make_key("mos"), seconds=0.01)
    sounds = sorted((folder / "audio").glob("*.wav"))
    assert [one.stem for one in sounds] == ["t0s0", "t1s0", "t2s0"]
    for sound in sounds:
        before, _, after = sound.with_suffix(".js").read_text().partition(f'("{sound.stem}", "')
        assert (before, after[-4:]) == ("sound", '");\n')
        held = soundfile.read(io.BytesIO(base64.b64decode(after[:-4])), dtype="int16")
        expected = soundfile.read(sound, dtype="int16")
        np.testing.assert_array_equal(held[0], expected[0])
        assert held[1] == expected[1]
