"""Foreign bytes by the million for everything that reads them; docs/reliability.md tells how it is run."""
