"""Pictures of live cameras: one thread each reads and decodes, the newest picture is taken, none waits."""
