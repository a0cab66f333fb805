"""Files of ratings, as people and programs leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snac_eval.errors import SnacEvalError, one_line
from snac_eval.results.listeners.formats import read_ratings
from snac_eval.results.listeners.ratings import Ratings

LONG = "clip_id,codec,listener,rating\na,ref,l1,95\na,opus,l1,40\na,opus,l2,41.5\n"
WEBMUSHRA = (
    '"session_test_id","email","session_uuid","trial_id","rating_stimulus","rating_score",'
    '"rating_time","rating_comment"\n'
    't,me@x.org,u1,t1,reference,99,1000,""\nt,me@x.org,u1,t1,C1,"30",5,"no, bad"\n'
    't,you@x.org,u2,t1,anchor35,10,5,""\n'
)


def _file(folder: Path, content: str | bytes, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _rows(found: Ratings) -> list[tuple[str, str, str, float]]:
    return [(row.clip, row.codec, row.listener, row.value) for row in found.rows]


def test_a_plain_table(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, LONG))
    assert _rows(found) == [
        ("a", "ref", "l1", 95),
        ("a", "opus", "l1", 40),
        ("a", "opus", "l2", 41.5),
    ]
    assert (found.scale, dict(found.roles), found.notes) == (
        "mushra",
        {"ref": "reference", "opus": "codec"},
        (),
    )


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + LONG,
        LONG.replace(",", "\t").replace("\n", "\r\n"),
        "sep=;\r\n" + LONG.replace(",", ";").replace("41.5", "41,5").replace("\n", "\r\n"),
        LONG.replace("41.5", '"41,5"').replace("a,", '"a",'),
        LONG.encode("utf-16"),
        "\n" + LONG.replace("\n", "\n\n").replace("rating\n", "rating,\n"),
        "Listener,Vote,System,Clip\nl1,95,ref,a\nl1,40,opus,a\nl2,41.5,opus,a",
    ],
    ids=["mark", "tabs", "semicolons", "quotes", "utf-16", "empty lines", "other names"],
)
def test_the_same_table_in_other_dress(content: str | bytes, tmp_path: Path) -> None:
    plain = read_ratings(_file(tmp_path, LONG))
    assert _rows(read_ratings(_file(tmp_path, content, "other.csv"))) == _rows(plain)


def test_names_with_commas_and_formulas_come_back(tmp_path: Path) -> None:
    text = 'clip_id,codec,listener,rating\n"a,b","\'=cmd()","Müller",40.5\n'
    latin = read_ratings(_file(tmp_path, text.encode("cp1252")))
    assert _rows(latin) == [("a,b", "=cmd()", "Müller", 40.5)]


def test_columns_of_other_names_are_told(tmp_path: Path) -> None:
    path = _file(tmp_path, LONG.replace("codec", "Verfahren"))
    with pytest.raises(SnacEvalError, match=r"no column 'codec'.*Verfahren.*--codec-column NAME"):
        read_ratings(path)
    assert read_ratings(path, {"codec": "verfahren"}).codecs == ("ref", "opus")


def test_several_ratings_of_one_listener_are_their_mean(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, LONG + "a,opus,l1,50\n"))
    assert ("a", "opus", "l1", 45.0) in _rows(found)
    assert found.notes == ("1 ratings are the mean of several of one listener of one stimulus.",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("clip_id,codec,listener,rating\n", "holds no rating"),
        (LONG + "a,opus,l3,\n", ":5: has no rating"),
        (LONG + "a,opus,l3,good\n", ":5: the rating 'good' is no number"),
        (LONG + "a,opus,l3,nan\n", ":5: the rating 'nan' is no number"),
        (LONG + "a,opus,l3,101\n", ":5: the rating 101 is outside of 0 to 100"),
        (LONG + ",opus,l3,10\n", ":5: has no clip_id"),
        (LONG + "a,b,opus,l3,10\n", ":5: has 5 cells under 4 columns"),
        (LONG.replace("95", "1.5").replace("40", "2").replace("41.5", "3"), "say --scale acr"),
        ("codec,codec\n1,2\n", "two columns named 'codec'"),
        ("trial_id,choice_reference\n1,2\n", "paired comparisons"),
        ("session_test_id,trial_id,stimuli_rating,stimuli\n1,2,3,4\n", "Likert"),
        ("file_url,MOS,vote_1\n1,2,3\n", "say no longer who voted"),
        ("WorkerId,Answer.q1,Answer.q1_url\nw,3,a.wav\n", ":2: 'a.wav' has no folder"),
        ("WorkerId,Answer.q1,Answer.q1_url\nw,3,h://[\n", ":2: 'h://[' is no address"),
    ],
)
def test_what_is_no_rating_is_refused_in_one_line(content: str, said: str, tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(SnacEvalError) as caught:
        read_ratings(path)
    assert one_line(caught.value).startswith(str(path))
    assert said in one_line(caught.value)


def test_scales_are_seen_or_told(tmp_path: Path) -> None:
    votes = LONG.replace("95", "5").replace("41.5", "2").replace("40", "3")
    assert read_ratings(_file(tmp_path, votes)).scale == "acr"
    assert read_ratings(_file(tmp_path, votes), scale="mushra").scale == "mushra"
    assert read_ratings(_file(tmp_path, LONG.replace("95", "-3")), scale="other").scale == "other"


def test_reference_and_anchors_are_guessed_or_told(tmp_path: Path) -> None:
    names = ["Hidden_Reference", "anchor_3500", "low anchor", "Anchor70", "lp35", "anchovy", "mid"]
    path = _file(tmp_path, "clip,codec,listener,rating\n" + "".join(f"a,{n},l,9\n" for n in names))
    guessed = read_ratings(path).roles
    assert list(guessed.values()) == ["reference", *["anchor"] * 4, "codec", "codec"]
    told = read_ratings(path, reference="lp35", anchors=["mid"]).roles
    assert [name for name, role in told.items() if role != "codec"] == ["lp35", "mid"]
    assert set(read_ratings(path, reference="", anchors=()).roles.values()) == {"codec"}
    with pytest.raises(SnacEvalError, match="unknown codec of the ratings"):
        read_ratings(path, reference="nobody")


def test_webmushra(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, WEBMUSHRA))
    assert _rows(found) == [
        ("t1", "reference", "u1", 99),
        ("t1", "C1", "u1", 30),
        ("t1", "anchor35", "u2", 10),
    ]
    assert list(found.roles.values()) == ["reference", "codec", "anchor"]
    assert found.scale == "mushra"


def test_webmushra_without_numbers_of_sessions_keeps_people_apart(tmp_path: Path) -> None:
    rows = ["t,1990,t1,C1,30", "t,1990,t1,C2,40", "t,1990,t1,C1,50", "t,1991,t1,C2,60"]
    header = "session_test_id,age,trial_id,rating_stimulus,rating_score"
    found = read_ratings(_file(tmp_path, "\n".join([header, *rows])))
    assert [row.listener for row in found.rows] == [
        "session_1",
        "session_1",
        "session_2",
        "session_3",
    ]
    assert "each session counts as a listener" in found.notes[0]
    coded = read_ratings(_file(tmp_path, "\n".join([header.replace("age", "listener"), *rows[1:]])))
    assert coded.listeners == ("1990", "1991")


def test_answers_of_a_crowd(tmp_path: Path) -> None:
    text = (
        "WorkerId,AssignmentStatus,Input.tp,Answer.q1,Answer.q1_url,Answer.q2,Answer.q2_url\n"
        "w1,Approved,https://h/t/trap.wav,4,https://h/a%20b/x/c1.wav,1,https://h/t/trap.wav\n"
        "w2,Rejected,,1,https://h/x/c1.wav,1,https://h/x/c1.wav\n"
    )
    found = read_ratings(_file(tmp_path, text))
    assert _rows(found) == [("c1", "x", "w1", 4)]
    assert found.scale == "acr"
    assert found.notes[1] == "1 rejected assignments are left out."
    told = read_ratings(_file(tmp_path, text), pattern=r"(?P<codec>[^/]+)/x/(?P<clip>\w+)")
    assert told.codecs == ("a b",)
    with pytest.raises(SnacEvalError, match=":2: the rating -1 is outside of 1 to 5"):
        read_ratings(_file(tmp_path, text.replace("trap.wav,4", "trap.wav,-1")))


KEY = {
    "test_id": "T",
    "method": "mushra",
    "seed": 1,
    "runs": {},
    "trials": [
        {
            "id": "tr1",
            "clip": "speech/a",
            "reference": "r",
            "stimuli": [
                {"name": "x", "role": "reference", "codec": "reference"},
                {"name": "y", "role": "codec", "codec": "opus_6kbps"},
            ],
        },
        {"id": "p", "clip": "b", "stimuli": [], "is_training": True},
    ],
}


def _answer(listener: str = "L", trial: str = "tr1", **facts: object) -> str:
    content = {"test": "T", "listener": listener, "trial": trial, "ratings": {"x": 100, "y": 20}}
    return json.dumps(content | facts) + "\n"


def _answers(folder: Path, text: str) -> Path:
    _file(folder, json.dumps(KEY), "my.key.json")
    return _file(folder, text, "my.answers.jsonl")


def test_answers_to_our_own_test(tmp_path: Path) -> None:
    text = (
        _answer()
        + _answer("M")
        + _answer(ratings={"x": 90, "y": 30})
        + _answer("N", "p", ratings={})
    )
    found = read_ratings(_answers(tmp_path, text + '{"test": "T", "lis'))
    assert _rows(found) == [
        ("speech/a", "reference", "L", 90),
        ("speech/a", "opus_6kbps", "L", 30),
        ("speech/a", "reference", "M", 100),
        ("speech/a", "opus_6kbps", "M", 20),
    ]
    assert found.roles == {"reference": "reference", "opus_6kbps": "codec"}
    assert found.notes == ("1 answer was replaced by a later one of the same listener.",)


def test_answers_as_a_table_in_any_order(tmp_path: Path) -> None:
    _answers(tmp_path, _answer())
    rows = ["T,L,tr1,y,20,,3,1", "T,M,tr1,y,10,,3,1", "T,L,tr1,x,100,,3,1", "T,M,tr1,x,95,,3,1"]
    text = "\n".join(["test,listener,trial,stimulus,rating,correct,seconds,place", *rows])
    path = _file(tmp_path, text, "downloaded.csv")
    found = read_ratings(path, key=tmp_path / "my.key.json")
    assert sorted(row.value for row in found.rows) == [10, 20, 95, 100]
    with pytest.raises(SnacEvalError, match="give its key"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (_answer(test="U"), ":2: is an answer to another test (U)"),
        (_answer(trial="zz"), ":2: the test has no trial 'zz'"),
        (_answer(ratings={"q": 1}), ":2: the trial has no stimulus 'q'"),
        (_answer(ratings={"x": 101}), ":2: the rating 101 is outside"),
        (_answer(ratings={"x": "1"}), ":2: is no answer"),
        (_answer(listener=""), ":2: says no listener"),
        ("[]\n", ":2: is no answer"),
    ],
)
def test_answers_that_do_not_fit(line: str, said: str, tmp_path: Path) -> None:
    path = _answers(tmp_path, _answer() + line)
    with pytest.raises(SnacEvalError) as caught:
        read_ratings(path)
    assert said in one_line(caught.value)
