"""The leaderboard: a static site made from runs, studies and submissions.

:mod:`~snac_eval.site.building` reads the runs and asks each family of pages; all of them stand on
:mod:`~snac_eval.site.layout`, and on the addresses of :mod:`~snac_eval.site.pages`.
"""
