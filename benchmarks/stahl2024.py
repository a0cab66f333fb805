"""Which metric agrees with listeners: reports/agreement/stahl2024.json, made anew.

    python -m benchmarks.stahl2024 --download stahl2024
    python -m benchmarks.stahl2024 --folder stahl2024/mushra_results_dataset

The data are those of Stahl, Windtner and Sontacchi 2024: MUSHRA ratings of 16 clips by 7 codecs,
with the audio, licensed CC BY 4.0 (speech from VCTK, CC BY 4.0, and TSP, simplified BSD). They lie
in a repository on GitHub, of which one commit is asked for: git checks every byte of it against the
commit's id, which is thus the checksum. That id was read in a public index of repositories; the
download itself could not be tried where this was written, which has no network.

The record is written, and the table in docs/which-metric.md with it.

``--folder`` takes the repository's folder, or one that has ``ref/``, a folder a codec, and
``ratings.csv`` (clip_id, codec, listener, rating). Every metric that is ready here and scores audio
is computed, or those of ``--runs`` are taken as they are. The record holds no ratings and no audio.
Its authors left out listeners that missed the hidden reference, so nobody is screened again.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from snac_eval.catalogue.facts import metric_facts
from snac_eval.cli.main import main as snac_eval
from snac_eval.errors import SnacEvalError, UsageError, one_line
from snac_eval.progress import track
from snac_eval.registry import plugins
from snac_eval.reports.agreement.words import coefficient, heading, sentences, with_interval
from snac_eval.results.agreement.listening import agree_with_listeners
from snac_eval.results.agreement.record import read_agreement, write_agreement
from snac_eval.results.agreement.shapes import LEVELS, Agreement
from snac_eval.results.listeners.formats import read_ratings
from snac_eval.results.study import read_runs
from snac_eval.writing import read_text, write_text

URL = "https://github.com/BenjSta/bernoulli-var-speech-codec"
COMMIT = "5f93a109c2d3abc2306d1912a1ae6ce660c08e73"
FOLDER = "mushra_results_dataset"
RATINGS = "ratings_formated_filtered.csv"
NUM_CLIPS = 16
CODECS = (
    "audiodec_8",
    "lyra_32",
    "lyra_6",
    "prop_13",
    "prop_13_16k",
    "prop_55",
    "prop_55_16k",
)
SOURCE = (
    "B. Stahl, S. Windtner, A. Sontacchi, A Bitrate-Scalable Variational Recurrent Mel-Spectrogram"
    " Coder for Real-Time Resynthesis-Based Speech Coding, IEEE Access 12, 159239-159251, 2024, doi"
    f" 10.1109/ACCESS.2024.3482359; data {URL}, CC BY 4.0"
)
SCREENED = (
    "Nobody was screened again: the authors left out listeners that rated the hidden reference"
    " below 90 in more than one of eight trials."
)
RECORD = Path("reports/agreement/stahl2024.json")
DOCUMENT = Path("docs/which-metric.md")
MARKS = ("<!-- begin: reports/agreement/stahl2024.json -->", "<!-- end -->")
"""Around the table in the document, which is made of the record."""


def download(folder: Path, url: str = URL, commit: str = COMMIT) -> Path:
    """The data set in this folder, by git. Raises UsageError where git fails or files lack."""
    folder.mkdir(parents=True, exist_ok=True)
    # Weights of the authors' model lie in Git LFS, and are not asked for.
    env = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1", "GIT_TERMINAL_PROMPT": "0"}
    for words in (
        ("init", "--quiet"),
        ("config", "remote.origin.url", url),
        ("sparse-checkout", "set", FOLDER),
        ("fetch", "--depth=1", "--filter=blob:none", "origin", commit),
        ("checkout", "--quiet", "--force", "--detach", commit),
    ):
        try:
            subprocess.run(["git", *words], cwd=folder, env=env, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = f"git {words[0]} of {url} failed ({one_line(error)})"
            raise UsageError(f"{said}; get it by hand and give --folder") from error
    found = folder / FOLDER
    lacking = [path for path in _expected(found) if not path.is_file()]
    if lacking:
        raise UsageError(f"{found}: lacks {len(lacking)} files, the first {lacking[0].name}")
    return found


def _expected(folder: Path) -> Iterator[Path]:
    yield folder / RATINGS
    for number in range(1, NUM_CLIPS + 1):
        for name in ("ref", *CODECS):
            yield folder / "audio" / f"stim_{number:02d}" / f"{name}.wav"


def laid_out(folder: Path, work: Path) -> Path:
    """A folder with ``ref/speech/``, ``CODEC/speech/`` and ``ratings.csv``: this one where it has
    them, else links to its audio in ``work``."""
    if (folder / "ref").is_dir():
        return folder
    audio = folder / "audio"
    if not audio.is_dir():
        raise UsageError(f"{folder}: has neither ref/ nor audio/; is it the data set?")
    for clip in sorted(audio.iterdir()):
        for file in sorted(clip.glob("*.wav")):
            link = work / file.stem / "speech" / f"{clip.name}.wav"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(file.resolve())
    with (work / "ratings.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("clip_id", "codec", "listener", "rating"))
        writer.writerows(_ratings(folder / RATINGS))
    return work


def _ratings(path: Path) -> Iterator[tuple[str, str, str, float]]:
    """A row a rating out of the authors' table, which has a row a stimulus; that of the low anchor
    names no file, but its signal does elsewhere."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clips = {row["signal"]: row["file"].partition("/")[0] for row in rows if row["file"]}
    for row in rows:
        clip, codec = clips[row["signal"]], Path(row["file"]).stem or "anchor"
        listeners = ast.literal_eval(row["participant_ids"])
        for listener, rating in zip(listeners, ast.literal_eval(row["ratings"]), strict=True):
            yield f"speech/{clip}", codec, f"listener_{listener}", float(rating)


