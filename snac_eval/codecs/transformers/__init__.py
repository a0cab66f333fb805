"""EnCodec, DAC and Mimi as Hugging Face transformers runs them (extra ``transformers``).

A card names as many codebooks as it uses: its codec is the model's first that many. All three
quantise residuals, so that a stream depends on the streams before it only, and fewer streams
decode by themselves.

==========  =======================================  ===========================================
EnCodec     arXiv 2210.13438, Défossez et al.        48 kHz: overlapping chunks of one second,
                                                     each with a scale that is sent and counted
DAC         arXiv 2306.06546, Kumar et al.           padded with zeros to whole frames
Mimi        arXiv 2410.00037, Défossez et al.        as it is
==========  =======================================  ===========================================
"""
