"""The public Python functions."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from snac_eval.codecs.opening import open_model
from snac_eval.datasets.opening import open_dataset
from snac_eval.errors import SnacEvalError, UsageError
from snac_eval.evaluation.executing import execute, execute_study
from snac_eval.evaluation.result import Evaluation
from snac_eval.machine import resolve_device
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.opening import require_metric
from snac_eval.progress import in_notebook
from snac_eval.reading.names import user_path
from snac_eval.registry.cards import check_card_dirs
from snac_eval.run.choosing import DatasetChoice, ModelChoice, Study
from snac_eval.run.config import RunConfig
from snac_eval.types import Callback, Codec, CodecCard, Dataset, ReconstructionSource

ModelLike: TypeAlias = str | CodecCard | object
"""A codec's name, its card, or the codec itself."""


def evaluate(
    model: ModelLike | None = None,
    dataset: str | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    output: str | Path | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    datasets: Sequence[str] | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,  # noqa: ANN401 - the fields of RunConfig
) -> Evaluation:
    """Run codecs over datasets and score them, every codec over every dataset.

    Args:
        model: a codec: a name, as ``snac-eval list codecs`` shows it, or what else
            :mod:`snac_eval.codecs.opening` describes; a card; or an object, such as a
            ``torch.nn.Module`` with ``encode``, ``decode`` and ``sample_rate``.
        dataset: a dataset's name, with its argument if it takes one: ``librispeech:test-clean``.
        metrics: names, as ``snac-eval list metrics`` shows them; None: the set that fits each
            clip's domain.
        limit: how many clips, spread over the dataset; None: all.
        output: folder of the run or study, continued if it exists; None: nothing is kept.
        models: several codecs, instead of ``model``. Names may be patterns: ``opus_*``.
        datasets: several datasets, instead of ``dataset``.
        callbacks: who hears of each clip and of each run's end: :class:`snac_eval.types.Callback`.
        options: any other field of :class:`snac_eval.run.config.RunConfig`, e.g. ``seed=1``.

    Raises SnacEvalError, with one line; of several pairs, where all fail (``problems`` has some).

    Codec and metrics run in processes of their own, which do not run the caller's script again: it
    needs no ``if __name__ == "__main__":``, and may be a notebook, a worker of a pool or a thread.
    A codec that only the caller's ``__main__`` has runs in this process, as all does with
    ``workers=0``; clips have no time limit then. Ctrl-C keeps what is done where there is output.
    """
    own = {"html": output is not None, "show_progress": in_notebook(), **_read_options(options)}
    kept = None if output is None else user_path(output)
    with ExitStack() as undo:
        if (folder := kept) is None:
            folder = Path(tempfile.mkdtemp(prefix="snac-eval-"))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        chosen = _one_or_several(model, models, "model")
        data = _one_or_several(dataset, datasets, "dataset")
        base = RunConfig("", "", folder, tuple(metrics or ()), limit or 0, **own)
        base = replace(base, callbacks=tuple(callbacks))
        found = _evaluated(base, chosen, data, is_single=models is None and datasets is None)
        undo.pop_all()
    return _handed_over(found, folder, is_kept=kept is not None)


def _handed_over(found: Evaluation, folder: Path, is_kept: bool) -> Evaluation:
    if found.callback_notes:
        warnings.warn("; ".join(found.callback_notes), RuntimeWarning, stacklevel=3)
    if is_kept:
        return replace(found, run_dir=folder)
    # What it can be asked for later is made from the files.
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def _evaluated(
    base: RunConfig, models: Sequence[ModelLike], datasets: Sequence[str], is_single: bool
) -> Evaluation:
    instances: dict[str, object] = {}
    names = [_name_of(model, instances) for model in models]
    choices = tuple(map(ModelChoice, names))
    configs = Study(choices, tuple(map(DatasetChoice, datasets)), base).configs(base.output)
    configs = [replace(one, instance=instances.get(one.model)) for one in configs]
    if is_single and len(configs) == 1:
        once = execute(replace(configs[0], output=base.output))
        kept = {base.output: once.outcome.plan} if instances else {}
        said = once.outcome.callback_notes
        return Evaluation((once.record,), callback_notes=said, objects=kept)
    done = execute_study(configs, base.output)
    if not done.records:
        raise SnacEvalError("; ".join(f"{pair}: {why}" for pair, why in done.problems.items()))
    return Evaluation(done.records, None, done.problems, done.callback_notes, done.objects)


def _one_or_several(one: Any, several: Sequence[Any] | None, what: str) -> Sequence[Any]:  # noqa: ANN401
    if (one is None) == (several is None):
        raise UsageError(f"give {what}, or {what}s for several")
    found = [one] if several is None else [several] if isinstance(several, str) else list(several)
    if not found:
        raise UsageError(f"{what}s is empty; give at least one")
    return found


def _name_of(model: ModelLike, instances: dict[str, object]) -> str:
    """The name under which a codec runs; of an object, its card's, or its class's, made unique."""
    if isinstance(model, str):
        return model
    own = model.name if isinstance(model, CodecCard) else _own_name(model)
    name, number = own, 1
    while name in instances:
        number += 1
        name = f"{own}-{number}"
    instances[name] = model
    return name


def _own_name(model: object) -> str:
    card = getattr(model, "card", None)
    return card.name if isinstance(card, CodecCard) else type(model).__name__


def _read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    read = {**options, "track": tuple(options.get("track", ()))}
    if read.get("data_root") is not None:
        read["data_root"] = user_path(read["data_root"])
    read["card_dirs"] = tuple(map(user_path, read.get("card_dirs", ())))
    check_card_dirs(read["card_dirs"], "card_dirs")
    return read


def load_codec(
    name: str,
    weights: str = "",
    device: str = "auto",
    card_dirs: Sequence[Path] = (),
    python: str = "",
) -> Codec | ReconstructionSource:
    """A codec, ready to ``encode`` and ``decode`` waveforms at its card's sample rate.

    ``files:DIR`` gives a source instead, which can only ``read``. ``python`` is another interpreter
    to run it in; it ends when the codec is let go.
    """
    check_card_dirs(card_dirs, "card_dirs")
    where = device if python else resolve_device(device)
    opened = open_model(name, card_dirs, weights=weights, device=where, python=python)
    opened.prepare()
    return opened.adapter


def load_dataset(
    name: str, data_root: str | Path | None = None, limit: int | None = None
) -> Dataset:
    """The clips of a dataset, not yet read: ``audio.read_clip`` reads one.

    >>> sorted({clip.domain for clip in load_dataset("demo").clips})
    ['music', 'speech']
    """
    root = Path(data_root) if data_root is not None else None
    return open_dataset(name, root, limit=limit or 0)


def load_metric(name: str) -> PairMetric:
    """A metric of two waveforms, ``[time]`` or ``[channels, time]``, at a sample rate in Hz.

    >>> import numpy as np
    >>> sound = np.sin(np.arange(16000) / 10)
    >>> load_metric("mel_dac_paper").score_pair(sound, sound, 16000)
    Score(value=0.0, status='ok', reason='', detail=b'', weight=1.0)

    Raises UsageError where it needs an extra that is not installed, and for a metric that needs
    more than two waveforms: codes, a transcript, all clips together.
    """
    metric = require_metric(name)
    if metric.pair is None:
        raise UsageError(
            f"metric '{name}' needs more than two waveforms ({metric.info.description}); use"
            f" snac_eval.evaluate(model, dataset, metrics=['{name}'])"
        )
    return metric.pair
