"""Runs the ``citygate`` command as ``python -P -m agent``."""

from agent.cli.main import main

raise SystemExit(main())
