"""Every line that the log can hold, in one place: its code, level and text, why it matters, what to do."""
