"""snac-eval run: flags become a RunConfig."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.flags import (
    Commands,
    add_cards,
    add_domain,
    add_limit,
    add_model_args,
    add_python,
    add_track,
    card_dirs,
    debugs,
    limit_of,
    names,
    path,
    seconds,
)
from snac_eval.errors import UsageError

if TYPE_CHECKING:
    from snac_eval.run.conditions import Conditions
    from snac_eval.run.config import RunConfig


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    run = commands.add_parser(
        "run",
        help="run codecs over datasets, score them, write the report",
        description="Codes every clip, scores what came back, and writes a folder with the"
        " scores, how they were made, tables and a page. A run that was interrupted"
        " goes on where it stopped: give the same command again.",
        examples=(
            "snac-eval run --model snac_16khz_mini --dataset demo",
            "snac-eval run --model opus_6kbps,opus_12kbps --dataset librispeech --limit 100",
            "snac-eval run --model my_codec.py:MyCodec --dataset folder:my/recordings",
            "snac-eval run --model snac_24khz --dataset vctk --metrics pesq_wb,stoi --dry-run",
            "snac-eval run --study study.toml",
        ),
        see_also=(
            "snac-eval table",
            "snac-eval compare",
            "snac-eval report",
            "docs/study.md",
            "docs/datasets.md",
        ),
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would run, what is done already, and how long the rest may take",
    )
    what = run.add_argument_group("what")
    _add_what(what)
    _add_which_clips(what)
    _add_how_coded(what)
    _add_losses(run.add_argument_group("what gets lost on the way"))
    _add_where(run.add_argument_group("where from, where to"))
    how = run.add_argument_group("how")
    _add_how(how)
    _add_engine(how)


def _add_what(what: argparse._ArgumentGroup) -> None:
    what.add_argument(
        "--model",
        action="append",
        default=[],
        help="codec; see snac-eval list codecs. Several: parted by commas, or the flag again;"
        " patterns fit cards: 'opus_*'. NAME@k=2 keeps its first two streams, NAME@generation=3"
        " encodes its output again, NAME@noise_db=20 hears white noise, NAME@packet_loss=0.05"
        " loses packets, MODULE:CLASS or FILE.py:CLASS is one's own",
    )
    what.add_argument(
        "--dataset",
        action="append",
        default=[],
        help="dataset; see snac-eval list datasets. Several as for --model: each with each codec",
    )
    what.add_argument(
        "--study",
        type=path,
        metavar="FILE",
        help="TOML file that names models, datasets and options instead (see docs/study.md)",
    )
    add_model_args(what)
    add_python(what)
    what.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="[NAME=]TEXT",
        help="what reports call the codec, or the codec of this name",
    )
    what.add_argument(
        "--metrics",
        action="append",
        default=[],
        help="comma-separated; see snac-eval list metrics ('default' adds the default set)",
    )
    add_domain(what)


def _add_which_clips(what: argparse._ArgumentGroup) -> None:
    add_limit(what)
    what.add_argument(
        "--excerpt",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="only so much of each clip, e.g. 10s: drawn by --sample-seed where it is not silent",
    )
    what.add_argument(
        "--balance",
        choices=("speaker", "domain"),
        default="",
        help="with --limit: as many clips of each speaker or domain",
    )
    what.add_argument(
        "--sample-seed", type=int, default=0, help="seed of --excerpt and --limit (default 0)"
    )


def _add_how_coded(what: argparse._ArgumentGroup) -> None:
    what.add_argument("--seed", type=int, default=0, help="seed of the codec's noise (default 0)")
    what.add_argument(
        "--reference-rate",
        choices=("clip", "codec"),
        default="clip",
        help="compare at the clip's sample rate (default) or at the codec's",
    )
    what.add_argument(
        "--channels",
        choices=("downmix", "each"),
        default="downmix",
        help="stereo for a mono codec: the mean (default), or each channel coded on its own",
    )


def _add_losses(what: argparse._ArgumentGroup) -> None:
    what.add_argument(
        "--packet-loss",
        metavar="SHARE[,...]",
        help="lose so many of the codec's packets or frames of tokens, 0.05 for 5 %%, in bursts;"
        " several: each codec once with each, 0 is without. Short for NAME@packet_loss=0.05",
    )
    what.add_argument(
        "--burst",
        metavar="RATIO",
        help="mean length of a burst of losses over that of independent ones (default 2; 1:"
        " independent)",
    )
    what.add_argument("--packet-ms", metavar="MS", help="how long a packet is (default 20)")
    what.add_argument(
        "--bit-errors",
        metavar="SHARE[,...]",
        help="flip so many of the bits that are sent, e.g. 1e-3. Short for NAME@bit_errors=0.001",
    )


def _add_where(where: argparse._ArgumentGroup) -> None:
    where.add_argument("--data-root", type=path, help="folder of local corpora")
    where.add_argument("--weights", default="", help="folder of the codec's weights")
    where.add_argument(
        "-o",
        "--output",
        type=path,
        help="folder of the run or study (default: below runs/)",
    )
    where.add_argument("--overwrite", action="store_true", help="forget what the folder holds")
    where.add_argument(
        "--shard",
        default="",
        metavar="I/N",
        help="only part I of N of the run, of about equal length, in a folder of its own;"
        " snac-eval merge joins the parts",
    )
    where.add_argument(
        "--plan-only",
        action="store_true",
        help="look at the clips and keep in the folder what their files hold; code nothing",
    )
    where.add_argument(
        "--plan",
        type=path,
        metavar="DIR",
        help="folder in which --plan-only kept that: shards need not look at every file again",
    )
    add_cards(where)


def _add_how(how: argparse._ArgumentGroup) -> None:
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    how.add_argument(
        "--workers",
        type=int,
        default=-1,
        help="processes that take clips from file to scores, each with a model of its own (default:"
        " cores); 0: all in this process; of a joined cluster: how many cores (default: all)",
    )
    how.add_argument(
        "--batch-size", type=int, default=0, help="clips per batch (default: 1 on CPU)"
    )
    how.add_argument(
        "--max-duration", type=float, default=600.0, help="longest clip in seconds (default 600)"
    )
    how.add_argument(
        "--clip-timeout",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="what reading a clip, coding it and each metric may take, e.g. 60s; a process that"
        " takes longer is stopped (default: 120 s and 60 times the clip's length; the first clip of"
        " a process may take three times as long)",
    )
    how.add_argument(
        "--max-error-rate",
        type=float,
        default=0.1,
        help="share of clips that may fail before the exit code is 4 (default 0.1)",
    )
    how.add_argument(
        "--report-clips", type=int, default=20, help="clips to hear in report.html (default 20)"
    )
    how.add_argument("--no-html", action="store_true", help="write no report.html")
    add_track(how)
    how.add_argument("--quiet", action="store_true", help="print errors only")


def _add_engine(how: argparse._ArgumentGroup) -> None:
    how.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="who does the work: processes of this machine (default), or a Ray cluster",
    )
    how.add_argument(
        "--address",
        default="",
        help="with --engine ray: the cluster to join, HOST:PORT or auto (default: the one that this"
        " runs in, else one is started on this machine)",
    )
    how.add_argument(
        "--runtime-env",
        type=path,
        metavar="FILE",
        help="with --engine ray: YAML or JSON file with the runtime_env of its workers",
    )


def _run(options: argparse.Namespace, argv: Sequence[str]) -> int:
    from snac_eval.cli import running

    configs, folder = _chosen(options)
    if options.dry_run:
        running.foretell(configs)
        return 0
    if folder is None:
        (config,) = configs
        if options.plan_only:
            running.look(config, argv)
        else:
            running.run_one(config, argv)
        return 0
    return running.run_study(configs, folder, argv, options.quiet)


def _chosen(options: argparse.Namespace) -> tuple[list[RunConfig], Path | None]:
    """A run for each pair, and the folder of the study; None where there is one pair alone."""
    from snac_eval.run.choosing import DatasetChoice, ModelChoice, Study, named, read_study
    from snac_eval.run.naming import study_output

    flags, conditions = _flags(options), _conditions(options)
    if options.study is not None:
        if options.model or options.dataset:
            raise UsageError("--study says which models and datasets; leave --model and --dataset")
        study, own = read_study(options.study, flags, conditions)
        folder = options.output or own or Path("runs") / options.study.stem
        return _checked(study.configs(folder), options), folder
    models, datasets = list(named(options.model)), list(named(options.dataset))
    for flag, found in (("--model", models), ("--dataset", datasets)):
        if not found:
            raise UsageError(f"{flag} is missing; name what to run, or give --study FILE")
    labels = _labels(options.label, models)
    chosen = tuple(ModelChoice(name, label=labels.get(name)) for name in models)
    study = Study(chosen, tuple(map(DatasetChoice, datasets)), flags, conditions=conditions)
    configs = study.configs(options.output or Path("runs"))
    if len(configs) > 1:
        return _checked(configs, options), options.output or study_output(configs)
    return ([replace(configs[0], output=options.output)] if options.output else configs), None


def _checked(configs: list[RunConfig], options: argparse.Namespace) -> list[RunConfig]:
    """Raise UsageError for flags that are of one codec or one run."""
    several = len({config.model for config in configs}) > 1
    for flag, given in (("--weights", options.weights), ("--model-args", options.model_args)):
        if given and several:
            raise UsageError(f"{flag} is of one model; a study file gives each its own (--study)")
    for flag, given in (("--plan-only", options.plan_only), ("--plan", options.plan)):
        if given and len(configs) > 1:
            raise UsageError(f"{flag} is of one run; name one model and one dataset")
    return configs


def _labels(texts: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    from snac_eval.registry.plugins import unknown_name

    labels = {}
    for text in texts:
        name, given, label = text.rpartition("=")
        if not given and len(models) == 1:
            name, label = models[0], text
        if name not in models:
            raise UsageError(f"--label {text}: {unknown_name(name or text, models, 'model', '')}")
        labels[name] = label
    return labels


def _conditions(options: argparse.Namespace) -> Conditions:
    from snac_eval.run.conditions import Conditions

    return Conditions.of(vars(options))


def _flags(options: argparse.Namespace) -> RunConfig:
    from snac_eval.run.config import RunConfig

    return RunConfig(
        model="",
        dataset="",
        output=Path("runs"),
        metrics=tuple(name for text in options.metrics for name in names(text)),
        limit=limit_of(options),
        seed=options.seed,
        device=options.device,
        workers=options.workers,
        batch_size=options.batch_size,
        overwrite=options.overwrite,
        data_root=options.data_root,
        weights=options.weights,
        card_dirs=card_dirs(options),
        reference_rate=options.reference_rate,
        max_duration_s=options.max_duration,
        clip_timeout_s=options.clip_timeout,
        max_error_rate=options.max_error_rate,
        show_progress=not options.quiet,
        excerpt_s=options.excerpt,
        balance=options.balance,
        sample_seed=options.sample_seed,
        channels=options.channels,
        report_clips=options.report_clips,
        engine=options.engine,
        address=options.address,
        runtime_env=options.runtime_env,
        html=not options.no_html,
        shard=options.shard,
        plan=options.plan,
        model_args=tuple(options.model_args),
        debug=debugs(options),
        python=options.python,
        domain=options.domain,
        track=tuple(dict.fromkeys(options.track)),
    )
