"""An agreement with all that is told of its listeners: who counts, and how far they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from snac_eval.results.agreement.agree import NUM_RESAMPLES, agree
from snac_eval.results.agreement.resampling import Watch
from snac_eval.results.agreement.shapes import Agreement, Coefficient, LeftOut
from snac_eval.results.listeners.consistency import consistency
from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.listeners.screening import screen
from snac_eval.results.record import Run


def agree_with_listeners(
    runs: Sequence[Run],
    ratings: Ratings,
    *,
    is_screened: bool = True,
    mapping: Mapping[str, str] | None = None,
    metrics: Sequence[str] = (),
    with_reference: bool = False,
    with_anchors: bool = False,
    data: str = "",
    source: str = "",
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    watch: Watch = iter,
) -> Agreement:
    """:func:`~snac_eval.results.agreement.agree.agree` over the listeners that post-screening after
    ITU-R BS.1534-3 leaves, where ``is_screened``; their ICC(2,k) is of the codecs alone.

    Raises what ``agree`` does, and RatingsError where screening leaves nobody.
    """
    screening = screen(ratings) if is_screened else None
    kept = screening.ratings if screening else ratings
    found = agree(
        runs,
        kept,
        mapping=mapping,
        metrics=metrics,
        with_reference=with_reference,
        with_anchors=with_anchors,
        data=data,
        source=source,
        num_resamples=num_resamples,
        seed=seed,
        watch=watch,
    )
    excluded = screening.excluded if screening else ()
    notes = screening.notes if screening else ("Listeners were not screened.",)
    among = consistency(kept)
    return replace(
        found,
        icc=Coefficient(among.average, *among.average_interval),
        left_out=(
            *found.left_out,
            *(LeftOut("listener", one.listener, one.reason) for one in excluded),
        ),
        notes=(*ratings.notes, *notes, *found.notes),
    )
