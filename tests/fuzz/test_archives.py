"""Archives that a corpus is downloaded as: damaged, hostile, and larger than they look."""

from __future__ import annotations

import io
import tarfile
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import tone
from tests.file_server import serve
from tests.fuzz.harness import call, few, once, place, spoilt, toml

_NAMES = ("mine/a.wav", "mine/b/c.wav", "mine/note.txt")
_ODD_NAMES = (
    *("../../input/x.wav", "/tmp/x.wav", "mine/../../x.wav", "C:\\x.wav", "mine\\..\\..\\x.wav"),
    *(
        "mine",
        "mine/a.wav/b.wav",
        "",
        ".",
        "mine/" + "x" * 300,
        "mine/é\udcff.wav",
        "mine/a\nb.wav",
    ),
)
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz")


def _wav() -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, tone(0.3), 16000, format="WAV")
    return file.getvalue()


def archive(suffix: str, names: tuple[str, ...], kind: bytes = tarfile.REGTYPE) -> bytes:
    """An archive with these members; the last one, in a tar, of this kind."""
    file, wav = io.BytesIO(), _wav()
    if suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            for name in names:
                info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
                made.writestr(info, wav)
        return file.getvalue()
    with tarfile.open(fileobj=file, mode="w:" + suffix.removeprefix(".tar").lstrip(".")) as tar:
        for index, name in enumerate(names):
            info = tarfile.TarInfo(name)
            if index == len(names) - 1 and kind != tarfile.REGTYPE:
                info.type, info.linkname = kind, "../../input/card"
                tar.addfile(info)
            else:
                info.size = len(wav)
                tar.addfile(info, io.BytesIO(wav))
    return file.getvalue()


@once
def _seeds() -> dict[str, bytes]:
    return {suffix: archive(suffix, _NAMES) for suffix in _SUFFIXES}


_TYPES = (
    *(tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE),
    *(tarfile.DIRTYPE, tarfile.CONTTYPE, b"?"),
)


@given(data=st.data())
@few(20)
def test_any_archive_is_a_corpus_or_one_line(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(_SUFFIXES))
    if data.draw(st.booleans()):
        content = data.draw(spoilt([_seeds()[suffix]]))
    else:
        names = (*_NAMES, data.draw(st.sampled_from(_ODD_NAMES)))
        content = archive(suffix, names, data.draw(st.sampled_from(_TYPES)))
    served = data.draw(st.sampled_from((suffix, suffix, ".zip", ".tar.gz")))
    with place() as where, serve(where.input) as (url, _):
        (where.input / f"mine{served}").write_bytes(content)
        (where.input / "datasets").mkdir()
        card = {
            "name": "mine",
            "loader": "corpus",
            "description": "d",
            "licence": "l",
            "citation": "c",
            "options": {
                "roots": ["mine"],
                "glob": "**/*.wav",
                "pattern": r"(.*/)?(?P<id>[^/]+)\.wav",
                "archives": [{"url": f"{url}/mine{served}", "unpacks": "mine"}],
            },
        }
        (where.input / "datasets" / "mine.toml").write_text(toml(card))
        call(
            where,
            *("run", "--model", "pcm_8bit", "--dataset", "mine", "--cards", where.input),
            *("--metrics", "bitrate", "--workers", "0", "--quiet", "--no-html"),
            *("--output", where.output / "run"),
            allowed=(0, 2, 4),
        )
        assert not list(where.cache.rglob(".unpacking-*"))
