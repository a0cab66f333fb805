"""The page that listeners see: one file, and the sounds beside it."""
