"""What people said of codecs: ratings from any listening test, and who of the listeners counts."""
