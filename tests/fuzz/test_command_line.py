"""Arguments: every flag of every command with anything behind it."""

from __future__ import annotations

import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import tone
from tests.fuzz.harness import call, few, place
from tests.runs import noisy, write_run

_VALUES = (
    *("", " ", "0", "-1", "1", "2", "1e308", "nan", "inf", "-inf", "1e-320", "9" * 30, "9" * 5000),
    *("0.5", "1,2", ",", "a", "=", "@", ":", "..", "/", "/dev/null", "/dev/zero", "~nobody/x"),
    *("speaker", "clip", "codec", "each", "md", "csv", "latex", "cpu", "cuda", "cuda:99", "mps"),
    *("pesq_wb", "si_sdr,bitrate", "token_agreement@n=0", "x@", "si_sdr@a=b", "default", "\udcff"),
    *("é声", "a\nb", "\x1b[31m", "--", "-", "x" * 5000, "{work}", "{input}", "{run}", "{baseline}"),
)
_MODELS = (
    *("pcm_8bit", "pcm_8bit@k=1", "pcm_8bit@generation=2", "opus_12kbps@k=x", "files:{input}"),
    *("files:", "nothing", "os:path", "a.b:c", ":", "@", "@k=1", "snac_24khz", "pcm_8bit@k=1@k=1"),
    *("../../etc/passwd", "pcm_8bit@generation=0", "json:dumps", "pcm_8bit:x", "x" * 5000),
)
_DATASETS = (
    *("folder:{input}", "folder:", "folder:/dev/null", "folder:{run}", "manifest:{input}/a.wav"),
    *("manifest:/dev/zero", "nothing", "demo:x", "librispeech:..", "vctk:", "hf:", "hf:a:b"),
    *("hf:{input}:train", "common_voice:a/b", "common_voice:../x", "folder:a\0b", "folder:\udcff"),
)
_FLAGS = {
    "run": "--metrics --limit --excerpt --balance --sample-seed --seed --reference-rate --channels"
    " --data-root --weights --output --overwrite --cards --device --batch-size --max-duration"
    " --max-error-rate --report-clips --no-html --nothing",
    "list": "--cards --nothing codecs datasets metrics",
    "validate": "--weights --device --long --cards --nothing",
    "report": "--html --output --report-clips --nothing {run}",
    "table": "--format --metrics --published --models --weights --device --cards -o {run}"
    " --sort --label --against --columns --sideways --latex-label --caption",
    "plot": "--x --y --kind --width --label -o --nothing {run}",
    "compare": "--format --metrics --clips -o --tolerances --tolerance --nothing {run}",
    "baseline": "-o --output --metrics --nothing {run}",
    "check": "--baseline --metrics --no-speed --junit --markdown --tolerances --tolerance {run}",
    "bench": "--durations --batch-sizes --threads --device --repeats --seed --weights --output",
    "nothing": "--help --version",
}
_SWITCHES = (
    "--overwrite",
    "--no-html",
    "--html",
    "--published",
    "--models",
    "--no-speed",
    "--sideways",
)
_NEEDED = {
    "run": ["--workers", "0", "--quiet", "--output", "{output}/run"],
    "bench": ["--model", "nothing", "--quiet"],
    "check": ["{run}", "--baseline", "{baseline}"],
    "compare": ["{run}", "{run}"],
    "plot": ["{run}", "--y", "pesq_wb", "-o", "{output}/plot.svg"],
    "baseline": ["{run}", "-o", "{output}/b.json"],
    "report": ["{run}", "--html", "--output", "{output}/page.html"],
    "validate": ["nothing"],
}


@st.composite
def _arguments(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(sorted(_FLAGS)))
    words = [command, *_NEEDED.get(command, [])]
    if command == "run":
        words += ["--model", draw(st.sampled_from(_MODELS))]
        words += ["--dataset", draw(st.sampled_from(_DATASETS))]
    for _ in range(draw(st.integers(0, 3))):
        flag = draw(st.sampled_from(_FLAGS[command].split()))
        words.append(flag)
        if flag.startswith("-") and flag not in _SWITCHES:
            words.append(draw(st.sampled_from(_VALUES)))
    return words if draw(st.integers(0, 9)) else draw(st.permutations(words))


def _harmless(words: list[str]) -> bool:
    """Whether what is asked for stays in the place: an output elsewhere was asked for."""
    outputs = ("--output", "-o", "--junit", "--markdown")
    inside = ("{output}", "{work}", "/dev/", "--")
    return not any(
        word in outputs and not following.startswith(inside)
        for word, following in zip(words, [*words[1:], "--"], strict=True)
    )


@given(words=_arguments().filter(_harmless))
@few(25)
def test_any_arguments_end_with_a_documented_code(words: list[str]) -> None:
    with place() as where:
        scores = {"pesq_wb": noisy(3.0, 0.3, 12)}
        run = write_run(where.output / "old", scores)
        soundfile.write(where.input / "a.wav", tone(0.3), 16000)
        names = {
            "{work}": where.output / "work",
            "{output}": where.output,
            "{input}": where.input,
            "{run}": run,
            "{baseline}": where.output / "b.json",
        }
        call(where, "baseline", run, "-o", where.output / "b.json", allowed=(0,))
        for name, path in names.items():
            words = [word.replace(name, str(path)) for word in words]
        call(where, *words, allowed=(0, 1, 2, 3, 4))
