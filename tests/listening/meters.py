"""A meter that shares no code with ours: libavfilter's ``ebur128``."""

from __future__ import annotations

import math
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray


def measured(samples: NDArray[Any], rate: int = 48_000) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP of ``[channel, time]``."""
    layout = "mono" if len(samples) == 1 else "stereo"
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="dblp", layout=layout)
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, dtype=np.float64), format="dblp", layout=layout
    )
    frame.sample_rate, frame.pts = rate, 0
    source.push(frame)
    source.push(None)
    said: dict[str, str] = {}
    while True:
        try:
            said.update(sink.pull().metadata)
        except (av.BlockingIOError, av.EOFError):
            break
    peak = float(said["lavfi.r128.true_peak"])
    return float(said["lavfi.r128.I"]), 20 * math.log10(peak)
