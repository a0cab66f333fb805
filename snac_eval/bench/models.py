"""What models are: bitrate, sample rate, parameters and token rates, measured where that can be.

Each codec is built, its parameters are counted in the weights that it loaded, and its rates are
those of what it emits for a probe of seeded noise, cut to whole frames where the codec says how
long they are. A model whose weights or extra are not here is told from its card, and marked so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from snac_eval.codecs.opening import model_card, open_model
from snac_eval.errors import DownloadError, UsageError, WeightsUnavailable
from snac_eval.registry import plugins
from snac_eval.reports.grid import NONE, Block, Cell, Column, Grid, GridFormat, render
from snac_eval.reports.published import MODEL_FACTS, Published, PublishedRow, published_cells
from snac_eval.reports.text import NOTHING, significant
from snac_eval.types import Codec, CodecCard, Waveform

PROBE_S = 10.0
_ANY_RATE = 48000
_FROM_CARD = "(card)"
_COLUMNS = (
    Column("model"),
    Column("sample rate", "kHz"),
    Column("bitrate", "kbps"),
    Column("parameters", "M"),
    Column("tokens", "1/s"),
    Column("of each stream", "1/s"),
)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was measured of one model.

    ``sample_rate`` in Hz; ``bitrate_bps`` in bit/s, NaN where not measured; ``num_parameters`` None
    where there are none to count; ``token_rates_hz`` and ``codebook_sizes`` per stream. ``missing``
    is what kept it from being measured, as lists show it, and ``why`` the whole of that; both empty
    where it was measured.
    """

    name: str
    sample_rate: int
    bitrate_bps: float = math.nan
    num_parameters: int | None = None
    token_rates_hz: tuple[float, ...] = ()
    codebook_sizes: tuple[int, ...] = ()
    missing: str = ""
    why: str = ""


def snac_models(card_dirs: Sequence[Path] = ()) -> list[str]:
    """The names that ``table --models`` takes when it is given none."""
    names = plugins.codec_names(card_dirs)
    return [name for name in names if plugins.codec_card(name, card_dirs).family == "snac"]


def measure_model(
    name: str, card_dirs: Sequence[Path] = (), weights: str = "", device: str = "cpu"
) -> ModelFacts:
    """Build the model and encode the probe; without its weights or its extra, read its card.

    Raises SnacEvalError for everything else.
    """
    if (card := _unopenable(name, card_dirs)) is not None:
        why = f"{name}: {'; '.join(plugins.codec_remedy(card))}"
        return _stated(name, card, None, why)
    opened = open_model(name, card_dirs, weights=weights, device=device)
    codec = opened.coder
    try:
        if codec is None:
            raise UsageError(f"{name}: reads reconstructions and encodes nothing; name a codec")
        codec.prepare()
    except (WeightsUnavailable, DownloadError) as error:
        return _stated(name, opened.card, opened.card_parameters(), str(error))
    probe = _probe(codec)
    codes = codec.encode([probe])[0]
    return ModelFacts(
        name=name,
        sample_rate=codec.card.sample_rate,
        bitrate_bps=codes.num_bits / probe.duration_s,
        num_parameters=opened.num_parameters,
        token_rates_hz=tuple(stream.size / probe.duration_s for stream in codes.streams),
        codebook_sizes=codes.codebook_sizes,
    )


def _unopenable(name: str, card_dirs: Sequence[Path]) -> CodecCard | None:
    """The card of a codec whose extra is missing."""
    if name.partition(":")[0].partition("@")[0] not in plugins.codec_names(card_dirs):
        return None
    card = model_card(name, card_dirs)
    return card if plugins.codec_lacks_extra(card) else None


def _stated(name: str, card: CodecCard, num_parameters: int | None, why: str) -> ModelFacts:
    return ModelFacts(
        name=name,
        sample_rate=card.sample_rate,
        bitrate_bps=card.nominal_bitrate_bps,
        num_parameters=num_parameters,
        token_rates_hz=card.frame_rates_hz,
        codebook_sizes=card.codebook_sizes,
        missing=plugins.codec_state(card),
        why=why,
    )


