"""Where runs may be logged: each module has a tracker, a callback that is opened by its name."""
