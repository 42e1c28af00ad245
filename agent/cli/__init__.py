"""The ``citygate`` command: one file per subcommand."""
