"""How snac_16khz_mini was trained. A tool of the repository, not part of the wheel.

python -m training.train --data LibriSpeech/train-mini
python -m training.export --run runs/train_mini --out codecs/snac_16khz_mini

On a GPU: :mod:`training.gpu`. The model's card says what was done in which order.
"""
