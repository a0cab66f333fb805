"""Make reports/results/ anew: run every codec that can be had without a network, and export.

    python tools/submit_results.py --data-root ../shared/data

``--data-root`` holds ``LibriSpeech/test-mini``, ``music`` and ``mushra``; ``--weights-of-lyra`` is
the folder of Lyra's three files (default: ``lyra_v2`` below the data root). A dataset that is not
there is left out and named. Runs are kept in ``--work`` and continued, so that a second call only
exports. The audio of ``mushra`` is that of Stahl et al. 2024 (CC BY 4.0) and is not committed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from snac_eval.cli.main import main as snac_eval
from snac_eval.errors import SnacEvalError, UsageError, one_line
from snac_eval.writing import write_text

RESULTS = Path("reports/results")
CARDS = RESULTS / "cards"
METRICS = ("default", "pesq_nb", "log_spectral_distance")
LYRA = ("lyra_v2_3.2kbps", "lyra_v2_6kbps", "lyra_v2_9.2kbps")
SPEECH = (
    *("codec2_700c", "codec2_1200", "codec2_1600", "codec2_2400", "codec2_3200"),
    *("snac_16khz_mini@k=1", "snac_16khz_mini@k=2", "snac_16khz_mini@k=3", "snac_16khz_mini"),
    *("amr_nb_4.75kbps", "amr_nb_7.95kbps", "amr_nb_12.2kbps"),
    *("amr_wb_6.6kbps", "amr_wb_12.65kbps", "amr_wb_23.85kbps"),
    *LYRA,
)
GENERAL = (
    *("opus_6kbps", "opus@kbps=9", "opus_12kbps", "opus@kbps=16", "opus_24kbps"),
    *("mp3_16kbps", "mp3_32kbps", "aac_16kbps", "aac_24kbps", "lc3_16kbps", "lc3_32kbps"),
)
MUSIC = ("opus@kbps=48", "opus@kbps=64", "mp3@kbps=64", "aac@kbps=48", "aac@kbps=64", "lc3_64kbps")
STAHL = {
    "bernoulli_1.38kbps": "prop_13@kbps=1.38",
    "bernoulli_16khz_1.38kbps": "prop_13_16k@kbps=1.38",
    "encodec_1.5kbps": "encodec_15@kbps=1.5",
    "lyra_v2_3.2kbps": "lyra_32@kbps=3.2",
    "bernoulli_5.51kbps": "prop_55@kbps=5.51",
    "bernoulli_16khz_5.51kbps": "prop_55_16k@kbps=5.51",
    "encodec_6kbps": "encodec_6@kbps=6",
    "lyra_v2_6kbps": "lyra_6@kbps=6",
    "audiodec_6.4kbps": "audiodec_8@kbps=6.4",
}
"""By the card's name, less ``stahl2024_``, the folder of reconstructions and its declared rate."""


@dataclass(frozen=True, slots=True)
class Part:
    """One dataset, and the codecs that are run over it."""

    dataset: str
    needs: str
    """Folder below the data root; empty: the dataset is bundled."""
    models: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """Keys of a study file, and what stands behind them."""


def parts(data_root: Path) -> Iterator[Part]:
    """What is run, the shortest first."""
    stahl = tuple(
        f"stahl2024_{card}:{data_root / 'mushra' / folder}" for card, folder in STAHL.items()
    )
    yield Part("demo", "", (*SPEECH, *GENERAL))
    yield Part("librispeech_mini", "LibriSpeech/test-mini", (*SPEECH, *GENERAL))
    yield Part("stahl2024", "mushra/ref", (*stahl, *SPEECH, *GENERAL))
    yield Part("four_pieces", "music", (*GENERAL, *MUSIC), {"excerpt": "20.0"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is there and export it; 1 where a part or a codec failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--weights-of-lyra", type=Path, help="default: DATA_ROOT/lyra_v2")
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="for the runs")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help=f"default {RESULTS}")
    parser.add_argument("--only", default="", help="one dataset, by its name")
    options = parser.parse_args(argv)
    try:
        return _all(options)
    except SnacEvalError as error:
        print(f"submit_results: {one_line(error)}", file=sys.stderr)
        return error.exit_code


def _all(options: argparse.Namespace) -> int:
    chosen = [part for part in parts(options.data_root) if options.only in ("", part.dataset)]
    if not chosen:
        names = ", ".join(part.dataset for part in parts(options.data_root))
        raise UsageError(f"--only {options.only}: there are {names}")
    lyra = options.weights_of_lyra or options.data_root / "lyra_v2"
    codes, studies = [], []
    for part in chosen:
        if not (options.data_root / part.needs).is_dir():
            print(f"left out: {part.dataset}, for {options.data_root / part.needs} is not there")
            continue
        study = options.work / part.dataset.replace(":", "_")
        file = study.with_suffix(".toml")
        write_text(file, study_file(part, options.data_root, lyra if lyra.is_dir() else None))
        codes.append(snac_eval(["run", "--study", str(file), "--output", str(study)]))
        studies.append(study)
    # Not before all have run: what is exported changes the checkout, and manifests say so.
    codes += [snac_eval(["export", str(study), "-o", str(options.output)]) for study in studies]
    return int(any(codes))


def study_file(part: Part, data_root: Path, lyra: Path | None) -> str:
    """The study of this part, as docs/study.md says; without Lyra where its weights are not there
    and cannot be fetched, it fails on Lyra alone."""
    weights = "" if lyra is None else f", weights = {_quoted(lyra)}"
    models = [
        f"  {{ name = {_quoted(name)}{weights if name in LYRA else ''} }},\n"
        for name in part.models
    ]
    options = "".join(f"{key} = {value}\n" for key, value in part.options.items())
    return (
        f"metrics = {json.dumps(METRICS)}\ndata_root = {_quoted(data_root)}\n"
        f"cards = [{_quoted(CARDS)}]\nhtml = false\n{options}"
        f"datasets = [{_quoted(part.dataset)}]\nmodels = [\n{''.join(models)}]\n"
    )


def _quoted(text: str | Path) -> str:
    """As TOML; its basic strings are those of JSON."""
    return json.dumps(str(text))


if __name__ == "__main__":
    sys.exit(main())