def score(data: Path, output: Path) -> Path:
    """Runs of the rated codecs by every metric that is ready here and scores audio."""
    names = [name for name in plugins.metric_names() if (fact := metric_facts(name)).ready
             and fact.scores == "audio" and "speech" in fact.domains]  # fmt: skip
    models = ",".join(f"files:{data / codec}" for codec in CODECS)
    words = ["run", "--model", models, "--dataset", f"folder:{data / 'ref'}", "--no-html"]
    code = snac_eval([*words, "--metrics", ",".join(names), "--output", str(output)])
    if code:
        raise UsageError(f"the runs ended with exit code {code}; see {output}")
    return output


def table(agreement: Agreement) -> str:
    """The document's table: what a reader must have to choose."""
    rows = ["| metric | ρ over clips | ρ over codecs | pairs of codecs right, wrong, tied |"]
    rows += ["|:--|--:|--:|--:|"]
    for one in agreement.metrics:
        clips, codecs = (one.coefficients[level]["spearman"] for level in LEVELS)
        pairs = ", ".join(map(str, (one.pairs.right, one.pairs.wrong, one.pairs.tied)))
        name = f"`{one.metric}` {heading(one).arrow}".strip()
        over = f"{with_interval(clips)} | {coefficient(codecs.value)}"
        rows.append(f"| {name} | {over} | {pairs} |")
    return "\n".join(rows)


def with_table(text: str, agreement: Agreement) -> str:
    """The document with this record's table between its marks."""
    before, begin, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    return f"{before}{begin}\n\n{table(agreement)}\n\n{end}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Download, or score and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--download", type=Path, metavar="DIR", help="get the data, and end")
    parser.add_argument("--commit", default=COMMIT, help="of the repository, the checksum")
    parser.add_argument("--folder", type=Path, help="the data set")
    parser.add_argument("--work", type=Path, default=Path("runs/stahl2024"), help="for runs")
    parser.add_argument("--runs", type=Path, nargs="+", help="made already: runs or studies")
    parser.add_argument("-o", "--output", type=Path, default=RECORD, help=f"default {RECORD}")
    options = parser.parse_args(argv)
    try:
        if options.download:
            print(f"--folder {download(options.download, commit=options.commit)}")
        elif options.folder:
            _record(options)
        else:
            parser.error("give --folder, or --download DIR first")
    except SnacEvalError as error:
        print(f"stahl2024: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    return 0


def _record(options: argparse.Namespace) -> None:
    data = laid_out(options.folder, options.work / "data")
    ratings = read_ratings(data / "ratings.csv")
    places = options.runs or [score(data, options.work / "study")]
    count = len(ratings.clips)
    clips = f"{count} clips" if count == NUM_CLIPS else f"{count} of {NUM_CLIPS} clips"
    found = agree_with_listeners(
        read_runs(places),
        ratings,
        is_screened=False,
        data=f"Stahl et al. 2024 ({clips})",
        source=SOURCE,
        watch=lambda chunks: track(chunks, "resampling", "chunk", True),
    )
    found = replace(found, notes=(SCREENED, *found.notes[1:]))
    write_agreement(found, options.output, with_points=False)
    if options.output == RECORD:
        # As it is read again: rounded.
        write_text(DOCUMENT, with_table(read_text(DOCUMENT), read_agreement(RECORD)))
    print("\n".join(sentences(found)))
    print(f"record: {options.output}")


if __name__ == "__main__":
    sys.exit(main())
