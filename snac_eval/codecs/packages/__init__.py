"""Codecs that packages of their own run, each in its module.

Their modules import nothing but the standard library, NumPy and what of snac-eval does the same, so
that they can be imported in an environment that holds little more than the codec's own package.
"""
