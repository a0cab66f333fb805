"""Speed, memory and size of codecs, measured alone on the machine."""
