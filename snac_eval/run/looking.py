"""A run that only looks at its clips: what others, who code them, then need not find out again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from snac_eval.run.config import RunConfig
from snac_eval.run.folder import only_writer
from snac_eval.run.identity import refuse_other_run
from snac_eval.run.inspections import Inspections
from snac_eval.run.manifest import describe
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.sealed import read_manifest, write_manifest
from snac_eval.run.store import Store


def look(config: RunConfig, argv: Sequence[str] = ()) -> Plan:
    """Keep in the run's folder what its clips' files hold; nothing is coded.

    The folder is that of a run that has begun: ``run`` goes on with it, shards take over what is
    known in it (``RunConfig.plan``), and ``merge`` may put them together there. Raises
    SnacEvalError for what the user must mend.
    """
    known = Inspections.of_configs([config])
    plan = make_plan(config, known.inspect)
    with only_writer(config.output):
        old = {} if config.overwrite else read_manifest(config.output)
        refuse_other_run(plan, old)
        with Store.create(config.output, config.overwrite) as store:
            store.remember_files(known.new)
        if not old:
            write_manifest(config.output, describe(plan, argv, time.time()))
    return plan
