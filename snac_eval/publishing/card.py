"""The card of a pushed dataset: what it is, how it was made, how it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from snac_eval.reports.grid import render
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.summary import summary_markdown
from snac_eval.results.record import Run
from snac_eval.run.sealed import SCORES_FILE
from snac_eval.writing import printable

TAGS = ("audio", "neural-audio-codec", "evaluation", "snac-eval")
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_LARGEST = "1M<n<10M"
_TEXT = """# {title}

Scores of audio codecs, clip by clip, measured by snac-eval {version}. There is no audio in here.

## Summary

{summary}
## How it was made

{runs}

Each clip was coded and decoded, and each metric's score of it is a row of `scores.parquet`:
`codec`, `dataset`, `clip_id`, `speaker`, `domain`, `metric`, `value`, `status` (`ok`, `undefined`
or `error`), `reason`, `fingerprint` and `weight`. Scores may be compared where the fingerprint of
the metric and the audio of the clips are the same. Each run below `runs/` has a `manifest.json`
with the digest of each clip, the fingerprint of the codec, and every setting.

### Versions

{versions}

## Licence

{licence}

## Read it back

```sh
snac-eval pull {repository}
snac-eval table runs/{name}
```

or, the rows alone:

```python
from datasets import load_dataset

rows = load_dataset("{repository}", split="test")
```
"""


def card(runs: Sequence[Run], repository: str, licence: str) -> str:
    """The text of README.md. ``runs`` are as they are sent; ``licence``: as the hub calls it, or
    empty."""
    title = _title(runs)
    text = _TEXT.format(
        title=title,
        version=runs[0].versions["snac-eval"],
        summary=_summary(runs),
        runs="\n".join(_made(runs)),
        versions="\n".join(_versions(runs)),
        licence=_licence(runs, licence),
        repository=repository,
        name=repository.rpartition("/")[2],
    )
    return f"---\n{_metadata(runs, title, licence)}\n---\n{printable(text)}"


def _metadata(runs: Sequence[Run], title: str, licence: str) -> str:
    from huggingface_hub import DatasetCardData

    rows = sum(len(run.compact) for run in runs)
    size = next((name for most, name in _SIZES if rows < most), _LARGEST)
    own: dict[str, Any] = {
        "tags": list(TAGS),
        "configs": [
            {
                "config_name": "scores",
                "default": True,
                "data_files": [{"split": "test", "path": SCORES_FILE}],
            }
        ],
    }
    data = DatasetCardData(
        pretty_name=title, license=licence or None, size_categories=[size], **own
    )
    return data.to_yaml()


def _title(runs: Sequence[Run]) -> str:
    codecs = list(dict.fromkeys(run.title for run in runs))
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    return f"{_some(codecs, 'codecs')} on {_some(datasets, 'datasets')}"


def _some(names: Sequence[str], what: str) -> str:
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} {what}"


def _summary(runs: Sequence[Run]) -> str:
    return summary_markdown(runs[0]) if len(runs) == 1 else render(paper_grid(runs), "md")


def _made(runs: Sequence[Run]) -> Iterator[str]:
    yield "| codec | data set | clips | finished | machine |"
    yield "|---|---|---|---|---|"
    for run in runs:
        machine = ", ".join(str(run.place[key]) for key in ("cpu", "gpu") if run.place.get(key))
        finished = str(run.manifest.get("finished") or "")[:10]
        cells = (run.title, run.dataset, str(run.num_scored), finished, machine)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _versions(runs: Sequence[Run]) -> Iterator[str]:
    yield "| package | version |"
    yield "|---|---|"
    for name in dict.fromkeys(name for run in runs for name in run.versions):
        found = dict.fromkeys(run.versions[name] for run in runs if name in run.versions)
        yield f"| {_cell(name)} | {_cell(', '.join(found))} |"


def _licence(runs: Sequence[Run], licence: str) -> str:
    own = f"The scores: `{licence}`." if licence else "Whoever pushed the scores named no licence."
    lines = [f"{own} Codecs and data sets, none of which is in here, have licences of their own:\n"]
    said = {
        f"- {kind} {_cell(facts['name'])}: {_cell(facts['licence'])}": None
        for run in runs
        for kind in ("codec", "dataset")
        if (facts := run.manifest.get(kind, {}).get("card", {})).get("licence")
    }
    return "\n".join([*lines, *said])


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
