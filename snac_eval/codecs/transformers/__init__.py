"""EnCodec, DAC and Mimi as Hugging Face transformers runs them (extra ``transformers``).

A card names as many codebooks as it uses: its codec takes the first ones of the model. All three
models quantise residuals: a stream depends only on the streams before it, so that the first streams
decode without the others.

==========  =======================================  ===========================================
EnCodec     arXiv 2210.13438, Défossez et al.        48 kHz: overlapping chunks of one second,
                                                     each with a scale that is sent and counted
DAC         arXiv 2306.06546, Kumar et al.           padded with zeros to whole frames
Mimi        arXiv 2410.00037, Défossez et al.        not padded
==========  =======================================  ===========================================
"""
