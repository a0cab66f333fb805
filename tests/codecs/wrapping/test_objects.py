"""From a name, a card or an object to a codec of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from snac_eval.cli.main import main
from snac_eval.codecs.opening import open_instance, open_model
from snac_eval.codecs.wrapping.carried import Packed, StaysHere, packed, unpacked
from snac_eval.codecs.wrapping.objects import read_arguments
from snac_eval.errors import CardError, CheckpointError, SnacEvalError, UnknownNameError, UsageError
from snac_eval.run.config import RunConfig
from snac_eval.run.naming import default_output
from snac_eval.run.plan import codec_label
from snac_eval.types import Waveform
from tests.conftest import tone

MODULE = """
import torch
from helper import ROUND

class VQ(torch.nn.Module):
    sample_rate, hop, can_drop_streams = 8000, 40, True
    def __init__(self, size: int = 16, books: int = 1):
        super().__init__()
        self.codebook_size, self.num_codebooks = size, books
        self.books = torch.nn.Parameter(torch.randn(books, size, self.hop))
    def encode(self, audio):
        frames = torch.nn.functional.pad(audio, (0, -audio.shape[-1] % self.hop))
        return torch.cdist(frames.reshape(1, -1, self.hop), self.books).argmin(-1)[None]
    def decode(self, codes):
        return sum(book[one] for book, one in zip(self.books, codes[0])).reshape(1, 1, -1)

class Loads(VQ):
    def load_weights(self, path):
        self.path = path

class Takes(VQ):
    def __init__(self, weights=""):
        super().__init__()
        self.path = weights

class Silent(VQ):
    def encode(self, audio):
        raise KeyError("nothing here")

def make(size: int):
    return VQ(size)

ready = VQ()
"""
CARD = """
name = "mine"
family = "module"
description = "d"
label = "Mine"
sample_rate = 8000
num_codebooks = 2
codebook_size = 16
frame_rate_hz = 200
nominal_bitrate_bps = 1600

