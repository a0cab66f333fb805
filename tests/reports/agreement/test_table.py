"""The table, its notes and the tidy rows."""

from __future__ import annotations

import csv
import io

from snac_eval.reports.agreement.table import agreement_grid, differences_grid, tidy_grid
from snac_eval.reports.agreement.words import notes, sentences
from snac_eval.reports.grid import render
from snac_eval.reports.terminal import render_terminal
from snac_eval.results.agreement.shapes import MetricDifference
from tests.reports.agreement.made import SENTENCE, agreement, metric
from tests.reports.hostile import HOSTILE


def test_a_row_has_the_coefficient_of_the_metrics_own_values_and_the_verdict() -> None:
    rows = agreement_grid(agreement()).rows
    texts = [[cell.text for cell in row[:4]] for row in rows]
    assert texts[0] == ["Mel distance (audiotools)\xa0↓", "agrees", "-0.50", "-0.70 to -0.30"]
    assert texts[1] == ["PESQ-WB\xa0↑", "contradicts", "-0.40", "-0.60 to -0.20"]
    assert texts[2][1:] == ["–", "–", "–"]


def test_an_interval_that_includes_zero_shows_nothing() -> None:
    rows = agreement_grid(agreement(metric("pesq_wb", -0.1))).rows
    assert rows[0][1].text == "not shown"


def test_notes_say_what_is_in_what_is_out_and_which_way_a_distance_goes() -> None:
    said = "\n".join(notes(agreement(with_anchors=True)))
    assert "of a distance (↓), a negative one agrees" in said
    assert "Hidden reference: left out; anchors: in." in said
    assert "Codecs left out (no run of it): lyra, x." in said
    assert "ICC(2,k): 0.80 (0.70 to 0.90)" in said
    assert "Rated, not scored: 3 undefined: silence: stoi." in said
    assert "mel_audiotools agrees better than pesq_wb." in said
    assert "One clip is short." in said


def test_the_worse_metric_may_be_named_first_and_no_difference_is_said() -> None:
    turned = MetricDifference("pesq_wb", "stoi", -0.9, -1.2, -0.5, 0.001, 0.002)
    assert "stoi agrees better than pesq_wb." in notes(agreement(differences=(turned,)))
    none = MetricDifference("pesq_wb", "stoi", -0.1, -0.4, 0.2, 0.4, 0.4)
    assert "no difference is shown" in " ".join(notes(agreement(differences=(none,))))
    assert differences_grid(agreement(differences=())) is None


def test_the_screen_tells_in_words_what_points_the_other_way() -> None:
    made = agreement()
    said = list(sentences(made, only_contrary=True))
    assert said == [f"PESQ-WB {SENTENCE}", "STOI cannot be held against the ratings: no score."]
    text = render_terminal(agreement_grid(made, said), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert "Metrics against 108 ratings by 9 listeners: 6 clips, 2" in text


def test_csv_has_a_row_a_metric_level_and_kind() -> None:
    rows = list(csv.DictReader(io.StringIO(render(tidy_grid(agreement()), "csv"))))
    found = {(row["metric"], row["level"], row["kind"]): row for row in rows}
    assert len(found) == len(rows)
    one = found["mel_audiotools", "clips", "spearman"]
    assert (one["n"], one["value"], one["agrees"]) == ("12", "-0.5", "0.5")
    assert found["mel_audiotools", "clips", "rmse_star"]["value"] == "4.25"
    assert found["pesq_wb", "codecs", "pairs_right"]["value"] == "1"
    assert found["stoi", "clips", "pearson"]["value"] == ""


def test_names_do_no_harm_in_any_format() -> None:
    for name in HOSTILE:
        made = agreement(metric(name, 0.5), data=name, source=name)
        tex = render(agreement_grid(made), "latex")
        assert "\\input{" not in tex
        assert "\\undefined" not in tex
        assert "<script>" not in render(agreement_grid(made), "md")
        assert "\x1b[31m" not in render_terminal(agreement_grid(made), 80)
