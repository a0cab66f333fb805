"""A parcel on its way to the hub: to a dataset of one's own, and as a pull request to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import HubError, UsageError
from snac_eval.publishing.model_results import by_model, eval_results, with_results
from snac_eval.publishing.parcel import Parcel, model_place
from snac_eval.publishing.receipt import CARD, FILE_NAME, MODELS, read_receipt
from snac_eval.publishing.remote import explained, hub_api, require_token

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationCopy, HfApi

    from snac_eval.results.record import Run

_KEPT = (".gitattributes", CARD, FILE_NAME)
_MESSAGE = "Scores by snac-eval"
_SMALL = 1 << 20


def send(parcel: Parcel, private: bool = False, overwrite: bool = False) -> str:
    """Make the repository where there is none, and commit the parcel to it; the commit's address.

    Files of an earlier push that are no longer sent are removed. Raises UsageError without a token,
    and for a repository that holds files of somebody else unless ``overwrite`` lets them stay
    beside ours; HubError where the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    require_token()
    api, name = hub_api(), parcel.request.repository
    with explained(f"dataset {name}", "write"):
        api.create_repo(name, repo_type="dataset", private=private or None, exist_ok=True)
        info = api.dataset_info(name)
        if private and not info.private:
            raise UsageError(
                f"dataset {name}: is there, and not private; make it so on its page, name another,"
                " or leave --private out"
            )
        there = {one.rfilename for one in info.siblings or ()}
        earlier = _pushed(api, name, info.sha, there)
        foreign = sorted(there - earlier - set(_KEPT))
        if not overwrite and (foreign or (CARD in there and FILE_NAME not in there)):
            raise UsageError(
                f"dataset {name}: holds {(foreign or [CARD])[0]}, which snac-eval did not push;"
                " name another repository, or add --overwrite: files stay, the card is replaced"
            )
        sent = {one.path for one in parcel.files}
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
            *(CommitOperationAdd(path, str(parcel.folder / path)) for path in sorted(sent)),
            *(CommitOperationDelete(path) for path in sorted((earlier & there) - sent)),
        ]
        done = api.create_commit(
            name, operations, commit_message=_MESSAGE, repo_type="dataset", parent_commit=info.sha
        )
    return str(done.commit_url)


def _pushed(api: HfApi, name: str, revision: str | None, there: set[str]) -> set[str]:
    """The files of an earlier push."""
    if FILE_NAME not in there:
        return set()
    path = Path(api.hf_hub_download(name, FILE_NAME, repo_type="dataset", revision=revision))
    return {one.path for one in read_receipt(path.read_bytes(), f"dataset {name}").files}


def runs_of(parcel: Parcel, model: str) -> Sequence[Run]:
    """The runs whose results go to this model: those of its weights, or all where they are of one
    codec. Raises UsageError where it is not clear which."""
    found = by_model(parcel.runs)
    if model in found:
        return found[model]
    if len(found) > 1:
        raise UsageError(
            f"--model-repo {model}: the runs are of {', '.join(found)}; push those of one codec"
        )
    return parcel.runs


def require_model(model: str) -> None:
    """Raises HubError where the hub shows no such model, UsageError without a token."""
    require_token()
    api = hub_api()
    with explained(f"model {model}", "read"):
        api.model_info(model)


def propose(parcel: Parcel, model: str) -> str:
    """Open a pull request that adds the results to the model's repository; its address.

    Nothing there changes until its owner merges it. Raises UsageError and HubError as :func:`send`.
    """
    from huggingface_hub import CommitOperationAdd

    runs = runs_of(parcel, model)
    require_token()
    api, source = hub_api(), parcel.request.address
    with explained(f"model {model}", "write"):
        info = api.model_info(model)
        card = _card(api, model, info.sha)
        name, results = model.rpartition("/")[2], eval_results(runs, source)
        files = {CARD: with_results(card, name, results, source), **_benchmarks(parcel, runs)}
        done = api.create_commit(
            model,
            [CommitOperationAdd(path, text.encode()) for path, text in files.items()],
            commit_message=f"Evaluation results by snac-eval ({len(results)} scores)",
            commit_description=f"The scores, clip by clip, and how they were made: {source}",
            repo_type="model",
            create_pr=True,
            parent_commit=info.sha,
        )
    return str(done.pr_url)


def _card(api: HfApi, model: str, revision: str | None) -> str:
    from huggingface_hub.errors import EntryNotFoundError

    try:
        path = Path(api.hf_hub_download(model, CARD, repo_type="model", revision=revision))
    except EntryNotFoundError:
        return "---\n{}\n---\n"
    if path.stat().st_size > _SMALL:
        raise HubError(f"model {model}: its card has more than 1 MiB, which is none")
    return path.read_text(encoding="utf-8")


def _benchmarks(parcel: Parcel, runs: Sequence[Run]) -> dict[str, str]:
    def texts() -> Iterator[tuple[str, str]]:
        for model in by_model(runs):
            place = parcel.folder / MODELS / model_place(model)
            for one in parcel.request.benchmarks:
                yield one.file, (place / one.file).read_text(encoding="utf-8")

    return dict(texts())