[options]
object = "own_vq:VQ"
args = { books = 2 }
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a module, one that it imports, and a folder of cards."""
    (tmp_path / "own_vq.py").write_text(MODULE)
    (tmp_path / "helper.py").write_text("ROUND = 1\n")
    (tmp_path / "codecs").mkdir()
    (tmp_path / "codecs" / "mine.toml").write_text(CARD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith(("own_vq", "helper", "_own_")):
            del sys.modules[name]


def _forget() -> None:
    for name in [name for name in sys.modules if name.startswith(("own_vq", "helper", "_own_"))]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "name", ["own_vq:VQ", "own_vq.py:VQ", "./own_vq.py:VQ@generation=2", "own_vq:ready"]
)
def test_objects_are_found_by_module_and_by_file(here: Path, name: str) -> None:
    codec = open_model(name)
    codec.prepare()
    assert codec.coder is not None
    waveform = Waveform(tone(0.5, 8000)[None], 8000)
    (codes,) = codec.coder.encode([waveform])
    assert codes.num_bits == 4 * 100
    assert codec.num_parameters == 16 * 40
    assert codec.takes_one_clip


def test_a_class_is_called_alike_in_every_process(here: Path) -> None:
    first = open_model("own_vq:VQ").fingerprint
    torch.rand(1)
    assert open_model("own_vq:VQ").fingerprint == first
    assert open_model("own_vq:VQ", model_args=["size=8"]).fingerprint != first
    _forget()
    (here / "helper.py").write_text("ROUND = 2\n")
    assert open_model("own_vq:VQ").fingerprint != first


def test_arguments_are_read_as_toml_json_or_text() -> None:
    found = read_arguments(
        ["a=8", "b=0.5", "c=true", "d=[2, 4]", 'e="8"', "f=some text", "g=null", "h=", "i=a=b"]
    )
    assert found == {
        **{"a": 8, "b": 0.5, "c": True, "d": [2, 4], "e": "8", "f": "some text"},
        **{"g": None, "h": "", "i": "a=b"},
    }
    for bad, reason in (("a", "write key=value"), ("=1", "write key=value")):
        with pytest.raises(UsageError, match=reason):
            read_arguments([bad])
    with pytest.raises(UsageError, match="'a' is given twice"):
        read_arguments(["a=1", "a=2"])


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("own_vq:VQ", ["sise=8"], r"unexpected keyword argument 'sise'; it takes size: int = 16"),
        ("own_vq:make", [], "missing a required argument: 'size'"),
        ("own_vq:VQ", ["size='x'"], r"calling it failed: .*\(own_vq.py, line 10\)"),
        ("own_vq:ready", ["size=8"], "is an object already and takes no --model-args"),
        ("opus_6kbps", ["size=8"], "--model-args is for codecs of one's own"),
        ("own_vq:Vq", [], "did you mean 'VQ'"),
        ("nowhere.py:VQ", [], "there is no such file"),
        ("own_vq:torch", [], "gives no codec: a module has no 'encode' and no 'decode'"),
        ("own_vq:VQ@k=2", [], "@k=2: it has 1 streams, give 1 to 1"),
        ("own_vq:Silent", [], r"cannot code a clip: KeyError: 'nothing here' \(own_vq.py, line 28"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    here: Path, name: str, arguments: list[str], reason: str
) -> None:
    with pytest.raises(SnacEvalError, match=reason):
        open_model(name, model_args=arguments).prepare()


def test_a_card_gives_a_name_a_label_and_arguments(here: Path) -> None:
    codec = open_model("mine", [here])
    codec.prepare()
    assert (codec.card.name, codec.card.label, codec.card.channels) == ("mine", "Mine", 1)
    assert codec.num_parameters == 2 * 16 * 40
    first = open_model("mine@k=1", [here])
    first.prepare()
    assert first.coder is not None
    assert first.card.nominal_bitrate_bps == 800
    (codes,) = first.coder.encode([Waveform(tone(0.5, 8000)[None], 8000)])
    assert codes.codebook_sizes == (16,)
    with pytest.raises(SnacEvalError, match="2 codebook sizes are declared, but encode gives 3"):
        open_model("mine", [here], model_args=["books=3"]).prepare()
    card = here / "codecs" / "mine.toml"
    card.write_text(CARD.replace("sample_rate = 8000", "sample_rate = 16000"))
    with pytest.raises(CardError, match=r"sample_rate is 16000, but .* says 8000"):
        open_model("mine", [here])
    card.write_text(CARD.replace("args =", "arguments ="))
    with pytest.raises(CardError, match="unknown key 'arguments'"):
        open_model("mine", [here])


def test_a_card_is_an_instance_too(here: Path) -> None:
    card = open_model("mine", [here]).card
    codec = open_instance(unpacked(packed(card)), "mine@k=1")
    codec.prepare()
    assert codec.card.name == "mine@k=1"
    assert open_instance(open_model("opus_6kbps").card, "opus_6kbps").coder is not None


def test_weights_are_handed_over_to_whoever_can_load_them(here: Path) -> None:
    from safetensors.torch import save_file

    model = open_model("own_vq:VQ")
    state = {"books": torch.ones(1, 16, 40)}
    save_file(state, here / "w.safetensors")
    torch.save({"state_dict": state}, here / "w.pt")
    prints = set()
    for file in ("w.safetensors", "w.pt"):
        loaded = open_model("own_vq:VQ", weights=file)
        loaded.prepare()
        assert loaded.torch_modules()[0].books.eq(1).all()
        prints.add(loaded.fingerprint.partition(";state=")[2].partition(";")[0])
    assert len(prints) == 1
    assert prints.pop() not in model.fingerprint
    for name in ("Loads", "Takes"):
        one = open_model(f"own_vq:{name}", weights="anything at all")
        one.prepare()
        assert one.torch_modules()[0].path == "anything at all"
    torch.save({"books": torch.ones(1, 8, 40)}, here / "other.pt")
    with pytest.raises(CheckpointError, match=r"other.pt cannot be loaded: .*size mismatch"):
        open_model("own_vq:VQ", weights="other.pt").prepare()
    (here / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(CheckpointError, match=r"evil.pt cannot be loaded"):
        open_model("own_vq:VQ", weights="evil.pt").prepare()
    assert not (here / "pwned").exists()


def test_objects_travel_unless_they_are_of_the_callers_main(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model("own_vq:VQ").torch_modules()[0]
    carried = packed(model)
    assert isinstance(carried, Packed)
    again = open_instance(unpacked(carried), "VQ")
    assert again.fingerprint == open_instance(model, "VQ").fingerprint
    monkeypatch.setattr(sys.modules["__main__"], "VQ", type(model), raising=False)
    monkeypatch.setattr(type(model), "__module__", "__main__")
    with pytest.raises(StaysHere, match="is defined in __main__"):
        packed(model)
    model.hook = lambda: None
    with pytest.raises(StaysHere, match="cannot be pickled"):
        packed(model)


def test_names_and_folders_tell_objects_and_arguments_apart() -> None:
    assert codec_label("deep/down/own.py:VQ") == "own.py:VQ"
    folders = {
        default_output(RunConfig(model, "demo", Path("runs"), model_args=args))
        for model in ("a/own.py:VQ", "b/own.py:VQ", "own:VQ")
        for args in ((), ("size=8",))
    }
    assert len(folders) == 6


def test_a_card_and_its_file_have_one_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "codecs" / "mine.toml").rename(here / "codecs" / "other.toml")
    ways = (
        ["list", "codecs"],
        ["run", "--model", "other", "--dataset", "demo"],
        ["run", "--model", "mine", "--dataset", "demo"],
        ["validate", "other"],
        ["validate", "mine"],
    )
    for way in ways:
        assert main([*way, "--cards", str(here)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "'mine'" in error
        assert "'other'" in error


def test_unknown_modules_are_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="nor is there such a module here"):
        open_model("no_such_module_here:VQ")


def test_an_array_is_a_setting(here: Path) -> None:
    class Table:
        sample_rate = 8000

        def __init__(self, level: float) -> None:
            self.table = np.full(3, level)

        def encode(self, audio: object) -> None:
            """Never asked."""

        decode = encode

    one, other = (open_instance(Table(level), "T").fingerprint for level in (1, 2))
    assert one != other


def test_a_codec_that_is_another_in_each_process_stays_in_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here / "own_vq.py").open("a") as file:
        file.write(
            "\nimport os\nclass Other(VQ):\n    def __init__(self):\n"
            "        super().__init__()\n        self.id = os.urandom(8)\n"
        )
    run = ["run", "--model", "own_vq:Other", "--dataset", "demo", "--limit", "2", "--quiet"]
    assert main([*run, "--metrics", "bitrate", "--no-html", "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "each process would have another one" in said.err
    assert "all is done in one process" in said.err
