"""The page: one run or several, to look at and to hear."""
