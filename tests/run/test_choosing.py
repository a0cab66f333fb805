"""Names, patterns and study files become the runs that are meant, or one clear line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError
from snac_eval.run.choosing import DatasetChoice, ModelChoice, Study, named, read_study
from snac_eval.run.conditions import Conditions
from snac_eval.run.config import RunConfig

FLAGS = RunConfig("", "", Path("runs"))


def _study(*models: str) -> Study:
    return Study(tuple(map(ModelChoice, models)), (DatasetChoice("demo"),), FLAGS)


def test_names_are_parted_by_commas_unless_they_are_a_path(tmp_path: Path) -> None:
    odd = tmp_path / "a,b"
    odd.mkdir()
    given = ["opus_6kbps, opus_12kbps", f"files:{odd}", str(odd), "demo,"]
    expected = ["opus_6kbps", "opus_12kbps", f"files:{odd}", str(odd), "demo"]
    assert list(named(given)) == expected


def test_a_pattern_fits_cards_and_each_pair_has_a_folder() -> None:
    configs = _study("opus_*kbps", "opus_6kbps@k=1", "opus_6kbps").configs()
    models = [config.model for config in configs]
    assert models[:2] == ["opus_12kbps", "opus_24kbps"]
    assert "opus_vbr_6kbps" in models
    assert models.count("opus_6kbps") == 1
    assert len({config.output for config in configs}) == len(configs)


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no codec fits 'opsu_\*'; see: snac-eval list"):
        _study("opsu_*").configs()


def test_losses_are_said_of_every_model_by_flag_or_file(tmp_path: Path) -> None:
    said = Conditions.of({"packet_loss": "0,5e-2", "burst": "3", "bit_errors": None})
    study = replace(_study("lc3_1*", "own.py:Codec@k=1", "transformers:a/b@k=1"), conditions=said)
    assert [one.model for one in study.configs()] == [
        "lc3_16kbps",
        "lc3_16kbps@packet_loss=0.05@burst=3",
        "own.py:Codec@k=1",
        "own.py:Codec@k=1@packet_loss=0.05@burst=3",
        "transformers:a/b@k=1",
        "transformers:a/b@k=1@packet_loss=0.05@burst=3",
    ]
    file = tmp_path / "study.toml"
    file.write_text("""
        models = [{ name = "lc3_16kbps", label = "LC3" }, "files:there"]
        datasets = ["demo"]
        packet_loss = 0.2
        bit_errors = [0.001, 0.01]
    """)
    configs = read_study(file, FLAGS)[0].configs()
    assert [(one.model, one.label) for one in configs[:2]] == [
        ("lc3_16kbps@packet_loss=0.2@bit_errors=0.001", "LC3, 20 % loss, bit errors 0.001"),
        ("lc3_16kbps@packet_loss=0.2@bit_errors=0.01", "LC3, 20 % loss, bit errors 0.01"),
    ]
    assert configs[2].model == "files@packet_loss=0.2@bit_errors=0.001:there"
    above = read_study(file, FLAGS, Conditions.of({"packet_loss": "0", "bit_errors": "0"}))[0]
    assert [(one.model, one.label) for one in above.configs()] == [
        ("lc3_16kbps", "LC3"),
        ("files:there", ""),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"packet_loss": "5"}, "packet_loss=5: is no share from 0 to below 1; for 5 % give 0.05"),
        ({"packet_loss": "-0.1"}, "packet_loss=-0.1: is no share"),
        ({"packet_loss": "nan"}, "packet_loss=nan: is no number"),
        ({"packet_loss": "0.1,,"}, "packet_loss=: is no number"),
        ({"bit_errors": "often"}, "bit_errors=often: is no number"),
        ({"packet_loss": "0.1", "burst": "2,3"}, "burst=2,3: give one number"),
        ({"burst": "2"}, "burst is of losses; give packet_loss as well"),
    ],
)
def test_what_is_no_share_is_refused_in_one_line(said: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Conditions.of(said)


def test_a_file_says_all_that_flags_say_and_flags_stand_above_it(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("""
        models = ["opus_6kbps", { name = "my:Codec", label = "Ours", args = { n = 3, s = "x" } }]
        datasets = ["demo", { name = "folder:there", limit = 5, domain = "speech", excerpt = 2.5 }]
        metrics = ["stoi"]
        seeds = [0, 7]
        limit = 9
        channels = "each"
        output = "here"
        track = ["mlflow", "tensorboard:boards"]
    """)
    study, folder = read_study(file, FLAGS)
    configs = study.configs()
    assert folder == Path("here")
    assert len(configs) == 2 * 2 * 2
    assert len({config.output for config in configs}) == len(configs)
    own = next(c for c in configs if c.model == "my:Codec" and c.dataset != "demo" and c.seed == 7)
    assert (own.label, own.model_args) == ("Ours", ("n=3", 's="x"'))
    assert (own.limit, own.domain, own.excerpt_s) == (5, "speech", 2.5)
    assert (own.metrics, own.channels) == (("stoi",), "each")
    assert own.track == ("mlflow", "tensorboard:boards")
    assert {config.limit for config in configs if config.dataset == "demo"} == {9}
    above, _ = read_study(file, RunConfig("", "", Path("runs"), limit=2, seed=3))
    assert {(config.limit, config.seed) for config in above.configs()} == {(2, 3)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('models = ["a"]\ndatasets = ["demo"]\nlimt = 3', "'limt'; did you mean 'limit'?"),
        ('models = ["a"]\ndatasets = [{ name = "demo", lmit = 3 }]', "'lmit' in datasets[0]"),
        ('models = ["a"]', "'datasets' is missing"),
        ('models = []\ndatasets = ["demo"]', "models is empty"),
        ('models = ["a"]\ndatasets = ["demo"]\nlimit = -1', "--limit -1: must be at least 0"),
        ('models = ["a"]\ndatasets = ["demo"]\nlimit = "8"', "it should be a whole number"),
        ('models = ["a"]\ndatasets = [{ name = "demo", domain = "musik" }]', "--domain musik"),
        ("models =", "is not valid TOML"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line_with_its_name(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_study(file, FLAGS)
    assert str(refused.value).startswith(str(file))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SnacEvalError, match=r"nowhere\.toml: cannot be read"):
        read_study(tmp_path / "nowhere.toml", FLAGS)
