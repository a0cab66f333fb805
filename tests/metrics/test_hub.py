"""Metrics that ask models of the hub, with tiny random ones; and the Fréchet distance itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.errors import UsageError, WeightsUnavailable
from snac_eval.metrics import asr, frechet, hub, recognition, speaker, speechbert
from snac_eval.metrics.base import Memo, PreparedPair
from snac_eval.metrics.recognition import RECOGNISERS, Recogniser
from snac_eval.registry import plugins
from snac_eval.run.sealed import read_manifest
from snac_eval.types import Clip, Reconstruction, Score, Waveform
from tests.conftest import tone

MODELS = {
    "WER": RECOGNISERS["wav2vec2"],
    "WHISPER": RECOGNISERS["whisper"],
    "SPEAKER": speaker.MODEL,
    "WAVLM": speechbert.MODEL,
    "FAD": frechet.MODEL,
}
CACHES = (hub.load, recognition._load, recognition._config, recognition._normaliser)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny model for each metric."""
    pytest.importorskip("transformers", reason="needs the extras speaker, wer and fad")
    from tests import tiny_metric_models as tiny

    root = tmp_path_factory.mktemp("models")
    tiny.save_recogniser(root / "WER")
    tiny.save_whisper(root / "WHISPER")
    tiny.save_wavlm(root / "WAVLM")
    tiny.save_speaker_model(root / "SPEAKER")
    tiny.save_clap(root / "FAD")
    return root


