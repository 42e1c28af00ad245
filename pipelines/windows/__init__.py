"""The machinery of the window step: spans of time, cells that summarise, and the stage that closes them."""