def not_measured(models: Sequence[ModelFacts]) -> str:
    """One line for the screen: which were told from their cards, why, and what to do; empty where
    there are none."""
    absent = [one for one in models if one.missing]
    if not absent:
        return ""
    names = ", ".join(one.name for one in absent)
    return f"not measured, told from the card: {names}: {absent[0].why}"


def models_text(
    models: Sequence[ModelFacts], table_format: GridFormat, published: Published | None = None
) -> str:
    """The table in this format; ``published`` figures of these models follow where given.

    ``csv`` has ``model``, ``sample_rate`` in Hz, ``bitrate_bps``, ``num_parameters``,
    ``token_rates_hz`` and ``codebook_sizes`` (numbers parted by spaces), ``basis`` (``measured`` or
    ``card``), ``missing`` and what is published, with its ``source`` and whether that was ``read``.
    """
    shown = _published_of(models, published)
    blocks = [Block("Ours" if shown.rows else "", tuple(_row(one) for one in models))]
    if shown.rows:
        blocks.append(Block("Published", tuple(_published_row(shown, one) for one in shown.rows)))
    grid = Grid(
        columns=_COLUMNS,
        blocks=tuple(blocks),
        caption=_caption(),
        notes=(*_card_notes(models), *(shown.notes() if shown.rows else ())),
    )
    return render(grid, table_format)


def _probe(codec: Codec) -> Waveform:
    rate = codec.card.sample_rate or _ANY_RATE
    num_samples = round(PROBE_S * rate)
    num_samples = codec.padded_length(num_samples) or num_samples
    shape = (codec.card.channels or 1, num_samples)
    noise = 0.1 * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return Waveform(noise, rate)


def _published_of(models: Sequence[ModelFacts], published: Published | None) -> Published:
    names = {one.name for one in models}
    rows = published.of(MODEL_FACTS).rows if published else ()
    return Published(tuple(row for row in rows if row.card in names))


def _row(one: ModelFacts) -> tuple[Cell, ...]:
    streams = {
        "token_rates_hz": " ".join(significant(rate, 10) for rate in one.token_rates_hz),
        "codebook_sizes": " ".join(map(str, one.codebook_sizes)),
        "basis": "card" if one.missing else "measured",
        "missing": one.missing,
    }
    bitrate, size = one.bitrate_bps, one.num_parameters
    rates = " ".join(significant(rate, 4) for rate in one.token_rates_hz)
    tokens = math.fsum(one.token_rates_hz) if rates else math.nan
    return (
        Cell(one.name, after=_FROM_CARD if one.missing else "", values={"model": one.name}),
        _sample_rate(one.sample_rate, "any"),
        replace(_known(bitrate / 1000), values={"bitrate_bps": bitrate}),
        Cell(
            NOTHING if size is None else f"{size / 1e6:.1f}",
            key=size,
            values={"num_parameters": size},
        ),
        _known(tokens),
        Cell(rates or NOTHING, key=tokens if rates else None, values=streams),
    )


def _published_row(published: Published, row: PublishedRow) -> tuple[Cell, ...]:
    bitrate, size, tokens = published_cells(row, MODEL_FACTS, "published_")
    values = {"model": row.card, "source": " ".join(row.source), "read": row.read}
    label = Cell(published.label(row), values=values)
    return label, _sample_rate(row.sample_rate, NOTHING), bitrate, size, NONE, tokens


def _sample_rate(rate: int, none: str) -> Cell:
    """In kHz; ``none`` stands for 0."""
    key = rate / 1000 if rate else None
    return Cell(f"{key:g}" if key else none, key=key, values={"sample_rate": rate})


def _known(value: float) -> Cell:
    if math.isnan(value):
        return NONE
    return Cell(significant(value, 4), key=value, values={})


def _caption() -> str:
    return (
        "Parameters are counted in the weights that were loaded, weight normalisation folded in;"
        f" rates are of what the model emits for {PROBE_S:g} s of noise."
        f" Versions: snac-eval {version('snac-eval')}, torch {version('torch')}."
    )


def _card_notes(models: Sequence[ModelFacts]) -> Iterator[str]:
    if any(one.missing for one in models):
        yield (
            f"{_FROM_CARD}: not measured, for its weights or its extra are not here; rates are as"
            " the card states them, parameters those of the network that the card describes."
            " snac-eval show NAME says how to get what is missing."
        )
