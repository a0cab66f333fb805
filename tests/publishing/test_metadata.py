"""What the hub reads of it: cards and results, by the hub's own classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import (
    DatasetCard,
    EvalResult,
    ModelCard,
    ModelCardData,
    metadata_load,
    parse_eval_result_entries,
)
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from snac_eval.cli.main import main
from snac_eval.errors import HubError
from snac_eval.publishing.model_results import Benchmark, eval_results, with_results
from snac_eval.publishing.parcel import Parcel, Request, pack
from snac_eval.results.record import read_run
from tests.publishing.conftest import make_run
from tests.writable_hub import Hub, Repo

SOURCE = "https://huggingface.co/datasets/me/scores"


@pytest.fixture(scope="module")
def parcel(tmp_path_factory: pytest.TempPathFactory) -> Parcel:
    place = tmp_path_factory.mktemp("parcel")
    run = read_run(make_run(place / "run", "tiny", 2.0))
    benchmark = Benchmark.parse("org/speech-test:clean=pesq_wb")
    return pack([run], Request("me/scores", "cc-by-4.0", (benchmark,)), place / "sent")


def test_the_card_of_the_dataset_is_one_and_shows_the_scores(parcel: Parcel) -> None:
    from datasets import load_dataset

    card = DatasetCard(parcel.card)
    assert card.data.license == "cc-by-4.0"
    assert card.data.size_categories == ["n<1K"]
    assert "snac-eval" in card.data.tags
    assert str(DatasetCard(str(card))) == parcel.card
    # What the hub's viewer does: read the rows that the metadata names.
    rows = load_dataset(str(parcel.folder), split="test", cache_dir=str(parcel.folder.parent / "c"))
    assert rows.num_rows == 20
    unscored = [(one["metric"], one["reason"]) for one in rows if one["status"] == "undefined"]
    assert unscored == [("pesq_wb", "nothing in a.wav")]
    for said in (
        "| tiny | data | 10 | 2026-01-02 | Test CPU |",
        "- codec tiny: MIT",
        "pesq_wb [MOS]",
    ):
        assert said in card.text


def test_the_results_are_a_model_index_of_the_hub(parcel: Parcel) -> None:
    path = parcel.folder / "models" / "owner--tiny" / "README.md"
    metadata = metadata_load(path)
    assert metadata is not None
    name, found = model_index_to_eval_results(metadata["model-index"])
    run = parcel.runs[0]
    assert name == "tiny"
    assert found == eval_results([run], SOURCE)
    assert eval_results_to_model_index(name, found) == metadata["model-index"]
    assert ModelCard(path.read_text()).data.eval_results == found
    assert ModelCardData(**metadata).to_dict() == metadata
    values = {one.metric_type: one.metric_value for one in found}
    assert values == {
        "pesq_wb": pytest.approx(run.metrics["pesq_wb"].mean),
        "word_error_rate": pytest.approx(run.metrics["word_error_rate"].mean),
        "fad_clap": 0.25,
    }


def test_a_dataset_of_the_hub_keeps_its_name_there(parcel: Parcel) -> None:
    run = replace(parcel.runs[0], dataset="hf:org/speech@v1:clean:test")
    (first, *_) = eval_results([run], SOURCE)
    assert (first.dataset_type, first.dataset_revision) == ("org/speech", "v1")
    assert first.dataset_name == "hf:org/speech@v1:clean:test"


def test_a_benchmark_is_written_as_eval_results(
    parcel: Parcel, hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = parcel.folder / "models/owner--tiny/.eval_results/org--speech-test--clean.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert (entry.dataset_id, entry.task_id) == ("org/speech-test", "clean")
    assert entry.value == pytest.approx(parcel.runs[0].metrics["pesq_wb"].mean)
    assert (entry.date, entry.source_url) == ("2026-01-02T03:04:05Z", SOURCE)
    push = ["push", str(run), "--repo", "me/scores", "--benchmark"]
    for given, said in (
        ("org/a:b", "give USER/DATASET:TASK=METRIC"),
        ("org/a:b=stoi", "tiny has no score by stoi"),
    ):
        assert main([*push, given]) == 2
        assert said in capsys.readouterr().err
    assert hub.asked == []


def test_results_go_to_a_model_as_a_pull_request(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = (
        "---\nlicense: mit\nmodel-index:\n- name: Their name\n  results:\n  - task:\n"
        "      type: audio-to-audio\n    dataset:\n      name: D\n      type: d\n    metrics:\n"
        "    - type: stoi\n      value: 0.9\n---\n# Their model\n\nText.\n"
    )
    repo = hub.repos["models/owner/tiny"] = Repo(files={"README.md": theirs.encode()})
    words = ["push", str(run), "--repo", "me/scores", "--send", "--model-repo", "owner/tiny"]
    assert main([*words, "--benchmark", "org/speech-test:clean=pesq_wb"]) == 0
    assert "pull request: " in capsys.readouterr().out
    assert repo.files == {"README.md": theirs.encode()}
    assert sorted(repo.requests[0]) == [".eval_results/org--speech-test--clean.yaml", "README.md"]
    first = repo.requests[0]["README.md"].decode()
    card = ModelCard(first)
    assert card.data.model_name == "Their name"
    assert [one.metric_type for one in card.data.eval_results] == [
        *("stoi", "pesq_wb", "word_error_rate", "fad_clap")
    ]
    assert card.text == "# Their model\n\nText.\n"
    repo.files = repo.requests[0]  # merged; what is pushed again takes the place of it
    assert main(words) == 0
    assert repo.requests[1]["README.md"].decode() == first


def test_a_model_that_is_not_there_and_runs_of_several(
    hub: Hub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["push", str(run), "--repo", "me/scores", "--send", "--model-repo"]
    assert main([*words, "owner/none"]) == 2
    assert "model owner/none: there is no such repository" in capsys.readouterr().err
    assert not hub.repos
    other = str(make_run(tmp_path / "other", "small", 2.0))
    hub.asked.clear()
    assert main([*words[:1], other, *words[1:], "owner/none"]) == 2
    said = "the runs are of owner/small, owner/tiny; push those of one codec"
    assert said in capsys.readouterr().err
    assert hub.asked == []


def test_a_card_is_made_where_a_model_has_none_and_a_broken_one_is_left_alone() -> None:
    result = EvalResult("audio-to-audio", "d", "D", "stoi", 0.5, source_url=SOURCE)
    made = with_results("---\n{}\n---\n", "tiny", [result], SOURCE)
    assert ModelCard(made).data.eval_results == [result]
    for broken in ("---\n[1]\n---\n", "---\nmodel-index: 3\n---\n", "---\na: [\n---\n"):
        with pytest.raises(HubError, match="mend its model-index"):
            with_results(broken, "tiny", [result], SOURCE)
