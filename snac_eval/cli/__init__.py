"""One module per command: ``add`` declares its flags, its other functions do it."""
