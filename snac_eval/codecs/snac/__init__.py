"""SNAC, bundled: our own implementation of arXiv 2410.14411."""