@pytest.fixture
def models(saved: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metrics ask those models."""
    for cache in (*CACHES, speechbert._load):
        cache.cache_clear()
    for name, model in MODELS.items():
        monkeypatch.setenv(model.variable, str(saved / name))
        model.__dict__.pop("folder", None)
    return saved


def pair(reference: Any, estimate: Any, **fields: Any) -> Reconstruction:  # noqa: ANN401
    clip = Clip("a", Path("a.wav"), "a.wav", **{"domain": "speech", **fields})
    sides = [Waveform(np.asarray(side, np.float32)[None], 16000) for side in (reference, estimate)]
    return Reconstruction(clip, *sides)


def distance(*clouds: Any) -> float:  # noqa: ANN401
    return frechet.frechet_distance(*map(frechet.Cloud, clouds))


def test_frechet_distance_of_known_gaussians() -> None:
    # Exact: points at +-s on each axis have mean 0 and covariance 2 s^2 / (n - 1) on the diagonal.
    def cross(scales: list[float], shift: float) -> Any:  # noqa: ANN401
        half = np.diag(scales)
        return np.concatenate([half, -half]) + shift

    one, other = [1.0, 2.0, 3.0], [2.0, 2.0, 0.5]
    spread = 2 / 5 * sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
    found = distance(cross(one, 0.0), cross(other, 0.25))
    assert found == pytest.approx(3 * 0.25**2 + spread)


def test_frechet_distance_of_matrices_that_do_not_commute() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    clouds = [rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)) for _ in range(2)]
    first, second = (np.cov(cloud, rowvar=False) for cloud in clouds)
    shift = clouds[0].mean(axis=0) - clouds[1].mean(axis=0)
    expected = shift @ shift + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert distance(*clouds) == pytest.approx(expected)


def test_frechet_distance_of_a_cloud_to_itself_is_zero_with_few_points() -> None:
    cloud = np.random.default_rng(0).standard_normal((3, 8))
    assert distance(cloud, cloud) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_cloud_in_parts_is_the_cloud(offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frechet, "_TOGETHER", 10)
    vectors = np.random.default_rng(1).standard_normal((57, 5)) + offset
    cloud = frechet.Cloud()
    for part in np.array_split(vectors, [1, 2, 9, 30, 31]):
        cloud.add(part)
        assert sum(map(len, cloud._waiting)) < 10
    assert cloud.count == 57
    np.testing.assert_allclose(cloud.mean, vectors.mean(axis=0), rtol=1e-14)
    expected = np.cov(vectors, rowvar=False)
    np.testing.assert_allclose(cloud.covariance, expected, rtol=1e-10, atol=1e-12)


def test_fad_merges_what_was_kept_of_clips(models: Path) -> None:
    metric = frechet.FadClap()
    clips = [pair(tone(1.0, seed=i), 0.5 * tone(1.0, seed=i + 5)) for i in range(3)]
    kept = [metric.score(clip) for clip in clips]
    assert {(one.status, one.value) for one in kept} == {("ok", None)}
    clouds = [
        np.concatenate([frechet.embed(pad(getattr(clip, side))) for clip in clips])
        for side in ("reference", "estimate")
    ]
    expected = distance(*clouds)
    assert expected > 0
    assert metric.finish([one.detail for one in kept]).value == pytest.approx(expected, rel=1e-3)
    found = metric.finish([one.detail for one in kept])
    dimensions = clouds[0].shape[1]
    assert found.reason == (
        f"biased upwards: 3 windows of audio are too few for the covariance of {dimensions}"
        " dimensions"
    )
    enough = [kept[index % 3].detail for index in range(dimensions + 1)]
    assert metric.finish(enough).reason == ""
    dead = metric.score(pair(tone(1.0), 0 * tone(1.0)))
    assert dead == Score.error("the estimate is silent, the reference is audible")
    assert metric.finish([kept[0].detail]).status == "undefined"
    assert metric.score(pair(np.zeros(16000), tone(1.0))).reason == "the reference is silent"
    assert metric.score(pair(tone(1.0), np.zeros(16000))).status == "error"


def pad(waveform: Waveform) -> Any:  # noqa: ANN401
    from snac_eval.audio import resample

    return resample(waveform, 48000).samples[0]


def test_windows_of_ten_seconds_and_what_is_left() -> None:
    rate = frechet.RATE
    for seconds, lengths in ((0.3, [0.3]), (10.5, [10]), (21.0, [10, 10, 1])):
        signal = np.zeros(int(seconds * rate), np.float32)
        assert [len(one) / rate for one in frechet._windows(signal)] == lengths


def test_word_error_rate_counts_words(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jiwer", reason="needs the extra wer")
    metric = asr.WordErrorRate()
    monkeypatch.setattr(Recogniser, "transcribe", lambda *_: "THE CAT SAT ON MAT")
    signal = tone(1.0)
    score = metric.score(pair(signal, signal, transcript="The cat sat — on the mat."))
    assert (score.value, score.weight) == (pytest.approx(100 / 6), 6.0)
    letters = asr.CharacterErrorRate().score(pair(signal, signal, transcript="The cat sat"))
    assert (letters.value, letters.weight) == (pytest.approx(100 * 7 / 11), 11.0)
    for fields, reason in (
        ({"transcript": ""}, "no transcript"),
        ({"transcript": "42!"}, "nothing of the clip's transcript"),
        ({"transcript": "a", "domain": "music"}, "defined for speech"),
    ):
        assert reason in metric.score(pair(signal, signal, **fields)).reason
    silent = metric.score(pair(signal, 0 * signal, transcript="a"))
    assert silent == Score.error("the estimate is silent, the reference is audible")


def test_transcripts_are_those_of_transformers(models: Path) -> None:
    import torch
    import transformers

    signal = tone(1.5, seed=3)
    processor = transformers.Wav2Vec2Processor.from_pretrained(models / "WER")
    model = transformers.Wav2Vec2ForCTC.from_pretrained(models / "WER").eval()
    with torch.no_grad():
        logits = model(**processor(signal, sampling_rate=16000, return_tensors="pt")).logits
    expected = processor.decode(logits[0].argmax(-1), skip_special_tokens=True)
    assert Recogniser.named("wav2vec2", "en").transcribe(signal) == expected
    assert recognition.letters("it’s—Fine, no. 5!") == "IT'S FINE NO"


def test_dwer_asks_what_the_recogniser_hears_in_the_reference(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jiwer", reason="needs the extra wer")
    one, other = tone(1.5, seed=3), tone(1.5, seed=4)
    metric = asr.DifferentialWordErrorRate()
    heard = iter(["ONE TWO THREE FOUR", "ONE THREE FOUR FIVE", ""])
    monkeypatch.setattr(Recogniser, "transcribe", lambda *_: next(heard))
    score = metric.score_pair(one, other, 16000)
    assert (score.value, score.weight) == (50.0, 4.0)
    assert "hears no word in the reference" in metric.score_pair(one, other, 16000).reason


def test_a_clip_is_heard_once_whatever_is_asked(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jiwer", reason="needs the extra wer")
    asked = []
    real = Recogniser.transcribe
    monkeypatch.setattr(
        Recogniser, "transcribe", lambda self, signal: asked.append(signal) or real(self, signal)
    )
    clip = pair(tone(1.5, seed=3), tone(1.5, seed=4), transcript="a word")
    both = PreparedPair(clip.reference, clip.estimate)
    found = [
        asr.WordErrorRate().score_prepared(both, clip.clip),
        asr.CharacterErrorRate().score_prepared(both, clip.clip),
        asr.DifferentialWordErrorRate().score_prepared(both, "speech"),
    ]
    assert [one.status for one in found] == ["ok"] * 3
    assert len(asked) == 2
    same = asr.DifferentialWordErrorRate().score_pair(tone(1.5), tone(1.5), 16000)
    assert same.value == 0


def test_whisper_writes_what_transformers_makes_it_write(models: Path) -> None:
    import torch
    import transformers

    folder = models / "WHISPER"
    english, german = (Recogniser.named("whisper", language) for language in ("en", "de"))
    assert (english.way, english.text, german.text) == ("writes", "whisper", "basic")
    assert english.normalised("The Colour of twenty-one, it's") == "the color of 21 it is"
    assert german.normalised("Zwei, drei") == "zwei drei"
    signal = tone(31.0, seed=2)
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    whole = {"truncation": False, "padding": "longest", "return_attention_mask": True}
    features = processor(signal, sampling_rate=16000, return_tensors="pt", **whole)
    with torch.no_grad():
        tokens = model.generate(
            **features, return_timestamps=True, language="en", task="transcribe"
        )
    expected = processor.batch_decode(tokens, skip_special_tokens=True)[0]
    assert expected
    assert english.transcribe(signal) == expected


def test_long_clips_are_heard_in_parts_with_context(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(hub, "_WINDOW_S", 4)
    monkeypatch.setattr(hub, "_CONTEXT_S", 1)
    lengths = []

    def ask(part: Any) -> Any:  # noqa: ANN401 - what a model sees of its neighbours: a second
        lengths.append(part.shape[1])
        padded = torch.nn.functional.pad(part, (10, 10))
        return padded.unfold(1, 21, 2).mean(dim=2)

    values = torch.randn(1, 95, generator=torch.Generator().manual_seed(1))
    whole = ask(values)
    parts = torch.cat(list(hub.windowed(values, 10, ask)), dim=1)
    assert torch.equal(parts, whole)
    assert max(lengths[1:]) == 60
    assert len(list(hub.windowed(values[:, :60], 10, ask))) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("word_error_rate@model=whispr", "give wav2vec2, hubert, whisper, or OWNER/MODEL"),
        ("dwer@model=../etc", "give wav2vec2, hubert, whisper, or OWNER/MODEL"),
        ("dwer@language=english", "give a code such as en"),
        ("dwer@model", "give an option and its value"),
        ("speaker_similarity@model=large", "give wavlm_base_plus, wavlm_large, or OWNER/MODEL"),
        ("speechbertscore@value=f2", "give precision, recall, f1"),
        ("speechbertscore@layer=24", "layers are 0 to 23"),
        ("speechbertscore@layer=x", "give a number"),
    ],
)
def test_options_that_there_are_not(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        plugins.metric(name)


def test_names_say_who_listens() -> None:
    for name in (
        "word_error_rate@model=hubert",
        "character_error_rate@model=whisper@language=de",
        "dwer@model=openai/whisper-base.en",
        "speaker_similarity@model=wavlm_large",
        "speechbertscore@value=f1@layer=6",
    ):
        assert plugins.metric(name).info.name == name
    usual = plugins.metric("word_error_rate@model=wav2vec2@language=en")
    assert usual.info.name == "word_error_rate"
    assert plugins.metric_state("dwer@model=some/one").startswith("needs weights")
    ways = plugins.metric_remedy("dwer@model=some/one")
    assert "hf download some/one" in ways[0]
    assert "SNAC_EVAL_WER_SOME_ONE_WEIGHTS=DIR" in ways[2]


def test_what_recognises_no_speech_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAC_EVAL_WER_SOME_ONE_WEIGHTS", str(models / "SPEAKER"))
    with pytest.raises(WeightsUnavailable, match="no recogniser of speech"):
        asr.DifferentialWordErrorRate("some/one").prepare()


def test_speechbertscore_finds_frames_again(models: Path) -> None:
    one, other = tone(1.0, seed=3), tone(1.0, seed=4)
    for value in ("precision", "recall", "f1"):
        metric = speechbert.SpeechBertScore(value)
        assert metric.score_pair(one, one, 16000).value == pytest.approx(1)
    reference, estimate = (speechbert.features(side, 14) for side in (one, other))
    assert reference.shape == (len(reference), 16)
    cosines = np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in reference] for a in estimate])
    precision, recall = cosines.max(axis=1).mean(), cosines.max(axis=0).mean()
    expected = [precision, recall, 2 * precision * recall / (precision + recall)]
    memo = Memo()
    found = [
        speechbert.SpeechBertScore(value)._compute_with(memo, one, other, 16000)
        for value in ("precision", "recall", "f1")
    ]
    assert found == pytest.approx(expected)


def test_features_are_those_of_the_whole_model(models: Path) -> None:
    import torch
    import transformers

    signal = tone(0.5, seed=3)
    model = transformers.WavLMModel.from_pretrained(models / "WAVLM").eval()
    with torch.no_grad():
        states = model(torch.from_numpy(signal)[None], output_hidden_states=True).hidden_states
    for layer in (0, 14):
        np.testing.assert_allclose(speechbert.features(signal, layer), states[layer][0], atol=1e-6)


def test_speaker_similarity_is_a_cosine(models: Path) -> None:
    metric = speaker.SpeakerSimilarity()
    one, other = tone(2.0), tone(2.0, seed=9)
    first, second = speaker.embed(one), speaker.embed(other)
    cosine = first @ second / np.sqrt((first @ first) * (second @ second))
    assert metric.score_pair(one, one, 16000).value == pytest.approx(1)
    assert metric.score_pair(one, other, 16000).value == pytest.approx(cosine, abs=1e-6)
    assert "too short" in metric.score_pair(one[:4000], other[:4000], 16000).reason


def test_the_fingerprint_names_the_weights(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (asr.WordErrorRate, asr.DifferentialWordErrorRate, speaker.SpeakerSimilarity)
    for metric in (*(one() for one in made), frechet.FadClap(), speechbert.SpeechBertScore()):
        assert metric.state() == ""
        assert "weights=absent" not in metric.info.fingerprint.parts
    fingerprints = {asr.WordErrorRate().info.fingerprint}
    monkeypatch.setenv("SNAC_EVAL_WER_WEIGHTS", str(models / "SPEAKER"))
    fingerprints.add(asr.WordErrorRate().info.fingerprint)
    assert len(fingerprints) == 2


@pytest.fixture
def fresh_metrics() -> Any:  # noqa: ANN401
    """Metrics are made anew, with today's weights."""
    plugins._metric.cache_clear()
    yield
    plugins._metric.cache_clear()


def test_a_run_gives_one_distance_for_the_dataset(
    models: Path, fresh_metrics: None, tmp_path: Path
) -> None:
    for index in range(3):
        clip = tmp_path / "clips" / f"{index}.wav"
        clip.parent.mkdir(exist_ok=True)
        soundfile.write(clip, tone(1.0, seed=index) if index else np.zeros(16000), 16000)
    run = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{tmp_path / 'clips'}", "--quiet"]
    # Workers of an earlier test would not see the variables that name the weights here.
    run += ["--workers", "0", "--output", str(tmp_path / "run"), "--metrics"]
    assert main([*run, "si_sdr,fad_clap"]) == 0
    rows = pd.read_csv(tmp_path / "run" / "summary.csv").set_index("metric")
    assert tuple(rows.loc["fad_clap", ["n_ok", "n_undefined", "n_error"]]) == (2, 1, 0)
    assert rows.loc["fad_clap", "mean"] >= 0
    assert np.isnan(rows.loc["fad_clap", "ci_low"])
    assert set(pd.read_parquet(tmp_path / "run" / "scores.parquet")["metric"]) == {"si_sdr"}
    assert main([*run, "fad_clap"]) == 0  # from what the store holds
    again = pd.read_csv(tmp_path / "run" / "summary.csv").set_index("metric")
    assert again.loc["fad_clap", "mean"] == rows.loc["fad_clap", "mean"]


def test_a_merge_gives_the_distance_that_the_whole_run_gives(
    models: Path, fresh_metrics: None, tmp_path: Path
) -> None:
    for index in range(3):
        clip = tmp_path / "clips" / f"{index}.wav"
        clip.parent.mkdir(exist_ok=True)
        soundfile.write(clip, tone(1.0, seed=index), 16000)
    run = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{tmp_path / 'clips'}", "--quiet"]
    run += ["--workers", "0", "--metrics", "fad_clap", "--no-html", "--output"]
    shards = [str(tmp_path / f"shard{number}") for number in (1, 2)]
    assert main([*run, str(tmp_path / "whole")]) == 0
    for number, folder in enumerate(shards, start=1):
        assert main([*run, folder, "--shard", f"{number}/2"]) == 0
    assert main(["merge", *shards, "-o", str(tmp_path / "merged"), "--no-html"]) == 0
    whole, merged = (read_manifest(tmp_path / name) for name in ("whole", "merged"))
    assert merged["corpus_scores"] == whole["corpus_scores"]
    assert whole["corpus_scores"]["fad_clap"]["counts"] == [3, 0, 0]
