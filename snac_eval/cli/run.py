"""snac-eval run: flags become a RunConfig."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snac_eval.cli.flags import (
    Commands,
    add_cards,
    add_domain,
    add_limit,
    card_dirs,
    limit_of,
    names,
    path,
    seconds,
)

if TYPE_CHECKING:
    from snac_eval.run.config import RunConfig


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    run = commands.add_parser("run", help="run a codec over a dataset, score it, write the report")
    run.set_defaults(command=_run)
    _add_what(run.add_argument_group("what"))
    _add_where(run.add_argument_group("where from, where to"))
    how = run.add_argument_group("how")
    _add_how(how)
    _add_engine(how)


def _add_what(what: argparse._ArgumentGroup) -> None:
    what.add_argument(
        "--model",
        required=True,
        help="codec; see snac-eval list codecs. NAME@k=2 keeps its first two streams,"
        " NAME@generation=3 encodes its output again, package.module:attribute is one's own",
    )
    what.add_argument("--dataset", required=True, help="dataset; see snac-eval list datasets")
    what.add_argument(
        "--metrics",
        default="",
        help="comma-separated; see snac-eval list metrics ('default' adds the default set)",
    )
    add_limit(what)
    add_domain(what)
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


def _add_where(where: argparse._ArgumentGroup) -> None:
    where.add_argument("--data-root", type=path, help="folder of local corpora")
    where.add_argument("--weights", default="", help="folder of the codec's weights")
    where.add_argument("-o", "--output", type=path, help="run folder (default runs/MODEL_DATASET)")
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


def _run(options: argparse.Namespace, argv: Sequence[str]) -> None:
    from snac_eval.api import execute
    from snac_eval.reports.summary import summary_markdown
    from snac_eval.results.left_out import refuse_undefined

    config = _config(options)
    if options.plan_only:
        _look(config, argv)
        return
    try:
        done = execute(config, argv)
    except KeyboardInterrupt:
        print(
            f"\nsnac-eval: interrupted; what was scored is in {config.output},"
            " and the same command continues",
            file=sys.stderr,
        )
        raise
    print(summary_markdown(done.record))
    if done.record.unfinished:
        print(f"note: {done.record.unfinished}; snac-eval merge joins the parts")
    for note in done.outcome.notes:
        print(f"note: {note}")
    print(f"{done.outcome.num_computed} clips computed now; files in {done.outcome.folder}/")
    refuse_undefined(done.record)


def _look(config: RunConfig, argv: Sequence[str]) -> None:
    from snac_eval.run.looking import look

    plan = look(config, argv)
    seconds = sum(clip.duration_s for clip in plan.clips)
    print(
        f"{len(plan.clips)} clips, {seconds / 3600:.2f} hours, looked at; kept in {config.output}/"
    )
    for note in plan.notes:
        print(f"note: {note}")


def _config(options: argparse.Namespace) -> RunConfig:
    from snac_eval.run.config import RunConfig
    from snac_eval.run.naming import default_output

    config = RunConfig(
        model=options.model,
        dataset=options.dataset,
        output=options.output or Path("runs"),
        metrics=names(options.metrics),
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
        domain=options.domain,
    )
    return config if options.output else replace(config, output=default_output(config))
