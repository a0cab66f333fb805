"""A program whose run has begun and waits: ``idle_host.py DATASET``."""

import sys
import threading
from pathlib import Path

from snac_eval.run.coding import Coder, CodingTask
from snac_eval.run.config import RunConfig
from snac_eval.run.engines.local import LocalEngine
from snac_eval.run.plan import make_plan
from snac_eval.run.rows import Settled

if __name__ == "__main__":
    names = ("mel_dac_paper",)
    plan = make_plan(RunConfig("pcm_8bit", sys.argv[1], Path("nowhere"), names))
    with LocalEngine(Coder(plan.config, plan.codec, plan.metrics), 1) as engine:
        engine.prepare()
        tasks = (
            CodingTask(number, job)
            for number, job in enumerate(
                plan.pending([Settled(frozenset(), False)] * len(plan.clips))
            )
        )
        for _ in engine.work(tasks):
            print("ready", flush=True)
            threading.Event().wait(60)
