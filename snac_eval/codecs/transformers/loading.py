"""Models of transformers from a folder of the hub's format, or one line on why not."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from snac_eval.codecs.pretrained import load_pretrained
from snac_eval.codecs.transformers.kaldi import import_with_torchaudio
from snac_eval.errors import CheckpointError, detail
from snac_eval.hub import WeightFiles, quiet_transformers

EXTRACTOR_FILE = "preprocessor_config.json"
"""Settings of a model's own feature extractor."""
# Beside those that transformers' AutoModelForAudioTokenization knows.
_MORE = {"encodec": "EncodecModel", "mimi": "MimiModel", "xcodec": "XcodecModel"}


def model_classes() -> dict[str, str]:
    """By model type, as configurations have it, the class of every audio codec."""
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    return {**auto.MODEL_FOR_AUDIO_TOKENIZATION_NAMES, **_MORE}


def read_json(file: Path) -> dict[str, Any]:
    """Raises CheckpointError for what is no table."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return dict(found.items())
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: no valid configuration: {detail(error)}") from error


def read_config(file: Path) -> Any:  # noqa: ANN401 - transformers' configurations are typed as Any
    """The configuration. Raises CheckpointError for that of no audio codec."""
    found = read_json(file).get("model_type")
    transformers = quiet_transformers()
    if found not in (known := model_classes()):
        raise CheckpointError(
            f"{file}: configures a model of type '{found}', no audio codec of transformers"
            f" {transformers.__version__}: {', '.join(sorted(known))}"
        )
    try:
        return transformers.AutoConfig.from_pretrained(file.parent, local_files_only=True)
    except Exception as error:  # whatever its checks raise
        raise CheckpointError(f"{file}: no valid configuration: {detail(error)}") from error


def load_model(files: WeightFiles, model_type: str) -> Any:  # noqa: ANN401
    """The model, in float32 on the CPU. Raises CheckpointError for weights that are broken,
    incomplete or another model's."""
    from safetensors import SafetensorError

    _check_model_type(files, model_type)
    quiet_transformers()
    name, folder = model_classes()[model_type], files.config.parent
    module = import_with_torchaudio(f"transformers.models.{model_type}.modeling_{model_type}")
    try:
        return load_pretrained(getattr(module, name), folder, files.weights)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: cannot be loaded as {name}: {detail(error)}") from error


def load_extractor(folder: Path, model_type: str) -> Any:  # noqa: ANN401
    """The checkpoint's own feature extractor. Raises CheckpointError where its file does not say
    which of transformers' it is."""
    file = folder / EXTRACTOR_FILE
    name = str(read_json(file).get("feature_extractor_type"))
    transformers = quiet_transformers()
    own = f"transformers.models.{model_type}.feature_extraction_{model_type}"
    home: Any = transformers
    # transformers gives a dummy for a class that asks for torchaudio.
    if importlib.util.find_spec(own) is not None:
        home = import_with_torchaudio(own)
    found = getattr(home, name, None) or getattr(transformers, name, None)
    if found is None or not name.endswith("FeatureExtractor"):
        raise CheckpointError(f"{file}: '{name}' is no feature extractor of transformers")
    try:
        return found.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file}: cannot be loaded as {name}: {detail(error)}") from error


def _check_model_type(files: WeightFiles, model_type: str) -> None:
    found = read_json(files.config).get("model_type")
    if found != model_type:
        raise CheckpointError(
            f"{files.config}: configures a model of type '{found}', not '{model_type}'; give the"
            " weights that the card is about"
        )
