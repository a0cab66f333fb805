"""An agreement of metrics with listeners in words, as a table, as figures and as a page."""
