"""A pushed repository read back as runs. Nothing in it is believed before it is checked."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.errors import HubError, OutputError, SnacEvalError, UsageError, one_line
from snac_eval.publishing.receipt import FILE_NAME, RUNS, Receipt, SentFile, read_receipt
from snac_eval.publishing.remote import explained, hub_api
from snac_eval.results.record import Run, read_run
from snac_eval.results.study import FILE_NAME as STUDY_FILE
from snac_eval.results.study import run_folders
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.run.sealed import (
    SCORES_FILE,
    as_table,
    vouched_files,
    write_manifest,
    write_scores,
)
from snac_eval.submissions.exporting import FILES
from snac_eval.submissions.schema import SUBMISSION
from snac_eval.submissions.summary import FILE_NAME as SUMMARY_FILE
from snac_eval.submissions.summary import summary_text

if TYPE_CHECKING:
    import pandas as pd
    from huggingface_hub import HfApi

_LARGEST_LIST = 10 << 20
_LARGEST = 2 << 30
"""Bytes of all runs of a repository."""


def fetch(repository: str, folder: Path, revision: str | None = None) -> list[Run]:
    """Write the runs of a repository into a new or empty folder, whole or not at all.

    One run is the folder itself, several are a study's. Raises UsageError where the folder holds
    anything, HubError for what cannot be had or is not what a push writes, OutputError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; name another with -o")
    api, where = hub_api(), f"dataset {repository}"
    with explained(where, "read"):
        info = api.dataset_info(repository, revision=revision, files_metadata=True)
        sizes = {one.rfilename: one.size or 0 for one in info.siblings or ()}
        if FILE_NAME not in sizes:
            raise HubError(f"{where}: nothing that snac-eval pushed; it has no {FILE_NAME}")
        one = _Fetched(api, repository, info.sha)
        receipt = read_receipt(one.content(FILE_NAME, _LARGEST_LIST), where)
        _check_sizes(receipt, sizes, where)
        return _keep(one, receipt.run_files, folder)


class _Fetched:
    """A repository at a commit."""

    def __init__(self, api: HfApi, name: str, commit: str | None) -> None:
        self._api, self._name, self._commit = api, name, commit
        self.where = f"dataset {name}"

    def content(self, path: str, largest: int) -> bytes:
        """A file's bytes. Raises HubError where there are more."""
        file = Path(
            self._api.hf_hub_download(self._name, path, repo_type="dataset", revision=self._commit)
        )
        if file.stat().st_size > largest:
            raise HubError(f"{self.where}: {path} has more bytes than it should")
        return file.read_bytes()


def _check_sizes(receipt: Receipt, sizes: dict[str, int], where: str) -> None:
    """Before anything large comes."""
    for one in receipt.run_files:
        if one.path not in sizes:
            raise HubError(f"{where}: lacks {one.path}, which {FILE_NAME} names")
        if sizes[one.path] != one.size:
            raise HubError(
                f"{where}: {one.path} has {sizes[one.path]} bytes, {FILE_NAME} says {one.size}"
            )
    if (total := sum(one.size for one in receipt.run_files)) > _LARGEST:
        raise HubError(f"{where}: its runs have {total / 2**30:.1f} GiB, more than scores ever do")


def _keep(one: _Fetched, files: Sequence[SentFile], folder: Path) -> list[Run]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
            place = Path(made) / "whole"
            for file in files:
                _write(one, file, place / file.path)
            found = _runs(place, one.where)
            for run in run_folders([found]):
                _own(run)
            if folder.is_dir():
                folder.rmdir()
            found.replace(folder)
    except OSError as error:
        if error.filename is None:
            raise
        raise OutputError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return [read_run(run) for run in run_folders([folder])]


def _write(one: _Fetched, file: SentFile, path: Path) -> None:
    content = one.content(file.path, file.size)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise HubError(f"{one.where}: {file.path} is not what {FILE_NAME} says; it was changed")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _runs(place: Path, where: str) -> Path:
    """The folder of the run, or of the study, once its runs are found to be some."""
    folders = sorted((place / RUNS).glob("*/*"))
    study = place / STUDY_FILE
    whole = all((folder / name).is_file() for folder in folders for name in FILES)
    if not folders or not whole or (len(folders) > 1) != study.is_file():
        raise HubError(f"{where}: its runs are not those that {FILE_NAME} names")
    try:
        runs = [read_run(folder) for folder in folders]
        listed = {*run_folders([place])} if study.is_file() else {*folders}
    except SnacEvalError as error:
        raise HubError(f"{where}: {one_line(error)}") from error
    for run, folder in zip(runs, folders, strict=True):
        summary = (folder / SUMMARY_FILE).read_text(encoding="utf-8")
        if summary != summary_text(run):
            raise HubError(f"{where}: {SUMMARY_FILE} of {run.codec} is not that of its scores")
    if listed != {*folders}:
        raise HubError(f"{where}: {STUDY_FILE} names other runs than there are")
    _check_shown(place / SCORES_FILE, runs, where)
    return place if study.is_file() else folders[0]


def _own(folder: Path) -> None:
    """Make a run like any other of a submission, whose files must be those that were submitted."""
    run = read_run(folder)
    write_scores(folder, [as_table(run.rows)])
    kept = {key: value for key, value in run.manifest.items() if key not in (SUBMISSION, "sha256")}
    for name in set(FILES) - {MANIFEST_FILE}:
        (folder / name).unlink()
    write_manifest(folder, kept | {"files": vouched_files(folder)})


def _check_shown(path: Path, runs: Iterable[Run], where: str) -> None:
    """What the hub's page shows must be what the runs say."""
    import pandas as pd

    try:
        shown = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise HubError(f"{where}: {SCORES_FILE} cannot be read") from error
    said = pd.concat([run.rows for run in runs], ignore_index=True)
    columns = [*said.columns]
    if sorted(columns) != sorted(shown.columns) or not _sorted(shown[columns]).equals(
        _sorted(said).astype(shown[columns].dtypes)
    ):
        raise HubError(
            f"{where}: {SCORES_FILE}, which its page shows, has other scores than the runs"
        )
    path.unlink()


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values([*frame.columns], ignore_index=True)
