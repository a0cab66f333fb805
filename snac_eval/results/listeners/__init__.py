"""Ratings by people: reading them, whose count, how far listeners agree, and means of codecs."""
