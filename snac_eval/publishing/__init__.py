"""Runs as dataset repositories of the Hugging Face hub: sent, and read back.

What is sent is what ``snac-eval export`` writes, with a card beside it and the evaluation results
in the formats of model cards. What comes back is untrusted: names, sizes and digests are checked.
"""
