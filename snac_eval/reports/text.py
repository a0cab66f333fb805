"""How numbers are written; text from cards, clips and paths, made harmless in each format."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snac_eval.results.pairing import Loss
    from snac_eval.results.record import MetricResult, Run
    from snac_eval.types import Heading, MetricInfo

NOTHING = "–"
"""What stands where there is no value."""

_TITLES = {
    "audiobox_ce": "Audiobox CE",
    "audiobox_cu": "Audiobox CU",
    "audiobox_pc": "Audiobox PC",
    "audiobox_pq": "Audiobox PQ",
    "bench_decode_real_time_factor": "Decode time alone",
    "bench_encode_real_time_factor": "Encode time alone",
    "bench_first_chunk_latency": "First-chunk latency",
    "bench_peak_memory": "Peak memory",
    "bitrate": "Bitrate",
    "bitrate_entropy": "Entropy-coded bitrate",
    "bitrate_nominal": "Nominal bitrate",
    "cdpam": "CDPAM",
    "character_error_rate": "CER",
    "codebook_perplexity": "Codebook perplexity",
    "codebook_usage": "Codebook usage",
    "decode_real_time_factor": "Decode time",
    "delay": "Delay",
    "distillmos": "DistillMOS",
    "dnsmos_bak": "DNSMOS BAK",
    "dnsmos_ovrl": "DNSMOS OVRL",
    "dnsmos_p808": "DNSMOS P.808",
    "dnsmos_sig": "DNSMOS SIG",
    "dwer": "dWER",
    "encode_real_time_factor": "Encode time",
    "estoi": "ESTOI",
    "f0_correlation": "F0 correlation",
    "f0_rmse": "F0 RMSE",
    "fad_clap": "FAD (CLAP)",
    "log_spectral_distance": "Log-spectral distance",
    "mcd": "MCD",
    "mel_audiotools": "Mel distance (audiotools)",
    "mel_dac_paper": "Mel distance (DAC)",
    "nisqa": "NISQA",
    "nisqa_coloration": "NISQA coloration",
    "nisqa_discontinuity": "NISQA discontinuity",
    "nisqa_loudness": "NISQA loudness",
    "nisqa_noisiness": "NISQA noisiness",
    "ngram_entropy": "Bigram entropy",
    "pesq_nb": "PESQ-NB",
    "pesq_wb": "PESQ-WB",
    "pesq_wb_c2": "PESQ-WB (Corrigendum 2)",
    "plcmos": "PLCMOS",
    "rating": "Rating",
    "reencode_mel_distance": "Mel distance (re-encoded)",
    "scoreq": "SCOREQ",
    "scoreq_ref": "SCOREQ distance",
    "scoreq_ref_synthetic": "SCOREQ distance (synthetic)",
    "scoreq_synthetic": "SCOREQ (synthetic)",
    "si_sdr": "SI-SDR",
    "si_sdr_aligned": "SI-SDR (aligned)",
    "speaker_similarity": "Speaker similarity",
    "speechbertscore": "SpeechBERTScore",
    "squim_pesq": "SQUIM PESQ",
    "squim_si_sdr": "SQUIM SI-SDR",
    "squim_stoi": "SQUIM STOI",
    "stft_distance": "STFT distance",
    "stoi": "STOI",
    "stream_mutual_information": "Mutual information of streams",
    "token_agreement": "Token agreement",
    "token_compressibility": "Token compressibility",
    "token_stability": "Token stability",
    "tokens_per_second": "Token rate",
    "utmos": "UTMOS",
    "visqol_audio": "ViSQOL (audio)",
    "visqol_speech": "ViSQOL (speech)",
    "visqol_speech_polynomial": "ViSQOL (speech, polynomial)",
    "voicing_error": "Voicing error",
    "warpq": "WARP-Q",
    "word_error_rate": "WER",
    "zimtohrli": "Zimtohrli",
}

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Before a space it opens no tag, and a p-value stays legible on a terminal.
_PLAIN_LESS = re.compile(r"&lt;(?=\s)")
# Not the underscore, which is no markup inside a word; of a link, only what makes it one.
_SPECIAL = re.compile(r"([\\`*|]|(?<=\])\()")

# What TeX would join with the character after it into another one.
_LIGATURE = re.compile(r"-(?=-)|'(?=')|[?!](?=\\`)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Its plain quote closes, its plain [ after \\\\ opens an option.
    '"': r"\textquotedblright{}",
    "`": r"\`{}",
    "[": r"{[}",
    "]": r"{]}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≠": r"$\neq$",
    "α": r"$\alpha$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "†": r"$^{\dagger}$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ı": r"\i{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def metric_title(info: Heading) -> str:
    """The metric's name as papers print it, ``PESQ-WB`` for ``pesq_wb``, without its unit.

    A metric that is not ours is called by its own name, with spaces; of one with options they stand
    behind: ``WER (model=hubert)``.
    """
    base, *options = info.name.split("@")
    title = _TITLES.get(base) or base.replace("_", " ")
    return f"{title} ({', '.join(options)})" if options else title


def format_value(value: float) -> str:
    """A number with as many digits as mean something: about three, never in powers of ten."""
    if math.isnan(value):
        return NOTHING
    digits = next((d for d, low in enumerate((1000, 100, 10)) if abs(value) >= low), 3)
    return f"{value:.{digits}f}"


def signed(value: float, relative: bool = False) -> str:
    """A difference with its sign: in percent where ``relative``, else with three digits."""
    if math.isnan(value):
        return NOTHING
    if relative:
        return percent(100 * value, "+")
    # Differences are small beside their values: keep three digits of them, never powers of ten.
    digits = 3 if not value else min(6, max(0, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:+.{digits}f}"
    return "0" if not float(text) else text


def significant(value: float, digits: int = 3) -> str:
    """A number with this many significant digits."""
    return NOTHING if math.isnan(value) else f"{value:.{digits}g}"


def span(low: float, high: float, write: Callable[[float], str] = format_value) -> str:
    """``1.2 to 1.4``; a dash where there are no ends."""
    return NOTHING if math.isnan(low) else f"{write(low)} to {write(high)}"


def percent(value: float, sign: str = "") -> str:
    """A value that is in percent already; ``sign`` "+" shows its sign."""
    return f"{value:{sign}.1f} %"


def p_value(p: float) -> str:
    """A p-value to three decimals; smaller ones as such."""
    if math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def counts(reasons: Mapping[str, int]) -> str:
    """``2 undefined; 1 lost``: how many of each."""
    return "; ".join(f"{count} {why}" for why, count in reasons.items())


def lost_lines(lost: Mapping[Loss, Sequence[str]]) -> list[str]:
    """What runs lost, a sentence per loss, with the metrics that have no verdict for it."""
    return [f"{loss}: no verdict on {', '.join(metrics)}." for loss, metrics in lost.items()]


def pooled_notes(infos: Iterable[MetricInfo]) -> list[str]:
    """Which means are no means of clips, and what they are pooled over; empty where none is."""
    names: dict[str, list[str]] = {}
    for info in infos:
        if info.weighted_by and info.name not in (known := names.setdefault(info.weighted_by, [])):
            known.append(info.name)
    return [
        f"Pooled over {what}, not a mean of clips: {', '.join(known)}."
        for what, known in names.items()
    ]


def floor_notes(infos: Iterable[MetricInfo]) -> list[str]:
    """What makes a clip catastrophic; empty where no metric has a floor."""
    words = {True: "below", False: "above"}
    floors = [
        f"{info.name} {words[info.higher_is_better]} {info.floor:g}"
        for info in infos
        if info.floor is not None and info.higher_is_better is not None
    ]
    if not floors:
        return []
    return [f"Catastrophic is a clip that failed, or has {' or '.join(floors)}."]


def worst_mark(result: MetricResult) -> str:
    """``!3`` beside a mean: three clips of the run are catastrophic; empty where none is."""
    return f"!{result.num_catastrophic}" if result.num_catastrophic else ""


def worst_notes(runs: Sequence[Run], metrics: Iterable[str]) -> list[str]:
    """What :func:`worst_mark` means, where one of these runs has it."""
    marked = {
        name: run.info(name)
        for name in metrics
        for run in runs
        if name in run.metrics and run.metrics[name].num_catastrophic
    }
    if not marked:
        return []
    return ["!N: N clips of the run are catastrophic.", *floor_notes(marked.values())]


def quantity(number: float) -> str:
    """A large number in thousands, millions or billions: ``1.5 M``."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def xml_text(text: str) -> str:
    """The text with ``?`` for what XML does not allow."""
    return _NOT_IN_XML.sub("?", text)


def one_line(text: str) -> str:
    """The text without line breaks, and with ``?`` for what XML does not allow."""
    return " ".join(xml_text(text).split())


def markdown_text(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    escaped = _PLAIN_LESS.sub("<", html.escape(one_line(text), quote=False))
    return _SPECIAL.sub(r"\\\1", escaped)


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is, on one line, in ASCII and with no package.

    What its own fonts lack is set as its code point: ``U+65E5``.
    """
    characters = "".join(map(_latex_character, one_line(text)))
    return _LIGATURE.sub(r"\g<0>{}", characters)


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"U+{ord(character):04X}"
